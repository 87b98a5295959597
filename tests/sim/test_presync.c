/* Low-work header DoS protection: honest peers, misbehaving peers and floods during PRESYNC and
 * REDOWNLOAD. The simulations have no checkpoints, so only min_chain_work applies. SPV_SIM_FLOOD
 * is the number of low-work headers in the flood (default 1,000,000; .ci/long 10,000,000). */
#include "scenario_fixture.h"

#include "spv/mine.h"
#include "spv/sync/presync_peers.h"
#include "util/u256.h"

#define LENGTH 1500 /* headers: five answers */
#define ANSWER 300 /* headers in an answer: short messages are cheaper */
#define HARD_PERIODS 5 /* blocks at a quarter of the spacing: 256 times the minimum difficulty */
#define HARD_LENGTH 600

static struct sim_store chain; /* regtest */
static struct sim_store better; /* forks from chain at 300 and has 300 more */
static struct sim_store poor; /* 900 headers, no common header: too little work */
static struct sim_store hard; /* of hard_params: few headers, much work */
static struct sim_store cheap; /* of hard_params: many headers, little work */
static struct spv_params hard_params;
static struct spv_u256 enough; /* chain has it, poor does not */
static struct spv_u256 hard_work; /* the work of hard */

static int mine_chains(void **state)
{
    const struct spv_params *regtest = spv_params_get(SPV_REGTEST);
    (void)state;
    sim_store_mine(&chain, regtest, LENGTH, 1);
    sim_store_fork(&better, &chain, 300, LENGTH, 3);
    sim_store_fork(&poor, &chain, 0, 900, 4);
    enough = sim_store_tip(&chain)->work;
    enough.w[0] -= 600; /* reached at 1,200 */
    hard_params = scenario_params(false);
    hard_params.genesis.time -= 40000000; /* time for 60,000 headers ten minutes apart */
    struct spv_blockhash hash;
    if (spv_mine_header(&hard_params.genesis, &hash) < 0)
        abort();
    sim_store_init(&hard, &hard_params);
    sim_store_grow(&hard, HARD_PERIODS * SCENARIO_INTERVAL - 1, hard_params.target_spacing / 4, 5);
    sim_store_grow(&hard, HARD_LENGTH - HARD_PERIODS * SCENARIO_INTERVAL + 1, 0, 5);
    hard_work = sim_store_tip(&hard)->work;
    sim_store_init(&cheap, &hard_params);
    sim_store_grow(&cheap, 40000, 650, 6); /* a little late each, so that difficulty stays low */
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&chain);
    sim_store_free(&better);
    sim_store_free(&poor);
    sim_store_free(&hard);
    sim_store_free(&cheap);
    return 0;
}

static struct sim_client *client_of(struct sim *sim, const struct spv_u256 *min_work)
{
    return sim_add_client(sim,
                          &(struct sim_client_config){.min_work = min_work,
                                                      .checkpoint_mode = SPV_CHECKPOINTS_IGNORED});
}

/* ---- honest ---- */

/* Counts the requests that were answered until the client was synced. */
static uint64_t answers_until_synced(struct sim *sim, struct sim_client *client)
{
    uint64_t n = 0;
    if (sim_run(sim, 60 * SPV_SECOND, sim_client_synced, client) == 0)
        sim_break(sim, "not synced in time");
    for (size_t i = 0; i < sim_servers(sim); i++)
        n += sim_server_answered(sim, i);
    return n;
}

static void honest(struct sim *sim)
{
    scenario_servers(sim, 2, &(struct sim_server_config){.chain = &chain, .answer_max = ANSWER});
    struct sim_client *client = client_of(sim, &enough);
    if (answers_until_synced(sim, client) < 4 + 4 + 1)
        sim_break(sim, "nobody was asked twice for the same chain");
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 60});
}

static void an_honest_chain_comes_through_two_passes(void **state)
{
    (void)state;
    scenario_run(honest, NULL);
}

/* A chain that shows enough work in one message is accepted without REDOWNLOAD. */
static void short_proof(struct sim *sim)
{
    struct spv_u256 little = spv_u256_from_u64(500);
    scenario_servers(sim, 2, &(struct sim_server_config){.chain = &chain});
    struct sim_client *client = client_of(sim, &little);
    if (answers_until_synced(sim, client) > 1 + 1 + 2)
        sim_break(sim, "more was asked for than there is");
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 60});
}

static void a_chain_that_proves_itself_in_one_message_is_asked_for_once(void **state)
{
    (void)state;
    scenario_run(short_proof, NULL);
}

static void no_minimum(struct sim *sim)
{
    const struct spv_u256 none = {{0}};
    scenario_servers(sim, 2, &(struct sim_server_config){.chain = &poor});
    struct sim_client *client = client_of(sim, &none);
    if (answers_until_synced(sim, client) > 1 + 1 + 2)
        sim_break(sim, "more was asked for than there is");
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &poor, .seconds = 60});
}

static void minimum_work_0_turns_the_passes_off(void **state)
{
    (void)state;
    scenario_run(no_minimum, NULL);
}

static void two_chains(struct sim *sim)
{
    scenario_servers(sim, 1, &(struct sim_server_config){.chain = &chain, .answer_max = ANSWER});
    scenario_servers(sim, 1, &(struct sim_server_config){.chain = &better, .answer_max = ANSWER});
    struct sim_client *client = client_of(sim, &enough);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &better, .seconds = 90});
    /* the beginning of the better chain, all of the other one, the rest of the better one */
    if (sim_client_events(client, SPV_EVENT_REORG) > 2)
        sim_break(sim, "more reorganisations than times that the lead changed");
}

static void two_peers_prove_different_chains_at_once(void **state)
{
    (void)state;
    scenario_run(two_chains, NULL);
}

/* ---- too little work ---- */

static void poor_chain(struct sim *sim)
{
    scenario_servers(
        sim, 1, &(struct sim_server_config){.chain = &poor, .answer_max = ANSWER, .claim = 900000});
    struct sim_client *client = client_of(sim, &enough);
    sim_run(sim, 600 * SPV_SECOND, NULL, NULL);
    if (sim_store_tip(sim_client_store(client))->height != 0)
        sim_break(sim, "something of a poor chain was stored");
    if (sim_server_connections(sim, 0) < 2)
        sim_break(sim, "a poor peer was kept");
    if (sim_server_bans(sim, 0) != 0)
        sim_break(sim, "a poor peer was banned");
    if (sim_client_events(client, SPV_EVENT_SYNCED) != 0)
        sim_break(sim, "synced on a poor chain");
}

static void a_chain_that_ends_too_early_leaves_no_trace(void **state)
{
    (void)state;
    scenario_run(poor_chain, NULL);
}

static void poor_and_rich(struct sim *sim)
{
    scenario_servers(
        sim, 2, &(struct sim_server_config){.chain = &poor, .answer_max = ANSWER, .claim = 900000});
    scenario_servers(sim, 2, &(struct sim_server_config){.chain = &chain, .answer_max = ANSWER});
    struct sim_client *client = client_of(sim, &enough);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 120});
}

static void poor_peers_do_not_hold_up_a_rich_one(void **state)
{
    (void)state;
    scenario_run(poor_and_rich, NULL);
}

/* Endless low-work headers, beside a chain with much work in few headers. */
static void endless(struct sim *sim)
{
    const struct sim_server_config liar = {
        .chain = &cheap, .claim = 900000, .answer_max = 40, .think_us = 4 * SPV_SECOND};
    const struct sim_server_config good = {.chain = &hard};
    const size_t first = scenario_random(sim, 0, 1);
    sim_add_server(sim, first == 0 ? &liar : &good);
    sim_add_server(sim, first == 0 ? &good : &liar);
    /* with this peer alone, the low-work chain takes hours */
    struct sim_client *client = client_of(sim, &hard_work);
    if (sim_run(sim, 120 * SPV_SECOND, NULL, NULL) == 0 && !scenario_is_on(client, &hard))
        sim_break(sim, "an endless chain holds up an honest one");
    sim_run(sim, 900 * SPV_SECOND, NULL, NULL);
    if (!scenario_is_on(client, &hard) || sim_client_growth(client) > SCENARIO_GROWTH)
        sim_break(sim, "an endless chain did harm");
    if (sim_server_bans(sim, 0) + sim_server_bans(sim, 1) > 0)
        sim_break(sim, "valid headers were called a lie");
}

static void an_endless_low_work_chain_delays_no_other_peer(void **state)
{
    (void)state;
    scenario_run(endless, &hard_params);
}

/* As many endless chains as there are presync slots: the honest peer waits for a slot, but the
 * wait is bounded. */
static void slots_taken(struct sim *sim)
{
    const struct sim_server_config liar = {
        .chain = &cheap, .claim = 900000, .answer_max = 20, .think_us = 10 * SPV_SECOND};
    scenario_servers(sim, SPV_PRESYNC_PEERS_SLOTS, &liar);
    scenario_servers(sim, 1, &(struct sim_server_config){.chain = &hard, .think_us = SPV_SECOND});
    struct sim_client *client = client_of(sim, &hard_work);
    const struct spv_now begun = sim_now(sim);
    while (!sim_broken(sim) && !scenario_is_on(client, &hard) &&
           sim_now(sim).mono_us - begun.mono_us < SPV_PRESYNC_PEERS_TIME + 300 * SPV_SECOND)
        sim_run(sim, 10 * SPV_SECOND, NULL, NULL);
    if (!scenario_is_on(client, &hard))
        sim_break(sim, "endless chains hold up an honest one for ever");
    for (size_t i = 0; i < sim_servers(sim); i++)
        if (sim_server_bans(sim, i) > 0)
            sim_break(sim, "valid headers were called a lie");
}

static void endless_chains_in_every_slot_give_way_in_time(void **state)
{
    (void)state;
    scenario_run(slots_taken, &hard_params);
}

/* ---- invalid redownloads ---- */

/* In REDOWNLOAD the peer sends another chain than in PRESYNC. */
struct turncoat {
    struct sim_store *second;
    unsigned starts;
};

static int turn(void *ctx, struct spv_header *headers, int n,
                const struct spv_msg_getheaders *request)
{
    struct turncoat *t = ctx;
    t->starts += spv_blockhash_eq(&request->locator[0], &chain.at[0].hash);
    if (t->starts % 2 == 1)
        return n;
    struct spv_header_db reader = sim_store_reader(t->second);
    n = spv_serve_headers(&reader, headers, request);
    return n < ANSWER ? n : ANSWER;
}

static void junk_alone(struct sim *sim)
{
    struct turncoat t = {.second = &poor};
    sim_add_server(sim, &(struct sim_server_config){
                            .chain = &chain, .answer_max = ANSWER, .answer = turn, .ctx = &t});
    struct sim_client *client = client_of(sim, &enough);
    sim_run(sim, 900 * SPV_SECOND, NULL, NULL);
    /* an honest peer's chain may have changed meanwhile, so this is not misbehaving */
    if (sim_server_bans(sim, 0) != 0)
        sim_break(sim, "a chain that changed was called a lie");
    if (t.starts < 4)
        sim_break(sim, "the peer was not tried again");
    const struct sim_store *store = sim_client_store(client);
    if (store->n > 1 && spv_blockhash_eq(&store->at[1].hash, &poor.at[1].hash))
        sim_break(sim, "junk of a second pass was stored");
}

static void an_honest_first_pass_and_junk_in_the_second_stores_nothing(void **state)
{
    (void)state;
    scenario_run(junk_alone, NULL);
}

static void junk_beside_honest(struct sim *sim)
{
    struct turncoat t = {.second = &poor};
    const size_t place = scenario_random(sim, 0, 2);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain,
                                                        .answer_max = ANSWER,
                                                        .answer = i == place ? turn : NULL,
                                                        .ctx = &t});
    struct sim_client *client = client_of(sim, &enough);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 120});
}

static void junk_in_the_second_pass_does_not_hold_up_others(void **state)
{
    (void)state;
    scenario_run(junk_beside_honest, NULL);
}

/* In REDOWNLOAD a header has invalid proof of work: that alone is misbehaving. */
static int spoil_second(void *ctx, struct spv_header *headers, int n,
                        const struct spv_msg_getheaders *request)
{
    struct turncoat *t = ctx;
    t->starts += spv_blockhash_eq(&request->locator[0], &chain.at[0].hash);
    if (t->starts % 2 == 0 && n > 0)
        headers[n - 1].bits = 0x1d00ffff;
    return n;
}

static void lie_in_second(struct sim *sim)
{
    struct turncoat t = {0};
    const size_t place = scenario_random(sim, 0, 2);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain,
                                                        .answer_max = ANSWER,
                                                        .answer = i == place ? spoil_second : NULL,
                                                        .ctx = &t});
    struct sim_client *client = client_of(sim, &enough);
    scenario_check(sim,
                   &(struct scenario_expected){
                       .client = client, .want = &chain, .liars = 1u << place, .seconds = 120});
}

static void a_broken_rule_is_misbehaving_in_the_redownload_too(void **state)
{
    (void)state;
    scenario_run(lie_in_second, NULL);
}

static void drop_difficulty(void *ctx, struct spv_header *header, uint32_t i)
{
    (void)ctx;
    if (i == 0)
        header->bits = hard_params.pow_limit_bits;
}

static void dropped(struct sim *sim)
{
    struct sim_store forged;
    const uint32_t edge = SCENARIO_INTERVAL * scenario_random(sim, 6, 10);
    sim_store_fork(&forged, &hard, edge - 1, 0, 0);
    sim_store_forge(&forged, 900, test_random_next(sim_random(sim)), drop_difficulty, NULL);
    const size_t place = scenario_random(sim, 0, 2);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = i == place ? &forged : &hard,
                                                        .answer_max = 100,
                                                        .claim = i == place ? 100000 : 0});
    struct sim_client *client = client_of(sim, &hard_work);
    scenario_check(sim, &(struct scenario_expected){
                            .client = client, .want = &hard, .liars = 1u << place, .seconds = 300});
    sim_store_free(&forged);
}

static void difficulty_dropped_at_a_periods_edge_is_found_in_the_first_pass(void **state)
{
    (void)state;
    scenario_run(dropped, &hard_params);
}

/* ---- lost connections ---- */

static void lost_between(struct sim *sim)
{
    /* 1,200 headers are 97 kB: the reset comes during REDOWNLOAD */
    for (size_t i = 0; i < 2; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain,
                                                        .answer_max = ANSWER,
                                                        .reset_after = i == 0 ? 135000 : 0});
    struct sim_client *client = client_of(sim, &enough);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 300});
}

static void a_peer_lost_between_the_passes_is_made_good_by_another(void **state)
{
    (void)state;
    scenario_run(lost_between, NULL);
}

static void stay(struct sim *sim, void *ctx)
{
    (void)ctx;
    sim_server(sim, 0)->reset_after = 0;
}

static void lost_alone(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){
                            .chain = &chain, .answer_max = ANSWER, .reset_after = 135000});
    sim_after(sim, 120 * SPV_SECOND, stay, NULL);
    struct sim_client *client = client_of(sim, &enough);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 900});
}

static void the_only_peer_may_be_lost_between_the_passes(void **state)
{
    (void)state;
    scenario_run(lost_alone, NULL);
}

static void restarted(struct sim *sim)
{
    scenario_servers(sim, 2,
                     &(struct sim_server_config){
                         .chain = &chain, .answer_max = ANSWER, .think_us = SPV_SECOND / 2});
    struct sim_client *client = client_of(sim, &enough);
    for (unsigned i = 0; i < 3; i++) {
        sim_run(sim, scenario_random(sim, 100, 4000) * (SPV_SECOND / 1000), NULL, NULL);
        sim_client_restart(sim, client);
    }
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 120});
}

static void a_client_may_restart_in_either_pass(void **state)
{
    (void)state;
    scenario_run(restarted, NULL);
}

/* The honest peer's chain changes during its presync: the presync restarts. */
static void change(struct sim *sim, void *ctx)
{
    (void)ctx;
    sim_server_announce(sim, 0, &better);
}

static void changed(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){
                            .chain = &chain, .answer_max = ANSWER, .think_us = SPV_SECOND / 2});
    struct sim_client *client = client_of(sim, &enough);
    sim_after(sim, scenario_random(sim, 10, 4500) * (SPV_SECOND / 1000), change, NULL);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &better, .seconds = 2400});
}

static void a_chain_that_changes_during_presync_is_not_misbehaving(void **state)
{
    (void)state;
    scenario_run(changed, NULL);
}

/* ---- the flood ---- */

/* Endless headers, each computed from its height; none is stored. */
struct spring {
    struct spv_header last;
    struct spv_blockhash hash;
    uint64_t offered, wanted;
};

static int gush(void *ctx, struct spv_header *headers, int n,
                const struct spv_msg_getheaders *request)
{
    struct spring *s = ctx;
    (void)n;
    if (!spv_blockhash_eq(&request->locator[0], &s->hash)) { /* from the start */
        s->last = chain.at[0].header;
        s->hash = chain.at[0].hash;
    }
    for (int i = 0; i < (int)SPV_MAX_HEADERS; i++) {
        s->last.prev = s->hash;
        s->last.version = 0x20000000;
        s->last.time += 10;
        s->last.nonce = 0;
        if (spv_mine_header(&s->last, &s->hash) < 0)
            abort();
        headers[i] = s->last;
    }
    s->offered += SPV_MAX_HEADERS;
    return SPV_MAX_HEADERS;
}

static bool poured(struct sim *sim, void *ctx)
{
    const struct spring *s = ctx;
    (void)sim;
    return s->offered >= s->wanted;
}

static void a_flood_of_worthless_headers_costs_less_than_8_mib(void **state)
{
    const char *many = getenv("SPV_SIM_FLOOD");
    struct spring spring = {.wanted = many ? strtoull(many, NULL, 10) : 1000000};
    const struct spv_u256 much = {{0, 1, 0, 0}}; /* 2^64: no peer has as much work */
    struct sim *sim = sim_new(&(struct sim_config){
        .seed = 1, .latency_min_us = 100, .latency_max_us = 200, .fragment_max = 200000});
    (void)state;
    sim_add_server(sim, &(struct sim_server_config){
                            .chain = &chain, .answer = gush, .ctx = &spring, .claim = 900000000});
    struct sim_client *client = client_of(sim, &much);
    assert_int_equal(sim_run(sim, UINT64_C(1000000) * SPV_SECOND, poured, &spring), 1);
    assert_null(sim_broken(sim));
    print_message("%llu headers offered, the node grew by %zu bytes\n",
                  (unsigned long long)spring.offered, sim_client_growth(client));
    assert_true(sim_client_growth(client) < 8u << 20);
    assert_int_equal(sim_client_store(client)->n, 1);
    assert_int_equal(sim_server_bans(sim, 0), 0);
    assert_int_equal(sim_server_connections(sim, 0), 1); /* one flood at a time */
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_chain_comes_through_two_passes),
        cmocka_unit_test(a_chain_that_proves_itself_in_one_message_is_asked_for_once),
        cmocka_unit_test(minimum_work_0_turns_the_passes_off),
        cmocka_unit_test(two_peers_prove_different_chains_at_once),
        cmocka_unit_test(a_chain_that_ends_too_early_leaves_no_trace),
        cmocka_unit_test(poor_peers_do_not_hold_up_a_rich_one),
        cmocka_unit_test(an_endless_low_work_chain_delays_no_other_peer),
        cmocka_unit_test(endless_chains_in_every_slot_give_way_in_time),
        cmocka_unit_test(an_honest_first_pass_and_junk_in_the_second_stores_nothing),
        cmocka_unit_test(junk_in_the_second_pass_does_not_hold_up_others),
        cmocka_unit_test(a_broken_rule_is_misbehaving_in_the_redownload_too),
        cmocka_unit_test(difficulty_dropped_at_a_periods_edge_is_found_in_the_first_pass),
        cmocka_unit_test(a_peer_lost_between_the_passes_is_made_good_by_another),
        cmocka_unit_test(the_only_peer_may_be_lost_between_the_passes),
        cmocka_unit_test(a_client_may_restart_in_either_pass),
        cmocka_unit_test(a_chain_that_changes_during_presync_is_not_misbehaving),
        cmocka_unit_test(a_flood_of_worthless_headers_costs_less_than_8_mib),
    };

    scenario_filter();
    return cmocka_run_group_tests_name("sim: presync", tests, mine_chains, free_chains);
}
