/* The store as a filter database. Each callback is one statement, so that it sees one state of the
 * file also outside a snapshot; a filter is copied, so that no statement stays open. */
#include <string.h>

#include "spv/filter.h"
#include "store/filter_rows.h"
#include "store/kept_filters.h"

static int read_headers(struct spv_store *s, struct spv_filter_header *headers,
                        struct spv_filter_hash *hashes, uint32_t from, uint32_t n)
{
    sqlite3_stmt *st = NULL;
    uint32_t got = 0;
    int code = SQLITE_DONE;
    int rc = spv_db_stmt(s, &st, SPV_STMT_FILTER_RANGE);
    if (rc || n == 0)
        return rc;
    (void)sqlite3_bind_int64(st, 1, from);
    (void)sqlite3_bind_int64(st, 2, (int64_t)from + n - 1);
    while ((code = sqlite3_step(st)) == SQLITE_ROW) {
        struct spv_filter_row row;
        const int64_t want = (int64_t)from + got;
        if (got == 0 && sqlite3_column_int64(st, 0) != want) {
            code = SQLITE_DONE; /* below the run */
            break;
        }
        if (spv_filter_row_read(&row, st) != 0 || row.height != want) {
            rc = spv_filter_row_damaged(s, want);
            break;
        }
        if (hashes && !row.has_hash) {
            code = SQLITE_DONE;
            break;
        }
        if (headers)
            headers[got] = row.header;
        if (hashes)
            hashes[got] = row.hash;
        got++;
    }
    if (!rc && code != SQLITE_DONE)
        rc = spv_db_error(s, code, "read filter headers");
    (void)sqlite3_reset(st);
    return rc ? rc : (int)got;
}

static int filter_db_headers(void *ctx, struct spv_filter_header *headers,
                             struct spv_filter_hash *hashes, uint32_t from, uint32_t n)
{
    int rc = spv_filter_tables(ctx);
    return rc <= 0 ? rc : read_headers(ctx, headers, hashes, from, n < INT32_MAX ? n : INT32_MAX);
}

static int filter_damaged(struct spv_store *s, uint32_t height, const char *what)
{
    return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                       "%s: the kept filter of height %s %s. " SPV_DB_REPAIR_ADVICE, s->path,
                       SPV_COUNT(height), what);
}

/* Copies the filter of the current row. */
static int copy_filter(struct spv_store *s, sqlite3_stmt *st, size_t n)
{
    const void *bytes = sqlite3_column_blob(st, 0);
    if (!bytes)
        return spv_db_error_of(s, NULL, SQLITE_NOMEM, "read a filter");
    if (s->filter_size < n) {
        uint8_t *grown = sqlite3_realloc64(s->filter, n);
        if (!grown)
            return spv_db_error_of(s, NULL, SQLITE_NOMEM, "read a filter");
        s->filter = grown;
        s->filter_size = n;
    }
    memcpy(s->filter, bytes, n);
    return 0;
}

/* The current row of a filter and its filter hash: checks it and copies it. 1 or an error. */
static int take_filter(struct spv_store *s, struct spv_bytes *out, sqlite3_stmt *st,
                       uint32_t height)
{
    struct spv_filter_hash want;
    struct spv_filter_hash hash;
    const size_t n = (size_t)sqlite3_column_bytes(st, 0);
    if (sqlite3_column_type(st, 0) != SQLITE_BLOB || n == 0)
        return filter_damaged(s, height, "is malformed");
    if (spv_row_hash(want.b, st, 1) != 0)
        return filter_damaged(s, height, "has no filter hash");
    int rc = copy_filter(s, st, n);
    if (rc)
        return rc;
    const struct spv_filter view = {.bytes = s->filter, .n = n};
    spv_filter_compute_hash(&hash, &view);
    if (memcmp(hash.b, want.b, sizeof hash.b) != 0)
        return filter_damaged(s, height, "does not have its filter hash");
    *out = (struct spv_bytes){.bytes = s->filter, .n = n};
    return 1;
}

static int filter_db_filter(void *ctx, struct spv_bytes *out, uint32_t height)
{
    struct spv_store *s = ctx;
    sqlite3_stmt *st = NULL;
    int rc = spv_filter_tables(s);
    if (rc <= 0)
        return rc;
    rc = spv_db_stmt(s, &st, SPV_STMT_KEPT_READ);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, height);
    const int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        rc = take_filter(s, out, st, height);
    else if (code != SQLITE_DONE)
        rc = spv_db_error(s, code, "read a filter");
    (void)sqlite3_reset(st);
    return rc;
}

static int filter_db_range(void *ctx, uint32_t *first, uint32_t *last)
{
    struct spv_filter_run run;
    int rc = spv_filter_tables(ctx);
    if (rc <= 0)
        return rc;
    rc = spv_filter_run_get(ctx, &run);
    if (rc > 0) {
        *first = run.first;
        *last = run.last;
    }
    return rc;
}

static int filter_db_kept(void *ctx, uint32_t *first, uint32_t *last)
{
    struct spv_store *s = ctx;
    struct spv_kept kept;
    int rc = spv_filter_tables(s);
    if (rc <= 0)
        return rc;
    rc = spv_kept_get(s, &kept);
    if (rc == 0)
        return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                           "%s: the metadata's number of kept filters is wrong. "
                           "" SPV_DB_REPAIR_ADVICE,
                           s->path);
    if (rc < 0 || kept.n == 0)
        return rc < 0 ? rc : 0;
    *first = (uint32_t)kept.from;
    *last = (uint32_t)kept.last;
    return 1;
}

struct spv_filter_db spv_store_filter_db(struct spv_store *s)
{
    struct spv_filter_db db = {
        .ctx = s,
        .headers = filter_db_headers,
        .filter = filter_db_filter,
        .range = filter_db_range,
        .kept = filter_db_kept,
    };
    return db;
}
