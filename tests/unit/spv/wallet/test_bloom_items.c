/* Which data pushes of a script go into a filter, and what matches them. */
#include "chain_builder.h"
#include "support/random.h"

#include "spv/wallet/bloom_items.h"

static struct spv_bloom_items items;

static void init(void)
{
    struct test_random random = {1};
    const struct spv_rng rng = test_random_rng(&random);

    spv_bloom_items_init(&items, &rng);
}

static int add(const char *hex, uint32_t version)
{
    uint8_t bytes[600];
    const struct spv_bytes script = {bytes, unhex(bytes, sizeof bytes, hex)};
    const int n = spv_bloom_items_count(&items, &script);
    const int rc = spv_bloom_items_add_script(&items, &script, version);

    assert_int_equal(n, rc);
    return rc;
}

static size_t item(uint8_t out[600], size_t at)
{
    memcpy(out, items.bytes + items.list[at].at, items.list[at].n);
    return items.list[at].n;
}

#define H20 "0102030405060708090a0b0c0d0e0f1011121314"
#define H32 H20 "15161718191a1b1c1d1e1f20"
#define KEY1 "02" H32
#define KEY2 "03" H32
#define KEY3 "02aa02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"

static void the_item_of_a_script_is_its_hash_or_key_and_never_the_script(void **state)
{
    static const struct {
        const char *script, *item;
    } cases[] = {
        {"76a914" H20 "88ac", H20},
        {"a914" H20 "87", H20},
        {"0014" H20, H20},
        {"0020" H32, H32},
        {"5120" H32, H32},
        {"6028" H20 H20, H20 H20},
        {"21" KEY1 "ac", KEY1},
        {"4104" H32 H32 "ac", "04" H32 H32},
        {"6a14" H20 "20" H32, H20}, /* the first one */
        {"0151"
         "0014" H20,
         H20},
        {"4c15" H20 "ff", H20 "ff"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t expected[600], got[600];
        const size_t n = unhex(expected, sizeof expected, cases[i].item);
        init();
        assert_int_equal(add(cases[i].script, 1), 1);
        assert_int_equal(items.n, 1);
        assert_int_equal(item(got, 0), n);
        assert_memory_equal(got, expected, n);
        assert_int_equal(add(cases[i].script, 2), 0);
        spv_bloom_items_free(&items);
    }
}

static void each_key_of_bare_multisig_is_an_item(void **state)
{
    (void)state;
    init();
    assert_int_equal(add("5121" KEY1 "21" KEY2 "21" KEY3 "53ae", 1), 3);
    assert_int_equal(items.n, 3);
    spv_bloom_items_free(&items);
    init();
    /* not a multisig: one more byte */
    assert_int_equal(add("5121" KEY1 "21" KEY2 "52aeac", 1), 1);
    spv_bloom_items_free(&items);
}

static void a_script_without_a_push_of_20_bytes_has_no_item(void **state)
{
    (void)state;
    init();
    assert_int_equal(add("51024e73", 1), SPV_ERR_BLOOM_SCRIPT);
    assert_int_equal(add("", 1), SPV_ERR_BLOOM_SCRIPT);
    assert_int_equal(add("13010203040506070809101112131415161718ff", 1), SPV_ERR_BLOOM_SCRIPT);
    assert_int_equal(add("14"
                         "0102",
                         1),
                     SPV_ERR_BLOOM_SCRIPT); /* truncated */
    assert_int_equal(add("6a", 1), SPV_ERR_BLOOM_SCRIPT);
    assert_int_equal(items.n, 0);
    assert_int_equal(add("14" H20, 1), 1);
    spv_bloom_items_free(&items);
}

/* Builds a transaction that spends an output and pays a script. */
static void build(struct built_tx *out, uint8_t txid, uint32_t vout, const char *script)
{
    uint8_t bytes[600];
    const struct built_output output = {{bytes, unhex(bytes, sizeof bytes, script)}, 5};
    const struct built_input input = {.prev = {{txid}}, .vout = vout};
    const struct built_spec spec = {
        .inputs = &input, .n_inputs = 1, .outputs = &output, .n_outputs = 1};

    build_tx(out, &spec);
}

static void a_transaction_matches_by_output_outpoint_and_txid(void **state)
{
    struct spv_txid txid = {{7}};
    struct built_tx tx;

    (void)state;
    init();
    build(&tx, 7, 0x01020304, "76a914" H20 "88ac");
    assert_int_equal(spv_bloom_items_match_tx(&items, &tx.tx), 0);
    assert_int_equal(spv_bloom_items_add_outpoint(&items, &txid, 0x01020305, 3), 1);
    txid.b[31] = 1;
    assert_int_equal(spv_bloom_items_add_outpoint(&items, &txid, 0x01020304, 4), 1);
    txid.b[31] = 0;
    assert_int_equal(spv_bloom_items_match_tx(&items, &tx.tx), 0);
    assert_int_equal(spv_bloom_items_add_txid(&items, &tx.txid, 9), 1);
    assert_int_equal(spv_bloom_items_match_tx(&items, &tx.tx), 9);
    assert_int_equal(spv_bloom_items_add_outpoint(&items, &txid, 0x01020304, 8), 1);
    assert_int_equal(spv_bloom_items_add_outpoint(&items, &txid, 0x01020304, 9), 0);
    assert_int_equal(spv_bloom_items_match_tx(&items, &tx.tx), 8);
    /* the lowest version counts, here of the script */
    assert_int_equal(add("0014" H20, 5), 1);
    assert_int_equal(spv_bloom_items_match_tx(&items, &tx.tx), 5);
    built_tx_free(&tx);
    spv_bloom_items_free(&items);
}

/* What these items match, a filter of them matches: the peer sends it. */
static void what_matches_an_item_matches_a_filter_of_them(void **state)
{
    const struct spv_bloom_shape shape = {.n_bytes = 1000, .n_functions = 9, .tweak = 5};
    const struct spv_txid txid = {{7}};
    struct spv_bloom *bloom;
    struct built_tx tx;

    (void)state;
    for (int i = 0; i < 3; i++) {
        init();
        build(&tx, 7, 3, "76a914" H20 "88ac");
        assert_int_equal(spv_bloom_new(&bloom, &shape), 0);
        if (i == 0)
            assert_int_equal(add("a914" H20 "87", 1), 1);
        else if (i == 1)
            assert_int_equal(spv_bloom_items_add_outpoint(&items, &txid, 3, 1), 1);
        else
            assert_int_equal(spv_bloom_items_add_txid(&items, &tx.txid, 1), 1);
        assert_false(spv_bloom_match_tx(bloom, &tx.tx));
        spv_bloom_items_fill(&items, bloom, 1);
        assert_false(spv_bloom_match_tx(bloom, &tx.tx));
        spv_bloom_items_fill(&items, bloom, 0);
        assert_true(spv_bloom_match_tx(bloom, &tx.tx));
        assert_int_equal(spv_bloom_items_match_tx(&items, &tx.tx), 1);
        spv_bloom_free(bloom);
        built_tx_free(&tx);
        spv_bloom_items_free(&items);
    }
}

static void many_items_are_found_again(void **state)
{
    (void)state;
    init();
    for (uint32_t i = 0; i < 20000; i++) {
        const struct spv_txid txid = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};
        assert_int_equal(spv_bloom_items_add_txid(&items, &txid, 1), 1);
    }
    for (uint32_t i = 0; i < 20000; i++) {
        const struct spv_txid txid = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};
        assert_int_equal(spv_bloom_items_add_txid(&items, &txid, 2), 0);
    }
    assert_true(spv_bloom_items_memory(&items) < 20000 * 100);
    spv_bloom_items_free(&items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_item_of_a_script_is_its_hash_or_key_and_never_the_script),
        cmocka_unit_test(each_key_of_bare_multisig_is_an_item),
        cmocka_unit_test(a_script_without_a_push_of_20_bytes_has_no_item),
        cmocka_unit_test(a_transaction_matches_by_output_outpoint_and_txid),
        cmocka_unit_test(what_matches_an_item_matches_a_filter_of_them),
        cmocka_unit_test(many_items_are_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
