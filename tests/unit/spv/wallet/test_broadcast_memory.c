/* Each allocation of a broadcast failing in turn: the operation returns an error, all later ones
 * are refused, nothing leaks. */
#include "tx_builder.h"

#include "support/fail_each.h"
#include "support/random.h"

#include "spv/broadcast.h"

static struct built_tx parent, child;
static struct spv_broadcast_report reports[2];
static struct spv_tx txs[2];
static const struct spv_now now = {.mono_us = 5, .unix_s = 1800000000};
static struct test_random seed;

static int setup(void **state)
{
    (void)state;
    make_tx(&parent, TX_SPEC(TX_INS({.witness = 30}), TX_OUTS({1000, 20})));
    make_tx(&child, TX_SPEC(TX_INS({.witness = 30, .prev = parent.txid}), TX_OUTS({900, 20})));
    txs[0] = parent.tx;
    txs[1] = child.tx;
    reports[0] = (struct spv_broadcast_report){.txid = parent.txid};
    reports[1] = (struct spv_broadcast_report){.txid = child.txid};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    built_tx_free(&parent);
    built_tx_free(&child);
    return 0;
}

static int poll_all(struct spv_broadcast *b)
{
    struct spv_broadcast_action action;
    int rc;

    while ((rc = spv_broadcast_poll(b, &action)) == 1)
        ;
    return rc;
}

static int load_copy(struct spv_broadcast *b)
{
    const struct spv_broadcast_config cfg = {.rng = test_random_rng(&seed)};
    struct spv_broadcast_update update;
    struct spv_broadcast *copy = NULL;
    int rc = spv_broadcast_changes(b, &update);

    if (rc == 0)
        rc = spv_broadcast_new(&copy, &cfg);
    for (size_t i = 0; rc == 0 && i < update.n; i++)
        rc = spv_broadcast_load(copy, &update.changes[i].row);
    if (rc == 0)
        rc = spv_broadcast_load_end(copy, now);
    spv_broadcast_free(copy);
    return rc;
}

static int run_inputs(struct spv_broadcast *b)
{
    const struct spv_inv items[] = {{.type = SPV_INV_TX}, {.type = SPV_INV_TX}};
    struct spv_inv asked[2] = {items[0], items[1]};
    const struct spv_msg getdata = {.command = SPV_CMD_GETDATA, .u.inv = {asked, 2}};
    struct spv_now later = {.unix_s = now.unix_s + SPV_BROADCAST_KEEP_S, .mono_us = 10};
    int rc = spv_broadcast_publish(b, txs, reports, 2, 0, now);

    memcpy(asked[0].hash.b, child.txid.b, 32);
    if (rc == 0)
        rc = load_copy(b);
    if (rc == 0)
        rc = spv_broadcast_add_peer(b, &(struct spv_broadcast_peer){.id = 1, .relay = true}, now);
    if (rc == 0)
        rc = spv_broadcast_recv(b, 1, &getdata, now);
    if (rc == 0)
        rc = poll_all(b);
    if (rc == 0)
        rc = spv_broadcast_recv(b, 1, &getdata, now);
    if (rc == 0)
        rc = spv_broadcast_withdraw(b, &child.txid, now);
    if (rc == 0)
        rc = spv_broadcast_timer(b, later);
    return rc;
}

static int use_broadcast(void)
{
    const struct spv_broadcast_config cfg = {.rng = test_random_rng(&seed)};
    struct spv_broadcast_update update;
    struct spv_broadcast *b;
    int rc;

    seed.state = 1;
    rc = spv_broadcast_new(&b, &cfg);
    assert_int_equal(b == NULL, rc != 0);
    if (rc < 0)
        return rc;
    rc = run_inputs(b);
    if (rc == 0)
        rc = spv_broadcast_changes(b, &update);
    spv_broadcast_free(b);
    return rc;
}

static void failed_allocation_ends_an_input_with_an_error(void **state)
{
    (void)state;
    assert_true(fail_each(use_broadcast) > 20);
}

static void broadcast_refuses_inputs_after_a_failed_one(void **state)
{
    const struct spv_broadcast_config cfg = {.rng = test_random_rng(&seed)};
    const struct spv_broadcast_peer peer = {.id = 1, .relay = true};
    const struct spv_broadcast_row row = {.id = 1};
    const struct spv_msg msg = {.command = SPV_CMD_INV};
    struct spv_broadcast_update update;
    struct spv_broadcast_action action;
    struct spv_broadcast *b;

    (void)state;
    assert_int_equal(spv_broadcast_new(&b, &cfg), 0);
    failing_alloc_plan(1, FAILING_ALLOC_ONE);
    assert_int_equal(spv_broadcast_add_peer(b, &peer, now), SPV_ERR_NOMEM);
    (void)failing_alloc_end();
    assert_int_equal(spv_broadcast_add_peer(b, &peer, now), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_remove_peer(b, 1, now), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_publish(b, txs, reports, 2, 0, now), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_withdraw(b, &child.txid, now), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_recv(b, 1, &msg, now), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_set_tip(b, 1, 1, now), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_set_state(b, &child.txid, SPV_BROADCAST_CONFIRMED, 1, now),
                     SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_timer(b, now), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_changes(b, &update), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_load(b, &row), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_load_end(b, now), SPV_ERR_STATE);
    assert_int_equal(spv_broadcast_poll(b, &action), 0);
    spv_broadcast_free(b);
    spv_broadcast_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_allocation_ends_an_input_with_an_error),
        cmocka_unit_test(broadcast_refuses_inputs_after_a_failed_one),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
