/* Verification reads everything once, under one snapshot, in this order: SQLite's own integrity
 * check (pages, and the hash index against the rows), the best chain's rows upwards from the first,
 * the metadata's tip, the side branches, the tables of addresses and bans, filter headers and kept
 * filters, the wallet.
 *
 * An invalid row is reported and skipped; the next row is checked against the values that the
 * invalid one claims, so that one invalid row causes one or two findings and not a million. At a
 * page that cannot be read the rows end: what follows it is not reliable.
 *
 * A full verification (verify_full.c) takes the rows in the same pass. */
#include "store/verify_full.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/meta.h"
#include "store/open.h"
#include "store/row_check.h"
#include "store/rows.h"
#include "store/start.h"
#include "store/wal_guard.h"
#include "util/u256.h"

#define PAGE_FINDINGS 4 /* of SQLite's integrity check; more of them add nothing */

/* The pass over the rows. */
struct row_scan {
    struct spv_verify *v;
    int64_t want; /* the next height */
    struct spv_chain_header below;
    bool stray_below, stray_above; /* a row of an impossible height was reported */
    bool linked; /* below is the row under `want`, well-formed */
    struct spv_full full;
};

static int on_operations(void *ctx)
{
    return spv_verify_progress(ctx, 0) != 0;
}

static int check_pages(struct spv_verify *v)
{
    /* how SQLite says that it had no memory for a page (SQLITE_NOMEM): that is no damage */
    static const char no_memory[] = "error code=7";
    sqlite3_stmt *st = NULL;
    char sql[48];
    (void)snprintf(sql, sizeof sql, "PRAGMA integrity_check(%d)", PAGE_FINDINGS);
    spv_db_watch_progress(&v->s->watch, on_operations, v);
    spv_db_watch_long(&v->s->watch, true); /* each tree of pages is one operation */
    int code = sqlite3_prepare_v2(v->s->db, sql, -1, &st, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(st);
        const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
        if (text && strstr(text, no_memory)) {
            code = SQLITE_NOMEM;
        } else if (text && strcmp(text, "ok") != 0) {
            v->report->pages_ok = false;
            spv_verify_found(v, -1, "the file's pages or the hash index are damaged: %s", text);
        }
    }
    int rc = code == SQLITE_DONE ? 0 : spv_verify_unread(v, code, -1, "the file");
    (void)sqlite3_finalize(st);
    spv_db_watch_long(&v->s->watch, false);
    spv_db_watch_progress(&v->s->watch, NULL, NULL);
    return rc;
}

/* A row below the start, backfilled or not. */
static void report_bad_backfill(struct row_scan *w, int64_t height, const char *reason)
{
    w->v->report->backfill_ok = false;
    spv_verify_found(w->v, height, "the header of height %s, below the chain's start, %s",
                     SPV_COUNT(height), reason);
}

/* Heights want..height-1 have no rows. A gap below the start is no damage. */
static int check_gap(struct row_scan *w, int64_t height)
{
    struct spv_verify *v = w->v;
    const int64_t start = v->s->start.height;
    int rc = 0;
    int64_t from = w->want;
    w->linked = false;
    w->want = height;
    if (from < start && height < start) {
        report_bad_backfill(w, height, "follows nothing");
        return 0;
    }
    if (from == 0 && start > 0)
        spv_verify_bad(v, 0, "the genesis is missing");
    if (from < start &&
        height >= start) { /* hash and work of the header below the start are in the metadata */
        memset(&w->below, 0, sizeof w->below);
        w->below.hash = v->s->start_parent;
        w->below.work = v->s->start_work;
        w->linked = height == start;
        from = start;
    }
    if (from == 0 || from < height) {
        rc = spv_full_end(&w->full);
        spv_verify_bad(v, from,
                       height - 1 == from ? "the header of height %s is missing"
                                          : "the headers of heights %s to %s are missing",
                       SPV_COUNT(from), SPV_COUNT(height - 1));
    }
    return rc;
}

/* A row of an impossible height; the first of either kind is reported. */
static int check_stray_row(struct row_scan *w, int64_t height)
{
    struct spv_verify *v = w->v;
    if (height < 0 && !w->stray_below) {
        spv_verify_found(v, -1, "a row of height %s stands below the chain's first",
                         SPV_COUNT(height));
        w->stray_below = true;
    } else if (height > UINT32_MAX && !w->stray_above) {
        spv_verify_bad(v, w->want, "a row of height %s stands above every possible height",
                       SPV_COUNT(height));
        w->stray_above = true;
    }
    return spv_verify_progress(v, ++v->report->headers);
}

/* A row at height `want` or above it. */
static int check_row(struct row_scan *w, sqlite3_stmt *st)
{
    struct spv_verify *v = w->v;
    struct spv_chain_header r = {.height = 0};
    const char *reason = NULL;
    int rc = 0;
    int64_t height = sqlite3_column_int64(st, 0);
    if (height < 0 || height > UINT32_MAX) /* not part of the chain: a repair deletes it */
        return check_stray_row(w, height);
    if (height > w->want)
        rc = check_gap(w, height);
    if (spv_row_read(&r, st) != 0) {
        reason = "is malformed";
    } else if (height == 0) {
        r.header.prev = v->s->params.genesis.prev;
        reason = spv_genesis_check(v->s, &r);
    } else if (w->linked) {
        r.header.prev = w->below.hash;
        reason = spv_row_check(&w->below, &r);
    }
    if (reason && height > 0 && height < (int64_t)v->s->start.height) {
        report_bad_backfill(w, height, reason);
    } else if (reason) {
        rc = rc ? rc : spv_full_end(&w->full);
        spv_verify_bad(v, height, "the header of height %s %s", SPV_COUNT(height), reason);
    } else if (!rc && height >= (int64_t)v->s->start.height) {
        rc = spv_full_add(&w->full, &r);
    }
    w->linked = r.height == height; /* a malformed row reads as zeros */
    w->below = r;
    w->want = height + 1;
    v->report->headers++;
    return rc ? rc : spv_verify_progress(v, v->report->headers);
}

static int check_rows(struct row_scan *w)
{
    struct spv_verify *v = w->v;
    sqlite3_stmt *st = NULL;
    int rc = 0;
    int code = sqlite3_prepare_v2(
        v->s->db, "SELECT " SPV_ROW_COLUMNS " FROM header ORDER BY height", -1, &st, NULL);
    while (!rc && code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        rc = check_row(w, st);
        code = SQLITE_OK;
    }
    if (!rc && code != SQLITE_DONE) {
        rc = spv_verify_unread(v, code, w->want, "the header of the next height");
        v->bad = w->want < v->bad ? w->want : v->bad;
    } else if (!rc && w->want == 0) {
        spv_verify_bad(v, 0, "no header is there, not even the genesis");
    }
    (void)sqlite3_finalize(st);
    return rc ? rc : spv_full_end(&w->full);
}

/* A text value of the metadata, compared. */
static int compare_meta(struct spv_verify *v, const char *key, const char *want)
{
    char value[SPV_HASH_HEX + 1] = "";
    int rc = spv_meta_get(v->s, value, sizeof value, key);
    if (rc < 0 && rc != SPV_ERR_DB_DAMAGED)
        return rc;
    if (rc <= 0 || strcmp(value, want) != 0) {
        spv_verify_found(v, -1, "the metadata's %s is %s, the last header's is %s", key,
                         rc > 0 ? value : "absent or malformed", want);
    }
    return 0;
}

/* The tip that the metadata names is the highest row. */
static int check_tip(struct spv_verify *v, const struct row_scan *w)
{
    char hex[SPV_HASH_HEX];
    int64_t claimed = -1;
    int64_t max = v->report->tip;
    int rc = spv_db_integer(v->s, &claimed,
                            "SELECT coalesce(max(CASE WHEN typeof(value) = 'integer' THEN value "
                            "END), -1) FROM meta WHERE key = 'tip_height'",
                            "read the tip");
    if (rc == SPV_ERR_DB_DAMAGED) {
        spv_verify_found(v, -1, "the metadata cannot be read");
        return 0;
    }
    if (rc)
        return rc;
    v->report->claimed_height = claimed;
    rc = spv_rows_capacity(v->s, &v->report->capacity);
    if (rc)
        return rc;
    if (claimed < 0) {
        spv_verify_found(v, -1, "the metadata names no tip");
        return 0;
    }
    if (claimed < max) {
        spv_verify_bad(v, claimed + 1,
                       "the header of height %s stands above the tip that the metadata names",
                       SPV_COUNT(claimed + 1));
        return 0;
    }
    if (claimed > v->report->capacity) {
        spv_verify_bad(v, max + 1,
                       "the metadata's tip height %s is wrong: the file is too small for as many "
                       "headers, and the last row is at height %s",
                       SPV_COUNT(claimed), SPV_COUNT(max));
        return 0;
    }
    if (claimed > max) {
        spv_verify_bad(v, max + 1,
                       claimed - 1 == max ? "the header of height %s is missing: the metadata's "
                                            "tip is higher than the last row"
                                          : "the headers of heights %s to %s are missing: the "
                                            "metadata's tip is higher than the last row",
                       SPV_COUNT(max + 1), SPV_COUNT(claimed));
        return 0;
    }
    if (!w->linked)
        return 0; /* the last row was reported already */
    spv_blockhash_hex(hex, &w->below.hash);
    rc = compare_meta(v, "tip_hash", hex);
    if (rc)
        return rc;
    spv_u256_hex(hex, &w->below.work);
    return compare_meta(v, "tip_work", hex);
}

static int check_start(struct spv_verify *v)
{
    int rc = spv_start_load(v->s);
    if (rc == SPV_ERR_DB_DAMAGED) {
        v->s->start = (struct spv_chain_start){0};
        spv_verify_found(v, -1, "the metadata of the chain's start is malformed");
        return 0;
    }
    v->report->start = v->s->start;
    return rc;
}

/* The best chain's rows, and the tip that the metadata names. */
static int check_chain(struct spv_verify *v)
{
    struct row_scan w = {.v = v};
    int rc = spv_db_integer(v->s, &v->report->tip,
                            "SELECT coalesce(max(height), -1) FROM header"
                            " WHERE height BETWEEN 0 AND 4294967295",
                            "verify it");
    if (rc && rc != SPV_ERR_DB_DAMAGED)
        return rc;
    v->n_filter_rows = spv_verify_count_filters(v);
    rc = spv_full_start(&w.full, v);
    if (rc)
        goto out;
    rc = check_rows(&w);
    if (rc)
        goto out;
    rc = check_tip(v, &w);
out:
    spv_full_free(&w.full);
    return rc;
}

static int check_all(struct spv_verify *v)
{
    int rc = spv_verify_progress(v, 0); /* no progress is reported while the pages are checked */
    if (rc)
        return rc;
    rc = check_pages(v);
    if (rc)
        return rc;
    rc = check_start(v);
    if (rc)
        return rc;
    rc = check_chain(v);
    if (rc)
        return rc;
    rc = spv_verify_branches(v);
    if (rc)
        return rc;
    rc = spv_verify_addrman(v);
    if (rc)
        return rc;
    rc = spv_verify_filters(v);
    if (rc)
        return rc;
    return spv_verify_wallet(v);
}

static int verify_store(struct spv_verify *v)
{
    struct spv_verify_report *r = v->report;
    v->bad = INT64_MAX;
    r->tip = -1;
    r->claimed_height = -1;
    r->pages_ok = true;
    r->branches_ok = true;
    r->backfill_ok = true;
    r->addrs_ok = true;
    r->filters_ok = true;
    r->wallet_ok = true;
    r->indexed = v->s->indexed;
    struct spv_wal_note note;
    spv_wal_guard_read(&note, v->s);
    int rc = spv_db_exec(v->s, "BEGIN", "read it");
    if (rc)
        return rc;
    rc = check_all(v);
    if (!rc && spv_wal_guard_check(v->s, &note) > 0) {
        spv_verify_found(v, -1, "the write-ahead log is missing: it had headers up to height %s",
                         SPV_COUNT(note.height));
    }
    spv_db_rollback(v->s);
    r->valid_height = v->bad <= r->tip ? v->bad - 1 : r->tip;
    if (r->valid_height < (int64_t)v->s->start.height)
        r->valid_height = -1; /* not even the row that the chain begins with */
    if (!rc && r->total > 0) {
        const char *text = r->findings[0].text;
        const size_t n = strlen(text);
        rc = spv_db_fail(v->s, SPV_ERR_DB_DAMAGED,
                         "%s: the database is damaged: %s%s " SPV_DB_REPAIR_ADVICE, v->s->path,
                         text, n > 0 && text[n - 1] == '.' ? "" : ".");
    }
    if (rc == SPV_ERR_INTERRUPTED)
        (void)spv_db_fail(v->s, rc, "%s: verifying was stopped before its end.", v->s->path);
    return rc;
}

/* The file cannot be opened: that is the finding. It has neither the path, which begins the error's
 * text, nor the advice, which is its last sentence. */
static void report_unopened(struct spv_verify_report *r, const char *path, const char *error)
{
    struct spv_verify v = {.report = r};
    const size_t n_path = strlen(path);
    const char *text = strncmp(error, path, n_path) == 0 && strncmp(error + n_path, ": ", 2) == 0
                           ? error + n_path + 2
                           : error;
    const char *end = NULL;
    for (const char *at = text; (at = strstr(at, ". ")); at++)
        end = at;
    spv_verify_found(&v, -1, "%.*s", (int)(end ? (size_t)(end - text) : strlen(text)), text);
}

int spv_store_verify(struct spv_verify_report *out, const struct spv_verify_config *cfg,
                     struct spv_error_info *why)
{
    struct spv_store *s = NULL;
    struct spv_error_info error = {.code = 0};
    const struct spv_open_options options = {.unchecked = true, .lock = -1};
    const struct spv_store_config open_cfg = {
        .path = cfg->path, .params = cfg->params, .mode = SPV_STORE_READ, .stop = cfg->stop};
    memset(out, 0, sizeof *out);
    out->tip = -1;
    out->claimed_height = -1;
    out->valid_height = -1;
    out->valid_filter_header = -1;
    out->valid_filter = -1;
    int rc = spv_store_open_as(&s, &open_cfg, &options, &error);
    if (!rc) {
        struct spv_verify v = {.s = s, .cfg = cfg, .report = out};
        rc = verify_store(&v);
        error.code = (enum spv_err)rc;
        (void)snprintf(error.text, sizeof error.text, "%s", spv_store_last_error(s));
        (void)spv_store_close(s);
    } else if (rc == SPV_ERR_DB_DAMAGED) {
        report_unopened(out, cfg->path, error.text);
    }
    if (why && rc)
        *why = error;
    return rc;
}
