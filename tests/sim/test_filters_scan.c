/* Scans: blocks that change, are missing or false, scripts that are added, filters that are kept.
 * filter_fixture.h has the table of scenarios. */
#include "filter_fixture.h"

#define SEEDS 8
#define ALONE (1u << SPV_WARN_FILTERS_ONE_GROUP)

static void run(scenario_fn *scenario)
{
    seeds_run(scenario, &(struct seeds_config){.n = SEEDS, .again_every = 10});
}

static bool has_begun(struct sim *sim, void *ctx)
{
    const struct filter_scenario *s = ctx;
    (void)sim;
    return sim_client_scan(s->client)->n > 20;
}

/* Runs until the scan has found something. */
static void run_into_scan(struct filter_scenario *s)
{
    sim_run(s->sim, 300 * SPV_SECOND, has_begun, s);
}

/* A branch replaces blocks whose filters and blocks are being fetched. */
static void reorganised(struct sim *sim)
{
    struct filter_scenario s;
    struct sim_blocks branch;
    const uint32_t depth = scenario_random(sim, 1, FILTER_CHAIN - 200);
    struct sim_blocks_plan plan = {
        .n = depth + 1, .seed = test_random_next(sim_random(sim)), .txs_max = 2, .wallet_in = 60};
    filter_begin(&s, sim);
    filter_honest(&s, 3);
    filter_client(&s, &(struct sim_client_config){.match_delay_us = SPV_SECOND / 5});
    sim_blocks_fork(&branch, &filter_chain, FILTER_CHAIN - depth, &plan);
    run_into_scan(&s);
    for (size_t i = 0; i < 3; i++)
        sim_server_announce_blocks(sim, i, &branch);
    filter_end(&s, &(struct filter_expected){.blocks = &branch, .scans = 2});
    sim_blocks_free(&branch);
}

static void a_reorganisation_in_mid_scan_drops_what_was_found_above_the_fork(void **state)
{
    (void)state;
    run(reorganised);
}

/* A peer that sends false blocks is banned, and another one is asked. */
static void false_blocks(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    const enum sim_block_lie lie =
        (enum sim_block_lie)scenario_random(sim, SIM_BLOCK_MUTATED, SIM_BLOCK_WITNESS);
    filter_honest(&s, 2);
    const size_t liar = filter_servers(&s, 1, &(struct sim_filter_service){.block_lie = lie});
    filter_client(&s, NULL);
    /* Some blocks offer no such lie. */
    filter_end(&s, &(struct filter_expected){.may_be_banned = filter_bits(liar, 1)});
    if (sim_server_filter_counts(sim, liar).blocks_sent > 30 && sim_server_bans(sim, liar) == 0)
        sim_break(sim, "a server of false blocks was not banned");
}

static void a_false_block_is_a_lie(void **state)
{
    (void)state;
    run(false_blocks);
}

static void useless_blocks(struct sim *sim)
{
    const enum sim_block_lie lies[] = {SIM_BLOCK_OTHER, SIM_BLOCK_CUT, SIM_BLOCK_NOTFOUND};
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 2);
    filter_servers(&s, 1,
                   &(struct sim_filter_service){
                       .block_lie = lies[test_random_below(sim_random(sim), COUNT(lies))]});
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.seconds = 1800});
}

static void a_peer_that_sends_no_block_that_was_asked_for_is_not_banned(void **state)
{
    (void)state;
    run(useless_blocks);
}

/* Silence, closing, and blocks that are deeper than a server has. One server has them all. */
static void missing_blocks(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 1);
    filter_servers(&s, 1, &(struct sim_filter_service){.blocks_from = 1500});
    filter_servers(&s, 1, &(struct sim_filter_service){.mute = SIM_MUTE_BLOCKS});
    filter_servers(&s, 1, &(struct sim_filter_service){.max_depth = 1000});
    const struct sim_server_config limited = {
        .services = SPV_NODE_NETWORK_LIMITED | SPV_NODE_WITNESS | SPV_NODE_COMPACT_FILTERS,
        .filters.blocks = &filter_chain};
    scenario_servers(sim, 1, &limited);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.seconds = 1800});
}

static void blocks_that_peers_lack_are_asked_of_others(void **state)
{
    (void)state;
    run(missing_blocks);
}

/* Filters that come out of order, twice, or not at all; one server sends them as it should. */
static void odd_filters(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 1);
    filter_servers(&s, 1, &(struct sim_filter_service){.reversed = true});
    filter_servers(&s, 1, &(struct sim_filter_service){.more_filters = 1});
    filter_servers(&s, 1, &(struct sim_filter_service){.more_filters = -1});
    filter_servers(&s, 1, &(struct sim_filter_service){.mute = SIM_MUTE_FILTERS});
    filter_servers(&s, 1, &(struct sim_filter_service){.close_on = SIM_MUTE_FILTERS});
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.seconds = 1800});
}

static void filters_in_any_order_are_used(void **state)
{
    (void)state;
    run(odd_filters);
}

/* More scripts become known in mid-scan; what pays them below is found by a second pass. */
static void added(struct sim *sim)
{
    size_t n;
    const struct spv_bytes *scripts = sim_wallet_scripts(&n);
    const size_t first = 1 + (size_t)test_random_below(sim_random(sim), n - 1);
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 3);
    filter_client(&s, &(struct sim_client_config){.scripts = scripts,
                                                  .n_scripts = first,
                                                  .match_delay_us = SPV_SECOND / 10});
    sim_run(sim, scenario_random(sim, 1000, 12000) * (SPV_SECOND / 1000), NULL, NULL);
    const size_t half = (size_t)test_random_below(sim_random(sim), n - first + 1);
    sim_client_scan_add(sim, s.client, scripts + first, half, 1);
    sim_run(sim, scenario_random(sim, 0, 5000) * (SPV_SECOND / 1000), NULL, NULL);
    sim_client_scan_add(sim, s.client, scripts + first + half, n - first - half, 1);
    filter_end(&s, &(struct filter_expected){.scans = 3});
}

static void scripts_that_are_added_in_mid_scan_are_found_below_it_too(void **state)
{
    (void)state;
    run(added);
}

/* With every filter kept, a second scan asks for none. */
static void kept(struct sim *sim)
{
    struct filter_scenario s;
    uint64_t before = 0, after = 0;
    filter_begin(&s, sim);
    filter_honest(&s, 3);
    filter_client(&s, &(struct sim_client_config){.keep_filters = 1u << 20});
    filter_end(&s, &(struct filter_expected){.stable_seconds = 10});
    const struct sim_filter_store *store = sim_client_filters(s.client);
    if (!sim_broken(sim) && store->kept < FILTER_CHAIN)
        sim_break(sim, "not every filter was kept");
    for (size_t i = 0; i < 3; i++)
        before += sim_server_filter_counts(sim, i).filters;
    sim_client_restart(sim, s.client);
    filter_end(&s, &(struct filter_expected){.stable_seconds = 10, .scans = 2});
    for (size_t i = 0; i < 3; i++)
        after += sim_server_filter_counts(sim, i).filters;
    if (!sim_broken(sim) && after != before)
        sim_break(sim, "filters that are kept were requested again");
}

static void kept_filters_are_not_requested_again(void **state)
{
    (void)state;
    run(kept);
}

/* A limit below what the filters take. */
static void kept_few(struct sim *sim)
{
    const uint64_t limit = scenario_random(sim, 0, 20000);
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 2);
    filter_client(&s, &(struct sim_client_config){.keep_filters = limit + 1});
    sim_run(sim, scenario_random(sim, 1, 8) * SPV_SECOND, NULL, NULL);
    sim_client_restart(sim, s.client);
    filter_end(&s, &(struct filter_expected){.scans = 2});
    if (!sim_broken(sim) && sim_client_filters(s.client)->kept_bytes > limit + 1)
        sim_break(sim, "more bytes of filters were kept than wanted");
}

static void no_more_filters_are_kept_than_wanted(void **state)
{
    (void)state;
    run(kept_few);
}

/* A scan for nothing, and a limit below what all filters take: none is fetched in vain. */
static void kept_from_tip(struct sim *sim)
{
    const uint64_t limit = scenario_random(sim, 1000, 60000);
    const struct spv_bytes nothing = {NULL, 0};
    struct filter_scenario s;
    struct spv_scan_stats stats;
    filter_begin(&s, sim);
    filter_honest(&s, 3);
    filter_client(&s, &(struct sim_client_config){.keep_filters = limit, .scripts = &nothing});
    filter_end(&s, &(struct filter_expected){.may_miss = true, .stable_seconds = 10});
    const struct sim_filter_store *store = sim_client_filters(s.client);
    spv_node_scan_stats(sim_client_node(s.client), &stats);
    if (!sim_broken(sim) && store->kept_bytes > limit)
        sim_break(sim, "more bytes of filters were kept than wanted");
    if (!sim_broken(sim) && store->kept < FILTER_CHAIN && store->kept_bytes + 400 < limit)
        sim_break(sim, "space for filters was not used");
    if (!sim_broken(sim) && stats.filters > store->kept)
        sim_break(sim, "filters were fetched that were not kept");
}

static void a_scan_for_nothing_keeps_the_highest_filters(void **state)
{
    (void)state;
    run(kept_from_tip);
}

/* All peers hide a script in the same way: what a sample or another match shows is dropped. */
static void all_liars(struct sim *sim)
{
    const enum sim_filter_lie lies[] = {SIM_LACKS_OUTPUT, SIM_LACKS_CERTAIN, SIM_TOO_MANY};
    struct filter_scenario s;
    filter_begin(&s, sim);
    const struct sim_filter_service service = {
        .filters =
            filter_lie(&s, lies[test_random_below(sim_random(sim), COUNT(lies))], false, NULL)};
    filter_servers(&s, 3, &service);
    filter_client(&s, NULL);
    sim_run(sim, 600 * SPV_SECOND, NULL, NULL);
    for (size_t i = 0; i < 3; i++)
        if (sim_server_filter_counts(sim, i).closed > 0)
            sim_break(sim, "a request was one that Bitcoin Core closes on");
    if (sim_client_growth(s.client) > SCENARIO_GROWTH)
        sim_break(sim, "the node's memory grew too much");
    /* Then an honest peer appears. */
    filter_honest(&s, 1);
    for (size_t i = 0; i < 3; i++)
        sim_server(sim, i)->listen = SIM_REFUSE;
    sim_client_restart(sim, s.client);
    filter_end(&s, &(struct filter_expected){.may_be_banned = filter_bits(0, 3),
                                             .may_be_told = ALONE | 1u << SPV_WARN_FILTERS_DISPUTED,
                                             .scans = 2});
}

static void an_honest_peer_after_liars_alone_corrects_what_they_said(void **state)
{
    (void)state;
    run(all_liars);
}

/* Some of everything at once, over connections that break. */
static void mixed(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 2);
    const struct sim_filters *table = filter_lie(&s, SIM_LACKS_OUTPUT, true, NULL);
    const size_t liar = filter_servers(&s, 1, &(struct sim_filter_service){.filters = table});
    filter_servers(&s, 1, &(struct sim_filter_service){.reversed = true, .blocks_from = 1000});
    filter_client(&s, &(struct sim_client_config){.match_delay_us = SPV_SECOND});
    filter_end(&s, &(struct filter_expected){
                       .banned = filter_bits(liar, 1), .may_be_told = ALONE, .seconds = 3600});
}

static void a_liar_among_connections_that_break_hides_nothing(void **state)
{
    (void)state;
    seeds_run(mixed, &(struct seeds_config){.n = SEEDS, .reset_permille = 2});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reorganisation_in_mid_scan_drops_what_was_found_above_the_fork),
        cmocka_unit_test(a_false_block_is_a_lie),
        cmocka_unit_test(a_peer_that_sends_no_block_that_was_asked_for_is_not_banned),
        cmocka_unit_test(blocks_that_peers_lack_are_asked_of_others),
        cmocka_unit_test(filters_in_any_order_are_used),
        cmocka_unit_test(scripts_that_are_added_in_mid_scan_are_found_below_it_too),
        cmocka_unit_test(kept_filters_are_not_requested_again),
        cmocka_unit_test(no_more_filters_are_kept_than_wanted),
        cmocka_unit_test(a_scan_for_nothing_keeps_the_highest_filters),
        cmocka_unit_test(an_honest_peer_after_liars_alone_corrects_what_they_said),
        cmocka_unit_test(a_liar_among_connections_that_break_hides_nothing),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: scans", tests, filter_chain_make, filter_chain_free);
}
