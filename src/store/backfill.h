/* The gap between genesis and the start of the chain, and how it is backfilled. */
#ifndef SPV_STORE_BACKFILL_H
#define SPV_STORE_BACKFILL_H

#include "store/db.h"

/* Deletes the backfilled headers, inside the caller's transaction. */
int spv_backfill_clear(struct spv_store *s);

/* Writes the rows of a BACKFILL update, inside the caller's transaction; the update that reaches
 * the start joins them to the chain. */
int spv_backfill_apply(struct spv_store *s, const struct spv_chain_update *c);

#endif
