/* The outputs of fetched blocks: what is remembered of them, and for how long. */
#include "block_fixture.h"

#include "support/random.h"
#include "support/unit.h"

#include "spv/filters/output_cache.h"

static struct test_random random_state = {.state = 5};
static struct spv_output_cache *cache;
static struct spv_chain *chain;

static int open_cache(void **state)
{
    const struct spv_rng rng = test_random_rng(&random_state);

    (void)state;
    chain = fixture_chain_new();
    return spv_output_cache_new(&cache, &rng);
}

static int close_cache(void **state)
{
    (void)state;
    spv_output_cache_free(cache);
    spv_chain_free(chain);
    return 0;
}

static void assert_known(const struct spv_txid *txid, uint32_t number)
{
    uint8_t script[BLOCK_FIXTURE_SCRIPT];
    struct spv_bytes found;

    fixture_script(script, number);
    assert_true(spv_output_cache_find(cache, &found, txid, 0));
    assert_int_equal(found.n, sizeof script);
    assert_memory_equal(found.bytes, script, sizeof script);
}

static void outputs_of_a_block_are_known_by_transaction_and_index(void **state)
{
    struct fixture_tx txs[2] = {{.prev = {{1}}}, {.prev = {{2}}, .has_witness = true}};
    struct fixture_block block;
    struct spv_bytes script;

    (void)state;
    fixture_script(txs[0].script, 7);
    fixture_script(txs[1].script, 8);
    fixture_block_make(&block, chain, txs, 2, 0);
    assert_false(spv_output_cache_find(cache, &script, &block.txids[1], 0));
    assert_true(spv_output_cache_memory(cache) < 4096); /* before the first block */
    assert_int_equal(spv_output_cache_add(cache, &block.block), 0);
    assert_known(&block.txids[0], 1000001);
    assert_known(&block.txids[1], 7);
    assert_known(&block.txids[2], 8);
    for (uint32_t i = 1; i < 200000; i++) /* some are in the same place of the table */
        assert_false(spv_output_cache_find(cache, &script, &block.txids[1], i));
    struct spv_txid other = block.txids[1];
    other.b[31] ^= 1;
    assert_false(spv_output_cache_find(cache, &script, &other, 0));
    /* the witness commitment, an OP_RETURN of 38 bytes, cannot be spent */
    assert_false(spv_output_cache_find(cache, &script, &block.txids[0], 1));
    fixture_block_free(&block);
}

static void an_output_that_is_no_element_or_too_long_is_left_out(void **state)
{
    struct fixture_tx tx = {.prev = {{1}}};
    struct fixture_block block;
    struct spv_bytes script;

    (void)state;
    fixture_script(tx.script, 7);
    fixture_block_make(&block, chain, &tx, 1, 0);
    /* its script is at the end of the block, before the lock time, after its length */
    uint8_t *at = block.bytes.data + block.bytes.len - 4 - BLOCK_FIXTURE_SCRIPT;
    at[0] = 0x6a; /* OP_RETURN */
    assert_int_equal(spv_block_parse(&block.block, block.bytes.data, block.bytes.len), 0);
    struct spv_block_iter iter = spv_block_txs(&block.block);
    struct spv_tx parsed;
    struct spv_txid txid;
    while (spv_block_next(&iter, &parsed))
        spv_tx_txid(&txid, &parsed);
    assert_int_equal(spv_output_cache_add(cache, &block.block), 0);
    assert_false(spv_output_cache_find(cache, &script, &txid, 0));
    fixture_block_free(&block);

    /* one byte more than fits, and as much as fits */
    for (uint8_t n = SPV_OUTPUT_CACHE_SCRIPT_BYTES; n <= SPV_OUTPUT_CACHE_SCRIPT_BYTES + 1; n++) {
        fixture_block_make(&block, chain, &tx, 1, 0);
        uint8_t bytes[1024];
        const size_t head = block.bytes.len - 4 - BLOCK_FIXTURE_SCRIPT - 1;
        memcpy(bytes, block.bytes.data, head);
        bytes[head] = n;
        memset(bytes + head + 1, 0x51, n);
        memset(bytes + head + 1 + n, 0, 4);
        struct spv_block changed;
        assert_int_equal(spv_block_parse(&changed, bytes, head + 1 + n + 4), 0);
        iter = spv_block_txs(&changed);
        while (spv_block_next(&iter, &parsed))
            spv_tx_txid(&txid, &parsed);
        assert_int_equal(spv_output_cache_add(cache, &changed), 0);
        assert_int_equal(spv_output_cache_find(cache, &script, &txid, 0),
                         n == SPV_OUTPUT_CACHE_SCRIPT_BYTES);
        if (n == SPV_OUTPUT_CACHE_SCRIPT_BYTES)
            assert_int_equal(script.n, n);
        fixture_block_free(&block);
    }
}

/* Blocks of one template, whose transactions differ in the output that the first one spends. */
#define MANY 3000
#define TXS 7

static void the_oldest_outputs_are_forgotten_and_memory_is_bounded(void **state)
{
    static struct spv_txid last_of[SPV_OUTPUT_CACHE_ENTRIES / (TXS + 1) + MANY];
    struct fixture_tx txs[TXS];
    struct fixture_block block;
    struct spv_bytes script;
    const size_t n_blocks = COUNT(last_of);
    size_t known = 0;

    (void)state;
    memset(txs, 0, sizeof txs);
    for (uint8_t i = 0; i < TXS; i++)
        txs[i].prev.b[0] = i + 1;
    fixture_block_make(&block, chain, txs, TXS, 0);
    struct spv_block_iter iter = spv_block_txs(&block.block);
    struct spv_tx tx;
    uint8_t *prev[TXS];
    (void)spv_block_next(&iter, &tx);
    for (size_t i = 0; i < TXS; i++) {
        assert_true(spv_block_next(&iter, &tx));
        prev[i] = block.bytes.data + (tx.bytes - block.bytes.data) + 5; /* version, one input */
    }
    for (size_t b = 0; b < n_blocks; b++) {
        for (size_t i = 0; i < TXS; i++)
            memcpy(prev[i], &(uint64_t){b * TXS + i + 1}, sizeof(uint64_t));
        assert_int_equal(spv_output_cache_add(cache, &block.block), 0);
        iter = spv_block_txs(&block.block);
        while (spv_block_next(&iter, &tx))
            spv_tx_txid(&last_of[b], &tx);
    }
    assert_true(spv_output_cache_memory(cache) < 6u << 20);
    for (size_t b = n_blocks - 300; b < n_blocks; b++)
        assert_true(spv_output_cache_find(cache, &script, &last_of[b], 0));
    for (size_t b = 0; b < 1000; b++)
        known += spv_output_cache_find(cache, &script, &last_of[b], 0);
    assert_true(known < 400); /* sets are not filled evenly */
    fixture_block_free(&block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(outputs_of_a_block_are_known_by_transaction_and_index,
                                        open_cache, close_cache),
        cmocka_unit_test_setup_teardown(an_output_that_is_no_element_or_too_long_is_left_out,
                                        open_cache, close_cache),
        cmocka_unit_test_setup_teardown(the_oldest_outputs_are_forgotten_and_memory_is_bounded,
                                        open_cache, close_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
