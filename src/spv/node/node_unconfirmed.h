/* Unconfirmed transactions for the node's wallet: what peers announce is fetched, and goes to the
 * wallet. Without a wallet every function does nothing. */
#ifndef SPV_SPV_NODE_NODE_UNCONFIRMED_H
#define SPV_SPV_NODE_NODE_UNCONFIRMED_H

#include "spv/wallet/tx_requests.h"

struct spv_node;

struct spv_node_unconfirmed { /* zeroed: only what peers with bloom filters announce */
    struct spv_tx_requests *requests; /* NULL: not every transaction is fetched */
};

/* Returns 0 or SPV_ERR_NOMEM. */
int spv_node_unconfirmed_init(struct spv_node *n, const struct spv_node_config *cfg);
void spv_node_unconfirmed_free(struct spv_node *n);
/* inv, tx or notfound of a peer of the table. Returns 0 or a failure. */
int spv_node_unconfirmed_recv(struct spv_node *n, uint64_t id, const struct spv_msg *msg,
                              struct spv_now now);
void spv_node_unconfirmed_remove(struct spv_node *n, uint64_t id);

#endif
