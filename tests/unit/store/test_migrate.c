/* Files of older schemas: a writer migrates them in one transaction, a reader reads them as they
 * are. The definitions are spelled out as each version wrote them. */
#include <stdio.h>
#include <string.h>

#include "filter_fixture.h"

#define N 50

#define TABLES_1                                                                                   \
    "CREATE TABLE header (height INTEGER PRIMARY KEY, hash BLOB NOT NULL, version INTEGER NOT "    \
    "NULL, merkle_root BLOB NOT NULL, time INTEGER NOT NULL, bits INTEGER NOT NULL, nonce INTEGER" \
    " NOT NULL, work BLOB NOT NULL);"                                                              \
    "CREATE TABLE branch_header (hash BLOB PRIMARY KEY, height INTEGER NOT NULL, previous_hash "   \
    "BLOB NOT NULL, version INTEGER NOT NULL, merkle_root BLOB NOT NULL, time INTEGER NOT NULL, "  \
    "bits INTEGER NOT NULL, nonce INTEGER NOT NULL, work BLOB NOT NULL) WITHOUT ROWID;"            \
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;"

#define VIEW(previous)                                                                             \
    "CREATE VIEW block_header AS SELECT h.height AS height, lower(hex(h.hash)) AS hash,"           \
    " h.version AS version, " previous " AS previous_hash, lower(hex(h.merkle_root)) AS "          \
    "merkle_root, h.time AS time, datetime(h.time, 'unixepoch') AS utc, printf('%08x', h.bits) "   \
    "AS bits, h.nonce AS nonce, lower(hex(h.work)) AS work FROM header h LEFT JOIN header p ON "   \
    "p.height = h.height - 1;"

/* Version 0.1 wrote schema 1; schema 2 came with the peer addresses. */
static const char schema_1[] =
    TABLES_1 VIEW("CASE h.height WHEN 0 THEN lower(hex(zeroblob(32))) ELSE lower(hex(p.hash)) END");
static const char schema_2[] = TABLES_1
    "CREATE TABLE peer_address (host TEXT NOT NULL, port INTEGER NOT NULL, services INTEGER NOT "
    "NULL, source BLOB NOT NULL, last_seen INTEGER NOT NULL, last_try INTEGER NOT NULL, "
    "last_success INTEGER NOT NULL, attempts INTEGER NOT NULL, slow INTEGER NOT NULL, failure "
    "INTEGER NOT NULL, tried INTEGER NOT NULL, anchor INTEGER NOT NULL, PRIMARY KEY (host, port)) "
    "WITHOUT ROWID;"
    "CREATE TABLE peer_ban (address TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT "
    "NULL, code INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;" //
    VIEW("CASE WHEN h.height = 0 THEN lower(hex(zeroblob(32))) WHEN p.hash IS NULL THEN "
         "(SELECT value FROM meta WHERE key = 'base_parent') ELSE lower(hex(p.hash)) END");
/* What schema 3 adds. */
static const char filter_header[] =
    "CREATE TABLE filter_header ( height INTEGER PRIMARY KEY, header BLOB NOT NULL,"
    " filter_hash BLOB)";
static const char block_filter[] =
    "CREATE TABLE block_filter ( height INTEGER PRIMARY KEY, filter BLOB NOT NULL)";
static char schema_3[4000]; /* schema 2 and the above */
static const char *const schemas[] = {schema_1, schema_2, schema_3};

static struct spv_chain_header chain[N];

/* A file of an older version with the headers of a new one, whose rows are the same. */
static const char *make_old(void **state, int version)
{
    char sql[6000];
    char name[] = "1.db";
    name[0] = (char)('0' + version);
    const char *path = in_folder(state, name);
    (void)snprintf(schema_3, sizeof schema_3, "%s%s;%s;", schema_2, filter_header, block_filter);
    if (file_size(in_folder(state, "new.db")) < 0)
        make_chain(in_folder(state, "new.db"), chain, N);
    (void)snprintf(sql, sizeof sql,
                   "%s ATTACH '%s' AS new; INSERT INTO main.header SELECT * FROM new.header;"
                   "INSERT INTO main.meta SELECT * FROM new.meta; DETACH new;"
                   "PRAGMA application_id = 1397773896; PRAGMA user_version = %d;"
                   "PRAGMA journal_mode = WAL",
                   schemas[version - 1], in_folder(state, "new.db"), version);
    run_sql(path, sql);
    return path;
}

static void assert_answer(const char *path, const char *sql, const char *want)
{
    char got[400];
    ask(got, sizeof got, path, sql);
    assert_string_equal(got, want);
}

static void a_writer_migrates_each_older_schema(void **state)
{
    static struct filter_chain filters;
    make_filters(&filters, 1);
    for (int version = 1; version < SPV_SCHEMA_VERSION; version++) {
        const char *path = make_old(state, version);
        struct spv_addrman_rows book;
        struct spv_store *s = must_open(path, SPV_STORE_WRITE);
        assert_chain(s, chain, N);
        assert_int_equal(spv_store_addrman_load(s, &book), 0);
        assert_int_equal(book.n + book.n_bans, 0);
        assert_no_filters(s);
        assert_int_equal(add_filters(s, &filters, 0, N, true), 0);
        assert_int_equal(keep(s, &filters, 7, UINT64_MAX), 1);
        assert_int_equal(spv_store_close(s), 0);
        assert_answer(path, "PRAGMA user_version", "4");
        assert_answer(path,
                      "SELECT count(*) FROM sqlite_master WHERE name LIKE 'wallet\\_%' ESCAPE '\\'"
                      " OR name = 'broadcast'",
                      "24");
        assert_answer(path, "SELECT count(*) FROM wallet_meta", "0");
        assert_answer(path, "SELECT sql FROM sqlite_master WHERE name = 'filter_header'",
                      filter_header);
        assert_answer(path, "SELECT sql FROM sqlite_master WHERE name = 'block_filter'",
                      block_filter);
        s = must_open(path, SPV_STORE_READ);
        assert_chain(s, chain, N);
        assert_filters(s, &filters, 0, N - 1, 0);
        assert_kept(s, &filters, "7");
        assert_int_equal(spv_store_close(s), 0);
    }
}

static void a_reader_reads_each_older_schema_as_it_is(void **state)
{
    for (int version = 1; version < SPV_SCHEMA_VERSION; version++) {
        const char *path = make_old(state, version);
        const char number[] = {(char)('0' + version), '\0'};
        struct spv_verify_report report;
        const struct spv_verify_config cfg = {.path = path};
        struct spv_store_info info;
        struct spv_store *s = must_open(path, SPV_STORE_READ);
        assert_chain(s, chain, N);
        assert_no_filters(s);
        assert_int_equal(spv_store_get_info(s, &info), 0);
        assert_int_equal(info.schema, version);
        assert_int_equal(info.filter_headers + info.kept_filters, 0);
        assert_int_equal(spv_store_close(s), 0);
        assert_int_equal(spv_store_verify(&report, &cfg, NULL), 0);
        assert_answer(path, "PRAGMA user_version", number);
    }
}

static void a_reader_sees_filter_headers_once_a_writer_has_migrated(void **state)
{
    static struct filter_chain filters;
    make_filters(&filters, 1);
    for (int version = 1; version < SPV_SCHEMA_VERSION; version++) {
        const char *path = make_old(state, version);
        struct spv_store *reader = must_open(path, SPV_STORE_READ);
        const struct spv_header_db headers = spv_store_header_db(reader);
        assert_no_filters(reader);
        assert_int_equal(headers.begin_read(headers.ctx), 0);
        assert_no_filters(reader); /* the snapshot begins with the first read */
        struct spv_store *s = must_open(path, SPV_STORE_WRITE);
        assert_int_equal(add_filters(s, &filters, 0, 20, true), 0);
        assert_no_filters(reader);
        headers.end_read(headers.ctx);
        assert_filters(reader, &filters, 0, 19, 0);
        assert_int_equal(spv_store_close(s), 0);
        assert_int_equal(spv_store_close(reader), 0);
    }
}

/* A migration step that fails leaves the file unchanged: it has a foreign table of that name. */
static void a_failed_migration_leaves_the_file_unchanged(void **state)
{
    static const char *const taken[] = {"peer_ban", "filter_header", "block_filter",
                                        "wallet_script"};
    for (int version = 1; version < SPV_SCHEMA_VERSION; version++)
        for (size_t i = version == 1 ? 0 : version == 2 ? 1 : 3; i < 4; i++) {
            char sql[80];
            const char number[] = {(char)('0' + version), '\0'};
            const char *path = make_old(state, version);
            (void)snprintf(sql, sizeof sql, "CREATE TABLE %s (x)", taken[i]);
            run_sql(path, sql);
            must_refuse(path, SPV_STORE_WRITE, regtest(), SPV_ERR_DB_DAMAGED, taken[i]);
            must_refuse(path, SPV_STORE_READ, regtest(), SPV_ERR_DB_DAMAGED, taken[i]);
            assert_answer(path, "PRAGMA user_version", number);
            assert_answer(path, "SELECT count(*) FROM sqlite_master WHERE name = 'filter_header'",
                          i == 1 || version == 3 ? "1" : "0");
            assert_int_equal(remove(path), 0);
        }
}

/* The tables of filters and of a wallet are as much a part of a schema as those of headers. */
static void a_missing_table_is_refused(void **state)
{
    static const char *const names[] = {"filter_header", "block_filter", "wallet_tx",
                                        "wallet_share"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char sql[80];
        const char *path = in_folder(state, "h.db");
        (void)remove(path);
        make_chain(path, chain, N);
        (void)snprintf(sql, sizeof sql, "DROP TABLE %s", names[i]);
        run_sql(path, sql);
        must_refuse(path, SPV_STORE_READ, regtest(), SPV_ERR_DB_DAMAGED, names[i]);
        must_refuse(path, SPV_STORE_WRITE, regtest(), SPV_ERR_DB_DAMAGED, "is missing");
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(a_writer_migrates_each_older_schema),
        T(a_reader_reads_each_older_schema_as_it_is),
        T(a_reader_sees_filter_headers_once_a_writer_has_migrated),
        T(a_failed_migration_leaves_the_file_unchanged),
        T(a_missing_table_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
