/* BIP157: a filter header is the double SHA-256 of the filter hash and the filter header below,
 * which is zero below genesis. Where the filter hash is not stored, only the built-in filter
 * headers show whether a row is right. */
#include "store/filter_rows.h"

#include <string.h>

#include "spv/filter.h"
#include "store/schema.h"
#include "store/schema_check.h"

int spv_filter_tables(struct spv_store *s)
{
    return spv_schema_reached(s, SPV_SCHEMA_FILTERS);
}

int spv_filter_row_read(struct spv_filter_row *out, sqlite3_stmt *st)
{
    memset(out, 0, sizeof *out);
    if (spv_row_u32(&out->height, st, 0) != 0 || spv_row_hash(out->header.b, st, 1) != 0)
        return SPV_ERR_DB_DAMAGED;
    out->has_hash = sqlite3_column_type(st, 2) != SQLITE_NULL;
    return out->has_hash ? spv_row_hash(out->hash.b, st, 2) : 0;
}

int spv_filter_row_insert(struct spv_store *s, uint32_t height,
                          const struct spv_filter_header *header,
                          const struct spv_filter_hash *hash)
{
    uint8_t display[2][32];
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_FILTER_INSERT);
    if (rc)
        return rc;
    spv_row_reverse(display[0], header->b);
    int code = sqlite3_bind_int64(st, 1, height);
    code |= sqlite3_bind_blob(st, 2, display[0], 32, SQLITE_STATIC);
    if (hash) {
        spv_row_reverse(display[1], hash->b);
        code |= sqlite3_bind_blob(st, 3, display[1], 32, SQLITE_STATIC);
    } else {
        code |= sqlite3_bind_null(st, 3);
    }
    return code == SQLITE_OK ? spv_db_run(s, SPV_STMT_FILTER_INSERT, "store a filter header")
                             : spv_db_error(s, sqlite3_errcode(s->db), "store a filter header");
}

static bool contradicts_built_in(const struct spv_params *params, const struct spv_filter_row *row)
{
    for (size_t i = 0; i < params->n_filter_checkpoints; i++) {
        const struct spv_filter_checkpoint *c = &params->filter_checkpoints[i];
        if (c->height == row->height)
            return memcmp(c->header.b, row->header.b, 32) != 0;
    }
    return false;
}

const char *spv_filter_row_check(const struct spv_params *params,
                                 const struct spv_filter_row *below,
                                 const struct spv_filter_row *row)
{
    static const struct spv_filter_header zero;
    const struct spv_filter_header *prev = row->height == 0 ? &zero : below ? &below->header : NULL;
    if (row->has_hash && prev) {
        struct spv_filter_header want;
        spv_filter_compute_header(&want, &row->hash, prev);
        if (memcmp(want.b, row->header.b, 32) != 0)
            return "is not the hash of its filter hash and the filter header below";
    }
    return contradicts_built_in(params, row) ? "contradicts the built-in filter header" : NULL;
}

int spv_filter_row_damaged(struct spv_store *s, int64_t height)
{
    return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                       "%s: the filter header of height %s is malformed or missing. "
                       "" SPV_DB_REPAIR_ADVICE,
                       s->path, SPV_COUNT(height));
}

int spv_filter_row_get(struct spv_store *s, struct spv_filter_row *out, uint32_t height)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_FILTER_RANGE);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, height);
    (void)sqlite3_bind_int64(st, 2, height);
    const int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        rc = spv_filter_row_read(out, st) == 0 ? 1 : spv_filter_row_damaged(s, height);
    else if (code != SQLITE_DONE)
        rc = spv_db_error(s, code, "read a filter header");
    (void)sqlite3_reset(st);
    return rc;
}

int spv_filter_run_get(struct spv_store *s, struct spv_filter_run *out)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_FILTER_BOUNDS);
    if (rc)
        return rc;
    const int code = sqlite3_step(st);
    if (code != SQLITE_ROW)
        rc = spv_db_error(s, code, "read the filter headers");
    else if (sqlite3_column_type(st, 0) == SQLITE_NULL)
        rc = 0;
    else if (spv_row_u32(&out->first, st, 0) != 0 || spv_row_u32(&out->last, st, 1) != 0)
        rc = spv_filter_row_damaged(s, sqlite3_column_int64(st, 0));
    else
        rc = 1;
    (void)sqlite3_reset(st);
    return rc;
}
