/* Look-ups, each a cached statement. A header's previous hash is the hash of the row below. */
#include "store/backfill.h"
#include "store/hash_index.h"
#include "store/start.h"

#include <string.h>

static int damaged_row(struct spv_store *s, int64_t height)
{
    return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                       "%s: the row of height %s is malformed or the one below it is missing. "
                       "" SPV_DB_REPAIR_ADVICE,
                       s->path, SPV_COUNT(height));
}

/* One row with its previous hash in the column after the others: 1, 0 or negative. */
static int step_one(struct spv_store *s, sqlite3_stmt *st, struct spv_chain_header *out)
{
    int result = 0;
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        result = spv_row_read(out, st) == 0 ? 1 : SPV_ERR_DB_DAMAGED;
        if (result == 1 && out->height > 0 &&
            spv_row_hash(out->header.prev.b, st, SPV_ROW_N) != 0) {
            /* there is no row below the start, which may have moved since a reader loaded it */
            int moved = out->height != s->start.height ? spv_start_moved(s) : 0;
            result = moved < 0 ? moved : out->height == s->start.height ? 1 : SPV_ERR_DB_DAMAGED;
            out->header.prev = s->start_parent;
        }
        if (result == SPV_ERR_DB_DAMAGED)
            result = damaged_row(s, sqlite3_column_int64(st, 0));
    } else if (rc != SQLITE_DONE) {
        result = spv_db_error(s, rc, "read a header");
    }
    (void)sqlite3_reset(st);
    return result;
}

int spv_store_tip(struct spv_store *s, struct spv_chain_header *out)
{
    sqlite3_stmt *st = NULL;
    int rc = spv_db_stmt(s, &st, SPV_STMT_TIP);
    return rc ? rc : step_one(s, st, out);
}

/* Headers between genesis and the start are not part of the chain, backfilled or not. */
static bool below_start(const struct spv_store *s, uint32_t height)
{
    return height > 0 && height < s->start.height;
}

/* The height of the row whose hash is the previous hash of the one at `from`. At the start there is
 * none: *prev is the hash from the metadata. */
static int64_t prev_row(const struct spv_store *s, struct spv_blockhash *prev, uint32_t from)
{
    if (from > 0 && from == s->start.height) {
        *prev = s->start_parent;
        return from;
    }
    return from > 0 ? (int64_t)from - 1 : 0;
}

/* Reads two neighbouring rows in one seek: a third faster than a join. */
static int read_row(struct spv_store *s, struct spv_chain_header *out, uint32_t height)
{
    sqlite3_stmt *st = NULL;
    struct spv_blockhash prev = {{0}};
    int64_t want = prev_row(s, &prev, height);
    int result = 0;
    int code = SQLITE_DONE;
    int rc = spv_db_stmt(s, &st, SPV_STMT_RANGE);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, want);
    (void)sqlite3_bind_int64(st, 2, height);
    while (result == 0 && (code = sqlite3_step(st)) == SQLITE_ROW) {
        if (sqlite3_column_int64(st, 0) != want) {
            result = damaged_row(s, want);
        } else if (want < height) {
            result = spv_row_hash(prev.b, st, 1) == 0 ? 0 : damaged_row(s, want);
            want++;
        } else {
            result = spv_row_read(out, st) == 0 ? 1 : damaged_row(s, want);
            out->header.prev = prev;
        }
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = spv_db_error(s, code, "read a header");
    (void)sqlite3_reset(st);
    return result;
}

int spv_store_by_height(struct spv_store *s, struct spv_chain_header *out, uint32_t height)
{
    int rc = below_start(s, height) ? 0 : read_row(s, out, height);
    if (rc == 0 || rc == SPV_ERR_DB_DAMAGED) {
        int moved = spv_start_moved(s);
        if (moved < 0)
            return moved;
        if (moved > 0)
            rc = below_start(s, height) ? 0 : read_row(s, out, height);
    }
    return rc;
}

static int read_by_hash(struct spv_store *s, struct spv_chain_header *out,
                        const struct spv_blockhash *hash)
{
    sqlite3_stmt *st = NULL;
    uint8_t display[32];
    int rc = spv_db_stmt(s, &st, SPV_STMT_BY_HASH);
    if (rc)
        return rc;
    spv_row_reverse(display, hash->b);
    (void)sqlite3_bind_blob(st, 1, display, sizeof display, SQLITE_STATIC);
    rc = step_one(s, st, out);
    return rc == 1 && below_start(s, out->height) ? 0 : rc;
}

int spv_store_by_hash(struct spv_store *s, struct spv_chain_header *out,
                      const struct spv_blockhash *hash)
{
    /* Without the index this would scan the whole table, which a peer must not be able to cause. */
    int rc = spv_hash_index_find(s);
    if (rc <= 0)
        return rc;
    rc = read_by_hash(s, out, hash);
    if (rc < 0 && spv_hash_index_exists(s) == 0) {
        s->indexed = false; /* the writer has dropped it to insert many rows */
        return 0;
    }
    return rc;
}

static int read_locate(struct spv_store *s, struct spv_chain_header *out,
                       const struct spv_blockhash *hashes, size_t n)
{
    sqlite3_stmt *st = NULL;
    uint8_t display[SPV_MAX_LOCATOR][32];
    int rc = spv_db_stmt(s, &st, SPV_STMT_LOCATE);
    if (rc)
        return rc;
    (void)sqlite3_clear_bindings(st);
    for (size_t i = 0; i < n; i++) {
        spv_row_reverse(display[i], hashes[i].b);
        (void)sqlite3_bind_blob(st, (int)i + 1, display[i], 32, SQLITE_STATIC);
    }
    (void)sqlite3_bind_int64(st, SPV_MAX_LOCATOR + 1, s->start.height);
    rc = step_one(s, st, out);
    (void)sqlite3_clear_bindings(st);
    return rc;
}

int spv_store_locate(struct spv_store *s, struct spv_chain_header *out,
                     const struct spv_blockhash *hashes, size_t n)
{
    if (n == 0 || n > SPV_MAX_LOCATOR)
        return n == 0 ? 0 : SPV_ERR_TOO_LONG;
    int rc = spv_hash_index_find(s);
    if (rc <= 0)
        return rc;
    rc = read_locate(s, out, hashes, n);
    if (rc < 0 && spv_hash_index_exists(s) == 0) {
        s->indexed = false;
        return 0;
    }
    return rc;
}

/* Of the row at `from - 1` only the hash is used. */
static int read_range(struct spv_store *s, struct spv_header *out, uint32_t from, uint32_t n)
{
    sqlite3_stmt *st = NULL;
    struct spv_blockhash prev = {{0}};
    int64_t want = prev_row(s, &prev, from);
    uint32_t got = 0;
    int rc = spv_db_stmt(s, &st, SPV_STMT_RANGE);
    if (rc != 0 || n == 0)
        return rc;
    (void)sqlite3_bind_int64(st, 1, want);
    (void)sqlite3_bind_int64(st, 2, (int64_t)from + n - 1);
    int code = SQLITE_DONE;
    while (!rc && (code = sqlite3_step(st)) == SQLITE_ROW) {
        struct spv_chain_header r;
        if (spv_row_read_header(&r, st) != 0 || r.height != want) {
            rc = damaged_row(s, want);
            break;
        }
        if (r.height >= from) {
            out[got] = r.header;
            out[got].prev = prev;
            got++;
        }
        prev = r.hash;
        want++;
    }
    if (!rc && code != SQLITE_DONE)
        rc = spv_db_error(s, code, "read headers");
    (void)sqlite3_reset(st);
    return rc ? rc : (int)got;
}

int spv_store_data_version(struct spv_store *s, uint32_t *out)
{
    int64_t version = 0;
    int rc = spv_db_integer(s, &version, "PRAGMA data_version", "look for changes");
    *out = (uint32_t)version;
    return rc;
}

int spv_store_range(struct spv_store *s, struct spv_header *out, uint32_t from, uint32_t n)
{
    if (n > INT32_MAX)
        n = INT32_MAX;
    for (int again = 0;; again++) {
        /* below the start there is only genesis */
        const uint32_t most = from == 0 && s->start.height > 0 && n > 1 ? 1 : n;
        int rc = below_start(s, from) ? 0 : read_range(s, out, from, most);
        int moved = again == 0 && (rc == 0 || rc == SPV_ERR_DB_DAMAGED) ? spv_start_moved(s) : 0;
        if (moved <= 0)
            return moved < 0 ? moved : rc;
    }
}

int spv_store_branches(struct spv_store *s,
                       int (*each)(void *arg, const struct spv_chain_header *header), void *arg)
{
    sqlite3_stmt *st = NULL;
    int code = SQLITE_DONE;
    int rc = spv_db_stmt(s, &st, SPV_STMT_BRANCHES);
    if (rc)
        return rc;
    (void)sqlite3_bind_int64(st, 1, SPV_CHAIN_BRANCH_HEADERS);
    while (!rc && (code = sqlite3_step(st)) == SQLITE_ROW) {
        struct spv_chain_header r;
        if (spv_row_read(&r, st) == 0 && spv_row_hash(r.header.prev.b, st, SPV_ROW_N) == 0)
            rc = each(arg, &r);
    }
    if (!rc && code != SQLITE_DONE)
        rc = spv_db_error(s, code, "read side branches");
    (void)sqlite3_reset(st);
    return rc;
}

static int header_db_tip(void *ctx, struct spv_chain_header *out)
{
    return spv_store_tip(ctx, out);
}

static int header_db_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    return spv_store_by_height(ctx, out, height);
}

static int header_db_by_hash(void *ctx, struct spv_chain_header *out,
                             const struct spv_blockhash *hash)
{
    return spv_store_by_hash(ctx, out, hash);
}

static int header_db_locate(void *ctx, struct spv_chain_header *out,
                            const struct spv_blockhash *hashes, size_t n)
{
    return spv_store_locate(ctx, out, hashes, n);
}

static int header_db_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    return spv_store_range(ctx, out, from, n);
}

/* A snapshot for a reader, whose database other processes change. A writer is the only one that
 * changes its database. */
static int header_db_begin_read(void *ctx)
{
    struct spv_store *s = ctx;
    sqlite3_stmt *st = NULL;
    if (s->mode != SPV_STORE_READ)
        return 0;
    int rc = spv_db_stmt(s, &st, SPV_STMT_SNAPSHOT);
    return rc ? rc : spv_db_run(s, SPV_STMT_SNAPSHOT, "read it");
}

static void header_db_end_read(void *ctx)
{
    struct spv_store *s = ctx;
    if (s->mode == SPV_STORE_READ)
        spv_db_rollback(s);
}

static int header_db_branches(void *ctx,
                              int (*each)(void *arg, const struct spv_chain_header *header),
                              void *arg)
{
    return spv_store_branches(ctx, each, arg);
}

static int header_db_has_hash_index(void *ctx)
{
    return spv_hash_index_find(ctx);
}

static void header_db_start(void *ctx, struct spv_chain_start *out)
{
    spv_store_get_start(ctx, out);
}

struct spv_header_db spv_store_header_db(struct spv_store *s)
{
    struct spv_header_db db = {
        .ctx = s,
        .tip = header_db_tip,
        .by_height = header_db_by_height,
        .by_hash = header_db_by_hash,
        .range = header_db_range,
        .begin_read = header_db_begin_read,
        .end_read = header_db_end_read,
        .has_hash_index = header_db_has_hash_index,
        .start = header_db_start,
        .branches = header_db_branches,
        .locate = header_db_locate,
    };
    return db;
}

static int backfill_tip(void *ctx, struct spv_chain_header *out)
{
    uint32_t height = 0;
    int rc = spv_store_backfill_height(ctx, &height);
    return rc < 0 ? rc : read_row(ctx, out, height);
}

static int backfill_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    const struct spv_store *s = ctx;
    return height < s->start.height ? read_row(ctx, out, height) : 0;
}

static int backfill_by_hash(void *ctx, struct spv_chain_header *out,
                            const struct spv_blockhash *hash)
{
    (void)ctx;
    (void)out;
    (void)hash; /* backfilled hashes are not looked up: a peer names none of them */
    return 0;
}

static int backfill_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    const struct spv_store *s = ctx;
    if (from >= s->start.height)
        return 0;
    return read_range(ctx, out, from, n < s->start.height - from ? n : s->start.height - from);
}

struct spv_header_db spv_store_backfill_db(struct spv_store *s)
{
    struct spv_header_db db = {
        .ctx = s,
        .tip = backfill_tip,
        .by_height = backfill_by_height,
        .by_hash = backfill_by_hash,
        .range = backfill_range,
    };
    return db;
}
