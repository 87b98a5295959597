/* The table of outbound connections, from dial to close, and what the end of each means for its
 * address: one value of enum spv_conn_outcome. Errors of our own, a proxy that fails, and an end
 * while no other peer answers either (we are offline) count against no address. */
#include "spv/node/outbound_state.h"

#include "spv/netaddr.h"

size_t spv_outbound_next_used(const struct spv_outbound *o, size_t from)
{
    while (from < SPV_CONNS && o->conn[from].state == SPV_CONN_STATE_FREE)
        from++;
    return from;
}

struct spv_conn *spv_outbound_find(struct spv_outbound *o, uint64_t id)
{
    for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++)
        if (o->conn[i].id == id)
            return &o->conn[i];
    return NULL;
}

unsigned spv_outbound_count(const struct spv_outbound *o, enum spv_conn_state state)
{
    unsigned found = 0;
    for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++)
        found += o->conn[i].state == state && o->conn[i].kind == SPV_CONN_OUTBOUND;
    return found;
}

unsigned spv_outbound_relay_missing(const struct spv_outbound *o)
{
    unsigned found = 0;
    for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++)
        found += o->conn[i].relay;
    return found < o->relay_wanted ? o->relay_wanted - found : 0;
}

static bool is_manual_ready(const struct spv_outbound *o, int manual)
{
    for (size_t i = 0; (i = spv_outbound_next_used(o, i)) < SPV_CONNS; i++)
        if (o->conn[i].manual == manual && o->conn[i].state == SPV_CONN_STATE_READY)
            return true;
    return false;
}

bool spv_outbound_is_manual_missing(const struct spv_outbound *o, unsigned failures,
                                    struct spv_now now)
{
    for (size_t i = 0; i < o->manual.n; i++) {
        const struct spv_manual_peer *p = &o->manual.peers[i];
        if (p->failures < failures && p->banned_until_us <= now.mono_us &&
            !is_manual_ready(o, (int)i))
            return true;
    }
    return false;
}

struct spv_conn *spv_outbound_connect(struct spv_outbound *o, enum spv_conn_type kind,
                                      const struct spv_endpoint *endpoint,
                                      enum spv_transport transport, struct spv_now now)
{
    struct spv_conn *conn = NULL;
    for (size_t i = 0; !conn && i < SPV_CONNS; i++)
        if (o->conn[i].state == SPV_CONN_STATE_FREE)
            conn = &o->conn[i];
    if (!conn)
        return NULL;
    struct spv_effect *e = spv_effects_push(o->effects, SPV_EFFECT_CONNECT, o->next_id + 1);
    if (!e)
        return NULL;
    *conn = (struct spv_conn){.id = ++o->next_id,
                              .state = SPV_CONN_STATE_CONNECTING,
                              .kind = kind,
                              .endpoint = *endpoint,
                              .netgroup = spv_netgroup_of_name(endpoint->host),
                              .manual = -1,
                              .entry = -1,
                              .transport = transport,
                              .deadline_us = SPV_NEVER,
                              .addr_tokens = SPV_ADDR_BUDGET * 100,
                              .addr_tokens_us = now.mono_us};
    /* BIP37: with relay 0, the default, the peer announces no transactions */
    conn->relay = kind == SPV_CONN_OUTBOUND && (o->relay_all || spv_outbound_relay_missing(o) > 0);
    e->endpoint = *endpoint;
    e->transport = transport;
    e->relay = conn->relay;
    return conn;
}

unsigned spv_outbound_failures(const struct spv_outbound *o, const struct spv_conn *conn)
{
    if (conn->manual >= 0)
        return o->manual.peers[conn->manual].failures;
    return conn->entry >= 0 ? o->addrman.entries[conn->entry].failures : 0;
}

void spv_outbound_ban(struct spv_outbound *o, const struct spv_conn *conn, int code,
                      struct spv_now now)
{
    char text[SPV_ENDPOINT_TEXT];
    const uint64_t until = now.mono_us + SPV_BAN_SECONDS * SPV_SECOND;
    spv_endpoint_text(text, &conn->endpoint);
    spv_banman_add(&o->banman, conn->manual >= 0 ? text : conn->endpoint.host, code, now);
    if (conn->manual >= 0)
        o->manual.peers[conn->manual].banned_until_us = until;
    if (conn->entry >= 0)
        spv_addrman_defer(&o->addrman, conn->entry, until);
}

static enum spv_conn_outcome conn_outcome(const struct spv_outbound *o, const struct spv_conn *conn,
                                          int error, bool useful)
{
    const enum spv_err_class fault = spv_err_class_of(error);
    if (error == SPV_ERR_DISCONNECTED || (useful && fault == SPV_CLASS_CONNECTION))
        return SPV_CONN_OUTCOME_GOOD;
    if (fault == SPV_CLASS_LOCAL || fault == SPV_CLASS_CALLER || error == SPV_ERR_PROXY)
        return SPV_CONN_OUTCOME_DROPPED;
    if (conn->state == SPV_CONN_STATE_READY)
        return fault == SPV_CLASS_CONNECTION ? SPV_CONN_OUTCOME_DROPPED : SPV_CONN_OUTCOME_USELESS;
    return spv_outbound_count(o, SPV_CONN_STATE_READY) ? SPV_CONN_OUTCOME_UNREACHABLE
                                                       : SPV_CONN_OUTCOME_DROPPED;
}

void spv_outbound_on_closed(struct spv_outbound *o, struct spv_conn *conn, int error, bool useful,
                            struct spv_now now)
{
    const enum spv_conn_outcome how = conn_outcome(o, conn, error, useful);
    if (conn->manual >= 0)
        spv_manual_peers_released(&o->manual, conn->manual, how == SPV_CONN_OUTCOME_GOOD, o->rng,
                                  now);
    if (conn->entry >= 0)
        spv_addrman_released(&o->addrman, conn->entry, how,
                             how == SPV_CONN_OUTCOME_GOOD ? 0 : error, now);
    *conn = (struct spv_conn){0};
}

void spv_outbound_close(struct spv_outbound *o, struct spv_conn *conn, int error,
                        struct spv_now now)
{
    struct spv_effect *e = spv_effects_push(o->effects, SPV_EFFECT_CLOSE, conn->id);
    if (e)
        e->error = error;
    spv_effects_discard_sends(o->effects, conn->id);
    spv_outbound_on_closed(o, conn, error, false, now);
}

/* ---- transport ---- */

/* Once the path is known to block v2, that v2 failed says nothing about the addresses. */
static void clear_v1_first(struct spv_outbound *o)
{
    for (size_t i = 0; i < o->manual.n; i++)
        o->manual.peers[i].v1_until_us = 0;
    for (size_t i = 0; i < o->addrman.cap; i++)
        o->addrman.entries[i].v1_until_us = 0;
}

static void set_v1_first(struct spv_outbound *o, const struct spv_conn *conn, uint64_t until_us)
{
    if (conn->manual >= 0)
        o->manual.peers[conn->manual].v1_until_us = until_us;
    if (conn->entry >= 0)
        o->addrman.entries[conn->entry].v1_until_us = until_us;
}

/* The network group of what was dialled, also of a manual peer: three addresses of one network that
 * --connect names are behind one path. A name counts as a group. */
static struct spv_netgroup dialled_group(const struct spv_conn *conn)
{
    struct spv_netaddr addr;
    return spv_netaddr_from_host(&addr, conn->endpoint.host, conn->endpoint.port) == 0
               ? spv_netgroup_of(&addr)
               : conn->netgroup;
}

static void count_group(struct spv_outbound *o, const struct spv_netgroup *group)
{
    for (size_t i = 0; i < o->n_fell_back; i++)
        if (spv_netgroup_eq(&o->fell_back[i], group))
            return;
    o->fell_back[o->n_fell_back++] = *group;
}

bool spv_outbound_fall_back(struct spv_outbound *o, struct spv_conn *conn, int error)
{
    if (error != SPV_ERR_V1_PEER || o->transport != SPV_TRANSPORT_AUTO ||
        conn->transport != SPV_TRANSPORT_V2 || conn->state != SPV_CONN_STATE_CONNECTING)
        return false;
    struct spv_effect *e = spv_effects_push(o->effects, SPV_EFFECT_CONNECT, o->next_id + 1);
    if (!e)
        return false;
    conn->id = ++o->next_id;
    conn->transport = SPV_TRANSPORT_V1;
    conn->fell_back = true;
    e->endpoint = conn->endpoint;
    e->transport = conn->transport;
    e->relay = conn->relay;
    return true;
}

bool spv_outbound_v2_blocked(struct spv_outbound *o)
{
    if (o->v2_blocked_reported || !o->v2_blocked_until_us)
        return false;
    o->v2_blocked_reported = true;
    return true;
}

enum spv_transport spv_outbound_transport(const struct spv_outbound *o, enum spv_v2_offer offer,
                                          uint64_t v1_until_us, struct spv_now now)
{
    switch (o->transport) {
    case SPV_TRANSPORT_ONLY_V1:
        return SPV_TRANSPORT_V1;
    case SPV_TRANSPORT_ONLY_V2:
        return SPV_TRANSPORT_V2;
    case SPV_TRANSPORT_AUTO:
        break;
    }
    return offer == SPV_V2_OFFERED && v1_until_us <= now.mono_us &&
                   o->v2_blocked_until_us <= now.mono_us
               ? SPV_TRANSPORT_V2
               : SPV_TRANSPORT_V1;
}

/* v1 works where v2 has failed. A peer without v2 explains that; one that offers it does not. */
static void v1_succeeded(struct spv_outbound *o, const struct spv_conn *conn, uint64_t services,
                         struct spv_now now)
{
    set_v1_first(o, conn, now.mono_us + SPV_V1_FIRST_US);
    if (o->v2_reached || !(services & SPV_NODE_P2P_V2))
        return;
    const struct spv_netgroup group = dialled_group(conn);
    count_group(o, &group);
    if (o->n_fell_back < SPV_V2_BLOCKED_GROUPS)
        return;
    o->n_fell_back = 0;
    o->v2_blocked_until_us = now.mono_us + SPV_V2_BLOCKED_US;
    clear_v1_first(o);
}

void spv_outbound_transport_works(struct spv_outbound *o, const struct spv_conn *conn,
                                  const struct spv_peer_stats *info, struct spv_now now)
{
    if (info->transport == SPV_TRANSPORT_V2) {
        o->v2_reached = true;
        o->v2_blocked_until_us = 0;
        set_v1_first(o, conn, 0);
    } else if (conn->fell_back) {
        v1_succeeded(o, conn, info->services, now);
    }
}
