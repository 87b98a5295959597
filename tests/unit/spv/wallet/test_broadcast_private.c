/* Private broadcast: connections for one transaction each, and when they are wanted. */
#include "broadcast_case.h"

#define PRIVATE SPV_BROADCAST_PRIVATE
#define FIRST_PEER 100 /* ids of private connections */

static struct built_tx tx, other;

static int setup_txs(void **state)
{
    (void)state;
    make_tx(&tx, TX_SPEC(TX_INS({.witness = 70}), TX_OUTS({1000, 20})));
    make_tx(&other, TX_SPEC(TX_INS({.witness = 70, .vout = 3}), TX_OUTS({1000, 20})));
    return 0;
}

static int teardown_txs(void **state)
{
    (void)state;
    built_tx_free(&tx);
    built_tx_free(&other);
    return 0;
}

/* Takes the next action; returns its kind or 0. */
static int next(struct broadcast_case *c, struct spv_private_action *out)
{
    *out = (struct spv_private_action){.peer = 0};
    return spv_broadcast_private_poll(c->b, out, c->now) == 1 ? (int)out->kind : 0;
}

static void expect(struct broadcast_case *c, int kind)
{
    struct spv_private_action action;

    assert_int_equal(next(c, &action), kind);
}

/* A connection is wanted for tx, and dialled. */
static void open_one(struct broadcast_case *c, uint64_t peer)
{
    struct spv_private_action action;

    assert_int_equal(next(c, &action), SPV_PRIVATE_OPEN);
    assert_memory_equal(&action.txid, &tx.txid, 32);
    assert_int_equal(spv_broadcast_private_opened(c->b, &tx.txid, peer, peer, c->now), 0);
}

static void send_one(struct broadcast_case *c, uint64_t peer, enum spv_command command,
                     struct spv_private_action *out)
{
    assert_int_equal(next(c, out), SPV_PRIVATE_SEND);
    assert_int_equal(out->peer, peer);
    assert_int_equal(out->message.command, command);
}

static void ask(struct broadcast_case *c, uint64_t peer, struct spv_inv item)
{
    const struct spv_msg msg = {.command = SPV_CMD_GETDATA, .u.inv = {&item, 1}};

    assert_int_equal(spv_broadcast_private_recv(c->b, peer, &msg, c->now), 0);
}

static void pong(struct broadcast_case *c, uint64_t peer, uint64_t nonce)
{
    const struct spv_msg msg = {.command = SPV_CMD_PONG, .u.ping = {true, nonce}};

    assert_int_equal(spv_broadcast_private_recv(c->b, peer, &msg, c->now), 0);
}

/* From the handshake to the close. */
static void hand_over(struct broadcast_case *c, uint64_t peer)
{
    const struct spv_inv expected = item_of(&tx, SPV_INV_TX);
    struct spv_private_action action;

    assert_int_equal(spv_broadcast_private_connected(c->b, peer, true, c->now), 0);
    send_one(c, peer, SPV_CMD_INV, &action);
    assert_int_equal(action.message.u.inv.n, 1);
    assert_memory_equal(action.message.u.inv.items, &expected, sizeof expected);
    ask(c, peer, item_of(&tx, SPV_INV_TX | SPV_INV_WITNESS));
    send_one(c, peer, SPV_CMD_TX, &action);
    assert_int_equal(action.message.u.tx.n, tx.tx.n);
    send_one(c, peer, SPV_CMD_PING, &action);
    pong(c, peer, action.message.u.ping.nonce);
    assert_int_equal(next(c, &action), SPV_PRIVATE_CLOSE);
    assert_int_equal(action.peer, peer);
}

static void three_recipients_get_it_at_once_and_one_more_each_time_later(void **state)
{
    struct broadcast_case *c = *state;
    uint64_t peer = FIRST_PEER;

    connect(c, 1, CONN_RELAY);
    expect(c, 0);
    assert_int_equal(publish(c, &tx, PRIVATE), 0);
    for (int i = 0; i < 3; i++)
        open_one(c, peer + (uint64_t)i);
    expect(c, 0);
    for (int i = 0; i < 3; i++)
        hand_over(c, peer++);
    for (uint64_t delay = SPV_BROADCAST_RETRY_MIN_S, i = 0; i < 4; i++, delay *= 2) {
        const uint64_t due = spv_broadcast_private_deadline(c->b);
        expect(c, 0);
        assert_true(due >= c->now.mono_us + delay * 3 / 4 * SPV_SECOND);
        assert_true(due <= c->now.mono_us + delay * 5 / 4 * SPV_SECOND);
        c->now.mono_us = due - 1;
        expect(c, 0);
        c->now.mono_us = due;
        open_one(c, peer);
        expect(c, 0);
        hand_over(c, peer++);
    }
    assert_facts(c, &tx, 7, 7, 0);
    take(c);
    assert_int_equal(c->n_sent, 0); /* on the ordinary connection */
}

static void inv_back_by_wtxid_ends_it_and_by_txid_from_two_groups(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    connect(c, 2, CONN_RELAY);
    assert_int_equal(publish(c, &tx, PRIVATE), 0);
    open_one(c, FIRST_PEER);
    hand_over(c, FIRST_PEER);
    inv(c, 1, &tx, SPV_INV_TX);
    expect(c, SPV_PRIVATE_OPEN); /* with any witness */
    inv(c, 2, &tx, SPV_INV_TX);
    expect(c, 0);
    assert_true(spv_broadcast_private_deadline(c->b) == SPV_NEVER);
    assert_int_equal(publish(c, &other, PRIVATE), 0);
    expect(c, SPV_PRIVATE_OPEN);
    inv(c, 1, &other, SPV_INV_WTX);
    expect(c, 0);
}

static void recipient_that_announces_it_back_ends_nothing(void **state)
{
    struct broadcast_case *c = *state;

    assert_int_equal(publish(c, &tx, PRIVATE), 0);
    open_one(c, FIRST_PEER);
    hand_over(c, FIRST_PEER);
    connect_group(c, 1, FIRST_PEER); /* of a recipient's group */
    inv(c, 1, &tx, SPV_INV_WTX);
    assert_facts(c, &tx, 1, 1, 0);
    expect(c, SPV_PRIVATE_OPEN);
}

static void connection_sends_its_own_transaction_only_and_once(void **state)
{
    struct broadcast_case *c = *state;
    struct spv_private_action action;

    assert_int_equal(publish(c, &tx, PRIVATE), 0);
    open_one(c, FIRST_PEER);
    assert_int_equal(publish(c, &other, PRIVATE), 0);
    ask(c, FIRST_PEER, item_of(&tx, SPV_INV_TX)); /* before the announcement */
    assert_int_equal(spv_broadcast_private_connected(c->b, FIRST_PEER, true, c->now), 0);
    send_one(c, FIRST_PEER, SPV_CMD_INV, &action);
    ask(c, FIRST_PEER, item_of(&other, SPV_INV_TX));
    ask(c, FIRST_PEER, item_of(&tx, SPV_INV_WTX));
    pong(c, FIRST_PEER, 0);
    assert_int_not_equal(next(c, &action), SPV_PRIVATE_SEND);
    ask(c, FIRST_PEER, item_of(&tx, SPV_INV_TX));
    send_one(c, FIRST_PEER, SPV_CMD_TX, &action);
    assert_int_equal(action.message.u.tx.n, tx.tx.stripped_size);
    ask(c, FIRST_PEER, item_of(&tx, SPV_INV_TX));
    send_one(c, FIRST_PEER, SPV_CMD_PING, &action);
    pong(c, FIRST_PEER, action.message.u.ping.nonce + 1);
    assert_int_not_equal(next(c, &action), SPV_PRIVATE_CLOSE);
    assert_facts(c, &tx, 1, 1, 0);
    assert_facts(c, &other, 0, 0, 0);
    /* ids of ordinary connections and of others are known */
    connect(c, 1, CONN_RELAY);
    assert_int_equal(spv_broadcast_private_opened(c->b, &tx.txid, 1, 1, c->now), SPV_ERR_INVALID);
    assert_int_equal(spv_broadcast_private_opened(c->b, &tx.txid, FIRST_PEER, 1, c->now),
                     SPV_ERR_INVALID);
}

static void connection_ends_after_three_minutes(void **state)
{
    struct broadcast_case *c = *state;
    struct spv_private_action action;

    assert_int_equal(publish(c, &tx, PRIVATE), 0);
    for (uint64_t i = 0; i < 3; i++)
        open_one(c, FIRST_PEER + i);
    assert_int_equal(spv_broadcast_private_connected(c->b, FIRST_PEER, true, c->now), 0);
    send_one(c, FIRST_PEER, SPV_CMD_INV, &action);
    assert_true(spv_broadcast_private_deadline(c->b) == c->now.mono_us + 180 * SPV_SECOND);
    c->now.mono_us += 180 * SPV_SECOND - 1;
    expect(c, 0);
    c->now.mono_us++;
    for (int i = 0; i < 3; i++)
        expect(c, SPV_PRIVATE_CLOSE);
    expect(c, SPV_PRIVATE_OPEN);
}

static void failed_dial_is_tried_again_five_seconds_later(void **state)
{
    struct broadcast_case *c = *state;

    assert_int_equal(publish(c, &tx, PRIVATE), 0);
    open_one(c, FIRST_PEER);
    assert_int_equal(spv_broadcast_private_closed(c->b, FIRST_PEER, c->now), 0);
    assert_int_equal(spv_broadcast_private_closed(c->b, 77, c->now), 0);
    expect(c, 0);
    assert_int_equal(spv_broadcast_private_opened(c->b, &tx.txid, 200, 1, c->now), SPV_ERR_STATE);
    c->now.mono_us += 5 * SPV_SECOND - 1;
    expect(c, 0);
    c->now.mono_us++;
    expect(c, SPV_PRIVATE_OPEN);
    spv_broadcast_private_failed(c->b, &tx.txid, c->now); /* no peer to be found */
    expect(c, 0);
    c->now.mono_us += 60 * SPV_SECOND;
    open_one(c, FIRST_PEER + 1);
    /* BIP37: a peer with relay 0 accepts no announcement */
    assert_int_equal(spv_broadcast_private_connected(c->b, FIRST_PEER + 1, false, c->now), 0);
    expect(c, SPV_PRIVATE_CLOSE);
}

static void end_of_a_transaction_ends_its_connections(void **state)
{
    struct broadcast_case *c = *state;

    assert_int_equal(publish(c, &tx, PRIVATE), 0);
    open_one(c, FIRST_PEER);
    assert_int_equal(spv_broadcast_private_connected(c->b, FIRST_PEER, true, c->now), 0);
    assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), 0);
    expect(c, SPV_PRIVATE_CLOSE);
    expect(c, 0);
    /* one that is published openly has none */
    assert_int_equal(publish(c, &other, 0), 0);
    expect(c, 0);
}

static void eight_connections_at_a_time(void **state)
{
    struct broadcast_case *c = *state;
    struct built_tx txs[4];
    struct spv_private_action action;
    uint64_t n = 0;

    for (uint32_t i = 0; i < 4; i++) {
        make_tx(&txs[i], TX_SPEC(TX_INS({.script = 30, .vout = i}), TX_OUTS({1, 20})));
        assert_int_equal(publish(c, &txs[i], PRIVATE), 0);
    }
    for (; next(c, &action) == SPV_PRIVATE_OPEN; n++)
        assert_int_equal(
            spv_broadcast_private_opened(c->b, &action.txid, FIRST_PEER + n, n, c->now), 0);
    assert_int_equal(n, SPV_PRIVATE_CONNECTIONS);
    assert_int_equal(spv_broadcast_private_opened(c->b, &txs[3].txid, 999, 1, c->now),
                     SPV_ERR_STATE);
    for (uint32_t i = 0; i < 4; i++)
        built_tx_free(&txs[i]);
}

static void recipients_are_counted_over_restarts(void **state)
{
    struct broadcast_case *c = *state;

    assert_int_equal(publish(c, &tx, PRIVATE), 0);
    for (uint64_t i = 0; i < 3; i++) {
        open_one(c, FIRST_PEER + i);
        hand_over(c, FIRST_PEER + i);
    }
    take(c);
    restart(c);
    connect(c, 1, CONN_RELAY);
    expect(c, 0); /* not three more at once */
    c->now.mono_us += 1000 * SPV_SECOND;
    open_one(c, FIRST_PEER);
    expect(c, 0);
    assert_int_equal(c->n_sent, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, broadcast_setup, broadcast_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(three_recipients_get_it_at_once_and_one_more_each_time_later),
        CASE(inv_back_by_wtxid_ends_it_and_by_txid_from_two_groups),
        CASE(recipient_that_announces_it_back_ends_nothing),
        CASE(connection_sends_its_own_transaction_only_and_once),
        CASE(connection_ends_after_three_minutes),
        CASE(failed_dial_is_tried_again_five_seconds_later),
        CASE(end_of_a_transaction_ends_its_connections),
        CASE(eight_connections_at_a_time),
        CASE(recipients_are_counted_over_restarts),
    };
    return cmocka_run_group_tests(tests, setup_txs, teardown_txs);
}
