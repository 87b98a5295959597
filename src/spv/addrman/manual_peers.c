/* An array of at most SPV_NODE_MAX_ENDPOINTS, scanned. */
#include "spv/addrman/manual_peers.h"

#include <stdlib.h>
#include <string.h>

#include "util/deadline.h"

void spv_manual_peers_free(struct spv_manual_peers *m)
{
    free(m->peers);
    *m = (struct spv_manual_peers){0};
}

int spv_manual_peers_add(struct spv_manual_peers *m, const struct spv_endpoint *endpoint)
{
    if (endpoint->port == 0) /* only a listener can have port 0 */
        return SPV_ERR_INVALID;
    for (size_t i = 0; i < m->n; i++)
        if (m->peers[i].endpoint.port == endpoint->port &&
            strcmp(m->peers[i].endpoint.host, endpoint->host) == 0)
            return 0;
    if (m->n >= SPV_NODE_MAX_ENDPOINTS)
        return SPV_ERR_TOO_MANY;
    struct spv_manual_peer *at = realloc(m->peers, (m->n + 1) * sizeof *at);
    if (!at)
        return SPV_ERR_NOMEM;
    m->peers = at;
    m->peers[m->n++] = (struct spv_manual_peer){.endpoint = *endpoint};
    return 0;
}

static uint64_t available_from_us(const struct spv_manual_peer *p)
{
    return p->banned_until_us > p->next_try_us ? p->banned_until_us : p->next_try_us;
}

int spv_manual_peers_pick(const struct spv_manual_peers *m, struct spv_now now)
{
    int best = -1;
    for (size_t i = 0; i < m->n; i++)
        if (!m->peers[i].in_use && available_from_us(&m->peers[i]) <= now.mono_us &&
            (best < 0 || m->peers[i].failures < m->peers[best].failures))
            best = (int)i;
    return best;
}

void spv_manual_peers_released(struct spv_manual_peers *m, int index, bool healthy,
                               struct spv_rng rng, struct spv_now now)
{
    struct spv_manual_peer *p = &m->peers[index];
    p->in_use = false;
    p->failures = healthy ? 0 : p->failures + 1;
    p->next_try_us = now.mono_us + spv_backoff(p->failures, SPV_BACKOFF_MANUAL_US, rng);
}

uint64_t spv_manual_peers_next(const struct spv_manual_peers *m, int index)
{
    return available_from_us(&m->peers[index]);
}

uint64_t spv_manual_peers_deadline(const struct spv_manual_peers *m)
{
    uint64_t first = SPV_NEVER;
    for (size_t i = 0; i < m->n; i++)
        if (!m->peers[i].in_use)
            first = spv_min_deadline(first, available_from_us(&m->peers[i]));
    return first;
}

bool spv_manual_peers_is_alive(const struct spv_manual_peer *p, struct spv_now now)
{
    return p->failures < SPV_MANUAL_PEERS_TRIES && p->banned_until_us <= now.mono_us;
}

size_t spv_manual_peers_alive(const struct spv_manual_peers *m, struct spv_now now)
{
    size_t alive = 0;
    for (size_t i = 0; i < m->n; i++)
        alive += spv_manual_peers_is_alive(&m->peers[i], now);
    return alive;
}
