/* Requests of the transactions that peers announce, for a wallet whose peers do not know what it
 * watches: each unknown one is requested from the first two peers that announce it, as one alone
 * could hold it back. (A scan with bloom filters has its own: bloom_unconfirmed.c.)
 *
 * Pure. */
#ifndef SPV_WALLET_TX_REQUESTS_H
#define SPV_WALLET_TX_REQUESTS_H

#include <stdbool.h>

#include "spv/effects/effects.h"

/* Unanswered requests of one peer (Bitcoin Core: MAX_PEER_TX_REQUEST_IN_FLIGHT) */
#define SPV_TX_REQUESTS_OPEN 100
/* ours: items of an inv that are read: Bitcoin Core sends up to 1,000 (INVENTORY_BROADCAST_MAX) */
#define SPV_TX_REQUESTS_ITEMS 1000
#define SPV_TX_REQUESTS_PEERS 2 /* peers that one transaction is requested from */
/* ours: transactions that are remembered as received; two hours of mainnet. 512 KiB. */
#define SPV_TX_REQUESTS_SEEN 65536

struct spv_tx_requests;

/* The caller frees it with spv_tx_requests_free. effects is borrowed. Returns 0 or SPV_ERR_NOMEM.
 */
int spv_tx_requests_new(struct spv_tx_requests **out, struct spv_effects *effects,
                        const struct spv_rng *rng);
void spv_tx_requests_free(struct spv_tx_requests *t); /* NULL is allowed */

/* A peer that announced n items, those of other kinds are ignored. has_witness: the peer has
 * NODE_WITNESS. Returns 0, SPV_ERR_NOMEM or the effect queue's error. */
int spv_tx_requests_inv(struct spv_tx_requests *t, uint64_t peer, bool has_witness,
                        const struct spv_inv *items, size_t n);
/* A peer sent a transaction. Returns whether it was requested from that peer. */
bool spv_tx_requests_tx(struct spv_tx_requests *t, uint64_t peer, const struct spv_txid *txid);
void spv_tx_requests_notfound(struct spv_tx_requests *t, uint64_t peer,
                              const struct spv_msg_inv *msg);
/* The peer is gone; any id. */
void spv_tx_requests_remove(struct spv_tx_requests *t, uint64_t peer);
/* Bytes of memory in use. */
size_t spv_tx_requests_memory(const struct spv_tx_requests *t);

#endif
