/* What can still be read of a damaged file, written into a new one. */
#ifndef SPV_STORE_SALVAGE_H
#define SPV_STORE_SALVAGE_H

#include "spv/store.h"

/* Whose headers the damaged file holds, into *params when cfg names none, and whether it is ours at
 * all. 0; SPV_ERR_DB_NETWORK, _DB_NEWER: hands off; SPV_ERR_DB_DAMAGED: another program's, hands
 * off; SPV_ERR_INVALID: the file cannot say and cfg does not. *readable: there are tables to read.
 */
int spv_salvage_probe(struct spv_params *params, bool *readable,
                      const struct spv_verify_config *cfg, const char *path,
                      struct spv_error_info *why);

/* Makes the new database `fresh` from the rows of `path` up to the first that does not hold, or up
 * to height `limit` (-1: none). readable false: just the genesis. Also takes over, as far as it can
 * be read, every other table that both have. Fills *height, the new tip. SPV_ERR_INTERRUPTED: what
 * is in `fresh` then is not all. */
int spv_salvage_rows(int64_t *height, const char *fresh, const char *path,
                     const struct spv_params *params, bool readable, int64_t limit,
                     struct spv_interrupt *stop, struct spv_error_info *why);

#endif
