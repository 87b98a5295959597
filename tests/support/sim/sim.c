/* One clock, one heap of events ordered by (time, sequence), and the deadlines of the state
 * machines, which are few and therefore scanned at each step. Events precede deadlines of the
 * same time, as a link reads its socket before its timer fires. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/sim/internal.h"

#define SIM_START (1000 * SPV_SECOND)
#define SIM_BUSY 200000 /* steps at one time; more is a loop without progress */

void *sim_grow(void *array, size_t *cap, size_t n, size_t each)
{
    if (n < *cap)
        return array;
    *cap = *cap != 0 ? *cap * 2 : 16;
    array = realloc(array, *cap * each);
    if (!array)
        abort();
    return array;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

/* Inserts an event into the heap; the caller fills its other fields. The heap order depends on
 * at and seq alone, which are set here. */
struct sim_event *sim_push(struct sim *sim, uint64_t delay_us, enum sim_event_kind kind)
{
    struct sim_event e = {.at = sim->now.mono_us + delay_us, .seq = sim->seq++, .kind = kind};
    sim->heap = sim_grow(sim->heap, &sim->events_cap, sim->events, sizeof(e));
    size_t i = sim->events++;
    for (size_t up = (i - 1) / 2; i > 0 && before(&e, &sim->heap[up]); up = (i - 1) / 2) {
        sim->heap[i] = sim->heap[up];
        i = up;
    }
    sim->heap[i] = e;
    return &sim->heap[i];
}

static struct sim_event pop(struct sim *sim)
{
    struct sim_event top = sim->heap[0], last = sim->heap[--sim->events];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= sim->events)
            break;
        if (child + 1 < sim->events && before(&sim->heap[child + 1], &sim->heap[child]))
            child++;
        if (!before(&sim->heap[child], &last))
            break;
        sim->heap[i] = sim->heap[child];
        i = child;
    }
    sim->heap[i] = last;
    return top;
}

void sim_note(struct sim *sim, const char *format, ...)
{
    char line[512];
    int n = snprintf(line, sizeof(line), "%llu ", (unsigned long long)sim->now.mono_us);
    va_list args;
    va_start(args, format);
    n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
    va_end(args);
    size_t len = (size_t)n < sizeof(line) - 1 ? (size_t)n : sizeof(line) - 1;
    spv_buffer_put(&sim->trace, line, len);
    spv_buffer_u8(&sim->trace, '\n');
}

uint64_t sim_latency(struct sim *sim)
{
    uint64_t span = sim->cfg.latency_max_us - sim->cfg.latency_min_us;
    return sim->cfg.latency_min_us + test_random_below(&sim->random, span + 1);
}

void sim_postpone(struct sim *sim, struct sim_event *e, uint64_t us)
{
    struct sim_event *again = sim_push(sim, us, e->kind);
    again->conn = e->conn;
    again->end = e->end;
    again->bytes = e->bytes;
    again->n = e->n;
    again->order = e->order;
    again->error = e->error;
    e->bytes = NULL;
}

size_t sim_pipe(const struct sim *sim)
{
    return sim->cfg.pipe != 0 ? sim->cfg.pipe : SIM_PIPE;
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
        free(sim->conn[i]);
    }
    for (size_t i = 0; i < sim->clients; i++)
        sim_client_free(sim->client[i]);
    for (size_t i = 0; i < sim->events; i++)
        free(sim->heap[i].bytes);
    free(sim->conn);
    free(sim->heap);
    spv_buffer_free(&sim->trace);
    free(sim);
}

struct spv_now sim_now(const struct sim *sim)
{
    return sim->now;
}

struct test_random *sim_random(struct sim *sim)
{
    return &sim->random;
}

void sim_after(struct sim *sim, uint64_t us, void (*call)(struct sim *sim, void *ctx), void *ctx)
{
    struct sim_event *e = sim_push(sim, us, SIM_CALL);
    e->call = call;
    e->ctx = ctx;
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

static void move_clock(struct sim *sim, uint64_t at)
{
    if (at <= sim->now.mono_us)
        return;
    sim->now.mono_us = at;
    sim->now.unix_s = SIM_UNIX + (int64_t)((at - SIM_START) / SPV_SECOND);
}

/* Runs one event or one deadline. Returns false when none is left before `until`. */
static bool step(struct sim *sim, uint64_t until)
{
    struct due due = next_due(sim);
    uint64_t at = sim->events > 0 ? sim->heap[0].at : SPV_NEVER;
    if (at > until && due.at > until)
        return false;
    if (at <= due.at) {
        struct sim_event e = pop(sim);
        move_clock(sim, e.at);
        dispatch(sim, &e);
        free(e.bytes);
        return true;
    }
    move_clock(sim, due.at);
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
                sim_break(sim, "a peer machine's memory is out of bounds");
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
            move_clock(sim, until);
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

const char *sim_broken(const struct sim *sim)
{
    return sim->broken;
}

void sim_break(struct sim *sim, const char *what)
{
    if (!sim->broken) {
        sim->broken = what;
        sim_note(sim, "BROKEN %s", what);
    }
}

const struct spv_buffer *sim_trace(const struct sim *sim)
{
    return &sim->trace;
}
