/* The built-in filter headers of each network, that of genesis first. */
#ifndef SPV_SPV_PARAMS_FILTER_CHECKPOINTS_H
#define SPV_SPV_PARAMS_FILTER_CHECKPOINTS_H

#include "spv/params.h"

#define SPV_N_FILTER_CHECKPOINTS_MAINNET 6
#define SPV_N_FILTER_CHECKPOINTS_TESTNET3 9
#define SPV_N_FILTER_CHECKPOINTS_TESTNET4 1
#define SPV_N_FILTER_CHECKPOINTS_SIGNET 1
#define SPV_N_FILTER_CHECKPOINTS_REGTEST 1
#define SPV_N_FILTER_CHECKPOINTS_SIMNET 1

extern const struct spv_filter_checkpoint
    spv_filter_checkpoints_mainnet[SPV_N_FILTER_CHECKPOINTS_MAINNET];
extern const struct spv_filter_checkpoint
    spv_filter_checkpoints_testnet3[SPV_N_FILTER_CHECKPOINTS_TESTNET3];
extern const struct spv_filter_checkpoint
    spv_filter_checkpoints_testnet4[SPV_N_FILTER_CHECKPOINTS_TESTNET4];
extern const struct spv_filter_checkpoint
    spv_filter_checkpoints_signet[SPV_N_FILTER_CHECKPOINTS_SIGNET];
extern const struct spv_filter_checkpoint
    spv_filter_checkpoints_regtest[SPV_N_FILTER_CHECKPOINTS_REGTEST];
extern const struct spv_filter_checkpoint
    spv_filter_checkpoints_simnet[SPV_N_FILTER_CHECKPOINTS_SIMNET];

#endif
