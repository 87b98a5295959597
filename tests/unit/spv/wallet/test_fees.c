/* Fee filters of peers, and what recent blocks paid. */
#include "tx_builder.h"

#include "spv/error.h"
#include "spv/fees.h"
#include "spv/message.h"

static struct spv_fees *fees;

static int setup(void **state)
{
    (void)state;
    return spv_fees_new(&fees, spv_params_get(SPV_REGTEST));
}

static int teardown(void **state)
{
    (void)state;
    spv_fees_free(fees);
    spv_fees_free(NULL);
    return 0;
}

static void assert_filters(size_t n, size_t syncing, uint64_t median, uint64_t highest)
{
    struct spv_fee_filters out;

    spv_fees_filters(fees, &out);
    assert_int_equal(out.n_peers, n);
    assert_int_equal(out.n_syncing, syncing);
    assert_int_equal(out.median, median);
    assert_int_equal(out.highest, highest);
}

static void median_and_highest_filter_are_those_of_the_peers_now(void **state)
{
    (void)state;
    assert_filters(0, 0, 0, 0);
    spv_fees_set_filter(fees, 1, 5000);
    assert_filters(1, 0, 5000, 5000);
    spv_fees_set_filter(fees, 2, 1000);
    assert_filters(2, 0, 5000, 5000);
    spv_fees_set_filter(fees, 3, 1000);
    assert_filters(3, 0, 1000, 5000);
    spv_fees_set_filter(fees, 1, 0); /* it changed */
    assert_filters(3, 0, 1000, 1000);
    spv_fees_remove_peer(fees, 2);
    spv_fees_remove_peer(fees, 3);
    spv_fees_remove_peer(fees, 99);
    assert_filters(1, 0, 0, 0);
}

static void peers_in_initial_download_are_counted_apart(void **state)
{
    (void)state;
    spv_fees_set_filter(fees, 1, 1000);
    spv_fees_set_filter(fees, 2, 9170997); /* 500 * 1.1^103: Bitcoin Core with 1,000 sat/kvB */
    spv_fees_set_filter(fees, 3, SPV_MAX_MONEY);
    assert_filters(1, 2, 1000, 1000);
    spv_fees_set_filter(fees, 2, 9090909);
    assert_filters(2, 1, 9090909, 9090909);
    spv_fees_set_filter(fees, 2, 9090910);
    assert_filters(1, 2, 1000, 1000);
    spv_fees_set_filter(fees, 3, SPV_MAX_MONEY + 1); /* out of range: ignored */
    spv_fees_set_filter(fees, 4, SPV_MAX_MONEY + 1);
    assert_filters(1, 2, 1000, 1000);
}

static void filters_of_256_peers_are_kept(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 2 * SPV_FEES_MAX_PEERS; i++)
        spv_fees_set_filter(fees, i, i);
    assert_filters(SPV_FEES_MAX_PEERS, 0, SPV_FEES_MAX_PEERS / 2, SPV_FEES_MAX_PEERS - 1);
    spv_fees_set_filter(fees, 3, 5000);
    assert_filters(SPV_FEES_MAX_PEERS, 0, SPV_FEES_MAX_PEERS / 2 + 1, 5000);
}

/* ---- blocks ---- */

static void subsidy_halves_by_the_networks_interval(void **state)
{
    static const struct {
        enum spv_network network;
        uint32_t height;
        uint64_t expected;
    } cases[] = {
        {SPV_MAINNET, 0, 5000000000},      {SPV_MAINNET, 209999, 5000000000},
        {SPV_MAINNET, 210000, 2500000000}, {SPV_MAINNET, 840000, 312500000},
        {SPV_MAINNET, 6929999, 1},         {SPV_MAINNET, 6930000, 0},
        {SPV_REGTEST, 149, 5000000000},    {SPV_REGTEST, 150, 2500000000},
        {SPV_REGTEST, 300, 1250000000},    {SPV_REGTEST, 150 * 64, 0},
        {SPV_REGTEST, UINT32_MAX, 0},      {SPV_SIGNET, 210000, 2500000000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(spv_fees_subsidy(spv_params_get(cases[i].network), cases[i].height),
                         cases[i].expected);
}

/* A block whose coinbase pays an amount, with a transaction of n bytes of scripts, or none. */
static int add_block(uint32_t height, int64_t paid, size_t script, size_t *weight)
{
    const struct built_output out = {.script = {(const uint8_t *)"Q", 1}, .value = paid};
    struct built_tx coinbase, tx;
    const struct built_tx *txs[2] = {&coinbase, &tx};
    struct built_block block;
    int rc;

    build_tx(&coinbase, &(struct built_spec){.outputs = &out, .n_outputs = 1});
    make_tx(&tx, TX_SPEC(TX_INS({.witness = script}), TX_OUTS({1, 20})));
    build_block(&block, height, 1, txs, script > 0 ? 2 : 1);
    rc = spv_fees_add_block(fees, height, &block.block);
    if (weight)
        *weight = spv_tx_weight(&tx.tx);
    built_block_free(&block);
    built_tx_free(&coinbase);
    built_tx_free(&tx);
    return rc;
}

static void rate_is_the_coinbases_surplus_over_the_weight_of_the_others(void **state)
{
    struct spv_block_fees out[SPV_FEES_BLOCKS];
    size_t weight;

    (void)state;
    assert_int_equal(add_block(10, 5000000000 + 12345, 300, &weight), 0);
    assert_int_equal(add_block(150, 2500000000 + 777, 300, NULL), 0); /* regtest halves at 150 */
    assert_int_equal(add_block(151, 2500000000 - 1, 300, NULL), 0); /* claims less */
    assert_int_equal(add_block(152, 2500000000, 0, NULL), 0); /* the coinbase alone */
    assert_int_equal(spv_fees_blocks(fees, out, 152), 4);
    assert_int_equal(out[0].height, 10);
    assert_int_equal(out[0].fees, 12345);
    assert_int_equal(out[0].weight, weight);
    assert_int_equal(out[0].rate, 12345 * UINT64_C(4000) / weight);
    assert_int_equal(out[1].fees, 777);
    assert_int_equal(out[2].fees, 0);
    assert_int_equal(out[2].rate, 0);
    assert_int_equal(out[3].weight, 0);
    assert_int_equal(out[3].rate, 0);
}

static void block_without_a_coinbase_or_with_impossible_amounts_is_refused(void **state)
{
    struct spv_block_fees out[SPV_FEES_BLOCKS];
    struct built_tx tx;
    const struct built_tx *txs[1] = {&tx};
    struct built_block block;

    (void)state;
    make_tx(&tx, TX_SPEC(TX_INS({.script = 9}), TX_OUTS({1, 20})));
    build_block(&block, 5, 1, txs, 1);
    assert_int_equal(spv_fees_add_block(fees, 5, &block.block), SPV_ERR_BLOCK_COINBASE);
    built_block_free(&block);
    built_tx_free(&tx);
    assert_int_equal(add_block(5, -1, 9, NULL), SPV_ERR_TX_VALUE);
    assert_int_equal(add_block(5, (int64_t)SPV_MAX_MONEY + 1, 9, NULL), SPV_ERR_TX_VALUE);
    assert_int_equal(spv_fees_blocks(fees, out, 5), 0);
    assert_int_equal(add_block(5, (int64_t)SPV_MAX_MONEY, 9, NULL), 0);
    assert_int_equal(spv_fees_blocks(fees, out, 5), 1);
}

static void last_144_blocks_of_the_best_chain_count(void **state)
{
    struct spv_block_fees out[SPV_FEES_BLOCKS];

    (void)state;
    for (uint32_t i = 0; i < 200; i++)
        if (i != 150)
            assert_int_equal(add_block(i, 5000000000, 9, NULL), 0);
    assert_int_equal(spv_fees_blocks(fees, out, 199), 143);
    assert_int_equal(out[0].height, 56);
    assert_int_equal(out[142].height, 199);
    assert_int_equal(spv_fees_blocks(fees, out, 200), 142); /* 56 is too old, 200 not added */
    assert_int_equal(out[0].height, 57);
    spv_fees_disconnect(fees, 197);
    assert_int_equal(spv_fees_blocks(fees, out, 199), 141);
    assert_int_equal(out[140].height, 197);
    assert_int_equal(add_block(198, 5000000000 + 99, 9, NULL), 0);
    assert_int_equal(spv_fees_blocks(fees, out, 198), 142);
    assert_int_equal(out[141].fees, 2500000099);
    assert_int_equal(spv_fees_blocks(fees, out, UINT32_MAX), 0);
    assert_int_equal(spv_fees_blocks(fees, out, 60), 6); /* and 6, whose place none took */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(median_and_highest_filter_are_those_of_the_peers_now),
        CASE(peers_in_initial_download_are_counted_apart),
        CASE(filters_of_256_peers_are_kept),
        CASE(subsidy_halves_by_the_networks_interval),
        CASE(rate_is_the_coinbases_surplus_over_the_weight_of_the_others),
        CASE(block_without_a_coinbase_or_with_impossible_amounts_is_refused),
        CASE(last_144_blocks_of_the_best_chain_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
