/* Rows are read upwards and checked as by a verification; they are inserted in transactions as
 * large as those of a sync. */
#include "store/salvage_filters.h"

#include <string.h>

#include "spv/filter.h"
#include "store/filter_rows.h"
#include "store/kept_filters.h"
#include "store/schema_check.h"
#include "store/transaction.h"

/* 1: the next row is good, 0: the run ends. */
static int next_header(struct spv_filter_row *out, sqlite3_stmt *st, const struct spv_store *fresh,
                       const struct spv_filter_row *below)
{
    if (sqlite3_step(st) != SQLITE_ROW || spv_filter_row_read(out, st) != 0 ||
        out->height > fresh->tip.height || (below && out->height != (uint64_t)below->height + 1))
        return 0;
    return spv_filter_row_check(&fresh->params, below, out) ? 0 : 1;
}

static int copy_headers(struct spv_store *fresh, struct spv_store *source)
{
    struct spv_filter_row rows[2];
    const struct spv_filter_row *below = NULL;
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(source, &st, SPV_STMT_FILTER_RANGE);
    if (rc)
        return 0;
    (void)sqlite3_bind_int64(st, 1, fresh->start.height);
    (void)sqlite3_bind_int64(st, 2, INT64_MAX);
    while (!rc && !spv_interrupt_requested(fresh->watch.stop)) {
        struct spv_filter_row *row = below == &rows[0] ? &rows[1] : &rows[0];
        if (next_header(row, st, fresh, below) == 0)
            break;
        rc = spv_transaction_join(fresh);
        if (rc)
            break;
        rc = spv_filter_row_insert(fresh, row->height, &row->header,
                                   row->has_hash ? &row->hash : NULL);
        rc = rc ? spv_transaction_undo(fresh, rc) : spv_transaction_leave(fresh, 1);
        below = row;
    }
    (void)sqlite3_reset(st);
    return rc;
}

/* 1: the next filter is good, 0: it is not, or there is none; or an error of `fresh`. */
static int next_filter(uint32_t *height, struct spv_bytes *out, sqlite3_stmt *st,
                       struct spv_store *fresh)
{
    struct spv_filter_row row;
    if (sqlite3_step(st) != SQLITE_ROW || spv_row_u32(height, st, 0) != 0 ||
        sqlite3_column_type(st, 1) != SQLITE_BLOB)
        return 0;
    out->bytes = sqlite3_column_blob(st, 1);
    out->n = (size_t)sqlite3_column_bytes(st, 1);
    if (!out->bytes || out->n == 0)
        return 0;
    int rc = spv_filter_row_get(fresh, &row, *height);
    if (rc <= 0 || !row.has_hash)
        return rc < 0 ? rc : 0;
    struct spv_filter_hash hash;
    const struct spv_filter view = {.bytes = out->bytes, .n = out->n};
    spv_filter_compute_hash(&hash, &view);
    return memcmp(hash.b, row.hash.b, sizeof hash.b) == 0;
}

static int copy_filters(struct spv_store *fresh, struct spv_store *source)
{
    sqlite3_stmt *st = NULL;
    struct spv_bytes filter = {.n = 0};
    uint32_t height = 0;
    int rc = 0;
    int code = sqlite3_prepare_v2(source->db,
                                  "SELECT height, filter FROM block_filter WHERE height >= 0"
                                  " ORDER BY height",
                                  -1, &st, NULL);
    while (!rc && code == SQLITE_OK && !spv_interrupt_requested(fresh->watch.stop)) {
        rc = next_filter(&height, &filter, st, fresh);
        if (rc <= 0)
            break;
        rc = spv_transaction_join(fresh);
        if (rc)
            break;
        rc = spv_kept_insert(fresh, height, &filter);
        rc = rc ? spv_transaction_undo(fresh, rc)
                : spv_transaction_leave(fresh, spv_kept_weight(&filter));
    }
    (void)sqlite3_finalize(st);
    return rc;
}

int spv_salvage_filters(struct spv_store *fresh, struct spv_store *source)
{
    if (!spv_schema_is_plain(source->db, "main", "filter_header"))
        return 0;
    int rc = copy_headers(fresh, source);
    if (rc)
        return rc;
    if (spv_schema_is_plain(source->db, "main", "block_filter"))
        rc = copy_filters(fresh, source);
    if (rc)
        return rc;
    rc = spv_transaction_join(fresh);
    if (rc)
        return rc;
    rc = spv_kept_recount(fresh);
    if (rc)
        return spv_transaction_undo(fresh, rc);
    rc = spv_transaction_leave(fresh, 1);
    return rc ? rc : spv_store_commit(fresh);
}
