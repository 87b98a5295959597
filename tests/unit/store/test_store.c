/* The regular operations of a store: create, append, reorganise, read, iterate, close and open
 * again. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/db.h"

static void creates_folders_and_genesis(void **state)
{
    const char *path = in_folder(state, "a/b/headers.db");
    struct spv_store *s = must_open(path, SPV_STORE_CREATE);
    struct stat st;
    assert_int_equal(stat(in_folder(state, "a/b"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_chain(s, NULL, 0);
    assert_string_equal(spv_store_path(s), path);
    assert_int_equal(spv_store_lost_rows(s), 0);
    assert_false(spv_store_indexed(s));
    assert_int_equal(spv_store_close(s), 0);
    /* A closed store is one file that can be copied. */
    assert_true(file_size(path) > 0);
    assert_int_equal(file_size(in_folder(state, "a/b/headers.db-wal")), -1);
}

static void appends_and_finds_it_after_reopening(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[300];
    struct spv_store *s = must_open(path, SPV_STORE_CREATE);
    struct spv_chain_header genesis = genesis_record(regtest());
    extend(r, &genesis, 300, 0);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 0, 0, r, 100), 0);
    assert_chain(s, r, 100);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 100, 0, r + 100, 200), 0);
    assert_chain(s, r, 300);
    assert_int_equal(spv_store_close(s), 0);
    for (int mode = SPV_STORE_READ; mode <= SPV_STORE_CREATE; mode++) {
        s = must_open(path, (enum spv_store_mode)mode);
        assert_int_equal(spv_store_lost_rows(s), 0);
        assert_chain(s, r, 300);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void tip_in_meta_follows_each_change(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[20];
    char got[100];
    char want[SPV_HASH_HEX];
    make_chain(path, r, 20);
    ask(got, sizeof got, path, "SELECT value FROM meta WHERE key = 'tip_height'");
    assert_string_equal(got, "20");
    ask(got, sizeof got, path, "SELECT value FROM meta WHERE key = 'tip_hash'");
    spv_blockhash_hex(want, &r[19].hash);
    assert_string_equal(got, want);
    ask(got, sizeof got, path, "SELECT value FROM meta WHERE key = 'tip_work'");
    spv_u256_hex(want, &r[19].work);
    assert_string_equal(got, want);
    ask(got, sizeof got, path, "SELECT value FROM meta WHERE key = 'network'");
    assert_string_equal(got, "regtest");
    ask(got, sizeof got, path, "PRAGMA user_version");
    assert_string_equal(got, "4");
}

static void reorganises_in_one_change(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[50];
    struct spv_chain_header fork[30];
    char got[100];
    make_chain(path, r, 50);
    extend(fork, &r[29], 30, 7); /* 31..60 instead of 31..50 */
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 30, 0, fork, 10), 0);
    assert_chain(s, r, 50);
    ask(got, sizeof got, path, "SELECT count(*) FROM branch_header");
    assert_string_equal(got, "10");
    assert_int_equal(apply(s, SPV_UPDATE_REORG, 30, 20, fork, 30), 0);
    memcpy(r + 30, fork, 20 * sizeof *r);
    struct spv_chain_header now[60];
    memcpy(now, r, 30 * sizeof *r);
    memcpy(now + 30, fork, 30 * sizeof *r);
    assert_chain(s, now, 60);
    /* The 20 removed headers are on a side branch with their parents; the 10 new ones are no longer
     * on one. */
    ask(got, sizeof got, path,
        "SELECT count(*) || ' ' || min(height) || ' ' || max(height) FROM branch_header");
    assert_string_equal(got, "20 31 50");
    ask(got, sizeof got, path,
        "SELECT count(*) FROM branch_header b JOIN branch_header p ON p.hash = b.previous_hash");
    assert_string_equal(got, "19");
    assert_int_equal(spv_store_close(s), 0);
    s = must_open(path, SPV_STORE_READ);
    assert_chain(s, now, 60);
    assert_int_equal(spv_store_close(s), 0);
}

static void keeps_side_branches_bounded(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[2];
    char got[100];
    size_t n = SPV_CHAIN_BRANCH_HEADERS + 100;
    struct spv_chain_header *branch = calloc(n, sizeof *branch);
    make_chain(path, r, 2);
    extend(branch, &r[0], n, 9);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 1, 0, branch, n), 0);
    ask(got, sizeof got, path,
        "SELECT count(*) || ' ' || min(height) || ' ' || max(height) FROM branch_header");
    assert_string_equal(got, "16384 102 16485");
    assert_int_equal(spv_store_close(s), 0);
    free(branch);
}

/* The headers that spv_store_branches passes, until `stop_at` of them were passed. */
struct seen {
    struct spv_chain_header records[20];
    size_t n;
    size_t stop_at;
};

static int see(void *arg, const struct spv_chain_header *record)
{
    struct seen *seen = arg;
    assert_true(seen->n < 20);
    seen->records[seen->n++] = *record;
    return seen->n == seen->stop_at ? 7 : 0;
}

static void side_branches_are_passed_from_the_lowest_height(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[10];
    struct spv_chain_header branch[6];
    struct seen seen = {.stop_at = 0};
    make_chain(path, r, 10);
    extend(branch, &r[3], 6, 9);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_branches(s, see, &seen), 0);
    assert_int_equal(seen.n, 0);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 6, 0, branch + 2, 4), 0);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 4, 0, branch, 2), 0);
    const struct spv_header_db reader = spv_store_header_db(s);
    assert_int_equal(reader.branches(reader.ctx, see, &seen), 0);
    assert_int_equal(seen.n, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_memory_equal(&seen.records[i].header, &branch[i].header, sizeof branch[i].header);
        assert_memory_equal(&seen.records[i].hash, &branch[i].hash, sizeof branch[i].hash);
        assert_memory_equal(&seen.records[i].work, &branch[i].work, sizeof branch[i].work);
        assert_int_equal(seen.records[i].height, branch[i].height);
    }
    seen = (struct seen){.stop_at = 3};
    assert_int_equal(spv_store_branches(s, see, &seen), 7);
    assert_int_equal(seen.n, 3);
    assert_int_equal(spv_store_close(s), 0);
    /* a row that is no header is not passed */
    run_sql(path, "UPDATE branch_header SET bits = 'x' WHERE height = 6");
    s = must_open(path, SPV_STORE_READ);
    seen = (struct seen){.stop_at = 0};
    assert_int_equal(spv_store_branches(s, see, &seen), 0);
    assert_int_equal(seen.n, 5);
    assert_int_equal(spv_store_close(s), 0);
}

static void refuses_a_change_that_does_not_fit(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[20];
    struct spv_chain_header more[5];
    struct spv_chain_header bad[5];
    make_chain(path, r, 20);
    extend(more, &r[19], 5, 0);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    /* not on the tip; wrong height; a gap between records; not linked to the tip */
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 18, 0, r + 18, 2), SPV_ERR_STATE);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 20, 0, more + 1, 2), SPV_ERR_STATE);
    memcpy(bad, more, sizeof bad);
    bad[2].header.prev = bad[0].hash;
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 20, 0, bad, 5), SPV_ERR_STATE);
    memcpy(bad, more, sizeof bad);
    bad[0].header.prev = r[3].hash;
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 20, 0, bad, 5), SPV_ERR_STATE);
    assert_non_null(strstr(spv_store_last_error(s), "does not fit"));
    /* linked to the tip, but with a height below it */
    memcpy(bad, more, sizeof bad);
    bad[0].height = 19;
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 18, 0, bad, 1), SPV_ERR_STATE);
    /* reorganisations: wrong count, above the tip, not linked at the fork */
    extend(bad, &r[9], 5, 3);
    assert_int_equal(apply(s, SPV_UPDATE_REORG, 10, 9, bad, 5), SPV_ERR_STATE);
    assert_int_equal(apply(s, SPV_UPDATE_REORG, 20, 0, more, 5), SPV_ERR_STATE);
    bad[0].header.prev = r[3].hash;
    assert_int_equal(apply(s, SPV_UPDATE_REORG, 10, 10, bad, 5), SPV_ERR_STATE);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 20, 0, NULL, 0), SPV_ERR_INVALID);
    assert_int_equal(apply(s, SPV_UPDATE_NONE, 0, 0, NULL, 0), 0);
    assert_chain(s, r, 20);
    assert_int_equal(spv_store_close(s), 0);
}

/* How SQLite runs one of the store's own statements. */
static void query_plan(char *out, size_t cap, struct spv_store *s, enum spv_stmt which)
{
    char sql[2000];
    sqlite3_stmt *st = NULL;
    assert_int_equal(spv_db_stmt(s, &st, which), 0);
    (void)snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", sqlite3_sql(st));
    assert_int_equal(sqlite3_prepare_v2(s->db, sql, -1, &st, NULL), SQLITE_OK);
    size_t used = 0;
    while (sqlite3_step(st) == SQLITE_ROW && used < cap) {
        used += (size_t)snprintf(out + used, cap - used, "%s\n",
                                 (const char *)sqlite3_column_text(st, 3));
    }
    (void)sqlite3_finalize(st);
}

static void finds_by_hash_through_the_index(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[500];
    struct spv_chain_header got;
    char plan[400] = "";
    make_chain(path, r, 400);
    struct spv_store *reader = must_open(path, SPV_STORE_READ);
    assert_int_equal(spv_store_by_hash(reader, &got, &r[7].hash), 0);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_by_hash(s, &got, &r[7].hash), 0);
    assert_int_equal(spv_store_build_index(s), 0);
    assert_int_equal(spv_store_build_index(s), 0);
    assert_true(spv_store_indexed(s));
    assert_chain(s, r, 400);
    /* a reader that was opened before finds it, too */
    assert_int_equal(spv_store_by_hash(reader, &got, &r[7].hash), 1);
    assert_int_equal(spv_store_close(reader), 0);
    /* updated with each row */
    extend(r + 400, &r[399], 100, 1);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 400, 0, r + 400, 100), 0);
    assert_chain(s, r, 500);
    /* equal last 8 bytes are not a match */
    struct spv_blockhash near = r[9].hash;
    near.b[31] ^= 1;
    assert_int_equal(spv_store_by_hash(s, &got, &near), 0);
    assert_int_equal(spv_store_close(s), 0);
    s = must_open(path, SPV_STORE_READ);
    assert_true(spv_store_indexed(s));
    query_plan(plan, sizeof plan, s, SPV_STMT_BY_HASH);
    assert_non_null(strstr(plan, "USING INDEX header_by_hash"));
    assert_null(strstr(plan, "SCAN"));
    query_plan(plan, sizeof plan, s, SPV_STMT_RANGE);
    assert_null(strstr(plan, "SCAN"));
    assert_int_equal(spv_store_close(s), 0);
}

static void a_locator_is_looked_up_in_order_by_one_statement(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[120];
    struct spv_chain_header got;
    struct spv_blockhash locator[SPV_MAX_LOCATOR + 1];
    char plan[4000] = "";
    make_chain(path, r, 120);
    for (size_t i = 0; i <= SPV_MAX_LOCATOR; i++)
        locator[i] = (struct spv_blockhash){{(uint8_t)i, 1}}; /* unknown hashes */
    struct spv_store *reader = must_open(path, SPV_STORE_READ);
    locator[5] = r[7].hash;
    assert_int_equal(spv_store_locate(reader, &got, locator, SPV_MAX_LOCATOR), 0); /* no index */
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_build_index(s), 0);
    assert_int_equal(spv_store_close(s), 0);
    assert_int_equal(spv_store_locate(reader, &got, locator, SPV_MAX_LOCATOR), 1);
    assert_int_equal(got.height, 8);
    same_record(&got, &r[7]);
    assert_int_equal(spv_store_locate(reader, &got, locator, 5), 0);
    locator[4] = r[3].hash; /* the first in the locator's order, not the highest */
    locator[6] = r[100].hash;
    assert_int_equal(spv_store_locate(reader, &got, locator, SPV_MAX_LOCATOR), 1);
    assert_int_equal(got.height, 4);
    locator[4] = locator[5] = locator[6] = locator[0];
    assert_int_equal(spv_store_locate(reader, &got, locator, SPV_MAX_LOCATOR), 0);
    locator[SPV_MAX_LOCATOR - 1] = genesis_record(regtest()).hash;
    assert_int_equal(spv_store_locate(reader, &got, locator, SPV_MAX_LOCATOR), 1);
    assert_int_equal(got.height, 0);
    assert_int_equal(spv_store_locate(reader, &got, locator, 0), 0);
    assert_int_equal(spv_store_locate(reader, &got, locator, SPV_MAX_LOCATOR + 1),
                     SPV_ERR_TOO_LONG);
    query_plan(plan, sizeof plan, reader, SPV_STMT_LOCATE);
    assert_non_null(strstr(plan, "USING INDEX header_by_hash"));
    assert_null(strstr(plan, "SCAN h"));
    assert_null(strstr(plan, "MATERIALIZE"));
    assert_int_equal(spv_store_close(reader), 0);
}

static void range_ends_where_the_chain_ends(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[30];
    struct spv_header out[40];
    make_chain(path, r, 30);
    struct spv_store *s = must_open(path, SPV_STORE_READ);
    struct spv_header_db reader = spv_store_header_db(s);
    const struct {
        uint32_t from, n;
        int want;
    } cases[] = {{0, 0, 0},  {0, 1, 1},   {0, 40, 31}, {30, 5, 1},
                 {31, 5, 0}, {500, 5, 0}, {10, 3, 3},  {UINT32_MAX, 40, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(reader.range(reader.ctx, out, cases[i].from, cases[i].n), cases[i].want);
    }
    assert_int_equal(reader.range(reader.ctx, out, 10, 3), 3);
    assert_memory_equal(&out[0].prev, &r[8].hash, 32);
    assert_memory_equal(&out[2].prev, &r[10].hash, 32);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_walk_sees_one_snapshot(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[20];
    struct spv_chain_header fork[30];
    struct spv_chain_header got;
    struct spv_store_iter *walk = NULL;
    make_chain(path, r, 20);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_iter_open(&walk, s, 5, 100), 0);
    assert_int_equal(spv_store_iter_next(walk, &got), 1);
    assert_int_equal(got.height, 5);
    extend(fork, &r[5], 30, 4);
    assert_int_equal(apply(s, SPV_UPDATE_REORG, 6, 14, fork, 30), 0);
    assert_int_equal(spv_store_flush(s), 0); /* an open iterator blocks no other connection */
    for (uint32_t h = 6; h <= 20; h++) {
        assert_int_equal(spv_store_iter_next(walk, &got), 1);
        assert_memory_equal(&got.hash, &r[h - 1].hash, 32);
    }
    assert_int_equal(spv_store_iter_next(walk, &got), 0);
    spv_store_iter_close(walk);
    assert_int_equal(spv_store_iter_open(&walk, s, 21, 22), 0);
    assert_int_equal(spv_store_iter_next(walk, &got), 1);
    assert_memory_equal(&got.hash, &fork[14].hash, 32);
    assert_int_equal(spv_store_iter_next(walk, &got), 1);
    assert_int_equal(spv_store_iter_next(walk, &got), 0);
    spv_store_iter_close(walk);
    assert_int_equal(spv_store_iter_open(&walk, s, 400, 500), 0);
    assert_int_equal(spv_store_iter_next(walk, &got), 0);
    spv_store_iter_close(walk);
    spv_store_iter_close(NULL);
    assert_int_equal(spv_store_close(s), 0);
    assert_int_equal(spv_store_close(NULL), 0);
}

static void an_iterator_reports_where_the_chain_is_broken(void **state)
{
    const struct {
        const char *sql, *word;
    } cases[] = {
        {"DELETE FROM header WHERE height = 1500", "height 1,500 is missing"},
        {"UPDATE header SET nonce = nonce + 1 WHERE height = 1500", "height 1,500 does not hash"},
        {"UPDATE header SET work = 'x' WHERE height = 1500", "height 1,500 is malformed"},
    };
    const size_t n = 4000; /* the break is below the rows that opening checks */
    struct spv_chain_header *r = calloc(n, sizeof *r);
    make_chain(in_folder(state, "h.db"), r, n);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = in_folder(state, "copy.db");
        struct spv_chain_header got;
        struct spv_store_iter *walk = NULL;
        int rc = 0;
        copy_file(in_folder(state, "h.db"), path);
        run_sql(path, cases[i].sql);
        struct spv_store *s = must_open(path, SPV_STORE_READ);
        assert_int_equal(spv_store_iter_open(&walk, s, 0, UINT32_MAX), 0);
        while ((rc = spv_store_iter_next(walk, &got)) > 0) {
            assert_true(got.height < 1500);
        }
        assert_int_equal(rc, SPV_ERR_DB_DAMAGED);
        assert_non_null(strstr(spv_store_last_error(s), cases[i].word));
        spv_store_iter_close(walk);
        assert_int_equal(spv_store_close(s), 0);
    }
    free(r);
}

static void the_view_has_displayed_hashes_and_times(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[3];
    char got[400];
    char hash[SPV_HASH_HEX];
    char prev[SPV_HASH_HEX];
    char work[SPV_HASH_HEX];
    char want[400];
    make_chain(path, r, 3);
    ask(got, sizeof got, path,
        "SELECT hash || ' ' || previous_hash || ' ' || bits || ' ' || work || ' ' || utc"
        " FROM block_header WHERE height = 3");
    spv_blockhash_hex(hash, &r[2].hash);
    spv_blockhash_hex(prev, &r[1].hash);
    spv_u256_hex(work, &r[2].work);
    (void)snprintf(want, sizeof want, "%s %s 207fffff %s 2011-02-02 23:46:42", hash, prev, work);
    assert_string_equal(got, want);
    ask(got, sizeof got, path, "SELECT previous_hash FROM block_header WHERE height = 0");
    assert_string_equal(got, "0000000000000000000000000000000000000000000000000000000000000000");
    /* work is compared as a number */
    ask(got, sizeof got, path, "SELECT height FROM header ORDER BY work DESC LIMIT 1");
    assert_string_equal(got, "3");
}

static void default_path_follows_the_environment(void **state)
{
    (void)state;
    const struct spv_netid *net = &regtest()->net;
    char out[200];
    assert_int_equal(setenv("XDG_DATA_HOME", "/x", 1), 0);
    assert_int_equal(setenv("HOME", "/home/me", 1), 0);
    assert_int_equal(spv_store_default_path(out, sizeof out, net, "/d", "f.db"), 0);
    assert_string_equal(out, "f.db");
    assert_int_equal(spv_store_default_path(out, sizeof out, net, "/d", NULL), 0);
    assert_string_equal(out, "/d/regtest/headers.db");
    assert_int_equal(spv_store_default_path(out, sizeof out, net, NULL, NULL), 0);
    assert_string_equal(out, "/x/spv/regtest/headers.db");
    assert_int_equal(setenv("XDG_DATA_HOME", "relative", 1), 0);
    assert_int_equal(spv_store_default_path(out, sizeof out, net, NULL, NULL), 0);
    assert_string_equal(out, "/home/me/.local/share/spv/regtest/headers.db");
    assert_int_equal(spv_store_default_path(out, 20, net, NULL, NULL), SPV_ERR_TOO_LONG);
    assert_int_equal(unsetenv("XDG_DATA_HOME"), 0);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(spv_store_default_path(out, sizeof out, net, NULL, NULL), SPV_ERR_NOT_FOUND);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(creates_folders_and_genesis),
        IN_FOLDER(appends_and_finds_it_after_reopening),
        IN_FOLDER(tip_in_meta_follows_each_change),
        IN_FOLDER(reorganises_in_one_change),
        IN_FOLDER(keeps_side_branches_bounded),
        IN_FOLDER(side_branches_are_passed_from_the_lowest_height),
        IN_FOLDER(refuses_a_change_that_does_not_fit),
        IN_FOLDER(finds_by_hash_through_the_index),
        IN_FOLDER(a_locator_is_looked_up_in_order_by_one_statement),
        IN_FOLDER(range_ends_where_the_chain_ends),
        IN_FOLDER(a_walk_sees_one_snapshot),
        IN_FOLDER(an_iterator_reports_where_the_chain_is_broken),
        IN_FOLDER(the_view_has_displayed_hashes_and_times),
        cmocka_unit_test(default_path_follows_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
