/* What the two halves of the event loop share: evloop.c drives the node, peers.c keeps the dials
 * and links behind its peer ids. */
#ifndef SPV_LOOP_EVENT_LOOP_H
#define SPV_LOOP_EVENT_LOOP_H

#include "spv/dial.h"
#include "spv/link.h"
#include "spv/loop.h"

/* One peer id: first a dial, then a link. */
struct spv_loop_conn {
    struct spv_loop_conn *next;
    struct spv_evloop *loop;
    uint64_t id;
    struct spv_dial *dial; /* NULL once it has ended */
    struct spv_link *link; /* NULL before */
    bool ready;
    bool dropped; /* the node has closed it: it hears no more of this id */
};

struct spv_loop_dns { /* a name being looked up */
    struct spv_loop_dns *next;
    struct spv_evloop *loop;
    struct spv_resolve *resolve;
    struct spv_endpoint endpoint;
};

struct spv_evloop {
    struct spv_evloop_config cfg;
    struct spv_proxy proxy; /* without a host: none */
    struct spv_reactor *reactor;
    struct spv_node *node;
    struct spv_timer *timer;
    struct spv_timer *tick;
    struct spv_timer *commit; /* of what the store has gathered */
    bool commit_due; /* it is armed */
    bool synced; /* as the node last said */
    struct spv_loop_conn
        *conns; /* at most SPV_NODE_MAX_PEERS and those still closing: a list will do */
    struct spv_loop_dns *dns;
    struct spv_self_nonces nonces;
    uint64_t deferred_us; /* deadlines up to here have waited until the sockets had their turn */
    bool no_addrman; /* the store has none that can be read: nothing is saved */
    bool running; /* inside spv_evloop_run */
    bool stopping; /* no more inputs to the node */
    int error; /* what ended the loop */
};

/* evloop.c: the node took an input and said rc; carries out what it wants done now. */
void spv_evloop_process_effects(struct spv_evloop *l, int rc);

/* peers.c. A failure to begin is told to the node. */
void spv_connections_connect(struct spv_evloop *l, uint64_t id,
                             const struct spv_endpoint *endpoint);
void spv_connections_send(struct spv_evloop *l, uint64_t id, const struct spv_msg *msg);
void spv_connections_drop(struct spv_evloop *l, uint64_t id, int error);
/* Ends every dial, link and look-up; the node hears nothing of it. */
void spv_connections_end(struct spv_evloop *l);
void spv_connections_resolve(struct spv_evloop *l, const struct spv_endpoint *endpoint);

#endif
