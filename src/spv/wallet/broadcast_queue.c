/* Messages that wait to be polled. A transaction is not copied: the entry has its slot; when it is
 * not published any more by the time it is polled, the peer gets a notfound instead. */
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/broadcast_state.h"
#include "util/array.h"

#define FIRST_SENDS 8

static struct spv_broadcast_send *push_send(struct spv_broadcast *b, uint64_t peer,
                                            enum spv_command command)
{
    struct spv_broadcast_send *grown;

    if (b->head > 0 && b->head == b->n_sends)
        b->head = b->n_sends = 0;
    grown = spv_array_grow(b->sends, &b->cap_sends, b->n_sends + 1, FIRST_SENDS, sizeof *grown);
    if (!grown)
        return NULL;
    b->sends = grown;
    grown[b->n_sends] = (struct spv_broadcast_send){.peer = peer, .command = command};
    return &grown[b->n_sends++];
}

int spv_broadcast_queue_items(struct spv_broadcast *b, uint64_t peer, enum spv_command command,
                              const struct spv_inv *items, size_t n)
{
    struct spv_inv *copy = malloc(n * sizeof *copy);
    struct spv_broadcast_send *send = copy ? push_send(b, peer, command) : NULL;

    if (!send) {
        free(copy);
        return SPV_ERR_NOMEM;
    }
    memcpy(copy, items, n * sizeof *copy);
    send->items = copy;
    send->n = n;
    return 0;
}

int spv_broadcast_queue_tx(struct spv_broadcast *b, uint64_t peer, uint32_t slot,
                           const struct spv_inv *item)
{
    struct spv_broadcast_send *send = push_send(b, peer, SPV_CMD_TX);

    if (!send)
        return SPV_ERR_NOMEM;
    send->slot = slot;
    send->id = b->txs[slot].row.id;
    send->item = *item;
    return 0;
}

void spv_broadcast_drop_sends(struct spv_broadcast *b, uint64_t peer)
{
    size_t kept = b->head;

    for (size_t i = b->head; i < b->n_sends; i++) {
        if (b->sends[i].peer == peer)
            free(b->sends[i].items);
        else
            b->sends[kept++] = b->sends[i];
    }
    b->n_sends = kept;
}

/* Serialises without marker, flag and witness (BIP144). */
static int strip_witness(struct spv_broadcast *b, struct spv_tx *out, const struct spv_tx *tx)
{
    const size_t body = tx->witness_at - tx->inputs_at;
    uint8_t *grown = realloc(b->stripped, tx->stripped_size);

    if (!grown)
        return SPV_ERR_NOMEM;
    b->stripped = grown;
    memcpy(grown, tx->bytes, 4);
    memcpy(grown + 4, tx->bytes + tx->inputs_at, body);
    memcpy(grown + 4 + body, tx->bytes + tx->n - 4, 4);
    return spv_tx_parse(out, grown, tx->stripped_size);
}

int spv_broadcast_serialise(struct spv_broadcast *b, struct spv_tx *out,
                            const struct spv_broadcast_tx *tx, bool stripped)
{
    if (stripped && tx->tx.has_witness)
        return strip_witness(b, out, &tx->tx);
    *out = tx->tx;
    return 0;
}

static int take_tx(struct spv_broadcast *b, struct spv_msg *out,
                   const struct spv_broadcast_send *send)
{
    const struct spv_broadcast_tx *tx = &b->txs[send->slot];

    if (tx->row.id != send->id || tx->row.state != SPV_BROADCAST_PUBLISHING) {
        *out = (struct spv_msg){.command = SPV_CMD_NOTFOUND,
                                .u.inv = {.items = &b->sends[b->head - 1].item, .n = 1}};
        return 0;
    }
    out->command = SPV_CMD_TX;
    /* BIP144: MSG_WITNESS_TX requests the form with witness, MSG_TX the one without; BIP339:
     * MSG_WTX requests the form with witness. */
    return spv_broadcast_serialise(b, &out->u.tx, tx, send->item.type == SPV_INV_TX);
}

static void fill_progress(const struct spv_broadcast *b, struct spv_broadcast_progress *out,
                          const struct spv_broadcast_tx *tx)
{
    const struct spv_broadcast_row *row = &tx->row;

    *out = (struct spv_broadcast_progress){.txid = row->txid,
                                           .package = row->package,
                                           .state = (enum spv_broadcast_state)row->state,
                                           .is_private = (row->flags & SPV_BROADCAST_PRIVATE) != 0,
                                           .waits = row->state == SPV_BROADCAST_PUBLISHING &&
                                                    !spv_broadcast_is_final(b, tx),
                                           .wait_height = row->wait_height,
                                           .wait_time = row->wait_time,
                                           .n_rejects = row->n_rejects,
                                           .reject_code = (uint8_t)row->reject_code};
    for (uint32_t i = 0; i < row->n_groups; i++) {
        out->announced += (row->facts[i] & SPV_BROADCAST_ANNOUNCED) != 0;
        out->fetched += (row->facts[i] & SPV_BROADCAST_FETCHED) != 0;
        out->returned += (row->facts[i] & SPV_BROADCAST_RETURNED) != 0;
    }
}

int spv_broadcast_poll(struct spv_broadcast *b, struct spv_broadcast_action *out)
{
    free(b->polled_items);
    b->polled_items = NULL;
    if (b->error != 0)
        return 0;
    if (b->head < b->n_sends) {
        const struct spv_broadcast_send *send = &b->sends[b->head++];
        *out = (struct spv_broadcast_action){.kind = SPV_BROADCAST_SEND, .peer = send->peer};
        if (send->command == SPV_CMD_TX) {
            b->error = take_tx(b, &out->message, send);
            return b->error < 0 ? b->error : 1;
        }
        b->polled_items = send->items;
        out->message = (struct spv_msg){.command = send->command,
                                        .u.inv = {.items = send->items, .n = send->n}};
        return 1;
    }
    for (size_t i = 0; i < b->n_txs; i++) {
        if (b->txs[i].row.id == 0 || !b->txs[i].has_event)
            continue;
        b->txs[i].has_event = false;
        *out = (struct spv_broadcast_action){.kind = SPV_BROADCAST_EVENT};
        fill_progress(b, &out->progress, &b->txs[i]);
        return 1;
    }
    return 0;
}

int spv_broadcast_find(const struct spv_broadcast *b, struct spv_broadcast_progress *out,
                       const struct spv_txid *txid)
{
    const uint32_t slot = spv_broadcast_find_txid(b, txid->b);

    if (slot == SPV_NO_SLOT)
        return SPV_ERR_NOT_FOUND;
    fill_progress(b, out, &b->txs[slot]);
    return 0;
}

bool spv_broadcast_next(const struct spv_broadcast *b, uint64_t *next,
                        struct spv_broadcast_progress *out)
{
    const struct spv_broadcast_tx *found = NULL;

    for (size_t i = 0; i < b->n_txs; i++)
        if (b->txs[i].row.id > *next && (!found || b->txs[i].row.id < found->row.id))
            found = &b->txs[i];
    if (!found)
        return false;
    *next = found->row.id;
    fill_progress(b, out, found);
    return true;
}
