/* When a client emits SYNCED and when UNRESOLVED: peers that are slow, mute, have a short chain,
 * or claim more than they have. Each scenario runs on a few seeds (SPV_SIM_SEEDS). */
#include "seeds.h"

#define SEEDS 32 /* divided by 8: the chains are long */
#define LENGTH 8500 /* four full answers and a few headers */
#define SHORT 100
#define FORK 7000

static struct sim_store full_chain; /* the best chain */
static struct sim_store short_chain; /* its first SHORT headers */
static struct sim_store middle; /* its first 3,000 */
static struct sim_store rival; /* forks at 7,000 and never has more work */

static int mine_chains(void **state)
{
    (void)state;
    sim_store_mine(&full_chain, spv_params_get(SPV_REGTEST), LENGTH, 1);
    sim_store_fork(&short_chain, &full_chain, SHORT, 0, 2);
    sim_store_fork(&middle, &full_chain, 3000, 0, 3);
    sim_store_fork(&rival, &full_chain, FORK, 1400, 4);
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_store_free(&full_chain);
    sim_store_free(&short_chain);
    sim_store_free(&middle);
    sim_store_free(&rival);
    return 0;
}

static void run_on_seeds(scenario_fn *scenario)
{
    seeds_run(scenario, &(struct seeds_config){.n = SEEDS, .divisor = 8});
}

static struct sim_client *client_of(struct sim *sim)
{
    return sim_add_client(sim, &(struct sim_client_config){0});
}

static uint32_t height_of(const struct sim_client *client)
{
    return sim_store_tip(sim_client_store(client))->height;
}

static bool ended(struct sim *sim, void *client)
{
    return sim_client_synced(sim, client) || sim_client_events(client, SPV_EVENT_UNRESOLVED) > 0;
}

/* The first of SYNCED and UNRESOLVED comes within `seconds` and is SYNCED, at this height. */
static void expect_synced(struct sim *sim, struct sim_client *client, uint32_t height,
                          uint64_t seconds)
{
    if (sim_run(sim, seconds * SPV_SECOND, ended, client) == 0)
        sim_break(sim, "neither SYNCED nor UNRESOLVED in time");
    else if (sim_client_events(client, SPV_EVENT_UNRESOLVED) > 0)
        sim_break(sim, "unresolved");
    else if (height_of(client) != height)
        sim_break(sim, "synced at another height");
}

static void expect_unresolved(struct sim *sim, struct sim_client *client, uint32_t height,
                              enum spv_warning why, uint64_t seconds)
{
    if (sim_run(sim, seconds * SPV_SECOND, ended, client) == 0)
        sim_break(sim, "no end in time");
    else if (sim_client_synced(sim, client))
        sim_break(sim, "synced");
    else if (height_of(client) != height)
        sim_break(sim, "ended at another height");
    else if (sim_client_warnings(client, why) == 0)
        sim_break(sim, "no warning gives the reason");
}

/* True when this server receives the first getheaders, before every other. */
static bool is_asked_first(struct sim *sim, size_t server)
{
    for (int i = 0; i < 1000; i++) {
        (void)sim_run(sim, SPV_SECOND / 100, NULL, NULL);
        bool others = false;
        for (size_t other = 0; other < 3; other++)
            others |= other != server && sim_server_asked(sim, other) > 0;
        if (others || sim_server_asked(sim, server) > 0)
            return !others;
    }
    return false;
}

/* Two servers with 100 headers, and an honest one that answers after up to 2 s. */
static void late(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){.chain = &short_chain});
    sim_add_server(sim, &(struct sim_server_config){.chain = &short_chain});
    sim_add_server(sim, &(struct sim_server_config){
                            .chain = &middle,
                            .answer_delay_us = test_random_below(sim_random(sim), 2 * SPV_SECOND)});
    struct sim_client *client = client_of(sim);
    expect_synced(sim, client, 3000, 60);
}

/* Makes the server reachable, without resets. */
static void serve(struct sim *sim, void *ctx)
{
    struct sim_server_config *server = sim_server(sim, *(const size_t *)ctx);
    server->listen = SIM_OPEN;
    server->reset_after = 0;
}

/* Adds one or two servers with 100 headers. */
static size_t add_short_servers(struct sim *sim)
{
    const size_t n = 1 + test_random_below(sim_random(sim), 2);
    for (size_t i = 0; i < n; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &short_chain});
    return n;
}

/* One or two servers with 100 headers, and an honest one that refuses the first dial or resets
 * the connection during a request; it is reachable again within 2 s. */
static void lost_peer(struct sim *sim)
{
    static size_t last;
    const bool refuses = test_random_below(sim_random(sim), 2);
    add_short_servers(sim);
    last =
        sim_add_server(sim, &(struct sim_server_config){.chain = &middle,
                                                        .listen = refuses ? SIM_REFUSE : SIM_OPEN,
                                                        .reset_after = refuses ? 0 : 400});
    sim_after(sim, test_random_below(sim_random(sim), 2 * SPV_SECOND), serve, &last);
    struct sim_client *client = client_of(sim);
    expect_synced(sim, client, 3000, 60);
}

static void a_manual_peer_lost_with_an_open_request_is_waited_for(void **state)
{
    (void)state;
    run_on_seeds(lost_peer);
    /* its connection is reset before it has answered, with one other peer */
    seeds_run_one(lost_peer, &(struct seeds_config){.n = SEEDS}, 5);
}

static void accept_dials(struct sim *sim, void *ctx)
{
    sim_server(sim, *(const size_t *)ctx)->listen = SIM_OPEN;
}

/* A manual peer that becomes reachable late and is lost again, before its first answer or when it
 * has moved the tip, beside one with 100 headers: the time until it was reachable does not shorten
 * the wait for its return. */
static void late_lost_peer(struct sim *sim)
{
    static size_t last;
    const bool moves_tip = test_random_below(sim_random(sim), 2);
    sim_add_server(sim, &(struct sim_server_config){.chain = &short_chain});
    last =
        sim_add_server(sim, &(struct sim_server_config){.chain = &middle,
                                                        .listen = SIM_REFUSE,
                                                        .answer_delay_us = 2 * SPV_SECOND,
                                                        .reset_after = moves_tip ? 170000 : 6000});
    sim_after(sim, SPV_SECOND + test_random_below(sim_random(sim), SPV_SECOND), accept_dials,
              &last);
    sim_after(sim, 6 * SPV_SECOND, serve, &last);
    expect_synced(sim, client_of(sim), 3000, 60);
}

static void the_wait_for_a_lost_manual_peer_begins_anew(void **state)
{
    (void)state;
    run_on_seeds(late_lost_peer);
}

/* The wait is bounded, like the wait for an answer: when fewer peers have answered than SYNCED
 * requires, that for the first answer. */
static void silent_peer(struct sim *sim)
{
    const enum sim_listen how = test_random_below(sim_random(sim), 2) ? SIM_DROP : SIM_HANG;
    const size_t others = add_short_servers(sim);
    sim_add_server(sim, &(struct sim_server_config){.chain = &middle, .listen = how});
    expect_synced(sim, client_of(sim), SHORT, others == 1 ? 23 : 8);
}

static void a_silent_manual_peer_delays_synced_by_a_few_seconds(void **state)
{
    (void)state;
    run_on_seeds(silent_peer);
}

static void end_partition(struct sim *sim, void *ctx)
{
    sim_server(sim, *(const size_t *)ctx)->cut_off = false;
}

/* Beside one other peer a manual peer is waited for longer: its handshake takes 7 to 10 s. */
static void delayed_handshake(struct sim *sim)
{
    static size_t last;
    sim_add_server(sim, &(struct sim_server_config){.chain = &short_chain});
    last = sim_add_server(sim, &(struct sim_server_config){.chain = &middle, .cut_off = true});
    sim_after(sim, 7 * SPV_SECOND + test_random_below(sim_random(sim), 2 * SPV_SECOND),
              end_partition, &last);
    expect_synced(sim, client_of(sim), 3000, 60);
}

static void a_slow_handshake_beside_one_other_peer_is_waited_for(void **state)
{
    (void)state;
    run_on_seeds(delayed_handshake);
}

static void refusing_peer(struct sim *sim)
{
    add_short_servers(sim);
    sim_add_server(sim, &(struct sim_server_config){.chain = &middle, .listen = SIM_REFUSE});
    expect_synced(sim, client_of(sim), SHORT, 8);
}

static void a_manual_peer_that_refuses_delays_synced_by_a_few_seconds(void **state)
{
    (void)state;
    run_on_seeds(refusing_peer);
}

static void synced_waits_for_an_open_request(void **state)
{
    (void)state;
    run_on_seeds(late);
}

/* Two servers that answer and a mute one, which may be the sync peer: until it stalls, no other
 * peer is queried. */
static void mute_peer(struct sim *sim)
{
    const size_t which = test_random_below(sim_random(sim), 3);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &short_chain,
                                                        .mute = i == which,
                                                        .latency_factor = i == which ? 6 : 1});
    struct sim_client *client = client_of(sim);
    if (is_asked_first(sim, which)) {
        expect_synced(sim, client, SHORT, 30);
        return;
    }
    expect_synced(sim, client, SHORT, 15);
    struct spv_node_stats stats;
    spv_node_get_stats(sim_client_node(client), &stats);
    if (stats.stalls > 0)
        sim_break(sim, "SYNCED waited until the mute peer was disconnected");
}

static void a_mute_peer_delays_synced_by_a_few_seconds_only(void **state)
{
    (void)state;
    run_on_seeds(mute_peer);
}

static void hundred_headers(struct sim *sim)
{
    const bool claims_nothing = test_random_below(sim_random(sim), 2);
    for (size_t i = 0; i < 2; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &middle,
                                                        .answer_max = 100,
                                                        .claim = claims_nothing ? -1 : 0});
    expect_synced(sim, client_of(sim), 3000, 300);
}

static void answers_of_a_hundred_headers_end_at_the_tip(void **state)
{
    (void)state;
    run_on_seeds(hundred_headers);
}

static void one_header(struct sim *sim)
{
    sim_add_server(sim, &(struct sim_server_config){.chain = &short_chain, .answer_max = 1});
    expect_synced(sim, client_of(sim), SHORT, 120);
}

static void answers_of_one_header_end_at_the_tip(void **state)
{
    (void)state;
    run_on_seeds(one_header);
}

static void sent_twice(struct sim *sim)
{
    const size_t servers = 1 + test_random_below(sim_random(sim), 2);
    for (size_t i = 0; i < servers; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &full_chain, .send_twice = true});
    struct sim_client *client = client_of(sim);
    expect_synced(sim, client, LENGTH, 120);
    for (size_t i = 0; i < servers; i++)
        if (sim_server_answered(sim, i) > LENGTH / SPV_MAX_HEADERS + 4)
            sim_break(sim, "repeated answers caused repeated requests");
    if (sim_client_events(client, SPV_EVENT_DISCONNECTED) > 0)
        sim_break(sim, "a peer was dropped");
}

static void answers_sent_twice_end_at_the_tip(void **state)
{
    (void)state;
    run_on_seeds(sent_twice);
}

static void empty_headers(struct sim *sim)
{
    for (size_t i = 0; i < 2; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &middle, .empty_first = true});
    expect_synced(sim, client_of(sim), 3000, 60);
}

static void an_unsolicited_empty_headers_message_has_no_effect(void **state)
{
    (void)state;
    run_on_seeds(empty_headers);
}

/* Among other peers, one that claims a start height of INT32_MAX. */
static void one_false_claim(struct sim *sim)
{
    const size_t which = test_random_below(sim_random(sim), 3);
    for (size_t i = 0; i < 3; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &middle,
                                                        .claim = i == which ? INT32_MAX : 0});
    struct sim_client *client = client_of(sim);
    expect_synced(sim, client, 3000, 60);
    if (sim_client_warnings(client, SPV_WARN_UNMET_CLAIM) > 0)
        sim_break(sim, "warned of a claim though another was met");
}

static void one_false_start_height_does_not_delay_synced(void **state)
{
    (void)state;
    run_on_seeds(one_false_claim);
}

static void false_claims(struct sim *sim)
{
    for (size_t i = 0; i < 2; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &short_chain, .claim = 3000});
    struct sim_client *client = client_of(sim);
    expect_unresolved(sim, client, SHORT, SPV_WARN_UNMET_CLAIM, 60);
    if (sim_client_warnings(client, SPV_WARN_UNMET_CLAIM) != 2)
        sim_break(sim, "not one warning a peer");
}

static void claims_that_no_peer_meets_end_unresolved(void **state)
{
    (void)state;
    run_on_seeds(false_claims);
}

static void with_min_work(struct sim *sim)
{
    const struct spv_u256 some = {.w = {2 * SHORT}};
    for (size_t i = 0; i < 2; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &short_chain, .claim = 3000});
    struct sim_client *client = sim_add_client(sim, &(struct sim_client_config){.min_work = &some});
    expect_synced(sim, client, SHORT, 60);
    if (sim_client_warnings(client, SPV_WARN_UNMET_CLAIM) == 0)
        sim_break(sim, "no warning");
}

static void minimum_work_is_enough_where_no_claim_is_met(void **state)
{
    (void)state;
    run_on_seeds(with_min_work);
}

#define FEW 9 /* one more than an announcement has */

/* Answers with a few headers each, none of them common to both chains. */
static int answer_from_branch(void *ctx, struct spv_header *headers, int n,
                              const struct spv_msg_getheaders *request)
{
    (void)ctx;
    (void)request;
    for (size_t i = 0; n > 0 && i < FORK; i++)
        if (spv_blockhash_eq(&headers[0].prev, &rival.at[i].hash)) {
            for (size_t k = 0; k < FEW; k++)
                headers[k] = rival.at[FORK + 1 + k].header;
            return FEW;
        }
    return n < FEW ? n : FEW;
}

/* One server sends a branch with less work, in 156 answers, which take most of a minute. When it
 * is the sync peer, it sends most of our chain at that rate. */
static void dripping_branch(struct sim *sim)
{
    for (size_t i = 0; i < 2; i++)
        sim_add_server(sim, &(struct sim_server_config){.chain = &full_chain});
    sim_add_server(sim, &(struct sim_server_config){.chain = &rival, .answer = answer_from_branch});
    struct sim_client *client = client_of(sim);
    expect_synced(sim, client, LENGTH, is_asked_first(sim, 2) ? 600 : 20);
    if (sim_server_answered(sim, 2) < 4)
        sim_break(sim, "the branch was not requested");
}

static void a_losing_branch_in_many_answers_does_not_delay_synced(void **state)
{
    (void)state;
    run_on_seeds(dripping_branch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synced_waits_for_an_open_request),
        cmocka_unit_test(a_manual_peer_lost_with_an_open_request_is_waited_for),
        cmocka_unit_test(a_silent_manual_peer_delays_synced_by_a_few_seconds),
        cmocka_unit_test(a_slow_handshake_beside_one_other_peer_is_waited_for),
        cmocka_unit_test(a_manual_peer_that_refuses_delays_synced_by_a_few_seconds),
        cmocka_unit_test(the_wait_for_a_lost_manual_peer_begins_anew),
        cmocka_unit_test(a_mute_peer_delays_synced_by_a_few_seconds_only),
        cmocka_unit_test(answers_of_a_hundred_headers_end_at_the_tip),
        cmocka_unit_test(answers_of_one_header_end_at_the_tip),
        cmocka_unit_test(answers_sent_twice_end_at_the_tip),
        cmocka_unit_test(an_unsolicited_empty_headers_message_has_no_effect),
        cmocka_unit_test(one_false_start_height_does_not_delay_synced),
        cmocka_unit_test(claims_that_no_peer_meets_end_unresolved),
        cmocka_unit_test(minimum_work_is_enough_where_no_claim_is_met),
        cmocka_unit_test(a_losing_branch_in_many_answers_does_not_delay_synced),
    };
    return cmocka_run_group_tests_name("sim: synced", tests, mine_chains, free_chains);
}
