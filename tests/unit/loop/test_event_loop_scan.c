/* Filter headers and scans in the event loop: a real store, a real pool of threads, and a server of
 * filters on loopback, which serves no blocks. Run with ThreadSanitizer, too. */
#include <stdio.h>
#include <unistd.h>

#include "support/unit.h"
#include "unit/loop/server_fixture.h"
#include "unit/loop/temp_db.h"

#include <sqlite3.h>

#define BLOCKS 1100 /* one checkpoint of filter headers, and two requests for filters */
#define KEEP (1 << 20)

static struct mined chain;
static struct {
    uint8_t *bytes;
    size_t n;
    struct spv_filter_hash hash;
    struct spv_filter_header header;
} filters[BLOCKS + 1];

/* ---- what is served; read by the server's thread ---- */

static int served_headers(void *ctx, struct spv_filter_header *headers,
                          struct spv_filter_hash *hashes, uint32_t from, uint32_t n)
{
    uint32_t got = 0;
    (void)ctx;
    for (; got < n && from + got <= BLOCKS; got++) {
        if (headers)
            headers[got] = filters[from + got].header;
        if (hashes)
            hashes[got] = filters[from + got].hash;
    }
    return (int)got;
}

static int served_filter(void *ctx, struct spv_bytes *out, uint32_t height)
{
    (void)ctx;
    if (height > BLOCKS)
        return 0;
    *out = (struct spv_bytes){filters[height].bytes, filters[height].n};
    return 1;
}

static int served_range(void *ctx, uint32_t *first, uint32_t *last)
{
    (void)ctx;
    *first = 0;
    *last = BLOCKS;
    return 1;
}

static const struct spv_filter_db served = {.headers = served_headers,
                                            .filter = served_filter,
                                            .range = served_range,
                                            .kept = served_range};

static void build_filter(uint32_t height)
{
    uint8_t script[5] = {0x51};
    const struct spv_bytes item = {script, sizeof script};
    struct spv_filter filter = {.block = chain.records[height].hash};
    memcpy(script + 1, &height, 4);
    assert_int_equal(
        spv_filter_build(&filters[height].bytes, &filters[height].n, &filter.block, &item, 1), 0);
    filter.bytes = filters[height].bytes;
    filter.n = filters[height].n;
    spv_filter_compute_hash(&filters[height].hash, &filter);
}

/* Of genesis the true one: its filter header is built in. */
static void build_genesis(void)
{
    static const char script[] = "4104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61"
                                 "deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf1"
                                 "1d5fac";
    uint8_t bytes[128];
    const struct spv_bytes item = {bytes, unhex(bytes, sizeof bytes, script)};
    struct spv_filter filter = {.block = chain.records[0].hash};
    assert_int_equal(spv_filter_build(&filters[0].bytes, &filters[0].n, &filter.block, &item, 1),
                     0);
    filter.bytes = filters[0].bytes;
    filter.n = filters[0].n;
    spv_filter_compute_hash(&filters[0].hash, &filter);
    filters[0].header = spv_params_get(SPV_REGTEST)->filter_checkpoints[0].header;
}

static int make_chain(void **state)
{
    (void)state;
    mined_new(&chain, BLOCKS, 7);
    build_genesis();
    for (uint32_t h = 1; h <= BLOCKS; h++) {
        build_filter(h);
        spv_filter_compute_header(&filters[h].header, &filters[h].hash, &filters[h - 1].header);
    }
    return 0;
}

static int free_chain(void **state)
{
    (void)state;
    for (uint32_t h = 0; h <= BLOCKS; h++)
        free(filters[h].bytes);
    mined_free(&chain);
    return 0;
}

/* ---- a run ---- */

struct run {
    const struct temp_db *db;
    struct server_fixture server;
    struct spv_store *store;
    struct spv_evloop *loop;
    uint64_t keep;
    bool has_no_filters; /* the node syncs none */
    bool stops_when_scanned; /* at DONE: all windows of kept filters, from the tip down */
    unsigned synced; /* FILTERS_SYNCED events */
    unsigned scans; /* that were stopped */
    int scan_rc; /* of the calls in callbacks */
    void (*on_synced)(struct run *r); /* after FILTERS_SYNCED; NULL: stop */
    void (*on_tick)(struct run *r); /* NULL: nothing */
};

static void on_event(void *ctx, const struct spv_event *event)
{
    struct run *r = ctx;
    if (event->kind != SPV_EVENT_FILTERS_SYNCED)
        return;
    r->synced++;
    if (r->on_synced)
        r->on_synced(r);
    else
        spv_evloop_stop(r->loop);
}

static void on_scan(void *ctx, const struct spv_scan_event *event)
{
    const struct run *r = ctx;
    if (r->stops_when_scanned && event->kind == SPV_SCAN_DONE)
        spv_evloop_stop(r->loop);
}

static void on_tick(void *ctx)
{
    struct run *r = ctx;
    if (r->on_tick)
        r->on_tick(r);
}

static void open_run(struct run *r, void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    r->db = *state;
    r->server.filter_db = &served;
    r->server.services = SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_COMPACT_FILTERS;
    server_fixture_start(&r->server, &chain, BLOCKS, 0);
    const struct spv_endpoint peer = server_fixture_endpoint(&r->server);
    const struct spv_store_config store = {
        .path = r->db->path, .params = params, .mode = SPV_STORE_CREATE};
    assert_int_equal(spv_store_open(&r->store, &store, NULL), 0);
    const struct spv_evloop_config cfg = {
        .node = {.params = params, .connect = &peer, .n_connect = 1, .filters = !r->has_no_filters},
        .store = r->store,
        .on_event = on_event,
        .on_scan = on_scan,
        .keep_filters = r->keep,
        .on_tick = on_tick,
        .tick_us = 1000,
        .ctx = r};
    assert_int_equal(spv_evloop_new(&r->loop, &cfg, NULL), 0);
}

/* SIGALRM ends a hanging test. */
static int run_loop(struct run *r)
{
    (void)alarm(120);
    const int rc = spv_evloop_run(r->loop);
    (void)alarm(0);
    return rc;
}

static void close_run(struct run *r)
{
    assert_int_equal(spv_evloop_free(r->loop), 0);
    (void)spv_store_close(r->store);
    server_fixture_stop(&r->server);
}

static void expect_stored(const struct run *r)
{
    const struct spv_filter_db db = spv_store_filter_db(r->store);
    struct spv_filter_header header;
    uint32_t first, last;
    assert_int_equal(db.range(db.ctx, &first, &last), 1);
    assert_int_equal(first, 0);
    assert_int_equal(last, BLOCKS);
    assert_int_equal(db.headers(db.ctx, &header, NULL, BLOCKS, 1), 1);
    assert_memory_equal(header.b, filters[BLOCKS].header.b, 32);
}

static void no_script(struct run *r)
{
    r->scan_rc = spv_evloop_scan(r->loop, NULL, 0, 1, UINT32_MAX);
}

/* A script that no filter has: only samples would be fetched. */
static int scan_for_nothing(struct run *r)
{
    static const uint8_t bytes[] = {0x51, 0xff, 0xff, 0xff, 0xff};
    const struct spv_bytes script = {bytes, sizeof bytes};
    return spv_evloop_scan(r->loop, &script, 1, 1, UINT32_MAX);
}

/* ---- tests ---- */

static void filter_headers_are_stored_and_durable(void **state)
{
    struct run r = {0};
    struct spv_node_stats stats;
    open_run(&r, state);
    assert_int_equal(run_loop(&r), 0);
    assert_int_equal(r.synced, 1);
    expect_stored(&r);
    spv_evloop_get_stats(r.loop, &stats);
    assert_true(stats.filters);
    close_run(&r);
    /* another process sees them */
    const struct spv_store_config reading = {.path = r.db->path, .mode = SPV_STORE_READ};
    assert_int_equal(spv_store_open(&r.store, &reading, NULL), 0);
    expect_stored(&r);
    assert_int_equal(spv_store_close(r.store), 0);
}

/* Sees with a connection of its own what is committed while the loop runs. */
static void expect_committed(struct run *r)
{
    struct spv_store *store;
    const struct spv_store_config reading = {.path = r->db->path, .mode = SPV_STORE_READ};
    struct run other = {0};
    assert_int_equal(spv_store_open(&store, &reading, NULL), 0);
    other.store = store;
    expect_stored(&other);
    assert_int_equal(spv_store_close(store), 0);
    spv_evloop_stop(r->loop);
}

static void filter_headers_are_committed_when_they_reach_the_tip(void **state)
{
    struct run r = {.on_synced = expect_committed};
    open_run(&r, state);
    assert_int_equal(run_loop(&r), 0);
    assert_int_equal(r.synced, 1);
    close_run(&r);
}

static void a_scan_keeps_filters_in_the_store(void **state)
{
    struct run r = {.keep = KEEP, .on_synced = no_script, .stops_when_scanned = true};
    struct spv_bytes filter;
    uint32_t first, last;
    open_run(&r, state);
    assert_int_equal(run_loop(&r), 0);
    assert_int_equal(r.scan_rc, 0);
    const struct spv_filter_db db = spv_store_filter_db(r.store);
    assert_int_equal(db.kept(db.ctx, &first, &last), 1);
    assert_int_equal(first, 1);
    assert_int_equal(last, BLOCKS);
    for (uint32_t h = 1; h <= BLOCKS; h += 100) {
        assert_int_equal(db.filter(db.ctx, &filter, h), 1);
        assert_int_equal(filter.n, filters[h].n);
        assert_memory_equal(filter.bytes, filters[h].bytes, filter.n);
    }
    close_run(&r);
}

static void no_more_bytes_are_kept_than_were_allowed(void **state)
{
    struct run r = {.keep = 1000, .on_synced = no_script, .stops_when_scanned = true};
    struct spv_store_info info;
    open_run(&r, state);
    assert_int_equal(run_loop(&r), 0);
    assert_int_equal(spv_store_get_info(r.store, &info), 0);
    assert_in_range(info.kept_filter_bytes, 900, 1000);
    close_run(&r);
}

static void one_script(struct run *r)
{
    static const uint8_t bytes[] = {0x52, 1, 2, 3};
    const struct spv_bytes script = {bytes, sizeof bytes};
    r->scan_rc = spv_evloop_scan(r->loop, &script, 1, 1, UINT32_MAX);
}

static void stop_when_the_last_is_kept(struct run *r)
{
    const struct spv_filter_db db = spv_store_filter_db(r->store);
    uint32_t first, last;
    if (db.kept(db.ctx, &first, &last) == 1 && last == BLOCKS)
        spv_evloop_stop(r->loop);
}

/* It goes up and fetches all: the store deletes the lowest. */
static void no_more_bytes_are_kept_of_a_scan_for_scripts(void **state)
{
    struct run r = {.keep = 1000, .on_synced = one_script, .on_tick = stop_when_the_last_is_kept};
    struct spv_store_info info;
    open_run(&r, state);
    assert_int_equal(run_loop(&r), 0);
    assert_int_equal(r.scan_rc, 0);
    assert_int_equal(spv_store_get_info(r.store, &info), 0);
    assert_in_range(info.kept_filter_bytes, 900, 1000);
    close_run(&r);
}

static void scan_begins(struct run *r)
{
    r->scan_rc = scan_for_nothing(r);
}

static void stop_when_all_are_matched(struct run *r)
{
    struct spv_scan_stats stats;
    spv_evloop_scan_stats(r->loop, &stats);
    if (stats.filters == BLOCKS && stats.candidates == stats.samples && stats.samples > 0)
        spv_evloop_stop(r->loop);
}

static void filters_are_matched_on_threads(void **state)
{
    struct run r = {.on_synced = scan_begins, .on_tick = stop_when_all_are_matched};
    struct spv_scan_stats stats;
    open_run(&r, state);
    assert_int_equal(run_loop(&r), 0);
    assert_int_equal(r.scan_rc, 0);
    spv_evloop_scan_stats(r.loop, &stats);
    assert_true(stats.running);
    assert_int_equal(stats.scripts, 1);
    assert_int_equal(stats.filters_kept, 0);
    close_run(&r);
}

static void a_scan_may_begin_before_the_loop_runs(void **state)
{
    struct run r = {.on_synced = NULL, .on_tick = stop_when_all_are_matched};
    r.on_synced = stop_when_all_are_matched; /* no other stop */
    open_run(&r, state);
    assert_int_equal(scan_for_nothing(&r), 0);
    assert_int_equal(scan_for_nothing(&r), SPV_ERR_STATE);
    assert_int_equal(run_loop(&r), 0);
    close_run(&r);
}

/* The loop stops at once: threads of the pool may be in the middle of a task. */
static void stop_at_the_first_filters(struct run *r)
{
    struct spv_scan_stats stats;
    spv_evloop_scan_stats(r->loop, &stats);
    if (stats.filters > 0)
        spv_evloop_stop(r->loop);
}

static void the_loop_may_stop_while_filters_are_matched(void **state)
{
    struct run r = {.on_synced = scan_begins, .on_tick = stop_at_the_first_filters};
    open_run(&r, state);
    assert_int_equal(run_loop(&r), 0);
    assert_int_equal(r.scan_rc, 0);
    close_run(&r);
}

/* Ends each scan as soon as filters of it are there, and begins the next one. */
static void begin_again(struct run *r)
{
    struct spv_scan_stats stats;
    spv_evloop_scan_stats(r->loop, &stats);
    if (!stats.running || stats.filters == 0)
        return;
    assert_int_equal(spv_evloop_scan_stop(r->loop), 0);
    spv_evloop_scan_stats(r->loop, &stats);
    assert_false(stats.running);
    if (++r->scans == 5)
        spv_evloop_stop(r->loop);
    else
        assert_int_equal(scan_for_nothing(r), 0);
}

static void scans_may_be_stopped_and_begun_in_callbacks(void **state)
{
    struct run r = {.on_synced = scan_begins, .on_tick = begin_again};
    open_run(&r, state);
    assert_int_equal(run_loop(&r), 0);
    assert_int_equal(r.scans, 5);
    close_run(&r);
}

static void add_in_callback(struct run *r)
{
    static const uint8_t bytes[] = {0x51, 0xff, 0xff, 0xff, 0xfe};
    const struct spv_bytes script = {bytes, sizeof bytes};
    const struct spv_txid txid = {{1}};
    struct spv_scan_stats stats;
    assert_int_equal(spv_evloop_scan_add(r->loop, &script, 1, 1), SPV_ERR_STATE);
    assert_int_equal(spv_evloop_scan_add_output(r->loop, &txid, 0, &script), SPV_ERR_STATE);
    assert_int_equal(scan_for_nothing(r), 0);
    assert_int_equal(spv_evloop_scan_add(r->loop, &script, 1, 1), 0);
    assert_int_equal(spv_evloop_scan_add_output(r->loop, &txid, 0, &script), 0);
    spv_evloop_scan_stats(r->loop, &stats);
    assert_int_equal(stats.scripts, 2);
    spv_evloop_stop(r->loop);
}

static void scripts_may_be_added_in_callbacks(void **state)
{
    struct run r = {.on_synced = add_in_callback};
    open_run(&r, state);
    assert_int_equal(run_loop(&r), 0);
    assert_int_equal(r.synced, 1);
    close_run(&r);
}

static void a_loop_without_filters_scans_nothing(void **state)
{
    struct run r = {.has_no_filters = true};
    struct spv_scan_stats stats = {.running = true};
    open_run(&r, state);
    assert_int_equal(scan_for_nothing(&r), SPV_ERR_INVALID);
    assert_int_equal(spv_evloop_scan_stop(r.loop), 0);
    spv_evloop_scan_stats(r.loop, &stats);
    assert_false(stats.running);
    close_run(&r);
}

/* ---- a store that fails ---- */

/* The table of filters or of filter headers becomes one that can be read, and takes no row. */
static void lock_table(const struct run *r, const char *table, const char *columns)
{
    char sql[256];
    sqlite3 *db;
    (void)snprintf(
        sql, sizeof sql,
        "DROP TABLE %s; CREATE TABLE %s (height INTEGER PRIMARY KEY CHECK (height < 0), %s)", table,
        table, columns);
    assert_int_equal(sqlite3_open(r->db->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(db, 60000), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void expect_failure(struct run *r)
{
    const int rc = run_loop(r);
    assert_true(rc < 0);
    assert_int_equal(spv_err_class_of(rc), SPV_CLASS_LOCAL);
    assert_int_equal(spv_evloop_run(r->loop), SPV_ERR_STATE);
    close_run(r);
}

static void a_store_that_fails_to_store_filter_headers_ends_the_run(void **state)
{
    struct run r = {0};
    open_run(&r, state);
    lock_table(&r, "filter_header", "header BLOB NOT NULL, filter_hash BLOB");
    expect_failure(&r);
    assert_int_equal(r.synced, 0);
}

static void lose_filters(struct run *r)
{
    lock_table(r, "block_filter", "filter BLOB NOT NULL");
    no_script(r);
}

static void a_store_that_fails_to_keep_filters_ends_the_run(void **state)
{
    struct run r = {.keep = KEEP, .on_synced = lose_filters};
    open_run(&r, state);
    expect_failure(&r);
    assert_int_equal(r.scan_rc, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, temp_db_make, temp_db_remove)
    const struct CMUnitTest tests[] = {
        T(filter_headers_are_stored_and_durable),
        T(filter_headers_are_committed_when_they_reach_the_tip),
        T(a_scan_keeps_filters_in_the_store),
        T(no_more_bytes_are_kept_than_were_allowed),
        T(no_more_bytes_are_kept_of_a_scan_for_scripts),
        T(filters_are_matched_on_threads),
        T(a_scan_may_begin_before_the_loop_runs),
        T(the_loop_may_stop_while_filters_are_matched),
        T(scans_may_be_stopped_and_begun_in_callbacks),
        T(scripts_may_be_added_in_callbacks),
        T(a_loop_without_filters_scans_nothing),
        T(a_store_that_fails_to_store_filter_headers_ends_the_run),
        T(a_store_that_fails_to_keep_filters_ends_the_run),
    };
    return cmocka_run_group_tests(tests, make_chain, free_chain);
}
