/* Publishing in the node: passes connections, messages and the tip to the state machine of
 * spv/broadcast.h, and turns its messages and changes into effects. Without one every function does
 * nothing. */
#ifndef SPV_SPV_NODE_NODE_BROADCAST_H
#define SPV_SPV_NODE_NODE_BROADCAST_H

#include "spv/broadcast.h"
#include "spv/node/outbound.h"
#include "spv/wallet.h"

struct spv_node_broadcast { /* zeroed: nothing is published */
    struct spv_broadcast *broadcast; /* the caller's; NULL: none */
    bool storing; /* a STORE_BROADCAST effect is unanswered: nothing is announced before it is */
    bool has_tip; /* height and median_time were passed to it */
    uint32_t height;
    uint32_t median_time;
};

/* A connection to a peer that serves headers has finished its handshake. Each function returns 0 or
 * a failure of our own side. */
int spv_node_broadcast_add(struct spv_node_broadcast *p, const struct spv_conn *conn,
                           const struct spv_peer_stats *info, struct spv_now now);
/* The connection is closed; an unknown id is allowed. */
int spv_node_broadcast_remove(struct spv_node_broadcast *p, uint64_t id, struct spv_now now);
int spv_node_broadcast_recv(struct spv_node_broadcast *p, uint64_t id, const struct spv_msg *msg,
                            struct spv_now now);
/* After every input of the node: passes the tip on, announces what is due, and sets how many
 * outbound connections need relay 1. */
int spv_node_broadcast_run(struct spv_node_broadcast *p, const struct spv_chain *chain,
                           struct spv_outbound *outbound, struct spv_now now);
uint64_t spv_node_broadcast_deadline(const struct spv_node_broadcast *p);
/* Pass the states of the wallet's transactions on: of all, when the node is created, and of those
 * whose rows have changed. Each returns 0 or a failure. */
int spv_node_broadcast_load(struct spv_node_broadcast *p, const struct spv_wallet *wallet,
                            struct spv_now now);
int spv_node_broadcast_changed(struct spv_node_broadcast *p, const struct spv_wallet_update *update,
                               struct spv_now now);
/* The next effect: 1, 0, or a failure. */
int spv_node_broadcast_poll(struct spv_node_broadcast *p, struct spv_effect *out);

#endif
