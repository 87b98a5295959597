/* The node passes messages to header sync and disconnects the peers that it reports; outbound
 * selects the addresses to dial and records how each connection ended. Everything that the caller
 * is to do goes through the effect queue, in order. The first failure of ours is kept, and every
 * later call returns it. */
#include "spv/node.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "spv/effects/warning_text.h"
#include "spv/node/node_state.h"
#include "util/deadline.h"

#define NODE_DEFAULT_PEERS 4 /* ours: two network groups for SYNCED and two spare ones */

/* 0: unknown. With fewer slots than manual peers another one may be dialled first. */
static int64_t seconds_until_dialled(const struct spv_node *n, const struct spv_conn *conn,
                                     struct spv_now now)
{
    const struct spv_manual_peers *manual = &n->outbound.manual;
    if (n->outbound.discovery || conn->manual < 0 || manual->n > n->target_outbound ||
        manual->peers[conn->manual].in_use)
        return 0;
    const uint64_t at = spv_manual_peers_next(manual, conn->manual);
    return at > now.mono_us ? (int64_t)((at - now.mono_us + SPV_SECOND - 1) / SPV_SECOND) : 0;
}

/* Returns NULL when the queue has failed. */
static struct spv_event *emit_event(struct spv_node *n, enum spv_event_kind kind,
                                    const struct spv_conn *conn, int error, struct spv_now now)
{
    struct spv_event *event = spv_sync_event(&n->effects, n->chain, kind, conn->id);
    if (!event)
        return NULL;
    event->error = error;
    event->failures = spv_outbound_failures(&n->outbound, conn);
    event->seconds = event->failures ? seconds_until_dialled(n, conn, now) : 0;
    spv_endpoint_text(event->address, &conn->endpoint);
    return event;
}

static void emit_connected(struct spv_node *n, const struct spv_conn *conn,
                           const struct spv_peer_stats *info, struct spv_now now)
{
    struct spv_event *event = emit_event(n, SPV_EVENT_CONNECTED, conn, 0, now);
    if (!event)
        return;
    event->transport = info->transport;
    memcpy(event->session_id, info->session_id, sizeof event->session_id);
}

static void set_quorum(struct spv_node *n, struct spv_now now)
{
    size_t groups = n->target_outbound;
    if (!n->outbound.discovery) {
        const size_t alive = spv_manual_peers_alive(&n->outbound.manual, now);
        if (alive < groups)
            groups = alive;
    }
    if (groups > SPV_SYNC_MIN_NETGROUPS)
        groups = SPV_SYNC_MIN_NETGROUPS;
    spv_sync_set_quorum(&n->sync, groups ? (unsigned)groups : 1, now);
}

static enum spv_more_peers more_peers(const struct spv_node *n, struct spv_now now)
{
    if (n->outbound.discovery || spv_checkpoint_start_running(n->start))
        return SPV_MORE_PEERS_EXPECTED;
    if (spv_outbound_count(&n->outbound, SPV_CONN_STATE_READY) >= n->target_outbound)
        return SPV_MORE_PEERS_NONE;
    if (spv_outbound_is_manual_missing(&n->outbound, SPV_MANUAL_PEERS_TRIES, now))
        return SPV_MORE_PEERS_EXPECTED;
    if (spv_outbound_is_manual_missing(&n->outbound, UINT_MAX, now))
        return SPV_MORE_PEERS_UNLIKELY;
    return SPV_MORE_PEERS_NONE;
}

/* A connection or a dial has ended, on either side. */
static void remove_peer(struct spv_node *n, struct spv_conn *conn, int error, struct spv_now now)
{
    const struct spv_conn was = *conn;
    const uint64_t id = was.id;
    const bool short_lived =
        was.kind != SPV_CONN_OUTBOUND; /* feelers and addr_fetch connections cause no events */
    /* only this class bans */
    const bool misbehaved = spv_err_class_of(error) == SPV_CLASS_MISBEHAVING;
    spv_health_closed(&n->health, id, now);
    spv_peer_rates_remove(&n->peer_rates, id, &was.endpoint, error);
    if (misbehaved) {
        n->bans++;
        spv_outbound_ban(&n->outbound, conn, error, now);
    }
    const bool useful = !short_lived && spv_sync_useful(&n->sync, id);
    spv_outbound_on_closed(&n->outbound, conn, error, useful, now);
    if (misbehaved)
        (void)emit_event(n, SPV_EVENT_BANNED, &was, error, now);
    else if (!short_lived)
        (void)emit_event(n,
                         was.state == SPV_CONN_STATE_READY ? SPV_EVENT_DISCONNECTED
                                                           : SPV_EVENT_CONNECT_FAILED,
                         &was, error, now);
    (void)node_fail(n, spv_checkpoint_start_remove(n->start, id, now));
    (void)node_fail(n, spv_backfill_remove(n->backfill, id, now));
    (void)node_fail(n, spv_node_filters_remove(&n->filters, id, now));
    spv_node_bloom_remove(n, id);
    spv_node_unconfirmed_remove(n, id);
    (void)node_fail(n, spv_node_broadcast_remove(&n->broadcast, id, now));
    /* the peer may come back: without it nothing is synced yet */
    if (more_peers(n, now) > n->sync.more_peers)
        spv_sync_set_more_peers(&n->sync, more_peers(n, now), now);
    if (!short_lived)
        spv_sync_remove(&n->sync, id, now);
    spv_peer_table_remove(&n->peers, id);
    set_quorum(n, now);
}

static void close_peer(struct spv_node *n, struct spv_conn *conn, int error, struct spv_now now)
{
    const uint64_t id = conn->id;
    remove_peer(n, conn, error, now);
    struct spv_effect *e = spv_effects_push(&n->effects, SPV_EFFECT_CLOSE, id);
    if (e)
        e->error = error;
}

static unsigned outbound_count(const struct spv_node *n)
{
    return spv_outbound_count(&n->outbound, SPV_CONN_STATE_CONNECTING) +
           spv_outbound_count(&n->outbound, SPV_CONN_STATE_READY);
}

/* Disconnects the extra peers (Bitcoin Core: stale tip), except the one that advanced the tip. */
static void close_extra(struct spv_node *n, struct spv_now now)
{
    struct spv_outbound *o = &n->outbound;
    for (size_t i = 0; n->n_extra && (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++) {
        struct spv_conn *conn = &o->conn[i];
        if (conn->kind == SPV_CONN_OUTBOUND && conn->id > n->last_regular &&
            conn->id != n->tip_peer && outbound_count(n) > n->target_outbound)
            close_peer(n, conn, SPV_ERR_DISCONNECTED, now);
    }
    n->n_extra = 0;
}

static void emit_warning(struct spv_node *n, enum spv_warning warning, int64_t seconds)
{
    struct spv_event *event = spv_sync_event(&n->effects, n->chain, SPV_EVENT_WARNING, 0);
    if (!event)
        return;
    event->warning = warning;
    event->seconds = seconds;
    event->text = spv_warning_text(warning);
}

/* Extra peers when the tip is older than 30 minutes, a warning at 90. */
static void handle_health(struct spv_node *n, struct spv_now now)
{
    struct spv_health_event event;
    if (spv_health_tip(&n->health, n->sync.synced, spv_chain_tip(n->chain), now))
        n->tip_peer = n->current_peer;
    while (!n->effects.error && spv_health_next(&n->health, &event, now)) {
        switch (event.kind) {
        case SPV_HEALTH_EXTRA_PEERS:
            if (n->n_extra)
                close_extra(n, now);
            else
                n->last_regular = n->outbound.next_id;
            n->n_extra = !n->outbound.discovery ? 0 : SPV_HEALTH_MAX_EXTRA_PEERS;
            if (n->n_extra > SPV_NODE_MAX_PEERS - n->target_outbound)
                n->n_extra = SPV_NODE_MAX_PEERS - n->target_outbound;
            break;
        case SPV_HEALTH_TIP_RESUMED:
            close_extra(n, now);
            break;
        case SPV_HEALTH_WARNING:
            emit_warning(n, event.warning, event.seconds);
            break;
        }
    }
}

/* Events of header sync name peers by id: adds the address while the peer is in the table. */
static void add_addresses(struct spv_node *n)
{
    struct spv_event *event;
    while ((event = spv_effects_unaddressed(&n->effects))) {
        const struct spv_conn *conn = spv_outbound_find(&n->outbound, event->peer);
        if (conn)
            spv_endpoint_text(event->address, &conn->endpoint);
        else
            memcpy(event->address, "?", 2);
    }
}

/* Compact filters follow what header sync has made of the best chain. */
static void run_filters(struct spv_node *n, struct spv_now now)
{
    struct spv_disconnect disconnect;
    const struct spv_node_filters_input in = {.synced = n->sync.synced,
                                              .storing = n->sync.storing ||
                                                         spv_checkpoint_start_storing(n->start) ||
                                                         spv_backfill_storing(n->backfill),
                                              .more = more_peers(n, now)};
    (void)node_fail(n, spv_node_filters_run(&n->filters, &in, now));
    while (!n->error && spv_node_filters_next_disconnect(&n->filters, &disconnect)) {
        struct spv_conn *conn = spv_outbound_find(&n->outbound, disconnect.id);
        if (conn)
            close_peer(n, conn, disconnect.error, now);
    }
}

/* After every input: disconnects the peers that the modules report, and fills free slots. */
int spv_node_after_input(struct spv_node *n, int rc, struct spv_now now)
{
    n->now = now;
    struct spv_disconnect disconnect;
    add_addresses(n);
    while (!node_fail(n, rc) && spv_sync_next_disconnect(&n->sync, &disconnect)) {
        struct spv_conn *conn = spv_outbound_find(&n->outbound, disconnect.id);
        if (conn)
            close_peer(n, conn, disconnect.error, now);
    }
    if (!n->error && !n->sync.storing && !spv_node_filters_storing(&n->filters))
        (void)node_fail(n, spv_checkpoint_start_running(n->start)
                               ? spv_checkpoint_start_run(n->start, now)
                               : spv_backfill_run(n->backfill, n->sync.synced, now));
    while (!n->error && (spv_checkpoint_start_next_disconnect(n->start, &disconnect) ||
                         spv_backfill_next_disconnect(n->backfill, &disconnect))) {
        struct spv_conn *conn = spv_outbound_find(&n->outbound, disconnect.id);
        if (conn)
            close_peer(n, conn, disconnect.error, now);
    }
    if (!n->error)
        run_filters(n, now);
    (void)node_fail(n, n->error ? 0 : spv_node_bloom_run(n, now));
    while (!n->error && spv_node_bloom_next_disconnect(n, &disconnect)) {
        struct spv_conn *conn = spv_outbound_find(&n->outbound, disconnect.id);
        if (conn)
            close_peer(n, conn, disconnect.error, now);
    }
    if (!n->error) {
        handle_health(n, now);
        (void)node_fail(n, spv_node_broadcast_run(&n->broadcast, n->chain, &n->outbound, now));
        spv_outbound_tick(&n->outbound, spv_node_wanted_outbound(n), now);
        spv_sync_set_more_peers(&n->sync, more_peers(n, now), now);
        spv_node_wallet_run(n, more_peers(n, now), now);
        add_addresses(n);
    }
    return node_fail(n, 0);
}

static bool checkpoints_ascend(const struct spv_node_config *cfg)
{
    if (!cfg->checkpoints)
        return true;
    for (size_t i = 1; i < cfg->n_checkpoints; i++)
        if (cfg->checkpoints[i].height <= cfg->checkpoints[i - 1].height)
            return false;
    return cfg->n_checkpoints <= SPV_NODE_MAX_CHECKPOINTS;
}

/* The checkpoint at which an empty chain starts. */
static const struct spv_checkpoint *starts_at(const struct spv_node *n, uint32_t height)
{
    if (height == 0 || spv_chain_tip(n->chain)->height > 0)
        return NULL;
    return spv_params_start_checkpoint(&n->params, n->params.checkpoints, n->params.n_checkpoints,
                                       height);
}

/* Emits an event for each manual peer that is not dialled because it is banned. */
static void emit_banned(struct spv_node *n, struct spv_now now)
{
    for (size_t i = 0; i < n->outbound.manual.n; i++) {
        const struct spv_manual_peer *p = &n->outbound.manual.peers[i];
        if (p->banned_until_us)
            (void)emit_event(n, SPV_EVENT_CONNECT_FAILED,
                             &(struct spv_conn){.endpoint = p->endpoint, .manual = -1, .entry = -1},
                             SPV_ERR_BANNED, now);
    }
}

static int new_start_and_backfill(struct spv_node *n, const struct spv_node_config *cfg,
                                  struct spv_now now)
{
    const struct spv_checkpoint_start_config start = {.params = &n->params,
                                                      .effects = &n->effects,
                                                      .peers = &n->peers,
                                                      .start = starts_at(n, cfg->start_height),
                                                      .timeout_us = cfg->request_timeout_us};
    const struct spv_backfill_config backfill = {.params = &n->params,
                                                 .effects = &n->effects,
                                                 .chain = n->chain,
                                                 .peers = &n->peers,
                                                 .backfill_db = cfg->backfill_db,
                                                 .timeout_us = cfg->request_timeout_us};
    const int rc = start.start ? spv_checkpoint_start_new(&n->start, &start, now) : 0;
    return rc < 0 || !cfg->backfill ? rc : spv_backfill_new(&n->backfill, &backfill);
}

int spv_node_new(struct spv_node **out, const struct spv_node_config *cfg, struct spv_now now)
{
    struct spv_node_config implied;
    cfg = spv_node_wallet_config(&implied, cfg);
    if (!cfg->params || !cfg->rng.fill || cfg->peers > SPV_NODE_MAX_PEERS ||
        !checkpoints_ascend(cfg))
        return SPV_ERR_INVALID;
    struct spv_node *n = calloc(1, sizeof *n);
    if (!n)
        return SPV_ERR_NOMEM;
    n->params = *cfg->params;
    if (cfg->checkpoint_mode == SPV_CHECKPOINTS_IGNORED) {
        n->params.n_checkpoints = 0;
    } else if (cfg->checkpoints) {
        n->params.checkpoints = cfg->checkpoints;
        n->params.n_checkpoints = cfg->n_checkpoints;
    }
    n->target_outbound = cfg->peers ? cfg->peers : NODE_DEFAULT_PEERS;
    n->broadcast.broadcast = cfg->broadcast;
    if (cfg->n_connect && !cfg->peers)
        n->target_outbound =
            cfg->n_connect < SPV_NODE_MAX_PEERS ? (unsigned)cfg->n_connect : SPV_NODE_MAX_PEERS;
    spv_effects_init(&n->effects);

    const struct spv_chain_config chain = {
        .params = &n->params, .header_db = cfg->header_db, .checkpoint_mode = cfg->checkpoint_mode};
    int rc = spv_chain_new(&n->chain, &chain);
    if (!rc)
        rc = spv_outbound_init(&n->outbound, cfg, &n->params, &n->effects, now);
    if (rc < 0) {
        spv_node_free(n);
        return rc;
    }
    n->start_height = spv_chain_tip(n->chain)->height;
    const struct spv_sync_config sync = {.chain = n->chain,
                                         .effects = &n->effects,
                                         .peers = &n->peers,
                                         .params = &n->params,
                                         .min_work =
                                             cfg->min_work ? *cfg->min_work : n->params.min_work,
                                         .request_timeout_us = cfg->request_timeout_us,
                                         .indexed = cfg->indexed,
                                         .discovers = n->outbound.discovery,
                                         .rng = cfg->rng};
    rc = spv_sync_init(&n->sync, &sync, now);
    if (rc < 0) {
        spv_node_free(n);
        return rc;
    }
    rc = new_start_and_backfill(n, cfg, now);
    if (!rc)
        rc = spv_node_filters_init(&n->filters, cfg, &n->params, n->chain, &n->effects, &n->peers);
    if (rc < 0) {
        spv_node_free(n);
        return rc;
    }
    rc = spv_node_bloom_init(n, cfg);
    if (!rc)
        rc = spv_node_unconfirmed_init(n, cfg);
    if (!rc)
        rc = spv_node_wallet_init(n, cfg, now);
    if (!rc)
        rc = spv_node_broadcast_load(&n->broadcast, cfg->wallet, now);
    if (rc < 0) {
        spv_node_free(n);
        return rc;
    }
    spv_health_init(&n->health, &n->params, n->target_outbound, &n->peers);
    n->peer_rates.peers = &n->peers;
    set_quorum(n, now);
    emit_banned(n, now);
    (void)node_fail(n, spv_node_broadcast_run(&n->broadcast, n->chain, &n->outbound, now));
    spv_outbound_tick(&n->outbound, n->target_outbound, now);
    rc = node_fail(n, 0);
    if (rc < 0) {
        spv_node_free(n);
        return rc;
    }
    *out = n;
    return 0;
}

void spv_node_free(struct spv_node *n)
{
    if (!n)
        return;
    spv_sync_free(&n->sync);
    spv_checkpoint_start_free(n->start);
    spv_backfill_free(n->backfill);
    spv_node_filters_free(&n->filters);
    spv_node_wallet_free(n);
    spv_node_bloom_free(n);
    spv_node_unconfirmed_free(n);
    spv_chain_free(n->chain);
    spv_outbound_free(&n->outbound);
    spv_effects_free(&n->effects);
    free(n);
}

int spv_node_connected(struct spv_node *n, uint64_t peer, const struct spv_peer_stats *info,
                       struct spv_now now)
{
    struct spv_conn *conn = spv_outbound_find(&n->outbound, peer);
    if (n->error)
        return n->error;
    if (!conn || conn->state != SPV_CONN_STATE_CONNECTING)
        return SPV_ERR_STATE;
    const bool for_chain = conn->kind == SPV_CONN_OUTBOUND;
    if (for_chain)
        emit_connected(n, conn, info, now);
    const uint64_t group = conn->group;
    const bool for_filters = conn->for_filters;
    const unsigned failures = spv_outbound_failures(&n->outbound, conn);
    spv_outbound_on_handshake(&n->outbound, conn, info, now);
    if (spv_outbound_v2_blocked(&n->outbound))
        emit_warning(n, SPV_WARN_V2_BLOCKED, 0);
    if (!for_chain)
        return spv_node_after_input(n, 0, now);
    /* Discovered peers must serve the chain; a manual peer may be a plain header server. */
    if ((conn->manual < 0 && !spv_serves_chain(info->services)) ||
        (for_filters && !(info->services & SPV_NODE_COMPACT_FILTERS))) {
        close_peer(n, conn, SPV_ERR_SERVICES, now);
        return spv_node_after_input(n, 0, now);
    }
    struct spv_peer_entry *p = spv_peer_table_add(&n->peers, peer);
    if (!p)
        return spv_node_after_input(n, SPV_ERR_TOO_MANY, now);
    p->group = group;
    p->version = info->version;
    p->services = info->services;
    p->start_height = info->start_height > 0 ? (uint32_t)info->start_height : 0;
    spv_peer_rates_add(&n->peer_rates, peer, now);
    spv_health_connected(&n->health, peer, info->time_offset_s, now);
    int rc = spv_node_filters_add(&n->filters, p, now);
    if (!rc)
        rc = spv_node_bloom_add(n, peer);
    if (!rc)
        rc = spv_node_broadcast_add(&n->broadcast, conn, info, now);
    if (!rc)
        rc = spv_checkpoint_start_add(n->start, peer, now);
    if (!rc)
        rc = spv_backfill_add(n->backfill, peer, now);
    if (!rc && !spv_checkpoint_start_running(n->start))
        rc = spv_sync_add(&n->sync, p, failures, now);
    return spv_node_after_input(n, rc, now);
}

static int take_headers(struct spv_node *n, uint64_t peer, const struct spv_msg_headers *msg,
                        struct spv_now now)
{
    /* An empty headers message answers a request only when that request was sent completely. */
    if (msg->role == SPV_HEADERS_REPEATED || (msg->role == SPV_HEADERS_UNSOLICITED && msg->n == 0))
        return 0;
    spv_peer_rates_headers(&n->peer_rates, peer, msg->n, now);
    int rc = spv_checkpoint_start_running(n->start)
                 ? spv_checkpoint_start_headers(n->start, peer, msg, now)
                 : spv_backfill_headers(n->backfill, peer, msg, now);
    if (rc || spv_checkpoint_start_running(n->start))
        return rc < 0 ? rc : 0;
    return spv_sync_headers(&n->sync, peer, msg, now);
}

int spv_node_recv(struct spv_node *n, uint64_t peer, const struct spv_msg *msg, struct spv_now now)
{
    struct spv_conn *conn = spv_outbound_find(&n->outbound, peer);
    if (n->error)
        return n->error;
    if (n->sync.storing || spv_checkpoint_start_storing(n->start) ||
        spv_backfill_storing(n->backfill) || spv_node_filters_storing(&n->filters) ||
        spv_node_wallet_storing(n) || (conn && conn->state != SPV_CONN_STATE_READY))
        return SPV_ERR_STATE;
    if (!conn) /* it was closed while the message was on its way */
        return 0;
    int rc = 0;
    n->current_peer = peer;
    if (msg->command == SPV_CMD_HEADERS)
        rc = take_headers(n, peer, &msg->u.headers, now);
    else if (msg->command == SPV_CMD_INV && !spv_checkpoint_start_running(n->start))
        rc = spv_sync_inv(&n->sync, peer, &msg->u.inv, now);
    else if (msg->command == SPV_CMD_ADDR || msg->command == SPV_CMD_ADDRV2)
        rc = spv_outbound_gossip(&n->outbound, conn, &msg->u.addr, now);
    if (rc >= 0)
        rc = spv_node_filters_recv(&n->filters, peer, msg, now);
    if (rc >= 0)
        rc = spv_node_bloom_recv(n, peer, msg, now);
    if (rc >= 0)
        rc = spv_node_unconfirmed_recv(n, peer, msg, now);
    if (rc >= 0)
        rc = spv_node_broadcast_recv(&n->broadcast, peer, msg, now);
    return spv_node_after_input(n, rc, now);
}

int spv_node_closed(struct spv_node *n, uint64_t peer, int error, struct spv_now now)
{
    struct spv_conn *conn = spv_outbound_find(&n->outbound, peer);
    if (n->error)
        return n->error;
    if (!conn)
        return 0;
    if (!spv_outbound_fall_back(&n->outbound, conn, error))
        remove_peer(n, conn, error, now);
    return spv_node_after_input(n, 0, now);
}

int spv_node_resolved(struct spv_node *n, const struct spv_endpoint *endpoint, int error,
                      const struct spv_netaddr *addrs, size_t n_addrs, struct spv_now now)
{
    if (n->error)
        return n->error;
    return spv_node_after_input(
        n, spv_outbound_resolved(&n->outbound, endpoint, error, addrs, n_addrs, now), now);
}

int spv_node_addrman_changes(struct spv_node *n, struct spv_addrman_changes *out,
                             struct spv_now now)
{
    return spv_outbound_changes(&n->outbound, out, now);
}

/* The chain now starts at the checkpoint: header sync begins, with the peers that are ready. */
static int handle_start_stored(struct spv_node *n, struct spv_now now)
{
    const struct spv_sync_config sync = n->sync.cfg;
    int rc = spv_checkpoint_start_stored(n->start);
    if (!rc)
        rc = spv_chain_reload(n->chain);
    if (rc < 0)
        return rc;
    spv_sync_event(&n->effects, n->chain, SPV_EVENT_PROGRESS, 0);
    spv_sync_free(&n->sync);
    rc = spv_sync_init(&n->sync, &sync, now);
    set_quorum(n, now);
    for (struct spv_peer_entry *p = NULL; !rc && (p = spv_peer_table_next(&n->peers, p));)
        rc = spv_sync_add(&n->sync, p, 0, now);
    return rc;
}

static int handle_backfill_stored(struct spv_node *n, struct spv_now now)
{
    const int complete = spv_backfill_stored(n->backfill);
    const int rc = complete > 0 ? spv_chain_reload(n->chain) : complete;
    if (rc < 0 || !complete)
        return rc;
    spv_effects_push(&n->effects, SPV_EFFECT_INDEX, 0); /* the backfill may have dropped it */
    spv_sync_event(&n->effects, n->chain, SPV_EVENT_BACKFILL_DONE, 0);
    spv_sync_start_lowered(&n->sync, now);
    return 0;
}

int spv_node_stored(struct spv_node *n, int error, struct spv_now now)
{
    /* filters queue an effect only while no other is pending: theirs is the first */
    const bool filters = spv_node_filters_storing(&n->filters);
    const bool start = spv_checkpoint_start_storing(n->start);
    const bool backfill = spv_backfill_storing(n->backfill);
    if (!filters && !start && !backfill && !n->sync.storing && !spv_node_wallet_storing(n))
        return SPV_ERR_STATE;
    if (node_fail(n, error))
        return n->error;
    if (spv_node_wallet_stored(n)) /* what others have queued since is behind it */
        return spv_node_after_input(n, 0, now);
    return spv_node_after_input(n,
                                filters    ? spv_node_filters_stored(&n->filters)
                                : start    ? handle_start_stored(n, now)
                                : backfill ? handle_backfill_stored(n, now)
                                           : spv_sync_stored(&n->sync, now),
                                now);
}

int spv_node_indexed(struct spv_node *n, int error, struct spv_now now)
{
    if (node_fail(n, error))
        return n->error;
    spv_sync_indexed(&n->sync);
    return spv_node_after_input(n, 0, now);
}

int spv_node_timer(struct spv_node *n, struct spv_now now)
{
    if (n->error)
        return n->error;
    int rc = spv_checkpoint_start_timer(n->start, now);
    if (!rc)
        rc = spv_backfill_timer(n->backfill, now);
    if (!rc)
        rc = spv_node_filters_timer(&n->filters, now);
    spv_node_bloom_timer(n, now);
    return spv_node_after_input(n, rc < 0 ? rc : spv_sync_timer(&n->sync, now), now);
}
