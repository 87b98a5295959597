/* The steps of a node with a wallet, with a fault at each operation of the disk and each failing
 * allocation: afterwards the file has the state before or after the step, passes every check, and
 * going on ends where a run without a fault ends. SPV_FAULT_STRIDE: every so many operations (1:
 * all); the offset is drawn from SPV_SEED. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <sqlite3.h>

#include "stored_wallet.h"

#include "spv/error.h"
#include "support/failing_alloc.h"
#include "support/faultvfs.h"

#define STRIDE 31
#define MAX_K 20000

static uint64_t states[WALLET_STEPS + 1];
static unsigned stride = STRIDE;
static uint64_t seed;

static void start_over(void **state, const char *path)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-lock"};
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        char name[2 * PATH_LEN + 8];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)remove(name);
    }
    copy_file(in_folder(state, "h.db"), path);
}

/* Runs the steps from one on. Returns how many were reported as done. */
static size_t run(const char *path, size_t from, int *error)
{
    const struct spv_store_config cfg = {
        .path = path, .params = regtest(), .mode = SPV_STORE_WRITE};
    struct spv_store *s = NULL;
    size_t done = from;
    int closed;

    *error = spv_store_open(&s, &cfg, NULL);
    while (*error == 0 && done < WALLET_STEPS) {
        *error = wallet_step(s, done);
        done += *error == 0;
    }
    closed = spv_store_close(s);
    *error = *error != 0 ? *error : closed;
    return done;
}

static void record_states(void **state)
{
    const char *path = in_folder(state, "copy.db");

    make_wallet_chain(in_folder(state, "h.db"));
    start_over(state, path);
    states[0] = wallet_state(path);
    for (size_t i = 0; i < WALLET_STEPS; i++) {
        struct spv_store *s = must_open(path, SPV_STORE_WRITE);
        assert_int_equal(wallet_step(s, i), 0);
        assert_int_equal(spv_store_close(s), 0);
        states[i + 1] = wallet_state(path);
        assert_true(states[i + 1] != states[i]);
    }
}

static void check_after(const char *path, size_t done, const char *what)
{
    const struct spv_verify_config verify = {.path = path};
    struct spv_verify_report report;
    struct spv_error_info why = {.text = ""};
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    uint64_t now;
    int error = 0;

    assert_int_equal(spv_store_close(s), 0);
    if (spv_store_verify(&report, &verify, &why) != 0)
        fail_msg("%s: %s", what, why.text);
    now = wallet_state(path);
    if (done < WALLET_STEPS && now == states[done + 1])
        done++;
    if (now != states[done])
        fail_msg("%s: %zu steps were done, and the state is none of those then", what, done);
    (void)run(path, done, &error);
    assert_int_equal(error, 0);
    if (wallet_state(path) != states[WALLET_STEPS])
        fail_msg("%s: going on ends elsewhere", what);
}

static void each_step_is_all_or_nothing(void **state)
{
    char path[2 * PATH_LEN];

    record_states(state);
    (void)snprintf(path, sizeof path, "%s", in_folder(state, "copy.db"));
    for (int fault = FAULT_FAILS_ONCE; fault < FAULTS; fault++) {
        bool met = true;
        for (long k = (long)(seed % stride); met; k += (long)stride) {
            char what[100];
            int error = 0;
            assert_true(k < MAX_K);
            start_over(state, path);
            faultvfs_plan((enum fault)fault, k, seed + (uint64_t)k);
            const size_t done = run(path, 0, &error);
            (void)faultvfs_end(&met);
            (void)snprintf(what, sizeof what, "%s at operation %ld", fault_name((enum fault)fault),
                           k);
            {
                char shm[2 * PATH_LEN + 8];
                (void)snprintf(shm, sizeof shm, "%s-shm", path);
                (void)remove(shm); /* of a machine that lost its power */
            }
            check_after(path, done, what);
            assert_int_equal(sqlite3_memory_used(), 0);
        }
    }
}

/* Reading, too. */
static int read_lists(struct spv_store *s)
{
    struct spv_wallet_iter *it = NULL;
    struct spv_wallet_item item;
    struct spv_store_info info;
    struct spv_wallet_tx_row tx;
    struct spv_wallet_share_row share;
    int rc = spv_wallet_iter_open(&it, s);

    for (int list = 0; rc == 0 && list < SPV_WALLET_LISTS; list++) {
        rc = spv_wallet_iter_list(it, (enum spv_wallet_list)list, NULL);
        while (rc == 0 && (rc = spv_wallet_iter_next(it, &item)) == 1)
            rc = 0;
    }
    if (rc == 0)
        rc = spv_wallet_iter_find_tx(it, &tx, &wallet_txs[2].txid);
    if (rc >= 0)
        rc = spv_wallet_iter_tx(it, &tx, 1);
    if (rc >= 0)
        rc = spv_wallet_iter_shares(it, &share, 1, 2);
    spv_wallet_iter_close(it);
    return rc < 0 ? rc : spv_store_get_info(s, &info);
}

static int write_notes(struct spv_store *s)
{
    const struct spv_label label = {.type = "tx", .ref = "r", .label = "l"};
    static const char *const line = "?";
    int rc = spv_store_set_bloom(s, 1, 100);

    rc = rc ? rc : spv_store_set_tag(s, 2, "tag");
    rc = rc ? rc : spv_store_add_labels(s, &label, 1, &line, 1);
    rc = rc ? rc : spv_store_remove_label(s, &label);
    return rc < 0 ? rc : 0;
}

static void each_failing_allocation_is_survived(void **state)
{
    char path[2 * PATH_LEN];
    bool hit = true;
    size_t k = 1;

    record_states(state);
    (void)snprintf(path, sizeof path, "%s", in_folder(state, "copy.db"));
    for (; hit; k += k < 60 ? 1 : 41) {
        const struct spv_verify_config verify = {.path = path};
        static struct spv_verify_report report;
        struct spv_store *s = NULL;
        const struct spv_store_config cfg = {
            .path = path, .params = regtest(), .mode = SPV_STORE_WRITE};
        int rc;
        start_over(state, path);
        failing_alloc_plan(k, FAILING_ALLOC_ONE);
        rc = spv_store_open(&s, &cfg, NULL);
        for (size_t i = 0; rc == 0 && i < 5; i++)
            rc = wallet_step(s, i);
        if (rc == 0)
            rc = read_lists(s);
        if (rc == 0)
            rc = write_notes(s);
        if (rc == 0)
            rc = spv_store_verify(&report, &verify, NULL);
        hit = failing_alloc_end() > 0;
        if (rc != 0 && rc != SPV_ERR_NOMEM)
            fail_msg("allocation %zu: %s", k, s ? spv_store_last_error(s) : spv_err_name(rc));
        assert_int_equal(spv_store_close(s), 0);
        assert_true(hit || rc == 0);
        assert_int_equal(spv_store_verify(&report, &verify, NULL), 0);
        assert_int_equal(sqlite3_memory_used(), 0);
    }
    print_message("%zu allocations\n", k);
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
    failing_alloc_install_sqlite();
    faultvfs_install();
    const struct CMUnitTest tests[] = {
        IN_FOLDER(each_step_is_all_or_nothing),
        IN_FOLDER(each_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, stored_wallet_setup, stored_wallet_teardown);
}
