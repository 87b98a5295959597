/* The command history: all transactions of one snapshot in chain order, the unconfirmed ones last;
 * or the last ones. */
#include <stdlib.h>

#include "watch_commands.h"
#include "watch_text.h"
#include "watch_tx.h"

/* The part of a watch in a transaction. Returns 1, 0 when it has none, or an error. */
static int net_of_watch(struct spv_wallet_iter *it, int64_t *net, uint64_t tx, uint64_t watch)
{
    struct spv_wallet_share_row few[8], *all = few;
    int n = spv_wallet_iter_shares(it, few, sizeof few / sizeof few[0], tx), found = 0;

    if (n > (int)(sizeof few / sizeof few[0])) {
        all = malloc((size_t)n * sizeof *all);
        n = all ? spv_wallet_iter_shares(it, all, (size_t)n, tx) : SPV_ERR_NOMEM;
    }
    for (int i = 0; i < n; i++) {
        if (all[i].watch != watch)
            continue;
        *net = all[i].received - all[i].spent;
        found = 1;
    }
    if (all != few)
        free(all);
    return n < 0 ? n : found;
}

static int print_row(const struct watch_txs *txs, struct spv_wallet_iter *it,
                     const struct spv_wallet_tx_row *row)
{
    int64_t net = row->received - row->spent;
    const int rc =
        txs->job->watch == WATCH_NONE ? 1 : net_of_watch(it, &net, row->id, txs->job->watch);

    if (rc == 1)
        watch_txs_row(txs, row, net);
    return rc < 0 ? rc : 0;
}

/* Sets the key before the last transactions. Returns 1, 0 when there are not so many, or an error.
 */
static int find_last(struct spv_wallet_iter *it, struct spv_wallet_key *before, uint64_t last)
{
    struct spv_wallet_item item;
    int rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_HISTORY_REVERSED, NULL);

    for (uint64_t i = 0; rc >= 0 && i <= last; i++) {
        rc = spv_wallet_iter_next(it, &item);
        if (rc != 1)
            return rc;
        *before = item.key;
    }
    return rc;
}

static int print_all(struct watch_txs *txs, struct spv_wallet_iter *it)
{
    const struct watch_job *j = txs->job;
    struct spv_wallet_key before;
    struct spv_wallet_item item;
    int rc = j->last == WATCH_NONE ? 0 : find_last(it, &before, j->last);

    if (rc >= 0)
        rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_HISTORY, rc == 1 ? &before : NULL);
    if (rc < 0)
        return rc;
    watch_txs_head(j);
    while (watch_goes_on() && (rc = spv_wallet_iter_next(it, &item)) == 1) {
        rc = print_row(txs, it, &item.of.tx);
        if (rc < 0)
            return rc;
    }
    return rc;
}

int watch_history(struct watch_job *j)
{
    struct spv_wallet_iter *it = NULL;
    struct watch_txs txs = {.n = 0};
    int rc = watch_open(j, SPV_STORE_READ), err;

    if (rc == CLI_DONE)
        rc = watch_snapshot(j, &it);
    if (rc == CLI_DONE)
        rc = watch_txs_load(&txs, j, it);
    if (rc == CLI_DONE) {
        err = print_all(&txs, it);
        rc = err < 0 ? watch_failed(j, err) : cli_stopped() ? (int)cli_stop_code() : CLI_DONE;
    }
    watch_txs_free(&txs);
    spv_wallet_iter_close(it);
    return rc;
}
