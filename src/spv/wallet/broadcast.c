/* The operations of struct spv_broadcast: each changes the tables and then announces what is due.
 * Nothing is undone after a failed allocation: the caller frees the object and loads it again. */
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/broadcast_state.h"
#include "util/array.h"
#include "util/rng.h"

int spv_broadcast_new(struct spv_broadcast **out, const struct spv_broadcast_config *cfg)
{
    struct spv_broadcast *b = calloc(1, sizeof *b);

    *out = b;
    if (!b)
        return SPV_ERR_NOMEM;
    b->cfg = *cfg;
    b->next_id = 1;
    b->key[0] = spv_rng_u64(&cfg->rng);
    b->key[1] = spv_rng_u64(&cfg->rng);
    return 0;
}

void spv_broadcast_free(struct spv_broadcast *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n_txs; i++)
        free(b->txs[i].raw);
    for (size_t i = 0; i < b->n_conns; i++)
        free(b->conns[i]);
    for (size_t i = b->head; i < b->n_sends; i++)
        free(b->sends[i].items);
    spv_probe_table_free(&b->by_txid);
    spv_probe_table_free(&b->by_wtxid);
    free(b->txs);
    free(b->conns);
    free(b->sends);
    free(b->polled_items);
    free(b->stripped);
    free(b->deleted);
    free(b->update);
    free(b);
}

static int end_operation(struct spv_broadcast *b, int rc, struct spv_now now)
{
    b->loaded = true;
    if (rc == 0)
        rc = spv_broadcast_run(b, now);
    if (rc == SPV_ERR_NOMEM)
        b->error = rc;
    return rc;
}

/* ---- publishing ---- */

/* Whether all n transactions are one package already, and all of it. */
static bool is_package(const struct spv_broadcast *b, const struct spv_broadcast_report *reports,
                       size_t n)
{
    uint32_t slot = spv_broadcast_find_txid(b, reports[0].txid.b);
    size_t i = 0;

    if (slot == SPV_NO_SLOT || b->txs[slot].first != slot)
        return false;
    for (; i < n && slot != SPV_NO_SLOT; i++, slot = b->txs[slot].next)
        if (memcmp(&b->txs[slot].row.txid, &reports[i].txid, sizeof reports[i].txid) != 0)
            return false;
    return i == n && slot == SPV_NO_SLOT;
}

static int check_publish(const struct spv_broadcast *b, const struct spv_tx *txs,
                         const struct spv_broadcast_report *reports, size_t n, unsigned flags)
{
    const bool again = n > 0 && n <= SPV_BROADCAST_MAX_PACKAGE && is_package(b, reports, n);
    size_t n_new = 0, bytes = 0;

    if (n == 0 || n > SPV_BROADCAST_MAX_PACKAGE)
        return SPV_ERR_INVALID;
    for (size_t i = 0; i < n; i++) {
        const uint32_t slot = spv_broadcast_find_txid(b, reports[i].txid.b);
        for (size_t j = 0; j < i; j++)
            if (memcmp(&reports[i].txid, &reports[j].txid, sizeof reports[i].txid) == 0)
                return SPV_ERR_INVALID;
        if (slot == SPV_NO_SLOT) {
            n_new++;
            bytes += txs[i].n;
            continue;
        }
        if ((b->txs[slot].row.flags & SPV_BROADCAST_PRIVATE) != (flags & SPV_BROADCAST_PRIVATE))
            return SPV_ERR_TX_PRIVATE;
        if (!again && (b->txs[slot].first != slot || b->txs[slot].next != SPV_NO_SLOT))
            return SPV_ERR_PACKAGE_FORM;
    }
    return n_new > SPV_BROADCAST_MAX_TXS - b->n_used || bytes > SPV_BROADCAST_MAX_BYTES - b->n_bytes
               ? SPV_ERR_TOO_MANY
               : 0;
}

/* Publishes a known transaction again. Returns true when its publishing had ended. */
static bool publish_again(struct spv_broadcast_tx *tx, const struct spv_broadcast_report *report)
{
    const bool ended =
        tx->row.state == SPV_BROADCAST_WITHDRAWN || tx->row.state == SPV_BROADCAST_CONFLICTED;

    tx->row.wait_height = report->wait_height;
    tx->row.wait_time = report->wait_time;
    if (ended) {
        tx->row.state = SPV_BROADCAST_PUBLISHING;
        tx->row.ended_at = 0;
    }
    spv_broadcast_mark_changed(tx);
    return ended;
}

int spv_broadcast_publish(struct spv_broadcast *b, const struct spv_tx *txs,
                          const struct spv_broadcast_report *reports, size_t n, unsigned flags,
                          struct spv_now now)
{
    uint32_t first = SPV_NO_SLOT;
    bool is_new, begins;
    int rc;

    if (b->error != 0)
        return SPV_ERR_STATE;
    rc = check_publish(b, txs, reports, n, flags);
    if (rc < 0)
        return rc;
    is_new = begins = !is_package(b, reports, n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        uint32_t slot = spv_broadcast_find_txid(b, reports[i].txid.b);
        if (slot == SPV_NO_SLOT) {
            rc = spv_broadcast_add_tx(b, &slot, txs[i].bytes, txs[i].n);
            if (rc < 0)
                break;
            b->txs[slot].row.state = SPV_BROADCAST_PUBLISHING;
            b->txs[slot].row.flags = flags & SPV_BROADCAST_PRIVATE;
        }
        if (is_new) {
            spv_broadcast_link(b, slot, first);
            b->txs[slot].row.position = (uint32_t)i;
        }
        begins = publish_again(&b->txs[slot], &reports[i]) || begins;
        first = b->txs[slot].first;
    }
    if (rc == 0 && begins) {
        b->txs[first].row.n_rounds = 0;
        b->txs[first].due_us = now.mono_us;
    }
    return end_operation(b, rc, now);
}

int spv_broadcast_withdraw(struct spv_broadcast *b, const struct spv_txid *txid, struct spv_now now)
{
    const uint32_t found = b->error == 0 ? spv_broadcast_find_txid(b, txid->b) : SPV_NO_SLOT;

    if (b->error != 0)
        return SPV_ERR_STATE;
    if (found == SPV_NO_SLOT || b->txs[found].row.state != SPV_BROADCAST_PUBLISHING)
        return SPV_ERR_NOT_FOUND;
    for (uint32_t slot = b->txs[found].first; slot != SPV_NO_SLOT; slot = b->txs[slot].next) {
        struct spv_broadcast_tx *tx = &b->txs[slot];
        if (tx->row.state != SPV_BROADCAST_PUBLISHING)
            continue;
        tx->row.state = SPV_BROADCAST_WITHDRAWN;
        tx->row.ended_at = now.unix_s;
        spv_broadcast_mark_changed(tx);
    }
    return end_operation(b, 0, now);
}

int spv_broadcast_set_state(struct spv_broadcast *b, const struct spv_txid *txid,
                            enum spv_broadcast_state state, uint32_t height, struct spv_now now)
{
    const uint32_t slot = b->error == 0 ? spv_broadcast_find_txid(b, txid->b) : SPV_NO_SLOT;
    struct spv_broadcast_tx *tx;

    if (b->error != 0)
        return SPV_ERR_STATE;
    if (slot == SPV_NO_SLOT || state == SPV_BROADCAST_WITHDRAWN ||
        b->txs[slot].row.state == SPV_BROADCAST_WITHDRAWN)
        return 0;
    tx = &b->txs[slot];
    if (state != SPV_BROADCAST_CONFIRMED)
        height = 0;
    if (tx->row.state == (uint32_t)state && tx->row.height == height)
        return 0;
    tx->row.state = (uint32_t)state;
    tx->row.height = height;
    tx->row.ended_at = state == SPV_BROADCAST_PUBLISHING ? 0 : now.unix_s;
    spv_broadcast_mark_changed(tx);
    if (state ==
        SPV_BROADCAST_PUBLISHING) { /* its block left the chain: peers may have dropped it */
        b->txs[tx->first].row.n_rounds = 0;
        b->txs[tx->first].due_us = now.mono_us;
    }
    return end_operation(b, 0, now);
}

int spv_broadcast_set_tip(struct spv_broadcast *b, uint32_t height, int64_t median_time,
                          struct spv_now now)
{
    if (b->error != 0)
        return SPV_ERR_STATE;
    b->tip_height = height;
    b->median_time = median_time;
    return end_operation(b, 0, now);
}

int spv_broadcast_timer(struct spv_broadcast *b, struct spv_now now)
{
    return b->error != 0 ? SPV_ERR_STATE : end_operation(b, 0, now);
}

/* ---- connections ---- */

int spv_broadcast_add_peer(struct spv_broadcast *b, const struct spv_broadcast_peer *peer,
                           struct spv_now now)
{
    struct spv_broadcast_conn *conn, **grown;

    if (b->error != 0)
        return SPV_ERR_STATE;
    conn = spv_broadcast_conn(b, peer->id);
    if (conn) {
        conn->info = *peer;
        return end_operation(b, 0, now);
    }
    if (b->n_conns == SPV_BROADCAST_MAX_PEERS)
        return SPV_ERR_TOO_MANY;
    grown = spv_array_grow(b->conns, &b->cap_conns, b->n_conns + 1, 8, sizeof(void *));
    conn = grown ? calloc(1, sizeof *conn) : NULL;
    if (grown)
        b->conns = grown;
    if (!conn)
        return end_operation(b, SPV_ERR_NOMEM, now);
    conn->info = *peer;
    grown[b->n_conns++] = conn;
    return end_operation(b, 0, now);
}

int spv_broadcast_remove_peer(struct spv_broadcast *b, uint64_t id, struct spv_now now)
{
    if (b->error != 0)
        return SPV_ERR_STATE;
    for (size_t i = 0; i < b->n_conns; i++) {
        if (b->conns[i]->info.id != id)
            continue;
        free(b->conns[i]);
        b->conns[i] = b->conns[--b->n_conns];
        spv_broadcast_drop_sends(b, id);
        return end_operation(b, 0, now);
    }
    return 0;
}

unsigned spv_broadcast_relay_wanted(const struct spv_broadcast *b)
{
    for (size_t i = 0; i < b->n_txs; i++)
        if (b->txs[i].row.id != 0 && b->txs[i].row.state == SPV_BROADCAST_PUBLISHING)
            return SPV_BROADCAST_RELAY_PEERS;
    return 0;
}

unsigned spv_broadcast_relay_count(const struct spv_broadcast *b)
{
    unsigned n = 0;

    for (size_t i = 0; i < b->n_conns; i++)
        n += b->conns[i]->info.announces;
    return n;
}

size_t spv_broadcast_memory(const struct spv_broadcast *b)
{
    size_t n = sizeof *b + b->cap_txs * sizeof *b->txs + b->n_bytes +
               b->n_conns * sizeof **b->conns + b->cap_conns * sizeof(void *) +
               b->cap_sends * sizeof *b->sends + b->cap_deleted * sizeof *b->deleted +
               b->cap_update * sizeof *b->update +
               (b->by_txid.n_slots + b->by_wtxid.n_slots) * sizeof *b->by_txid.slots;

    for (size_t i = b->head; i < b->n_sends; i++)
        n += b->sends[i].n * sizeof *b->sends[i].items;
    return n;
}

int spv_broadcast_recv(struct spv_broadcast *b, uint64_t peer, const struct spv_msg *msg,
                       struct spv_now now)
{
    struct spv_broadcast_conn *conn = b->error == 0 ? spv_broadcast_conn(b, peer) : NULL;

    if (b->error != 0)
        return SPV_ERR_STATE;
    return conn ? end_operation(b, spv_broadcast_on_message(b, conn, msg), now) : 0;
}
