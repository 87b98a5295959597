/* ../shared/data: vectors/merkleblock.json, what blocks.csv says of real blocks, and a node's
 * proofs. */
#include "wallet_fixture.h"

#include <stdio.h>

#include "support/vector_json.h"

#include "spv/block.h"
#include "spv/error.h"
#include "util/hash.h"

static json_t *vectors;

static int teardown(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

static const json_t *section(const char *name)
{
    if (!vectors)
        vectors = read_json("vectors/merkleblock.json");
    return json_get(vectors, name);
}

static int parse_and_verify(struct spv_merkle_match *out, struct spv_msg_merkleblock *proof,
                            const uint8_t *bytes, size_t n)
{
    int rc = spv_merkle_parse(proof, bytes, n);

    return rc < 0 ? rc : spv_merkle_verify(out, proof);
}

static void assert_matches(const struct spv_merkle_match *matches, int n, const json_t *expected)
{
    assert_int_equal(n, json_array_size(expected));
    for (size_t at = 0; at < json_array_size(expected); at++, matches++) {
        const json_t *e = json_array_get(expected, at);
        char hex[SPV_HASH_HEX];
        spv_txid_hex(hex, &matches->txid);
        assert_string_equal(hex, json_text(e, "txid"));
        assert_int_equal(matches->position, (uint32_t)json_number(e, "index"));
    }
}

/* Leaf i of n of a synthetic block is the double hash of n and i, each as four bytes. */
static void check_synthetic_matches(const struct spv_merkle_match *matches, int n,
                                    const json_t *indices, uint32_t total)
{
    assert_int_equal(n, json_array_size(indices));
    for (size_t at = 0; at < json_array_size(indices); at++, matches++) {
        const json_t *e = json_array_get(indices, at);
        const struct spv_txid id = leaf_id(total, matches->position);
        assert_memory_equal(matches->txid.b, id.b, 32);
        assert_int_equal(matches->position, json_integer_value(e));
    }
}

/* The builder gives the same bytes for the same matches. */
static void check_rebuilt(const struct spv_msg_merkleblock *proof, const uint8_t *bytes, size_t n)
{
    static struct spv_merkle_match out[SPV_MAX_BLOCK_TXS];
    static struct spv_txid txids[SPV_MAX_BLOCK_TXS];
    static uint32_t positions[SPV_MAX_BLOCK_TXS];
    static uint8_t again[1 << 20];
    struct spv_merkle_proof *built;
    const int matches = spv_merkle_verify(out, proof);

    assert_true(matches >= 0);
    for (uint32_t i = 0; i < proof->total; i++)
        txids[i] = leaf_id(proof->total, i);
    for (int i = 0; i < matches; i++)
        positions[i] = out[i].position;
    assert_int_equal(spv_merkle_proof_new(&built, &proof->header, txids, proof->total, positions,
                                          (size_t)matches),
                     0);
    assert_int_equal(spv_merkle_encode(again, sizeof again, spv_merkle_proof_message(built)), n);
    assert_memory_equal(again, bytes, n);
    spv_merkle_proof_free(built);
}

/* A valid case: verified, and encoded to the same bytes. */
static void check_valid(const json_t *c, struct spv_msg_merkleblock *proof, uint8_t *bytes,
                        size_t n)
{
    static struct spv_merkle_match out[SPV_MAX_BLOCK_TXS];
    static uint8_t again[1 << 20];
    struct spv_blockhash hash;
    char hex[SPV_HASH_HEX];

    const int matches = parse_and_verify(out, proof, bytes, n);
    if (json_find(c, "matched"))
        assert_matches(out, matches, json_get(c, "matched"));
    else
        check_synthetic_matches(out, matches, json_get(c, "matched_indices"), proof->total);
    spv_header_hash(&hash, &proof->header);
    spv_blockhash_hex(hex, &hash);
    assert_string_equal(hex, json_text(c, "block_hash"));
    assert_int_equal(proof->total, (uint32_t)json_number(c, "total"));
    assert_int_equal(proof->n_hashes, (size_t)json_number(c, "hashes"));
    assert_int_equal(proof->n_flags, (size_t)json_number(c, "flag_bytes"));
    assert_int_equal(spv_merkle_encode(again, sizeof again, proof), n);
    assert_memory_equal(again, bytes, n);
}

static void check_all_valid(const char *name, size_t expected)
{
    const json_t *cases = section(name);
    const bool synthetic = strcmp(name, "synthetic") == 0;

    assert_int_equal(json_array_size(cases), expected);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        struct spv_msg_merkleblock proof;
        size_t n;
        uint8_t *bytes = hex_bytes(json_text(c, "message"), &n);
        check_valid(c, &proof, bytes, n);
        if (synthetic)
            check_rebuilt(&proof, bytes, n);
        free(bytes);
    }
}

static void proofs_of_real_blocks_verify(void **state)
{
    (void)state;
    check_all_valid("real", 48);
}

static void synthetic_proofs_verify(void **state)
{
    (void)state;
    check_all_valid("synthetic", 330);
}

/* The error of a malformed case: by its name where the wire's bounds, or proof of work, are checked
 * before the rule that the file's author found; else by that rule, its "own_result". */
static int expected_error(const char *name, const char *result)
{
    static const struct {
        const char *name;
        int error;
    } earlier[] = {
        {"1 leaves [0]: extra flag byte", SPV_ERR_COUNT}, /* more bits than nodes */
        {"1 leaves [0]: two extra flag bytes", SPV_ERR_COUNT},
        {"7 leaves [2]: two extra flag bytes", SPV_ERR_COUNT},
        {"12 leaves [3, 9]: two extra flag bytes", SPV_ERR_COUNT},
        {"1 leaves [0]: last hash missing", SPV_ERR_MALFORMED}, /* no hash at all */
        {"1 leaves [0]: hash count beyond payload", SPV_ERR_COUNT}, /* above 16,666 */
        {"7 leaves [2]: hash count beyond payload", SPV_ERR_COUNT},
        {"33 leaves [32]: hash count beyond payload", SPV_ERR_COUNT},
        {"256 leaves [128]: hash count beyond payload", SPV_ERR_COUNT},
        {"12 leaves [3, 9]: flag count beyond payload", SPV_ERR_COUNT},
        {"100 leaves [0, 50, 99]: flag count beyond payload", SPV_ERR_COUNT},
        {"256 leaves [128]: flag count beyond payload", SPV_ERR_COUNT},
        {"1 leaves [0]: header root changed", SPV_ERR_HDR_POW}, /* an unlucky hash */
        {"7 leaves [2]: header root changed", SPV_ERR_HDR_POW},
        {"12 leaves [3, 9]: header root changed", SPV_ERR_HDR_POW},
        {"100 leaves [0, 50, 99]: header root changed", SPV_ERR_HDR_POW},
        {"100 leaves [0, 50, 99]: total one less", SPV_ERR_MERKLE_HASHES}, /* and padding */
        {"256 leaves [128]: total one more", SPV_ERR_MERKLE_HASHES}, /* and bits */
    };
    static const struct {
        const char *result;
        int error;
    } table[] = {
        {"flag bytes unused", SPV_ERR_MERKLE_BITS},
        {"bits overflow", SPV_ERR_MERKLE_BITS},
        {"hashes unused", SPV_ERR_MERKLE_HASHES},
        {"hashes overflow", SPV_ERR_MERKLE_HASHES},
        {"padding bits set", SPV_ERR_MERKLE_PADDING},
        {"root mismatch", SPV_ERR_MERKLE_ROOT},
        {"duplicate sibling", SPV_ERR_MERKLE_DUPLICATE},
        {"total zero", SPV_ERR_MALFORMED},
        {"total too large", SPV_ERR_COUNT},
        {"more hashes than transactions", SPV_ERR_COUNT},
        {"fewer bits than hashes", SPV_ERR_MALFORMED},
        {"short", SPV_ERR_SHORT},
        {"trailing", SPV_ERR_TRAILING},
        {"noncanonical", SPV_ERR_COMPACT_SIZE},
        {"tree is fine, header hash above target", SPV_ERR_HDR_POW},
    };

    for (size_t i = 0; i < COUNT(earlier); i++)
        if (strcmp(name, earlier[i].name) == 0)
            return earlier[i].error;
    for (size_t i = 0; i < COUNT(table); i++)
        if (strcmp(result, table[i].result) == 0)
            return table[i].error;
    return 0;
}

static void malformed_proofs_are_refused_by_the_rule_they_break(void **state)
{
    const json_t *cases = section("malformed");
    size_t refused = 0, accepted = 0, either = 0, wrong = 0;

    (void)state;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        static struct spv_merkle_match out[SPV_MAX_BLOCK_TXS];
        const char *name = json_text(c, "name"), *expect = json_text(c, "expect");
        struct spv_msg_merkleblock proof;
        size_t n;
        uint8_t *bytes = hex_bytes(json_text(c, "message"), &n);
        const int rc = parse_and_verify(out, &proof, bytes, n);
        const bool accept = strcmp(expect, "accept") == 0;
        if (accept ? rc < 0 : rc != expected_error(name, json_text(c, "own_result"))) {
            print_error("%s: %s (%s)\n", name, spv_err_name(rc), json_text(c, "own_result"));
            wrong++;
        }
        refused += strcmp(expect, "reject") == 0;
        either += strcmp(expect, "either") == 0;
        accepted += accept;
        free(bytes);
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(refused, 91);
    assert_int_equal(accepted, 3);
    assert_int_equal(either, 8);
}

static void caveats_pass_the_tree_check_with_depth_unproven(void **state)
{
    const json_t *cases = section("caveats");

    (void)state;
    assert_int_equal(json_array_size(cases), 2);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        struct spv_msg_merkleblock proof;
        size_t n;
        uint8_t *bytes = hex_bytes(json_text(c, "message"), &n);
        check_valid(c, &proof, bytes, n);
        assert_int_equal(spv_merkle_depth_by_tx(&proof, 0, NULL), SPV_MERKLE_DEPTH_NO_TX);
        assert_int_equal(spv_merkle_depth_by_coinbase(&proof, &proof, NULL),
                         SPV_MERKLE_DEPTH_NO_TX);
        free(bytes);
    }
}

/* Splits a line of CSV without quotes in place. Returns the number of fields, at most max. */
static size_t split(char **fields, size_t max, char *line)
{
    size_t n = 0;

    for (char *at = line; at && n < max; n++) {
        fields[n] = at;
        at = strchr(at, ',');
        if (at)
            *at++ = '\0';
    }
    return n;
}

/* The columns of blocks.csv. */
enum {
    COL_FILE,
    COL_OFFSET,
    COL_HASH = 4,
    COL_TXS,
    COL_BYTES,
    COL_WEIGHT,
    COL_ROOT,
    COL_COMMITMENT
};

/* BIP141: the double hash of the root of all wtxids, zero for the coinbase, and of the only item of
 * the coinbase's witness. The last output of the coinbase that begins so has it. */
static void check_commitment(const struct spv_block *block, const char *expected)
{
    static const uint8_t head[] = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
    static struct spv_txid leaves[SPV_MAX_BLOCK_TXS];
    uint8_t commitment[32], want[32], both[64];
    struct spv_block_iter iter = spv_block_txs(block);
    const uint8_t *in_coinbase = NULL;
    struct spv_tx coinbase, tx;
    struct spv_tx_output output;
    struct spv_witness witness;
    struct spv_hash256 root;
    struct spv_bytes reserved;
    size_t n = 1;

    assert_true(spv_block_next(&iter, &coinbase));
    memset(&leaves[0], 0, sizeof leaves[0]);
    for (; spv_block_next(&iter, &tx); n++) {
        struct spv_wtxid id;
        spv_tx_wtxid(&id, &tx);
        memcpy(leaves[n].b, id.b, sizeof id.b);
    }
    assert_int_equal(spv_merkle_root(&root, leaves, n), 0);
    struct spv_tx_iter witnesses = spv_tx_witnesses(&coinbase);
    assert_true(spv_tx_next_witness(&witnesses, &witness));
    assert_int_equal(witness.n_items, 1);
    assert_true(spv_witness_next(&witness, &reserved));
    assert_int_equal(reserved.n, 32);
    memcpy(both, root.b, 32);
    memcpy(both + 32, reserved.bytes, 32);
    spv_sha256d(commitment, both, sizeof both);
    assert_int_equal(unhex(want, sizeof want, expected), sizeof want);
    assert_memory_equal(commitment, want, sizeof want);

    struct spv_tx_iter outputs = spv_tx_outputs(&coinbase);
    while (spv_tx_next_output(&outputs, &output))
        if (output.script.n >= sizeof head + 32 &&
            memcmp(output.script.bytes, head, sizeof head) == 0)
            in_coinbase = output.script.bytes + sizeof head;
    assert_non_null(in_coinbase);
    assert_memory_equal(in_coinbase, want, sizeof want);
}

/* A proof of the first and the last transaction, and the depth by the last and by the coinbase. */
static void check_proof(const struct spv_block *block, const struct spv_txid *txids, size_t n)
{
    const uint32_t ends[] = {0, (uint32_t)n - 1};
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_merkle_proof *proof;
    struct spv_tx coinbase, tx;

    assert_true(spv_block_next(&iter, &coinbase));
    for (tx = coinbase; spv_block_next(&iter, &tx);)
        ;
    assert_int_equal(spv_merkle_proof_new(&proof, &block->header, txids, n, ends, n == 1 ? 1 : 2),
                     0);
    const struct spv_msg_merkleblock *msg = spv_merkle_proof_message(proof);
    assert_int_equal(spv_merkle_depth_by_tx(msg, ends[1], &tx), SPV_MERKLE_DEPTH_PROVEN);
    assert_int_equal(spv_merkle_depth_by_coinbase(msg, msg, &coinbase), SPV_MERKLE_DEPTH_PROVEN);
    spv_merkle_proof_free(proof);
}

static void check_block(const uint8_t *bytes, size_t n, char *const *fields)
{
    static struct spv_txid txids[SPV_MAX_BLOCK_TXS];
    struct spv_blockhash hash;
    struct spv_hash256 root;
    struct spv_block_iter iter;
    struct spv_block block;
    struct spv_tx tx;
    size_t n_txs = 0;
    char hex[SPV_HASH_HEX];

    assert_int_equal(spv_block_parse(&block, bytes, n), 0);
    assert_int_equal(block.n, n);
    spv_header_hash(&hash, &block.header);
    spv_blockhash_hex(hex, &hash);
    assert_string_equal(hex, fields[COL_HASH]);
    assert_int_equal(spv_block_weight(&block), strtoul(fields[COL_WEIGHT], NULL, 10));
    for (iter = spv_block_txs(&block); spv_block_next(&iter, &tx); n_txs++)
        spv_tx_txid(&txids[n_txs], &tx);
    assert_int_equal(n_txs, strtoul(fields[COL_TXS], NULL, 10));
    assert_int_equal(spv_merkle_root(&root, txids, n_txs), 0);
    assert_memory_equal(root.b, block.header.merkle_root.b, 32);
    spv_hash256_hex(hex, &root);
    assert_string_equal(hex, fields[COL_ROOT]);
    assert_int_equal(block.has_witness, fields[COL_COMMITMENT][0] != '\0');
    if (block.has_witness)
        check_commitment(&block, fields[COL_COMMITMENT]);
    check_proof(&block, txids, n_txs);
}

static void real_blocks_have_their_hash_weight_root_and_witness_commitment(void **state)
{
    size_t n, blocks = 0, commitments = 0;
    char *csv = read_data("blocks/blocks.csv", &n), *rest = csv;

    (void)state;
    for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
        char *fields[11], name[128];
        assert_int_equal(split(fields, COUNT(fields), line), COUNT(fields));
        if (strcmp(fields[COL_FILE], "file") == 0)
            continue;
        (void)snprintf(name, sizeof name, "blocks/%s", fields[COL_FILE]);
        char *file = read_data(name, &n);
        const size_t offset = strtoul(fields[COL_OFFSET], NULL, 10);
        const size_t length = strtoul(fields[COL_BYTES], NULL, 10);
        assert_true(offset + length <= n);
        check_block((const uint8_t *)file + offset, length, fields);
        free(file);
        blocks++;
        commitments += fields[COL_COMMITMENT][0] != '\0';
    }
    free(csv);
    assert_int_equal(blocks, 269);
    assert_int_equal(commitments, 3);
}

static void proofs_of_a_node_verify_with_depth(void **state)
{
    size_t n, proofs = 0;
    char *csv = read_data("regtest-node/proofs.csv", &n), *rest = csv;

    (void)state;
    for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
        char *fields[5], hex[SPV_HASH_HEX];
        static struct spv_merkle_match out[64];
        static uint8_t again[4096];
        struct spv_msg_merkleblock proof;
        struct spv_blockhash hash;
        struct spv_tx tx;
        size_t n_tx;
        if (split(fields, COUNT(fields), line) != 5 || strcmp(fields[0], "txid") == 0)
            continue;
        uint8_t *bytes = hex_bytes(fields[3], &n), *raw = hex_bytes(fields[4], &n_tx);
        assert_int_equal(spv_merkle_parse(&proof, bytes, n), 0);
        assert_true(proof.n_hashes <= COUNT(out));
        assert_int_equal(spv_merkle_verify(out, &proof), 1);
        spv_txid_hex(hex, &out[0].txid);
        assert_string_equal(hex, fields[0]);
        spv_header_hash(&hash, &proof.header);
        spv_blockhash_hex(hex, &hash);
        assert_string_equal(hex, fields[1]);
        assert_int_equal(spv_tx_parse(&tx, raw, n_tx), 0);
        assert_int_equal(spv_merkle_depth_by_tx(&proof, out[0].position, &tx),
                         SPV_MERKLE_DEPTH_PROVEN);
        assert_int_equal(spv_merkle_encode(again, sizeof again, &proof), n);
        assert_memory_equal(again, bytes, n);
        free(bytes);
        free(raw);
        proofs++;
    }
    free(csv);
    assert_int_equal(proofs, 37);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proofs_of_real_blocks_verify),
        cmocka_unit_test(synthetic_proofs_verify),
        cmocka_unit_test(malformed_proofs_are_refused_by_the_rule_they_break),
        cmocka_unit_test(caveats_pass_the_tree_check_with_depth_unproven),
        cmocka_unit_test(real_blocks_have_their_hash_weight_root_and_witness_commitment),
        cmocka_unit_test(proofs_of_a_node_verify_with_depth),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
