/* Peers that are slow, silent, lag or break the protocol, and chains that change. filter_fixture.h
 * has the table of scenarios. */
#include "filter_fixture.h"

#define SEEDS 8

static void run(scenario_fn *scenario)
{
    seeds_run(scenario, &(struct seeds_config){.n = SEEDS, .again_every = 10});
}

static void honest(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 4);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.seconds = 120});
    /* Each range is fetched about once, the tail of every peer. */
    uint64_t requests = 0;
    for (size_t i = 0; i < 4; i++)
        requests += sim_server_filter_counts(sim, i).headers;
    if (requests > 60)
        sim_break(sim, "filter headers were requested again and again");
}

static void filter_headers_of_honest_peers_are_stored(void **state)
{
    (void)state;
    run(honest);
}

static void alone(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 1);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.told = SPV_WARN_FILTERS_ONE_GROUP});
}

static void the_only_peer_is_used_and_the_user_told_once(void **state)
{
    (void)state;
    run(alone);
}

/* Servers without filters are of no use, and no harm. */
static void without_filters(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    scenario_servers(sim, 3, &(struct sim_server_config){.chain = &filter_chain.store});
    filter_honest(&s, 2);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){0});
}

static void servers_without_filters_are_not_asked(void **state)
{
    (void)state;
    run(without_filters);
}

static void wrong_lengths(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 2);
    const size_t odd =
        filter_servers(&s, 1, &(struct sim_filter_service){.more_headers = 1, .more_filters = 1});
    filter_servers(&s, 1, &(struct sim_filter_service){.more_headers = -1, .more_filters = -1});
    filter_servers(&s, 1, &(struct sim_filter_service){.more_checkpoints = 1});
    filter_servers(&s, 1, &(struct sim_filter_service){.more_checkpoints = -1});
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.may_be_banned = filter_bits(odd, 4)});
}

static void answers_of_another_length_change_nothing(void **state)
{
    (void)state;
    run(wrong_lengths);
}

static void twice(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 2);
    filter_servers(&s, 2, &(struct sim_filter_service){.twice = true, .reversed = true});
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){0});
}

static void answers_that_come_twice_change_nothing(void **state)
{
    (void)state;
    run(twice);
}

static void one_silent(struct sim *sim)
{
    const unsigned bits[] = {SIM_MUTE_HEADERS, SIM_MUTE_CHECKPOINTS,
                             SIM_MUTE_HEADERS | SIM_MUTE_CHECKPOINTS | SIM_MUTE_FILTERS};
    const unsigned bit = bits[test_random_below(sim_random(sim), COUNT(bits))];
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_servers(&s, 1, &(struct sim_filter_service){.mute = bit});
    filter_servers(&s, 1, &(struct sim_filter_service){.close_on = bit});
    filter_servers(&s, 1, &(struct sim_filter_service){.indexed = 1500});
    filter_honest(&s, 2);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.seconds = 1200});
}

static void silence_and_closing_are_no_crime(void **state)
{
    (void)state;
    run(one_silent);
}

static void slow(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 2);
    const struct sim_server_config cfg = {.filters.blocks = &filter_chain,
                                          .latency_factor = 20,
                                          .bytes_per_s = 4000,
                                          .answer_delay_us = 3 * SPV_SECOND};
    scenario_servers(sim, 2, &cfg);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){0});
}

static void slow_peers_do_not_delay_the_others(void **state)
{
    (void)state;
    run(slow);
}

/* New blocks, one after the other. */
struct miner {
    struct filter_scenario *s;
    struct sim_blocks blocks[4]; /* each one block longer; the last is the tip of all */
    size_t n, next;
    size_t servers;
    uint64_t every_us;
};

static void announce_next(struct sim *sim, void *ctx)
{
    struct miner *m = ctx;
    if (m->next == m->n)
        return;
    for (size_t i = 0; i < m->servers; i++)
        sim_server_announce_blocks(sim, i, &m->blocks[m->next]);
    m->next++;
    sim_after(sim, m->every_us, announce_next, m);
}

/* Forks of one block more each, from a height on. */
static void mine(struct miner *m, struct filter_scenario *s, uint32_t fork_height, uint32_t first)
{
    struct sim_blocks_plan plan = {
        .n = first, .seed = test_random_next(sim_random(s->sim)), .txs_max = 3, .wallet_in = 6};
    m->s = s;
    m->n = COUNT(m->blocks);
    m->servers = sim_servers(s->sim);
    sim_blocks_fork(&m->blocks[0], &filter_chain, fork_height, &plan);
    for (size_t i = 1; i < m->n; i++) {
        plan.n = 1;
        plan.seed++;
        sim_blocks_fork(&m->blocks[i], &m->blocks[i - 1], (uint32_t)m->blocks[i - 1].store.n - 1,
                        &plan);
    }
}

static void mine_free(struct miner *m)
{
    for (size_t i = 0; i < m->n; i++)
        sim_blocks_free(&m->blocks[i]);
}

static void run_miner(struct filter_scenario *s, struct miner *m)
{
    const uint64_t until = sim_now(s->sim).mono_us + (m->n + 2) * m->every_us;
    announce_next(s->sim, m);
    sim_run(s->sim, until - sim_now(s->sim).mono_us, NULL, NULL);
}

static void lagging(struct sim *sim)
{
    struct filter_scenario s;
    struct miner m = {.every_us = 90 * SPV_SECOND};
    filter_begin(&s, sim);
    filter_servers(&s, 3, &(struct sim_filter_service){.index_delay_us = 12 * SPV_SECOND});
    filter_client(&s, NULL);
    mine(&m, &s, FILTER_CHAIN, 1);
    sim_run(sim, 120 * SPV_SECOND, NULL, NULL);
    const uint64_t before = sim_server_connections(sim, 0) + sim_server_connections(sim, 1) +
                            sim_server_connections(sim, 2);
    run_miner(&s, &m);
    filter_end(&s, &(struct filter_expected){.blocks = &m.blocks[m.n - 1], .seconds = 90});
    if (sim_server_connections(sim, 0) + sim_server_connections(sim, 1) +
            sim_server_connections(sim, 2) !=
        before)
        sim_break(sim, "a peer whose index lags was disconnected");
    mine_free(&m);
}

static void an_index_that_lags_after_each_block_is_waited_for(void **state)
{
    (void)state;
    run(lagging);
}

/* A branch replaces the last blocks while filter headers are synced, or later. */
static void reorganised(struct sim *sim)
{
    struct filter_scenario s;
    struct miner m = {.every_us = 40 * SPV_SECOND};
    const uint32_t depth = scenario_random(sim, 1, test_random_below(sim_random(sim), 2) ? 6 : 300);
    filter_begin(&s, sim);
    filter_honest(&s, 3);
    filter_client(&s, NULL);
    mine(&m, &s, FILTER_CHAIN - depth, depth + 1);
    sim_run(sim, scenario_random(sim, 0, 8000) * (SPV_SECOND / 1000), NULL, NULL);
    run_miner(&s, &m);
    filter_end(&s, &(struct filter_expected){.blocks = &m.blocks[m.n - 1]});
    mine_free(&m);
}

static void a_reorganisation_replaces_filter_headers(void **state)
{
    (void)state;
    run(reorganised);
}

/* The same while some servers stay on the old branch for a while. */
static void reorganised_in_turn(struct sim *sim)
{
    struct filter_scenario s;
    struct miner m = {.every_us = 30 * SPV_SECOND};
    const uint32_t depth = scenario_random(sim, 1, 20);
    filter_begin(&s, sim);
    filter_honest(&s, 4);
    filter_client(&s, NULL);
    mine(&m, &s, FILTER_CHAIN - depth, depth + 1);
    sim_run(sim, scenario_random(sim, 0, 20) * SPV_SECOND, NULL, NULL);
    m.servers = 2;
    run_miner(&s, &m);
    m.servers = 4;
    m.next = m.n - 1;
    run_miner(&s, &m);
    filter_end(&s, &(struct filter_expected){.blocks = &m.blocks[m.n - 1]});
    mine_free(&m);
}

static void filter_headers_of_two_branches_are_not_compared(void **state)
{
    (void)state;
    run(reorganised_in_turn);
}

/* Blocks arrive while one server lies about the newest ones. */
static void lies_at_the_tip(struct sim *sim)
{
    struct filter_scenario s;
    struct miner m = {.every_us = 90 * SPV_SECOND};
    filter_begin(&s, sim);
    const size_t liar = filter_servers(&s, 1, &(struct sim_filter_service){.filters = NULL});
    filter_honest(&s, 2);
    filter_client(&s, NULL);
    mine(&m, &s, FILTER_CHAIN, 1);
    sim_run(sim, 60 * SPV_SECOND, NULL, NULL);
    struct sim_filters table;
    sim_filters_copy(&table, &m.blocks[m.n - 1]);
    sim_filters_lie(&table, &m.blocks[m.n - 1],
                    FILTER_CHAIN + 1 + scenario_random(sim, 0, (uint32_t)m.n - 1),
                    SIM_LACKS_OUTPUT);
    sim_server(sim, liar)->filters.filters = &table;
    run_miner(&s, &m);
    filter_end(&s, &(struct filter_expected){.blocks = &m.blocks[m.n - 1],
                                             .banned = filter_bits(liar, 1)});
    sim_filters_free(&table);
    mine_free(&m);
}

static void a_lie_about_a_new_block_is_proven(void **state)
{
    (void)state;
    run(lies_at_the_tip);
}

static void restarted(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 3);
    filter_client(&s, NULL);
    for (unsigned i = 0; i < 3; i++) {
        sim_run(sim, scenario_random(sim, 100, 4000) * (SPV_SECOND / 1000), NULL, NULL);
        sim_client_restart(sim, s.client);
    }
    /* each start begins a scan, with samples of its own */
    filter_end(&s, &(struct filter_expected){.scans = 4});
}

static void a_restart_goes_on_where_filter_headers_end(void **state)
{
    (void)state;
    run(restarted);
}

static void connections_that_break_delay_but_harm_nothing(void **state)
{
    (void)state;
    seeds_run(honest, &(struct seeds_config){.n = SEEDS, .reset_permille = 0});
    seeds_run(restarted, &(struct seeds_config){.n = SEEDS, .reset_permille = 4});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter_headers_of_honest_peers_are_stored),
        cmocka_unit_test(the_only_peer_is_used_and_the_user_told_once),
        cmocka_unit_test(servers_without_filters_are_not_asked),
        cmocka_unit_test(answers_of_another_length_change_nothing),
        cmocka_unit_test(answers_that_come_twice_change_nothing),
        cmocka_unit_test(silence_and_closing_are_no_crime),
        cmocka_unit_test(slow_peers_do_not_delay_the_others),
        cmocka_unit_test(an_index_that_lags_after_each_block_is_waited_for),
        cmocka_unit_test(a_reorganisation_replaces_filter_headers),
        cmocka_unit_test(filter_headers_of_two_branches_are_not_compared),
        cmocka_unit_test(a_lie_about_a_new_block_is_proven),
        cmocka_unit_test(a_restart_goes_on_where_filter_headers_end),
        cmocka_unit_test(connections_that_break_delay_but_harm_nothing),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: peers with filters", tests, filter_chain_make,
                                       filter_chain_free);
}
