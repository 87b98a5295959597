/* The synced state. SYNCED: no segment is being fetched, and peers of enough network groups have
 * shown that they have no better chain. UNRESOLVED: no request is left to send, no further peer is
 * expected, and the chain still does not count as synced, for a reason that earlier warnings have
 * reported.
 *
 * Both wait while a request to a ready peer is open, unless it is overdue: a peer that is silent,
 * or sends headers that do not move the best chain, delays them by a few seconds.
 *
 * A claimed height that no peer has shown is such a reason, unless one peer's claim is met or the
 * tip has the network's minimum work, where the network has one. */
#include "spv/sync/sync_state.h"
#include "util/deadline.h"
#include "util/u256.h"

static bool is_at_tip(const struct spv_peer_entry *p)
{
    return p->sync.at_tip;
}

static bool has_future_headers(const struct spv_peer_entry *p)
{
    return p->sync.excluded == SPV_WARN_FUTURE_HEADERS;
}

/* In how many network groups there is a peer of this kind. */
static unsigned count_groups(const struct spv_sync *s, bool (*kind)(const struct spv_peer_entry *p))
{
    unsigned groups = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        bool first = kind(p);
        for (struct spv_peer_entry *q = NULL; first && (q = spv_sync_next_peer(s, q)) != p;)
            first = !(kind(q) && q->group == p->group);
        groups += first;
    }
    return groups;
}

unsigned spv_sync_groups_at_tip(const struct spv_sync *s)
{
    return count_groups(s, is_at_tip);
}

/* How long SYNCED waits for an answer, counted from the first request since the peer last moved the
 * best chain: a slow or silent peer does not delay it for longer. */
static uint64_t wait_limit(const struct spv_sync *s)
{
    const uint64_t most = s->cfg.request_timeout_us;
    uint64_t slowest = 0;
    if (!spv_sync_groups_at_tip(s))
        return most;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (p->sync.at_tip && p->sync.answer_us > slowest)
            slowest = p->sync.answer_us;
    }
    const uint64_t wait = SPV_SYNC_WAIT_FACTOR * slowest;
    if (wait > SPV_SYNC_MIN_WAIT_US)
        return wait < most ? wait : most;
    return SPV_SYNC_MIN_WAIT_US < most ? SPV_SYNC_MIN_WAIT_US : most;
}

static bool any_waited_for(const struct spv_sync *s)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));)
        if (spv_sync_is_waited_for(p))
            return true;
    return false;
}

static uint64_t waiting_since(const struct spv_peer_entry *p)
{
    return p->sync.waiting_since_us ? p->sync.waiting_since_us : p->sync.requested_us;
}

/* How long SYNCED waits for manual peers that are not connected: as for an answer. Without them too
 * few groups may have answered; then as long as for the first answer. */
static uint64_t manual_wait_limit(const struct spv_sync *s)
{
    return spv_sync_groups_at_tip(s) < s->quorum ? s->cfg.request_timeout_us : wait_limit(s);
}

uint64_t spv_sync_synced_deadline(const struct spv_sync *s)
{
    uint64_t first = SPV_NEVER;
    const uint64_t wait = wait_limit(s);
    if (s->synced || s->fetching_segments)
        return SPV_NEVER;
    if (s->manual_since_us && !s->manual_waited)
        first = s->manual_since_us + manual_wait_limit(s);
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (spv_sync_is_waited_for(p))
            first = spv_min_deadline(first, waiting_since(p) + wait);
    }
    return first;
}

void spv_sync_synced_timer(struct spv_sync *s, struct spv_now now)
{
    const uint64_t wait = wait_limit(s);
    if (spv_sync_synced_deadline(s) > now.mono_us)
        return;
    if (s->manual_since_us && s->manual_since_us + manual_wait_limit(s) <= now.mono_us)
        s->manual_waited = true;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (!spv_sync_is_waited_for(p) || waiting_since(p) + wait > now.mono_us)
            continue;
        p->sync.overdue = true;
        if (s->sync_peer == p->id)
            s->sync_peer = 0; /* requests go to the others */
    }
}

/* Every ready peer has answered each request. */
static bool all_answered(const struct spv_sync *s)
{
    size_t n = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (p->sync.disconnect_error)
            continue;
        if (!p->sync.at_tip && !p->sync.excluded && !p->sync.overdue)
            return false;
        n++;
    }
    return n > 0;
}

/* A manual peer that is not connected, or that disconnected before it answered, may have a better
 * chain. */
static bool is_manual_peer_missing(struct spv_sync *s, struct spv_now now)
{
    if (s->more_peers == SPV_MORE_PEERS_NONE || s->cfg.discovers) {
        spv_sync_restart_manual_wait(s);
        return false;
    }
    if (!s->manual_since_us)
        s->manual_since_us = now.mono_us ? now.mono_us : 1;
    return !s->manual_waited;
}

void spv_sync_restart_manual_wait(struct spv_sync *s)
{
    s->manual_since_us = 0;
    s->manual_waited = false;
}

/* One peer whose claim is met suffices. The claim of a peer that is not at its tip does not count.
 */
static bool is_claim_met(const struct spv_sync *s)
{
    const uint32_t height = spv_chain_tip(s->cfg.chain)->height;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));)
        if (!p->sync.disconnect_error && p->sync.at_tip && p->sync.claimed_height <= height)
            return true;
    return false;
}

/* Every ready peer has answered from below our tip, with less work. A peer with future headers
 * builds on our tip. A node may send nothing instead of an empty message, so the claim of a silent
 * peer decides, as after an empty one. */
static bool is_tip_unknown(const struct spv_sync *s)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (p->sync.disconnect_error)
            continue;
        if (has_future_headers(p) || (p->sync.at_tip && !p->sync.below) ||
            (p->sync.overdue && !spv_sync_chain_below_tip(s, p)))
            return false;
    }
    return true;
}

/* The peer at its tip whose chain is the highest. */
static struct spv_peer_entry *highest_claim(struct spv_sync *s)
{
    struct spv_peer_entry *best = NULL;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (!p->sync.disconnect_error && p->sync.at_tip &&
            (!best || p->sync.last_answer_height > best->sync.last_answer_height))
            best = p;
    }
    return best;
}

/* A minimum work of zero proves nothing. */
static bool has_min_work(const struct spv_sync *s)
{
    const struct spv_u256 zero = spv_u256_from_u64(0);
    return spv_u256_cmp(&s->cfg.min_work, &zero) > 0 && spv_sync_enough_work(s);
}

static void emit_synced(struct spv_sync *s, struct spv_now now)
{
    if (!s->cfg.indexed && !s->index_requested) {
        spv_effects_push(s->cfg.effects, SPV_EFFECT_INDEX, 0);
        s->index_requested = true;
    }
    s->synced = true;
    s->unresolved = SPV_WARN_NONE;
    s->recheck_us = now.mono_us + SPV_SYNC_RECHECK_INTERVAL_US;
    spv_sync_event(s->cfg.effects, s->cfg.chain, SPV_EVENT_SYNCED, 0);
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (!p->sync.sendheaders_sent && p->version >= SPV_VERSION_SENDHEADERS) {
            spv_effects_send_empty(s->cfg.effects, p->id, SPV_CMD_SENDHEADERS);
            p->sync.sendheaders_sent = true;
        }
    }
}

static void emit_unresolved(struct spv_sync *s, const struct spv_peer_entry *p,
                            enum spv_warning why, struct spv_now now)
{
    const struct spv_blockhash *tip = &spv_chain_tip(s->cfg.chain)->hash;
    if (s->unresolved == why && spv_blockhash_eq(&s->unresolved_tip, tip))
        return;
    s->unresolved = why;
    s->unresolved_tip = *tip;
    s->recheck_us = now.mono_us + SPV_SYNC_RECHECK_INTERVAL_US;
    struct spv_event *event =
        spv_sync_event(s->cfg.effects, s->cfg.chain, SPV_EVENT_UNRESOLVED, p->id);
    if (event)
        spv_sync_describe_warning(s, event, p, why);
}

/* SYNCED requires that at least two peers of different network groups have no better chain, by
 * proven work; or every peer, when fewer are configured or manual peers were waited for in vain. */
void spv_sync_update_synced(struct spv_sync *s, struct spv_now now)
{
    if (s->synced || s->fetching_segments || s->sync_peer || any_waited_for(s))
        return;
    const struct spv_peer_entry *worst = NULL;
    enum spv_warning why = SPV_WARN_NONE;
    const unsigned groups = spv_sync_groups_at_tip(s);
    const bool all = all_answered(s);
    const bool complete = s->more_peers != SPV_MORE_PEERS_EXPECTED;
    const bool quorum = spv_sync_enough_work(s) &&
                        (groups >= s->quorum || (!s->cfg.discovers && all && groups > 0));
    /* headers that are rejected only because of our clock prevent SYNCED, unless more groups of
     * peers have none: then the clocks of those with future headers are wrong, and not ours */
    const bool ahead = count_groups(s, has_future_headers) >= groups;
    const bool unknown = quorum && is_tip_unknown(s);
    const bool unmet = quorum && !unknown && !is_claim_met(s);
    /* a manual peer that is not connected yet may meet its claim, or have our tip */
    const bool final = complete || s->cfg.discovers || has_min_work(s);
    bool soon = false; /* a peer has headers that become valid soon */

    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (p->sync.disconnect_error)
            continue;
        if (spv_sync_soon_valid(s, p)) {
            soon = true;
            continue;
        }
        const enum spv_warning reason = p->sync.excluded                   ? p->sync.excluded
                                        : p->sync.at_tip && unmet && final ? SPV_WARN_UNMET_CLAIM
                                                                           : SPV_WARN_NONE;
        if (!reason)
            continue;
        if (reason == SPV_WARN_UNMET_CLAIM)
            p->sync.last_answer_height = spv_chain_tip(s->cfg.chain)->height;
        spv_sync_warn(s, p, reason);
        if (!worst || (unmet && reason == SPV_WARN_UNMET_CLAIM)) {
            worst = p;
            why = reason;
        }
    }
    if (unknown && all && final) {
        struct spv_peer_entry *p = highest_claim(s);
        spv_sync_warn(s, p, SPV_WARN_TIP_UNKNOWN);
        worst = p;
        why = SPV_WARN_TIP_UNKNOWN;
    }
    if (quorum && !unknown && !ahead && (!unmet || has_min_work(s))) {
        if (!is_manual_peer_missing(s, now))
            emit_synced(s, now);
    } else if (complete && all && worst && !soon) {
        emit_unresolved(s, worst, why, now);
    }
}
