/* Changes of rows, and loading. Rows of transactions and coins are collected at the end of
 * operations; those of watches, branches, balances and metadata are made from their tables when the
 * changes are read, so that a thousand blocks without a match change one row. */
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/wallet_add.h"
#include "spv/wallet/wallet_coins.h"
#include "spv/wallet/wallet_update.h"
#include "util/array.h"

/* ---- changes ---- */

struct row_writer {
    struct spv_wallet *w;
    size_t n;
    int error;
};

/* Appends a row. The first failed allocation is kept in out->error. */
static void put_row(struct row_writer *out, const struct spv_wallet_change *row)
{
    struct spv_wallet *w = out->w;
    struct spv_wallet_change *grown;

    if (out->error != 0)
        return;
    grown = spv_array_grow(w->update, &w->cap_update, out->n + 1, 16, sizeof *grown);
    if (!grown) {
        out->error = SPV_ERR_NOMEM;
        return;
    }
    w->update = grown;
    grown[out->n++] = *row;
}

static void write_scripts(struct row_writer *out, const struct spv_watch_entry *entry,
                          uint32_t branch)
{
    const struct spv_watch_branch *b = &entry->branches[branch];
    const size_t first = (size_t)b->n_written * entry->per_index;
    const size_t end = (size_t)b->n_derived * entry->per_index;

    for (size_t i = first; i < end; i++)
        put_row(out, &(struct spv_wallet_change){
                         .kind = SPV_WALLET_ROW_SCRIPT,
                         .row.script = {.origin = {.watch = entry->id,
                                                   .branch = branch,
                                                   .index = (uint32_t)(i / entry->per_index)},
                                        .script = spv_script_table_bytes(&out->w->set.scripts,
                                                                         b->scripts[i])}});
}

static void write_branch(struct row_writer *out, const struct spv_watch_entry *entry,
                         uint32_t branch)
{
    const struct spv_watch_branch *b = &entry->branches[branch];

    if (b->changed)
        put_row(out, &(struct spv_wallet_change){.kind = SPV_WALLET_ROW_BRANCH,
                                                 .row.branch = {.watch = entry->id,
                                                                .branch = branch,
                                                                .n_used = b->n_used,
                                                                .window = b->window,
                                                                .n_scanned = b->n_scanned}});
    if (entry->descriptor)
        write_scripts(out, entry, branch);
}

static void write_watch(struct row_writer *out, const struct spv_watch_entry *entry)
{
    struct spv_wallet_change row = {.kind = SPV_WALLET_ROW_WATCH,
                                    .row.watch = {.id = entry->id, .watch = entry->watch}};

    if (entry->descriptor)
        row.row.watch.watch.descriptor = spv_descriptor_text(entry->descriptor);
    else if (entry->watch.kind != SPV_WATCH_TXID)
        row.row.watch.watch.script =
            spv_script_table_bytes(&out->w->set.scripts, entry->branches[0].scripts[0]);
    if (entry->changed)
        put_row(out, &row);
    for (uint32_t i = 0; i < entry->n_branches; i++)
        write_branch(out, entry, i);
}

static void write_balance(struct row_writer *out, uint64_t id, const int64_t *balance)
{
    struct spv_wallet_change row = {.kind = SPV_WALLET_ROW_BALANCE, .row.balance.watch = id};

    memcpy(row.row.balance.amount, balance, sizeof row.row.balance.amount);
    put_row(out, &row);
}

int spv_wallet_changes(struct spv_wallet *w, struct spv_wallet_update *out)
{
    struct row_writer writer = {.w = w};
    struct spv_wallet_change meta = {.kind = SPV_WALLET_ROW_META, .row.meta = w->meta};

    if (w->error != 0)
        return SPV_ERR_STATE;
    meta.row.meta.next_watch = w->set.next_id;
    if (w->meta_changed)
        put_row(&writer, &meta);
    for (size_t i = 0; i < w->set.n_watches; i++)
        if (w->set.watches[i].id != 0)
            write_watch(&writer, &w->set.watches[i]);
    for (size_t i = 0; i < w->n_changes; i++)
        put_row(&writer, &w->changes[i].change);
    if (w->balance_changed)
        write_balance(&writer, 0, w->balances);
    for (size_t i = 0; i < w->set.n_watches; i++)
        if (w->set.watches[i].id != 0 && w->set.watches[i].balance_changed)
            write_balance(&writer, w->set.watches[i].id, w->set.watches[i].balances);
    for (size_t i = 0; i < w->n_deleted; i++)
        put_row(&writer, &(struct spv_wallet_change){.kind = SPV_WALLET_ROW_WATCH,
                                                     .deleted = true,
                                                     .row.watch.id = w->deleted_watches[i]});
    *out = (struct spv_wallet_update){.changes = w->update, .n = writer.n};
    return writer.error;
}

static void forget_written(struct spv_wallet *w)
{
    w->meta_changed = w->balance_changed = false;
    w->n_deleted = 0;
    for (size_t i = 0; i < w->set.n_watches; i++) {
        struct spv_watch_entry *entry = &w->set.watches[i];
        entry->changed = entry->balance_changed = false;
        for (size_t j = 0; j < entry->n_branches; j++)
            entry->branches[j].changed = false;
    }
}

void spv_wallet_stored(struct spv_wallet *w)
{
    for (size_t i = 0; i < w->set.n_watches; i++)
        for (size_t j = 0; j < w->set.watches[i].n_branches; j++)
            w->set.watches[i].branches[j].n_written = w->set.watches[i].branches[j].n_derived;
    forget_written(w);
    spv_wallet_drop_changes(w);
}

/* ---- loading ---- */

#define ALL_FLAGS                                                                                  \
    (SPV_TX_FLAG_COINBASE | SPV_TX_FLAG_PUBLISHED | SPV_TX_FLAG_WAS_CONFIRMED |                    \
     SPV_TX_FLAG_HAS_WITNESS | SPV_TX_FLAG_STRIPPED | SPV_TX_FLAG_DEPTH_PROVEN |                   \
     SPV_TX_FLAG_EXPIRED)

static int check_tx_row(const struct spv_wallet *w, const struct spv_wallet_tx_row *row,
                        const struct spv_tx *tx)
{
    struct spv_txid txid;

    spv_tx_txid(&txid, tx);
    if (memcmp(&txid, &row->txid, sizeof txid) != 0 || spv_wallet_check_tx(tx) < 0)
        return SPV_ERR_INVALID;
    if (row->id == 0 || (w->n_txs > 0 && row->id <= w->txs[w->n_txs - 1].row.id) ||
        row->id >= w->meta.next_tx || row->revision > w->meta.revision ||
        row->n_groups > SPV_WALLET_MAX_GROUPS || (row->flags & ~(uint32_t)ALL_FLAGS) != 0 ||
        row->state < SPV_TX_UNCONFIRMED || row->state > SPV_TX_EXPIRED)
        return SPV_ERR_INVALID;
    if (spv_tx_is_coinbase(tx) != ((row->flags & SPV_TX_FLAG_COINBASE) != 0))
        return SPV_ERR_INVALID;
    /* A transaction has one row, a coinbase one per block. */
    if (spv_tx_is_coinbase(tx)
            ? spv_wallet_find_in_block(w, &txid, &row->block.hash) != SPV_NO_INDEX
            : spv_wallet_find_tx(w, &txid) != SPV_NO_INDEX)
        return SPV_ERR_INVALID;
    if ((row->block.height != SPV_NO_HEIGHT) != (row->state == SPV_TX_CONFIRMED) ||
        (row->block.height != SPV_NO_HEIGHT &&
         (w->meta.scanned.height == SPV_NO_HEIGHT || row->block.height > w->meta.scanned.height)))
        return SPV_ERR_INVALID;
    return 0;
}

static int load_tx(struct spv_wallet *w, const struct spv_wallet_tx_row *row)
{
    struct spv_tx_record *record;
    struct spv_tx tx;
    uint32_t number;
    int rc = spv_tx_parse(&tx, row->raw.bytes, row->raw.n);

    if (rc == 0)
        rc = check_tx_row(w, row, &tx);
    if (rc < 0)
        return SPV_ERR_INVALID;
    rc = spv_wallet_add_tx(w, &number, &tx, &row->txid, row->id);
    if (rc < 0)
        return rc;
    record = &w->txs[number];
    record->row = *row;
    record->row.raw = record->row.proof = (struct spv_bytes){.bytes = NULL};
    record->changed = false;
    if (!spv_tx_is_confirmed(record))
        return spv_wallet_keep_raw(record, &tx);
    record->in_balance = record->trusted = true;
    return spv_wallet_move_to_block(w, number);
}

/* Rows of transactions came by ascending id. */
static uint32_t find_loaded(const struct spv_wallet *w, uint64_t id)
{
    size_t low = 0, high = w->n_txs;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (w->txs[middle].row.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < w->n_txs && w->txs[low].row.id == id ? (uint32_t)low : SPV_NO_INDEX;
}

/* Balance and spender are compared with computed ones when loading ends. */
static int load_coin(struct spv_wallet *w, const struct spv_wallet_coin_row *row)
{
    const uint32_t tx = find_loaded(w, row->tx);
    uint32_t number = tx != SPV_NO_INDEX ? w->txs[tx].first_coin : SPV_NO_INDEX;
    struct spv_coin_record *coin;

    while (number != SPV_NO_INDEX && w->coins[number].vout != row->vout)
        number = w->coins[number].next;
    if (number == SPV_NO_INDEX || row->balance >= SPV_BALANCE_KINDS || w->coins[number].written ||
        w->coins[number].value != row->value)
        return SPV_ERR_INVALID;
    coin = &w->coins[number];
    coin->active = coin->written = true;
    coin->spender = row->spender;
    spv_wallet_set_coin_balance(w, coin, (enum spv_balance_kind)row->balance);
    return row->balance == SPV_BALANCE_IMMATURE ? spv_number_list_push(&w->immature, number) : 0;
}

static int load_meta(struct spv_wallet *w, const struct spv_wallet_meta *meta)
{
    if (meta->next_tx == 0 || meta->next_watch == 0 || w->set.n_watches > 0)
        return SPV_ERR_INVALID;
    w->meta = *meta;
    w->set.next_id = meta->next_watch;
    return 0;
}

static int load_row(struct spv_wallet *w, const struct spv_wallet_change *row)
{
    uint32_t slot;

    switch (row->kind) {
    case SPV_WALLET_ROW_META:
        return load_meta(w, &row->row.meta);
    case SPV_WALLET_ROW_WATCH:
        return spv_watch_set_restore(&w->set, NULL, &slot, &row->row.watch.watch,
                                     row->row.watch.id);
    case SPV_WALLET_ROW_BRANCH:
        return spv_watch_set_restore_branch(&w->set, row->row.branch.watch, row->row.branch.branch,
                                            row->row.branch.n_used, row->row.branch.n_scanned);
    case SPV_WALLET_ROW_SCRIPT:
        return spv_watch_set_restore_script(&w->set, row->row.script.origin.watch,
                                            row->row.script.origin.branch,
                                            row->row.script.origin.index, row->row.script.script);
    case SPV_WALLET_ROW_TX:
        return load_tx(w, &row->row.tx);
    case SPV_WALLET_ROW_COIN:
        return load_coin(w, &row->row.coin);
    case SPV_WALLET_ROW_SHARE:
    case SPV_WALLET_ROW_BALANCE:
        return 0;
    }
    return SPV_ERR_INVALID;
}

/* Rows that are missing or contradict each other are damage, not an error of the caller. */
static int load_error(struct spv_wallet *w, int rc)
{
    if (rc < 0 && rc != SPV_ERR_NOMEM)
        rc = SPV_ERR_DB_DAMAGED;
    if (rc < 0)
        w->error = rc;
    return rc;
}

int spv_wallet_load(struct spv_wallet *w, const struct spv_wallet_change *row)
{
    const bool is_new = w->set.n_watches == 0 && w->n_txs == 0 && w->meta.revision == 0;

    if (w->error != 0 || row->deleted || !(w->loading || is_new))
        return SPV_ERR_STATE;
    w->loading = true;
    return load_error(w, load_row(w, row));
}

int spv_wallet_load_end(struct spv_wallet *w)
{
    int rc;

    if (w->error != 0 || !w->loading)
        return SPV_ERR_STATE;
    rc = spv_watch_set_restore_end(&w->set);
    if (rc == 0)
        rc = spv_wallet_follow_windows(w);
    w->must_sum_balances = true; /* some windows were not yet known when coins were loaded */
    w->n_pending_scripts = w->set.scripts.n;
    rc = load_error(w, spv_wallet_end_operation(w, rc));
    w->loading = false;
    if (w->n_changes == 0)
        forget_written(w);
    return rc;
}
