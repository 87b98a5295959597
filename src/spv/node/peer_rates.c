/* A rate is measured without samples: headers are counted in the current window, half a span long,
 * and in the one before. */
#include "spv/node/peer_rates.h"

#include <string.h>

#define HALF (SPV_PEER_RATES_SPAN_US / 2)

void spv_peer_rates_add(struct spv_peer_rates *r, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(r->peers, id);
    if (p)
        p->rate = (struct spv_peer_rate){.since_us = now.mono_us, .window_start_us = now.mono_us};
}

/* The counts with the windows of this moment. */
static struct spv_peer_rate rate_at(const struct spv_peer_rate *p, struct spv_now now)
{
    struct spv_peer_rate x = *p;
    const uint64_t halves = (now.mono_us - x.window_start_us) / HALF;
    if (halves > 0) {
        x.n_previous = halves == 1 ? x.n_current : 0;
        x.n_current = 0;
        x.window_start_us += halves * HALF;
    }
    return x;
}

void spv_peer_rates_headers(struct spv_peer_rates *r, uint64_t id, size_t n, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(r->peers, id);
    if (!p)
        return;
    p->rate = rate_at(&p->rate, now);
    p->rate.headers += n;
    p->rate.n_current += n;
}

static bool same_endpoint(const struct spv_endpoint *a, const struct spv_endpoint *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Replaces the entry with the fewest stalls when the table is full. */
static void count_stall(struct spv_peer_rates *r, const struct spv_endpoint *endpoint)
{
    struct spv_peer_stalls *fewest = &r->stall[0];
    for (size_t i = 0; i < SPV_PEER_RATES_STALLS; i++) {
        struct spv_peer_stalls *s = &r->stall[i];
        if (s->n && same_endpoint(&s->endpoint, endpoint)) {
            s->n++;
            return;
        }
        if (s->n < fewest->n)
            fewest = s;
    }
    *fewest = (struct spv_peer_stalls){.endpoint = *endpoint, .n = 1};
}

void spv_peer_rates_remove(struct spv_peer_rates *r, uint64_t id,
                           const struct spv_endpoint *endpoint, int error)
{
    struct spv_peer_entry *p = spv_peer_table_find(r->peers, id);
    if (!p)
        return;
    p->rate = (struct spv_peer_rate){0};
    if (error == SPV_ERR_STALL)
        count_stall(r, endpoint);
}

bool spv_peer_rates_get(const struct spv_peer_rates *r, struct spv_node_peer *out, uint64_t id,
                        const struct spv_endpoint *endpoint, struct spv_now now)
{
    const struct spv_peer_entry *p = spv_peer_table_find(r->peers, id);
    if (!p)
        return false;
    const struct spv_peer_rate x = rate_at(&p->rate, now);
    const uint64_t running_us = now.mono_us - x.window_start_us; /* less than HALF */
    const uint64_t known_us = now.mono_us - x.since_us;
    uint64_t span_us = HALF + running_us;
    if (span_us > known_us)
        span_us = known_us;
    out->headers = x.headers;
    out->connected_for_us = known_us;
    out->rate = 0;
    if (span_us > 0)
        out->rate = (double)(x.n_previous + x.n_current) * (double)SPV_SECOND / (double)span_us;
    out->stalls = 0;
    for (size_t i = 0; i < SPV_PEER_RATES_STALLS; i++)
        if (r->stall[i].n && same_endpoint(&r->stall[i].endpoint, endpoint))
            out->stalls = r->stall[i].n;
    return true;
}
