/* Changes of rows, and loading. The row of a stored transaction is written without its bytes. */
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/broadcast_state.h"
#include "util/array.h"

#define ALL_FACTS                                                                                  \
    (SPV_BROADCAST_ANNOUNCED | SPV_BROADCAST_FETCHED | SPV_BROADCAST_RETURNED |                    \
     SPV_BROADCAST_RETURNED_SAME)

static bool is_valid(const struct spv_broadcast *b, const struct spv_broadcast_row *row)
{
    struct spv_txid txid;
    struct spv_tx tx;

    if (spv_tx_parse(&tx, row->raw.bytes, row->raw.n) < 0)
        return false;
    spv_tx_txid(&txid, &tx);
    for (uint32_t i = 0; i < row->n_groups && i < SPV_BROADCAST_MAX_GROUPS; i++)
        if ((row->facts[i] & ~(uint32_t)ALL_FACTS) != 0)
            return false;
    return row->id >= b->next_id && row->id < UINT64_MAX && row->package > 0 &&
           row->position < SPV_BROADCAST_MAX_PACKAGE && row->state >= SPV_BROADCAST_PUBLISHING &&
           row->state <= SPV_BROADCAST_WITHDRAWN &&
           (row->flags & ~(uint32_t)SPV_BROADCAST_PRIVATE) == 0 &&
           row->n_groups <= SPV_BROADCAST_MAX_GROUPS && row->wait_time >= 0 &&
           row->announced_at >= 0 && row->ended_at >= 0 &&
           memcmp(&txid, &row->txid, sizeof txid) == 0 &&
           spv_broadcast_find_txid(b, row->txid.b) == SPV_NO_SLOT;
}

int spv_broadcast_load(struct spv_broadcast *b, const struct spv_broadcast_row *row)
{
    struct spv_broadcast_tx *tx;
    uint32_t slot;
    int rc;

    if (b->error != 0 || b->loaded)
        return SPV_ERR_STATE;
    if (!is_valid(b, row))
        return SPV_ERR_DB_DAMAGED;
    b->next_id = row->id;
    rc = spv_broadcast_add_tx(b, &slot, row->raw.bytes, row->raw.n);
    if (rc == SPV_ERR_NOMEM) {
        b->error = rc;
        return rc;
    }
    if (rc < 0)
        return SPV_ERR_DB_DAMAGED;
    tx = &b->txs[slot];
    tx->row = *row;
    tx->row.raw = (struct spv_bytes){.n = 0};
    tx->stored = true;
    tx->first = tx->next = SPV_NO_SLOT;
    return 0;
}

/* Links the transactions of a package behind its first one, in order of position. */
static void link_package(struct spv_broadcast *b, uint32_t first)
{
    uint32_t position = 1;

    spv_broadcast_link(b, first, SPV_NO_SLOT);
    for (size_t i = 0; i < b->n_txs; i++) {
        const struct spv_broadcast_row *row = &b->txs[i].row;
        if (b->txs[i].first != SPV_NO_SLOT || row->package != b->txs[first].row.id ||
            row->position != position)
            continue;
        spv_broadcast_link(b, (uint32_t)i, first);
        position++;
        i = SIZE_MAX; /* continues at the start of the list */
    }
}

int spv_broadcast_load_end(struct spv_broadcast *b, struct spv_now now)
{
    if (b->error != 0 || b->loaded)
        return SPV_ERR_STATE;
    b->loaded = true;
    for (size_t i = 0; i < b->n_txs; i++) {
        const struct spv_broadcast_row *row = &b->txs[i].row;
        if (row->position == 0 && row->package == row->id) {
            link_package(b, (uint32_t)i);
            spv_broadcast_schedule(b, (uint32_t)i, now);
        }
    }
    for (size_t i = 0; i < b->n_txs; i++)
        if (b->txs[i].first == SPV_NO_SLOT) {
            b->error = SPV_ERR_DB_DAMAGED;
            return b->error;
        }
    return 0;
}

int spv_broadcast_changes(struct spv_broadcast *b, struct spv_broadcast_update *out)
{
    size_t n = b->n_deleted;

    *out = (struct spv_broadcast_update){.n = 0};
    if (b->error != 0)
        return SPV_ERR_STATE;
    for (size_t i = 0; i < b->n_txs; i++)
        n += b->txs[i].row.id != 0 && b->txs[i].changed;
    if (n == 0)
        return 0;
    struct spv_broadcast_change *grown =
        spv_array_grow(b->update, &b->cap_update, n, 4, sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    b->update = grown;
    for (size_t i = 0; i < b->n_deleted; i++)
        grown[out->n++] = (struct spv_broadcast_change){.deleted = true, .row.id = b->deleted[i]};
    for (size_t i = 0; i < b->n_txs; i++) {
        const struct spv_broadcast_tx *tx = &b->txs[i];
        if (tx->row.id == 0 || !tx->changed)
            continue;
        grown[out->n] = (struct spv_broadcast_change){.row = tx->row};
        if (!tx->stored)
            grown[out->n].row.raw = (struct spv_bytes){tx->raw, tx->tx.n};
        out->n++;
    }
    out->changes = grown;
    return 0;
}

void spv_broadcast_stored(struct spv_broadcast *b)
{
    b->n_deleted = 0;
    for (size_t i = 0; i < b->n_txs; i++) {
        if (b->txs[i].row.id == 0 || !b->txs[i].changed)
            continue;
        b->txs[i].changed = false;
        b->txs[i].stored = true;
    }
}
