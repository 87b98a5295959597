/* Scenarios: answers that neither extend the chain nor prove misbehaviour: forks below the
 * database's base, headers from the future, networks that no longer have our tip, too little
 * work. scenario_fixture.h has the table. */
#include "scenario_fixture.h"

#include "util/u256.h"

#define HELD 6100 /* headers that the client has stored */
#define BASE 2016 /* height below which the store was pruned */
#define SEGMENT 2016 /* headers between checkpoints */
#define RESET 300 /* headers of a network that was restarted from genesis */

static const struct spv_dns_seed seeds[] = {{.name = "seed.example"}, {0}};
static struct spv_params seeded; /* regtest, where peers can be found */
static struct spv_params retarget_params; /* for the clock tests */
static struct sim_store held, longer; /* the client's headers, and 100 more */
static struct sim_store below, near; /* fork at 1,000 and at 2,020, and have more work */
static struct sim_store reset; /* from genesis, short */
static struct sim_store start; /* stored; the chain before the network was restarted */
static struct sim_store genesis;
static struct sim_store present; /* steep */
static struct sim_store fast,
    soon; /* one more header, too far in the future: by two days, by 30 s */

static struct spv_checkpoint checkpoints[2]; /* of held */

static void date(void *ctx, struct spv_header *header, uint32_t i)
{
    (void)i;
    header->time = *(const uint32_t *)ctx;
}

static int mine_chains(void **state)
{
    (void)state;
    retarget_params = scenario_params(false);
    sim_store_mine(&held, spv_params_get(SPV_REGTEST), HELD, 1);
    sim_store_fork(&longer, &held, HELD, 100, 2);
    sim_store_fork(&below, &held, 1000, 5300, 3);
    sim_store_fork(&near, &held, 2020, 4280, 4);
    sim_store_mine(&reset, spv_params_get(SPV_REGTEST), RESET, 5);
    sim_store_fork(&start, &held, RESET, 0, 0);
    scenario_checkpoints(checkpoints, COUNT(checkpoints), &held, SEGMENT);
    sim_store_init(&genesis, spv_params_get(SPV_REGTEST));
    seeded = *spv_params_get(SPV_REGTEST);
    seeded.dns_seeds = seeds;
    scenario_mine(&present, &retarget_params, 1);
    uint32_t time = SIM_UNIX + 2 * 86400;
    sim_store_copy(&fast, &present, 0);
    sim_store_forge(&fast, 1, 6, date, &time);
    time = SIM_UNIX + SPV_MAX_FUTURE_S + 30;
    sim_store_copy(&soon, &present, 0);
    sim_store_forge(&soon, 1, 7, date, &time);
    return 0;
}

static int free_chains(void **state)
{
    struct sim_store *const all[] = {&held,  &longer,  &below,   &near, &reset,
                                     &start, &genesis, &present, &fast, &soon};
    (void)state;
    for (size_t i = 0; i < COUNT(all); i++)
        sim_store_free(all[i]);
    return 0;
}

static void never_synced(struct sim *sim, struct sim_client *client, enum spv_warning warning)
{
    sim_run(sim, 30 * MINUTES, NULL, NULL);
    if (sim_broken(sim))
        return;
    if (sim_client_events(client, SPV_EVENT_SYNCED) != 0)
        sim_break(sim, "the client is synced, but no peer has its chain");
    if (sim_client_events(client, SPV_EVENT_UNRESOLVED) == 0)
        sim_break(sim, "UNRESOLVED was not emitted");
    if (sim_client_warnings(client, warning) == 0)
        sim_break(sim, "the reason was not reported");
    for (size_t i = 0; i < sim_servers(sim); i++)
        if (sim_server_bans(sim, i) > 0)
            sim_break(sim, "a server that sent no invalid data was banned");
}

/* ---- a fork below the base ---- */

/* The work of the client's chain as minimum work, or none: a fork must not need PRESYNC and
 * REDOWNLOAD. */
static const struct spv_u256 *wanted(struct sim *sim)
{
    return scenario_random(sim, 0, 1) != 0 ? &sim_store_tip(&held)->work : NULL;
}

static void apart_and_honest(struct sim *sim, struct sim_store *apart)
{
    const bool first = scenario_random(sim, 0, 1) != 0;
    sim_add_server(sim, &(struct sim_server_config){.chain = first ? apart : &longer});
    sim_add_server(sim, &(struct sim_server_config){.chain = first ? &longer : apart});
    struct sim_client *client = sim_add_client(
        sim, &(struct sim_client_config){.stored = &held, .base = BASE, .min_work = wanted(sim)});
    /* an answer completes its request, so the honest peer is queried at once */
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &longer, .seconds = 15});
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_FORK_BELOW_START) != 1)
        sim_break(sim, "a fork below the base was not reported exactly once");
}

static void below_and_honest(struct sim *sim)
{
    apart_and_honest(sim, &below);
}

static void near_and_honest(struct sim *sim)
{
    apart_and_honest(sim, &near);
}

static void only_apart(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){.chain = &below});
    sim_add_server(sim, &(struct sim_server_config){.chain = &near});
    struct sim_client *client = sim_add_client(
        sim, &(struct sim_client_config){.stored = &held, .base = BASE, .min_work = wanted(sim)});
    never_synced(sim, client, SPV_WARN_FORK_BELOW_START);
}

/* Automatic peers are replaced: other peers can be found. */
static void apart_and_found(struct sim *sim)
{
    scenario_servers(sim, 6, &(struct sim_server_config){.chain = &below});
    scenario_servers(sim, 3, &(struct sim_server_config){.chain = &longer});
    struct sim_client *client = sim_add_client(
        sim,
        &(struct sim_client_config){.stored = &held, .base = BASE, .discover = true, .peers = 4});
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = &longer});
}

static void a_fork_below_the_base_delays_no_other_peer(void **state)
{
    (void)state;
    scenario_run(below_and_honest, NULL);
    scenario_run(near_and_honest, NULL);
}

static void only_chains_that_leave_below_the_base_are_no_success(void **state)
{
    (void)state;
    scenario_run(only_apart, NULL);
}

static void automatic_peers_on_a_fork_below_the_base_are_replaced(void **state)
{
    (void)state;
    scenario_run(apart_and_found, &seeded);
}

/* ---- headers from the future ---- */

#define YEARS_BACK (-INT64_C(1600000000)) /* 1973 */

static bool joins_segments(struct sim *sim, void *client)
{
    struct spv_node_stats stats;
    (void)sim;
    spv_node_get_stats(sim_client_node(client), &stats);
    return stats.segments_done > 0;
}

static void long_ago(struct sim *sim, struct sim_store *chain, const struct sim_client_config *cfg)
{
    scenario_servers(sim, 3, &(struct sim_server_config){.chain = chain});
    struct sim_client *client = sim_add_client(sim, cfg);
    sim_client_step_clock(sim, client, YEARS_BACK);
    never_synced(sim, client, SPV_WARN_FUTURE_HEADERS);
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_FUTURE_HEADERS) != 1)
        sim_break(sim, "the wrong clock was not reported exactly once");
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_LOW_WORK) != 0)
        sim_break(sim, "a wrong clock is reported as too little work");
    sim_client_step_clock(sim, client, -YEARS_BACK);
    if (cfg->n_checkpoints > 0 && !sim_broken(sim) &&
        sim_run(sim, 700 * SPV_SECOND, joins_segments, client) == 0)
        sim_break(sim, "segments are not used again once the clock is right");
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = chain, .seconds = 700});
}

static void clock_of_long_ago(struct sim *sim)
{
    const bool proving = scenario_random(sim, 0, 1) != 0; /* in PRESYNC and REDOWNLOAD */
    long_ago(
        sim, &present,
        &(struct sim_client_config){.min_work = proving ? &sim_store_tip(&present)->work : NULL});
}

/* The headers arrive in segments, as those of mainnet do. */
static void clock_of_long_ago_and_checkpoints(struct sim *sim)
{
    long_ago(sim, &held,
             &(struct sim_client_config){.checkpoints = checkpoints,
                                         .n_checkpoints = COUNT(checkpoints)});
}

/* A wrong clock of ours does not end in SYNCED either when some peers have a shorter chain, up
 * to as many as send headers from the future. */
static void clock_of_long_ago_and_short_chains(struct sim *sim)
{
    const size_t short_ones = 1 + scenario_random(sim, 0, 1);
    scenario_servers(sim, 2, &(struct sim_server_config){.chain = &present});
    scenario_servers(sim, short_ones, &(struct sim_server_config){.chain = &genesis});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    sim_client_step_clock(sim, client, YEARS_BACK);
    never_synced(sim, client, SPV_WARN_FUTURE_HEADERS);
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_TIP_UNKNOWN) != 0)
        sim_break(sim, "a tip that peers build on is reported as unknown");
}

/* One peer has our tip and a header from the future on top of it, the other a shorter chain: the
 * tip is not unknown. */
static void future_on_our_tip(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){.chain = &fast});
    sim_add_server(sim, &(struct sim_server_config){.chain = &genesis});
    struct sim_client *client =
        sim_add_client(sim, &(struct sim_client_config){.stored = &present});
    never_synced(sim, client, SPV_WARN_FUTURE_HEADERS);
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_TIP_UNKNOWN) != 0)
        sim_break(sim, "a tip that peers build on is reported as unknown");
}

static void a_wrong_clock_is_no_success_beside_short_chains(void **state)
{
    (void)state;
    scenario_run(clock_of_long_ago_and_short_chains, &retarget_params);
    scenario_run(future_on_our_tip, &retarget_params);
}

/* It is the sync peer, as its claim is the highest; the honest peers have our tip. */
static void future_and_honest(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){.chain = &fast});
    scenario_servers(sim, 2, &(struct sim_server_config){.chain = &present});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &present, .seconds = 15});
}

/* All peers' clocks are slightly ahead of ours: the client waits until their headers are valid. */
static void soon_valid(struct sim *sim)
{
    scenario_servers(sim, 2, &(struct sim_server_config){.chain = &soon});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &soon, .seconds = 120});
    if (!sim_broken(sim) && (sim_client_events(client, SPV_EVENT_UNRESOLVED) != 0 ||
                             sim_client_warnings(client, SPV_WARN_FUTURE_HEADERS) != 0))
        sim_break(sim, "headers that are valid in half a minute are reported as a wrong clock");
}

static void headers_from_the_future_are_a_wrong_clock_and_no_success(void **state)
{
    (void)state;
    scenario_run(clock_of_long_ago, &retarget_params);
    scenario_run(clock_of_long_ago_and_checkpoints, NULL);
}

static void one_peer_with_headers_from_the_future_delays_no_other(void **state)
{
    (void)state;
    scenario_run(future_and_honest, &retarget_params);
}

static void headers_that_are_valid_soon_are_waited_for(void **state)
{
    (void)state;
    scenario_run(soon_valid, &retarget_params);
}

/* ---- a network that no longer has our tip ---- */

static void reset_network(struct sim *sim)
{
    static struct sim_store *const shorter[] = {&reset, &start, &genesis};
    const uint32_t base = scenario_random(sim, 0, 1) * BASE;
    scenario_servers(sim, 3,
                     &(struct sim_server_config){.chain = shorter[scenario_random(sim, 0, 2)]});
    struct sim_client *client =
        sim_add_client(sim, &(struct sim_client_config){.stored = &held, .base = base});
    never_synced(sim, client, SPV_WARN_TIP_UNKNOWN);
}

static void one_has_the_tip(struct sim *sim)
{
    const size_t at = scenario_random(sim, 0, 2);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = i == at ? &held : &reset});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){.stored = &held});
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &held, .seconds = 15});
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_TIP_UNKNOWN) != 0)
        sim_break(sim, "a tip that a peer has is reported as unknown");
}

/* It sends nothing instead of an empty headers message, as some nodes do. */
static void silent_one_has_the_tip(struct sim *sim)
{
    const size_t at = scenario_random(sim, 0, 2);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(
            sim, &(struct sim_server_config){.chain = i == at ? &held : &reset, .mute = i == at});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){.stored = &held});
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &held, .seconds = 60});
    if (!sim_broken(sim) && sim_client_warnings(client, SPV_WARN_TIP_UNKNOWN) != 0)
        sim_break(sim, "a tip that a silent peer claims is reported as unknown");
}

static void a_tip_that_no_peer_has_any_more_is_no_success(void **state)
{
    (void)state;
    scenario_run(reset_network, NULL);
}

static void one_peer_that_has_our_tip_is_enough(void **state)
{
    (void)state;
    scenario_run(one_has_the_tip, NULL);
}

static void a_silent_peer_that_claims_our_tip_has_not_lost_it(void **state)
{
    (void)state;
    scenario_run(silent_one_has_the_tip, NULL);
}

/* ---- too little work ---- */

/* The peer is still syncing: each of its answers has more work, the last one enough. */
static void syncing_peer(struct sim *sim)
{
    const struct spv_u256 *work = &sim_store_tip(&held)->work;
    sim_add_server(sim, &(struct sim_server_config){.chain = &start});
    struct sim_client *client =
        sim_add_client(sim, &(struct sim_client_config){.stored = NULL, .min_work = work});
    sim_run(sim, 30 * MINUTES, NULL, NULL);
    const struct spv_event *e = sim_client_warned(client, SPV_WARN_LOW_WORK);
    if (sim_broken(sim))
        return;
    if (sim_server_connections(sim, 0) < 2)
        sim_break(sim, "a peer with too little work is not tried again");
    if (sim_client_warnings(client, SPV_WARN_LOW_WORK) != 1)
        sim_break(sim, "the same work of a peer was not reported exactly once");
    if (e->given_height != RESET || e->address[0] == '\0' ||
        spv_u256_cmp(&e->work, &sim_store_tip(&start)->work) != 0 ||
        spv_u256_cmp(&e->wanted_work, work) != 0)
        sim_break(sim, "the figures of too little work are wrong");
    sim_server(sim, 0)->chain = &held;
    scenario_check(sim, &(struct scenario_expected){.client = client, .want = &held});
}

static void a_syncing_peer_is_reported_with_its_work_and_queried_again(void **state)
{
    (void)state;
    scenario_run(syncing_peer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_below_the_base_delays_no_other_peer),
        cmocka_unit_test(only_chains_that_leave_below_the_base_are_no_success),
        cmocka_unit_test(automatic_peers_on_a_fork_below_the_base_are_replaced),
        cmocka_unit_test(headers_from_the_future_are_a_wrong_clock_and_no_success),
        cmocka_unit_test(one_peer_with_headers_from_the_future_delays_no_other),
        cmocka_unit_test(a_wrong_clock_is_no_success_beside_short_chains),
        cmocka_unit_test(headers_that_are_valid_soon_are_waited_for),
        cmocka_unit_test(a_tip_that_no_peer_has_any_more_is_no_success),
        cmocka_unit_test(one_peer_that_has_our_tip_is_enough),
        cmocka_unit_test(a_silent_peer_that_claims_our_tip_has_not_lost_it),
        cmocka_unit_test(a_syncing_peer_is_reported_with_its_work_and_queried_again),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: scenarios, warnings", tests, mine_chains, free_chains);
}
