/* Fixed seeds, for when no DNS seed answers: some peers of each public network that were reachable
 * when the list was made. testnet3 has none: no list of its nodes is published any more. */
#ifndef SPV_SPV_PARAMS_FIXED_SEEDS_H
#define SPV_SPV_PARAMS_FIXED_SEEDS_H

#include "spv/message.h"
#include "spv/params.h"

extern const struct spv_fixed_seeds spv_fixed_seeds_mainnet;
extern const struct spv_fixed_seeds spv_fixed_seeds_signet;
extern const struct spv_fixed_seeds spv_fixed_seeds_testnet4;

#endif
