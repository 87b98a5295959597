/* The peers of header sync in the peer table, those of them that are to be disconnected, and the
 * one place that sends getheaders. The other files of header sync build on it. */
#include "spv/sync/sync_state.h"

/* ---- peers ---- */

struct spv_peer_entry *spv_sync_find(const struct spv_sync *s, uint64_t id)
{
    struct spv_peer_entry *p = spv_peer_table_find(s->cfg.peers, id);
    return p && p->sync.added ? p : NULL;
}

bool spv_sync_has_other_peers(const struct spv_sync *s, const struct spv_peer_entry *p)
{
    for (struct spv_peer_entry *q = NULL; (q = spv_sync_next_peer(s, q));)
        if (q != p && !q->sync.disconnect_error)
            return true;
    return false;
}

void spv_sync_disconnect(struct spv_sync *s, struct spv_peer_entry *p, int error)
{
    s->n_misbehaving += spv_err_class_of(error) == SPV_CLASS_MISBEHAVING;
    s->stalls += error == SPV_ERR_STALL;
    if (!p->sync.disconnect_error)
        p->sync.disconnect_error = error;
}

int spv_sync_next_disconnect(struct spv_sync *s, struct spv_disconnect *out)
{
    struct spv_peer_entry *last = NULL;
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));)
        if (p->sync.disconnect_error)
            last = p;
    if (!last)
        return 0;
    *out = (struct spv_disconnect){.id = last->id, .error = last->sync.disconnect_error};
    last->sync.disconnect_error = 0;
    return 1;
}

void spv_sync_exclude(struct spv_sync *s, struct spv_peer_entry *p, enum spv_warning why)
{
    p->sync.at_tip = false;
    p->sync.excluded = why;
    p->sync.waiting_since_us = 0;
    p->sync.overdue = false;
    if (s->sync_peer == p->id)
        s->sync_peer = 0;
}

/* ---- requests ---- */

void spv_sync_on_request_sent(struct spv_sync *s, struct spv_peer_entry *p, uint64_t tag,
                              struct spv_now now)
{
    p->sync.request_tag = tag;
    p->sync.requested_us = now.mono_us;
    p->sync.deadline_us = now.mono_us + s->cfg.request_timeout_us;
    p->sync.excluded = SPV_WARN_NONE;
    if (!p->sync.waiting_since_us)
        p->sync.waiting_since_us = now.mono_us ? now.mono_us : 1;
}

void spv_sync_request_done(struct spv_peer_entry *p, const struct spv_msg_headers *msg,
                           struct spv_now now)
{
    if (!spv_sync_is_answer(p, msg))
        return;
    p->sync.answer_us = now.mono_us - p->sync.requested_us + 1;
    p->sync.request_tag = 0;
}

int spv_sync_send_getheaders(struct spv_sync *s, struct spv_peer_entry *p,
                             const struct spv_blockhash *from, struct spv_now now)
{
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    const int n = spv_chain_locator(s->cfg.chain, locator, SPV_MAX_LOCATOR, from);
    if (n < 0)
        return n;
    if (!from)
        p->sync.last_answer_work = (struct spv_u256){{0}};
    spv_sync_on_request_sent(
        s, p, spv_effects_send_getheaders(s->cfg.effects, p->id, locator, (size_t)n), now);
    p->sync.request_tip = spv_chain_tip(s->cfg.chain)->hash;
    p->sync.recheck = false;
    p->sync.excluded = SPV_WARN_NONE;
    return s->cfg.effects->error;
}

/* ---- what peers have shown ---- */

bool spv_sync_enough_work(const struct spv_sync *s)
{
    return spv_chain_has_work(s->cfg.chain, &s->cfg.min_work);
}

int spv_sync_note_answer_end(struct spv_sync *s, struct spv_peer_entry *p,
                             const struct spv_blockhash *last)
{
    struct spv_chain_header r;
    const int rc = spv_chain_find(s->cfg.chain, &r, NULL, last);
    if (rc == 1) {
        p->sync.last_answer_work = r.work;
        p->sync.last_answer_height = r.height;
        if (r.height > p->sync.claimed_height)
            p->sync.claimed_height = r.height;
    }
    return rc < 0 ? rc : 0;
}

/* ---- events ---- */

struct spv_event *spv_sync_event(struct spv_effects *q, const struct spv_chain *chain,
                                 enum spv_event_kind kind, uint64_t peer)
{
    struct spv_effect *e = spv_effects_push(q, SPV_EFFECT_EVENT, peer);
    if (!e)
        return NULL;
    e->event.kind = kind;
    e->event.peer = peer;
    e->event.tip = *spv_chain_tip(chain);
    return &e->event;
}
