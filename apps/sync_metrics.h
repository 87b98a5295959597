/* Statistics of a sync in JSON: totals and one object per peer. */
#ifndef SPV_SYNC_METRICS_H
#define SPV_SYNC_METRICS_H

#include "cli.h"
#include "spv/node.h"

/* Adds presync, requests, segments, hedges, stalls, reorgs and bans to an object (may be NULL). */
void metrics_totals(json_t *object, const struct spv_node_stats *stats);
/* Adds "peer_list", an array with one object per peer, to an object (may be NULL). */
void metrics_peers(json_t *object, const struct spv_node_peer *peers, size_t n);

#endif
