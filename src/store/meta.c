/* The meta table: keys and values that are text, except tip_height and the totals of the kept
 * filters, which are integers. */
#include "store/meta.h"

#include <string.h>

#include "util/u256.h"

static int run_set(struct spv_store *s, sqlite3_stmt *st, const char *key)
{
    int code = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    return code == SQLITE_OK ? spv_db_run(s, SPV_STMT_META_SET, "write the metadata")
                             : spv_db_error(s, code, "write the metadata");
}

int spv_meta_set(struct spv_store *s, const char *key, const char *text)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_META_SET);
    if (rc)
        return rc;
    int code = sqlite3_bind_text(st, 2, text, -1, SQLITE_STATIC);
    return code == SQLITE_OK ? run_set(s, st, key) : spv_db_error(s, code, "write the metadata");
}

/* As spv_meta_get, but SPV_ERR_MALFORMED, without a text, for a value that is malformed. */
static int read_text(struct spv_store *s, char *out, size_t cap, const char *key)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_META_GET);
    if (rc)
        return rc;
    int code = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(st, 0);
        size_t n = (size_t)sqlite3_column_bytes(st, 0);
        if (!text) {
            rc = spv_db_error(s, SQLITE_NOMEM, "read the metadata");
        } else if (n >= cap || strlen((const char *)text) != n) {
            rc = SPV_ERR_MALFORMED;
        } else {
            memcpy(out, text, n + 1);
            rc = 1;
        }
    } else if (code != SQLITE_DONE) {
        rc = spv_db_error(s, code, "read the metadata");
    }
    (void)sqlite3_reset(st);
    return rc;
}

int spv_meta_get(struct spv_store *s, char *out, size_t cap, const char *key)
{
    int rc = read_text(s, out, cap, key);
    return rc != SPV_ERR_MALFORMED
               ? rc
               : spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                             "%s: the metadata's %s is malformed. " SPV_DB_REPAIR_ADVICE, s->path,
                             key);
}

int spv_meta_get_info(struct spv_store *s, char *out, size_t cap, const char *key)
{
    int rc = read_text(s, out, cap, key);
    if (rc == SPV_ERR_MALFORMED)
        out[0] = '\0';
    return rc == SPV_ERR_MALFORMED ? 1 : rc;
}

int spv_meta_set_integer(struct spv_store *s, const char *key, int64_t x)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_META_SET);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 2, x);
    return run_set(s, st, key);
}

int spv_meta_set_tip(struct spv_store *s, const struct spv_chain_header *tip)
{
    char hex[SPV_HASH_HEX];
    int rc = spv_meta_set_integer(s, "tip_height", tip->height);
    if (rc)
        return rc;
    spv_blockhash_hex(hex, &tip->hash);
    rc = spv_meta_set(s, "tip_hash", hex);
    if (rc)
        return rc;
    spv_u256_hex(hex, &tip->work);
    return spv_meta_set(s, "tip_work", hex);
}

int spv_meta_remove(struct spv_store *s, const char *key)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_META_REMOVE);
    if (rc)
        return rc;
    int code = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    return code == SQLITE_OK ? spv_db_run(s, SPV_STMT_META_REMOVE, "write the metadata")
                             : spv_db_error(s, code, "write the metadata");
}
