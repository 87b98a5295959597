/* The tables of addresses and bans. */
#ifndef SPV_STORE_ADDRS_H
#define SPV_STORE_ADDRS_H

#include "store/db.h"

/* Drops all objects that have the names of the two tables and creates the tables again with the
 * rows that can be read, inside the caller's transaction. 0 or an error of the database. */
int spv_addrs_recreate(struct spv_store *s);

#endif
