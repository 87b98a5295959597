/* Test chains of complete blocks, with the spent output scripts that a filter needs and the filters
 * themselves (filters.h). Built on genesis of regtest by a seed; the same seed gives the same
 * blocks. Forks share blocks. Out of memory ends the program, as in sim.h. */
#ifndef SPV_TESTS_SUPPORT_SIM_BLOCKS_H
#define SPV_TESTS_SUPPORT_SIM_BLOCKS_H

#include "spv/block.h"
#include "support/sim/coins.h"
#include "support/sim/filters.h"
#include "support/sim/sim.h"

/* Outputs to keys below it, of each kind, belong to the wallet whose scripts tests watch. */
#define SIM_WALLET_KEYS 8

struct sim_block {
    unsigned owners; /* chains that share it */
    uint8_t *bytes;
    size_t n;
    struct spv_block parsed; /* points into bytes */
    struct spv_blockhash hash;
    struct sim_coin *created; /* outputs but OP_RETURN ones */
    size_t n_created;
    struct sim_coin *spent; /* in the order of the inputs, without the coinbase */
    size_t n_spent;
};

struct sim_blocks {
    struct sim_store store; /* the headers */
    struct sim_block **at; /* by height, as many as headers */
    size_t cap;
    struct sim_filters filters; /* of these blocks: the true ones */
    struct sim_coin *coins; /* unspent */
    size_t n_coins, coins_cap;
};

/* What blocks consist of. */
struct sim_blocks_plan {
    uint32_t n; /* blocks */
    uint64_t seed;
    unsigned txs_min, txs_max; /* transactions in each besides the coinbase; 0, 0: up to 3 */
    unsigned wallet_in; /* one output in so many is the wallet's; 0: 16 */
    unsigned kinds; /* bit k: outputs of enum sim_coin_kind k; 0: all but SIM_FALSE_ ones */
};

void sim_blocks_init(struct sim_blocks *blocks, const struct spv_params *params); /* genesis */
void sim_blocks_free(struct sim_blocks *blocks);
/* Mines blocks on the tip. */
void sim_blocks_grow(struct sim_blocks *blocks, const struct sim_blocks_plan *plan);
/* Creates a fork: base's blocks up to fork_height, then newly mined ones. */
void sim_blocks_fork(struct sim_blocks *out, const struct sim_blocks *base, uint32_t fork_height,
                     const struct sim_blocks_plan *plan);
/* Mines a block with given transactions on the tip, the coinbase first. They have no witnesses, and
 * their outputs are no coins of the chain. spent: the scripts that the others spend, in order. */
void sim_blocks_put(struct sim_blocks *blocks, const struct spv_bytes *txs, size_t n,
                    const struct spv_bytes *spent, size_t n_spent, uint64_t seed);
/* Appends a block that is there already. Returns NULL, or what is wrong with its header. */
const char *sim_blocks_load(struct sim_blocks *blocks, const uint8_t *bytes, size_t n,
                            const struct spv_bytes *spent, size_t n_spent);
/* The block with a hash, or NULL; its height into *height, which may be NULL. */
const struct sim_block *sim_blocks_find(const struct sim_blocks *blocks, uint32_t *height,
                                        const struct spv_blockhash *hash);

/* The wallet's scripts; valid until the program ends. */
const struct spv_bytes *sim_wallet_scripts(size_t *n);
bool sim_wallet_has(const struct sim_coin *coin);
/* Whether a block pays the wallet or spends its coins: what a scan must find. */
bool sim_wallet_in_block(const struct sim_block *block);
/* Whether a transaction of the block does, by its position in it. */
bool sim_wallet_in_tx(const struct sim_block *block, size_t position);

#endif
