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

void spv_health_init(struct spv_health *h, const struct spv_params *params, unsigned wanted,
                     struct spv_peer_table *peers)
{
    memset(h, 0, sizeof *h);
    h->extra_peers_after_s = params->extra_peers_after_s;
    h->stale_warning_after_s = params->stale_warning_after_s;
    h->wanted = wanted;
    h->peers = peers;
    h->extra_peers_us = h->stale_warning_us = h->check_us = h->no_peers_us = SPV_NEVER;
}

void spv_health_connected(struct spv_health *h, uint64_t id, int64_t ahead_s, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(h->peers, id);
    if (!p)
        return;
    if (ahead_s > CLAIM_MAX)
        ahead_s = CLAIM_MAX;
    if (ahead_s < -CLAIM_MAX)
        ahead_s = -CLAIM_MAX;
    p->health = (struct spv_health_peer){.has_clock = ahead_s + now.unix_s != 0,
                                         .clock_s = ahead_s + now.unix_s - seconds_of(now)};
    h->n_peers++;
    h->no_peers_us = SPV_NEVER;
    h->check_us = now.mono_us;
}

void spv_health_closed(struct spv_health *h, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(h->peers, id);
    if (!p)
        return;
    p->health = (struct spv_health_peer){0};
    if (--h->n_peers)
        return;
    h->no_peers_us = now.mono_us + SPV_HEALTH_NO_PEERS_DELAY_US;
    h->check_us = SPV_NEVER;
}

static uint64_t due_us(int64_t from_us, uint64_t after_s)
{
    const int64_t at = from_us + (int64_t)(after_s * SPV_SECOND);
    if (after_s == 0)
        return SPV_NEVER;
    return at > 0 ? (uint64_t)at : 0;
}

bool spv_health_tip(struct spv_health *h, bool synced, const struct spv_chain_header *tip,
                    struct spv_now now)
{
    if (h->started ? spv_blockhash_eq(&h->tip, &tip->hash) : !synced)
        return false;
    int64_t old = 0;
    if (!h->started)
        old = now.unix_s - (int64_t)tip->header.time;
    if (old < 0)
        old = 0; /* a miner's clock may be ahead */
    h->started = true;
    h->tip = tip->hash;
    h->moved_us = (int64_t)now.mono_us - old * (int64_t)SPV_SECOND;
    h->extra_peers_us = due_us(h->moved_us, h->extra_peers_after_s);
    h->stale_warning_us = due_us(h->moved_us, h->stale_warning_after_s);
    h->tip_resumed = h->wants_extra_peers;
    h->wants_extra_peers = false;
    return true;
}

uint64_t spv_health_age(const struct spv_health *h, struct spv_now now)
{
    const int64_t age_us = (int64_t)now.mono_us - h->moved_us;
    return h->started && age_us > 0 ? (uint64_t)age_us / SPV_SECOND : 0;
}

/* The median of the clocks when more than half of them are off by too much on the same side. */
static int64_t clock_skew(const struct spv_health *h, struct spv_now now)
{
    const size_t needed = h->wanted < SPV_HEALTH_MIN_CLOCKS ? h->wanted : SPV_HEALTH_MIN_CLOCKS;
    int64_t ahead[SPV_NODE_MAX_PEERS];
    size_t n = 0, early = 0, late = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(h->peers, p));) {
        if (!p->health.has_clock)
            continue;
        const int64_t x = p->health.clock_s + seconds_of(now) - now.unix_s;
        size_t at = n++; /* insertion sort */
        for (; at > 0 && ahead[at - 1] > x; at--)
            ahead[at] = ahead[at - 1];
        ahead[at] = x;
        early += x < -SPV_HEALTH_MAX_SKEW_S;
        late += x > SPV_HEALTH_MAX_SKEW_S;
    }
    if (n == 0 || n < needed)
        return 0;
    if (2 * late > n)
        return ahead[n / 2];
    return 2 * early > n ? ahead[(n - 1) / 2] : 0;
}

static int push_warning(struct spv_health_event *out, enum spv_warning warning, int64_t seconds)
{
    *out = (struct spv_health_event){
        .kind = SPV_HEALTH_WARNING, .warning = warning, .seconds = seconds};
    return 1;
}

int spv_health_next(struct spv_health *h, struct spv_health_event *out, struct spv_now now)
{
    if (h->tip_resumed) {
        h->tip_resumed = false;
        *out = (struct spv_health_event){.kind = SPV_HEALTH_TIP_RESUMED};
        return 1;
    }
    if (h->no_peers_us <= now.mono_us) {
        h->no_peers_us = SPV_NEVER;
        return push_warning(out, SPV_WARN_NO_PEERS, 0);
    }
    if (h->extra_peers_us <= now.mono_us) {
        h->extra_peers_us = now.mono_us + h->extra_peers_after_s * SPV_SECOND;
        h->wants_extra_peers = true;
        *out = (struct spv_health_event){.kind = SPV_HEALTH_EXTRA_PEERS};
        return 1;
    }
    if (h->stale_warning_us <= now.mono_us) {
        h->stale_warning_us = now.mono_us + SPV_HEALTH_REPEAT_US;
        return push_warning(out, SPV_WARN_STALE_TIP, (int64_t)spv_health_age(h, now));
    }
    if (h->check_us <= now.mono_us) {
        h->check_us = now.mono_us + SPV_HEALTH_CLOCK_INTERVAL_US;
        h->skew_s = clock_skew(h, now);
        if (h->skew_s != 0 && h->skew_us <= now.mono_us) {
            h->skew_us = now.mono_us + SPV_HEALTH_REPEAT_US;
            return push_warning(out, SPV_WARN_CLOCK, h->skew_s);
        }
    }
    return 0;
}

uint64_t spv_health_deadline(const struct spv_health *h)
{
    const uint64_t at[] = {h->no_peers_us, h->extra_peers_us, h->stale_warning_us, h->check_us};
    uint64_t first = h->tip_resumed ? 0 : SPV_NEVER;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        first = spv_min_deadline(first, at[i]);
    return first;
}
