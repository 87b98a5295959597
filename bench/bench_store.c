/* The store and its lower bound: 1,000,000 regtest headers in updates of 2,000 through
 * spv_store_apply, and the same rows by a plain INSERT into a plain table with the same pragmas and
 * transaction size. Both include the final WAL checkpoint and fsync. Then the index, the look-ups,
 * the size on disk and the peak memory without that of the benchmark.
 *
 * bench_store [HEADERS [FOLDER]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "bench.h"
#include "spv/store.h"
#include "util/u256.h"

#define BATCH 2000 /* headers of one message */
#define LOOKUPS 200000
#define RECENT 2016 /* heights that a node reads most: their pages are in SQLite's cache */
#define PATH_LEN 400

static double seconds(void)
{
    return (double)bench_now_ns() * 1e-9;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_store: %s\n", what);
    exit(1);
}

/* Generates headers one after the other and keeps none, so that the peak memory is that of the
 * store. Two passes from the same state generate the same chain. */
struct miner {
    struct spv_chain_header tip;
    struct spv_u256 target, work;
    double spent; /* seconds of mining, to be subtracted */
};

static void miner_start(struct miner *m)
{
    memset(m, 0, sizeof *m);
    m->tip.header = spv_params_get(SPV_REGTEST)->genesis;
    spv_header_hash(&m->tip.hash, &m->tip.header);
    if (spv_target_from_bits(&m->target, m->tip.header.bits) != 0) {
        die("bits");
    }
    m->work = spv_work_from_target(&m->target);
    m->tip.work = m->work;
}

static size_t mine(struct miner *m, struct spv_chain_header *out, size_t left)
{
    double start = seconds();
    size_t n = left < BATCH ? left : BATCH;
    for (size_t i = 0; i < n; i++) {
        struct spv_chain_header *r = &m->tip;
        r->height++;
        r->header.version = 0x20000000;
        r->header.prev = r->hash;
        /* A merkle root is random-like: derived from half of the parent's hash. */
        for (size_t k = 0; k < 32; k++) {
            r->header.merkle_root.b[k] = (uint8_t)(r->hash.b[(k + 7) % 32] ^ k);
        }
        r->header.time += 600;
        r->header.nonce = r->height * 2654435761u;
        do {
            r->header.nonce++;
            spv_header_hash(&r->hash, &r->header);
        } while (!spv_hash_meets(r->hash.b, &m->target));
        r->work = spv_u256_add(&r->work, &m->work);
        out[i] = *r;
    }
    m->spent += seconds() - start;
    return n;
}

static struct spv_chain_header batch[BATCH];

static double through_the_store(const char *path, uint32_t n, struct spv_store **out)
{
    struct spv_error_info why;
    struct miner m;
    struct spv_store_config cfg = {
        .path = path, .params = spv_params_get(SPV_REGTEST), .mode = SPV_STORE_CREATE};
    if (spv_store_open(out, &cfg, &why) != 0) {
        die(why.text);
    }
    miner_start(&m);
    double start = seconds();
    for (uint32_t done = 0; done < n;) {
        size_t k = mine(&m, batch, n - done);
        struct spv_chain_update change = {
            .kind = SPV_UPDATE_APPEND, .fork_height = done, .headers = batch, .n = k};
        if (spv_store_apply(*out, &change) != 0) {
            die(spv_store_last_error(*out));
        }
        done += (uint32_t)k;
    }
    if (spv_store_flush(*out) != 0) {
        die(spv_store_last_error(*out));
    }
    return seconds() - start - m.spent;
}

static void must(sqlite3 *db, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW) {
        die(sqlite3_errmsg(db));
    }
}

static void display(uint8_t out[32], const uint8_t in[32])
{
    for (size_t i = 0; i < 32; i++) {
        out[i] = in[31 - i];
    }
}

static void bare_row(sqlite3 *db, sqlite3_stmt *st, const struct spv_chain_header *r)
{
    uint8_t hash[32];
    uint8_t root[32];
    uint8_t work[32];
    display(hash, r->hash.b);
    display(root, r->header.merkle_root.b);
    spv_u256_to_be(work, &r->work);
    (void)sqlite3_bind_int64(st, 1, r->height);
    (void)sqlite3_bind_blob(st, 2, hash, 32, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 3, r->header.version);
    (void)sqlite3_bind_blob(st, 4, root, 32, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 5, r->header.time);
    (void)sqlite3_bind_int64(st, 6, r->header.bits);
    (void)sqlite3_bind_int64(st, 7, r->header.nonce);
    (void)sqlite3_bind_blob(st, 8, work, 32, SQLITE_STATIC);
    must(db, sqlite3_step(st));
    must(db, sqlite3_reset(st));
}

static double bare(const char *path, uint32_t n, const char *synchronous)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    char pragmas[120];
    struct miner m;
    must(db, sqlite3_open(path, &db));
    (void)snprintf(pragmas, sizeof pragmas,
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s; PRAGMA cache_size = -4096",
                   synchronous);
    must(db, sqlite3_exec(db, pragmas, NULL, NULL, NULL));
    must(db, sqlite3_exec(db,
                          "CREATE TABLE h (height INTEGER PRIMARY KEY, hash, version, root, time,"
                          " bits, nonce, work)",
                          NULL, NULL, NULL));
    must(db,
         sqlite3_prepare_v2(db, "INSERT INTO h VALUES (?, ?, ?, ?, ?, ?, ?, ?)", -1, &st, NULL));
    miner_start(&m);
    double start = seconds();
    for (uint32_t done = 0; done < n;) {
        size_t k = mine(&m, batch, n - done);
        must(db, sqlite3_exec(db, "BEGIN", NULL, NULL, NULL));
        for (size_t i = 0; i < k; i++) {
            bare_row(db, st, &batch[i]);
        }
        must(db, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
        done += (uint32_t)k;
    }
    must(db, sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
    double spent = seconds() - start - m.spent;
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return spent;
}

static double size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static double peak_mib(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static uint32_t next_random(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*x >> 33);
}

/* Many look-ups in one snapshot, as a server makes them: without a lock and a check of the file's
 * size for each. */
static void look_up_held(struct spv_store *s, const struct spv_blockhash *hashes, uint32_t n)
{
    struct spv_header_db reader = spv_store_header_db(s);
    struct spv_chain_header r;
    uint64_t seed = 1;
    if (!hashes || reader.begin_read(reader.ctx) != 0) {
        die("hold");
    }
    double start = seconds();
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        if (reader.by_height(reader.ctx, &r, next_random(&seed) % n) != 1) {
            die("by height");
        }
    }
    bench_cost("by height, random, one snapshot (target 5)", (seconds() - start) * 1e6 / LOOKUPS, 0,
               "us");
    start = seconds();
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        if (reader.by_hash(reader.ctx, &r, &hashes[i]) != 1) {
            die("by hash");
        }
    }
    bench_cost("by hash, random, one snapshot (target 10)", (seconds() - start) * 1e6 / LOOKUPS, 0,
               "us");
    reader.end_read(reader.ctx);
}

static void look_up(struct spv_store *s, uint32_t n)
{
    struct spv_blockhash *hashes = calloc(LOOKUPS, sizeof *hashes);
    struct spv_chain_header r;
    uint64_t seed = 1;
    double start = seconds();
    for (uint32_t i = 0; hashes && i < LOOKUPS; i++) {
        if (spv_store_by_height(s, &r, next_random(&seed) % n) != 1) {
            die("by height");
        }
        hashes[i] = r.hash;
    }
    bench_cost("look-up by height, random", (seconds() - start) * 1e6 / LOOKUPS, 0, "us");
    start = seconds();
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        if (spv_store_by_height(s, &r, n - next_random(&seed) % (n < RECENT ? n : RECENT)) != 1) {
            die("by height");
        }
    }
    bench_cost("look-up by height, recent (target 5)", (seconds() - start) * 1e6 / LOOKUPS, 0,
               "us");
    start = seconds();
    for (uint32_t i = 0; hashes && i < LOOKUPS; i++) {
        if (spv_store_by_hash(s, &r, &hashes[i]) != 1) {
            die("by hash");
        }
    }
    bench_cost("look-up by hash, random (target 10)", (seconds() - start) * 1e6 / LOOKUPS, 0, "us");
    look_up_held(s, hashes, n);
    start = seconds();
    for (uint32_t i = 0; hashes && i < LOOKUPS; i++) {
        hashes[i].b[0] ^= 1;
        if (spv_store_by_hash(s, &r, &hashes[i]) != 0) {
            die("absent hash");
        }
    }
    bench_cost("look-up of an absent hash", (seconds() - start) * 1e6 / LOOKUPS, 0, "us");
    free(hashes);
}

static void walk(struct spv_store *s)
{
    struct spv_store_iter *w = NULL;
    struct spv_chain_header r;
    uint32_t n = 0;
    double start = seconds();
    if (spv_store_iter_open(&w, s, 0, UINT32_MAX) != 0) {
        die(spv_store_last_error(s));
    }
    while (spv_store_iter_next(w, &r) > 0) {
        n++;
    }
    spv_store_iter_close(w);
    bench_rate("walk with hashing", n / (seconds() - start), 0, "headers/s");
}

static void reopen(struct spv_store **s, const char *path)
{
    struct spv_error_info why;
    struct spv_store_config cfg = {
        .path = path, .params = spv_params_get(SPV_REGTEST), .mode = SPV_STORE_WRITE};
    (void)spv_store_close(*s);
    double start = seconds();
    if (spv_store_open(s, &cfg, &why) != 0) {
        die(why.text);
    }
    bench_cost("open with checks", (seconds() - start) * 1e3, 0, "ms");
}

int main(int argc, char **argv)
{
    uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    char folder[PATH_LEN / 2];
    char path[PATH_LEN];
    struct spv_store *s = NULL;
    (void)snprintf(folder, sizeof folder, "%s/spv-bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (n == 0 || !mkdtemp(folder)) {
        die("usage: bench_store [HEADERS [FOLDER]]");
    }
    (void)snprintf(path, sizeof path, "%s/headers.db", folder);
    double ours = through_the_store(path, n, &s);
    double peak = peak_mib();
    double bytes = size_of(path);
    double start = seconds();
    if (spv_store_build_index(s) != 0 || spv_store_flush(s) != 0) {
        die(spv_store_last_error(s));
    }
    double index = seconds() - start;
    double indexed = size_of(path);
    double peak_index = peak_mib();
    static const char *const levels[] = {"FULL", "NORMAL"};
    double bound[2];
    for (size_t i = 0; i < 2; i++) {
        char other[PATH_LEN];
        (void)snprintf(other, sizeof other, "%s/bare-%s.db", folder, levels[i]);
        bound[i] = bare(other, n, levels[i]);
        (void)unlink(other);
    }
    (void)printf("%lu headers, %d a transaction, checkpoint and sync included\n", (unsigned long)n,
                 BATCH);
    bench_rate("bare insert, synchronous NORMAL", n / bound[1], 0, "rows/s");
    bench_rate("bare insert, synchronous FULL (lower bound)", n / bound[0], 0, "rows/s");
    bench_rate("store, synchronous FULL (bound 1.5)", n / ours, n / bound[0], "rows/s");
    bench_cost("hash index built", index, 0, "s");
    bench_cost("on disk", bytes / n, 0, "B/header");
    bench_cost("on disk with the hash index (budget 170)", indexed / n, 0, "B/header");
    bench_cost("peak memory, loading", peak, 0, "MiB");
    bench_cost("peak memory, index build", peak_index, 0, "MiB");
    reopen(&s, path);
    look_up(s, n);
    walk(s);
    (void)spv_store_close(s);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/headers.db-lock", folder);
    (void)unlink(path);
    (void)rmdir(folder);
    return 0;
}
