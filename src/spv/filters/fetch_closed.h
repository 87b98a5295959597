/* Peers that were lost when they should have sent filters. One that closes the connection on a
 * request, or was silent before, may come back at once: it gets no request as high for a while. */
#ifndef SPV_SPV_FILTERS_FETCH_CLOSED_H
#define SPV_SPV_FILTERS_FETCH_CLOSED_H

#include "spv/sync/peer_table.h"

#define SPV_FETCH_CLOSED 32 /* ours: lost peers that are remembered, by group; the newest */

struct spv_fetch_closed { /* zeroed: empty */
    struct {
        uint64_t group;
        uint32_t from; /* it lacks filters above this height */
        uint64_t until_us;
    } list[SPV_FETCH_CLOSED];
    size_t next;
};

/* A peer leaves: remembers the lowest height that it should have sent. */
void spv_fetch_closed_add(struct spv_fetch_closed *c, const struct spv_segments_peer *p,
                          struct spv_now now);
/* A new peer: sets what it lacks by what is remembered of its group. */
void spv_fetch_closed_recall(const struct spv_fetch_closed *c, struct spv_peer_entry *p,
                             struct spv_now now);

#endif
