/* The k-th disk operation or allocation fails, for every k: the error code is right, nothing leaks,
 * and the next opening finds the chain of before or after the update. */
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>

#include "filter_fixture.h"
#include "store/db.h"
#include "store/schema.h"
#include "support/failing_alloc.h"
#include "support/faultvfs.h"

#define OLD 20 /* headers before the change */
#define FORK 10
#define NEW 40 /* headers on the fork */
#define MAX_K 20000 /* more operations than any run has */

static struct spv_chain_header before[OLD];
static struct spv_chain_header after[FORK + NEW];
static struct filter_chain old_filters, new_filters;

static void prepare(const char *path)
{
    make_chain(path, before, OLD);
    memcpy(after, before, FORK * sizeof *after);
    extend(after + FORK, &before[FORK - 1], NEW, 5);
    make_filters(&old_filters, 1);
    fork_filters(&new_filters, &old_filters, FORK, 2);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(add_filters(s, &old_filters, 0, OLD, true), 0);
    for (uint32_t h = 5; h < OLD; h++) {
        assert_int_equal(keep(s, &old_filters, h, UINT64_MAX), 1);
    }
    assert_int_equal(spv_store_close(s), 0);
}

/* Filter headers of the fork up to 30, filters within a bound, and what is above 25 dropped. */
static int work_on_filters(struct spv_store *s)
{
    int rc = add_filters(s, &new_filters, FORK + 1, 20, true);
    for (uint32_t h = 11; h <= 30 && rc == 0; h++) {
        rc = keep(s, &new_filters, h, 400);
        rc = rc > 0 ? 0 : rc;
    }
    if (rc == 0) {
        rc = spv_store_drop_filter_headers(s, 26);
    }
    const struct spv_filter_db db = spv_store_filter_db(s);
    struct spv_filter_header headers[10];
    struct spv_filter_hash hashes[10];
    struct spv_bytes filter;
    uint32_t first;
    uint32_t last;
    if (rc == 0) {
        rc = db.headers(db.ctx, headers, hashes, 3, 10);
        rc = rc > 0 ? 0 : rc;
    }
    if (rc == 0) {
        rc = db.range(db.ctx, &first, &last);
        rc = rc > 0 ? 0 : rc;
    }
    if (rc == 0) {
        rc = db.kept(db.ctx, &first, &last);
        rc = rc > 0 ? 0 : rc;
    }
    if (rc == 0) {
        rc = db.filter(db.ctx, &filter, 20);
        rc = rc > 0 ? 0 : rc;
    }
    struct spv_store_info info;
    return rc == 0 ? spv_store_get_info(s, &info) : rc;
}

/* A writer's whole session. Sets *applied when the update was reported as done. */
static int work(const char *path, bool *applied, struct spv_error_info *why)
{
    struct spv_store *s = NULL;
    struct spv_store_config cfg = {.path = path, .params = regtest(), .mode = SPV_STORE_CREATE};
    *applied = false;
    int rc = spv_store_open(&s, &cfg, why);
    if (rc != 0) {
        return rc;
    }
    struct spv_chain_header got;
    rc = spv_store_by_height(s, &got, OLD) < 0 ? SPV_ERR_NOMEM : 0;
    if (rc == 0) {
        rc = apply(s, SPV_UPDATE_REORG, FORK, OLD - FORK, after + FORK, NEW);
        *applied = rc == 0;
    }
    if (rc == 0) {
        rc = work_on_filters(s);
    }
    if (rc == 0) {
        rc = spv_store_build_index(s);
    }
    if (rc == 0) {
        rc = spv_store_by_hash(s, &got, &after[20].hash);
        rc = rc > 0 ? 0 : rc;
    }
    struct spv_store_iter *walk = NULL;
    if (rc == 0) {
        rc = spv_store_iter_open(&walk, s, 0, UINT32_MAX);
    }
    while (rc == 0 && (rc = spv_store_iter_next(walk, &got)) > 0) {
        rc = 0;
        if (got.height == 5) {
            break;
        }
    }
    spv_store_iter_close(walk);
    if (rc == 0) {
        rc = spv_store_flush(s);
    }
    if (rc != 0) {
        why->code = (enum spv_err)rc;
        (void)snprintf(why->text, sizeof why->text, "%s", spv_store_last_error(s));
    }
    int closed = spv_store_close(s);
    return rc != 0 ? rc : closed;
}

static void check_state(const char *path, bool applied)
{
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    struct spv_chain_header tip;
    assert_int_equal(spv_store_lost_rows(s), 0);
    assert_int_equal(spv_store_tip(s, &tip), 1);
    const struct spv_filter_db db = spv_store_filter_db(s);
    uint32_t first;
    uint32_t last;
    assert_int_equal(db.range(db.ctx, &first, &last), 1);
    if (tip.height == OLD && !applied) {
        assert_chain(s, before, OLD);
        assert_filters(s, &old_filters, 0, OLD - 1, 0);
        assert_kept(s, &old_filters, "5-19");
    } else {
        assert_chain(s, after, FORK + NEW);
        assert_true(last == FORK || last == 30 || last == 25);
        assert_filters(s, &new_filters, 0, last, 0);
        /* each filter was kept by a transaction of its own, or with those before it */
        assert_int_equal(db.kept(db.ctx, &first, &last), 1);
        char kept[20];
        (void)snprintf(kept, sizeof kept, "%u-%u", first, last);
        assert_kept(s, &new_filters, kept);
    }
    assert_int_equal(spv_store_close(s), 0);
    static struct spv_verify_report report;
    const struct spv_verify_config cfg = {.path = path, .params = regtest()};
    assert_int_equal(spv_store_verify(&report, &cfg, NULL), 0);
}

static void start_over(void **state, const char *path)
{
    (void)remove(in_folder(state, "copy.db-wal"));
    (void)remove(in_folder(state, "copy.db-shm"));
    copy_file(in_folder(state, "h.db"), path);
}

static void a_failing_disk_leaves_a_consistent_chain(void **state)
{
    static const enum fault faults[] = {FAULT_FULL, FAULT_FAILS_ON};
    prepare(in_folder(state, "h.db"));
    for (size_t i = 0; i < 2; i++) {
        bool hit = true;
        long failed = 0;
        for (long k = 0; hit; k++) {
            char path[PATH_LEN];
            bool applied = false;
            struct spv_error_info why = {.text = ""};
            (void)snprintf(path, sizeof path, "%s", in_folder(state, "copy.db"));
            assert_true(k < MAX_K);
            start_over(state, path);
            faultvfs_plan(faults[i], k, 0);
            int rc = work(path, &applied, &why);
            (void)faultvfs_end(&hit);
            if (rc != 0) {
                failed++;
                assert_true(rc == SPV_ERR_DB_FULL || rc == SPV_ERR_IO);
                assert_true(faults[i] == FAULT_FULL || rc == SPV_ERR_IO);
                assert_true(why.text[0] == '\0' || strstr(why.text, path));
            } else if (!hit) {
                assert_true(applied);
            }
            check_state(path, applied);
            assert_int_equal(sqlite3_memory_used(), 0);
        }
        print_message("%s: %ld runs failed\n", fault_name(faults[i]), failed);
        assert_true(failed > 20);
    }
}

static void a_full_disk_has_an_error_code_of_its_own(void **state)
{
    prepare(in_folder(state, "h.db"));
    struct spv_store *s = must_open(in_folder(state, "h.db"), SPV_STORE_WRITE);
    bool met = false;
    faultvfs_plan(FAULT_FULL, 0, 0);
    assert_int_equal(apply(s, SPV_UPDATE_REORG, FORK, OLD - FORK, after + FORK, NEW),
                     SPV_ERR_DB_FULL);
    assert_non_null(strstr(spv_store_last_error(s), "disk space"));
    (void)faultvfs_end(&met);
    assert_true(met);
    assert_chain(s, before, OLD);
    /* with space on the disk the same update succeeds */
    assert_int_equal(apply(s, SPV_UPDATE_REORG, FORK, OLD - FORK, after + FORK, NEW), 0);
    assert_chain(s, after, FORK + NEW);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_failed_creation_can_be_repeated(void **state)
{
    bool hit = true;
    for (long k = 0; hit; k++) {
        char path[PATH_LEN];
        struct spv_store *s = NULL;
        struct spv_store_config cfg = {.path = path, .params = regtest(), .mode = SPV_STORE_CREATE};
        (void)snprintf(path, sizeof path, "%s/new%ld.db", (const char *)*state, k);
        assert_true(k < MAX_K);
        faultvfs_plan(FAULT_FULL, k, 0);
        int rc = spv_store_open(&s, &cfg, NULL);
        if (rc == 0) {
            (void)spv_store_close(s);
        }
        (void)faultvfs_end(&hit);
        s = must_open(path, SPV_STORE_CREATE);
        assert_chain(s, NULL, 0);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void each_failing_allocation_is_survived(void **state)
{
    prepare(in_folder(state, "h.db"));
    static const enum failing_alloc_mode modes[] = {FAILING_ALLOC_ONE, FAILING_ALLOC_REST};
    for (size_t i = 0; i < 2; i++) {
        bool hit = true;
        size_t k = 1;
        /* Every allocation at first, then every 13th: they repeat with each row. */
        for (; hit; k += k < 1200 ? 1 : 13) {
            char path[PATH_LEN];
            bool applied = false;
            struct spv_error_info why = {.text = ""};
            (void)snprintf(path, sizeof path, "%s", in_folder(state, "copy.db"));
            assert_true(k < MAX_K);
            start_over(state, path);
            failing_alloc_plan(k, modes[i]);
            int rc = work(path, &applied, &why);
            hit = failing_alloc_end() > 0;
            if (rc != 0 && rc != SPV_ERR_NOMEM) {
                fail_msg("allocation %zu: %s: %s", k, spv_err_name(rc), why.text);
            }
            check_state(path, applied);
            assert_int_equal(sqlite3_memory_used(), 0);
        }
        print_message("%s: %zu allocations\n", i > 0 ? "all from the k-th" : "the k-th", k - 1);
    }
}

/* A list of migrations with steps that exist only in this test. */
static void a_migration_is_applied_completely_or_not_at_all(void **state)
{
    const char *path = in_folder(state, "h.db");
    const struct spv_migration good[] = {
        {5, "CREATE TABLE extra (x); INSERT INTO extra SELECT count(*) FROM header"},
        {4, "ALTER TABLE branch_header ADD COLUMN seen INTEGER"},
    };
    const struct spv_migration bad[] = {good[1], {5, "CREATE TABLE extra (x); SELECT nothing()"}};
    char got[100];
    make_chain(path, before, OLD);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_db_begin(s), 0);
    assert_int_equal(spv_schema_migrate(s->db, 4, 6, bad, 2), SQLITE_ERROR);
    spv_db_rollback(s);
    ask(got, sizeof got, path, "PRAGMA user_version");
    assert_string_equal(got, "4");
    ask(got, sizeof got, path, "SELECT count(*) FROM sqlite_master WHERE name = 'extra'");
    assert_string_equal(got, "0");
    assert_int_equal(spv_db_begin(s), 0);
    assert_int_equal(spv_schema_migrate(s->db, 4, 7, good, 2), SQLITE_MISMATCH);
    spv_db_rollback(s);
    assert_int_equal(spv_db_begin(s), 0);
    assert_int_equal(spv_schema_migrate(s->db, 4, 6, good, 2), SQLITE_OK);
    assert_int_equal(spv_db_commit(s), 0);
    assert_int_equal(spv_store_close(s), 0);
    ask(got, sizeof got, path, "PRAGMA user_version");
    assert_string_equal(got, "6");
    ask(got, sizeof got, path, "SELECT x FROM extra");
    assert_string_equal(got, "21");
    must_refuse(path, SPV_STORE_WRITE, regtest(), SPV_ERR_DB_NEWER, "schema 6");
}

/* The list of the library migrates from an empty file to SPV_SCHEMA_VERSION. */
static void the_list_of_migrations_has_no_gap(void **state)
{
    (void)state;
    int version = 0;
    for (size_t i = 0; i < spv_n_migrations; i++) {
        assert_in_range(spv_migrations[i].from, version, version + (i > 0 ? 1 : 0));
        version = spv_migrations[i].from;
    }
    assert_int_equal(version + 1, SPV_SCHEMA_VERSION);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    failing_alloc_install_sqlite();
    faultvfs_install();
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_failing_disk_leaves_a_consistent_chain),
        IN_FOLDER(a_full_disk_has_an_error_code_of_its_own),
        IN_FOLDER(a_failed_creation_can_be_repeated),
        IN_FOLDER(each_failing_allocation_is_survived),
        IN_FOLDER(a_migration_is_applied_completely_or_not_at_all),
        cmocka_unit_test(the_list_of_migrations_has_no_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
