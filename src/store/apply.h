/* The parts of applying an update of the chain, for a transaction that has more; and side branches
 * in the database. */
#ifndef SPV_STORE_APPLY_H
#define SPV_STORE_APPLY_H

#include "store/db.h"

/* Whether the update fits the stored chain; before the transaction. 0 or an error. */
int spv_apply_check(struct spv_store *s, const struct spv_chain_update *update);
/* Writes it, inside the caller's transaction. */
int spv_apply_write(struct spv_store *s, const struct spv_chain_update *update);
/* It was committed: the store has its tip. */
void spv_apply_note(struct spv_store *s, const struct spv_chain_update *update);

/* Deletes side-branch rows that are malformed, and those beyond the limit, inside the caller's
 * transaction: a file may have any number of them. 0 or an error of the database. */
int spv_branches_prune(struct spv_store *s);

#endif
