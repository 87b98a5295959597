/* The life cycle of a wallet, and its watch set. */
#include "spv/wallet.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/wallet_update.h"
#include "util/array.h"

int spv_wallet_new(struct spv_wallet **out, const struct spv_wallet_config *cfg)
{
    struct spv_wallet *w = calloc(1, sizeof *w);

    *out = w;
    if (!w)
        return SPV_ERR_NOMEM;
    w->cfg = *cfg;
    if (w->cfg.min_groups == 0)
        w->cfg.min_groups = SPV_WALLET_MIN_GROUPS;
    if (w->cfg.min_groups > SPV_WALLET_MAX_GROUPS)
        w->cfg.min_groups = SPV_WALLET_MAX_GROUPS;
    w->meta = (struct spv_wallet_meta){.scanned.height = SPV_NO_HEIGHT, .next_tx = 1};
    w->meta_changed = w->balance_changed = true;
    w->free_tx = w->free_spend = w->free_coin = SPV_NO_INDEX;
    spv_watch_set_init(&w->set, &cfg->rng, cfg->networks, cfg->lookahead);
    return 0;
}

void spv_wallet_free(struct spv_wallet *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_txs; i++) {
        if (w->txs[i].row.id == 0)
            continue;
        free(w->txs[i].raw);
        free(w->txs[i].new_raw);
        free(w->txs[i].new_proof);
    }
    spv_wallet_drop_changes(w);
    spv_watch_set_free(&w->set);
    spv_probe_table_free(&w->by_txid);
    spv_probe_table_free(&w->by_prev);
    spv_probe_table_free(&w->by_outpoint);
    free(w->txs);
    free(w->spends);
    free(w->coins);
    free(w->in_blocks.at);
    free(w->pending.at);
    free(w->dirty.at);
    free(w->immature.at);
    free(w->changes);
    free(w->deleted_watches);
    free(w->update);
    free(w);
}

/* ---- the watch set ---- */

/* A watched txid: the transaction enters or leaves the history. */
static int mark_txid_dirty(struct spv_wallet *w, const struct spv_watch_target *watch)
{
    const uint32_t tx =
        watch->kind == SPV_WATCH_TXID ? spv_wallet_find_tx(w, &watch->txid) : SPV_NO_INDEX;

    return tx == SPV_NO_INDEX ? 0 : spv_wallet_mark_dirty(w, tx);
}

int spv_wallet_watch(struct spv_wallet *w, uint64_t *id, struct spv_text_error *why,
                     const struct spv_watch_target *watch)
{
    const uint64_t next_id = w->set.next_id;
    uint32_t slot;
    int rc;

    if (w->error != 0)
        return SPV_ERR_STATE;
    rc = spv_watch_set_add(&w->set, why, &slot, watch);
    if (rc < 0 && rc != SPV_ERR_NOMEM && rc != SPV_ERR_TOO_MANY)
        return rc; /* nothing changed */
    if (rc == 0) {
        *id = w->set.watches[slot].id;
        w->meta_changed = w->meta_changed || w->set.next_id != next_id;
        rc = mark_txid_dirty(w, watch);
    }
    if (rc == 0)
        rc = spv_wallet_follow_windows(w);
    return spv_wallet_end_operation(w, rc);
}

int spv_wallet_reserve_index(struct spv_wallet *w, uint32_t *index, uint64_t id, uint32_t branch)
{
    const uint32_t slot = spv_watch_set_slot(&w->set, id);
    const struct spv_watch_entry *entry;
    int rc;

    if (w->error != 0)
        return SPV_ERR_STATE;
    if (slot == SPV_NO_INDEX || branch >= w->set.watches[slot].n_branches)
        return SPV_ERR_NOT_FOUND;
    entry = &w->set.watches[slot];
    if (!entry->descriptor || !spv_descriptor_is_range(entry->descriptor))
        return SPV_ERR_UNSUPPORTED;
    *index = entry->branches[branch].n_used;
    if (*index >= entry->branches[branch].n_derived)
        return SPV_ERR_TOO_MANY;
    rc = spv_watch_set_use_index(&w->set, slot, branch, *index + 1);
    if (rc == 0)
        rc = spv_wallet_follow_windows(w);
    return spv_wallet_end_operation(w, rc);
}

int spv_wallet_rescan_done(struct spv_wallet *w, const struct spv_rescan_range *scripts)
{
    const uint32_t slot = spv_watch_set_slot(&w->set, scripts->watch);
    struct spv_watch_branch *b;

    if (w->error != 0)
        return SPV_ERR_STATE;
    if (slot == SPV_NO_INDEX || scripts->branch >= w->set.watches[slot].n_branches)
        return SPV_ERR_NOT_FOUND;
    b = &w->set.watches[slot].branches[scripts->branch];
    if (scripts->first <= b->n_scanned && scripts->end > b->n_scanned) {
        b->n_scanned = scripts->end;
        b->changed = true;
    }
    return 0;
}

/* ---- the end of a watch ---- */

static int mark_scripts_dirty(struct spv_wallet *w, const struct spv_watch_branch *b)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < b->n_scripts; i++) {
        const struct spv_script_entry *script = &w->set.scripts.scripts[b->scripts[i]];
        for (uint32_t j = script->first_coin; rc == 0 && j != SPV_NO_INDEX;
             j = w->coins[j].next_of_script) {
            w->txs[w->coins[j].tx].changed = true;
            rc = spv_wallet_mark_related_dirty(w, w->coins[j].tx);
        }
    }
    return rc;
}

/* Whether a transaction must be kept: it has a coin, spends one, was published, is watched by its
 * txid, or conflicts with a pending one. */
static bool is_kept(const struct spv_wallet *w, uint32_t tx)
{
    const struct spv_tx_record *record = &w->txs[tx];

    if (record->first_coin != SPV_NO_INDEX || (record->row.flags & SPV_TX_FLAG_PUBLISHED) != 0 ||
        spv_watch_set_has_txid(&w->set, &record->row.txid))
        return true;
    for (uint32_t i = record->first_spend; i != SPV_NO_INDEX; i = w->spends[i].next) {
        const struct spv_spend_record *spend = &w->spends[i];
        struct spv_probe_iter iter = spv_wallet_spenders(w, &spend->prev, spend->vout);
        uint32_t other;
        if (spv_wallet_find_coin(w, &spend->prev, spend->vout) != SPV_NO_INDEX)
            return true;
        while (spv_wallet_next_spender(w, &iter, &spend->prev, spend->vout, &other))
            if (other != tx && !spv_tx_is_confirmed(&w->txs[other]))
                return true;
    }
    return false;
}

/* Deletes the dirty transactions that need not be kept. Each deletion may make others deletable. */
static int delete_unwatched(struct spv_wallet *w)
{
    bool again = true;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < w->dirty.n; i++)
        rc = spv_wallet_drop_unowned_coins(w, w->dirty.at[i]);
    while (rc == 0 && again) {
        again = false;
        for (size_t i = 0; rc == 0 && !again && i < w->dirty.n; i++) {
            const uint32_t tx = w->dirty.at[i];
            again = !is_kept(w, tx);
            if (again)
                rc = spv_wallet_delete_tx(w, tx);
        }
    }
    return rc;
}

int spv_wallet_unwatch(struct spv_wallet *w, uint64_t id)
{
    const uint32_t slot = spv_watch_set_slot(&w->set, id);
    uint64_t *grown;
    int rc;

    if (w->error != 0)
        return SPV_ERR_STATE;
    if (slot == SPV_NO_INDEX)
        return SPV_ERR_NOT_FOUND;
    grown = spv_array_grow(w->deleted_watches, &w->cap_deleted, w->n_deleted + 1, 4, sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    w->deleted_watches = grown;
    grown[w->n_deleted++] = id;
    rc = mark_txid_dirty(w, &w->set.watches[slot].watch);
    for (size_t i = 0; rc == 0 && i < w->set.watches[slot].n_branches; i++)
        rc = mark_scripts_dirty(w, &w->set.watches[slot].branches[i]);
    if (rc == 0) {
        spv_watch_set_remove(&w->set, slot);
        rc = delete_unwatched(w);
    }
    return spv_wallet_end_operation(w, rc);
}
