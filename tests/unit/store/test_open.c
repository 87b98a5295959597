/* What opening a database refuses, repairs and reports. */
#include "store_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void absent_is_not_damaged(void **state)
{
    const char *path = in_folder(state, "no/h.db");
    must_refuse(path, SPV_STORE_READ, regtest(), SPV_ERR_DB_NONE, "Sync first");
    must_refuse(path, SPV_STORE_WRITE, regtest(), SPV_ERR_DB_NONE, "Sync first");
    assert_int_equal(file_size(path), -1);
    path = in_folder(state, "empty.db");
    write_file(path, "", 0);
    must_refuse(path, SPV_STORE_READ, regtest(), SPV_ERR_DB_NONE, "empty");
    must_refuse(path, SPV_STORE_WRITE, regtest(), SPV_ERR_DB_NONE, "empty");
    /* a crash right after the file's creation leaves this */
    struct spv_store *s = must_open(path, SPV_STORE_CREATE);
    assert_chain(s, NULL, 0);
    assert_int_equal(spv_store_close(s), 0);
    must_refuse((const char *)*state, SPV_STORE_CREATE, regtest(), SPV_ERR_DB_DAMAGED, "folder");
}

static void path_and_network_are_required(void **state)
{
    struct spv_store *s = NULL;
    struct spv_store_config cfg = {.path = in_folder(state, "h.db"), .mode = SPV_STORE_CREATE};
    assert_int_equal(spv_store_open(&s, &cfg, NULL), SPV_ERR_INVALID);
    cfg.params = regtest();
    cfg.path = "";
    assert_int_equal(spv_store_open(&s, &cfg, NULL), SPV_ERR_INVALID);
    assert_null(s);
}

static void each_network_refuses_every_other(void **state)
{
    struct spv_params custom[2];
    const uint8_t script[2][1] = {{0x51}, {0x52}};
    const struct spv_params *all[SPV_NETWORKS + 2];
    char name[8];
    for (int i = 0; i < SPV_NETWORKS; i++) {
        all[i] = spv_params_get((enum spv_network)i);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spv_params_signet(&custom[i], script[i], 1), 0);
        all[SPV_NETWORKS + i] = &custom[i];
    }
    for (size_t i = 0; i < SPV_NETWORKS + 2; i++) {
        struct spv_store *s = NULL;
        (void)snprintf(name, sizeof name, "%zu.db", i);
        const char *path = in_folder(state, name);
        struct spv_store_config cfg = {.path = path, .params = all[i], .mode = SPV_STORE_CREATE};
        assert_int_equal(spv_store_open(&s, &cfg, NULL), 0);
        assert_int_equal(spv_store_close(s), 0);
        for (size_t j = 0; j < SPV_NETWORKS + 2; j++) {
            for (int mode = SPV_STORE_READ; j != i && mode <= SPV_STORE_CREATE; mode++) {
                must_refuse(path, (enum spv_store_mode)mode, all[j], SPV_ERR_DB_NETWORK,
                            all[j]->net.name);
            }
        }
        /* a reader may use the network that the file names */
        cfg.params = NULL;
        cfg.mode = SPV_STORE_READ;
        assert_int_equal(spv_store_open(&s, &cfg, NULL), 0);
        const struct spv_params *got = spv_store_params(s);
        assert_string_equal(got->net.name, all[i]->net.name);
        assert_memory_equal(got->net.magic, all[i]->net.magic, 4);
        assert_memory_equal(got->challenge_hash, all[i]->challenge_hash, 32);
        assert_int_equal(got->n_checkpoints, all[i]->n_checkpoints);
        assert_non_null(got->dns_seeds);
        assert_chain(s, NULL, 0);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void same_name_with_other_marks_is_another_network(void **state)
{
    const struct {
        const char *sql, *word;
        int err;
    } cases[] = {
        {"UPDATE meta SET value = '00000000' WHERE key = 'magic'", "magic", SPV_ERR_DB_NETWORK},
        {"UPDATE meta SET value = replace(value, '0f', '1f') WHERE key = 'genesis'", "genesis",
         SPV_ERR_DB_NETWORK},
        {"INSERT INTO meta VALUES ('challenge_hash', '00')", "challenge", SPV_ERR_DB_NETWORK},
        {"DELETE FROM meta WHERE key = 'network'", "does not name its network", SPV_ERR_DB_DAMAGED},
        {"UPDATE meta SET value = zeroblob(900) WHERE key = 'network'", "malformed",
         SPV_ERR_DB_DAMAGED},
        {"DROP TABLE meta", "not those of schema", SPV_ERR_DB_DAMAGED},
        {"DROP TABLE header", "header", SPV_ERR_DB_DAMAGED},
    };
    struct spv_chain_header r[5];
    make_chain(in_folder(state, "h.db"), r, 5);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = in_folder(state, "copy.db");
        copy_file(in_folder(state, "h.db"), path);
        run_sql(path, cases[i].sql);
        must_refuse(path, SPV_STORE_READ, regtest(), cases[i].err, cases[i].word);
        must_refuse(path, SPV_STORE_WRITE, regtest(), cases[i].err, cases[i].word);
    }
}

static void an_unknown_network_in_the_file_is_an_error(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[5];
    make_chain(path, r, 5);
    run_sql(path, "UPDATE meta SET value = 'moonnet' WHERE key = 'network'");
    must_refuse(path, SPV_STORE_READ, NULL, SPV_ERR_DB_NETWORK, "moonnet");
}

/* Exports contain the network's name, so a database with an invalid one is refused. */
static void a_custom_signet_is_named_after_its_magic(void **state)
{
    static const char *const names[] = {"signet-54d26fbc", "signet-54d26fbd0", "signet-",
                                        "signet-\n\\! ls"};
    const uint8_t script[1] = {0x51};
    struct spv_params custom;
    struct spv_store *s = NULL;
    char sql[100];
    assert_int_equal(spv_params_signet(&custom, script, 1), 0);
    assert_string_equal(custom.net.name, "signet-54d26fbd");
    const char *path = in_folder(state, "h.db");
    struct spv_store_config cfg = {.path = path, .params = &custom, .mode = SPV_STORE_CREATE};
    assert_int_equal(spv_store_open(&s, &cfg, NULL), 0);
    assert_int_equal(spv_store_close(s), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(sql, sizeof sql, "UPDATE meta SET value = '%s' WHERE key = 'network'",
                       names[i]);
        run_sql(path, sql);
        must_refuse(path, SPV_STORE_READ, NULL, SPV_ERR_DB_NETWORK, names[i]);
    }
}

static void foreign_files_are_refused_and_not_changed(void **state)
{
    const char *path = in_folder(state, "notes.txt");
    static const char text[] = "Dear diary, today I pointed a program at the wrong file.\n";
    char got[100];
    write_file(path, text, sizeof text - 1);
    for (int mode = SPV_STORE_READ; mode <= SPV_STORE_CREATE; mode++) {
        must_refuse(path, (enum spv_store_mode)mode, regtest(), SPV_ERR_DB_DAMAGED,
                    "not a database");
    }
    assert_int_equal(file_size(path), sizeof text - 1);
    path = in_folder(state, "other.db");
    run_sql(path, "CREATE TABLE bookmarks (url TEXT)");
    for (int mode = SPV_STORE_READ; mode <= SPV_STORE_CREATE; mode++) {
        must_refuse(path, (enum spv_store_mode)mode, regtest(), SPV_ERR_DB_DAMAGED,
                    "another program");
    }
    ask(got, sizeof got, path, "PRAGMA journal_mode");
    assert_string_equal(got, "delete");
    assert_int_equal(file_size(in_folder(state, "other.db-lock")), -1);
}

static void a_newer_schema_is_refused_and_not_changed(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[5];
    char got[100];
    make_chain(path, r, 5);
    run_sql(path, "PRAGMA user_version = 5; ALTER TABLE header ADD COLUMN extra");
    for (int mode = SPV_STORE_READ; mode <= SPV_STORE_CREATE; mode++) {
        must_refuse(path, (enum spv_store_mode)mode, regtest(), SPV_ERR_DB_NEWER, "newer version");
    }
    ask(got, sizeof got, path, "PRAGMA user_version");
    assert_string_equal(got, "5");
    run_sql(path, "PRAGMA user_version = 0");
    must_refuse(path, SPV_STORE_WRITE, regtest(), SPV_ERR_DB_DAMAGED, "schema version 0");
}

static void a_cut_file_is_refused(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[2000];
    make_chain(path, r, 2000);
    long size = file_size(path);
    const long cuts[] = {size - 4096, size / 2, 4096, 2000, 50};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        const char *copy = in_folder(state, "copy.db");
        copy_file(path, copy);
        truncate_file(copy, cuts[i]);
        must_refuse(copy, SPV_STORE_READ, regtest(), SPV_ERR_DB_DAMAGED, "sync again");
        must_refuse(copy, SPV_STORE_WRITE, regtest(), SPV_ERR_DB_DAMAGED, "sync again");
    }
}

/* Damaged rows, what a reader reports, and the height to which a writer rewinds. The chain is
 * 1..5000. */
static void a_damaged_tail_is_rewound_to_the_last_good_header(void **state)
{
    const struct {
        const char *sql, *word;
        uint32_t good, rewound;
    } cases[] = {
        {"DELETE FROM header WHERE height = 5000", "height 5,000 is missing", 4999, 1},
        {"DELETE FROM header WHERE height > 3000", "height 3,001 is missing", 3000, 2000},
        {"DELETE FROM header WHERE height = 4321", "height 4,321 is missing", 4320, 680},
        {"UPDATE header SET nonce = nonce + 1 WHERE height = 4999", "height 4,999 does not hash",
         4998, 2},
        {"UPDATE header SET hash = zeroblob(32) WHERE height = 4000", "height 4,000 does not hash",
         3999, 1001},
        {"UPDATE header SET work = zeroblob(32) WHERE height = 4000", "wrong chain work", 3999,
         1001},
        {"UPDATE header SET time = -1 WHERE height = 4000", "is malformed", 3999, 1001},
        {"UPDATE header SET merkle_root = 'text' WHERE height = 5000", "is malformed", 4999, 1},
        {"UPDATE meta SET value = 4990 WHERE key = 'tip_height'", "stands above the tip", 4990, 10},
        {"UPDATE meta SET value = 5010 WHERE key = 'tip_height'", "is missing", 5000, 10},
        {"UPDATE meta SET value = 'x' WHERE key = 'tip_height'", "above the tip", 5000, 0},
        {"UPDATE meta SET value = 'x' WHERE key = 'tip_hash'", "not the tip", 5000, 0},
        {"UPDATE meta SET value = 'x' WHERE key = 'tip_work'", "not the tip", 5000, 0},
        {"DELETE FROM meta WHERE key = 'tip_hash'", "not the tip", 5000, 0},
        /* the damage is at the anchor below the first window: the window moves down */
        {"UPDATE header SET hash = zeroblob(32) WHERE height = 2900", "height 2,901 does not hash",
         2899, 2101},
        {"UPDATE header SET bits = 0 WHERE height > 1000", "does not hash", 1000, 4000},
        {"DELETE FROM header WHERE height > 0", "is missing", 0, 5000},
        {"DELETE FROM header", "is missing", 0, 5000},
        {"UPDATE header SET hash = zeroblob(32)", "does not hash", 0, 5000},
        {"INSERT INTO header SELECT 5001, hash, version, merkle_root, time, bits, nonce, work"
         " FROM header WHERE height = 5000",
         "height 5,001 stands above the tip", 5000, 1},
    };
    const size_t n = 5000;
    struct spv_chain_header *r = calloc(n, sizeof *r);
    make_chain(in_folder(state, "h.db"), r, n);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = in_folder(state, "copy.db");
        (void)remove(in_folder(state, "copy.db-wal"));
        copy_file(in_folder(state, "h.db"), path);
        run_sql(path, cases[i].sql);
        must_refuse(path, SPV_STORE_READ, regtest(), SPV_ERR_DB_DAMAGED, cases[i].word);
        struct spv_store *s = must_open(path, SPV_STORE_WRITE);
        assert_int_equal(spv_store_lost_rows(s), cases[i].rewound);
        assert_chain(s, r, cases[i].good);
        if (cases[i].good < n) {
            assert_int_equal(
                apply(s, SPV_UPDATE_APPEND, cases[i].good, 0, r + cases[i].good, n - cases[i].good),
                0);
        }
        assert_int_equal(spv_store_close(s), 0);
        s = must_open(path, SPV_STORE_READ);
        assert_chain(s, r, n);
        assert_int_equal(spv_store_close(s), 0);
    }
    free(r);
}

/* A row with a correct hash and work sum, but without proof of work. */
/* However sparse an attacker's rows are, the search for the last good one takes one step per
 * window. */
static void rows_of_impossible_heights_are_cut(void **state)
{
    static const char *const heights[] = {"9223372036854775807", "4294967296", "4294967295"};
    struct spv_chain_header r[9];
    char sql[300];
    for (size_t i = 0; i < 2 * sizeof heights / sizeof heights[0]; i++) {
        const char *path = in_folder(state, "h.db");
        (void)remove(path);
        make_chain(path, r, 9);
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO header SELECT %s, hash, version, merkle_root, time, bits,"
                       " nonce, work FROM header WHERE height = 9;"
                       "UPDATE meta SET value = %s WHERE key = 'tip_height'",
                       heights[i / 2], i % 2 == 0 ? heights[i / 2] : "'none'");
        run_sql(path, sql);
        must_refuse(path, SPV_STORE_READ, regtest(), SPV_ERR_DB_DAMAGED, "damaged");
        struct spv_store *s = must_open(path, SPV_STORE_WRITE);
        assert_chain(s, r, 9);
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void a_tip_height_that_the_file_is_too_small_for_is_corrected(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[9];
    make_chain(path, r, 9);
    run_sql(path, "UPDATE meta SET value = 2147483647 WHERE key = 'tip_height'");
    must_refuse(path, SPV_STORE_READ, regtest(), SPV_ERR_DB_DAMAGED,
                "is missing, or the stored tip height is wrong");
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_lost_rows(s), 0); /* not two thousand million headers */
    assert_chain(s, r, 9);
    assert_int_equal(spv_store_close(s), 0);
}

static void side_branches_beyond_the_bound_are_pruned_at_the_first_open_for_writing(void **state)
{
    struct spv_chain_header r[9];
    struct spv_chain_header branch[4];
    char got[40];
    const char *path = in_folder(state, "h.db");
    make_chain(path, r, 9);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    extend(branch, &r[4], 4, 7);
    assert_int_equal(apply(s, SPV_UPDATE_BRANCH, 5, 0, branch, 4), 0);
    assert_int_equal(spv_store_close(s), 0);
    /* malformed rows above our branch, half of them by their heights alone, and others below it */
    run_sql(path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
                  "INSERT INTO branch_header SELECT randomblob(7 + i % 2 * 25),"
                  " CASE i % 2 WHEN 0 THEN 1000000 ELSE 9223372036854775807 END - i,"
                  " zeroblob(32), 1, zeroblob(32), 1, 1, 1, zeroblob(32) FROM n;"
                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
                  "INSERT INTO branch_header SELECT randomblob(32), 3, zeroblob(32), 1,"
                  " zeroblob(32), 1, 1, 1, zeroblob(32) FROM n");
    s = must_open(path, SPV_STORE_READ);
    assert_int_equal(spv_store_close(s), 0);
    ask(got, sizeof got, path, "SELECT count(*) FROM branch_header");
    assert_string_equal(got, "40004");
    s = must_open(path, SPV_STORE_WRITE);
    assert_chain(s, r, 9);
    assert_int_equal(spv_store_close(s), 0);
    ask(got, sizeof got, path, "SELECT count(*) FROM branch_header");
    assert_int_equal(atoi(got), SPV_CHAIN_BRANCH_HEADERS);
    ask(got, sizeof got, path, "SELECT count(*) FROM branch_header WHERE height > 5");
    assert_string_equal(got, "4");
}

static void a_tail_without_proof_of_work_is_cut(void **state)
{
    const char *path = in_folder(state, "h.db");
    struct spv_chain_header r[11];
    make_chain(path, r, 10);
    r[10] = r[9];
    r[10].height = 11;
    r[10].header.prev = r[9].hash;
    r[10].header.bits = 0x1d00ffff;
    r[10].work.w[0] = r[9].work.w[0] + 0x100010001; /* the work of these bits */
    spv_header_hash(&r[10].hash, &r[10].header);
    struct spv_store *s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 10, 0, r + 10, 1), 0);
    assert_int_equal(spv_store_close(s), 0);
    must_refuse(path, SPV_STORE_READ, regtest(), SPV_ERR_DB_DAMAGED,
                "does not meet its own target");
    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_lost_rows(s), 1);
    assert_chain(s, r, 10);
    assert_int_equal(spv_store_close(s), 0);
}

static void bits_flipped_in_the_file_are_found(void **state)
{
    const char *path = in_folder(state, "h.db");
    static uint8_t bytes[400000];
    struct spv_chain_header r[1000];
    make_chain(path, r, 1000);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    (void)fclose(f);
    /* the merkle roots of extend() contain their height: flip a bit in the row of 990 */
    size_t at = 0;
    for (size_t i = 32; i + 32 < n && at == 0; i++) {
        static const uint8_t root[] = {0, 0, 0x03, 0xde, 0, 0, 0, 0, 0, 0, 0, 0};
        at = memcmp(bytes + i, root, sizeof root) == 0 ? i : 0;
    }
    assert_true(at > 0);
    bytes[at] ^= 0x10;
    const char *copy = in_folder(state, "copy.db");
    write_file(copy, bytes, n);
    must_refuse(copy, SPV_STORE_READ, regtest(), SPV_ERR_DB_DAMAGED, "height 990");
    struct spv_store *s = must_open(copy, SPV_STORE_WRITE);
    assert_int_equal(spv_store_lost_rows(s), 11);
    assert_chain(s, r, 989);
    assert_int_equal(spv_store_close(s), 0);
}

/* kill -9 leaves the database and its WAL as they are on disk: copy both. */
static void a_killed_writer_loses_nothing_committed(void **state)
{
    struct spv_chain_header r[300];
    make_chain(in_folder(state, "h.db"), r, 100);
    struct spv_store *s = must_open(in_folder(state, "h.db"), SPV_STORE_WRITE);
    extend(r + 100, &r[99], 200, 0);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 100, 0, r + 100, 100), 0);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 200, 0, r + 200, 100), 0);
    const char *path = in_folder(state, "copy.db");
    copy_file(in_folder(state, "h.db"), path);
    copy_file(in_folder(state, "h.db-wal"), in_folder(state, "copy.db-wal"));
    assert_int_equal(spv_store_close(s), 0);
    s = must_open(path, SPV_STORE_READ);
    assert_chain(s, r, 300);
    assert_int_equal(spv_store_close(s), 0);
    /* half of the WAL's last transaction is lost: the one before is kept */
    truncate_file(in_folder(state, "copy.db-wal"),
                  file_size(in_folder(state, "copy.db-wal")) - 3000);
    (void)remove(in_folder(state, "copy.db-shm"));
    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_lost_rows(s), 0);
    assert_chain(s, r, 200);
    assert_int_equal(spv_store_close(s), 0);
}

static void a_lost_log_leaves_the_state_before(void **state)
{
    struct spv_chain_header r[200];
    make_chain(in_folder(state, "h.db"), r, 100);
    struct spv_store *s = must_open(in_folder(state, "h.db"), SPV_STORE_WRITE);
    extend(r + 100, &r[99], 100, 0);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 100, 0, r + 100, 100), 0);
    copy_file(in_folder(state, "h.db"), in_folder(state, "copy.db"));
    assert_int_equal(spv_store_flush(s), 0);
    assert_int_equal(file_size(in_folder(state, "h.db-wal")), 0);
    copy_file(in_folder(state, "h.db"), in_folder(state, "flushed.db"));
    assert_int_equal(spv_store_close(s), 0);
    s = must_open(in_folder(state, "copy.db"), SPV_STORE_WRITE);
    assert_chain(s, r, 100);
    assert_int_equal(spv_store_close(s), 0);
    s = must_open(in_folder(state, "flushed.db"), SPV_STORE_READ);
    assert_chain(s, r, 200);
    assert_int_equal(spv_store_close(s), 0);
}

/* The lock file of a killed writer records what the WAL contained: a lost WAL is reported. */
static void a_lost_wal_is_reported(void **state)
{
    struct spv_chain_header r[200];
    char lock[200];
    make_chain(in_folder(state, "h.db"), r, 100);
    struct spv_store *s = must_open(in_folder(state, "h.db"), SPV_STORE_WRITE);
    extend(r + 100, &r[99], 100, 0);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 100, 0, r + 100, 100), 0);
    char path[PATH_LEN];
    (void)snprintf(path, sizeof path, "%s", in_folder(state, "copy.db"));
    copy_file(in_folder(state, "h.db"), path);
    copy_file(in_folder(state, "h.db-lock"), in_folder(state, "copy.db-lock"));
    copy_file(in_folder(state, "h.db-wal"), in_folder(state, "copy.db-wal"));
    assert_int_equal(spv_store_close(s), 0);
    /* after a regular close nothing is recorded, and nothing is reported as lost */
    FILE *f = fopen(in_folder(state, "h.db-lock"), "r");
    assert_non_null(f);
    assert_non_null(fgets(lock, sizeof lock, f));
    assert_null(fgets(lock, sizeof lock, f));
    (void)fclose(f);
    /* another program checkpoints the WAL and deletes it: no data is lost */
    copy_file(path, in_folder(state, "folded.db"));
    copy_file(in_folder(state, "copy.db-lock"), in_folder(state, "folded.db-lock"));
    copy_file(in_folder(state, "copy.db-wal"), in_folder(state, "folded.db-wal"));
    run_sql(in_folder(state, "folded.db"), "PRAGMA wal_checkpoint(TRUNCATE)");
    s = must_open(in_folder(state, "folded.db"), SPV_STORE_READ);
    assert_chain(s, r, 200);
    assert_int_equal(spv_store_close(s), 0);
    /* the WAL is lost */
    assert_int_equal(remove(in_folder(state, "copy.db-wal")), 0);
    must_refuse(path, SPV_STORE_READ, regtest(), SPV_ERR_DB_DAMAGED, "write-ahead log is missing");
    struct spv_verify_report report;
    const struct spv_verify_config cfg = {.path = path};
    assert_int_equal(spv_store_verify(&report, &cfg, NULL), SPV_ERR_DB_DAMAGED);
    s = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_lost_rows(s), 100);
    assert_chain(s, r, 100);
    assert_int_equal(apply(s, SPV_UPDATE_APPEND, 100, 0, r + 100, 100), 0);
    assert_int_equal(spv_store_close(s), 0);
    s = must_open(path, SPV_STORE_READ);
    assert_chain(s, r, 200);
    assert_int_equal(spv_store_close(s), 0);
}

static void one_writer_and_any_number_of_readers(void **state)
{
    const char *path = in_folder(state, "h.db");
    char me[40];
    struct spv_chain_header r[20];
    make_chain(path, r, 10);
    struct spv_store *writer = must_open(path, SPV_STORE_WRITE);
    struct spv_store *reader = must_open(path, SPV_STORE_READ);
    (void)snprintf(me, sizeof me, "process %ld", (long)getpid());
    must_refuse(path, SPV_STORE_WRITE, regtest(), SPV_ERR_DB_BUSY, me);
    must_refuse(path, SPV_STORE_CREATE, regtest(), SPV_ERR_DB_BUSY, "writing");
    /* a symbolic link to it is the same database */
    assert_int_equal(symlink("h.db", in_folder(state, "link.db")), 0);
    must_refuse(in_folder(state, "link.db"), SPV_STORE_WRITE, regtest(), SPV_ERR_DB_BUSY, me);
    assert_chain(reader, r, 10);
    extend(r + 10, &r[9], 10, 0);
    assert_int_equal(apply(writer, SPV_UPDATE_APPEND, 10, 0, r + 10, 10), 0);
    assert_chain(reader, r, 20);
    assert_int_equal(apply(reader, SPV_UPDATE_APPEND, 20, 0, r, 1), SPV_ERR_DB_READONLY);
    assert_int_equal(spv_store_build_index(reader), SPV_ERR_DB_READONLY);
    assert_int_equal(spv_store_flush(reader), 0);
    assert_int_equal(spv_store_close(writer), 0);
    writer = must_open(path, SPV_STORE_WRITE);
    assert_int_equal(spv_store_close(writer), 0);
    assert_chain(reader, r, 20);
    assert_int_equal(spv_store_close(reader), 0);
}

/* root ignores permissions: a child process without root's rights opens the file. Its exit code is
 * the number of the check that failed. */
static int look_without_rights(const char *path, const struct spv_chain_header *last)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        return 1;
    }
    struct spv_store *s = NULL;
    struct spv_error_info why;
    struct spv_chain_header got;
    struct spv_store_iter *walk = NULL;
    struct spv_store_config cfg = {.path = path, .params = regtest(), .mode = SPV_STORE_READ};
    if (spv_store_open(&s, &cfg, &why) != 0) {
        (void)fprintf(stderr, "%s\n", why.text);
        return 2;
    }
    if (spv_store_tip(s, &got) != 1 || memcmp(&got.hash, &last->hash, 32) != 0) {
        return 3;
    }
    if (spv_store_iter_open(&walk, s, last->height, last->height) != 0 ||
        spv_store_iter_next(walk, &got) != 1) {
        return 4;
    }
    spv_store_iter_close(walk);
    (void)spv_store_close(s);
    cfg.mode = SPV_STORE_WRITE;
    return spv_store_open(&s, &cfg, &why) == SPV_ERR_DB_READONLY ? 0 : 5;
}

static void reads_without_write_permission(void **state)
{
    struct spv_chain_header r[10];
    assert_int_equal(mkdir(in_folder(state, "ro %41?#"), 0755), 0);
    const char *path = in_folder(state, "ro %41?#/h.db");
    make_chain(path, r, 10);
    (void)remove(in_folder(state, "ro %41?#/h.db-lock"));
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(in_folder(state, "ro %41?#"), 0555), 0);
    assert_int_equal(chmod((const char *)*state, 0755), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(look_without_rights(path, &r[9]));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(chmod(in_folder(state, "ro %41?#"), 0755), 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(absent_is_not_damaged),
        IN_FOLDER(path_and_network_are_required),
        IN_FOLDER(each_network_refuses_every_other),
        IN_FOLDER(same_name_with_other_marks_is_another_network),
        IN_FOLDER(an_unknown_network_in_the_file_is_an_error),
        IN_FOLDER(a_custom_signet_is_named_after_its_magic),
        IN_FOLDER(foreign_files_are_refused_and_not_changed),
        IN_FOLDER(a_newer_schema_is_refused_and_not_changed),
        IN_FOLDER(a_cut_file_is_refused),
        IN_FOLDER(a_damaged_tail_is_rewound_to_the_last_good_header),
        IN_FOLDER(rows_of_impossible_heights_are_cut),
        IN_FOLDER(a_tip_height_that_the_file_is_too_small_for_is_corrected),
        IN_FOLDER(side_branches_beyond_the_bound_are_pruned_at_the_first_open_for_writing),
        IN_FOLDER(a_tail_without_proof_of_work_is_cut),
        IN_FOLDER(bits_flipped_in_the_file_are_found),
        IN_FOLDER(a_killed_writer_loses_nothing_committed),
        IN_FOLDER(a_lost_log_leaves_the_state_before),
        IN_FOLDER(a_lost_wal_is_reported),
        IN_FOLDER(one_writer_and_any_number_of_readers),
        IN_FOLDER(reads_without_write_permission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
