/* A connection exists from the node's CONNECT until its dial has failed or its link is closed. Its
 * id ends once: either the node gets one closed input, or the node has dropped the id itself and
 * gets no further input of it. */
#include "loop/connections.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/reactor.h"
#include "net/sockaddr.h"
#include "spv/resolve.h"

/* A peer id: first a dial, then a link. */
struct spv_loop_conn {
    struct spv_loop_conn *next;
    struct spv_connections *owner;
    uint64_t id;
    struct spv_dial *dial; /* NULL once it has ended */
    struct spv_link *link; /* NULL before */
    bool ready; /* the handshake is complete */
    bool dropped; /* by the node, which gets no more input of this id */
    enum spv_transport transport; /* dialled with */
    bool relay; /* relay field of our version message */
};

/* A name look-up. */
struct spv_loop_dns {
    struct spv_loop_dns *next;
    struct spv_connections *owner;
    struct spv_resolve *resolve;
    struct spv_endpoint endpoint;
};

/* ours: the node times its blocks itself, and a peer that lacks one is silent without fault */
#define GETDATA_TIMEOUT_US (24 * 3600 * SPV_SECOND)
#define V2_ANSWER_BY_PROXY_US (30 * SPV_SECOND) /* ours: Tor's circuits are slow */

static bool has_proxy(const struct spv_connections *c)
{
    return c->proxy.endpoint.host[0] != '\0';
}

static struct spv_loop_conn *find_conn(const struct spv_connections *c, uint64_t id)
{
    for (struct spv_loop_conn *conn = c->conns; conn; conn = conn->next) {
        if (conn->id == id && !conn->dropped)
            return conn;
    }
    return NULL;
}

static void free_conn(struct spv_loop_conn *conn)
{
    struct spv_loop_conn **at = &conn->owner->conns;
    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
    free(conn);
}

/* The connection is closed: frees it. Returns what the node returned, or 0 if it gets no input. */
static int end_conn(struct spv_loop_conn *conn, int error)
{
    const struct spv_connections *c = conn->owner;
    const uint64_t id = conn->id;
    const bool is_input = !conn->dropped && !c->closed;
    free_conn(conn);
    return is_input ? spv_node_closed(c->node, id, error, spv_system_now()) : 0;
}

static void on_ready(struct spv_link *link, void *ctx)
{
    struct spv_loop_conn *conn = ctx;
    struct spv_connections *c = conn->owner;
    conn->ready = true;
    if (conn->dropped || c->closed)
        return;
    struct spv_peer_stats stats;
    spv_link_stats(link, &stats);
    c->on_input(c->ctx, spv_node_connected(c->node, conn->id, &stats, spv_system_now()));
}

static void on_message(struct spv_link *link, const struct spv_msg *msg, void *ctx)
{
    const struct spv_loop_conn *conn = ctx;
    struct spv_connections *c = conn->owner;
    (void)link;
    /* the peer state machine handles the messages of the handshake */
    if (!conn->ready || conn->dropped || c->closed)
        return;
    c->on_input(c->ctx, spv_node_recv(c->node, conn->id, msg, spv_system_now()));
}

static void on_closed(struct spv_link *link, int error, void *ctx)
{
    struct spv_loop_conn *conn = ctx;
    struct spv_connections *c = conn->owner;
    if (spv_link_wants_v1(link) && spv_err_class_of(error) != SPV_CLASS_LOCAL)
        error = SPV_ERR_V1_PEER;
    c->on_input(c->ctx, end_conn(conn, error));
}

struct spv_peer_config spv_connections_peer_config(struct spv_connections *c,
                                                   enum spv_transport transport)
{
    return (struct spv_peer_config){
        .net = c->net,
        .services = c->services,
        .relay = false, /* BIP37: no transaction announcements, unless the node wants them */
        .user_agent = c->user_agent,
        .rng = c->rng,
        .self_nonces = &c->nonces,
        .transport = transport == SPV_TRANSPORT_V2 ? SPV_TRANSPORT_ONLY_V2 : SPV_TRANSPORT_ONLY_V1,
        .timeouts = {.v2_answer = has_proxy(c) ? V2_ANSWER_BY_PROXY_US : 0,
                     .getdata = GETDATA_TIMEOUT_US},
    };
}

static int attach_link(struct spv_loop_conn *conn, int fd)
{
    struct spv_connections *c = conn->owner;
    struct spv_peer_config cfg = spv_connections_peer_config(c, conn->transport);
    cfg.relay = conn->relay;
    cfg.height = (int32_t)spv_chain_tip(spv_node_chain(c->node))->height;
    if (conn->transport == SPV_TRANSPORT_V2 && !c->v2_context) {
        const int rc = spv_v2_context_new(&c->v2_context, &c->rng);
        if (rc < 0)
            return rc;
    }
    cfg.v2_context = c->v2_context;
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    /* with a proxy the socket's peer is the proxy, whose address must not go into our version */
    if (!has_proxy(c) && getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
        (void)spv_sock_to_netaddr(&cfg.remote, (const struct sockaddr *)&sa);
    const struct spv_link_callbacks callbacks = {
        .on_ready = on_ready, .on_message = on_message, .on_closed = on_closed, .ctx = conn};
    return spv_link_attach(&conn->link, c->reactor, fd, &cfg, SPV_OUTBOUND, &callbacks);
}

static void on_dialled(void *ctx, int fd, int error)
{
    struct spv_loop_conn *conn = ctx;
    struct spv_connections *c = conn->owner;
    conn->dial = NULL;
    const int rc = error < 0 ? error : attach_link(conn, fd);
    if (rc < 0)
        c->on_input(c->ctx, end_conn(conn, rc));
}

static int begin_conn(struct spv_connections *c, uint64_t id, const struct spv_endpoint *endpoint,
                      enum spv_transport transport, bool relay)
{
    struct spv_loop_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return SPV_ERR_NOMEM;
    conn->owner = c;
    conn->id = id;
    conn->transport = transport;
    conn->relay = relay;
    const int rc = has_proxy(c) ? spv_dial_proxy_start(&conn->dial, c->reactor, &c->proxy, endpoint,
                                                       c->connect_timeout_us, on_dialled, conn)
                                : spv_dial_start(&conn->dial, c->reactor, endpoint,
                                                 c->connect_timeout_us, on_dialled, conn);
    if (rc < 0) {
        free(conn);
        return rc;
    }
    conn->next = c->conns;
    c->conns = conn;
    return 0;
}

void spv_connections_connect(struct spv_connections *c, uint64_t id,
                             const struct spv_endpoint *endpoint, enum spv_transport transport,
                             bool relay)
{
    int rc = begin_conn(c, id, endpoint, transport, relay);
    if (rc == 0)
        return;
    rc = spv_node_closed(c->node, id, rc, spv_system_now());
    if (rc < 0)
        c->on_input(c->ctx, rc);
}

void spv_connections_send(struct spv_connections *c, uint64_t id, const struct spv_msg *msg)
{
    const struct spv_loop_conn *conn = find_conn(c, id);
    if (!conn || !conn->link)
        return; /* closed meanwhile: the node gets that input, or has dropped the id itself */
    const int rc = spv_link_send(conn->link, msg);
    /* a message that the peer's version does not support is left out; other errors are fatal */
    if (rc < 0 && rc != SPV_ERR_UNSUPPORTED)
        spv_link_close(conn->link, rc);
}

void spv_connections_drop(struct spv_connections *c, uint64_t id, int error)
{
    struct spv_loop_conn *conn = find_conn(c, id);
    if (!conn)
        return;
    conn->dropped = true;
    if (!conn->dial) {
        spv_link_close(conn->link, error);
        return;
    }
    spv_dial_cancel(conn->dial);
    free_conn(conn);
}

static void free_lookup(struct spv_loop_dns *lookup)
{
    struct spv_loop_dns **at = &lookup->owner->lookups;
    while (*at != lookup)
        at = &(*at)->next;
    *at = lookup->next;
    free(lookup);
}

static void on_resolved(void *ctx, int error, const struct spv_netaddr *addrs, size_t n)
{
    struct spv_loop_dns *lookup = ctx;
    struct spv_connections *c = lookup->owner;
    const struct spv_endpoint endpoint = lookup->endpoint;
    free_lookup(lookup);
    c->on_input(c->ctx, spv_node_resolved(c->node, &endpoint, error, addrs, n, spv_system_now()));
}

static int begin_lookup(struct spv_connections *c, const struct spv_endpoint *endpoint)
{
    struct spv_loop_dns *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return SPV_ERR_NOMEM;
    lookup->owner = c;
    lookup->endpoint = *endpoint;
    const uint16_t port = endpoint->port != 0 ? endpoint->port : c->net->port;
    const int rc =
        spv_resolve_start(&lookup->resolve, c->reactor, endpoint->host, port, on_resolved, lookup);
    if (rc < 0) {
        free(lookup);
        return rc;
    }
    lookup->next = c->lookups;
    c->lookups = lookup;
    return 0;
}

void spv_connections_resolve(struct spv_connections *c, const struct spv_endpoint *endpoint)
{
    const struct spv_endpoint copy = *endpoint; /* valid until the next call on the node */
    int rc = begin_lookup(c, &copy);
    if (rc == 0)
        return;
    rc = spv_node_resolved(c->node, &copy, rc, NULL, 0, spv_system_now());
    if (rc < 0)
        c->on_input(c->ctx, rc);
}

void spv_connections_close(struct spv_connections *c)
{
    c->closed = true;
    for (struct spv_loop_dns *lookup = c->lookups, *next; lookup; lookup = next) {
        next = lookup->next;
        spv_resolve_cancel(lookup->resolve);
        free(lookup);
    }
    c->lookups = NULL;
    for (struct spv_loop_conn *conn = c->conns, *next; conn; conn = next) {
        next = conn->next;
        if (!conn->dial)
            continue;
        spv_dial_cancel(conn->dial);
        free_conn(conn);
    }
    spv_reactor_close_connections(c->reactor); /* links call on_closed, which frees the rest */
    spv_v2_context_free(c->v2_context);
    c->v2_context = NULL;
}

size_t spv_connections_stats(const struct spv_connections *c, struct spv_peer_stats *out,
                             uint64_t *ids, size_t cap)
{
    size_t n = 0;
    for (const struct spv_loop_conn *conn = c->conns; conn && n < cap; conn = conn->next) {
        if (!conn->ready || conn->dropped)
            continue;
        spv_link_stats(conn->link, &out[n]);
        if (ids)
            ids[n] = conn->id;
        n++;
    }
    return n;
}

bool spv_connections_find(const struct spv_connections *c, struct spv_peer_stats *out, uint64_t id)
{
    const struct spv_loop_conn *conn = find_conn(c, id);
    if (!conn || !conn->ready)
        return false;
    spv_link_stats(conn->link, out);
    return true;
}
