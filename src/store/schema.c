/* The previous hash of a header is the hash of the row below, so it is not stored; that and a
 * hash index over 8 bytes only (spv_store_build_index) keep a header at some 150 bytes.
 *
 * Hashes are stored in display order and work as 32 big-endian bytes: hex() shows them as they
 * are usually written, and SQLite's byte-wise comparison of work is numeric comparison. */
#include "store/schema.h"

#include <stdio.h>

static const char schema_1[] =
    "CREATE TABLE header ("
    " height INTEGER PRIMARY KEY,"
    " hash BLOB NOT NULL," /* display order, 32 bytes */
    " version INTEGER NOT NULL,"
    " merkle_root BLOB NOT NULL," /* display order, 32 bytes */
    " time INTEGER NOT NULL,"
    " bits INTEGER NOT NULL,"
    " nonce INTEGER NOT NULL,"
    " work BLOB NOT NULL);" /* blocks 0..height, big-endian, 32 bytes */

    "CREATE TABLE branch_header ("
    " hash BLOB PRIMARY KEY,"
    " height INTEGER NOT NULL,"
    " previous_hash BLOB NOT NULL,"
    " version INTEGER NOT NULL,"
    " merkle_root BLOB NOT NULL,"
    " time INTEGER NOT NULL,"
    " bits INTEGER NOT NULL,"
    " nonce INTEGER NOT NULL,"
    " work BLOB NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;"

    "CREATE VIEW block_header AS SELECT"
    " h.height AS height,"
    " lower(hex(h.hash)) AS hash,"
    " h.version AS version,"
    " CASE h.height WHEN 0 THEN lower(hex(zeroblob(32))) ELSE lower(hex(p.hash)) END"
    "  AS previous_hash,"
    " lower(hex(h.merkle_root)) AS merkle_root,"
    " h.time AS time,"
    " datetime(h.time, 'unixepoch') AS utc,"
    " printf('%08x', h.bits) AS bits,"
    " h.nonce AS nonce,"
    " lower(hex(h.work)) AS work"
    " FROM header h LEFT JOIN header p ON p.height = h.height - 1;"

    "PRAGMA application_id = 1397773896;"; /* SPV_APPLICATION_ID */

/* Addresses and bans of the address manager. Addresses are stored as text. */
const char spv_schema_addrman[] =
    "CREATE TABLE peer_address ("
    " host TEXT NOT NULL," /* IPv4, IPv6 or name.onion */
    " port INTEGER NOT NULL,"
    " services INTEGER NOT NULL," /* 64 bits, signed */
    " source BLOB NOT NULL," /* network group of the peer that sent it first */
    " last_seen INTEGER NOT NULL," /* unix seconds, 0 never */
    " last_try INTEGER NOT NULL,"
    " last_success INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " slow INTEGER NOT NULL,"
    " failure INTEGER NOT NULL," /* the last one's code, 0 none */
    " tried INTEGER NOT NULL,"
    " anchor INTEGER NOT NULL,"
    " PRIMARY KEY (host, port)) WITHOUT ROWID;"

    "CREATE TABLE peer_ban ("
    " address TEXT PRIMARY KEY,"
    " since INTEGER NOT NULL,"
    " until INTEGER NOT NULL,"
    " code INTEGER NOT NULL,"
    " reason TEXT NOT NULL) WITHOUT ROWID;"

    /* the start's previous hash is in the metadata (start.c) */
    "DROP VIEW block_header;"
    "CREATE VIEW block_header AS SELECT"
    " h.height AS height,"
    " lower(hex(h.hash)) AS hash,"
    " h.version AS version,"
    " CASE WHEN h.height = 0 THEN lower(hex(zeroblob(32)))"
    "  WHEN p.hash IS NULL THEN"
    "  (SELECT value FROM meta WHERE key = 'base_parent')"
    "  ELSE lower(hex(p.hash)) END AS previous_hash,"
    " lower(hex(h.merkle_root)) AS merkle_root,"
    " h.time AS time,"
    " datetime(h.time, 'unixepoch') AS utc,"
    " printf('%08x', h.bits) AS bits,"
    " h.nonce AS nonce,"
    " lower(hex(h.work)) AS work"
    " FROM header h LEFT JOIN header p ON p.height = h.height - 1;";

/* Compact block filters (BIP157): one run of filter headers, and the filters that are kept. */
static const char schema_3[] = "CREATE TABLE filter_header ("
                               " height INTEGER PRIMARY KEY,"
                               " header BLOB NOT NULL," /* display order, 32 bytes */
                               " filter_hash BLOB);" /* display order, 32 bytes; NULL: not known */

                               "CREATE TABLE block_filter ("
                               " height INTEGER PRIMARY KEY,"
                               " filter BLOB NOT NULL);"; /* as in a cfilter message */

const struct spv_migration spv_migrations[] = {
    {0, schema_1},
    {1, spv_schema_addrman},
    {2, schema_3},
    {3, spv_schema_wallet_1},
    {3, spv_schema_wallet_2},
    {3, spv_schema_wallet_history},
    {3, spv_schema_wallet_coin},
    {3, spv_schema_wallet_balance},
};
const size_t spv_n_migrations = sizeof spv_migrations / sizeof spv_migrations[0];

_Static_assert(SPV_APPLICATION_ID == 1397773896, "the pragma in schema 1 spells it in decimal");

/* All steps of one version. */
static int run_steps(sqlite3 *db, int version, const struct spv_migration *list, size_t n)
{
    int rc = SQLITE_MISMATCH;
    for (size_t i = 0; i < n && (rc == SQLITE_OK || rc == SQLITE_MISMATCH); i++)
        if (list[i].from == version)
            rc = sqlite3_exec(db, list[i].sql, NULL, NULL, NULL);
    return rc;
}

int spv_schema_migrate(sqlite3 *db, int version, int target, const struct spv_migration *list,
                       size_t n)
{
    for (; version < target; version++) {
        int rc = run_steps(db, version, list, n);
        if (rc != SQLITE_OK)
            return rc;
        char pragma[48];
        (void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", version + 1);
        rc = sqlite3_exec(db, pragma, NULL, NULL, NULL);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}
