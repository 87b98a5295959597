/* A wallet that a whole node keeps in step with the chain, by each source of coins: random
 * chains with payments, spends, reorganisations up to 20 deep, gap jumps, late watches, addresses
 * that are handed out, restarts and crashes; and at the end what a plain model of wallets says. */
#include "seeds.h"
#include "wallet_scenario.h"

#define SEEDS 200

static void run_random(struct sim *sim, unsigned crash_permille)
{
    static const enum spv_source sources[] = {SPV_SOURCE_AUTO, SPV_SOURCE_BLOOM, SPV_SOURCE_BLOCKS};
    struct wallet_scenario *s = wallet_scenario_begin(sim);

    wallet_scenario_add_servers(s, WALLET_SERVERS);
    wallet_client_start(&s->client,
                        &(struct sim_client_config){
                            .source = sources[wallet_chain_below(&s->chain, COUNT(sources))],
                            .match_delay_us = SPV_SECOND / 5,
                            .crash_permille = crash_permille});
    wallet_scenario_act_many(s);
    wallet_scenario_end(s);
}

static void random_wallet(struct sim *sim)
{
    run_random(sim, 0);
}

static void the_wallet_says_what_the_model_says(void **state)
{
    (void)state;
    seeds_run(random_wallet, &(struct seeds_config){.n = SEEDS, .again_every = 50});
    wallet_scenario_free_last();
}

static void crashing_wallet(struct sim *sim)
{
    run_random(sim, 100);
}

static void a_crash_after_any_store_loses_nothing(void **state)
{
    (void)state;
    seeds_run(crashing_wallet,
              &(struct seeds_config){.n = SEEDS / 4, .divisor = 4, .reset_permille = 2});
    wallet_scenario_free_last();
}

/* All peers give the filter of a block of the wallet as empty; a sample proves it false, in time or
 * after the wallet was scanned. An honest peer appears later. */
static void hidden_payment(struct sim *sim)
{
    struct wallet_scenario *s = wallet_scenario_begin(sim);
    struct sim_blocks *best;
    struct sim_filters table;
    uint8_t *empty = calloc(1, 1);

    assert_non_null(empty);
    wallet_chain_grow(&s->chain, 0, 30);
    best = wallet_chain_best(&s->chain);
    sim_filters_copy(&table, best);
    sim_filters_replace(&table, 1 + (uint32_t)wallet_chain_below(&s->chain, best->store.n - 1),
                        empty, 1);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim,
                       &(struct sim_server_config){.filters = {.blocks = best, .filters = &table}});
    sim_add_server(sim, &(struct sim_server_config){.filters.blocks = best, .listen = SIM_REFUSE});
    s->servers = 4;
    wallet_client_start(&s->client, &(struct sim_client_config){.match_delay_us = SPV_SECOND / 5});
    wallet_scenario_run(s, 60 * SPV_SECOND);
    sim_server(sim, 3)->listen = SIM_OPEN;
    for (size_t i = 0; i < 3; i++)
        sim_server(sim, i)->listen = SIM_REFUSE;
    sim_client_restart(sim, s->client.client);
    wallet_scenario_run(s, 1200 * SPV_SECOND);
    if (sim_server_bans(sim, 0) > 0) /* the samples have shown it */
        wallet_scenario_end(s);
    sim_filters_free(&table);
}

static void filters_that_hide_a_payment_are_found_out_and_scanned_again(void **state)
{
    (void)state;
    seeds_run(hidden_payment, &(struct seeds_config){.n = SEEDS / 10, .divisor = 10});
    wallet_scenario_free_last();
}

static bool has_alarm(struct sim *sim, void *ctx)
{
    const struct wallet_client *c = ctx;

    (void)sim;
    return c->alarms[SPV_WALLET_ALARM_NO_SOURCE] > 0;
}

/* Of three manual peers only one serves filters: an alarm is raised, and cleared when another one
 * does. */
static void one_filter_peer(struct sim *sim)
{
    struct wallet_scenario *s = wallet_scenario_begin(sim);
    struct spv_wallet_status status;

    wallet_scenario_add_servers(s, WALLET_SERVERS);
    sim_server(sim, 1)->services = sim_server(sim, 2)->services =
        SPV_NODE_NETWORK | SPV_NODE_WITNESS;
    wallet_client_start(&s->client, &(struct sim_client_config){.wallet = NULL});
    if (sim_run(sim, 120 * SPV_SECOND, has_alarm, &s->client) != 1)
        sim_break(sim, "a missing source was not told");
    spv_node_wallet_status(sim_client_node(s->client.client), &status);
    if (!status.on || status.has_source || wallet_client_done(sim, &s->client))
        sim_break(sim, "one peer alone is a source");
    sim_server(sim, 2)->services |= SPV_NODE_COMPACT_FILTERS;
    sim_client_restart(sim, s->client.client);
    wallet_scenario_end(s);
    spv_node_wallet_status(sim_client_node(s->client.client), &status);
    if (!status.has_source || status.source != SPV_SOURCE_FILTERS || status.left != 0 ||
        status.fetched == 0)
        sim_break(sim, "two peers are no source");
}

static void filters_of_one_peer_among_several_are_no_source(void **state)
{
    (void)state;
    seeds_run(one_filter_peer, &(struct seeds_config){.n = SEEDS / 20, .divisor = 20});
    wallet_scenario_free_last();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wallet_says_what_the_model_says),
        cmocka_unit_test(a_crash_after_any_store_loses_nothing),
        cmocka_unit_test(filters_that_hide_a_payment_are_found_out_and_scanned_again),
        cmocka_unit_test(filters_of_one_peer_among_several_are_no_source),
    };
    return cmocka_run_group_tests_name("sim: wallets", tests, wallet_chain_setup,
                                       wallet_chain_teardown);
}
