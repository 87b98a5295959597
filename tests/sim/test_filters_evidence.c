/* What is known of outputs because their blocks were fetched: a filter that lacks such a script is
 * a proven lie, though its block alone shows nothing. filter_fixture.h has the table of scenarios.
 */
#include "filter_fixture.h"
#include "support/sim/internal.h"

#define SEEDS 8
#define ALONE (1u << SPV_WARN_FILTERS_ONE_GROUP)

static void run(scenario_fn *scenario)
{
    seeds_run(scenario, &(struct seeds_config){.n = SEEDS, .again_every = 10});
}

static bool has_script(const struct sim_coin *coins, size_t n, const struct sim_coin *coin)
{
    for (size_t i = 0; i < n; i++)
        if (&coins[i] != coin && coins[i].n_script == coin->n_script &&
            memcmp(coins[i].script, coin->script, coin->n_script) == 0)
            return true;
    return false;
}

/* A coin that is not the wallet's, of whose script its input shows nothing, and whose block a scan
 * fetches, or not. */
static bool is_hidden(const struct sim_block *block, const struct sim_coin *coin, uint32_t height,
                      bool is_fetched)
{
    uint8_t inferred[SIM_SCRIPT_MAX];
    return coin->height > 0 && coin->height < height && !sim_wallet_has(coin) &&
           sim_coin_inferred(inferred, coin->kind, coin->key) == 0 &&
           sim_wallet_in_block(filter_chain.at[coin->height]) == is_fetched &&
           !has_script(block->created, block->n_created, coin) &&
           !has_script(block->spent, block->n_spent, coin);
}

/* The block's filter without the script of a coin. */
static void hide(struct sim_filters *table, const struct sim_block *block,
                 const struct sim_coin *coin, uint32_t height)
{
    struct spv_bytes items[256];
    uint8_t *bytes;
    size_t n = 0, n_bytes;
    for (size_t i = 0; i < block->n_created && n < COUNT(items); i++)
        items[n++] = (struct spv_bytes){block->created[i].script, block->created[i].n_script};
    for (size_t i = 0; i < block->n_spent && n < COUNT(items); i++)
        if (&block->spent[i] != coin)
            items[n++] = (struct spv_bytes){block->spent[i].script, block->spent[i].n_script};
    if (spv_filter_build(&bytes, &n_bytes, &block->hash, items, n) < 0)
        abort();
    sim_filters_replace(table, height, bytes, n_bytes);
}

/* A table whose filter lacks such a script, in a block that a scan fetches as well. */
static const struct sim_filters *hiding_table(struct filter_scenario *s)
{
    struct sim_filters *table = filter_table(s);
    const uint32_t from = scenario_random(s->sim, 1, FILTER_CHAIN - 1);
    for (uint32_t i = 0; i < FILTER_CHAIN; i++) {
        const uint32_t height = 1 + (from + i) % FILTER_CHAIN;
        const struct sim_block *block = filter_chain.at[height];
        for (size_t k = 0; k < block->n_spent && sim_wallet_in_block(block); k++) {
            if (!is_hidden(block, &block->spent[k], height, true))
                continue;
            hide(table, block, &block->spent[k], height);
            sim_note(s->sim, "a false filter of height %lu", (unsigned long)height);
            return table;
        }
    }
    abort(); /* the chain has none */
}

/* More liars than honest servers: their filter headers are stored, until the scan fetches the block
 * with the output, and then the one that spends it. When it has both before the dispute with the
 * honest server ends, that dispute proves the lie, and there is nothing to tell. */
static void outvoted(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    const struct sim_filter_service service = {.filters = hiding_table(&s)};
    const size_t liars = filter_servers(&s, 3, &service);
    filter_honest(&s, 1);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.may_be_told = ALONE | 1u << SPV_WARN_FILTERS_DISPUTED,
                                             .banned = filter_bits(liars, 3)});
}

static void an_output_of_a_fetched_block_disproves_what_is_stored(void **state)
{
    (void)state;
    run(outvoted);
}

static bool is_done(struct sim *sim, void *ctx)
{
    const struct filter_scenario *s = ctx;
    (void)sim;
    return sim_client_scan(s->client)->done == FILTER_CHAIN;
}

/* The blocks were fetched before the liar comes: the dispute about its filter proves the lie. */
static void later(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    const struct sim_filter_service service = {.filters = hiding_table(&s)};
    filter_honest(&s, 2);
    const size_t liar = filter_servers(&s, 1, &service);
    sim_server(sim, liar)->listen = SIM_REFUSE;
    filter_client(&s, NULL);
    sim_run(sim, 300 * SPV_SECOND, is_done, &s);
    sim_server(sim, liar)->listen = SIM_OPEN;
    filter_end(&s, &(struct filter_expected){.banned = filter_bits(liar, 1), .seconds = 7200});
}

static void an_output_of_a_fetched_block_settles_a_dispute(void **state)
{
    (void)state;
    run(later);
}

/* More differences than are tested, and then an output of the wallet that is hidden. */
static const struct sim_filters *exhausting_table(struct filter_scenario *s)
{
    struct sim_filters *table = filter_table(s);
    unsigned left = 17; /* one more than SPV_FILTER_MAX_BRANCH_PROOFS */
    uint32_t height = 0;
    while (left > 0) {
        const struct sim_block *block = filter_chain.at[++height];
        for (size_t k = 0; k < block->n_spent; k++) {
            if (!is_hidden(block, &block->spent[k], height, false))
                continue;
            hide(table, block, &block->spent[k], height);
            left--;
            break;
        }
    }
    height = sim_filter_lie_height(&filter_chain, scenario_random(s->sim, height + 1, 2000),
                                   SIM_LACKS_OUTPUT, true);
    sim_filters_lie(table, &filter_chain, height, SIM_LACKS_OUTPUT);
    sim_note(s->sim, "an output is hidden at height %lu", (unsigned long)height);
    return table;
}

/* Liars alone, and an honest peer when the scan is done: what they hid is found after all. */
static void honest_later(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    const struct sim_filter_service service = {.filters = exhausting_table(&s)};
    const size_t liars = filter_servers(&s, 2, &service);
    const size_t honest = filter_honest(&s, 1);
    sim_server(sim, honest)->listen = SIM_REFUSE;
    filter_client(&s, NULL);
    sim_run(sim, 300 * SPV_SECOND, is_done, &s);
    sim_server(sim, honest)->listen = SIM_OPEN;
    filter_end(&s, &(struct filter_expected){.may_be_banned = filter_bits(liars, 2),
                                             .may_be_told = ALONE | 1u << SPV_WARN_FILTERS_DISPUTED,
                                             .scans = 2,
                                             .seconds = 7200});
}

static void an_honest_peer_after_the_scan_shows_what_was_hidden(void **state)
{
    (void)state;
    run(honest_later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_output_of_a_fetched_block_disproves_what_is_stored),
        cmocka_unit_test(an_output_of_a_fetched_block_settles_a_dispute),
        cmocka_unit_test(an_honest_peer_after_the_scan_shows_what_was_hidden),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: evidence against filters", tests, filter_chain_make,
                                       filter_chain_free);
}
