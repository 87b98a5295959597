/* Reading a wallet's state. */
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/wallet_coins.h"

#define PENDING (UINT64_C(1) << 63) /* in *next of spv_wallet_next_tx: the other bits are an id */

struct spv_point spv_wallet_scanned(const struct spv_wallet *w)
{
    return w->meta.scanned;
}

int spv_wallet_balance(const struct spv_wallet *w, struct spv_wallet_balance_row *out, uint64_t id)
{
    const uint32_t slot = spv_watch_set_slot(&w->set, id);

    if (id != 0 && slot == SPV_NO_INDEX)
        return SPV_ERR_NOT_FOUND;
    out->watch = id;
    memcpy(out->amount, id == 0 ? w->balances : w->set.watches[slot].balances, sizeof out->amount);
    return 0;
}

uint32_t spv_wallet_confirmations(const struct spv_wallet *w, const struct spv_wallet_tx_row *row)
{
    return spv_wallet_confirmations_at(w, row->block.height);
}

bool spv_wallet_next_tx(const struct spv_wallet *w, uint64_t *next,
                        const struct spv_wallet_tx_row **out)
{
    const struct spv_wallet_tx_row *found = NULL;

    while ((*next & PENDING) == 0 && *next < w->in_blocks.n) {
        *out = &w->txs[w->in_blocks.at[(*next)++]].row;
        if ((*out)->revision != 0)
            return true;
    }
    for (size_t i = 0; i < w->pending.n; i++) {
        const struct spv_wallet_tx_row *row = &w->txs[w->pending.at[i]].row;
        if (row->revision != 0 && ((*next & PENDING) == 0 || row->id > (*next & ~PENDING)) &&
            (!found || row->id < found->id))
            found = row;
    }
    if (!found)
        return false;
    *next = PENDING | found->id;
    *out = found;
    return true;
}

/* Adds the value of a coin to out, the share of the lowest watch id above `after` so far;
 * out->watch 0: none yet. */
static void add_to_share(const struct spv_wallet *w, struct spv_wallet_share_row *out,
                         uint64_t after, const struct spv_coin_record *coin, bool is_spent)
{
    struct spv_script_owner owner;
    struct spv_owner_iter iter = {.begun = false};

    while (spv_wallet_next_active_owner(w, coin, &iter, &owner)) {
        const uint64_t id = w->set.watches[owner.watch].id;
        if (id <= after || (out->watch != 0 && id > out->watch))
            continue;
        if (id != out->watch)
            *out = (struct spv_wallet_share_row){.tx = out->tx, .watch = id};
        if (is_spent)
            out->spent += coin->value;
        else
            out->received += coin->value;
    }
}

bool spv_wallet_next_share(const struct spv_wallet *w, uint64_t *watch,
                           struct spv_wallet_share_row *out, const struct spv_wallet_tx_row *row)
{
    /* a row is the first member of its record */
    const struct spv_tx_record *tx = (const struct spv_tx_record *)(const void *)row;

    *out = (struct spv_wallet_share_row){.tx = row->id};
    for (uint32_t i = tx->first_coin; i != SPV_NO_INDEX; i = w->coins[i].next)
        add_to_share(w, out, *watch, &w->coins[i], false);
    for (uint32_t i = tx->first_spend; i != SPV_NO_INDEX; i = w->spends[i].next) {
        const uint32_t coin = spv_wallet_find_coin(w, &w->spends[i].prev, w->spends[i].vout);
        if (coin != SPV_NO_INDEX)
            add_to_share(w, out, *watch, &w->coins[coin], true);
    }
    *watch = out->watch;
    return out->watch != 0;
}

static bool is_listed(const struct spv_wallet *w, uint32_t number)
{
    const struct spv_coin_record *coin = &w->coins[number];
    const struct spv_tx_record *tx = coin->tx != SPV_NO_INDEX ? &w->txs[coin->tx] : NULL;

    return tx && coin->active &&
           (tx->row.state == SPV_TX_CONFIRMED || tx->row.state == SPV_TX_UNCONFIRMED) &&
           spv_wallet_find_coin(w, &tx->row.txid, coin->vout) == number &&
           !spv_wallet_is_spent_in_block(w, coin);
}

bool spv_wallet_next_coin(const struct spv_wallet *w, uint64_t *next, struct spv_wallet_coin *out)
{
    struct spv_script_owner owner;
    struct spv_owner_iter iter = {.begun = false};

    while (*next < w->n_coins && !is_listed(w, (uint32_t)*next))
        (*next)++;
    if (*next >= w->n_coins)
        return false;
    const struct spv_coin_record *coin = &w->coins[(*next)++];
    const struct spv_wallet_tx_row *row = &w->txs[coin->tx].row;
    *out = (struct spv_wallet_coin){
        .txid = row->txid,
        .vout = coin->vout,
        .height = row->block.height,
        .confirmations = spv_wallet_confirmations_at(w, row->block.height),
        .balance = (enum spv_balance_kind)coin->balance,
        .value = coin->value,
        .script = spv_script_table_bytes(&w->set.scripts, coin->script),
        .coinbase = (row->flags & SPV_TX_FLAG_COINBASE) != 0,
        .spent_unconfirmed = coin->spender != 0,
    };
    if (spv_wallet_next_active_owner(w, coin, &iter, &owner))
        out->origin = (struct spv_script_origin){
            .watch = w->set.watches[owner.watch].id, .branch = owner.branch, .index = owner.index};
    return true;
}

/* ---- scripts ---- */

size_t spv_wallet_script_count(const struct spv_wallet *w)
{
    return w->set.scripts.n;
}

struct spv_bytes spv_wallet_script(const struct spv_wallet *w, size_t i)
{
    if (i >= w->set.scripts.n)
        return (struct spv_bytes){.bytes = NULL};
    return spv_script_table_bytes(&w->set.scripts, (uint32_t)i);
}

size_t spv_wallet_find_script(const struct spv_wallet *w, struct spv_script_origin *out, size_t cap,
                              struct spv_bytes script)
{
    const uint32_t number = spv_script_table_find(&w->set.scripts, script);
    struct spv_script_owner owner;
    struct spv_owner_iter iter = {.begun = false};
    size_t n = 0;

    while (number != SPV_NO_INDEX &&
           spv_script_table_next_owner(&w->set.scripts, &owner, number, &iter)) {
        if (n < cap)
            out[n] = (struct spv_script_origin){.watch = w->set.watches[owner.watch].id,
                                                .branch = owner.branch,
                                                .index = owner.index};
        n++;
    }
    return n;
}

int spv_wallet_script_at(const struct spv_wallet *w, struct spv_bytes *out, uint64_t id,
                         uint32_t branch, uint32_t index)
{
    const uint32_t slot = spv_watch_set_slot(&w->set, id);

    if (slot == SPV_NO_INDEX || branch >= w->set.watches[slot].n_branches ||
        index >= w->set.watches[slot].branches[branch].n_derived)
        return SPV_ERR_NOT_FOUND;
    const struct spv_watch_entry *entry = &w->set.watches[slot];
    *out = spv_script_table_bytes(&w->set.scripts,
                                  entry->branches[branch].scripts[index * entry->per_index]);
    return 0;
}

bool spv_wallet_next_rescan(const struct spv_wallet *w, uint64_t *next,
                            struct spv_rescan_range *out)
{
    for (; *next >> 16 < w->set.n_watches; *next = ((*next >> 16) + 1) << 16) {
        const struct spv_watch_entry *entry = &w->set.watches[*next >> 16];
        while ((*next & 0xffff) < entry->n_branches) {
            const uint32_t branch = (uint32_t)(*next & 0xffff);
            const uint32_t end = spv_watch_set_rescan_end(entry, branch);
            (*next)++;
            if (end == 0)
                continue;
            *out = (struct spv_rescan_range){.watch = entry->id,
                                             .birthday = entry->watch.birthday,
                                             .branch = branch,
                                             .first = entry->branches[branch].n_scanned,
                                             .end = end};
            return true;
        }
    }
    return false;
}

bool spv_wallet_next_rescan_script(const struct spv_wallet *w, uint64_t *next,
                                   struct spv_bytes *out, const struct spv_rescan_range *scripts)
{
    const uint32_t slot = spv_watch_set_slot(&w->set, scripts->watch);
    const struct spv_watch_entry *entry;

    if (slot == SPV_NO_INDEX || scripts->branch >= w->set.watches[slot].n_branches)
        return false;
    entry = &w->set.watches[slot];
    const struct spv_watch_branch *b = &entry->branches[scripts->branch];
    const uint64_t at = (uint64_t)scripts->first * entry->per_index + *next;
    if (at >= (uint64_t)scripts->end * entry->per_index || at >= b->n_scripts)
        return false;
    *out = spv_script_table_bytes(&w->set.scripts, b->scripts[at]);
    (*next)++;
    return true;
}

uint64_t spv_wallet_dropped(const struct spv_wallet *w)
{
    return w->dropped;
}

size_t spv_wallet_memory(const struct spv_wallet *w)
{
    return sizeof *w + spv_watch_set_memory(&w->set) + w->cap_txs * sizeof *w->txs +
           w->cap_spends * sizeof *w->spends + w->cap_coins * sizeof *w->coins +
           (w->by_txid.n_slots + w->by_prev.n_slots + w->by_outpoint.n_slots) * sizeof(uint64_t) +
           (w->in_blocks.cap + w->pending.cap + w->dirty.cap + w->immature.cap) * sizeof(uint32_t) +
           (w->cap_changes + w->cap_update) * sizeof *w->changes;
}
