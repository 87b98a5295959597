/* The application's operations on the node's wallet, passed to spv_wallet_sync. */
#include "spv/node/node_state.h"

/* An error of the caller changes nothing; any other one is a failure, which stops the node. */
static int end_input(struct spv_node *n, int rc, struct spv_now now)
{
    return rc == 0 || rc == SPV_ERR_NOMEM || rc == SPV_ERR_TOO_MANY
               ? spv_node_after_input(n, rc, now)
               : rc;
}

/* Whether the wallet may be changed now: 0 or an error. */
static int check_input(const struct spv_node *n)
{
    if (n->error)
        return n->error;
    if (!n->wallet.sync)
        return SPV_ERR_INVALID;
    return n->wallet.storing || n->wallet.attached ? SPV_ERR_STATE : 0;
}

int spv_node_watch(struct spv_node *n, uint64_t *request, uint64_t *id, struct spv_text_error *why,
                   const struct spv_watch_target *watch, struct spv_now now)
{
    const int rc = check_input(n);

    return rc < 0
               ? rc
               : end_input(n, spv_wallet_sync_watch(n->wallet.sync, request, id, why, watch), now);
}

int spv_node_unwatch(struct spv_node *n, uint64_t *request, uint64_t id, struct spv_now now)
{
    const int rc = check_input(n);

    return rc < 0 ? rc : end_input(n, spv_wallet_sync_unwatch(n->wallet.sync, request, id), now);
}

int spv_node_reserve_index(struct spv_node *n, uint64_t *request, uint32_t *index, uint64_t id,
                           uint32_t branch, struct spv_now now)
{
    const int rc = check_input(n);

    return rc < 0
               ? rc
               : end_input(
                     n, spv_wallet_sync_reserve_index(n->wallet.sync, request, index, id, branch),
                     now);
}
