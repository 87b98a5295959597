/* Checks of single rows, and the genesis row. */
#ifndef SPV_STORE_ROW_CHECK_H
#define SPV_STORE_ROW_CHECK_H

#include "store/db.h"

/* NULL, or what is wrong with a row, as the end of a sentence that begins "the header". The row's
 * previous hash is filled in. check_pow: its hash and proof of work; writes its target. check: also
 * its work, on top of the row below. genesis_check: row 0 is the network's genesis. */
const char *spv_row_check_pow(struct spv_u256 *target, const struct spv_chain_header *r);
const char *spv_row_check(const struct spv_chain_header *below, const struct spv_chain_header *r);
const char *spv_genesis_check(const struct spv_store *s, const struct spv_chain_header *r);

/* The network's genesis as a row. */
void spv_genesis_header(const struct spv_store *s, struct spv_chain_header *out);
/* The same, and stores it as row 0, inside the caller's transaction. 0 or an error of the database.
 */
int spv_genesis_store(struct spv_store *s, struct spv_chain_header *out);

#endif
