/* Side branches in the database. */
#ifndef SPV_STORE_APPLY_H
#define SPV_STORE_APPLY_H

#include "store/db.h"

/* Deletes side-branch rows that are malformed, and those beyond the limit, inside the caller's
 * transaction: a file may have any number of them. 0 or an error of the database. */
int spv_branches_prune(struct spv_store *s);

#endif
