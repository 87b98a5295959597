/* Finds a header of the database by its hash. */
#ifndef SPV_FIND_HEADER_H
#define SPV_FIND_HEADER_H

#include "spv/store.h"

/* Called while headers are scanned; may be NULL. */
typedef void find_header_progress(void *ctx, uint32_t height, uint32_t tip);

/* Finds a header by hash, also on side branches (*best is false then). Without the hash index, and
 * for side branches, all headers are scanned. Returns 1, 0 when it is not stored, or an error of
 * the store (spv_store_last_error), SPV_ERR_INTERRUPTED after a stop signal. */
int find_header(struct spv_store *store, struct spv_chain_header *out, bool *best,
                const struct spv_blockhash *hash, find_header_progress *progress, void *ctx);

#endif
