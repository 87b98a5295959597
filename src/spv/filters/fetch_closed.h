/* Peers that were lost when they should have sent filters. One that closes the connection on a
 * request, or was silent before, may come back at once: for a while it gets no request as high,
 * unless no other peer can be asked. Connections break for other reasons, too: a peer that is alone
 * is barred only when it was lost again and again. */
#ifndef SPV_SPV_FILTERS_FETCH_CLOSED_H
#define SPV_SPV_FILTERS_FETCH_CLOSED_H

#include "spv/sync/peer_table.h"

#define SPV_FETCH_MAX_CLOSED 32 /* ours: lost peers that are remembered, by group; the newest */
#define SPV_FETCH_MAX_LOST 8 /* ours: losses in a minute, then one that is alone waits, too */

struct spv_fetch_closed { /* zeroed: empty */
    struct {
        uint64_t group;
        uint32_t from; /* it lacks filters above this height */
        uint64_t until_us;
    } list[SPV_FETCH_MAX_CLOSED];
    size_t next;
};

/* A peer leaves: remembers the lowest height that it should have sent. */
void spv_fetch_closed_add(struct spv_fetch_closed *c, const struct spv_segments_peer *p,
                          struct spv_now now);
/* A new peer: sets what it lacks by what is remembered of its group. */
void spv_fetch_closed_recall(const struct spv_fetch_closed *c, struct spv_peer_entry *p,
                             struct spv_now now);
/* Whether it was lost when it should have sent filters above such a height. */
bool spv_fetch_closed_lacks(const struct spv_peer_entry *p, uint32_t height);

#endif
