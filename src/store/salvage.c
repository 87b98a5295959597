/* Rows are read upwards, checked as at every opening, and inserted in batches, up to the first that
 * is missing, invalid or unreadable. Side branches are not copied: peers send them again when they
 * matter. */
#include "store/salvage.h"

#include <stdio.h>
#include <string.h>

#include "store/meta.h"
#include "store/network_id.h"
#include "store/row_check.h"
#include "store/rows.h"
#include "store/salvage_filters.h"
#include "store/schema.h"
#include "store/schema_check.h"
#include "store/start.h"
#include "store/wallet_repair.h"

#define BATCH 2000 /* rows per transaction, as many as a headers message has */

static void set_error(struct spv_error_info *why, int code, const char *text)
{
    why->code = (enum spv_err)code;
    (void)snprintf(why->text, sizeof why->text, "%s", text);
}

static int interrupted_error(struct spv_store *s)
{
    return spv_db_fail(s, SPV_ERR_INTERRUPTED, "%s: the repair was stopped before its end.",
                       s->path);
}

/* A store around a bare connection, for the functions that take a store. */
static int begin_source(struct spv_store *s, const char *path, struct spv_interrupt *stop)
{
    memset(s, 0, sizeof *s);
    s->lock = -1;
    s->unchecked = true;
    s->watch.stop = stop;
    s->path = sqlite3_mprintf("%s", path);
    if (!s->path)
        return SQLITE_NOMEM;
    return spv_db_connect(&s->db, &s->watch, path, SPV_STORE_READ, false);
}

static void end_source(struct spv_store *s)
{
    for (size_t i = 0; i < SPV_STMTS; i++)
        (void)sqlite3_finalize(s->stmt[i]);
    spv_db_disconnect(&s->db, &s->watch);
    sqlite3_free(s->path);
}

/* Reads a number; 0 when it cannot be read. */
static int64_t read_pragma(struct spv_store *s, const char *sql)
{
    int64_t x = 0;
    return spv_db_integer(s, &x, sql, "read the database") == 0 ? x : 0;
}

static int identify_network(struct spv_store *s, struct spv_params *params,
                            const struct spv_verify_config *cfg)
{
    if (cfg->params)
        s->params = *cfg->params;
    int rc = SPV_ERR_DB_DAMAGED;
    if (spv_schema_is_plain(s->db, "main", "meta"))
        rc = cfg->params ? spv_network_id_check(s) : spv_network_id_load(s);
    *params = s->params;
    if (rc == SPV_ERR_DB_DAMAGED && !cfg->params) {
        return spv_db_fail(s, SPV_ERR_INVALID,
                           "%s: is too damaged to identify its network. Name the network.",
                           s->path);
    }
    return rc == SPV_ERR_DB_DAMAGED ? 0 : rc;
}

int spv_salvage_probe(struct spv_params *params, bool *readable,
                      const struct spv_verify_config *cfg, const char *path,
                      struct spv_error_info *why)
{
    struct spv_store s;
    int code = begin_source(&s, path, cfg->stop);
    int rc = code == SQLITE_NOMEM ? SPV_ERR_NOMEM : 0;
    *readable = false;
    if (!rc) {
        bool ours = read_pragma(&s, "PRAGMA application_id") == SPV_APPLICATION_ID;
        int64_t tables = read_pragma(&s, "SELECT count(*) FROM sqlite_master");
        bool named =
            read_pragma(&s, "SELECT count(*) FROM sqlite_master WHERE name = 'header'") > 0;
        *readable = spv_schema_is_plain(s.db, "main", "header");
        if (!ours && tables > 0 && !named) {
            rc = spv_db_fail(&s, SPV_ERR_DB_DAMAGED,
                             "%s: is a database of another program, not a headers database, and "
                             "was left alone. Name another file.",
                             path);
        } else if (ours && read_pragma(&s, "PRAGMA user_version") > SPV_SCHEMA_VERSION) {
            rc = spv_db_fail(&s, SPV_ERR_DB_NEWER,
                             "%s: was written by a newer version. Update this program.", path);
        } else {
            rc = identify_network(&s, params, cfg);
        }
    }
    if (!rc &&
        spv_interrupt_requested(cfg->stop)) /* then reading may have failed for that reason */
        rc = interrupted_error(&s);
    if (rc)
        set_error(why, rc, rc == SPV_ERR_NOMEM ? "Out of memory. Try again." : s.error_text);
    end_source(&s);
    return rc;
}

/* The next valid row: 1; 0 at the end of the readable rows. */
static int next_row(struct spv_chain_header *out, sqlite3_stmt *st, const struct spv_store *fresh,
                    const struct spv_chain_header *below, int64_t want)
{
    if (sqlite3_step(st) != SQLITE_ROW || sqlite3_column_int64(st, 0) != want ||
        spv_row_read(out, st) != 0)
        return 0;
    if (want == 0) {
        out->header.prev = fresh->params.genesis.prev;
        return spv_genesis_check(fresh, out) == NULL;
    }
    out->header.prev = below->hash;
    return spv_row_check(below, out) == NULL;
}

static int commit_tip(struct spv_store *fresh, const struct spv_chain_header *tip)
{
    int rc = spv_meta_set_tip(fresh, tip);
    if (rc)
        return rc;
    fresh->tip = *tip;
    return spv_db_commit(fresh);
}

/* The genesis is there already. Backfilled headers are not copied. */
static int copy_rows(struct spv_store *fresh, sqlite3_stmt *st, int64_t limit)
{
    struct spv_chain_header r;
    struct spv_chain_header below = fresh->tip;
    const int64_t start = fresh->start.height;
    int64_t want = start;
    if (start > 0) {
        below.hash = fresh->start_parent;
        below.work = fresh->start_work;
    }
    int rc = spv_db_begin(fresh);
    if (rc)
        return rc;
    if (start > 0) {
        rc = spv_start_write(fresh, &fresh->start, &fresh->start_parent, &fresh->start_work);
        if (rc)
            goto rollback;
    }
    while ((limit < 0 || want <= limit) && !spv_interrupt_requested(fresh->watch.stop) &&
           next_row(&r, st, fresh, &below, want) > 0) {
        rc = want > 0 ? spv_rows_insert(fresh, &r) : 0;
        if (rc)
            goto rollback;
        if (want % BATCH == BATCH - 1) {
            rc = commit_tip(fresh, &r);
            if (rc)
                goto rollback;
            rc = spv_db_begin(fresh);
            if (rc)
                goto rollback;
        }
        below = r;
        want++;
    }
    if (start > 0 && want == start) { /* none of its rows can be read: start at genesis */
        static const struct spv_chain_start complete = {0};
        below = fresh->tip;
        fresh->start = complete;
        rc = spv_start_write(fresh, &complete, NULL, NULL);
        if (rc)
            goto rollback;
    }
    rc = commit_tip(fresh, &below);
    if (rc)
        goto rollback;
    return 0;
rollback:
    spv_db_rollback(fresh);
    return rc;
}

/* Addresses, bans and all other tables, each if it can be read. */
static void copy_others(struct spv_store *fresh, const char *path)
{
    sqlite3_stmt *st = NULL;
    char *sql = sqlite3_mprintf("ATTACH %Q AS old", path);
    if (!sql || sqlite3_exec(fresh->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        sqlite3_free(sql);
        return;
    }
    sqlite3_free(sql);
    int code = sqlite3_prepare_v2(
        fresh->db,
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' AND name NOT IN ('header', 'branch_header', 'meta', 'filter_header',"
        " 'block_filter', 'broadcast') AND name NOT LIKE 'wallet\\_%' ESCAPE '\\'",
        -1, &st, NULL);
    while (code == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        if (!name || !spv_schema_is_plain(fresh->db, "old", name))
            continue;
        sql = sqlite3_mprintf("INSERT OR IGNORE INTO main.\"%w\" SELECT * FROM old.\"%w\"", name,
                              name);
        if (sql)
            (void)sqlite3_exec(fresh->db, sql, NULL, NULL, NULL);
        sqlite3_free(sql);
    }
    (void)sqlite3_finalize(st);
    if (spv_schema_is_plain(fresh->db, "old", "meta")) {
        (void)sqlite3_exec(fresh->db,
                           "INSERT OR IGNORE INTO main.meta SELECT * FROM old.meta"
                           " WHERE key IN ('book_key', 'last_sync')",
                           NULL, NULL, NULL);
    }
    (void)sqlite3_exec(fresh->db, "DETACH old", NULL, NULL, NULL);
}

/* readable: the headers are in an ordinary table. */
static int rebuild_database(struct spv_store *fresh, const char *path, bool readable, int64_t limit,
                            bool *rescan)
{
    struct spv_store source;
    sqlite3_stmt *st = NULL;
    int rc = 0;
    int code = begin_source(&source, path, fresh->watch.stop);
    const bool opened = code == SQLITE_OK;
    if (opened)
        code = readable ? SQLITE_OK : SQLITE_EMPTY;
    if (code == SQLITE_OK) {
        code = sqlite3_prepare_v2(
            source.db, "SELECT " SPV_ROW_COLUMNS " FROM header WHERE height >= 0 ORDER BY height",
            -1, &st, NULL);
    }
    if (code == SQLITE_OK)
        rc = copy_rows(fresh, st, limit);
    if (code == SQLITE_OK && !rc)
        rc = spv_salvage_filters(fresh, &source);
    if (opened && !rc)
        rc = spv_salvage_wallet(fresh, &source, rescan);
    bool indexed = read_pragma(&source, "SELECT count(*) FROM sqlite_master"
                                        " WHERE type = 'index' AND name = 'header_by_hash'") > 0;
    (void)sqlite3_finalize(st);
    end_source(&source);
    if (rc || !readable)
        return rc;
    copy_others(fresh, path);
    return indexed ? spv_store_build_index(fresh) : 0;
}

int spv_salvage_rows(int64_t *height, bool *rescan, const char *fresh, const char *path,
                     const struct spv_params *params, bool readable, int64_t limit,
                     struct spv_interrupt *stop, struct spv_error_info *why)
{
    struct spv_store *s = NULL;
    struct spv_chain_header tip = {.height = 0};
    const struct spv_store_config cfg = {
        .path = fresh, .params = params, .mode = SPV_STORE_CREATE, .stop = stop};
    int rc = spv_store_open(&s, &cfg, why);
    if (rc)
        return rc;
    rc = rebuild_database(s, path, readable, limit, rescan);
    if (rc)
        goto out;
    if (spv_interrupt_requested(stop)) { /* then rows may have been unreadable for that reason */
        rc = interrupted_error(s);
        goto out;
    }
    rc = spv_store_tip(s, &tip) == 1 ? spv_store_flush(s) : SPV_ERR_DB;
out:
    if (rc)
        set_error(why, rc, spv_store_last_error(s));
    int closed = spv_store_close(s);
    *height = tip.height;
    return rc ? rc : closed;
}
