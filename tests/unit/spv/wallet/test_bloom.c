/* Bloom filters: the hash function, sizes and rates, insertion, messages, merging, and the rules of
 * matching a transaction, one by one. */
#include "wallet_fixture.h"

#include <math.h>
#include <stdio.h>

#include "spv/bloom.h"
#include "spv/error.h"
#include "spv/wallet/murmur3.h"
#include "support/random.h"

#define KEY_HASH "04943fdd508053c75000106d3bc6e2754dbcff19"
#define P2PKH "76a914" KEY_HASH "88ac"
#define KEY "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"
#define P2PK "21" KEY "ac"
#define OTHER_KEY "02e493dbf1c10d80f3581e4904930b1404cc6c13900ee0758474fa94abe8c4cd13"
#define MULTISIG "5121" KEY "21" OTHER_KEY "52ae"

static struct spv_bloom *new_bloom(size_t n_items, double rate, enum spv_bloom_update update)
{
    struct spv_bloom_shape shape = {.tweak = 7, .update = update};
    struct spv_bloom *bloom;

    assert_int_equal(spv_bloom_size(&shape, n_items, rate), 0);
    assert_int_equal(spv_bloom_new(&bloom, &shape), 0);
    return bloom;
}

static void insert_hex(struct spv_bloom *bloom, const char *hex)
{
    uint8_t bytes[128];

    spv_bloom_insert(bloom, bytes, unhex(bytes, sizeof bytes, hex));
}

static void murmur3_has_known_values(void **state)
{
    static const struct {
        uint32_t seed;
        const char *data;
        uint32_t hash;
    } known[] = {
        {0x00000000, "", 0x00000000},
        {0xfba4c795, "", 0x6a396f08},
        {0xffffffff, "", 0x81f16f39},
        {0xfba4c795, "00", 0xea3f0b17},
        {0x00000000, "ff", 0xfd6cf10d},
        {0x00000000, "0011", 0x16c6b7ab},
        {0xaa59ce1e, "1088d7", 0xd99ebdd3},
        {0x00000000, "00112233", 0xb4471bf8},
        {0x00000000, "0011223344", 0xe2301fa8},
        {0x00000000, "001122334455", 0xfc2e4a15},
        {0x00000000, "0011223344556677", 0x8034d2a0},
        {0x00000000, "001122334455667788", 0xb4698def},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        uint8_t data[16];
        const size_t n = unhex(data, sizeof data, known[i].data);
        const struct spv_murmur3_pair pair = spv_murmur3(known[i].seed, 1, data, n);
        assert_int_equal(pair.first, known[i].hash);
        assert_int_equal(spv_murmur3(1, known[i].seed, data, n).second, known[i].hash);
    }
}

/* BIP37: the i-th function selects the bit MurmurHash3(i * 0xfba4c795 + tweak) modulo the number of
 * bits, in filters of any size. */
static void each_function_selects_one_bit(void **state)
{
    struct test_random random = {37};

    (void)state;
    for (int run = 0; run < 3000; run++) {
        const struct spv_bloom_shape shape = {
            .n_bytes = 1 + test_random_below(&random, SPV_MAX_FILTER_LOAD),
            .n_functions = 1 + (uint32_t)test_random_below(&random, SPV_MAX_FILTER_FUNCTIONS),
            .tweak = (uint32_t)test_random_next(&random)};
        const uint32_t n_bits = (uint32_t)shape.n_bytes * 8;
        struct spv_msg_filterload load;
        struct spv_bloom *bloom;
        uint8_t item[40];
        const size_t n = test_random_below(&random, sizeof item);
        size_t set = 0;

        test_random_fill(&random, item, sizeof item);
        assert_int_equal(spv_bloom_new(&bloom, &shape), 0);
        spv_bloom_insert(bloom, item, n);
        spv_bloom_filterload(&load, bloom);
        uint8_t *expected = calloc(1, shape.n_bytes);
        for (uint32_t i = 0; i < shape.n_functions; i++) {
            const uint32_t seed = i * 0xfba4c795u + shape.tweak;
            const uint32_t bit = spv_murmur3(seed, 0, item, n).first % n_bits;
            expected[bit / 8] |= (uint8_t)(1u << bit % 8);
        }
        for (size_t i = 0; i < shape.n_bytes; i++)
            set += expected[i] != 0;
        assert_in_range(set, 1, shape.n_functions);
        assert_memory_equal(load.filter, expected, shape.n_bytes);
        assert_true(spv_bloom_contains(bloom, item, n));
        free(expected);
        spv_bloom_free(bloom);
    }
}

static void sizes_are_those_of_bitcoin_core(void **state)
{
    static const struct {
        size_t n_items;
        double rate;
        size_t n_bytes;
        uint32_t n_functions;
    } known[] = {
        {3, 0.01, 3, 5},           {2, 0.001, 3, 8},
        {1, 0.0001, 2, 11},        {20, 0.1, 11, 2},
        {1000, 0.0001, 2396, 13},  {20000, 0.001, 35943, 9},
        {20001, 0.001, 35945, 9},  {1, 1e-15, 8, 44},
        {1, 1e-300, 179, 50}, /* at most 50 functions */
        {21000, 0.0001, 36000, 9}, /* at most 36,000 bytes */
        {144000, 0.001, 36000, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        struct spv_bloom_shape shape = {.tweak = 5, .update = SPV_BLOOM_UPDATE_ALL};
        assert_int_equal(spv_bloom_size(&shape, known[i].n_items, known[i].rate), 0);
        assert_int_equal(shape.n_bytes, known[i].n_bytes);
        assert_int_equal(shape.n_functions, known[i].n_functions);
        assert_int_equal(shape.tweak, 5);
        assert_int_equal(shape.update, SPV_BLOOM_UPDATE_ALL);
    }
}

static void sizes_that_make_no_filter_are_refused(void **state)
{
    static const struct {
        size_t n_items;
        double rate;
        int error;
    } bad[] = {
        {0, 0.01, SPV_ERR_INVALID},        {1, 0, SPV_ERR_INVALID},
        {1, 1, SPV_ERR_INVALID},           {1, -0.5, SPV_ERR_INVALID},
        {1, 1.5, SPV_ERR_INVALID},         {1, (double)NAN, SPV_ERR_INVALID},
        {10, 0.9, SPV_ERR_INVALID}, /* no bytes */
        {100, 0.9, SPV_ERR_INVALID}, /* two bytes, no function */
        {288000, 0.001, SPV_ERR_INVALID}, /* a bit an item */
        {288001, 0.001, SPV_ERR_TOO_LONG}, {SIZE_MAX, 0.001, SPV_ERR_TOO_LONG},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct spv_bloom_shape shape = {.n_bytes = 77, .n_functions = 78};
        assert_int_equal(spv_bloom_size(&shape, bad[i].n_items, bad[i].rate), bad[i].error);
        assert_int_equal(shape.n_bytes, 77);
        assert_int_equal(shape.n_functions, 78);
    }
}

static void rate_is_the_known_formula(void **state)
{
    const struct spv_bloom_shape full = {.n_bytes = 36000, .n_functions = 9};
    const struct spv_bloom_shape small = {.n_bytes = 1, .n_functions = 2};
    const struct spv_bloom_shape none = {.n_functions = 2}, no_functions = {.n_bytes = 8};

    (void)state;
    assert_true(spv_bloom_rate(&full, 0) == 0);
    assert_true(fabs(spv_bloom_rate(&full, 20000) - 0.001) < 0.0001);
    assert_true(spv_bloom_rate(&full, 60000) > 0.05);
    /* One item sets two bits of eight: (1 - (7/8)^2)^2. */
    assert_true(fabs(spv_bloom_rate(&small, 1) - 0.054931640625) < 1e-12);
    assert_true(spv_bloom_rate(&full, SIZE_MAX) > 0.999);
    assert_true(spv_bloom_rate(&none, 1) == 1);
    assert_true(spv_bloom_rate(&no_functions, 1) == 1);
}

static void shapes_beyond_the_limits_are_refused(void **state)
{
    static const struct {
        struct spv_bloom_shape shape;
        int created, loaded;
    } cases[] = {
        {{.n_bytes = 36000, .n_functions = 50}, 0, 0},
        {{.n_bytes = 36001, .n_functions = 50}, SPV_ERR_TOO_LONG, SPV_ERR_TOO_LONG},
        {{.n_bytes = 36000, .n_functions = 51}, SPV_ERR_TOO_LONG, SPV_ERR_TOO_LONG},
        {{.n_bytes = 0, .n_functions = 1}, SPV_ERR_INVALID, 0},
        {{.n_bytes = 1, .n_functions = 0}, SPV_ERR_INVALID, 0},
        {{.n_bytes = 1, .n_functions = 1, .update = 1}, 0, 0},
        {{.n_bytes = 1, .n_functions = 1, .update = 2}, 0, 0},
        {{.n_bytes = 1, .n_functions = 1, .update = 3}, SPV_ERR_INVALID, SPV_ERR_INVALID},
    };
    static const uint8_t bits[36001];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct spv_bloom_shape *shape = &cases[i].shape;
        const struct spv_msg_filterload load = {.filter = bits,
                                                .n = shape->n_bytes,
                                                .functions = shape->n_functions,
                                                .update = (uint8_t)shape->update};
        struct spv_bloom *bloom;
        assert_int_equal(spv_bloom_new(&bloom, shape), cases[i].created);
        assert_int_equal(bloom == NULL, cases[i].created != 0);
        spv_bloom_free(bloom);
        assert_int_equal(spv_bloom_from_filterload(&bloom, &load), cases[i].loaded);
        assert_int_equal(bloom == NULL, cases[i].loaded != 0);
        spv_bloom_free(bloom);
    }
}

static void filterload_message_has_the_bits_of_bip37(void **state)
{
    static const struct {
        uint32_t tweak;
        uint8_t bits[3];
    } known[] = {{0, {0x61, 0x4e, 0x9b}}, {0x80000001, {0xce, 0x42, 0x99}}};

    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        struct spv_bloom_shape shape = {.tweak = known[i].tweak, .update = SPV_BLOOM_UPDATE_ALL};
        struct spv_msg_filterload load;
        struct spv_bloom *bloom, *copy;
        uint8_t item[20];
        assert_int_equal(spv_bloom_size(&shape, 3, 0.01), 0);
        assert_int_equal(spv_bloom_new(&bloom, &shape), 0);
        insert_hex(bloom, "99108ad8ed9bb6274d3980bab5a85c048f0950c8");
        insert_hex(bloom, "b5a2c786d9ef4658287ced5914b37a1b4aa32eee");
        insert_hex(bloom, "b9300670b4c5366e95b2699e8b18bc75e5f729c5");
        spv_bloom_filterload(&load, bloom);
        assert_int_equal(load.n, 3);
        assert_memory_equal(load.filter, known[i].bits, 3);
        assert_int_equal(load.functions, 5);
        assert_int_equal(load.tweak, known[i].tweak);
        assert_int_equal(load.update, SPV_BLOOM_UPDATE_ALL);

        assert_int_equal(spv_bloom_from_filterload(&copy, &load), 0);
        spv_bloom_free(bloom);
        unhex(item, sizeof item, "99108ad8ed9bb6274d3980bab5a85c048f0950c8");
        assert_true(spv_bloom_contains(copy, item, sizeof item));
        item[0] = 0x19;
        assert_false(spv_bloom_contains(copy, item, sizeof item));
        assert_int_equal(spv_bloom_get_shape(copy)->update, SPV_BLOOM_UPDATE_ALL);
        spv_bloom_free(copy);
    }
}

/* Seeded: filters of random sizes; all that was inserted is found, and of other items hardly more
 * than the shape promises. */
static void nothing_inserted_is_missed_and_few_others_match(void **state)
{
    struct test_random random = {20240612};

    (void)state;
    printf("seed %llu\n", (unsigned long long)random.state);
    for (int round = 0; round < 40; round++) {
        static const double rates[] = {0.2, 0.05, 0.01, 0.001};
        static uint8_t items[2000][36];
        static size_t lengths[2000];
        const double rate = rates[test_random_below(&random, COUNT(rates))];
        const size_t n_items = 50 + test_random_below(&random, 1950);
        struct spv_bloom *bloom = new_bloom(n_items, rate, SPV_BLOOM_UPDATE_NONE);
        size_t wrong = 0;
        for (size_t i = 0; i < n_items; i++) {
            lengths[i] = 20 + test_random_below(&random, 17);
            test_random_fill(&random, items[i], lengths[i]);
            spv_bloom_insert(bloom, items[i], lengths[i]);
        }
        for (size_t i = 0; i < n_items; i++)
            assert_true(spv_bloom_contains(bloom, items[i], lengths[i]));
        for (int i = 0; i < 5000; i++) {
            uint8_t other[32];
            test_random_fill(&random, other, sizeof other);
            wrong += spv_bloom_contains(bloom, other, sizeof other);
        }
        const double expected = spv_bloom_rate(spv_bloom_get_shape(bloom), n_items);
        assert_true(expected < 1.6 * rate); /* whole bytes and functions cost a little */
        /* At most five standard deviations of a binomial count too many. */
        const double excess = (double)wrong - 5000 * expected - 3;
        assert_true(excess < 0 || excess * excess < 25 * 5000 * expected * (1 - expected));
        spv_bloom_free(bloom);
    }
}

static void outpoint_is_the_txid_and_the_index_little_endian(void **state)
{
    struct spv_bloom *bloom = new_bloom(10, 0.0001, SPV_BLOOM_UPDATE_NONE);
    struct spv_txid id = leaf_id(1, 2);
    uint8_t bytes[36];

    (void)state;
    memcpy(bytes, id.b, 32);
    memcpy(bytes + 32, "\x04\x03\x02\x01", 4);
    spv_bloom_insert_outpoint(bloom, &id, 0x01020304);
    assert_true(spv_bloom_contains(bloom, bytes, sizeof bytes));
    assert_true(spv_bloom_contains_outpoint(bloom, &id, 0x01020304));
    assert_false(spv_bloom_contains_outpoint(bloom, &id, 0x04030201));
    spv_bloom_free(bloom);
}

static void merged_filter_has_the_items_of_both(void **state)
{
    struct spv_bloom *a = new_bloom(10, 0.0001, SPV_BLOOM_UPDATE_ALL);
    struct spv_bloom *b = new_bloom(10, 0.0001, SPV_BLOOM_UPDATE_ALL);
    struct spv_txid first = leaf_id(0, 1), second = leaf_id(0, 2), third = leaf_id(0, 3);

    (void)state;
    spv_bloom_insert(a, first.b, 32);
    spv_bloom_insert(b, second.b, 32);
    assert_int_equal(spv_bloom_merge(a, b), 0);
    assert_true(spv_bloom_contains(a, first.b, 32));
    assert_true(spv_bloom_contains(a, second.b, 32));
    assert_false(spv_bloom_contains(a, third.b, 32));
    assert_false(spv_bloom_contains(b, first.b, 32));
    spv_bloom_free(a);
    spv_bloom_free(b);
}

static void filters_of_different_shapes_do_not_merge(void **state)
{
    static const struct spv_bloom_shape shapes[] = {
        {.n_bytes = 8, .n_functions = 3, .tweak = 1, .update = SPV_BLOOM_UPDATE_ALL},
        {.n_bytes = 9, .n_functions = 3, .tweak = 1, .update = SPV_BLOOM_UPDATE_ALL},
        {.n_bytes = 8, .n_functions = 4, .tweak = 1, .update = SPV_BLOOM_UPDATE_ALL},
        {.n_bytes = 8, .n_functions = 3, .tweak = 2, .update = SPV_BLOOM_UPDATE_ALL},
        {.n_bytes = 8, .n_functions = 3, .tweak = 1, .update = SPV_BLOOM_UPDATE_NONE},
    };
    struct spv_bloom *bloom, *other;
    struct spv_txid id = leaf_id(0, 0);

    (void)state;
    assert_int_equal(spv_bloom_new(&bloom, &shapes[0]), 0);
    for (size_t i = 1; i < COUNT(shapes); i++) {
        assert_int_equal(spv_bloom_new(&other, &shapes[i]), 0);
        spv_bloom_insert(other, id.b, 32);
        assert_int_equal(spv_bloom_merge(bloom, other), SPV_ERR_INVALID);
        assert_false(spv_bloom_contains(bloom, id.b, 32));
        spv_bloom_free(other);
    }
    spv_bloom_free(bloom);
}

static void filter_without_bytes_or_functions_matches_everything(void **state)
{
    static const uint8_t bits[8];
    const struct spv_msg_filterload loads[] = {{.filter = NULL, .n = 0, .functions = 11},
                                               {.filter = bits, .n = 8, .functions = 0}};
    struct spv_txid id = leaf_id(0, 0);

    (void)state;
    for (size_t i = 0; i < COUNT(loads); i++) {
        struct spv_bloom *bloom;
        assert_int_equal(spv_bloom_from_filterload(&bloom, &loads[i]), 0);
        assert_true(spv_bloom_contains(bloom, id.b, 32));
        spv_bloom_insert(bloom, id.b, 32);
        assert_true(spv_bloom_contains_outpoint(bloom, &id, 0));
        spv_bloom_free(bloom);
    }
}

/* What is in the filter, and whether a transaction matches then. */
enum watched { NOTHING, TXID, SPENT, SPENT_OTHER_INDEX, PUSH };

static void matches_txid_pushes_and_spent_outpoints(void **state)
{
    static const struct {
        enum watched watched;
        const char *push, *input, *output;
        bool matches;
    } cases[] = {
        {NOTHING, "", "02aabb", P2PKH, false},
        {TXID, "", "02aabb", P2PKH, true},
        {SPENT, "", "02aabb", P2PKH, true},
        {SPENT_OTHER_INDEX, "", "02aabb", P2PKH, false},
        {PUSH, KEY_HASH, "02aabb", P2PKH, true},
        {PUSH, "aabb", "02aabb", P2PKH, true}, /* of an input script */
        {PUSH, P2PKH, "02aabb", P2PKH, false}, /* pushes, not whole scripts */
        {PUSH, "aabb", "51", "4c02aabb", true},
        {PUSH, "aabb", "51", "4d0200aabb", true},
        {PUSH, "aabb", "51", "4e02000000aabb", true},
        {PUSH, "aabb", "51", "02ccdd02aabb", true},
        {PUSH, "aabb", "51", "02aabb4c05aabb", true},
        {PUSH, "aabb", "51", "4c05aabb02aabb", false}, /* nothing after a truncated push */
        {PUSH, "aabb", "51", "4e020000ffaabb", false},
        {PUSH, "", "00", "00", false}, /* an empty push is no data element */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_bloom *bloom = new_bloom(10, 0.000001, SPV_BLOOM_UPDATE_NONE);
        const struct tx_spec spec = {.prev = leaf_id(9, 9),
                                     .index = 3,
                                     .input = cases[i].input,
                                     .outputs = {"51", cases[i].output}};
        uint8_t bytes[TX_MAX];
        struct spv_txid id;
        struct spv_tx tx;
        make_tx(&tx, bytes, &spec);
        spv_tx_txid(&id, &tx);
        switch (cases[i].watched) {
        case NOTHING:
            break;
        case TXID:
            spv_bloom_insert(bloom, id.b, 32);
            break;
        case SPENT:
            spv_bloom_insert_outpoint(bloom, &spec.prev, 3);
            break;
        case SPENT_OTHER_INDEX:
            spv_bloom_insert_outpoint(bloom, &spec.prev, 0);
            break;
        case PUSH:
            insert_hex(bloom, cases[i].push);
            break;
        }
        if (spv_bloom_match_tx(bloom, &tx) != cases[i].matches)
            fail_msg("case %zu", i);
        spv_bloom_free(bloom);
    }
}

static void matched_outputs_are_inserted_as_the_update_says(void **state)
{
    static const struct {
        enum spv_bloom_update update;
        const char *push, *output;
        bool inserted;
    } cases[] = {
        {SPV_BLOOM_UPDATE_NONE, KEY, P2PK, false},
        {SPV_BLOOM_UPDATE_NONE, KEY_HASH, P2PKH, false},
        {SPV_BLOOM_UPDATE_ALL, KEY, P2PK, true},
        {SPV_BLOOM_UPDATE_ALL, KEY_HASH, P2PKH, true},
        {SPV_BLOOM_UPDATE_ALL, "deadbeef", "6a04deadbeef", true},
        {SPV_BLOOM_UPDATE_P2PUBKEY_ONLY, KEY, P2PK, true},
        {SPV_BLOOM_UPDATE_P2PUBKEY_ONLY, OTHER_KEY, MULTISIG, true},
        {SPV_BLOOM_UPDATE_P2PUBKEY_ONLY, KEY_HASH, P2PKH, false},
        {SPV_BLOOM_UPDATE_P2PUBKEY_ONLY, "deadbeef", "6a04deadbeef", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_bloom *bloom = new_bloom(10, 0.000001, cases[i].update);
        const struct tx_spec pays = {.input = "51", .outputs = {"51", "52", cases[i].output}};
        struct tx_spec spends = {.index = 2, .input = "51", .outputs = {"51"}};
        uint8_t bytes[TX_MAX];
        struct spv_txid id;
        struct spv_tx tx;
        insert_hex(bloom, cases[i].push);
        make_tx(&tx, bytes, &pays);
        spv_tx_txid(&id, &tx);
        assert_true(spv_bloom_match_tx(bloom, &tx));
        if (spv_bloom_contains_outpoint(bloom, &id, 2) != cases[i].inserted)
            fail_msg("case %zu", i);
        assert_false(spv_bloom_contains_outpoint(bloom, &id, 0)); /* did not match */
        spends.prev = id;
        make_tx(&tx, bytes, &spends);
        assert_int_equal(spv_bloom_match_tx(bloom, &tx), cases[i].inserted);
        spv_bloom_free(bloom);
    }
}

static void every_matching_output_is_inserted_after_a_match_of_the_txid(void **state)
{
    struct spv_bloom *bloom = new_bloom(10, 0.000001, SPV_BLOOM_UPDATE_ALL);
    const struct tx_spec pays = {.input = "51", .outputs = {P2PKH, "51", P2PKH}};
    uint8_t bytes[TX_MAX];
    struct spv_txid id;
    struct spv_tx tx;

    (void)state;
    make_tx(&tx, bytes, &pays);
    spv_tx_txid(&id, &tx);
    spv_bloom_insert(bloom, id.b, 32);
    insert_hex(bloom, KEY_HASH);
    assert_true(spv_bloom_match_tx(bloom, &tx));
    assert_true(spv_bloom_contains_outpoint(bloom, &id, 0));
    assert_false(spv_bloom_contains_outpoint(bloom, &id, 1));
    assert_true(spv_bloom_contains_outpoint(bloom, &id, 2));
    spv_bloom_free(bloom);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(murmur3_has_known_values),
        cmocka_unit_test(each_function_selects_one_bit),
        cmocka_unit_test(sizes_are_those_of_bitcoin_core),
        cmocka_unit_test(sizes_that_make_no_filter_are_refused),
        cmocka_unit_test(rate_is_the_known_formula),
        cmocka_unit_test(shapes_beyond_the_limits_are_refused),
        cmocka_unit_test(filterload_message_has_the_bits_of_bip37),
        cmocka_unit_test(nothing_inserted_is_missed_and_few_others_match),
        cmocka_unit_test(outpoint_is_the_txid_and_the_index_little_endian),
        cmocka_unit_test(merged_filter_has_the_items_of_both),
        cmocka_unit_test(filters_of_different_shapes_do_not_merge),
        cmocka_unit_test(filter_without_bytes_or_functions_matches_everything),
        cmocka_unit_test(matches_txid_pushes_and_spent_outpoints),
        cmocka_unit_test(matched_outputs_are_inserted_as_the_update_says),
        cmocka_unit_test(every_matching_output_is_inserted_after_a_match_of_the_txid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
