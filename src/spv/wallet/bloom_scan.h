/* A scan with bloom filters (BIP37): peers get a filter of what is watched, send the transactions
 * that match, and prove that these are in the blocks. It tells every peer that is used what is
 * watched, and no peer can be proven to have sent all: cross_check asks two.
 *
 * A pure state machine, used like a scan with compact filters (spv/filters/filter_scan.h). */
#ifndef SPV_WALLET_BLOOM_SCAN_H
#define SPV_WALLET_BLOOM_SCAN_H

#include "spv/filters/block_fetch.h"
#include "spv/wallet/coin_source.h"

/* ours: heights requested or answered above the next one; an outpoint that is found has up to so
 * many requested again */
#define SPV_BLOOM_WINDOW 128
#define SPV_BLOOM_BATCH 16 /* ours: blocks of a getdata; a ping follows each */
#define SPV_BLOOM_PEER_BATCHES                                                                     \
    2 /* ours: batches on a peer: it works on one while the other travels */
/* ours: transactions, proofs and whole blocks that wait; beyond, only the next height is requested.
 * A payer of dust decides how much there is, a peer does not: all is proven to be in blocks */
#define SPV_BLOOM_BUFFER_BYTES (16 * 1024 * 1024)
#define SPV_BLOOM_MAX_WHOLE 8 /* ours: whole blocks wanted at a time */
#define SPV_BLOOM_TIMEOUT_US                                                                       \
    (20 * SPV_SECOND) /* ours: without an answer; then another is asked                            \
                       */
#define SPV_BLOOM_STALL_US                                                                         \
    (60 * SPV_SECOND) /* ours: without an answer; then it is disconnected                          \
                       */
/* ours: a peer that left out a block gets no request as deep for so long; Bitcoin Core is silent
 * about blocks that it lacks */
#define SPV_BLOOM_LACKS_US (60 * SPV_SECOND)
#define SPV_BLOOM_MAX_UNSOLICITED                                                                  \
    3 /* ours: a peer that sends so many unrequested ones is dropped */
/* ours: false positives after which a filter is loaded again: with the flag ALL each adds an
 * outpoint to the peer's copy, until all matches */
#define SPV_BLOOM_MAX_FALSE 100
#define SPV_BLOOM_RATE 0.001 /* WATCH.md: "36,000 bytes hold 20,000 items at 0.1 %" */
#define SPV_BLOOM_MAX_RATE 0.05 /* "beyond 5 % the source is refused" */
/* ours: items of the smallest filter; 20,000 are five steps of two further */
#define SPV_BLOOM_CAPACITY 625
#define SPV_BLOOM_MAX_TX_REQUESTS                                                                  \
    100 /* ours: unconfirmed transactions requested from a peer at a time */
#define SPV_BLOOM_SEEN_TXS 1024 /* ours: of false positives, which are not requested again */

/* What is stored with a wallet and reused for all peers, reloads and restarts: filters of different
 * tweaks or sizes could be intersected, which leaves what is really watched. */
struct spv_bloom_params {
    uint32_t tweak;
    uint32_t capacity; /* items at SPV_BLOOM_RATE; 0: no filter was loaded yet */
};

struct spv_bloom_scan_config {
    const struct spv_chain *chain; /* borrowed, as all that is pointed at here */
    struct spv_peer_table *peers;
    struct spv_effects *effects;
    struct spv_block_fetch *blocks; /* wanted as SPV_BLOCKS_OF_COINS */
    struct spv_rng rng;
    struct spv_bloom_params params;
    bool cross_check; /* two peers are asked for each block */
    /* satoshis: a block with such an output to the wallet is fetched whole; 0: none is */
    int64_t whole_from;
};

struct spv_bloom_scan_stats {
    bool running; /* a scan was begun, and was not stopped */
    uint32_t first, last; /* its heights; last: UINT32_MAX when it follows the tip */
    uint32_t height; /* everything below is scanned */
    uint32_t left; /* blocks that are yet to be scanned, those that are scanned again included */
    size_t items; /* in the filter */
    double rate; /* of its false positives: shown above SPV_BLOOM_RATE */
    unsigned peers; /* that have a filter */
    bool is_matching; /* and it has all items */
    uint64_t blocks; /* filtered ones that were received */
    uint64_t again; /* of them that count no more, as the filter has grown */
    uint64_t false_positives; /* transactions */
    uint64_t whole_blocks;
    uint64_t omissions; /* found */
    uint64_t matches; /* blocks that were reported */
    size_t memory; /* bytes */
};

/* What a tx message was. */
enum spv_bloom_tx {
    SPV_BLOOM_TX_NOT_MINE = 0, /* not requested here, or a false positive */
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
/* Watches more scripts, or known ones once more, from a height on, also below the first one: what
 * was answered without them, and what was reported already, is requested again.
 * Returns 0, SPV_ERR_BLOOM_SCRIPT for a script without a push of 20 bytes or more,
 * SPV_ERR_BLOOM_RATE beyond SPV_BLOOM_MAX_RATE, SPV_ERR_STATE without a scan (nothing is added
 * then), or SPV_ERR_NOMEM. */
int spv_bloom_scan_add(struct spv_bloom_scan *s, const struct spv_bytes *scripts, size_t n,
                       uint32_t from);
/* Watches an output, of the wallet or a foreign one that an unconfirmed transaction spends; from
 * the next height on. Errors as above. */
int spv_bloom_scan_add_output(struct spv_bloom_scan *s, const struct spv_txid *txid,
                              uint32_t index);
/* Watches a transaction, from a height on. Errors as above. */
int spv_bloom_scan_add_txid(struct spv_bloom_scan *s, const struct spv_txid *txid, uint32_t from);
void spv_bloom_scan_stop(struct spv_bloom_scan *s);
/* What is to be stored; the capacity grows with the items, also with outputs that were found. */
struct spv_bloom_params spv_bloom_scan_params(const struct spv_bloom_scan *s);

/* A new peer of the table, whose services are set; one without NODE_BLOOM is not used. Returns 0 or
 * SPV_ERR_NOMEM. */
int spv_bloom_scan_add_peer(struct spv_bloom_scan *s, uint64_t id);
/* Before the peer leaves the table; any id. */
void spv_bloom_scan_remove_peer(struct spv_bloom_scan *s, uint64_t id);

/* Messages. They return 1 when the message is of this scan, 0 when it is not, or a failure of ours.
 */
int spv_bloom_scan_merkleblock(struct spv_bloom_scan *s, uint64_t id,
                               const struct spv_msg_merkleblock *msg, struct spv_now now);
int spv_bloom_scan_pong(struct spv_bloom_scan *s, uint64_t id, const struct spv_msg_ping *msg,
                        struct spv_now now);
int spv_bloom_scan_notfound(struct spv_bloom_scan *s, uint64_t id, const struct spv_msg_inv *msg,
                            struct spv_now now);
/* Requests announced transactions, from each peer that announces them: the wallet counts network
 * groups. The caller leaves out those that the wallet has. */
int spv_bloom_scan_inv(struct spv_bloom_scan *s, uint64_t id, const struct spv_msg_inv *msg);
/* Returns enum spv_bloom_tx, or a failure of ours. */
int spv_bloom_scan_tx(struct spv_bloom_scan *s, uint64_t id, const struct spv_tx *tx,
                      struct spv_now now);
/* A block that block_fetch handed on to SPV_BLOCKS_OF_COINS. Returns 0 or a failure of ours. */
int spv_bloom_scan_block(struct spv_bloom_scan *s, const struct spv_fetched_block *block);

/* The blocks above a height are other ones now. Before the next run. */
void spv_bloom_scan_roll_back(struct spv_bloom_scan *s, uint32_t height);
void spv_bloom_scan_timer(struct spv_bloom_scan *s, struct spv_now now); /* then run */
uint64_t spv_bloom_scan_deadline(const struct spv_bloom_scan *s);
/* The next peer to be disconnected, and why: 1 or 0. */
int spv_bloom_scan_next_disconnect(struct spv_bloom_scan *s, struct spv_segments_drop *out);

/* After every input: requests blocks up to `available`, a height of the best chain. at_tip: that is
 * the tip of the synced chain. Returns 0; SPV_ERR_BLOOM_RATE when the outpoints that were found do
 * not fit any more; or a failure of ours. */
int spv_bloom_scan_run(struct spv_bloom_scan *s, uint32_t available, bool at_tip,
                       struct spv_now now);
/* The next event: 1 and *out, valid until the next call of another function; then
 * spv_bloom_scan_run again, which goes on: the outputs that a MATCH found are added in between. A
 * MATCH may come again after scripts were added. 0: there is none. */
int spv_bloom_scan_next(struct spv_bloom_scan *s, struct spv_source_event *out);

void spv_bloom_scan_get_stats(const struct spv_bloom_scan *s, struct spv_bloom_scan_stats *out);

#endif
