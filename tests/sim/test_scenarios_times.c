/* Scenarios: partitions, loss of all peers, and clocks. scenario_fixture.h has the table. */
#include "scenario_fixture.h"

#define SERVERS 4
#define NEW_HEADERS 12 /* headers mined during the scenario, ten minutes apart */
#define RECENT_HEADERS 76 /* headers from scenario_mine's tip to the present */

static struct spv_params retarget_params; /* no stale-tip checks */
static const struct spv_dns_seed seeds[] = {{.name = "seed.example"}, {0}};
static struct spv_params stale_tip_params; /* the same, with mainnet's stale-tip times */
static struct sim_store present; /* ends six minutes before the simulation begins */
static struct sim_store new_tips[NEW_HEADERS]; /* extend it, one header each */
static struct sim_store rival; /* forks early and has more work than the last of new_tips */

static int mine_chains(void **state)
{
    (void)state;
    retarget_params = scenario_params(false);
    stale_tip_params = retarget_params;
    stale_tip_params.extra_peers_after_s = 1800;
    stale_tip_params.stale_warning_after_s = 5400;
    stale_tip_params.dns_seeds = seeds;
    scenario_mine(&present, &retarget_params, 1);
    const uint32_t left = SIM_UNIX - sim_store_tip(&present)->header.time;
    sim_store_grow(&present, RECENT_HEADERS, left / (RECENT_HEADERS + 1), 2);
    for (uint32_t i = 0; i < NEW_HEADERS; i++)
        sim_store_fork(&new_tips[i], i == 0 ? &present : &new_tips[i - 1], UINT32_MAX, 1, 3);
    /* no later than the present, so the headers are closer together */
    const uint32_t longer = (uint32_t)present.n - 200 + 2 * NEW_HEADERS;
    sim_store_fork(&rival, &present, 200, 0, 0);
    sim_store_grow(&rival, longer, (SIM_UNIX - sim_store_tip(&rival)->header.time) / longer, 4);
    assert_true(spv_u256_cmp(&sim_store_tip(&rival)->work,
                             &sim_store_tip(&new_tips[NEW_HEADERS - 1])->work) > 0);
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&present);
    for (size_t i = 0; i < NEW_HEADERS; i++)
        sim_store_free(&new_tips[i]);
    sim_store_free(&rival);
    return 0;
}

static void set_cut_off(struct sim *sim, size_t from, size_t to, bool off)
{
    for (size_t i = from; i < to; i++)
        sim_server(sim, i)->cut_off = off;
}

static void run_to_sync(struct sim *sim, struct sim_client *client)
{
    if (sim_run(sim, 600 * SPV_SECOND, sim_client_synced, client) == 0)
        sim_break(sim, "not synced in time");
}

/* Every ten minutes all servers get one more header. */
struct ticker {
    uint32_t next;
};
static void tick(struct sim *sim, void *ctx)
{
    struct ticker *t = ctx;
    for (size_t i = 0; i < sim_servers(sim); i++)
        sim_server_announce(sim, i, &new_tips[t->next]);
    if (++t->next < NEW_HEADERS)
        sim_after(sim, 600 * SPV_SECOND, tick, t);
}

/* ---- partitions ---- */

static void partition(struct sim *sim)
{
    struct ticker t = {0};
    for (size_t i = 0; i < SERVERS; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = i < 2 ? &present : &rival,
                                                        .cut_off = i >= 2});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    if (sim_run(sim, 600 * SPV_SECOND, sim_client_synced, client) < 0)
        return;
    t.next = scenario_random(sim, 0, NEW_HEADERS - 1);
    for (size_t i = 0; i < 2; i++) /* the chain of the reachable half grows */
        sim_server_announce(sim, i, &new_tips[t.next]);
    sim_run(sim, scenario_random(sim, 1, 7200) * SPV_SECOND, NULL, NULL);
    if (!sim_broken(sim) && !scenario_on_tip(client, &new_tips[t.next]))
        sim_break(sim, "the client did not follow the servers that it reaches");
    set_cut_off(sim, 2, SERVERS, false);
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = &rival});
    if (!sim_broken(sim) && sim_client_events(client, SPV_EVENT_REORG) != 1)
        sim_break(sim, "not exactly one reorganisation was reported");
}

static void a_longer_chain_wins_after_a_partition_ends(void **state)
{
    (void)state;
    scenario_run(partition, &retarget_params);
}

static void no_peers_for_an_hour(struct sim *sim)
{
    const uint32_t last = scenario_random(sim, 0, 5);
    scenario_servers(sim, SERVERS, &(struct sim_server_config){.chain = &present});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    run_to_sync(sim, client);
    set_cut_off(sim, 0, SERVERS, true);
    sim_run(sim, 3600 * SPV_SECOND, NULL, NULL);
    for (size_t i = 0; i < SERVERS; i++)
        sim_server(sim, i)->chain = &new_tips[last];
    struct spv_node_stats stats;
    spv_node_get_stats(sim_client_node(client), &stats);
    if (!sim_broken(sim) && stats.peers != 0)
        sim_break(sim, "a peer without a connection is counted");
    if (!sim_broken(sim) && stats.synced)
        sim_break(sim, "a client without a peer is synced");
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_NO_PEERS) != 1)
        sim_break(sim, "the loss of all peers was not reported exactly once");
    set_cut_off(sim, 0, SERVERS, false);
    scenario_check(sim, &(struct scenario_expected){
                            .client = client, .want = &new_tips[last], .seconds = 120});
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_NO_PEERS) != 1)
        sim_break(sim, "the loss of all peers was reported again");
}

static void an_hour_without_peers_is_reported_once_and_recovered(void **state)
{
    (void)state;
    scenario_run(no_peers_for_an_hour, &retarget_params);
}

/* ---- clocks ---- */

struct clock_steps {
    struct sim_client *client;
    int64_t ahead;
    unsigned n_left;
};

/* Any offset within two days; correct at the end. */
static void step_clock(struct sim *sim, void *ctx)
{
    struct clock_steps *s = ctx;
    const int64_t to = s->n_left == 0 ? 0 : (int64_t)scenario_random(sim, 0, 4 * 86400) - 2 * 86400;
    sim_client_step_clock(sim, s->client, to - s->ahead);
    s->ahead = to;
    if (s->n_left-- > 0)
        sim_after(sim, scenario_random(sim, 1, 1200) * SPV_SECOND, step_clock, s);
}

static void stepping_clock(struct sim *sim)
{
    struct ticker t = {0};
    struct clock_steps s = {.n_left = 12};
    scenario_servers(sim, SERVERS, &(struct sim_server_config){.chain = &present});
    s.client = sim_add_client(sim, &(struct sim_client_config){0});
    sim_after(sim, scenario_random(sim, 0, 2) * SPV_SECOND, step_clock, &s);
    sim_after(sim, 600 * SPV_SECOND, tick, &t);
    scenario_check(sim, &(struct scenario_expected){.client = s.client,
                                                    .want = &new_tips[NEW_HEADERS - 1],
                                                    .seconds = 5 * 3600});
}

static void a_clock_that_steps_back_and_forth_bans_no_peer(void **state)
{
    (void)state;
    scenario_run(stepping_clock, &retarget_params);
}

static void disagreeing_clocks(struct sim *sim)
{
    const size_t wrong = scenario_random(sim, 0, SERVERS);
    const bool early = scenario_random(sim, 0, 1) != 0;
    const int64_t by = (int64_t)scenario_random(sim, 660, 100000) * (early ? -1 : 1);
    for (size_t i = 0; i < SERVERS; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &present,
                                                        .clock_ahead_s = i < wrong ? by : 0});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = &present});
    const uint64_t n_warnings = sim_client_warnings(client, SPV_WARN_CLOCK);
    struct spv_node_stats stats;
    spv_node_get_stats(sim_client_node(client), &stats);
    if (!sim_broken(sim) && (n_warnings > 0) != (2 * wrong > SERVERS))
        sim_break(sim, "a clock warning without cause, or none with cause");
    if (!sim_broken(sim) && n_warnings > 0 && llabs(stats.clock_skew_s - by) > 5)
        sim_break(sim, "the warning has a wrong figure");
}

static void clocks_that_disagree_are_reported_and_not_followed(void **state)
{
    (void)state;
    scenario_run(disagreeing_clocks, &retarget_params);
}

/* ---- a tip that does not advance ---- */

/* The client's peers do not get the new headers; the servers that have them refuse connections
 * until the client is synced. */
static void fresh_peers(struct sim *sim)
{
    const size_t old = 8, fresh = 3;
    const uint32_t last = scenario_random(sim, 1, NEW_HEADERS - 1);
    scenario_servers(sim, old, &(struct sim_server_config){.chain = &present});
    scenario_servers(sim, fresh,
                     &(struct sim_server_config){.chain = &new_tips[last], .listen = SIM_REFUSE});
    struct sim_client *client =
        sim_add_client(sim, &(struct sim_client_config){.discover = true, .peers = 4});
    run_to_sync(sim, client);
    sim_run(sim, 5 * MINUTES, NULL, NULL); /* every outbound slot is in use */
    if (!sim_broken(sim) && !scenario_on_tip(client, &present))
        sim_break(sim, "the client has more headers than its peers");
    for (size_t i = old; i < old + fresh; i++)
        sim_server(sim, i)->listen = SIM_OPEN;
    sim_run(sim, 10 * MINUTES, NULL, NULL);
    if (!sim_broken(sim) && !scenario_on_tip(client, &present))
        sim_break(sim, "new peers were queried before the tip was stale");
    scenario_check(sim, &(struct scenario_expected){
                            .client = client, .want = &new_tips[last], .seconds = 12 * 3600});
    struct spv_node_stats stats;
    spv_node_get_stats(sim_client_node(client), &stats);
    if (!sim_broken(sim) && stats.peers > 4 + 2)
        sim_break(sim, "more peers than a stale tip allows");
}

static void a_stale_tip_opens_extra_connections_that_have_the_chain(void **state)
{
    (void)state;
    scenario_run(fresh_peers, &stale_tip_params);
    scenario_run_seed(fresh_peers, &stale_tip_params,
                      23); /* regression: the same two peers were always kept, as they sent most */
}

static void stale_tip(struct sim *sim)
{
    scenario_servers(sim, SERVERS, &(struct sim_server_config){.chain = &present});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    run_to_sync(sim, client);
    const uint64_t minutes[] = {80, 20, 60, 60}, warnings[] = {0, 1, 2, 3};
    for (size_t i = 0; i < COUNT(minutes); i++) {
        sim_run(sim, minutes[i] * MINUTES, NULL, NULL);
        if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_STALE_TIP) != warnings[i])
            sim_break(sim, "a stale tip is not reported at 90 minutes and then each hour");
    }
    for (size_t i = 0; i < SERVERS; i++)
        sim_server_announce(sim, i, &new_tips[0]);
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = &new_tips[0]});
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_STALE_TIP) != 3)
        sim_break(sim, "a tip that advanced is still reported as stale");
}

static void a_stale_tip_is_reported_at_90_minutes_and_hourly_until_it_advances(void **state)
{
    (void)state;
    scenario_run(stale_tip, &stale_tip_params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_longer_chain_wins_after_a_partition_ends),
        cmocka_unit_test(an_hour_without_peers_is_reported_once_and_recovered),
        cmocka_unit_test(a_clock_that_steps_back_and_forth_bans_no_peer),
        cmocka_unit_test(clocks_that_disagree_are_reported_and_not_followed),
        cmocka_unit_test(a_stale_tip_opens_extra_connections_that_have_the_chain),
        cmocka_unit_test(a_stale_tip_is_reported_at_90_minutes_and_hourly_until_it_advances),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: scenarios, times", tests, mine_chains, free_chains);
}
