/* Scenarios: partitions, loss of all peers, and clocks. scenario_fixture.h has the table. */
#include "scenario_fixture.h"

#define SERVERS 4
#define NEWS 12 /* headers mined during the scenario, ten minutes apart */
#define AT_HAND 76 /* headers from scenario_mine's tip to the present */

static struct spv_params steep; /* no stale-tip checks */
static const struct spv_dns_seed seeds[] = {{.name = "seed.example"}, {0}};
static struct spv_params anxious; /* the same, with mainnet's stale-tip times */
static struct sim_store present; /* ends ten minutes before the simulation begins */
static struct sim_store news[NEWS]; /* extend it, one header each */
static struct sim_store rival; /* forks early and has more work than all of news */

static int mine_chains(void **state)
{
    (void)state;
    steep = scenario_params(false);
    anxious = steep;
    anxious.fresh_peers_s = 1800;
    anxious.stale_tip_s = 5400;
    anxious.dns_seeds = seeds;
    scenario_mine(&present, &steep, 1);
    const uint32_t left = SIM_UNIX - sim_store_tip(&present)->header.time;
    sim_store_grow(&present, AT_HAND, left / (AT_HAND + 1), 2);
    for (uint32_t i = 0; i < NEWS; i++)
        sim_store_fork(&news[i], i == 0 ? &present : &news[i - 1], UINT32_MAX, 1, 3);
    /* no later than the present, so the headers are closer together */
    const uint32_t longer = (uint32_t)present.n - 200 + 2 * NEWS;
    sim_store_fork(&rival, &present, 200, 0, 0);
    sim_store_grow(&rival, longer, (SIM_UNIX - sim_store_tip(&rival)->header.time) / longer, 4);
    assert_true(spv_u256_cmp(&sim_store_tip(&rival)->work, &sim_store_tip(&news[NEWS - 1])->work) >
                0);
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&present);
    for (size_t i = 0; i < NEWS; i++)
        sim_store_free(&news[i]);
    sim_store_free(&rival);
    return 0;
}

static void cut(struct sim *sim, size_t from, size_t to, bool off)
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
        sim_server_announce(sim, i, &news[t->next]);
    if (++t->next < NEWS)
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
    /* only the client's half is reachable, and its chain grows */
    for (size_t i = 0; i < 2; i++)
        sim_server(sim, i)->chain = &present;
    if (sim_run(sim, 600 * SPV_SECOND, sim_client_synced, client) < 0)
        return;
    t.next = scenario_random(sim, 0, NEWS - 1);
    for (size_t i = 0; i < 2; i++)
        sim_server_announce(sim, i, &news[t.next]);
    sim_run(sim, scenario_random(sim, 1, 7200) * SPV_SECOND, NULL, NULL);
    if (!sim_broken(sim) && !scenario_is_on(client, &news[t.next]))
        sim_break(sim, "the client did not follow its half of the network");
    cut(sim, 2, SERVERS, false);
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = &rival});
    if (!sim_broken(sim) && sim_client_events(client, SPV_EVENT_REORG) != 1)
        sim_break(sim, "not exactly one reorganisation was told");
}

static void a_partition_with_a_longer_chain_heals(void **state)
{
    (void)state;
    scenario_run(partition, &steep);
}

static void lonely_hour(struct sim *sim)
{
    const uint32_t last = scenario_random(sim, 0, 5);
    scenario_servers(sim, SERVERS, &(struct sim_server_config){.chain = &present});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    run_to_sync(sim, client);
    cut(sim, 0, SERVERS, true);
    sim_run(sim, 3600 * SPV_SECOND, NULL, NULL);
    for (size_t i = 0; i < SERVERS; i++)
        sim_server(sim, i)->chain = &news[last];
    struct spv_node_stats stats;
    spv_node_get_stats(sim_client_node(client), &stats);
    if (!sim_broken(sim) && stats.peers != 0)
        sim_break(sim, "a peer that was gone for an hour counts as one");
    if (!sim_broken(sim) && stats.synced)
        sim_break(sim, "a client without a peer says that it is synced");
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_NO_PEERS) != 1)
        sim_break(sim, "the loss of all peers was not told exactly once");
    cut(sim, 0, SERVERS, false);
    scenario_check(
        sim, &(struct scenario_expected){.client = client, .want = &news[last], .seconds = 120});
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_NO_PEERS) != 1)
        sim_break(sim, "the loss of all peers was told again");
}

static void an_hour_without_peers_is_reported_once_and_recovered(void **state)
{
    (void)state;
    scenario_run(lonely_hour, &steep);
}

/* ---- clocks ---- */

struct steps {
    struct sim_client *client;
    int64_t ahead;
    unsigned left_to_go;
};

/* Any offset within two days; correct at the end. */
static void step_clock(struct sim *sim, void *ctx)
{
    struct steps *s = ctx;
    const int64_t to =
        s->left_to_go == 0 ? 0 : (int64_t)scenario_random(sim, 0, 4 * 86400) - 2 * 86400;
    sim_client_step_clock(sim, s->client, to - s->ahead);
    s->ahead = to;
    if (s->left_to_go-- > 0)
        sim_after(sim, scenario_random(sim, 1, 1200) * SPV_SECOND, step_clock, s);
}

static void stepping_clock(struct sim *sim)
{
    struct ticker t = {0};
    struct steps s = {.left_to_go = 12};
    scenario_servers(sim, SERVERS, &(struct sim_server_config){.chain = &present});
    s.client = sim_add_client(sim, &(struct sim_client_config){0});
    sim_after(sim, scenario_random(sim, 0, 2) * SPV_SECOND, step_clock, &s);
    sim_after(sim, 600 * SPV_SECOND, tick, &t);
    scenario_check(sim, &(struct scenario_expected){
                            .client = s.client, .want = &news[NEWS - 1], .seconds = 5 * 3600});
}

static void a_clock_that_steps_back_and_forth_bans_no_peer(void **state)
{
    (void)state;
    scenario_run(stepping_clock, &steep);
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
    const uint64_t told = sim_client_warnings(client, SPV_WARN_CLOCK);
    struct spv_node_stats stats;
    spv_node_get_stats(sim_client_node(client), &stats);
    if (!sim_broken(sim) && (told > 0) != (2 * wrong > SERVERS))
        sim_break(sim, "a clock warning that is not called for, or none where it is");
    if (!sim_broken(sim) && told > 0 && llabs(stats.clock_skew_s - by) > 5)
        sim_break(sim, "the warning has a wrong figure");
}

static void clocks_that_disagree_are_reported_and_not_followed(void **state)
{
    (void)state;
    scenario_run(disagreeing_clocks, &steep);
}

/* ---- a tip that does not advance ---- */

/* All peers of the client are cut off from their network; the servers that are not cut off were
 * unreachable when the client started. */
static void fresh_peers(struct sim *sim)
{
    const size_t old = 8, fresh = 3;
    const uint32_t last = scenario_random(sim, 1, NEWS - 1);
    scenario_servers(sim, old, &(struct sim_server_config){.chain = &present});
    scenario_servers(sim, fresh,
                     &(struct sim_server_config){.chain = &news[last], .door = SIM_REFUSE});
    struct sim_client *client =
        sim_add_client(sim, &(struct sim_client_config){.discover = true, .peers = 4});
    run_to_sync(sim, client);
    sim_run(sim, 5 * MINUTES, NULL, NULL); /* every outbound slot is in use */
    if (!sim_broken(sim) && !scenario_is_on(client, &present))
        sim_break(sim, "the client knows more than its peers");
    for (size_t i = old; i < old + fresh; i++)
        sim_server(sim, i)->door = SIM_OPEN;
    sim_run(sim, 10 * MINUTES, NULL, NULL);
    if (!sim_broken(sim) && !scenario_is_on(client, &present))
        sim_break(sim, "fresh peers were asked before the tip was stale");
    scenario_check(sim, &(struct scenario_expected){
                            .client = client, .want = &news[last], .seconds = 12 * 3600});
    struct spv_node_stats stats;
    spv_node_get_stats(sim_client_node(client), &stats);
    if (!sim_broken(sim) && stats.peers > 4 + 2)
        sim_break(sim, "there are more peers than the alarm allows");
}

static void a_stale_tip_brings_fresh_peers_and_they_bring_the_chain(void **state)
{
    (void)state;
    scenario_run(fresh_peers, &anxious);
    scenario_run_seed(fresh_peers, &anxious,
                      23); /* regression: the same two peers were kept, as they sent much */
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
            sim_break(sim, "a stale tip is not told at 90 minutes and then each hour");
    }
    for (size_t i = 0; i < SERVERS; i++)
        sim_server_announce(sim, i, &news[0]);
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = &news[0]});
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_STALE_TIP) != 3)
        sim_break(sim, "a tip that moved is still called stale");
}

static void a_stale_tip_is_reported_at_90_minutes_and_hourly_until_it_moves(void **state)
{
    (void)state;
    scenario_run(stale_tip, &anxious);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_with_a_longer_chain_heals),
        cmocka_unit_test(an_hour_without_peers_is_reported_once_and_recovered),
        cmocka_unit_test(a_clock_that_steps_back_and_forth_bans_no_peer),
        cmocka_unit_test(clocks_that_disagree_are_reported_and_not_followed),
        cmocka_unit_test(a_stale_tip_brings_fresh_peers_and_they_bring_the_chain),
        cmocka_unit_test(a_stale_tip_is_reported_at_90_minutes_and_hourly_until_it_moves),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: scenarios, times", tests, mine_chains, free_chains);
}
