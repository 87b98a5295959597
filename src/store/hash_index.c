/* The index that finds a header by its hash. It covers the last 8 bytes of the hash in display
 * order, which are as good as random: an index over all 32 would be three times the size and find
 * nothing more. It is built after the first sync and dropped before many rows are inserted or
 * deleted. */
#include "store/hash_index.h"

#include "store/schema.h"

int spv_hash_index_exists(struct spv_store *s)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_HAS_INDEX);
    if (rc)
        return rc;
    int code = sqlite3_step(st);
    int result = code == SQLITE_ROW ? sqlite3_column_int(st, 0) > 0
                                    : spv_db_error(s, code, "read the schema");
    (void)sqlite3_reset(st);
    return result;
}

int spv_hash_index_find(struct spv_store *s)
{
    if (!s->indexed && s->mode == SPV_STORE_READ) {
        int rc = spv_hash_index_exists(s);
        if (rc < 0)
            return rc;
        s->indexed = rc > 0;
    }
    return s->indexed ? 1 : 0;
}

int spv_hash_index_drop(struct spv_store *s)
{
    int rc = spv_db_exec(s, "DROP INDEX IF EXISTS header_by_hash", "drop the hash index");
    s->indexed = s->indexed && rc != 0;
    return rc;
}

int spv_store_build_index(struct spv_store *s)
{
    if (s->indexed)
        return 0;
    if (s->mode == SPV_STORE_READ)
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    int rc = spv_store_commit(s);
    if (rc)
        return rc;
    rc = spv_db_exec(s, "CREATE INDEX IF NOT EXISTS " SPV_SCHEMA_INDEX, "build the hash index");
    s->indexed = rc == 0;
    return rc;
}

bool spv_store_indexed(const struct spv_store *s)
{
    return s->indexed;
}
