/* Publishing in the node: passes connections, messages and the tip to the machine of
 * spv/broadcast.h, and takes what it wants sent and stored. Without one every function does
 * nothing. */
#ifndef SPV_SPV_NODE_NODE_BROADCAST_H
#define SPV_SPV_NODE_NODE_BROADCAST_H

#include "spv/broadcast.h"
#include "spv/node/outbound.h"
#include "spv/wallet.h"

struct spv_node_broadcast { /* zeroed: without */
    struct spv_broadcast *broadcast; /* the caller's; NULL: none */
    bool storing; /* STORE_BROADCAST is unanswered: nothing is announced before */
    bool has_tip; /* the machine knows height and median_time */
    uint32_t height;
    uint32_t median_time;
};

/* A peer that serves headers is ready. Each returns 0 or a failure of ours. */
int spv_node_broadcast_add(struct spv_node_broadcast *p, const struct spv_conn *conn,
                           const struct spv_peer_stats *info, struct spv_now now);
/* It is gone; any id. */
int spv_node_broadcast_remove(struct spv_node_broadcast *p, uint64_t id, struct spv_now now);
int spv_node_broadcast_recv(struct spv_node_broadcast *p, uint64_t id, const struct spv_msg *msg,
                            struct spv_now now);
/* After every input: announces what is due, tells the machine the tip, and outbound how many
 * connections need relay 1. */
int spv_node_broadcast_run(struct spv_node_broadcast *p, const struct spv_chain *chain,
                           struct spv_outbound *outbound, struct spv_now now);
uint64_t spv_node_broadcast_deadline(const struct spv_node_broadcast *p);
/* The wallet's word on transactions: of all that it knows, when the node begins, and of those whose
 * rows have changed. Each returns 0 or a failure. */
int spv_node_broadcast_load(struct spv_node_broadcast *p, const struct spv_wallet *wallet,
                            struct spv_now now);
int spv_node_broadcast_changed(struct spv_node_broadcast *p, const struct spv_wallet_update *update,
                               struct spv_now now);
/* The next effect: 1, 0, or a failure. */
int spv_node_broadcast_poll(struct spv_node_broadcast *p, struct spv_effect *out);

#endif
