/* Headers received from each peer and their rate, for statistics: no decision depends on them. */
#ifndef SPV_SPV_NODE_PEER_RATES_H
#define SPV_SPV_NODE_PEER_RATES_H

#include "spv/sync/peer_table.h"

/* ours: a rate is measured over half of it to all of it */
#define SPV_PEER_RATES_SPAN_US (10 * SPV_SECOND)
/* ours: addresses whose stalls are remembered after they disconnect */
#define SPV_PEER_RATES_STALLS 64

struct spv_peer_stalls {
    struct spv_endpoint endpoint;
    uint64_t n;
};

struct spv_peer_rates {
    struct spv_peer_table *peers; /* borrowed */
    struct spv_peer_stalls stall[SPV_PEER_RATES_STALLS]; /* n 0: free */
};

/* A peer of the table: counts from now on. */
void spv_peer_rates_add(struct spv_peer_rates *r, uint64_t id, struct spv_now now);
void spv_peer_rates_headers(struct spv_peer_rates *r, uint64_t id, size_t n, struct spv_now now);
/* It is disconnected, because of `error`; an id that is not in the table is ignored. */
void spv_peer_rates_remove(struct spv_peer_rates *r, uint64_t id,
                           const struct spv_endpoint *endpoint, int error);

/* Fills in rate, headers, stalls and connected_for_us. False when there is no such peer. */
bool spv_peer_rates_get(const struct spv_peer_rates *r, struct spv_node_peer *out, uint64_t id,
                        const struct spv_endpoint *endpoint, struct spv_now now);

#endif
