/* Blocks as views: known ones, iterating over their transactions, and malformed ones. */
#include "support/golden.h"

#include <stdio.h>

#include "spv/block.h"
#include "util/hash.h"

/* Mainnet's first block. */
#define GENESIS                                                                                    \
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac7" \
    "2c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c010100000001000000000000" \
    "0000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d" \
    "65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e642062" \
    "61696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130" \
    "b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b" \
    "6bf11d5fac00000000"
/* Testnet 3, height 1263442 (BIP158's "includes witness data"). */
#define SEGWIT                                                                                     \
    "000000201c8d1a529c39a396db2db234d5ec152fa651a2872966daccbde028b400000000083f14492679151dbfaa" \
    "1a825ef4c18518e780c1f91044180280a7d33f4a98ff5f45765aaddc001d38333b9a020100000000010100000000" \
    "00000000000000000000000000000000000000000000000000000000ffffffff230352471300fe5f45765afe9469" \
    "0a000963676d696e6572343208000000000000000000ffffffff024423a804000000001976a914f2c25ac3d59f3d" \
    "674b1d1d0a25c27339aaac0ba688ac0000000000000000266a24aa21a9edcb26cb3052426b9ebb4d19c819ef87c1" \
    "9677bbf3a7c46ef0855bd1b2abe83491012000000000000000000000000000000000000000000000000000000000" \
    "000000000000000002000000000101d20978463906ba4ff5e7192494b88dd5eb0de85d900ab253af909106faa22c" \
    "c5010000000004000000014777ff000000000016001446c29eabe8208a33aa1023c741fa79aa92e881ff03473044" \
    "02207d7ca96134f2bcfdd6b536536fdd39ad17793632016936f777ebb32c22943fda02206014d2fb8a6aa5827979" \
    "7f861042ba604ebd2f8f61e5bddbd9d3be5a245047b201004b632103eeaeba7ce5dc2470221e9517fb498e8d6bd4" \
    "e73b85b8be655196972eb9ccd5566754b2752103a40b74d43df244799d041f32ce1ad515a6cd99501701540e3875" \
    "0d883ae21d3a68ac00000000"
#define GENESIS_HEADER 80

static int parse(struct spv_block *out, const char *hex)
{
    static uint8_t bytes[GOLDEN_MAX];
    return spv_block_parse(out, bytes, unhex(bytes, sizeof bytes, hex));
}

/* The merkle root of at most 64 ids, the plain way. */
static void merkle_root(uint8_t out[32], struct spv_txid *ids, size_t n)
{
    for (; n > 1; n = (n + 1) / 2)
        for (size_t i = 0; i < n; i += 2) {
            const struct spv_chunk pair[] = {{ids[i].b, 32}, {ids[i + 1 < n ? i + 1 : i].b, 32}};
            spv_sha256d_chunks(ids[i / 2].b, pair, 2);
        }
    memcpy(out, ids[0].b, 32);
}

/* The walk gives as many transactions as are claimed, whose ids make up the header's merkle root.
 */
static void check_transactions(const struct spv_block *block)
{
    struct spv_block_iter walk = spv_block_txs(block);
    struct spv_txid ids[64];
    struct spv_tx tx;
    uint8_t root[32];
    size_t n = 0, bytes = block->txs_at, stripped = block->txs_at;

    while (spv_block_next(&walk, &tx)) {
        assert_true(n < COUNT(ids));
        assert_int_equal(spv_tx_is_coinbase(&tx), n == 0);
        assert_ptr_equal(tx.bytes, block->bytes + bytes);
        bytes += tx.n;
        stripped += tx.stripped_size;
        spv_tx_txid(&ids[n++], &tx);
    }
    tx.n = 99;
    assert_false(spv_block_next(&walk, &tx));
    assert_int_equal(tx.n, 99);
    assert_int_equal(n, block->n_txs);
    assert_int_equal(bytes, block->n);
    assert_int_equal(stripped, block->stripped_size);
    assert_int_equal(spv_block_weight(block), 3 * stripped + bytes);
    merkle_root(root, ids, n);
    assert_memory_equal(root, block->header.merkle_root.b, 32);
}

static void check_hash(const struct spv_block *block, const char *expected)
{
    struct spv_blockhash hash;
    char text[SPV_HASH_HEX];

    spv_header_hash(&hash, &block->header);
    spv_blockhash_hex(text, &hash);
    assert_string_equal(text, expected);
}

/* BIP141, for two transactions: the coinbase's last output has the double hash of the root over
 * zero, which stands for the coinbase, and a wtxid, and of 32 zero bytes, the coinbase's witness.
 */
static void check_commitment(const struct spv_block *block)
{
    struct spv_block_iter walk = spv_block_txs(block);
    uint8_t pair[64] = {0}, commitment[32];
    struct spv_tx coinbase, tx;
    struct spv_tx_output output;
    struct spv_wtxid wtxid;

    assert_true(spv_block_next(&walk, &coinbase));
    assert_true(spv_block_next(&walk, &tx));
    assert_false(spv_block_next(&walk, &tx));
    spv_tx_wtxid(&wtxid, &tx);
    memcpy(pair + 32, wtxid.b, 32);
    spv_sha256d(pair, pair, sizeof pair);
    memset(pair + 32, 0, 32);
    spv_sha256d(commitment, pair, sizeof pair);
    struct spv_tx_iter outputs = spv_tx_outputs(&coinbase);
    while (spv_tx_next_output(&outputs, &output))
        ;
    assert_int_equal(output.script.n, 38);
    assert_memory_equal(output.script.bytes, "\x6a\x24\xaa\x21\xa9\xed", 6);
    assert_memory_equal(output.script.bytes + 6, commitment, 32);
}

static void check_genesis(const struct spv_msg *m)
{
    const struct spv_block *block = &m->u.block;

    check_hash(block, "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    assert_int_equal(block->n, 285);
    assert_int_equal(block->n_txs, 1);
    assert_false(block->has_witness);
    assert_int_equal(spv_block_weight(block), 4 * 285);
    check_transactions(block);
}

static void check_segwit(const struct spv_msg *m)
{
    const struct spv_block *block = &m->u.block;

    check_hash(block, "000000006f27ddfe1dd680044a34548f41bed47eba9e6f0b310da21423bc5f33");
    assert_int_equal(block->n, 518);
    assert_int_equal(spv_block_weight(block), 1508);
    assert_int_equal(block->n_txs, 2);
    assert_true(block->has_witness);
    check_transactions(block);
    check_commitment(block);
}

static const struct golden golden[] = {
    {SPV_CMD_BLOCK, 31800, GENESIS, check_genesis},
    {SPV_CMD_BLOCK, 70016, GENESIS, check_genesis},
    {SPV_CMD_BLOCK, 70016, SEGWIT, check_segwit},
};

static struct golden_list golden_list = {golden, COUNT(golden)};

static void impossible_transaction_counts_are_refused(void **state)
{
    static const struct {
        const char *count; /* in place of the genesis block's 01 */
        int rc;
    } cases[] = {
        {"01", 0},
        {"00", SPV_ERR_MALFORMED}, /* no coinbase */
        {"02", SPV_ERR_SHORT},
        {"03", SPV_ERR_SHORT}, /* 204 bytes have space for three */
        {"ffffffffffffffffff", SPV_ERR_SHORT},
        {"feffffffff", SPV_ERR_SHORT},
        {"fd0100", SPV_ERR_COMPACT_SIZE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t genesis[GOLDEN_MAX], bytes[GOLDEN_MAX];
        struct spv_block block;
        size_t all = unhex(genesis, sizeof genesis, GENESIS);

        memcpy(bytes, genesis, GENESIS_HEADER);
        size_t n = GENESIS_HEADER + unhex(bytes + GENESIS_HEADER, 9, cases[i].count);
        memcpy(bytes + n, genesis + GENESIS_HEADER + 1, all - GENESIS_HEADER - 1);
        n += all - GENESIS_HEADER - 1;
        assert_int_equal(spv_block_parse(&block, bytes, n), cases[i].rc);
    }
}

static void malformed_transaction_makes_the_block_malformed(void **state)
{
    uint8_t bytes[GOLDEN_MAX];
    size_t n = unhex(bytes, sizeof bytes, SEGWIT);
    struct spv_block block;

    (void)state;
    assert_int_equal(spv_block_parse(&block, bytes, n), 0);
    struct spv_block_iter walk = spv_block_txs(&block);
    struct spv_tx tx;
    while (spv_block_next(&walk, &tx))
        if (tx.has_witness)
            bytes[(size_t)(tx.bytes - bytes) + 5] = 2; /* the flag */
    assert_int_equal(spv_block_parse(&block, bytes, n), SPV_ERR_MALFORMED);
}

static void sends_only_blocks_that_parse(void **state)
{
    struct spv_msg msg = {.command = SPV_CMD_BLOCK};
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_encode(&b, &msg, 70016), SPV_ERR_INVALID);
    assert_int_equal(parse(&msg.u.block, GENESIS), 0);
    assert_int_equal(spv_msg_encode(&b, &msg, 70016), 0);
    msg.u.block.n--;
    assert_int_equal(spv_msg_encode(&b, &msg, 70016), SPV_ERR_INVALID);
    assert_int_equal(b.len, 285);
    spv_buffer_free(&b);
}

/* Every string of hex that is long enough in BIP158's vectors, which hold ten blocks of testnet. */
static void parses_the_blocks_of_the_bip158_vectors(void **state)
{
    static char line[16384];
    const char *folder = getenv("SPV_TEST_DATA");
    char path[512];
    size_t blocks = 0;

    (void)state;
    snprintf(path, sizeof path, "%s/vectors/bip158-testnet-19.json", folder ? folder : ".");
    FILE *file = folder ? fopen(path, "r") : NULL;
    if (!file) {
        printf("skipped: no vectors/bip158-testnet-19.json under SPV_TEST_DATA\n");
        skip();
    }
    while (fgets(line, sizeof line, file)) { /* [height,"hash","block",... */
        static uint8_t bytes[sizeof line / 2];
        char *at = strchr(line, ','), *hash = at ? strtok(at + 1, "\",") : NULL;
        char *hex = hash ? strtok(NULL, "\",") : NULL;
        struct spv_block block;

        if (!hex || strlen(hash) != 64)
            continue; /* the line of titles */
        assert_int_equal(spv_block_parse(&block, bytes, unhex(bytes, sizeof bytes, hex)), 0);
        check_hash(&block, hash);
        check_transactions(&block);
        blocks++;
    }
    fclose(file);
    assert_int_equal(blocks, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GOLDEN_TESTS(&golden_list),
        cmocka_unit_test(impossible_transaction_counts_are_refused),
        cmocka_unit_test(malformed_transaction_makes_the_block_malformed),
        cmocka_unit_test(sends_only_blocks_that_parse),
        cmocka_unit_test(parses_the_blocks_of_the_bip158_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
