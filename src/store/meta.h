/* The meta table: keys and values. */
#ifndef SPV_STORE_META_H
#define SPV_STORE_META_H

#include "store/db.h"

/* Copies the value of a key, as text, into out. 1; 0: there is no such key; SPV_ERR_DB_DAMAGED: it
 * does not fit into cap bytes or has a NUL inside; or another error of the database. */
int spv_meta_get(struct spv_store *s, char *out, size_t cap, const char *key);

/* The same for a value on which nothing depends: a malformed one is empty, with 1. */
int spv_meta_get_info(struct spv_store *s, char *out, size_t cap, const char *key);

/* The rest returns 0 or an error of the database. */
int spv_meta_set(struct spv_store *s, const char *key, const char *text);
int spv_meta_set_integer(struct spv_store *s, const char *key, int64_t x);
int spv_meta_remove(struct spv_store *s, const char *key);
/* Writes height, hash and work of the tip, inside the transaction that changes the rows. */
int spv_meta_set_tip(struct spv_store *s, const struct spv_chain_header *tip);

#endif
