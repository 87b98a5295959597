/* DNS seeds are queried when addrman has few addresses or they fail, three at a time; a name with
 * service bits that resolves to nothing is queried again with fewer, in the end without. The fixed
 * seeds are added when no DNS seed has returned an address for a minute, or at once where names
 * must not be resolved.
 *
 * Gossip is untrusted: its times are corrected, its number is limited by tokens for each peer, and
 * its bucket in addrman depends on the group of the peer that sent it. */
#include "spv/node/outbound_state.h"

#include <string.h>

#include "util/deadline.h"
#include "util/rng.h"

#define DAY 86400
#define OLDEST_TIME 100000000 /* an earlier time is none; as in Bitcoin Core */
#define TIME_PENALTY_S 7200 /* seconds subtracted from the times of gossip; as in Bitcoin Core */
#define SERVICES_X9 (SPV_NODE_NETWORK | SPV_NODE_WITNESS)
/* Lower ports belong to other services: gossip must not make us dial them. */
#define LOWEST_PORT 1024
#define ADDR_FETCH_MAX 2 /* ours: addr_fetch connections at once */

static size_t addrman_count(const struct spv_outbound *o)
{
    return o->addrman.n_new + o->addrman.n_tried;
}

/* DNS seeds are trusted least: gossip is enough while peers answer. */
static bool wants_seeds(const struct spv_outbound *o, unsigned wanted)
{
    const unsigned ready = spv_outbound_count(o, SPV_CONN_STATE_READY);
    return o->discovery && o->n_seeds && ready < wanted &&
           (addrman_count(o) < SPV_ADDRMAN_ENOUGH || ready < 2) &&
           (!o->proxied ||
            (o->nets & SPV_NET_IPV4)); /* their names resolve to clearnet addresses */
}

static void push_resolve(struct spv_outbound *o, const char *prefix, const char *name)
{
    struct spv_effect *e = spv_effects_push(o->effects, SPV_EFFECT_RESOLVE, 0);
    if (!e)
        return;
    const size_t n = strlen(prefix);
    e->endpoint.port = o->params->net.port;
    memcpy(e->endpoint.host, prefix, n);
    strncpy(e->endpoint.host + n, name, sizeof e->endpoint.host - n - 1);
}

static void fetch_addrs_from(struct spv_outbound *o, const char *name, struct spv_now now)
{
    struct spv_endpoint endpoint = {.port = o->params->net.port};
    unsigned fetching = 0;
    for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++)
        fetching += o->conn[i].kind == SPV_CONN_ADDR_FETCH;
    if (fetching >= ADDR_FETCH_MAX)
        return;
    strncpy(endpoint.host, name, sizeof endpoint.host - 1);
    struct spv_conn *conn =
        spv_outbound_connect(o, SPV_CONN_ADDR_FETCH, &endpoint,
                             spv_outbound_transport(o, SPV_V2_NOT_OFFERED, 0, now), now);
    if (conn)
        conn->deadline_us = now.mono_us + SPV_ADDR_FETCH_TIMEOUT_US;
}

/* Best first; the last is no filter. */
static const struct seed_prefix {
    unsigned flag; /* SPV_SEED_* */
    const char *text;
    uint64_t services; /* of the addresses that it returns */
} prefixes[] = {
    {SPV_SEED_X809, "x809.", SERVICES_X9 | SPV_NODE_P2P_V2},
    {SPV_SEED_X849, "x849.", SERVICES_X9 | SPV_NODE_P2P_V2 | SPV_NODE_COMPACT_FILTERS},
    {SPV_SEED_X49, "x49.", SERVICES_X9 | SPV_NODE_COMPACT_FILTERS},
    {SPV_SEED_X9, "x9.", SERVICES_X9},
    {0, "", SPV_NODE_NETWORK},
};
#define PREFIXES (sizeof prefixes / sizeof prefixes[0])

/* Without filters, x849 serves in the place of x809, and x49 is of no use. */
static bool is_suited(const struct spv_outbound *o, const struct seed_prefix *p)
{
    return !(p->services & SPV_NODE_P2P_V2 && o->transport == SPV_TRANSPORT_ONLY_V1) &&
           (o->filters || p->flag != SPV_SEED_X49);
}

static const struct seed_prefix *first_prefix(const struct spv_outbound *o, unsigned supported,
                                              uint64_t services)
{
    const struct seed_prefix *p = prefixes;
    while (p->flag &&
           (!(supported & p->flag) || !is_suited(o, p) || (p->services & services) != services))
        p++;
    return p;
}

static const struct seed_prefix *best_prefix(const struct spv_outbound *o, unsigned supported)
{
    const struct seed_prefix *p =
        first_prefix(o, supported, o->filters ? SPV_NODE_COMPACT_FILTERS : 0);
    return p->flag ? p : first_prefix(o, supported, 0);
}

/* The prefix of a name that was queried. */
static const struct seed_prefix *prefix_of(const char *host)
{
    const struct seed_prefix *p = prefixes;
    while (p->flag && strncmp(host, p->text, strlen(p->text)) != 0)
        p++;
    return p;
}

static void query_seeds(struct spv_outbound *o, struct spv_now now)
{
    for (unsigned i = 0; i < (o->proxied ? ADDR_FETCH_MAX : SPV_DNS_MAX_PARALLEL) &&
                         o->next_seed < o->n_seeds && !o->effects->error;
         i++) {
        const struct spv_dns_seed *seed = &o->params->dns_seeds[o->seed_order[o->next_seed++]];
        /* no local DNS behind a proxy: the seed's name, without a prefix, is dialled through it */
        if (o->proxied)
            fetch_addrs_from(o, seed->name, now);
        else
            push_resolve(o, best_prefix(o, seed->prefixes)->text, seed->name);
    }
    o->dns_us = now.mono_us + SPV_DNS_STEP_US;
    if (o->next_seed == o->n_seeds) {
        o->next_seed = 0;
        o->dns_us = now.mono_us + SPV_DNS_INTERVAL_US;
    }
}

static bool wants_fixed_seeds(const struct spv_outbound *o)
{
    return o->discovery && !o->fixed_seeds_used && o->params->fixed_seeds && !o->dns_answered &&
           (o->proxied ? addrman_count(o) < SPV_ADDRMAN_ENOUGH
                       : spv_outbound_count(o, SPV_CONN_STATE_READY) == 0);
}

static void add_fixed_seeds(struct spv_outbound *o, struct spv_now now)
{
    const struct spv_netgroup source = spv_netgroup_of_name("fallback");
    for (size_t i = 0; i < o->params->fixed_seeds->n; i++) {
        const struct spv_netaddr *addr = &o->params->fixed_seeds->addrs[i];
        /* one to two weeks old, as Bitcoin Core's fixed seeds */
        const int64_t seen = now.unix_s - 7 * DAY - (int64_t)spv_rng_below(&o->rng, 7 * DAY);
        if (spv_net_bit(addr) & o->nets)
            (void)spv_addrman_add(&o->addrman, addr, SERVICES_X9, seen, &source, now);
    }
    o->fixed_seeds_used = true;
}

void spv_outbound_replenish(struct spv_outbound *o, unsigned wanted, struct spv_now now)
{
    if (o->fixed_seeds_us <= now.mono_us && wants_fixed_seeds(o))
        add_fixed_seeds(o, now);
    if (o->dns_us <= now.mono_us && wants_seeds(o, wanted))
        query_seeds(o, now);
}

uint64_t spv_outbound_sources_deadline(const struct spv_outbound *o, unsigned wanted)
{
    uint64_t first = wants_seeds(o, wanted) ? o->dns_us : SPV_NEVER;
    return wants_fixed_seeds(o) ? spv_min_deadline(first, o->fixed_seeds_us) : first;
}

int spv_outbound_resolved(struct spv_outbound *o, const struct spv_endpoint *seed, int error,
                          const struct spv_netaddr *addrs, size_t n, struct spv_now now)
{
    const struct seed_prefix *prefix = prefix_of(seed->host);
    const char *name = seed->host + strlen(prefix->text);
    const struct spv_netgroup source = spv_netgroup_of_name(name);
    int rc = 0;
    if (error || n == 0) {
        const struct seed_prefix *fewer = prefix + 1;
        if (!prefix->flag)
            return 0;
        while (fewer->services & ~prefix->services || !is_suited(o, fewer))
            fewer++; /* what has more service bits is in no answer either */
        push_resolve(o, fewer->text, name);
        return 0;
    }
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        /* three to seven days old, as in Bitcoin Core */
        const int64_t seen = now.unix_s - 3 * DAY - (int64_t)spv_rng_below(&o->rng, 4 * DAY);
        if (!(spv_net_bit(&addrs[i]) & o->nets))
            continue;
        o->dns_answered = true;
        rc = spv_addrman_add(&o->addrman, &addrs[i], prefix->services, seen, &source, now);
    }
    return rc < 0 ? rc : 0;
}

/* Adds the tokens earned since the last call: hundredths of an address. */
static void refill_tokens(struct spv_conn *conn, struct spv_now now)
{
    const uint64_t most = SPV_ADDR_BUDGET * 100;
    const uint64_t earned =
        (now.mono_us - conn->addr_tokens_us) / (SPV_SECOND / SPV_ADDR_CENTI_PER_SECOND);
    if (!earned)
        return;
    conn->addr_tokens = conn->addr_tokens + earned < most ? conn->addr_tokens + earned : most;
    conn->addr_tokens_us = now.mono_us;
}

static int64_t sane_time(uint32_t claimed, int64_t now)
{
    int64_t seen = claimed;
    if (seen <= OLDEST_TIME || seen > now + 600)
        seen = now - 5 * DAY;
    return seen - TIME_PENALTY_S;
}

int spv_outbound_gossip(struct spv_outbound *o, struct spv_conn *conn,
                        const struct spv_msg_addr *msg, struct spv_now now)
{
    if (!o->discovery || conn->state != SPV_CONN_STATE_READY)
        return 0;
    int rc = 0;
    refill_tokens(conn, now);
    for (size_t i = 0; rc >= 0 && i < msg->n && conn->addr_tokens >= 100; i++) {
        const struct spv_addr_entry *e = &msg->entries[i];
        conn->addr_tokens -= 100;
        if (e->addr.network && (spv_net_bit(&e->addr) & o->nets) && e->addr.port >= LOWEST_PORT &&
            spv_serves_chain(e->services))
            rc = spv_addrman_add(&o->addrman, &e->addr, e->services, sane_time(e->time, now.unix_s),
                                 &conn->netgroup, now);
    }
    /* a single address is the peer's own */
    if (rc >= 0 && conn->kind == SPV_CONN_ADDR_FETCH && msg->n > 1)
        spv_outbound_close(o, conn, SPV_ERR_DISCONNECTED, now);
    return rc < 0 ? rc : 0;
}

/* ---- saving ---- */

void spv_outbound_plan_save(struct spv_outbound *o, struct spv_now now)
{
    uint64_t at = SPV_NEVER;
    if (o->discovery && o->addrman.changed)
        at = now.mono_us + (o->addrman.save_soon ? SPV_SAVE_SOON_US : SPV_SAVE_AFTER_US);
    if (o->banman.changed)
        at = now.mono_us;
    o->save_us = spv_min_deadline(o->save_us, at);
    if (o->save_us > now.mono_us)
        return;
    (void)spv_effects_push(o->effects, SPV_EFFECT_SAVE_ADDRMAN, 0);
    o->save_us = SPV_NEVER;
    o->bans_unsaved |=
        o->banman.changed; /* one effect is enough: spv_outbound_changes returns the bans */
    o->banman.changed = false;
}

/* The peers that are connected longest; without any, the earlier anchors stay. */
static void choose_anchors(struct spv_outbound *o)
{
    int best[SPV_ANCHORS];
    size_t n = 0;
    while (n < SPV_ANCHORS) {
        const struct spv_conn *oldest = NULL;
        for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++) {
            const struct spv_conn *conn = &o->conn[i];
            bool taken = conn->state != SPV_CONN_STATE_READY || conn->kind != SPV_CONN_OUTBOUND ||
                         conn->entry < 0;
            for (size_t j = 0; !taken && j < n; j++)
                taken = best[j] == conn->entry;
            if (!taken && (!oldest || conn->ready_us < oldest->ready_us))
                oldest = conn;
        }
        if (!oldest)
            break;
        best[n++] = oldest->entry;
    }
    if (n)
        spv_addrman_set_anchors(&o->addrman, best, n);
}

int spv_outbound_changes(struct spv_outbound *o, struct spv_addrman_changes *out,
                         struct spv_now now)
{
    *out = (struct spv_addrman_changes){0};
    memcpy(out->key, o->addrman.key, sizeof out->key);
    if (o->discovery) {
        choose_anchors(o);
        const int rc = spv_addrman_get_changes(&o->addrman, out);
        if (rc < 0)
            return rc;
    }
    spv_banman_expire(&o->banman, now);
    out->bans_changed = o->banman.changed || o->bans_unsaved;
    out->bans = o->banman.bans;
    out->n_bans = o->banman.n;
    o->banman.changed = o->bans_unsaved = false;
    o->save_us = SPV_NEVER;
    return 0;
}
