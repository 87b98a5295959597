/* The outbound connections and name look-ups of an event loop: a node's CONNECT, SEND, CLOSE and
 * RESOLVE effects on a reactor. What happens on a connection is an input to the node; on_input then
 * reports what the node returned. */
#ifndef SPV_LOOP_CONNECTIONS_H
#define SPV_LOOP_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/dial.h"
#include "spv/link.h"
#include "spv/node.h"
#include "spv/peer.h"
#include "spv/reactor.h"

struct spv_loop_conn;
struct spv_loop_dns;

/* Zero it, then fill in the first group; no further initialization. */
struct spv_connections {
    struct spv_node *node; /* borrowed, as are the pointers below */
    struct spv_reactor *reactor;
    const struct spv_netid *net;
    const char *user_agent; /* NULL: the library's */
    uint64_t services; /* that our version messages offer */
    struct spv_rng rng;
    struct spv_proxy proxy; /* without a host: none */
    uint64_t connect_timeout_us; /* 0: the default */
    /* The node took an input and returned rc: its effects are pending. */
    void (*on_input)(void *ctx, int rc);
    void *ctx;

    struct spv_loop_conn *conns; /* at most SPV_NODE_MAX_PEERS and those still closing: a list */
    struct spv_loop_dns *lookups;
    struct spv_self_nonces nonces;
    struct spv_v2_context *v2_context; /* owned; NULL until the first connection with v2 */
    bool closed; /* no more inputs to the node */
};

/* The configuration of a new connection's peer that does not depend on its socket. Its pointers are
 * borrowed from c. */
struct spv_peer_config spv_connections_peer_config(struct spv_connections *c,
                                                   enum spv_transport transport);

/* Effects of the node. A failure to start is an input to the node, not returned. */
void spv_connections_connect(struct spv_connections *c, uint64_t id,
                             const struct spv_endpoint *endpoint, enum spv_transport transport,
                             bool relay);
void spv_connections_send(struct spv_connections *c, uint64_t id, const struct spv_msg *msg);
void spv_connections_drop(struct spv_connections *c, uint64_t id, int error);
void spv_connections_resolve(struct spv_connections *c, const struct spv_endpoint *endpoint);

/* Closes every dial, link and look-up without an input to the node; then does nothing any more. */
void spv_connections_close(struct spv_connections *c);

/* Writes the statistics and, unless ids is NULL, the ids of the peers with a completed handshake,
 * at most cap. Returns how many. */
size_t spv_connections_stats(const struct spv_connections *c, struct spv_peer_stats *out,
                             uint64_t *ids, size_t cap);
/* The statistics of one of them. Returns false when it is not there. */
bool spv_connections_find(const struct spv_connections *c, struct spv_peer_stats *out, uint64_t id);

#endif
