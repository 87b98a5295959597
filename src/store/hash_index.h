/* The index that finds a header by its hash. */
#ifndef SPV_STORE_HASH_INDEX_H
#define SPV_STORE_HASH_INDEX_H

#include "store/db.h"

/* The index slows inserts and deletes tenfold: before more rows than this are inserted or deleted
 * it is dropped. It is built again afterwards, or when the chain is complete. */
#define SPV_HASH_INDEX_BULK 20000

/* Whether the index is in the file: 1, 0, or an error of the database. */
int spv_hash_index_exists(struct spv_store *s);

/* Whether hashes can be looked up: 1, 0, or an error of the database. A reader that has found no
 * index checks again: the writer may have built it since. */
int spv_hash_index_find(struct spv_store *s);

/* Drops the index, inside the caller's transaction. */
int spv_hash_index_drop(struct spv_store *s);

#endif
