/* The figures behind a sync, for programs: totals and what each peer does. */
#ifndef SPV_SYNC_METRICS_H
#define SPV_SYNC_METRICS_H

#include "cli.h"
#include "spv/node.h"

/* Adds what is being proven, requests, segments, hedges, stalls, reorgs and bans to an object. NULL
 * is fine. */
void metrics_totals(json_t *object, const struct spv_node_stats *stats);
/* Adds "peer_list": an array with an object a peer. NULL is fine. */
void metrics_peers(json_t *object, const struct spv_node_peer *peers, size_t n);

#endif
