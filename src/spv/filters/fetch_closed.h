/* Peers whose connection closed while filters were requested from them. A peer that closes on a
 * request, or was silent before, may reconnect at once: for a while it gets no request at or above
 * that height, unless no other peer can be used. Connections break for other reasons, too: the only
 * peer is left out only after repeated losses. */
#ifndef SPV_SPV_FILTERS_FETCH_CLOSED_H
#define SPV_SPV_FILTERS_FETCH_CLOSED_H

#include "spv/sync/peer_table.h"

/* ours: the newest losses that are remembered, by network group */
#define SPV_FETCH_MAX_CLOSED 32
/* ours: losses in a minute after which the only peer is left out, too */
#define SPV_FETCH_MAX_LOST 8

struct spv_fetch_closed { /* zeroed: empty */
    struct {
        uint64_t group;
        uint32_t from; /* it may lack filters above this height */
        uint64_t until_us;
    } list[SPV_FETCH_MAX_CLOSED];
    size_t next;
};

/* Before a peer is removed: remembers the lowest height that was requested from it. */
void spv_fetch_closed_add(struct spv_fetch_closed *c, const struct spv_segments_peer *p,
                          struct spv_now now);
/* A new peer: sets what it may lack by what is remembered of its network group. */
void spv_fetch_closed_recall(const struct spv_fetch_closed *c, struct spv_peer_entry *p,
                             struct spv_now now);
/* Whether the peer, or one of its network group, closed when filters above this height were
 * requested. */
bool spv_fetch_closed_lacks(const struct spv_peer_entry *p, uint32_t height);

#endif
