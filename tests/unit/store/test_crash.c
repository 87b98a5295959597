/* After each kind of fault, at each disk operation, the file opens, has the rows of before or after
 * the interrupted step, passes every check, and continuing from there ends with the same rows as a
 * run without a fault. A scenario is a list of a writer's steps. It runs once without a fault, and
 * the state after each step is recorded; then once for each fault and each operation (every stride-
 * th: SPV_FAULT_STRIDE, 1 means all; the offset is drawn from SPV_SEED). */
#include "store_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "spv/filter.h"
#include "spv/mine.h"
#include "support/faultvfs.h"

#define OLD 6100 /* headers at the start: enough for a period to be pruned */
#define STEPS_MAX 8
#define STRIDE 29 /* the default: coprime to most periods in SQLite's sequence of operations */
/* a scenario of more operations has three times the stride, unless it is 1 */
#define LONG_RUN 200
#define NEVER 1000000000L

static struct spv_chain_header best[OLD];
static struct spv_chain_header longer[900], other[120], side[60];
/* Filter headers of the best chain, with filters of eight bytes; files begin with those up to
 * OLD - 20. */
static struct spv_filter_header filter_headers[OLD + 1];
static struct spv_filter_hash filter_hashes[OLD + 1];
static unsigned stride;
static uint64_t seed;

/* ---- steps ---- */

typedef int (*step_fn)(struct spv_store *s);

static int append(struct spv_store *s, uint32_t from)
{
    return apply(s, SPV_UPDATE_APPEND, OLD + from, 0, longer + from, 300);
}
static int append_1(struct spv_store *s)
{
    return append(s, 0);
}
static int append_2(struct spv_store *s)
{
    return append(s, 300);
}
static int append_3(struct spv_store *s)
{
    return append(s, 600);
}
/* Three updates in one transaction, as a first sync stores them. */
static int commit_three_updates(struct spv_store *s)
{
    int rc = 0;
    for (uint32_t from = 0; from < 900 && rc == 0; from += 300) {
        const struct spv_chain_update change = {.kind = SPV_UPDATE_APPEND,
                                                .fork_height = OLD + from,
                                                .headers = longer + from,
                                                .n = 300};
        rc = spv_store_apply_deferred(s, &change);
    }
    return rc == 0 ? spv_store_commit(s) : rc;
}
static int reorganise(struct spv_store *s)
{
    return apply(s, SPV_UPDATE_REORG, OLD - 100, 100, other, 120);
}
static void filter_bytes(uint8_t out[8], uint32_t height)
{
    memset(out, 1, 8);
    memcpy(out, &height, sizeof height);
}
static int add_filter_headers(struct spv_store *s, uint32_t from, size_t n)
{
    const struct spv_filter_update update = {.first = from,
                                             .headers = filter_headers + from,
                                             .hashes = filter_hashes + from,
                                             .n = n,
                                             .last_block = best[from + n - 2].hash};
    return spv_store_apply_filter_headers_deferred(s, &update);
}
/* As a first sync stores them: two updates in one transaction, then one by itself. */
static int add_filters_in_one(struct spv_store *s)
{
    int rc = add_filter_headers(s, OLD - 19, 8);
    rc = rc == 0 ? add_filter_headers(s, OLD - 11, 4) : rc;
    return rc == 0 ? spv_store_commit(s) : rc;
}
static int keep_filters(struct spv_store *s, uint32_t from, uint32_t n, uint64_t limit)
{
    int rc = 1;
    for (uint32_t h = from; h < from + n && rc > 0; h++) {
        uint8_t bytes[8];
        const struct spv_bytes filter = {.bytes = bytes, .n = sizeof bytes};
        filter_bytes(bytes, h);
        rc = spv_store_keep_filter(s, h, &filter, limit);
    }
    return rc > 0 ? spv_store_commit(s) : rc;
}
/* Keeping these deletes the lowest ones. */
static int keep_more_filters(struct spv_store *s)
{
    return keep_filters(s, OLD - 30, 20, 8 * 30);
}
static int drop_filters(struct spv_store *s)
{
    return spv_store_drop_filter_headers(s, OLD - 25);
}
static int branch(struct spv_store *s)
{
    return apply(s, SPV_UPDATE_BRANCH, OLD - 100, 0, side, 60);
}
static int flush(struct spv_store *s)
{
    return spv_store_flush(s);
}
static int index_hashes(struct spv_store *s)
{
    return spv_store_build_index(s);
}
static int prune(struct spv_store *s)
{
    uint32_t start = 0;
    int rc = spv_store_prune(s, 2016, &start);
    return rc == 0 && start != 2016 ? SPV_ERR_STATE : rc;
}
static int compact(struct spv_store *s)
{
    return spv_store_compact(s, NULL, NULL);
}
static int synced(struct spv_store *s)
{
    return spv_store_set_last_sync(s, 1234567890);
}

struct scenario {
    const char *name;
    const char *before; /* SQL that prepares the file; NULL: none */
    bool absent; /* begins without a file */
    bool filters; /* begins with filter headers up to OLD - 20 and the last 50 filters of them */
    step_fn steps[STEPS_MAX]; /* after opening */
};

static const struct scenario scenarios[] = {
    {"making a database", NULL, true, false, {synced, NULL}},
    {"appending", NULL, false, false, {append_1, append_2, flush, append_3, NULL}},
    {"gathering", NULL, false, false, {commit_three_updates, flush, NULL}},
    {"a reorganisation", NULL, false, true, {branch, reorganise, flush, NULL}},
    {"migration of schema 1",
     DROP_WALLET
     "DROP TABLE filter_header; DROP TABLE block_filter;"
     "DROP TABLE peer_address; DROP TABLE peer_ban; DROP VIEW block_header;"
     "CREATE VIEW block_header AS SELECT h.height AS height, lower(hex(h.hash)) AS hash,"
     " h.version AS version, CASE h.height WHEN 0 THEN lower(hex(zeroblob(32)))"
     " ELSE lower(hex(p.hash)) END AS previous_hash, lower(hex(h.merkle_root)) AS merkle_root,"
     " h.time AS time, datetime(h.time, 'unixepoch') AS utc, printf('%08x', h.bits) AS bits,"
     " h.nonce AS nonce, lower(hex(h.work)) AS work"
     " FROM header h LEFT JOIN header p ON p.height = h.height - 1;"
     "PRAGMA user_version = 1",
     false,
     false,
     {append_1, NULL}},
    {"building the index", NULL, false, false, {index_hashes, append_1, NULL}},
    {"pruning and compacting",
     "CREATE TABLE gap (x); INSERT INTO gap SELECT hash FROM header;"
     "DROP TABLE gap",
     false,
     false,
     {prune, compact, NULL}},
    {"cutting a damaged tail",
     "UPDATE header SET nonce = nonce + 1 WHERE height = 6090;"
     "UPDATE filter_header SET header = zeroblob(32) WHERE height = 6070",
     false,
     true,
     {NULL}},
    {"filter headers",
     NULL,
     false,
     true,
     {add_filters_in_one, keep_more_filters, flush, drop_filters, prune, NULL}},
};

static size_t steps_of(const struct scenario *scenario)
{
    size_t n = 0;
    while (scenario->steps[n]) {
        n++;
    }
    return n;
}

/* ---- states ---- */

static uint64_t mix(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++) {
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return h * 31 + 7;
}

/* A hash of everything in the file. */
static uint64_t state_of(const char *path)
{
    static const char *const queries[] = {
        "PRAGMA user_version",
        "SELECT name, sql FROM sqlite_master ORDER BY name",
        "SELECT key, value FROM meta WHERE key <> 'created_by' ORDER BY key",
        ("SELECT height, hex(hash), version, hex(merkle_root), time, bits, nonce, hex(work)"
         " FROM header ORDER BY height"),
        "SELECT hex(hash), height, hex(previous_hash), hex(work) FROM branch_header ORDER BY hash",
        "SELECT height, hex(header), hex(filter_hash) FROM filter_header ORDER BY height",
        "SELECT height, hex(filter) FROM block_filter ORDER BY height",
        "PRAGMA integrity_check(1)",
    };
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        sqlite3_stmt *st = NULL;
        if (sqlite3_prepare_v2(db, queries[i], -1, &st, NULL) != SQLITE_OK) {
            fail_msg("%s: %s", queries[i], sqlite3_errmsg(db));
        }
        int rc;
        while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
            for (int c = 0; c < sqlite3_column_count(st); c++) {
                const char *text = (const char *)sqlite3_column_text(st, c);
                h = mix(h, text ? text : "-");
            }
        }
        assert_int_equal(rc, SQLITE_DONE);
        (void)sqlite3_finalize(st);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return h;
}

/* Runs the scenario from this step on. Returns how many steps were reported as done (opening is the
 * first); records the state after each unless states is NULL. */
static size_t run(const struct scenario *scenario, const char *path, size_t from, uint64_t *states,
                  int *error)
{
    struct spv_store *s = NULL;
    const struct spv_store_config cfg = {
        .path = path, .params = regtest(), .mode = SPV_STORE_CREATE};
    size_t done = 0;
    *error = spv_store_open(&s, &cfg, NULL);
    if (*error != 0) {
        return 0;
    }
    done = from > 1 ? from : 1;
    if (states) {
        states[0] = state_of(path);
    }
    for (; done <= steps_of(scenario); done++) {
        *error = scenario->steps[done - 1](s);
        if (*error != 0) {
            break;
        }
        if (states) {
            states[done] = state_of(path);
        }
    }
    int closed = spv_store_close(s);
    *error = *error != 0 ? *error : closed;
    return done;
}

static void start_over(const struct scenario *scenario, const char *from, const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[2 * PATH_LEN + 8];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)remove(name);
    }
    if (!scenario->absent) {
        copy_file(from, path);
    }
}

static void lose_shared_memory(const char *path)
{
    char name[2 * PATH_LEN + 8];
    (void)snprintf(name, sizeof name, "%s-shm", path);
    (void)remove(name);
}

/* Checks the file after a fault: steps reported as done are durable, and the interrupted step is
 * applied completely or not at all. */
static void check_after(const struct scenario *scenario, const char *path, size_t done,
                        const uint64_t *states, const char *what)
{
    struct spv_verify_report r;
    struct spv_error_info why = {.text = ""};
    struct spv_store *s = NULL;
    const size_t n = steps_of(scenario);
    const struct spv_store_config cfg = {
        .path = path, .params = regtest(), .mode = SPV_STORE_CREATE};
    const struct spv_verify_config verify = {.path = path};
    if (spv_store_open(&s, &cfg, &why) != 0) {
        fail_msg("%s: does not open: %s", what, why.text);
    }
    assert_int_equal(spv_store_close(s), 0);
    if (spv_store_verify(&r, &verify, &why) != 0) {
        fail_msg("%s: %s", what, why.text);
    }
    uint64_t now = state_of(path);
    size_t at = done > 0 ? done - 1 : 0;
    while (at <= n && at <= done && states[at] != now) {
        at++;
    }
    if (at > n || at > done) {
        fail_msg("%s: %zu steps were done, and the state is none of those then", what, done);
    }
    int error = 0;
    (void)run(scenario, path, at + 1, NULL, &error);
    assert_int_equal(error, 0);
    if (state_of(path) != states[n]) {
        fail_msg("%s: going on from step %zu ends elsewhere", what, at);
    }
}

static void print_summary(const struct scenario *scenario, long runs, long operations,
                          clock_t start)
{
    print_message("%-24s %4ld operations, %5ld faults, %.1f s\n", scenario->name, operations, runs,
                  (double)(clock() - start) / CLOCKS_PER_SEC);
}

static void run_scenario(void **state, const struct scenario *scenario)
{
    char from[PATH_LEN];
    char path[PATH_LEN];
    uint64_t states[STEPS_MAX + 1];
    bool met = false;
    int error = 0;
    long runs = 0;
    clock_t start = clock();
    (void)snprintf(from, sizeof from, "%s", in_folder(state, "from.db"));
    (void)snprintf(path, sizeof path, "%s", in_folder(state, "h.db"));
    struct spv_store *s = must_open(from, SPV_STORE_CREATE);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 0, 0, best, OLD), 0);
    if (scenario->filters) {
        assert_int_equal(add_filter_headers(s, 1, OLD - 20), 0);
        assert_int_equal(keep_filters(s, OLD - 69, 50, UINT64_MAX), 0);
    }
    assert_int_equal(spv_store_close(s), 0);
    if (scenario->before) {
        run_sql(from, scenario->before);
    }
    start_over(scenario, from, path);
    faultvfs_plan(FAULT_FAILS_ONCE, NEVER, 0);
    assert_int_equal(run(scenario, path, 0, states, &error), steps_of(scenario) + 1);
    assert_int_equal(error, 0);
    long operations = faultvfs_end(&met);
    assert_false(met);
    assert_true(operations > 5);
    for (int f = FAULT_NONE + 1; f < FAULTS; f++) {
        const unsigned step = stride > 1 && operations > LONG_RUN ? 3 * stride : stride;
        long first = (long)((seed + (uint64_t)f * 7) % step);
        for (long k = first; k < operations; k += step) {
            char what[200];
            (void)snprintf(what, sizeof what,
                           "%s: %s at operation %ld of %ld (SPV_SEED=%" PRIu64 ")", scenario->name,
                           fault_name((enum fault)f), k, operations, seed);
            start_over(scenario, from, path);
            faultvfs_plan((enum fault)f, k, seed + (uint64_t)k);
            size_t done = run(scenario, path, 0, NULL, &error);
            (void)faultvfs_end(&met);
            lose_shared_memory(path);
            if (!met) {
                fail_msg("%s: was not met", what);
            }
            check_after(scenario, path, done, states, what);
            assert_int_equal(sqlite3_memory_used(), 0);
            runs++;
        }
    }
    print_summary(scenario, runs, operations, start);
}

#define SCENARIO_TEST(name, number)                                                                \
    static void name(void **state)                                                                 \
    {                                                                                              \
        run_scenario(state, &scenarios[number]);                                                   \
    }
SCENARIO_TEST(an_interrupted_creation_completes_at_the_next_start, 0)
SCENARIO_TEST(appending_is_all_or_nothing, 1)
SCENARIO_TEST(deferred_updates_are_all_or_nothing, 2)
SCENARIO_TEST(a_reorganisation_is_all_or_nothing, 3)
SCENARIO_TEST(a_migration_is_all_or_nothing, 4)
SCENARIO_TEST(an_index_is_built_or_not, 5)
SCENARIO_TEST(pruning_and_compacting_keep_all_other_rows, 6)
SCENARIO_TEST(a_damaged_tail_is_removed_or_unchanged, 7)
SCENARIO_TEST(filter_headers_and_kept_filters_are_all_or_nothing, 8)

/* The model itself: a power cut that drops unsynced operations removes a commit that was not
 * synced. */
static void a_power_cut_drops_unsynced_writes(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[10];
    bool met = false;
    char rows[40];
    make_chain(path, r, 5);
    sqlite3 *db = NULL;
    faultvfs_plan(FAULT_CUT_DROPS, 6, 1);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM header WHERE height = 5", NULL, NULL, NULL),
                     SQLITE_OK); /* committed, never synced */
    assert_int_not_equal(sqlite3_exec(db,
                                      "CREATE TABLE x (y); INSERT INTO x SELECT hash FROM header",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
    (void)sqlite3_close(db);
    (void)faultvfs_end(&met);
    assert_true(met);
    lose_shared_memory(path);
    ask(rows, sizeof rows, path, "SELECT count(*) FROM header");
    assert_string_equal(rows, "6");
}

static int mine_one(void *ctx, const struct spv_chain_header *record)
{
    struct spv_chain_header **next = ctx;
    *(*next)++ = *record;
    return 0;
}

static int prepare(void **state)
{
    (void)state;
    struct spv_chain *c = NULL;
    const struct spv_chain_config cfg = {.params = regtest()};
    struct spv_chain_header *next = best;
    const struct spv_mine_plan plan = {.n = OLD, .seed = 3, .on_header = mine_one, .ctx = &next};
    if (spv_chain_new(&c, &cfg) != 0 || spv_mine_chain(c, &plan) != 0) {
        return -1;
    }
    spv_chain_free(c);
    extend(longer, &best[OLD - 1], 900, 1);
    extend(other, &best[OLD - 101], 120, 2);
    extend(side, &best[OLD - 101], 60, 3);
    filter_headers[0] = regtest()->filter_checkpoints[0].header;
    for (uint32_t h = 1; h <= OLD; h++) {
        uint8_t bytes[8];
        const struct spv_filter filter = {.bytes = bytes, .n = sizeof bytes};
        filter_bytes(bytes, h);
        spv_filter_compute_hash(&filter_hashes[h], &filter);
        spv_filter_compute_header(&filter_headers[h], &filter_hashes[h], &filter_headers[h - 1]);
    }
    return 0;
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const char *text = getenv("SPV_FAULT_STRIDE");
    stride = text ? (unsigned)strtoul(text, NULL, 10) : STRIDE;
    stride = stride > 0 ? stride : 1;
    text = getenv("SPV_SEED");
    seed = text ? (uint64_t)strtoull(text, NULL, 10) : (uint64_t)getpid();
    print_message("SPV_SEED=%" PRIu64 " SPV_FAULT_STRIDE=%u\n", seed, stride);
    faultvfs_install();
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_power_cut_drops_unsynced_writes),
        IN_FOLDER(an_interrupted_creation_completes_at_the_next_start),
        IN_FOLDER(appending_is_all_or_nothing),
        IN_FOLDER(deferred_updates_are_all_or_nothing),
        IN_FOLDER(a_reorganisation_is_all_or_nothing),
        IN_FOLDER(a_migration_is_all_or_nothing),
        IN_FOLDER(an_index_is_built_or_not),
        IN_FOLDER(pruning_and_compacting_keep_all_other_rows),
        IN_FOLDER(a_damaged_tail_is_removed_or_unchanged),
        IN_FOLDER(filter_headers_and_kept_filters_are_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
