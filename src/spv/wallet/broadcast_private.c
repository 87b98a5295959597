/* Private broadcast, as in Bitcoin Core: each recipient gets a transaction over a connection of its
 * own, so that the peer sees one announcement of one transaction by an address that reveals
 * nothing:
 *
 *     > version ... verack     > inv     < getdata     > tx     > ping     < pong     close
 *
 * The pong shows that the transaction was read. It is sent to three recipients at once, then to one
 * more each time the delay has passed (a minute, doubled), until an ordinary peer returns it. By
 * its wtxid one peer is enough. An inv by txid says nothing of the witness, and a recipient could
 * stop us by relaying it with another witness: peers of two network groups must announce it.
 *
 * n_rounds of the row is the number of recipients, so that a restart does not begin again. */
#include "spv/error.h"
#include "spv/wallet/broadcast_state.h"
#include "util/deadline.h"
#include "util/rng.h"

#include <string.h>

#define PAUSE_US (5 * SPV_SECOND) /* ours: delay after a connection that failed */
#define RETURNED_GROUPS 2 /* network groups that must announce it by txid */

static struct spv_private_conn *find_private(struct spv_broadcast *b, uint64_t peer)
{
    for (size_t i = 0; i < SPV_PRIVATE_CONNECTIONS; i++)
        if (b->privates[i].state != SPV_PRIVATE_FREE && b->privates[i].peer == peer)
            return &b->privates[i];
    return NULL;
}

/* The transaction of a connection; NULL: it is not published any more. */
static struct spv_broadcast_tx *tx_of(struct spv_broadcast *b, const struct spv_private_conn *conn)
{
    for (size_t i = 0; i < b->n_txs; i++)
        if (b->txs[i].row.id == conn->id && b->txs[i].row.state == SPV_BROADCAST_PUBLISHING)
            return &b->txs[i];
    return NULL;
}

static bool has_returned(const struct spv_broadcast_row *row)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < row->n_groups; i++) {
        if ((row->facts[i] & SPV_BROADCAST_RETURNED_SAME) != 0)
            return true;
        n += (row->facts[i] & SPV_BROADCAST_RETURNED) != 0;
    }
    return n >= RETURNED_GROUPS;
}

static unsigned count_open(const struct spv_broadcast *b, uint64_t id)
{
    unsigned n = 0;

    for (size_t i = 0; i < SPV_PRIVATE_CONNECTIONS; i++)
        n += b->privates[i].state != SPV_PRIVATE_FREE && (id == 0 || b->privates[i].id == id);
    return n;
}

/* Whether the transaction needs another recipient, at its time due_us. */
static bool wants_recipient(const struct spv_broadcast *b, const struct spv_broadcast_tx *tx)
{
    return tx->row.id != 0 && tx->row.state == SPV_BROADCAST_PUBLISHING &&
           (tx->row.flags & SPV_BROADCAST_PRIVATE) != 0 && spv_broadcast_is_final(b, tx) &&
           !has_returned(&tx->row) &&
           count_open(b, tx->row.id) < (tx->row.n_rounds < SPV_PRIVATE_RECIPIENTS
                                            ? SPV_PRIVATE_RECIPIENTS - tx->row.n_rounds
                                            : 1);
}

static bool is_recipient_due(const struct spv_broadcast *b, const struct spv_broadcast_tx *tx,
                             struct spv_now now)
{
    return wants_recipient(b, tx) && now.mono_us >= tx->due_us;
}

/* Sets the time of the next recipient: at once for the first three, then with a doubling delay. */
static void schedule_next(struct spv_broadcast *b, struct spv_broadcast_tx *tx, struct spv_now now)
{
    uint64_t delay = SPV_BROADCAST_RETRY_MIN_S * SPV_SECOND;

    if (tx->row.n_rounds < SPV_PRIVATE_RECIPIENTS) {
        tx->due_us = now.mono_us;
        return;
    }
    for (uint32_t i = SPV_PRIVATE_RECIPIENTS;
         i < tx->row.n_rounds && delay < SPV_BROADCAST_RETRY_MAX_S * SPV_SECOND; i++)
        delay *= 2;
    if (delay > SPV_BROADCAST_RETRY_MAX_S * SPV_SECOND)
        delay = SPV_BROADCAST_RETRY_MAX_S * SPV_SECOND;
    tx->due_us = now.mono_us + spv_rng_jitter(&b->cfg.rng, delay, delay / 4);
}

/* ---- operations ---- */

int spv_broadcast_private_opened(struct spv_broadcast *b, const struct spv_txid *txid,
                                 uint64_t peer, uint64_t group, struct spv_now now)
{
    const uint32_t slot = spv_broadcast_find_txid(b, txid->b);

    if (b->error != 0 || slot == SPV_NO_SLOT || !is_recipient_due(b, &b->txs[slot], now))
        return SPV_ERR_STATE;
    if (find_private(b, peer) || spv_broadcast_conn(b, peer))
        return SPV_ERR_INVALID;
    for (size_t i = 0; i < SPV_PRIVATE_CONNECTIONS; i++) {
        if (b->privates[i].state != SPV_PRIVATE_FREE)
            continue;
        b->privates[i] =
            (struct spv_private_conn){.state = SPV_PRIVATE_DIALLING,
                                      .peer = peer,
                                      .group = group,
                                      .id = b->txs[slot].row.id,
                                      .deadline_us = now.mono_us + SPV_PRIVATE_MAX_S * SPV_SECOND};
        return 0;
    }
    return SPV_ERR_STATE;
}

void spv_broadcast_private_failed(struct spv_broadcast *b, const struct spv_txid *txid,
                                  struct spv_now now)
{
    const uint32_t slot = spv_broadcast_find_txid(b, txid->b);

    if (slot != SPV_NO_SLOT)
        b->txs[slot].due_us = now.mono_us + SPV_BROADCAST_RETRY_MIN_S * SPV_SECOND;
}

int spv_broadcast_private_connected(struct spv_broadcast *b, uint64_t peer, bool relay,
                                    struct spv_now now)
{
    struct spv_private_conn *conn = find_private(b, peer);

    (void)now;
    if (b->error != 0)
        return SPV_ERR_STATE;
    if (conn && conn->state == SPV_PRIVATE_DIALLING)
        conn->state = relay ? SPV_PRIVATE_READY : SPV_PRIVATE_DONE;
    return 0;
}

/* Only the transaction of this connection is sent, and only once. */
static void on_getdata(struct spv_broadcast *b, struct spv_private_conn *conn,
                       const struct spv_msg_inv *inv)
{
    struct spv_broadcast_tx *tx = tx_of(b, conn);

    for (size_t i = 0; tx && conn->state == SPV_PRIVATE_ANNOUNCED && i < inv->n; i++) {
        const struct spv_inv *item = &inv->items[i];
        if ((item->type & ~SPV_INV_WITNESS) != SPV_INV_TX ||
            memcmp(item->hash.b, tx->row.txid.b, sizeof item->hash.b) != 0)
            continue;
        conn->state = SPV_PRIVATE_REQUESTED;
        conn->stripped = item->type == SPV_INV_TX;
        spv_broadcast_add_fact(tx, conn->group, SPV_BROADCAST_FETCHED);
    }
}

/* The recipient has read the transaction. */
static void on_pong(struct spv_broadcast *b, struct spv_private_conn *conn,
                    const struct spv_msg_ping *pong, struct spv_now now)
{
    struct spv_broadcast_tx *tx = tx_of(b, conn);

    if (conn->state != SPV_PRIVATE_PINGED || (pong->has_nonce && pong->nonce != conn->nonce))
        return;
    conn->state = SPV_PRIVATE_DONE;
    if (!tx)
        return;
    tx->row.n_rounds++;
    tx->row.announced_at = now.unix_s;
    tx->changed = true;
    schedule_next(b, tx, now);
}

int spv_broadcast_private_recv(struct spv_broadcast *b, uint64_t peer, const struct spv_msg *msg,
                               struct spv_now now)
{
    struct spv_private_conn *conn = find_private(b, peer);

    if (b->error != 0)
        return SPV_ERR_STATE;
    if (conn && msg->command == SPV_CMD_GETDATA)
        on_getdata(b, conn, &msg->u.inv);
    else if (conn && msg->command == SPV_CMD_PONG)
        on_pong(b, conn, &msg->u.ping, now);
    return 0;
}

int spv_broadcast_private_closed(struct spv_broadcast *b, uint64_t peer, struct spv_now now)
{
    struct spv_private_conn *conn = find_private(b, peer);

    struct spv_broadcast_tx *tx = conn ? tx_of(b, conn) : NULL;

    if (b->error != 0)
        return SPV_ERR_STATE;
    if (!conn)
        return 0;
    /* so that dials that fail at once are not repeated in a loop */
    if (tx && conn->state != SPV_PRIVATE_DONE && tx->due_us < now.mono_us + PAUSE_US)
        tx->due_us = now.mono_us + PAUSE_US;
    conn->state = SPV_PRIVATE_FREE;
    return 0;
}

/* ---- actions ---- */

static int close_private(struct spv_private_conn *conn, struct spv_private_action *out)
{
    *out = (struct spv_private_action){.kind = SPV_PRIVATE_CLOSE, .peer = conn->peer};
    conn->state = SPV_PRIVATE_FREE;
    return 1;
}

static void announce_private(struct spv_private_conn *conn, struct spv_broadcast_tx *tx,
                             struct spv_msg *out)
{
    /* by txid: wtxidrelay is not negotiated */
    conn->item.type = SPV_INV_TX;
    memcpy(conn->item.hash.b, tx->row.txid.b, sizeof conn->item.hash.b);
    *out = (struct spv_msg){.command = SPV_CMD_INV, .u.inv = {.items = &conn->item, .n = 1}};
    conn->state = SPV_PRIVATE_ANNOUNCED;
    spv_broadcast_add_fact(tx, conn->group, SPV_BROADCAST_ANNOUNCED);
}

/* Returns 1 and the next action on a connection, 0, or SPV_ERR_NOMEM. */
static int step_private(struct spv_broadcast *b, struct spv_private_conn *conn,
                        struct spv_private_action *out, struct spv_now now)
{
    struct spv_broadcast_tx *tx = tx_of(b, conn);

    if (conn->state == SPV_PRIVATE_FREE)
        return 0;
    if (conn->state == SPV_PRIVATE_DONE || now.mono_us >= conn->deadline_us ||
        (!tx && conn->state < SPV_PRIVATE_SENT))
        return close_private(conn, out);
    *out = (struct spv_private_action){.kind = SPV_PRIVATE_SEND, .peer = conn->peer};
    if (tx && conn->state == SPV_PRIVATE_READY) {
        announce_private(conn, tx, &out->message);
        return 1;
    }
    if (tx && conn->state == SPV_PRIVATE_REQUESTED) {
        out->message.command = SPV_CMD_TX;
        conn->state = SPV_PRIVATE_SENT;
        b->error = spv_broadcast_serialise(b, &out->message.u.tx, tx, conn->stripped);
        return b->error < 0 ? b->error : 1;
    }
    if (conn->state == SPV_PRIVATE_SENT) {
        conn->nonce = spv_rng_u64(&b->cfg.rng);
        out->message.command = SPV_CMD_PING;
        out->message.u.ping = (struct spv_msg_ping){.has_nonce = true, .nonce = conn->nonce};
        conn->state = SPV_PRIVATE_PINGED;
        return 1;
    }
    return 0;
}

int spv_broadcast_private_poll(struct spv_broadcast *b, struct spv_private_action *out,
                               struct spv_now now)
{
    int rc = 0;

    if (b->error != 0)
        return 0;
    for (size_t i = 0; rc == 0 && i < SPV_PRIVATE_CONNECTIONS; i++)
        rc = step_private(b, &b->privates[i], out, now);
    if (rc != 0 || count_open(b, 0) == SPV_PRIVATE_CONNECTIONS)
        return rc;
    for (size_t i = 0; i < b->n_txs; i++)
        if (is_recipient_due(b, &b->txs[i], now)) {
            *out =
                (struct spv_private_action){.kind = SPV_PRIVATE_OPEN, .txid = b->txs[i].row.txid};
            return 1;
        }
    return 0;
}

uint64_t spv_broadcast_private_deadline(const struct spv_broadcast *b)
{
    uint64_t first = SPV_NEVER;

    for (size_t i = 0; i < SPV_PRIVATE_CONNECTIONS; i++)
        if (b->privates[i].state != SPV_PRIVATE_FREE)
            first = spv_min_deadline(first, b->privates[i].deadline_us);
    if (count_open(b, 0) == SPV_PRIVATE_CONNECTIONS)
        return first;
    for (size_t i = 0; i < b->n_txs; i++)
        if (wants_recipient(b, &b->txs[i]))
            first = spv_min_deadline(first, b->txs[i].due_us);
    return first;
}
