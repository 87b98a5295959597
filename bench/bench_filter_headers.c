/* Filter headers and their lower bound: 1,000,000 joined from filter hashes in updates of 2,000,
 * and stored as a first sync does, durable at the end; against the chained hashes alone and a plain
 * INSERT of the same rows with the same pragmas and transaction size. Each is the best of five
 * runs. Then what is read, and filters that are kept and read.
 *
 * bench_filter_headers [NUMBER [FOLDER]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "bench.h"
#include "bench_files.h"
#include "spv/filter.h"
#include "spv/store.h"
#include "util/hash.h"

#define BATCH 2000 /* filter hashes of one cfheaders message */
#define ROUNDS 5
#define KEPT 2000 /* filters */
#define FILTER_BYTES 26300 /* of 10,000 elements */
#define PATH_LEN 400
#define PRAGMAS                                                                                    \
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -4096;"             \
    "PRAGMA wal_autocheckpoint = 4000;"

static struct spv_filter_hash *hashes; /* n */
static struct spv_filter_header *joined; /* n, by the lower bound */
static uint32_t n;

static double seconds(void)
{
    return (double)bench_now_ns() * 1e-9;
}

static void must(int rc, struct spv_store *s)
{
    if (rc < 0)
        bench_die(s ? spv_store_last_error(s) : "failed");
}

static void make_hashes(void)
{
    hashes = malloc((size_t)n * sizeof *hashes);
    joined = malloc((size_t)n * sizeof *joined);
    if (!hashes || !joined)
        bench_die("memory");
    for (uint32_t i = 0; i < n; i++)
        spv_sha256(hashes[i].b, &i, sizeof i);
}

/* The hashes alone, each over the one before: the low-level form of two compressions and one. */
static double hash_only(void)
{
    const double start = seconds();
    uint8_t both[64] = {0};
    for (uint32_t i = 0; i < n; i++) {
        memcpy(both, hashes[i].b, 32);
        spv_sha256d(both + 32, both, sizeof both);
        memcpy(joined[i].b, both + 32, 32);
    }
    return seconds() - start;
}

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        bench_die(sqlite3_errmsg(db));
}

static double insert_only(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        bench_die(path);
    sql(db, PRAGMAS
        "CREATE TABLE f (height INTEGER PRIMARY KEY, header BLOB NOT NULL, filter_hash BLOB)");
    if (sqlite3_prepare_v2(db, "INSERT INTO f VALUES (?, ?, ?)", -1, &st, NULL) != SQLITE_OK)
        bench_die(sqlite3_errmsg(db));
    const double start = seconds();
    for (uint32_t i = 0; i < n; i++) {
        if (i % SPV_STORE_GROUP_COMMIT == 0)
            sql(db, i == 0 ? "BEGIN" : "COMMIT; BEGIN");
        (void)sqlite3_bind_int64(st, 1, i);
        (void)sqlite3_bind_blob(st, 2, joined[i].b, 32, SQLITE_STATIC);
        (void)sqlite3_bind_blob(st, 3, hashes[i].b, 32, SQLITE_STATIC);
        if (sqlite3_step(st) != SQLITE_DONE)
            bench_die(sqlite3_errmsg(db));
        (void)sqlite3_reset(st);
    }
    sql(db, "COMMIT");
    if (sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        bench_die(sqlite3_errmsg(db));
    const double spent = seconds() - start;
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return spent;
}

/* KEPT blobs of FILTER_BYTES by a plain INSERT, in transactions as large as the store's.
 * Microseconds each. */
static double insert_blobs(const char *path)
{
    static const uint8_t bytes[FILTER_BYTES];
    const uint32_t each = SPV_STORE_GROUP_COMMIT / (1 + FILTER_BYTES / 128);
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        bench_die(path);
    sql(db, PRAGMAS "CREATE TABLE b (height INTEGER PRIMARY KEY, filter BLOB NOT NULL)");
    if (sqlite3_prepare_v2(db, "INSERT INTO b VALUES (?, ?)", -1, &st, NULL) != SQLITE_OK)
        bench_die(sqlite3_errmsg(db));
    const double start = seconds();
    for (uint32_t i = 0; i < KEPT; i++) {
        if (i % each == 0)
            sql(db, i == 0 ? "BEGIN" : "COMMIT; BEGIN");
        (void)sqlite3_bind_int64(st, 1, i);
        (void)sqlite3_bind_blob(st, 2, bytes, sizeof bytes, SQLITE_STATIC);
        if (sqlite3_step(st) != SQLITE_DONE)
            bench_die(sqlite3_errmsg(db));
        (void)sqlite3_reset(st);
    }
    sql(db, "COMMIT");
    if (sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        bench_die(sqlite3_errmsg(db));
    const double spent = seconds() - start;
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return spent * 1e6 / KEPT;
}

/* The store checks that headers follow each other, not what they hash to. */
static struct spv_blockhash block_hash(uint32_t height)
{
    struct spv_blockhash hash = {{1}};
    memcpy(hash.b + 4, &height, sizeof height);
    return hash;
}

static struct spv_store *make_chain(const char *path)
{
    static struct spv_chain_header batch[BATCH];
    static struct spv_params params;
    struct spv_store *s = NULL;
    struct spv_error_info why;
    const struct spv_store_config cfg = {.path = path, .params = &params, .mode = SPV_STORE_CREATE};
    struct spv_blockhash prev;
    params = *spv_params_get(SPV_REGTEST);
    params.n_filter_checkpoints = 0; /* these begin with a made-up one */
    if (spv_store_open(&s, &cfg, &why) != 0)
        bench_die(why.text);
    spv_header_hash(&prev, &params.genesis);
    for (uint32_t from = 1; from < n; from += BATCH) {
        struct spv_chain_update update = {
            .kind = SPV_UPDATE_APPEND, .fork_height = from - 1, .headers = batch};
        for (; update.n < BATCH && from + update.n < n; update.n++) {
            struct spv_chain_header *h = &batch[update.n];
            h->height = from + (uint32_t)update.n;
            h->header.prev = prev;
            h->hash = prev = block_hash(h->height);
        }
        must(spv_store_apply_deferred(s, &update), s);
    }
    must(spv_store_flush(s), s);
    return s;
}

/* Joins and stores all, and returns when they are in the file. */
static double store_all(struct spv_store *s)
{
    static struct spv_filter_header headers[BATCH];
    struct spv_filter_header prev = {{0}};
    const double start = seconds();
    for (uint32_t from = 0; from < n; from += BATCH) {
        struct spv_filter_update update = {
            .first = from, .headers = headers, .hashes = hashes + from};
        for (; update.n < BATCH && from + update.n < n; update.n++) {
            spv_filter_compute_header(&headers[update.n], &update.hashes[update.n], &prev);
            prev = headers[update.n];
        }
        update.last_block = block_hash(from + (uint32_t)update.n - 1);
        must(spv_store_apply_filter_headers_deferred(s, &update), s);
    }
    must(spv_store_flush(s), s);
    return seconds() - start;
}

static void read_all(struct spv_store *s)
{
    static struct spv_filter_header headers[BATCH];
    static struct spv_filter_hash got[BATCH];
    const struct spv_filter_db db = spv_store_filter_db(s);
    const double start = seconds();
    for (uint32_t from = 0; from < n; from += BATCH) {
        const int rc = db.headers(db.ctx, headers, got, from, BATCH);
        must(rc, s);
        if (memcmp(headers, joined + from, (size_t)rc * sizeof headers[0]) != 0)
            bench_die("other filter headers");
    }
    bench_rate("filter headers and hashes read, 2,000 at once", n / (seconds() - start), 0, "/s");
}

static void keep_and_read(struct spv_store *s, const char *other)
{
    static uint8_t bytes[FILTER_BYTES];
    const struct spv_bytes filter = {.bytes = bytes, .n = sizeof bytes};
    const struct spv_filter view = {.bytes = bytes, .n = sizeof bytes};
    const struct spv_filter_db db = spv_store_filter_db(s);
    struct spv_filter_hash *same = malloc(KEPT * sizeof *same);
    struct spv_filter_header *headers = malloc(KEPT * sizeof *headers);
    struct spv_filter_header prev = {{0}};
    struct spv_bytes got;
    if (!same || !headers)
        bench_die("memory");
    for (uint32_t h = 0; h < KEPT; h++) { /* all have the same bytes */
        spv_filter_compute_hash(&same[h], &view);
        spv_filter_compute_header(&headers[h], &same[h], &prev);
        prev = headers[h];
    }
    const struct spv_filter_update update = {
        .headers = headers, .hashes = same, .n = KEPT, .last_block = block_hash(KEPT - 1)};
    must(spv_store_drop_filter_headers(s, 0), s);
    must(spv_store_apply_filter_headers(s, &update), s);
    double start = seconds();
    for (uint32_t h = 0; h < KEPT; h++)
        spv_filter_compute_hash(&same[h], &view);
    const double hashing = (seconds() - start) * 1e6 / KEPT;
    start = seconds();
    for (uint32_t h = 0; h < KEPT; h++)
        must(spv_store_keep_filter(s, h, &filter, UINT64_MAX), s);
    must(spv_store_flush(s), s);
    const double kept = (seconds() - start) * 1e6 / KEPT;
    const double inserting = insert_blobs(other);
    bench_remove_db(other);
    bench_cost("filter of 26.3 kB, bare insert", inserting, 0, "us");
    bench_cost("filter of 26.3 kB kept (hash and insert)", kept, hashing + inserting, "us");
    start = seconds();
    for (uint32_t h = 0; h < KEPT; h++)
        if (db.filter(db.ctx, &got, h) != 1)
            bench_die(spv_store_last_error(s));
    bench_cost("filter of 26.3 kB read (its hash)", (seconds() - start) * 1e6 / KEPT, hashing,
               "us");
    free(headers);
    free(same);
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

int main(int argc, char **argv)
{
    char folder[PATH_LEN / 2];
    char path[PATH_LEN];
    char other[PATH_LEN];
    double hashing = 1e9;
    double inserting = 1e9;
    double ours = 1e9;
    n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    (void)snprintf(folder, sizeof folder, "%s/spv-bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (n < KEPT || !mkdtemp(folder))
        bench_die("usage: bench_filter_headers [NUMBER [FOLDER]]");
    (void)snprintf(path, sizeof path, "%s/headers.db", folder);
    (void)snprintf(other, sizeof other, "%s/bare.db", folder);
    make_hashes();
    for (int i = 0; i < ROUNDS; i++) {
        hashing = least(hashing, hash_only());
        inserting = least(inserting, insert_only(other));
        bench_remove_db(other);
        struct spv_store *s = make_chain(path);
        ours = least(ours, store_all(s));
        if (i == ROUNDS - 1) {
            (void)printf("%lu filter headers, checkpoint and sync included, best of %d\n",
                         (unsigned long)n, ROUNDS);
            bench_cost("chained double SHA-256 of 64 bytes", hashing * 1e9 / n, 0, "ns");
            bench_cost("bare insert, synchronous FULL", inserting * 1e9 / n, 0, "ns");
            bench_cost("joined, stored, durable (bound 1.25)", ours * 1e9 / n,
                       (hashing + inserting) * 1e9 / n, "ns");
            read_all(s);
            keep_and_read(s, other);
        }
        must(spv_store_close(s), NULL);
        bench_remove_db(path);
    }
    (void)rmdir(folder);
    free(joined);
    free(hashes);
    return 0;
}
