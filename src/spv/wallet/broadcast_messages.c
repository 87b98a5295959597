/* Messages of peers. They prove little: a peer that requested a transaction may not have got it,
 * and one that announces it may not have it. */
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/broadcast_state.h"

/* BIP144, BIP339: the transaction that an item of inv or getdata refers to; SPV_NO_SLOT: none that
 * is published. */
static uint32_t find_item(const struct spv_broadcast *b, const struct spv_inv *item)
{
    uint32_t slot = SPV_NO_SLOT;

    if ((item->type & ~SPV_INV_WITNESS) == SPV_INV_TX)
        slot = spv_broadcast_find_txid(b, item->hash.b);
    else if (item->type == SPV_INV_WTX)
        slot = spv_broadcast_find_wtxid(b, item->hash.b);
    return slot != SPV_NO_SLOT && b->txs[slot].row.state == SPV_BROADCAST_PUBLISHING ? slot
                                                                                     : SPV_NO_SLOT;
}

/* A peer has announced a transaction. It has returned when no peer of the same network group had it
 * from us. */
static void add_returned(struct spv_broadcast *b, struct spv_broadcast_conn *conn, uint32_t slot,
                         bool same_witness)
{
    struct spv_broadcast_tx *tx = &b->txs[slot];
    const uint32_t facts = spv_broadcast_facts(tx, conn->info.group);

    conn->bits[slot] |= SPV_BROADCAST_BIT_HAS;
    if ((facts & (SPV_BROADCAST_ANNOUNCED | SPV_BROADCAST_FETCHED)) != 0 ||
        (conn->bits[slot] & (SPV_BROADCAST_BIT_ANNOUNCED | SPV_BROADCAST_BIT_FETCHED)) != 0)
        return;
    spv_broadcast_add_fact(tx, conn->info.group, SPV_BROADCAST_RETURNED);
    if (same_witness)
        spv_broadcast_add_fact(tx, conn->info.group, SPV_BROADCAST_RETURNED_SAME);
}

static void recv_inv(struct spv_broadcast *b, struct spv_broadcast_conn *conn,
                     const struct spv_msg_inv *inv)
{
    for (size_t i = 0; i < inv->n; i++) {
        const uint32_t slot = find_item(b, &inv->items[i]);
        if (slot != SPV_NO_SLOT)
            add_returned(b, conn, slot,
                         inv->items[i].type == SPV_INV_WTX || !b->txs[slot].tx.has_witness);
    }
}

static void recv_tx(struct spv_broadcast *b, struct spv_broadcast_conn *conn,
                    const struct spv_tx *tx)
{
    struct spv_wtxid wtxid;
    uint32_t slot;

    spv_tx_wtxid(&wtxid, tx);
    slot = spv_broadcast_find_wtxid(b, wtxid.b);
    if (slot != SPV_NO_SLOT && b->txs[slot].row.state == SPV_BROADCAST_PUBLISHING)
        add_returned(b, conn, slot, true);
}

/* BIP61: for a transaction, data is its txid. */
static void recv_reject(struct spv_broadcast *b, struct spv_broadcast_conn *conn,
                        const struct spv_msg_reject *reject)
{
    const uint32_t slot =
        reject->has_hash ? spv_broadcast_find_txid(b, reject->hash.b) : SPV_NO_SLOT;
    struct spv_broadcast_tx *tx;

    if (strcmp(reject->command, "tx") != 0 || slot == SPV_NO_SLOT ||
        (conn->bits[slot] & SPV_BROADCAST_BIT_FETCHED) == 0 ||
        (conn->bits[slot] & SPV_BROADCAST_BIT_REJECTED) != 0)
        return;
    tx = &b->txs[slot];
    conn->bits[slot] |= SPV_BROADCAST_BIT_REJECTED;
    tx->row.n_rejects++;
    tx->row.reject_code = reject->code;
    spv_broadcast_mark_changed(tx);
}

/* A peer may only fetch a transaction when it, or another one of its package, was announced to the
 * peer. */
static bool may_fetch(const struct spv_broadcast *b, const struct spv_broadcast_conn *conn,
                      uint32_t slot)
{
    if (conn->bits[slot] >> SPV_BROADCAST_SENDS_SHIFT >= SPV_BROADCAST_MAX_SENDS ||
        (b->txs[slot].row.flags & SPV_BROADCAST_PRIVATE) != 0)
        return false;
    for (uint32_t i = b->txs[slot].first; i != SPV_NO_SLOT; i = b->txs[i].next)
        if ((conn->bits[i] & SPV_BROADCAST_BIT_ANNOUNCED) != 0)
            return true;
    return false;
}

static int answer_with_tx(struct spv_broadcast *b, struct spv_broadcast_conn *conn, uint32_t slot,
                          const struct spv_inv *item)
{
    conn->bits[slot] = (uint8_t)((conn->bits[slot] | SPV_BROADCAST_BIT_FETCHED) +
                                 (1u << SPV_BROADCAST_SENDS_SHIFT));
    spv_broadcast_add_fact(&b->txs[slot], conn->info.group, SPV_BROADCAST_FETCHED);
    return spv_broadcast_queue_tx(b, conn->info.id, slot, item);
}

static int recv_getdata(struct spv_broadcast *b, struct spv_broadcast_conn *conn,
                        const struct spv_msg_inv *inv)
{
    struct spv_inv *missing = NULL;
    size_t n_missing = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < inv->n; i++) {
        const struct spv_inv *item = &inv->items[i];
        const uint32_t slot = find_item(b, item);
        if ((item->type & ~SPV_INV_WITNESS) != SPV_INV_TX && item->type != SPV_INV_WTX)
            continue; /* blocks are not served here */
        if (slot != SPV_NO_SLOT && may_fetch(b, conn, slot)) {
            rc = answer_with_tx(b, conn, slot, item);
            continue;
        }
        if (!missing)
            missing = malloc((inv->n - i) * sizeof *missing);
        if (missing)
            missing[n_missing++] = *item;
        else
            rc = SPV_ERR_NOMEM;
    }
    if (rc == 0 && n_missing > 0)
        rc = spv_broadcast_queue_items(b, conn->info.id, SPV_CMD_NOTFOUND, missing, n_missing);
    free(missing);
    return rc;
}

int spv_broadcast_on_message(struct spv_broadcast *b, struct spv_broadcast_conn *conn,
                             const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_INV)
        recv_inv(b, conn, &msg->u.inv);
    else if (msg->command == SPV_CMD_TX)
        recv_tx(b, conn, &msg->u.tx);
    else if (msg->command == SPV_CMD_REJECT)
        recv_reject(b, conn, &msg->u.reject);
    else if (msg->command == SPV_CMD_GETDATA)
        return recv_getdata(b, conn, &msg->u.inv);
    return 0;
}
