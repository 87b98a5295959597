/* Outputs of the blocks that were fetched, as evidence about filters: a txid commits to the scripts
 * of its outputs, so the filter of a later block that spends one of them must contain its script.
 * This does not depend on the chain: it holds after a reorganisation, too.
 *
 * A cache of bounded size: the oldest outputs are forgotten. */
#ifndef SPV_SPV_FILTERS_OUTPUT_CACHE_H
#define SPV_SPV_FILTERS_OUTPUT_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "spv/block.h"

/* ours: outputs, 5 MB, those of about ten full blocks; most outputs are spent soon or never */
#define SPV_OUTPUT_CACHE_ENTRIES 65536
/* ours: bytes of a script: P2WSH, taproot and a compressed key with OP_CHECKSIG fit; longer ones
 * are rare and left out */
#define SPV_OUTPUT_CACHE_SCRIPT_BYTES 35

struct spv_output_cache;

/* No memory is used before the first block. */
int spv_output_cache_new(struct spv_output_cache **out, const struct spv_rng *rng);
void spv_output_cache_free(struct spv_output_cache *c);

/* Adds the outputs of a block whose merkle root was checked. Returns 0 or SPV_ERR_NOMEM. */
int spv_output_cache_add(struct spv_output_cache *c, const struct spv_block *block);
/* Returns true and the script of an output, valid until the next block is added; or false. */
bool spv_output_cache_find(const struct spv_output_cache *c, struct spv_bytes *script,
                           const struct spv_txid *txid, uint32_t index);

size_t spv_output_cache_memory(const struct spv_output_cache *c);

#endif
