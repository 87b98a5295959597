/* The verdict. SYNCED: nothing is being fetched, and peers of enough network groups have shown that
 * they know no better chain. UNRESOLVED: nothing is left to ask either, no further peer is to come,
 * and still the chain cannot be called synced, for a reason that the warnings before it gave.
 *
 * Neither is said while a request to a ready peer is open, except one that is overdue: a peer that
 * keeps silent, or goes on without moving the best chain, delays it by a few seconds.
 *
 * A claim of height that no peer kept is such a reason where nothing else vouches for the tip: one
 * peer whose claim was met does, or the network's minimum work, where it has one. */
#include "spv/sync/sync_state.h"
#include "util/deadline.h"
#include "util/u256.h"

unsigned spv_sync_done_groups(const struct spv_sync *s)
{
    unsigned groups = 0;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        const struct spv_sync_peer *p = &s->peer[i];
        bool first = p->id && p->at_tip;
        for (size_t j = 0; first && j < i; j++)
            first = !(s->peer[j].id && s->peer[j].at_tip && s->peer[j].group == p->group);
        groups += first;
    }
    return groups;
}

static bool is_counted(const struct spv_sync *s, const struct spv_sync_peer *p)
{
    return p->id && !spv_sync_dropping(s, p->id);
}

/* How long a verdict waits for an answer, counted from when the peer was first asked since it last
 * moved the best chain: a peer that is slow, mute or full of other news holds it up no longer. */
static uint64_t answer_patience(const struct spv_sync *s)
{
    const uint64_t most = s->cfg.request_timeout_us;
    uint64_t slowest = 0;
    if (!spv_sync_done_groups(s))
        return most;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        const struct spv_sync_peer *p = &s->peer[i];
        if (p->id && p->at_tip && p->answer_us > slowest)
            slowest = p->answer_us;
    }
    const uint64_t wait = SPV_SYNC_WAIT_TIMES * slowest;
    if (wait > SPV_SYNC_WAIT)
        return wait < most ? wait : most;
    return SPV_SYNC_WAIT < most ? SPV_SYNC_WAIT : most;
}

/* A verdict waits for it. */
static bool is_waited_for(const struct spv_sync *s, const struct spv_sync_peer *p)
{
    return is_counted(s, p) && p->deadline_us && !p->overdue;
}

static bool any_waited_for(const struct spv_sync *s)
{
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++)
        if (is_waited_for(s, &s->peer[i]))
            return true;
    return false;
}

static uint64_t waiting_since(const struct spv_sync_peer *p)
{
    return p->since_us ? p->since_us : p->asked_us;
}

uint64_t spv_sync_synced_deadline(const struct spv_sync *s)
{
    uint64_t first = SPV_NEVER;
    const uint64_t wait = answer_patience(s);
    if (s->synced || s->fetching_segments)
        return SPV_NEVER;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        const struct spv_sync_peer *p = &s->peer[i];
        if (is_waited_for(s, p))
            first = spv_min_deadline(first, waiting_since(p) + wait);
    }
    return first;
}

void spv_sync_synced_timer(struct spv_sync *s, struct spv_now now)
{
    const uint64_t wait = answer_patience(s);
    if (spv_sync_synced_deadline(s) > now.mono_us)
        return;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        struct spv_sync_peer *p = &s->peer[i];
        if (!is_waited_for(s, p) || waiting_since(p) + wait > now.mono_us)
            continue;
        p->overdue = true;
        if (s->chain_peer == p->id)
            s->chain_peer = 0; /* the others are asked without it */
    }
}

/* Every ready peer has answered all that it was asked. */
static bool all_answered(const struct spv_sync *s)
{
    size_t n = 0;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        const struct spv_sync_peer *p = &s->peer[i];
        if (!is_counted(s, p))
            continue;
        if (!p->at_tip && !p->excluded && !p->overdue)
            return false;
        n++;
    }
    return n > 0;
}

/* "One peer whose claim is met ... is enough"; nothing done, nothing claimed. */
static bool claim_met(const struct spv_sync *s)
{
    const uint32_t height = spv_chain_tip(s->cfg.chain)->height;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++)
        if (is_counted(s, &s->peer[i]) && s->peer[i].at_tip && s->peer[i].claimed_height <= height)
            return true;
    return false;
}

/* "Every ready peer answered from below our tip with less work." A silent one has not: a node may
 * send nothing rather than an empty message, so its claim decides as after an empty one. */
static bool tip_unknown(const struct spv_sync *s)
{
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        const struct spv_sync_peer *p = &s->peer[i];
        if (!is_counted(s, p))
            continue;
        if ((p->at_tip && !p->below) || (p->overdue && !spv_sync_below(s, p)))
            return false;
    }
    return true;
}

/* Of those, the one whose chain is the highest. */
static struct spv_sync_peer *highest_claim(struct spv_sync *s)
{
    struct spv_sync_peer *best = NULL;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        struct spv_sync_peer *p = &s->peer[i];
        if (is_counted(s, p) && p->at_tip && (!best || p->given > best->given))
            best = p;
    }
    return best;
}

/* "A network whose minimum work is zero is never vouched for by it." */
static bool work_vouches(const struct spv_sync *s)
{
    const struct spv_u256 zero = spv_u256_from_u64(0);
    return spv_u256_cmp(&s->cfg.min_work, &zero) > 0 && spv_sync_enough_work(s);
}

static void emit_synced(struct spv_sync *s, struct spv_now now)
{
    if (!s->cfg.indexed && !s->index_asked) {
        spv_effects_push(s->cfg.effects, SPV_EFFECT_INDEX, 0);
        s->index_asked = true;
    }
    s->synced = true;
    s->unresolved = SPV_WARN_NONE;
    s->recheck_us = now.mono_us + SPV_SYNC_RECHECK;
    spv_sync_event(s->cfg.effects, s->cfg.chain, SPV_EVENT_SYNCED, 0);
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        struct spv_sync_peer *p = &s->peer[i];
        if (p->id && !p->sendheaders_sent && p->version >= SPV_VERSION_SENDHEADERS) {
            spv_effects_send_empty(s->cfg.effects, p->id, SPV_CMD_SENDHEADERS);
            p->sendheaders_sent = true;
        }
    }
}

static void emit_unresolved(struct spv_sync *s, const struct spv_sync_peer *p, enum spv_warning why,
                            struct spv_now now)
{
    const struct spv_blockhash *tip = &spv_chain_tip(s->cfg.chain)->hash;
    if (s->unresolved == why && spv_blockhash_eq(&s->unresolved_tip, tip))
        return;
    s->unresolved = why;
    s->unresolved_tip = *tip;
    s->recheck_us = now.mono_us + SPV_SYNC_RECHECK;
    struct spv_event *event =
        spv_sync_event(s->cfg.effects, s->cfg.chain, SPV_EVENT_UNRESOLVED, p->id);
    if (event)
        spv_sync_describe_warning(s, event, p, why);
}

/* "Synced is said only when at least two peers of different network groups (or every peer there is,
 * when fewer were asked for) have no better chain, judged by proven work." */
void spv_sync_update_synced(struct spv_sync *s, struct spv_now now)
{
    if (s->synced || s->fetching_segments || s->chain_peer || any_waited_for(s))
        return;
    const struct spv_sync_peer *against = NULL;
    enum spv_warning why = SPV_WARN_NONE;
    const unsigned groups = spv_sync_done_groups(s);
    const bool all = all_answered(s);
    /* a peer that cannot count leaves the verdict to the others, when no further one is to come */
    const bool quorum =
        spv_sync_enough_work(s) && (groups >= s->quorum || (s->complete && all && groups > 0));
    const bool unknown = quorum && tip_unknown(s);
    const bool unmet = quorum && !unknown && !claim_met(s);
    /* a named peer that is still to come may meet its claim, or have our tip */
    const bool final = s->complete || s->cfg.discovers || work_vouches(s);
    bool soon = false; /* a peer has headers that are valid in a moment */

    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        struct spv_sync_peer *p = &s->peer[i];
        if (!is_counted(s, p))
            continue;
        if (spv_sync_soon_valid(s, p)) {
            soon = true;
            continue;
        }
        const enum spv_warning reason = p->excluded                   ? p->excluded
                                        : p->at_tip && unmet && final ? SPV_WARN_UNMET_CLAIM
                                                                      : SPV_WARN_NONE;
        if (!reason)
            continue;
        if (reason == SPV_WARN_UNMET_CLAIM)
            p->given = spv_chain_tip(s->cfg.chain)->height;
        spv_sync_warn(s, p, reason);
        if (!against || (unmet && reason == SPV_WARN_UNMET_CLAIM)) {
            against = p;
            why = reason;
        }
    }
    if (unknown && all && final) {
        struct spv_sync_peer *p = highest_claim(s);
        spv_sync_warn(s, p, SPV_WARN_TIP_UNKNOWN);
        against = p;
        why = SPV_WARN_TIP_UNKNOWN;
    }
    if (quorum && !unknown && (!unmet || work_vouches(s)))
        emit_synced(s, now);
    else if (s->complete && all && against && !soon)
        emit_unresolved(s, against, why, now);
}
