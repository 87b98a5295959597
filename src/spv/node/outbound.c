/* Outbound slots are filled in this order: manual peers, the anchors of the last run, then what
 * addrman selects. Two kinds of short connections are opened beside the slots: a feeler every two
 * minutes or so tests one address (a tried one in collision, else a new one), so that addrman has
 * more tested addresses than those that fill the slots; and where names must not be resolved
 * locally, a DNS seed's name is dialled through the proxy, and a getaddr is sent. */
#include "spv/node/outbound.h"

#include <stdlib.h>
#include <string.h>

#include "spv/node/outbound_state.h"
#include "util/deadline.h"
#include "util/hash.h"
#include "util/rng.h"

/* Half to one and a half times as long. */
static uint64_t with_jitter(struct spv_outbound *o, uint64_t us)
{
    return spv_rng_jitter(&o->rng, us, us / 2);
}

/* ---- init and free ---- */

static int add_manual(struct spv_outbound *o, const struct spv_endpoint *endpoints, size_t n)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < n; i++)
        rc = spv_manual_peers_add(&o->manual, &endpoints[i]);
    return rc;
}

static void find_banned(struct spv_outbound *o, struct spv_now now)
{
    for (size_t i = 0; i < o->manual.n; i++) {
        char text[SPV_ENDPOINT_TEXT];
        spv_endpoint_text(text, &o->manual.peers[i].endpoint);
        (void)spv_banman_find(&o->banman, &o->manual.peers[i].banned_until_us, text, now);
    }
}

static void find_anchors(struct spv_outbound *o)
{
    size_t n = 0;
    for (size_t i = 0; i < SPV_ANCHORS; i++)
        o->anchor[i] = -1;
    for (size_t i = 0; i < o->addrman.cap && n < SPV_ANCHORS; i++)
        if (o->addrman.entries[i].used && o->addrman.entries[i].a.anchor)
            o->anchor[n++] = (int)i;
}

static void shuffle_seeds(struct spv_outbound *o)
{
    const struct spv_dns_seed *seed = o->params->dns_seeds;
    while (seed && seed[o->n_seeds].name && o->n_seeds < SPV_DNS_SEEDS) {
        const size_t at = (size_t)spv_rng_below(&o->rng, o->n_seeds + 1);
        o->seed_order[o->n_seeds] = o->seed_order[at];
        o->seed_order[at] = (uint8_t)o->n_seeds++;
    }
}

int spv_outbound_init(struct spv_outbound *o, const struct spv_node_config *cfg,
                      const struct spv_params *params, struct spv_effects *effects,
                      struct spv_now now)
{
    const struct spv_addrman_rows *rows = cfg->addrman_rows;
    o->params = params;
    o->effects = effects;
    o->rng = cfg->rng;
    o->discovery = !cfg->n_connect && cfg->discovery == SPV_DISCOVERY_ON;
    o->proxied = cfg->proxied;
    o->filters = cfg->filters;
    o->relay_all = cfg->wallet && cfg->fetch_unconfirmed;
    o->transport = cfg->transport;
    o->nets = cfg->nets ? cfg->nets : SPV_NET_IPV4 | SPV_NET_IPV6;
    o->rng.fill(o->rng.ctx, o->group_key, sizeof o->group_key);
    spv_addrman_init(&o->addrman, rows && rows->keyed ? rows->key : NULL, cfg->rng);
    int rc = add_manual(o, cfg->connect, cfg->n_connect);
    if (!rc && !cfg->n_connect) /* connect excludes all other peers */
        rc = add_manual(o, cfg->add_peers, cfg->n_add_peers);
    if (!rc && rows && o->discovery)
        rc = spv_addrman_load(&o->addrman, rows->addresses, rows->n, now);
    if (rc)
        return rc;
    if (rows && !cfg->clear_bans)
        spv_banman_load(&o->banman, rows->bans, rows->n_bans, now);
    o->banman.changed |= cfg->clear_bans;
    find_banned(o, now);
    find_anchors(o);
    shuffle_seeds(o);
    /* With a filled addrman the seeds are queried only when its addresses fail. */
    o->dns_us = now.mono_us +
                (o->addrman.n_new + o->addrman.n_tried < SPV_ADDRMAN_ENOUGH ? 0 : SPV_DNS_STEP_US);
    o->fixed_seeds_us = now.mono_us + (o->proxied ? 0 : SPV_FIXED_SEEDS_AFTER_US);
    o->feeler_us = now.mono_us + with_jitter(o, SPV_FEELER_INTERVAL_US);
    o->save_us = SPV_NEVER;
    return 0;
}

void spv_outbound_free(struct spv_outbound *o)
{
    spv_manual_peers_free(&o->manual);
    spv_addrman_free(&o->addrman);
}

size_t spv_outbound_memory(const struct spv_outbound *o)
{
    return spv_addrman_memory(&o->addrman) - sizeof o->addrman +
           o->manual.n * sizeof *o->manual.peers;
}

/* ---- dialling ---- */

static bool is_dialled(const struct spv_outbound *o, const struct spv_endpoint *endpoint)
{
    for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++)
        if (o->conn[i].endpoint.port == endpoint->port &&
            strcmp(o->conn[i].endpoint.host, endpoint->host) == 0)
            return true;
    return false;
}

static bool dial_manual(struct spv_outbound *o, struct spv_now now)
{
    const int index = spv_manual_peers_pick(&o->manual, now);
    if (index < 0)
        return false;
    struct spv_manual_peer *p = &o->manual.peers[index];
    struct spv_conn *conn =
        spv_outbound_connect(o, SPV_CONN_OUTBOUND, &p->endpoint,
                             spv_outbound_transport(o, SPV_V2_OFFERED, p->v1_until_us, now), now);
    if (!conn)
        return false;
    conn->manual = index;
    /* Each manual peer is a network group of its own. */
    conn->group =
        spv_siphash(o->group_key[0], o->group_key[1], p->endpoint.host, strlen(p->endpoint.host)) +
        p->endpoint.port;
    p->in_use = true;
    return true;
}

/* False when it may not be dialled; it is then deferred. */
static bool dial_entry(struct spv_outbound *o, int entry, enum spv_conn_type kind,
                       struct spv_now now)
{
    const struct spv_netaddr addr = o->addrman.entries[entry].a.addr;
    struct spv_endpoint endpoint = {.port = addr.port};
    char text[SPV_ENDPOINT_TEXT];
    uint64_t until = now.mono_us + SPV_BACKOFF_MAX_US;
    if (spv_netaddr_to_host(endpoint.host, &addr) < 0) {
        spv_addrman_defer(&o->addrman, entry, until);
        return false;
    }
    spv_endpoint_text(text, &endpoint);
    if (is_dialled(o, &endpoint) || spv_banman_find(&o->banman, &until, endpoint.host, now) ||
        spv_banman_find(&o->banman, &until, text, now)) {
        spv_addrman_defer(&o->addrman, entry, until);
        return false;
    }
    const struct spv_addrman_entry *e = &o->addrman.entries[entry];
    struct spv_conn *conn = spv_outbound_connect(
        o, kind, &endpoint,
        spv_outbound_transport(
            o, e->a.services & SPV_NODE_P2P_V2 ? SPV_V2_OFFERED : SPV_V2_NOT_OFFERED,
            e->v1_until_us, now),
        now);
    if (!conn)
        return false;
    conn->entry = entry;
    conn->services = e->a.services;
    if (kind == SPV_CONN_FEELER)
        conn->deadline_us =
            now.mono_us + (o->proxied ? SPV_PROXY_TIMEOUT_US : SPV_FEELER_TIMEOUT_US);
    conn->netgroup = spv_netgroup_of(&addr);
    conn->group =
        spv_siphash(o->group_key[0], o->group_key[1], conn->netgroup.b, conn->netgroup.len);
    spv_addrman_set_in_use(&o->addrman, entry, now);
    return true;
}

static bool dial_anchor(struct spv_outbound *o, struct spv_now now)
{
    for (size_t i = 0; i < SPV_ANCHORS; i++) {
        const int entry = o->anchor[i];
        o->anchor[i] = -1;
        if (entry >= 0 && o->addrman.entries[entry].used && !o->addrman.entries[entry].in_use &&
            spv_addrman_reachable(&o->addrman, entry, o->nets) &&
            dial_entry(o, entry, SPV_CONN_OUTBOUND, now))
            return true;
    }
    return false;
}

/* Which addresses of addrman are dialled. */
enum dial_services { DIAL_ANY, DIAL_FILTERS_ONLY };

static bool dial_addrman(struct spv_outbound *o, enum spv_conn_type kind,
                         enum dial_services services, struct spv_now now)
{
    struct spv_netgroup groups[SPV_CONNS];
    struct spv_addrman_query pick = {
        .nets = o->nets,
        .only_new = kind == SPV_CONN_FEELER,
        .groups = groups,
        .prefer = o->filters && kind == SPV_CONN_OUTBOUND ? SPV_NODE_COMPACT_FILTERS : 0,
        .only_preferred = services == DIAL_FILTERS_ONLY};
    for (size_t i = 0; kind == SPV_CONN_OUTBOUND && (i = spv_outbound_next_used(o, i)) < SPV_CONNS;
         i++)
        if (o->conn[i].kind == SPV_CONN_OUTBOUND && o->conn[i].entry >= 0)
            groups[pick.n_groups++] = o->conn[i].netgroup;
    for (int tries = 0; tries < SPV_ADDRMAN_BANS; tries++) {
        const int entry = spv_addrman_select(&o->addrman, &pick, now);
        if (entry < 0)
            return false;
        if (dial_entry(o, entry, kind, now))
            return true;
        if (o->effects->error)
            return false;
    }
    return false;
}

static bool open_feeler(struct spv_outbound *o, struct spv_now now)
{
    const int entry = spv_addrman_select_collision(&o->addrman, o->nets, now);
    return entry >= 0 ? dial_entry(o, entry, SPV_CONN_FEELER, now)
                      : dial_addrman(o, SPV_CONN_FEELER, DIAL_ANY, now);
}

static unsigned count_kind(const struct spv_outbound *o, enum spv_conn_type kind)
{
    unsigned n = 0;
    for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++)
        n += o->conn[i].kind == kind;
    return n;
}

static unsigned outbound_count(const struct spv_outbound *o)
{
    return spv_outbound_count(o, SPV_CONN_STATE_CONNECTING) +
           spv_outbound_count(o, SPV_CONN_STATE_READY);
}

/* Too few groups of peers offer filters, and another one may be dialled for them. */
static bool wants_filter_peer(const struct spv_outbound *o, unsigned wanted)
{
    uint64_t group[SPV_OUTBOUND_FILTER_GROUPS];
    unsigned n = 0;
    for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++) {
        const struct spv_conn *conn = &o->conn[i];
        if (conn->kind != SPV_CONN_OUTBOUND || !(conn->services & SPV_NODE_COMPACT_FILTERS))
            continue;
        if (n == 0 || conn->group != group[0])
            group[n++] = conn->group;
        if (n == SPV_OUTBOUND_FILTER_GROUPS)
            return false;
    }
    return o->filters && o->discovery && outbound_count(o) < SPV_NODE_MAX_PEERS &&
           outbound_count(o) < wanted + SPV_OUTBOUND_FILTER_GROUPS;
}

static void dial_for_filters(struct spv_outbound *o, unsigned wanted, struct spv_now now)
{
    while (!o->effects->error && outbound_count(o) >= wanted && wants_filter_peer(o, wanted) &&
           o->filter_dial_us <= now.mono_us) {
        const uint64_t id = o->next_id;
        if (dial_addrman(o, SPV_CONN_OUTBOUND, DIAL_FILTERS_ONLY, now))
            spv_outbound_find(o, id + 1)->for_filters = true;
        else
            o->filter_dial_us = now.mono_us + SPV_FILTER_DIAL_INTERVAL_US;
    }
}

void spv_outbound_tick(struct spv_outbound *o, unsigned wanted, struct spv_now now)
{
    for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++) {
        struct spv_conn *conn = &o->conn[i];
        if (conn->deadline_us <= now.mono_us)
            spv_outbound_close(o, conn,
                               conn->state == SPV_CONN_STATE_READY ? SPV_ERR_STALL
                                                                   : SPV_ERR_HANDSHAKE_TIMEOUT,
                               now);
    }
    if (o->discovery)
        spv_outbound_replenish(o, wanted, now);
    while (!o->effects->error && outbound_count(o) < wanted)
        if (!dial_manual(o, now) &&
            (!o->discovery ||
             (!dial_anchor(o, now) && !dial_addrman(o, SPV_CONN_OUTBOUND, DIAL_ANY, now))))
            break;
    dial_for_filters(o, wanted, now);
    if (o->discovery && o->feeler_us <= now.mono_us) {
        /* only when the slots are full: before that, dials test addresses anyway */
        if (outbound_count(o) >= wanted && !count_kind(o, SPV_CONN_FEELER))
            o->feelers += open_feeler(o, now);
        o->feeler_us = now.mono_us + with_jitter(o, SPV_FEELER_INTERVAL_US);
    }
    spv_outbound_plan_save(o, now);
}

uint64_t spv_outbound_deadline(const struct spv_outbound *o, unsigned wanted)
{
    uint64_t first = spv_outbound_sources_deadline(o, wanted);
    for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++)
        first = spv_min_deadline(first, o->conn[i].deadline_us);
    if (outbound_count(o) < wanted) {
        first = spv_min_deadline(first, spv_manual_peers_deadline(&o->manual));
        if (o->discovery)
            first = spv_min_deadline(first, spv_addrman_deadline(&o->addrman));
    } else if (wants_filter_peer(o, wanted))
        first = spv_min_deadline(first, o->filter_dial_us);
    if (o->discovery)
        first = spv_min_deadline(first, o->feeler_us);
    return spv_min_deadline(first, o->save_us);
}

/* ---- connections ---- */

void spv_outbound_on_handshake(struct spv_outbound *o, struct spv_conn *conn,
                               const struct spv_peer_stats *info, struct spv_now now)
{
    const uint64_t services = info->services;
    spv_outbound_transport_works(o, conn, info, now);
    conn->state = SPV_CONN_STATE_READY;
    conn->ready_us = now.mono_us;
    conn->services = services;
    if (conn->entry >= 0 && spv_serves_chain(services))
        spv_addrman_on_handshake(&o->addrman, conn->entry, services, now);
    else if (conn->entry >= 0)
        spv_addrman_set_services(&o->addrman, conn->entry, services);
    switch (conn->kind) {
    case SPV_CONN_OUTBOUND:
        if (o->discovery)
            spv_effects_send_empty(o->effects, conn->id, SPV_CMD_GETADDR);
        break;
    case SPV_CONN_FEELER:
        spv_outbound_close(o, conn, SPV_ERR_DISCONNECTED, now);
        break;
    case SPV_CONN_ADDR_FETCH:
        spv_effects_send_empty(o->effects, conn->id, SPV_CMD_GETADDR);
        conn->deadline_us = now.mono_us + SPV_ADDR_FETCH_TIMEOUT_US;
        break;
    }
}
