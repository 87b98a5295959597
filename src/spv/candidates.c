/* A flat table, scanned: two thousand entries cost microseconds, and only when a slot is free. */
#include "spv/candidates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define CANDIDATES_CAP ((size_t)SPV_NODE_ADDRESSES + SPV_NODE_MAX_ENDPOINTS)

void spv_candidates_init(struct spv_candidates *c, struct spv_rng rng)
{
    *c = (struct spv_candidates){.rng = rng};
    rng.fill(rng.ctx, c->salt, sizeof c->salt);
}

void spv_candidates_free(struct spv_candidates *c)
{
    free(c->at);
    *c = (struct spv_candidates){0};
}

static uint64_t below(struct spv_candidates *c, uint64_t bound)
{
    uint64_t x = 0;
    c->rng.fill(c->rng.ctx, &x, sizeof x);
    return bound ? x % bound : 0; /* the bias of 64 bits over small bounds does not matter here */
}

static bool known(const struct spv_candidates *c, const struct spv_endpoint *endpoint)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->at[i].endpoint.port == endpoint->port &&
            strcmp(c->at[i].endpoint.host, endpoint->host) == 0)
            return true;
    return false;
}

static struct spv_candidate *grow(struct spv_candidates *c)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 16;
        if (cap > CANDIDATES_CAP)
            cap = CANDIDATES_CAP;
        struct spv_candidate *at = realloc(c->at, cap * sizeof *at);
        if (!at)
            return NULL;
        c->at = at;
        c->cap = cap;
    }
    c->at[c->n] = (struct spv_candidate){0};
    return &c->at[c->n++];
}

int spv_candidates_add_named(struct spv_candidates *c, const struct spv_endpoint *endpoint)
{
    if (endpoint->port == 0) /* means something to listeners only */
        return SPV_ERR_INVALID;
    if (known(c, endpoint))
        return 0;
    if (c->n >= SPV_NODE_MAX_ENDPOINTS)
        return SPV_ERR_FULL;
    struct spv_candidate *x = grow(c);
    if (!x)
        return SPV_ERR_NOMEM;
    x->endpoint = *endpoint;
    x->named = true;
    /* "Peers named by --connect each count as a group of their own." */
    x->group = spv_siphash(c->salt[0], c->salt[1], endpoint->host, strlen(endpoint->host)) +
               endpoint->port;
    return 0;
}

/* Not loopback, private, link-local, multicast and the like: nobody can vouch for those. */
static bool routable(const struct spv_netaddr *addr)
{
    const uint8_t *b = addr->bytes;
    if (addr->port == 0)
        return false;
    if (addr->network == SPV_ADDR_IPV4 && addr->len == 4) {
        if (b[0] == 0 || b[0] == 10 || b[0] == 127 || b[0] >= 224)
            return false;
        return !((b[0] == 192 && b[1] == 168) || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
                 (b[0] == 169 && b[1] == 254) || (b[0] == 100 && (b[1] & 0xc0) == 64) ||
                 (b[0] == 198 && (b[1] & 0xfe) == 18));
    }
    /* global unicast 2000::/3 without documentation's 2001:db8::/32 */
    return addr->network == SPV_ADDR_IPV6 && addr->len == 16 && (b[0] & 0xe0) == 0x20 &&
           !(b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8);
}

bool spv_candidate_endpoint(struct spv_endpoint *out, const struct spv_netaddr *addr)
{
    const uint8_t *b = addr->bytes;
    if (!routable(addr))
        return false;
    memset(out, 0, sizeof *out);
    out->port = addr->port;
    if (addr->network == SPV_ADDR_IPV4) {
        snprintf(out->host, sizeof out->host, "%u.%u.%u.%u", (unsigned)b[0], (unsigned)b[1],
                 (unsigned)b[2], (unsigned)b[3]);
        return true;
    }
    size_t at = 0;
    for (unsigned i = 0; i < 16; i += 2)
        at += (size_t)snprintf(out->host + at, sizeof out->host - at, i ? ":%x" : "%x",
                               (unsigned)b[i] << 8 | b[i + 1]);
    return true;
}

static uint64_t group_of(const struct spv_candidates *c, const struct spv_netaddr *addr)
{
    uint8_t key[5] = {addr->network};
    memcpy(key + 1, addr->bytes, addr->network == SPV_ADDR_IPV4 ? 2 : 4);
    return spv_siphash(c->salt[0], c->salt[1], key, sizeof key);
}

int spv_candidates_add(struct spv_candidates *c, const struct spv_netaddr *addr)
{
    struct spv_endpoint endpoint;
    if (!spv_candidate_endpoint(&endpoint, addr) || known(c, &endpoint))
        return 0;
    struct spv_candidate *x;
    if (c->n < CANDIDATES_CAP) {
        x = grow(c);
        if (!x)
            return SPV_ERR_NOMEM;
    } else {
        x = &c->at[below(c, c->n)];
        if (x->named || x->peer || x->failures == 0 || x->banned_until_us)
            return 0;
    }
    *x = (struct spv_candidate){.endpoint = endpoint, .group = group_of(c, addr)};
    return 0;
}

static bool group_used(const struct spv_candidates *c, uint64_t group)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->at[i].peer && c->at[i].group == group)
            return true;
    return false;
}

struct spv_candidate *spv_candidates_pick(struct spv_candidates *c, struct spv_now now)
{
    struct spv_candidate *best = NULL;
    uint64_t best_rank = 0, ties = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct spv_candidate *x = &c->at[i];
        if (x->peer || x->next_try_us > now.mono_us || x->banned_until_us > now.mono_us)
            continue;
        const uint64_t rank = (uint64_t)!group_used(c, x->group) << 33 | (uint64_t)x->named << 32 |
                              (UINT32_MAX - x->failures);
        if (best && rank < best_rank)
            continue;
        ties = best && rank == best_rank ? ties + 1 : 1;
        if (ties == 1 || below(c, ties) == 0)
            best = x;
        best_rank = rank;
    }
    return best;
}

struct spv_candidate *spv_candidates_of(const struct spv_candidates *c, uint64_t peer)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->at[i].peer == peer)
            return &c->at[i];
    return NULL;
}

void spv_candidates_release(struct spv_candidates *c, struct spv_candidate *candidate, bool healthy,
                            struct spv_now now)
{
    const uint64_t most = candidate->named ? SPV_BACKOFF_NAMED : SPV_BACKOFF_MAX;
    candidate->peer = 0;
    candidate->failures = healthy ? 0 : candidate->failures + 1;
    uint64_t wait = SPV_BACKOFF_FIRST;
    for (unsigned i = 1; i < candidate->failures && wait < most; i++)
        wait *= 2;
    if (wait > most)
        wait = most;
    candidate->next_try_us = now.mono_us + wait / 2 + below(c, wait / 2 + 1);
}

void spv_candidates_ban(struct spv_candidate *candidate, struct spv_now now)
{
    candidate->banned_until_us = now.mono_us + SPV_BAN_SECONDS * SPV_SECOND;
}

uint64_t spv_candidates_deadline(const struct spv_candidates *c)
{
    uint64_t first = SPV_NEVER;
    for (size_t i = 0; i < c->n; i++) {
        const struct spv_candidate *x = &c->at[i];
        const uint64_t at =
            x->banned_until_us > x->next_try_us ? x->banned_until_us : x->next_try_us;
        if (!x->peer && at < first)
            first = at;
    }
    return first;
}

size_t spv_candidates_named_alive(const struct spv_candidates *c, struct spv_now now)
{
    size_t alive = 0;
    for (size_t i = 0; i < c->n; i++)
        alive += c->at[i].named && c->at[i].failures < SPV_NAMED_TRIES &&
                 c->at[i].banned_until_us <= now.mono_us;
    return alive;
}
