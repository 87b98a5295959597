/* Validates headers one after the other. The context has all that the rules need of the headers
 * before, so each header costs the same in any branch at any height. Copyable by value.
 * (Bitcoin Core: ContextualCheckBlockHeader, CheckProofOfWork) */
#ifndef SPV_SPV_CHAIN_HEADER_CTX_H
#define SPV_SPV_CHAIN_HEADER_CTX_H

#include <stdbool.h>

#include "spv/chain/consensus.h"
#include "spv/header.h"
#include "spv/params.h"

/* decoded bits that are cached; test networks alternate between two values */
#define SPV_HEADER_CTX_TARGETS 4

/* Decoded bits. */
struct spv_target {
    uint32_t bits; /* 0: empty; no valid target has bits 0 */
    struct spv_u256 target;
    struct spv_u256 work;
};

struct spv_header_ctx {
    const struct spv_params *params;
    struct spv_consensus_parent parent; /* the last header, the parent of the next one */
    struct spv_blockhash hash; /* its hash and cumulative work */
    struct spv_u256 work;
    struct spv_median median;
    struct spv_target targets[SPV_HEADER_CTX_TARGETS];
    uint32_t next_target; /* the slot that is overwritten next */
};

/* Checks all rules except prev hash, checkpoints and the two-hour limit for a child of the last
 * header. entry->header and entry->hash are set. Returns 0 and fills entry's height and chain work,
 * or SPV_ERR_HDR_*. */
int spv_header_ctx_check(struct spv_header_ctx *ctx, struct spv_chain_header *entry);

/* Makes a checked header the last one. Returns its last_non_min_diff_bits. */
uint32_t spv_header_ctx_connect(struct spv_header_ctx *ctx, const struct spv_chain_header *entry);

/* Checks proof of work alone, for headers that were validated before. Returns 0 and the work of one
 * block with these bits, or SPV_ERR_HDR_*. */
int spv_header_ctx_check_pow(struct spv_header_ctx *ctx, struct spv_u256 *work,
                             const struct spv_header *header, const struct spv_blockhash *hash);

#endif
