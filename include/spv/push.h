/* Helpers that build and queue frequently used messages. Each queues as spv_peer_send does, returns
 * its errors besides those listed, and has its thread rule. What is passed in is copied before the
 * call returns. Hashes are in internal byte order. */
#ifndef SPV_PUSH_H
#define SPV_PUSH_H

#include "spv/message.h"
#include "spv/peer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_PEER_KNOWN 50000 /* ours: hashes that are remembered as known to a peer, at least */
#define SPV_PEER_INVENTORY 50000 /* ours: transactions that wait for a trickle; an inv's limit */
#define SPV_PEER_TRICKLE 1000 /* ours: transactions in one announcement */
#define SPV_FEE_UNKNOWN UINT64_MAX /* passes every fee filter */

/* Announces a transaction or block in an inv, unless the peer has it. The type is SPV_INV_BLOCK,
 * SPV_INV_TX, or SPV_INV_WTX when both sides sent wtxidrelay (BIP339).
 *
 * A block is queued at once. A transaction waits for the next trickle: after a random,
 * exponentially distributed delay (mean: timeouts.trickle, 10 s), up to SPV_PEER_TRICKLE
 * transactions are announced together. It is left out if by then the peer has it, accepts no
 * transactions (BIP37), or has set a fee filter above fee_rate (BIP133; satoshis per 1,000 virtual
 * bytes, ignored for blocks). When the peer loaded a bloom filter (filtered in the statistics), the
 * caller must check before that the transaction matches it.
 * Returns 1 when it is queued, 0 when it is left out, SPV_ERR_INVALID for another type, or
 * SPV_ERR_QUEUE_FULL, also when SPV_PEER_INVENTORY transactions wait. */
SPV_API int spv_peer_push_inventory(struct spv_peer *p, const struct spv_inv *item,
                                    uint64_t fee_rate, struct spv_now now);

/* Announces n new blocks, each the parent of the next. Leading blocks that the peer has are
 * skipped. The rest is announced by a headers message if the peer sent sendheaders (BIP130), there
 * are at most 8, and the peer has the parent of the first; otherwise by an inv with the last one's
 * hash.
 * Returns 1, or 0 when n is 0 or the peer has the last block. */
SPV_API int spv_peer_announce(struct spv_peer *p, const struct spv_header *headers, size_t n,
                              struct spv_now now);

/* Returns true when the peer is known to have the item: it announced it, sent it or named it in a
 * locator, or we announced or sent it. At least the last SPV_PEER_KNOWN (or max_known) hashes are
 * remembered. */
SPV_API bool spv_peer_knows(const struct spv_peer *p, const struct spv_hash256 *hash);

/* Sends up to SPV_MAX_ADDR of the n addresses in one message: an addrv2 if the peer sent sendaddrv2
 * (BIP155), else an addr. They are chosen uniformly at random among those that the message can
 * encode, and shuffled. sent (NULL, or an array of SPV_MAX_ADDR) receives their indexes in entries.
 * Returns the number of addresses sent, or SPV_ERR_STATE before the handshake is complete. */
SPV_API int spv_peer_push_addr(struct spv_peer *p, size_t *sent,
                               const struct spv_addr_entry *entries, size_t n, struct spv_now now);

/* Sends getheaders or getblocks with a locator of n hashes, newest first. stop is the hash to end
 * at; NULL: as many as fit into one answer.
 * Returns 1, or 0 and sends nothing when a request with the same first hash and stop is not
 * answered yet (a getblocks counts as unanswered for timeouts.getheaders at most), or
 * SPV_ERR_TOO_LONG for more than SPV_MAX_LOCATOR hashes. */
SPV_API int spv_peer_push_getheaders(struct spv_peer *p, const struct spv_blockhash *locator,
                                     size_t n, const struct spv_blockhash *stop,
                                     struct spv_now now);
SPV_API int spv_peer_push_getblocks(struct spv_peer *p, const struct spv_blockhash *locator,
                                    size_t n, const struct spv_blockhash *stop, struct spv_now now);

/* Sends a reject (BIP61): the command of the rejected message, a code (SPV_REJECT_*), a reason (cut
 * to SPV_MAX_REJECT_REASON bytes), and the hash of a rejected block or transaction, else NULL.
 * Returns 0, SPV_ERR_INVALID for an empty or too long command, or SPV_ERR_UNSUPPORTED unless the
 * negotiated version is 70002 to 70015. */
SPV_API int spv_peer_push_reject(struct spv_peer *p, const char *command, uint8_t code,
                                 const char *reason, const struct spv_hash256 *hash,
                                 struct spv_now now);

/* Load, extend and remove a bloom filter (BIP37); element has n bytes. Before the handshake is
 * complete the message is queued, and dropped at the handshake's end if the peer does not offer
 * SPV_NODE_BLOOM.
 * Return 0, SPV_ERR_UNSUPPORTED when the peer does not offer SPV_NODE_BLOOM and would disconnect us
 * (BIP111), or SPV_ERR_TOO_LONG or SPV_ERR_INVALID beyond the limits of BIP37. */
SPV_API int spv_peer_push_filterload(struct spv_peer *p, const struct spv_msg_filterload *filter,
                                     struct spv_now now);
SPV_API int spv_peer_push_filteradd(struct spv_peer *p, const uint8_t *element, size_t n,
                                    struct spv_now now);
SPV_API int spv_peer_push_filterclear(struct spv_peer *p, struct spv_now now);

#ifdef __cplusplus
}
#endif

#endif
