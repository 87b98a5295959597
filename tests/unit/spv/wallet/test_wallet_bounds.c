/* Bounds of what peers can make a wallet hold, and what goes first. */
#include "wallet_case.h"

#define X 200 /* a script of others */

static const struct spv_tx_source peer = {.peer = 1, .group = 1};

static struct built_tx *fill(struct wallet_case *c, size_t n, uint64_t first_peer, size_t per_peer)
{
    struct built_tx *txs = calloc(n, sizeof *txs);

    assert_non_null(txs);
    for (size_t i = 0; i < n; i++) {
        const struct spv_tx_source source = {.peer = first_peer + i / per_peer, .group = 1};
        MAKE(c, &txs[i], INPUTS({NULL, 100 + (uint32_t)i}), OUTPUTS({0, 1}));
        assert_int_equal(spv_wallet_receive(c->wallet, &txs[i].tx, &source, c->now), 1);
    }
    return txs;
}

static void free_txs(struct built_tx *txs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        built_tx_free(&txs[i]);
    free(txs);
}

static void one_peer_gets_100_unconfirmed_transactions(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx *txs, other, more;

    MAKE(c, &other, INPUTS({NULL, 1}), OUTPUTS({0, 1}));
    assert_int_equal(spv_wallet_receive(c->wallet, &other.tx,
                                        &(struct spv_tx_source){.peer = 2, .group = 1}, c->now),
                     1);
    txs = fill(c, 100, 1, 100);
    MAKE(c, &more, INPUTS({NULL, 2}), OUTPUTS({0, 1}));
    assert_int_equal(spv_wallet_dropped(c->wallet), 0);
    case_receive(c, &txs[0], 2);
    assert_int_equal(spv_wallet_receive(c->wallet, &more.tx, &peer, c->now), 1);
    case_store(c);
    assert_int_equal(spv_wallet_dropped(c->wallet), 1);
    assert_non_null(case_row(c, &txs[0])); /* two groups announced it */
    assert_null(case_row(c, &txs[1])); /* the oldest of that peer */
    assert_non_null(case_row(c, &other)); /* of another peer */
    assert_non_null(case_row(c, &more));
    case_balance(c, 0, 0, 101, 0);
    free_txs(txs, 100);
    built_tx_free(&other);
    built_tx_free(&more);
}

static void thousand_unconfirmed_transactions_are_kept(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx ours, parent, old, *txs;

    MAKE(c, &parent, INPUTS({NULL, 1}), OUTPUTS({0, 5}));
    MAKE(c, &ours, INPUTS({&parent, 0}), OUTPUTS({1, 4}));
    MAKE(c, &old, INPUTS({NULL, 2}), OUTPUTS({2, 1}));
    case_receive(c, &parent, 1);
    case_publish(c, &ours);
    case_mine(c, &old, NULL);
    case_disconnect(c, 1);
    /* the parent makes it a thousand; what was in a block does not count */
    txs = fill(c, 999, 1000, 90);
    assert_int_equal(spv_wallet_dropped(c->wallet), 0);
    struct built_tx *more = fill(c, 3, 5000, 90);
    case_store(c);
    assert_int_equal(spv_wallet_dropped(c->wallet), 3);
    for (size_t i = 0; i < 3; i++)
        assert_null(case_row(c, &txs[i]));
    assert_non_null(case_row(c, &txs[3]));
    assert_non_null(case_row(c, &parent)); /* a published one needs it */
    assert_non_null(case_row(c, &ours));
    assert_non_null(case_row(c, &old));
    free_txs(txs, 999);
    free_txs(more, 3);
    built_tx_free(&parent);
    built_tx_free(&ours);
    built_tx_free(&old);
}

static void reorganisation_of_any_size_drops_nothing(void **state)
{
    struct wallet_case *c = *state;
    const struct built_tx **in_block = calloc(1102, sizeof *in_block);
    struct built_tx coinbase, *txs = calloc(1101, sizeof *txs);
    struct spv_wallet_balance_row balance;
    struct built_block block;

    assert_true(in_block && txs);
    case_make(c, &coinbase, NULL, 0, OUTPUTS({X, 5000}), 1);
    in_block[0] = &coinbase;
    for (uint32_t i = 0; i < 1101; i++) {
        MAKE(c, &txs[i], INPUTS({NULL, i}), OUTPUTS({0, 1}));
        in_block[i + 1] = &txs[i];
    }
    build_block(&block, c->height + 1, 1, in_block, 1102);
    assert_int_equal(spv_wallet_connect(c->wallet, &block.in), 0);
    c->height++;
    case_store(c);
    case_disconnect(c, 1);
    assert_int_equal(spv_wallet_dropped(c->wallet), 0);
    assert_int_equal(spv_wallet_balance(c->wallet, &balance, 0), 0);
    assert_int_equal(balance.amount[SPV_BALANCE_UNTRUSTED_PENDING], 1101);
    built_block_free(&block);
    free_txs(txs, 1101);
    free(in_block);
    built_tx_free(&coinbase);
}

static void one_output_has_25_unconfirmed_spenders(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx ours, parent, child, rivals[26];

    MAKE(c, &parent, INPUTS({NULL, 1}), OUTPUTS({0, 3})); /* of a published one: it stays */
    MAKE(c, &child, INPUTS({&parent, 0}), OUTPUTS({0, 2}));
    MAKE(c, &ours, INPUTS({NULL, 1}), OUTPUTS({0, 4})); /* does not count */
    case_receive(c, &parent, 1);
    case_publish(c, &child);
    case_publish(c, &ours);
    for (uint32_t i = 0; i < 26; i++)
        MAKE(c, &rivals[i], INPUTS({NULL, 1}), OUTPUTS({0, 1}));
    for (uint32_t i = 0; i < 24; i++)
        case_receive(c, &rivals[i], 1);
    case_receive(c, &rivals[0], 2);
    assert_int_equal(spv_wallet_dropped(c->wallet), 0);
    case_receive(c, &rivals[24], 1);
    case_receive(c, &rivals[25], 1);
    assert_int_equal(spv_wallet_dropped(c->wallet), 2);
    assert_non_null(case_row(c, &ours));
    assert_non_null(case_row(c, &parent));
    assert_non_null(case_row(c, &rivals[0])); /* two groups announced it */
    assert_null(case_row(c, &rivals[1]));
    assert_null(case_row(c, &rivals[2]));
    assert_non_null(case_row(c, &rivals[3]));
    assert_non_null(case_row(c, &rivals[25]));
    for (size_t i = 0; i < 26; i++)
        built_tx_free(&rivals[i]);
    built_tx_free(&ours);
    built_tx_free(&parent);
    built_tx_free(&child);
}

static void ten_megabytes_of_unconfirmed_transactions_are_kept(void **state)
{
    static uint8_t script[2000000];
    struct wallet_case *c = *state;
    struct built_tx txs[6];

    for (uint32_t i = 0; i < COUNT(txs); i++) {
        struct built_input input = {.vout = i};
        const struct built_output outputs[] = {
            {.script = case_script(0), .value = 1},
            {.script = {.bytes = script, .n = sizeof script}, .value = 1}};
        const struct built_spec spec = {
            .inputs = &input, .n_inputs = 1, .outputs = outputs, .n_outputs = 2};
        const struct spv_tx_source source = {.peer = i + 1, .group = i};
        input.prev.b[0] = 9;
        build_tx(&txs[i], &spec);
        assert_int_equal(spv_wallet_receive(c->wallet, &txs[i].tx, &source, c->now), 1);
    }
    case_store(c);
    assert_null(case_row(c, &txs[0]));
    assert_null(case_row(c, &txs[1]));
    assert_non_null(case_row(c, &txs[2]));
    for (size_t i = 0; i < COUNT(txs); i++)
        built_tx_free(&txs[i]);
}

static void descendants_go_with_a_dropped_transaction(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx parent, child, grandchild, *txs;

    MAKE(c, &parent, INPUTS({NULL, 1}), OUTPUTS({0, 5}));
    MAKE(c, &child, INPUTS({&parent, 0}), OUTPUTS({1, 4}));
    MAKE(c, &grandchild, INPUTS({&child, 0}), OUTPUTS({X, 4}));
    assert_int_equal(spv_wallet_receive(c->wallet, &parent.tx, &peer, c->now), 1);
    case_receive(c, &child, 1);
    case_receive(c, &child, 2);
    case_receive(c, &grandchild, 1);
    case_receive(c, &grandchild, 2);
    txs = fill(c, 100, 1, 100);
    case_store(c);
    assert_null(case_row(c, &parent));
    assert_null(case_row(c, &child));
    assert_null(case_row(c, &grandchild));
    assert_int_equal(spv_wallet_dropped(c->wallet), 3);
    case_balance(c, 0, 0, 100, 0);
    free_txs(txs, 100);
    built_tx_free(&parent);
    built_tx_free(&child);
    built_tx_free(&grandchild);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, case_setup, case_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_peer_gets_100_unconfirmed_transactions),
        CASE(thousand_unconfirmed_transactions_are_kept),
        CASE(reorganisation_of_any_size_drops_nothing),
        CASE(one_output_has_25_unconfirmed_spenders),
        CASE(ten_megabytes_of_unconfirmed_transactions_are_kept),
        CASE(descendants_go_with_a_dropped_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
