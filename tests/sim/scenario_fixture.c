/* Runs scenarios and checks their expected end. */
#include "scenario_fixture.h"

#include <stdio.h>

#include "spv/mine.h"

#define SEEDS 20
#define STABLE_TIME (3600 * SPV_SECOND) /* the expected end must last */

void scenario_run(scenario_fn *scenario, const struct spv_params *params)
{
    seeds_run(scenario, &(struct seeds_config){.n = SEEDS, .again_every = 4, .params = params});
}

void scenario_run_seed(scenario_fn *scenario, const struct spv_params *params, uint64_t seed)
{
    seeds_run_one(scenario, &(struct seeds_config){.params = params}, seed);
}

void scenario_filter(void)
{
    if (getenv("SPV_SIM_TEST"))
        cmocka_set_test_filter(getenv("SPV_SIM_TEST"));
}

bool scenario_on_tip(const struct sim_client *client, const struct sim_store *store)
{
    return spv_blockhash_eq(&sim_store_tip(sim_client_store(client))->hash,
                            &sim_store_tip(store)->hash);
}

static bool is_at_end(struct sim *sim, void *ctx)
{
    const struct scenario_expected *e = ctx;
    return sim_client_synced(sim, e->client) && scenario_on_tip(e->client, e->want);
}

static void check_end(struct sim *sim, const struct scenario_expected *e)
{
    if (!scenario_on_tip(e->client, e->want))
        sim_break(sim, "the client left the best chain that an honest server offered");
    if (!sim_client_synced(sim, e->client))
        sim_break(sim, "the client is on the best chain but emitted no SYNCED");
    if (sim_client_growth(e->client) > SCENARIO_GROWTH)
        sim_break(sim, "the node's memory grew too much");
    for (size_t i = 0; i < sim_servers(sim); i++) {
        const bool is_misbehaving = (e->misbehaving >> i & 1) != 0;
        if (!is_misbehaving && sim_server_bans(sim, i) > 0)
            sim_break(sim, "a server that sent no invalid data was banned");
        if (is_misbehaving && e->all_banned && sim_server_bans(sim, i) == 0)
            sim_break(sim, "a misbehaving server was not banned");
        if (sim_server_bans(sim, i) > 1)
            sim_break(sim, "a banned server was dialled again within the hour");
    }
}

void scenario_check(struct sim *sim, const struct scenario_expected *e)
{
    struct scenario_expected copy = *e;
    const uint64_t seconds = e->seconds != 0 ? e->seconds : 1800;
    if (sim_run(sim, seconds * SPV_SECOND, is_at_end, &copy) == 0)
        sim_break(sim, "the best chain that an honest server offered was not reached in time");
    if (!sim_broken(sim))
        sim_run(sim, STABLE_TIME, NULL, NULL);
    if (!sim_broken(sim))
        check_end(sim, e);
}

size_t scenario_servers(struct sim *sim, size_t n, const struct sim_server_config *cfg)
{
    const size_t first = sim_servers(sim);
    for (size_t i = 0; i < n; i++)
        sim_add_server(sim, cfg);
    return first;
}

void scenario_checkpoints(struct spv_checkpoint *out, size_t n, const struct sim_store *chain,
                          uint32_t each)
{
    for (size_t i = 0; i < n; i++) {
        const struct spv_chain_header *r = &chain->at[(i + 1) * each];
        out[i] = (struct spv_checkpoint){.height = r->height, .hash = r->hash, .work = r->work};
    }
}

uint32_t scenario_random(struct sim *sim, uint32_t from, uint32_t to)
{
    return from + (uint32_t)test_random_below(sim_random(sim), (uint64_t)to - from + 1);
}

struct spv_params scenario_params(bool bip94)
{
    struct spv_params p = *spv_params_get(SPV_REGTEST);
    struct spv_blockhash hash;
    p.target_timespan = SCENARIO_INTERVAL * p.target_spacing;
    p.no_retarget = false;
    p.min_difficulty = bip94;
    p.bip94 = bip94;
    p.genesis.time = SIM_UNIX - SCENARIO_LENGTH * p.target_spacing;
    p.genesis.nonce = 0;
    if (spv_mine_header(&p.genesis, &hash) < 0)
        abort();
    return p;
}

void scenario_mine(struct sim_store *out, const struct spv_params *params, uint64_t seed)
{
    sim_store_init(out, params);
    sim_store_grow(out, 2 * SCENARIO_INTERVAL - 1, params->target_spacing / 4, seed);
    sim_store_grow(out, SCENARIO_LENGTH - 2 * SCENARIO_INTERVAL + 1, 0, seed);
}
