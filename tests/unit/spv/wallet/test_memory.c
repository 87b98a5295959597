/* Each allocation failing in turn: an error, nothing leaked, and the next call succeeds. */
#include "wallet_fixture.h"

#include "spv/bloom.h"
#include "spv/error.h"
#include "support/fail_each.h"

#define LEAVES 40

/* Creates a filter, and another from its message. */
static int make_filters(void)
{
    const struct spv_bloom_shape shape = {.n_bytes = 100, .n_functions = 5};
    struct spv_msg_filterload load;
    struct spv_bloom *bloom, *copy;
    int rc = spv_bloom_new(&bloom, &shape);

    assert_int_equal(bloom == NULL, rc != 0);
    if (rc < 0)
        return rc;
    spv_bloom_filterload(&load, bloom);
    rc = spv_bloom_from_filterload(&copy, &load);
    assert_int_equal(copy == NULL, rc != 0);
    spv_bloom_free(copy);
    spv_bloom_free(bloom);
    return rc;
}

static struct spv_txid leaves[LEAVES];
static struct spv_header header;
static struct spv_tx coinbase;
static uint8_t coinbase_bytes[TX_MAX];

static int setup(void **state)
{
    const struct tx_spec spec = {.index = UINT32_MAX, .input = "51", .outputs = {"52"}};

    (void)state;
    make_tx(&coinbase, coinbase_bytes, &spec);
    spv_tx_txid(&leaves[0], &coinbase);
    for (uint32_t i = 1; i < LEAVES; i++)
        leaves[i] = leaf_id(3, i);
    const struct spv_hash256 root = plain_root(leaves, LEAVES);
    header = header_with_root(&root);
    return 0;
}

static int depth_error(enum spv_merkle_depth depth)
{
    if (depth == SPV_MERKLE_DEPTH_NOMEM)
        return SPV_ERR_NOMEM;
    assert_int_equal(depth, SPV_MERKLE_DEPTH_PROVEN);
    return 0;
}

static int make_proof(void)
{
    static const uint32_t positions[] = {0, 1, 7, 20, 39};
    static uint8_t bytes[4096];
    struct spv_merkle_proof *proof;
    int rc = spv_merkle_proof_new(&proof, &header, leaves, LEAVES, positions, 5);

    assert_int_equal(proof == NULL, rc != 0);
    if (rc < 0)
        return rc;
    const struct spv_msg_merkleblock *msg = spv_merkle_proof_message(proof);
    rc = spv_merkle_encode(bytes, sizeof bytes, msg);
    if (rc >= 0)
        rc = depth_error(spv_merkle_depth_by_tx(msg, 0, &coinbase));
    if (rc >= 0)
        rc = depth_error(spv_merkle_depth_by_coinbase(msg, msg, &coinbase));
    spv_merkle_proof_free(proof);
    return rc;
}

static void failed_allocation_makes_no_filter(void **state)
{
    (void)state;
    assert_int_equal(fail_each(make_filters), 2);
}

static void failed_allocation_makes_no_proof(void **state)
{
    (void)state;
    assert_true(fail_each(make_proof) >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_allocation_makes_no_filter),
        cmocka_unit_test(failed_allocation_makes_no_proof),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
