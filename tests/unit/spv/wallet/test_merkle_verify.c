/* Proofs: building, verifying, one case a rule, bytes, and two properties on random trees. */
#include "wallet_fixture.h"

#include <stdio.h>

#include "spv/error.h"
#include "spv/wallet/partial_tree.h"
#include "support/random.h"

#define MAX_LEAVES 5000

/* A proof in arrays that a test may change. */
struct loose_proof {
    struct spv_msg_merkleblock msg;
    struct spv_hash256 hashes[64];
    uint8_t flags[64];
};

static struct spv_txid leaves[SPV_MAX_BLOCK_TXS + 1];

static int setup(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= SPV_MAX_BLOCK_TXS; i++)
        leaves[i] = leaf_id(2, i);
    return 0;
}

static struct spv_merkle_proof *build(const struct spv_txid *txids, size_t n,
                                      const uint32_t *positions, size_t n_positions)
{
    const struct spv_hash256 root = plain_root(txids, n);
    const struct spv_header header = header_with_root(&root);
    struct spv_merkle_proof *proof;

    assert_int_equal(spv_merkle_proof_new(&proof, &header, txids, n, positions, n_positions), 0);
    return proof;
}

static void loosen(struct loose_proof *out, const struct spv_txid *txids, size_t n,
                   const uint32_t *positions, size_t n_positions)
{
    struct spv_merkle_proof *proof = build(txids, n, positions, n_positions);

    memset(out, 0, sizeof *out);
    out->msg = *spv_merkle_proof_message(proof);
    assert_true(out->msg.n_hashes < COUNT(out->hashes) && out->msg.n_flags < COUNT(out->flags));
    memcpy(out->hashes, out->msg.hashes, out->msg.n_hashes * sizeof out->hashes[0]);
    memcpy(out->flags, out->msg.flags, out->msg.n_flags);
    out->msg.hashes = out->hashes;
    out->msg.flags = out->flags;
    spv_merkle_proof_free(proof);
}

static int verify(const struct loose_proof *proof)
{
    static struct spv_merkle_match out[COUNT(proof->hashes)];

    return spv_merkle_verify(out, &proof->msg);
}

/* BIP37's picture: seven leaves, the third matches. */
static void partial_tree_has_the_form_of_bip37(void **state)
{
    static const uint32_t third = 2;
    struct loose_proof p;
    struct spv_merkle_match out[8];
    struct spv_hash256 pair;

    (void)state;
    loosen(&p, leaves, 7, &third, 1);
    assert_int_equal(p.msg.total, 7);
    assert_int_equal(p.msg.n_hashes, 4);
    pair = plain_root(leaves, 2);
    assert_memory_equal(p.hashes[0].b, pair.b, 32);
    assert_memory_equal(p.hashes[1].b, leaves[2].b, 32);
    assert_memory_equal(p.hashes[2].b, leaves[3].b, 32);
    pair = plain_root(leaves + 4, 3);
    assert_memory_equal(p.hashes[3].b, pair.b, 32);
    assert_int_equal(p.msg.n_flags, 1);
    assert_int_equal(p.flags[0], 0x1b); /* 1, 1, 0, 1, 1, 0, 0 in visiting order */
    assert_int_equal(spv_merkle_verify(out, &p.msg), 1);
    assert_int_equal(out[0].position, 2);
    assert_memory_equal(out[0].txid.b, leaves[2].b, 32);
}

static void proof_of_nothing_is_the_root(void **state)
{
    struct loose_proof p;

    (void)state;
    loosen(&p, leaves, 7, NULL, 0);
    assert_int_equal(p.msg.n_hashes, 1);
    assert_int_equal(p.msg.n_flags, 1);
    assert_int_equal(p.flags[0], 0);
    assert_int_equal(verify(&p), 0);
}

/* Each position with the odds of one in `rarity`. */
static size_t random_positions(struct test_random *random, uint32_t *out, size_t n, uint64_t rarity)
{
    size_t chosen = 0;

    for (uint32_t i = 0; i < n; i++)
        if (test_random_below(random, rarity) == 0)
            out[chosen++] = i;
    return chosen;
}

/* Seeded: trees of 1 to 5,000 leaves, dense and sparse subsets. */
static void verify_returns_exactly_the_subset_that_was_built(void **state)
{
    static struct spv_merkle_match out[MAX_LEAVES];
    static uint32_t positions[MAX_LEAVES];
    struct test_random random = {20240613};

    (void)state;
    printf("seed %llu\n", (unsigned long long)random.state);
    for (int round = 0; round < 150; round++) {
        const uint64_t most = round % 3 == 0 ? MAX_LEAVES : round % 3 == 1 ? 300 : 20;
        const size_t n = 1 + test_random_below(&random, most);
        static const uint64_t rarities[] = {1, 2, 10, 1000};
        const size_t chosen =
            random_positions(&random, positions, n, rarities[test_random_below(&random, 4)]);
        struct spv_merkle_proof *proof = build(leaves, n, positions, chosen);
        const struct spv_msg_merkleblock *msg = spv_merkle_proof_message(proof);
        assert_true(msg->n_hashes <= n && msg->n_hashes >= chosen);
        assert_int_equal(spv_merkle_verify(out, msg), chosen);
        for (size_t i = 0; i < chosen; i++) {
            assert_int_equal(out[i].position, positions[i]);
            assert_memory_equal(out[i].txid.b, leaves[positions[i]].b, 32);
        }
        spv_merkle_proof_free(proof);
    }
}

static bool is_leaf(const struct spv_merkle_match *match, size_t n)
{
    return match->position < n &&
           memcmp(match->txid.b, leaves[match->position].b, sizeof match->txid) == 0;
}

/* Seeded: a changed proof of the right total is refused, or what it proves is in the tree. */
static void flipped_bit_is_refused_or_proves_only_leaves(void **state)
{
    struct test_random random = {20240614};
    size_t refused = 0, accepted = 0;

    (void)state;
    printf("seed %llu\n", (unsigned long long)random.state);
    for (int round = 0; round < 60; round++) {
        const size_t n = 1 + test_random_below(&random, 40);
        struct spv_merkle_match out[64];
        uint32_t positions[64];
        uint8_t header[SPV_HEADER_SIZE];
        struct loose_proof p;
        loosen(&p, leaves, n, positions, random_positions(&random, positions, n, 5));
        const size_t n_bits = 8 * (SPV_HEADER_SIZE + 32 * p.msg.n_hashes + p.msg.n_flags);
        for (size_t bit = 0; bit < n_bits; bit++) {
            struct loose_proof q = p;
            const size_t at = bit / 8;
            const uint8_t flip = (uint8_t)(1u << bit % 8);
            q.msg.hashes = q.hashes;
            q.msg.flags = q.flags;
            if (at < SPV_HEADER_SIZE) {
                spv_header_encode(header, &p.msg.header);
                header[at] ^= flip;
                spv_header_decode(&q.msg.header, header);
            } else if (at < SPV_HEADER_SIZE + 32 * p.msg.n_hashes) {
                q.hashes[(at - SPV_HEADER_SIZE) / 32].b[(at - SPV_HEADER_SIZE) % 32] ^= flip;
            } else {
                q.flags[at - SPV_HEADER_SIZE - 32 * p.msg.n_hashes] ^= flip;
            }
            const int matches = spv_merkle_verify(out, &q.msg);
            refused += matches < 0;
            accepted += matches >= 0;
            for (int i = 0; i < matches; i++)
                assert_true(is_leaf(&out[i], n));
            if (at >= SPV_HEADER_SIZE && at < SPV_HEADER_SIZE + 32 * p.msg.n_hashes)
                assert_true(matches == SPV_ERR_MERKLE_ROOT || matches == SPV_ERR_MERKLE_DUPLICATE);
        }
    }
    assert_true(refused > 10000 && accepted > 100); /* versions, times, nonces and some flags */
}

static void total_must_be_1_to_16666(void **state)
{
    static const uint32_t last = SPV_MAX_BLOCK_TXS - 1;
    struct loose_proof p;

    (void)state;
    loosen(&p, leaves, SPV_MAX_BLOCK_TXS, &last, 1);
    assert_int_equal(verify(&p), 1);
    p.msg.total = SPV_MAX_BLOCK_TXS + 1;
    assert_int_equal(verify(&p), SPV_ERR_COUNT);
    p.msg.total = UINT32_MAX;
    assert_int_equal(verify(&p), SPV_ERR_COUNT);
    p.msg.total = 0;
    assert_int_equal(verify(&p), SPV_ERR_MALFORMED);
}

static void every_hash_must_be_used(void **state)
{
    static const uint32_t third = 2;
    struct loose_proof p;

    (void)state;
    loosen(&p, leaves, 7, &third, 1);
    p.msg.n_hashes++;
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_HASHES);
    p.msg.n_hashes -= 2;
    p.hashes[3] = plain_root(leaves, 4); /* not read: it would equal its sibling */
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_HASHES);
    p.msg.n_hashes = 0;
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_HASHES);
}

static void every_flag_byte_must_be_used(void **state)
{
    static const uint32_t two[] = {3, 9};
    struct loose_proof p;

    (void)state;
    loosen(&p, leaves, 12, two, 2);
    assert_int_equal(p.msg.n_flags, 2);
    assert_int_equal(verify(&p), 2);
    p.msg.n_flags = 3;
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_BITS);
    p.msg.n_flags = 1;
    p.flags[1] = 0xff; /* not read: it would ask for more hashes than there are */
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_BITS);
    p.msg.n_flags = 0;
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_BITS);
}

static void padding_bits_must_be_zero(void **state)
{
    static const uint32_t third = 2, only = 0;
    struct loose_proof p;

    (void)state;
    loosen(&p, leaves, 7, &third, 1); /* seven bits */
    p.flags[0] |= 0x80;
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_PADDING);
    loosen(&p, leaves, 1, &only, 1); /* one bit */
    assert_int_equal(verify(&p), 1);
    for (unsigned bit = 1; bit < 8; bit++) {
        p.flags[0] = (uint8_t)(1u | 1u << bit);
        assert_int_equal(verify(&p), SPV_ERR_MERKLE_PADDING);
    }
}

/* Among these trees are some whose proof has a multiple of eight bits. */
static void full_last_byte_has_no_padding(void **state)
{
    static const uint32_t two[] = {0, 1};
    struct loose_proof p;

    (void)state;
    for (uint32_t n = 1; n < 40; n++) {
        loosen(&p, leaves, n, two, n == 1 ? 1 : 2);
        assert_int_equal(verify(&p), n == 1 ? 1 : 2);
    }
}

/* Three leaves, presented as four with the last one twice (CVE-2012-2459). */
static void equal_siblings_are_refused(void **state)
{
    static const uint32_t last = 2;
    struct loose_proof p;

    (void)state;
    loosen(&p, leaves, 3, &last, 1); /* 1 0 1 1: root, left pair, right node, its leaf */
    assert_int_equal(p.msg.n_hashes, 2);
    p.msg.total = 4;
    p.msg.n_hashes = 3;
    p.hashes[2] = p.hashes[1];
    p.flags[0] = 0x1d; /* 1 0 1 1 1 */
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_DUPLICATE);
    p.flags[0] = 0x0d; /* 1 0 1 1 0 */
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_DUPLICATE);
}

static void root_must_be_the_headers(void **state)
{
    static const uint32_t third = 2;
    struct loose_proof p;

    (void)state;
    loosen(&p, leaves, 7, &third, 1);
    p.msg.header.merkle_root.b[31] ^= 1;
    mine_header(&p.msg.header);
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_ROOT);
    p.msg.header.merkle_root.b[31] ^= 1;
    mine_header(&p.msg.header);
    assert_int_equal(verify(&p), 1);
    p.hashes[0].b[0] ^= 1;
    assert_int_equal(verify(&p), SPV_ERR_MERKLE_ROOT);
}

static void header_must_meet_its_own_bits(void **state)
{
    static const uint32_t third = 2;
    struct loose_proof p;

    (void)state;
    loosen(&p, leaves, 7, &third, 1);
    p.msg.header.bits = 0x1d00ffff;
    assert_int_equal(verify(&p), SPV_ERR_HDR_POW);
    p.msg.header.bits = 0x1d80ffff; /* negative */
    assert_int_equal(verify(&p), SPV_ERR_HDR_BITS_MALFORMED);
}

static void building_refuses_what_is_no_block(void **state)
{
    static const uint32_t descending[] = {3, 2}, twice[] = {3, 3}, beyond[] = {6, 7};
    const struct spv_hash256 root = plain_root(leaves, 7);
    struct spv_header header = header_with_root(&root);
    struct spv_merkle_proof *proof;
    struct spv_txid four[4] = {leaves[0], leaves[1], leaves[2], leaves[2]};

    (void)state;
    assert_int_equal(spv_merkle_proof_new(&proof, &header, leaves, 7, descending, 2),
                     SPV_ERR_INVALID);
    assert_null(proof);
    assert_int_equal(spv_merkle_proof_new(&proof, &header, leaves, 7, twice, 2), SPV_ERR_INVALID);
    assert_int_equal(spv_merkle_proof_new(&proof, &header, leaves, 7, beyond, 2), SPV_ERR_INVALID);
    assert_int_equal(spv_merkle_proof_new(&proof, &header, leaves, 0, NULL, 0), SPV_ERR_INVALID);
    assert_int_equal(spv_merkle_proof_new(&proof, &header, leaves, SPV_MAX_BLOCK_TXS + 1, NULL, 0),
                     SPV_ERR_TOO_LONG);
    assert_int_equal(spv_merkle_proof_new(&proof, &header, leaves, 6, NULL, 0), SPV_ERR_INVALID);
    header.merkle_root = plain_root(four, 4);
    assert_int_equal(spv_merkle_proof_new(&proof, &header, four, 4, NULL, 0),
                     SPV_ERR_MERKLE_DUPLICATE);
    assert_null(proof);
    spv_merkle_proof_free(NULL);
}

/* gettxoutproof of a regtest node of Bitcoin Core 28.1: the third of three transactions. */
#define CORE_PROOF                                                                                 \
    "00000020f316041d37a6eff05b51073df4764214185824f045f6599949a4f22d58f15758d82ec19301519c759458" \
    "0cda7698cd803c355922c943bad73023d7f2514574f9b5f65565ffff7f20030000000300000002e2c58d38259ca2" \
    "5267163d2bd84563d6f3593fdd42a36be8d60dfbcb026a84ae5a0e3ac4e665b39aa8f919e10b5801cc9631840a0b" \
    "4af065344d6ad14a34a306010d"

static void proof_bytes_are_those_of_gettxoutproof(void **state)
{
    uint8_t bytes[256], again[256];
    const size_t n = unhex(bytes, sizeof bytes, CORE_PROOF);
    struct spv_msg_merkleblock proof;
    struct spv_merkle_match out[2];
    char hex[SPV_HASH_HEX];

    (void)state;
    assert_int_equal(spv_merkle_parse(&proof, bytes, n), 0);
    assert_int_equal(proof.total, 3);
    assert_int_equal(spv_merkle_verify(out, &proof), 1);
    assert_int_equal(out[0].position, 2);
    spv_txid_hex(hex, &out[0].txid);
    assert_string_equal(hex, "06a3344ad16a4d3465f04a0b0a843196cc01580be119f9a89ab365e6c43a0e5a");

    assert_int_equal(spv_merkle_encoded_size(&proof), n);
    assert_int_equal(spv_merkle_encode(again, sizeof again, &proof), n);
    assert_memory_equal(again, bytes, n);
    assert_int_equal(spv_merkle_encode(again, n, &proof), n);
    assert_int_equal(spv_merkle_encode(again, n - 1, &proof), SPV_ERR_TOO_LONG);
    proof.n_flags = 100;
    assert_int_equal(spv_merkle_encode(again, sizeof again, &proof), SPV_ERR_TOO_LONG);
    proof.n_flags = 0;
    assert_int_equal(spv_merkle_encode(again, sizeof again, &proof), SPV_ERR_INVALID);
}

static void truncated_and_longer_proof_bytes_are_refused(void **state)
{
    uint8_t bytes[256] = {0};
    const size_t n = unhex(bytes, sizeof bytes, CORE_PROOF);
    struct spv_msg_merkleblock proof;

    (void)state;
    for (size_t shorter = 0; shorter < n; shorter++)
        assert_int_equal(spv_merkle_parse(&proof, bytes, shorter), SPV_ERR_SHORT);
    assert_int_equal(spv_merkle_parse(&proof, bytes, n + 1), SPV_ERR_TRAILING);
}

static void count_pair(void *ctx, unsigned level, uint32_t index, const uint8_t pair[64])
{
    size_t *counts = ctx;

    counts[0]++;
    counts[1] += memcmp(pair, pair + 32, 32) == 0;
    assert_true(index < spv_tree_width(5, level));
}

/* Five leaves, the last one matches: on its path are two doubled nodes and the root. */
static void observer_gets_every_pair_of_the_path_also_doubled_nodes(void **state)
{
    static const uint32_t last = 4;
    struct spv_merkle_match out[64];
    struct spv_hash256 root;
    struct loose_proof p;
    size_t counts[2] = {0};
    const struct spv_tree_observer observer = {.pair = count_pair, .ctx = counts};

    (void)state;
    loosen(&p, leaves, 5, &last, 1);
    assert_int_equal(spv_partial_tree_read(out, &root, &p.msg, &observer), 1);
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partial_tree_has_the_form_of_bip37),
        cmocka_unit_test(proof_of_nothing_is_the_root),
        cmocka_unit_test(verify_returns_exactly_the_subset_that_was_built),
        cmocka_unit_test(flipped_bit_is_refused_or_proves_only_leaves),
        cmocka_unit_test(total_must_be_1_to_16666),
        cmocka_unit_test(every_hash_must_be_used),
        cmocka_unit_test(every_flag_byte_must_be_used),
        cmocka_unit_test(padding_bits_must_be_zero),
        cmocka_unit_test(full_last_byte_has_no_padding),
        cmocka_unit_test(equal_siblings_are_refused),
        cmocka_unit_test(root_must_be_the_headers),
        cmocka_unit_test(header_must_meet_its_own_bits),
        cmocka_unit_test(building_refuses_what_is_no_block),
        cmocka_unit_test(proof_bytes_are_those_of_gettxoutproof),
        cmocka_unit_test(truncated_and_longer_proof_bytes_are_refused),
        cmocka_unit_test(observer_gets_every_pair_of_the_path_also_doubled_nodes),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
