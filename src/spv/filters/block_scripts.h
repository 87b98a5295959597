/* What a block proves about its filter. The filter cannot be computed from the block alone, because
 * the scripts of the outputs that it spends are in other blocks; but it can prove many filters
 * invalid:
 *
 *     outputs     all their scripts are elements
 *     known       prevout scripts that are certain: of an output of the same block, of one that the
 *                 caller knows (the txid commits to it), or of a P2SH output around a witness
 *                 program (BIP141 allows a witness beside a scriptSig for nothing else)
 *     inferred    prevout scripts of the other inputs, by their shape: an input can be made so that
 *                 the inference is wrong, so these prove nothing
 *     count       at least the distinct output and known prevout scripts, at most the distinct
 *                 output scripts and one script per input */
#ifndef SPV_SPV_FILTERS_BLOCK_SCRIPTS_H
#define SPV_SPV_FILTERS_BLOCK_SCRIPTS_H

#include <stdbool.h>
#include <stddef.h>

#include "spv/block.h"
#include "spv/filter.h"

/* Outputs that the caller knows for certain. find() returns true and *script, valid until
 * spv_block_scripts_new returns, or false for an output that it does not know. */
struct spv_known_outputs {
    bool (*find)(void *ctx, struct spv_bytes *script, const struct spv_txid *txid, uint32_t index);
    void *ctx;
};

struct spv_block_scripts;

/* Reads a block whose merkle root and witness commitment were checked; nothing of it is copied or
 * borrowed. known may be NULL. Returns 0 or SPV_ERR_NOMEM; *out is NULL after an error. */
int spv_block_scripts_new(struct spv_block_scripts **out, const struct spv_block *block,
                          bool segwit_active, const struct spv_known_outputs *known);
void spv_block_scripts_free(struct spv_block_scripts *block_scripts);

/* How a filter compares with the block. */
struct spv_filter_check_result {
    /* Why the filter is proven invalid: SPV_ERR_FILTER_OUTPUT, _PREVOUT, _COUNT, or an error of
     * spv_filter_decode; 0: nothing is proven. */
    int error;
    size_t n_inferred; /* distinct inferred scripts; 0 when it is proven invalid */
    size_t n_inferred_missing; /* inferred scripts that the filter lacks */
};

/* Compares a filter of this block, whose hash is that of filter->block. Returns 0 or
 * SPV_ERR_NOMEM. */
int spv_block_scripts_check_filter(struct spv_filter_check_result *out,
                                   const struct spv_block_scripts *block_scripts,
                                   const struct spv_filter *filter);

#endif
