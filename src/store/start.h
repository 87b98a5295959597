/* The start of the chain: its height, and hash and work of the header below it, kept as metadata.
 */
#ifndef SPV_STORE_START_H
#define SPV_STORE_START_H

#include "store/db.h"

/* SPV_ERR_STATE: the headers do not fit the stored chain; what: why. */
int spv_start_mismatch(struct spv_store *s, const char *what);

/* Reads the start from the metadata into the store. 0; SPV_ERR_DB_DAMAGED: it is malformed; or
 * another error of the database. */
int spv_start_load(struct spv_store *s);

/* A reader that misses a row loads the start again: the writer may have moved it. 1: it had moved,
 * 0: it had not (always for a writer), or an error as above. */
int spv_start_moved(struct spv_store *s);

/* Writes the start, inside the caller's transaction. Height 0, or NULL for parent or work, removes
 * it. */
int spv_start_write(struct spv_store *s, const struct spv_chain_start *start,
                    const struct spv_blockhash *parent, const struct spv_u256 *work);

/* Writes the rows of a CHECKPOINT_START update, inside the caller's transaction. */
int spv_start_apply(struct spv_store *s, const struct spv_chain_update *c);

/* A CHECKPOINT_START or BACKFILL update is committed: updates the store's start and tip. */
void spv_start_applied(struct spv_store *s, const struct spv_chain_update *c);

#endif
