/* The last run without gaps:
 *
 *     kept_filters = 7        5 6 7   10 11 12 13
 *                                     kept_filters_from = 10 */
#include "store/kept_filters.h"

#include <string.h>

#include "store/meta.h"

/* ---- the metadata ---- */

/* A count of the metadata: 0 when it is absent, -1 when it is malformed. */
static int64_t column_count(sqlite3_stmt *st, int column)
{
    const int type = sqlite3_column_type(st, column);
    return type == SQLITE_NULL ? 0 : type == SQLITE_INTEGER ? sqlite3_column_int64(st, column) : -1;
}

int spv_kept_get(struct spv_store *s, struct spv_kept *out)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_KEPT_TOTALS);
    if (rc)
        return rc;
    const int code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        const bool empty = sqlite3_column_type(st, 3) == SQLITE_NULL;
        out->n = column_count(st, 0);
        out->bytes = column_count(st, 1);
        out->from = column_count(st, 2);
        out->last = sqlite3_column_int64(st, 3);
        rc = empty
                 ? out->n == 0 && out->bytes == 0
                 : out->n > 0 && out->bytes >= out->n && out->from >= 0 && out->from <= out->last &&
                       out->last <= UINT32_MAX && out->last - out->from < out->n;
    } else {
        rc = spv_db_error(s, code, "read the number of kept filters");
    }
    (void)sqlite3_reset(st);
    return rc;
}

static int put_kept(struct spv_store *s, const struct spv_kept *kept)
{
    int rc = spv_meta_set_integer(s, "kept_filters", kept->n);
    if (rc)
        return rc;
    rc = spv_meta_set_integer(s, "kept_filter_bytes", kept->bytes);
    if (rc)
        return rc;
    return spv_meta_set_integer(s, "kept_filters_from", kept->n > 0 ? kept->from : 0);
}

/* ---- counting ---- */

static int sum_range(struct spv_store *s, int64_t *n, int64_t *bytes, int64_t from, int64_t to)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_KEPT_SUM);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, from);
    (void)sqlite3_bind_int64(st, 2, to);
    const int code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        *n = sqlite3_column_int64(st, 0);
        *bytes = sqlite3_column_int64(st, 1);
    } else {
        rc = spv_db_error(s, code, "count the kept filters");
    }
    (void)sqlite3_reset(st);
    return rc;
}

/* The lowest height of the run without gaps that ends at kept->last. */
static int find_run(struct spv_store *s, struct spv_kept *kept)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_KEPT_RUN);
    if (rc)
        return rc;
    int code = SQLITE_DONE;
    (void)sqlite3_bind_int64(st, 1, kept->last);
    kept->from = kept->last;
    while ((code = sqlite3_step(st)) == SQLITE_ROW && sqlite3_column_int64(st, 0) == kept->from - 1)
        kept->from--;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        rc = spv_db_error(s, code, "read the kept filters");
    (void)sqlite3_reset(st);
    return rc;
}

/* The last run, after filters were deleted. */
static int find_last_run(struct spv_store *s, struct spv_kept *kept)
{
    int rc = spv_db_integer(s, &kept->last, "SELECT max(height) FROM block_filter",
                            "read the kept filters");
    return rc ? rc : find_run(s, kept);
}

int spv_kept_count(struct spv_store *s, struct spv_kept *out)
{
    memset(out, 0, sizeof *out);
    int rc = sum_range(s, &out->n, &out->bytes, INT64_MIN, INT64_MAX);
    return rc || out->n == 0 ? rc : find_last_run(s, out);
}

int spv_kept_recount(struct spv_store *s)
{
    struct spv_kept kept;
    int rc = spv_kept_count(s, &kept);
    return rc ? rc : put_kept(s, &kept);
}

/* ---- deleting ---- */

static int delete_range(struct spv_store *s, int64_t from, int64_t to)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_KEPT_REMOVE);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, from);
    (void)sqlite3_bind_int64(st, 2, to);
    return spv_db_run(s, SPV_STMT_KEPT_REMOVE, "remove kept filters");
}

int spv_kept_remove(struct spv_store *s, int64_t from, int64_t to)
{
    struct spv_kept kept;
    int64_t n = 0;
    int64_t bytes = 0;
    int rc = sum_range(s, &n, &bytes, from, to);
    if (rc || n == 0)
        return rc;
    const int fits = spv_kept_get(s, &kept);
    if (fits < 0)
        return fits;
    rc = delete_range(s, from, to);
    if (rc)
        return rc;
    if (fits == 0 || kept.n < n || kept.bytes < bytes)
        return spv_kept_recount(s);
    kept.n -= n;
    kept.bytes -= bytes;
    if (kept.n > 0 && to < kept.last) { /* the lowest ones */
        kept.from = kept.from > to ? kept.from : to + 1;
    } else if (kept.n > 0 && from <= kept.from) { /* the whole last run */
        rc = find_last_run(s, &kept);
        if (rc)
            return rc;
    }
    return put_kept(s, &kept);
}
