/* Whether the transactions and witnesses of a block are those that its header commits to. A block
 * that passes may still break other consensus rules: its header has the proof of work. */
#ifndef SPV_SPV_FILTERS_BLOCK_CHECK_H
#define SPV_SPV_FILTERS_BLOCK_CHECK_H

#include "spv/block.h"
#include "spv/params.h"

#define SPV_MAX_BLOCK_WEIGHT 4000000 /* BIP141 */

/* Checks a block of a height, whose hash is that of the best chain and which was requested with its
 * witnesses. Returns 0, SPV_ERR_BLOCK_COINBASE, SPV_ERR_BLOCK_WEIGHT, SPV_ERR_MERKLE_DUPLICATE,
 * SPV_ERR_BLOCK_ROOT, SPV_ERR_BLOCK_WITNESS, or SPV_ERR_NOMEM. */
int spv_block_check(const struct spv_block *block, uint32_t height,
                    const struct spv_params *params);

#endif
