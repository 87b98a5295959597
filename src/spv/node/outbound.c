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
static uint64_t jittered(struct spv_outbound *d, uint64_t us)
{
    return spv_rng_jitter(&d->rng, us, us / 2);
}

/* ---- init and free ---- */

static int add_manual(struct spv_outbound *d, const struct spv_endpoint *endpoints, size_t n)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < n; i++)
        rc = spv_manual_peers_add(&d->manual, &endpoints[i]);
    return rc;
}

static void find_banned(struct spv_outbound *d, struct spv_now now)
{
    for (size_t i = 0; i < d->manual.n; i++) {
        char text[SPV_ENDPOINT_TEXT];
        spv_endpoint_text(text, &d->manual.at[i].endpoint);
        (void)spv_banman_find(&d->banman, &d->manual.at[i].banned_until_us, text, now);
    }
}

static void find_anchors(struct spv_outbound *d)
{
    size_t n = 0;
    for (size_t i = 0; i < SPV_ANCHORS; i++)
        d->anchor[i] = -1;
    for (size_t i = 0; i < d->addrman.cap && n < SPV_ANCHORS; i++)
        if (d->addrman.at[i].used && d->addrman.at[i].a.anchor)
            d->anchor[n++] = (int)i;
}

static void shuffle_seeds(struct spv_outbound *d)
{
    const struct spv_dns_seed *seed = d->params->dns_seeds;
    while (seed && seed[d->n_seeds].name && d->n_seeds < SPV_DNS_SEEDS) {
        const size_t at = (size_t)spv_rng_below(&d->rng, d->n_seeds + 1);
        d->seed_order[d->n_seeds] = d->seed_order[at];
        d->seed_order[at] = (uint8_t)d->n_seeds++;
    }
}

int spv_outbound_init(struct spv_outbound *d, const struct spv_node_config *cfg,
                      const struct spv_params *params, struct spv_effects *effects,
                      struct spv_now now)
{
    const struct spv_addrman_rows *rows = cfg->addrman_rows;
    d->params = params;
    d->effects = effects;
    d->rng = cfg->rng;
    d->on = !cfg->n_connect && cfg->discovery == SPV_DISCOVERY_ON;
    d->proxied = cfg->proxied;
    d->nets = cfg->nets ? cfg->nets : SPV_NET_IPV4 | SPV_NET_IPV6;
    d->rng.fill(d->rng.ctx, d->group_key, sizeof d->group_key);
    spv_addrman_init(&d->addrman, rows && rows->keyed ? rows->key : NULL, cfg->rng);
    int rc = add_manual(d, cfg->connect, cfg->n_connect);
    if (!rc && !cfg->n_connect) /* "--connect (only these)" */
        rc = add_manual(d, cfg->add_peers, cfg->n_add_peers);
    if (!rc && rows && d->on)
        rc = spv_addrman_load(&d->addrman, rows->addresses, rows->n, now);
    if (rc)
        return rc;
    if (rows && !cfg->clear_bans)
        spv_banman_load(&d->banman, rows->bans, rows->n_bans, now);
    d->banman.changed |= cfg->clear_bans;
    find_banned(d, now);
    find_anchors(d);
    shuffle_seeds(d);
    /* With a filled addrman the seeds are queried only when its addresses fail. */
    d->dns_us = now.mono_us +
                (d->addrman.n_new + d->addrman.n_tried < SPV_ADDRMAN_ENOUGH ? 0 : SPV_DNS_STEP);
    d->fallback_us = now.mono_us + (d->proxied ? 0 : SPV_FALLBACK_AFTER);
    d->feeler_us = now.mono_us + jittered(d, SPV_FEELER_INTERVAL);
    d->save_us = SPV_NEVER;
    return 0;
}

void spv_outbound_free(struct spv_outbound *d)
{
    spv_manual_peers_free(&d->manual);
    spv_addrman_free(&d->addrman);
}

size_t spv_outbound_memory(const struct spv_outbound *d)
{
    return spv_addrman_memory(&d->addrman) - sizeof d->addrman + d->manual.n * sizeof *d->manual.at;
}

/* ---- dialling ---- */

static bool is_dialled(const struct spv_outbound *d, const struct spv_endpoint *endpoint)
{
    for (size_t i = 0; i < SPV_CONNS; i++)
        if (d->conn[i].state != SPV_CONN_STATE_FREE && d->conn[i].endpoint.port == endpoint->port &&
            strcmp(d->conn[i].endpoint.host, endpoint->host) == 0)
            return true;
    return false;
}

static bool dial_manual(struct spv_outbound *d, struct spv_now now)
{
    const int index = spv_manual_peers_pick(&d->manual, now);
    if (index < 0)
        return false;
    struct spv_manual_peer *p = &d->manual.at[index];
    struct spv_conn *x = spv_outbound_connect(d, SPV_CONN_OUTBOUND, &p->endpoint, now);
    if (!x)
        return false;
    x->manual = index;
    /* "Peers named by --connect each count as a group of their own." */
    x->group =
        spv_siphash(d->group_key[0], d->group_key[1], p->endpoint.host, strlen(p->endpoint.host)) +
        p->endpoint.port;
    p->in_use = true;
    return true;
}

/* False when it may not be dialled; it is then deferred. */
static bool dial_entry(struct spv_outbound *d, int entry, enum spv_conn_type kind,
                       struct spv_now now)
{
    const struct spv_netaddr addr = d->addrman.at[entry].a.addr;
    struct spv_endpoint endpoint = {.port = addr.port};
    char text[SPV_ENDPOINT_TEXT];
    uint64_t until = now.mono_us + SPV_BACKOFF_MAX;
    if (spv_netaddr_to_host(endpoint.host, &addr) < 0) {
        spv_addrman_defer(&d->addrman, entry, until);
        return false;
    }
    spv_endpoint_text(text, &endpoint);
    if (is_dialled(d, &endpoint) || spv_banman_find(&d->banman, &until, endpoint.host, now) ||
        spv_banman_find(&d->banman, &until, text, now)) {
        spv_addrman_defer(&d->addrman, entry, until);
        return false;
    }
    struct spv_conn *x = spv_outbound_connect(d, kind, &endpoint, now);
    if (!x)
        return false;
    x->entry = entry;
    if (kind == SPV_CONN_FEELER)
        x->deadline_us = now.mono_us + (d->proxied ? SPV_PROXY_TIMEOUT : SPV_FEELER_TIMEOUT);
    x->netgroup = spv_netgroup_of(&addr);
    x->group = spv_siphash(d->group_key[0], d->group_key[1], x->netgroup.b, x->netgroup.len);
    spv_addrman_set_in_use(&d->addrman, entry, now);
    return true;
}

static bool dial_anchor(struct spv_outbound *d, struct spv_now now)
{
    for (size_t i = 0; i < SPV_ANCHORS; i++) {
        const int entry = d->anchor[i];
        d->anchor[i] = -1;
        if (entry >= 0 && d->addrman.at[entry].used && !d->addrman.at[entry].in_use &&
            spv_addrman_reachable(&d->addrman, entry, d->nets) &&
            dial_entry(d, entry, SPV_CONN_OUTBOUND, now))
            return true;
    }
    return false;
}

static bool dial_addrman(struct spv_outbound *d, enum spv_conn_type kind, struct spv_now now)
{
    struct spv_netgroup groups[SPV_CONNS];
    struct spv_pick pick = {.nets = d->nets, .only_new = kind == SPV_CONN_FEELER, .groups = groups};
    for (size_t i = 0; kind == SPV_CONN_OUTBOUND && i < SPV_CONNS; i++)
        if (d->conn[i].state != SPV_CONN_STATE_FREE && d->conn[i].kind == SPV_CONN_OUTBOUND &&
            d->conn[i].entry >= 0)
            groups[pick.n_groups++] = d->conn[i].netgroup;
    for (int tries = 0; tries < SPV_ADDRMAN_BANS; tries++) {
        const int entry = spv_addrman_pick(&d->addrman, &pick, now);
        if (entry < 0)
            return false;
        if (dial_entry(d, entry, kind, now))
            return true;
        if (d->effects->error)
            return false;
    }
    return false;
}

static bool open_feeler(struct spv_outbound *d, struct spv_now now)
{
    const int entry = spv_addrman_to_test(&d->addrman, d->nets, now);
    return entry >= 0 ? dial_entry(d, entry, SPV_CONN_FEELER, now)
                      : dial_addrman(d, SPV_CONN_FEELER, now);
}

static unsigned count_kind(const struct spv_outbound *d, enum spv_conn_type kind)
{
    unsigned n = 0;
    for (size_t i = 0; i < SPV_CONNS; i++)
        n += d->conn[i].state != SPV_CONN_STATE_FREE && d->conn[i].kind == kind;
    return n;
}

static unsigned is_connected_to(const struct spv_outbound *d)
{
    return spv_outbound_count(d, SPV_CONN_STATE_CONNECTING) +
           spv_outbound_count(d, SPV_CONN_STATE_READY);
}

void spv_outbound_tick(struct spv_outbound *d, unsigned wanted, struct spv_now now)
{
    for (size_t i = 0; i < SPV_CONNS; i++) {
        struct spv_conn *x = &d->conn[i];
        if (x->state != SPV_CONN_STATE_FREE && x->deadline_us <= now.mono_us)
            spv_outbound_close(
                d, x, x->state == SPV_CONN_STATE_READY ? SPV_ERR_STALL : SPV_ERR_HANDSHAKE_TIMEOUT,
                now);
    }
    if (d->on)
        spv_outbound_replenish(d, wanted, now);
    while (!d->effects->error && is_connected_to(d) < wanted)
        if (!dial_manual(d, now) &&
            (!d->on || (!dial_anchor(d, now) && !dial_addrman(d, SPV_CONN_OUTBOUND, now))))
            break;
    if (d->on && d->feeler_us <= now.mono_us) {
        /* only when the slots are full: before that, dials test addresses anyway */
        if (is_connected_to(d) >= wanted && !count_kind(d, SPV_CONN_FEELER))
            d->feelers += open_feeler(d, now);
        d->feeler_us = now.mono_us + jittered(d, SPV_FEELER_INTERVAL);
    }
    spv_outbound_plan_save(d, now);
}

uint64_t spv_outbound_deadline(const struct spv_outbound *d, unsigned wanted)
{
    uint64_t first = spv_outbound_sources_deadline(d, wanted);
    for (size_t i = 0; i < SPV_CONNS; i++)
        if (d->conn[i].state != SPV_CONN_STATE_FREE)
            first = spv_min_deadline(first, d->conn[i].deadline_us);
    if (is_connected_to(d) < wanted) {
        first = spv_min_deadline(first, spv_manual_peers_deadline(&d->manual));
        if (d->on)
            first = spv_min_deadline(first, spv_addrman_deadline(&d->addrman));
    }
    if (d->on)
        first = spv_min_deadline(first, d->feeler_us);
    return spv_min_deadline(first, d->save_us);
}

/* ---- connections ---- */

void spv_outbound_on_handshake(struct spv_outbound *d, struct spv_conn *x, uint64_t services,
                               struct spv_now now)
{
    x->state = SPV_CONN_STATE_READY;
    x->ready_us = now.mono_us;
    if (x->entry >= 0 && spv_serves_chain(services))
        spv_addrman_on_handshake(&d->addrman, x->entry, services, now);
    else if (x->entry >= 0)
        spv_addrman_serves(&d->addrman, x->entry, services);
    switch (x->kind) {
    case SPV_CONN_OUTBOUND:
        if (d->on)
            spv_effects_send_empty(d->effects, x->id, SPV_CMD_GETADDR);
        break;
    case SPV_CONN_FEELER:
        spv_outbound_close(d, x, SPV_ERR_DISCONNECTED, now);
        break;
    case SPV_CONN_ADDR_FETCH:
        spv_effects_send_empty(d->effects, x->id, SPV_CMD_GETADDR);
        x->deadline_us = now.mono_us + SPV_ADDR_FETCH_TIMEOUT;
        break;
    }
}
