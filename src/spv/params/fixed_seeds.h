/* Places to begin with when DNS says nothing: a few peers of each public network that were there
 * when the list was made. testnet3 has none: nobody publishes a list of its nodes any more. */
#ifndef SPV_SPV_PARAMS_FIXED_SEEDS_H
#define SPV_SPV_PARAMS_FIXED_SEEDS_H

#include "spv/message.h"
#include "spv/params.h"

extern const struct spv_fixed_seeds spv_fixed_seeds_mainnet;
extern const struct spv_fixed_seeds spv_fixed_seeds_signet;
extern const struct spv_fixed_seeds spv_fixed_seeds_testnet4;

#endif
