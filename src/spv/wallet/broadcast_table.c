/* Slots, packages, connections, facts. When a slot is freed and used again, its bits are cleared on
 * all connections; a queued message finds by the id that its transaction was deleted. */
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/broadcast_state.h"
#include "util/array.h"
#include "util/hash.h"

#define FIRST_TXS 8

static uint32_t table_hash(const struct spv_broadcast *b, const uint8_t id[32])
{
    return (uint32_t)spv_siphash(b->key[0], b->key[1], id, 32);
}

uint32_t spv_broadcast_find_txid(const struct spv_broadcast *b, const uint8_t txid[32])
{
    struct spv_probe_iter iter = spv_probe_start(&b->by_txid, table_hash(b, txid));
    uint32_t slot;

    while (spv_probe_next(&b->by_txid, &iter, &slot))
        if (memcmp(b->txs[slot].row.txid.b, txid, 32) == 0)
            return slot;
    return SPV_NO_SLOT;
}

uint32_t spv_broadcast_find_wtxid(const struct spv_broadcast *b, const uint8_t wtxid[32])
{
    struct spv_probe_iter iter = spv_probe_start(&b->by_wtxid, table_hash(b, wtxid));
    uint32_t slot;

    while (spv_probe_next(&b->by_wtxid, &iter, &slot))
        if (memcmp(b->txs[slot].wtxid.b, wtxid, 32) == 0)
            return slot;
    return SPV_NO_SLOT;
}

/* Returns a free slot, or SPV_NO_SLOT when out of memory. */
static uint32_t take_slot(struct spv_broadcast *b)
{
    struct spv_broadcast_tx *grown;

    for (size_t i = 0; i < b->n_txs; i++)
        if (b->txs[i].row.id == 0)
            return (uint32_t)i;
    grown = spv_array_grow(b->txs, &b->cap_txs, b->n_txs + 1, FIRST_TXS, sizeof *grown);
    if (!grown)
        return SPV_NO_SLOT;
    b->txs = grown;
    grown[b->n_txs] = (struct spv_broadcast_tx){.row.id = 0};
    return (uint32_t)b->n_txs++;
}

int spv_broadcast_add_tx(struct spv_broadcast *b, uint32_t *slot, const uint8_t *raw, size_t n)
{
    struct spv_broadcast_tx *tx;
    struct spv_tx parsed;
    uint8_t *copy;
    int rc = spv_tx_parse(&parsed, raw, n);

    if (rc < 0)
        return rc;
    if (b->n_used == SPV_BROADCAST_MAX_TXS || n > SPV_BROADCAST_MAX_BYTES - b->n_bytes)
        return SPV_ERR_TOO_MANY;
    if (spv_probe_table_reserve(&b->by_txid, 1) < 0 || spv_probe_table_reserve(&b->by_wtxid, 1) < 0)
        return SPV_ERR_NOMEM;
    *slot = take_slot(b);
    if (*slot == SPV_NO_SLOT)
        return SPV_ERR_NOMEM;
    copy = malloc(n);
    if (!copy)
        return SPV_ERR_NOMEM;
    memcpy(copy, raw, n);
    tx = &b->txs[*slot];
    *tx = (struct spv_broadcast_tx){.row.id = b->next_id++, .raw = copy};
    rc = spv_tx_parse(&tx->tx, copy, n);
    spv_tx_txid(&tx->row.txid, &tx->tx);
    spv_tx_wtxid(&tx->wtxid, &tx->tx);
    spv_probe_table_insert(&b->by_txid, table_hash(b, tx->row.txid.b), *slot);
    spv_probe_table_insert(&b->by_wtxid, table_hash(b, tx->wtxid.b), *slot);
    b->n_used++;
    b->n_bytes += n;
    return rc;
}

void spv_broadcast_link(struct spv_broadcast *b, uint32_t slot, uint32_t first)
{
    uint32_t last = first;

    b->txs[slot].next = SPV_NO_SLOT;
    b->txs[slot].first = first == SPV_NO_SLOT ? slot : first;
    b->txs[slot].row.package = b->txs[b->txs[slot].first].row.id;
    if (first == SPV_NO_SLOT)
        return;
    while (b->txs[last].next != SPV_NO_SLOT)
        last = b->txs[last].next;
    b->txs[last].next = slot;
}

static void free_slot(struct spv_broadcast *b, uint32_t slot)
{
    struct spv_broadcast_tx *tx = &b->txs[slot];

    spv_probe_table_remove(&b->by_txid, table_hash(b, tx->row.txid.b), slot);
    spv_probe_table_remove(&b->by_wtxid, table_hash(b, tx->wtxid.b), slot);
    for (size_t i = 0; i < b->n_conns; i++)
        b->conns[i]->bits[slot] = 0;
    b->n_used--;
    b->n_bytes -= tx->tx.n;
    free(tx->raw);
    *tx = (struct spv_broadcast_tx){.row.id = 0};
}

int spv_broadcast_delete(struct spv_broadcast *b, uint32_t first)
{
    for (uint32_t slot = first, next; slot != SPV_NO_SLOT; slot = next) {
        uint64_t *grown =
            spv_array_grow(b->deleted, &b->cap_deleted, b->n_deleted + 1, 4, sizeof *grown);
        if (!grown)
            return SPV_ERR_NOMEM;
        b->deleted = grown;
        grown[b->n_deleted++] = b->txs[slot].row.id;
        next = b->txs[slot].next;
        free_slot(b, slot);
    }
    return 0;
}

/* ---- facts ---- */

void spv_broadcast_mark_changed(struct spv_broadcast_tx *tx)
{
    tx->changed = tx->has_event = true;
}

uint32_t spv_broadcast_facts(const struct spv_broadcast_tx *tx, uint64_t group)
{
    for (uint32_t i = 0; i < tx->row.n_groups; i++)
        if (tx->row.groups[i] == group)
            return tx->row.facts[i];
    return 0;
}

/* The index for a new network group: behind the others; when the table is full, a group that
 * returned the transaction replaces one that did not. SPV_BROADCAST_MAX_GROUPS: none. */
static uint32_t group_slot(struct spv_broadcast_row *row, uint32_t fact)
{
    if (row->n_groups < SPV_BROADCAST_MAX_GROUPS)
        return row->n_groups++;
    for (uint32_t i = 0; fact == SPV_BROADCAST_RETURNED && i < SPV_BROADCAST_MAX_GROUPS; i++)
        if ((row->facts[i] & SPV_BROADCAST_RETURNED) == 0)
            return i;
    return SPV_BROADCAST_MAX_GROUPS;
}

void spv_broadcast_add_fact(struct spv_broadcast_tx *tx, uint64_t group, uint32_t fact)
{
    struct spv_broadcast_row *row = &tx->row;
    uint32_t i = 0;

    while (i < row->n_groups && row->groups[i] != group)
        i++;
    if (i == row->n_groups) {
        i = group_slot(row, fact);
        if (i == SPV_BROADCAST_MAX_GROUPS)
            return;
        row->groups[i] = group;
        row->facts[i] = 0;
    }
    if ((row->facts[i] & fact) != 0)
        return;
    row->facts[i] |= fact;
    spv_broadcast_mark_changed(tx);
}

struct spv_broadcast_conn *spv_broadcast_conn(const struct spv_broadcast *b, uint64_t id)
{
    for (size_t i = 0; i < b->n_conns; i++)
        if (b->conns[i]->info.id == id)
            return b->conns[i];
    return NULL;
}

/* "nLockTime < height of the next block", "< median time past of the tip": wait_height is reached
 * by the tip. */
bool spv_broadcast_is_final(const struct spv_broadcast *b, const struct spv_broadcast_tx *tx)
{
    return b->tip_height >= tx->row.wait_height &&
           (tx->row.wait_time == 0 || b->median_time > tx->row.wait_time);
}
