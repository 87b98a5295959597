/* Fills the gap below the start of the chain, from genesis up. The backfilled headers are no part
 * of the chain until the last of them is the one that the start follows. The same transaction then
 * closes the gap and, where work was counted from a later height, corrects every sum of work. */
#include "store/backfill.h"

#include "store/hash_index.h"
#include "store/meta.h"
#include "store/rows.h"
#include "store/start.h"
#include "store/transaction.h"
#include "util/u256.h"

int spv_store_backfill_height(struct spv_store *s, uint32_t *height)
{
    sqlite3_stmt *st = NULL;
    *height = 0;
    if (s->start.height == 0)
        return 0;
    int rc = spv_db_stmt(s, &st, SPV_STMT_BACKFILL_HEIGHT);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, s->start.height);
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        const int64_t backfilled =
            sqlite3_column_int64(st, 0); /* may be negative in a foreign row */
        *height = backfilled > 0 ? (uint32_t)backfilled : 0;
    } else {
        rc = spv_db_error(s, code, "read the highest backfilled header");
    }
    (void)sqlite3_reset(st);
    return rc;
}

static int remove_backfilled(struct spv_store *s, uint32_t above)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_BACKFILL_CLEAR);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, above);
    (void)sqlite3_bind_int64(st, 2, s->start.height);
    return spv_db_run(s, SPV_STMT_BACKFILL_CLEAR, "remove backfilled headers");
}

int spv_backfill_clear(struct spv_store *s)
{
    return remove_backfilled(s, 0);
}

int spv_store_backfill_reset(struct spv_store *s)
{
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    int rc = spv_transaction_commit_and_begin(s);
    if (rc)
        return rc;
    rc = remove_backfilled(s, 0);
    if (rc)
        goto rollback;
    rc = spv_db_commit(s);
    if (rc)
        goto rollback;
    return 0;
rollback:
    spv_db_rollback(s);
    return rc;
}

/* SQL function: adds two stored values of work. */
static void add_works(sqlite3_context *ctx, int n, sqlite3_value **values)
{
    uint8_t sum[32];
    if (n != 2 || sqlite3_value_bytes(values[0]) != 32 || sqlite3_value_bytes(values[1]) != 32 ||
        sqlite3_value_type(values[0]) != SQLITE_BLOB) {
        sqlite3_result_error_code(ctx, SQLITE_CORRUPT);
        return;
    }
    const struct spv_u256 a = spv_u256_from_be(sqlite3_value_blob(values[0]));
    const struct spv_u256 b = spv_u256_from_be(sqlite3_value_blob(values[1]));
    const struct spv_u256 x = spv_u256_add(&a, &b);
    spv_u256_to_be(sum, &x);
    sqlite3_result_blob(ctx, sum, sizeof sum, SQLITE_TRANSIENT);
}

static int add_to_table(struct spv_store *s, const char *sql, const struct spv_u256 *more)
{
    uint8_t be[32];
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    spv_u256_to_be(be, more);
    if (code == SQLITE_OK) {
        (void)sqlite3_bind_blob(st, 1, be, sizeof be, SQLITE_STATIC);
        (void)sqlite3_bind_int64(st, 2, s->start.height);
        code = sqlite3_step(st);
    }
    (void)sqlite3_finalize(st);
    return code == SQLITE_DONE ? 0 : spv_db_error(s, code, "correct the chain work");
}

/* One statement over all rows: SQLite writes pages as it proceeds, so memory use is constant. */
static int add_work(struct spv_store *s, const struct spv_u256 *more)
{
    int code = sqlite3_create_function_v2(s->db, "spv_add_work", 2,
                                          SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                          NULL, add_works, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return spv_db_error(s, code, "correct the chain work");
    int rc =
        add_to_table(s, "UPDATE header SET work = spv_add_work(work, ?1) WHERE height >= ?2", more);
    if (rc)
        return rc;
    return add_to_table(
        s, "UPDATE branch_header SET work = spv_add_work(work, ?1) WHERE height >= ?2", more);
}

/* The last header is the one that the start follows: closes the gap. */
static int join_backfill(struct spv_store *s, const struct spv_chain_header *last)
{
    const struct spv_chain_start complete = {0};
    struct spv_chain_header tip = s->tip;
    if (!spv_blockhash_eq(&last->hash, &s->start_parent))
        return spv_start_mismatch(
            s, "the backfilled headers do not connect to the start of the chain");
    if (s->start.work_since > 0) {
        const struct spv_u256 more = spv_u256_sub(&last->work, &s->start_work);
        int rc = add_work(s, &more);
        if (rc)
            return rc;
        tip.work = spv_u256_add(&tip.work, &more);
        rc = spv_meta_set_tip(s, &tip);
        if (rc)
            return rc;
    } else if (spv_u256_cmp(&last->work, &s->start_work) != 0) {
        return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                           "%s: the database is damaged: the chain work below height %s "
                           "is not that of its checkpoint. " SPV_DB_REPAIR_ADVICE,
                           s->path, SPV_COUNT(s->start.height));
    }
    return spv_start_write(s, &complete, NULL, NULL);
}

int spv_backfill_apply(struct spv_store *s, const struct spv_chain_update *c)
{
    const struct spv_chain_header *last = &c->headers[c->n - 1];
    struct spv_blockhash below;
    uint32_t backfilled = 0;
    int rc = spv_store_backfill_height(s, &backfilled);
    if (rc)
        return rc;
    if (s->start.height == 0 || last->height >= s->start.height)
        return spv_start_mismatch(s, "there is no gap at its height");
    if (c->fork_height > backfilled)
        return spv_start_mismatch(s, "it does not follow what was backfilled");
    sqlite3_stmt *st = NULL;
    rc = spv_db_stmt(s, &st, SPV_STMT_RANGE);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, c->fork_height);
    (void)sqlite3_bind_int64(st, 2, c->fork_height);
    bool found = sqlite3_step(st) == SQLITE_ROW && spv_row_hash(below.b, st, 1) == 0;
    (void)sqlite3_reset(st);
    if (!found || !spv_blockhash_eq(&below, &c->headers[0].header.prev))
        return spv_start_mismatch(s, "it does not follow what was backfilled");
    if (c->fork_height < backfilled) {
        rc = remove_backfilled(s, c->fork_height);
        if (rc)
            return rc;
    }
    if (s->start.height - c->fork_height > SPV_HASH_INDEX_BULK) {
        rc = spv_hash_index_drop(s);
        if (rc)
            return rc;
    }
    rc = spv_rows_insert_all(s, c->headers, c->n);
    if (rc)
        return rc;
    return last->height + 1 == s->start.height ? join_backfill(s, last) : 0;
}
