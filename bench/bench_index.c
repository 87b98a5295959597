/* The hash index: what each kind of index costs a bulk load and a look-up, measured on the same
 * rows, and 10,000 random look-ups by hash while a writer is active.
 *
 * bench_index [ROWS [FOLDER]] */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "bench.h"
#include "spv/store.h"

#define BATCH 2000
#define LOOKUPS 10000
#define PATH_LEN 400

static double seconds(void)
{
    return (double)bench_now_ns() * 1e-9;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_index: %s\n", what);
    exit(1);
}

static void sql(sqlite3 *db, const char *text)
{
    if (text && sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) {
        die(sqlite3_errmsg(db));
    }
}

/* Random like block hashes: splitmix64, except four zero bytes. */
static void fake_hash(uint8_t out[32], uint64_t i)
{
    for (int k = 0; k < 4; k++) {
        uint64_t z = (i * 4 + (uint64_t)k + 1) * UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        memcpy(out + (size_t)k * 8, &z, 8);
    }
    memset(out, 0, 4);
}

struct variant {
    const char *name;
    const char *before, *after; /* SQL around the load */
    const char *query; /* SQL that finds a height by hash; NULL: none */
};

static const struct variant variants[] = {
    {"no index", NULL, NULL, NULL},
    {"8-byte expression, built afterwards (ours)", NULL, "CREATE INDEX i ON h (substr(hash, 25))",
     "SELECT height FROM h WHERE substr(hash, 25) = substr(?1, 25) AND hash = ?1"},
    {"8-byte expression, live", "CREATE INDEX i ON h (substr(hash, 25))", NULL,
     "SELECT height FROM h WHERE substr(hash, 25) = substr(?1, 25) AND hash = ?1"},
    {"whole hash, built afterwards", NULL, "CREATE UNIQUE INDEX i ON h (hash)",
     "SELECT height FROM h WHERE hash = ?1"},
    {"whole hash, live", "CREATE UNIQUE INDEX i ON h (hash)", NULL,
     "SELECT height FROM h WHERE hash = ?1"},
};

static void load(sqlite3 *db, uint32_t n)
{
    sqlite3_stmt *st = NULL;
    uint8_t hash[32];
    if (sqlite3_prepare_v2(db,
                           "INSERT INTO h VALUES (?1, ?2, 536870912, ?2, ?1, 545259519, ?1, ?2)",
                           -1, &st, NULL) != SQLITE_OK) {
        die(sqlite3_errmsg(db));
    }
    for (uint32_t i = 0; i < n; i++) {
        if (i % BATCH == 0) {
            sql(db, "BEGIN");
        }
        fake_hash(hash, i);
        (void)sqlite3_bind_int64(st, 1, i);
        (void)sqlite3_bind_blob(st, 2, hash, 32, SQLITE_STATIC);
        if (sqlite3_step(st) != SQLITE_DONE) {
            die(sqlite3_errmsg(db));
        }
        (void)sqlite3_reset(st);
        if (i % BATCH == BATCH - 1 || i + 1 == n) {
            sql(db, "COMMIT");
        }
    }
    (void)sqlite3_finalize(st);
}

static double query_us(sqlite3 *db, const char *text, uint32_t n)
{
    sqlite3_stmt *st = NULL;
    uint8_t hash[32];
    if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK) {
        die(sqlite3_errmsg(db));
    }
    double start = seconds();
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        fake_hash(hash, (uint64_t)i * 7919 % n);
        (void)sqlite3_bind_blob(st, 1, hash, 32, SQLITE_STATIC);
        if (sqlite3_step(st) != SQLITE_ROW) {
            die("a hash is not found");
        }
        (void)sqlite3_reset(st);
    }
    (void)sqlite3_finalize(st);
    return (seconds() - start) * 1e6 / LOOKUPS;
}

static void measure_variant(const struct variant *variant, const char *path, uint32_t n,
                            double *bound)
{
    sqlite3 *db = NULL;
    struct stat st;
    (void)unlink(path);
    if (sqlite3_open(path, &db) != SQLITE_OK) {
        die(path);
    }
    sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -4096;"
            "CREATE TABLE h (height INTEGER PRIMARY KEY, hash, version, root, time, bits, nonce,"
            " work)");
    double start = seconds();
    sql(db, variant->before);
    load(db, n);
    sql(db, variant->after);
    (void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    double spent = seconds() - start;
    if (*bound == 0) {
        *bound = spent;
    }
    bench_cost(variant->name, spent, *bound, "s");
    if (variant->query) {
        bench_cost("  a look-up", query_us(db, variant->query, n), 0, "us");
    }
    (void)sqlite3_close(db);
    if (stat(path, &st) == 0) {
        bench_cost("  on disk", (double)st.st_size / n, 0, "B/row");
    }
    (void)unlink(path);
}

/* ---- look-ups during writes, through the store ---- */

struct chain {
    struct spv_chain_header tip;
    struct spv_u256 work;
};

static struct spv_chain_header batch[BATCH];

static void mine_batch(struct chain *c)
{
    for (size_t i = 0; i < BATCH; i++) {
        struct spv_chain_header *r = &c->tip;
        r->height++;
        r->header.prev = r->hash;
        r->header.time += 600;
        do {
            r->header.nonce++;
            spv_header_hash(&r->hash, &r->header);
        } while (r->hash.b[31] > 0x7f); /* regtest's target */
        r->work.w[0] += c->work.w[0];
        batch[i] = *r;
    }
}

static void append(struct spv_store *s, struct chain *c)
{
    struct spv_chain_update change = {
        .kind = SPV_UPDATE_APPEND, .fork_height = c->tip.height, .headers = batch, .n = BATCH};
    mine_batch(c);
    if (spv_store_apply(s, &change) != 0) {
        die(spv_store_last_error(s));
    }
}

struct writer {
    struct spv_store *store;
    struct chain chain;
    atomic_bool stop;
    long batches;
};

static void *write_on(void *ctx)
{
    struct writer *w = ctx;
    while (!atomic_load(&w->stop)) {
        append(w->store, &w->chain);
        w->batches++;
    }
    return NULL;
}

static struct spv_store *open_store(const char *path, enum spv_store_mode mode)
{
    struct spv_store *s = NULL;
    struct spv_error_info why;
    const struct spv_store_config cfg = {
        .path = path, .params = spv_params_get(SPV_REGTEST), .mode = mode};
    if (spv_store_open(&s, &cfg, &why) != 0) {
        die(why.text);
    }
    return s;
}

static void beside_a_writer(const char *path, uint32_t n)
{
    static struct spv_blockhash hashes[LOOKUPS];
    struct writer w = {.stop = false};
    pthread_t thread;
    double longest = 0;
    w.store = open_store(path, SPV_STORE_CREATE);
    if (spv_store_tip(w.store, &w.chain.tip) != 1) {
        die("no genesis");
    }
    w.chain.work = w.chain.tip.work;
    for (uint32_t done = 0; done < n; done += BATCH) {
        append(w.store, &w.chain);
    }
    if (spv_store_build_index(w.store) != 0) {
        die("index");
    }
    struct spv_store *reader = open_store(path, SPV_STORE_READ);
    const uint64_t rows = (uint64_t)w.chain.tip.height + 1;
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        struct spv_chain_header r;
        if (spv_store_by_height(reader, &r, (uint32_t)((uint64_t)i * 7919 % rows)) != 1) {
            die("by height");
        }
        hashes[i] = r.hash;
    }
    if (pthread_create(&thread, NULL, write_on, &w) != 0) {
        die("thread");
    }
    double start = seconds();
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        struct spv_chain_header r;
        double begin = seconds();
        if (spv_store_by_hash(reader, &r, &hashes[i]) != 1) {
            die(spv_store_last_error(reader)); /* also SPV_ERR_DB_BUSY */
        }
        longest = seconds() - begin > longest ? seconds() - begin : longest;
    }
    double spent = seconds() - start;
    atomic_store(&w.stop, true);
    (void)pthread_join(thread, NULL);
    (void)printf("%lu rows, %ld batches of %d written meanwhile, no look-up was told busy\n",
                 (unsigned long)n, w.batches, BATCH);
    bench_cost("look-up by hash beside a writer", spent * 1e6 / LOOKUPS, 0, "us");
    bench_cost("  the longest", longest * 1e6, 0, "us");
    (void)spv_store_close(reader);
    (void)spv_store_close(w.store);
}

int main(int argc, char **argv)
{
    uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    char folder[PATH_LEN / 2];
    char path[PATH_LEN];
    double bound = 0;
    (void)snprintf(folder, sizeof folder, "%s/spv-bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (n < BATCH || !mkdtemp(folder)) {
        die("usage: bench_index [ROWS [FOLDER]], at least 2000 rows");
    }
    (void)printf("%lu rows, %d a transaction, checkpoint and sync included\n", (unsigned long)n,
                 BATCH);
    (void)snprintf(path, sizeof path, "%s/way.db", folder);
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        measure_variant(&variants[i], path, n, &bound);
    }
    (void)snprintf(path, sizeof path, "%s/headers.db", folder);
    beside_a_writer(path, n);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/headers.db-lock", folder);
    (void)unlink(path);
    (void)rmdir(folder);
    return 0;
}
