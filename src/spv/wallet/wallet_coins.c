/* The state of its transaction says which balance a coin is in; it is in none when a confirmed or
 * sufficiently announced transaction spends it (spv_tx_record.in_balance). */
#include "spv/wallet/wallet_coins.h"

#include <string.h>

#include "spv/error.h"

_Static_assert(sizeof((struct spv_watch_entry){.id = 0}.balances) ==
                   sizeof((struct spv_wallet){.error = 0}.balances),
               "the number of balances is the same");

bool spv_wallet_next_active_owner(const struct spv_wallet *w, const struct spv_coin_record *coin,
                                  struct spv_owner_iter *iter, struct spv_script_owner *out)
{
    const struct spv_txid *txid = &w->txs[coin->tx].row.txid;

    for (struct spv_owner_iter at = *iter;
         spv_script_table_next_owner(&w->set.scripts, out, coin->script, iter); at = *iter) {
        struct spv_script_owner earlier;
        struct spv_owner_iter before = {.begun = false};
        bool is_first = true;
        if (!spv_watch_set_is_active(&w->set, out, txid, coin->vout))
            continue;
        /* A watch may own a script twice: combo(), or two branches with one key. */
        while (is_first && (before.begun != at.begun || before.next != at.next) &&
               spv_script_table_next_owner(&w->set.scripts, &earlier, coin->script, &before))
            is_first = earlier.watch != out->watch ||
                       !spv_watch_set_is_active(&w->set, &earlier, txid, coin->vout);
        if (is_first)
            return true;
    }
    return false;
}

bool spv_wallet_coin_is_active(const struct spv_wallet *w, const struct spv_coin_record *coin)
{
    struct spv_script_owner owner;
    struct spv_owner_iter iter = {.begun = false};

    return spv_wallet_next_active_owner(w, coin, &iter, &owner);
}

uint32_t spv_wallet_confirmations_at(const struct spv_wallet *w, uint32_t height)
{
    const uint32_t scanned = w->meta.scanned.height;

    return height == SPV_NO_HEIGHT || scanned == SPV_NO_HEIGHT || height > scanned
               ? 0
               : scanned - height + 1;
}

/* ---- balances ---- */

static void add_to_watches(struct spv_wallet *w, const struct spv_coin_record *coin, int64_t value)
{
    struct spv_script_owner owner;
    struct spv_owner_iter iter = {.begun = false};

    if (coin->balance == SPV_BALANCE_NONE)
        return;
    while (spv_wallet_next_active_owner(w, coin, &iter, &owner)) {
        w->set.watches[owner.watch].balances[coin->balance] += value;
        w->set.watches[owner.watch].balance_changed = true;
    }
}

void spv_wallet_set_coin_balance(struct spv_wallet *w, struct spv_coin_record *coin,
                                 enum spv_balance_kind balance)
{
    if (coin->balance == balance)
        return;
    add_to_watches(w, coin, -coin->value);
    if (coin->balance != SPV_BALANCE_NONE)
        w->balances[coin->balance] -= coin->value;
    coin->balance = (uint8_t)balance;
    if (coin->balance != SPV_BALANCE_NONE)
        w->balances[coin->balance] += coin->value;
    add_to_watches(w, coin, coin->value);
    w->balance_changed = true;
}

void spv_wallet_sum_balances(struct spv_wallet *w)
{
    for (size_t i = 0; i < w->set.n_watches; i++) {
        memset(w->set.watches[i].balances, 0, sizeof w->set.watches[i].balances);
        w->set.watches[i].balance_changed = true;
    }
    for (size_t i = 0; i < w->n_coins; i++)
        if (w->coins[i].tx != SPV_NO_INDEX)
            add_to_watches(w, &w->coins[i], w->coins[i].value);
    w->must_sum_balances = false;
}

/* ---- the balance of a coin ---- */

/* The transaction that spends a coin: a confirmed one, else a sufficiently announced one. */
static uint32_t find_spender(const struct spv_wallet *w, const struct spv_coin_record *coin)
{
    const struct spv_txid *txid = &w->txs[coin->tx].row.txid;
    struct spv_probe_iter iter = spv_wallet_spenders(w, txid, coin->vout);
    uint32_t found = SPV_NO_INDEX, number;

    while (spv_wallet_next_spender(w, &iter, txid, coin->vout, &number)) {
        const struct spv_tx_record *tx = &w->txs[number];
        if (spv_tx_is_confirmed(tx))
            return number;
        if (tx->row.state == SPV_TX_UNCONFIRMED && tx->in_balance)
            found = number;
    }
    return found;
}

static enum spv_balance_kind coin_balance(const struct spv_wallet *w,
                                          const struct spv_coin_record *coin)
{
    const struct spv_tx_record *tx = &w->txs[coin->tx];

    if (spv_tx_is_confirmed(tx)) {
        const bool immature =
            (tx->row.flags & SPV_TX_FLAG_COINBASE) != 0 &&
            spv_wallet_confirmations_at(w, tx->row.block.height) <= SPV_COINBASE_MATURITY;
        return immature ? SPV_BALANCE_IMMATURE : SPV_BALANCE_CONFIRMED;
    }
    if (tx->row.state != SPV_TX_UNCONFIRMED || !tx->in_balance)
        return SPV_BALANCE_NONE;
    return tx->trusted ? SPV_BALANCE_TRUSTED_PENDING : SPV_BALANCE_UNTRUSTED_PENDING;
}

int spv_wallet_refresh_coin(struct spv_wallet *w, uint32_t number)
{
    struct spv_coin_record *coin = &w->coins[number];
    const enum spv_balance_kind old_balance = coin->balance;
    const uint64_t old_spender = coin->spender;
    enum spv_balance_kind balance = SPV_BALANCE_NONE;

    coin->spender = 0;
    /* A coin is in no balance when a later transaction with the same txid has replaced it, or when
     * it is not active. */
    if (coin->active && spv_wallet_find_coin(w, &w->txs[coin->tx].row.txid, coin->vout) == number) {
        const uint32_t spender = find_spender(w, coin);
        if (spender == SPV_NO_INDEX)
            balance = coin_balance(w, coin);
        else
            coin->spender = w->txs[spender].row.id;
    }
    spv_wallet_set_coin_balance(w, coin, balance);
    if (balance == SPV_BALANCE_IMMATURE && old_balance != balance &&
        spv_number_list_push(&w->immature, number) < 0)
        return SPV_ERR_NOMEM;
    return balance != old_balance || coin->spender != old_spender;
}

/* ---- maturity ---- */

int spv_wallet_mark_matured_dirty(struct spv_wallet *w)
{
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < w->immature.n; i++) {
        const struct spv_coin_record *coin = &w->coins[w->immature.at[i]];
        if (coin->tx == SPV_NO_INDEX || coin->balance != SPV_BALANCE_IMMATURE)
            continue;
        if (rc == 0 && coin_balance(w, coin) != SPV_BALANCE_IMMATURE)
            rc = spv_wallet_mark_dirty(w, coin->tx);
        else
            w->immature.at[kept++] = w->immature.at[i];
    }
    w->immature.n = kept;
    return rc;
}

int spv_wallet_mark_immature_dirty(struct spv_wallet *w, uint32_t height)
{
    const uint32_t first = height > SPV_COINBASE_MATURITY ? height - SPV_COINBASE_MATURITY : 0;
    int rc = 0;

    for (size_t i = spv_wallet_first_above(w, first); rc == 0 && i < w->in_blocks.n; i++)
        rc = spv_wallet_mark_dirty(w, w->in_blocks.at[i]);
    return rc;
}

bool spv_wallet_is_spent_in_block(const struct spv_wallet *w, const struct spv_coin_record *coin)
{
    const struct spv_txid *txid = &w->txs[coin->tx].row.txid;
    struct spv_probe_iter iter = spv_wallet_spenders(w, txid, coin->vout);
    uint32_t tx;

    while (spv_wallet_next_spender(w, &iter, txid, coin->vout, &tx))
        if (spv_tx_is_confirmed(&w->txs[tx]))
            return true;
    return false;
}
