/* One database transaction for everything that an update of the node changes: headers and tip,
 * dropped filter headers, the wallet, and published transactions. */
#include "spv/wallet_db.h"
#include "store/apply.h"
#include "store/filter_run.h"
#include "store/transaction.h"
#include "store/wal_guard.h"
#include "store/wallet_private.h"
#include "store/wallet_rows.h"

static bool has_wallet_rows(const struct spv_store_update *u)
{
    return (u->wallet && u->wallet->n > 0) || (u->broadcast && u->broadcast->n > 0);
}

static bool has_chain(const struct spv_store_update *u)
{
    return u->chain && u->chain->kind != SPV_UPDATE_NONE;
}

static int check_count(struct spv_store *s)
{
    int64_t n = 0;
    int rc = spv_db_integer(s, &n, "SELECT count(*) FROM broadcast", "store the wallet");
    return rc || n <= SPV_BROADCAST_MAX_TXS
               ? rc
               : spv_db_fail(s, SPV_ERR_TOO_MANY,
                             "%s: more than %d transactions are published, ended ones included. "
                             "Wait, or withdraw some.",
                             s->path, SPV_BROADCAST_MAX_TXS);
}

static int write_wallet(struct spv_store *s, const struct spv_store_update *u)
{
    int rc = has_wallet_rows(u) ? spv_wallet_begin(s) : 0;
    for (size_t i = 0; !rc && u->wallet && i < u->wallet->n; i++)
        rc = spv_wallet_row_write(s, &u->wallet->changes[i]);
    if (rc || !u->broadcast)
        return rc;
    for (size_t i = 0; !rc && i < u->broadcast->n; i++)
        rc = spv_wallet_broadcast_write(s, &u->broadcast->changes[i]);
    return rc ? rc : check_count(s);
}

static int write_all(struct spv_store *s, const struct spv_store_update *u)
{
    int rc = has_chain(u) ? spv_apply_write(s, u->chain) : 0;
    if (!rc && u->drop_filters)
        rc = spv_filters_remove_above(s, (int64_t)u->drop_filters_from - 1);
    return rc ? rc : write_wallet(s, u);
}

int spv_store_apply_all(struct spv_store *s, const struct spv_store_update *u)
{
    struct spv_wallet_info info;
    int rc = s->mode != SPV_STORE_READ
                 ? 0
                 : spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    if (!rc && has_chain(u))
        rc = spv_apply_check(s, u->chain);
    if (rc || !(has_chain(u) || u->drop_filters || has_wallet_rows(u)))
        return rc;
    if (has_wallet_rows(u)) {
        rc = spv_store_wallet_info(s, &info);
        if (rc < 0)
            return rc;
        if (rc == 0)
            spv_wallet_make_private(s); /* before the rows are written */
    }
    rc = spv_transaction_commit_and_begin(s);
    if (rc)
        return rc;
    rc = write_all(s, u);
    if (rc)
        return spv_transaction_undo(s, rc);
    rc = spv_db_commit(s);
    if (rc)
        return spv_transaction_undo(s, rc);
    if (has_chain(u)) {
        spv_apply_note(s, u->chain);
        spv_wal_guard_write(s);
    }
    return 0;
}
