/* An iterator has a connection of its own, so the store's writes do not change its snapshot, and
 * its memory is one row. Each header is hashed again: what an iterator returns is a chain of
 * hashes, or it fails where the chain is broken. */
#include "store/db.h"

#include <string.h>

struct spv_store_iter {
    struct spv_store *store; /* for error texts only */
    sqlite3 *db;
    struct spv_watch watch;
    sqlite3_stmt *st;
    int64_t from;
    int64_t to; /* as requested; the best chain may end before */
    int64_t next;
    int64_t end;
    struct spv_blockhash prev;
    bool branches; /* the best chain is done */
};

void spv_store_iter_close(struct spv_store_iter *w)
{
    if (w) {
        (void)sqlite3_finalize(w->st);
        spv_db_disconnect(&w->db, &w->watch);
        sqlite3_free(w);
    }
}

static int walk_error(struct spv_store_iter *w, int code)
{
    return spv_db_error_of(w->store, w->db, code, "read headers");
}

static int walk_damaged(struct spv_store_iter *w, const char *what)
{
    return spv_db_fail(
        w->store, SPV_ERR_DB_DAMAGED,
        "%s: the database is damaged: the header of height %s %s. " SPV_DB_REPAIR_ADVICE,
        w->store->path, SPV_COUNT(w->next), what);
}

/* Steps to the row of height w->next. 1, 0 when nothing is left, negative. */
static int iter_step(struct spv_store_iter *w, struct spv_chain_header *out)
{
    int code = sqlite3_step(w->st);
    if (code == SQLITE_DONE)
        return w->next <= w->end ? walk_damaged(w, "is missing") : 0;
    if (code != SQLITE_ROW)
        return walk_error(w, code);
    if (sqlite3_column_int64(w->st, 0) != w->next)
        return walk_damaged(w, "is missing");
    return spv_row_read(out, w->st) == 0 ? 1 : walk_damaged(w, "is malformed");
}

/* The tip and the start of the chain in the snapshot. */
static int read_bounds(struct spv_store_iter *w, int64_t *base)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(w->db,
                                "SELECT coalesce(max(height), -1),"
                                " (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'base'),"
                                " (SELECT value FROM meta WHERE key = 'base_parent') FROM header",
                                -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const unsigned char *parent = sqlite3_column_text(st, 2);
        w->end = sqlite3_column_int64(st, 0);
        *base = sqlite3_column_int64(st, 1);
        rc = *base > 0 && (!parent || spv_blockhash_from_hex(&w->prev, (const char *)parent) != 0)
                 ? SQLITE_CORRUPT
                 : SQLITE_OK;
    }
    (void)sqlite3_finalize(st);
    return rc;
}

/* Takes the snapshot and seeks the first row; of the row below only the hash is used. */
static int iter_begin(struct spv_store_iter *w, uint32_t from, uint32_t to)
{
    int64_t base = 0;
    int rc = sqlite3_exec(w->db, "BEGIN", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = read_bounds(w, &base);
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v2(w->db,
                                "SELECT " SPV_ROW_COLUMNS " FROM header"
                                " WHERE height BETWEEN ?1 AND ?2 ORDER BY height",
                                -1, &w->st, NULL);
    }
    if (rc != SQLITE_OK)
        return walk_error(w, rc);
    if (w->end > to)
        w->end = to;
    w->from = from;
    w->to = to;
    w->next = from;
    if (from > w->end)
        return 0;
    if (base > 0 && from < base && (from > 0 || w->end > 0)) {
        return spv_db_fail(w->store, SPV_ERR_NOT_FOUND,
                           "%s: the database begins at height %s, not at %s. Ask from there, or "
                           "fetch what is below with spv-sync --backfill.",
                           w->store->path, SPV_COUNT(base), SPV_COUNT(from));
    }
    if (from == 0)
        w->prev = (struct spv_blockhash){{0}};
    w->next = from > 0 && from != base ? (int64_t)from - 1 : from;
    (void)sqlite3_bind_int64(w->st, 1, w->next);
    (void)sqlite3_bind_int64(w->st, 2, w->end);
    if (w->next < from) {
        struct spv_chain_header below;
        int found = iter_step(w, &below);
        if (found < 0)
            return found;
        w->prev = below.hash;
        w->next = from;
    }
    return 0;
}

int spv_store_iter_open(struct spv_store_iter **out, struct spv_store *s, uint32_t from,
                        uint32_t to)
{
    *out = NULL;
    struct spv_store_iter *w = sqlite3_malloc64(sizeof *w);
    if (!w)
        return spv_db_error_of(s, NULL, SQLITE_NOMEM, "walk over headers");
    memset(w, 0, sizeof *w);
    w->store = s;
    w->watch.stop = s->watch.stop;
    w->watch.busy = s->watch.busy;
    w->watch.busy_ctx = s->watch.busy_ctx;
    int code = spv_db_connect(&w->db, &w->watch, s->path, SPV_STORE_READ, s->immutable);
    int rc = code == SQLITE_OK ? iter_begin(w, from, to) : walk_error(w, code);
    if (rc) {
        spv_store_iter_close(w);
        return rc;
    }
    *out = w;
    return 0;
}

int spv_store_iter_branches(struct spv_store_iter *w)
{
    (void)sqlite3_finalize(w->st);
    w->st = NULL;
    w->branches = true;
    int code = sqlite3_prepare_v2(w->db,
                                  "SELECT " SPV_ROW_COLUMNS ", previous_hash FROM branch_header"
                                  " WHERE height BETWEEN ?1 AND ?2 ORDER BY height, hash",
                                  -1, &w->st, NULL);
    if (code != SQLITE_OK)
        return walk_error(w, code);
    (void)sqlite3_bind_int64(w->st, 1, w->from);
    (void)sqlite3_bind_int64(w->st, 2, w->to);
    return 0;
}

/* A side branch's row has its previous hash. */
static int next_branch(struct spv_store_iter *w, struct spv_chain_header *out)
{
    struct spv_blockhash hash;
    int code = sqlite3_step(w->st);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? 0 : walk_error(w, code);
    w->next = sqlite3_column_int64(w->st, 0);
    if (spv_row_read(out, w->st) != 0 || spv_row_hash(out->header.prev.b, w->st, SPV_ROW_N) != 0)
        return walk_damaged(w, "on a side branch is malformed");
    spv_header_hash(&hash, &out->header);
    return spv_blockhash_eq(&hash, &out->hash)
               ? 1
               : walk_damaged(w, "on a side branch does not hash to its stored hash");
}

int spv_store_iter_next(struct spv_store_iter *w, struct spv_chain_header *out)
{
    if (w->branches)
        return next_branch(w, out);
    if (w->next > w->end)
        return 0;
    int rc = iter_step(w, out);
    if (rc <= 0)
        return rc;
    struct spv_blockhash hash;
    out->header.prev = w->prev;
    spv_header_hash(&hash, &out->header);
    if (!spv_blockhash_eq(&hash, &out->hash))
        return walk_damaged(w, "does not hash to its stored hash");
    w->prev = out->hash;
    w->next++;
    return 1;
}
