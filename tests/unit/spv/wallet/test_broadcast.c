/* Announcing and serving of published transactions. */
#include "broadcast_case.h"

static struct built_tx tx, other, child, witness_tx, witness_child;

static int setup_txs(void **state)
{
    const struct tx_out outs[] = {{1000, 20}, {2000, 20}};

    (void)state;
    make_tx(&tx, TX_SPEC(TX_INS({.script = 30}), outs));
    make_tx(&other, TX_SPEC(TX_INS({.script = 31, .vout = 5}), outs));
    make_tx(&child, TX_SPEC(TX_INS({.script = 30, .prev = tx.txid}), TX_OUTS({900, 20})));
    make_tx(&witness_tx, TX_SPEC(TX_INS({.witness = 70, .vout = 9}), outs));
    make_tx(&witness_child,
            TX_SPEC(TX_INS({.witness = 70, .prev = witness_tx.txid}), TX_OUTS({900, 20})));
    return 0;
}

static int teardown_txs(void **state)
{
    (void)state;
    built_tx_free(&tx);
    built_tx_free(&other);
    built_tx_free(&child);
    built_tx_free(&witness_tx);
    built_tx_free(&witness_child);
    return 0;
}

/* ---- announcing ---- */

static void transaction_waits_until_a_peer_accepts_announcements(void **state)
{
    struct broadcast_case *c = *state;

    assert_int_equal(publish(c, &tx, 0), 0);
    assert_int_equal(c->n_sent, 0);
    assert_int_equal(c->n_events, 1);
    assert_true(spv_broadcast_deadline(c->b) == SPV_NEVER);
    /* BIP37: relay 0 in its version message */
    connect(c, 1, CONN_SILENT);
    pass(c, 100000);
    assert_int_equal(c->n_sent, 0);
    assert_true(spv_broadcast_deadline(c->b) == SPV_NEVER);
    connect(c, 2, CONN_RELAY);
    assert_int_equal(count_sent(c, 2, SPV_CMD_INV), 1);
    assert_true(was_announced(c, 2, &tx));
    assert_int_equal(c->sent[0].items[0].type, SPV_INV_TX);
    assert_facts(c, &tx, 1, 0, 0);
    pass(c, 100000);
    assert_int_equal(count_sent(c, 1, SPV_CMD_INV), 0);
}

static void peer_that_accepts_announcements_later_gets_one(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_SILENT);
    assert_int_equal(publish(c, &tx, 0), 0);
    assert_int_equal(c->n_sent, 0);
    connect(c, 1, CONN_RELAY);
    assert_int_equal(count_sent(c, 1, SPV_CMD_INV), 1);
    connect(c, 1, CONN_RELAY);
    assert_int_equal(count_sent(c, 1, SPV_CMD_INV), 1);
}

static void wtxidrelay_peer_gets_the_wtxid(void **state)
{
    struct broadcast_case *c = *state;
    const struct spv_inv expected = item_of(&witness_tx, SPV_INV_WTX);

    connect(c, 1, CONN_WTXID);
    assert_int_equal(publish(c, &witness_tx, 0), 0);
    assert_int_equal(c->n_sent, 1);
    assert_int_equal(c->sent[0].n_items, 1);
    assert_memory_equal(&c->sent[0].items[0], &expected, sizeof expected);
    getdata(c, 1, &witness_tx, SPV_INV_WTX);
    assert_int_equal(count_sent(c, 1, SPV_CMD_TX), 1);
    assert_true(c->sent[1].witness);
}

static void first_round_leaves_half_of_the_connections_to_announce_it_back(void **state)
{
    struct broadcast_case *c = *state;

    for (uint64_t n = 1; n <= 12; n++) {
        const size_t half = (n + 1) / 2;
        connect(c, n, CONN_RELAY);
        clear_sent(c);
        assert_int_equal(publish(c, &tx, 0), 0);
        assert_int_equal(count_sent(c, 0, SPV_CMD_INV), half < 4 ? half : 4);
        assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), 0);
    }
}

static void connections_that_announce_to_us_are_left_to_announce_it_back(void **state)
{
    struct broadcast_case *c = *state;

    for (uint64_t first = 1; first <= 77; first += 4) { /* other groups each time */
        for (uint64_t n = first; n < first + 4; n++)
            connect(c, n, n % 2 == 0 ? CONN_RELAY : CONN_MUTE);
        clear_sent(c);
        assert_int_equal(publish(c, &tx, 0), 0);
        assert_int_equal(c->n_sent, 2);
        assert_true(was_announced(c, first, &tx) && was_announced(c, first + 2, &tx));
        assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), 0);
        for (uint64_t n = first; n < first + 4; n++)
            disconnect(c, n);
    }
}

static void later_rounds_leave_out_one_connection_and_begin_with_new_ones(void **state)
{
    struct broadcast_case *c = *state;
    bool first[4] = {false};

    for (uint64_t i = 1; i <= 3; i++)
        connect(c, i, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    assert_int_equal(c->n_sent, 2);
    for (uint64_t i = 1; i <= 3; i++)
        first[i] = was_announced(c, i, &tx);
    clear_sent(c);
    pass(c, 80);
    assert_int_equal(c->n_sent, 2);
    for (uint64_t i = 1; i <= 3; i++)
        assert_true(first[i] || was_announced(c, i, &tx));
    assert_facts(c, &tx, 3, 0, 0);
}

static void connection_that_did_not_hear_of_it_comes_before_one_that_did(void **state)
{
    struct broadcast_case *c = *state;

    connect_group(c, 1, 5);
    connect_group(c, 2, 5);
    for (int i = 0; i < 20; i++) {
        clear_sent(c);
        assert_int_equal(publish(c, &tx, 0), 0);
        pass(c, 80);
        assert_int_equal(c->n_sent, 2);
        assert_int_not_equal(c->sent[0].peer, c->sent[1].peer);
        assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), 0);
        disconnect(c, 1);
        disconnect(c, 2);
        connect_group(c, 1, 5);
        connect_group(c, 2, 5);
    }
}

static void lost_connection_is_replaced_within_the_round(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    connect(c, 2, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    assert_int_equal(c->n_sent, 1);
    const uint64_t lost = c->sent[0].peer;
    disconnect(c, lost);
    assert_int_equal(c->n_sent, 2);
    assert_int_equal(c->sent[1].peer, 3 - lost);
    disconnect(c, 3 - lost);
    disconnect(c, 99);
    /* all are lost; a new one gets it in the same round */
    connect(c, 4, CONN_RELAY);
    assert_true(was_announced(c, 4, &tx));
    assert_facts(c, &tx, 3, 0, 0);
}

static void announcements_are_repeated_half_as_often_each_time(void **state)
{
    struct broadcast_case *c = *state;
    uint64_t last = c->now.mono_us, expected = SPV_BROADCAST_RETRY_MIN_S;

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    for (unsigned round = 1; round <= 14; round++) {
        const uint64_t due = spv_broadcast_deadline(c->b);
        assert_int_equal(c->n_sent, round);
        assert_true(due - last >= expected * SPV_SECOND * 3 / 4);
        assert_true(due - last <= expected * SPV_SECOND * 5 / 4);
        c->now.mono_us = due - 1;
        assert_int_equal(spv_broadcast_timer(c->b, c->now), 0);
        take(c);
        assert_int_equal(c->n_sent, round);
        c->now.unix_s += (int64_t)((due - last) / SPV_SECOND);
        c->now.mono_us = last = due;
        assert_int_equal(spv_broadcast_timer(c->b, c->now), 0);
        take(c);
        expected =
            2 * expected < SPV_BROADCAST_RETRY_MAX_S ? 2 * expected : SPV_BROADCAST_RETRY_MAX_S;
    }
    assert_int_equal(expected, SPV_BROADCAST_RETRY_MAX_S);
}

static void peer_that_has_it_is_announced_to_last(void **state)
{
    struct broadcast_case *c = *state;

    for (uint64_t i = 1; i <= 8; i++)
        connect(c, i, CONN_RELAY);
    assert_int_equal(publish(c, &tx, SPV_BROADCAST_PRIVATE), 0);
    assert_int_equal(publish(c, &other, 0), 0);
    assert_int_equal(c->n_sent, 4);
    for (uint64_t i = 1; i <= 8; i++)
        if (!was_announced(c, i, &other))
            inv(c, i, &other, SPV_INV_TX);
    assert_facts(c, &other, 4, 0, 4);
    clear_sent(c);
    pass(c, 80);
    assert_int_equal(c->n_sent, 4);
    assert_facts(c, &other, 4, 0, 4); /* the same four again */
}

/* ---- facts ---- */

static void announcement_of_a_peer_that_had_it_from_us_is_no_fact(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    connect(c, 2, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    const uint64_t told = c->sent[0].peer;
    inv(c, told, &tx, SPV_INV_TX);
    assert_facts(c, &tx, 1, 0, 0);
    clear_sent(c);
    inv(c, 3 - told, &tx, SPV_INV_TX);
    assert_facts(c, &tx, 1, 0, 1);
    assert_int_equal(c->n_events, 1);
    assert_memory_equal(&c->event.txid, &tx.txid, sizeof tx.txid);
    assert_int_equal(c->event.returned, 1);
    inv(c, 3 - told, &tx, SPV_INV_TX);
    assert_int_equal(c->n_events, 1);
    /* nor is that of another peer of its group, now or after a restart */
    connect_group(c, 10, told);
    inv(c, 10, &tx, SPV_INV_TX);
    assert_facts(c, &tx, 1, 0, 1);
    restart(c);
    c->now.mono_us++;
    connect_group(c, 11, 3 - told);
    inv(c, 11, &tx, SPV_INV_TX);
    assert_facts(c, &tx, 2, 0, 1);
    connect_group(c, 12, told);
    inv(c, 12, &tx, SPV_INV_TX);
    assert_facts(c, &tx, 2, 0, 1);
}

static void facts_of_eight_groups_are_kept_and_returns_come_first(void **state)
{
    struct broadcast_case *c = *state;

    assert_int_equal(publish(c, &tx, 0), 0);
    for (uint64_t i = 1; i <= 10; i++) {
        connect(c, i, CONN_RELAY);
        pass(c, 100000);
        disconnect(c, i);
    }
    assert_facts(c, &tx, 8, 0, 0);
    connect(c, 20, CONN_SILENT);
    connect(c, 21, CONN_SILENT);
    for (int i = 0; i < 2; i++) {
        inv(c, 20, &tx, SPV_INV_TX);
        assert_facts(c, &tx, 7, 0, 1);
    }
    inv(c, 21, &tx, SPV_INV_TX);
    assert_facts(c, &tx, 6, 0, 2);
}

static void transaction_that_is_sent_back_counts_with_its_own_witness_only(void **state)
{
    struct broadcast_case *c = *state;
    struct built_tx malleated;
    struct spv_msg msg = {.command = SPV_CMD_TX};

    make_tx(&malleated,
            TX_SPEC(TX_INS({.witness = 71, .vout = 9}), TX_OUTS({1000, 20}, {2000, 20})));
    assert_memory_equal(&malleated.txid, &witness_tx.txid, sizeof witness_tx.txid);
    connect(c, 1, CONN_SILENT);
    connect(c, 2, CONN_SILENT);
    assert_int_equal(publish(c, &witness_tx, 0), 0);
    msg.u.tx = malleated.tx;
    assert_int_equal(spv_broadcast_recv(c->b, 1, &msg, c->now), 0);
    inv(c, 1, &malleated, SPV_INV_WTX);
    assert_facts(c, &witness_tx, 0, 0, 0);
    msg.u.tx = witness_tx.tx;
    assert_int_equal(spv_broadcast_recv(c->b, 1, &msg, c->now), 0);
    assert_facts(c, &witness_tx, 0, 0, 1);
    assert_int_equal(c->rows[0].facts[0], 0);
    take(c);
    assert_int_equal(c->rows[0].facts[0], SPV_BROADCAST_RETURNED | SPV_BROADCAST_RETURNED_SAME);
    /* by txid it may have any witness */
    inv(c, 2, &witness_tx, SPV_INV_TX);
    assert_int_equal(c->rows[0].facts[1], SPV_BROADCAST_RETURNED);
    inv(c, 2, &witness_tx, SPV_INV_WTX);
    assert_int_equal(c->rows[0].facts[1], SPV_BROADCAST_RETURNED | SPV_BROADCAST_RETURNED_SAME);
    built_tx_free(&malleated);
}

static void reject_is_a_hint_once_a_connection_that_fetched_it(void **state)
{
    struct broadcast_case *c = *state;
    struct spv_msg msg = {.command = SPV_CMD_REJECT,
                          .u.reject = {.command = "tx", .code = SPV_REJECT_FEE, .has_hash = true}};

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    memcpy(msg.u.reject.hash.b, tx.txid.b, 32);
    assert_int_equal(spv_broadcast_recv(c->b, 1, &msg, c->now), 0);
    assert_int_equal(progress(c, &tx).n_rejects, 0);
    getdata(c, 1, &tx, SPV_INV_TX);
    memcpy(msg.u.reject.command, "block", 6);
    assert_int_equal(spv_broadcast_recv(c->b, 1, &msg, c->now), 0);
    memcpy(msg.u.reject.command, "tx", 3);
    msg.u.reject.has_hash = false;
    assert_int_equal(spv_broadcast_recv(c->b, 1, &msg, c->now), 0);
    msg.u.reject.has_hash = true;
    msg.u.reject.hash.b[0] ^= 1;
    assert_int_equal(spv_broadcast_recv(c->b, 1, &msg, c->now), 0);
    msg.u.reject.hash.b[0] ^= 1;
    assert_int_equal(progress(c, &tx).n_rejects, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spv_broadcast_recv(c->b, 1, &msg, c->now), 0);
        assert_int_equal(progress(c, &tx).n_rejects, 1);
    }
    assert_int_equal(progress(c, &tx).reject_code, SPV_REJECT_FEE);
    assert_int_equal(progress(c, &tx).state, SPV_BROADCAST_PUBLISHING);
    clear_sent(c);
    pass(c, 80);
    assert_int_equal(count_sent(c, 1, SPV_CMD_INV), 1); /* it goes on */
}

/* ---- serving ---- */

static void witness_goes_to_those_who_ask_for_it(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &witness_tx, 0), 0);
    clear_sent(c);
    getdata(c, 1, &witness_tx, SPV_INV_TX | SPV_INV_WITNESS);
    assert_int_equal(c->n_sent, 1);
    assert_int_equal(c->sent[0].n_bytes, witness_tx.tx.n);
    assert_true(c->sent[0].witness);
    getdata(c, 1, &witness_tx, SPV_INV_TX);
    assert_int_equal(c->n_sent, 2);
    assert_int_equal(c->sent[1].n_bytes, witness_tx.tx.stripped_size);
    assert_false(c->sent[1].witness);
    assert_memory_equal(&c->sent[1].txid, &witness_tx.txid, sizeof witness_tx.txid);
    assert_facts(c, &witness_tx, 1, 1, 0);
}

static void transaction_is_sent_three_times_on_a_connection(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    for (int i = 0; i < 5; i++)
        getdata(c, 1, &tx, SPV_INV_TX);
    assert_int_equal(count_sent(c, 1, SPV_CMD_TX), SPV_BROADCAST_MAX_SENDS);
    assert_int_equal(count_sent(c, 1, SPV_CMD_NOTFOUND), 2);
}

static void notfound_answers_what_was_not_announced_to_the_peer(void **state)
{
    struct broadcast_case *c = *state;
    const struct spv_inv items[] = {
        item_of(&tx, SPV_INV_TX | SPV_INV_WITNESS),
        item_of(&other, SPV_INV_TX),
        {.type = SPV_INV_BLOCK},
        {.type = SPV_INV_FILTERED_BLOCK},
        {.type = SPV_INV_BLOCK | SPV_INV_WITNESS},
        item_of(&tx, SPV_INV_WTX),
        {.type = 77},
    };
    const struct spv_msg msg = {.command = SPV_CMD_GETDATA, .u.inv = {items, COUNT(items)}};

    connect(c, 1, CONN_RELAY);
    connect(c, 2, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    const uint64_t told = c->sent[0].peer;
    clear_sent(c);
    assert_int_equal(spv_broadcast_recv(c->b, 3 - told, &msg, c->now), 0);
    take(c);
    assert_int_equal(c->n_sent, 1);
    assert_int_equal(c->sent[0].command, SPV_CMD_NOTFOUND);
    assert_int_equal(c->sent[0].n_items, 3);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(&c->sent[0].items[i], &items[i < 2 ? i : 5], sizeof items[0]);
    assert_facts(c, &tx, 1, 0, 0);
    clear_sent(c);
    assert_int_equal(spv_broadcast_recv(c->b, told, &msg, c->now), 0);
    take(c);
    assert_int_equal(count_sent(c, told, SPV_CMD_TX), 2);
    assert_int_equal(count_sent(c, told, SPV_CMD_NOTFOUND), 1);
    assert_int_equal(c->sent[2].n_items, 1);
    /* a connection that is gone, or never was */
    assert_int_equal(spv_broadcast_recv(c->b, 99, &msg, c->now), 0);
}

static void transaction_that_is_withdrawn_before_it_is_taken_is_notfound(void **state)
{
    struct broadcast_case *c = *state;
    const struct spv_inv item = item_of(&tx, SPV_INV_TX);
    const struct spv_msg msg = {.command = SPV_CMD_GETDATA, .u.inv = {&item, 1}};

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    clear_sent(c);
    assert_int_equal(spv_broadcast_recv(c->b, 1, &msg, c->now), 0);
    assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), 0);
    take(c);
    assert_int_equal(c->n_sent, 1);
    assert_int_equal(c->sent[0].command, SPV_CMD_NOTFOUND);
    assert_memory_equal(&c->sent[0].items[0], &item, sizeof item);
    /* nor is anything sent to a connection that is gone */
    assert_int_equal(publish(c, &tx, 0), 0);
    clear_sent(c);
    assert_int_equal(spv_broadcast_recv(c->b, 1, &msg, c->now), 0);
    disconnect(c, 1);
    assert_int_equal(c->n_sent, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, broadcast_setup, broadcast_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(transaction_waits_until_a_peer_accepts_announcements),
        CASE(peer_that_accepts_announcements_later_gets_one),
        CASE(wtxidrelay_peer_gets_the_wtxid),
        CASE(first_round_leaves_half_of_the_connections_to_announce_it_back),
        CASE(connections_that_announce_to_us_are_left_to_announce_it_back),
        CASE(later_rounds_leave_out_one_connection_and_begin_with_new_ones),
        CASE(connection_that_did_not_hear_of_it_comes_before_one_that_did),
        CASE(lost_connection_is_replaced_within_the_round),
        CASE(announcements_are_repeated_half_as_often_each_time),
        CASE(peer_that_has_it_is_announced_to_last),
        CASE(announcement_of_a_peer_that_had_it_from_us_is_no_fact),
        CASE(facts_of_eight_groups_are_kept_and_returns_come_first),
        CASE(transaction_that_is_sent_back_counts_with_its_own_witness_only),
        CASE(reject_is_a_hint_once_a_connection_that_fetched_it),
        CASE(witness_goes_to_those_who_ask_for_it),
        CASE(transaction_is_sent_three_times_on_a_connection),
        CASE(notfound_answers_what_was_not_announced_to_the_peer),
        CASE(transaction_that_is_withdrawn_before_it_is_taken_is_notfound),
    };
    return cmocka_run_group_tests(tests, setup_txs, teardown_txs);
}
