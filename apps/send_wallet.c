/* The machines that a loop works with, and what the wallet knows of what is published. */
#include <string.h>

#include "send_state.h"
#include "spv/reactor.h"

int send_new_machines(struct send *s)
{
    const struct spv_broadcast_config broadcast = {.rng = spv_system_rng()};
    const struct spv_wallet_config wallet = {.rng = spv_system_rng(),
                                             .networks =
                                                 SPV_NETWORK_BIT(s->target.params->net.network),
                                             .lookahead = SPV_WATCH_LOOKAHEAD,
                                             .min_groups = (uint32_t)s->peers.connect.n};
    struct spv_wallet_info facts;
    int rc = spv_store_wallet_info(s->store, &facts);

    if (rc < 0)
        return send_store_failed(s, rc);
    rc = rc > 0 ? spv_wallet_new(&s->wallet, &wallet) : 0;
    if (rc == 0)
        rc = spv_broadcast_new(&s->broadcast, &broadcast);
    return rc < 0 ? cli_fail(rc, "not enough memory.") : CLI_DONE;
}

void send_free_machines(struct send *s)
{
    spv_broadcast_free(s->broadcast);
    spv_wallet_free(s->wallet);
    s->broadcast = NULL;
    s->wallet = NULL;
}

int send_load_machines(struct send *s)
{
    int rc = send_new_machines(s);

    if (rc != CLI_DONE)
        return rc;
    rc = spv_store_load_broadcast(s->store, s->broadcast, spv_system_now());
    if (rc >= 0 && s->wallet)
        rc = spv_store_load_wallet(s->store, s->wallet);
    return rc < 0 ? send_store_failed(s, rc) : CLI_DONE;
}

/* In one transaction of the database. */
int send_store_changes(const struct send *s)
{
    struct spv_broadcast_update broadcast = {.n = 0};
    struct spv_wallet_update wallet = {.n = 0};
    const struct spv_store_update update = {.wallet = &wallet, .broadcast = &broadcast};
    int rc = spv_broadcast_changes(s->broadcast, &broadcast);

    if (rc == 0 && s->wallet)
        rc = spv_wallet_changes(s->wallet, &wallet);
    if (rc == 0)
        rc = spv_store_apply_all(s->store, &update);
    return rc < 0 ? send_store_failed(s, rc) : CLI_DONE;
}

/* What the wallet has of a transaction; NULL: nothing. */
static const struct spv_wallet_tx_row *find_row(const struct send *s, const struct spv_txid *txid)
{
    const struct spv_wallet_tx_row *row;
    uint64_t next = 0;

    while (s->wallet && spv_wallet_next_tx(s->wallet, &next, &row))
        if (memcmp(&row->txid, txid, sizeof *txid) == 0)
            return row;
    return NULL;
}

bool send_is_watched(const struct send *s, const struct spv_txid *txid)
{
    const struct spv_wallet_tx_row *row = find_row(s, txid);
    struct spv_wallet_share_row share;
    uint64_t watch = 0;

    return row && spv_wallet_next_share(s->wallet, &watch, &share, row);
}

bool send_conflicts(const struct send *s, const struct spv_txid *txid)
{
    const struct spv_wallet_tx_row *row = find_row(s, txid);

    return row && row->state == SPV_TX_CONFLICTED;
}

int send_count_confirmations(struct send *s, uint32_t tip)
{
    struct spv_wallet_iter *iter = NULL;
    struct spv_wallet_tx_row row;
    int rc = spv_wallet_iter_open(&iter, s->store);

    if (rc == SPV_ERR_NOT_FOUND)
        return 0;
    for (size_t i = 0; rc >= 0 && i < s->n_items; i++) {
        rc = spv_wallet_iter_find_tx(iter, &row, &s->items[i].txid);
        if (rc >= 0)
            s->items[i].confirmations =
                rc > 0 && row.state == SPV_TX_CONFIRMED && row.block.height <= tip
                    ? tip - row.block.height + 1
                    : 0;
    }
    spv_wallet_iter_close(iter);
    return rc < 0 ? rc : 0;
}
