/* Judges headers one after the other: all that the rules need to know of the headers before,
 * carried along, so that judging a header costs the same anywhere in any chain. Copyable by value.
 */
#ifndef SPV_SPV_CHAIN_HEADER_CTX_H
#define SPV_SPV_CHAIN_HEADER_CTX_H

#include <stdbool.h>

#include "spv/chain/consensus.h"
#include "spv/header.h"
#include "spv/params.h"

#define SPV_HEADER_CTX_TARGETS 4 /* bits seen last; test networks go back and forth between two */

/* Decoded bits. */
struct spv_target {
    uint32_t bits; /* 0: empty, no target has these */
    struct spv_u256 target;
    struct spv_u256 work;
};

struct spv_header_ctx {
    const struct spv_params *params;
    struct spv_consensus_parent parent; /* the last header */
    struct spv_blockhash hash; /* its hash and cumulative work */
    struct spv_u256 work;
    struct spv_median median;
    struct spv_target targets[SPV_HEADER_CTX_TARGETS];
    uint32_t next_target; /* the slot that gives way */
};

/* The rules apart from links, checkpoints and the clock, for a header after the last one: 0, and
 * its place is written to *out (record->hash is the header's), or SPV_ERR_HDR_*. */
int spv_header_ctx_check(struct spv_header_ctx *j, struct spv_chain_header *record);

/* Makes a judged header the last one. Returns its real bits. */
uint32_t spv_header_ctx_connect(struct spv_header_ctx *j, const struct spv_chain_header *record);

/* The work of one block with these bits and whether the hash meets them; for headers that were
 * judged before. 0 or SPV_ERR_HDR_*. */
int spv_header_ctx_check_pow(struct spv_header_ctx *j, struct spv_u256 *work,
                             const struct spv_header *header, const struct spv_blockhash *hash);

#endif
