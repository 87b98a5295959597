/* Blocks of the best chain as struct spv_point: height and hash together. */
#ifndef SPV_WALLET_CHAIN_POINT_H
#define SPV_WALLET_CHAIN_POINT_H

#include "spv/chain.h"
#include "spv/wallet.h"

/* The block at a height, also the one right below the first stored header. Returns 0,
 * SPV_ERR_DB_DAMAGED when no such header is stored, or an error of the header database. */
int spv_chain_point_get(const struct spv_chain *chain, struct spv_point *out, uint32_t height);
/* Whether a block is on the best chain: 1, 0, or an error. */
int spv_chain_point_is_best(const struct spv_chain *chain, const struct spv_point *point);

#endif
