/* Which peer headers are requested from next. One peer at a time is the chain peer; when it has no
 * more headers, all others are asked at once whether they have a better chain. */
#include "spv/sync/sync_state.h"

/* Is the peer known to be several times slower than the fastest one that is not at its tip? */
static bool is_slow(const struct spv_sync *s, const struct spv_sync_peer *p)
{
    const uint64_t mine = s->segments ? spv_segments_time(s->segments, p->id) : 0;
    for (size_t i = 0; mine && i < SPV_NODE_MAX_PEERS; i++) {
        const struct spv_sync_peer *q = &s->peer[i];
        const uint64_t time = q->id && !q->at_tip ? spv_segments_time(s->segments, q->id) : 0;
        if (time && mine / SPV_SYNC_SLOW > time)
            return true;
    }
    return false;
}

/* Order: peers that did not fail last time, then peers that are not slow, then the highest claim,
 * then the oldest. After the first stall claims no longer count: silent peers that reconnect with
 * high claims would else be asked again and again while those with headers wait. */
static struct spv_sync_peer *best_untried(struct spv_sync *s)
{
    struct spv_sync_peer *best = NULL;
    unsigned best_last = 0;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        struct spv_sync_peer *p = &s->peer[i];
        if (!p->id || spv_sync_answered(p) || spv_sync_busy(p) || spv_sync_dropping(s, p->id))
            continue;
        const unsigned last = 2u * p->failing + is_slow(s, p);
        const bool better = !best               ? true
                            : last != best_last ? last < best_last
                            : !s->stalls && p->claimed_height != best->claimed_height
                                ? p->claimed_height > best->claimed_height
                                : p->id < best->id;
        if (better) {
            best = p;
            best_last = last;
        }
    }
    return best;
}

int spv_sync_schedule(struct spv_sync *s, struct spv_now now)
{
    int rc = 0;
    if (s->fetching_segments)
        return s->cfg.effects->error;
    if (!s->chain_peer && !spv_sync_done_groups(s)) {
        bool asking = false;
        for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++)
            asking |= s->peer[i].id && s->peer[i].deadline_us && !s->peer[i].in_presync &&
                      !s->peer[i].overdue && !s->peer[i].partial &&
                      !spv_sync_dropping(s, s->peer[i].id);
        struct spv_sync_peer *p = asking ? NULL : best_untried(s);
        if (p) {
            s->chain_peer = p->id;
            rc = spv_sync_ask(s, p, NULL, now);
        }
    } else if (!s->chain_peer) {
        for (size_t i = 0; !rc && i < SPV_NODE_MAX_PEERS; i++) {
            struct spv_sync_peer *p = &s->peer[i];
            if (p->id && !spv_sync_answered(p) && !spv_sync_busy(p) && !spv_sync_dropping(s, p->id))
                rc = spv_sync_ask(s, p, NULL, now);
        }
    }
    spv_sync_update_synced(s, now);
    return rc ? rc : s->cfg.effects->error;
}
