/* One update of the chain is one transaction: rows, side branch and tip together, so that a crash
 * leaves the state before or after it.
 *
 * The chain has validated the headers. Here it is only checked that the update fits the stored
 * chain: its headers are consecutive, follow the header at the fork, and chain and store have the
 * same tip. */
#include "store/apply.h"
#include "store/backfill.h"
#include "store/filter_run.h"
#include "store/meta.h"
#include "store/rows.h"
#include "store/start.h"
#include "store/transaction.h"
#include "store/wal_guard.h"

/* At most this many side-branch rows are kept, the highest ones: as many as the chain keeps. */
#define BRANCH_ROWS SPV_CHAIN_BRANCH_HEADERS
_Static_assert(BRANCH_ROWS == 16384, "as in the statement of spv_branches_prune");

static int update_mismatch(struct spv_store *s, const char *what)
{
    return spv_db_fail(s, SPV_ERR_STATE,
                       "%s: the update does not fit the stored chain (tip %s): %s. Nothing was "
                       "written.",
                       s->path, SPV_COUNT(s->tip.height), what);
}

/* The headers are consecutive and the first is one above the fork. */
static int check_headers(struct spv_store *s, const struct spv_chain_update *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->headers[i].height != (uint64_t)c->fork_height + 1 + i)
            return update_mismatch(s, "the heights of its headers are not consecutive");
        if (i > 0 && !spv_blockhash_eq(&c->headers[i].header.prev, &c->headers[i - 1].hash))
            return update_mismatch(s, "a header does not follow the one before");
    }
    return 0;
}

static int check_fork(struct spv_store *s, const struct spv_chain_update *c)
{
    struct spv_chain_header fork = s->tip;
    if (c->kind == SPV_UPDATE_APPEND && c->fork_height != s->tip.height)
        return update_mismatch(s, "it appends to a height that is not the tip");
    if (c->kind == SPV_UPDATE_REORG) {
        if (c->fork_height >= s->tip.height || c->removed != s->tip.height - c->fork_height)
            return update_mismatch(s, "it does not remove the headers above the fork");
        int rc = spv_store_by_height(s, &fork, c->fork_height);
        if (rc < 0)
            return rc;
        if (rc == 0)
            return update_mismatch(s, "the header at the fork is not stored");
    }
    if (c->kind == SPV_UPDATE_CHECKPOINT_START || c->kind == SPV_UPDATE_BACKFILL)
        return 0; /* backfill.c and start.c check what they follow */
    if (!spv_blockhash_eq(&c->headers[0].header.prev, &fork.hash))
        return update_mismatch(s, "the first header does not follow the header at the fork");
    return 0;
}

static int insert_rows(struct spv_store *s, const struct spv_chain_update *c)
{
    int rc = spv_rows_insert_all(s, c->headers, c->n);
    return rc ? rc : spv_meta_set_tip(s, &c->headers[c->n - 1]);
}

static int prune_branches(struct spv_store *s)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_BRANCH_PRUNE);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, BRANCH_ROWS);
    return spv_db_run(s, SPV_STMT_BRANCH_PRUNE, "prune side branches");
}

int spv_branches_prune(struct spv_store *s)
{
    int64_t rows = 0;
    int rc = spv_db_integer(s, &rows, "SELECT count(*) FROM branch_header", "count side branches");
    if (rc != 0 || rows <= BRANCH_ROWS)
        return rc;
    /* Malformed rows go first: impossible heights would be the highest and stay. Deleting all rows
     * frees whole pages; deleting most of them one by one takes many times as long. */
    return spv_db_exec(s,
                       "CREATE TEMP TABLE kept_branch AS SELECT * FROM main.branch_header"
                       " WHERE typeof(height) = 'integer' AND height BETWEEN 1 AND 4294967295"
                       " AND typeof(hash) = 'blob' AND length(hash) = 32"
                       " AND typeof(work) = 'blob' AND length(work) = 32"
                       " AND typeof(previous_hash) = 'blob' AND length(previous_hash) = 32"
                       " ORDER BY height DESC, work DESC LIMIT 16384;"
                       "DELETE FROM main.branch_header;"
                       "INSERT INTO main.branch_header SELECT * FROM temp.kept_branch;"
                       "DROP TABLE temp.kept_branch",
                       "prune side branches");
}

static int insert_branch(struct spv_store *s, const struct spv_chain_update *c)
{
    sqlite3_stmt *st = NULL;
    for (size_t i = 0; i < c->n; i++) {
        struct spv_row row;
        int rc = spv_db_stmt(s, &st, SPV_STMT_BRANCH_INSERT);
        if (rc)
            return rc;
        int code = spv_row_bind_prev(st, &row, &c->headers[i]);
        if (code != SQLITE_OK)
            return spv_db_error(s, code, "store a side branch");
        rc = spv_db_run(s, SPV_STMT_BRANCH_INSERT, "store a side branch");
        if (rc)
            return rc;
    }
    return prune_branches(s);
}

/* Headers above the fork become a side branch; the new ones may have been on a side branch. Filter
 * headers and filters above the fork are those of blocks that left the best chain. */
static int replace_rows(struct spv_store *s, const struct spv_chain_update *c)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_MOVE_TO_BRANCH);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, c->fork_height);
    rc = spv_db_run(s, SPV_STMT_MOVE_TO_BRANCH, "move headers to a side branch");
    if (rc)
        return rc;
    rc = spv_rows_remove_above(s, c->fork_height);
    if (rc)
        return rc;
    rc = spv_filters_remove_above(s, c->fork_height);
    if (rc)
        return rc;
    for (size_t i = 0; i < c->n; i++) {
        uint8_t hash[32];
        rc = spv_db_stmt(s, &st, SPV_STMT_BRANCH_REMOVE);
        if (rc)
            return rc;
        spv_row_reverse(hash, c->headers[i].hash.b);
        (void)sqlite3_bind_blob(st, 1, hash, sizeof hash, SQLITE_STATIC);
        rc = spv_db_run(s, SPV_STMT_BRANCH_REMOVE, "remove headers from a side branch");
        if (rc)
            return rc;
    }
    rc = prune_branches(s);
    return rc ? rc : insert_rows(s, c);
}

int spv_apply_write(struct spv_store *s, const struct spv_chain_update *update)
{
    switch (update->kind) {
    case SPV_UPDATE_NONE:
        return 0;
    case SPV_UPDATE_APPEND:
        return insert_rows(s, update);
    case SPV_UPDATE_REORG:
        return replace_rows(s, update);
    case SPV_UPDATE_BRANCH:
        return insert_branch(s, update);
    case SPV_UPDATE_CHECKPOINT_START:
        return spv_start_apply(s, update);
    case SPV_UPDATE_BACKFILL:
        return spv_backfill_apply(s, update);
    }
    return spv_db_fail(s, SPV_ERR_INVALID, "%s: unknown kind of update", s->path);
}

int spv_apply_check(struct spv_store *s, const struct spv_chain_update *update)
{
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    if (update->n == 0 || !update->headers)
        return spv_db_fail(s, SPV_ERR_INVALID, "%s: an update without headers", s->path);
    int rc = check_headers(s, update);
    if (rc)
        return rc;
    return update->kind != SPV_UPDATE_BRANCH ? check_fork(s, update) : 0;
}

void spv_apply_note(struct spv_store *s, const struct spv_chain_update *update)
{
    if (update->kind == SPV_UPDATE_CHECKPOINT_START || update->kind == SPV_UPDATE_BACKFILL)
        spv_start_applied(s, update);
    else if (update->kind != SPV_UPDATE_BRANCH)
        s->tip = update->headers[update->n - 1];
}

int spv_store_apply(struct spv_store *s, const struct spv_chain_update *update)
{
    if (update->kind == SPV_UPDATE_NONE)
        return 0;
    int rc = spv_apply_check(s, update);
    if (rc)
        return rc;
    rc = spv_transaction_commit_and_begin(s);
    if (rc)
        return rc;
    rc = spv_apply_write(s, update);
    if (rc)
        return spv_transaction_undo(s, rc);
    rc = spv_db_commit(s);
    if (rc)
        return spv_transaction_undo(s, rc);
    spv_apply_note(s, update);
    spv_wal_guard_write(s);
    return 0;
}

int spv_store_apply_deferred(struct spv_store *s, const struct spv_chain_update *update)
{
    if (update->kind != SPV_UPDATE_APPEND)
        return spv_store_apply(s, update);
    int rc = spv_apply_check(s, update);
    if (rc)
        return rc;
    rc = spv_transaction_join(s);
    if (rc)
        return rc;
    rc = spv_apply_write(s, update);
    if (rc)
        return spv_transaction_undo(s, rc);
    spv_apply_note(s, update);
    return spv_transaction_leave(s, update->n);
}
