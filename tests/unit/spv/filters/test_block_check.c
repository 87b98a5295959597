/* Blocks that are what their header commits to, and blocks that break one rule each. */
#include "block_fixture.h"

#include "support/unit.h"

#include "spv/filters/block_check.h"

static const struct spv_params *params(void)
{
    return spv_params_get(SPV_REGTEST);
}

/* Two transactions, the second one with a witness if wanted. */
static struct fixture_block make_block(bool has_witness)
{
    struct fixture_tx txs[2] = {{.prev = {{1}}}, {.prev = {{2}}, .has_witness = has_witness}};
    struct spv_chain *chain = fixture_chain_new();
    struct fixture_block b;

    fixture_script(txs[0].script, 1);
    fixture_script(txs[1].script, 2);
    fixture_block_make(&b, chain, txs, COUNT(txs), 0);
    spv_chain_free(chain);
    return b;
}

static void a_true_block_passes(void **state)
{
    (void)state;
    for (int witness = 0; witness < 2; witness++) {
        struct fixture_block b = make_block(witness != 0);
        assert_int_equal(spv_block_check(&b.block, 1, params()), 0);
        fixture_block_free(&b);
    }
}

static void another_transaction_does_not_give_the_merkle_root(void **state)
{
    struct fixture_block b = make_block(false);

    (void)state;
    b.bytes.data[b.bytes.len - 10] ^= 1; /* in the last output's script */
    fixture_block_parse(&b);
    assert_int_equal(spv_block_check(&b.block, 1, params()), SPV_ERR_BLOCK_ROOT);
    fixture_block_free(&b);
}

static void a_doubled_last_transaction_is_refused(void **state)
{
    struct fixture_block b = make_block(false);
    struct spv_block_iter iter = spv_block_txs(&b.block);
    struct spv_tx tx;

    (void)state;
    while (spv_block_next(&iter, &tx))
        ;
    struct spv_buffer copy;
    spv_buffer_init(&copy);
    spv_buffer_put(&copy, tx.bytes, tx.n);
    spv_buffer_put(&b.bytes, copy.data, copy.len);
    spv_buffer_free(&copy);
    b.bytes.data[SPV_HEADER_SIZE] = 4;
    fixture_block_parse(&b);
    assert_int_equal(spv_block_check(&b.block, 1, params()), SPV_ERR_MERKLE_DUPLICATE);
    fixture_block_free(&b);
}

static void a_block_begins_with_a_coinbase(void **state)
{
    struct fixture_block b = make_block(false);

    (void)state;
    b.bytes.data[SPV_HEADER_SIZE + 1 + 5] = 1; /* the coinbase's spent txid */
    fixture_block_parse(&b);
    assert_int_equal(spv_block_check(&b.block, 1, params()), SPV_ERR_BLOCK_COINBASE);
    fixture_block_free(&b);
}

static void another_witness_is_not_what_the_coinbase_commits_to(void **state)
{
    struct fixture_block b = make_block(true);

    (void)state;
    b.bytes.data[b.bytes.len - 5] ^= 1; /* the one byte of the witness */
    fixture_block_parse(&b);
    assert_int_equal(spv_block_check(&b.block, 1, params()), SPV_ERR_BLOCK_WITNESS);
    fixture_block_free(&b);
}

/* Removes marker, flag and witness from the transaction that starts at `at`. */
static size_t strip_at(struct spv_buffer *b, size_t at, size_t tx_size, size_t witness_size)
{
    memmove(b->data + at + 4, b->data + at + 6, b->len - at - 6);
    b->len -= 2;
    const size_t from = at + tx_size - 2 - 4 - witness_size;
    memmove(b->data + from, b->data + from + witness_size, b->len - from - witness_size);
    b->len -= witness_size;
    return tx_size - 2 - witness_size;
}

static void stripped_witnesses_are_missed(void **state)
{
    struct fixture_block b = make_block(true);
    struct spv_block_iter iter = spv_block_txs(&b.block);
    struct spv_tx tx;

    (void)state;
    assert_true(spv_block_next(&iter, &tx)); /* the coinbase alone keeps no witness */
    (void)strip_at(&b.bytes, SPV_HEADER_SIZE + 1, tx.n, 34);
    fixture_block_parse(&b);
    assert_int_equal(spv_block_check(&b.block, 1, params()), SPV_ERR_BLOCK_WITNESS);
    fixture_block_free(&b);
}

static void a_witness_needs_a_commitment(void **state)
{
    struct spv_params late = *params();
    struct fixture_block b = make_block(true);

    (void)state;
    late.segwit_height = 2; /* the commitment means nothing yet */
    assert_int_equal(spv_block_check(&b.block, 1, &late), SPV_ERR_BLOCK_WITNESS);
    assert_int_equal(spv_block_check(&b.block, 2, &late), 0);
    late.segwit_height = UINT32_MAX; /* not known: the block decides */
    assert_int_equal(spv_block_check(&b.block, 1, &late), 0);
    fixture_block_free(&b);
}

static void a_block_weighs_at_most_four_million(void **state)
{
    struct fixture_block b = make_block(false);

    (void)state;
    b.block.stripped_size = (SPV_MAX_BLOCK_WEIGHT - b.block.n) / 3 + 1;
    assert_int_equal(spv_block_check(&b.block, 1, params()), SPV_ERR_BLOCK_WEIGHT);
    b.block.stripped_size--;
    assert_int_equal(spv_block_check(&b.block, 1, params()), 0);
    fixture_block_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_block_passes),
        cmocka_unit_test(another_transaction_does_not_give_the_merkle_root),
        cmocka_unit_test(a_doubled_last_transaction_is_refused),
        cmocka_unit_test(a_block_begins_with_a_coinbase),
        cmocka_unit_test(another_witness_is_not_what_the_coinbase_commits_to),
        cmocka_unit_test(stripped_witnesses_are_missed),
        cmocka_unit_test(a_witness_needs_a_commitment),
        cmocka_unit_test(a_block_weighs_at_most_four_million),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
