/* What the caller has to do next: the next effect, and the time of the next call of the timer. */
#include "spv/node/node_state.h"
#include "util/deadline.h"

uint64_t spv_node_deadline(const struct spv_node *n)
{
    uint64_t first = spv_sync_deadline(&n->sync);
    first = spv_min_deadline(first, spv_checkpoint_start_deadline(n->start));
    first = spv_min_deadline(first, spv_backfill_deadline(n->backfill));
    first = spv_min_deadline(first, spv_node_filters_deadline(&n->filters));
    first = spv_min_deadline(first, spv_node_bloom_deadline(n));
    first = spv_min_deadline(first, spv_health_deadline(&n->health));
    first = spv_min_deadline(first, spv_node_wallet_deadline(n));
    first = spv_min_deadline(first, spv_node_broadcast_deadline(&n->broadcast));
    return spv_min_deadline(first,
                            spv_outbound_deadline(&n->outbound, spv_node_wanted_outbound(n)));
}

/* A scan of the application reports when nothing else is queued. Its next step may queue effects.
 */
static int poll_scan(struct spv_node *n, struct spv_effect *out)
{
    if (spv_effects_pop(&n->effects, out))
        return 1;
    if (n->error)
        return 0;
    const int rc = spv_node_filters_poll(&n->filters, out, n->now);
    return rc != 0 ? rc : spv_effects_pop(&n->effects, out);
}

int spv_node_poll(struct spv_node *n, struct spv_effect *out)
{
    int rc = 0;

    if (!n->error && !spv_effects_head(&n->effects))
        rc = spv_node_broadcast_poll(&n->broadcast, out);
    if (rc == 0)
        rc = n->wallet.sync && !n->error ? spv_node_wallet_poll(n, out) : poll_scan(n, out);
    if (rc < 0)
        (void)node_fail(n, rc);
    return rc == 1;
}

const struct spv_chain *spv_node_chain(const struct spv_node *n)
{
    return n->chain;
}
