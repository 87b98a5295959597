/* Operations mark transactions as dirty. At the end of each, spv_wallet_end_operation recomputes
 * for these, in this order: which coins are active, the states, the amounts that each watch
 * received and spent, and the balance of each coin that they pay or spend. Rows of transactions
 * come before those of their coins. */
#include "spv/wallet/wallet_update.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/wallet_coins.h"
#include "spv/wallet/wallet_states.h"
#include "util/array.h"

#define FIRST_CHANGES 16

/* ---- windows ---- */

/* The share rows of what pays and of what spends a coin have another watch now, even where the coin
 * was active for others already. */
static void mark_shares(struct spv_wallet *w, const struct spv_coin_record *coin)
{
    const struct spv_txid *txid = &w->txs[coin->tx].row.txid;
    struct spv_probe_iter iter = spv_wallet_spenders(w, txid, coin->vout);
    uint32_t spender;

    w->txs[coin->tx].changed = true;
    while (spv_wallet_next_spender(w, &iter, txid, coin->vout, &spender))
        w->txs[spender].changed = true;
}

/* A script is in the window of an owner now: its coins become active, and it is used when it has
 * any. */
static int activate_script(struct spv_wallet *w, uint32_t script)
{
    int rc = 0;

    if (w->set.scripts.scripts[script].first_coin == SPV_NO_INDEX)
        return 0;
    w->must_sum_balances = true;
    for (uint32_t i = w->set.scripts.scripts[script].first_coin; rc == 0 && i != SPV_NO_INDEX;
         i = w->coins[i].next_of_script) {
        if (!w->loading)
            mark_shares(w, &w->coins[i]);
        rc = spv_wallet_mark_related_dirty(w, w->coins[i].tx);
    }
    return rc < 0 ? rc : spv_watch_set_use_script(&w->set, script);
}

int spv_wallet_follow_windows(struct spv_wallet *w)
{
    struct spv_window_move move;
    int rc = 0;

    while (rc == 0 && spv_watch_set_next_move(&w->set, &move)) {
        const size_t per_index = w->set.watches[move.watch].per_index;
        for (size_t i = move.first * per_index; rc == 0 && i < move.end * per_index; i++)
            rc = activate_script(w, w->set.watches[move.watch].branches[move.branch].scripts[i]);
    }
    return rc;
}

int spv_wallet_use_scripts(struct spv_wallet *w, uint32_t tx)
{
    int rc = 0;

    for (uint32_t i = w->txs[tx].first_coin; rc == 0 && i != SPV_NO_INDEX; i = w->coins[i].next)
        rc = spv_watch_set_use_script(&w->set, w->coins[i].script);
    return rc < 0 ? rc : spv_wallet_follow_windows(w);
}

/* Scripts were added: matches pending transactions with them, because a rescan of blocks does not
 * find these. */
static int match_pending(struct spv_wallet *w)
{
    int rc = 0;

    while (rc == 0 && w->n_pending_scripts < w->set.scripts.n) {
        w->n_pending_scripts = w->set.scripts.n;
        for (size_t i = 0; rc == 0 && i < w->pending.n; i++) {
            const uint32_t number = w->pending.at[i];
            struct spv_tx tx;
            if (!w->txs[number].raw)
                continue;
            rc = spv_tx_parse(&tx, w->txs[number].raw, w->txs[number].n_bytes);
            if (rc == 0)
                rc = spv_wallet_add_coins(w, number, &tx);
            if (rc == 0)
                rc = spv_wallet_use_scripts(w, number);
        }
    }
    return rc;
}

static void update_active(struct spv_wallet *w, uint32_t tx)
{
    for (uint32_t i = w->txs[tx].first_coin; i != SPV_NO_INDEX; i = w->coins[i].next)
        w->coins[i].active = spv_wallet_coin_is_active(w, &w->coins[i]);
}

/* ---- changes ---- */

void spv_wallet_drop_changes(struct spv_wallet *w)
{
    for (size_t i = 0; i < w->n_changes; i++) {
        free(w->changes[i].bytes);
        free(w->changes[i].proof);
    }
    w->n_changes = 0;
}

/* Returns a change to fill in, or NULL. */
static struct spv_owned_change *new_change(struct spv_wallet *w, enum spv_wallet_row_kind kind,
                                           bool deleted)
{
    struct spv_owned_change *grown =
        spv_array_grow(w->changes, &w->cap_changes, w->n_changes + 1, FIRST_CHANGES, sizeof *grown);

    if (!grown)
        return NULL;
    w->changes = grown;
    memset(&grown[w->n_changes], 0, sizeof *grown);
    grown[w->n_changes].change.kind = kind;
    grown[w->n_changes].change.deleted = deleted;
    return &grown[w->n_changes++];
}

static int push_coin(struct spv_wallet *w, struct spv_coin_record *coin)
{
    const struct spv_bytes script = spv_script_table_bytes(&w->set.scripts, coin->script);
    const bool has_row = coin->active || coin->written;
    struct spv_owned_change *out;

    coin->written = coin->active;
    if (!has_row)
        return 0;
    out = new_change(w, SPV_WALLET_ROW_COIN, !coin->active);
    if (!out)
        return SPV_ERR_NOMEM;
    if (coin->active) {
        out->bytes = malloc(script.n);
        if (!out->bytes)
            return SPV_ERR_NOMEM;
        memcpy(out->bytes, script.bytes, script.n);
    }
    out->change.row.coin =
        (struct spv_wallet_coin_row){.tx = w->txs[coin->tx].row.id,
                                     .vout = coin->vout,
                                     .balance = coin->balance,
                                     .value = coin->value,
                                     .script = {out->bytes, out->bytes ? script.n : 0},
                                     .spender = coin->spender};
    return 0;
}

int spv_wallet_drop_unowned_coins(struct spv_wallet *w, uint32_t tx)
{
    int rc = 0;

    for (uint32_t i = w->txs[tx].first_coin; rc == 0 && i != SPV_NO_INDEX; i = w->coins[i].next) {
        if (w->set.scripts.scripts[w->coins[i].script].watch != SPV_NO_INDEX)
            continue;
        spv_wallet_set_coin_balance(w, &w->coins[i], SPV_BALANCE_NONE);
        w->coins[i].active = false;
        rc = push_coin(w, &w->coins[i]);
    }
    if (rc == 0)
        spv_wallet_remove_unowned_coins(w, tx);
    return rc;
}

/* ---- the row of a transaction ---- */

/* Adds the value of a coin to the shares of its active owners. */
static void add_share(struct spv_wallet *w, const struct spv_coin_record *coin, bool is_spent)
{
    struct spv_script_owner owner;
    struct spv_owner_iter iter = {.begun = false};

    while (spv_wallet_next_active_owner(w, coin, &iter, &owner)) {
        struct spv_watch_entry *entry = &w->set.watches[owner.watch];
        entry->has_share = true;
        if (is_spent)
            entry->spent += coin->value;
        else
            entry->received += coin->value;
    }
}

/* Sums up what a transaction pays and spends. Returns whether it belongs into the history: it
 * concerns a watch, or was published here. */
static bool sum_up_tx(const struct spv_wallet *w, struct spv_tx_record *tx)
{
    bool active = (tx->row.flags & SPV_TX_FLAG_PUBLISHED) != 0 ||
                  spv_watch_set_has_txid(&w->set, &tx->row.txid);
    bool all_known = true; /* also of a coinbase, which spends nothing: it pays more than it spends,
                              so its fee is -1 */

    tx->row.received = tx->row.spent = 0;
    for (uint32_t i = tx->first_coin; i != SPV_NO_INDEX; i = w->coins[i].next) {
        if (!w->coins[i].active)
            continue;
        active = true;
        tx->row.received += w->coins[i].value;
    }
    for (uint32_t i = tx->first_spend; i != SPV_NO_INDEX; i = w->spends[i].next) {
        const uint32_t coin = spv_wallet_find_coin(w, &w->spends[i].prev, w->spends[i].vout);
        if (coin == SPV_NO_INDEX || !w->coins[coin].active) {
            all_known = false;
            continue;
        }
        active = true;
        tx->row.spent += w->coins[coin].value;
    }
    /* An invented transaction may pay more than it spends. */
    tx->row.fee = all_known && tx->row.spent >= tx->paid ? tx->row.spent - tx->paid : -1;
    return active;
}

static int push_shares(struct spv_wallet *w, const struct spv_tx_record *tx)
{
    int rc = 0;

    for (uint32_t i = tx->first_coin; i != SPV_NO_INDEX; i = w->coins[i].next)
        add_share(w, &w->coins[i], false);
    for (uint32_t i = tx->first_spend; i != SPV_NO_INDEX; i = w->spends[i].next) {
        const uint32_t coin = spv_wallet_find_coin(w, &w->spends[i].prev, w->spends[i].vout);
        if (coin != SPV_NO_INDEX)
            add_share(w, &w->coins[coin], true);
    }
    for (size_t i = 0; i < w->set.n_watches; i++) {
        struct spv_watch_entry *entry = &w->set.watches[i];
        struct spv_owned_change *out;
        if (!entry->has_share)
            continue;
        out = rc == 0 ? new_change(w, SPV_WALLET_ROW_SHARE, false) : NULL;
        if (out)
            out->change.row.share = (struct spv_wallet_share_row){.tx = tx->row.id,
                                                                  .watch = entry->id,
                                                                  .received = entry->received,
                                                                  .spent = entry->spent};
        else
            rc = SPV_ERR_NOMEM;
        entry->has_share = false;
        entry->received = entry->spent = 0;
    }
    return rc;
}

static int push_tx(struct spv_wallet *w, struct spv_tx_record *tx)
{
    struct spv_owned_change *out = new_change(w, SPV_WALLET_ROW_TX, false);

    if (!out)
        return SPV_ERR_NOMEM;
    out->bytes = tx->new_raw;
    out->proof = tx->new_proof;
    out->change.row.tx = tx->row;
    out->change.row.tx.raw = (struct spv_bytes){tx->new_raw, tx->n_new_raw};
    out->change.row.tx.proof = (struct spv_bytes){tx->new_proof, tx->n_new_proof};
    tx->new_raw = tx->new_proof = NULL;
    tx->n_new_raw = tx->n_new_proof = 0;
    return push_shares(w, tx);
}

static int update_row(struct spv_wallet *w, struct spv_tx_record *tx)
{
    const struct spv_wallet_tx_row old = tx->row;
    const bool active = sum_up_tx(w, tx);

    if (!tx->changed && old.received == tx->row.received && old.spent == tx->row.spent &&
        old.fee == tx->row.fee && active == (old.revision != 0))
        return 0;
    tx->changed = false;
    tx->row.revision = active ? ++w->meta.revision : 0;
    w->meta_changed = true;
    return push_tx(w, tx);
}

/* ---- the end of an operation ---- */

static int refresh_coin(struct spv_wallet *w, uint32_t number)
{
    const int rc = spv_wallet_refresh_coin(w, number);

    if (rc < 0)
        return rc;
    return rc == 1 || w->coins[number].active != w->coins[number].written
               ? push_coin(w, &w->coins[number])
               : 0;
}

static int refresh_coins_of(struct spv_wallet *w, uint32_t tx)
{
    int rc = 0;

    for (uint32_t i = w->txs[tx].first_coin; rc == 0 && i != SPV_NO_INDEX; i = w->coins[i].next)
        rc = refresh_coin(w, i);
    for (uint32_t i = w->txs[tx].first_spend; rc == 0 && i != SPV_NO_INDEX; i = w->spends[i].next) {
        const uint32_t coin = spv_wallet_find_coin(w, &w->spends[i].prev, w->spends[i].vout);
        if (coin != SPV_NO_INDEX)
            rc = refresh_coin(w, coin);
    }
    return rc;
}

static int update_dirty(struct spv_wallet *w)
{
    struct spv_number_list *dirty = &w->dirty;
    int rc = match_pending(w);

    if (rc == 0 && dirty->n == 0 && !w->removed)
        return 0;
    w->removed = false;
    for (size_t i = 0; i < dirty->n; i++)
        update_active(w, dirty->at[i]);
    if (rc == 0)
        rc = spv_wallet_evaluate(w);
    for (size_t i = 0; rc == 0 && i < dirty->n; i++)
        rc = update_row(w, &w->txs[dirty->at[i]]);
    for (size_t i = 0; rc == 0 && i < dirty->n; i++)
        rc = refresh_coins_of(w, dirty->at[i]);
    if (w->must_sum_balances)
        spv_wallet_sum_balances(w);
    for (size_t i = 0; i < dirty->n; i++)
        w->txs[dirty->at[i]].dirty = false;
    dirty->n = 0;
    return rc;
}

int spv_wallet_end_operation(struct spv_wallet *w, int rc)
{
    const int ended = rc < 0 ? rc : update_dirty(w);

    if (ended < 0)
        w->error = ended;
    return ended < 0 ? ended : rc;
}

int spv_wallet_delete_tx(struct spv_wallet *w, uint32_t tx)
{
    const struct spv_tx_record *record = &w->txs[tx];
    struct spv_owned_change *out = new_change(w, SPV_WALLET_ROW_TX, true);
    int rc = out ? spv_wallet_mark_related_dirty(w, tx) : SPV_ERR_NOMEM;

    if (rc < 0)
        return rc;
    out->change.row.tx.id = record->row.id;
    for (uint32_t i = record->first_spend; rc == 0 && i != SPV_NO_INDEX; i = w->spends[i].next) {
        const uint32_t parent = spv_wallet_find_tx(w, &w->spends[i].prev);
        if (parent != SPV_NO_INDEX)
            rc = spv_wallet_mark_dirty(w, parent);
    }
    for (uint32_t i = record->first_coin; i != SPV_NO_INDEX; i = w->coins[i].next)
        spv_wallet_set_coin_balance(w, &w->coins[i], SPV_BALANCE_NONE);
    spv_wallet_remove_tx(w, tx);
    w->removed = true;
    return rc;
}
