/* Follow mode: what a synced node requests from its peers and from new ones. */
#include "support/unit.h"

#include "node_fixture.h"

static struct test_chain chain, longer;

static int setup(void **state)
{
    (void)state;
    chain = test_chain_mine(100, 1, NULL, 0);
    longer = test_chain_mine(105, 2, &chain, 100);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_chain_free(&chain);
    test_chain_free(&longer);
    return 0;
}

/* Messages of a kind sent to a peer. */
static size_t sent(const struct node_fixture *s, uint64_t peer, enum spv_command command)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->log[i].kind == SPV_EFFECT_SEND && s->log[i].peer == peer &&
             s->log[i].message.command == command;
    return n;
}

/* SYNCED waits 5 s for a manual peer that has not connected: that time is over. */
static void manual_peer_is_not_waited_for(struct node_fixture *s)
{
    s->now.mono_us += 5 * SPV_SECOND - 1;
    node_fixture_timer(s);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 0);
    s->now.mono_us++;
    node_fixture_timer(s);
}

static void sendheaders_is_sent_once_synced(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 3);
    const uint64_t a = node_fixture_connect(s, 100, 0);
    const uint64_t b = node_fixture_connect(s, 100, 0);
    assert_int_equal(sent(s, a, SPV_CMD_SENDHEADERS), 0);
    node_fixture_serve(s, a, &chain);
    assert_int_equal(sent(s, a, SPV_CMD_SENDHEADERS),
                     0); /* one network group is not enough for SYNCED */
    node_fixture_serve(s, b, &chain);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 0);
    manual_peer_is_not_waited_for(s);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 1);
    assert_int_equal(sent(s, a, SPV_CMD_SENDHEADERS), 1);
    assert_int_equal(sent(s, b, SPV_CMD_SENDHEADERS), 1);
    const uint64_t c = node_fixture_connect(s, 100, 0); /* connects later */
    assert_int_equal(sent(s, c, SPV_CMD_SENDHEADERS), 1);
    node_fixture_serve(s, c, &chain);
    /* and never again, however the synced state changes */
    node_fixture_headers(s, a, longer.headers + 101, 5);
    node_fixture_serve(s, a, &longer);
    node_fixture_serve(s, b, &longer);
    node_fixture_serve(s, c, &longer);
    assert_int_equal(sent(s, a, SPV_CMD_SENDHEADERS), 1);
    assert_int_equal(sent(s, c, SPV_CMD_SENDHEADERS), 1);
    node_fixture_free(s);
}

static void sendheaders_is_not_sent_to_peers_without_bip130(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 1);
    const struct spv_effect *dial = node_fixture_next(s, SPV_EFFECT_CONNECT);
    assert_non_null(dial);
    const uint64_t old = dial ? dial->peer : 0;
    const struct spv_peer_stats info = {
        .ready = true, .version = 70011, .services = SPV_NODE_NETWORK, .start_height = 100};
    assert_int_equal(spv_node_connected(s->node, old, &info, s->now), 0);
    node_fixture_pull(s);
    node_fixture_serve(s, old, &chain);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 1);
    assert_int_equal(sent(s, old, SPV_CMD_SENDHEADERS), 0);
    node_fixture_free(s);
}

static void a_new_peer_is_queried_once_and_its_longer_chain_downloaded(void **state)
{
    (void)state;
    struct spv_node_config cfg = {0};
    struct node_fixture *s = node_fixture_new(&cfg, 4);
    const uint64_t a = node_fixture_connect(s, 100, 0);
    const uint64_t b = node_fixture_connect(s, 100, 0);
    node_fixture_serve(s, a, &chain);
    node_fixture_serve(s, b, &chain);
    manual_peer_is_not_waited_for(s);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 1);

    const uint64_t same = node_fixture_connect(s, 100, 0);
    assert_int_equal(sent(s, same, SPV_CMD_GETHEADERS), 1);
    assert_int_equal(node_fixture_serve(s, same, &chain), 1);
    assert_int_equal(sent(s, same, SPV_CMD_GETHEADERS), 1);

    const uint64_t more = node_fixture_connect(s, 0, 0); /* with any start height */
    assert_int_equal(sent(s, more, SPV_CMD_GETHEADERS), 1);
    node_fixture_serve(s, more, &longer);
    assert_int_equal(spv_chain_tip(spv_node_chain(s->node))->height, 105);
    node_fixture_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sendheaders_is_sent_once_synced),
        cmocka_unit_test(sendheaders_is_not_sent_to_peers_without_bip130),
        cmocka_unit_test(a_new_peer_is_queried_once_and_its_longer_chain_downloaded),
    };
    return cmocka_run_group_tests_name("follow", tests, setup, teardown);
}
