/* Low-work header DoS protection: honest peers, misbehaving peers and floods during PRESYNC and
 * REDOWNLOAD. The simulations have no checkpoints, so only min_chain_work applies. SPV_SIM_FLOOD
 * is the number of low-work headers in the flood (default 1,000,000; .ci/long 10,000,000). */
#include "scenario_fixture.h"

#include "spv/mine.h"
#include "spv/sync/presync_peers.h"
#include "util/u256.h"

#define LENGTH 1500 /* headers: five answers */
#define ANSWER 300 /* headers in an answer: short messages are cheaper */
/* At a quarter of the spacing: each makes the next four times as difficult, 1,024 times in total.
 */
#define FAST_PERIODS 5
#define HIGH_WORK_LENGTH 600

static struct sim_store chain; /* regtest */
static struct sim_store better; /* forks from chain at 300 and has 300 more */
static struct sim_store low_work; /* 900 headers, forks at genesis: too little work */
static struct sim_store high_work; /* of retarget_params: few headers, much work */
static struct sim_store long_low_work; /* of retarget_params: many headers, little work */
static struct spv_params retarget_params;
static struct spv_u256 threshold; /* chain has it, low_work does not */
static struct spv_u256 high_min_work; /* the work of high_work */

static int mine_chains(void **state)
{
    const struct spv_params *regtest = spv_params_get(SPV_REGTEST);
    (void)state;
    sim_store_mine(&chain, regtest, LENGTH, 1);
    sim_store_fork(&better, &chain, 300, LENGTH, 3);
    sim_store_fork(&low_work, &chain, 0, 900, 4);
    threshold = sim_store_tip(&chain)->work;
    threshold.w[0] -= 600; /* reached at 1,200 */
    retarget_params = scenario_params(false);
    retarget_params.genesis.time -= 40000000; /* time for 60,000 headers ten minutes apart */
    struct spv_blockhash hash;
    if (spv_mine_header(&retarget_params.genesis, &hash) < 0)
        abort();
    sim_store_init(&high_work, &retarget_params);
    sim_store_grow(&high_work, FAST_PERIODS * SCENARIO_INTERVAL - 1,
                   retarget_params.target_spacing / 4, 5);
    sim_store_grow(&high_work, HIGH_WORK_LENGTH - FAST_PERIODS * SCENARIO_INTERVAL + 1, 0, 5);
    high_min_work = sim_store_tip(&high_work)->work;
    sim_store_init(&long_low_work, &retarget_params);
    sim_store_grow(&long_low_work, 40000, 650,
                   6); /* a little late each, so that difficulty stays low */
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&chain);
    sim_store_free(&better);
    sim_store_free(&low_work);
    sim_store_free(&high_work);
    sim_store_free(&long_low_work);
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
    struct sim_client *client = client_of(sim, &threshold);
    if (answers_until_synced(sim, client) < 4 + 4 + 1)
        sim_break(sim, "no REDOWNLOAD was requested");
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 60});
}

static void an_honest_chain_is_accepted_after_presync_and_redownload(void **state)
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
        sim_break(sim, "more requests than the chain needs");
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 60});
}

static void a_chain_with_enough_work_in_one_message_needs_no_redownload(void **state)
{
    (void)state;
    scenario_run(short_proof, NULL);
}

static void no_minimum(struct sim *sim)
{
    const struct spv_u256 none = {{0}};
    scenario_servers(sim, 2, &(struct sim_server_config){.chain = &low_work});
    struct sim_client *client = client_of(sim, &none);
    if (answers_until_synced(sim, client) > 1 + 1 + 2)
        sim_break(sim, "more requests than the chain needs");
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &low_work, .seconds = 60});
}

static void minimum_work_0_disables_presync(void **state)
{
    (void)state;
    scenario_run(no_minimum, NULL);
}

static void two_chains(struct sim *sim)
{
    scenario_servers(sim, 1, &(struct sim_server_config){.chain = &chain, .answer_max = ANSWER});
    scenario_servers(sim, 1, &(struct sim_server_config){.chain = &better, .answer_max = ANSWER});
    struct sim_client *client = client_of(sim, &threshold);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &better, .seconds = 90});
    /* the beginning of the better chain, all of the other one, the rest of the better one */
    if (sim_client_events(client, SPV_EVENT_REORG) > 2)
        sim_break(sim, "more reorganisations than times that the lead changed");
}

static void presync_of_two_chains_at_once(void **state)
{
    (void)state;
    scenario_run(two_chains, NULL);
}

/* ---- too little work ---- */

static void low_work_chain(struct sim *sim)
{
    scenario_servers(
        sim, 1,
        &(struct sim_server_config){.chain = &low_work, .answer_max = ANSWER, .claim = 900000});
    struct sim_client *client = client_of(sim, &threshold);
    sim_run(sim, 600 * SPV_SECOND, NULL, NULL);
    if (sim_store_tip(sim_client_store(client))->height != 0)
        sim_break(sim, "a header of a low-work chain was stored");
    if (sim_server_connections(sim, 0) < 2)
        sim_break(sim, "a peer with a low-work chain was not disconnected");
    if (sim_server_bans(sim, 0) != 0)
        sim_break(sim, "a peer with a low-work chain was banned");
    if (sim_client_events(client, SPV_EVENT_SYNCED) != 0)
        sim_break(sim, "synced on a low-work chain");
}

static void a_chain_that_ends_below_the_minimum_work_is_not_stored(void **state)
{
    (void)state;
    scenario_run(low_work_chain, NULL);
}

static void low_work_and_honest(struct sim *sim)
{
    scenario_servers(
        sim, 2,
        &(struct sim_server_config){.chain = &low_work, .answer_max = ANSWER, .claim = 900000});
    scenario_servers(sim, 2, &(struct sim_server_config){.chain = &chain, .answer_max = ANSWER});
    struct sim_client *client = client_of(sim, &threshold);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 120});
}

static void low_work_peers_do_not_delay_an_honest_one(void **state)
{
    (void)state;
    scenario_run(low_work_and_honest, NULL);
}

/* Endless low-work headers, beside a chain with much work in few headers. */
static void endless(struct sim *sim)
{
    const struct sim_server_config low_work_peer = {.chain = &long_low_work,
                                                    .claim = 900000,
                                                    .answer_max = 40,
                                                    .answer_delay_us = 4 * SPV_SECOND};
    const struct sim_server_config good = {.chain = &high_work};
    const size_t first = scenario_random(sim, 0, 1);
    sim_add_server(sim, first == 0 ? &low_work_peer : &good);
    sim_add_server(sim, first == 0 ? &good : &low_work_peer);
    /* with this peer alone, the low-work chain takes hours */
    struct sim_client *client = client_of(sim, &high_min_work);
    if (sim_run(sim, 120 * SPV_SECOND, NULL, NULL) == 0 && !scenario_on_tip(client, &high_work))
        sim_break(sim, "an endless chain delays an honest one");
    sim_run(sim, 900 * SPV_SECOND, NULL, NULL);
    if (!scenario_on_tip(client, &high_work) || sim_client_growth(client) > SCENARIO_GROWTH)
        sim_break(sim, "an endless chain changed the tip or grew the memory");
    if (sim_server_bans(sim, 0) + sim_server_bans(sim, 1) > 0)
        sim_break(sim, "valid headers were judged misbehaving");
}

static void an_endless_low_work_chain_delays_no_other_peer(void **state)
{
    (void)state;
    scenario_run(endless, &retarget_params);
}

/* As many endless chains as there are presync slots: the honest peer waits for a slot, but the
 * wait is bounded. */
static void slots_taken(struct sim *sim)
{
    const struct sim_server_config low_work_peer = {.chain = &long_low_work,
                                                    .claim = 900000,
                                                    .answer_max = 20,
                                                    .answer_delay_us = 10 * SPV_SECOND};
    scenario_servers(sim, SPV_PRESYNC_PEERS_SLOTS, &low_work_peer);
    scenario_servers(
        sim, 1, &(struct sim_server_config){.chain = &high_work, .answer_delay_us = SPV_SECOND});
    struct sim_client *client = client_of(sim, &high_min_work);
    const struct spv_now start = sim_now(sim);
    while (!sim_broken(sim) && !scenario_on_tip(client, &high_work) &&
           sim_now(sim).mono_us - start.mono_us < SPV_PRESYNC_PEERS_SLOT_US + 300 * SPV_SECOND)
        sim_run(sim, 10 * SPV_SECOND, NULL, NULL);
    if (!scenario_on_tip(client, &high_work))
        sim_break(sim, "endless chains block an honest one");
    for (size_t i = 0; i < sim_servers(sim); i++)
        if (sim_server_bans(sim, i) > 0)
            sim_break(sim, "valid headers were judged misbehaving");
}

static void endless_chains_release_their_presync_slots_in_time(void **state)
{
    (void)state;
    scenario_run(slots_taken, &retarget_params);
}

/* ---- invalid redownloads ---- */

/* In REDOWNLOAD the peer sends another chain than in PRESYNC. */
struct switching_peer {
    struct sim_store *second;
    unsigned starts;
};

static int switch_chain(void *ctx, struct spv_header *headers, int n,
                        const struct spv_msg_getheaders *request)
{
    struct switching_peer *t = ctx;
    t->starts += spv_blockhash_eq(&request->locator[0], &chain.at[0].hash);
    if (t->starts % 2 == 1)
        return n;
    struct spv_header_db reader = sim_store_reader(t->second);
    n = spv_serve_headers(&reader, headers, request);
    return n < ANSWER ? n : ANSWER;
}

static void switched_alone(struct sim *sim)
{
    struct switching_peer t = {.second = &low_work};
    sim_add_server(sim,
                   &(struct sim_server_config){
                       .chain = &chain, .answer_max = ANSWER, .answer = switch_chain, .ctx = &t});
    struct sim_client *client = client_of(sim, &threshold);
    sim_run(sim, 900 * SPV_SECOND, NULL, NULL);
    /* a reorg of the peer's chain has the same effect, so this is not misbehaving */
    if (sim_server_bans(sim, 0) != 0)
        sim_break(sim, "a chain that changed was judged misbehaving");
    if (t.starts < 4)
        sim_break(sim, "the peer was not tried again");
    const struct sim_store *store = sim_client_store(client);
    if (store->n > 1 && spv_blockhash_eq(&store->at[1].hash, &low_work.at[1].hash))
        sim_break(sim, "a header of the other chain was stored");
}

static void another_chain_in_the_redownload_stores_nothing(void **state)
{
    (void)state;
    scenario_run(switched_alone, NULL);
}

static void switched_beside_honest(struct sim *sim)
{
    struct switching_peer t = {.second = &low_work};
    const size_t bad = scenario_random(sim, 0, 2);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain,
                                                        .answer_max = ANSWER,
                                                        .answer = i == bad ? switch_chain : NULL,
                                                        .ctx = &t});
    struct sim_client *client = client_of(sim, &threshold);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 120});
}

static void another_chain_in_the_redownload_does_not_delay_other_peers(void **state)
{
    (void)state;
    scenario_run(switched_beside_honest, NULL);
}

/* In REDOWNLOAD a header has invalid proof of work: that alone is misbehaving. */
static int corrupt_redownload(void *ctx, struct spv_header *headers, int n,
                              const struct spv_msg_getheaders *request)
{
    struct switching_peer *t = ctx;
    t->starts += spv_blockhash_eq(&request->locator[0], &chain.at[0].hash);
    if (t->starts % 2 == 0 && n > 0)
        headers[n - 1].bits = 0x1d00ffff;
    return n;
}

static void invalid_redownload(struct sim *sim)
{
    struct switching_peer t = {0};
    const size_t bad = scenario_random(sim, 0, 2);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim,
                       &(struct sim_server_config){.chain = &chain,
                                                   .answer_max = ANSWER,
                                                   .answer = i == bad ? corrupt_redownload : NULL,
                                                   .ctx = &t});
    struct sim_client *client = client_of(sim, &threshold);
    scenario_check(sim,
                   &(struct scenario_expected){
                       .client = client, .want = &chain, .misbehaving = 1u << bad, .seconds = 120});
}

static void a_broken_rule_in_the_redownload_is_misbehaving(void **state)
{
    (void)state;
    scenario_run(invalid_redownload, NULL);
}

static void drop_difficulty(void *ctx, struct spv_header *header, uint32_t i)
{
    (void)ctx;
    if (i == 0)
        header->bits = retarget_params.pow_limit_bits;
}

static void difficulty_drop(struct sim *sim)
{
    struct sim_store forged;
    const uint32_t edge = SCENARIO_INTERVAL * scenario_random(sim, 6, 10);
    sim_store_fork(&forged, &high_work, edge - 1, 0, 0);
    sim_store_forge(&forged, 900, test_random_next(sim_random(sim)), drop_difficulty, NULL);
    const size_t bad = scenario_random(sim, 0, 2);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = i == bad ? &forged : &high_work,
                                                        .answer_max = 100,
                                                        .claim = i == bad ? 100000 : 0});
    struct sim_client *client = client_of(sim, &high_min_work);
    scenario_check(
        sim, &(struct scenario_expected){
                 .client = client, .want = &high_work, .misbehaving = 1u << bad, .seconds = 300});
    sim_store_free(&forged);
}

static void difficulty_dropped_at_a_retarget_is_found_in_presync(void **state)
{
    (void)state;
    scenario_run(difficulty_drop, &retarget_params);
}

/* ---- lost connections ---- */

static void lost_between(struct sim *sim)
{
    /* 1,200 headers are 97 kB: the reset comes during REDOWNLOAD */
    for (size_t i = 0; i < 2; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &chain,
                                                        .answer_max = ANSWER,
                                                        .reset_after = i == 0 ? 135000 : 0});
    struct sim_client *client = client_of(sim, &threshold);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 300});
}

static void a_peer_lost_in_the_redownload_is_replaced(void **state)
{
    (void)state;
    scenario_run(lost_between, NULL);
}

static void stop_resets(struct sim *sim, void *ctx)
{
    (void)ctx;
    sim_server(sim, 0)->reset_after = 0;
}

static void lost_alone(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){
                            .chain = &chain, .answer_max = ANSWER, .reset_after = 135000});
    sim_after(sim, 120 * SPV_SECOND, stop_resets, NULL);
    struct sim_client *client = client_of(sim, &threshold);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 900});
}

static void the_only_peer_may_be_lost_in_the_redownload(void **state)
{
    (void)state;
    scenario_run(lost_alone, NULL);
}

static void restarted(struct sim *sim)
{
    scenario_servers(sim, 2,
                     &(struct sim_server_config){
                         .chain = &chain, .answer_max = ANSWER, .answer_delay_us = SPV_SECOND / 2});
    struct sim_client *client = client_of(sim, &threshold);
    for (unsigned i = 0; i < 3; i++) {
        sim_run(sim, scenario_random(sim, 100, 4000) * (SPV_SECOND / 1000), NULL, NULL);
        sim_client_restart(sim, client);
    }
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &chain, .seconds = 120});
}

static void a_client_may_restart_in_presync_and_in_redownload(void **state)
{
    (void)state;
    scenario_run(restarted, NULL);
}

/* The honest peer's chain changes during its presync: the presync restarts. */
static void announce_better(struct sim *sim, void *ctx)
{
    (void)ctx;
    sim_server_announce(sim, 0, &better);
}

static void chain_changes(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){.chain = &chain,
                                                    .answer_max = ANSWER,
                                                    .answer_delay_us = SPV_SECOND / 2});
    struct sim_client *client = client_of(sim, &threshold);
    sim_after(sim, scenario_random(sim, 10, 4500) * (SPV_SECOND / 1000), announce_better, NULL);
    scenario_check(sim,
                   &(struct scenario_expected){.client = client, .want = &better, .seconds = 2400});
}

static void a_chain_that_changes_during_presync_is_not_misbehaving(void **state)
{
    (void)state;
    scenario_run(chain_changes, NULL);
}

/* ---- the flood ---- */

/* Endless headers, each computed from its height; none is stored. */
struct header_flood {
    struct spv_header last;
    struct spv_blockhash hash;
    uint64_t sent, n_to_send;
};

static int flood_answer(void *ctx, struct spv_header *headers, int n,
                        const struct spv_msg_getheaders *request)
{
    struct header_flood *s = ctx;
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
    s->sent += SPV_MAX_HEADERS;
    return SPV_MAX_HEADERS;
}

static bool flood_sent(struct sim *sim, void *ctx)
{
    const struct header_flood *s = ctx;
    (void)sim;
    return s->sent >= s->n_to_send;
}

static void a_flood_of_low_work_headers_uses_less_than_8_mib(void **state)
{
    const char *many = getenv("SPV_SIM_FLOOD");
    struct header_flood header_flood = {.n_to_send = many ? strtoull(many, NULL, 10) : 1000000};
    const struct spv_u256 much = {{0, 1, 0, 0}}; /* 2^64: no peer has as much work */
    struct sim *sim = sim_new(&(struct sim_config){
        .seed = 1, .latency_min_us = 100, .latency_max_us = 200, .fragment_max = 200000});
    (void)state;
    sim_add_server(sim, &(struct sim_server_config){.chain = &chain,
                                                    .answer = flood_answer,
                                                    .ctx = &header_flood,
                                                    .claim = 900000000});
    struct sim_client *client = client_of(sim, &much);
    assert_int_equal(sim_run(sim, UINT64_C(1000000) * SPV_SECOND, flood_sent, &header_flood), 1);
    assert_null(sim_broken(sim));
    print_message("%llu headers offered, the node grew by %zu bytes\n",
                  (unsigned long long)header_flood.sent, sim_client_growth(client));
    assert_true(sim_client_growth(client) < 8u << 20);
    assert_int_equal(sim_client_store(client)->n, 1);
    assert_int_equal(sim_server_bans(sim, 0), 0);
    assert_int_equal(sim_server_connections(sim, 0), 1); /* one flood at a time */
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_chain_is_accepted_after_presync_and_redownload),
        cmocka_unit_test(a_chain_with_enough_work_in_one_message_needs_no_redownload),
        cmocka_unit_test(minimum_work_0_disables_presync),
        cmocka_unit_test(presync_of_two_chains_at_once),
        cmocka_unit_test(a_chain_that_ends_below_the_minimum_work_is_not_stored),
        cmocka_unit_test(low_work_peers_do_not_delay_an_honest_one),
        cmocka_unit_test(an_endless_low_work_chain_delays_no_other_peer),
        cmocka_unit_test(endless_chains_release_their_presync_slots_in_time),
        cmocka_unit_test(another_chain_in_the_redownload_stores_nothing),
        cmocka_unit_test(another_chain_in_the_redownload_does_not_delay_other_peers),
        cmocka_unit_test(a_broken_rule_in_the_redownload_is_misbehaving),
        cmocka_unit_test(difficulty_dropped_at_a_retarget_is_found_in_presync),
        cmocka_unit_test(a_peer_lost_in_the_redownload_is_replaced),
        cmocka_unit_test(the_only_peer_may_be_lost_in_the_redownload),
        cmocka_unit_test(a_client_may_restart_in_presync_and_in_redownload),
        cmocka_unit_test(a_chain_that_changes_during_presync_is_not_misbehaving),
        cmocka_unit_test(a_flood_of_low_work_headers_uses_less_than_8_mib),
    };

    scenario_filter();
    return cmocka_run_group_tests_name("sim: presync", tests, mine_chains, free_chains);
}
