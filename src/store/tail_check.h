/* The check of the last rows when a database is opened. */
#ifndef SPV_STORE_TAIL_CHECK_H
#define SPV_STORE_TAIL_CHECK_H

#include "store/db.h"

/* Checks the last rows and loads start and tip. Cuts off a bad tail when writing, inside the
 * caller's transaction. 0; SPV_ERR_DB_DAMAGED: a bad tail when reading; or another error of the
 * database. */
int spv_tail_check(struct spv_store *s);

#endif
