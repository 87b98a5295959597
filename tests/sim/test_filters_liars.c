/* Peers that lie about filters. filter_fixture.h has the table of scenarios. */
#include "filter_fixture.h"
#include "support/sim/internal.h"

#define SEEDS 8
#define ALONE (1u << SPV_WARN_FILTERS_ONE_GROUP)

static void run(scenario_fn *scenario)
{
    seeds_run(scenario, &(struct seeds_config){.n = SEEDS, .again_every = 10});
}

/* Some honest servers and some that serve one table, in random order: *liars has the bits of these.
 */
static void mixed(struct filter_scenario *s, unsigned *liars, size_t n_honest, size_t n_liars,
                  const struct sim_filter_service *service)
{
    *liars = 0;
    while (n_honest + n_liars > 0) {
        if (test_random_below(sim_random(s->sim), n_honest + n_liars) < n_honest) {
            filter_honest(s, 1);
            n_honest--;
        } else {
            *liars |= filter_bits(filter_servers(s, 1, service), 1);
            n_liars--;
        }
    }
    sim_note(s->sim, "liars: bits %x", *liars);
}

/* One proven liar beside honest servers; then all servers but one are. */
static void proven(struct sim *sim, enum sim_filter_lie lie)
{
    struct filter_scenario s;
    unsigned liars;
    filter_begin(&s, sim);
    const struct sim_filter_service service = {.filters = filter_lie(&s, lie, false, NULL)};
    const bool outvoted = test_random_below(sim_random(sim), 2) == 0;
    mixed(&s, &liars, outvoted ? 1 : 3, outvoted ? 3 : 1, &service);
    filter_client(&s, NULL);
    /* Once the liars are gone, the only honest server may be the only group. */
    filter_end(&s, &(struct filter_expected){.banned = liars, .may_be_told = ALONE});
}

static void lacks_output(struct sim *sim)
{
    proven(sim, SIM_LACKS_OUTPUT);
}

static void a_filter_that_lacks_an_output_is_a_proven_lie(void **state)
{
    (void)state;
    run(lacks_output);
}

static void lacks_certain(struct sim *sim)
{
    proven(sim, SIM_LACKS_CERTAIN);
}

static void a_filter_that_lacks_a_certain_spent_script_is_a_proven_lie(void **state)
{
    (void)state;
    run(lacks_certain);
}

static void too_many(struct sim *sim)
{
    proven(sim, SIM_TOO_MANY);
}

static void a_filter_with_too_many_elements_is_a_proven_lie(void **state)
{
    (void)state;
    run(too_many);
}

static void cut_short(struct sim *sim)
{
    proven(sim, SIM_CUT_SHORT);
}

static void a_filter_that_does_not_decode_is_a_proven_lie(void **state)
{
    (void)state;
    run(cut_short);
}

static void of_other_block(struct sim *sim)
{
    proven(sim, test_random_below(sim_random(sim), 2) == 0 ? SIM_OF_OTHER_BLOCK : SIM_EMPTY);
}

static void the_filter_of_another_block_is_a_proven_lie(void **state)
{
    (void)state;
    run(of_other_block);
}

/* Nothing proves which of two filters is the false one: the chain of most groups is stored. */
static void unproven(struct sim *sim, enum sim_filter_lie lie, size_t n_honest, size_t n_liars)
{
    struct filter_scenario s;
    unsigned liars;
    filter_begin(&s, sim);
    const struct sim_filter_service service = {.filters = filter_lie(&s, lie, false, NULL)};
    mixed(&s, &liars, n_honest, n_liars, &service);
    filter_client(&s, NULL);
    /* A script of the wallet that was hidden is known for certain once the block that pays it was
     * found: then the lie is proven after all. */
    filter_end(&s,
               &(struct filter_expected){.told = SPV_WARN_FILTERS_DISPUTED,
                                         .may_be_banned = liars,
                                         .may_be_told = ALONE,
                                         .or_stored = n_honest > n_liars ? NULL : service.filters});
}

static void lacks_guess(struct sim *sim)
{
    const enum sim_filter_lie lies[] = {SIM_LACKS_INFERRED, SIM_LACKS_HIDDEN, SIM_DECOYS};
    unproven(sim, lies[test_random_below(sim_random(sim), COUNT(lies))], 3, 1);
}

static void a_filter_that_lacks_a_guess_proves_nothing(void **state)
{
    (void)state;
    run(lacks_guess);
}

static void lacks_guess_outvoted(struct sim *sim)
{
    const enum sim_filter_lie lies[] = {SIM_LACKS_INFERRED, SIM_LACKS_HIDDEN, SIM_DECOYS};
    unproven(sim, lies[test_random_below(sim_random(sim), COUNT(lies))], 1, 3);
}

static void of_filters_that_nothing_proves_false_both_are_used(void **state)
{
    (void)state;
    run(lacks_guess_outvoted);
}

/* The block's maker made it so that what an input suggests is in the liar's filter alone. */
static void follows_guess(struct sim *sim)
{
    unproven(sim, SIM_FOLLOWS_INFERRED, 3, test_random_below(sim_random(sim), 2) == 0 ? 1 : 3);
}

static void a_guess_that_points_at_the_honest_bans_none_of_them(void **state)
{
    (void)state;
    run(follows_guess);
}

/* Filter headers commit to one filter, another one is sent: as a liar whose filter headers were
 * made up sends the true filter. */
static void hash_alone(struct sim *sim)
{
    struct filter_scenario s;
    unsigned liars;
    filter_begin(&s, sim);
    struct sim_filters *headers = filter_table(&s);
    sim_filters_replace_hash(headers, scenario_random(sim, 1, FILTER_CHAIN),
                             test_random_next(sim_random(sim)));
    const struct sim_filter_service service = {.headers = headers};
    mixed(&s, &liars, 2, 1, &service);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.banned = liars});
}

static void filter_headers_without_a_filter_are_a_contradiction(void **state)
{
    (void)state;
    run(hash_alone);
}

/* The liar agrees on the filter headers, and sends another filter. Nobody needs it to sync filter
 * headers. */
static void filter_alone(struct sim *sim)
{
    struct filter_scenario s;
    unsigned liars;
    filter_begin(&s, sim);
    const struct sim_filter_service service = {
        .filters = filter_lie(&s, SIM_LACKS_OUTPUT, false, NULL), .headers = &filter_chain.filters};
    mixed(&s, &liars, 2, 1, &service);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.may_be_banned = liars});
}

static void a_filter_that_is_not_its_headers_is_a_contradiction(void **state)
{
    (void)state;
    run(filter_alone);
}

/* Checkpoints of one table, filter headers of another: one is a lie, whichever is true. It is seen
 * wherever checkpoints were asked for, also when two others have agreed before this server has
 * answered; not when it came only afterwards. */
static uint64_t n_contradictions;

static void checkpoints_differ(struct sim *sim)
{
    struct filter_scenario s;
    unsigned liars;
    filter_begin(&s, sim);
    struct sim_filters *table = filter_table(&s);
    const bool false_headers = test_random_below(sim_random(sim), 2) == 0;
    sim_filters_replace_hash(table, scenario_random(sim, 1, 2000), 1);
    const struct sim_filter_service service = {
        .headers = false_headers ? table : &filter_chain.filters,
        .checkpoints = false_headers ? &filter_chain.filters : table};
    mixed(&s, &liars, 2, 1, &service);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.may_be_banned = liars});
    for (size_t i = 0; i < sim_servers(sim); i++) {
        n_contradictions += sim_server_bans(sim, i);
        if ((liars >> i & 1) != 0 && sim_server_filter_counts(sim, i).checkpoints > 0 &&
            sim_server_bans(sim, i) == 0)
            sim_break(sim, "late checkpoints were not compared");
    }
}

static void checkpoints_that_contradict_headers_are_a_lie(void **state)
{
    (void)state;
    run(checkpoints_differ);
    if (seeds_are_many())
        assert_true(n_contradictions > 0);
}

/* A network with a built-in filter header at 1,000, true or not. */
static struct spv_params built_in_params;
static struct spv_filter_checkpoint built_in[2];

static const struct spv_params *with_built_in(bool is_true)
{
    built_in_params = *spv_params_get(SPV_REGTEST);
    built_in[0] = built_in_params.filter_checkpoints[0];
    built_in[1] = (struct spv_filter_checkpoint){.height = 1000,
                                                 .header = filter_chain.filters.at[1000].header};
    if (!is_true)
        built_in[1].header.b[0] ^= 1;
    built_in_params.filter_checkpoints = built_in;
    built_in_params.n_filter_checkpoints = 2;
    return &built_in_params;
}

static void contradicts_built_in(struct sim *sim)
{
    struct filter_scenario s;
    unsigned liars;
    filter_begin(&s, sim);
    struct sim_filters *table = filter_table(&s);
    sim_filters_replace_hash(table, scenario_random(sim, 1, 1000), 1);
    const struct sim_filter_service service = {.filters = table};
    const size_t n_liars = 1 + (size_t)test_random_below(sim_random(sim), 3);
    mixed(&s, &liars, 1, n_liars, &service);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.banned = liars, .may_be_told = ALONE});
}

static void a_contradiction_of_a_built_in_filter_header_is_a_lie(void **state)
{
    (void)state;
    seeds_run(contradicts_built_in,
              &(struct seeds_config){.n = SEEDS, .params = with_built_in(true)});
}

static void all_contradict_built_in(struct sim *sim)
{
    struct filter_scenario s;
    filter_begin(&s, sim);
    filter_honest(&s, 4);
    filter_client(&s, NULL);
    filter_end(&s, &(struct filter_expected){.told = SPV_WARN_FILTERS_BUILT_IN, .unsynced = true});
}

static void when_all_contradict_a_built_in_filter_header_nobody_is_banned(void **state)
{
    (void)state;
    seeds_run(all_contradict_built_in,
              &(struct seeds_config){.n = SEEDS, .params = with_built_in(false)});
}

/* Each liar has a table of its own, and is proven one by one. */
static void many_lies(struct sim *sim)
{
    static const enum sim_filter_lie lies[] = {SIM_LACKS_OUTPUT, SIM_TOO_MANY, SIM_CUT_SHORT,
                                               SIM_LACKS_CERTAIN, SIM_EMPTY};
    struct filter_scenario s;
    filter_begin(&s, sim);
    for (size_t i = 0; i < COUNT(lies); i++)
        filter_servers(
            &s, 1, &(struct sim_filter_service){.filters = filter_lie(&s, lies[i], false, NULL)});
    filter_honest(&s, 1);
    filter_client(&s, NULL);
    filter_end(
        &s, &(struct filter_expected){.banned = filter_bits(0, COUNT(lies)), .may_be_told = ALONE});
}

static void one_honest_peer_outvotes_all_proven_liars(void **state)
{
    (void)state;
    run(many_lies);
}

/* Without any honest peer, liars that differ are proven all the same. */
static void only_liars(struct sim *sim)
{
    struct filter_scenario s;
    uint32_t first, second;
    filter_begin(&s, sim);
    const struct sim_filters *a = filter_lie(&s, SIM_LACKS_OUTPUT, false, &first);
    const struct sim_filters *b = filter_lie(&s, SIM_TOO_MANY, false, &second);
    filter_servers(&s, 2, &(struct sim_filter_service){.filters = a});
    filter_servers(&s, 2, &(struct sim_filter_service){.filters = b});
    filter_client(&s, NULL);
    /* Who lied at the lower height is proven there. The others are proven to lie when the scan
     * fetches the block of their lie: as one of its samples, or because its filter matches. */
    const unsigned lower = first < second   ? filter_bits(0, 2)
                           : first > second ? filter_bits(2, 2)
                                            : filter_bits(0, 4);
    filter_end(&s, &(struct filter_expected){.banned = lower,
                                             .stored = first < second ? b : a,
                                             .unsynced = first == second,
                                             .may_miss = true,
                                             .may_be_told = ALONE,
                                             .may_be_banned = filter_bits(0, 4),
                                             .or_banned = filter_bits(0, 4)});
}

static void different_liars_prove_each_other_false(void **state)
{
    (void)state;
    run(only_liars);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_that_lacks_an_output_is_a_proven_lie),
        cmocka_unit_test(a_filter_that_lacks_a_certain_spent_script_is_a_proven_lie),
        cmocka_unit_test(a_filter_with_too_many_elements_is_a_proven_lie),
        cmocka_unit_test(a_filter_that_does_not_decode_is_a_proven_lie),
        cmocka_unit_test(the_filter_of_another_block_is_a_proven_lie),
        cmocka_unit_test(a_filter_that_lacks_a_guess_proves_nothing),
        cmocka_unit_test(of_filters_that_nothing_proves_false_both_are_used),
        cmocka_unit_test(a_guess_that_points_at_the_honest_bans_none_of_them),
        cmocka_unit_test(filter_headers_without_a_filter_are_a_contradiction),
        cmocka_unit_test(a_filter_that_is_not_its_headers_is_a_contradiction),
        cmocka_unit_test(checkpoints_that_contradict_headers_are_a_lie),
        cmocka_unit_test(a_contradiction_of_a_built_in_filter_header_is_a_lie),
        cmocka_unit_test(when_all_contradict_a_built_in_filter_header_nobody_is_banned),
        cmocka_unit_test(one_honest_peer_outvotes_all_proven_liars),
        cmocka_unit_test(different_liars_prove_each_other_false),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: liars about filters", tests, filter_chain_make,
                                       filter_chain_free);
}
