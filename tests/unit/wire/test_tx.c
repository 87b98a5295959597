/* Transactions as views: ids, sizes and weights of known ones, iterators, and malformed ones. */
#include "support/golden.h"

#include "spv/tx.h"

/* BIP143, native P2WPKH: the first of two inputs has no witness. */
#define NATIVE                                                                                     \
    "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830" \
    "450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f928" \
    "1a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e81" \
    "5b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f6" \
    "6f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988" \
    "ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c" \
    "4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7aca" \
    "fcdb3566bb0ad253f62fc70f07aeee635711000000"
/* BIP143, P2SH-P2WPKH. */
#define NESTED                                                                                     \
    "01000000000101db6b1b20aa0fd7b23880be2ecbd4a98130974cf4748fb66092ac4d3ceb1a547701000000171600" \
    "1479091972186c449eb1ded22b78e40d009bdf0089feffffff02b8b4eb0b000000001976a914a457b684d7f0d539" \
    "a46a45bbc043f35b59d0d96388ac0008af2f000000001976a914fd270b1ee6abcaea97fea7ad0402e8bd8ad6d77c" \
    "88ac02473044022047ac8e878352d3ebbde1c94ce3a10d057c24175747116f8288e5d794d12d482f0220217f36a4" \
    "85cae903c713331d877c1f64677e3622ad4010726870540656fe9dcb012103ad1d8e89212f0b92c74d23bb710c00" \
    "662ad1470198ac48c43f7d6f93a2a2687392040000"
/* The coinbase of mainnet's first block. */
#define COINBASE                                                                                   \
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff00" \
    "1d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b20" \
    "6f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afd" \
    "b0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c" \
    "384df7ba0b8d578a4c702b6bf11d5fac00000000"

/* The smallest there is, in pieces. */
#define VERSION "02000000"
#define INPUT                                                                                      \
    HASH_1 "07000000"                                                                              \
           "00"                                                                                    \
           "fdffffff"
#define OUTPUT                                                                                     \
    "8813000000000000"                                                                             \
    "00"
#define LOCK "11000000"

static const struct {
    const char *hex, *txid, *wtxid;
    size_t n, stripped, weight, vsize;
} known[] = {
    {NATIVE, "e8151a2af31c368a35053ddd4bdb285a8595c769a3ad83e0fa02314a602d4609",
     "c36c38370907df2324d9ce9d149d191192f338b37665a82e78e76a12c909b762", 343, 233, 1042, 261},
    {NESTED, "ef48d9d0f595052e0f8cdcf825f7a5e50b6a388a81f206f3f4846e5ecd7a0c23",
     "680f483b2bf6c5dcbf111e69e885ba248a41a5e92070cfb0afec3cfc49a9fabb", 251, 142, 677, 170},
    {COINBASE, "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
     "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b", 204, 204, 816, 204},
};

/* Parses hex into a view over static bytes. */
static int parse(struct spv_tx *out, const char *hex)
{
    static uint8_t bytes[GOLDEN_MAX];
    return spv_tx_parse(out, bytes, unhex(bytes, sizeof bytes, hex));
}

static void ids_sizes_and_weights_of_known_transactions(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        struct spv_tx tx;
        struct spv_txid txid, read;
        struct spv_wtxid wtxid;
        char text[SPV_HASH_HEX];

        assert_int_equal(parse(&tx, known[i].hex), 0);
        spv_tx_txid(&txid, &tx);
        spv_txid_hex(text, &txid);
        assert_string_equal(text, known[i].txid);
        assert_int_equal(spv_txid_from_hex(&read, text), 0);
        assert_memory_equal(read.b, txid.b, sizeof txid.b);
        spv_tx_wtxid(&wtxid, &tx);
        spv_wtxid_hex(text, &wtxid);
        assert_string_equal(text, known[i].wtxid);
        assert_int_equal(tx.n, known[i].n);
        assert_int_equal(tx.stripped_size, known[i].stripped);
        assert_int_equal(spv_tx_weight(&tx), known[i].weight);
        assert_int_equal(spv_tx_vsize(&tx), known[i].vsize);
        assert_int_equal(tx.has_witness, tx.n != tx.stripped_size);
    }
}

/* As a peer sends it with a merkleblock (BIP37): nothing shows that there was a witness. */
static void stripped_transaction_keeps_its_txid_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        uint8_t bytes[GOLDEN_MAX];
        struct spv_tx full, stripped;
        struct spv_txid txid, stripped_txid;
        struct spv_wtxid wtxid, stripped_wtxid;
        size_t n = 4;

        assert_int_equal(parse(&full, known[i].hex), 0);
        memcpy(bytes, full.bytes, n);
        memcpy(bytes + n, full.bytes + full.inputs_at, full.witness_at - full.inputs_at);
        n += full.witness_at - full.inputs_at;
        memcpy(bytes + n, full.bytes + full.n - 4, 4);
        n += 4;
        assert_int_equal(n, known[i].stripped);
        assert_int_equal(spv_tx_parse(&stripped, bytes, n), 0);
        assert_false(stripped.has_witness);
        spv_tx_txid(&txid, &full);
        spv_tx_txid(&stripped_txid, &stripped);
        assert_memory_equal(stripped_txid.b, txid.b, 32);
        spv_tx_wtxid(&wtxid, &full);
        spv_tx_wtxid(&stripped_wtxid, &stripped);
        assert_memory_equal(stripped_wtxid.b, txid.b, 32);
        assert_int_equal(memcmp(stripped_wtxid.b, wtxid.b, 32) == 0, !full.has_witness);
        assert_int_equal(spv_tx_vsize(&stripped), known[i].stripped);
        assert_int_equal(spv_tx_vsize(&stripped) < known[i].vsize, full.has_witness);
    }
}

static void iterates_over_inputs_outputs_and_witnesses(void **state)
{
    struct spv_tx tx;
    struct spv_tx_input in = {.index = 99};
    struct spv_tx_output out = {.value = 99};
    struct spv_witness witness;
    struct spv_bytes item;
    char text[SPV_HASH_HEX];

    (void)state;
    assert_int_equal(parse(&tx, NATIVE), 0);
    assert_int_equal(tx.version, 1);
    assert_int_equal(tx.lock_time, 17);
    assert_int_equal(tx.n_inputs, 2);
    assert_int_equal(tx.n_outputs, 2);
    assert_false(spv_tx_is_coinbase(&tx));

    struct spv_tx_iter walk = spv_tx_inputs(&tx);
    assert_true(spv_tx_next_input(&walk, &in));
    spv_txid_hex(text, &in.prev);
    assert_string_equal(text, "9f96ade4b41d5433f4eda31e1738ec2b36f6e7d1420d94a6af99801a88f7f7ff");
    assert_int_equal(in.index, 0);
    assert_int_equal(in.script.n, 0x49);
    assert_int_equal(in.script.bytes[0], 0x48);
    assert_int_equal(in.sequence, 0xffffffee);
    assert_true(spv_tx_next_input(&walk, &in));
    assert_int_equal(in.index, 1);
    assert_int_equal(in.script.n, 0);
    assert_int_equal(in.sequence, 0xffffffff);
    in.index = 99;
    assert_false(spv_tx_next_input(&walk, &in));
    assert_int_equal(in.index, 99);

    walk = spv_tx_outputs(&tx);
    assert_true(spv_tx_next_output(&walk, &out));
    assert_true(out.value == 112340000);
    assert_int_equal(out.script.n, 25);
    assert_int_equal(out.script.bytes[24], 0xac);
    assert_true(spv_tx_next_output(&walk, &out));
    assert_true(out.value == 223450000);
    assert_false(spv_tx_next_output(&walk, &out));

    walk = spv_tx_witnesses(&tx);
    assert_true(spv_tx_next_witness(&walk, &witness));
    assert_int_equal(witness.n_items, 0);
    assert_false(spv_witness_next(&witness, &item));
    assert_true(spv_tx_next_witness(&walk, &witness));
    assert_int_equal(witness.n_items, 2);
    assert_true(spv_witness_next(&witness, &item));
    assert_int_equal(item.n, 0x47);
    assert_int_equal(item.bytes[0x46], 0x01);
    assert_true(spv_witness_next(&witness, &item));
    assert_int_equal(item.n, 0x21);
    assert_int_equal(item.bytes[0x20], 0x57);
    assert_int_equal(witness.rest.n, 0);
    assert_false(spv_witness_next(&witness, &item));
    assert_false(spv_tx_next_witness(&walk, &witness));
}

static void an_input_without_witness_has_an_empty_one(void **state)
{
    struct spv_tx tx;
    struct spv_witness witness = {.n_items = 99};
    struct spv_bytes item;

    (void)state;
    assert_int_equal(parse(&tx, VERSION "02" INPUT INPUT "01" OUTPUT LOCK), 0);
    assert_false(tx.has_witness);
    struct spv_tx_iter walk = spv_tx_witnesses(&tx);
    for (size_t i = 0; i < tx.n_inputs; i++) {
        witness.n_items = 99;
        assert_true(spv_tx_next_witness(&walk, &witness));
        assert_int_equal(witness.n_items, 0);
        assert_false(spv_witness_next(&witness, &item));
    }
    assert_false(spv_tx_next_witness(&walk, &witness));

    /* An item of no bytes is an item. */
    assert_int_equal(parse(&tx, VERSION "0001"
                                        "01" INPUT "01" OUTPUT "0200"
                                        "0142" LOCK),
                     0);
    walk = spv_tx_witnesses(&tx);
    assert_true(spv_tx_next_witness(&walk, &witness));
    assert_int_equal(witness.n_items, 2);
    assert_true(spv_witness_next(&witness, &item));
    assert_int_equal(item.n, 0);
    assert_true(spv_witness_next(&witness, &item));
    assert_int_equal(item.n, 1);
    assert_int_equal(item.bytes[0], 0x42);
}

static void coinbase_is_recognised(void **state)
{
#define NOTHING                                                                                    \
    HASH_0 "ffffffff"                                                                              \
           "00"                                                                                    \
           "ffffffff"
    static const struct {
        const char *hex;
        bool coinbase;
    } cases[] = {
        {COINBASE, true},
        {VERSION "01" NOTHING "01" OUTPUT LOCK, true},
        {VERSION "02" NOTHING NOTHING "01" OUTPUT LOCK, false},
        {VERSION "01" HASH_0 "feffffff"
                 "00"
                 "ffffffff"
                 "01" OUTPUT LOCK,
         false},
        {VERSION "01" HASH_1 "ffffffff"
                 "00"
                 "ffffffff"
                 "01" OUTPUT LOCK,
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_tx tx;
        assert_int_equal(parse(&tx, cases[i].hex), 0);
        assert_int_equal(spv_tx_is_coinbase(&tx), cases[i].coinbase);
    }
}

static void malformed_transactions_are_refused(void **state)
{
    static const struct {
        const char *hex;
        int rc;
    } cases[] = {
        {VERSION "01" INPUT "01" OUTPUT LOCK, 0},
        {VERSION "0001"
                 "01" INPUT "01" OUTPUT "0100" LOCK,
         0},
        {"", SPV_ERR_SHORT},
        {VERSION "00"
                 "00" LOCK,
         SPV_ERR_MALFORMED}, /* neither inputs nor outputs */
        {VERSION "00"
                 "01" OUTPUT LOCK,
         SPV_ERR_SHORT}, /* no inputs: reads as marker and flag */
        {VERSION "01" INPUT "00" LOCK, SPV_ERR_MALFORMED}, /* no outputs */
        {VERSION "0001"
                 "00"
                 "01" OUTPUT LOCK,
         SPV_ERR_MALFORMED}, /* no inputs, with marker */
        {VERSION "0001"
                 "01" INPUT "01" OUTPUT "00" LOCK,
         SPV_ERR_MALFORMED}, /* nothing in the witness */
        {VERSION "0001"
                 "02" INPUT INPUT "01" OUTPUT "0000" LOCK,
         SPV_ERR_MALFORMED},
        {VERSION "0001"
                 "02" INPUT INPUT "01" OUTPUT "000100" LOCK,
         0},
        {VERSION "0002"
                 "01" INPUT "01" OUTPUT "0100" LOCK,
         SPV_ERR_MALFORMED}, /* flags */
        {VERSION "0003"
                 "01" INPUT "01" OUTPUT "0100" LOCK,
         SPV_ERR_MALFORMED},
        {VERSION "0000"
                 "01" INPUT "01" OUTPUT "0100" LOCK,
         SPV_ERR_MALFORMED},
        {VERSION "01" INPUT "01" OUTPUT LOCK "00", SPV_ERR_TRAILING},
        {VERSION "0001"
                 "01" INPUT "01" OUTPUT "0100" LOCK "00",
         SPV_ERR_TRAILING},
        {VERSION "fd0100" INPUT "01" OUTPUT LOCK, SPV_ERR_COMPACT_SIZE},
        {VERSION "01" INPUT "fd0100" OUTPUT LOCK, SPV_ERR_COMPACT_SIZE},
        {VERSION "01" HASH_1 "07000000"
                 "fd0000"
                 "fdffffff"
                 "01" OUTPUT LOCK,
         SPV_ERR_COMPACT_SIZE},
        {VERSION "01" INPUT "01"
                 "8813000000000000"
                 "fd0000" LOCK,
         SPV_ERR_COMPACT_SIZE},
        {VERSION "0001"
                 "01" INPUT "01" OUTPUT "fd0100"
                 "00" LOCK,
         SPV_ERR_COMPACT_SIZE},
        {VERSION "0001"
                 "01" INPUT "01" OUTPUT "01"
                 "fd0000" LOCK,
         SPV_ERR_COMPACT_SIZE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_tx tx;
        assert_int_equal(parse(&tx, cases[i].hex), cases[i].rc);
    }
}

static void impossible_counts_and_lengths_are_refused(void **state)
{
#define ALL_ONES "ffffffffffffffffff"
    static const char *const cases[] = {
        VERSION ALL_ONES INPUT "01" OUTPUT LOCK,
        VERSION "feffffffff" INPUT "01" OUTPUT LOCK,
        VERSION "01" HASH_1 "07000000" ALL_ONES "fdffffff"
                "01" OUTPUT LOCK,
        VERSION "01" INPUT ALL_ONES OUTPUT LOCK,
        VERSION "01" INPUT "01"
                "8813000000000000" ALL_ONES LOCK,
        VERSION "0001"
                "01" INPUT "01" OUTPUT ALL_ONES "00" LOCK,
        VERSION "0001"
                "01" INPUT "01" OUTPUT "01" ALL_ONES LOCK,
        VERSION "0001"
                "01" INPUT "01" OUTPUT "07"
                "000000" LOCK, /* extends into the lock time */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_tx tx;
        assert_int_equal(parse(&tx, cases[i]), SPV_ERR_SHORT);
    }
}

static void views_point_into_the_bytes(void **state)
{
    uint8_t bytes[GOLDEN_MAX];
    size_t n = unhex(bytes, sizeof bytes, NATIVE);
    struct spv_arena arena = {0};
    struct spv_msg msg = {.command = SPV_CMD_TX};

    (void)state;
    assert_int_equal(spv_msg_decode(&msg, bytes, n, 70016, &arena), 0);
    assert_ptr_equal(msg.u.tx.bytes, bytes);
    assert_null(arena.mem);
}

static void sends_only_transactions_that_parse(void **state)
{
    uint8_t bytes[GOLDEN_MAX];
    struct spv_msg msg = {.command = SPV_CMD_TX};
    struct spv_buffer b;

    (void)state;
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_encode(&b, &msg, 70016), SPV_ERR_INVALID);
    msg.u.tx.bytes = bytes;
    msg.u.tx.n = unhex(bytes, sizeof bytes, NESTED);
    assert_int_equal(spv_msg_encode(&b, &msg, 70016), 0);
    msg.u.tx.n--;
    assert_int_equal(spv_msg_encode(&b, &msg, 70016), SPV_ERR_INVALID);
    assert_int_equal(b.len, msg.u.tx.n + 1);
    spv_buffer_free(&b);
}

static void check_native(const struct spv_msg *m)
{
    assert_int_equal(m->u.tx.n_inputs, 2);
    assert_true(m->u.tx.has_witness);
}

static void check_coinbase(const struct spv_msg *m)
{
    assert_true(spv_tx_is_coinbase(&m->u.tx));
    assert_false(m->u.tx.has_witness);
}

static const struct golden golden[] = {
    {SPV_CMD_TX, 70016, NATIVE, check_native},
    {SPV_CMD_TX, 31800, NATIVE, check_native},
    {SPV_CMD_TX, 70016, COINBASE, check_coinbase},
};

static struct golden_list golden_list = {golden, COUNT(golden)};

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_sizes_and_weights_of_known_transactions),
        cmocka_unit_test(stripped_transaction_keeps_its_txid_only),
        cmocka_unit_test(iterates_over_inputs_outputs_and_witnesses),
        cmocka_unit_test(an_input_without_witness_has_an_empty_one),
        cmocka_unit_test(coinbase_is_recognised),
        cmocka_unit_test(malformed_transactions_are_refused),
        cmocka_unit_test(impossible_counts_and_lengths_are_refused),
        cmocka_unit_test(views_point_into_the_bytes),
        cmocka_unit_test(sends_only_transactions_that_parse),
        GOLDEN_TESTS(&golden_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
