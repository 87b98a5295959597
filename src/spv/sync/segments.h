/* Fetch: brings the headers of a range that marks (known heights and hashes, ascending) cut into
 * segments, from many peers at once, with many requests in flight on each, and gives them to its
 * owner in the order of height. It needs no chain: a segment whose links lead from a known hash to
 * the mark's is proven by that alone. Its owner judges what comes by the rules and stores it.
 *
 * A pure machine. Peers, messages and the time go in; getheaders go into the owner's effect queue,
 * peers to be dropped are pulled with spv_segments_next_drop, headers with spv_segments_batch. Work
 * belongs to it and never to a peer. Nothing that peers do makes it hold more than
 * SPV_SEGMENTS_MAX_HEADERS headers. */
#ifndef SPV_SPV_SYNC_SEGMENTS_H
#define SPV_SPV_SYNC_SEGMENTS_H

#include "spv/effects/effects.h"

#define SPV_SEGMENTS_MAX_HEADERS                                                                   \
    131072 /* ours: waiting to be joined, 10 MiB: 64 segments of a period and one more */
#define SPV_SEGMENTS_MAX_SEGMENTS                                                                  \
    80 /* ours: in the window; as above, and some that are shorter                                 \
        */
#define SPV_SEGMENTS_PERIOD 2016 /* marks nearer to each other are passed over */
#define SPV_SEGMENTS_BATCH                                                                         \
    (4 * SPV_SEGMENTS_PERIOD) /* ours: given at once: a disk's flush for each */
#define SPV_SEGMENTS_BATCH_DELAY                                                                   \
    (SPV_SECOND / 50) /* ours: headers wait so long to make a whole piece */
#define SPV_SEGMENTS_MAX_OPEN                                                                      \
    60 /* ours: requests on a peer; its machine keeps SPV_PEER_REQUESTS                            \
        */
#define SPV_SEGMENTS_FIRST_OPEN                                                                    \
    16 /* ours: segments asked of a peer whose speed is not known yet                              \
        */
#define SPV_SEGMENTS_TIMEOUT (20 * SPV_SECOND) /* ours: without any answer; as SPV_SYNC_REQUEST */
#define SPV_SEGMENTS_LONE_PEER_FACTOR 4 /* ours: times longer when there is nobody else to ask */
#define SPV_SEGMENTS_BEHIND                                                                        \
    (60 * SPV_SECOND) /* ours: a peer that lacks a start is spared so long */

struct spv_segments_config {
    const struct spv_params *params;
    const struct spv_checkpoint *checkpoints; /* ascending; lent for the fetch's life */
    size_t n_checkpoints;
    struct spv_effects *effects; /* takes the getheaders; lent */
    uint64_t timeout_us; /* 0: SPV_SEGMENTS_TIMEOUT */
    bool post_checkpoint; /* one message of what follows the last mark is wanted, too */
    bool own_end; /* the last mark is a header of ours and no checkpoint: another chain is no lie */
};

/* Headers that follow each other and what was joined before; lent until spv_segments_consume,
 * _begin or _free. */
struct spv_segments_batch {
    const struct spv_header *headers;
    size_t n; /* 1..SPV_SEGMENTS_BATCH */
    uint32_t height; /* of the first */
    struct spv_blockhash
        last; /* the last one's hash; links are checked: the others are in the prevs */
    uint64_t peer; /* who gave the first of it; it may be gone by now */
    bool
        proven; /* its links end in a mark. Not so where marks are further apart than
                   SPV_SEGMENTS_MAX_HEADERS: then pieces are given as they come; and not the tail */
    bool post_checkpoint; /* what follows the last mark: one answer, whole; the last piece */
};

struct spv_segments_drop {
    uint64_t id;
    int error; /* MISBEHAVING class: a proven lie; SPV_ERR_STALL: does not answer; else unusable */
};

struct spv_segments_peer_stats {
    double rate; /* headers a second; 0: not known yet */
    unsigned in_flight; /* requests open */
    unsigned window; /* segments that it may be asked for at once */
    uint64_t segments; /* that it finished first */
    uint64_t headers; /* of use that it gave */
    uint64_t hedged; /* its segments that were asked of another peer, too */
    uint64_t wasted; /* headers it gave that another peer had given before */
};

struct spv_segments_stats {
    unsigned in_flight; /* requests open on all peers */
    unsigned segments; /* begun and not joined */
    uint64_t waiting; /* headers that have come and are not joined */
    uint64_t hedges; /* segments asked of one more peer */
    uint64_t done; /* segments joined */
    size_t memory; /* bytes */
};

struct spv_segments;

/* SPV_ERR_NOMEM, SPV_ERR_INVALID. It is idle until spv_segments_begin. */
int spv_segments_new(struct spv_segments **out, const struct spv_segments_config *cfg);
void spv_segments_free(struct spv_segments *f);

/* Fetches what lies above *from, a header that is known (a mark or not), up to the last mark at or
 * below `to`. Forgets what is not yet joined of an earlier range, and keeps the peers; answers to
 * earlier requests are still recognised. spv_segments_done at once when there is no such mark.
 * Returns 0 or the effect queue's error. */
int spv_segments_begin(struct spv_segments *f, const struct spv_checkpoint *from, uint32_t to,
                       struct spv_now now);
/* Nothing more is asked for; answers are still recognised (and thrown away). */
void spv_segments_stop(struct spv_segments *f);

/* A peer that may be asked. SPV_ERR_FULL, SPV_ERR_NOMEM, or the effect queue's error. */
int spv_segments_add(struct spv_segments *f, uint64_t id, struct spv_now now);
/* A peer that must not be asked any more, or is gone: what it was asked is asked of others. */
int spv_segments_remove(struct spv_segments *f, uint64_t id, struct spv_now now);

/* The peer has shown that it has more than it seemed to have: it is no longer behind. */
void spv_segments_clear_behind(struct spv_segments *f, uint64_t id);

/* A headers message of a peer. 1: it was the answer to a request of ours, and is settled. 0: it was
 * not (an announcement, or another one's answer). SPV_ERR_NOMEM: all is as it was before; the
 * effect queue's error. */
int spv_segments_headers(struct spv_segments *f, uint64_t id, const struct spv_msg_headers *msg,
                         struct spv_now now);
int spv_segments_timer(struct spv_segments *f, struct spv_now now);
uint64_t spv_segments_deadline(const struct spv_segments *f);

/* The next headers in order: true when there are some, and they are a whole piece, or nothing more
 * is to come, or they have waited for SPV_SEGMENTS_BATCH_DELAY. The same until they are taken. */
bool spv_segments_next_batch(struct spv_segments *f, struct spv_segments_batch *out,
                             struct spv_now now);
/* The piece was taken; asks for more where that made room. Returns 0 or the queue's error. */
int spv_segments_consume(struct spv_segments *f, struct spv_now now);

/* The next peer to be dropped, and why: 1 or 0. It is asked for nothing meanwhile. */
int spv_segments_next_drop(struct spv_segments *f, struct spv_segments_drop *out);

/* All was taken, or nothing was begun. */
bool spv_segments_done(const struct spv_segments *f);
/* There are peers, and each of them has shown that it lacks the next header to be joined. */
bool spv_segments_all_behind(const struct spv_segments *f);

/* How long (us) a full answer of the peer would take from now on, with what it is asked for
 * already; 0: not known. */
uint64_t spv_segments_time(const struct spv_segments *f, uint64_t id);

/* False when there is no such peer. */
bool spv_segments_get_peer(const struct spv_segments *f, struct spv_segments_peer_stats *out,
                           uint64_t id);
void spv_segments_get_stats(const struct spv_segments *f, struct spv_segments_stats *out);

#endif
