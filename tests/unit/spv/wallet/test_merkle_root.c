/* Merkle roots, and the duplicated subtrees of CVE-2012-2459. */
#include "wallet_fixture.h"

#include "spv/error.h"

#define MAX_LEAVES 5000

static void make_leaves(struct spv_txid *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = leaf_id(1, (uint32_t)i);
}

static void root_of_a_known_block(void **state)
{
    static const char *const txids[] = {
        /* mainnet 100000 */
        "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
        "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
        "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
        "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
    };
    struct spv_txid ids[COUNT(txids)];
    struct spv_hash256 root;
    char hex[SPV_HASH_HEX];

    (void)state;
    for (size_t i = 0; i < COUNT(txids); i++)
        assert_int_equal(spv_txid_from_hex(&ids[i], txids[i]), 0);
    assert_int_equal(spv_merkle_root(&root, ids, COUNT(ids)), 0);
    spv_hash256_hex(hex, &root);
    assert_string_equal(hex, "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766");
}

static void root_of_one_transaction_is_its_txid(void **state)
{
    const struct spv_txid id = leaf_id(0, 0);
    struct spv_hash256 root;

    (void)state;
    assert_int_equal(spv_merkle_root(&root, &id, 1), 0);
    assert_memory_equal(root.b, id.b, 32);
}

static void no_transactions_have_no_root(void **state)
{
    struct spv_hash256 root;

    (void)state;
    assert_int_equal(spv_merkle_root(&root, NULL, 0), SPV_ERR_INVALID);
}

static void root_equals_the_plain_computation(void **state)
{
    static struct spv_txid ids[MAX_LEAVES];
    struct spv_hash256 root, plain;

    (void)state;
    make_leaves(ids, MAX_LEAVES);
    for (size_t n = 1; n <= MAX_LEAVES; n += n < 300 ? 1 : 397) {
        assert_int_equal(spv_merkle_root(&root, ids, n), 0);
        plain = plain_root(ids, n);
        assert_memory_equal(root.b, plain.b, 32);
    }
}

/* For each level at which a list has a last node without sibling, repeating the leaves below that
 * node gives another list with the same root. */
static void list_with_a_repeated_end_is_refused(void **state)
{
    static struct spv_txid ids[2 * 300];
    struct spv_hash256 root, longer;

    (void)state;
    for (size_t n = 1; n < 300; n++) {
        make_leaves(ids, n);
        assert_int_equal(spv_merkle_root(&root, ids, n), 0);
        for (size_t below = 1; below < n; below *= 2) {
            if (n % below != 0 || n / below % 2 == 0)
                continue;
            memcpy(&ids[n], &ids[n - below], below * sizeof *ids);
            longer = plain_root(ids, n + below);
            assert_memory_equal(longer.b, root.b, 32);
            assert_int_equal(spv_merkle_root(&root, ids, n + below), SPV_ERR_MERKLE_DUPLICATE);
        }
    }
}

static void equal_txids_that_are_no_siblings_are_allowed(void **state)
{
    struct spv_txid ids[4];
    struct spv_hash256 root, plain;

    (void)state;
    make_leaves(ids, 4);
    ids[2] = ids[1];
    plain = plain_root(ids, 4);
    assert_int_equal(spv_merkle_root(&root, ids, 4), 0);
    assert_memory_equal(root.b, plain.b, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_of_a_known_block),
        cmocka_unit_test(root_of_one_transaction_is_its_txid),
        cmocka_unit_test(no_transactions_have_no_root),
        cmocka_unit_test(root_equals_the_plain_computation),
        cmocka_unit_test(list_with_a_repeated_end_is_refused),
        cmocka_unit_test(equal_txids_that_are_no_siblings_are_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
