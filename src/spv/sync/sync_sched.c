/* Which peer headers are requested from next. One peer at a time is the sync peer; when it has no
 * more headers, a getheaders goes to all others at once. */
#include "spv/sync/sync_state.h"

/* What segments have measured of a peer, the best first. */
enum speed { NOT_SLOW, NOT_MEASURED, SLOW };

/* Slow is several times slower than the fastest peer that is not at its tip. */
static enum speed speed_of(const struct spv_sync *s, const struct spv_peer_entry *p)
{
    const uint64_t mine = s->segments ? spv_segments_answer_us(s->segments, p->id) : 0;
    if (!mine)
        return NOT_MEASURED;
    for (struct spv_peer_entry *q = NULL; (q = spv_sync_next_peer(s, q));) {
        const uint64_t time = !q->sync.at_tip ? spv_segments_answer_us(s->segments, q->id) : 0;
        if (time && mine / SPV_SYNC_SLOW_FACTOR > time)
            return SLOW;
    }
    return NOT_SLOW;
}

/* Order: peers that did not fail last time, then peers known not to be slow, then peers of unknown
 * speed (they connected late), then the highest claim, then the oldest. After the first stall
 * claims no longer count: silent peers that reconnect with high claims would otherwise get all
 * requests, and peers with headers none. */
static struct spv_peer_entry *best_untried(struct spv_sync *s)
{
    struct spv_peer_entry *best = NULL;
    unsigned best_last = 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));) {
        if (spv_sync_answered(p) || spv_sync_busy(p) || p->sync.disconnect_error)
            continue;
        const unsigned last = (SLOW + 1u) * p->sync.failing + speed_of(s, p);
        const bool better = !best               ? true
                            : last != best_last ? last < best_last
                            : !s->stalls && p->sync.claimed_height != best->sync.claimed_height
                                ? p->sync.claimed_height > best->sync.claimed_height
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
    if (!s->sync_peer && !spv_sync_groups_at_tip(s)) {
        bool requesting = false;
        for (struct spv_peer_entry *q = NULL; (q = spv_sync_next_peer(s, q));)
            requesting |= spv_sync_request_open(q) && !q->presync.slot && !q->sync.overdue &&
                          !q->sync.partial && !q->sync.disconnect_error;
        struct spv_peer_entry *p = requesting ? NULL : best_untried(s);
        if (p) {
            s->sync_peer = p->id;
            rc = spv_sync_send_getheaders(s, p, NULL, now);
        }
    } else if (!s->sync_peer) {
        for (struct spv_peer_entry *p = NULL; !rc && (p = spv_sync_next_peer(s, p));) {
            if (!spv_sync_answered(p) && !spv_sync_busy(p) && !p->sync.disconnect_error)
                rc = spv_sync_send_getheaders(s, p, NULL, now);
        }
    }
    spv_sync_update_synced(s, now);
    return rc ? rc : s->cfg.effects->error;
}
