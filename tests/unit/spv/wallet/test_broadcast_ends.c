/* Packages, locks, the end of publishing, restarts, and what must stay private. */
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

/* ---- packages ---- */

static void parent_is_served_unannounced_on_the_connection_that_got_the_child(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    connect(c, 2, CONN_RELAY);
    assert_int_equal(PUBLISH_PACKAGE(c, &witness_tx, &witness_child), 0);
    assert_int_equal(c->n_sent, 1);
    assert_int_equal(c->sent[0].n_items, 1);
    const uint64_t told = c->sent[0].peer;
    assert_true(was_announced(c, told, &witness_child));
    assert_false(was_announced(c, told, &witness_tx));
    assert_facts(c, &witness_tx, 0, 0, 0);
    getdata(c, told, &witness_tx, SPV_INV_TX | SPV_INV_WITNESS);
    assert_int_equal(count_sent(c, told, SPV_CMD_TX), 1);
    assert_true(c->sent[1].witness);
    getdata(c, 3 - told, &witness_tx, SPV_INV_TX | SPV_INV_WITNESS);
    assert_int_equal(count_sent(c, 3 - told, SPV_CMD_TX), 0);
    assert_int_equal(count_sent(c, 3 - told, SPV_CMD_NOTFOUND), 1);
    assert_facts(c, &witness_tx, 0, 1, 0);
    inv(c, told, &witness_tx, SPV_INV_TX); /* it has it from us */
    assert_facts(c, &witness_tx, 0, 1, 0);
    clear_sent(c);
    pass(c, 80); /* later rounds announce the parent, too */
    assert_int_equal(c->n_sent, 1);
    assert_int_equal(c->sent[0].n_items, 2);
    assert_memory_equal(&c->sent[0].items[0].hash, &witness_tx.txid, 32);
}

static void several_parents_are_announced_before_their_child(void **state)
{
    struct broadcast_case *c = *state;
    struct built_tx last;

    make_tx(&last,
            TX_SPEC(TX_INS({.script = 9, .prev = tx.txid}, {.script = 9, .prev = other.txid}),
                    TX_OUTS({5, 30})));
    connect(c, 1, CONN_RELAY);
    assert_int_equal(PUBLISH_PACKAGE(c, &tx, &other, &last), 0);
    assert_int_equal(c->n_sent, 1);
    assert_int_equal(c->sent[0].n_items, 3);
    assert_memory_equal(&c->sent[0].items[0].hash, &tx.txid, 32);
    assert_memory_equal(&c->sent[0].items[1].hash, &other.txid, 32);
    assert_memory_equal(&c->sent[0].items[2].hash, &last.txid, 32);
    assert_int_equal(progress(c, &tx).package, progress(c, &last).package);
    assert_int_equal(spv_broadcast_withdraw(c->b, &other.txid, c->now), 0);
    assert_int_equal(progress(c, &tx).state, SPV_BROADCAST_WITHDRAWN);
    assert_int_equal(progress(c, &last).state, SPV_BROADCAST_WITHDRAWN);
    built_tx_free(&last);
}

static void child_joins_a_parent_that_is_published_already(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    assert_int_equal(publish(c, &other, 0), 0);
    clear_sent(c);
    assert_int_equal(PUBLISH_PACKAGE(c, &tx, &child), 0);
    assert_true(was_announced(c, 1, &child));
    assert_int_equal(progress(c, &child).package, progress(c, &tx).package);
    /* it is of a package now */
    assert_int_equal(publish(c, &tx, 0), SPV_ERR_PACKAGE_FORM);
    assert_int_equal(publish(c, &child, 0), SPV_ERR_PACKAGE_FORM);
    clear_sent(c);
    assert_int_equal(PUBLISH_PACKAGE(c, &tx, &child), 0); /* goes on */
    assert_int_equal(c->n_sent, 0);
    restart(c);
    assert_int_equal(progress(c, &child).package, progress(c, &tx).package);
    assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), 0);
    assert_int_equal(progress(c, &child).state, SPV_BROADCAST_WITHDRAWN);
    assert_int_equal(progress(c, &other).state, SPV_BROADCAST_PUBLISHING);
}

static void package_keeps_its_order_over_restarts_whatever_was_published_first(void **state)
{
    struct broadcast_case *c = *state;
    struct built_tx last;
    const struct built_tx *const list[] = {&other, &witness_tx, &tx, &last};

    make_tx(&last, TX_SPEC(TX_INS({.script = 9, .prev = tx.txid}, {.script = 9, .prev = other.txid},
                                  {.script = 9, .prev = witness_tx.txid}),
                           TX_OUTS({5, 30})));
    assert_int_equal(publish(c, &tx, 0), 0);
    assert_int_equal(publish(c, &witness_tx, 0), 0);
    assert_int_equal(publish_package(c, list, 4, 0), 0);
    for (int i = 0; i < 2; i++) {
        connect(c, 1, CONN_RELAY);
        assert_int_equal(c->sent[0].n_items, 4);
        for (size_t k = 0; k < 4; k++)
            assert_memory_equal(&c->sent[0].items[k].hash, &list[k]->txid, 32);
        c->now.unix_s += 100000;
        clear_sent(c);
        restart(c);
    }
    built_tx_free(&last);
}

/* ---- locks ---- */

static void transaction_that_is_not_final_waits_for_its_height(void **state)
{
    struct broadcast_case *c = *state;
    struct built_tx locked;

    make_tx(&locked, TX_SPEC_WITH(TX_INS({.script = 30, .not_sequence = 1}), TX_OUTS({1, 20}),
                                  .lock_time = 500));
    connect(c, 1, CONN_RELAY);
    assert_int_equal(spv_broadcast_set_tip(c->b, 499, 0, c->now), 0);
    assert_int_equal(publish(c, &locked, 0), 0);
    assert_true(progress(c, &locked).waits);
    assert_int_equal(progress(c, &locked).wait_height, 500);
    pass(c, 1000);
    assert_int_equal(c->n_sent, 0);
    restart(c);
    assert_int_equal(spv_broadcast_set_tip(c->b, 499, 0, c->now), 0);
    connect(c, 2, CONN_RELAY);
    assert_int_equal(c->n_sent, 0);
    assert_int_equal(spv_broadcast_set_tip(c->b, 500, 0, c->now), 0);
    take(c);
    assert_int_equal(c->n_sent, 1);
    assert_false(progress(c, &locked).waits);
    built_tx_free(&locked);
}

static void transaction_that_is_not_final_waits_for_the_median_time(void **state)
{
    struct broadcast_case *c = *state;
    struct built_tx locked;

    make_tx(&locked, TX_SPEC_WITH(TX_INS({.script = 30, .not_sequence = 1}), TX_OUTS({1, 20}),
                                  .lock_time = 1700000000));
    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &locked, 0), 0);
    assert_int_equal(spv_broadcast_set_tip(c->b, 5, 1700000000, c->now), 0);
    take(c);
    assert_int_equal(c->n_sent, 0);
    assert_true(spv_broadcast_deadline(c->b) == SPV_NEVER);
    assert_int_equal(spv_broadcast_set_tip(c->b, 5, 1700000001, c->now), 0);
    take(c);
    assert_int_equal(c->n_sent, 1);
    built_tx_free(&locked);
}

static void package_waits_for_its_latest_lock(void **state)
{
    struct broadcast_case *c = *state;
    struct built_tx locked;

    make_tx(&locked, TX_SPEC_WITH(TX_INS({.script = 30, .not_sequence = 1, .prev = tx.txid}),
                                  TX_OUTS({1, 20}), .lock_time = 500));
    connect(c, 1, CONN_RELAY);
    assert_int_equal(PUBLISH_PACKAGE(c, &tx, &locked), 0);
    pass(c, 1000);
    assert_int_equal(c->n_sent, 0);
    assert_int_equal(spv_broadcast_set_tip(c->b, 500, 0, c->now), 0);
    take(c);
    assert_int_equal(c->n_sent, 1);
    built_tx_free(&locked);
}

/* ---- the end, and restarts ---- */

static void confirmed_and_conflicted_ones_are_not_announced_until_they_return(void **state)
{
    static const enum spv_broadcast_state ends[] = {SPV_BROADCAST_CONFIRMED,
                                                    SPV_BROADCAST_CONFLICTED};
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    for (size_t i = 0; i < COUNT(ends); i++) {
        assert_int_equal(spv_broadcast_set_state(c->b, &tx.txid, ends[i], 100, c->now), 0);
        clear_sent(c);
        take(c);
        assert_int_equal(c->n_events, 1);
        assert_int_equal(c->event.state, ends[i]);
        pass(c, 100000);
        getdata(c, 1, &tx, SPV_INV_TX);
        inv(c, 1, &tx, SPV_INV_TX);
        assert_int_equal(count_sent(c, 1, SPV_CMD_INV), 0);
        assert_int_equal(count_sent(c, 1, SPV_CMD_NOTFOUND), 1);
        assert_facts(c, &tx, 1, 0, 0);
        assert_int_equal(spv_broadcast_relay_wanted(c->b), 0);
        restart(c);
        connect(c, 1, CONN_RELAY);
        assert_int_equal(count_sent(c, 1, SPV_CMD_INV), 0);
        assert_int_equal(
            spv_broadcast_set_state(c->b, &tx.txid, SPV_BROADCAST_PUBLISHING, 0, c->now), 0);
        take(c);
        assert_int_equal(count_sent(c, 1, SPV_CMD_INV), 1); /* at once */
        assert_int_equal(spv_broadcast_relay_wanted(c->b), SPV_BROADCAST_RELAY_PEERS);
    }
    assert_int_equal(spv_broadcast_set_state(c->b, &other.txid, SPV_BROADCAST_CONFIRMED, 1, c->now),
                     0);
}

static void withdrawn_one_is_not_announced_even_when_a_block_leaves(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), SPV_ERR_NOT_FOUND);
    assert_int_equal(publish(c, &tx, 0), 0);
    assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), 0);
    assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), SPV_ERR_NOT_FOUND);
    clear_sent(c);
    take(c);
    assert_int_equal(spv_broadcast_set_state(c->b, &tx.txid, SPV_BROADCAST_CONFIRMED, 100, c->now),
                     0);
    assert_int_equal(spv_broadcast_set_state(c->b, &tx.txid, SPV_BROADCAST_PUBLISHING, 0, c->now),
                     0);
    pass(c, 100000);
    assert_int_equal(c->n_sent, 0);
    assert_int_equal(progress(c, &tx).state, SPV_BROADCAST_WITHDRAWN);
    assert_int_equal(publish(c, &tx, 0), 0);
    assert_int_equal(c->n_sent, 1);
    assert_int_equal(progress(c, &tx).state, SPV_BROADCAST_PUBLISHING);
}

static void one_whose_block_left_is_announced_at_once(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(c->n_sent, i);
        assert_int_equal(
            spv_broadcast_set_state(c->b, &tx.txid, SPV_BROADCAST_CONFIRMED, 10, c->now), 0);
        assert_int_equal(
            spv_broadcast_set_state(c->b, &tx.txid, SPV_BROADCAST_PUBLISHING, 0, c->now), 0);
        take(c);
    }
}

static void slot_of_a_forgotten_one_is_used_again_without_its_past(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    for (int i = 0; i < SPV_BROADCAST_MAX_SENDS; i++)
        getdata(c, 1, &tx, SPV_INV_TX);
    assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), 0);
    pass(c, SPV_BROADCAST_KEEP_S);
    assert_int_equal(c->n_rows, 0);
    assert_int_equal(publish(c, &other, 0), 0);
    clear_sent(c);
    getdata(c, 1, &other, SPV_INV_TX);
    assert_int_equal(count_sent(c, 1, SPV_CMD_TX), 1);
}

static void ended_ones_are_forgotten_after_100_blocks_or_14_days(void **state)
{
    struct broadcast_case *c = *state;
    struct spv_broadcast_progress out;
    uint64_t next = 0;

    assert_int_equal(publish(c, &tx, 0), 0);
    assert_int_equal(publish(c, &other, 0), 0);
    assert_int_equal(publish(c, &witness_tx, 0), 0);
    assert_int_equal(spv_broadcast_set_state(c->b, &tx.txid, SPV_BROADCAST_CONFIRMED, 1000, c->now),
                     0);
    assert_int_equal(spv_broadcast_withdraw(c->b, &other.txid, c->now), 0);
    assert_int_equal(spv_broadcast_set_tip(c->b, 1099, 0, c->now), 0);
    pass(c, SPV_BROADCAST_KEEP_S - 1);
    assert_int_equal(c->n_rows, 3);
    assert_int_equal(spv_broadcast_set_tip(c->b, 1100, 0, c->now), 0);
    take(c);
    assert_int_equal(c->n_rows, 2);
    assert_int_equal(spv_broadcast_find(c->b, &out, &tx.txid), SPV_ERR_NOT_FOUND);
    pass(c, 1);
    assert_int_equal(c->n_rows, 1);
    assert_true(spv_broadcast_next(c->b, &next, &out));
    assert_memory_equal(&out.txid, &witness_tx.txid, 32);
    assert_false(spv_broadcast_next(c->b, &next, &out));
    /* a slot is used again, without what was known of the one before */
    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &child, 0), 0);
    assert_true(was_announced(c, 1, &child));
    restart(c);
    assert_facts(c, &child, 1, 0, 0);
}

static void announcements_go_on_where_they_were_after_a_restart(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, 0), 0);
    pass(c, 80);
    pass(c, 200); /* the third round */
    assert_int_equal(c->n_sent, 3);
    getdata(c, 1, &tx, SPV_INV_TX);
    clear_sent(c);
    restart(c);
    connect(c, 2, CONN_RELAY);
    assert_facts(c, &tx, 2, 1, 0); /* the round goes on with who is there */
    clear_sent(c);
    pass(c, 100); /* 240 s, a quarter less: not yet */
    assert_int_equal(c->n_sent, 0);
    pass(c, 200);
    assert_int_equal(c->n_sent, 1);
    /* a clock that was set back does not stop it */
    c->now.unix_s -= 1000000000;
    restart(c);
    connect(c, 2, CONN_RELAY);
    clear_sent(c);
    pass(c, 480 * 5 / 4);
    assert_int_equal(c->n_sent, 1);
}

/* ---- privacy ---- */

static void private_one_never_goes_out_on_an_ordinary_connection(void **state)
{
    struct broadcast_case *c = *state;

    connect(c, 1, CONN_RELAY);
    assert_int_equal(publish(c, &tx, SPV_BROADCAST_PRIVATE), 0);
    for (int i = 0; i < 3; i++) {
        getdata(c, 1, &tx, SPV_INV_TX);
        getdata(c, 1, &tx, SPV_INV_WTX);
        pass(c, 100000);
        if (i == 0)
            restart(c);
        connect(c, 1, CONN_RELAY);
        assert_int_equal(
            spv_broadcast_set_state(c->b, &tx.txid, SPV_BROADCAST_CONFIRMED, 10, c->now), 0);
        assert_int_equal(
            spv_broadcast_set_state(c->b, &tx.txid, SPV_BROADCAST_PUBLISHING, 0, c->now), 0);
        take(c);
    }
    assert_int_equal(count_sent(c, 0, SPV_CMD_INV), 0);
    assert_int_equal(count_sent(c, 0, SPV_CMD_TX), 0);
    assert_true(count_sent(c, 0, SPV_CMD_NOTFOUND) > 0);
    assert_true(progress(c, &tx).is_private);
    assert_int_equal(publish(c, &tx, 0), SPV_ERR_TX_PRIVATE);
    assert_int_equal(PUBLISH_PACKAGE(c, &tx, &child), SPV_ERR_TX_PRIVATE);
    assert_int_equal(publish(c, &tx, SPV_BROADCAST_PRIVATE), 0);
    assert_int_equal(spv_broadcast_relay_wanted(c->b), SPV_BROADCAST_RELAY_PEERS);
    inv(c, 1, &tx, SPV_INV_TX);
    assert_facts(c, &tx, 0, 0, 1);
    /* nor is one that went out in private afterwards */
    assert_int_equal(publish(c, &other, 0), 0);
    assert_int_equal(publish(c, &other, SPV_BROADCAST_PRIVATE), SPV_ERR_TX_PRIVATE);
}

static void relay_connections_are_wanted_while_something_is_published(void **state)
{
    struct broadcast_case *c = *state;

    assert_int_equal(spv_broadcast_relay_wanted(c->b), 0);
    assert_int_equal(publish(c, &tx, 0), 0);
    assert_int_equal(spv_broadcast_relay_wanted(c->b), 2);
    assert_int_equal(spv_broadcast_relay_count(c->b), 0);
    connect(c, 1, CONN_RELAY);
    connect(c, 2, CONN_SILENT);
    assert_int_equal(spv_broadcast_relay_count(c->b), 1);
    connect(c, 3, CONN_WTXID);
    assert_int_equal(spv_broadcast_relay_count(c->b), 2);
    disconnect(c, 3);
    assert_int_equal(spv_broadcast_relay_count(c->b), 1);
    assert_int_equal(spv_broadcast_withdraw(c->b, &tx.txid, c->now), 0);
    assert_int_equal(spv_broadcast_relay_wanted(c->b), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, broadcast_setup, broadcast_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(parent_is_served_unannounced_on_the_connection_that_got_the_child),
        CASE(several_parents_are_announced_before_their_child),
        CASE(child_joins_a_parent_that_is_published_already),
        CASE(package_keeps_its_order_over_restarts_whatever_was_published_first),
        CASE(transaction_that_is_not_final_waits_for_its_height),
        CASE(transaction_that_is_not_final_waits_for_the_median_time),
        CASE(package_waits_for_its_latest_lock),
        CASE(confirmed_and_conflicted_ones_are_not_announced_until_they_return),
        CASE(withdrawn_one_is_not_announced_even_when_a_block_leaves),
        CASE(one_whose_block_left_is_announced_at_once),
        CASE(slot_of_a_forgotten_one_is_used_again_without_its_past),
        CASE(ended_ones_are_forgotten_after_100_blocks_or_14_days),
        CASE(announcements_go_on_where_they_were_after_a_restart),
        CASE(private_one_never_goes_out_on_an_ordinary_connection),
        CASE(relay_connections_are_wanted_while_something_is_published),
    };
    return cmocka_run_group_tests(tests, setup_txs, teardown_txs);
}
