/* The source of coins with bloom filters (BIP37): peers get a filter of what is watched, send the
 * transactions that match, and prove that these are in the blocks. It reveals what is watched to
 * every peer that is used, and a peer cannot prove that it left nothing out: with cross_check two
 * peers are compared.
 *
 * A pure state machine, used like a scan with compact filters (spv/filters/filter_scan.h). A
 * *filtered block* is a merkleblock message and the transactions that follow it. An *item* is what
 * a filter contains: a data push of a script, an outpoint or a txid. */
#ifndef SPV_WALLET_BLOOM_SCAN_H
#define SPV_WALLET_BLOOM_SCAN_H

#include "spv/filters/block_fetch.h"
#include "spv/wallet/coin_source.h"
#include "spv/wallet_event.h"

/* ours: heights requested or answered above the next one; an outpoint that is found causes up to
 * this many to be requested again */
#define SPV_BLOOM_WINDOW 128
#define SPV_BLOOM_BATCH 16 /* ours: blocks per getdata; a ping follows each getdata */
/* ours: open batches per peer: it answers one while the other is on its way */
#define SPV_BLOOM_PEER_BATCHES 2
/* ours: bytes of buffered transactions, proofs and whole blocks; above it only the next height is
 * requested. Payers of dust can fill it, peers cannot: all of it is proven to be in blocks */
#define SPV_BLOOM_BUFFER_BYTES (16 * 1024 * 1024)
#define SPV_BLOOM_MAX_WHOLE 8 /* ours: whole blocks requested at a time */
/* ours: without an answer; then the heights are requested from another peer \ */
#define SPV_BLOOM_TIMEOUT_US (20 * SPV_SECOND)
/* ours: without an answer; then the peer is disconnected \ */
#define SPV_BLOOM_STALL_US (60 * SPV_SECOND)
/* ours: a peer that left out a block gets no request for blocks that deep for this long; Bitcoin
 * Core does not answer for blocks that it lacks */
#define SPV_BLOOM_LACKS_US (60 * SPV_SECOND)
/* ours: filtered blocks; a peer that sends this many unsolicited ones is disconnected */
#define SPV_BLOOM_MAX_UNSOLICITED 3
/* ours: after this many false positives a filter is loaded again: with BLOOM_UPDATE_ALL each adds
 * an outpoint to the peer's copy, until everything matches */
#define SPV_BLOOM_MAX_FALSE 100
/* false positives per item; WATCH.md: "36,000 bytes hold 20,000 items at 0.1 %" */
#define SPV_BLOOM_RATE 0.001
#define SPV_BLOOM_MAX_RATE 0.05 /* "beyond 5 % the source is refused" */
/* ours: items of the smallest filter; doubled five times it is 20,000 */
#define SPV_BLOOM_CAPACITY 625
/* ours: unconfirmed transactions requested from a peer at a time */
#define SPV_BLOOM_MAX_TX_REQUESTS 100
#define SPV_BLOOM_SEEN_TXS 1024 /* ours: of false positives, which are not requested again */

struct spv_bloom_scan_config {
    const struct spv_chain *chain; /* borrowed, as all pointers here */
    struct spv_peer_table *peers;
    struct spv_effects *effects;
    struct spv_block_fetch *blocks; /* this scan requests as SPV_BLOCKS_OF_COINS */
    struct spv_rng rng;
    struct spv_bloom_params params; /* as stored */
    bool cross_check; /* each block is requested from two peers */
    /* satoshis: a block with such an output to the wallet is fetched whole; 0: no block is fetched
     * whole */
    int64_t whole_from;
};

struct spv_bloom_scan_stats {
    bool running; /* a scan was begun, and was not stopped */
    uint32_t first, last; /* its heights; last: UINT32_MAX when it follows the tip */
    uint32_t height; /* the lowest that is not scanned yet */
    uint32_t left; /* blocks that are yet to be scanned, repeated ones included */
    size_t items; /* in the filter */
    double
        rate; /* of its false positives; the user should see it when it is above SPV_BLOOM_RATE */
    unsigned peers; /* that have a filter */
    bool is_matching; /* all their filters have all items */
    uint64_t blocks; /* filtered blocks that were received */
    uint64_t again; /* of them those that are requested again, because the filter has grown */
    uint64_t false_positives; /* transactions */
    uint64_t whole_blocks;
    uint64_t omissions; /* matching transactions that peers have left out */
    uint64_t matches; /* FOUND events */
    size_t memory; /* bytes */
};

/* The meaning of a tx message. */
enum spv_bloom_tx {
    SPV_BLOOM_TX_NOT_MINE = 0, /* not requested by this scan, or a false positive */
    SPV_BLOOM_TX_OF_BLOCK = 1, /* part of a filtered block */
    SPV_BLOOM_TX_UNCONFIRMED = 2, /* it matches what is watched; stripped when the peer lacks
                                     NODE_WITNESS */
};

struct spv_bloom_scan;

int spv_bloom_scan_new(struct spv_bloom_scan **out, const struct spv_bloom_scan_config *cfg);
void spv_bloom_scan_free(struct spv_bloom_scan *s); /* NULL is allowed */

/* Begins a scan of first..last (UINT32_MAX: follow the tip). Returns 0, SPV_ERR_INVALID when first
 * is 0 or above last, SPV_ERR_STATE when one is running, an error of spv_bloom_scan_add, or a
 * failure of ours. */
int spv_bloom_scan_begin(struct spv_bloom_scan *s, const struct spv_bytes *scripts, size_t n,
                         uint32_t first, uint32_t last);
/* Watches more scripts, or known ones once more, from a height on, also below the first one: blocks
 * that were answered without them, or reported already, are requested again. Returns 0,
 * SPV_ERR_BLOOM_SCRIPT for a script without a push of 20 bytes or more, SPV_ERR_BLOOM_RATE beyond
 * SPV_BLOOM_MAX_RATE, SPV_ERR_STATE without a scan (nothing is added then), or SPV_ERR_NOMEM. */
int spv_bloom_scan_add(struct spv_bloom_scan *s, const struct spv_bytes *scripts, size_t n,
                       uint32_t from);
/* Watches for the spend of an output, from the next height on: one of the wallet, or a foreign one
 * that an unconfirmed transaction spends. Errors as above. */
int spv_bloom_scan_add_output(struct spv_bloom_scan *s, const struct spv_txid *txid,
                              uint32_t index);
/* Watches a transaction, from a height on. Errors as above. */
int spv_bloom_scan_add_txid(struct spv_bloom_scan *s, const struct spv_txid *txid, uint32_t from);
void spv_bloom_scan_stop(struct spv_bloom_scan *s);
/* Returns what must be stored before the next filter is sent; the size grows with the items, also
 * with outputs that were found. */
struct spv_bloom_params spv_bloom_scan_params(const struct spv_bloom_scan *s);

/* A new peer of the table, whose services are set; one without NODE_BLOOM is not used. Returns 0 or
 * SPV_ERR_NOMEM. */
int spv_bloom_scan_add_peer(struct spv_bloom_scan *s, uint64_t id);
/* To be called before the peer leaves the table; an unknown id is allowed. */
void spv_bloom_scan_remove_peer(struct spv_bloom_scan *s, uint64_t id);

/* Messages. They return 1 when the message belongs to this scan, 0 when it does not, or a failure
 * of our own side. */
int spv_bloom_scan_merkleblock(struct spv_bloom_scan *s, uint64_t id,
                               const struct spv_msg_merkleblock *msg, struct spv_now now);
int spv_bloom_scan_pong(struct spv_bloom_scan *s, uint64_t id, const struct spv_msg_ping *msg,
                        struct spv_now now);
int spv_bloom_scan_notfound(struct spv_bloom_scan *s, uint64_t id, const struct spv_msg_inv *msg,
                            struct spv_now now);
/* Requests announced transactions, from each peer that announces them, because the wallet counts
 * network groups. The caller leaves out those that the wallet has. */
int spv_bloom_scan_inv(struct spv_bloom_scan *s, uint64_t id, const struct spv_msg_inv *msg);
/* Returns enum spv_bloom_tx, or a failure of ours. */
int spv_bloom_scan_tx(struct spv_bloom_scan *s, uint64_t id, const struct spv_tx *tx,
                      struct spv_now now);
/* A block that block_fetch has fetched for SPV_BLOCKS_OF_COINS. Returns 0 or a failure of ours. */
int spv_bloom_scan_block(struct spv_bloom_scan *s, const struct spv_fetched_block *block);

/* The blocks above a height left the best chain. To be called before the next run. */
void spv_bloom_scan_roll_back(struct spv_bloom_scan *s, uint32_t height);
void spv_bloom_scan_timer(struct spv_bloom_scan *s, struct spv_now now); /* then run */
uint64_t spv_bloom_scan_deadline(const struct spv_bloom_scan *s);
/* Returns 1 and the next peer to be disconnected, with the reason, or 0. */
int spv_bloom_scan_next_disconnect(struct spv_bloom_scan *s, struct spv_disconnect *out);

/* After every input: requests blocks up to `available`, a height of the best chain. at_tip: that is
 * the tip of the synced chain. Returns 0; SPV_ERR_BLOOM_RATE when the outpoints that were found
 * raise the rate above SPV_BLOOM_MAX_RATE; or a failure of ours. */
int spv_bloom_scan_run(struct spv_bloom_scan *s, uint32_t available, bool at_tip,
                       struct spv_now now);
/* Returns 1 and the next event, valid until the next call of another function, after which
 * spv_bloom_scan_run must be called again; or 0. The caller adds the outputs that a FOUND event
 * brings before that. The same block may be found again after scripts were added. */
int spv_bloom_scan_next(struct spv_bloom_scan *s, struct spv_source_event *out);

void spv_bloom_scan_get_stats(const struct spv_bloom_scan *s, struct spv_bloom_scan_stats *out);

#endif
