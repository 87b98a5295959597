/* When the depth of a match is proven: by its transaction, by the coinbase, and the two attacks
 * that a bare proof cannot refute. */
#include "wallet_fixture.h"

#include "spv/error.h"

#define COINBASE_INDEX UINT32_MAX

/* Three transactions, the coinbase first; a leaf without a transaction fills up to four. */
struct block {
    uint8_t bytes[3][TX_MAX];
    struct spv_tx txs[3];
    struct spv_txid ids[4];
    struct spv_header header;
};

static void make_block(struct block *out)
{
    struct spv_hash256 root;

    for (uint32_t i = 0; i < 3; i++) {
        struct tx_spec spec = {.prev = leaf_id(5, i), .index = i, .input = "51", .outputs = {"52"}};
        if (i == 0) {
            memset(&spec.prev, 0, sizeof spec.prev);
            spec.index = COINBASE_INDEX;
        }
        make_tx(&out->txs[i], out->bytes[i], &spec);
        spv_tx_txid(&out->ids[i], &out->txs[i]);
    }
    out->ids[3] = leaf_id(5, 3);
    root = plain_root(out->ids, 4);
    out->header = header_with_root(&root);
}

static struct spv_merkle_proof *prove(const struct block *b, const uint32_t *positions, size_t n)
{
    struct spv_merkle_proof *proof;

    assert_int_equal(spv_merkle_proof_new(&proof, &b->header, b->ids, 4, positions, n), 0);
    return proof;
}

static void transaction_proves_its_depth(void **state)
{
    static const uint32_t positions[] = {1, 2};
    struct block b;

    (void)state;
    make_block(&b);
    struct spv_merkle_proof *proof = prove(&b, positions, 2);
    const struct spv_msg_merkleblock *msg = spv_merkle_proof_message(proof);
    assert_int_equal(spv_merkle_depth_by_tx(msg, 1, &b.txs[1]), SPV_MERKLE_DEPTH_PROVEN);
    assert_int_equal(spv_merkle_depth_by_tx(msg, 2, &b.txs[2]), SPV_MERKLE_DEPTH_PROVEN);
    assert_int_equal(spv_merkle_depth_by_tx(msg, 2, NULL), SPV_MERKLE_DEPTH_NO_TX);
    assert_int_equal(spv_merkle_depth_by_tx(msg, 2, &b.txs[1]), SPV_MERKLE_DEPTH_NOT_MATCHED);
    assert_int_equal(spv_merkle_depth_by_tx(msg, 1, &b.txs[2]), SPV_MERKLE_DEPTH_NOT_MATCHED);
    assert_int_equal(spv_merkle_depth_by_tx(msg, 0, &b.txs[0]), SPV_MERKLE_DEPTH_NOT_MATCHED);
    spv_merkle_proof_free(proof);
}

static void invalid_proof_proves_no_depth(void **state)
{
    static const uint32_t both[] = {0, 2};
    struct block b;

    (void)state;
    make_block(&b);
    struct spv_merkle_proof *proof = prove(&b, both, 2);
    struct spv_msg_merkleblock bad = *spv_merkle_proof_message(proof);
    const struct spv_msg_merkleblock good = bad;
    bad.n_hashes--;
    assert_int_equal(spv_merkle_depth_by_tx(&bad, 2, &b.txs[2]), SPV_MERKLE_DEPTH_INVALID_PROOF);
    assert_int_equal(spv_merkle_depth_by_coinbase(&good, &bad, &b.txs[0]),
                     SPV_MERKLE_DEPTH_INVALID_PROOF);
    assert_int_equal(spv_merkle_depth_by_coinbase(&bad, &good, &b.txs[0]),
                     SPV_MERKLE_DEPTH_INVALID_PROOF);
    bad.n_hashes = 0;
    assert_int_equal(spv_merkle_depth_by_tx(&bad, 2, &b.txs[2]), SPV_MERKLE_DEPTH_INVALID_PROOF);
    bad.n_hashes = SPV_MAX_BLOCK_TXS + 1;
    assert_int_equal(spv_merkle_depth_by_tx(&bad, 2, &b.txs[2]), SPV_MERKLE_DEPTH_INVALID_PROOF);
    spv_merkle_proof_free(proof);
}

/* A block of four, presented as one of two: its inner nodes are then leaves. */
static void make_shallow(struct spv_msg_merkleblock *out, struct spv_hash256 nodes[2],
                         const struct block *b)
{
    static const uint8_t flags[] = {0x03}; /* the root and the left child: a match */

    nodes[0] = plain_root(b->ids, 2);
    nodes[1] = plain_root(b->ids + 2, 2);
    *out = (struct spv_msg_merkleblock){.header = b->header,
                                        .total = 2,
                                        .hashes = nodes,
                                        .n_hashes = 2,
                                        .flags = flags,
                                        .n_flags = 1};
}

static void inner_node_passes_the_tree_check_but_not_the_depth(void **state)
{
    static const uint32_t first = 0;
    struct spv_msg_merkleblock shallow;
    struct spv_hash256 nodes[2];
    struct spv_merkle_match out[2];
    struct block b;

    (void)state;
    make_block(&b);
    make_shallow(&shallow, nodes, &b);
    assert_int_equal(spv_merkle_verify(out, &shallow), 1);
    assert_memory_equal(out[0].txid.b, nodes[0].b, 32);
    assert_int_equal(spv_merkle_depth_by_tx(&shallow, 0, NULL), SPV_MERKLE_DEPTH_NO_TX);
    assert_int_equal(spv_merkle_depth_by_tx(&shallow, 0, &b.txs[1]), SPV_MERKLE_DEPTH_NOT_MATCHED);
    struct spv_merkle_proof *coinbase = prove(&b, &first, 1);
    assert_int_equal(
        spv_merkle_depth_by_coinbase(&shallow, spv_merkle_proof_message(coinbase), &b.txs[0]),
        SPV_MERKLE_DEPTH_OTHER_LEVELS);
    spv_merkle_proof_free(coinbase);
}

/* A transaction of 64 bytes could be the children of an inner node. */
static void transaction_of_64_bytes_proves_no_depth(void **state)
{
    static const char *const outputs[] = {"515151", "51515151", "5151515151"}; /* 63, 64, 65 */
    static const enum spv_merkle_depth expected[] = {
        SPV_MERKLE_DEPTH_PROVEN, SPV_MERKLE_DEPTH_TX_64_BYTES, SPV_MERKLE_DEPTH_PROVEN};
    static const uint32_t second = 1;

    (void)state;
    for (size_t i = 0; i < COUNT(outputs); i++) {
        const struct tx_spec spec = {.prev = leaf_id(6, 0), .input = "", .outputs = {outputs[i]}};
        struct spv_hash256 root;
        struct block b;
        make_block(&b);
        make_tx(&b.txs[1], b.bytes[1], &spec);
        assert_int_equal(b.txs[1].n, 63 + i);
        spv_tx_txid(&b.ids[1], &b.txs[1]);
        root = plain_root(b.ids, 4);
        b.header = header_with_root(&root);
        struct spv_merkle_proof *proof = prove(&b, &second, 1);
        assert_int_equal(spv_merkle_depth_by_tx(spv_merkle_proof_message(proof), 1, &b.txs[1]),
                         expected[i]);
        spv_merkle_proof_free(proof);
    }
}

/* The stripped size counts: 64 bytes without witness are not 64 with it. */
static void witness_does_not_hide_64_bytes(void **state)
{
    static const uint32_t second = 1;
    const struct tx_spec spec = {.prev = leaf_id(6, 0), .input = "", .outputs = {"51515151"}};
    uint8_t plain[TX_MAX], bytes[TX_MAX];
    struct spv_hash256 root;
    struct spv_tx tx;
    struct block b;

    (void)state;
    make_block(&b);
    make_tx(&tx, plain, &spec);
    spv_tx_txid(&b.ids[1], &tx);
    memcpy(bytes, plain, 4);
    memcpy(bytes + 4, "\x00\x01", 2); /* marker, flag */
    memcpy(bytes + 6, plain + 4, 56);
    memcpy(bytes + 62, "\x01\x01\x07", 3); /* one item of one byte */
    memcpy(bytes + 65, plain + 60, 4);
    assert_int_equal(spv_tx_parse(&tx, bytes, 69), 0);
    root = plain_root(b.ids, 4);
    b.header = header_with_root(&root);
    struct spv_merkle_proof *proof = prove(&b, &second, 1);
    assert_int_equal(spv_merkle_depth_by_tx(spv_merkle_proof_message(proof), 1, &tx),
                     SPV_MERKLE_DEPTH_TX_64_BYTES);
    spv_merkle_proof_free(proof);
}

/* The too deep tree: the bytes of a real transaction of 64 bytes begin with the txid of a false
 * one. A txid can be the first half of a transaction when its fifth byte, the number of inputs,
 * is 1; or with a witness, when that and the two bytes behind it are marker, flag and the number of
 * inputs. */
struct false_leaf {
    uint32_t index; /* of the output that the false transaction spends: found by trying */
    uint8_t head[3]; /* of its txid, from byte 4 on */
    size_t n_head;
    uint8_t second_half[32];
    bool has_witness;
};
static const struct false_leaf false_leaves[] = {
    /* outputs; bytes of a script */
    {8, {1}, 1, {[14] = 1, [23] = 4}, false},
    /* outputs; an empty script; one witness item, empty: 16 million tries on average */
    {2026661, {0, 1, 1}, 3, {[16] = 1, [26] = 1}, true},
};

static void make_false_leaf(struct spv_tx *out, uint8_t bytes[TX_MAX], struct spv_txid pair[2],
                            const struct false_leaf *leaf)
{
    const struct tx_spec spec = {.index = leaf->index, .input = "51", .outputs = {"5251"}};
    struct spv_tx real;

    make_tx(out, bytes, &spec);
    spv_tx_txid(&pair[0], out);
    assert_memory_equal(pair[0].b + 4, leaf->head, leaf->n_head);
    memcpy(pair[1].b, leaf->second_half, sizeof leaf->second_half);
    assert_int_equal(spv_tx_parse(&real, (const uint8_t *)pair, 64), 0);
    assert_int_equal(real.has_witness, leaf->has_witness);
}

static void transaction_below_a_transaction_is_not_proven(void **state)
{
    static const uint32_t both[] = {0, 2};

    (void)state;
    for (size_t i = 0; i < COUNT(false_leaves); i++) {
        uint8_t bytes[TX_MAX];
        struct spv_merkle_match out[4];
        struct spv_hash256 root;
        struct spv_tx false_tx;
        struct block b;

        make_block(&b);
        make_false_leaf(&false_tx, bytes, b.ids, &false_leaves[i]);
        root = plain_root(b.ids, 4);
        b.header = header_with_root(&root);
        struct spv_merkle_proof *proof = prove(&b, both, 2);
        const struct spv_msg_merkleblock *msg = spv_merkle_proof_message(proof);
        assert_int_equal(spv_merkle_verify(out, msg), 2);
        assert_int_equal(spv_merkle_depth_by_tx(msg, 0, &false_tx), SPV_MERKLE_DEPTH_PAIR_IS_TX);
        /* The pair is not on the path of the third leaf. */
        assert_int_equal(spv_merkle_depth_by_tx(msg, 2, &b.txs[2]), SPV_MERKLE_DEPTH_PROVEN);
        spv_merkle_proof_free(proof);
    }
}

static void coinbase_proves_the_depth_of_all(void **state)
{
    static const uint32_t first = 0, third = 2, both[] = {0, 2};
    struct block b, other;

    (void)state;
    make_block(&b);
    struct spv_merkle_proof *proof = prove(&b, &third, 1), *coinbase = prove(&b, &first, 1);
    struct spv_merkle_proof *one = prove(&b, both, 2);
    const struct spv_msg_merkleblock *msg = spv_merkle_proof_message(proof);
    const struct spv_msg_merkleblock *of_coinbase = spv_merkle_proof_message(coinbase);
    const struct spv_msg_merkleblock *of_both = spv_merkle_proof_message(one);
    assert_int_equal(spv_merkle_depth_by_coinbase(msg, of_coinbase, &b.txs[0]),
                     SPV_MERKLE_DEPTH_PROVEN);
    assert_int_equal(spv_merkle_depth_by_coinbase(of_both, of_both, &b.txs[0]),
                     SPV_MERKLE_DEPTH_PROVEN);
    assert_int_equal(spv_merkle_depth_by_coinbase(msg, of_coinbase, NULL), SPV_MERKLE_DEPTH_NO_TX);
    assert_int_equal(spv_merkle_depth_by_coinbase(msg, msg, &b.txs[0]),
                     SPV_MERKLE_DEPTH_NOT_MATCHED);
    assert_int_equal(spv_merkle_depth_by_coinbase(msg, msg, &b.txs[2]),
                     SPV_MERKLE_DEPTH_NOT_COINBASE);

    other = b;
    other.header.time++;
    mine_header(&other.header);
    struct spv_merkle_proof *elsewhere = prove(&other, &third, 1);
    assert_int_equal(
        spv_merkle_depth_by_coinbase(spv_merkle_proof_message(elsewhere), of_coinbase, &b.txs[0]),
        SPV_MERKLE_DEPTH_OTHER_BLOCK);
    spv_merkle_proof_free(elsewhere);
    spv_merkle_proof_free(one);
    spv_merkle_proof_free(proof);
    spv_merkle_proof_free(coinbase);
}

static void coinbase_must_be_at_position_0(void **state)
{
    static const uint32_t second = 1;
    struct spv_hash256 root;
    struct block b;

    (void)state;
    make_block(&b);
    b.ids[1] = b.ids[0];
    b.ids[0] = leaf_id(5, 9);
    root = plain_root(b.ids, 4);
    b.header = header_with_root(&root);
    struct spv_merkle_proof *proof = prove(&b, &second, 1);
    const struct spv_msg_merkleblock *msg = spv_merkle_proof_message(proof);
    assert_int_equal(spv_merkle_depth_by_coinbase(msg, msg, &b.txs[0]),
                     SPV_MERKLE_DEPTH_NOT_MATCHED);
    spv_merkle_proof_free(proof);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transaction_proves_its_depth),
        cmocka_unit_test(invalid_proof_proves_no_depth),
        cmocka_unit_test(inner_node_passes_the_tree_check_but_not_the_depth),
        cmocka_unit_test(transaction_of_64_bytes_proves_no_depth),
        cmocka_unit_test(witness_does_not_hide_64_bytes),
        cmocka_unit_test(transaction_below_a_transaction_is_not_proven),
        cmocka_unit_test(coinbase_proves_the_depth_of_all),
        cmocka_unit_test(coinbase_must_be_at_position_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
