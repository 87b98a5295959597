/* Repair: copies the file first, then rewinds to the last good height; afterwards the chain can be
 * continued. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spv/mine.h"

#define N 5000
#define MINED 2100

static struct spv_chain_header chain[N];

static int repair(struct spv_repair_report *out, const char *path, struct spv_error_info *why)
{
    const struct spv_verify_config cfg = {.path = path, .params = regtest()};
    return spv_store_repair(out, &cfg, why);
}

static bool same_file(const char *a, const char *b)
{
    FILE *f = fopen(a, "rb");
    FILE *g = fopen(b, "rb");
    assert_non_null(f);
    assert_non_null(g);
    int x = 0;
    int y = 0;
    while (x == y && x != EOF) {
        x = fgetc(f);
        y = fgetc(g);
    }
    (void)fclose(f);
    (void)fclose(g);
    return x == y;
}

static void fresh_copy(void **state, bool index)
{
    static const char *const old[] = {"copy.db",           "copy.db-wal", "copy.db-shm",
                                      "copy.db.damaged-1", "before.db",   "copy.db.damaged-1-wal"};
    const char *path = in_folder(state, "h.db");
    if (file_size(path) < 0) {
        make_chain(path, chain, N);
        if (index) {
            struct spv_store *s = must_open(path, SPV_STORE_WRITE);
            assert_int_equal(spv_store_build_index(s), 0);
            assert_int_equal(spv_store_close(s), 0);
        }
    }
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        (void)remove(in_folder(state, old[i]));
    }
    copy_file(path, in_folder(state, "copy.db"));
}

/* After a repair the file verifies, and the chain can be extended to its former tip. */
static void goes_on(const char *path, int64_t height, bool index)
{
    struct spv_verify_report r;
    const struct spv_verify_config cfg = {.path = path};
    assert_int_equal(spv_store_verify(&r, &cfg, NULL), 0);
    assert_int_equal(r.valid_height, height);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_lost_rows(s), 0);
    assert_int_equal(spv_store_indexed(s), index);
    assert_chain(s, chain, (size_t)height);
    if (height < N) {
        assert_int_equal(
            apply(s, SPV_UPDATE_APPEND, (uint32_t)height, 0, chain + height, N - (size_t)height),
            0);
    }
    assert_chain(s, chain, N);
    assert_int_equal(spv_store_close(s), 0);
}

static void damaged_rows_are_removed_from_the_file(void **state)
{
    const struct {
        const char *sql;
        int64_t height, lost;
    } cases[] = {
        {"DELETE FROM header WHERE height = 1234", 1233, 3767},
        {"DELETE FROM header WHERE height = 5000", 4999, 1},
        {"UPDATE header SET nonce = nonce + 1 WHERE height = 77", 76, 4924},
        {"DELETE FROM header", 0, 5000},
        {"UPDATE header SET work = zeroblob(32) WHERE height = 0", 0, 5000},
        {"INSERT INTO header SELECT -3, hash, version, merkle_root, time, bits, nonce, work"
         " FROM header WHERE height = 9",
         5000, 0},
        {"INSERT INTO header SELECT 9223372036854775807, hash, version, merkle_root, time, bits,"
         " nonce, work FROM header WHERE height = 9",
         5000, 0},
        {"UPDATE header SET height = 9223372036854775807 WHERE height = 5000", 4999, 1},
        {"UPDATE meta SET value = 9223372036854775807 WHERE key = 'tip_height'", 5000, 0},
        {"UPDATE meta SET value = 2147483647 WHERE key = 'tip_height'", 5000, 0},
        {"UPDATE meta SET value = 6000 WHERE key = 'tip_height'", 5000, 1000},
        {"UPDATE meta SET value = 'x' WHERE key = 'tip_hash'", 5000, 0},
        {"DELETE FROM meta WHERE key LIKE 'tip%'", 5000, 0},
        {"INSERT INTO branch_header SELECT zeroblob(32), 1, hash, version, merkle_root, time, bits,"
         " nonce, work FROM header WHERE height = 9",
         5000, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_repair_report r;
        struct spv_error_info why = {.text = ""};
        fresh_copy(state, true);
        const char *path = in_folder(state, "copy.db");
        run_sql(path, cases[i].sql);
        copy_file(path, in_folder(state, "before.db"));
        int rc = repair(&r, path, &why);
        if (rc != 0) {
            fail_msg("%s: %s", cases[i].sql, why.text);
        }
        assert_int_equal(r.outcome, SPV_REPAIR_REWOUND);
        assert_int_equal(r.height, cases[i].height);
        assert_int_equal(r.lost, cases[i].lost);
        assert_string_equal(r.copy, in_folder(state, "copy.db.damaged-1"));
        assert_true(same_file(r.copy, in_folder(state, "before.db")));
        goes_on(path, cases[i].height, true);
    }
}

/* Bans and addresses in the undamaged table are kept. */
static void damaged_addrman_tables_are_created_again(void **state)
{
    const struct {
        const char *sql;
        size_t addresses, bans; /* minimum number of rows afterwards */
    } cases[] = {
        {"DROP TABLE peer_address", 0, 1},
        {"DROP TABLE peer_ban", 1, 0},
        {"DROP TABLE peer_ban; DROP TABLE peer_address", 0, 0},
        {"ALTER TABLE peer_address RENAME COLUMN slow TO quick", 0, 1},
        {"DROP TABLE peer_ban; CREATE VIEW peer_ban AS SELECT 1 AS address", 1, 0},
        {"DROP TABLE peer_address; CREATE VIEW peer_address AS WITH RECURSIVE n(i) AS"
         " (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS host FROM n",
         0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_repair_report r;
        struct spv_error_info why = {.text = ""};
        struct spv_addrman_rows book;
        fresh_copy(state, true);
        const char *path = in_folder(state, "copy.db");
        run_sql(path, "INSERT INTO peer_address VALUES ('9.9.9.9', 8333, 1, x'0109', 1, 1, 1, 0, 0,"
                      " 0, 1, 0); INSERT INTO peer_ban VALUES ('8.8.8.8', 1, 2, -1, '')");
        run_sql(path, cases[i].sql);
        copy_file(path, in_folder(state, "before.db"));
        int rc = repair(&r, path, &why);
        if (rc != 0) {
            fail_msg("%s: %s", cases[i].sql, why.text);
        }
        assert_int_not_equal(r.outcome, SPV_REPAIR_NONE);
        assert_int_equal(r.height, N);
        assert_int_equal(r.lost, 0);
        assert_true(same_file(r.copy, in_folder(state, "before.db")));
        assert_int_equal(file_size(in_folder(state, "copy.db.damaged-2")), -1);
        assert_int_equal(repair(&r, path, &why), 0); /* nothing is left to repair */
        assert_int_equal(r.outcome, SPV_REPAIR_NONE);
        struct spv_store *s = must_open(path, SPV_STORE_READ); /* which creates nothing again */
        assert_int_equal(spv_store_addrman_load(s, &book), 0);
        assert_true(book.n >= cases[i].addresses && book.n <= 1);
        assert_true(book.n_bans >= cases[i].bans && book.n_bans <= 1);
        spv_store_addrman_free(&book);
        assert_int_equal(spv_store_close(s), 0);
        goes_on(path, N, true);
    }
}

static void a_repair_that_fails_leaves_no_copy(void **state)
{
    struct spv_repair_report r;
    struct spv_error_info why = {.text = ""};
    const char *path = in_folder(state, "copy.db");
    fresh_copy(state, false);
    run_sql(path, "UPDATE meta SET value = 'simnet' WHERE key = 'network'");
    truncate_file(path, file_size(path) / 2 / 4096 * 4096);
    copy_file(path, in_folder(state, "before.db"));
    assert_int_equal(repair(&r, path, &why), SPV_ERR_DB_NETWORK);
    assert_string_equal(r.copy, "");
    assert_int_equal(file_size(in_folder(state, "copy.db.damaged-1")), -1);
    assert_true(same_file(path, in_folder(state, "before.db")));
}

static void a_valid_file_is_not_changed(void **state)
{
    struct spv_repair_report r;
    struct spv_error_info why = {.text = ""};
    fresh_copy(state, true);
    const char *path = in_folder(state, "copy.db");
    assert_int_equal(repair(&r, path, &why), 0);
    assert_int_equal(r.outcome, SPV_REPAIR_NONE);
    assert_string_equal(r.copy, "");
    assert_int_equal(r.height, N);
    assert_true(same_file(path, in_folder(state, "h.db")));
    assert_int_equal(file_size(in_folder(state, "copy.db.damaged-1")), -1);
}

static int keep_record(void *ctx, const struct spv_chain_header *record)
{
    struct spv_chain_header **next = ctx;
    *(*next)++ = *record;
    return 0;
}

/* A chain that obeys every rule, unlike that of extend(). */
static void mine_chain(const char *path, struct spv_chain_header *records, uint32_t n)
{
    struct spv_chain *c = NULL;
    const struct spv_chain_config cfg = {.params = regtest()};
    const struct spv_mine_plan plan = {
        .n = n, .seed = 7, .on_header = keep_record, .ctx = &records};
    struct spv_chain_header *first = records;
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_int_equal(spv_mine_chain(c, &plan), 0);
    spv_chain_free(c);
    struct spv_store *s = must_open(path, SPV_STORE_CREATE);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 0, 0, first, n), 0);
    assert_int_equal(spv_store_close(s), 0);
}

/* While the clock is wrong, damage cannot be detected reliably, so nothing is repaired. */
static void with_a_wrong_clock_nothing_is_repaired(void **state)
{
    static const char *const sql[] = {"", "DELETE FROM header WHERE height = 1234",
                                      "UPDATE meta SET value = 6000 WHERE key = 'tip_height'"};
    static struct spv_chain_header mined[MINED];
    for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
        struct spv_repair_report r;
        struct spv_error_info why = {.text = ""};
        const char *path = in_folder(state, "mined.db");
        (void)remove(path);
        mine_chain(path, mined, MINED);
        run_sql(path, sql[i]);
        copy_file(path, in_folder(state, "before.db"));
        const struct spv_verify_config cfg = {
            .path = path, .params = regtest(), .full = true, .now = {.unix_s = 0}}; /* 1970 */
        assert_int_equal(spv_store_repair(&r, &cfg, &why), SPV_ERR_HDR_TIME_FUTURE);
        assert_non_null(strstr(why.text, "Check this computer's clock"));
        assert_non_null(strstr(why.text, "Nothing was changed"));
        assert_int_equal(r.outcome, SPV_REPAIR_NONE);
        assert_string_equal(r.copy, "");
        assert_true(same_file(path, in_folder(state, "before.db")));
        assert_int_equal(file_size(in_folder(state, "mined.db.damaged-1")), -1);
    }
}

static void overwrite(const char *path, long at, size_t n, int byte)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(fputc(byte, f), byte);
    }
    assert_int_equal(fclose(f), 0);
}

/* Each page in turn (a stride of them) is overwritten: the file is repaired, whatever the page
 * contained. */
static void any_damaged_page_can_be_repaired(void **state)
{
    fresh_copy(state, true);
    const char *path = in_folder(state, "copy.db");
    long pages = file_size(path) / 4096;
    int kinds[4] = {0};
    assert_true(pages > 150);
    for (long page = 0; page < pages; page += page < 8 ? 1 : 13) {
        struct spv_repair_report r;
        struct spv_error_info why = {.text = ""};
        fresh_copy(state, true);
        path = in_folder(state, "copy.db");
        overwrite(path, page * 4096, 4096, 0xa5);
        copy_file(path, in_folder(state, "before.db"));
        copy_file(path, in_folder(state, "copy.db.mending")); /* left by an older version */
        int rc = repair(&r, path, &why);
        if (rc != 0) {
            fail_msg("page %ld: %s", page, why.text);
        }
        kinds[r.outcome]++;
        assert_int_not_equal(r.outcome, SPV_REPAIR_NONE);
        assert_true(same_file(r.copy, in_folder(state, "before.db")));
        struct spv_store *s = must_open(path, SPV_STORE_READ);
        bool index = spv_store_indexed(s);
        assert_int_equal(spv_store_close(s), 0);
        goes_on(path, r.height, index);
        assert_int_equal(file_size(in_folder(state, "copy.db.repaired")), -1);
        assert_int_equal(file_size(in_folder(state, "copy.db.repaired-lock")), -1);
        if (r.outcome != SPV_REPAIR_REWOUND) /* a new file was made */
            assert_int_equal(file_size(in_folder(state, "copy.db.mending")), -1);
    }
    print_message("rewound %d, salvaged %d, emptied %d\n", kinds[SPV_REPAIR_REWOUND],
                  kinds[SPV_REPAIR_SALVAGED], kinds[SPV_REPAIR_RECREATED]);
    assert_true(kinds[SPV_REPAIR_SALVAGED] > 5);
}

/* Single flipped bits, all over the file: either the bit was in an unused byte, or the damage is
 * found and repaired. */
static void any_flipped_bit_is_repaired_or_has_no_effect(void **state)
{
    int found = 0;
    fresh_copy(state, true);
    long size = file_size(in_folder(state, "copy.db"));
    for (long at = 24; at < size; at += size / 97) {
        struct spv_repair_report r;
        struct spv_error_info why = {.text = ""};
        fresh_copy(state, true);
        const char *path = in_folder(state, "copy.db");
        FILE *f = fopen(path, "r+b");
        assert_non_null(f);
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        int byte = fgetc(f);
        assert_int_equal(fclose(f), 0);
        overwrite(path, at, 1, byte ^ 0x10);
        int rc = repair(&r, path, &why);
        if (rc != 0) {
            fail_msg("byte %ld: %s", at, why.text);
        }
        found += r.outcome != SPV_REPAIR_NONE;
        struct spv_store *s = must_open(path, SPV_STORE_READ);
        bool index = spv_store_indexed(s);
        assert_int_equal(spv_store_close(s), 0);
        goes_on(path, r.height, index);
    }
    print_message("%d found\n", found);
    assert_true(found > 50);
}

static void a_truncated_file_keeps_its_complete_rows(void **state)
{
    fresh_copy(state, false);
    long size = file_size(in_folder(state, "copy.db"));
    const long sizes[] = {size - 4096, size / 2, 3 * 4096, 4096, 2000, 50};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct spv_repair_report r;
        struct spv_error_info why = {.text = ""};
        fresh_copy(state, false);
        const char *path = in_folder(state, "copy.db");
        truncate_file(path, sizes[i]);
        int rc = repair(&r, path, &why);
        if (rc != 0) {
            fail_msg("cut to %ld: %s", sizes[i], why.text);
        }
        if (i < 2) {
            assert_int_equal(r.outcome, SPV_REPAIR_SALVAGED);
        }
        goes_on(path, r.height, false);
    }
}

static void a_file_that_is_no_database_becomes_an_empty_one(void **state)
{
    const char *path = in_folder(state, "notes.txt");
    static const char text[] = "Dear diary, today I pointed a program at the wrong file.\n";
    struct spv_repair_report r;
    struct spv_error_info why = {.text = ""};
    const struct spv_verify_config nameless = {.path = path};
    write_file(path, text, sizeof text - 1);
    assert_int_equal(spv_store_repair(&r, &nameless, &why), SPV_ERR_INVALID);
    assert_non_null(strstr(why.text, "network"));
    assert_int_equal(file_size(in_folder(state, "notes.txt.damaged-1")), -1);
    assert_int_equal(repair(&r, path, &why), 0);
    assert_int_equal(r.outcome, SPV_REPAIR_RECREATED);
    assert_int_equal(r.height, 0);
    assert_int_equal(file_size(in_folder(state, "notes.txt.damaged-1")), sizeof text - 1);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_chain(s, NULL, 0);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_newer_or_foreign_database_is_not_repaired(void **state)
{
    const struct {
        const char *sql, *word;
        int err;
    } cases[] = {
        {"PRAGMA user_version = 99", "newer", SPV_ERR_DB_NEWER},
        {"UPDATE meta SET value = 'signet' WHERE key = 'network'", "signet", SPV_ERR_DB_NETWORK},
        {"DROP VIEW block_header; DROP TABLE header; DROP TABLE branch_header; DROP TABLE meta;"
         "CREATE TABLE cookies (x); PRAGMA application_id = 5",
         "another program", SPV_ERR_DB_DAMAGED},
    };
    struct spv_repair_report r;
    struct spv_error_info why = {.text = ""};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fresh_copy(state, false);
        const char *path = in_folder(state, "copy.db");
        run_sql(path, cases[i].sql);
        copy_file(path, in_folder(state, "before.db"));
        assert_int_equal(repair(&r, path, &why), cases[i].err);
        assert_non_null(strstr(why.text, cases[i].word));
        assert_true(same_file(path, in_folder(state, "before.db")));
        assert_int_equal(file_size(in_folder(state, "copy.db.damaged-1")), -1);
    }
    const char *none = in_folder(state, "none.db");
    assert_int_equal(repair(&r, none, &why), SPV_ERR_DB_NONE);
    assert_int_equal(repair(&r, (const char *)*state, &why), SPV_ERR_DB_DAMAGED);
    fresh_copy(state, false);
    struct spv_store *writer = must_open(in_folder(state, "copy.db"), SPV_STORE_WRITE);
    assert_int_equal(repair(&r, in_folder(state, "copy.db"), &why), SPV_ERR_DB_BUSY);
    assert_int_equal(spv_store_close(writer), 0);
}

/* The WAL that a killed writer left is copied, and its rows are repaired, too. */
static void the_log_is_copied_and_read(void **state)
{
    struct spv_repair_report r;
    struct spv_error_info why = {.text = ""};
    fresh_copy(state, false);
    const char *live = in_folder(state, "copy.db");
    struct spv_chain_header more[10];
    struct spv_store *s = must_open(live, SPV_STORE_WRITE);
    extend(more, &chain[N - 1], 10, 3);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, N, 0, more, 10), 0);
    const char *path = in_folder(state, "left.db");
    copy_file(live, path);
    copy_file(in_folder(state, "copy.db-wal"), in_folder(state, "left.db-wal"));
    assert_int_equal(spv_store_close(s), 0);
    overwrite(path, 90 * 4096, 4096, 0xa5); /* of headers */
    assert_int_equal(repair(&r, path, &why), 0);
    assert_int_equal(r.outcome, SPV_REPAIR_SALVAGED);
    assert_int_equal(r.lost, N + 10 - r.height);
    assert_true(file_size(in_folder(state, "left.db.damaged-1-wal")) > 0);
    assert_int_equal(r.found.claimed_height, N + 10); /* the WAL was read */
    goes_on(path, r.height, false);
    /* a second repair uses the next number */
    run_sql(path, "DELETE FROM header WHERE height = 30");
    assert_int_equal(repair(&r, path, &why), 0);
    assert_string_equal(r.copy, in_folder(state, "left.db.damaged-2"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(damaged_rows_are_removed_from_the_file),
        IN_FOLDER(damaged_addrman_tables_are_created_again),
        IN_FOLDER(a_repair_that_fails_leaves_no_copy),
        IN_FOLDER(a_valid_file_is_not_changed),
        IN_FOLDER(with_a_wrong_clock_nothing_is_repaired),
        IN_FOLDER(any_damaged_page_can_be_repaired),
        IN_FOLDER(any_flipped_bit_is_repaired_or_has_no_effect),
        IN_FOLDER(a_truncated_file_keeps_its_complete_rows),
        IN_FOLDER(a_file_that_is_no_database_becomes_an_empty_one),
        IN_FOLDER(a_newer_or_foreign_database_is_not_repaired),
        IN_FOLDER(the_log_is_copied_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
