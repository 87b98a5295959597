/* The check of the last rows at every opening. It takes two milliseconds and finds what a crash of
 * the machine, a manual edit or a bad sector damages most often.
 *
 * Each row of the window must exist, hash to its stored hash over the hash of the row below, meet
 * its own target and add its work. Rows are checked upwards from the row below the window; when not
 * even the window's first row is valid, the window moves down, at worst to genesis or the start
 * (start.c). What is above the last valid row is the damaged tail. Rows further down are checked by
 * spv_store_verify only (and reading one checks its form). */
#include "store/tail_check.h"

#include <string.h>

#include "store/meta.h"
#include "store/row_check.h"
#include "store/rows.h"
#include "store/start.h"
#include "util/u256.h"

/* Rows of a window: one retarget period and the span of a median time, so that all headers which
 * the validation of the next one needs are checked. */
#define CHECK_ROWS 2100

struct finding {
    int64_t valid_height; /* the highest valid row; -1: not even genesis, or the start's */
    int64_t max; /* the highest row; may be no possible height */
    int64_t claimed_height; /* the tip that the metadata names; -1: none */
    int64_t capacity; /* headers that a file of its size can have */
    struct spv_chain_header tip; /* the row at valid_height */
    const char *reason; /* NULL: all rows are valid */
    int64_t height; /* of the first invalid row */
};

/* Checks rows low..high upwards, none of them below the start: sets valid_height, tip, reason. 0,
 * or an error of the database. */
static int check_window(struct spv_store *s, struct finding *f, int64_t low, int64_t high)
{
    sqlite3_stmt *st = NULL;
    const int64_t bottom = s->start.height;
    struct spv_chain_header below = {.hash = s->start_parent, .work = s->start_work};
    int64_t want = low > bottom ? low - 1 : bottom;
    int code = SQLITE_DONE;
    int rc = spv_db_stmt(s, &st, SPV_STMT_RANGE);
    if (rc)
        return rc;
    f->valid_height = -1;
    f->reason = NULL;
    (void)sqlite3_bind_int64(st, 1, want);
    (void)sqlite3_bind_int64(st, 2, high);
    while (!f->reason && want <= high && (code = sqlite3_step(st)) == SQLITE_ROW) {
        struct spv_chain_header r = {.height = 0};
        f->height = want;
        if (sqlite3_column_int64(st, 0) != want) {
            f->reason = "is missing";
        } else if (spv_row_read(&r, st) != 0) {
            f->reason = "is malformed";
        } else if (want == 0) {
            r.header.prev = s->params.genesis.prev;
            f->reason = spv_genesis_check(s, &r);
        } else if (want >= low) {
            r.header.prev = below.hash;
            f->reason = spv_row_check(&below, &r);
        }
        if (!f->reason) {
            if (want >= low) {
                f->valid_height = want;
                f->tip = r;
            }
            below = r;
            want++;
        }
    }
    if (!f->reason && code != SQLITE_ROW && code != SQLITE_DONE) {
        rc = spv_db_error(s, code, "read the last headers");
    } else if (!f->reason && want <= high) {
        f->reason = "is missing";
        f->height = want;
    }
    (void)sqlite3_reset(st);
    return rc;
}

/* The highest row at or below a height; -1: none. A gap between two rows is skipped in one step,
 * even when a hostile file makes it 2^32 heights. */
static int highest_row(struct spv_store *s, int64_t *out, int64_t height)
{
    char sql[80];
    (void)sqlite3_snprintf(sizeof sql, sql,
                           "SELECT coalesce(max(height), -1) FROM header WHERE height <= %lld",
                           (long long)height);
    return spv_db_integer(s, out, sql, "read the highest header");
}

/* The value of a meta key equals the text: 1, 0 or negative. */
static int meta_is(struct spv_store *s, const char *key, const char *text)
{
    char value[SPV_HASH_HEX + 1];
    int rc = spv_meta_get(s, value, sizeof value, key);
    return rc > 0 ? strcmp(value, text) == 0 : rc;
}

static int tip_matches_meta(struct spv_store *s, struct finding *f)
{
    char hex[SPV_HASH_HEX];
    spv_blockhash_hex(hex, &f->tip.hash);
    int rc = f->valid_height == f->claimed_height ? meta_is(s, "tip_hash", hex) : 0;
    if (rc > 0) {
        spv_u256_hex(hex, &f->tip.work);
        rc = meta_is(s, "tip_work", hex);
    }
    if (!rc) {
        f->reason = "is not the tip that the metadata names";
        f->height = f->valid_height;
    }
    return rc < 0 ? rc : 0;
}

static int find_tail(struct spv_store *s, struct finding *f)
{
    int rc = spv_db_integer(s, &f->max, "SELECT coalesce(max(height), -1) FROM header",
                            "read the highest header");
    if (rc)
        return rc;
    rc = spv_db_integer(s, &f->claimed_height,
                        "SELECT coalesce(max(CASE WHEN typeof(value) = 'integer' THEN value "
                        "END), -1) FROM meta WHERE key = 'tip_height'",
                        "read the tip");
    if (rc)
        return rc;
    rc = spv_rows_capacity(s, &f->capacity);
    if (rc)
        return rc;
    /* Rows above the metadata's tip were not written by us; below it, rows are lost. */
    int64_t high =
        f->claimed_height >= 0 && f->claimed_height < f->max ? f->claimed_height : f->max;
    f->valid_height = -1;
    f->reason = "is missing";
    f->height = 0;
    bool first = true;
    const char *reason = NULL;
    int64_t height = 0;
    const int64_t bottom = s->start.height;
    f->height = bottom;
    while (high >= bottom && f->valid_height < 0) {
        int64_t low = high - bottom >= CHECK_ROWS ? high - CHECK_ROWS + 1 : bottom;
        rc = check_window(s, f, low, high);
        if (rc)
            return rc;
        if (first) { /* report the finding nearest the tip */
            reason = f->reason;
            height = f->height;
            first = false;
        }
        high = low - 1;
        rc = f->valid_height < 0 ? highest_row(s, &high, high) : 0;
        if (rc)
            return rc;
    }
    if (!first) {
        f->reason = reason;
        f->height = height;
    }
    if (!f->reason && (f->valid_height != f->max || f->valid_height != f->claimed_height)) {
        f->reason = f->claimed_height > f->capacity
                        ? "is missing, or the stored tip height is wrong"
                    : f->claimed_height > f->max ? "is missing"
                                                 : "stands above the tip";
        f->height = f->valid_height + 1;
    }
    return !f->reason ? tip_matches_meta(s, f) : 0;
}

static int cut_tail(struct spv_store *s, struct finding *f)
{
    /* an impossible height is not that of a header */
    const int64_t max = f->max <= UINT32_MAX ? f->max : -1;
    const int64_t claimed = f->claimed_height <= f->capacity ? f->claimed_height : -1;
    int64_t lost = (max > claimed ? max : claimed) - (f->valid_height >= 0 ? f->valid_height : 0);
    int rc = spv_rows_remove_above(s, f->valid_height);
    if (rc)
        return rc;
    if (f->valid_height < 0) { /* no row is left: start again at genesis */
        s->start = (struct spv_chain_start){0};
        rc = spv_start_write(s, &s->start, NULL, NULL);
        if (rc)
            return rc;
        rc = spv_genesis_store(s, &f->tip);
        if (rc)
            return rc;
    }
    s->lost_rows = lost > 0 ? (uint32_t)lost : 0;
    return spv_meta_set_tip(s, &f->tip);
}

int spv_tail_check(struct spv_store *s)
{
    struct finding f;
    memset(&f, 0, sizeof f);
    int rc = spv_start_load(s);
    if (rc)
        return rc;
    rc = find_tail(s, &f);
    if (rc)
        return rc;
    if (f.reason && s->mode == SPV_STORE_READ) {
        return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                           "%s: the database is damaged: the header of height %s %s. Sync again: "
                           "the damaged tail is cut off and fetched anew.",
                           s->path, SPV_COUNT(f.height), f.reason);
    }
    if (f.reason)
        rc = cut_tail(s, &f);
    s->tip = f.tip;
    return rc;
}
