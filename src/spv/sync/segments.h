/* Segments: downloads the headers of a range that checkpoints cut into segments, from many peers at
 * once, with many requests open on each, and returns them in order of height. It needs no chain: a
 * segment whose links lead from a known hash to a checkpoint's is proven by that alone. The caller
 * checks the headers by the other rules and stores them.
 *
 * Filter headers and filters are downloaded by the same scheduler, each kind with its own
 * struct spv_segments_ops (src/spv/filters/filter_segments.h, filter_fetch.h). The comments below
 * speak of headers; they hold for the other two as well.
 *
 * A pure state machine. Its inputs are peers, messages and the time; its outputs are getheaders in
 * the effect queue, peers to be disconnected (spv_segments_next_disconnect) and headers
 * (spv_segments_next_batch). When a peer is lost, its requests go to others, and no peer can make
 * it buffer more than SPV_SEGMENTS_MAX_HEADERS headers. */
#ifndef SPV_SPV_SYNC_SEGMENTS_H
#define SPV_SPV_SYNC_SEGMENTS_H

#include "spv/effects/effects.h"

struct spv_disconnect;
struct spv_peer_entry;
struct spv_peer_table;

/* ours: received and not yet consumed, 10 MiB: 64 segments of a period and one more */
#define SPV_SEGMENTS_MAX_HEADERS 131072
#define SPV_SEGMENTS_MAX_SEGMENTS 80 /* ours: in the window; those 65, and some shorter ones */
#define SPV_SEGMENTS_PERIOD 2016 /* checkpoints closer to each other are skipped */
/* ours: at most; each costs a disk flush */
#define SPV_SEGMENTS_MAX_BATCH (4 * SPV_SEGMENTS_PERIOD)
#define SPV_SEGMENTS_BATCH_DELAY_US (SPV_SECOND / 50) /* ours: longest wait for a full batch */
#define SPV_SEGMENTS_MAX_OPEN 60 /* ours: requests on a peer, which keeps SPV_PEER_REQUESTS */
#define SPV_SEGMENTS_FIRST_OPEN 16 /* ours: segments requested from a peer of unknown rate */
/* ours: without any answer; as SPV_SYNC_REQUEST_TIMEOUT_US */
#define SPV_SEGMENTS_TIMEOUT_US (20 * SPV_SECOND)
#define SPV_SEGMENTS_LONE_PEER_FACTOR 4 /* ours: factor of TIMEOUT for our only peer */
/* ours: for this long, a peer that lacks the start of a segment gets no requests */
#define SPV_SEGMENTS_BEHIND_US (60 * SPV_SECOND)

/* Whose segments: each owner has a part of its own in the peer table. */
enum spv_segments_owner {
    SPV_SEGMENTS_OF_SYNC,
    SPV_SEGMENTS_OF_START,
    SPV_SEGMENTS_OF_BACKFILL,
    SPV_SEGMENTS_OF_FILTERS,
    SPV_SEGMENTS_OF_SCAN,
};
#define SPV_SEGMENTS_OWNERS 5

struct spv_segments_ops;
extern const struct spv_segments_ops spv_segments_header_ops; /* segments_recv.c */

struct spv_segments_config {
    enum spv_segments_owner owner;
    const struct spv_segments_ops *ops; /* for headers, filter headers or filters */
    const void *ops_ctx; /* argument of ops; NULL for headers */
    struct spv_peer_table *peers; /* has the peers that are added */
    const struct spv_params *params; /* borrowed, as all that is pointed at here */
    const struct spv_checkpoint *checkpoints; /* heights ascending; NULL if not of headers */
    size_t n_checkpoints; /* where segments end; other kinds: the ends that ops_ctx has */
    struct spv_effects *effects; /* takes the getheaders */
    uint64_t timeout_us; /* 0: SPV_SEGMENTS_TIMEOUT_US */
    bool post_checkpoint; /* fetch one message of what follows the last checkpoint, too */
    /* The last entry is a header of our own chain, not a checkpoint: a peer with another header
     * there does not misbehave. */
    bool end_is_own_header;
};

/* Headers that follow each other and those consumed before; valid until spv_segments_consume,
 * _begin or _free. */
struct spv_segments_batch {
    const struct spv_header *headers; /* or units of ops->unit_size bytes */
    size_t n; /* 1..SPV_SEGMENTS_MAX_BATCH */
    uint32_t height; /* of the first */
    struct spv_blockhash last; /* the last one's hash; the others are in the next one's prev */
    uint64_t peer; /* who sent the first of it; it may be disconnected by now */
    bool proven; /* its links end in a checkpoint. Not so where checkpoints are further apart than
                    SPV_SEGMENTS_MAX_HEADERS (such headers are returned as they arrive), nor for
                    post_checkpoint */
    bool post_checkpoint; /* what follows the last checkpoint: one whole answer; the last batch */
};

struct spv_segments_peer_stats {
    double rate; /* headers per second; 0: unknown */
    unsigned in_flight; /* requests open */
    unsigned window; /* segments that may be requested from it at once */
    uint64_t segments; /* that it finished first */
    uint64_t headers; /* of use */
    uint64_t hedged; /* its segments that were requested from another peer, too */
    uint64_t wasted; /* headers that another peer had sent before */
};

struct spv_segments_stats {
    unsigned in_flight; /* requests open on all peers */
    unsigned segments; /* begun and not consumed */
    uint64_t waiting; /* headers received and not consumed */
    uint64_t hedges; /* segments requested from one more peer */
    uint64_t done; /* segments consumed */
    size_t memory; /* bytes */
};

struct spv_segments;
struct spv_segment_request;

/* The part of a peer's entry that one owner's segments use. */
struct spv_segments_peer {
    struct spv_peer_entry *entry; /* that it is a part of; NULL: the peer was not added */
    struct spv_segment_request *requests; /* oldest first; SPV_SEGMENTS_MAX_OPEN allocated */
    unsigned n_open;
    unsigned window; /* segments that may be requested from it at once */
    int disconnect_error; /* why it is to be disconnected; 0: it is not */
    bool reported; /* spv_segments_next_disconnect has returned it */
    bool idle; /* scratch of the scheduler: it gets no request in this run */
    uint32_t behind_from; /* it lacks this height, ... */
    uint64_t behind_until_us; /* ... until this time; 0: it is not behind */
    uint64_t last_us; /* when it answered last */
    uint64_t rtt_us; /* its fastest answer; 0: none yet */
    double headers, busy_us; /* decaying sums: their quotient is its rate */
    struct spv_segments_peer_stats stats;
};

/* SPV_ERR_NOMEM, SPV_ERR_INVALID. It is idle until spv_segments_begin. */
int spv_segments_new(struct spv_segments **out, const struct spv_segments_config *cfg);
void spv_segments_free(struct spv_segments *segs);

/* Fetches the headers above *from, a known header (a checkpoint or not), up to the last checkpoint
 * at or below `to`. Discards what is not consumed of an earlier range, and keeps the peers; answers
 * to earlier requests are still recognised. spv_segments_done at once when there is no such
 * checkpoint. Returns 0 or the effect queue's error. */
int spv_segments_begin(struct spv_segments *segs, const struct spv_checkpoint *from, uint32_t to,
                       struct spv_now now);
/* Sends no more requests; answers are still recognised (and discarded). */
void spv_segments_stop(struct spv_segments *segs);

/* A peer of the table to which requests may go. SPV_ERR_INVALID: it is not in the table, or was
 * added before; SPV_ERR_NOMEM; the effect queue's error. */
int spv_segments_add(struct spv_segments *segs, uint64_t id, struct spv_now now);
/* A peer to which no more requests may go: its open ones go to others. Call it before the peer
 * leaves the table; any id. */
int spv_segments_remove(struct spv_segments *segs, uint64_t id, struct spv_now now);

/* The peer has shown that it has more than it seemed to have: it is no longer behind. */
void spv_segments_clear_behind(struct spv_segments *segs, uint64_t id);

/* A headers message of a peer. 1: it answers a request of these segments (by its tag), which is
 * closed. 0: it does not. SPV_ERR_NOMEM: nothing has changed; the effect queue's error. */
int spv_segments_headers(struct spv_segments *segs, uint64_t id, const struct spv_msg_headers *msg,
                         struct spv_now now);
/* Returns the effect queue's error. */
int spv_segments_timer(struct spv_segments *segs, struct spv_now now);
uint64_t spv_segments_deadline(const struct spv_segments *segs);

/* The next headers in order: true when they fill a batch, or no more are expected, or they have
 * waited for SPV_SEGMENTS_BATCH_DELAY_US. The same until they are consumed. */
bool spv_segments_next_batch(struct spv_segments *segs, struct spv_segments_batch *out,
                             struct spv_now now);
/* The batch is consumed; requests more where that freed space. Returns 0, SPV_ERR_STATE (there is
 * none), or the queue's error. */
int spv_segments_consume(struct spv_segments *segs, struct spv_now now);

/* The next peer to be disconnected, and why: 1 or 0. No more is requested from it. */
int spv_segments_next_disconnect(struct spv_segments *segs, struct spv_disconnect *out);

/* Everything was consumed, or nothing was begun. */
bool spv_segments_done(const struct spv_segments *segs);
/* There are peers, and each of them lacks the next header. */
bool spv_segments_all_behind(const struct spv_segments *segs);

/* How long (us) a full answer of the peer would take, counted from now, after its open requests; 0:
 * unknown. */
uint64_t spv_segments_answer_us(const struct spv_segments *segs, uint64_t id);

/* False when there is no such peer. */
bool spv_segments_get_peer(const struct spv_segments *segs, struct spv_segments_peer_stats *out,
                           uint64_t id);
void spv_segments_get_stats(const struct spv_segments *segs, struct spv_segments_stats *out);

#endif
