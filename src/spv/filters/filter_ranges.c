/* Between agreed checkpoints, the filter headers at both ends of a range prove its filter hashes,
 * from any peer. So they are fetched from all peers that agree, by the scheduler of segments. */
#include <stdlib.h>

#include "spv/filters/filter_sync_state.h"

static int block_hash(void *ctx, struct spv_blockhash *out, uint32_t height)
{
    return spv_filter_headers_block(ctx, out, height);
}

static int open_segments(struct spv_filter_sync *fs, struct spv_now now)
{
    const size_t first = fs->height / SPV_CFCHECKPT_INTERVAL;
    const struct spv_filter_checkpoint from = {.height = fs->height, .header = fs->top};
    const size_t n = fs->n_agreed - first;
    fs->ends = malloc(n * sizeof *fs->ends);
    if (!fs->ends)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        fs->ends[i] = (struct spv_filter_checkpoint){.height = (uint32_t)(first + i + 1) *
                                                               SPV_CFCHECKPT_INTERVAL,
                                                     .header = fs->agreed[first + i]};
    fs->ops = (struct spv_filter_segments){.ends = fs->ends, .block_hash = block_hash, .ctx = fs};
    const struct spv_segments_config cfg = {.owner = SPV_SEGMENTS_OF_FILTERS,
                                            .ops = &spv_segments_filter_header_ops,
                                            .ops_ctx = &fs->ops,
                                            .peers = fs->cfg.peers,
                                            .params = fs->cfg.params,
                                            .n_checkpoints = n,
                                            .effects = fs->cfg.effects,
                                            .timeout_us = fs->cfg.timeout_us};
    const int rc = spv_segments_new(&fs->segments, &cfg);
    return rc < 0 ? rc
                  : spv_filter_segments_begin(fs->segments, &from, fs->ends[n - 1].height, now);
}

/* Adds every peer that agrees up to the last checkpoint. */
static int add_peers(struct spv_filter_sync *fs, struct spv_now now)
{
    int rc = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        if (rc || !spv_filter_peer_can_vote(p, now) || !p->filters.agrees ||
            p->filters.agrees_height < fs->round.stop ||
            !spv_filter_peer_has_block(p, fs->round.stop) ||
            p->segments[SPV_SEGMENTS_OF_FILTERS].entry)
            continue;
        rc = spv_segments_add(fs->segments, p->id, now);
    }
    return rc;
}

/* Disconnects peers that send filter hashes other than those that the two filter headers they
 * agreed to commit to: they contradict themselves. A peer that does not answer is only left out. */
static int disconnect_peers(struct spv_filter_sync *fs, struct spv_now now)
{
    struct spv_disconnect drop;
    int rc = 0;
    while (!rc && spv_segments_next_disconnect(fs->segments, &drop)) {
        struct spv_peer_entry *p = spv_peer_table_find(fs->cfg.peers, drop.id);
        if (!p)
            continue;
        if (drop.error == SPV_ERR_STALL)
            p->filters.silent_until_us = now.mono_us + SPV_FILTER_SILENT_US;
        else
            spv_filter_peers_disconnect(p, drop.error == SPV_ERR_FILTER_HEADERS
                                               ? SPV_ERR_FILTER_CONTRADICTION
                                               : drop.error);
        rc = spv_segments_remove(fs->segments, drop.id, now);
    }
    return rc;
}

int spv_filter_ranges_run(struct spv_filter_sync *fs, struct spv_now now)
{
    struct spv_segments_batch batch;
    int rc = 0;
    if (!fs->agreed || fs->height >= fs->round.stop)
        return 0;
    if (!fs->segments)
        rc = open_segments(fs, now);
    if (!rc && spv_segments_deadline(fs->segments) <= now.mono_us) /* it passed during a dispute */
        rc = spv_segments_timer(fs->segments, now);
    if (!rc)
        rc = disconnect_peers(fs, now);
    if (!rc)
        rc = add_peers(fs, now);
    if (rc || !spv_segments_next_batch(fs->segments, &batch, now))
        return rc;
    rc = spv_filter_headers_store(fs, spv_filter_segments_hashes(&batch), batch.n);
    return rc < 0 ? rc : spv_segments_consume(fs->segments, now);
}
