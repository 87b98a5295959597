/* The built-in filter headers of the public networks. */
#ifndef SPV_SPV_PARAMS_FILTER_CHECKPOINTS_H
#define SPV_SPV_PARAMS_FILTER_CHECKPOINTS_H

#include "spv/params.h"

#define SPV_N_FILTER_CHECKPOINTS_MAINNET 5
#define SPV_N_FILTER_CHECKPOINTS_TESTNET3 8

extern const struct spv_filter_checkpoint
    spv_filter_checkpoints_mainnet[SPV_N_FILTER_CHECKPOINTS_MAINNET];
extern const struct spv_filter_checkpoint
    spv_filter_checkpoints_testnet3[SPV_N_FILTER_CHECKPOINTS_TESTNET3];

#endif
