/* A client runs a node as spv/loop.h does on real sockets: it executes the node's effects, passes
 * input to it, and stores its chain. It also checks the node's invariants. */
#include <stdlib.h>
#include <string.h>

#include "support/sim/internal.h"

void sim_client_step_clock(struct sim *sim, struct sim_client *c, int64_t seconds)
{
    sim_note(sim, "client %zu sets its clock by %lld", c->index, (long long)seconds);
    c->ahead_s += seconds;
}

static int start_node(struct sim *sim, struct sim_client *c)
{
    struct spv_endpoint named[SIM_SERVERS];
    size_t n = c->cfg.servers != 0 ? c->cfg.servers : sim->hosts;
    for (size_t i = 0; i < n; i++)
        named[i] = sim_server_endpoint(sim, i);
    struct spv_node_config cfg = {
        .params = sim->cfg.params,
        .header_db = sim_store_reader(&c->store),
        .connect = named,
        .n_connect = c->cfg.discover ? 0 : n,
        .peers = c->cfg.peers,
        .min_work = c->cfg.min_work,
        .checkpoint_mode = c->cfg.checkpoint_mode,
        .start_height = c->cfg.start_height,
        .indexed = true,
        .filters = c->cfg.filters,
        .filter_db = sim_filter_store_reader(&c->filters),
        .keep_filters = c->cfg.keep_filters > 0,
        .keep_filters_bytes = c->cfg.keep_filters,
        .rng = test_random_rng(&c->random),
        .request_timeout_us = c->cfg.request_timeout_us,
        .checkpoints = c->cfg.checkpoints,
        .n_checkpoints = c->cfg.n_checkpoints,
        .wallet = c->cfg.wallet ? c->cfg.wallet->load(c->cfg.wallet->ctx) : NULL,
        .source = c->cfg.source,
        .allow_bloom = c->cfg.allow_bloom,
        .bloom = c->bloom,
        .bloom_cross_check = c->cfg.bloom_cross_check,
        .bloom_whole_from = c->cfg.bloom_whole_from,
        .fetch_unconfirmed = c->cfg.fetch_unconfirmed,
    };
    static const enum spv_transport_choice choices[] = {
        [SIM_TRANSPORT_V1] = SPV_TRANSPORT_ONLY_V1,
        [SIM_TRANSPORT_V2] = SPV_TRANSPORT_ONLY_V2,
        [SIM_TRANSPORT_MIXED] = SPV_TRANSPORT_AUTO,
    };
    cfg.transport = choices[sim->cfg.transport];
    cfg.addrman_rows = &c->addrman_rows;
    cfg.proxied = c->cfg.proxied;
    struct spv_endpoint hub = {.port = sim->cfg.params->net.port};
    if (c->cfg.hub) {
        strncpy(hub.host, c->cfg.hub, sizeof(hub.host) - 1);
        cfg.add_peers = &hub;
        cfg.n_add_peers = 1;
    }
    const int rc = spv_node_new(&c->node, &cfg, sim_client_now(sim, c));
    return rc < 0 ? rc : sim_client_scan_begin(sim, c);
}

static enum sim_peer_state *state_of(struct sim_client *c, uint64_t peer)
{
    while (peer >= c->peers) {
        size_t cap = c->peers;
        c->peer = sim_grow(c->peer, &cap, c->peers, sizeof(c->peer[0]));
        memset(c->peer + c->peers, 0, (cap - c->peers) * sizeof(c->peer[0]));
        c->peers = cap;
    }
    return &c->peer[peer];
}

static void connect_effect(struct sim *sim, struct sim_client *c, const struct spv_effect *effect)
{
    enum sim_peer_state *state = state_of(c, effect->peer);
    if (effect->peer == 0 || *state != SIM_PEER_NONE)
        sim_break(sim, "a peer id was used twice");
    *state = SIM_PEER_DIALLING;
    size_t server = sim_server_find(sim, &effect->endpoint);
    sim_note(sim, "client %zu dials %s as %llu", c->index, effect->endpoint.host,
             (unsigned long long)effect->peer);
    bool dead = server == sim->hosts || sim->host[server].cfg.listen == SIM_DROP ||
                sim->host[server].cfg.cut_off;
    bool refused = !dead && sim->host[server].cfg.listen == SIM_REFUSE;
    struct sim_event *e = sim_push(sim, dead ? SIM_DIAL_TIMEOUT : 2 * sim_latency(sim),
                                   dead || refused ? SIM_UNREACHED : SIM_DIALLED);
    e->client = c->index;
    e->server = server;
    e->peer = effect->peer;
    e->transport = effect->transport;
    e->relay = effect->relay;
    e->epoch = c->epoch;
    e->error = dead ? SPV_ERR_CONNECT_TIMEOUT : SPV_ERR_REFUSED;
}

static void send_effect(struct sim *sim, struct sim_client *c, const struct spv_effect *effect)
{
    struct sim_conn *conn = sim_conn_of(sim, c->index, effect->peer);
    if (*state_of(c, effect->peer) != SIM_PEER_OPEN || !conn) {
        sim_break(sim, "the node sends to a peer that is not there");
        return;
    }
    int rc =
        spv_peer_send(conn->end[SIM_CLIENT_END].peer, &effect->message, sim_client_now(sim, c));
    if (rc < 0)
        sim_break(sim, "the node sends what its peer's machine refuses");
    sim_conn_flush(sim, conn, SIM_CLIENT_END);
}

static void close_effect(struct sim *sim, struct sim_client *c, const struct spv_effect *effect)
{
    enum sim_peer_state *state = state_of(c, effect->peer);
    struct sim_conn *conn = sim_conn_of(sim, c->index, effect->peer);
    sim_note(sim, "client %zu closes %llu %s", c->index, (unsigned long long)effect->peer,
             spv_err_name(effect->error));
    if (*state != SIM_PEER_DIALLING && *state != SIM_PEER_OPEN)
        sim_break(sim, "the node closes a peer that is not there");
    *state = SIM_PEER_DONE;
    if (conn)
        sim_conn_close(sim, conn, SIM_CLIENT_END);
}

static void store_effect(struct sim *sim, struct sim_client *c, const struct spv_effect *effect)
{
    const char *wrong = sim_store_apply(&c->store, &effect->update);
    if (effect->update.kind == SPV_UPDATE_REORG) /* in the same transaction */
        sim_filter_store_drop(&c->filters, effect->update.fork_height + 1);
    sim_note(sim, "client %zu stores %d fork %lu n %zu", c->index, (int)effect->update.kind,
             (unsigned long)effect->update.fork_height, effect->update.n);
    sim_client_store_wallet(sim, c, &effect->wallet_update);
    if (c->crashes)
        return;
    if (wrong)
        sim_break(sim, wrong);
    if (spv_node_stored(c->node, 0, sim_client_now(sim, c)) < 0)
        sim_break(sim, "the node failed after storing");
}

static void filter_effect(struct sim *sim, struct sim_client *c, const struct spv_effect *effect)
{
    const bool drop = effect->kind == SPV_EFFECT_DROP_FILTER_HEADERS;
    const char *wrong = drop ? sim_filter_store_drop(&c->filters, effect->height)
                             : sim_filter_store_apply(&c->filters, &effect->filter_update);
    sim_note(sim, "client %zu %s filter headers from %lu n %zu", c->index,
             drop ? "drops" : "stores",
             (unsigned long)(drop ? effect->height : effect->filter_update.first),
             drop ? (size_t)0 : effect->filter_update.n);
    if (!c->cfg.filters && !c->cfg.wallet)
        wrong = "filter headers of a client without filters";
    if (wrong)
        sim_break(sim, wrong);
    if (drop && c->cfg.wallet && sim_client_wallet_is_above(c, effect->height))
        wrong = "the wallet is scanned with filter headers that are dropped";
    if (wrong)
        sim_break(sim, wrong);
    sim_client_store_wallet(sim, c, &effect->wallet_update);
    if (c->crashes)
        return;
    const int rc = spv_node_stored(c->node, 0, sim_client_now(sim, c));
    if (rc < 0) {
        sim_note(sim, "client %zu: %s", c->index, spv_err_name(rc));
        sim_break(sim, "the node failed after storing filter headers");
    }
}

static void resolve_effect(struct sim *sim, struct sim_client *c, const struct spv_effect *effect)
{
    struct sim_event *e = sim_push(sim, sim_latency(sim), SIM_RESOLVED);
    c->lookups++;
    e->client = c->index;
    e->epoch = c->epoch;
    e->endpoint = effect->endpoint;
}

static void event(struct sim *sim, struct sim_client *c, const struct spv_event *e)
{
    c->events[e->kind]++;
    if (e->kind == SPV_EVENT_WARNING && e->warning < SIM_WARNINGS) {
        c->warnings[e->warning]++;
        c->warned[e->warning] = *e;
    }
    if (e->kind == SPV_EVENT_BANNED)
        sim_server_banned(sim, e->address);
    sim_note(sim, "client %zu event %d peer %llu height %lu %s", c->index, (int)e->kind,
             (unsigned long long)e->peer, (unsigned long)e->tip.height, spv_err_name(e->error));
}

/* The addrman rows as in a database: replaced and removed by address. */
static void save_addrman(struct sim_client *c)
{
    struct spv_addrman_changes changes;
    if (spv_node_addrman_changes(c->node, &changes, sim_client_now(c->sim, c)) < 0)
        sim_break(c->sim, "the changes of addrman could not be collected");
    else
        sim_addrman_save(&c->addrman_rows, &changes);
}

static void wallet_effect(struct sim *sim, struct sim_client *c, const struct spv_effect *effect)
{
    sim_note(sim, "client %zu stores %zu rows of its wallet", c->index, effect->wallet_update.n);
    sim_client_store_wallet(sim, c, &effect->wallet_update);
    if (!c->crashes && spv_node_stored(c->node, 0, sim_client_now(sim, c)) < 0)
        sim_break(sim, "the node failed after storing the wallet");
}

/* Runs all effects of the node that are queued now. */
static void pump(struct sim *sim, struct sim_client *c)
{
    struct spv_effect effect;
    while (!sim->broken && !c->crashes && spv_node_poll(c->node, &effect) == 1) {
        switch (effect.kind) {
        case SPV_EFFECT_CONNECT:
            connect_effect(sim, c, &effect);
            break;
        case SPV_EFFECT_RESOLVE:
            resolve_effect(sim, c, &effect);
            break;
        case SPV_EFFECT_SEND:
            send_effect(sim, c, &effect);
            break;
        case SPV_EFFECT_CLOSE:
            close_effect(sim, c, &effect);
            break;
        case SPV_EFFECT_STORE:
            store_effect(sim, c, &effect);
            break;
        case SPV_EFFECT_INDEX:
            if (spv_node_indexed(c->node, 0, sim_client_now(sim, c)) < 0)
                sim_break(sim, "the node failed after indexing");
            break;
        case SPV_EFFECT_STORE_FILTER_HEADERS:
        case SPV_EFFECT_DROP_FILTER_HEADERS:
            filter_effect(sim, c, &effect);
            break;
        case SPV_EFFECT_MATCH_FILTERS:
        case SPV_EFFECT_KEEP_FILTERS:
        case SPV_EFFECT_SCAN:
            sim_client_scan_effect(sim, c, &effect);
            break;
        case SPV_EFFECT_STORE_WALLET:
            wallet_effect(sim, c, &effect);
            break;
        case SPV_EFFECT_WALLET:
            c->cfg.wallet->event(c->cfg.wallet->ctx, &effect.wallet_event);
            break;
        case SPV_EFFECT_STORE_BLOOM:
            sim_client_store_bloom(sim, c, &effect.bloom);
            break;
        case SPV_EFFECT_STORE_BROADCAST:
            if (spv_node_broadcast_stored(c->node, 0, sim_client_now(sim, c)) < 0)
                sim_break(sim, "the node failed after storing what is published");
            break;
        case SPV_EFFECT_BROADCAST:
            break;
        case SPV_EFFECT_SAVE_ADDRMAN:
            save_addrman(c);
            break;
        case SPV_EFFECT_EVENT:
            event(sim, c, &effect.event);
            break;
        }
    }
    if (c->crashes)
        sim_client_restart(sim, c);
}

/* Called after every input to the node. */
static void after_input(struct sim *sim, struct sim_client *c, int rc)
{
    if (rc < 0) {
        sim_note(sim, "client %zu: %s", c->index, spv_err_name(rc));
        sim_break(sim, "the node refused an input");
    }
    pump(sim, c);
}

/* Called when the other thread is done: the node may have been restarted since. */
void sim_client_match(struct sim *sim, struct sim_event *e)
{
    struct sim_client *c = sim->client[e->client];
    if (e->epoch != c->epoch)
        return;
    after_input(sim, c, spv_node_filters_matched(c->node, sim_client_now(sim, c)));
}

void sim_client_scan_add(struct sim *sim, struct sim_client *c, const struct spv_bytes *scripts,
                         size_t n, uint32_t from)
{
    sim_note(sim, "client %zu watches %zu more scripts", c->index, n);
    after_input(sim, c, spv_node_scan_add(c->node, scripts, n, from, sim_client_now(sim, c)));
}

int sim_client_watch(struct sim *sim, struct sim_client *c, uint64_t *request, uint64_t *id,
                     const struct spv_watch_target *watch)
{
    const int rc = spv_node_watch(c->node, request, id, NULL, watch, sim_client_now(sim, c));
    sim_note(sim, "client %zu watches: request %llu, %s", c->index, (unsigned long long)*request,
             spv_err_name(rc));
    after_input(sim, c, spv_err_class_of(rc) == SPV_CLASS_CALLER ? 0 : rc);
    return rc;
}

int sim_client_reserve_index(struct sim *sim, struct sim_client *c, uint64_t *request,
                             uint32_t *index, uint64_t id, uint32_t branch)
{
    const int rc =
        spv_node_reserve_index(c->node, request, index, id, branch, sim_client_now(sim, c));
    sim_note(sim, "client %zu hands out index %lu", c->index, (unsigned long)*index);
    after_input(sim, c, rc);
    return rc;
}

struct sim_client *sim_add_client(struct sim *sim, const struct sim_client_config *cfg)
{
    struct sim_client *c = calloc(1, sizeof(*c));
    if (!c || sim->clients == SIM_CLIENTS)
        abort();
    c->sim = sim;
    c->index = sim->clients;
    c->cfg = *cfg;
    c->random.state = test_random_next(&sim->random);
    if (cfg->stored)
        sim_store_copy(&c->store, cfg->stored, cfg->base);
    else
        sim_store_init(&c->store, sim->cfg.params);
    sim_filter_store_init(&c->filters, &c->store);
    if (start_node(sim, c) < 0)
        abort();
    sim->client[sim->clients++] = c;
    pump(sim, c);
    return c;
}

void sim_client_free(struct sim_client *c)
{
    spv_node_free(c->node);
    sim_client_scan_end(c);
    sim_filter_store_free(&c->filters);
    sim_store_free(&c->store);
    sim_addrman_free(&c->addrman_rows);
    free(c->peer);
    free(c);
}

void sim_client_restart(struct sim *sim, struct sim_client *c)
{
    sim_note(sim, "client %zu restarts", c->index);
    for (size_t i = 0; i < sim->conns; i++)
        if (sim->conn[i]->client == c->index)
            sim_conn_close(sim, sim->conn[i], SIM_CLIENT_END);
    sim_client_scan_end(c);
    spv_node_free(c->node);
    c->node = NULL;
    c->crashes = false;
    c->epoch++;
    for (size_t i = 0; i < c->peers; i++)
        c->peer[i] = SIM_PEER_NONE;
    if (start_node(sim, c) < 0)
        abort();
    pump(sim, c);
}

static int attach(struct sim *sim, struct sim_conn *conn)
{
    struct sim_client *c = sim->client[conn->client];
    struct sim_end *end = &conn->end[SIM_CLIENT_END];
    struct spv_peer_config cfg = {
        .net = &sim->cfg.params->net,
        .height = (int32_t)sim_store_tip(&c->store)->height,
        .relay = conn->relay,
        .rng = test_random_rng(&end->random),
        .self_nonces = &c->nonces,
        .transport =
            conn->transport == SPV_TRANSPORT_V2 ? SPV_TRANSPORT_ONLY_V2 : SPV_TRANSPORT_ONLY_V1,
        .v2_context = sim->v2_context,
    };
    return spv_peer_new(&end->peer, &cfg, SPV_OUTBOUND, sim_client_now(sim, c));
}

static void on_closed(struct sim *sim, size_t client, uint64_t peer, int error)
{
    struct sim_client *c = sim->client[client];
    enum sim_peer_state *state = state_of(c, peer);
    if (*state != SIM_PEER_DIALLING && *state != SIM_PEER_OPEN)
        sim_break(sim, "a peer id was closed twice");
    *state = SIM_PEER_DONE;
    after_input(sim, c, spv_node_closed(c->node, peer, error, sim_client_now(sim, c)));
}

void sim_client_dialled(struct sim *sim, const struct sim_event *e)
{
    struct sim_client *c = sim->client[e->client];
    if (e->epoch != c->epoch || *state_of(c, e->peer) != SIM_PEER_DIALLING)
        return; /* closed meanwhile */
    if (e->kind == SIM_UNREACHED) {
        on_closed(sim, e->client, e->peer, e->error);
        return;
    }
    *state_of(c, e->peer) = SIM_PEER_OPEN;
    sim_conn_open(sim, e);
}

void sim_client_resolved(struct sim *sim, const struct sim_event *e)
{
    struct sim_client *c = sim->client[e->client];
    struct spv_netaddr addrs[SIM_SERVERS] = {{0}};
    if (e->epoch != c->epoch)
        return;
    if (c->cfg.dns_dead) {
        after_input(sim, c,
                    spv_node_resolved(c->node, &e->endpoint, SPV_ERR_RESOLVE, NULL, 0,
                                      sim_client_now(sim, c)));
        return;
    }
    for (size_t i = 0; i < sim->hosts; i++)
        addrs[i] = (struct spv_netaddr){.network = SPV_ADDR_IPV4,
                                        .len = 4,
                                        .port = sim->cfg.params->net.port,
                                        .bytes = {8, (uint8_t)(i + 1), 0, 1}};
    after_input(
        sim, c,
        spv_node_resolved(c->node, &e->endpoint, 0, addrs, sim->hosts, sim_client_now(sim, c)));
}

static void on_message(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg)
{
    struct sim_client *c = sim->client[conn->client];
    struct sim_end *end = &conn->end[SIM_CLIENT_END];
    if (!spv_peer_ready(end->peer))
        return;
    if (end->ready_sent) {
        after_input(sim, c, spv_node_recv(c->node, conn->peer, msg, sim_client_now(sim, c)));
        return;
    }
    struct spv_peer_stats stats;
    end->ready_sent = true;
    spv_peer_get_stats(end->peer, &stats);
    after_input(sim, c, spv_node_connected(c->node, conn->peer, &stats, sim_client_now(sim, c)));
}

const struct sim_owner sim_client_owner = {attach, on_message, on_closed};

void sim_client_timer(struct sim *sim, struct sim_client *c)
{
    sim_note(sim, "client %zu timer", c->index);
    after_input(sim, c, spv_node_timer(c->node, sim_client_now(sim, c)));
}

void sim_client_check(struct sim *sim, struct sim_client *c)
{
    const struct spv_chain_header *tip = spv_chain_tip(spv_node_chain(c->node));
    const struct spv_chain_header *stored = sim_store_tip(&c->store);
    struct spv_node_stats stats;
    if (sim_filter_store_end(&c->filters) > c->store.n)
        sim_break(sim, "filter headers above the stored chain");
    if (!spv_blockhash_eq(&tip->hash, &stored->hash))
        sim_break(sim, "the stored tip is not the node's");
    if (spv_u256_cmp(&stored->work, &c->work) < 0)
        sim_break(sim, "the best work fell");
    c->work = stored->work;
    spv_node_get_stats(c->node, &stats);
    if (c->memory_first == 0)
        c->memory_first = stats.memory;
    if (stats.memory > c->memory_most)
        c->memory_most = stats.memory;
    if (stats.memory > SIM_NODE_MEMORY)
        sim_break(sim, "the node's memory is out of bounds");
    if (stats.peers + stats.peers_connecting > SPV_NODE_MAX_PEERS)
        sim_break(sim, "the node has more peers than it may");
}

const struct spv_node *sim_client_node(const struct sim_client *c)
{
    return c->node;
}

const struct sim_store *sim_client_store(const struct sim_client *c)
{
    return &c->store;
}

const struct sim_filter_store *sim_client_filters(const struct sim_client *c)
{
    return &c->filters;
}

uint64_t sim_client_events(const struct sim_client *c, enum spv_event_kind kind)
{
    return c->events[kind];
}

uint64_t sim_client_warnings(const struct sim_client *c, enum spv_warning warning)
{
    return c->warnings[warning];
}

const struct spv_event *sim_client_warned(const struct sim_client *c, enum spv_warning warning)
{
    return &c->warned[warning];
}

size_t sim_client_growth(const struct sim_client *c)
{
    return c->memory_most - c->memory_first;
}

const struct spv_addrman_rows *sim_client_addrman(const struct sim_client *c)
{
    return &c->addrman_rows;
}

uint64_t sim_client_lookups(const struct sim_client *c)
{
    return c->lookups;
}

bool sim_client_synced(struct sim *sim, void *client)
{
    struct spv_node_stats stats;
    (void)sim;
    spv_node_get_stats(((struct sim_client *)client)->node, &stats);
    return stats.synced;
}
