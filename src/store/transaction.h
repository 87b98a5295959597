/* The open transaction of deferred updates. */
#ifndef SPV_STORE_TRANSACTION_H
#define SPV_STORE_TRANSACTION_H

#include "store/db.h"

/* Commits the deferred updates, if there are any, and begins a transaction. 0 or an error of the
 * database. */
int spv_transaction_commit_and_begin(struct spv_store *s);

/* Joins the open transaction of deferred updates, or begins one. 0 or an error of the database. */
int spv_transaction_join(struct spv_store *s);
/* After a deferred update that has written as much as n headers, at least 1: leaves the transaction
 * open, or commits a large one. 0 or an error of the database. */
int spv_transaction_leave(struct spv_store *s, size_t n);

/* Rolls back the open transaction with all deferred updates in it. Returns rc. */
int spv_transaction_undo(struct spv_store *s, int rc);

#endif
