/* Copies the readable part of a damaged file into a new one. */
#ifndef SPV_STORE_SALVAGE_H
#define SPV_STORE_SALVAGE_H

#include "spv/store.h"

/* Finds the network of the damaged file, into *params when cfg names none, and whether the file is
 * ours. Returns 0; SPV_ERR_DB_NETWORK, SPV_ERR_DB_NEWER or SPV_ERR_DB_DAMAGED (another program's
 * file): it must not be changed; SPV_ERR_INVALID: neither file nor cfg names the network; or a
 * database error. *readable: there are tables to read. */
int spv_salvage_probe(struct spv_params *params, bool *readable,
                      const struct spv_verify_config *cfg, const char *path,
                      struct spv_error_info *why);

/* Creates the database `fresh` from the rows of `path` up to the first invalid one, or up to height
 * `limit` (-1: none). readable false: only the genesis. Also copies every other table that both
 * have, as far as it can be read. *height: the new tip. *rescan: the wallet's transactions are to
 * be searched for again. Returns 0, SPV_ERR_INTERRUPTED (`fresh` is not complete), SPV_ERR_STATE
 * (the wallet cannot be kept) or a database error. */
int spv_salvage_rows(int64_t *height, bool *rescan, const char *fresh, const char *path,
                     const struct spv_params *params, bool readable, int64_t limit,
                     struct spv_interrupt *stop, struct spv_error_info *why);

#endif
