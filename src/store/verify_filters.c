/* Filter headers and kept filters. Each filter header must have the next height and a block, and be
 * the hash of its filter hash and the one below, where the filter hash is known; those that are
 * built in must be equal. Each kept filter must have the filter hash of its row. Each of the two
 * passes ends at the first bad row: a repair deletes it and what is above it, and a sync fetches
 * that again. */
#include <string.h>

#include "spv/filter.h"
#include "store/filter_rows.h"
#include "store/kept_filters.h"
#include "store/schema.h"
#include "store/verify.h"

/* The pass over the filter headers. */
struct filter_scan {
    struct spv_verify *v;
    struct spv_filter_row rows[2]; /* the current one and the one below, in turn */
    const struct spv_filter_row *below; /* NULL: the run begins */
    bool stray; /* a row below the start of the chain was reported */
    bool ended; /* at a bad row */
};

static int count_row(struct spv_verify *v, uint64_t *rows)
{
    const struct spv_verify_report *r = v->report;
    ++*rows;
    return spv_verify_progress(v, r->headers + r->filter_headers + r->kept_filters);
}

/* NULL, or what is wrong with the current row. */
static const char *check_header(struct filter_scan *f, sqlite3_stmt *st, int64_t height)
{
    const struct spv_verify *v = f->v;
    struct spv_filter_row *row = f->below == &f->rows[0] ? &f->rows[1] : &f->rows[0];
    if (height > v->report->tip)
        return "stands above the tip";
    if (f->below && height != (int64_t)f->below->height + 1)
        return "follows a gap";
    if (spv_filter_row_read(row, st) != 0)
        return "is malformed";
    const char *reason = spv_filter_row_check(&v->s->params, f->below, row);
    f->below = row;
    return reason;
}

static int take_header(struct filter_scan *f, sqlite3_stmt *st)
{
    struct spv_verify *v = f->v;
    const int64_t height = sqlite3_column_int64(st, 0);
    if (height < (int64_t)v->s->start.height) { /* not part of the run: a repair deletes it */
        v->report->filters_ok = false;
        if (!f->stray)
            spv_verify_found(v, -1, "the filter header of height %s stands below the chain's first",
                             SPV_COUNT(height));
        f->stray = true;
        return count_row(v, &v->report->filter_headers);
    }
    const char *reason = check_header(f, st, height);
    if (reason) {
        v->report->filters_ok = false;
        f->ended = true;
        spv_verify_found(v, height <= UINT32_MAX ? height : -1, "the filter header of height %s %s",
                         SPV_COUNT(height), reason);
        return 0;
    }
    v->report->valid_filter_header = height;
    return count_row(v, &v->report->filter_headers);
}

static int check_headers(struct filter_scan *f)
{
    struct spv_verify *v = f->v;
    sqlite3_stmt *st = NULL;
    int rc = 0;
    int code = sqlite3_prepare_v2(
        v->s->db, "SELECT height, header, filter_hash FROM filter_header ORDER BY height", -1, &st,
        NULL);
    while (!rc && !f->ended && code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        rc = take_header(f, st);
        code = SQLITE_OK;
    }
    if (!rc && !f->ended && code != SQLITE_DONE) {
        v->report->filters_ok = false;
        f->ended = true;
        rc = spv_verify_unread(v, code, -1, "the table of filter headers");
    }
    (void)sqlite3_finalize(st);
    return rc;
}

/* NULL, or what is wrong with a kept filter: height, filter, filter hash. *code: why it cannot be
 * read. */
static const char *check_filter(sqlite3_stmt *st, int *code)
{
    struct spv_filter_hash want;
    struct spv_filter_hash hash;
    struct spv_filter view = {.n = (size_t)sqlite3_column_bytes(st, 1)};
    if (spv_row_hash(want.b, st, 2) != 0)
        return "has no filter hash";
    if (sqlite3_column_type(st, 1) != SQLITE_BLOB || view.n == 0)
        return "is malformed";
    view.bytes = sqlite3_column_blob(st, 1);
    if (!view.bytes) {
        *code = SQLITE_NOMEM;
        return NULL;
    }
    spv_filter_compute_hash(&hash, &view);
    return memcmp(hash.b, want.b, sizeof hash.b) == 0 ? NULL : "does not have its filter hash";
}

/* The kept filters. *found: number, bytes and last run of the good ones. *ended: at a bad filter
 * header before, at a bad filter afterwards. */
static int check_filters(struct spv_verify *v, struct spv_kept *found, bool *ended)
{
    const bool cut = *ended; /* what is kept above is no further finding */
    sqlite3_stmt *st = NULL;
    int rc = 0;
    int code = sqlite3_prepare_v2(v->s->db,
                                  "SELECT b.height, b.filter, f.filter_hash FROM block_filter b"
                                  " LEFT JOIN filter_header f ON f.height = b.height"
                                  " ORDER BY b.height",
                                  -1, &st, NULL);
    while (!rc && code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        const int64_t height = sqlite3_column_int64(st, 0);
        const bool above = height > v->report->valid_filter_header;
        if (above && cut)
            break;
        code = SQLITE_OK;
        const char *reason = above ? "has no valid filter header" : check_filter(st, &code);
        if (code != SQLITE_OK)
            break;
        if (reason) {
            *ended = true;
            v->report->filters_ok = false;
            spv_verify_found(v, height >= 0 && height <= UINT32_MAX ? height : -1,
                             "the kept filter of height %s %s", SPV_COUNT(height), reason);
            break;
        }
        found->from = found->n > 0 && height == found->last + 1 ? found->from : height;
        found->last = height;
        found->n++;
        found->bytes += sqlite3_column_bytes(st, 1);
        v->report->valid_filter = height;
        rc = count_row(v, &v->report->kept_filters);
    }
    if (!rc && !*ended && code != SQLITE_DONE) {
        *ended = true;
        v->report->filters_ok = false;
        rc = spv_verify_unread(v, code, -1, "the table of kept filters");
    }
    (void)sqlite3_finalize(st);
    return rc;
}

/* The metadata's totals, when every kept filter was counted. */
static int check_totals(struct spv_verify *v, const struct spv_kept *found)
{
    struct spv_kept kept = {.n = 0};
    int rc = spv_kept_get(v->s, &kept);
    if (rc < 0)
        return rc;
    if (rc == 0 || kept.n != found->n || kept.bytes != found->bytes ||
        (found->n > 0 && kept.from != found->from)) {
        v->report->filters_ok = false;
        spv_verify_found(v, -1,
                         "the metadata's totals of kept filters are wrong: there are %s of %s "
                         "bytes",
                         SPV_COUNT(found->n), SPV_COUNT(found->bytes));
    }
    return 0;
}

uint64_t spv_verify_count_filters(struct spv_verify *v)
{
    const int64_t most = v->report->tip + 1; /* more rows are damage */
    struct spv_filter_run run = {.first = 0};
    struct spv_kept kept = {.n = 0};
    if (spv_filter_tables(v->s) <= 0)
        return 0;
    const int64_t headers =
        spv_filter_run_get(v->s, &run) > 0 ? (int64_t)run.last - run.first + 1 : 0;
    const int64_t filters = spv_kept_get(v->s, &kept) > 0 ? kept.n : 0;
    return (uint64_t)((headers < most ? headers : most) + (filters < most ? filters : most));
}

int spv_verify_filters(struct spv_verify *v)
{
    struct filter_scan scan = {.v = v};
    struct spv_kept found = {.n = 0};
    int64_t version = 0;
    int rc = spv_db_integer(v->s, &version, "PRAGMA user_version", "verify it");
    if (rc || version < SPV_SCHEMA_FILTERS)
        return rc;
    rc = check_headers(&scan);
    if (rc)
        return rc;
    rc = check_filters(v, &found, &scan.ended);
    return rc || scan.ended ? rc : check_totals(v, &found);
}
