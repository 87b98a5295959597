/* Scenarios: peers that are silent, claim too much, send short answers, or serve another
 * network. None of them sends provably invalid data, so none is banned; they must not delay the
 * sync. scenario_fixture.h has the table. */
#include "scenario_fixture.h"

#define LENGTH 4100 /* headers: three answers */
#define CHECKPOINT_EVERY 500 /* headers between checkpoints, in simulations with checkpoints */
#define SYNC_LIMIT 120 /* limit of a sync in seconds while honest peers are connected */

static struct sim_store chain; /* regtest */
static struct spv_checkpoint checkpoints[LENGTH / CHECKPOINT_EVERY - 1];
static struct sim_store short_chain; /* the first headers of chain */
static struct sim_store foreign_chain; /* starts at another genesis */
static struct spv_params other_genesis;

static int mine_chains(void **state)
{
    (void)state;
    sim_store_mine(&chain, spv_params_get(SPV_REGTEST), LENGTH, 1);
    scenario_checkpoints(checkpoints, COUNT(checkpoints), &chain, CHECKPOINT_EVERY);
    sim_store_fork(&short_chain, &chain, 20, 0, 0);
    other_genesis = scenario_params(false);
    sim_store_mine(&foreign_chain, &other_genesis, 300, 4);
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&chain);
    sim_store_free(&short_chain);
    sim_store_free(&foreign_chain);
    return 0;
}

/* Two honest servers and two of the tested kind, in random order. In half of the simulations the
 * client has checkpoints, so it downloads segments from all of them at once. It must be synced
 * within the limit. */
static void two_and_two(struct sim *sim, const struct sim_server_config *bad, uint64_t seconds)
{
    const struct sim_server_config good = {.chain = &chain};
    const size_t first = scenario_random(sim, 0, 3),
                 second = (first + scenario_random(sim, 1, 3)) % 4;
    for (size_t i = 0; i < 4; i++)
        sim_add_server(sim, i == first || i == second ? bad : &good);
    struct sim_client_config cfg = {0};
    if (scenario_random(sim, 0, 1) != 0)
        cfg = (struct sim_client_config){.checkpoints = checkpoints,
                                         .n_checkpoints = COUNT(checkpoints)};
    struct sim_client *client = sim_add_client(sim, &cfg);
    scenario_check(
        sim, &(struct scenario_expected){.client = client, .want = &chain, .seconds = seconds});
}

/* ---- false claims ---- */

static void false_start_height(struct sim *sim)
{
    static const int32_t claims[] = {INT32_MAX, 1000000, -1, INT32_MIN, 1};
    struct sim_server_config bad = {.chain =
                                        scenario_random(sim, 0, 1) != 0 ? &short_chain : &chain};
    bad.claim = claims[scenario_random(sim, 0, COUNT(claims) - 1)];
    two_and_two(sim, &bad, SYNC_LIMIT);
}

static void a_false_start_height_has_no_effect(void **state)
{
    (void)state;
    scenario_run(false_start_height, NULL);
}

/* ---- silence ---- */

static void silent(struct sim *sim)
{
    const struct sim_server_config bad = {.chain = &chain, .silent = true, .claim = LENGTH + 1000};
    two_and_two(sim, &bad, SYNC_LIMIT);
}

static void mute_peers_do_not_delay_the_sync(void **state)
{
    (void)state;
    scenario_run(silent, NULL);
}

static void mute(struct sim *sim)
{
    const struct sim_server_config bad = {.chain = &chain, .mute = true, .claim = LENGTH + 1000};
    two_and_two(sim, &bad, SYNC_LIMIT);
}

static void mute_peers_that_answer_pings_do_not_delay_the_sync(void **state)
{
    (void)state;
    scenario_run(mute, NULL);
}

/* ---- slow answers ---- */

/* Each answer arrives just before its deadline: a deadline per request alone does not detect
 * this peer. */
static void drip(struct sim *sim)
{
    const struct sim_server_config bad = {.chain = &chain,
                                          .answer_max = 1,
                                          .answer_delay_us = 19 * SPV_SECOND + 500000,
                                          .claim = LENGTH + 1000};
    two_and_two(sim, &bad, SYNC_LIMIT);
}

static void a_peer_that_sends_one_header_at_a_time_does_not_delay_the_sync(void **state)
{
    (void)state;
    scenario_run(drip, NULL);
}

static int send_no_answer(void *ctx, struct spv_header *headers, int n,
                          const struct spv_msg_getheaders *request)
{
    (void)ctx;
    (void)headers;
    (void)n;
    (void)request;
    return 0;
}

static void empty(struct sim *sim)
{
    const struct sim_server_config bad = {
        .chain = &chain, .answer = send_no_answer, .claim = LENGTH};
    two_and_two(sim, &bad, SYNC_LIMIT);
}

static void empty_answers_while_behind_do_not_end_the_sync(void **state)
{
    (void)state;
    scenario_run(empty, NULL);
}

static void cut_short(struct sim *sim)
{
    struct sim_server_config bad = {.chain = &chain};
    bad.answer_max = scenario_random(sim, 1, SPV_MAX_HEADERS - 1);
    bad.claim = scenario_random(sim, 0, 1) != 0 ? (int32_t)bad.answer_max : 0;
    two_and_two(sim, &bad, SYNC_LIMIT);
}

static void short_answers_below_the_tip_do_not_end_the_sync(void **state)
{
    (void)state;
    scenario_run(cut_short, NULL);
}

/* ---- malformed messages ---- */

static void breaks_protocol(struct sim *sim)
{
    static const uint8_t zeros[64];
    static const struct sim_raw raw[] = {
        {"inv", "\0\0", 2}, /* bytes after the end */
        {"headers", "\1", 1}, /* truncated */
        {"headers", "\xfd\xd1\x07", 3}, /* 2,001 headers */
        {"inv", "\xfd\1\0", 3}, /* a count that is not minimally encoded */
        {"sendcmpct", "\2\0\0\0\0\0\0\0\0", 9}, /* a field with an undefined value */
        {"ping", "", 0},
        {"ping", "1234", 4},
        {"ping", zeros, 9},
        {"sendaddrv2", "", 0}, /* too late in the handshake */
        {"wtxidrelay", "", 0},
        {"mempool", "", 0}, /* a feature that was not negotiated */
        {"filterclear", "", 0},
        {"filterload", "\1\x55\1\0\0\0\0\0\0\0\0", 11},
        {"getcfilters", zeros, 37},
        {"getcfheaders", zeros, 37},
        {"getcfcheckpt", zeros, 33},
    };
    const struct sim_server_config bad = {.chain = &chain,
                                          .claim = LENGTH + 1000,
                                          .raw = &raw[scenario_random(sim, 0, COUNT(raw) - 1)]};
    two_and_two(sim, &bad, SYNC_LIMIT);
}

static void malformed_messages_disconnect_without_a_ban(void **state)
{
    (void)state;
    scenario_run(breaks_protocol, NULL);
}

/* There are no other peers, so the chain is downloaded from these, over one connection each. */
static void repeats(struct sim *sim)
{
    static const struct sim_raw raw[] = {
        {"version", "\x80\x11\1", 3}, {"verack", "", 0}, {"gibberish", "abc", 3}};
    const uint32_t kind = scenario_random(sim, 0, COUNT(raw));
    const struct sim_server_config same = {.chain = &chain,
                                           .raw = kind < COUNT(raw) ? &raw[kind] : NULL,
                                           .tx_count = (uint8_t)scenario_random(sim, 1, 252)};
    const size_t n = scenario_random(sim, 1, 3);
    for (size_t i = 0; i < n; i++)
        sim_add_server(sim, &same);
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){0});
    scenario_check(
        sim, &(struct scenario_expected){.client = client, .want = &chain, .seconds = SYNC_LIMIT});
    for (size_t i = 0; i < n; i++)
        if (sim_server_connections(sim, i) != 1)
            sim_break(sim, "what is to be ignored ended a connection");
}

static void repeats_and_transaction_counts_are_ignored(void **state)
{
    (void)state;
    scenario_run(repeats, NULL);
}

/* ---- other networks ---- */

static void wrong_network(struct sim *sim)
{
    const enum spv_network others[] = {SPV_MAINNET, SPV_TESTNET3, SPV_TESTNET4, SPV_SIGNET,
                                       SPV_SIMNET};
    const struct spv_params *params =
        spv_params_get(others[scenario_random(sim, 0, COUNT(others) - 1)]);
    const struct sim_server_config bad = {.chain = &chain, .net = &params->net};
    two_and_two(sim, &bad, SYNC_LIMIT);
}

static void peers_of_another_network_are_disconnected_and_not_banned(void **state)
{
    (void)state;
    scenario_run(wrong_network, NULL);
}

static void wrong_genesis(struct sim *sim)
{
    const struct sim_server_config bad = {.chain = &foreign_chain, .claim = LENGTH + 1000};
    two_and_two(sim, &bad, SYNC_LIMIT);
}

static void a_chain_from_another_genesis_is_disconnected_and_not_banned(void **state)
{
    (void)state;
    scenario_run(wrong_genesis, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_false_start_height_has_no_effect),
        cmocka_unit_test(mute_peers_do_not_delay_the_sync),
        cmocka_unit_test(mute_peers_that_answer_pings_do_not_delay_the_sync),
        cmocka_unit_test(a_peer_that_sends_one_header_at_a_time_does_not_delay_the_sync),
        cmocka_unit_test(empty_answers_while_behind_do_not_end_the_sync),
        cmocka_unit_test(short_answers_below_the_tip_do_not_end_the_sync),
        cmocka_unit_test(malformed_messages_disconnect_without_a_ban),
        cmocka_unit_test(repeats_and_transaction_counts_are_ignored),
        cmocka_unit_test(peers_of_another_network_are_disconnected_and_not_banned),
        cmocka_unit_test(a_chain_from_another_genesis_is_disconnected_and_not_banned),
    };
    scenario_filter();
    return cmocka_run_group_tests_name("sim: scenarios, peers", tests, mine_chains, free_chains);
}
