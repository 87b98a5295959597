/* A tip's age is measured on the monotonic clock from the moment that it moved, so that neither a
 * miner's clock nor a step of ours causes a warning. Only the tip at the first SYNCED is as old as
 * its own time: a node that is cut off from the start sees only an old chain.
 *
 * A peer's clock is kept as its offset from our monotonic clock: when our wall clock is corrected,
 * the peers' clocks are compared with the new time at once. */
#include "spv/node/health.h"

#include <string.h>

#include "util/deadline.h"

#define CLAIM_MAX (INT64_C(1) << 40) /* larger than any date: a peer may claim all 64 bits */

static int64_t seconds_of(struct spv_now now)
{
    return (int64_t)(now.mono_us / SPV_SECOND);
}

void spv_health_init(struct spv_health *a, const struct spv_params *params, unsigned wanted,
                     struct spv_peer_table *peers)
{
    memset(a, 0, sizeof *a);
    a->fresh_s = params->fresh_peers_s;
    a->stale_s = params->stale_tip_s;
    a->wanted = wanted;
    a->peers = peers;
    a->fresh_us = a->stale_us = a->check_us = a->no_peers_us = SPV_NEVER;
}

void spv_health_connected(struct spv_health *a, uint64_t id, int64_t ahead_s, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(a->peers, id);
    if (!p)
        return;
    if (ahead_s > CLAIM_MAX)
        ahead_s = CLAIM_MAX;
    if (ahead_s < -CLAIM_MAX)
        ahead_s = -CLAIM_MAX;
    p->health = (struct spv_health_peer){.has_clock = ahead_s + now.unix_s != 0,
                                         .clock_s = ahead_s + now.unix_s - seconds_of(now)};
    a->n_peers++;
    a->no_peers_us = SPV_NEVER;
    a->check_us = now.mono_us;
}

void spv_health_closed(struct spv_health *a, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(a->peers, id);
    if (!p)
        return;
    p->health = (struct spv_health_peer){0};
    if (--a->n_peers)
        return;
    a->no_peers_us = now.mono_us + SPV_HEALTH_NO_PEERS_DELAY;
    a->check_us = SPV_NEVER;
}

static uint64_t is_due(int64_t from_us, uint64_t after_s)
{
    const int64_t at = from_us + (int64_t)(after_s * SPV_SECOND);
    if (after_s == 0)
        return SPV_NEVER;
    return at > 0 ? (uint64_t)at : 0;
}

bool spv_health_tip(struct spv_health *a, bool synced, const struct spv_chain_header *tip,
                    struct spv_now now)
{
    if (a->started ? spv_blockhash_eq(&a->tip, &tip->hash) : !synced)
        return false;
    int64_t old = 0;
    if (!a->started)
        old = now.unix_s - (int64_t)tip->header.time;
    if (old < 0)
        old = 0; /* a miner's clock may be ahead */
    a->started = true;
    a->tip = tip->hash;
    a->moved_us = (int64_t)now.mono_us - old * (int64_t)SPV_SECOND;
    a->fresh_us = is_due(a->moved_us, a->fresh_s);
    a->stale_us = is_due(a->moved_us, a->stale_s);
    a->tip_resumed = a->stale;
    a->stale = false;
    return true;
}

uint64_t spv_health_age(const struct spv_health *a, struct spv_now now)
{
    const int64_t age_us = (int64_t)now.mono_us - a->moved_us;
    return a->started && age_us > 0 ? (uint64_t)age_us / SPV_SECOND : 0;
}

/* The median of the clocks when more than half of them are off by too much on the same side. */
static int64_t skew(const struct spv_health *a, struct spv_now now)
{
    const size_t needed = a->wanted < SPV_HEALTH_CLOCKS ? a->wanted : SPV_HEALTH_CLOCKS;
    int64_t ahead[SPV_NODE_MAX_PEERS];
    size_t n = 0, early = 0, late = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(a->peers, p));) {
        if (!p->health.has_clock)
            continue;
        const int64_t x = p->health.clock_s + seconds_of(now) - now.unix_s;
        size_t at = n++; /* insertion sort */
        for (; at > 0 && ahead[at - 1] > x; at--)
            ahead[at] = ahead[at - 1];
        ahead[at] = x;
        early += x < -SPV_HEALTH_SKEW;
        late += x > SPV_HEALTH_SKEW;
    }
    if (n == 0 || n < needed)
        return 0;
    if (2 * late > n)
        return ahead[n / 2];
    return 2 * early > n ? ahead[(n - 1) / 2] : 0;
}

static int push_warning(struct spv_health_note *out, enum spv_warning warning, int64_t seconds)
{
    *out = (struct spv_health_note){
        .kind = SPV_HEALTH_WARNING, .warning = warning, .seconds = seconds};
    return 1;
}

int spv_health_next(struct spv_health *a, struct spv_health_note *out, struct spv_now now)
{
    if (a->tip_resumed) {
        a->tip_resumed = false;
        *out = (struct spv_health_note){.kind = SPV_HEALTH_TIP_RESUMED};
        return 1;
    }
    if (a->no_peers_us <= now.mono_us) {
        a->no_peers_us = SPV_NEVER;
        return push_warning(out, SPV_WARN_NO_PEERS, 0);
    }
    if (a->fresh_us <= now.mono_us) {
        a->fresh_us = now.mono_us + a->fresh_s * SPV_SECOND;
        a->stale = true;
        *out = (struct spv_health_note){.kind = SPV_HEALTH_FRESH_PEERS};
        return 1;
    }
    if (a->stale_us <= now.mono_us) {
        a->stale_us = now.mono_us + SPV_HEALTH_AGAIN;
        return push_warning(out, SPV_WARN_STALE_TIP, (int64_t)spv_health_age(a, now));
    }
    if (a->check_us <= now.mono_us) {
        a->check_us = now.mono_us + SPV_HEALTH_LOOK;
        a->skew_s = skew(a, now);
        if (a->skew_s != 0 && a->skew_us <= now.mono_us) {
            a->skew_us = now.mono_us + SPV_HEALTH_AGAIN;
            return push_warning(out, SPV_WARN_CLOCK, a->skew_s);
        }
    }
    return 0;
}

uint64_t spv_health_deadline(const struct spv_health *a)
{
    const uint64_t at[] = {a->no_peers_us, a->fresh_us, a->stale_us, a->check_us};
    uint64_t first = a->tip_resumed ? 0 : SPV_NEVER;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        first = spv_min_deadline(first, at[i]);
    return first;
}
