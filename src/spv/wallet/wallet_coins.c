/* A coin is in the field of its transaction's state unless something that counts spends it. What
 * one peer says does not count: see `effective` in wallet_states.c. */
#include "spv/wallet/wallet_coins.h"

#include <string.h>

#include "spv/error.h"

_Static_assert(sizeof((struct spv_watch_entry){.id = 0}.balance) ==
                   sizeof((struct spv_wallet){.error = 0}.balance),
               "a balance has all fields");

bool spv_wallet_next_counting(const struct spv_wallet *w, const struct spv_coin_record *coin,
                              uint32_t *next, struct spv_script_owner *out)
{
    const struct spv_txid *txid = &w->txs[coin->tx].row.txid;

    for (uint32_t at = *next; spv_script_table_next_owner(&w->set.scripts, out, coin->script, next);
         at = *next) {
        struct spv_script_owner earlier;
        uint32_t before = SPV_FIRST_OWNER;
        bool is_first = true;
        if (!spv_watch_set_counts(&w->set, out, txid, coin->vout))
            continue;
        /* combo(), or two branches with one key: a watch may own a script twice. */
        while (is_first && before != at &&
               spv_script_table_next_owner(&w->set.scripts, &earlier, coin->script, &before))
            is_first = earlier.watch != out->watch ||
                       !spv_watch_set_counts(&w->set, &earlier, txid, coin->vout);
        if (is_first)
            return true;
    }
    return false;
}

bool spv_wallet_coin_counts(const struct spv_wallet *w, const struct spv_coin_record *coin)
{
    struct spv_script_owner owner;
    uint32_t next = SPV_FIRST_OWNER;

    return spv_wallet_next_counting(w, coin, &next, &owner);
}

uint32_t spv_wallet_depth(const struct spv_wallet *w, uint32_t height)
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
    uint32_t next = SPV_FIRST_OWNER;

    if (coin->field == SPV_COIN_NONE)
        return;
    while (spv_wallet_next_counting(w, coin, &next, &owner)) {
        w->set.watches[owner.watch].balance[coin->field] += value;
        w->set.watches[owner.watch].balance_changed = true;
    }
}

void spv_wallet_set_field(struct spv_wallet *w, struct spv_coin_record *coin,
                          enum spv_coin_field field)
{
    if (coin->field == field)
        return;
    add_to_watches(w, coin, -coin->value);
    if (coin->field != SPV_COIN_NONE)
        w->balance[coin->field] -= coin->value;
    coin->field = (uint8_t)field;
    if (coin->field != SPV_COIN_NONE)
        w->balance[coin->field] += coin->value;
    add_to_watches(w, coin, coin->value);
    w->balance_changed = true;
}

void spv_wallet_recount(struct spv_wallet *w)
{
    for (size_t i = 0; i < w->set.n_watches; i++) {
        memset(w->set.watches[i].balance, 0, sizeof w->set.watches[i].balance);
        w->set.watches[i].balance_changed = true;
    }
    for (size_t i = 0; i < w->n_coins; i++)
        if (w->coins[i].tx != SPV_NONE)
            add_to_watches(w, &w->coins[i], w->coins[i].value);
    w->recount = false;
}

/* ---- the field of a coin ---- */

/* The transaction that counts as spending a coin; a confirmed one before all others. */
static uint32_t find_spender(const struct spv_wallet *w, const struct spv_coin_record *coin)
{
    const struct spv_txid *txid = &w->txs[coin->tx].row.txid;
    struct spv_probe_iter iter = spv_wallet_spenders(w, txid, coin->vout);
    uint32_t found = SPV_NONE, number;

    while (spv_wallet_next_spender(w, &iter, txid, coin->vout, &number)) {
        const struct spv_tx_record *tx = &w->txs[number];
        if (spv_tx_is_confirmed(tx))
            return number;
        if (tx->row.state == SPV_TX_UNCONFIRMED && tx->effective)
            found = number;
    }
    return found;
}

static enum spv_coin_field find_field(const struct spv_wallet *w,
                                      const struct spv_coin_record *coin)
{
    const struct spv_tx_record *tx = &w->txs[coin->tx];

    if (spv_tx_is_confirmed(tx)) {
        const bool immature = (tx->row.flags & SPV_TX_FLAG_COINBASE) != 0 &&
                              spv_wallet_depth(w, tx->row.block.height) <= SPV_COINBASE_MATURITY;
        return immature ? SPV_COIN_IMMATURE : SPV_COIN_CONFIRMED;
    }
    if (tx->row.state != SPV_TX_UNCONFIRMED || !tx->effective)
        return SPV_COIN_NONE;
    return tx->trusted ? SPV_COIN_TRUSTED_PENDING : SPV_COIN_UNTRUSTED_PENDING;
}

int spv_wallet_refresh_coin(struct spv_wallet *w, uint32_t number)
{
    struct spv_coin_record *coin = &w->coins[number];
    const enum spv_coin_field old_field = coin->field;
    const uint64_t old_spender = coin->spender;
    enum spv_coin_field field = SPV_COIN_NONE;

    coin->spender = 0;
    /* A coin that a later one of the same txid replaced is none, nor is one that no watch counts.
     */
    if (coin->visible &&
        spv_wallet_find_coin(w, &w->txs[coin->tx].row.txid, coin->vout) == number) {
        const uint32_t spender = find_spender(w, coin);
        if (spender == SPV_NONE)
            field = find_field(w, coin);
        else
            coin->spender = w->txs[spender].row.id;
    }
    spv_wallet_set_field(w, coin, field);
    if (field == SPV_COIN_IMMATURE && old_field != field &&
        spv_number_list_push(&w->immature, number) < 0)
        return SPV_ERR_NOMEM;
    return field != old_field || coin->spender != old_spender;
}

/* ---- maturity ---- */

int spv_wallet_touch_matured(struct spv_wallet *w)
{
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < w->immature.n; i++) {
        const struct spv_coin_record *coin = &w->coins[w->immature.at[i]];
        if (coin->tx == SPV_NONE || coin->field != SPV_COIN_IMMATURE)
            continue;
        if (rc == 0 && find_field(w, coin) != SPV_COIN_IMMATURE)
            rc = spv_wallet_touch(w, coin->tx);
        else
            w->immature.at[kept++] = w->immature.at[i];
    }
    w->immature.n = kept;
    return rc;
}

int spv_wallet_touch_immature_above(struct spv_wallet *w, uint32_t height)
{
    const uint32_t first = height > SPV_COINBASE_MATURITY ? height - SPV_COINBASE_MATURITY : 0;
    int rc = 0;

    for (size_t i = spv_wallet_first_above(w, first); rc == 0 && i < w->in_blocks.n; i++)
        rc = spv_wallet_touch(w, w->in_blocks.at[i]);
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
