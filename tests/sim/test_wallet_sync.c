/* A wallet that a whole node keeps in step with the chain, by compact filters or blocks: random
 * chains with payments, spends, reorganisations up to 20 deep, gap jumps, late watches, addresses
 * that are handed out, restarts and crashes; and at the end what a plain model of wallets says. */
#include "seeds.h"
#include "wallet_client.h"

#define SEEDS 200
#define MAX_DEPTH 20
#define SERVERS 3

struct scenario {
    struct wallet_chain chain;
    struct wallet_client client;
    size_t servers;
};

static struct scenario *begin(struct sim *sim)
{
    struct scenario *s = calloc(1, sizeof *s);
    static const uint32_t lookaheads[] = {0, 1, 5, WALLET_WIDE, WALLET_WIDE};

    assert_non_null(s);
    wallet_chain_init(&s->chain, test_random_next(sim_random(sim)));
    wallet_client_init(&s->client, sim, &s->chain,
                       lookaheads[wallet_chain_below(&s->chain, COUNT(lookaheads))]);
    wallet_chain_grow(&s->chain, 0, 1 + (uint32_t)wallet_chain_below(&s->chain, 60));
    return s;
}

static void add_servers(struct scenario *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sim_add_server(s->client.sim,
                       &(struct sim_server_config){.filters.blocks = wallet_chain_best(&s->chain)});
    s->servers = n;
}

static void announce(struct scenario *s)
{
    for (size_t i = 0; i < s->servers; i++)
        sim_server_announce_blocks(s->client.sim, i, wallet_chain_best(&s->chain));
}

static void run_for(struct scenario *s, uint64_t us)
{
    if (!sim_broken(s->client.sim))
        sim_run(s->client.sim, us, NULL, NULL);
}

static void end(struct scenario *s)
{
    struct sim *sim = s->client.sim;

    if (!sim_broken(sim) && sim_run(sim, 3600 * SPV_SECOND, wallet_client_done, &s->client) == 0)
        sim_break(sim, "the wallet was not scanned in time");
    if (!sim_broken(sim))
        wallet_client_check(&s->client);
    for (size_t i = 0; i < s->servers; i++)
        if (sim_server_filter_counts(sim, i).closed > 0)
            sim_break(sim, "a request was one that Bitcoin Core closes on");
}

/* What points into the scenario is used until the simulation is freed: this is the last one's. */
static struct scenario *last;

static void keep(struct scenario *s)
{
    if (last) {
        wallet_client_free(&last->client);
        wallet_chain_free(&last->chain);
        free(last);
    }
    last = s;
}

static void grow(struct scenario *s, uint32_t depth, uint32_t n)
{
    if (wallet_chain_is_full(&s->chain))
        return;
    wallet_chain_grow(&s->chain, depth, n);
    announce(s);
}

static void act(struct scenario *s)
{
    struct wallet_chain *w = &s->chain;
    const uint32_t tip = w->m.height, most = tip < MAX_DEPTH ? tip : MAX_DEPTH;
    const uint64_t what = wallet_chain_below(w, 100);

    if (what < 45) {
        grow(s, 0, 1 + (uint32_t)wallet_chain_below(w, 4));
    } else if (what < 65) {
        const uint32_t depth = (uint32_t)wallet_chain_below(w, most + 1);
        grow(s, depth, depth + 1 + (uint32_t)wallet_chain_below(w, 3));
    } else if (what < 80) {
        wallet_client_hand_out(&s->client, (uint32_t)wallet_chain_below(w, 2));
    } else if (what < 88) {
        wallet_client_watch_late(&s->client);
    } else if (what < 94) {
        sim_client_restart(s->client.sim, s->client.client);
    }
}

static void run_random(struct sim *sim, unsigned crash_permille)
{
    struct scenario *s = begin(sim);

    keep(s);
    add_servers(s, SERVERS);
    wallet_client_start(&s->client,
                        &(struct sim_client_config){.source = wallet_chain_below(&s->chain, 3) == 0
                                                                  ? SPV_SOURCE_BLOCKS
                                                                  : SPV_SOURCE_AUTO,
                                                    .match_delay_us = SPV_SECOND / 5,
                                                    .crash_permille = crash_permille});
    for (uint64_t steps = 5 + wallet_chain_below(&s->chain, 20); steps > 0; steps--) {
        run_for(s, wallet_chain_below(&s->chain, 12 * SPV_SECOND));
        if (!sim_broken(sim))
            act(s);
    }
    end(s);
}

static void random_wallet(struct sim *sim)
{
    run_random(sim, 0);
}

static void the_wallet_says_what_the_model_says(void **state)
{
    (void)state;
    seeds_run(random_wallet, &(struct seeds_config){.n = SEEDS, .again_every = 50});
    keep(NULL);
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
    keep(NULL);
}

/* All peers give the filter of a block of the wallet as empty; a sample proves it false, in time or
 * after the wallet was scanned. An honest peer appears later. */
static void hidden_payment(struct sim *sim)
{
    struct scenario *s = begin(sim);
    struct sim_blocks *best;
    struct sim_filters table;
    uint8_t *empty = calloc(1, 1);

    keep(s);
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
    run_for(s, 60 * SPV_SECOND);
    sim_server(sim, 3)->listen = SIM_OPEN;
    for (size_t i = 0; i < 3; i++)
        sim_server(sim, i)->listen = SIM_REFUSE;
    sim_client_restart(sim, s->client.client);
    run_for(s, 1200 * SPV_SECOND);
    if (sim_server_bans(sim, 0) > 0) /* the samples have shown it */
        end(s);
    sim_filters_free(&table);
}

static void filters_that_hide_a_payment_are_found_out_and_scanned_again(void **state)
{
    (void)state;
    seeds_run(hidden_payment, &(struct seeds_config){.n = SEEDS / 10, .divisor = 10});
    keep(NULL);
}

static bool has_alarm(struct sim *sim, void *ctx)
{
    const struct wallet_client *c = ctx;

    (void)sim;
    return c->alarms[SPV_WALLET_NO_SOURCE] > 0;
}

/* Of three named peers one alone serves filters: that is told, and ends when another one does. */
static void one_filter_peer(struct sim *sim)
{
    struct scenario *s = begin(sim);
    struct spv_wallet_status status;

    keep(s);
    add_servers(s, SERVERS);
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
    end(s);
    spv_node_wallet_status(sim_client_node(s->client.client), &status);
    if (!status.has_source || status.source != SPV_SOURCE_FILTERS || status.left != 0 ||
        status.fetched == 0)
        sim_break(sim, "two peers are no source");
}

static void filters_of_one_peer_among_several_are_no_source(void **state)
{
    (void)state;
    seeds_run(one_filter_peer, &(struct seeds_config){.n = SEEDS / 20, .divisor = 20});
    keep(NULL);
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
