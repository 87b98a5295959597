/* A header server: an inbound peer state machine, a chain in memory, and the behaviour that its
 * configuration sets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/sim/blocks.h"
#include "support/sim/internal.h"

#define SIM_WAIT (SPV_SECOND / 200)

size_t sim_add_server(struct sim *sim, const struct sim_server_config *cfg)
{
    if (sim->hosts == SIM_SERVERS)
        abort();
    struct sim_host *host = &sim->host[sim->hosts];
    host->cfg = *cfg;
    if (host->cfg.filters.blocks && !host->cfg.chain)
        host->cfg.chain = &host->cfg.filters.blocks->store;
    if (host->cfg.services == 0)
        host->cfg.services = SPV_NODE_NETWORK | SPV_NODE_WITNESS |
                             (host->cfg.filters.blocks ? SPV_NODE_COMPACT_FILTERS : 0);
    return sim->hosts++;
}

size_t sim_servers(const struct sim *sim)
{
    return sim->hosts;
}

struct sim_server_config *sim_server(struct sim *sim, size_t server)
{
    return &sim->host[server].cfg;
}

/* Each in its own network group. */
struct spv_endpoint sim_server_endpoint(const struct sim *sim, size_t server)
{
    struct spv_endpoint endpoint = {.port = sim->cfg.params->net.port};
    snprintf(endpoint.host, sizeof(endpoint.host), "8.%zu.0.1", server + 1);
    return endpoint;
}

size_t sim_server_find(const struct sim *sim, const struct spv_endpoint *endpoint)
{
    for (size_t i = 0; i < sim->hosts; i++) {
        struct spv_endpoint own = sim_server_endpoint(sim, i);
        const char *name = sim->host[i].cfg.name;
        if (own.port == endpoint->port &&
            (strcmp(own.host, endpoint->host) == 0 || (name && strcmp(name, endpoint->host) == 0)))
            return i;
    }
    return sim->hosts;
}

uint64_t sim_server_connections(const struct sim *sim, size_t server)
{
    return sim->host[server].connections;
}

uint64_t sim_server_asked(const struct sim *sim, size_t server)
{
    return sim->host[server].asked;
}

uint64_t sim_server_answered(const struct sim *sim, size_t server)
{
    return sim->host[server].answered;
}

static int attach(struct sim *sim, struct sim_conn *conn)
{
    struct sim_host *host = &sim->host[conn->server];
    struct sim_end *end = &conn->end[SIM_SERVER_END];
    const bool v1_only = sim->cfg.transport == SIM_TRANSPORT_MIXED && conn->server % 3 == 0;
    if (!v1_only || conn->transport == SPV_TRANSPORT_V1)
        host->connections++; /* else it falls back */
    if (host->cfg.listen == SIM_HANG)
        return 0;
    struct spv_peer_config cfg = {
        .net = host->cfg.net ? host->cfg.net : &sim->cfg.params->net,
        .services = host->cfg.services,
        .user_agent = "/sim:1/",
        .height = host->cfg.claim != 0 ? host->cfg.claim
                                       : (int32_t)sim_store_tip(host->cfg.chain)->height,
        .rng = test_random_rng(&end->random),
        .self_nonces = &host->nonces,
        .transport = v1_only ? SPV_TRANSPORT_ONLY_V1 : SPV_TRANSPORT_AUTO,
        .v2_context = sim->v2_context,
    };
    return spv_peer_new(&end->peer, &cfg, SPV_INBOUND, sim_end_now(sim, conn, SIM_SERVER_END));
}

uint64_t sim_server_bans(const struct sim *sim, size_t server)
{
    return sim->host[server].bans;
}

void sim_server_banned(struct sim *sim, const char *address)
{
    for (size_t i = 0; i < sim->hosts; i++) {
        char own[SPV_ENDPOINT_TEXT];
        struct spv_endpoint endpoint = sim_server_endpoint(sim, i);
        spv_endpoint_text(own, &endpoint);
        if (strcmp(own, address) == 0)
            sim->host[i].bans++;
    }
}

static int send_raw(struct sim *sim, struct sim_conn *conn, const struct sim_raw *raw)
{
    struct spv_msg msg = {.command = SPV_CMD_UNKNOWN, .u.raw = {raw->payload, raw->n}};
    snprintf(msg.name, sizeof(msg.name), "%s", raw->command);
    return spv_peer_send(conn->end[SIM_SERVER_END].peer, &msg,
                         sim_end_now(sim, conn, SIM_SERVER_END));
}

/* Encodes a headers message with a transaction count other than 0 after each header. */
static int send_counted(struct sim *sim, struct sim_conn *conn, const struct spv_header *headers,
                        size_t n)
{
    struct spv_buffer b;
    spv_buffer_init(&b);
    spv_buffer_compact(&b, n);
    for (size_t i = 0; i < n; i++) {
        uint8_t raw[SPV_HEADER_SIZE + 1];
        spv_header_encode(raw, &headers[i]);
        raw[SPV_HEADER_SIZE] = sim->host[conn->server].cfg.tx_count;
        spv_buffer_put(&b, raw, sizeof(raw));
    }
    if (b.error != 0)
        abort();
    int rc = send_raw(sim, conn, &(struct sim_raw){"headers", b.data, b.len});
    spv_buffer_free(&b);
    return rc;
}

static void send_headers(struct sim *sim, struct sim_conn *conn, const struct spv_header *headers,
                         size_t n)
{
    struct sim_end *end = &conn->end[SIM_SERVER_END];
    struct spv_msg msg = {.command = SPV_CMD_HEADERS, .u.headers = {.headers = headers, .n = n}};
    int rc = sim->host[conn->server].cfg.tx_count != 0
                 ? send_counted(sim, conn, headers, n)
                 : spv_peer_send(end->peer, &msg, sim_end_now(sim, conn, SIM_SERVER_END));
    if (rc < 0 && rc != SPV_ERR_QUEUE_FULL)
        sim_break(sim, "a server could not send");
    sim_conn_flush(sim, conn, SIM_SERVER_END);
}

static void delay_answer(struct sim *sim, struct sim_conn *conn,
                         const struct spv_msg_getheaders *request)
{
    struct sim_host *host = &sim->host[conn->server];
    struct spv_header *headers = calloc(SPV_MAX_HEADERS, sizeof(*headers));
    if (!headers)
        abort();
    struct spv_header_db reader = sim_store_reader(host->cfg.chain);
    int n = spv_serve_headers(&reader, headers, request);
    if (host->cfg.answer_max > 0 && n > (int)host->cfg.answer_max)
        n = (int)host->cfg.answer_max;
    if (n >= 0 && host->cfg.answer)
        n = host->cfg.answer(host->cfg.ctx, headers, n, request);
    if (n < 0) {
        free(headers);
        return;
    }
    host->answered++;
    struct sim_event *e = sim_push(sim, host->cfg.answer_delay_us, SIM_ANSWER);
    e->conn = conn->id;
    e->order = conn->end[SIM_SERVER_END].answers++;
    e->bytes = (uint8_t *)headers;
    e->n = (size_t)n;
}

/* Sends one message at a time, the next when the client has read most of the queue. */
void sim_server_answer(struct sim *sim, struct sim_event *e)
{
    struct sim_conn *conn = sim_conn_find(sim, e->conn);
    if (!conn || conn->end[SIM_SERVER_END].closed)
        return;
    struct sim_end *end = &conn->end[SIM_SERVER_END];
    const uint8_t *bytes;
    if (e->order != end->answered || spv_peer_pending(end->peer, &bytes) > SIM_QUEUE_MAX) {
        sim_postpone(sim, e, SIM_WAIT);
        return;
    }
    end->answered++;
    const struct spv_header *headers = (const struct spv_header *)(const void *)e->bytes;
    send_headers(sim, conn, headers, e->n);
    if (sim->host[conn->server].cfg.send_twice)
        send_headers(sim, conn, headers, e->n);
}

static void send_addresses(struct sim *sim, struct sim_conn *conn)
{
    const struct sim_server_config *cfg = &sim->host[conn->server].cfg;
    struct spv_peer *peer = conn->end[SIM_SERVER_END].peer;
    struct spv_peer_stats stats;
    spv_peer_get_stats(peer, &stats);
    struct spv_msg msg = {.command = stats.addrv2 ? SPV_CMD_ADDRV2 : SPV_CMD_ADDR,
                          .u.addr = {cfg->gossip, cfg->n_gossip}};
    if (spv_peer_send(peer, &msg, sim->now) < 0)
        sim_break(sim, "a server could not tell addresses");
    sim_conn_flush(sim, conn, SIM_SERVER_END);
}

static void on_message(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg)
{
    sim_note(sim, "server %zu got %s", conn->server, msg->name);
    const struct sim_raw *raw = sim->host[conn->server].cfg.raw;
    if (msg->command == SPV_CMD_GETHEADERS && raw) {
        if (send_raw(sim, conn, raw) < 0)
            sim_break(sim, "a server could not send");
        sim_conn_flush(sim, conn, SIM_SERVER_END);
    }
    if (msg->command == SPV_CMD_VERACK && sim->host[conn->server].cfg.empty_first)
        send_headers(sim, conn, NULL, 0);
    sim->host[conn->server].asked += msg->command == SPV_CMD_GETHEADERS;
    if (msg->command == SPV_CMD_GETHEADERS && !sim->host[conn->server].cfg.mute)
        delay_answer(sim, conn, &msg->u.getheaders);
    if (msg->command == SPV_CMD_GETADDR && sim->host[conn->server].cfg.gossip)
        send_addresses(sim, conn);
    sim_filter_server_message(sim, conn, msg);
    sim_bloom_server_message(sim, conn, msg);
}

const struct sim_owner sim_server_owner = {attach, on_message, NULL};

void sim_server_push(struct sim *sim, size_t server, const struct spv_header *headers, size_t n)
{
    for (size_t i = 0; i < sim->conns; i++) {
        struct sim_conn *conn = sim->conn[i];
        struct sim_end *end = &conn->end[SIM_SERVER_END];
        if (conn->server == server && end->peer && !end->closed && spv_peer_ready(end->peer))
            send_headers(sim, conn, headers, n);
    }
}

/* BIP130: up to 8 headers that extend what the client has received from us, else an inv of the
 * tip. */
static void announce(struct sim *sim, struct sim_conn *conn, const struct sim_store *old,
                     const struct sim_store *chain)
{
    struct sim_end *end = &conn->end[SIM_SERVER_END];
    struct spv_peer_stats stats;
    struct spv_header headers[8];
    if (!end->peer || end->closed || !spv_peer_ready(end->peer))
        return;
    size_t fork = old->n < chain->n ? old->n : chain->n;
    while (fork > 0 && !spv_blockhash_eq(&old->at[fork - 1].hash, &chain->at[fork - 1].hash))
        fork--;
    spv_peer_get_stats(end->peer, &stats);
    if (stats.send_headers && chain->n > fork && chain->n - fork <= 8) {
        for (size_t i = fork; i < chain->n; i++)
            headers[i - fork] = chain->at[i].header;
        send_headers(sim, conn, headers, chain->n - fork);
        return;
    }
    struct spv_inv item = {.type = SPV_INV_BLOCK};
    memcpy(item.hash.b, sim_store_tip(chain)->hash.b, sizeof(item.hash.b));
    struct spv_msg msg = {.command = SPV_CMD_INV, .u.inv = {&item, 1}};
    spv_peer_send(end->peer, &msg, sim_end_now(sim, conn, SIM_SERVER_END));
    sim_conn_flush(sim, conn, SIM_SERVER_END);
}

void sim_server_announce(struct sim *sim, size_t server, struct sim_store *chain)
{
    struct sim_store *old = sim->host[server].cfg.chain;
    sim->host[server].cfg.chain = chain;
    sim_note(sim, "server %zu announces height %lu", server,
             (unsigned long)sim_store_tip(chain)->height);
    for (size_t i = 0; i < sim->conns; i++)
        if (sim->conn[i]->server == server)
            announce(sim, sim->conn[i], old, chain);
}

void sim_server_announce_blocks(struct sim *sim, size_t server, struct sim_blocks *blocks)
{
    struct sim_host *host = &sim->host[server];
    const struct sim_blocks *old = host->cfg.filters.blocks;
    size_t fork = old->store.n < blocks->store.n ? old->store.n : blocks->store.n;
    while (fork > 1 && old->at[fork - 1] != blocks->at[fork - 1])
        fork--;
    host->announced_above = (uint32_t)fork - 1;
    host->announced_us = sim->now.mono_us;
    if (old != blocks)
        host->cfg.filters.stale = old;
    host->cfg.filters.blocks = blocks;
    sim_server_announce(sim, server, &blocks->store);
}
