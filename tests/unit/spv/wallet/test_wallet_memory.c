/* Each allocation of a wallet failing in turn: the operation returns an error, all later ones are
 * refused, nothing leaks, and a wallet loaded from its rows goes on. */
#include "chain_builder.h"

#include "support/fail_each.h"
#include "support/random.h"

#define XPUB                                                                                       \
    "tpubDCwf7iLkApvAxZE8pJckS47pkp3oxUjAcRKVH3oo8RBri2GmxTum8uXGvm2ukTeD5PgHUbWKXH8h6WXznjLjmm"   \
    "WiQizU1dVk2aFJTz212Li"

static const uint8_t script[] = {0x51, 0x01};
static struct built_tx coinbase, coin, spend, rival;
static struct built_block block;
static const struct spv_now now = {.unix_s = 1800000000};
static struct test_random seed;

static int setup(void **state)
{
    const struct built_output ours = {.script = {script, sizeof script}, .value = 1000};
    const struct built_output theirs = {.script = {script, 1}, .value = 900};
    const struct built_input foreign = {.vout = 1};
    struct built_input inputs[2] = {{.vout = 0}, {.vout = 7}};
    const struct built_tx *txs[2] = {&coinbase, &coin};

    (void)state;
    build_tx(&coinbase, &(struct built_spec){.outputs = &ours, .n_outputs = 1});
    build_tx(&coin, &(struct built_spec){
                        .inputs = &foreign, .n_inputs = 1, .outputs = &ours, .n_outputs = 1});
    inputs[0].prev = coin.txid;
    build_tx(&spend, &(struct built_spec){
                         .inputs = inputs, .n_inputs = 2, .outputs = &theirs, .n_outputs = 1});
    build_tx(&rival, &(struct built_spec){
                         .inputs = inputs, .n_inputs = 1, .outputs = &ours, .n_outputs = 1});
    build_block(&block, 5, 1, txs, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    built_block_free(&block);
    built_tx_free(&coinbase);
    built_tx_free(&coin);
    built_tx_free(&spend);
    built_tx_free(&rival);
    return 0;
}

static int new_wallet(struct spv_wallet **out)
{
    seed.state = 1;
    return spv_wallet_new(out, &(struct spv_wallet_config){.rng = test_random_rng(&seed),
                                                           .networks = SPV_ANY_NETWORK,
                                                           .lookahead = 3});
}

static int add_watches(struct spv_wallet *wallet)
{
    const struct spv_watch_target watches[] = {
        {.kind = SPV_WATCH_SCRIPT, .script = {script, sizeof script}},
        {.kind = SPV_WATCH_DESCRIPTOR, .descriptor = "wpkh(" XPUB "/<0;1>/*)", .gap = 3},
        {.kind = SPV_WATCH_DESCRIPTOR, .descriptor = "raw(5101)"},
    };
    uint64_t id;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < COUNT(watches); i++)
        rc = spv_wallet_watch(wallet, &id, NULL, &watches[i]);
    return rc;
}

/* Loads a wallet from the changes of another one. */
static int load_copy(struct spv_wallet *wallet)
{
    struct spv_wallet_update update;
    struct spv_wallet *copy = NULL;
    int rc = spv_wallet_changes(wallet, &update);

    if (rc == 0)
        rc = new_wallet(&copy);
    for (size_t i = 0; rc == 0 && i < update.n; i++)
        if (!update.changes[i].deleted &&
            (update.changes[i].kind != SPV_WALLET_ROW_TX || update.changes[i].row.tx.raw.n > 0))
            rc = spv_wallet_load(copy, &update.changes[i]);
    if (rc == 0)
        rc = spv_wallet_load_end(copy);
    spv_wallet_free(copy);
    return rc;
}

static int run_inputs(struct spv_wallet *wallet)
{
    const struct spv_tx_source source = {.peer = 1, .group = 1};
    const struct spv_point fork = {.height = 4};
    struct spv_wallet_block first = {.point.height = 4};
    uint32_t index;
    int rc = add_watches(wallet);

    if (rc == 0)
        rc = spv_wallet_connect(wallet, &first);
    if (rc == 0)
        rc = spv_wallet_connect(wallet, &block.in);
    if (rc == 0)
        rc = load_copy(wallet);
    if (rc == 0)
        rc = spv_wallet_reserve_index(wallet, &index, 2, 0);
    if (rc == 0)
        rc = spv_wallet_receive(wallet, &spend.tx, &source, now);
    if (rc >= 0)
        rc = spv_wallet_publish(wallet, &rival.tx, now);
    if (rc == 0)
        rc = spv_wallet_disconnect(wallet, &fork, now);
    if (rc == 0)
        rc = spv_wallet_unwatch(wallet, 1);
    if (rc == 0)
        rc = spv_wallet_unwatch(wallet, 3);
    return rc;
}

static int use_wallet(void)
{
    struct spv_wallet *wallet;
    struct spv_wallet_update update;
    int rc = new_wallet(&wallet);

    assert_int_equal(wallet == NULL, rc != 0);
    if (rc < 0)
        return rc;
    rc = run_inputs(wallet);
    if (rc == 0)
        rc = spv_wallet_changes(wallet, &update);
    spv_wallet_free(wallet);
    return rc;
}

static void failed_allocation_ends_an_input_with_an_error(void **state)
{
    (void)state;
    assert_true(fail_each(use_wallet) > 60);
}

static void wallet_refuses_inputs_after_a_failed_one(void **state)
{
    const struct spv_tx_source source = {.peer = 1, .group = 1};
    const struct spv_watch_target watch = {.kind = SPV_WATCH_SCRIPT, .script = {script, 1}};
    const struct spv_point fork = {.height = 4};
    struct spv_wallet_update update;
    struct spv_wallet *wallet;
    struct spv_rescan_range range = {.watch = 1};
    uint32_t index;
    uint64_t id;
    int rc = 0;

    (void)state;
    assert_int_equal(new_wallet(&wallet), 0);
    assert_int_equal(add_watches(wallet), 0);
    for (size_t k = 1; rc == 0; k++) {
        failing_alloc_plan(k, FAILING_ALLOC_ONE);
        rc = spv_wallet_publish(wallet, &rival.tx, now);
        (void)failing_alloc_end();
        assert_true(k < 100);
    }
    assert_int_equal(rc, SPV_ERR_NOMEM);
    assert_int_equal(spv_wallet_changes(wallet, &update), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_connect(wallet, &block.in), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_rescan_block(wallet, &block.in), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_disconnect(wallet, &fork, now), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_receive(wallet, &spend.tx, &source, now), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_announced(wallet, &spend.txid, &source, now), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_publish(wallet, &spend.tx, now), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_withdraw(wallet, &rival.txid, now), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_expire(wallet, now), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_watch(wallet, &id, NULL, &watch), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_unwatch(wallet, 1), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_reserve_index(wallet, &index, 2, 0), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_rescan_done(wallet, &range), SPV_ERR_STATE);
    spv_wallet_free(wallet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_allocation_ends_an_input_with_an_error),
        cmocka_unit_test(wallet_refuses_inputs_after_a_failed_one),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
