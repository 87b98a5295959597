/* A filter is kept only when its filter header shows that it is the block's, and its filter hash is
 * stored with that header then. Beyond the caller's bound the lowest filters are deleted first: a
 * later scan needs the recent blocks most often.
 *
 *     kept_filters = 7        5 6 7   10 11 12 13
 *                                     kept_filters_from = 10 */
#include "store/kept_filters.h"

#include <string.h>

#include "spv/filter.h"
#include "store/filter_rows.h"
#include "store/meta.h"
#include "store/transaction.h"

/* ours: bytes of a filter that take as much of a transaction as a header, whose row has some 130 */
#define BYTES_PER_HEADER 128

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
    struct spv_kept kept = {.n = 0};
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
    struct spv_kept kept = {.n = 0};
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

/* Deletes the lowest filters, but only below a height, until at most `room` bytes are kept. */
static int evict_lowest(struct spv_store *s, struct spv_kept *kept, int64_t below, uint64_t room)
{
    while (kept->n > 0 && (uint64_t)kept->bytes > room) {
        sqlite3_stmt *st = NULL;
        int rc = spv_db_stmt(s, &st, SPV_STMT_KEPT_LOWEST);
        if (rc)
            return rc;
        const int code = sqlite3_step(st);
        const int64_t height = sqlite3_column_int64(st, 0);
        const int64_t bytes = sqlite3_column_int64(st, 1);
        (void)sqlite3_reset(st);
        if (code == SQLITE_DONE) { /* fewer than the metadata says */
            memset(kept, 0, sizeof *kept);
            return 0;
        }
        if (code != SQLITE_ROW)
            return spv_db_error(s, code, "read the kept filters");
        if (height >= below)
            return 0;
        rc = delete_range(s, height, height);
        if (rc)
            return rc;
        kept->n--;
        kept->bytes -= bytes;
        kept->from = kept->from > height ? kept->from : height + 1;
    }
    return 0;
}

/* ---- keeping ---- */

size_t spv_kept_weight(const struct spv_bytes *filter)
{
    return 1 + filter->n / BYTES_PER_HEADER;
}

static int keep_refused(struct spv_store *s, uint32_t height, const char *why)
{
    return spv_db_fail(s, SPV_ERR_STATE,
                       "%s: the filter of height %s cannot be kept: %s. Nothing was written.",
                       s->path, SPV_COUNT(height), why);
}

/* The filter is the one that the filter header commits to. Writes its row, and its hash. */
static int check_filter(struct spv_store *s, struct spv_filter_row *row, uint32_t height,
                        const struct spv_bytes *filter)
{
    const struct spv_filter view = {.bytes = filter->bytes, .n = filter->n};
    struct spv_filter_row below = {.height = 0};
    struct spv_filter_hash hash;
    int rc = spv_filter_row_get(s, row, height);
    if (rc <= 0)
        return rc < 0 ? rc : keep_refused(s, height, "its filter header is not stored");
    spv_filter_compute_hash(&hash, &view);
    if (row->has_hash)
        return memcmp(hash.b, row->hash.b, 32) == 0
                   ? 0
                   : keep_refused(s, height, "it does not have the filter hash that is stored");
    rc = height > 0 ? spv_filter_row_get(s, &below, height - 1) : 1;
    if (rc <= 0)
        return rc < 0 ? rc : keep_refused(s, height, "the filter header below is not stored");
    row->hash = hash;
    row->has_hash = true;
    if (spv_filter_row_check(&s->params, &below, row))
        return keep_refused(s, height, "it does not give its filter header");
    row->has_hash = false;
    return 0;
}

static int set_hash(struct spv_store *s, const struct spv_filter_row *row)
{
    uint8_t display[32];
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_FILTER_SET_HASH);
    if (rc)
        return rc;
    spv_row_reverse(display, row->hash.b);
    (void)sqlite3_bind_int64(st, 1, row->height);
    const int code = sqlite3_bind_blob(st, 2, display, 32, SQLITE_STATIC);
    return code == SQLITE_OK ? spv_db_run(s, SPV_STMT_FILTER_SET_HASH, "store a filter hash")
                             : spv_db_error(s, code, "store a filter hash");
}

int spv_kept_insert(struct spv_store *s, uint32_t height, const struct spv_bytes *filter)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_KEPT_INSERT);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, height);
    const int code = sqlite3_bind_blob(st, 2, filter->bytes, (int)filter->n, SQLITE_STATIC);
    return code == SQLITE_OK ? spv_db_run(s, SPV_STMT_KEPT_INSERT, "keep a filter")
                             : spv_db_error(s, code, "keep a filter");
}

/* The last run, after the filter of a new height was inserted. */
static int extend_run(struct spv_store *s, struct spv_kept *kept, int64_t height)
{
    if (kept->n == 1) {
        kept->from = height;
    } else if (height > kept->last) {
        kept->from = height == kept->last + 1 ? kept->from : height;
    } else if (height == kept->from - 1) { /* it may join the run below */
        struct spv_kept lower = {.last = height};
        int rc = find_run(s, &lower);
        kept->from = lower.from;
        return rc;
    }
    return 0;
}

/* Inside the transaction. 1: kept, 0: it would be the lowest and does not fit; or an error. */
static int keep_filter(struct spv_store *s, const struct spv_filter_row *row,
                       const struct spv_bytes *filter, uint64_t limit)
{
    struct spv_kept kept = {.n = 0};
    int64_t n_old = 0;
    int64_t bytes_old = 0;
    int rc = spv_kept_get(s, &kept);
    if (rc == 0) { /* the metadata does not fit the rows */
        rc = spv_kept_recount(s);
        rc = rc ? rc : spv_kept_get(s, &kept);
    }
    if (rc < 0)
        return rc;
    rc = sum_range(s, &n_old, &bytes_old, row->height, row->height);
    if (rc)
        return rc;
    kept.n -= n_old;
    kept.bytes -= bytes_old;
    const bool may_fit = filter->n <= limit;
    if (may_fit) {
        rc = evict_lowest(s, &kept, row->height, limit - filter->n);
        if (rc)
            return rc;
    }
    const bool fits = may_fit && (uint64_t)kept.bytes <= limit - filter->n;
    if (fits) {
        rc = spv_kept_insert(s, row->height, filter);
        if (rc)
            return rc;
        kept.n++;
        kept.bytes += (int64_t)filter->n;
        rc = n_old == 0 ? extend_run(s, &kept, row->height) : 0;
    } else {
        if (n_old > 0) {
            rc = delete_range(s, row->height, row->height);
            rc = rc || kept.n == 0 ? rc : find_last_run(s, &kept);
            if (rc)
                return rc;
        }
        rc = evict_lowest(s, &kept, INT64_MAX, limit);
    }
    if (rc)
        return rc;
    rc = put_kept(s, &kept);
    return rc ? rc : fits;
}

int spv_store_keep_filter(struct spv_store *s, uint32_t height, const struct spv_bytes *filter,
                          uint64_t limit)
{
    struct spv_filter_row row;
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    if (filter->n == 0 || filter->n > SPV_MAX_CFILTER)
        return spv_db_fail(s, filter->n == 0 ? SPV_ERR_INVALID : SPV_ERR_TOO_LONG,
                           "%s: a filter of %s bytes", s->path, SPV_COUNT((int64_t)filter->n));
    int rc = check_filter(s, &row, height, filter);
    if (rc)
        return rc;
    rc = spv_transaction_join(s);
    if (rc)
        return rc;
    const int kept = keep_filter(s, &row, filter, limit);
    if (kept < 0)
        return spv_transaction_undo(s, kept);
    rc = kept > 0 && !row.has_hash ? set_hash(s, &row) : 0;
    if (rc)
        return spv_transaction_undo(s, rc);
    rc = spv_transaction_leave(s, spv_kept_weight(filter));
    return rc ? rc : kept;
}
