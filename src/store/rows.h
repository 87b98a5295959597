/* Writing the rows of the header table, inside the caller's transaction. */
#ifndef SPV_STORE_ROWS_H
#define SPV_STORE_ROWS_H

#include "store/db.h"

/* Each returns 0 or an error of the database. */
int spv_rows_insert(struct spv_store *s, const struct spv_chain_header *entry);
int spv_rows_insert_all(struct spv_store *s, const struct spv_chain_header *headers, size_t n);
/* Deletes the rows above a height. */
int spv_rows_remove_above(struct spv_store *s, int64_t height);
/* An upper bound of the rows that a file of its size has. */
int spv_rows_capacity(struct spv_store *s, int64_t *out);

#endif
