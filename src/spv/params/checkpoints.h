/* The built-in checkpoints of the public networks: generated tables, one per network. */
#ifndef SPV_SPV_PARAMS_CHECKPOINTS_H
#define SPV_SPV_PARAMS_CHECKPOINTS_H

#include <stddef.h>
#include <stdint.h>

#include "spv/params.h"
#include "spv/params/checkpoints_count.h"

/* Converts a hash, as four 64-bit words in display order, to its bytes in internal order. */
#define SPV_HASH_WORD(w)                                                                           \
    (uint8_t)((w)&0xff), (uint8_t)((w) >> 8 & 0xff), (uint8_t)((w) >> 16 & 0xff),                  \
        (uint8_t)((w) >> 24 & 0xff), (uint8_t)((w) >> 32 & 0xff), (uint8_t)((w) >> 40 & 0xff),     \
        (uint8_t)((w) >> 48 & 0xff), (uint8_t)((w) >> 56 & 0xff)
#define SPV_HASH(a, b, c, d)                                                                       \
    {                                                                                              \
        {                                                                                          \
            SPV_HASH_WORD(UINT64_C(d)), SPV_HASH_WORD(UINT64_C(c)), SPV_HASH_WORD(UINT64_C(b)),    \
                SPV_HASH_WORD(UINT64_C(a))                                                         \
        }                                                                                          \
    }

/* A line of a table. work_high, work_low: the low 128 bits of the chain work, which suffice for
 * every network so far. */
#define SPV_CHECKPOINT(height, a, b, c, d, next_time, work_high, work_low)                         \
    {                                                                                              \
        height, SPV_HASH(a, b, c, d), next_time,                                                   \
        {                                                                                          \
            {                                                                                      \
                UINT64_C(work_low), UINT64_C(work_high), 0, 0                                      \
            }                                                                                      \
        }                                                                                          \
    }

extern const struct spv_checkpoint spv_checkpoints_mainnet[SPV_N_CHECKPOINTS_MAINNET];
extern const struct spv_checkpoint spv_checkpoints_testnet3[SPV_N_CHECKPOINTS_TESTNET3];
extern const struct spv_checkpoint spv_checkpoints_testnet4[SPV_N_CHECKPOINTS_TESTNET4];
extern const struct spv_checkpoint spv_checkpoints_signet[SPV_N_CHECKPOINTS_SIGNET];

#endif
