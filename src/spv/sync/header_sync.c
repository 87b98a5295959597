/* One peer at a time is the sync peer: while its answers are full, the next request is sent before
 * the batch is stored. When it has no more headers it is at its tip, and a getheaders goes to all
 * other peers at once; one with a better chain becomes the sync peer. The chain is synced when no
 * request is open and peers of enough network groups are at their tips.
 *
 * A claimed height proves nothing: it only decides which peer gets the first request and what
 * progress is measured against, and is void as soon as the peer has no more headers. */
#include <string.h>

#include "spv/sync/sync_state.h"
#include "util/deadline.h"

int spv_sync_init(struct spv_sync *s, const struct spv_sync_config *cfg, struct spv_now now)
{
    memset(s, 0, sizeof *s);
    s->cfg = *cfg;
    if (!s->cfg.request_timeout_us)
        s->cfg.request_timeout_us = SPV_SYNC_REQUEST_TIMEOUT_US;
    s->quorum = SPV_SYNC_MIN_NETGROUPS;
    s->retry_us = SPV_NEVER;
    s->recheck_us = SPV_NEVER;
    return spv_sync_segments_new(s, now);
}

void spv_sync_free(struct spv_sync *s)
{
    spv_presync_peers_free(s);
    spv_segments_free(s->segments);
    s->segments = NULL;
}

int spv_sync_add(struct spv_sync *s, struct spv_peer_entry *p, unsigned failures,
                 struct spv_now now)
{
    p->sync = (struct spv_sync_peer){.added = true,
                                     .claimed_height = p->start_height,
                                     .claim_valid = true,
                                     .failing = failures > 0};
    if (s->synced && p->version >= SPV_VERSION_SENDHEADERS) {
        spv_effects_send_empty(s->cfg.effects, p->id, SPV_CMD_SENDHEADERS);
        p->sync.sendheaders_sent = true;
    }
    const int rc = spv_sync_segments_add(s, p->id, now);
    return rc < 0 ? rc : spv_sync_schedule(s, now);
}

bool spv_sync_useful(struct spv_sync *s, uint64_t id)
{
    const struct spv_peer_entry *p = spv_sync_find(s, id);
    return (p && p->sync.was_useful) || spv_sync_segments_useful(s, id);
}

void spv_sync_remove(struct spv_sync *s, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *p = spv_sync_find(s, id);
    spv_sync_segments_remove(s, id, now);
    if (p) {
        if (spv_sync_is_waited_for(p)) /* it may come back */
            spv_sync_restart_manual_wait(s);
        spv_presync_peers_forget(s, p);
        p->sync = (struct spv_sync_peer){0};
        p->presync = (struct spv_presync_peer){0};
    }
    if (s->sync_peer == id)
        s->sync_peer = 0;
    spv_effects_discard_sends(s->cfg.effects, id);
    (void)spv_sync_accept_segments(s, now); /* the queue keeps its error */
    (void)spv_sync_schedule(s, now);
}

void spv_sync_set_quorum(struct spv_sync *s, unsigned groups, struct spv_now now)
{
    if (groups == s->quorum)
        return;
    s->quorum = groups;
    spv_sync_update_synced(s, now);
}

void spv_sync_start_lowered(struct spv_sync *s, struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (p->sync.excluded != SPV_WARN_FORK_BELOW_START)
            continue;
        p->sync.excluded = SPV_WARN_NONE;
        s->synced = false;
        s->recheck_us = now.mono_us;
    }
    if (s->more_peers != SPV_MORE_PEERS_NONE && !s->cfg.discovers) {
        /* a manual peer that the backfill closed for the same reason comes back in a moment */
        s->synced = false;
        spv_sync_restart_manual_wait(s);
    }
}

void spv_sync_set_more_peers(struct spv_sync *s, enum spv_more_peers more, struct spv_now now)
{
    if (more == s->more_peers)
        return;
    s->more_peers = more;
    spv_sync_update_synced(s, now);
}

int spv_sync_stored(struct spv_sync *s, struct spv_now now)
{
    s->storing = false;
    spv_chain_stored(s->cfg.chain);
    int rc = spv_sync_accept_presynced(s, now);
    if (rc == 1)
        rc = spv_sync_schedule(s, now);
    return rc < 0 ? rc : spv_sync_accept_segments(s, now);
}

void spv_sync_indexed(struct spv_sync *s)
{
    s->cfg.indexed = true;
}

/* Our only peer gets a longer timeout: disconnecting it gains nothing. */
static uint64_t effective_deadline(const struct spv_sync *s, const struct spv_peer_entry *p)
{
    return spv_sync_has_other_peers(s, p)
               ? p->sync.deadline_us
               : p->sync.requested_us + SPV_SYNC_LONE_PEER_FACTOR * s->cfg.request_timeout_us;
}

int spv_sync_timer(struct spv_sync *s, struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (!spv_sync_request_open(p) || p->sync.disconnect_error ||
            effective_deadline(s, p) > now.mono_us)
            continue;
        spv_sync_disconnect(s, p, SPV_ERR_STALL);
    }
    spv_sync_presync_timer(s, now);
    spv_sync_synced_timer(s, now);
    int rc = s->segments ? spv_segments_timer(s->segments, now) : 0;
    if (!rc)
        rc = spv_sync_accept_segments(s, now);
    const bool retry = s->retry_us <= now.mono_us;
    const bool recheck = s->recheck_us <= now.mono_us;
    if (retry)
        spv_sync_retry_future_headers(s);
    if (recheck)
        s->recheck_us = now.mono_us + SPV_SYNC_RECHECK_INTERVAL_US;
    if (!rc && retry)
        rc = spv_sync_segments_begin(s, now);
    for (struct spv_peer_entry *p = NULL;
         !rc && (retry || recheck) && (p = spv_sync_next_peer(s, p));) {
        if (!spv_sync_busy(p) && !p->sync.disconnect_error && !s->sync_peer &&
            !s->fetching_segments)
            rc = spv_sync_send_getheaders(s, p, NULL, now);
    }
    if (!rc && !s->fetching_segments)
        rc = spv_sync_schedule(s, now);
    return rc ? rc : s->cfg.effects->error;
}

uint64_t spv_sync_deadline(const struct spv_sync *s)
{
    uint64_t first = spv_min_deadline(s->retry_us, s->recheck_us);
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (spv_sync_request_open(p))
            first = spv_min_deadline(first, effective_deadline(s, p));
    }
    first = spv_min_deadline(first, spv_sync_synced_deadline(s));
    first = spv_min_deadline(first, spv_presync_peers_deadline(s));
    return s->segments ? spv_min_deadline(first, spv_segments_deadline(s->segments)) : first;
}

void spv_sync_presync_info(const struct spv_sync *s, struct spv_node_stats *out)
{
    for (size_t i = 0; i < SPV_PRESYNC_PEERS_SLOTS; i++) {
        const struct spv_presync_peers_slot *slot = &s->presync_peers.slot[i];
        const unsigned pass = slot->presync.phase == SPV_PRESYNC_PHASE_PRESYNC ? 1 : 2;
        if (!slot->peer || slot->presync.phase == SPV_PRESYNC_PHASE_OFF)
            continue;
        out->presync_peers++;
        if (pass < out->presync_pass ||
            (pass == out->presync_pass && slot->presync.n <= out->presync_headers))
            continue;
        out->presync_pass = pass;
        out->presync_headers = slot->presync.n;
        out->presync_length = pass == 2 ? slot->presync.length : 0;
    }
}

unsigned spv_sync_open_requests(const struct spv_sync *s)
{
    unsigned open = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));)
        open += spv_sync_request_open(p);
    return open;
}

void spv_sync_peer_info(const struct spv_sync *s, struct spv_node_peer *out)
{
    const struct spv_peer_entry *p = spv_sync_find(s, out->id);
    if (!p)
        return;
    out->is_sync_peer = s->sync_peer == p->id;
    out->at_tip = p->sync.at_tip;
    out->claimed_height = p->sync.claimed_height;
    out->requests = spv_sync_request_open(p);
}

uint32_t spv_sync_target(const struct spv_sync *s)
{
    uint32_t claims[SPV_NODE_MAX_PEERS];
    size_t n = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (!p->sync.claim_valid)
            continue;
        size_t at = n++; /* insertion sort */
        for (; at && claims[at - 1] > p->sync.claimed_height; at--)
            claims[at] = claims[at - 1];
        claims[at] = p->sync.claimed_height;
    }
    const struct spv_params *params = s->cfg.params;
    uint32_t target = spv_chain_tip(s->cfg.chain)->height;
    if (params->n_checkpoints && params->checkpoints[params->n_checkpoints - 1].height > target)
        target = params->checkpoints[params->n_checkpoints - 1].height;
    /* the median claim: one false claim must not change the estimate */
    return n && claims[n / 2] > target ? claims[n / 2] : target;
}

size_t spv_sync_memory(const struct spv_sync *s)
{
    struct spv_segments_stats stats = {0};
    if (s->segments)
        spv_segments_get_stats(s->segments, &stats);
    return stats.memory + spv_presync_peers_memory(s);
}
