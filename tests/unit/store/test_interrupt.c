/* A stop request interrupts statements between SQLite's operations and inside a long one, after a
 * grace period for storing received headers. */
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/interrupt.h"

#define HANG_S 100 /* seconds; a statement that takes longer was not stopped */
#define ENDLESS                                                                                    \
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"

struct watched_db {
    sqlite3 *db;
    struct spv_db_watch watch;
    int requested,
        after; /* whether the SQL function has requested the stop, and its calls after that */
};

static void open_watched(struct watched_db *k, const char *path)
{
    memset(k, 0, sizeof *k);
    k->watch.stop = spv_interrupt_new();
    assert_non_null(k->watch.stop);
    assert_int_equal(sqlite3_open(path, &k->db), SQLITE_OK);
    spv_db_watch_begin(&k->watch, k->db);
}

static void close_watched(struct watched_db *k)
{
    spv_db_watch_end(&k->watch);
    assert_int_equal(sqlite3_close(k->db), SQLITE_OK);
    spv_interrupt_free(k->watch.stop);
}

/* Requests the stop as a signal handler does, during a statement, at a row between two progress
 * callbacks of SQLite. */
static void request_stop_sql(sqlite3_context *ctx, int n, sqlite3_value **values)
{
    struct watched_db *k = sqlite3_user_data(ctx);
    assert_int_equal(n, 1);
    k->after += k->requested;
    if (sqlite3_value_int(values[0]) == 1007) {
        spv_interrupt_request(k->watch.stop);
        k->requested = 1;
    }
    sqlite3_result_int(ctx, 1);
}

static int run_until_stopped(struct watched_db *k)
{
    assert_int_equal(
        sqlite3_create_function(k->db, "ask", 1, SQLITE_UTF8, k, request_stop_sql, NULL, NULL),
        SQLITE_OK);
    return sqlite3_exec(k->db, ENDLESS " WHERE ask(x)", NULL, NULL, NULL);
}

static void an_endless_query_is_interrupted_after_the_grace_period(void **state)
{
    struct watched_db k;
    (void)state;
    open_watched(&k, ":memory:");
    assert_int_equal(run_until_stopped(&k), SQLITE_INTERRUPT);
    assert_true(k.after > 1000);
    /* short statements may follow; the grace period is used up for endless ones */
    assert_int_equal(sqlite3_exec(k.db, "SELECT 1", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(k.db, ENDLESS, NULL, NULL, NULL), SQLITE_INTERRUPT);
    close_watched(&k);
}

static void a_long_operation_is_interrupted_at_once(void **state)
{
    struct watched_db k;
    (void)state;
    open_watched(&k, ":memory:");
    spv_db_watch_long(&k.watch, true);
    assert_int_equal(run_until_stopped(&k), SQLITE_INTERRUPT);
    assert_true(k.after <= 1);
    close_watched(&k);
}

static void a_stop_before_the_statement_interrupts_it_too(void **state)
{
    struct watched_db k;
    (void)state;
    open_watched(&k, ":memory:");
    spv_interrupt_request(k.watch.stop);
    assert_true(spv_interrupt_requested(k.watch.stop));
    assert_int_equal(sqlite3_exec(k.db, ENDLESS, NULL, NULL, NULL), SQLITE_INTERRUPT);
    close_watched(&k);
}

static void a_lock_is_not_waited_for_after_a_stop(void **state)
{
    const char *path = in_folder(state, "x.db");
    struct watched_db k;
    sqlite3 *other = NULL;
    open_watched(&k, path);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    k.watch.wait_ms = INT32_MAX;
    spv_interrupt_request(k.watch.stop);
    assert_int_equal(sqlite3_exec(k.db, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_BUSY);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    close_watched(&k);
}

static int stop_the_wait(void *ctx, uint32_t waited_ms)
{
    (void)waited_ms;
    spv_interrupt_request(ctx);
    return 1;
}

static void a_stop_in_the_wait_for_a_lock_is_an_interruption(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_interrupt *stop = spv_interrupt_new();
    struct spv_store *s = NULL;
    struct spv_error_info why = {.text = ""};
    const struct spv_store_config cfg = {.path = path,
                                         .params = regtest(),
                                         .mode = SPV_STORE_WRITE,
                                         .stop = stop,
                                         .busy = stop_the_wait,
                                         .busy_ctx = stop};
    struct spv_chain_header r[5];
    sqlite3 *other = NULL;
    make_chain(path, r, 5);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(spv_store_open(&s, &cfg, &why), SPV_ERR_INTERRUPTED);
    assert_non_null(strstr(why.text, "stopped before it was done"));
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    spv_interrupt_free(stop);
}

/* More connections than can be interrupted inside an operation; a closed one is not interrupted. */
static void any_number_of_connections_may_share_a_stop(void **state)
{
    enum { MANY = 40 };
    static struct watched_db k[MANY];
    struct spv_interrupt *shared = spv_interrupt_new();
    (void)state;
    assert_non_null(shared);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            k[i].watch = (struct spv_db_watch){.stop = shared};
            assert_int_equal(sqlite3_open(":memory:", &k[i].db), SQLITE_OK);
            spv_db_watch_begin(&k[i].watch, k[i].db);
            spv_db_watch_long(&k[i].watch, true);
        }
        spv_interrupt_request(shared);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(sqlite3_exec(k[i].db, ENDLESS, NULL, NULL, NULL), SQLITE_INTERRUPT);
            spv_db_watch_end(&k[i].watch);
            assert_int_equal(sqlite3_close(k[i].db), SQLITE_OK);
        }
        spv_interrupt_request(shared); /* does not use the closed connection */
    }
    spv_interrupt_free(shared);
}

static struct spv_store *open_stopping(const char *path, struct spv_interrupt *stop)
{
    struct spv_store *s = NULL;
    struct spv_error_info why = {.text = ""};
    const struct spv_store_config cfg = {
        .path = path, .params = regtest(), .mode = SPV_STORE_CREATE, .stop = stop};
    if (spv_store_open(&s, &cfg, &why) != 0) {
        fail_msg("%s", why.text);
    }
    return s;
}

static void received_headers_are_stored_after_a_stop(void **state)
{
    enum { N = 4000, HALF = N / 2 };
    static struct spv_chain_header r[N];
    const char *path = in_folder(state, "h.db");
    struct spv_interrupt *stop = spv_interrupt_new();
    struct spv_chain_header genesis = genesis_record(regtest());
    struct spv_chain_update c = {.kind = SPV_UPDATE_APPEND, .headers = r, .n = HALF};
    extend(r, &genesis, N, 0);
    struct spv_store *s = open_stopping(path, stop);
    assert_int_equal(spv_store_apply_deferred(s, &c), 0);
    spv_interrupt_request(stop);
    c = (struct spv_chain_update){
        .kind = SPV_UPDATE_APPEND, .fork_height = HALF, .headers = r + HALF, .n = N - HALF};
    assert_int_equal(spv_store_apply_deferred(s, &c), 0);
    assert_int_equal(spv_store_close(s), 0);
    spv_interrupt_free(stop);
    s = must_open(path, SPV_STORE_READ);
    assert_chain(s, r, N);
    assert_int_equal(spv_store_close(s), 0);
}

/* An integrity check includes foreign tables: this one has a slow CHECK and many rows. */
static void make_slow(const char *path)
{
    run_sql(path,
            "CREATE TABLE slow (x, CHECK (instr(zeroblob(10000), zeroblob(5000) || x) = 0));"
            "PRAGMA ignore_check_constraints = ON;"
            "INSERT INTO slow WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT"
            " 200000) SELECT x'01' FROM n");
}

struct stop_request {
    struct spv_interrupt *stop;
    int calls;
};

static int request_stop(void *ctx, uint64_t done, uint64_t total)
{
    struct stop_request *a = ctx;
    (void)done;
    (void)total;
    a->calls++;
    spv_interrupt_request(a->stop);
    return 0;
}

static void verifying_and_repairing_are_stopped_and_change_nothing(void **state)
{
    static struct spv_repair_report repaired;
    struct spv_verify_report report;
    struct spv_error_info why;
    struct spv_chain_header r[20];
    const char *path = in_folder(state, "h.db");
    make_chain(path, r, 20);
    make_slow(path);
    const long size = file_size(path);
    struct stop_request a = {.stop = spv_interrupt_new()};
    spv_interrupt_request(a.stop);
    const struct spv_verify_config cfg = {
        .path = path, .params = regtest(), .progress = request_stop, .ctx = &a, .stop = a.stop};
    assert_int_equal(spv_store_verify(&report, &cfg, &why), SPV_ERR_INTERRUPTED);
    assert_non_null(strstr(why.text, "stopped"));
    assert_int_equal(spv_store_repair(&repaired, &cfg, &why), SPV_ERR_INTERRUPTED);
    assert_string_equal(repaired.copy, "");
    assert_int_equal(file_size(path), size);
    spv_interrupt_free(a.stop);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endless_query_is_interrupted_after_the_grace_period),
        cmocka_unit_test(a_long_operation_is_interrupted_at_once),
        cmocka_unit_test(a_stop_before_the_statement_interrupts_it_too),
        IN_FOLDER(a_lock_is_not_waited_for_after_a_stop),
        IN_FOLDER(a_stop_in_the_wait_for_a_lock_is_an_interruption),
        cmocka_unit_test(any_number_of_connections_may_share_a_stop),
        IN_FOLDER(received_headers_are_stored_after_a_stop),
        IN_FOLDER(verifying_and_repairing_are_stopped_and_change_nothing),
    };
    (void)alarm(HANG_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
