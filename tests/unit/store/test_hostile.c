/* A database file from an attacker: an object that has the name of one of ours but another
 * definition is refused before it is read, at each schema version; objects with other names stay.
 * Most of these files once caused endless queries. */
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HANG_S 100 /* seconds; a test that takes longer runs an endless query */
#define ROWS 20

/* An endless query under a name that we read, with every column that we select. */
#define ENDLESS(name)                                                                              \
    "CREATE VIEW " name " AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"      \
    " SELECT x AS height, x AS hash, x AS version, x AS merkle_root, x AS time, x AS bits,"        \
    " x AS nonce, x AS work, x AS previous_hash, x AS key, x AS value, x AS host, x AS port,"      \
    " x AS services, x AS source, x AS last_seen, x AS last_try, x AS last_success,"               \
    " x AS attempts, x AS slow, x AS failure, x AS tried, x AS anchor, x AS address,"              \
    " x AS since, x AS until, x AS code, x AS reason, x AS header, x AS filter_hash,"              \
    " x AS filter FROM n"

#define HEADER(hash, work, end)                                                                    \
    "DROP TABLE header; CREATE TABLE header (height INTEGER PRIMARY KEY, " hash                    \
    ", version INTEGER NOT NULL, merkle_root BLOB NOT NULL, time INTEGER NOT NULL,"                \
    " bits INTEGER NOT NULL, nonce INTEGER NOT NULL, " work ")" end
#define HASH "hash BLOB NOT NULL"
#define WORK "work BLOB NOT NULL"

/* Replaces the text of an object in the schema table. */
#define REWRITE(name, from, to)                                                                    \
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, '" from "', '" to    \
    "') WHERE name = '" name "'"

#define TO_VERSION_3 DROP_WALLET "PRAGMA user_version = 3;"
#define TO_VERSION_2                                                                               \
    TO_VERSION_3 "DROP TABLE filter_header; DROP TABLE block_filter; PRAGMA user_version = 2;"
/* Schema 1's view; the other objects are the same in both. */
#define TO_VERSION_1                                                                               \
    TO_VERSION_2                                                                                   \
    "DROP TABLE peer_address; DROP TABLE peer_ban; DROP VIEW block_header;"                        \
    "CREATE VIEW block_header AS SELECT h.height AS height, lower(hex(h.hash)) AS hash,"           \
    " h.version AS version, CASE h.height WHEN 0 THEN lower(hex(zeroblob(32)))"                    \
    " ELSE lower(hex(p.hash)) END AS previous_hash, lower(hex(h.merkle_root)) AS merkle_root,"     \
    " h.time AS time, datetime(h.time, 'unixepoch') AS utc, printf('%08x', h.bits) AS bits,"       \
    " h.nonce AS nonce, lower(hex(h.work)) AS work"                                                \
    " FROM header h LEFT JOIN header p ON p.height = h.height - 1; PRAGMA user_version = 1"

struct edit {
    const char *sql, *word;
};

static const struct edit refused[] = {
    {"DROP TABLE header;" ENDLESS("header"), "table header"},
    {"DROP TABLE header;" ENDLESS("HEADER"), "table header"},
    {"DROP TABLE branch_header;" ENDLESS("branch_header"), "table branch_header"},
    {"DROP TABLE meta;" ENDLESS("meta"), "table meta"},
    {"DROP TABLE IF EXISTS peer_address;" ENDLESS("peer_address"), "table peer_address"},
    {"DROP TABLE IF EXISTS peer_ban;" ENDLESS("peer_ban"), "table peer_ban"},
    {"DROP TABLE IF EXISTS filter_header;" ENDLESS("filter_header"), "table filter_header"},
    {"DROP TABLE IF EXISTS block_filter; CREATE TABLE block_filter (height INTEGER PRIMARY KEY,"
     " filter BLOB NOT NULL CHECK (instr(zeroblob(900000), filter)))",
     "table block_filter"},
    {"DROP TABLE IF EXISTS wallet_watch;" ENDLESS("wallet_watch"), "table wallet_watch"},
    {"DROP TABLE IF EXISTS broadcast; CREATE TABLE broadcast (txid BLOB)", "table broadcast"},
    {"DROP VIEW IF EXISTS wallet_coin;" ENDLESS("wallet_coin"), "view wallet_coin"},
    {"CREATE TABLE IF NOT EXISTS wallet_tx (revision); DROP INDEX IF EXISTS wallet_tx_by_revision;"
     "CREATE INDEX wallet_tx_by_revision ON wallet_tx (revision DESC)",
     "wallet_tx"},
    {"CREATE TABLE IF NOT EXISTS wallet_sum (x);"
     "CREATE TRIGGER t AFTER INSERT ON wallet_sum BEGIN SELECT 1; END",
     "wallet_sum"},
    {"DROP VIEW block_header;" ENDLESS("block_header"), "view block_header"},
    {"DROP VIEW block_header; CREATE TABLE block_header (height)", "view block_header"},
    {"DROP TABLE header; CREATE VIRTUAL TABLE header USING fts4 (height, hash, version,"
     " merkle_root, time, bits, nonce, work)",
     "table header"},
    {"DROP TABLE branch_header; CREATE VIRTUAL TABLE branch_header USING rtree (hash, a, b)",
     "table branch_header"},
    {HEADER("hash BLOB AS (zeroblob(32))", WORK, ""), "table header"},
    {HEADER(HASH, "work BLOB AS (instr(zeroblob(900000), zeroblob(450000))) STORED", ""),
     "table header"},
    {HEADER(HASH, WORK ", CHECK (instr(zeroblob(900000), zeroblob(450000)))", ""), "table header"},
    {HEADER(HASH, "work BLOB NOT NULL DEFAULT (zeroblob(900000))", ""), "table header"},
    {HEADER(HASH " COLLATE NOCASE", WORK, ""), "table header"},
    {HEADER(HASH " UNIQUE", WORK, ""), "table header"},
    {HEADER(HASH, WORK ", extra", ""), "table header"},
    {HEADER("hash ANY NOT NULL", WORK, "STRICT"), "table header"},
    {HEADER(HASH, WORK, "WITHOUT ROWID"), "table header"},
    {HEADER(HASH, WORK " REFERENCES meta (key) ON DELETE CASCADE", ""), "table header"},
    {REWRITE("header", "INTEGER PRIMARY KEY", "INT PRIMARY KEY"), ""},
    {REWRITE("meta", "value NOT NULL", "value NOTNULL"), ""},
    {REWRITE("meta", "value NOT NULL", "value"), "table meta"},
    {REWRITE("block_header", "FROM header h", "FROM meta h"), "view block_header"},
    {REWRITE("block_header", "unixepoch", "unix epoch"), "view block_header"},
    {"PRAGMA writable_schema = ON; INSERT INTO sqlite_master VALUES ('view',"
     " 'meta' || char(0) || 'x', 'meta', 0, 'CREATE VIEW meta AS SELECT 1')",
     ""},
    {"CREATE INDEX header_by_hash ON header (substr(hash, 24))", "index header_by_hash"},
    {"CREATE INDEX header_by_hash ON branch_header (height)", "index header_by_hash"},
    {"CREATE INDEX mine ON header (instr(zeroblob(900000), hash))", "foreign index"},
    {"CREATE INDEX mine ON header (time) WHERE instr(zeroblob(900000), hash)", "foreign index"},
    {"CREATE UNIQUE INDEX mine ON branch_header (hash)", "foreign index"},
    {"CREATE INDEX mine ON meta (value COLLATE NOCASE)", "foreign index"},
    {"CREATE TRIGGER t AFTER INSERT ON header BEGIN DELETE FROM meta; END", "trigger"},
    {"CREATE TRIGGER t BEFORE UPDATE ON Meta BEGIN SELECT 1; END", "trigger"},
    {"CREATE TRIGGER t INSTEAD OF DELETE ON block_header BEGIN SELECT 1; END", "trigger"},
};

/* Our own definitions with other white space are accepted, and so are foreign objects under other
 * names. */
static const char *const taken[] = {
    REWRITE("header", ", ", ",\n\t  "),
    REWRITE("block_header", "SELECT h", "SELECT \r\n h"),
    "CREATE TABLE notes (height INTEGER, text TEXT CHECK (length(text) < 80))",
    ENDLESS("my_view"),
    "CREATE INDEX by_time ON header (time DESC, height)",
    "CREATE TABLE notes (x); CREATE TRIGGER t AFTER INSERT ON notes BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE words USING fts4 (x)",
    "DROP VIEW block_header; CREATE VIEW other AS SELECT 1 AS block_header",
};

static void make_version(void **state, int version, const char *sql)
{
    copy_file(in_folder(state, "h.db"), in_folder(state, "copy.db"));
    static const char *const older[] = {TO_VERSION_1, TO_VERSION_2, TO_VERSION_3};
    if (version < SPV_SCHEMA_VERSION) {
        run_sql(in_folder(state, "copy.db"), older[version - 1]);
    }
    run_sql(in_folder(state, "copy.db"), sql);
}

static void foreign_objects_under_our_names_are_refused_at_each_version(void **state)
{
    struct spv_chain_header r[ROWS];
    make_chain(in_folder(state, "h.db"), r, ROWS);
    for (int version = 1; version <= SPV_SCHEMA_VERSION; version++) {
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
            make_version(state, version, refused[i].sql);
            const char *path = in_folder(state, "copy.db");
            for (int mode = SPV_STORE_READ; mode <= SPV_STORE_CREATE; mode++) {
                must_refuse(path, (enum spv_store_mode)mode, regtest(), SPV_ERR_DB_DAMAGED,
                            refused[i].word);
            }
        }
    }
}

static void foreign_objects_under_other_names_stay_at_each_version(void **state)
{
    struct spv_chain_header r[ROWS];
    make_chain(in_folder(state, "h.db"), r, ROWS);
    for (int version = 1; version <= SPV_SCHEMA_VERSION; version++) {
        for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
            if (version == 1 && strncmp(taken[i], "DROP VIEW", 9) == 0) {
                continue; /* its migration creates the view again */
            }
            make_version(state, version, taken[i]);
            for (int mode = SPV_STORE_READ; mode <= SPV_STORE_WRITE; mode++) {
                struct spv_store *s =
                    must_open(in_folder(state, "copy.db"), (enum spv_store_mode)mode);
                assert_chain(s, r, ROWS);
                assert_int_equal(spv_store_close(s), 0);
            }
        }
    }
}

/* A repair reads headers from the file only when this runs no SQL of the attacker. */
static void a_repair_of_hostile_tables_terminates(void **state)
{
    struct spv_chain_header r[ROWS];
    make_chain(in_folder(state, "h.db"), r, ROWS);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        static struct spv_repair_report report;
        struct spv_error_info why = {.text = ""};
        make_version(state, SPV_SCHEMA_VERSION, refused[i].sql);
        const char *path = in_folder(state, "copy.db");
        const struct spv_verify_config cfg = {.path = path, .params = regtest()};
        if (spv_store_repair(&report, &cfg, &why) != 0) {
            fail_msg("%s: %s", refused[i].sql, why.text);
        }
        const bool kept =
            !strstr(refused[i].sql, "TABLE header") && strncmp(refused[i].sql, "PRAGMA", 6) != 0;
        struct spv_store *s = must_open(path, SPV_STORE_WRITE);
        if (kept) {
            assert_chain(s, r, ROWS);
        }
        assert_int_equal(spv_store_close(s), 0);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(foreign_objects_under_our_names_are_refused_at_each_version),
        IN_FOLDER(foreign_objects_under_other_names_stay_at_each_version),
        IN_FOLDER(a_repair_of_hostile_tables_terminates),
    };
    (void)alarm(HANG_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
