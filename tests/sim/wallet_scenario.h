/* Scenarios of a client with a wallet: a random chain, servers of it, and steps that a random
 * script takes. */
#ifndef SPV_TESTS_SIM_WALLET_SCENARIO_H
#define SPV_TESTS_SIM_WALLET_SCENARIO_H

#include "wallet_client.h"

#define WALLET_SERVERS 3
#define WALLET_SERVICES                                                                            \
    (SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_COMPACT_FILTERS | SPV_NODE_BLOOM)

struct wallet_scenario {
    struct wallet_chain chain;
    struct wallet_client client;
    size_t servers;
};

/* A new one, with up to 60 blocks. It lives until the next one begins, as the simulation borrows
 * from it, or until wallet_scenario_free_last. */
struct wallet_scenario *wallet_scenario_begin(struct sim *sim);
void wallet_scenario_free_last(void);
void wallet_scenario_add_servers(struct wallet_scenario *s, size_t n);
void wallet_scenario_run(struct wallet_scenario *s, uint64_t us);
/* n blocks above one that is `depth` below the tip; announced. */
void wallet_scenario_grow(struct wallet_scenario *s, uint32_t depth, uint32_t n);
/* A random step: blocks, a reorganisation, an index that is reserved, a late watch, a restart. */
void wallet_scenario_act(struct wallet_scenario *s);
/* So many seconds of random steps. */
void wallet_scenario_act_many(struct wallet_scenario *s);
/* Demands that the wallet says in the end what the model says. */
void wallet_scenario_end(struct wallet_scenario *s);

#endif
