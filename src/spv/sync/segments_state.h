/* The internals of the segments, shared by its source files. Each calls only those above it:
 * segments_sched.c (requests), segments.c (the range, its segments, time), segments_recv.c
 * (answers). */
#ifndef SPV_SPV_SYNC_SEGMENTS_STATE_H
#define SPV_SPV_SYNC_SEGMENTS_STATE_H

#include "spv/sync/segments.h"

#define SPV_SEGMENTS_MAX_INFLIGHT                                                                  \
    3 /* ours: peers asked for one segment at a time; two are slow, then */
#define SPV_SEGMENTS_LONG_ROOM                                                                     \
    (2 * SPV_MAX_HEADERS) /* kept of a segment too long to be held whole                           \
                           */

/* The headers above a known one up to a mark. */
struct spv_segment {
    uint64_t serial; /* counts up and is never used again */
    uint32_t from; /* height of the known header */
    uint32_t end; /* the mark's */
    struct spv_blockhash start; /* the known header's hash */
    struct spv_blockhash stop; /* the mark's */
    bool is_long; /* given as it comes: unproven */
    bool is_post_checkpoint; /* ends where the first answer to it ends */
    struct spv_header *headers; /* number base on; NULL: none yet */
    uint32_t base; /* 0 unless long: those before it were taken and are gone */
    uint32_t n_consumed; /* by the owner */
    uint32_t have; /* verified as far as they can be alone */
    struct spv_blockhash last; /* hash of number have - 1 */
    uint64_t peer; /* who gave that one */
    /* as the planner sees it now */
    unsigned inflight; /* peers that are asked for the next of it */
    uint64_t eta_us; /* until the first of them should answer */
    uint64_t expected_us; /* when the last of them should have answered */
};

/* A getheaders on its way. */
struct spv_segment_request {
    uint64_t tag; /* its answer has it */
    uint64_t serial; /* of the segment; it may be gone */
    uint32_t offset; /* the segment's have when it was asked for */
    uint32_t n; /* headers to come */
    struct spv_blockhash first; /* the first locator hash: the answer's first previous hash */
    struct spv_blockhash base; /* the second, or the first again; genesis is the last */
    struct spv_blockhash stop;
    uint64_t asked_us;
};

struct spv_segments_peer {
    uint64_t id; /* 0: free slot */
    struct spv_segment_request
        *requests; /* in the order of asking: room for SPV_SEGMENTS_MAX_OPEN */
    unsigned n_open;
    unsigned window;
    int drop; /* why it is to be dropped; 0: it is not */
    bool reported; /* its drop was pulled */
    bool idle; /* the planner has nothing for it now */
    uint32_t behind_from; /* it lacks this height, ... */
    uint64_t behind_until_us; /* ... or did; 0: not known to be behind */
    uint64_t last_us; /* its last answer */
    uint64_t rtt_us; /* its quickest answer; 0: none yet */
    double headers, busy_us; /* decaying sums: its speed is their quotient */
    struct spv_segments_peer_stats stats;
};

struct spv_segments {
    struct spv_segments_config cfg;
    struct spv_blockhash genesis;
    uint32_t interval;
    bool active;
    bool post_checkpoint; /* it is still to be made a segment of */
    size_t next_checkpoint,
        end_checkpoint; /* the next one to make a segment of, and one past the last */
    struct spv_checkpoint top; /* where the next segment starts */
    uint64_t serial; /* the next segment's */
    uint64_t ready_us; /* since when the lowest segment waits to be taken; 0: it does not */
    struct spv_header *batch_buf; /* room for a piece made of several segments */
    struct spv_segment segment[SPV_SEGMENTS_MAX_SEGMENTS]; /* lowest first */
    size_t n;
    struct spv_segments_peer peer[SPV_NODE_MAX_PEERS];
    uint64_t sched_us; /* when the planner wants to look again */
    uint64_t hedges, done;
};

static inline bool spv_segments_complete(const struct spv_segment *s)
{
    return s->have == s->end - s->from;
}

/* Does the request ask for what comes next of the segment? It may have been begun anew since, with
 * other headers in its place. */
static inline bool spv_segments_asks_next(const struct spv_segment_request *o,
                                          const struct spv_segment *s)
{
    return o->serial == s->serial && o->offset == s->have &&
           spv_blockhash_eq(&o->first, s->have ? &s->last : &s->start);
}

/* NULL: all of it was consumed, or the range was begun anew. */
static inline struct spv_segment *spv_segments_find(struct spv_segments *f, uint64_t serial)
{
    if (!f->n || serial < f->segment[0].serial || serial - f->segment[0].serial >= f->n)
        return NULL;
    return &f->segment[serial - f->segment[0].serial];
}

static inline struct spv_segments_peer *spv_segments_find_peer(struct spv_segments *f, uint64_t id)
{
    for (size_t i = 0; id && i < SPV_NODE_MAX_PEERS; i++)
        if (f->peer[i].id == id)
            return &f->peer[i];
    return NULL;
}

static inline bool spv_segments_is_behind(const struct spv_segments_peer *p,
                                          const struct spv_segment *s, uint64_t mono_us)
{
    return p->behind_until_us > mono_us && s->from >= p->behind_from;
}

/* segments_sched.c */
/* Sends the requests that are due now. Returns the effect queue's error. */
int spv_segments_schedule(struct spv_segments *f, struct spv_now now);
/* Asks a peer for what follows in a segment. */
void spv_segments_request(struct spv_segments *f, struct spv_segments_peer *p,
                          struct spv_segment *s, struct spv_now now);
/* An answer of n headers came: updates the peer's rate. */
void spv_segments_measure(struct spv_segments_peer *p, const struct spv_segment_request *o,
                          size_t n, struct spv_now now);
double spv_segments_rate(const struct spv_segments_peer *p); /* headers a second; 0: not known */

/* segments.c */
/* After the lowest segment may have changed. */
void spv_segments_note_ready(struct spv_segments *f, struct spv_now now);
/* Passes over the tail when there is none. */
void spv_segments_skip_empty(struct spv_segments *f);
/* When a peer that is asked must have answered; SPV_NEVER when it is not asked. */
uint64_t spv_segments_stall_us(const struct spv_segments *f, const struct spv_segments_peer *p);

#endif
