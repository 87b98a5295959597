/* Clients with checkpoints above their tip, and servers that disconnect, are mute, slow, behind
 * or misbehaving, on many seeds. SPV_SIM_SEEDS is their number (default 20); SPV_SIM_SEED runs
 * one and prints its trace. */
#include "seeds.h"

#define SEEDS 20
#define PERIOD 2016
#define N_CHECKPOINTS 4
#define LENGTH (N_CHECKPOINTS * PERIOD + 200)
#define HALF 5000 /* within the third segment */

static struct sim_store chain; /* the chain of the checkpoints */
static struct sim_store half; /* its first half */
static struct sim_store
    false_chain; /* forks at 3,000, below the second checkpoint, and is longer */
static struct sim_store early_fork; /* forks at 1,000, below the first checkpoint, 500 headers */
static struct spv_checkpoint checkpoints[N_CHECKPOINTS];

static int mine_chains(void **state)
{
    (void)state;
    sim_store_mine(&chain, spv_params_get(SPV_REGTEST), LENGTH, 1);
    sim_store_fork(&half, &chain, HALF, 0, 2);
    sim_store_fork(&false_chain, &chain, 3000, LENGTH, 3);
    sim_store_fork(&early_fork, &chain, 1000, 500, 4);
    for (uint32_t i = 0; i < N_CHECKPOINTS; i++) {
        const struct spv_chain_header *r = &chain.at[(i + 1) * PERIOD - 1];
        checkpoints[i] = (struct spv_checkpoint){.height = r->height, .hash = r->hash};
    }
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&chain);
    sim_store_free(&half);
    sim_store_free(&false_chain);
    sim_store_free(&early_fork);
    return 0;
}

static uint64_t all_bans; /* over all simulations of a test: shows that bans did happen */

static void run_on_seeds(scenario_fn *scenario, unsigned reset_permille)
{
    seeds_run(scenario, &(struct seeds_config){.n = SEEDS, .reset_permille = reset_permille});
}

static struct sim_client *add_client(struct sim *sim)
{
    return sim_add_client(sim, &(struct sim_client_config){.checkpoints = checkpoints,
                                                           .n_checkpoints = N_CHECKPOINTS});
}

static void expect_bans(struct sim *sim, const struct sim_client *client, uint64_t least,
                        uint64_t most)
{
    const uint64_t bans = sim_client_events(client, SPV_EVENT_BANNED);
    all_bans += bans;
    if (bans < least || bans > most)
        sim_break(sim, "the wrong number of peers was banned");
}

static void two_and_a_mute_one(struct sim *sim)
{
    const size_t mute = test_random_below(sim_random(sim), 3);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain, .mute = i == mute});
    struct sim_client *client = add_client(sim);
    seeds_run_to_sync(sim, client, 1800, &chain);
    expect_bans(sim, client, 0, 0);
}

static void the_tip_is_reached_beside_a_mute_peer(void **state)
{
    (void)state;
    run_on_seeds(two_and_a_mute_one, 0);
}

static void the_tip_is_reached_though_connections_reset(void **state)
{
    (void)state;
    run_on_seeds(two_and_a_mute_one, 20);
}

static void slow_server(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){.chain = &chain, .bytes_per_s = 3000});
    sim_add_server(sim,
                   &(struct sim_server_config){.chain = &chain, .answer_delay_us = 3 * SPV_SECOND});
    struct sim_client *client = add_client(sim);
    seeds_run_to_sync(sim, client, 7200, &chain);
    expect_bans(sim, client, 0, 0);
}

static void the_tip_is_reached_over_thin_lines_and_from_slow_thinkers(void **state)
{
    (void)state;
    run_on_seeds(slow_server, 0);
}

static int forge(void *ctx, struct spv_header *headers, int n,
                 const struct spv_msg_getheaders *request)
{
    (void)ctx;
    (void)request;
    if (n > 0)
        headers[n - 1].bits = 0x1d00ffff; /* its proof of work is invalid */
    return n;
}

static void invalid_answers(struct sim *sim)
{
    const size_t bad = test_random_below(sim_random(sim), 3);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(
            sim, &(struct sim_server_config){.chain = &chain, .answer = i == bad ? forge : NULL});
    struct sim_client *client = add_client(sim);
    seeds_run_to_sync(sim, client, 1800, &chain);
    expect_bans(sim, client, 0, 1);
}

static void only_a_peer_with_invalid_headers_is_banned(void **state)
{
    (void)state;
    all_bans = 0;
    run_on_seeds(invalid_answers, 0);
    if (seeds_are_many())
        assert_true(all_bans > 0);
}

static void contradicting_answers(struct sim *sim)
{
    const size_t bad = test_random_below(sim_random(sim), 3);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = i == bad ? &false_chain : &chain});
    struct sim_client *client = add_client(sim);
    seeds_run_to_sync(sim, client, 1800, &chain);
    expect_bans(sim, client, 0, 1);
    if (!sim_broken(sim))
        sim_run(sim, 3600 * SPV_SECOND, NULL, NULL); /* more work, but not a valid chain */
    seeds_run_to_sync(sim, client, 1, &chain);
}

static void a_chain_that_contradicts_a_checkpoint_is_not_followed(void **state)
{
    (void)state;
    all_bans = 0;
    run_on_seeds(contradicting_answers, 0);
    if (seeds_are_many())
        assert_true(all_bans > 0);
}

static void one_behind(struct sim *sim)
{
    const size_t whole = test_random_below(sim_random(sim), 3);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = i == whole ? &chain : &half});
    struct sim_client *client = add_client(sim);
    seeds_run_to_sync(sim, client, 1800, &chain);
    expect_bans(sim, client, 0, 0);
}

static void peers_that_are_behind_are_no_hindrance_and_not_banned(void **state)
{
    (void)state;
    run_on_seeds(one_behind, 0);
}

static void grow(struct sim *sim, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < 3; i++)
        sim_server_announce(sim, i, &chain);
}

static bool complete(struct sim *sim, void *client)
{
    (void)sim;
    return spv_blockhash_eq(&sim_store_tip(sim_client_store(client))->hash,
                            &sim_store_tip(&chain)->hash);
}

/* The common part of all peers is downloaded though it ends in the middle of a segment; then the
 * peers have more headers. */
static struct sim_client *all_begin_with(struct sim *sim, struct sim_store *first)
{
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = first});
    struct sim_client *client = add_client(sim);
    seeds_run_to_sync(sim, client, 1800, first);
    sim_after(sim, test_random_below(sim_random(sim), 100) * SPV_SECOND, grow, NULL);
    if (sim_run(sim, 1800 * SPV_SECOND, complete, client) == 0)
        sim_break(sim, "headers mined later were not downloaded");
    seeds_run_to_sync(sim, client, 1800, &chain);
    expect_bans(sim, client, 0, 0);
    return client;
}

static void all_behind(struct sim *sim)
{
    (void)all_begin_with(sim, &half);
}

static void all_fork_early(struct sim *sim)
{
    struct spv_node_stats stats;
    spv_node_get_stats(sim_client_node(all_begin_with(sim, &early_fork)), &stats);
    if (stats.segments_done < N_CHECKPOINTS - 1) /* the locator's answer came from the first peer */
        sim_break(sim, "the remaining headers were not requested in segments");
}

static void headers_after_the_last_checkpoint_of_peers_are_downloaded(void **state)
{
    (void)state;
    run_on_seeds(all_behind, 0);
}

static void a_tip_on_another_branch_is_reorganised_to_the_checkpoints_chain(void **state)
{
    (void)state;
    run_on_seeds(all_fork_early, 0);
}

static bool half_way(struct sim *sim, void *client)
{
    (void)sim;
    return sim_store_tip(sim_client_store(client))->height >= 2 * PERIOD - 1;
}

static void restart(struct sim *sim)
{
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain});
    struct sim_client *client = add_client(sim);
    if (sim_run(sim, 600 * SPV_SECOND, half_way, client) == 0)
        sim_break(sim, "never half-way");
    sim_client_restart(sim, client);
    seeds_run_to_sync(sim, client, 600, &chain);
}

static void a_restarted_client_resumes_from_the_stored_tip(void **state)
{
    (void)state;
    run_on_seeds(restart, 0);
}

static void restore_all(struct sim *sim, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < 3; i++)
        sim_server(sim, i)->cut_off = false;
}

static void cut_off_all(struct sim *sim, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < 3; i++)
        sim_server(sim, i)->cut_off = true;
    sim_after(sim, 400 * SPV_SECOND, restore_all, NULL);
}

static void partition(struct sim *sim)
{
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain});
    struct sim_client *client = add_client(sim);
    sim_after(sim, test_random_below(sim_random(sim), 2 * SPV_SECOND), cut_off_all, NULL);
    seeds_run_to_sync(sim, client, 7200, &chain);
    expect_bans(sim, client, 0, 0);
}

static void a_client_syncs_after_a_partition_ends(void **state)
{
    (void)state;
    run_on_seeds(partition, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tip_is_reached_beside_a_mute_peer),
        cmocka_unit_test(the_tip_is_reached_though_connections_reset),
        cmocka_unit_test(the_tip_is_reached_over_thin_lines_and_from_slow_thinkers),
        cmocka_unit_test(only_a_peer_with_invalid_headers_is_banned),
        cmocka_unit_test(a_chain_that_contradicts_a_checkpoint_is_not_followed),
        cmocka_unit_test(peers_that_are_behind_are_no_hindrance_and_not_banned),
        cmocka_unit_test(headers_after_the_last_checkpoint_of_peers_are_downloaded),
        cmocka_unit_test(a_tip_on_another_branch_is_reorganised_to_the_checkpoints_chain),
        cmocka_unit_test(a_restarted_client_resumes_from_the_stored_tip),
        cmocka_unit_test(a_client_syncs_after_a_partition_ends),
    };
    return cmocka_run_group_tests_name("sim: segments", tests, mine_chains, free_chains);
}
