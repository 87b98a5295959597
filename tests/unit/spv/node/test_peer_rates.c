/* The counters of each peer. */
#include "support/unit.h"

#include "node_fixture.h"
#include "spv/node/peer_rates.h"

static struct spv_now at(uint64_t ms)
{
    return (struct spv_now){.mono_us = SPV_SECOND + ms * 1000, .unix_s = 1700000000};
}

static struct spv_peer_table peers;

/* Counters of an empty table. */
static struct spv_peer_rates no_peers(void)
{
    memset(&peers, 0, sizeof peers);
    return (struct spv_peer_rates){.peers = &peers};
}

static void add(struct spv_peer_rates *m, uint64_t id)
{
    assert_non_null(spv_peer_table_add(&peers, id));
    spv_peer_rates_add(m, id, at(0));
}

static void end(struct spv_peer_rates *m, uint64_t id, const struct spv_endpoint *endpoint,
                int error)
{
    spv_peer_rates_remove(m, id, endpoint, error);
    spv_peer_table_remove(&peers, id);
}

static const struct spv_endpoint here = {.host = "a", .port = 1};
static const struct spv_endpoint there = {.host = "a", .port = 2};

static struct spv_node_peer look(const struct spv_peer_rates *m, uint64_t id, uint64_t ms)
{
    struct spv_node_peer p = {0};
    assert_true(spv_peer_rates_get(m, &p, id, &here, at(ms)));
    return p;
}

static void assert_rate(const struct spv_peer_rates *m, uint64_t id, uint64_t ms, double want)
{
    const double got = look(m, id, ms).rate;
    if (got < want * 0.999 - 0.001 || got > want * 1.001 + 0.001)
        fail_msg("%g headers a second instead of %g", got, want);
}

static void rates_are_of_the_last_seconds(void **state)
{
    (void)state;
    struct spv_peer_rates m = no_peers();
    add(&m, 7);
    spv_peer_rates_headers(&m, 7, 2000, at(0));
    assert_rate(&m, 7, 0, 0); /* no time has passed */
    spv_peer_rates_headers(&m, 7, 2000, at(1000));
    assert_rate(&m, 7, 1000, 4000);
    assert_rate(&m, 7, 4000, 1000);
    assert_rate(&m, 7, 8000,
                500); /* the total since it connected: the half before, and three seconds */
    spv_peer_rates_headers(&m, 7, 6500, at(8000));
    assert_rate(&m, 7, 9000, 10500.0 / 9);
    assert_rate(&m, 7, 11000, 6500.0 / 6); /* the first ones are out of the span */
    assert_rate(&m, 7, 60000, 0);
    assert_int_equal(look(&m, 7, 60000).headers, 10500);
    assert_int_equal(look(&m, 7, 60000).connected_for_us, 60 * SPV_SECOND);
}

static void who_is_not_there_is_not_counted(void **state)
{
    (void)state;
    struct spv_peer_rates m = no_peers();
    struct spv_node_peer p = {0};
    spv_peer_rates_headers(&m, 7, 2000, at(0));
    assert_false(spv_peer_rates_get(&m, &p, 7, &here, at(0)));
    assert_false(spv_peer_rates_get(&m, &p, 0, &here, at(0)));
    spv_peer_rates_remove(&m, 7, &here, SPV_ERR_STALL);
    add(&m, 7);
    assert_int_equal(look(&m, 7, 0).stalls, 0);
    spv_peer_rates_add(&m, 8, at(0)); /* not in the table */
    assert_false(spv_peer_rates_get(&m, &p, 8, &here, at(0)));
}

static void stalls_are_remembered_by_address(void **state)
{
    (void)state;
    struct spv_peer_rates m = no_peers();
    struct spv_node_peer p = {0};
    for (uint64_t id = 1; id <= 3; id++) {
        add(&m, id);
        end(&m, id, &here, id == 2 ? SPV_ERR_RESET : SPV_ERR_STALL);
    }
    add(&m, 4);
    assert_int_equal(look(&m, 4, 0).stalls, 2);
    assert_true(spv_peer_rates_get(&m, &p, 4, &there, at(0)));
    assert_int_equal(p.stalls, 0);
    /* Many other peers stall once: the peer that stalls often keeps its entry. */
    for (uint16_t port = 10; port < 10 + 2 * SPV_PEER_RATES_STALLS; port++) {
        struct spv_endpoint other = {.host = "b", .port = port};
        add(&m, 100);
        end(&m, 100, &other, SPV_ERR_STALL);
    }
    assert_int_equal(look(&m, 4, 0).stalls, 2);
}

static void a_node_reports_its_peers(void **state)
{
    (void)state;
    struct test_chain chain = test_chain_mine(3000, 1, NULL, 0);
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 2);
    struct spv_node_peer shown[4];
    assert_int_equal(spv_node_peers(s->node, shown, 4, s->now),
                     0); /* none has completed its handshake */
    const uint64_t a = node_fixture_connect(s, 3000, 0);
    assert_int_equal(spv_node_peers(s->node, shown, 4, s->now), 1);
    assert_int_equal(shown[0].id, a);
    assert_string_equal(shown[0].address, "a:1");
    assert_int_equal(shown[0].group, SPV_GROUP_MANUAL);
    assert_true(shown[0].is_sync_peer);
    assert_int_equal(shown[0].requests, 1);
    assert_int_equal(shown[0].claimed_height, 3000);
    const uint64_t b = node_fixture_connect(s, 10, 0);
    s->now.mono_us += 2 * SPV_SECOND;
    node_fixture_serve(s, a, &chain);
    assert_int_equal(spv_node_peers(s->node, shown, 4, s->now), 2);
    assert_int_equal(shown[0].headers, 3000);
    assert_true(shown[0].rate > 1499 && shown[0].rate < 1501);
    assert_true(shown[0].at_tip);
    assert_false(shown[0].is_sync_peer);
    assert_int_equal(shown[0].requests, 0);
    assert_int_equal(shown[1].id, b);
    assert_int_equal(shown[1].headers, 0);
    assert_int_equal(shown[1].requests, 1); /* asked for its tip */
    assert_false(shown[1].at_tip);
    assert_int_equal(spv_node_peers(s->node, shown, 1, s->now), 1);
    node_fixture_close(s, a, SPV_ERR_STALL);
    assert_int_equal(spv_node_peers(s->node, shown, 4, s->now), 1);
    s->now.mono_us += 60 * SPV_SECOND;
    node_fixture_timer(s);
    struct spv_node_stats stats;
    spv_node_get_stats(s->node, &stats);
    const uint64_t again = node_fixture_connect(s, 3000, 0);
    const size_t n = spv_node_peers(s->node, shown, 4, s->now);
    for (size_t i = 0; i < n; i++)
        if (shown[i].id == again)
            assert_int_equal(shown[i].stalls, 1);
    node_fixture_free(s);
    test_chain_free(&chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_of_the_last_seconds),
        cmocka_unit_test(who_is_not_there_is_not_counted),
        cmocka_unit_test(stalls_are_remembered_by_address),
        cmocka_unit_test(a_node_reports_its_peers),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
