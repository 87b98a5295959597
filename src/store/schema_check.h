/* Compares the objects of a database file with those of its schema. An untrusted file may have a
 * view or a virtual table under the name of one of our tables, and reading that runs a query of its
 * author. */
#ifndef SPV_STORE_SCHEMA_CHECK_H
#define SPV_STORE_SCHEMA_CHECK_H

#include "store/db.h"

/* Compares every object that has one of our names, and every index and trigger on our tables, with
 * what schema `version` defines. Objects under other names are not looked at. 0, SPV_ERR_DB_DAMAGED
 * with a text, or another error of the database. */
int spv_schema_check(struct spv_store *s, int version);

/* Whether the file has the tables that a schema version added: 1, 0, or an error of the database. A
 * reader of an older schema looks again: the writer may have migrated it since. */
int spv_schema_reached(struct spv_store *s, int version);

/* Whether `name` in the attached database `schema` is an ordinary table without generated columns:
 * reading its rows then runs nothing that the file defines. False also when that cannot be read. */
bool spv_schema_is_plain(sqlite3 *db, const char *schema, const char *name);

#endif
