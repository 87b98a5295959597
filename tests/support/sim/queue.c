/* What the parts of a simulation share: the clock, the heap of events ordered by (time, sequence),
 * random latencies, and the trace. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/sim/internal.h"

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

struct sim_event sim_pop(struct sim *sim)
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

struct spv_now sim_client_now(const struct sim *sim, const struct sim_client *c)
{
    return (struct spv_now){.mono_us = sim->now.mono_us, .unix_s = sim->now.unix_s + c->ahead_s};
}

void sim_move_clock(struct sim *sim, uint64_t at)
{
    if (at <= sim->now.mono_us)
        return;
    sim->now.mono_us = at;
    sim->now.unix_s = SIM_UNIX + (int64_t)((at - SIM_START) / SPV_SECOND);
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
