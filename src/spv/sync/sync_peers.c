/* The peer table: one entry for each ready peer, the list of peers to be disconnected, and the one
 * place that sends getheaders. Everything else in this folder builds on it. */
#include "spv/sync/sync_state.h"

/* ---- the table ---- */

struct spv_sync_peer *spv_sync_find(struct spv_sync *s, uint64_t id)
{
    for (size_t i = 0; id && i < SPV_NODE_MAX_PEERS; i++)
        if (s->peer[i].id == id)
            return &s->peer[i];
    return NULL;
}

bool spv_sync_has_other_peers(const struct spv_sync *s, uint64_t id)
{
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++)
        if (s->peer[i].id && s->peer[i].id != id && !spv_sync_dropping(s, s->peer[i].id))
            return true;
    return false;
}

void spv_sync_drop_peer(struct spv_sync *s, const struct spv_sync_peer *p, int error)
{
    s->n_misbehaving += spv_err_class_of(error) == SPV_CLASS_MISBEHAVING;
    s->stalls += error == SPV_ERR_STALL;
    for (size_t i = 0; i < s->n_drop; i++)
        if (s->drop[i].id == p->id)
            return;
    if (s->n_drop < SPV_NODE_MAX_PEERS)
        s->drop[s->n_drop++] = (struct spv_sync_drop){.id = p->id, .error = error};
}

bool spv_sync_dropping(const struct spv_sync *s, uint64_t id)
{
    for (size_t i = 0; i < s->n_drop; i++)
        if (s->drop[i].id == id)
            return true;
    return false;
}

int spv_sync_next_drop(struct spv_sync *s, struct spv_sync_drop *out)
{
    if (!s->n_drop)
        return 0;
    *out = s->drop[--s->n_drop];
    return 1;
}

void spv_sync_exclude(struct spv_sync *s, struct spv_sync_peer *p, enum spv_warning why)
{
    p->at_tip = false;
    p->excluded = why;
    p->waiting_since_us = 0;
    p->overdue = false;
    if (s->chain_peer == p->id)
        s->chain_peer = 0;
}

/* ---- requests ---- */

void spv_sync_asked(struct spv_sync *s, struct spv_sync_peer *p, struct spv_now now)
{
    p->asked_us = now.mono_us;
    p->deadline_us = now.mono_us + s->cfg.request_timeout_us;
    p->excluded = SPV_WARN_NONE;
    if (!p->waiting_since_us)
        p->waiting_since_us = now.mono_us ? now.mono_us : 1;
}

void spv_sync_request_done(struct spv_sync_peer *p, struct spv_now now)
{
    if (p->deadline_us)
        p->answer_us = now.mono_us - p->asked_us + 1;
    p->deadline_us = 0;
}

int spv_sync_ask(struct spv_sync *s, struct spv_sync_peer *p, const struct spv_blockhash *from,
                 struct spv_now now)
{
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    const int n = spv_chain_locator(s->cfg.chain, locator, SPV_MAX_LOCATOR, from);
    if (n < 0)
        return n;
    if (!from)
        p->shown_work = (struct spv_u256){{0}};
    spv_effects_send_getheaders(s->cfg.effects, p->id, locator, (size_t)n);
    spv_sync_asked(s, p, now);
    p->asked_tip = spv_chain_tip(s->cfg.chain)->hash;
    p->recheck = false;
    p->excluded = SPV_WARN_NONE;
    return s->cfg.effects->error;
}

/* ---- what peers have shown ---- */

bool spv_sync_enough_work(const struct spv_sync *s)
{
    return spv_chain_has_work(s->cfg.chain, &s->cfg.min_work);
}

int spv_sync_note_shown(struct spv_sync *s, struct spv_sync_peer *p,
                        const struct spv_blockhash *last)
{
    struct spv_chain_header r;
    const int rc = spv_chain_find(s->cfg.chain, &r, NULL, last);
    if (rc == 1) {
        p->shown_work = r.work;
        p->shown_height = r.height;
        if (r.height > p->claimed_height)
            p->claimed_height = r.height;
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
