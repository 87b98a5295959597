/* Each row is one execution of a cached statement. */
#include "store/rows.h"

int spv_rows_insert(struct spv_store *s, const struct spv_chain_header *entry)
{
    struct spv_row row;
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_INSERT);
    if (rc)
        return rc;
    int code = spv_row_bind(st, &row, entry);
    return code == SQLITE_OK ? spv_db_run(s, SPV_STMT_INSERT, "store a header")
                             : spv_db_error(s, code, "store a header");
}

int spv_rows_insert_all(struct spv_store *s, const struct spv_chain_header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = spv_rows_insert(s, &headers[i]);
        if (rc)
            return rc;
    }
    return 0;
}

int spv_rows_remove_above(struct spv_store *s, int64_t height)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_REMOVE_ABOVE);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, height);
    return spv_db_run(s, SPV_STMT_REMOVE_ABOVE, "remove headers");
}

int spv_rows_capacity(struct spv_store *s, int64_t *out)
{
    int64_t pages = 0;
    int64_t page_bytes = 0;
    *out = 0;
    int rc = spv_db_integer(s, &pages, "PRAGMA page_count", "read its size");
    if (rc)
        return rc;
    rc = spv_db_integer(s, &page_bytes, "PRAGMA page_size", "read its size");
    if (rc)
        return rc;
    *out = pages * page_bytes / SPV_HEADER_SIZE; /* a row has the header's fields and more */
    return 0;
}
