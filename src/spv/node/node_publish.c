/* The application's operations for publishing. */
#include "spv/node/node_state.h"

/* In the wallet the change of a transaction that is published here is trusted. */
static int publish_in_wallet(struct spv_node *n, const struct spv_tx *txs, size_t n_txs,
                             struct spv_now now)
{
    int rc = 0;

    if (!n->wallet.sync)
        return 0;
    for (size_t i = 0; rc == 0 && i < n_txs; i++)
        rc = spv_wallet_publish(n->wallet.wallet, &txs[i], now);
    spv_wallet_sync_wallet_changed(n->wallet.sync);
    return rc;
}

/* The transactions of a package are withdrawn together. */
static int withdraw_in_wallet(struct spv_node *n, const struct spv_txid *txid, struct spv_now now)
{
    struct spv_broadcast_progress one, p;
    uint64_t next = 0;
    int rc = 0;

    if (!n->wallet.sync || spv_broadcast_find(n->broadcast.broadcast, &one, txid) != 0)
        return 0;
    while (rc == 0 && spv_broadcast_next(n->broadcast.broadcast, &next, &p)) {
        if (p.package == one.package)
            rc = spv_wallet_withdraw(n->wallet.wallet, &p.txid, now);
        rc = rc == SPV_ERR_NOT_FOUND ? 0 : rc;
    }
    spv_wallet_sync_wallet_changed(n->wallet.sync);
    return rc;
}

int spv_node_publish(struct spv_node *n, const struct spv_tx *txs,
                     const struct spv_broadcast_report *reports, size_t n_txs, unsigned flags,
                     struct spv_now now)
{
    if (n->error)
        return n->error;
    if (!n->broadcast.broadcast)
        return SPV_ERR_INVALID;
    if ((flags & SPV_BROADCAST_PRIVATE) !=
        0) /* it must never be sent on an ordinary connection instead */
        return SPV_ERR_NO_PRIVATE_PEERS;
    if (n->wallet.storing || n->wallet.attached)
        return SPV_ERR_STATE;
    int rc = spv_broadcast_publish(n->broadcast.broadcast, txs, reports, n_txs, flags, now);
    if (rc == 0)
        rc = publish_in_wallet(n, txs, n_txs, now);
    if (rc < 0 && rc != SPV_ERR_NOMEM)
        (void)spv_broadcast_withdraw(n->broadcast.broadcast, &reports[0].txid, now);
    return rc < 0 && rc != SPV_ERR_NOMEM ? rc : spv_node_after_input(n, rc, now);
}

int spv_node_withdraw(struct spv_node *n, const struct spv_txid *txid, struct spv_now now)
{
    if (n->error)
        return n->error;
    if (!n->broadcast.broadcast)
        return SPV_ERR_INVALID;
    if (n->wallet.storing || n->wallet.attached)
        return SPV_ERR_STATE;
    int rc = spv_broadcast_withdraw(n->broadcast.broadcast, txid, now);
    if (rc == 0)
        rc = withdraw_in_wallet(n, txid, now);
    return rc == SPV_ERR_NOT_FOUND ? rc : spv_node_after_input(n, rc, now);
}

int spv_node_broadcast_stored(struct spv_node *n, int error, struct spv_now now)
{
    if (n->error)
        return n->error;
    if (!n->broadcast.storing)
        return SPV_ERR_STATE;
    n->broadcast.storing = false;
    if (!error)
        spv_broadcast_stored(n->broadcast.broadcast);
    return spv_node_after_input(n, error, now);
}
