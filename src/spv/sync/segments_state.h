/* The internals of the segments, shared by its source files. Each calls only those above it:
 * segments_sched.c (requests), segments.c (the range, its segments, time), segments_recv.c
 * (answers). */
#ifndef SPV_SPV_SYNC_SEGMENTS_STATE_H
#define SPV_SPV_SYNC_SEGMENTS_STATE_H

#include <string.h>

#include "spv/sync/peer_table.h"
#include "spv/sync/segments.h"

/* ours: peers with a request for the same segment at a time; two of them may be slow */
#define SPV_SEGMENTS_MAX_INFLIGHT 3
/* Headers kept of a segment that is too long to be kept whole. */
#define SPV_SEGMENTS_LONG_BUF (2 * SPV_MAX_HEADERS)

struct spv_segment;
struct spv_segment_request;

/* How segments of one kind are requested: of headers, of filter headers or of filters. They consist
 * of one unit per height, each of which commits to the one before. */
struct spv_segments_ops {
    size_t unit_size; /* bytes */
    uint32_t request_units; /* of one request, at most */
    double guess_rate; /* units per second, while no peer's rate is known */
    /* The hash that end number i of the configuration must have, and its height. */
    struct spv_hash256 (*end_hash)(const struct spv_segments_config *cfg, size_t i);
    uint32_t (*end_height)(const struct spv_segments_config *cfg, size_t i);
    /* Sends a request for the next units of a segment, and sets what its answer is recognised by;
     * the other members are set. */
    void (*send)(struct spv_segments *segs, struct spv_segments_peer *p,
                 const struct spv_segment *s, struct spv_segment_request *o);
    /* The following are optional: NULL or 0 where the scheduler's own limits hold. */
    unsigned max_open; /* requests on a peer, at most SPV_SEGMENTS_MAX_OPEN */
    unsigned max_segments; /* in the window, at most SPV_SEGMENTS_MAX_SEGMENTS */
    /* Where the segment above `top` ends, at most `to`; such segments need no ends of the
     * configuration, and end_hash gets the height. */
    uint32_t (*cut)(const struct spv_segments_config *cfg, uint32_t top, uint32_t to);
    /* Whether the segment may be requested from the peer now. */
    bool (*can_request)(const struct spv_segments *segs, const struct spv_segments_peer *p,
                        const struct spv_segment *s);
};

/* The units above a known one up to an end. */
struct spv_segment {
    uint64_t serial; /* counts up and is never used again */
    uint32_t from; /* height of the known unit */
    uint32_t end; /* the end's height */
    struct spv_hash256 start; /* the known unit's hash */
    struct spv_hash256 stop; /* the end's */
    bool is_long; /* its headers are returned unproven, as they arrive */
    bool is_post_checkpoint; /* ends where the first answer to it ends */
    uint8_t *units; /* those before number n_discarded are gone; NULL: none yet */
    uint32_t n_discarded; /* 0 unless long: consumed and no longer in the buffer */
    uint32_t n_consumed;
    uint32_t have; /* received, and verified as far as the segment alone allows */
    struct spv_hash256 last; /* hash of number have - 1 */
    uint64_t peer; /* the sender of that one */
    /* scratch of the scheduler */
    unsigned inflight; /* peers with an open request for its next units */
    uint64_t eta_us; /* until the first of them should answer */
    uint64_t expected_us; /* when the last of them should have answered */
};

/* An open request. */
struct spv_segment_request {
    uint64_t tag; /* getheaders: of the request and its answer */
    uint64_t serial; /* of the segment, which may be gone */
    uint32_t offset; /* the segment's `have` when this was sent */
    uint32_t start; /* height of the first unit */
    uint32_t n; /* units expected */
    struct spv_hash256 first; /* of the unit before the first: in a locator the first hash */
    struct spv_hash256 second; /* the second locator hash, or the first again; genesis follows */
    struct spv_hash256 stop;
    struct spv_blockhash stop_block; /* getcfheaders: what its answer is recognised by */
    uint64_t requested_us;
};

struct spv_segments {
    struct spv_segments_config cfg;
    const struct spv_segments_ops *ops;
    struct spv_blockhash genesis;
    uint32_t interval; /* retarget interval */
    bool active;
    bool post_checkpoint; /* its segment is not made yet */
    size_t next_end, last_end; /* the ends of the next segments: [next_end, last_end) */
    uint32_t to; /* where the last one ends, if ops->cut divides the range */
    uint32_t top_height; /* where the next segment starts */
    struct spv_hash256 top; /* hash of the unit there */
    uint64_t serial; /* of the next segment */
    uint64_t ready_us; /* since when the lowest segment is complete; 0: it is not */
    uint8_t *batch_buf; /* a batch of several segments */
    struct spv_segment segment[SPV_SEGMENTS_MAX_SEGMENTS]; /* lowest first */
    size_t n;
    uint64_t sched_us; /* when the scheduler must run again */
    uint64_t hedges, done;
};

/* A block hash as the hash of a header that a segment keeps, and back. */
static inline struct spv_hash256 spv_segments_hash(const struct spv_blockhash *hash)
{
    struct spv_hash256 out;
    memcpy(out.b, hash->b, sizeof out.b);
    return out;
}

static inline struct spv_blockhash spv_segments_blockhash(const struct spv_hash256 *hash)
{
    struct spv_blockhash out;
    memcpy(out.b, hash->b, sizeof out.b);
    return out;
}

static inline bool spv_segments_hash_eq(const struct spv_hash256 *a, const struct spv_hash256 *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* How many requests may be open on a peer. */
static inline unsigned spv_segments_max_open(const struct spv_segments *segs)
{
    return segs->ops->max_open ? segs->ops->max_open : SPV_SEGMENTS_MAX_OPEN;
}

static inline bool spv_segments_complete(const struct spv_segment *s)
{
    return s->have == s->end - s->from;
}

/* Returns whether the request is for the next units of the segment. The segment may have been
 * begun again since, with other units. */
static inline bool spv_segments_requests_next(const struct spv_segment_request *o,
                                              const struct spv_segment *s)
{
    return o->serial == s->serial && o->offset == s->have &&
           spv_segments_hash_eq(&o->first, s->have ? &s->last : &s->start);
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
/* Requests the next units of a segment from a peer. */
void spv_segments_request(struct spv_segments *segs, struct spv_segments_peer *p,
                          struct spv_segment *s, struct spv_now now);
/* An answer of n units came: updates the peer's rate. */
void spv_segments_measure(const struct spv_segments *segs, struct spv_segments_peer *p,
                          const struct spv_segment_request *o, size_t n, struct spv_now now);
double spv_segments_rate(const struct spv_segments_peer *p); /* units per second; 0: not known */

/* segments.c */
/* After the lowest segment may have changed. */
void spv_segments_note_ready(struct spv_segments *segs, struct spv_now now);
/* Removes the post-checkpoint segment when it is empty. */
void spv_segments_skip_empty(struct spv_segments *segs);
/* Allocates the units of a segment, if there are none yet. False: no memory. */
bool spv_segments_alloc(const struct spv_segments *segs, struct spv_segment *s);
/* Request number `at` is answered. */
void spv_segments_close_request(struct spv_segments_peer *p, unsigned at);
/* The peer lacks the segment: it gets no request for it or higher ones for a while. */
void spv_segments_set_behind(struct spv_segments_peer *p, const struct spv_segment *s,
                             struct spv_now now);
/* The peer's answer was valid: the segment has `have` units now, and the hash of the last one is
 * *last. Requests the rest from the same peer. */
void spv_segments_received(struct spv_segments *segs, struct spv_segments_peer *p,
                           struct spv_segment *s, uint32_t have, const struct spv_hash256 *last,
                           struct spv_now now);
/* When the peer counts as stalled; SPV_NEVER without an open request. */
uint64_t spv_segments_stall_us(const struct spv_segments *segs, const struct spv_segments_peer *p);

#endif
