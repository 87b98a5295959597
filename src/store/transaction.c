/* A deferred update leaves its transaction open for the next one (spv_store_apply_deferred), so
 * every other function that writes commits it first. */
#include "store/transaction.h"

#include "store/wal_guard.h"

int spv_transaction_undo(struct spv_store *s, int rc)
{
    spv_db_rollback(s);
    if (s->n_uncommitted > 0) {
        s->tip = s->committed_tip;
        s->n_uncommitted = 0;
    }
    return rc;
}

int spv_store_commit(struct spv_store *s)
{
    if (s->n_uncommitted == 0)
        return 0;
    int rc = spv_db_commit(s);
    if (rc)
        return spv_transaction_undo(s, rc);
    s->n_uncommitted = 0;
    spv_wal_guard_write(s);
    return 0;
}

int spv_transaction_join(struct spv_store *s)
{
    if (s->n_uncommitted > 0)
        return 0;
    s->committed_tip = s->tip;
    return spv_db_begin(s);
}

int spv_transaction_leave(struct spv_store *s, size_t n)
{
    s->n_uncommitted += n;
    return s->n_uncommitted >= SPV_STORE_GROUP_COMMIT ? spv_store_commit(s) : 0;
}

int spv_transaction_commit_and_begin(struct spv_store *s)
{
    int rc = spv_store_commit(s);
    return rc ? rc : spv_db_begin(s);
}
