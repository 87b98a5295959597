/* Publishing through the node: connections, messages, the tip, rows before announcements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node_fixture.h"

#include "spv/error.h"
#include "spv/node/node_broadcast.h"
#include "support/unit.h"

#define FULL (SPV_NODE_NETWORK | SPV_NODE_WITNESS)

/* One input, one output, 85 bytes. */
static const char tx_hex[] = "02000000"
                             "01"
                             "0101010101010101010101010101010101010101010101010101010101010101"
                             "00000000"
                             "00"
                             "fdffffff"
                             "01"
                             "e803000000000000"
                             "16"
                             "0014aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                             "05000000";

static uint8_t raw[200];
static struct spv_tx tx;
static struct spv_broadcast_report report;
static struct spv_broadcast *machine;

static int setup(void **state)
{
    static const struct spv_broadcast_check_config nothing;
    const size_t n = unhex(raw, sizeof raw, tx_hex);

    (void)state;
    assert_int_equal(spv_tx_parse(&tx, raw, n), 0);
    return spv_broadcast_check(&report, NULL, &tx, 1, &nothing);
}

static struct node_fixture *new_node(size_t n_connect)
{
    static struct node_fixture for_rng = {.rng = 9};
    const struct spv_broadcast_config cfg = {.rng = node_fixture_rng(&for_rng)};
    struct spv_node_config node = {.peers = (unsigned)n_connect};

    assert_int_equal(spv_broadcast_new(&machine, &cfg), 0);
    node.broadcast = machine;
    return node_fixture_new(&node, n_connect);
}

static void free_node(struct node_fixture *s)
{
    node_fixture_free(s);
    spv_broadcast_free(machine);
}

static uint64_t connect_relay(struct node_fixture *s, bool relay)
{
    const struct spv_effect *dial = node_fixture_next(s, SPV_EFFECT_CONNECT);
    struct spv_peer_stats info = {
        .version = SPV_PROTOCOL_VERSION, .services = FULL, .relay = relay, .ready = true};
    uint64_t id;

    assert_non_null(dial);
    id = dial->peer;
    assert_int_equal(spv_node_connected(s->node, id, &info, s->now), 0);
    return id;
}

/* The next effect; fails when it has another kind. Others than of publishing are passed over. */
static bool poll_kind(struct node_fixture *s, struct spv_effect *out, enum spv_effect_kind kind)
{
    while (spv_node_poll(s->node, out) == 1) {
        if (out->kind == kind &&
            (kind != SPV_EFFECT_SEND || out->message.command == SPV_CMD_INV ||
             out->message.command == SPV_CMD_TX || out->message.command == SPV_CMD_NOTFOUND))
            return true;
        if (out->kind == SPV_EFFECT_STORE_BROADCAST)
            assert_int_equal(spv_node_broadcast_stored(s->node, 0, s->now), 0);
    }
    return false;
}

static void nothing_is_announced_before_its_row_is_stored(void **state)
{
    struct node_fixture *s = new_node(1);
    const uint64_t peer = connect_relay(s, true);
    struct spv_effect e;

    (void)state;
    node_fixture_pull(s);
    /* lock time 5: the tip must be at 5 */
    report.wait_height = 0;
    assert_int_equal(spv_node_publish(s->node, &tx, &report, 1, 0, s->now), 0);
    assert_int_equal(spv_node_broadcast_stored(s->node, 0, s->now), SPV_ERR_STATE);
    assert_int_equal(spv_node_poll(s->node, &e), 1);
    assert_int_equal(e.kind, SPV_EFFECT_STORE_BROADCAST);
    assert_int_equal(e.broadcast_update.n, 1);
    assert_int_equal(e.broadcast_update.changes[0].row.raw.n, tx.n);
    assert_int_equal(spv_node_poll(s->node, &e), 0);
    assert_int_equal(spv_node_broadcast_stored(s->node, 0, s->now), 0);
    assert_int_equal(spv_node_poll(s->node, &e), 1);
    assert_int_equal(e.kind, SPV_EFFECT_SEND);
    assert_int_equal(e.peer, peer);
    assert_int_equal(e.message.command, SPV_CMD_INV);
    assert_true(poll_kind(s, &e, SPV_EFFECT_BROADCAST));
    assert_int_equal(e.progress.announced, 1);
    free_node(s);
}

static void getdata_is_answered_and_a_failed_store_stops_the_node(void **state)
{
    struct node_fixture *s = new_node(1);
    const uint64_t peer = connect_relay(s, true);
    struct spv_inv item = {.type = SPV_INV_TX | SPV_INV_WITNESS};
    const struct spv_msg msg = {.command = SPV_CMD_GETDATA, .u.inv = {&item, 1}};
    struct spv_effect e;

    (void)state;
    memcpy(item.hash.b, report.txid.b, 32);
    node_fixture_pull(s);
    assert_int_equal(spv_node_publish(s->node, &tx, &report, 1, 0, s->now), 0);
    assert_true(poll_kind(s, &e, SPV_EFFECT_SEND));
    assert_int_equal(e.message.command, SPV_CMD_INV);
    assert_int_equal(spv_node_recv(s->node, peer, &msg, s->now), 0);
    assert_true(poll_kind(s, &e, SPV_EFFECT_SEND));
    assert_int_equal(e.message.command, SPV_CMD_TX);
    assert_int_equal(e.message.u.tx.n, tx.n);
    assert_int_equal(spv_node_withdraw(s->node, &report.txid, s->now), 0);
    assert_int_equal(spv_node_withdraw(s->node, &report.txid, s->now), SPV_ERR_NOT_FOUND);
    assert_int_equal(spv_node_poll(s->node, &e), 1);
    assert_int_equal(e.kind, SPV_EFFECT_STORE_BROADCAST);
    assert_int_equal(spv_node_broadcast_stored(s->node, SPV_ERR_DB_FULL, s->now), SPV_ERR_DB_FULL);
    assert_int_equal(spv_node_poll(s->node, &e), 0);
    assert_int_equal(spv_node_publish(s->node, &tx, &report, 1, 0, s->now), SPV_ERR_DB_FULL);
    free_node(s);
}

static void relay_byte_is_1_only_on_two_connections_while_something_is_published(void **state)
{
    struct node_fixture *s = new_node(3);
    const struct spv_effect *dial;
    unsigned n = 0;

    (void)state;
    for (size_t i = 0; i < s->n; i++)
        assert_true(s->log[i].kind != SPV_EFFECT_CONNECT || !s->log[i].relay);
    assert_int_equal(spv_node_publish(s->node, &tx, &report, 1, 0, s->now), 0);
    for (int i = 0; i < 3; i++) {
        dial = node_fixture_next(s, SPV_EFFECT_CONNECT);
        assert_non_null(dial);
        assert_int_equal(spv_node_closed(s->node, dial->peer, SPV_ERR_REFUSED, s->now), 0);
    }
    s->now.mono_us += 600 * SPV_SECOND;
    assert_int_equal(spv_node_timer(s->node, s->now), 0);
    struct spv_effect e;
    while (spv_node_poll(s->node, &e) == 1) {
        if (e.kind == SPV_EFFECT_STORE_BROADCAST)
            assert_int_equal(spv_node_broadcast_stored(s->node, 0, s->now), 0);
        n += e.kind == SPV_EFFECT_CONNECT && e.relay;
    }
    assert_int_equal(n, 2);
    free_node(s);
}

static void peer_with_relay_0_gets_no_announcement(void **state)
{
    struct node_fixture *s = new_node(1);
    struct spv_effect e;

    (void)state;
    (void)connect_relay(s, false);
    node_fixture_pull(s);
    assert_int_equal(spv_node_publish(s->node, &tx, &report, 1, 0, s->now), 0);
    assert_false(poll_kind(s, &e, SPV_EFFECT_SEND));
    free_node(s);
}

static void lock_time_waits_for_the_tip_of_the_chain(void **state)
{
    struct node_fixture *s = new_node(1);
    const uint64_t peer = connect_relay(s, true);
    struct test_chain chain = test_chain_mine(5, 1, NULL, 0);
    struct spv_broadcast_report locked = report;
    struct spv_effect e;

    (void)state;
    locked.wait_height = 5;
    node_fixture_pull(s);
    assert_int_equal(spv_node_publish(s->node, &tx, &locked, 1, 0, s->now), 0);
    assert_false(poll_kind(s, &e, SPV_EFFECT_SEND));
    node_fixture_inv(s, peer, &chain.hashes[5]);
    node_fixture_headers(s, peer, chain.headers + 1, 5);
    for (size_t i = 0; i < s->n; i++)
        if (s->log[i].kind == SPV_EFFECT_STORE_BROADCAST)
            (void)spv_node_broadcast_stored(s->node, 0, s->now);
    assert_int_equal(spv_chain_tip(spv_node_chain(s->node))->height, 5);
    assert_int_equal(spv_broadcast_relay_wanted(machine), 2);
    struct spv_broadcast_progress p;
    assert_int_equal(spv_broadcast_find(machine, &p, &report.txid), 0);
    assert_false(p.waits);
    assert_int_equal(p.announced, 1);
    test_chain_free(&chain);
    free_node(s);
}

static void private_publishing_is_refused_and_never_sent_in_clear(void **state)
{
    struct node_fixture *s = new_node(1);
    struct spv_node_config without = {.peers = 1};
    struct spv_effect e;

    (void)state;
    (void)connect_relay(s, true);
    node_fixture_pull(s);
    assert_int_equal(spv_node_publish(s->node, &tx, &report, 1, SPV_BROADCAST_PRIVATE, s->now),
                     SPV_ERR_NO_PRIVATE_PEERS);
    assert_false(poll_kind(s, &e, SPV_EFFECT_SEND));
    free_node(s);
    s = node_fixture_new(&without, 1);
    assert_int_equal(spv_node_publish(s->node, &tx, &report, 1, 0, s->now), SPV_ERR_INVALID);
    assert_int_equal(spv_node_withdraw(s->node, &report.txid, s->now), SPV_ERR_INVALID);
    node_fixture_free(s);
}

/* ---- with a wallet ---- */

static struct spv_wallet *wallet;

static struct node_fixture *new_node_with_wallet(void)
{
    static struct node_fixture for_rng = {.rng = 10};
    const struct spv_broadcast_config publishing = {.rng = node_fixture_rng(&for_rng)};
    const struct spv_wallet_config cfg = {.rng = node_fixture_rng(&for_rng),
                                          .networks = SPV_NETWORK_BIT(SPV_REGTEST)};
    struct spv_node_config node = {.peers = 1, .source = SPV_SOURCE_BLOCKS};

    assert_int_equal(spv_broadcast_new(&machine, &publishing), 0);
    assert_int_equal(spv_wallet_new(&wallet, &cfg), 0);
    /* what its output pays: others are in no list */
    const struct spv_watch_target target = {.kind = SPV_WATCH_SCRIPT,
                                            .script = {tx.bytes + 56, 22}};
    uint64_t id;
    assert_int_equal(spv_wallet_watch(wallet, &id, NULL, &target), 0);
    node.broadcast = machine;
    node.wallet = wallet;
    return node_fixture_new(&node, 1);
}

static const struct spv_wallet_tx_row *only_row(void)
{
    const struct spv_wallet_tx_row *row = NULL;
    uint64_t next = 0;

    assert_true(spv_wallet_next_tx(wallet, &next, &row));
    return row;
}

static enum spv_broadcast_state state_of(struct spv_broadcast *b, uint32_t *height)
{
    struct spv_broadcast_update update;
    struct spv_broadcast_progress progress;

    assert_int_equal(spv_broadcast_changes(b, &update), 0);
    *height = update.n > 0 ? update.changes[0].row.height : UINT32_MAX;
    assert_int_equal(spv_broadcast_find(b, &progress, &report.txid), 0);
    spv_broadcast_stored(b);
    return progress.state;
}

static void wallet_keeps_what_is_published_until_it_is_withdrawn(void **state)
{
    struct node_fixture *s = new_node_with_wallet();
    struct spv_effect e;

    (void)state;
    (void)connect_relay(s, true);
    (void)spv_node_stored(s->node, 0, s->now); /* what the wallet begins with, if it was polled */
    assert_int_equal(spv_node_publish(s->node, &tx, &report, 1, 0, s->now), 0);
    assert_int_equal(only_row()->flags & SPV_TX_FLAG_PUBLISHED, SPV_TX_FLAG_PUBLISHED);
    assert_true(poll_kind(s, &e, SPV_EFFECT_STORE_WALLET)); /* that of publishing was before */
    assert_int_equal(spv_node_publish(s->node, &tx, &report, 1, 0, s->now), SPV_ERR_STATE);
    assert_int_equal(spv_node_withdraw(s->node, &report.txid, s->now), SPV_ERR_STATE);
    assert_int_equal(spv_node_stored(s->node, 0, s->now), 0);
    assert_int_equal(spv_node_withdraw(s->node, &report.txid, s->now), 0);
    assert_int_equal(only_row()->flags & SPV_TX_FLAG_PUBLISHED, 0);
    assert_true(poll_kind(s, &e, SPV_EFFECT_STORE_WALLET));
    free_node(s);
    spv_wallet_free(wallet);
}

static void publishing_hears_the_states_of_the_wallet(void **state)
{
    static const struct {
        enum spv_tx_state tx;
        enum spv_broadcast_state publishing;
        uint32_t height;
    } cases[] = {{SPV_TX_CONFIRMED, SPV_BROADCAST_CONFIRMED, 7},
                 {SPV_TX_UNCONFIRMED, SPV_BROADCAST_PUBLISHING, 0},
                 {SPV_TX_CONFLICTED, SPV_BROADCAST_CONFLICTED, 0},
                 {SPV_TX_REPLACED, SPV_BROADCAST_PUBLISHING, 0},
                 {SPV_TX_CONFIRMED, SPV_BROADCAST_CONFIRMED, 7}};
    struct node_fixture *s = new_node_with_wallet();
    struct spv_node_broadcast p = {.broadcast = machine};
    uint32_t height;

    (void)state;
    assert_int_equal(spv_broadcast_publish(machine, &tx, &report, 1, 0, s->now), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_wallet_change changes[] = {
            {.kind = SPV_WALLET_ROW_TX,
             .row.tx = {.txid = report.txid, .state = cases[i].tx, .block.height = 7}},
            {.kind = SPV_WALLET_ROW_TX,
             .deleted = true,
             .row.tx = {.txid = report.txid, .state = SPV_TX_EXPIRED}},
        };
        const struct spv_wallet_update update = {changes, COUNT(changes)};
        assert_int_equal(spv_node_broadcast_changed(&p, &update, s->now), 0);
        assert_int_equal(state_of(machine, &height), cases[i].publishing);
        assert_int_equal(height, cases[i].height);
    }
    /* a crash before the row was stored: the wallet says it once more at the next start */
    assert_int_equal(spv_wallet_publish(wallet, &tx, s->now), 0);
    assert_int_equal(spv_node_broadcast_load(&p, wallet, s->now), 0);
    assert_int_equal(state_of(machine, &height), SPV_BROADCAST_PUBLISHING);
    free_node(s);
    spv_wallet_free(wallet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_announced_before_its_row_is_stored),
        cmocka_unit_test(getdata_is_answered_and_a_failed_store_stops_the_node),
        cmocka_unit_test(relay_byte_is_1_only_on_two_connections_while_something_is_published),
        cmocka_unit_test(peer_with_relay_0_gets_no_announcement),
        cmocka_unit_test(lock_time_waits_for_the_tip_of_the_chain),
        cmocka_unit_test(private_publishing_is_refused_and_never_sent_in_clear),
        cmocka_unit_test(wallet_keeps_what_is_published_until_it_is_withdrawn),
        cmocka_unit_test(publishing_hears_the_states_of_the_wallet),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
