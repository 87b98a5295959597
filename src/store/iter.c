/* An iterator has a connection of its own, so the store's writes do not change its snapshot, and
 * its memory is one row. Each header is hashed again: what an iterator returns is a chain of
 * hashes, or it fails where the chain is broken. */
#include "store/db.h"

#include <string.h>

struct spv_store_iter {
    struct spv_store *store; /* for error texts only */
    sqlite3 *db;
    struct spv_db_watch watch;
    sqlite3_stmt *st;
    int64_t from;
    int64_t to; /* as requested; the best chain may end before */
    int64_t next;
    int64_t end;
    struct spv_blockhash prev;
    bool branches; /* the best chain is done */
};

void spv_store_iter_close(struct spv_store_iter *it)
{
    if (it) {
        (void)sqlite3_finalize(it->st);
        spv_db_disconnect(&it->db, &it->watch);
        sqlite3_free(it);
    }
}

static int iter_error(struct spv_store_iter *it, int code)
{
    return spv_db_error_of(it->store, it->db, code, "read headers");
}

static int iter_damaged(struct spv_store_iter *it, const char *what)
{
    return spv_db_fail(
        it->store, SPV_ERR_DB_DAMAGED,
        "%s: the database is damaged: the header of height %s %s. " SPV_DB_REPAIR_ADVICE,
        it->store->path, SPV_COUNT(it->next), what);
}

/* Steps to the row of height it->next. 1, 0 when nothing is left, negative. */
static int iter_step(struct spv_store_iter *it, struct spv_chain_header *out)
{
    int code = sqlite3_step(it->st);
    if (code == SQLITE_DONE)
        return it->next <= it->end ? iter_damaged(it, "is missing") : 0;
    if (code != SQLITE_ROW)
        return iter_error(it, code);
    if (sqlite3_column_int64(it->st, 0) != it->next)
        return iter_damaged(it, "is missing");
    return spv_row_read(out, it->st) == 0 ? 1 : iter_damaged(it, "is malformed");
}

/* The tip and the start of the chain in the snapshot. */
static int read_bounds(struct spv_store_iter *it, int64_t *start)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(it->db,
                                "SELECT coalesce(max(height), -1),"
                                " (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'base'),"
                                " (SELECT value FROM meta WHERE key = 'base_parent') FROM header",
                                -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const unsigned char *parent = sqlite3_column_text(st, 2);
        it->end = sqlite3_column_int64(st, 0);
        *start = sqlite3_column_int64(st, 1);
        rc = *start > 0 && (!parent || spv_blockhash_from_hex(&it->prev, (const char *)parent) != 0)
                 ? SQLITE_CORRUPT
                 : SQLITE_OK;
    }
    (void)sqlite3_finalize(st);
    return rc;
}

/* Takes the snapshot and seeks the first row; of the row below only the hash is used. */
static int iter_begin(struct spv_store_iter *it, uint32_t from, uint32_t to)
{
    int64_t start = 0;
    int rc = sqlite3_exec(it->db, "BEGIN", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = read_bounds(it, &start);
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v2(it->db,
                                "SELECT " SPV_ROW_COLUMNS " FROM header"
                                " WHERE height BETWEEN ?1 AND ?2 ORDER BY height",
                                -1, &it->st, NULL);
    }
    if (rc != SQLITE_OK)
        return iter_error(it, rc);
    if (it->end > to)
        it->end = to;
    it->from = from;
    it->to = to;
    it->next = from;
    if (from > it->end)
        return 0;
    if (start > 0 && from < start && (from > 0 || it->end > 0)) {
        return spv_db_fail(it->store, SPV_ERR_NOT_FOUND,
                           "%s: the database begins at height %s, not at %s. Start from there, or "
                           "fetch what is below with spv-sync --backfill.",
                           it->store->path, SPV_COUNT(start), SPV_COUNT(from));
    }
    if (from == 0)
        it->prev = (struct spv_blockhash){{0}};
    it->next = from > 0 && from != start ? (int64_t)from - 1 : from;
    (void)sqlite3_bind_int64(it->st, 1, it->next);
    (void)sqlite3_bind_int64(it->st, 2, it->end);
    if (it->next < from) {
        struct spv_chain_header below;
        int found = iter_step(it, &below);
        if (found < 0)
            return found;
        it->prev = below.hash;
        it->next = from;
    }
    return 0;
}

int spv_store_iter_open(struct spv_store_iter **out, struct spv_store *s, uint32_t from,
                        uint32_t to)
{
    *out = NULL;
    struct spv_store_iter *it = sqlite3_malloc64(sizeof *it);
    if (!it)
        return spv_db_error_of(s, NULL, SQLITE_NOMEM, "iterate over headers");
    memset(it, 0, sizeof *it);
    it->store = s;
    it->watch.stop = s->watch.stop;
    it->watch.busy = s->watch.busy;
    it->watch.busy_ctx = s->watch.busy_ctx;
    int code = spv_db_connect(&it->db, &it->watch, s->path, SPV_STORE_READ, s->immutable);
    int rc = code == SQLITE_OK ? iter_begin(it, from, to) : iter_error(it, code);
    if (rc) {
        spv_store_iter_close(it);
        return rc;
    }
    *out = it;
    return 0;
}

int spv_store_iter_branches(struct spv_store_iter *it)
{
    (void)sqlite3_finalize(it->st);
    it->st = NULL;
    it->branches = true;
    int code = sqlite3_prepare_v2(it->db,
                                  "SELECT " SPV_ROW_COLUMNS ", previous_hash FROM branch_header"
                                  " WHERE height BETWEEN ?1 AND ?2 ORDER BY height, hash",
                                  -1, &it->st, NULL);
    if (code != SQLITE_OK)
        return iter_error(it, code);
    (void)sqlite3_bind_int64(it->st, 1, it->from);
    (void)sqlite3_bind_int64(it->st, 2, it->to);
    return 0;
}

/* A side branch's row has its previous hash. */
static int next_branch(struct spv_store_iter *it, struct spv_chain_header *out)
{
    struct spv_blockhash hash;
    int code = sqlite3_step(it->st);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? 0 : iter_error(it, code);
    it->next = sqlite3_column_int64(it->st, 0);
    if (spv_row_read(out, it->st) != 0 || spv_row_hash(out->header.prev.b, it->st, SPV_ROW_N) != 0)
        return iter_damaged(it, "on a side branch is malformed");
    spv_header_hash(&hash, &out->header);
    return spv_blockhash_eq(&hash, &out->hash)
               ? 1
               : iter_damaged(it, "on a side branch does not hash to its stored hash");
}

int spv_store_iter_next(struct spv_store_iter *it, struct spv_chain_header *out)
{
    if (it->branches)
        return next_branch(it, out);
    if (it->next > it->end)
        return 0;
    int rc = iter_step(it, out);
    if (rc <= 0)
        return rc;
    struct spv_blockhash hash;
    out->header.prev = it->prev;
    spv_header_hash(&hash, &out->header);
    if (!spv_blockhash_eq(&hash, &out->hash))
        return iter_damaged(it, "does not hash to its stored hash");
    it->prev = out->hash;
    it->next++;
    return 1;
}
