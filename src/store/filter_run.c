/* What is deleted here is fetched again: no filter header is worth more than the header of its
 * block. */
#include "store/filter_run.h"

#include "store/filter_rows.h"
#include "store/kept_filters.h"

/* ours: filter headers that are checked at each opening, some four pages, where a crash or an edit
 * damages them most often */
#define TRIM_ROWS 200

static int remove_headers(struct spv_store *s, enum spv_stmt which, int64_t height)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, which);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, height);
    return spv_db_run(s, which, "remove filter headers");
}

int spv_filters_remove_above(struct spv_store *s, int64_t height)
{
    int rc = remove_headers(s, SPV_STMT_FILTER_REMOVE_ABOVE, height);
    return rc ? rc : spv_kept_remove(s, height + 1, INT64_MAX);
}

int spv_filters_remove_below(struct spv_store *s, int64_t height)
{
    int rc = remove_headers(s, SPV_STMT_FILTER_REMOVE_BELOW, height);
    return rc ? rc : spv_kept_remove(s, INT64_MIN, height - 1);
}

/* The first bad row of heights low..high; high + 1: none is. The row below `low` is only the one
 * that the next is checked with. */
static int find_bad(struct spv_store *s, int64_t *bad, int64_t low, int64_t high)
{
    struct spv_filter_row rows[2];
    const struct spv_filter_row *below = NULL;
    sqlite3_stmt *st = NULL;
    int code = SQLITE_DONE;
    int rc = spv_db_stmt(s, &st, SPV_STMT_FILTER_RANGE);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, low);
    (void)sqlite3_bind_int64(st, 2, high);
    for (*bad = low; (code = sqlite3_step(st)) == SQLITE_ROW; ++*bad) {
        struct spv_filter_row *row = &rows[*bad & 1];
        if (spv_filter_row_read(row, st) != 0 || row->height != *bad ||
            spv_filter_row_check(&s->params, below, row))
            break;
        below = row;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        rc = spv_db_error(s, code, "read the last filter headers");
    (void)sqlite3_reset(st);
    return rc;
}

int spv_filters_trim(struct spv_store *s)
{
    struct spv_filter_run run;
    int64_t bad = 0;
    int rc = spv_filters_remove_below(s, s->start.height);
    if (rc)
        return rc;
    rc = spv_filters_remove_above(s, s->tip.height);
    if (rc)
        return rc;
    rc = spv_filter_run_get(s, &run);
    if (rc <= 0)
        return rc < 0 ? rc : spv_kept_remove(s, INT64_MIN, INT64_MAX);
    rc = spv_kept_remove(s, INT64_MIN, (int64_t)run.first - 1);
    if (rc)
        return rc;
    rc = find_bad(s, &bad, run.last - run.first < TRIM_ROWS ? run.first : run.last - TRIM_ROWS,
                  run.last);
    return rc ? rc : spv_filters_remove_above(s, bad - 1);
}
