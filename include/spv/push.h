/* Messages that callers send most, built and sent in one call. All follow spv_peer_send: its errors
 * are theirs, and its thread rule. */
#ifndef SPV_PUSH_H
#define SPV_PUSH_H

#include "spv/message.h"
#include "spv/peer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_PEER_KNOWN 50000 /* ours: hashes that a peer is known to have, at least so many */
#define SPV_PEER_INVENTORY                                                                         \
    50000 /* ours: transactions that wait to be announced; an inv's worth                          \
           */
#define SPV_PEER_TRICKLE 1000 /* ours: transactions announced at once */
#define SPV_FEE_UNKNOWN UINT64_MAX /* passes every fee filter */

/* Announces a transaction (SPV_INV_TX, or SPV_INV_WTX where both sides agreed on wtxidrelay) or a
 * block, unless the peer has it. A block goes at once. A transaction waits for the next trickle, up
 * to SPV_PEER_TRICKLE at a time after a random delay of 10 s in the mean (Poisson); it goes then if
 * the peer wants transactions, has not got it meanwhile, and asks for no higher fee rate than
 * fee_rate (satoshis per 1,000 virtual bytes; ignored for blocks). Whether it matches a filter that
 * the peer loaded (stats: filtered) is the caller's to judge before. Returns 1 queued or sent, 0
 * left out; SPV_ERR_QUEUE_FULL also beyond SPV_PEER_INVENTORY, SPV_ERR_INVALID for other types. */
SPV_API int spv_peer_push_inventory(struct spv_peer *p, const struct spv_inv *item,
                                    uint64_t fee_rate, struct spv_now now);

/* Announces n new blocks, oldest first, each after the one before, as the peer prefers it: by their
 * headers if it asked so (BIP130), they are at most 8 (those in front that it has not counted) and
 * follow a block that it has; else by the last one's hash. Returns 1, or 0 when it has the last. */
SPV_API int spv_peer_announce(struct spv_peer *p, const struct spv_header *headers, size_t n,
                              struct spv_now now);

/* True when the peer announced, sent or located this, or was told of it; the last
 * SPV_PEER_KNOWN (or max_known) are remembered. */
SPV_API bool spv_peer_knows(const struct spv_peer *p, const struct spv_hash256 *hash);

/* Sends up to SPV_MAX_ADDR of the n addresses, fairly chosen and shuffled, of those that the
 * message's form (addrv2 when the peer asked for it, else addr) can carry. Returns how many; sent
 * (NULL, or room for SPV_MAX_ADDR) gets their places in entries. SPV_ERR_STATE before the handshake
 * is through. */
SPV_API int spv_peer_push_addr(struct spv_peer *p, size_t *sent,
                               const struct spv_addr_entry *entries, size_t n, struct spv_now now);

/* getheaders and getblocks from a locator (newest first); stop NULL: as many as the peer can.
 * Returns 1 sent; 0 left out, because the same pair of first hash and stop was asked and the answer
 * is still to come (getblocks: for as long as a getheaders may take). */
SPV_API int spv_peer_push_getheaders(struct spv_peer *p, const struct spv_blockhash *locator,
                                     size_t n, const struct spv_blockhash *stop,
                                     struct spv_now now);
SPV_API int spv_peer_push_getblocks(struct spv_peer *p, const struct spv_blockhash *locator,
                                    size_t n, const struct spv_blockhash *stop, struct spv_now now);

/* Rejects a message (BIP61; SPV_REJECT_*): its command, why (cut at SPV_MAX_REJECT_REASON), and for
 * a block or transaction its hash, else NULL. SPV_ERR_UNSUPPORTED outside 70002..70015. */
SPV_API int spv_peer_push_reject(struct spv_peer *p, const char *command, uint8_t code,
                                 const char *reason, const struct spv_hash256 *hash,
                                 struct spv_now now);

/* Bloom filters (BIP37), for a peer that offers SPV_NODE_BLOOM: SPV_ERR_UNSUPPORTED for any other
 * (BIP111), which would drop us; before the handshake is through they wait, and are left out then.
 * SPV_ERR_TOO_LONG, SPV_ERR_INVALID beyond what BIP37 allows. */
SPV_API int spv_peer_push_filterload(struct spv_peer *p, const struct spv_msg_filterload *filter,
                                     struct spv_now now);
SPV_API int spv_peer_push_filteradd(struct spv_peer *p, const uint8_t *element, size_t n,
                                    struct spv_now now);
SPV_API int spv_peer_push_filterclear(struct spv_peer *p, struct spv_now now);

#ifdef __cplusplus
}
#endif

#endif
