/* A connection is two ends and the bytes in flight between them. The output of an end's state
 * machine is split into fragments of random length, as many as the pipe has capacity for; each
 * arrives after a random latency, never before an earlier one. */
#include <stdlib.h>
#include <string.h>

#include "support/sim/internal.h"
#include "util/hash.h"

#define RETRANSMIT SPV_SECOND /* retry interval for bytes of a partitioned host */
#define OUT_OF_ORDER (SPV_SECOND / 20) /* delay instead of overtaking an earlier fragment */

struct sim_conn *sim_conn_find(struct sim *sim, uint64_t id)
{
    for (size_t i = 0; i < sim->conns; i++)
        if (sim->conn[i]->id == id)
            return sim->conn[i];
    return NULL;
}

struct sim_conn *sim_conn_of(struct sim *sim, size_t client, uint64_t peer)
{
    for (size_t i = 0; i < sim->conns; i++) {
        struct sim_conn *c = sim->conn[i];
        if (c->client == client && c->peer == peer && !c->end[SIM_CLIENT_END].closed)
            return c;
    }
    return NULL;
}

void sim_conn_open(struct sim *sim, const struct sim_event *e)
{
    struct sim_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        abort();
    conn->id = ++sim->next_conn;
    conn->client = e->client;
    conn->server = e->server;
    conn->peer = e->peer;
    conn->transport = e->transport;
    conn->relay = e->relay;
    conn->end[0].random.state = test_random_next(&sim->random);
    conn->end[1].random.state = test_random_next(&sim->random);
    sim->conn = sim_grow(sim->conn, &sim->conns_cap, sim->conns, sizeof(sim->conn[0]));
    sim->conn[sim->conns++] = conn;
    sim_note(sim, "open c%llu client %zu peer %llu server %zu", (unsigned long long)conn->id,
             e->client, (unsigned long long)e->peer, e->server);
    if (sim->owner[SIM_SERVER_END]->attach(sim, conn) < 0 ||
        sim->owner[SIM_CLIENT_END]->attach(sim, conn) < 0)
        sim_break(sim, "a peer could not be created");
    sim_conn_flush(sim, conn, SIM_CLIENT_END);
}

struct spv_now sim_end_now(const struct sim *sim, const struct sim_conn *conn, int end)
{
    struct spv_now now = sim->now;
    if (end == SIM_CLIENT_END)
        return sim_client_now(sim, sim->client[conn->client]);
    now.unix_s += sim->host[conn->server].cfg.clock_ahead_s;
    return now;
}

/* Mostly large fragments, sometimes a small one. */
static size_t fragment(struct sim *sim)
{
    uint64_t max = test_random_below(&sim->random, 8) == 0 ? 48 : sim->cfg.fragment_max;
    return 1 + test_random_below(&sim->random, max);
}

static uint64_t transit(struct sim *sim, const struct sim_conn *conn, int from, size_t n)
{
    uint64_t rate = sim->host[conn->server].cfg.bytes_per_s;
    unsigned latency_factor = sim->host[conn->server].cfg.latency_factor;
    uint64_t us = sim_latency(sim) * (latency_factor > 0 ? latency_factor : 1);
    if (from == SIM_SERVER_END && rate > 0) {
        /* The link is busy until the bytes sent before have passed. */
        uint64_t last = conn->end[from].last_arrival;
        uint64_t free_at = last > sim->now.mono_us ? last - sim->now.mono_us : 0;
        us = (free_at > us ? free_at : us) + n * SPV_SECOND / rate;
    }
    return us;
}

void sim_conn_flush(struct sim *sim, struct sim_conn *conn, int end)
{
    struct sim_end *from = &conn->end[end];
    const uint8_t *bytes;
    size_t n;
    while (from->peer && (n = spv_peer_pending(from->peer, &bytes)) > 0 &&
           from->in_flight < sim_pipe(sim)) {
        size_t size = fragment(sim);
        if (size > n)
            size = n;
        if (size > sim_pipe(sim) - from->in_flight)
            size = sim_pipe(sim) - from->in_flight;
        uint64_t us = transit(sim, conn, end, size);
        if (sim->now.mono_us + us < from->last_arrival)
            us = from->last_arrival - sim->now.mono_us;
        from->last_arrival = sim->now.mono_us + us;
        uint8_t *copy = malloc(size);
        if (!copy)
            abort();
        memcpy(copy, bytes, size);
        struct sim_event *e = sim_push(sim, us, SIM_BYTES);
        e->conn = conn->id;
        e->end = 1 - end;
        e->bytes = copy;
        e->n = size;
        e->order = from->fragments++;
        from->in_flight += size;
        from->sent += size;
        spv_peer_sent(from->peer, size, sim_end_now(sim, conn, end));
    }
}

static void push_eof(struct sim *sim, struct sim_conn *conn, int end, uint64_t after_us, int error)
{
    if (conn->end[end].closed)
        return;
    struct sim_event *e = sim_push(sim, after_us, SIM_EOF);
    e->conn = conn->id;
    e->end = end;
    e->error = error;
}

void sim_conn_close(struct sim *sim, struct sim_conn *conn, int end)
{
    struct sim_end *x = &conn->end[end];
    if (x->closed)
        return;
    sim_conn_flush(sim, conn, end); /* bytes queued before the close */
    x->closed = true;
    uint64_t us = sim_latency(sim);
    if (sim->now.mono_us + us < x->last_arrival)
        us = x->last_arrival - sim->now.mono_us;
    push_eof(sim, conn, 1 - end, us, SPV_ERR_CLOSED);
}

void sim_conn_reset(struct sim *sim, struct sim_conn *conn)
{
    sim_note(sim, "reset c%llu", (unsigned long long)conn->id);
    conn->is_reset = true;
    push_eof(sim, conn, SIM_CLIENT_END, 0, SPV_ERR_RESET);
    push_eof(sim, conn, SIM_SERVER_END, 0, SPV_ERR_RESET);
}

/* Marks one end as closed and reports it to its owner. */
static void mark_closed(struct sim *sim, struct sim_conn *conn, int end, int error)
{
    sim_note(sim, "end c%llu %s %s", (unsigned long long)conn->id,
             end == SIM_CLIENT_END ? "client" : "server", spv_err_name(error));
    conn->end[end].closed = true;
    if (end == SIM_CLIENT_END && conn->end[end].peer && spv_peer_wants_v1(conn->end[end].peer))
        error = SPV_ERR_V1_PEER;
    if (sim->owner[end]->on_closed)
        sim->owner[end]->on_closed(sim, conn->client, conn->peer, error);
}

/* The state machine at this end failed: the connection drops. */
static void machine_failed(struct sim *sim, struct sim_conn *conn, int end, int error)
{
    if (conn->end[end].closed)
        return;
    sim_conn_close(sim, conn, end);
    mark_closed(sim, conn, end, error);
}

static void receive(struct sim *sim, struct sim_conn *conn, int end, const uint8_t *bytes, size_t n)
{
    struct sim_end *x = &conn->end[end];
    const struct spv_now now = sim_end_now(sim, conn, end);
    struct spv_msg msg;
    if (end == SIM_SERVER_END && sim->host[conn->server].cfg.silent && spv_peer_ready(x->peer))
        return; /* it receives no more bytes */
    int rc = spv_peer_feed(x->peer, bytes, n, now);
    while (rc == 0 && !x->closed && (rc = spv_peer_next(x->peer, &msg, now)) == 1) {
        sim->owner[end]->on_message(sim, conn, &msg);
        rc = 0;
    }
    if (rc < 0)
        machine_failed(sim, conn, end, rc);
    if (!x->closed)
        sim_conn_flush(sim, conn, end);
}

void sim_conn_bytes(struct sim *sim, struct sim_event *e)
{
    struct sim_conn *conn = sim_conn_find(sim, e->conn);
    if (!conn)
        return;
    const struct sim_server_config *cfg = &sim->host[conn->server].cfg;
    struct sim_end *from = &conn->end[1 - e->end], *to = &conn->end[e->end];
    if (cfg->cut_off || e->order != from->arrived || to->job_unfinished) {
        sim_postpone(sim, e, cfg->cut_off ? RETRANSMIT : OUT_OF_ORDER);
        return;
    }
    from->arrived++;
    from->in_flight -= e->n;
    if (to->closed)
        return;
    sim_note(sim, "bytes c%llu %s %zu %016llx", (unsigned long long)conn->id,
             e->end == SIM_CLIENT_END ? "client" : "server", e->n,
             (unsigned long long)spv_siphash(1, 2, e->bytes, e->n));
    bool unlucky = sim->cfg.reset_permille > 0 &&
                   test_random_below(&sim->random, 1000) < sim->cfg.reset_permille;
    bool limit = cfg->reset_after > 0 && conn->end[SIM_SERVER_END].sent > cfg->reset_after;
    if (unlucky || limit) {
        sim_conn_reset(sim, conn);
        return;
    }
    if (to->peer && !conn->is_reset)
        receive(sim, conn, e->end, e->bytes, e->n);
    if (!from->closed)
        sim_conn_flush(sim, conn, 1 - e->end); /* the pipe has capacity again */
}

void sim_conn_eof(struct sim *sim, struct sim_event *e)
{
    struct sim_conn *conn = sim_conn_find(sim, e->conn);
    if (!conn || conn->end[e->end].closed)
        return;
    if (e->error == SPV_ERR_CLOSED &&
        (sim->host[conn->server].cfg.cut_off || conn->end[1 - e->end].in_flight > 0)) {
        sim_postpone(sim, e, OUT_OF_ORDER);
        return;
    }
    mark_closed(sim, conn, e->end, e->error);
}

void sim_conn_timer(struct sim *sim, struct sim_conn *conn, int end)
{
    int rc = spv_peer_timer(conn->end[end].peer, sim_end_now(sim, conn, end));
    sim_note(sim, "timer c%llu %s %d", (unsigned long long)conn->id,
             end == SIM_CLIENT_END ? "client" : "server", rc);
    if (rc < 0)
        machine_failed(sim, conn, end, rc);
    else
        sim_conn_flush(sim, conn, end);
}

void sim_conn_sweep(struct sim *sim)
{
    size_t kept = 0;
    for (size_t i = 0; i < sim->conns; i++) {
        struct sim_conn *conn = sim->conn[i];
        if (conn->end[0].closed && conn->end[1].closed) {
            spv_peer_free(conn->end[0].peer);
            spv_peer_free(conn->end[1].peer);
            spv_bloom_free(conn->end[SIM_SERVER_END].bloom);
            free(conn);
        } else {
            sim->conn[kept++] = conn;
        }
    }
    sim->conns = kept;
}
