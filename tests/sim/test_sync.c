/* Clients that sync from good and bad servers, on many seeds; each seed runs twice and must
 * leave the same trace. SPV_SIM_SEEDS is their number (default 200); SPV_SIM_SEED runs one and
 * prints its trace. */
#include "seeds.h"

#define SEEDS 200
#define LENGTH 2600 /* a bit more than two requests */

static struct sim_store chain; /* mined once, shared by all simulations */
static struct sim_store grown; /* the same and 5 headers more */
static struct sim_store rival; /* forks 30 below its tip and has 10 headers more */

static int mine_chains(void **state)
{
    (void)state;
    sim_store_mine(&chain, spv_params_get(SPV_REGTEST), LENGTH, 1);
    sim_store_fork(&grown, &chain, LENGTH, 5, 2);
    sim_store_fork(&rival, &chain, LENGTH - 30, 40, 3);
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&chain);
    sim_store_free(&grown);
    sim_store_free(&rival);
    return 0;
}

static uint64_t stalls,
    bans; /* over all simulations of a test: shows that the tested event did happen */

static void count(const struct sim_client *client)
{
    struct spv_node_stats stats;
    spv_node_get_stats(sim_client_node(client), &stats);
    stalls += stats.stalls;
    bans += stats.bans;
}

static void run_on_seeds(scenario_fn *scenario, uint64_t divisor, unsigned reset_permille)
{
    seeds_run(scenario, &(struct seeds_config){.n = SEEDS,
                                               .divisor = divisor,
                                               .again_every = 1,
                                               .reset_permille = reset_permille});
}

static void honest_honest_mute(struct sim *sim)
{
    size_t mute = test_random_below(sim_random(sim), 3);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain, .mute = i == mute});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    seeds_run_to_sync(sim, client, 1800, &chain);
    count(client);
}

static void the_tip_is_reached_with_two_honest_nodes_and_a_mute_one(void **state)
{
    (void)state;
    stalls = 0;
    run_on_seeds(honest_honest_mute, 1, 0);
    if (seeds_are_many())
        assert_true(stalls > 0);
}

static void the_tip_is_reached_though_connections_reset(void **state)
{
    (void)state;
    run_on_seeds(honest_honest_mute, 4, 20);
}

static void unusable_hosts(struct sim *sim)
{
    static const enum sim_listen listen_modes[] = {SIM_HANG, SIM_REFUSE, SIM_DROP, SIM_OPEN,
                                                   SIM_OPEN};
    for (size_t i = 0; i < 5; i++)
        sim_add_server(sim,
                       &(struct sim_server_config){.chain = &chain, .listen = listen_modes[i]});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    seeds_run_to_sync(sim, client, 1800, &chain);
}

static void the_tip_is_reached_past_hanging_refusing_and_silent_hosts(void **state)
{
    (void)state;
    run_on_seeds(unusable_hosts, 4, 0);
}

static void slow_servers(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){.chain = &chain, .bytes_per_s = 2000});
    sim_add_server(sim,
                   &(struct sim_server_config){.chain = &chain, .answer_delay_us = 3 * SPV_SECOND});
    sim_add_server(sim, &(struct sim_server_config){.chain = &chain});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    seeds_run_to_sync(sim, client, 3600, &chain);
}

static void the_tip_is_reached_with_slow_servers(void **state)
{
    (void)state;
    run_on_seeds(slow_servers, 4, 0);
}

/* Forges the last header of an answer: it connects, but its proof of work is invalid. */
static int forge(void *ctx, struct spv_header *headers, int n,
                 const struct spv_msg_getheaders *request)
{
    (void)ctx;
    (void)request;
    if (n > 0)
        headers[n - 1].bits = 0x1d00ffff;
    return n;
}

static void forged_answer(struct sim *sim)
{
    size_t bad = test_random_below(sim_random(sim), 3);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(
            sim, &(struct sim_server_config){.chain = &chain, .answer = i == bad ? forge : NULL});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    seeds_run_to_sync(sim, client, 1800, &chain);
    count(client);
    /* A misbehaving peer is banned for a day: after the first ban it is not dialled again. */
    sim_run(sim, 12 * 3600 * SPV_SECOND, NULL, NULL);
    if (sim_client_events(client, SPV_EVENT_BANNED) > 1 || sim_server_connections(sim, bad) > 1)
        sim_break(sim, "a banned server was dialled again");
}

static void the_tip_is_reached_though_one_peer_misbehaves(void **state)
{
    (void)state;
    bans = 0;
    run_on_seeds(forged_answer, 4, 0);
    if (seeds_are_many())
        assert_true(bans > 0);
}

static void grow(struct sim *sim, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < 3; i++)
        sim_server_announce(sim, i, &grown);
}

static void replace(struct sim *sim, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < 3; i++)
        sim_server_announce(sim, i, &rival);
}

static bool on_grown(struct sim *sim, void *client)
{
    (void)sim;
    return spv_blockhash_eq(&sim_store_tip(sim_client_store(client))->hash,
                            &sim_store_tip(&grown)->hash);
}

static bool on_rival(struct sim *sim, void *client)
{
    (void)sim;
    return spv_blockhash_eq(&sim_store_tip(sim_client_store(client))->hash,
                            &sim_store_tip(&rival)->hash);
}

static void new_block(struct sim *sim)
{
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    seeds_run_to_sync(sim, client, 600, &chain);
    sim_after(sim, 30 * SPV_SECOND, grow, NULL);
    if (sim_run(sim, 600 * SPV_SECOND, on_grown, client) == 0)
        sim_break(sim, "announced headers were not followed");
    sim_after(sim, 30 * SPV_SECOND, replace, NULL);
    if (sim_run(sim, 600 * SPV_SECOND, on_rival, client) == 0)
        sim_break(sim, "the branch with more work was not followed");
    if (!sim_broken(sim) && sim_client_events(client, SPV_EVENT_REORG) != 1)
        sim_break(sim, "not exactly one reorganisation was reported");
}

static void announcements_and_a_longer_branch_are_followed(void **state)
{
    (void)state;
    run_on_seeds(new_block, 4, 0);
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
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    sim_after(sim, test_random_below(sim_random(sim), 2 * SPV_SECOND), cut_off_all, NULL);
    seeds_run_to_sync(sim, client, 7200, &chain);
}

static void a_client_syncs_after_a_partition_ends(void **state)
{
    (void)state;
    run_on_seeds(partition, 4, 0);
}

static bool half_way(struct sim *sim, void *client)
{
    (void)sim;
    return sim_store_tip(sim_client_store(client))->height >= 2000;
}

static void restart(struct sim *sim)
{
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    if (sim_run(sim, 600 * SPV_SECOND, half_way, client) == 0)
        sim_break(sim, "never half-way");
    sim_client_restart(sim, client);
    seeds_run_to_sync(sim, client, 600, &chain);
}

static void a_restarted_client_resumes_from_the_stored_tip(void **state)
{
    (void)state;
    run_on_seeds(restart, 4, 0);
}

/* The simulator itself must detect errors. */
static void a_store_refuses_unconnected_headers(void **state)
{
    (void)state;
    struct sim_store store;
    sim_store_init(&store, chain.params);
    struct spv_chain_header records[2] = {chain.at[1], chain.at[2]};
    struct spv_chain_update change = {.kind = SPV_UPDATE_APPEND, .headers = records, .n = 2};
    records[1].header.nonce++;
    assert_non_null(sim_store_apply(&store, &change)); /* hash */
    store.n = 1;
    records[1] = chain.at[3];
    assert_non_null(sim_store_apply(&store, &change)); /* link */
    store.n = 1;
    records[1] = chain.at[2];
    records[1].work.w[0]++;
    assert_non_null(sim_store_apply(&store, &change)); /* work */
    store.n = 1;
    records[1] = chain.at[2];
    change.fork_height = 1;
    assert_non_null(sim_store_apply(&store, &change)); /* a gap */
    change.fork_height = 0;
    assert_null(sim_store_apply(&store, &change));
    change.kind = SPV_UPDATE_REORG;
    change.removed = 1;
    assert_non_null(sim_store_apply(&store, &change)); /* it removes 2 */
    sim_store_free(&store);
}

static void all_mute(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){.chain = &chain, .mute = true});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    if (sim_run(sim, 1800 * SPV_SECOND, sim_client_synced, client) != 0)
        sim_break(sim, "synced without an answer");
    if (!sim_broken(sim) && sim_store_tip(sim_client_store(client))->height != 0)
        sim_break(sim, "headers out of nowhere");
}

static void a_client_is_not_synced_while_no_peer_answers(void **state)
{
    (void)state;
    run_on_seeds(all_mute, 20, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_refuses_unconnected_headers),
        cmocka_unit_test(the_tip_is_reached_with_two_honest_nodes_and_a_mute_one),
        cmocka_unit_test(the_tip_is_reached_though_connections_reset),
        cmocka_unit_test(the_tip_is_reached_past_hanging_refusing_and_silent_hosts),
        cmocka_unit_test(the_tip_is_reached_with_slow_servers),
        cmocka_unit_test(the_tip_is_reached_though_one_peer_misbehaves),
        cmocka_unit_test(announcements_and_a_longer_branch_are_followed),
        cmocka_unit_test(a_client_syncs_after_a_partition_ends),
        cmocka_unit_test(a_restarted_client_resumes_from_the_stored_tip),
        cmocka_unit_test(a_client_is_not_synced_while_no_peer_answers),
    };
    return cmocka_run_group_tests_name("sim: sync", tests, mine_chains, free_chains);
}
