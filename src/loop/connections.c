/* The dials, links and look-ups of an event loop.
 *
 * A slot lives from the node's CONNECT until its dial has failed or its link has said on_closed,
 * and exactly one of the two sides ends the id: either the node is told once that it closed, or the
 * node dropped it first and is told nothing. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loop/event_loop.h"
#include "net/reactor.h"
#include "net/sockaddr.h"
#include "spv/resolve.h"

static struct spv_loop_conn *find_conn(const struct spv_evloop *l, uint64_t id)
{
    for (struct spv_loop_conn *s = l->conns; s; s = s->next) {
        if (s->id == id && !s->dropped)
            return s;
    }
    return NULL;
}

static void free_conn(struct spv_loop_conn *slot)
{
    struct spv_loop_conn **at = &slot->loop->conns;
    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    free(slot);
}

/* The connection is over; frees the slot. The node's answer, or 0 when it is not asked. */
static int end_conn(struct spv_loop_conn *slot, int error)
{
    struct spv_evloop *l = slot->loop;
    const uint64_t id = slot->id;
    const bool tell = !slot->dropped && !l->stopping;
    free_conn(slot);
    return tell ? spv_node_closed(l->node, id, error, spv_system_now()) : 0;
}

static void on_ready(struct spv_link *link, void *ctx)
{
    struct spv_loop_conn *slot = ctx;
    struct spv_evloop *l = slot->loop;
    slot->ready = true;
    if (slot->dropped || l->stopping)
        return;
    struct spv_peer_stats info;
    spv_link_stats(link, &info);
    spv_evloop_process_effects(l, spv_node_connected(l->node, slot->id, &info, spv_system_now()));
}

static void on_message(struct spv_link *link, const struct spv_msg *msg, void *ctx)
{
    const struct spv_loop_conn *slot = ctx;
    struct spv_evloop *l = slot->loop;
    (void)link;
    if (!slot->ready || slot->dropped || l->stopping) /* the handshake is the machine's business */
        return;
    spv_evloop_process_effects(l, spv_node_recv(l->node, slot->id, msg, spv_system_now()));
}

static void on_closed(struct spv_link *link, int error, void *ctx)
{
    struct spv_loop_conn *slot = ctx;
    struct spv_evloop *l = slot->loop;
    (void)link;
    spv_evloop_process_effects(l, end_conn(slot, error));
}

static int attach_link(struct spv_loop_conn *slot, int fd)
{
    struct spv_evloop *l = slot->loop;
    struct spv_peer_config cfg = {
        .net = &l->cfg.node.params->net,
        .relay = false, /* BIP37: we ask for what we want */
        .user_agent = l->cfg.user_agent,
        .height = (int32_t)spv_chain_tip(spv_node_chain(l->node))->height,
        .rng = l->cfg.node.rng,
        .self_nonces = &l->nonces,
    };
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    /* behind a proxy the socket's other end is the proxy, whose address is nobody's business */
    if (l->proxy.endpoint.host[0] == '\0' && getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
        (void)spv_sock_to_netaddr(&cfg.remote, (const struct sockaddr *)&sa);
    const struct spv_link_callbacks callbacks = {
        .on_ready = on_ready, .on_message = on_message, .on_closed = on_closed, .ctx = slot};
    return spv_link_attach(&slot->link, l->reactor, fd, &cfg, SPV_OUTBOUND, &callbacks);
}

static void on_dialled(void *ctx, int fd, int error)
{
    struct spv_loop_conn *slot = ctx;
    struct spv_evloop *l = slot->loop;
    slot->dial = NULL;
    int rc = error < 0 ? error : attach_link(slot, fd);
    if (rc < 0)
        spv_evloop_process_effects(l, end_conn(slot, rc));
}

static int begin_conn(struct spv_evloop *l, uint64_t id, const struct spv_endpoint *endpoint)
{
    struct spv_loop_conn *slot = calloc(1, sizeof *slot);
    if (!slot)
        return SPV_ERR_NOMEM;
    slot->loop = l;
    slot->id = id;
    int rc = l->proxy.endpoint.host[0] != '\0'
                 ? spv_dial_proxy_start(&slot->dial, l->reactor, &l->proxy, endpoint,
                                        l->cfg.connect_timeout_us, on_dialled, slot)
                 : spv_dial_start(&slot->dial, l->reactor, endpoint, l->cfg.connect_timeout_us,
                                  on_dialled, slot);
    if (rc < 0) {
        free(slot);
        return rc;
    }
    slot->next = l->conns;
    l->conns = slot;
    return 0;
}

void spv_connections_connect(struct spv_evloop *l, uint64_t id, const struct spv_endpoint *endpoint)
{
    int rc = begin_conn(l, id, endpoint);
    if (rc < 0) {
        rc = spv_node_closed(l->node, id, rc, spv_system_now());
        if (rc < 0)
            spv_evloop_process_effects(l, rc);
    }
}

void spv_connections_send(struct spv_evloop *l, uint64_t id, const struct spv_msg *msg)
{
    const struct spv_loop_conn *slot = find_conn(l, id);
    if (!slot || !slot->link)
        return; /* gone meanwhile: the node will hear, or has said so itself */
    int rc = spv_link_send(slot->link, msg);
    /* What the peer's version does not know is not sent; anything else breaks the conversation. */
    if (rc < 0 && rc != SPV_ERR_UNSUPPORTED)
        spv_link_close(slot->link, rc);
}

void spv_connections_drop(struct spv_evloop *l, uint64_t id, int error)
{
    struct spv_loop_conn *slot = find_conn(l, id);
    if (!slot)
        return;
    slot->dropped = true;
    if (slot->dial) {
        spv_dial_cancel(slot->dial);
        free_conn(slot);
    } else {
        spv_link_close(slot->link, error);
    }
}

static void free_dns(struct spv_loop_dns *query)
{
    struct spv_loop_dns **at = &query->loop->dns;
    while (*at != query)
        at = &(*at)->next;
    *at = query->next;
    free(query);
}

static void on_resolved(void *ctx, int error, const struct spv_netaddr *addrs, size_t n)
{
    struct spv_loop_dns *query = ctx;
    struct spv_evloop *l = query->loop;
    const struct spv_endpoint endpoint = query->endpoint;
    free_dns(query);
    spv_evloop_process_effects(
        l, spv_node_resolved(l->node, &endpoint, error, addrs, n, spv_system_now()));
}

static int begin_dns(struct spv_evloop *l, const struct spv_endpoint *endpoint)
{
    struct spv_loop_dns *query = calloc(1, sizeof *query);
    if (!query)
        return SPV_ERR_NOMEM;
    query->loop = l;
    query->endpoint = *endpoint;
    const uint16_t port = endpoint->port != 0 ? endpoint->port : l->cfg.node.params->net.port;
    int rc =
        spv_resolve_start(&query->resolve, l->reactor, endpoint->host, port, on_resolved, query);
    if (rc < 0) {
        free(query);
        return rc;
    }
    query->next = l->dns;
    l->dns = query;
    return 0;
}

void spv_connections_resolve(struct spv_evloop *l, const struct spv_endpoint *endpoint)
{
    const struct spv_endpoint wanted = *endpoint; /* lent until the next call on the node */
    int rc = begin_dns(l, &wanted);
    if (rc < 0) {
        rc = spv_node_resolved(l->node, &wanted, rc, NULL, 0, spv_system_now());
        if (rc < 0)
            spv_evloop_process_effects(l, rc);
    }
}

void spv_connections_end(struct spv_evloop *l)
{
    l->stopping = true;
    for (struct spv_loop_dns *query = l->dns; query;) {
        struct spv_loop_dns *next = query->next;
        spv_resolve_cancel(query->resolve);
        free(query);
        query = next;
    }
    l->dns = NULL;
    for (struct spv_loop_conn *slot = l->conns; slot;) {
        struct spv_loop_conn *next = slot->next;
        if (slot->dial) {
            spv_dial_cancel(slot->dial);
            free_conn(slot);
        }
        slot = next;
    }
    spv_reactor_close_connections(l->reactor); /* links say on_closed, which frees their slots */
}
