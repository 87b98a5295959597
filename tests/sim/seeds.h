/* Runs a simulation on many seeds. SPV_SIM_SEEDS is their number; SPV_SIM_SEED runs one and prints
 * its trace. */
#ifndef SPV_TESTS_SIM_SEEDS_H
#define SPV_TESTS_SIM_SEEDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/sim/sim.h"

/* Sets up a simulation and runs it; calls sim_break when the end is not the expected one. */
typedef void scenario_fn(struct sim *sim);

struct seeds_config {
    uint64_t n; /* seeds, unless SPV_SIM_SEEDS is set */
    uint64_t divisor; /* of SPV_SIM_SEEDS, for a slow scenario; 0: 1 */
    unsigned again_every; /* seed 1 and every so many after it run twice; both traces must be equal;
                             0: none runs twice */
    const struct spv_params *params; /* NULL: regtest */
    unsigned reset_permille; /* as in struct sim_config */
};

void seeds_run(scenario_fn *scenario, const struct seeds_config *cfg);
/* Runs the scenario on this seed only, once; not when SPV_SIM_SEED selects another. */
void seeds_run_one(scenario_fn *scenario, const struct seeds_config *cfg, uint64_t seed);
/* Whether all seeds ran: what some of them must meet can be asserted. */
bool seeds_are_many(void);

/* Runs until the client is synced; breaks the simulation unless it is in time and on the tip of
 * the wanted chain. */
void seeds_run_to_sync(struct sim *sim, struct sim_client *client, uint64_t seconds,
                       const struct sim_store *want);

#endif
