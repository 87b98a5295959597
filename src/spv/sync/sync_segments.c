/* Below the last checkpoint header sync downloads segments: many at once from all peers. The chain
 * checks them like all other headers, one batch between one STORE and the next. Past the last
 * checkpoint, and while no peer has the next segment, requests go to one peer after the other, as
 * without checkpoints.
 *
 * No peer may have it because all of them are behind, or because our tip is on a branch that they
 * do not have: a locator finds the fork point, and when the tip has moved, the segments are fetched
 * from there. */
#include "spv/sync/segments.h"

#include "spv/chain/chain_state.h"
#include "spv/sync/sync_state.h"

static uint32_t last_checkpoint(const struct spv_sync *s)
{
    const struct spv_params *params = s->cfg.params;
    return params->n_checkpoints ? params->checkpoints[params->n_checkpoints - 1].height : 0;
}

int spv_sync_segments_begin(struct spv_sync *s, struct spv_now now)
{
    const struct spv_chain_header *tip = spv_chain_tip(s->cfg.chain);
    if (!s->segments || s->segments_disabled || s->fetching_segments ||
        tip->height >= last_checkpoint(s))
        return 0;
    const struct spv_checkpoint from = {.height = tip->height, .hash = tip->hash};
    const int rc = spv_segments_begin(s->segments, &from, UINT32_MAX, now);
    s->fetching_segments = !spv_segments_done(s->segments) && !spv_segments_all_behind(s->segments);
    if (s->fetching_segments)
        s->sync_peer = 0;
    else
        spv_segments_stop(s->segments);
    return rc;
}

int spv_sync_segments_new(struct spv_sync *s, struct spv_now now)
{
    const struct spv_segments_config cfg = {.owner = SPV_SEGMENTS_OF_SYNC,
                                            .ops = &spv_segments_header_ops,
                                            .peers = s->cfg.peers,
                                            .params = s->cfg.params,
                                            .checkpoints = s->cfg.params->checkpoints,
                                            .n_checkpoints = s->cfg.params->n_checkpoints,
                                            .effects = s->cfg.effects,
                                            .timeout_us = s->cfg.request_timeout_us,
                                            .post_checkpoint = true};
    if (spv_chain_tip(s->cfg.chain)->height >= last_checkpoint(s))
        return 0;
    const int rc = spv_segments_new(&s->segments, &cfg);
    return rc < 0 ? rc : spv_sync_segments_begin(s, now);
}

void spv_sync_segments_stop(struct spv_sync *s)
{
    s->fetching_segments = false;
    spv_segments_stop(s->segments);
}

int spv_sync_segments_headers(struct spv_sync *s, struct spv_peer_entry *p,
                              const struct spv_msg_headers *msg, struct spv_now now)
{
    if (!s->segments)
        return SPV_SYNC_NOT_HANDLED;
    const int rc = spv_segments_headers(s->segments, p->id, msg, now);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        if (spv_sync_request_open(
                p)) /* a request that was sent later cannot have been answered yet */
            p->sync.deadline_us = now.mono_us + s->cfg.request_timeout_us;
        return SPV_SYNC_ACCEPT;
    }
    if (!s->fetching_segments || p->presync.slot)
        return SPV_SYNC_NOT_HANDLED;
    /* An announcement, or the answer to an earlier request: the segments will include these
     * headers. */
    const bool unsolicited = !spv_sync_request_open(p) && msg->n > SPV_SYNC_MAX_ANNOUNCED &&
                             ++p->sync.n_no_new > SPV_SYNC_MAX_NO_NEW;
    spv_sync_request_done(p, msg, now);
    p->sync.at_tip = false;
    return unsolicited ? SPV_SYNC_DISCONNECT : SPV_SYNC_CONSUMED;
}

int spv_sync_segments_resume(struct spv_sync *s, const struct spv_peer_entry *p, struct spv_now now)
{
    if (!s->segments)
        return 0;
    spv_segments_clear_behind(s->segments, p->id);
    const int rc = spv_sync_segments_begin(s, now);
    return rc < 0 ? rc : s->fetching_segments;
}

int spv_sync_segments_add(struct spv_sync *s, uint64_t id, struct spv_now now)
{
    if (!s->segments)
        return 0;
    const int rc = spv_segments_add(s->segments, id, now);
    return rc < 0 ? rc : spv_sync_segments_begin(s, now);
}

bool spv_sync_segments_useful(const struct spv_sync *s, uint64_t id)
{
    struct spv_segments_peer_stats stats;
    return s->segments && spv_segments_get_peer(s->segments, &stats, id) && stats.segments > 0;
}

void spv_sync_segments_remove(struct spv_sync *s, uint64_t id, struct spv_now now)
{
    if (s->segments)
        (void)spv_segments_remove(s->segments, id, now); /* the queue keeps its error */
}
