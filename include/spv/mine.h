/* Mining for regtest and simnet: test chains, demos, benchmarks. */
#ifndef SPV_MINE_H
#define SPV_MINE_H

#include "spv/chain.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Increments header->nonce until the hash meets the target of header->bits.
 * Returns 0 and fills *hash, SPV_ERR_NOT_FOUND when no nonce is left, or SPV_ERR_INVALID when the
 * bits are malformed. Any thread. */
SPV_API int spv_mine_header(struct spv_header *header, struct spv_blockhash *hash);

struct spv_mine_plan {
    uint32_t n; /* headers */
    uint32_t spacing; /* seconds; 0: the network's 600 */
    uint64_t seed; /* merkle roots are hashes of seed and height: the same plan, the same headers */
    /* Called with each header, which is borrowed; valid during the call. A return other than 0
     * stops mining. NULL: not called. */
    int (*on_header)(void *ctx, const struct spv_chain_header *header);
    void *ctx;
};

/* Mines plan->n headers on the chain's tip, with times plan->spacing apart and bits by the
 * network's rules; the chain accepts each and treats it as stored. The chain's thread. Returns 0,
 * what plan->on_header returned, SPV_ERR_INVALID when a time does not fit 32 bits,
 * SPV_ERR_NOT_FOUND, an error of spv_chain_accept, or the error for which the chain rejected a
 * header. */
SPV_API int spv_mine_chain(struct spv_chain *c, const struct spv_mine_plan *plan);

#ifdef __cplusplus
}
#endif

#endif
