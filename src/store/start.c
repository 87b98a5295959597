/* Where the chain begins. A whole database begins at genesis. One that was started at a checkpoint
 * or pruned holds genesis, then nothing, then every header from its base on. What the base follows
 * (hash and work of the header below) stands in the metadata, so that the base's row is judged,
 * linked and exported like any other.
 *
 *     0 1 2 .. f            b b+1 .. tip
 *     genesis, filled       the chain
 *
 * The gap may be filled again from below. What was filled is no part of the chain until its last
 * header is the one that the base follows; in that very transaction the gap is closed and, where
 * work had been counted from a later height, every sum is put right. */
#include "store/db.h"

#include <stdlib.h>
#include <string.h>

#include "util/u256.h"

/* A hash index slows bulk inserts and removals tenfold: with more rows than this to come or go it
 * is dropped, and built again after: at once, or when the chain is whole (or synced) again. */
#define WITHOUT_INDEX 20000

/* Blocks that stay below the tip whatever is pruned, apart from two periods: a median's. */
#define KEEP_MEDIAN SPV_MEDIAN_SPAN

static uint32_t interval(const struct spv_store *s)
{
    return s->params.target_timespan / s->params.target_spacing;
}

static int malformed(struct spv_store *s)
{
    return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                       "%s: the database is damaged: what it says of the height at which it begins "
                       "is malformed. " SPV_DB_REPAIR_ADVICE,
                       s->path);
}

/* ---- the metadata ---- */

/* A height: 1, 0 when absent (then *out is 0) or negative. */
static int meta_height(struct spv_store *s, uint32_t *out, const char *key)
{
    char text[16];
    char *end;
    unsigned long long x;
    int rc = spv_db_meta(s, text, sizeof text, key);
    *out = 0;
    if (rc <= 0) {
        return rc;
    }
    x = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || x > UINT32_MAX) {
        return malformed(s);
    }
    *out = (uint32_t)x;
    return 1;
}

static int set_height(struct spv_store *s, const char *key, uint32_t height)
{
    char text[16];
    (void)sqlite3_snprintf(sizeof text, text, "%u", (unsigned)height);
    return spv_db_set_meta(s, key, text);
}

static int remove_meta(struct spv_store *s, const char *key)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_META_REMOVE);
    if (rc != 0) {
        return rc;
    }
    int code = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    return code == SQLITE_OK ? spv_db_run(s, SPV_STMT_META_REMOVE, "write the metadata")
                             : spv_db_error(s, code, "write the metadata");
}

static int load_start(struct spv_store *s)
{
    char hex[SPV_HASH_HEX + 1];
    struct spv_chain_start base;
    struct spv_blockhash parent = {{0}};
    struct spv_u256 work = {{0}};
    int rc = meta_height(s, &base.height, "base");
    if (rc >= 0) {
        rc = meta_height(s, &base.work_since, "work_from");
    }
    if (rc >= 0 && base.height > 0) {
        rc = spv_db_meta(s, hex, sizeof hex, "base_parent");
        if (rc == 0 || (rc > 0 && spv_blockhash_from_hex(&parent, hex) != 0)) {
            return malformed(s);
        }
        if (rc > 0) {
            rc = spv_db_meta(s, hex, sizeof hex, "base_work");
        }
        if (rc == 0 || (rc > 0 && spv_u256_from_hex(&work, hex) != 0)) {
            return malformed(s);
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (base.height % interval(s) != 0 || base.work_since > base.height) {
        return malformed(s);
    }
    s->start = base;
    s->start_parent = parent;
    s->start_work = work;
    return 0;
}

int spv_start_load(struct spv_store *s)
{
    /* several rows of one moment */
    bool own = sqlite3_get_autocommit(s->db) != 0;
    int rc = own ? spv_db_exec(s, "BEGIN", "read the metadata") : 0;
    if (rc == 0) {
        rc = load_start(s);
    }
    if (own) {
        spv_db_rollback(s);
    }
    return rc;
}

int spv_start_moved(struct spv_store *s)
{
    const struct spv_chain_start before = s->start;
    if (s->mode != SPV_STORE_READ) {
        return 0;
    }
    int rc = spv_start_load(s);
    return rc < 0 ? rc
                  : s->start.height != before.height || s->start.work_since != before.work_since;
}

int spv_start_write(struct spv_store *s, const struct spv_chain_start *base,
                    const struct spv_blockhash *parent, const struct spv_u256 *work)
{
    char hex[SPV_HASH_HEX];
    int rc;
    if (base->height == 0) {
        rc = remove_meta(s, "base");
        if (rc == 0) {
            rc = remove_meta(s, "base_parent");
        }
        if (rc == 0) {
            rc = remove_meta(s, "base_work");
        }
        return rc == 0 ? remove_meta(s, "work_from") : rc;
    }
    rc = set_height(s, "base", base->height);
    if (rc == 0) {
        spv_blockhash_hex(hex, parent);
        rc = spv_db_set_meta(s, "base_parent", hex);
    }
    if (rc == 0) {
        spv_u256_hex(hex, work);
        rc = spv_db_set_meta(s, "base_work", hex);
    }
    if (rc == 0 && base->work_since > 0) {
        rc = set_height(s, "work_from", base->work_since);
    }
    return rc;
}

/* ---- starting at a checkpoint ---- */

static int mismatch(struct spv_store *s, const char *what)
{
    return spv_db_fail(s, SPV_ERR_STATE,
                       "%s: the headers do not fit the stored chain (base %s, tip %s): %s. Nothing "
                       "was written.",
                       s->path, SPV_COUNT(s->start.height), SPV_COUNT(s->tip.height), what);
}

static int insert_all(struct spv_store *s, const struct spv_chain_update *c)
{
    int rc = 0;
    for (size_t i = 0; i < c->n && rc == 0; i++) {
        rc = spv_db_insert(s, &c->headers[i]);
    }
    return rc;
}

/* The work below a record. */
static int work_below(struct spv_u256 *out, const struct spv_chain_header *record)
{
    struct spv_u256 target;
    int rc = spv_target_from_bits(&target, record->header.bits);
    const struct spv_u256 own = spv_work_from_target(&target);
    *out = spv_u256_sub(&record->work, &own);
    return rc;
}

int spv_start_apply(struct spv_store *s, const struct spv_chain_update *c)
{
    const struct spv_chain_header *first = &c->headers[0];
    struct spv_chain_start base = {.height = first->height};
    struct spv_u256 below = {{0}};
    if (s->tip.height != 0 || s->start.height != 0) {
        return mismatch(s, "it is not empty");
    }
    if (first->height == 0 || first->height % interval(s) != 0) {
        return mismatch(s, "the first one is not the first of a period");
    }
    if (work_below(&below, first) != 0) {
        return mismatch(s, "the first one has impossible bits");
    }
    base.work_since = spv_u256_is_zero(&below) ? base.height : 0;
    int rc = spv_start_write(s, &base, &first->header.prev, &below);
    if (rc == 0) {
        rc = insert_all(s, c);
    }
    return rc == 0 ? spv_db_set_tip(s, &c->headers[c->n - 1]) : rc;
}

/* ---- filling the gap ---- */

int spv_store_backfill_height(struct spv_store *s, uint32_t *height)
{
    sqlite3_stmt *st = NULL;
    *height = 0;
    if (s->start.height == 0) {
        return 0;
    }
    int rc = spv_db_stmt(s, &st, SPV_STMT_BACKFILL_HEIGHT);
    if (rc != 0) {
        return rc;
    }
    (void)sqlite3_bind_int64(st, 1, s->start.height);
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        const int64_t filled = sqlite3_column_int64(st, 0); /* a foreign row's may be negative */
        *height = filled > 0 ? (uint32_t)filled : 0;
    } else {
        rc = spv_db_error(s, code, "read the highest filled header");
    }
    (void)sqlite3_reset(st);
    return rc;
}

static int remove_filled(struct spv_store *s, uint32_t above)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_BACKFILL_CLEAR);
    if (rc != 0) {
        return rc;
    }
    (void)sqlite3_bind_int64(st, 1, above);
    (void)sqlite3_bind_int64(st, 2, s->start.height);
    return spv_db_run(s, SPV_STMT_BACKFILL_CLEAR, "remove filled headers");
}

int spv_backfill_clear(struct spv_store *s)
{
    return remove_filled(s, 0);
}

int spv_store_backfill_reset(struct spv_store *s)
{
    if (s->mode == SPV_STORE_READ) {
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    }
    int rc = spv_db_begin(s);
    if (rc == 0) {
        rc = remove_filled(s, 0);
    }
    if (rc == 0) {
        rc = spv_db_commit(s);
    }
    if (rc != 0) {
        spv_db_rollback(s);
    }
    return rc;
}

/* SQL function: the sum of two works, as they are stored. */
static void add_works(sqlite3_context *ctx, int n, sqlite3_value **values)
{
    uint8_t sum[32];
    if (n != 2 || sqlite3_value_bytes(values[0]) != 32 || sqlite3_value_bytes(values[1]) != 32 ||
        sqlite3_value_type(values[0]) != SQLITE_BLOB) {
        sqlite3_result_error_code(ctx, SQLITE_CORRUPT);
        return;
    }
    const struct spv_u256 a = spv_u256_from_be(sqlite3_value_blob(values[0]));
    const struct spv_u256 b = spv_u256_from_be(sqlite3_value_blob(values[1]));
    const struct spv_u256 x = spv_u256_add(&a, &b);
    spv_u256_to_be(sum, &x);
    sqlite3_result_blob(ctx, sum, sizeof sum, SQLITE_TRANSIENT);
}

static int add_to_table(struct spv_store *s, const char *sql, const struct spv_u256 *more)
{
    uint8_t be[32];
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    spv_u256_to_be(be, more);
    if (code == SQLITE_OK) {
        (void)sqlite3_bind_blob(st, 1, be, sizeof be, SQLITE_STATIC);
        (void)sqlite3_bind_int64(st, 2, s->start.height);
        code = sqlite3_step(st);
    }
    (void)sqlite3_finalize(st);
    return code == SQLITE_DONE ? 0 : spv_db_error(s, code, "put the sums of work right");
}

/* One statement over all rows: SQLite writes as it goes, so memory stays flat. */
static int add_work(struct spv_store *s, const struct spv_u256 *more)
{
    int code = sqlite3_create_function_v2(s->db, "spv_add_work", 2,
                                          SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                          NULL, add_works, NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        return spv_db_error(s, code, "put the sums of work right");
    }
    int rc =
        add_to_table(s, "UPDATE header SET work = spv_add_work(work, ?1) WHERE height >= ?2", more);
    if (rc != 0) {
        return rc;
    }
    return add_to_table(
        s, "UPDATE branch_header SET work = spv_add_work(work, ?1) WHERE height >= ?2", more);
}

/* The header that the base follows has come. */
static int join_backfill(struct spv_store *s, const struct spv_chain_header *last)
{
    const struct spv_chain_start whole = {0};
    struct spv_chain_header tip = s->tip;
    int rc = 0;
    if (!spv_blockhash_eq(&last->hash, &s->start_parent)) {
        return mismatch(s, "what was filled is not what the base follows");
    }
    if (s->start.work_since > 0) {
        const struct spv_u256 more = spv_u256_sub(&last->work, &s->start_work);
        rc = add_work(s, &more);
        tip.work = spv_u256_add(&tip.work, &more);
        if (rc == 0) {
            rc = spv_db_set_tip(s, &tip);
        }
    } else if (spv_u256_cmp(&last->work, &s->start_work) != 0) {
        return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                           "%s: the database is damaged: the work of the headers below height %s "
                           "is not what their checkpoint has. " SPV_DB_REPAIR_ADVICE,
                           s->path, SPV_COUNT(s->start.height));
    }
    if (rc == 0) {
        rc = spv_start_write(s, &whole, NULL, NULL);
    }
    return rc;
}

static int drop_index(struct spv_store *s)
{
    int rc = spv_db_exec(s, "DROP INDEX IF EXISTS header_by_hash", "drop the hash index");
    s->indexed = s->indexed && rc != 0;
    return rc;
}

int spv_backfill_apply(struct spv_store *s, const struct spv_chain_update *c)
{
    const struct spv_chain_header *last = &c->headers[c->n - 1];
    struct spv_blockhash below;
    uint32_t filled = 0;
    int rc = spv_store_backfill_height(s, &filled);
    if (rc != 0) {
        return rc;
    }
    if (s->start.height == 0 || last->height >= s->start.height) {
        return mismatch(s, "there is no gap where it belongs");
    }
    if (c->fork_height > filled) {
        return mismatch(s, "it does not follow what was filled");
    }
    sqlite3_stmt *st = NULL;
    rc = spv_db_stmt(s, &st, SPV_STMT_RANGE);
    if (rc != 0) {
        return rc;
    }
    (void)sqlite3_bind_int64(st, 1, c->fork_height);
    (void)sqlite3_bind_int64(st, 2, c->fork_height);
    bool there = sqlite3_step(st) == SQLITE_ROW && spv_row_hash(below.b, st, 1) == 0;
    (void)sqlite3_reset(st);
    if (!there || !spv_blockhash_eq(&below, &c->headers[0].header.prev)) {
        return mismatch(s, "it does not follow what was filled");
    }
    rc = c->fork_height < filled ? remove_filled(s, c->fork_height) : 0;
    if (rc == 0 && s->start.height - c->fork_height > WITHOUT_INDEX) {
        rc = drop_index(s);
    }
    if (rc == 0) {
        rc = insert_all(s, c);
    }
    return rc == 0 && last->height + 1 == s->start.height ? join_backfill(s, last) : rc;
}

void spv_start_applied(struct spv_store *s, const struct spv_chain_update *c)
{
    const struct spv_chain_header *last = &c->headers[c->n - 1];
    if (c->kind == SPV_UPDATE_CHECKPOINT_START) {
        s->start.height = c->headers[0].height;
        s->start_parent = c->headers[0].header.prev;
        (void)work_below(&s->start_work, &c->headers[0]);
        s->start.work_since = spv_u256_is_zero(&s->start_work) ? s->start.height : 0;
        s->tip = *last;
    } else if (last->height + 1 == s->start.height) {
        const struct spv_u256 more = spv_u256_sub(&last->work, &s->start_work);
        s->tip.work = spv_u256_add(&s->tip.work, &more); /* nothing where it was known */
        s->start = (struct spv_chain_start){0};
    }
}

/* ---- pruning ---- */

/* The highest base that leaves what the chain needs. */
static uint32_t prune_limit(const struct spv_store *s, uint32_t below)
{
    const uint32_t period = interval(s);
    const uint32_t keep = 2 * period + KEEP_MEDIAN;
    const uint32_t most = s->tip.height > keep ? s->tip.height - keep : 0;
    if (below > most) {
        below = most;
    }
    return below - below % period;
}

static int prune_headers(struct spv_store *s, const struct spv_chain_start *to,
                         const struct spv_chain_header *parent)
{
    sqlite3_stmt *st = NULL;
    const bool again = s->indexed && to->height - s->start.height > WITHOUT_INDEX;
    int rc = spv_db_begin(s);
    if (rc == 0 && again) {
        rc = drop_index(s);
    }
    if (rc == 0) {
        rc = spv_db_stmt(s, &st, SPV_STMT_BACKFILL_CLEAR);
    }
    if (rc == 0) {
        (void)sqlite3_bind_int64(st, 1, 0);
        (void)sqlite3_bind_int64(st, 2, to->height);
        rc = spv_db_run(s, SPV_STMT_BACKFILL_CLEAR, "prune headers");
    }
    if (rc == 0) {
        char sql[80];
        (void)sqlite3_snprintf(sizeof sql, sql, "DELETE FROM branch_header WHERE height <= %u",
                               (unsigned)to->height);
        rc = spv_db_exec(s, sql, "prune side branches");
    }
    if (rc == 0) {
        rc = spv_start_write(s, to, &parent->hash, &parent->work);
    }
    if (rc == 0 && again) {
        rc = spv_store_build_index(s);
    }
    return rc == 0 ? spv_db_commit(s) : rc;
}

int spv_store_prune(struct spv_store *s, uint32_t below, uint32_t *base)
{
    struct spv_chain_header parent;
    struct spv_chain_start to = s->start;
    if (s->mode == SPV_STORE_READ) {
        return spv_db_fail(s, SPV_ERR_DB_READONLY, "%s: was opened for reading only", s->path);
    }
    int rc = spv_store_commit(s);
    if (rc != 0) {
        return rc;
    }
    to.height = prune_limit(s, below);
    if (base) {
        *base = to.height > s->start.height ? to.height : s->start.height;
    }
    if (to.height <= s->start.height) {
        return 0;
    }
    rc = spv_store_by_height(s, &parent, to.height - 1);
    if (rc <= 0) {
        return rc < 0 ? rc : mismatch(s, "the header below the new base is not there");
    }
    const bool indexed = s->indexed;
    rc = prune_headers(s, &to, &parent);
    if (rc != 0) {
        spv_db_rollback(s);
        s->indexed = indexed;
        return rc;
    }
    s->start = to;
    s->start_parent = parent.hash;
    s->start_work = parent.work;
    return 0;
}

void spv_store_get_start(struct spv_store *s, struct spv_chain_start *out)
{
    (void)spv_start_moved(s);
    *out = s->start;
}
