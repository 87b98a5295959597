/* Each event (a message, a close, resolved addresses, a deadline) is one input to the node. Right
 * after it the loop runs every effect that the node has queued, in order, before it looks at the
 * next socket. A request queued before a STORE is therefore sent before the disk write.
 *
 * Until the chain is synced, the updates of several messages share a transaction. It is committed
 * when it is large, when the chain is synced, and at the latest COMMIT_US after it began, so that
 * the last headers before a pause are durable, too.
 *
 * When the node's deadline expires, the sockets get one more turn first: an answer that was already
 * in the kernel while we were storing is not late. */
#include "spv/loop.h"

#include <stdio.h>
#include <stdlib.h>

#include "loop/connections.h"
#include "loop/match_pool.h"
#include "spv/wallet_db.h"

#define PROXY_TIMEOUT_US (60 * SPV_SECOND) /* ours: Tor circuits to onion services take long */
#define COMMIT_US (SPV_SECOND / 4) /* ours: the longest time that a header stays uncommitted */

struct spv_evloop {
    struct spv_evloop_config cfg;
    struct spv_reactor *reactor;
    struct spv_node *node;
    struct spv_connections connections;
    struct spv_timer *timer; /* the node's deadline */
    struct spv_timer *tick;
    struct spv_timer *commit; /* of deferred changes */
    struct spv_match_pool *match_pool; /* NULL until the first scan */
    bool commit_due; /* commit is armed */
    bool synced; /* by the node's last event */
    bool filters_synced; /* filter headers have reached the tip once */
    uint64_t deferred_us; /* deadlines up to this time have waited for a turn of the sockets */
    bool has_addrman; /* the stored addresses are readable, and saved */
    bool running; /* inside spv_evloop_run */
    bool in_effects; /* the node's effects are being executed */
    int error; /* the first error; ends the run */
};

static void loop_fail(struct spv_evloop *l, int error)
{
    if (l->error == 0)
        l->error = error;
    spv_reactor_stop(l->reactor);
}

static int save_addrman(struct spv_evloop *l)
{
    struct spv_addrman_changes changes;
    if (!l->has_addrman)
        return 0;
    const int rc = spv_node_addrman_changes(l->node, &changes, spv_system_now());
    if (rc < 0)
        return rc;
    if (!changes.all && !changes.n_changed && !changes.n_removed && !changes.bans_changed)
        return 0;
    return spv_store_addrman_save(l->cfg.store, &changes);
}

/* A transaction is open: it is committed in time. */
static void arm_commit(struct spv_evloop *l)
{
    if (l->commit_due)
        return;
    l->commit_due = true;
    spv_timer_set(l->commit, spv_system_now().mono_us + COMMIT_US);
}

/* The wallet's changes are committed before the node gets the result: after that an address may be
 * shown to a payer. */
static int store_wallet(struct spv_evloop *l, const struct spv_wallet_update *wallet)
{
    const struct spv_store_update all = {.wallet = wallet};
    return spv_store_apply_all(l->cfg.store, &all);
}

static int store_broadcast(struct spv_evloop *l, const struct spv_broadcast_update *broadcast)
{
    const struct spv_store_update all = {.broadcast = broadcast};
    return spv_store_apply_all(l->cfg.store, &all);
}

/* Headers, with what they change in the wallet in the same transaction. */
static int store_update(struct spv_evloop *l, const struct spv_chain_update *update,
                        const struct spv_wallet_update *wallet)
{
    const struct spv_store_update all = {.chain = update, .wallet = wallet};
    if (wallet->n > 0)
        return spv_store_apply_all(l->cfg.store, &all);
    if (l->synced)
        return spv_store_apply(l->cfg.store, update);
    const int rc = spv_store_apply_deferred(l->cfg.store, update);
    if (rc >= 0)
        arm_commit(l);
    return rc;
}

static int store_filter_headers(struct spv_evloop *l, const struct spv_filter_update *update)
{
    if (l->filters_synced)
        return spv_store_apply_filter_headers(l->cfg.store, update);
    const int rc = spv_store_apply_filter_headers_deferred(l->cfg.store, update);
    if (rc >= 0)
        arm_commit(l);
    return rc;
}

/* A filter of a branch that has left the best chain meanwhile is not kept. */
static int keep_filters(struct spv_evloop *l, const struct spv_keep_filters_task *keep)
{
    int rc = 0;
    for (size_t i = 0; i < keep->n && rc >= 0; i++) {
        const struct spv_bytes filter = {keep->filters[i].bytes, keep->filters[i].n};
        rc = spv_store_keep_filter(l->cfg.store, keep->heights[i], &filter, l->cfg.keep_filters);
        if (rc == SPV_ERR_STATE || rc == SPV_ERR_INVALID)
            rc = 0;
    }
    if (rc >= 0)
        arm_commit(l);
    return rc < 0 ? rc : 0;
}

static void on_commit(void *ctx)
{
    struct spv_evloop *l = ctx;
    l->commit_due = false;
    const int rc = l->connections.closed ? 0 : spv_store_commit(l->cfg.store);
    if (rc < 0)
        loop_fail(l, rc);
}

/* The loop's own part of an event, before the application's callback. */
static int before_event(struct spv_evloop *l, const struct spv_event *event)
{
    if (event->kind == SPV_EVENT_BEHIND)
        l->synced = false;
    if (event->kind == SPV_EVENT_FILTERS_SYNCED) {
        l->filters_synced = true;
        return spv_store_commit(l->cfg.store);
    }
    if (event->kind != SPV_EVENT_SYNCED)
        return 0;
    l->synced = true;
    const int rc = spv_store_set_last_sync(l->cfg.store, spv_system_now().unix_s);
    return rc < 0 ? rc : spv_store_commit(l->cfg.store);
}

static int run_effect(struct spv_evloop *l, const struct spv_effect *effect)
{
    int rc;
    switch (effect->kind) {
    case SPV_EFFECT_CONNECT:
        spv_connections_connect(&l->connections, effect->peer, &effect->endpoint, effect->transport,
                                effect->relay);
        return 0;
    case SPV_EFFECT_RESOLVE:
        spv_connections_resolve(&l->connections, &effect->endpoint);
        return 0;
    case SPV_EFFECT_SEND:
        spv_connections_send(&l->connections, effect->peer, &effect->message);
        return 0;
    case SPV_EFFECT_CLOSE:
        spv_connections_drop(&l->connections, effect->peer, effect->error);
        return 0;
    case SPV_EFFECT_STORE:
        rc = store_update(l, &effect->update, &effect->wallet_update);
        return spv_node_stored(l->node, rc, spv_system_now());
    case SPV_EFFECT_STORE_FILTER_HEADERS:
        rc = store_filter_headers(l, &effect->filter_update);
        return spv_node_stored(l->node, rc, spv_system_now());
    case SPV_EFFECT_DROP_FILTER_HEADERS:
        rc = spv_store_drop_filter_headers(l->cfg.store, effect->height);
        return spv_node_stored(l->node, rc, spv_system_now());
    case SPV_EFFECT_INDEX:
        rc = spv_store_build_index(l->cfg.store);
        return spv_node_indexed(l->node, rc, spv_system_now());
    case SPV_EFFECT_SAVE_ADDRMAN:
        return save_addrman(l);
    case SPV_EFFECT_MATCH_FILTERS:
        return spv_match_pool_start(l->match_pool, &effect->match);
    case SPV_EFFECT_KEEP_FILTERS:
        return keep_filters(l, &effect->keep);
    case SPV_EFFECT_SCAN:
        if (l->cfg.on_scan)
            l->cfg.on_scan(l->cfg.ctx, &effect->scan);
        return 0;
    case SPV_EFFECT_STORE_WALLET:
        rc = store_wallet(l, &effect->wallet_update);
        return spv_node_stored(l->node, rc, spv_system_now());
    case SPV_EFFECT_WALLET:
        if (l->cfg.on_wallet)
            l->cfg.on_wallet(l->cfg.ctx, &effect->wallet_event);
        return 0;
    case SPV_EFFECT_STORE_BLOOM:
        return spv_store_set_bloom(l->cfg.store, effect->bloom.tweak, effect->bloom.size);
    case SPV_EFFECT_STORE_BROADCAST:
        rc = store_broadcast(l, &effect->broadcast_update);
        return spv_node_broadcast_stored(l->node, rc, spv_system_now());
    case SPV_EFFECT_BROADCAST:
        if (l->cfg.on_broadcast)
            l->cfg.on_broadcast(l->cfg.ctx, &effect->progress);
        return 0;
    case SPV_EFFECT_EVENT:
        rc = before_event(l, &effect->event);
        if (rc == 0 && l->cfg.on_event)
            l->cfg.on_event(l->cfg.ctx, &effect->event);
        return rc;
    }
    return 0;
}

/* The node took an input and returned rc: runs its pending effects. */
static void process_effects(struct spv_evloop *l, int rc)
{
    if (l->connections.closed)
        return;
    struct spv_effect effect;
    l->in_effects = true;
    while (rc >= 0 && l->error == 0 && spv_node_poll(l->node, &effect) == 1)
        rc = run_effect(l, &effect);
    l->in_effects = false;
    if (rc < 0) {
        loop_fail(l, rc);
        return;
    }
    spv_timer_set(l->timer, spv_node_deadline(l->node));
}

static void on_input(void *ctx, int rc)
{
    process_effects(ctx, rc);
}

static void on_matched(void *ctx)
{
    struct spv_evloop *l = ctx;
    process_effects(l, spv_node_filters_matched(l->node, spv_system_now()));
}

static int use_match_pool(struct spv_evloop *l)
{
    return l->match_pool ? 0 : spv_match_pool_new(&l->match_pool, l->reactor, on_matched, l);
}

static void on_timer(void *ctx)
{
    struct spv_evloop *l = ctx;
    const struct spv_now now = spv_system_now();
    const uint64_t due = spv_node_deadline(l->node);
    if (due > now.mono_us) {
        spv_timer_set(l->timer, due);
    } else if (due > l->deferred_us) { /* one more turn of the sockets */
        l->deferred_us = now.mono_us;
        spv_timer_set(l->timer, now.mono_us);
    } else {
        process_effects(l, spv_node_timer(l->node, now));
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
    /* The node reads the last stored headers when it starts: most such errors are the store's. */
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
    l->connections.proxy = (struct spv_proxy){.endpoint = *proxy, .isolate = true};
    l->cfg.proxy = NULL; /* borrowed during spv_evloop_new */
    l->cfg.node.proxied = true;
    if (l->cfg.node.nets == 0)
        l->cfg.node.nets = SPV_NET_IPV4 | SPV_NET_IPV6 | SPV_NET_ONION;
    if (l->cfg.connect_timeout_us == 0)
        l->cfg.connect_timeout_us = PROXY_TIMEOUT_US;
}

/* The wallet and the broadcast are the caller's; their rows are the store's. */
static int load_wallet(struct spv_evloop *l)
{
    struct spv_node_config *node = &l->cfg.node;
    struct spv_wallet_info facts;
    int rc = node->wallet ? spv_store_load_wallet(l->cfg.store, node->wallet) : 0;
    if (rc == 1)
        rc = spv_store_wallet_info(l->cfg.store, &facts);
    if (rc == 1 && facts.has_bloom)
        node->bloom =
            (struct spv_bloom_params){.tweak = facts.bloom_tweak, .size = facts.bloom_size};
    if (rc >= 0 && node->broadcast)
        rc = spv_store_load_broadcast(l->cfg.store, node->broadcast, spv_system_now());
    return rc < 0 ? rc : 0;
}

/* Stored addresses are optional: if they cannot be read, the node starts without them. */
static int new_node(struct spv_evloop *l)
{
    struct spv_addrman_rows rows;
    int rc = load_wallet(l);
    if (rc < 0)
        return rc;
    rc = spv_store_addrman_load(l->cfg.store, &rows);
    if (rc == SPV_ERR_NOMEM)
        return rc;
    l->has_addrman = rc >= 0;
    l->cfg.node.addrman_rows = &rows; /* empty after a failure */
    rc = spv_node_new(&l->node, &l->cfg.node, spv_system_now());
    l->cfg.node.addrman_rows = NULL;
    spv_store_addrman_free(&rows);
    return rc;
}

static void init_connections(struct spv_evloop *l)
{
    struct spv_connections *c = &l->connections; /* zeroed, except for the proxy */
    c->node = l->node;
    c->reactor = l->reactor;
    c->net = &l->cfg.node.params->net;
    c->user_agent = l->cfg.user_agent;
    /* BIP144: peers request with witness only from one that offers it; else they get what we
     * publish stripped, and refuse it. */
    c->services = l->cfg.node.broadcast ? SPV_NODE_WITNESS : 0;
    c->rng = l->cfg.node.rng;
    c->connect_timeout_us = l->cfg.connect_timeout_us;
    c->on_input = on_input;
    c->ctx = l;
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
    l->cfg.node.header_db = spv_store_header_db(cfg->store);
    l->cfg.node.backfill_db = spv_store_backfill_db(cfg->store);
    l->cfg.node.filter_db = spv_store_filter_db(cfg->store);
    l->cfg.node.keep_filters = cfg->keep_filters > 0;
    l->cfg.node.keep_filters_bytes = cfg->keep_filters;
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
    rc = l->cfg.node.wallet ? use_match_pool(l) : 0; /* its scan begins by itself */
    if (rc < 0)
        goto err6;
    init_connections(l);
    *out = l;
    return 0;
err6:
    spv_node_free(l->node);
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
    if (l->running || l->connections.closed)
        return SPV_ERR_STATE; /* it runs once */
    l->running = true;
    if (l->cfg.on_tick && l->cfg.tick_us != 0)
        spv_timer_set(l->tick, spv_system_now().mono_us + l->cfg.tick_us);
    process_effects(l, 0);
    int rc = spv_reactor_run(l->reactor);
    if (rc < 0)
        loop_fail(l, rc);
    spv_connections_close(&l->connections);
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

/* An input of the application: its effects are executed now, unless that is happening already, or
 * the loop does not run yet. */
static int app_input(struct spv_evloop *l, int rc)
{
    if (rc == 0 && l->running && !l->in_effects)
        process_effects(l, 0);
    return rc;
}

int spv_evloop_scan(struct spv_evloop *l, const struct spv_bytes *scripts, size_t n, uint32_t first,
                    uint32_t last)
{
    const int rc = use_match_pool(l);
    if (rc < 0)
        return rc;
    return app_input(l, spv_node_scan(l->node, scripts, n, first, last, spv_system_now()));
}

int spv_evloop_scan_add(struct spv_evloop *l, const struct spv_bytes *scripts, size_t n,
                        uint32_t from)
{
    return app_input(l, spv_node_scan_add(l->node, scripts, n, from, spv_system_now()));
}

int spv_evloop_scan_add_output(struct spv_evloop *l, const struct spv_txid *txid, uint32_t index,
                               const struct spv_bytes *script)
{
    return app_input(l, spv_node_scan_add_output(l->node, txid, index, script, spv_system_now()));
}

int spv_evloop_scan_stop(struct spv_evloop *l)
{
    return app_input(l, spv_node_scan_stop(l->node, spv_system_now()));
}

void spv_evloop_scan_stats(const struct spv_evloop *l, struct spv_scan_stats *out)
{
    spv_node_scan_stats(l->node, out);
}

int spv_evloop_watch(struct spv_evloop *l, uint64_t *request, uint64_t *id,
                     struct spv_text_error *why, const struct spv_watch_target *watch)
{
    return app_input(l, spv_node_watch(l->node, request, id, why, watch, spv_system_now()));
}

int spv_evloop_unwatch(struct spv_evloop *l, uint64_t *request, uint64_t id)
{
    return app_input(l, spv_node_unwatch(l->node, request, id, spv_system_now()));
}

int spv_evloop_reserve_index(struct spv_evloop *l, uint64_t *request, uint32_t *index, uint64_t id,
                             uint32_t branch)
{
    return app_input(l,
                     spv_node_reserve_index(l->node, request, index, id, branch, spv_system_now()));
}

void spv_evloop_wallet_status(const struct spv_evloop *l, struct spv_wallet_status *out)
{
    spv_node_wallet_status(l->node, out);
}

int spv_evloop_publish(struct spv_evloop *l, const struct spv_tx *txs,
                       const struct spv_broadcast_report *reports, size_t n, unsigned flags)
{
    return app_input(l, spv_node_publish(l->node, txs, reports, n, flags, spv_system_now()));
}

int spv_evloop_withdraw(struct spv_evloop *l, const struct spv_txid *txid)
{
    return app_input(l, spv_node_withdraw(l->node, txid, spv_system_now()));
}

size_t spv_evloop_peers(const struct spv_evloop *l, struct spv_peer_stats *out, uint64_t *ids,
                        size_t cap)
{
    return spv_connections_stats(&l->connections, out, ids, cap);
}

size_t spv_evloop_node_peers(const struct spv_evloop *l, struct spv_node_peer *out, size_t cap)
{
    const size_t n = spv_node_peers(l->node, out, cap, spv_system_now());
    size_t connected = 0;
    for (size_t i = 0; i < n; i++) {
        struct spv_peer_stats stats;
        if (!spv_connections_find(&l->connections, &stats, out[i].id))
            continue; /* the run has ended */
        out[connected] = out[i];
        out[connected++].latency_us = stats.answer_us != 0 ? stats.answer_us : stats.rtt_us;
    }
    return connected;
}

int spv_evloop_free(struct spv_evloop *l)
{
    if (!l)
        return 0;
    if (l->running)
        return SPV_ERR_STATE;
    spv_connections_close(&l->connections);
    spv_match_pool_free(l->match_pool); /* its threads read what belongs to the node */
    spv_node_free(l->node);
    spv_timer_free(l->commit);
    spv_timer_free(l->tick);
    spv_timer_free(l->timer);
    (void)spv_reactor_free(l->reactor);
    free(l);
    return 0;
}
