/* A node whose wallet looks for coins with bloom filters, and its unconfirmed transactions: what is
 * stored before a filter is sent, whom the node asks, and when. */
#include "support/unit.h"

#include "node_fixture.h"

#include "spv/error.h"
#include "spv/network.h"

#define SERVICES (SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_BLOOM)
#define HEIGHT 20

static struct test_chain chain, longer;
static struct spv_wallet *wallet;

static int setup_group(void **state)
{
    (void)state;
    chain = test_chain_mine(HEIGHT, 1, NULL, 0);
    longer = test_chain_mine(HEIGHT + 1, 1, &chain, HEIGHT);
    return 0;
}

static int teardown_group(void **state)
{
    (void)state;
    test_chain_free(&chain);
    test_chain_free(&longer);
    return 0;
}

static struct node_fixture *start(struct spv_node_config *cfg, size_t n_connect)
{
    static struct node_fixture for_rng = {.rng = 9};
    const struct spv_wallet_config wallet_cfg = {.rng = node_fixture_rng(&for_rng),
                                                 .networks = SPV_NETWORK_BIT(SPV_REGTEST)};
    static const uint8_t script[22] = {0, 20, 1};
    const struct spv_watch_target target = {.kind = SPV_WATCH_SCRIPT,
                                            .script = {script, sizeof script}};
    uint64_t id;

    assert_int_equal(spv_wallet_new(&wallet, &wallet_cfg), 0);
    assert_int_equal(spv_wallet_watch(wallet, &id, NULL, &target), 0);
    cfg->wallet = wallet;
    return node_fixture_new(cfg, n_connect);
}

static void end(struct node_fixture *s)
{
    node_fixture_free(s);
    spv_wallet_free(wallet);
}

/* The node has one peer, and is synced with it. */
static uint64_t sync_with_one(struct node_fixture *s)
{
    const uint64_t peer = node_fixture_connect(s, HEIGHT, SERVICES);

    node_fixture_serve(s, peer, &chain);
    assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 1);
    return peer;
}

/* The place in the log of the first effect of a kind, or of the first message; or SIZE_MAX. */
static size_t place_of(const struct node_fixture *s, enum spv_effect_kind kind,
                       enum spv_command command)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->log[i].kind == kind &&
            (kind != SPV_EFFECT_SEND || s->log[i].message.command == command))
            return i;
    return SIZE_MAX;
}

static size_t sent(const struct node_fixture *s, uint64_t peer, enum spv_command command)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += s->log[i].kind == SPV_EFFECT_SEND && s->log[i].peer == peer &&
             s->log[i].message.command == command;
    return n;
}

static void tweak_and_size_are_stored_before_a_peer_gets_a_filter(void **state)
{
    struct spv_node_config cfg = {.source = SPV_SOURCE_BLOOM};
    struct node_fixture *s = start(&cfg, 1);

    (void)state;
    sync_with_one(s);
    const size_t stored = place_of(s, SPV_EFFECT_STORE_BLOOM, SPV_CMD_UNKNOWN);
    assert_true(stored < place_of(s, SPV_EFFECT_SEND, SPV_CMD_FILTERLOAD));
    assert_true(place_of(s, SPV_EFFECT_SEND, SPV_CMD_FILTERLOAD) < s->n);
    const struct spv_bloom_params params = s->log[stored].bloom;
    assert_true(params.size > 0);
    end(s);

    cfg = (struct spv_node_config){.source = SPV_SOURCE_BLOOM, .bloom = params};
    s = start(&cfg, 1);
    sync_with_one(s);
    assert_int_equal(place_of(s, SPV_EFFECT_STORE_BLOOM, SPV_CMD_UNKNOWN), SIZE_MAX);
    assert_true(place_of(s, SPV_EFFECT_SEND, SPV_CMD_FILTERLOAD) < s->n);
    end(s);

    cfg = (struct spv_node_config){.source = SPV_SOURCE_BLOOM, .bloom = {.tweak = 5, .size = 1}};
    s = start(&cfg, 1); /* a stored size that no filter has: the next larger one is stored */
    sync_with_one(s);
    const size_t again = place_of(s, SPV_EFFECT_STORE_BLOOM, SPV_CMD_UNKNOWN);
    assert_true(again < s->n);
    assert_int_equal(s->log[again].bloom.tweak, 5);
    assert_int_equal(s->log[again].bloom.size, params.size);
    end(s);
}

/* A peer that is silent for 20 s is late, and after a minute it is disconnected. */
static void silent_peer_is_disconnected_in_time(void **state)
{
    struct spv_node_config cfg = {.source = SPV_SOURCE_BLOOM};
    struct node_fixture *s = start(&cfg, 1);
    const uint64_t peer = sync_with_one(s);
    const uint64_t since = s->now.mono_us;

    (void)state;
    assert_int_equal(sent(s, peer, SPV_CMD_FILTERLOAD), 1);
    while (s->now.mono_us < since + 61 * SPV_SECOND) {
        const struct spv_effect *close = node_fixture_next(s, SPV_EFFECT_CLOSE);
        if (close) {
            assert_int_equal(close->peer, peer);
            assert_int_equal(close->error, SPV_ERR_STALL);
            assert_true(s->now.mono_us <= since + 60 * SPV_SECOND);
            end(s);
            return;
        }
        assert_true(spv_node_deadline(s->node) <= since + 60 * SPV_SECOND);
        node_fixture_sleep_until_deadline(s);
    }
    fail_msg("a silent peer stays connected");
}

/* The pong of the ping behind a request ends it: what was left out is requested of another peer. */
static void pong_ends_a_request(void **state)
{
    struct spv_node_config cfg = {.source = SPV_SOURCE_BLOOM};
    struct node_fixture *s = start(&cfg, 2);
    const uint64_t a = node_fixture_connect(s, HEIGHT, SERVICES);
    const uint64_t b = node_fixture_connect(s, HEIGHT, SERVICES);
    struct spv_msg pong = {.command = SPV_CMD_PONG, .u.ping.has_nonce = true};

    (void)state;
    node_fixture_serve(s, a, &chain);
    node_fixture_serve(s, b, &chain);
    assert_int_equal(sent(s, a, SPV_CMD_PING), 1);
    for (size_t i = 0; i < s->n; i++)
        if (s->log[i].kind == SPV_EFFECT_SEND && s->log[i].peer == a &&
            s->log[i].message.command == SPV_CMD_PING)
            pong.u.ping.nonce = s->log[i].message.u.ping.nonce;
    const size_t before = sent(s, b, SPV_CMD_GETDATA);
    assert_int_equal(spv_node_recv(s->node, a, &pong, s->now), 0);
    node_fixture_pull(s);
    assert_true(sent(s, b, SPV_CMD_GETDATA) > before);
    end(s);
}

/* Without compact filters each peer is asked whether it has the tip: one that announced nothing
 * would get no request for its block. */
static void every_peer_is_asked_for_the_tip(void **state)
{
    static const enum spv_source sources[] = {SPV_SOURCE_BLOOM, SPV_SOURCE_BLOCKS};

    (void)state;
    for (size_t i = 0; i < COUNT(sources); i++) {
        struct spv_node_config cfg = {.source = sources[i]};
        struct node_fixture *s = start(&cfg, 2);
        const uint64_t a = node_fixture_connect(s, HEIGHT, SERVICES);
        const uint64_t b = node_fixture_connect(s, HEIGHT, SERVICES);
        node_fixture_serve(s, a, &chain);
        node_fixture_serve(s, b, &chain);
        assert_int_equal(node_fixture_events(s, SPV_EVENT_SYNCED), 1);
        const size_t before = sent(s, b, SPV_CMD_GETHEADERS);
        node_fixture_headers(s, a, &longer.headers[HEIGHT + 1], 1);
        assert_int_equal(s->tip.height, HEIGHT + 1);
        assert_true(sent(s, b, SPV_CMD_GETHEADERS) > before);
        end(s);
    }
}

static void announced_transactions_are_requested_only_when_wanted(void **state)
{
    struct spv_inv item = {.type = SPV_INV_TX, .hash = {{7}}};
    const struct spv_msg inv = {.command = SPV_CMD_INV, .u.inv = {&item, 1}};

    (void)state;
    for (unsigned fetch = 0; fetch < 2; fetch++) {
        struct spv_node_config cfg = {.source = SPV_SOURCE_BLOCKS, .fetch_unconfirmed = fetch};
        struct node_fixture *s = start(&cfg, 1);
        const struct spv_effect *dial = node_fixture_next(s, SPV_EFFECT_CONNECT);
        assert_int_equal(dial->relay, fetch);
        s->seen = 0;
        const uint64_t peer = sync_with_one(s);
        const size_t before = sent(s, peer, SPV_CMD_GETDATA);
        assert_int_equal(spv_node_recv(s->node, peer, &inv, s->now), 0);
        node_fixture_pull(s);
        assert_int_equal(sent(s, peer, SPV_CMD_GETDATA) - before, fetch);
        end(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tweak_and_size_are_stored_before_a_peer_gets_a_filter),
        cmocka_unit_test(silent_peer_is_disconnected_in_time),
        cmocka_unit_test(pong_ends_a_request),
        cmocka_unit_test(every_peer_is_asked_for_the_tip),
        cmocka_unit_test(announced_transactions_are_requested_only_when_wanted),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
