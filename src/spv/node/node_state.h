/* The internals of the node, shared by node.c (inputs), node_poll.c (effects), node_scan.c (scans),
 * node_wallet.c and node_watch.c (the wallet) and node_stats.c (statistics).
 */
#ifndef SPV_SPV_NODE_NODE_STATE_H
#define SPV_SPV_NODE_NODE_STATE_H

#include "spv/effects/effects.h"
#include "spv/node/health.h"
#include "spv/node/node_bloom.h"
#include "spv/node/node_broadcast.h"
#include "spv/node/node_filters.h"
#include "spv/node/node_unconfirmed.h"
#include "spv/node/node_wallet.h"
#include "spv/node/outbound.h"
#include "spv/node/peer_rates.h"
#include "spv/sync/backfill.h"
#include "spv/sync/checkpoint_start.h"
#include "spv/sync/header_sync.h"
#include "spv/sync/peer_table.h"

struct spv_node {
    struct spv_effects effects;
    struct spv_outbound outbound;
    struct spv_chain *chain;
    struct spv_peer_table peers; /* those that are ready and serve headers */
    struct spv_sync sync;
    struct spv_checkpoint_start *start; /* NULL: the database is not empty, or starts at genesis */
    struct spv_backfill *backfill; /* NULL: not wanted */
    struct spv_node_filters filters;
    struct spv_node_wallet wallet;
    struct spv_node_bloom bloom;
    struct spv_node_unconfirmed unconfirmed;
    struct spv_node_broadcast broadcast;
    struct spv_health health;
    struct spv_peer_rates peer_rates;
    struct spv_params params; /* the caller's, with the checkpoints that are in force */
    unsigned target_outbound;
    unsigned n_extra; /* more peers while health wants them: those connected after last_regular */
    uint64_t last_regular; /* peer id */
    uint64_t current_peer; /* the peer of the last message */
    uint64_t tip_peer; /* the peer whose message last moved the tip */
    uint32_t start_height;
    uint64_t bans;
    struct spv_now now; /* of the last input */
    int error;
};

/* Keeps the first failure of ours, also one of the effect queue. Returns it, or 0. */
static inline int node_fail(struct spv_node *n, int error)
{
    if (!n->error && error < 0)
        n->error = error;
    if (!n->error && n->effects.error)
        n->error = n->effects.error;
    return n->error;
}

/* node.c. After every input, with what it returned: disconnects the peers that the modules report,
 * and fills free slots. Returns 0 or the node's error. */
int spv_node_after_input(struct spv_node *n, int rc, struct spv_now now);
/* node_broadcast.c. How many connections are wanted now: those of the target, extra ones while the
 * tip does not move, and while something is published those that are missing with relay 1. */
unsigned spv_node_wanted_outbound(const struct spv_node *n);

#endif
