/* A stop ends statements between SQLite's operations and inside a long one, and leaves time to
 * store what came. */
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/interrupt.h"

#define HANG_S 100 /* what takes longer was not stopped */
#define ENDLESS                                                                                    \
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"

struct kit {
    sqlite3 *db;
    struct spv_watch watch;
    int asked, after; /* calls of the SQL function that asked, and those that came then */
};

static void connect_kit(struct kit *k, const char *path)
{
    memset(k, 0, sizeof *k);
    k->watch.stop = spv_interrupt_new();
    assert_non_null(k->watch.stop);
    assert_int_equal(sqlite3_open(path, &k->db), SQLITE_OK);
    spv_watch_begin(&k->watch, k->db);
}

static void disconnect_kit(struct kit *k)
{
    spv_watch_end(&k->watch);
    assert_int_equal(sqlite3_close(k->db), SQLITE_OK);
    spv_interrupt_free(k->watch.stop);
}

/* As a signal handler does, in the midst of a statement, at a row between two looks of SQLite's. */
static void ask_sql(sqlite3_context *ctx, int n, sqlite3_value **values)
{
    struct kit *k = sqlite3_user_data(ctx);
    assert_int_equal(n, 1);
    k->after += k->asked;
    if (sqlite3_value_int(values[0]) == 1007) {
        spv_interrupt_request(k->watch.stop);
        k->asked = 1;
    }
    sqlite3_result_int(ctx, 1);
}

static int run_asking(struct kit *k)
{
    assert_int_equal(sqlite3_create_function(k->db, "ask", 1, SQLITE_UTF8, k, ask_sql, NULL, NULL),
                     SQLITE_OK);
    return sqlite3_exec(k->db, ENDLESS " WHERE ask(x)", NULL, NULL, NULL);
}

static void an_endless_query_ends_after_the_grace(void **state)
{
    struct kit k;
    (void)state;
    connect_kit(&k, ":memory:");
    assert_int_equal(run_asking(&k), SQLITE_INTERRUPT);
    assert_true(k.after > 1000);
    /* short ones may follow, endless ones have no time left */
    assert_int_equal(sqlite3_exec(k.db, "SELECT 1", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(k.db, ENDLESS, NULL, NULL, NULL), SQLITE_INTERRUPT);
    disconnect_kit(&k);
}

static void a_long_operation_is_interrupted_at_once(void **state)
{
    struct kit k;
    (void)state;
    connect_kit(&k, ":memory:");
    spv_watch_long(&k.watch, true);
    assert_int_equal(run_asking(&k), SQLITE_INTERRUPT);
    assert_true(k.after <= 1);
    disconnect_kit(&k);
}

static void a_stop_before_the_statement_ends_it_as_well(void **state)
{
    struct kit k;
    (void)state;
    connect_kit(&k, ":memory:");
    spv_interrupt_request(k.watch.stop);
    assert_true(spv_interrupt_requested(k.watch.stop));
    assert_int_equal(sqlite3_exec(k.db, ENDLESS, NULL, NULL, NULL), SQLITE_INTERRUPT);
    disconnect_kit(&k);
}

static void a_lock_is_not_waited_for_after_a_stop(void **state)
{
    const char *path = in_folder(state, "x.db");
    struct kit k;
    sqlite3 *other = NULL;
    connect_kit(&k, path);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    k.watch.wait_ms = INT32_MAX;
    spv_interrupt_request(k.watch.stop);
    assert_int_equal(sqlite3_exec(k.db, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_BUSY);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    disconnect_kit(&k);
}

/* More connections than can be interrupted inside an operation, and none after its end. */
static void any_number_of_connections_may_share_a_stop(void **state)
{
    enum { MANY = 40 };
    static struct kit k[MANY];
    struct spv_interrupt *shared = spv_interrupt_new();
    (void)state;
    assert_non_null(shared);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            k[i].watch = (struct spv_watch){.stop = shared};
            assert_int_equal(sqlite3_open(":memory:", &k[i].db), SQLITE_OK);
            spv_watch_begin(&k[i].watch, k[i].db);
            spv_watch_long(&k[i].watch, true);
        }
        spv_interrupt_request(shared);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(sqlite3_exec(k[i].db, ENDLESS, NULL, NULL, NULL), SQLITE_INTERRUPT);
            spv_watch_end(&k[i].watch);
            assert_int_equal(sqlite3_close(k[i].db), SQLITE_OK);
        }
        spv_interrupt_request(shared); /* touches no closed one */
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

static void what_came_is_stored_after_a_stop(void **state)
{
    enum { N = 4000, HALF = N / 2 };
    static struct spv_chain_header r[N];
    const char *path = in_folder(state, "h.db");
    struct spv_interrupt *stop = spv_interrupt_new();
    struct spv_chain_header genesis = first_record(regtest());
    struct spv_chain_update c = {.kind = SPV_UPDATE_APPEND, .headers = r, .n = HALF};
    grow(r, &genesis, N, 0);
    struct spv_store *s = open_stopping(path, stop);
    assert_int_equal(spv_store_apply_deferred(s, &c), 0);
    spv_interrupt_request(stop);
    c = (struct spv_chain_update){
        .kind = SPV_UPDATE_APPEND, .fork_height = HALF, .headers = r + HALF, .n = N - HALF};
    assert_int_equal(spv_store_apply_deferred(s, &c), 0);
    assert_int_equal(spv_store_close(s), 0);
    spv_interrupt_free(stop);
    s = must_open(path, SPV_STORE_READ);
    holds(s, r, N);
    assert_int_equal(spv_store_close(s), 0);
}

/* Foreign tables are part of an integrity check: one whose CHECK takes a while, on many rows. */
static void make_slow(const char *path)
{
    meddle(path,
           "CREATE TABLE slow (x, CHECK (instr(zeroblob(10000), zeroblob(5000) || x) = 0));"
           "PRAGMA ignore_check_constraints = ON;"
           "INSERT INTO slow WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT"
           " 200000) SELECT x'01' FROM n");
}

struct asking {
    struct spv_interrupt *stop;
    int calls;
};

static int ask_at_once(void *ctx, uint64_t done, uint64_t total)
{
    struct asking *a = ctx;
    (void)done;
    (void)total;
    a->calls++;
    spv_interrupt_request(a->stop);
    return 0;
}

static void verifying_and_repairing_are_stopped_and_change_nothing(void **state)
{
    static struct spv_repair_report mended;
    struct spv_verify_report report;
    struct spv_error_info why;
    struct spv_chain_header r[20];
    const char *path = in_folder(state, "h.db");
    make_chain(path, r, 20);
    make_slow(path);
    const long size = file_size(path);
    struct asking a = {.stop = spv_interrupt_new()};
    spv_interrupt_request(a.stop);
    const struct spv_verify_config cfg = {
        .path = path, .params = regtest(), .progress = ask_at_once, .ctx = &a, .stop = a.stop};
    assert_int_equal(spv_store_verify(&report, &cfg, &why), SPV_ERR_INTERRUPTED);
    assert_non_null(strstr(why.text, "stopped"));
    assert_int_equal(spv_store_repair(&mended, &cfg, &why), SPV_ERR_INTERRUPTED);
    assert_string_equal(mended.copy, "");
    assert_int_equal(file_size(path), size);
    spv_interrupt_free(a.stop);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endless_query_ends_after_the_grace),
        cmocka_unit_test(a_long_operation_is_interrupted_at_once),
        cmocka_unit_test(a_stop_before_the_statement_ends_it_as_well),
        IN_FOLDER(a_lock_is_not_waited_for_after_a_stop),
        cmocka_unit_test(any_number_of_connections_may_share_a_stop),
        IN_FOLDER(what_came_is_stored_after_a_stop),
        IN_FOLDER(verifying_and_repairing_are_stopped_and_change_nothing),
    };
    (void)alarm(HANG_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
