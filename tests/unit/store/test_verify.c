/* Verification: a valid database passes, and each kind of damage is reported with its kind, height
 * and reason. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spv/mine.h"

#define N 5000

static struct spv_chain_header chain[N];

static int verify(struct spv_verify_report *out, const char *path, bool full,
                  struct spv_error_info *why)
{
    const struct spv_verify_config cfg = {
        .path = path, .params = regtest(), .full = full, .now = {.unix_s = UINT32_MAX}};
    return spv_store_verify(out, &cfg, why);
}

/* Whether a finding contains these words. */
static bool has_finding(const struct spv_verify_report *r, const char *words)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strstr(r->findings[i].text, words)) {
            return true;
        }
    }
    return false;
}

static void print_findings(const struct spv_verify_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        print_message("  %lld: %s\n", (long long)r->findings[i].height, r->findings[i].text);
    }
}

static int keep_record(void *ctx, const struct spv_chain_header *record)
{
    struct spv_chain_header **next = ctx;
    *(*next)++ = *record;
    return 0;
}

/* A chain that obeys every rule, unlike that of extend(). */
static void mine_chain(const char *path, uint32_t n, bool index)
{
    struct spv_chain *c = NULL;
    const struct spv_chain_config cfg = {.params = regtest()};
    struct spv_chain_header *next = chain;
    const struct spv_mine_plan plan = {.n = n, .seed = 7, .on_header = keep_record, .ctx = &next};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_int_equal(spv_mine_chain(c, &plan), 0);
    spv_chain_free(c);
    struct spv_store *s = must_open(path, SPV_STORE_CREATE);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 0, 0, chain, n), 0);
    if (index) {
        assert_int_equal(spv_store_build_index(s), 0);
    }
    assert_int_equal(spv_store_close(s), 0);
}

static void a_sound_database_passes(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_verify_report r;
    struct spv_error_info why = {.text = ""};
    struct spv_chain_header branch[20];
    mine_chain(path, N, true);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    extend(branch, &chain[4000], 20, 9);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 4001, 0, branch, 20), 0);
    for (int full = 0; full <= 1; full++) { /* beside an open writer */
        int rc = verify(&r, path, full != 0, &why);
        if (rc != 0) {
            print_findings(&r);
        }
        assert_int_equal(rc, 0);
        assert_int_equal(r.total, 0);
        assert_int_equal(r.headers, N + 1);
        assert_int_equal(r.branch_headers, 20);
        assert_int_equal(r.tip, N);
        assert_int_equal(r.valid_height, N);
        assert_true(r.indexed && r.pages_ok && r.branches_ok);
    }
    assert_int_equal(spv_store_close(s), 0);
}

static void each_damage_is_reported_with_its_height(void **state)
{
    const struct {
        const char *sql, *words;
        int64_t good;
        bool full; /* only full verification finds it */
    } cases[] = {
        {"DELETE FROM header WHERE height = 5000", "height 5,000 is missing", 4999, false},
        {"DELETE FROM header WHERE height = 1234", "height 1,234 is missing", 1233, false},
        {"DELETE FROM header WHERE height BETWEEN 100 AND 300", "heights 100 to 300 are missing",
         99, false},
        {"DELETE FROM header", "not even the genesis", -1, false},
        {"UPDATE header SET nonce = nonce + 1 WHERE height = 77", "height 77 does not hash", 76,
         false},
        {"UPDATE header SET hash = zeroblob(32) WHERE height = 78", "height 78 does not hash", 77,
         false},
        {"UPDATE header SET work = zeroblob(32) WHERE height = 79",
         "height 79 has a wrong chain work", 78, false},
        {"UPDATE header SET time = -1 WHERE height = 80", "height 80 is malformed", 79, false},
        {"UPDATE header SET hash = zeroblob(32) WHERE height = 0", "height 0 is not the network's",
         -1, false},
        {"INSERT INTO header SELECT -3, hash, version, merkle_root, time, bits, nonce, work"
         " FROM header WHERE height = 9",
         "height -3 stands below", 5000, false},
        {"INSERT INTO header SELECT 9223372036854775807 - height, hash, version, merkle_root, time,"
         " bits, nonce, work FROM header WHERE height < 9",
         "height 9,223,372,036,854,775,799 stands above every", 5000, false},
        {"UPDATE header SET height = 9223372036854775807 WHERE height = 5000",
         "height 9,223,372,036,854,775,807 stands above every", 4999, false},
        {"INSERT INTO header SELECT -9223372036854775808 + height, hash, version, merkle_root, "
         "time,"
         " bits, nonce, work FROM header WHERE height < 9",
         "height -9,223,372,036,854,775,808 stands below", 5000, false},
        {"UPDATE meta SET value = 9223372036854775807 WHERE key = 'tip_height'",
         "tip height 9,223,372,036,854,775,807 is wrong: the file is too small", 5000, false},
        {"UPDATE meta SET value = -9223372036854775808 WHERE key = 'tip_height'", "names no tip",
         5000, false},
        {"DROP TABLE peer_address", "address table (peer_address) cannot be read", 5000, false},
        {"DROP TABLE peer_ban", "ban table (peer_ban) cannot be read", 5000, false},
        {"UPDATE meta SET value = 4990 WHERE key = 'tip_height'", "height 4,991 stands above", 4990,
         false},
        {"UPDATE meta SET value = 6000 WHERE key = 'tip_height'", "heights 5,001 to 6,000", 5000,
         false},
        {"UPDATE meta SET value = 'x' WHERE key = 'tip_height'", "names no tip", 5000, false},
        {"UPDATE meta SET value = 'x' WHERE key = 'tip_hash'", "tip_hash is x", 5000, false},
        {"UPDATE meta SET value = 'x' WHERE key = 'tip_work'", "tip_work is x", 5000, false},
        {"UPDATE branch_header SET nonce = nonce + 1 WHERE height = 4005", "does not hash", 5000,
         false},
        {"UPDATE branch_header SET work = zeroblob(32) WHERE height = 4005", "wrong chain work",
         5000, false},
        {"UPDATE branch_header SET height = 4444 WHERE height = 4005", "one above its parent", 5000,
         false},
        {"UPDATE branch_header SET merkle_root = 'x' WHERE height = 4005", "malformed", 5000,
         false},
    };
    char path[PATH_LEN];
    struct spv_chain_header branch[20];
    (void)snprintf(path, sizeof path, "%s", in_folder(state, "h.db"));
    mine_chain(path, N, true);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    extend(branch, &chain[4000], 20, 9);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 4001, 0, branch, 20), 0);
    assert_int_equal(spv_store_close(s), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *copy = in_folder(state, "copy.db");
        struct spv_verify_report r;
        struct spv_error_info why = {.text = ""};
        (void)remove(in_folder(state, "copy.db-wal"));
        copy_file(path, copy);
        run_sql(copy, cases[i].sql);
        int rc = verify(&r, copy, false, &why);
        if (rc != SPV_ERR_DB_DAMAGED || !has_finding(&r, cases[i].words) ||
            r.valid_height != cases[i].good) {
            print_findings(&r);
            fail_msg("%s: %s, good %lld", cases[i].sql, spv_err_name(rc),
                     (long long)r.valid_height);
        }
        assert_true(r.total > 0 && r.total <= 4); /* one finding per cause, not per row */
        assert_true(r.pages_ok);
        assert_non_null(strstr(why.text, copy));
        assert_non_null(strstr(why.text, "spv-db repair"));
    }
}

/* Links, proof of work and work sums are right, but regtest requires version 4, and extend() mines
 * some headers with version -1. */
static void full_verification_checks_consensus_rules(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_verify_report r;
    struct spv_error_info why;
    struct spv_chain_header late[3];
    mine_chain(path, 2100, false);
    extend(late, &chain[2099], 3, 0);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 2100, 0, late, 3), 0);
    assert_int_equal(spv_store_close(s), 0);
    assert_int_equal(verify(&r, path, false, &why), 0);
    assert_int_equal(verify(&r, path, true, &why), SPV_ERR_DB_DAMAGED);
    assert_true(has_finding(&r, "height 2,101 breaks the rules: version below"));
    assert_int_equal(r.findings[0].height, 2101);
    assert_int_equal(r.valid_height, 2100);
    assert_int_equal(r.total, 1);
}

/* All other rules are met: these headers are too new only by our clock. */
static void headers_from_the_future_are_a_wrong_clock_and_no_damage(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_verify_report r;
    mine_chain(path, 2100, false);
    const struct {
        int64_t clock;
        const char *height; /* of the first header in the future; NULL: none is */
    } cases[] = {
        {0, "height 1 "},
        {INT64_C(-86400), "height 1 "},
        {(int64_t)chain[1999].header.time - SPV_MAX_FUTURE_S, "height 2,001 "},
        {(int64_t)chain[2099].header.time - SPV_MAX_FUTURE_S - 1, "height 2,100 "},
        {(int64_t)chain[2099].header.time - SPV_MAX_FUTURE_S, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_error_info why = {.text = ""};
        const struct spv_verify_config cfg = {
            .path = path, .params = regtest(), .full = true, .now = {.unix_s = cases[i].clock}};
        int rc = spv_store_verify(&r, &cfg, &why);
        assert_int_equal(r.total, 0);
        if (!cases[i].height) {
            assert_int_equal(rc, 0);
            continue;
        }
        assert_int_equal(rc, SPV_ERR_HDR_TIME_FUTURE);
        assert_int_equal(why.code, SPV_ERR_HDR_TIME_FUTURE);
        assert_non_null(strstr(why.text, cases[i].height));
        assert_non_null(strstr(why.text, "Check this computer's clock"));
    }
}

static void damaged_pages_are_reported(void **state)
{
    char path[PATH_LEN];
    (void)snprintf(path, sizeof path, "%s", in_folder(state, "h.db"));
    mine_chain(path, N, true);
    long size = file_size(path);
    for (long page = 2; page < size / 4096; page += 17) {
        const char *copy = in_folder(state, "copy.db");
        struct spv_verify_report r;
        struct spv_error_info why = {.text = ""};
        copy_file(path, copy);
        FILE *f = fopen(copy, "r+b");
        assert_non_null(f);
        assert_int_equal(fseek(f, page * 4096, SEEK_SET), 0);
        for (int i = 0; i < 4096; i++) {
            assert_int_equal(fputc(0xa5, f), 0xa5);
        }
        assert_int_equal(fclose(f), 0);
        assert_int_equal(verify(&r, copy, false, &why), SPV_ERR_DB_DAMAGED);
        assert_false(r.pages_ok);
        assert_true(r.valid_height < N || r.total > 0);
    }
}

static void an_index_without_a_row_is_reported(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_verify_report r;
    struct spv_error_info why;
    mine_chain(path, 100, true);
    run_sql(path, "DROP INDEX header_by_hash;"
                  "CREATE INDEX header_by_hash ON header (substr(hash, 24));"
                  "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql ="
                  " 'CREATE INDEX header_by_hash ON header (substr(hash, 25))'"
                  " WHERE name = 'header_by_hash'");
    assert_int_equal(verify(&r, path, false, &why), SPV_ERR_DB_DAMAGED);
    print_findings(&r);
    assert_true(has_finding(&r, "header_by_hash"));
    assert_int_equal(r.valid_height, 100);
    assert_false(r.pages_ok);
}

static int stop_in_the_rows(void *ctx, uint64_t done, uint64_t total)
{
    int *calls = ctx;
    ++*calls;
    assert_true(total == 0 || done <= total);
    return done > 0;
}

static void it_can_be_stopped(void **state)
{
    int calls = 0;
    struct spv_verify_report r;
    struct spv_error_info why = {.text = ""};
    const char *path = in_folder(state, "h.db");
    mine_chain(path, N, true);
    const struct spv_verify_config cfg = {
        .path = path, .params = regtest(), .progress = stop_in_the_rows, .ctx = &calls};
    assert_int_equal(spv_store_verify(&r, &cfg, &why), SPV_ERR_INTERRUPTED);
    assert_true(calls >= 1);
    assert_int_equal(r.headers, 4096);
    assert_non_null(strstr(why.text, "stopped"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_sound_database_passes),
        IN_FOLDER(each_damage_is_reported_with_its_height),
        IN_FOLDER(full_verification_checks_consensus_rules),
        IN_FOLDER(headers_from_the_future_are_a_wrong_clock_and_no_damage),
        IN_FOLDER(damaged_pages_are_reported),
        IN_FOLDER(an_index_without_a_row_is_reported),
        IN_FOLDER(it_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
