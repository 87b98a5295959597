/* Records are found by hash tables of their indexes; keys are compared in the records. A failed
 * allocation leaves the tables consistent but a transaction incomplete: the wallet then refuses
 * further operations and can only be freed. */
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/wallet_state.h"
#include "util/array.h"
#include "util/hash.h"

#define FIRST_RECORDS 16
#define OUTPOINT 36 /* bytes: txid and index */

int spv_number_list_push(struct spv_number_list *list, uint32_t number)
{
    uint32_t *grown =
        spv_array_grow(list->at, &list->cap, list->n + 1, FIRST_RECORDS, sizeof *grown);

    if (!grown)
        return SPV_ERR_NOMEM;
    list->at = grown;
    grown[list->n++] = number;
    return 0;
}

/* ---- look-ups ---- */

static uint32_t hash_txid(const struct spv_wallet *w, const struct spv_txid *txid)
{
    return (uint32_t)spv_siphash(w->set.scripts.key[0], w->set.scripts.key[1], txid, sizeof *txid);
}

static uint32_t hash_outpoint(const struct spv_wallet *w, const struct spv_txid *txid,
                              uint32_t vout)
{
    uint8_t bytes[OUTPOINT];

    memcpy(bytes, txid, sizeof *txid);
    memcpy(bytes + sizeof *txid, &vout, sizeof vout);
    return (uint32_t)spv_siphash(w->set.scripts.key[0], w->set.scripts.key[1], bytes, sizeof bytes);
}

static bool same_txid(const struct spv_txid *a, const struct spv_txid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Whether a, which has the same txid as b, is the one that spends refer to: "the later coin
 * replaces the earlier" (blocks 91722 and 91880), and one in no block has no coin. */
static bool tx_precedes(const struct spv_tx_record *a, const struct spv_tx_record *b)
{
    if (!spv_tx_is_confirmed(a) || !spv_tx_is_confirmed(b))
        return spv_tx_is_confirmed(a);
    return a->row.block.height > b->row.block.height;
}

uint32_t spv_wallet_find_tx(const struct spv_wallet *w, const struct spv_txid *txid)
{
    struct spv_probe_iter iter = spv_probe_start(&w->by_txid, hash_txid(w, txid));
    uint32_t found = SPV_NO_INDEX, number;

    while (spv_probe_next(&w->by_txid, &iter, &number))
        if (same_txid(&w->txs[number].row.txid, txid) &&
            (found == SPV_NO_INDEX || tx_precedes(&w->txs[number], &w->txs[found])))
            found = number;
    return found;
}

uint32_t spv_wallet_find_in_block(const struct spv_wallet *w, const struct spv_txid *txid,
                                  const struct spv_blockhash *block)
{
    struct spv_probe_iter iter = spv_probe_start(&w->by_txid, hash_txid(w, txid));
    uint32_t number;

    while (spv_probe_next(&w->by_txid, &iter, &number))
        if (same_txid(&w->txs[number].row.txid, txid) &&
            spv_blockhash_eq(&w->txs[number].row.block.hash, block))
            return number;
    return SPV_NO_INDEX;
}

uint32_t spv_wallet_find_coin(const struct spv_wallet *w, const struct spv_txid *txid,
                              uint32_t vout)
{
    struct spv_probe_iter iter = spv_probe_start(&w->by_outpoint, hash_outpoint(w, txid, vout));
    uint32_t found = SPV_NO_INDEX, number;

    while (spv_probe_next(&w->by_outpoint, &iter, &number)) {
        const struct spv_coin_record *coin = &w->coins[number];
        if (coin->vout == vout && same_txid(&w->txs[coin->tx].row.txid, txid) &&
            (found == SPV_NO_INDEX || tx_precedes(&w->txs[coin->tx], &w->txs[w->coins[found].tx])))
            found = number;
    }
    return found;
}

struct spv_probe_iter spv_wallet_spenders(const struct spv_wallet *w, const struct spv_txid *txid,
                                          uint32_t vout)
{
    return spv_probe_start(&w->by_prev, hash_outpoint(w, txid, vout));
}

bool spv_wallet_next_spender(const struct spv_wallet *w, struct spv_probe_iter *iter,
                             const struct spv_txid *txid, uint32_t vout, uint32_t *tx)
{
    uint32_t number;

    while (spv_probe_next(&w->by_prev, iter, &number)) {
        const struct spv_spend_record *spend = &w->spends[number];
        if (spend->vout == vout && same_txid(&spend->prev, txid)) {
            *tx = spend->tx;
            return true;
        }
    }
    return false;
}

/* ---- dirty transactions ---- */

int spv_wallet_mark_dirty(struct spv_wallet *w, uint32_t tx)
{
    if (w->txs[tx].dirty)
        return 0;
    w->txs[tx].dirty = true;
    return spv_number_list_push(&w->dirty, tx);
}

int spv_wallet_mark_related_dirty(struct spv_wallet *w, uint32_t tx)
{
    const struct spv_txid *txid = &w->txs[tx].row.txid;
    struct spv_probe_iter iter = spv_probe_start(&w->by_txid, hash_txid(w, txid));
    uint32_t number;
    int rc = 0;

    while (rc == 0 && spv_probe_next(&w->by_txid, &iter, &number))
        if (same_txid(&w->txs[number].row.txid, txid))
            rc = spv_wallet_mark_dirty(w, number);
    for (uint32_t i = w->txs[tx].first_coin; rc == 0 && i != SPV_NO_INDEX; i = w->coins[i].next) {
        iter = spv_wallet_spenders(w, txid, w->coins[i].vout);
        while (rc == 0 && spv_wallet_next_spender(w, &iter, txid, w->coins[i].vout, &number))
            rc = spv_wallet_mark_dirty(w, number);
    }
    return rc;
}

/* ---- additions ---- */

static int new_tx(struct spv_wallet *w, uint32_t *number)
{
    struct spv_tx_record *grown;

    if (w->free_tx != SPV_NO_INDEX) {
        *number = w->free_tx;
        w->free_tx = w->txs[*number].next;
        return 0;
    }
    if (w->n_txs >= SPV_PROBE_MAX_VALUE)
        return SPV_ERR_TOO_MANY;
    grown = spv_array_grow(w->txs, &w->cap_txs, w->n_txs + 1, FIRST_RECORDS, sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    w->txs = grown;
    *number = (uint32_t)w->n_txs++;
    grown[*number].row.id = 0;
    return 0;
}

static int new_spend(struct spv_wallet *w, uint32_t *number)
{
    struct spv_spend_record *grown;

    if (w->free_spend != SPV_NO_INDEX) {
        *number = w->free_spend;
        w->free_spend = w->spends[*number].next;
        return 0;
    }
    if (w->n_spends >= SPV_PROBE_MAX_VALUE)
        return SPV_ERR_TOO_MANY;
    grown =
        spv_array_grow(w->spends, &w->cap_spends, w->n_spends + 1, FIRST_RECORDS, sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    w->spends = grown;
    *number = (uint32_t)w->n_spends++;
    return 0;
}

static int new_coin(struct spv_wallet *w, uint32_t *number)
{
    struct spv_coin_record *grown;

    if (w->free_coin != SPV_NO_INDEX) {
        *number = w->free_coin;
        w->free_coin = w->coins[*number].next;
        return 0;
    }
    if (w->n_coins >= SPV_PROBE_MAX_VALUE)
        return SPV_ERR_TOO_MANY;
    grown = spv_array_grow(w->coins, &w->cap_coins, w->n_coins + 1, FIRST_RECORDS, sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    w->coins = grown;
    *number = (uint32_t)w->n_coins++;
    return 0;
}

static int add_spends(struct spv_wallet *w, uint32_t tx, const struct spv_tx *parsed)
{
    struct spv_tx_iter iter = spv_tx_inputs(parsed);
    struct spv_tx_input input;
    int rc = spv_probe_table_reserve(&w->by_prev, parsed->n_inputs);

    while (rc == 0 && spv_tx_next_input(&iter, &input)) {
        uint32_t number;
        rc = new_spend(w, &number);
        if (rc < 0)
            return rc;
        w->spends[number] = (struct spv_spend_record){
            .prev = input.prev, .vout = input.index, .tx = tx, .next = w->txs[tx].first_spend};
        w->txs[tx].first_spend = number;
        spv_probe_table_insert(&w->by_prev, hash_outpoint(w, &input.prev, input.index), number);
    }
    return rc;
}

static bool has_coin(const struct spv_wallet *w, uint32_t tx, uint32_t vout)
{
    struct spv_probe_iter iter =
        spv_probe_start(&w->by_outpoint, hash_outpoint(w, &w->txs[tx].row.txid, vout));
    uint32_t number;

    while (spv_probe_next(&w->by_outpoint, &iter, &number))
        if (w->coins[number].tx == tx && w->coins[number].vout == vout)
            return true;
    return false;
}

int spv_wallet_add_coins(struct spv_wallet *w, uint32_t tx, const struct spv_tx *parsed)
{
    struct spv_tx_iter iter = spv_tx_outputs(parsed);
    struct spv_tx_output output;
    int64_t paid = 0;
    int rc = 0;

    for (uint32_t vout = 0; rc == 0 && spv_tx_next_output(&iter, &output); vout++) {
        const uint32_t script = spv_script_table_find(&w->set.scripts, output.script);
        uint32_t number = SPV_NO_INDEX;
        paid += output.value;
        if (script == SPV_NO_INDEX || has_coin(w, tx, vout))
            continue;
        rc = spv_probe_table_reserve(&w->by_outpoint, 1);
        if (rc == 0)
            rc = new_coin(w, &number);
        if (rc < 0)
            return rc;
        struct spv_script_entry *entry = &w->set.scripts.scripts[script];
        w->coins[number] = (struct spv_coin_record){.value = output.value,
                                                    .tx = tx,
                                                    .vout = vout,
                                                    .script = script,
                                                    .next = w->txs[tx].first_coin,
                                                    .next_of_script = entry->first_coin,
                                                    .spender = SPV_NO_INDEX};
        w->txs[tx].first_coin = number;
        entry->first_coin = number;
        spv_probe_table_insert(&w->by_outpoint, hash_outpoint(w, &w->txs[tx].row.txid, vout),
                               number);
        rc = spv_wallet_mark_dirty(w, tx);
    }
    w->txs[tx].paid = paid;
    return rc;
}

int spv_wallet_add_tx(struct spv_wallet *w, uint32_t *number, const struct spv_tx *tx,
                      const struct spv_txid *txid, uint64_t id)
{
    int rc = spv_probe_table_reserve(&w->by_txid, 1);

    if (rc == 0)
        rc = new_tx(w, number);
    if (rc < 0)
        return rc;
    w->txs[*number] = (struct spv_tx_record){
        .row = {.id = id, .txid = *txid, .block.height = SPV_NO_HEIGHT, .fee = -1},
        .n_bytes = (uint32_t)tx->n,
        .first_spend = SPV_NO_INDEX,
        .first_coin = SPV_NO_INDEX,
        .changed = true};
    spv_probe_table_insert(&w->by_txid, hash_txid(w, txid), *number);
    rc = spv_number_list_push(&w->pending, *number);
    if (rc == 0)
        rc = spv_wallet_mark_dirty(w, *number);
    if (rc == 0)
        rc = add_spends(w, *number, tx);
    if (rc == 0)
        rc = spv_wallet_add_coins(w, *number, tx);
    return rc;
}

/* ---- removals ---- */

static void unlink_coin(struct spv_wallet *w, uint32_t number)
{
    struct spv_coin_record *coin = &w->coins[number];
    uint32_t *link = &w->set.scripts.scripts[coin->script].first_coin;

    while (*link != number)
        link = &w->coins[*link].next_of_script;
    *link = coin->next_of_script;
    spv_probe_table_remove(&w->by_outpoint,
                           hash_outpoint(w, &w->txs[coin->tx].row.txid, coin->vout), number);
    coin->tx = SPV_NO_INDEX;
    coin->next = w->free_coin;
    w->free_coin = number;
}

void spv_wallet_remove_unowned_coins(struct spv_wallet *w, uint32_t tx)
{
    uint32_t *link = &w->txs[tx].first_coin;

    while (*link != SPV_NO_INDEX) {
        const uint32_t number = *link;
        if (w->set.scripts.scripts[w->coins[number].script].watch == SPV_NO_INDEX) {
            *link = w->coins[number].next;
            unlink_coin(w, number);
        } else {
            link = &w->coins[number].next;
        }
    }
}

static void remove_from(struct spv_number_list *list, uint32_t number)
{
    size_t i = list->n - 1; /* most are among the last */

    while (list->at[i] != number)
        i--;
    list->n--;
    memmove(list->at + i, list->at + i + 1, (list->n - i) * sizeof *list->at);
}

void spv_wallet_remove_tx(struct spv_wallet *w, uint32_t tx)
{
    struct spv_tx_record *record = &w->txs[tx];

    while (record->first_coin != SPV_NO_INDEX) {
        const uint32_t number = record->first_coin;
        record->first_coin = w->coins[number].next;
        unlink_coin(w, number);
    }
    while (record->first_spend != SPV_NO_INDEX) {
        const uint32_t number = record->first_spend;
        struct spv_spend_record *spend = &w->spends[number];
        record->first_spend = spend->next;
        spv_probe_table_remove(&w->by_prev, hash_outpoint(w, &spend->prev, spend->vout), number);
        spend->next = w->free_spend;
        w->free_spend = number;
    }
    spv_probe_table_remove(&w->by_txid, hash_txid(w, &record->row.txid), tx);
    remove_from(spv_tx_is_confirmed(record) ? &w->in_blocks : &w->pending, tx);
    if (record->dirty)
        remove_from(&w->dirty, tx);
    free(record->raw);
    free(record->new_raw);
    free(record->new_proof);
    *record = (struct spv_tx_record){.next = w->free_tx};
    w->free_tx = tx;
}

/* ---- in a block or in none ---- */

static bool is_before(const struct spv_wallet_tx_row *a, const struct spv_wallet_tx_row *b)
{
    if (a->block.height != b->block.height)
        return a->block.height < b->block.height;
    return a->position < b->position;
}

int spv_wallet_move_to_block(struct spv_wallet *w, uint32_t tx)
{
    struct spv_number_list *list = &w->in_blocks;
    size_t low = 0, high = list->n;
    int rc = spv_number_list_push(list, tx);

    if (rc < 0)
        return rc;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (is_before(&w->txs[list->at[middle]].row, &w->txs[tx].row))
            low = middle + 1;
        else
            high = middle;
    }
    memmove(list->at + low + 1, list->at + low, (list->n - 1 - low) * sizeof *list->at);
    list->at[low] = tx;
    remove_from(&w->pending, tx);
    return 0;
}

int spv_wallet_move_to_pending(struct spv_wallet *w, uint32_t tx)
{
    remove_from(&w->in_blocks, tx);
    return spv_number_list_push(&w->pending, tx);
}

size_t spv_wallet_first_above(const struct spv_wallet *w, uint64_t height)
{
    size_t low = 0, high = w->in_blocks.n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (w->txs[w->in_blocks.at[middle]].row.block.height <= height)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
