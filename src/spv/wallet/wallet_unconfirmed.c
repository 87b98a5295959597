/* Transactions that are in no block: received from peers, announced again, published here, expired.
 */
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/wallet_add.h"
#include "spv/wallet/wallet_bounds.h"
#include "spv/wallet/wallet_update.h"

/* seconds: last_seen changes at most once per day, so that announcements write few rows */
#define LAST_SEEN_STEP_S 86400

static void set_last_seen(struct spv_tx_record *tx, int64_t unix_s)
{
    if (unix_s - tx->row.last_seen >= LAST_SEEN_STEP_S)
        tx->changed = true;
    if (unix_s > tx->row.last_seen)
        tx->row.last_seen = unix_s;
    if ((tx->row.flags & SPV_TX_FLAG_EXPIRED) != 0) {
        tx->row.flags &= ~(uint32_t)SPV_TX_FLAG_EXPIRED;
        tx->changed = true;
    }
}

static void add_group(struct spv_tx_record *tx, uint64_t group)
{
    for (uint32_t i = 0; i < tx->row.n_groups; i++)
        if (tx->row.groups[i] == group)
            return;
    if (tx->row.n_groups >= SPV_WALLET_MAX_GROUPS)
        return;
    tx->row.groups[tx->row.n_groups++] = group;
    tx->changed = true;
}

/* A peer has announced or sent the transaction. */
static int note_announcement(struct spv_wallet *w, uint32_t number,
                             const struct spv_tx_source *source, struct spv_now now)
{
    struct spv_tx_record *tx = &w->txs[number];

    if (spv_tx_is_confirmed(tx))
        return 0;
    add_group(tx, source->group);
    set_last_seen(tx, now.unix_s);
    return tx->changed ? spv_wallet_mark_dirty(w, number) : 0;
}

static int check_unconfirmed(const struct spv_wallet *w, const struct spv_tx *tx)
{
    if (w->error != 0)
        return SPV_ERR_STATE;
    return spv_tx_is_coinbase(tx) ? SPV_ERR_MALFORMED : spv_wallet_check_tx(tx);
}

/* Adds an unconfirmed transaction. Returns 1, or 0 when it is dropped at once by a bound. */
static int put_received(struct spv_wallet *w, const struct spv_tx *tx, const struct spv_txid *txid,
                        const struct spv_tx_source *source, struct spv_now now)
{
    uint32_t number = spv_wallet_find_tx(w, txid);
    const bool is_new = number == SPV_NO_INDEX;
    int rc = spv_wallet_put_tx(w, &number, tx, txid, source->stripped);

    if (rc < 0)
        return rc;
    if (is_new) {
        w->txs[number].row.first_seen = w->txs[number].row.last_seen = now.unix_s;
        w->txs[number].peer = source->peer;
    }
    rc = note_announcement(w, number, source, now);
    if (rc == 0 && is_new)
        rc = spv_wallet_limit_conflicts(w, number);
    if (rc == 0 && is_new)
        rc = spv_wallet_enforce_bounds(w, source->peer);
    return rc < 0 ? rc : spv_wallet_find_tx(w, txid) != SPV_NO_INDEX;
}

int spv_wallet_receive(struct spv_wallet *w, const struct spv_tx *tx,
                       const struct spv_tx_source *source, struct spv_now now)
{
    struct spv_txid txid;
    int rc = check_unconfirmed(w, tx);

    if (rc < 0)
        return rc;
    spv_tx_txid(&txid, tx);
    if (spv_wallet_find_tx(w, &txid) == SPV_NO_INDEX && !spv_wallet_is_relevant(w, tx, &txid))
        return 0;
    return spv_wallet_end_operation(w, put_received(w, tx, &txid, source, now));
}

int spv_wallet_announced(struct spv_wallet *w, const struct spv_txid *txid,
                         const struct spv_tx_source *source, struct spv_now now)
{
    const uint32_t tx = w->error == 0 ? spv_wallet_find_tx(w, txid) : SPV_NO_INDEX;
    int rc;

    if (w->error != 0)
        return SPV_ERR_STATE;
    if (tx == SPV_NO_INDEX)
        return 0;
    rc = note_announcement(w, tx, source, now);
    return spv_wallet_end_operation(w, rc < 0 ? rc : 1);
}

int spv_wallet_publish(struct spv_wallet *w, const struct spv_tx *tx, struct spv_now now)
{
    struct spv_txid txid;
    uint32_t number;
    int rc = check_unconfirmed(w, tx);

    if (rc < 0)
        return rc;
    spv_tx_txid(&txid, tx);
    number = spv_wallet_find_tx(w, &txid);
    rc = spv_wallet_put_tx(w, &number, tx, &txid, false);
    if (rc == 0) {
        struct spv_tx_record *record = &w->txs[number];
        if (record->row.first_seen == 0)
            record->row.first_seen = now.unix_s;
        record->row.flags |= SPV_TX_FLAG_PUBLISHED;
        record->changed = true;
        set_last_seen(record, now.unix_s);
    }
    return spv_wallet_end_operation(w, rc);
}

int spv_wallet_withdraw(struct spv_wallet *w, const struct spv_txid *txid, struct spv_now now)
{
    const uint32_t number = w->error == 0 ? spv_wallet_find_tx(w, txid) : SPV_NO_INDEX;
    struct spv_tx_record *tx;
    int rc;

    if (w->error != 0)
        return SPV_ERR_STATE;
    if (number == SPV_NO_INDEX || (w->txs[number].row.flags & SPV_TX_FLAG_PUBLISHED) == 0)
        return SPV_ERR_NOT_FOUND;
    tx = &w->txs[number];
    tx->row.flags &= ~(uint32_t)SPV_TX_FLAG_PUBLISHED;
    tx->changed = true;
    set_last_seen(tx, now.unix_s);
    rc = spv_wallet_mark_dirty(w, number);
    if (rc == 0)
        rc = spv_wallet_enforce_bounds(w, 0);
    return spv_wallet_end_operation(w, rc);
}

/* ---- expiry ---- */

static bool can_expire(const struct spv_tx_record *tx)
{
    return (tx->row.flags & (SPV_TX_FLAG_PUBLISHED | SPV_TX_FLAG_COINBASE | SPV_TX_FLAG_EXPIRED)) ==
           0;
}

int64_t spv_wallet_next_expiry(const struct spv_wallet *w)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < w->pending.n; i++) {
        const struct spv_tx_record *tx = &w->txs[w->pending.at[i]];
        if (can_expire(tx) && tx->row.last_seen < next - SPV_WALLET_EXPIRY_S)
            next = tx->row.last_seen + SPV_WALLET_EXPIRY_S;
    }
    return next;
}

int spv_wallet_expire(struct spv_wallet *w, struct spv_now now)
{
    int rc = 0;

    if (w->error != 0)
        return SPV_ERR_STATE;
    for (size_t i = 0; rc == 0 && i < w->pending.n; i++) {
        struct spv_tx_record *tx = &w->txs[w->pending.at[i]];
        if (!can_expire(tx) || now.unix_s - tx->row.last_seen < SPV_WALLET_EXPIRY_S)
            continue;
        tx->row.flags |= SPV_TX_FLAG_EXPIRED;
        tx->changed = true;
        rc = spv_wallet_mark_dirty(w, w->pending.at[i]);
    }
    return spv_wallet_end_operation(w, rc);
}
