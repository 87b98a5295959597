/* Mining for regtest and simnet: test chains, demos, benchmarks. */
#ifndef SPV_MINE_H
#define SPV_MINE_H

#include "spv/chain.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Finds a nonce (from header->nonce up) whose hash is at or below the target of the header's bits.
 * Fills *hash. SPV_ERR_NOT_FOUND when the nonces are exhausted, SPV_ERR_INVALID on bad bits. */
SPV_API int spv_mine_header(struct spv_header *header, struct spv_blockhash *hash);

/* Mines n headers on top of the chain's tip, deterministic from seed: merkle roots from seed and
 * height, times `spacing` seconds apart, bits by the network's rules. Each is accepted by the chain
 * and handed to sink (may be NULL; a non-zero return stops and is returned). */
struct spv_mine_plan {
    uint32_t n;
    uint32_t spacing; /* seconds; 0: the network's 600 */
    uint64_t seed;
    int (*sink)(void *ctx, const struct spv_chain_header *record);
    void *ctx;
};
SPV_API int spv_mine_chain(struct spv_chain *c, const struct spv_mine_plan *plan);

#ifdef __cplusplus
}
#endif

#endif
