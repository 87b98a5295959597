/* Each thing that happens (a message, a closing, a name's addresses, a deadline) is one input to
 * the node; right after it every effect that the node has queued is carried out, in order, before
 * the loop looks at the next socket. A request that is queued before a STORE is therefore on its
 * way while the disk works.
 *
 * Until the chain is synced, the changes of several messages share a transaction; it is committed
 * when it is large, when the chain is synced, and a moment after it began in any case, so that what
 * came last before a silence is durable, too.
 *
 * When the node's deadline strikes, the sockets have one more turn first: an answer that waits in
 * the kernel because we were busy storing is not late. */
#include "loop/event_loop.h"

#include <stdio.h>
#include <stdlib.h>

#define PROXY_TIMEOUT (60 * SPV_SECOND) /* ours: Tor builds circuits, onion services take long */
#define COMMIT_US (SPV_SECOND / 4) /* ours: how long a gathered header may wait for its disk */

static void loop_fail(struct spv_evloop *l, int error)
{
    if (l->error == 0)
        l->error = error;
    spv_reactor_stop(l->reactor);
}

static int save_addrman(struct spv_evloop *l)
{
    struct spv_addrman_changes changes;
    if (l->no_addrman)
        return 0;
    const int rc = spv_node_addrman_changes(l->node, &changes, spv_system_now());
    if (rc < 0)
        return rc;
    if (!changes.all && !changes.n_changed && !changes.n_removed && !changes.bans_changed)
        return 0;
    return spv_store_addrman_save(l->cfg.store, &changes);
}

/* Fails with the store's error. */
static int store_update(struct spv_evloop *l, const struct spv_chain_update *change)
{
    int rc;
    if (l->synced)
        return spv_store_apply(l->cfg.store, change);
    rc = spv_store_apply_deferred(l->cfg.store, change);
    if (rc == 0 && !l->commit_due) {
        l->commit_due = true;
        spv_timer_set(l->commit, spv_system_now().mono_us + COMMIT_US);
    }
    return rc;
}

static void on_commit(void *ctx)
{
    struct spv_evloop *l = ctx;
    l->commit_due = false;
    const int rc = l->stopping ? 0 : spv_store_commit(l->cfg.store);
    if (rc < 0)
        loop_fail(l, rc);
}

/* What an event means to the loop itself, before the application hears of it. */
static int take_event(struct spv_evloop *l, const struct spv_event *event)
{
    if (event->kind == SPV_EVENT_BEHIND)
        l->synced = false;
    if (event->kind != SPV_EVENT_SYNCED)
        return 0;
    l->synced = true;
    const int rc = spv_store_synced(l->cfg.store, spv_system_now().unix_s);
    return rc < 0 ? rc : spv_store_commit(l->cfg.store);
}

static int run_effect(struct spv_evloop *l, const struct spv_effect *effect)
{
    int rc;
    switch (effect->kind) {
    case SPV_EFFECT_CONNECT:
        spv_connections_connect(l, effect->peer, &effect->endpoint);
        return 0;
    case SPV_EFFECT_RESOLVE:
        spv_connections_resolve(l, &effect->endpoint);
        return 0;
    case SPV_EFFECT_SEND:
        spv_connections_send(l, effect->peer, &effect->message);
        return 0;
    case SPV_EFFECT_CLOSE:
        spv_connections_drop(l, effect->peer, effect->error);
        return 0;
    case SPV_EFFECT_STORE:
        rc = store_update(l, &effect->update);
        return spv_node_stored(l->node, rc, spv_system_now());
    case SPV_EFFECT_INDEX:
        rc = spv_store_build_index(l->cfg.store);
        return spv_node_indexed(l->node, rc, spv_system_now());
    case SPV_EFFECT_SAVE_ADDRMAN:
        return save_addrman(l);
    case SPV_EFFECT_EVENT:
        rc = take_event(l, &effect->event);
        if (rc == 0 && l->cfg.on_event)
            l->cfg.on_event(l->cfg.ctx, &effect->event);
        return rc;
    }
    return 0;
}

void spv_evloop_process_effects(struct spv_evloop *l, int rc)
{
    if (l->stopping)
        return;
    struct spv_effect effect;
    while (rc >= 0 && l->error == 0 && spv_node_poll(l->node, &effect) == 1)
        rc = run_effect(l, &effect);
    if (rc < 0) {
        loop_fail(l, rc);
        return;
    }
    spv_timer_set(l->timer, spv_node_deadline(l->node));
}

static void on_timer(void *ctx)
{
    struct spv_evloop *l = ctx;
    const struct spv_now now = spv_system_now();
    const uint64_t due = spv_node_deadline(l->node);
    if (due > now.mono_us) {
        spv_timer_set(l->timer, due);
    } else if (due > l->deferred_us) {
        l->deferred_us = now.mono_us;
        spv_timer_set(l->timer, now.mono_us);
    } else {
        spv_evloop_process_effects(l, spv_node_timer(l->node, now));
    }
}

static void on_tick(void *ctx)
{
    struct spv_evloop *l = ctx;
    l->cfg.on_tick(l->cfg.ctx);
    spv_timer_set(l->tick, spv_system_now().mono_us + l->cfg.tick_us);
}

static int error_text(struct spv_error_info *why, int code, const struct spv_evloop_config *cfg)
{
    if (!why)
        return code;
    why->code = (enum spv_err)code;
    if (code == SPV_ERR_DB_CHECKPOINT) {
        (void)snprintf(why->text, sizeof why->text,
                       "cannot continue from %s: %s. Check the given checkpoints; if they "
                       "are correct, move the file away and sync again.",
                       spv_store_path(cfg->store), spv_strerror(code));
        return code;
    }
    if (code == SPV_ERR_NO_DESCRIPTOR) {
        (void)snprintf(why->text, sizeof why->text,
                       "cannot start the sync: %s. Raise the limit (ulimit -n).",
                       spv_strerror(code));
        return code;
    }
    /* The node reads the last stored headers when it starts; the store knows best what failed. */
    if (spv_err_class_of(code) == SPV_CLASS_LOCAL && code != SPV_ERR_NOMEM && code != SPV_ERR_IO)
        (void)snprintf(why->text, sizeof why->text,
                       "cannot continue from %s: %s; move the file away and sync again",
                       spv_store_path(cfg->store), spv_strerror(code));
    else
        (void)snprintf(why->text, sizeof why->text, "cannot start the sync: %s",
                       spv_strerror(code));
    return code;
}

static void use_proxy(struct spv_evloop *l, const struct spv_endpoint *proxy)
{
    l->proxy = (struct spv_proxy){.endpoint = *proxy, .isolate = true};
    l->cfg.proxy = NULL; /* it was lent */
    l->cfg.node.proxied = true;
    if (l->cfg.node.nets == 0)
        l->cfg.node.nets = SPV_NET_IPV4 | SPV_NET_IPV6 | SPV_NET_ONION;
    if (l->cfg.connect_timeout_us == 0)
        l->cfg.connect_timeout_us = PROXY_TIMEOUT;
}

/* The book is a convenience: where it cannot be read or mended, the node goes on without one. */
static int new_node(struct spv_evloop *l)
{
    struct spv_addrman_rows book;
    int rc = spv_store_addrman_load(l->cfg.store, &book);
    if (rc == SPV_ERR_NOMEM)
        return rc;
    l->no_addrman = rc < 0;
    l->cfg.node.addrman_rows = &book; /* empty after a failure */
    rc = spv_node_new(&l->node, &l->cfg.node, spv_system_now());
    l->cfg.node.addrman_rows = NULL;
    spv_store_addrman_free(&book);
    return rc;
}

int spv_evloop_new(struct spv_evloop **out, const struct spv_evloop_config *cfg,
                   struct spv_error_info *why)
{
    int rc = SPV_ERR_INVALID;
    if (!cfg->store || !cfg->node.params)
        return error_text(why, rc, cfg);
    rc = SPV_ERR_NOMEM;
    struct spv_evloop *l = calloc(1, sizeof *l);
    if (!l)
        goto err0;
    l->cfg = *cfg;
    l->cfg.node.reader = spv_store_header_db(cfg->store);
    l->cfg.node.backfill_db = spv_store_backfill_db(cfg->store);
    l->cfg.node.indexed = spv_store_indexed(cfg->store);
    l->cfg.node.rng = spv_system_rng();
    if (cfg->proxy)
        use_proxy(l, cfg->proxy);
    rc = spv_reactor_new(&l->reactor, NULL);
    if (rc < 0)
        goto err1;
    rc = spv_timer_new(&l->timer, l->reactor, on_timer, l);
    if (rc < 0)
        goto err2;
    rc = spv_timer_new(&l->tick, l->reactor, on_tick, l);
    if (rc < 0)
        goto err3;
    rc = spv_timer_new(&l->commit, l->reactor, on_commit, l);
    if (rc < 0)
        goto err4;
    rc = new_node(l);
    if (rc < 0)
        goto err5;
    *out = l;
    return 0;
err5:
    spv_timer_free(l->commit);
err4:
    spv_timer_free(l->tick);
err3:
    spv_timer_free(l->timer);
err2:
    spv_reactor_free(l->reactor);
err1:
    free(l);
err0:
    return error_text(why, rc, cfg);
}

int spv_evloop_run(struct spv_evloop *l)
{
    if (l->running || l->stopping)
        return SPV_ERR_STATE; /* it runs once */
    l->running = true;
    if (l->cfg.on_tick && l->cfg.tick_us != 0)
        spv_timer_set(l->tick, spv_system_now().mono_us + l->cfg.tick_us);
    spv_evloop_process_effects(l, 0);
    int rc = spv_reactor_run(l->reactor);
    if (rc < 0)
        loop_fail(l, rc);
    spv_connections_end(l);
    if (l->error == 0 && (rc = save_addrman(l)) < 0)
        loop_fail(l, rc);
    rc = spv_store_flush(l->cfg.store);
    l->running = false;
    return l->error < 0 ? l->error : rc;
}

void spv_evloop_stop(struct spv_evloop *l)
{
    spv_reactor_stop(l->reactor);
}

void spv_evloop_get_stats(const struct spv_evloop *l, struct spv_node_stats *out)
{
    spv_node_get_stats(l->node, out);
}

size_t spv_evloop_peers(const struct spv_evloop *l, struct spv_peer_stats *out, uint64_t *ids,
                        size_t cap)
{
    size_t n = 0;
    for (const struct spv_loop_conn *s = l->conns; s && n < cap; s = s->next) {
        if (!s->ready || s->dropped)
            continue;
        spv_link_stats(s->link, &out[n]);
        if (ids)
            ids[n] = s->id;
        n++;
    }
    return n;
}

size_t spv_evloop_node_peers(const struct spv_evloop *l, struct spv_node_peer *out, size_t cap)
{
    const size_t n = spv_node_peers(l->node, out, cap, spv_system_now());
    size_t alive = 0;
    for (size_t i = 0; i < n; i++) {
        const struct spv_loop_conn *s = l->conns;
        while (s && (s->id != out[i].id || !s->ready || s->dropped))
            s = s->next;
        if (!s) /* the loop is over */
            continue;
        struct spv_peer_stats stats;
        spv_link_stats(s->link, &stats);
        out[alive] = out[i];
        out[alive++].latency_us = stats.answer_us != 0 ? stats.answer_us : stats.rtt_us;
    }
    return alive;
}

int spv_evloop_free(struct spv_evloop *l)
{
    if (!l)
        return 0;
    if (l->running)
        return SPV_ERR_STATE;
    spv_connections_end(l);
    spv_node_free(l->node);
    spv_timer_free(l->commit);
    spv_timer_free(l->tick);
    spv_timer_free(l->timer);
    (void)spv_reactor_free(l->reactor);
    free(l);
    return 0;
}
