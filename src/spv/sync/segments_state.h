/* The internals of the segments, shared by its source files. Each calls only those above it:
 * segments_sched.c (requests), segments.c (the range, its segments, time), segments_recv.c
 * (answers). */
#ifndef SPV_SPV_SYNC_SEGMENTS_STATE_H
#define SPV_SPV_SYNC_SEGMENTS_STATE_H

#include "spv/sync/peer_table.h"
#include "spv/sync/segments.h"

/* ours: peers with a request for the same segment at a time; two of them may be slow */
#define SPV_SEGMENTS_MAX_INFLIGHT 3
/* Headers kept of a segment that is too long to be kept whole. */
#define SPV_SEGMENTS_LONG_BUF (2 * SPV_MAX_HEADERS)

/* The headers above a known one up to a checkpoint. */
struct spv_segment {
    uint64_t serial; /* counts up and is never used again */
    uint32_t from; /* height of the known header */
    uint32_t end; /* the checkpoint's height */
    struct spv_blockhash start; /* the known header's hash */
    struct spv_blockhash stop; /* the checkpoint's */
    bool is_long; /* its headers are returned unproven, as they arrive */
    bool is_post_checkpoint; /* ends where the first answer to it ends */
    struct spv_header *headers; /* those before number n_discarded are gone; NULL: none yet */
    uint32_t n_discarded; /* 0 unless long: consumed and no longer in the buffer */
    uint32_t n_consumed;
    uint32_t have; /* received, and verified as far as the segment alone allows */
    struct spv_blockhash last; /* hash of number have - 1 */
    uint64_t peer; /* the sender of that one */
    /* scratch of the scheduler */
    unsigned inflight; /* peers with an open request for its next headers */
    uint64_t eta_us; /* until the first of them should answer */
    uint64_t expected_us; /* when the last of them should have answered */
};

/* An open getheaders. */
struct spv_segment_request {
    uint64_t tag; /* of the request and its answer */
    uint64_t serial; /* of the segment, which may be gone */
    uint32_t offset; /* the segment's `have` when this was sent */
    uint32_t n; /* headers expected */
    struct spv_blockhash first; /* first locator hash: the answer's first previous hash */
    struct spv_blockhash second; /* the second locator hash, or the first again; genesis follows */
    struct spv_blockhash stop;
    uint64_t asked_us;
};

struct spv_segments {
    struct spv_segments_config cfg;
    struct spv_blockhash genesis;
    uint32_t interval; /* retarget interval */
    bool active;
    bool post_checkpoint; /* its segment is not made yet */
    size_t next_checkpoint, end_checkpoint; /* that end the next segments: [next, end) */
    struct spv_checkpoint top; /* where the next segment starts */
    uint64_t serial; /* of the next segment */
    uint64_t ready_us; /* since when the lowest segment is complete; 0: it is not */
    struct spv_header *batch_buf; /* a batch of several segments */
    struct spv_segment segment[SPV_SEGMENTS_MAX_SEGMENTS]; /* lowest first */
    size_t n;
    uint64_t sched_us; /* when the scheduler must run again */
    uint64_t hedges, done;
};

static inline bool spv_segments_complete(const struct spv_segment *s)
{
    return s->have == s->end - s->from;
}

/* Returns whether the request is for the next headers of the segment. The segment may have been
 * begun again since, with other headers. */
static inline bool spv_segments_asks_next(const struct spv_segment_request *o,
                                          const struct spv_segment *s)
{
    return o->serial == s->serial && o->offset == s->have &&
           spv_blockhash_eq(&o->first, s->have ? &s->last : &s->start);
}

/* NULL: all of it was consumed, or the range was begun again. */
static inline struct spv_segment *spv_segments_find(struct spv_segments *segs, uint64_t serial)
{
    if (!segs->n || serial < segs->segment[0].serial || serial - segs->segment[0].serial >= segs->n)
        return NULL;
    return &segs->segment[serial - segs->segment[0].serial];
}

static inline struct spv_segments_peer *spv_segments_find_peer(const struct spv_segments *segs,
                                                               uint64_t id)
{
    struct spv_peer_entry *entry = spv_peer_table_find(segs->cfg.peers, id);
    struct spv_segments_peer *p = entry ? &entry->segments[segs->cfg.owner] : NULL;
    return p && p->entry ? p : NULL;
}

/* The peer after `after` (NULL: the first) that was added to these segments, or NULL. */
static inline struct spv_segments_peer *spv_segments_next_peer(
    const struct spv_segments *segs, const struct spv_segments_peer *after)
{
    struct spv_peer_entry *entry = after ? after->entry : NULL;
    while ((entry = spv_peer_table_next(segs->cfg.peers, entry)))
        if (entry->segments[segs->cfg.owner].entry)
            return &entry->segments[segs->cfg.owner];
    return NULL;
}

static inline bool spv_segments_is_behind(const struct spv_segments_peer *p,
                                          const struct spv_segment *s, uint64_t mono_us)
{
    return p->behind_until_us > mono_us && s->from >= p->behind_from;
}

/* segments_sched.c */
/* Sends the requests that are due now. Returns the effect queue's error. */
int spv_segments_schedule(struct spv_segments *segs, struct spv_now now);
/* Requests the next headers of a segment from a peer. */
void spv_segments_request(struct spv_segments *segs, struct spv_segments_peer *p,
                          struct spv_segment *s, struct spv_now now);
/* An answer of n headers came: updates the peer's rate. */
void spv_segments_measure(struct spv_segments_peer *p, const struct spv_segment_request *o,
                          size_t n, struct spv_now now);
double spv_segments_rate(const struct spv_segments_peer *p); /* headers a second; 0: not known */

/* segments.c */
/* After the lowest segment may have changed. */
void spv_segments_note_ready(struct spv_segments *segs, struct spv_now now);
/* Removes the post-checkpoint segment when it is empty. */
void spv_segments_skip_empty(struct spv_segments *segs);
/* When the peer counts as stalled; SPV_NEVER without an open request. */
uint64_t spv_segments_stall_us(const struct spv_segments *segs, const struct spv_segments_peer *p);

#endif
