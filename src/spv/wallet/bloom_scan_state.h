/* The internals of a scan with bloom filters, shared by its source files. Each calls only those
 * above it: bloom_filter.c (the filter and its versions), bloom_window.c (heights and what was
 * answered for them), bloom_peers.c (filters and requests of peers), bloom_unconfirmed.c,
 * bloom_answers.c (messages), bloom_scan.c (inputs and events).
 *
 * New items get a new version of the filter. A peer's filter has the version that it was loaded
 * with; a height has a lowest version, which the filter of its answers must have:
 *
 *     filterload 7, getdata 100..115, ping      batch of version 7
 *     new script from height 90 on: version 8   heights from 90 on need 8
 *     merkleblock 100 ... pong                  they are requested again
 *
 * With BLOOM_UPDATE_ALL a peer itself adds the outpoints of outputs that match. So an outpoint that
 * is found in a peer's answer makes a new version, which this peer's filter has already. */
#ifndef SPV_WALLET_BLOOM_SCAN_STATE_H
#define SPV_WALLET_BLOOM_SCAN_STATE_H

#include "spv/merkle.h"
#include "spv/wallet/bloom_items.h"
#include "spv/wallet/bloom_scan.h"
#include "spv/wallet/source_heights.h"

#define SPV_BLOOM_ANSWERS 2 /* per height, with cross_check */

/* A transaction of a filtered block; owns its bytes, which have no witness. */
struct spv_bloom_found {
    struct spv_txid txid;
    uint8_t *bytes;
    size_t n;
    uint32_t position; /* in the block */
    uint32_t version; /* lowest version of the items that it matches */
    unsigned answers; /* bits: which of the height's answers have it */
};

struct spv_bloom_found_list {
    struct spv_bloom_found *list;
    size_t n, cap;
};

/* A request to one peer for a height, and its answer. */
struct spv_bloom_answer {
    uint64_t peer; /* 0: not requested */
    bool has_come;
    uint32_t version; /* of the peer's filter */
    uint8_t *proof; /* gettxoutproof bytes; NULL: no transaction matched */
    size_t n_proof;
};

struct spv_bloom_height {
    uint32_t height; /* 0: the entry is free */
    struct spv_blockhash hash;
    uint32_t needed; /* lowest version of the filter that answers must have */
    struct spv_bloom_answer answers[SPV_BLOOM_ANSWERS];
    struct spv_bloom_found_list found;
    bool wants_whole; /* the whole block is needed: answers differ, or an amount is large */
    bool is_whole_requested;
    uint8_t *block; /* the whole block; NULL: not received */
    size_t n_block;
};

/* Filtered blocks that one getdata requests; the pong of the ping after it ends the batch. */
struct spv_bloom_batch {
    uint64_t nonce;
    uint64_t load; /* number of the filterload that the peer had before */
    uint32_t version;
    unsigned n, next; /* `next`: the first item that may still be answered */
    uint64_t requested_us;
    struct {
        uint32_t height;
        struct spv_blockhash hash;
    } items[SPV_BLOOM_BATCH];
};

/* A filtered block whose transactions are being received. */
struct spv_bloom_reading {
    bool is_open;
    uint32_t height;
    struct spv_blockhash hash;
    struct spv_merkle_match *matches; /* up to 16,666: 0.6 MB */
    size_t n, next;
    uint8_t *proof;
    size_t n_proof;
    struct spv_bloom_found_list found; /* without false positives */
    bool wants_whole;
};

struct spv_bloom_peer {
    uint64_t load; /* number of the last filterload sent to it; 0: none */
    uint32_t version; /* of its filter */
    unsigned n_false; /* false positives since that filterload */
    struct spv_bloom_batch batches[SPV_BLOOM_PEER_BATCHES]; /* oldest first */
    unsigned n_batches;
    struct spv_bloom_reading reading; /* of the oldest batch */
    uint64_t last_us; /* time of its last answer */
    bool is_late; /* it gets no request until it has answered */
    uint32_t lacks_height; /* it left out a block at this height, so it may lack those below, ... */
    uint64_t lacks_until_us; /* ... until this time; 0: nothing is known */
    unsigned n_unsolicited;
    int disconnect_error; /* the reason to disconnect it; 0: none */
    bool is_disconnect_reported;
    uint32_t mempool_version; /* version of its filter when `mempool` was sent; 0: not sent */
    struct spv_txid txs[SPV_BLOOM_MAX_TX_REQUESTS]; /* requested */
    size_t n_txs;
};

struct spv_bloom_scan {
    struct spv_bloom_scan_config cfg;
    bool is_running;
    struct spv_source_heights heights;

    struct spv_bloom_items items;
    struct spv_bloom *bloom; /* NULL: no item yet */
    uint32_t capacity; /* items that a filter has at SPV_BLOOM_RATE; 0: none was loaded yet */
    size_t n_inserted; /* items in it */
    uint32_t version; /* of the newest items */
    bool is_version_used; /* a filter of this version was sent: new items get the next one */
    uint64_t n_loads; /* filterloads sent */
    int refused; /* SPV_ERR_BLOOM_RATE: outpoints that were found raise the rate too high */

    /* the entry of a height is height modulo the window */
    struct spv_bloom_height window[SPV_BLOOM_WINDOW];
    size_t n_whole; /* entries that wants_whole */
    size_t buffered_bytes;
    struct spv_proven_tx *views; /* of the event */
    size_t cap_views;
    struct spv_block block;
    bool is_ready; /* the next height is to be reported */
    bool is_reported; /* it was reported: the next run moves on */

    struct spv_txid seen[SPV_BLOOM_SEEN_TXS]; /* unconfirmed false positives; zero: none */
    size_t next_seen;
    struct spv_bloom_scan_stats stats;
};

/* bloom_filter.c */
/* The smallest capacity, SPV_BLOOM_CAPACITY doubled often enough, that is at least `least` and
 * holds n items. */
uint32_t spv_bloom_capacity(uint32_t least, size_t n);
/* The bytes of a filter of a capacity; 0 for 0. */
uint32_t spv_bloom_capacity_bytes(const struct spv_bloom_scan *s, uint32_t capacity);
/* The false-positive rate of the filter for n items. */
double spv_bloom_rate_of(const struct spv_bloom_scan *s, size_t n);
/* The version that new items get. */
uint32_t spv_bloom_next_version(const struct spv_bloom_scan *s);
/* Inserts the items that were added with that version into the filter, which may grow. Returns 0 or
 * SPV_ERR_NOMEM. */
int spv_bloom_insert_new(struct spv_bloom_scan *s);
void spv_bloom_send_filterload(struct spv_bloom_scan *s, struct spv_peer_entry *p);

/* bloom_window.c */
/* The entry of a height that is in progress; NULL: it has none. */
struct spv_bloom_height *spv_bloom_find_height(struct spv_bloom_scan *s, uint32_t height);
/* The same; creates the entry. 1: *out; 0: the chain has no header at this height; or a failure. */
int spv_bloom_open_height(struct spv_bloom_scan *s, struct spv_bloom_height **out, uint32_t height);
void spv_bloom_drop_heights(struct spv_bloom_scan *s, uint32_t above);
void spv_bloom_close_height(struct spv_bloom_scan *s, struct spv_bloom_height *h);
/* From a height on, answers must have the newest version. */
void spv_bloom_need_version(struct spv_bloom_scan *s, uint32_t from);
/* An unused answer of a height, for a request to a peer; NULL: none. */
struct spv_bloom_answer *spv_bloom_open_answer(const struct spv_bloom_scan *s,
                                               struct spv_bloom_height *h, uint64_t peer);
struct spv_bloom_answer *spv_bloom_answer_of(struct spv_bloom_height *h, uint64_t peer);
/* The peer does not answer: the height is requested from another one. Returns whether it was
 * requested from this peer. */
bool spv_bloom_cancel_answer(struct spv_bloom_scan *s, uint32_t height,
                             const struct spv_blockhash *hash, uint64_t peer);
/* Cancels all requests to a peer, and discards its answers as well when with_answers is set. */
void spv_bloom_cancel_peer(struct spv_bloom_scan *s, uint64_t peer, bool with_answers);
/* Stores an answer; the entry takes over the transactions found. Returns 0 or SPV_ERR_NOMEM. */
int spv_bloom_put_answer(struct spv_bloom_scan *s, struct spv_bloom_height *h,
                         struct spv_bloom_answer *answer, struct spv_bloom_reading *reading,
                         uint32_t version);
/* Whether a height has all answers, and the whole block where it is needed. */
bool spv_bloom_is_complete(const struct spv_bloom_scan *s, const struct spv_bloom_height *h);
/* Requests the whole blocks that are needed, the lowest first. Returns 0 or a failure. */
int spv_bloom_want_whole(struct spv_bloom_scan *s, struct spv_now now);
/* The outputs of a transaction that pay a watched script are watched from a height on. Returns 0 or
 * SPV_ERR_NOMEM. */
int spv_bloom_watch_outputs(struct spv_bloom_scan *s, const struct spv_tx *tx,
                            const struct spv_txid *txid, uint32_t height);
void spv_bloom_free_found(struct spv_bloom_found_list *found);

/* bloom_peers.c */
void spv_bloom_disconnect_peer(struct spv_bloom_peer *p, int error);
void spv_bloom_close_reading(struct spv_bloom_peer *p);
/* Notes that the peer left out a block. */ void spv_bloom_set_lacks(struct spv_bloom_peer *p,
                                                                     uint32_t height,
                                                                     struct spv_now now);
/* Sends all requests that are possible now. Returns 0 or a failure. */
int spv_bloom_schedule(struct spv_bloom_scan *s, struct spv_now now);

/* bloom_unconfirmed.c */
/* At the tip: sends the newest filter and then `mempool` to each peer. */
int spv_bloom_send_mempools(struct spv_bloom_scan *s);
int spv_bloom_unconfirmed_tx(struct spv_bloom_scan *s, struct spv_bloom_peer *p,
                             const struct spv_tx *tx);
void spv_bloom_unconfirmed_notfound(struct spv_bloom_peer *p, const struct spv_msg_inv *msg);

#endif
