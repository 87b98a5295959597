/* The database's tables as a list of migrations. Schema 1 is the migration from an empty file
 * (version 0) to the first form. docs/schema.md specifies the tables. */
#ifndef SPV_STORE_SCHEMA_H
#define SPV_STORE_SCHEMA_H

#include <stddef.h>

#include <sqlite3.h>

/* "SPVH", the application id in the header of our SQLite files. */
#define SPV_APPLICATION_ID 0x53505648

/* The oldest schema whose headers a reader can read as they are. */
#define SPV_SCHEMA_READABLE 1

/* One step: migrates schema `from` to `from + 1`; several of one version run in their order. */
struct spv_migration {
    int from;
    const char *sql;
};

extern const struct spv_migration spv_migrations[];
extern const size_t spv_n_migrations;

/* The hash index, which is built after the first sync. */
#define SPV_SCHEMA_INDEX "header_by_hash ON header (substr(hash, 25))"

/* The tables of the address manager alone, added by schema 2. */
extern const char spv_schema_addrman[];

/* The schema version that added the tables of filter headers and filters. */
#define SPV_SCHEMA_FILTERS 3

/* The tables of a wallet, and the schema version that added them. */
extern const char spv_schema_wallet_1[], spv_schema_wallet_2[], spv_schema_wallet_history[],
    spv_schema_wallet_coin[], spv_schema_wallet_balance[];
#define SPV_SCHEMA_WALLET 4

/* Brings the schema from version `version` up to `target` inside the caller's transaction and
 * writes the new version. An SQLite result code; SQLITE_MISMATCH when the list lacks a migration.
 */
int spv_schema_migrate(sqlite3 *db, int version, int target, const struct spv_migration *list,
                       size_t n);

#endif
