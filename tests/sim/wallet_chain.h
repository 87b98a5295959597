/* Random chains for wallets: blocks whose transactions the model of wallets knows
 * (unit/spv/wallet/wallet_model.h), with payments that jump over gaps, spends and double spends,
 * and forks; each served by the simulator's filter servers. */
#ifndef SPV_TESTS_SIM_WALLET_CHAIN_H
#define SPV_TESTS_SIM_WALLET_CHAIN_H

#include "unit/spv/wallet/wallet_model.h"

#include "support/random.h"
#include "support/sim/blocks.h"

#define WALLET_CHAINS 48 /* best chains, one after the other */
#define WALLET_XPUB                                                                                \
    "tpubDCwf7iLkApvAxZE8pJckS47pkp3oxUjAcRKVH3oo8RBri2GmxTum8uXGvm2ukTeD5PgHUbWKXH8h6WXznjLjmm"   \
    "WiQizU1dVk2aFJTz212Li"

/* The descriptors of the model's chains of scripts. */
extern const char *const wallet_chain_texts[MODEL_CHAINS];
/* cmocka's setup and teardown of the group: the scripts. */
int wallet_chain_setup(void **state);
int wallet_chain_teardown(void **state);

struct wallet_chain {
    struct model m; /* heights are those on the last chain */
    struct test_random r;
    struct sim_blocks chains[WALLET_CHAINS];
    size_t n;
    uint32_t salt;
};

/* Genesis alone. Without watches yet: `m` is zeroed but for them. */
void wallet_chain_init(struct wallet_chain *w, uint64_t seed);
void wallet_chain_free(struct wallet_chain *w);
struct sim_blocks *wallet_chain_best(struct wallet_chain *w);
bool wallet_chain_is_full(const struct wallet_chain *w);
/* A chain that leaves the last one `depth` blocks below its tip, and has n blocks above that. */
void wallet_chain_grow(struct wallet_chain *w, uint32_t depth, uint32_t n);
uint64_t wallet_chain_below(struct wallet_chain *w, uint64_t n);
bool wallet_chain_chance(struct wallet_chain *w, unsigned percent);

#endif
