/* Runs events (queue.c) and the deadlines of the state machines, which are few and therefore
 * scanned at each step. Events precede deadlines of the same time, as a link reads its socket
 * before its timer fires. */
#include <stdlib.h>
#include <string.h>

#include "support/sim/internal.h"

#define SIM_BUSY 200000 /* steps at one time; more is a loop without progress */

static enum sim_transport transport_of_environment(void)
{
    const char *name = getenv("SPV_SIM_TRANSPORT");
    if (name && strcmp(name, "v2") == 0)
        return SIM_TRANSPORT_V2;
    if (name && strcmp(name, "mixed") == 0)
        return SIM_TRANSPORT_MIXED;
    return SIM_TRANSPORT_V1;
}

struct sim *sim_new(const struct sim_config *cfg)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    if (!sim)
        abort();
    sim->cfg = *cfg;
    if (!sim->cfg.params)
        sim->cfg.params = spv_params_get(SPV_REGTEST);
    if (sim->cfg.latency_max_us == 0) {
        sim->cfg.latency_min_us = 5000;
        sim->cfg.latency_max_us = 150000;
    }
    if (sim->cfg.fragment_max == 0)
        sim->cfg.fragment_max = 16384;
    if (sim->cfg.transport == SIM_TRANSPORT_DEFAULT)
        sim->cfg.transport = transport_of_environment();
    if (sim->cfg.transport != SIM_TRANSPORT_V1) {
        struct test_random random = {.state = 1};
        const struct spv_rng rng = test_random_rng(&random);
        if (spv_v2_context_new(&sim->v2_context, &rng) < 0)
            abort();
    }
    sim->owner[SIM_CLIENT_END] = &sim_client_owner;
    sim->owner[SIM_SERVER_END] = &sim_server_owner;
    sim->random.state = cfg->seed;
    sim->now = (struct spv_now){.mono_us = SIM_START, .unix_s = SIM_UNIX};
    spv_buffer_init(&sim->trace);
    return sim;
}

void sim_free(struct sim *sim)
{
    if (!sim)
        return;
    for (size_t i = 0; i < sim->conns; i++) {
        spv_peer_free(sim->conn[i]->end[0].peer);
        spv_peer_free(sim->conn[i]->end[1].peer);
        spv_bloom_free(sim->conn[i]->end[SIM_SERVER_END].bloom);
        free(sim->conn[i]);
    }
    for (size_t i = 0; i < sim->clients; i++)
        sim_client_free(sim->client[i]);
    for (size_t i = 0; i < sim->events; i++)
        free(sim->heap[i].bytes);
    free(sim->conn);
    free(sim->heap);
    free(sim->blocks_sent);
    spv_buffer_free(&sim->trace);
    spv_v2_context_free(sim->v2_context);
    free(sim);
}

static void dispatch(struct sim *sim, struct sim_event *e)
{
    switch (e->kind) {
    case SIM_DIALLED:
    case SIM_UNREACHED:
        sim_client_dialled(sim, e);
        return;
    case SIM_RESOLVED:
        sim_client_resolved(sim, e);
        return;
    case SIM_BYTES:
        sim_conn_bytes(sim, e);
        return;
    case SIM_EOF:
        sim_conn_eof(sim, e);
        return;
    case SIM_ANSWER:
        sim_server_answer(sim, e);
        return;
    case SIM_FILTER_ANSWER:
        sim_filter_server_answer(sim, e);
        return;
    case SIM_MATCHED:
        sim_client_match(sim, e);
        return;
    case SIM_CALL:
        sim_note(sim, "call");
        e->call(sim, e->ctx);
        return;
    }
}

/* Finds the earliest deadline: of a client's node, or of one end of a connection. */
struct due {
    uint64_t at;
    struct sim_client *client;
    struct sim_conn *conn;
    int end;
};

static struct due next_due(const struct sim *sim)
{
    struct due due = {.at = SPV_NEVER};
    for (size_t i = 0; i < sim->clients; i++) {
        uint64_t at = spv_node_deadline(sim->client[i]->node);
        if (at < due.at)
            due = (struct due){.at = at, .client = sim->client[i]};
    }
    for (size_t i = 0; i < sim->conns; i++)
        for (int end = 0; end < 2; end++) {
            const struct sim_end *x = &sim->conn[i]->end[end];
            uint64_t at = x->peer && !x->closed ? spv_peer_deadline(x->peer) : SPV_NEVER;
            if (at < due.at)
                due = (struct due){.at = at, .conn = sim->conn[i], .end = end};
        }
    return due;
}

/* Runs one event or one deadline. Returns false when none is left before `until`. */
static bool step(struct sim *sim, uint64_t until)
{
    struct due due = next_due(sim);
    uint64_t at = sim->events > 0 ? sim->heap[0].at : SPV_NEVER;
    if (at > until && due.at > until)
        return false;
    if (at <= due.at) {
        struct sim_event e = sim_pop(sim);
        sim_move_clock(sim, e.at);
        dispatch(sim, &e);
        free(e.bytes);
        return true;
    }
    sim_move_clock(sim, due.at);
    if (due.client)
        sim_client_timer(sim, due.client);
    else
        sim_conn_timer(sim, due.conn, due.end);
    return true;
}

static void check(struct sim *sim)
{
    for (size_t i = 0; i < sim->clients; i++)
        sim_client_check(sim, sim->client[i]);
    for (size_t i = 0; i < sim->conns; i++)
        for (int end = 0; end < 2; end++) {
            const struct sim_end *x = &sim->conn[i]->end[end];
            if (x->peer && spv_peer_memory(x->peer) > SIM_PEER_MEMORY)
                sim_break(sim, "the memory of a peer is out of bounds");
            if (x->in_flight > sim_pipe(sim))
                sim_break(sim, "more bytes in flight than the pipe's limit");
        }
    if (sim->trace.error < 0)
        abort();
}

int sim_run(struct sim *sim, uint64_t us, bool (*done)(struct sim *sim, void *ctx), void *ctx)
{
    uint64_t until = sim->now.mono_us + us, moment = 0;
    unsigned busy = 0;
    while (!sim->broken) {
        if (done && done(sim, ctx))
            return 1;
        if (!step(sim, until)) {
            sim_move_clock(sim, until);
            return 0;
        }
        sim_conn_sweep(sim);
        check(sim);
        busy = sim->now.mono_us == moment ? busy + 1 : 0;
        moment = sim->now.mono_us;
        if (busy > SIM_BUSY)
            sim_break(sim, "time stands still");
    }
    return -1;
}
