/* The coded set: encoding, decoding and what is refused, at the boundaries. */
#include "support/random.h"
#include "support/unit.h"

#include "spv/error.h"
#include "spv/filter.h"
#include "spv/filters/gcs.h"
#include "util/buffer.h"

static struct spv_filter filter_over(const struct spv_buffer *bytes)
{
    return (struct spv_filter){.bytes = bytes->data, .n = bytes->len};
}

/* Encodes values without looking at their range, and changes nothing else. */
static struct spv_buffer encoded(const uint64_t *values, size_t n)
{
    struct spv_buffer bytes;

    spv_buffer_init(&bytes);
    spv_gcs_encode(&bytes, values, n);
    assert_int_equal(bytes.error, 0);
    return bytes;
}

static int check(size_t *n_elements, const struct spv_buffer *bytes)
{
    const struct spv_filter filter = filter_over(bytes);
    return spv_filter_check(n_elements, &filter);
}

/* Every decoder gives this result, and these values when it is 0. */
static void decodes(const struct spv_buffer *bytes, int want, const uint64_t *values, size_t n)
{
    /* The bytes without any behind them, so that ASan sees a read too far. */
    uint8_t *exact = malloc(bytes->len > 0 ? bytes->len : 1);
    uint64_t *out[2] = {malloc((n + 1) * sizeof **out), malloc((n + 1) * sizeof **out)};
    struct spv_gcs set;

    assert_true(exact && out[0] && out[1]);
    if (bytes->len > 0)
        memcpy(exact, bytes->data, bytes->len);
    const int opened = spv_gcs_open(&set, exact, bytes->len);
    if (opened != 0) {
        assert_int_equal(opened, want);
    } else {
        assert_true(set.n <= n);
        for (enum spv_simd simd = SPV_SIMD_BASELINE; simd <= spv_simd_best(); simd++) {
            int rc[2];
            assert_int_equal(spv_gcs_decode(out[0], &set, simd), want);
            if (want == 0)
                assert_memory_equal(out[0], values, n * sizeof *values);
            memset(out[0], 0, n * sizeof *values);
            spv_gcs_decode_pair(rc, out, (const struct spv_gcs *[2]){&set, &set}, simd);
            for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(rc[i], want);
                if (want == 0)
                    assert_memory_equal(out[i], values, n * sizeof *values);
            }
        }
    }
    free(out[0]);
    free(out[1]);
    free(exact);
}

static void values_survive_encoding_and_decoding(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 252, 253, 1000, 70000};
    struct test_random random = {5};

    (void)state;
    for (size_t k = 0; k < COUNT(sizes); k++) {
        const size_t n = sizes[k];
        uint64_t *values = malloc(n * sizeof *values), sum = 0;
        assert_non_null(values);
        for (size_t i = 0; i < n; i++) {
            /* Mostly as in a filter; equal ones, and now and then one with a long code. */
            uint64_t more = test_random_below(&random, 2 * SPV_FILTER_M);
            if (test_random_below(&random, 10) == 0)
                more = test_random_below(&random, 2) == 0 ? 0 : more * 12;
            if (sum + more >= (uint64_t)n * SPV_FILTER_M)
                more = 0;
            values[i] = sum += more;
        }
        struct spv_buffer bytes = encoded(values, n);
        size_t n_elements;
        assert_int_equal(check(&n_elements, &bytes), 0);
        assert_int_equal(n_elements, n);
        decodes(&bytes, 0, values, n);
        spv_buffer_free(&bytes);
        free(values);
    }
}

/* All codes in one value: the longest run of ones that a set of n elements can have. */
static void a_code_may_be_longer_than_any_register(void **state)
{
    (void)state;
    for (size_t n = 2; n < 400; n += 7) {
        uint64_t values[400] = {0};
        values[n - 1] = (uint64_t)n * SPV_FILTER_M - 1;
        for (size_t first = 0; first < n; first += n - 1) {
            for (size_t i = first; i < n; i++)
                values[i] = values[n - 1];
            struct spv_buffer bytes = encoded(values, n);
            decodes(&bytes, 0, values, n);
            assert_int_equal(check(NULL, &bytes), 0);
            spv_buffer_free(&bytes);
            memset(values, 0, sizeof values);
            values[n - 1] = (uint64_t)n * SPV_FILTER_M - 1;
        }
    }
}

static void a_value_out_of_range_is_refused(void **state)
{
    (void)state;
    for (size_t n = 1; n < 40; n++) {
        uint64_t values[40] = {0};
        values[n - 1] = (uint64_t)n * SPV_FILTER_M;
        struct spv_buffer bytes = encoded(values, n);
        size_t n_elements = 9;
        decodes(&bytes, SPV_ERR_FILTER_RANGE, values, n);
        assert_int_equal(check(&n_elements, &bytes), SPV_ERR_FILTER_RANGE);
        assert_int_equal(n_elements, 0);
        spv_buffer_free(&bytes);
    }
}

static void a_filter_cut_anywhere_is_refused(void **state)
{
    uint64_t values[300];
    struct test_random random = {6};

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++)
        values[i] = (i + 1) * (SPV_FILTER_M - 1) - test_random_below(&random, 1000);
    struct spv_buffer bytes = encoded(values, COUNT(values));
    for (size_t n = 0; n < bytes.len; n++) {
        struct spv_buffer cut = {.data = bytes.data, .len = n};
        decodes(&cut, SPV_ERR_SHORT, values, COUNT(values));
        assert_int_equal(check(NULL, &cut), SPV_ERR_SHORT);
    }
    spv_buffer_free(&bytes);
}

/* Ones without end: cut in a code that is longer than the register, in each position. */
static void a_run_of_ones_without_end_is_refused(void **state)
{
    uint8_t ones[64];

    (void)state;
    memset(ones, 0xff, sizeof ones);
    for (size_t n = 4; n < sizeof ones; n++)
        for (uint8_t count = 1; count * 20 <= (n - 1) * 8; count++) {
            struct spv_buffer bytes = {.data = ones, .len = n};
            ones[0] = count;
            decodes(&bytes, SPV_ERR_SHORT, NULL, count);
            ones[0] = 0xff;
        }
}

static void bytes_behind_the_last_element_are_refused(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++)
        for (size_t more = 1; more < 20; more++) {
            uint64_t values[40];
            for (size_t i = 0; i < n; i++)
                values[i] = 1000 * i;
            for (unsigned byte = 0; byte <= 0xff; byte += 0xff) {
                struct spv_buffer bytes = encoded(values, n);
                for (size_t i = 0; i < more; i++)
                    spv_buffer_u8(&bytes, (uint8_t)byte);
                decodes(&bytes, SPV_ERR_TRAILING, values, n);
                assert_int_equal(check(NULL, &bytes), SPV_ERR_TRAILING);
                spv_buffer_free(&bytes);
            }
        }
}

static void padding_bits_are_refused_by_the_check_and_tolerated_by_the_decoder(void **state)
{
    (void)state;
    for (size_t n = 1; n < 9; n++) { /* 20 bits each: 4 or no bits of padding */
        uint64_t values[9];
        for (size_t i = 0; i < n; i++)
            values[i] = 1000 * i;
        struct spv_buffer bytes = encoded(values, n);
        for (unsigned bit = 0; bit < 8; bit++) {
            const bool is_padding = bit < (8 - n * 20 % 8) % 8;
            size_t n_elements = 99;
            bytes.data[bytes.len - 1] ^= (uint8_t)(1 << bit);
            if (is_padding) {
                assert_int_equal(check(&n_elements, &bytes), SPV_ERR_FILTER_PADDING);
                assert_int_equal(n_elements, n);
                decodes(&bytes, 0, values, n);
            } else {
                assert_int_not_equal(check(NULL, &bytes), SPV_ERR_FILTER_PADDING);
            }
            bytes.data[bytes.len - 1] ^= (uint8_t)(1 << bit);
        }
        spv_buffer_free(&bytes);
    }
}

static void a_count_is_bounded_by_the_bytes_behind_it(void **state)
{
    static const struct {
        const char *hex;
        int want;
    } cases[] = {
        {"", SPV_ERR_SHORT},
        {"00", 0},
        {"0000", SPV_ERR_TRAILING},
        {"fd0000", SPV_ERR_COMPACT_SIZE},
        {"fd010000000000", SPV_ERR_COMPACT_SIZE},
        {"01000000", 0}, /* 24 bits for an element of 20 */
        {"010000", SPV_ERR_SHORT},
        {"020000000000", 0}, /* 40 bits for two of 20 */
        {"0200000000", SPV_ERR_SHORT},
        {"03000000000000", SPV_ERR_SHORT},
        {"feffffffff57e49590040c79b0", SPV_ERR_SHORT},
        {"ffffffffffffffffff57e49590040c79b0", SPV_ERR_SHORT},
        {"ff000000000100000057e49590040c79b0", SPV_ERR_SHORT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t bytes[32];
        uint64_t zeros[8] = {0};
        struct spv_buffer buffer = {.data = bytes, .len = unhex(bytes, sizeof bytes, cases[i].hex)};
        struct spv_gcs set;
        if (check(NULL, &buffer) != cases[i].want)
            fail_msg("%s", cases[i].hex);
        /* before anything is allocated or decoded */
        assert_int_equal(spv_gcs_open(&set, bytes, buffer.len), cases[i].want);
        decodes(&buffer, cases[i].want, zeros, buffer.len > 0 && bytes[0] < 8 ? bytes[0] : 0);
    }
}

static void equal_items_are_one_element_and_empty_ones_none(void **state)
{
    const struct spv_blockhash block = {{1, 2, 3}};
    const uint8_t a[] = "first", b[] = "second";
    const struct spv_bytes items[] = {{a, 5}, {NULL, 0}, {b, 6}, {a, 5}, {b, 0}, {b, 6}, {a, 4}};
    const struct spv_bytes other[] = {{a, 4}, {b, 6}, {a, 5}};
    uint8_t *one, *two;
    size_t n_one, n_two, n_elements;

    (void)state;
    assert_int_equal(spv_filter_build(&one, &n_one, &block, items, COUNT(items)), 0);
    assert_int_equal(spv_filter_build(&two, &n_two, &block, other, COUNT(other)), 0);
    assert_int_equal(n_one, n_two);
    assert_memory_equal(one, two, n_one);
    assert_int_equal(spv_filter_check(&n_elements, &(struct spv_filter){.bytes = one, .n = n_one}),
                     0);
    assert_int_equal(n_elements, 3);
    free(one);
    free(two);
    /* none at all: BIP158's filter of a single zero byte */
    assert_int_equal(spv_filter_build(&one, &n_one, &block, NULL, 0), 0);
    assert_int_equal(n_one, 1);
    assert_int_equal(one[0], 0);
    free(one);
}

/* Testnet3's block 1263442 as BIP158's vectors have it: three elements of four outputs, one of them
 * OP_RETURN, and one spent output. */
static void a_block_gives_its_known_filter_and_filter_header(void **state)
{
    static const char hex[] =
        "000000201c8d1a529c39a396db2db234d5ec152fa651a2872966daccbde028b400000000083f1449"
        "2679151dbfaa1a825ef4c18518e780c1f91044180280a7d33f4a98ff5f45765aaddc001d38333b9a"
        "02010000000001010000000000000000000000000000000000000000000000000000000000000000"
        "ffffffff230352471300fe5f45765afe94690a000963676d696e6572343208000000000000000000"
        "ffffffff024423a804000000001976a914f2c25ac3d59f3d674b1d1d0a25c27339aaac0ba688ac00"
        "00000000000000266a24aa21a9edcb26cb3052426b9ebb4d19c819ef87c19677bbf3a7c46ef0855b"
        "d1b2abe8349101200000000000000000000000000000000000000000000000000000000000000000"
        "0000000002000000000101d20978463906ba4ff5e7192494b88dd5eb0de85d900ab253af909106fa"
        "a22cc5010000000004000000014777ff000000000016001446c29eabe8208a33aa1023c741fa79aa"
        "92e881ff0347304402207d7ca96134f2bcfdd6b536536fdd39ad17793632016936f777ebb32c2294"
        "3fda02206014d2fb8a6aa58279797f861042ba604ebd2f8f61e5bddbd9d3be5a245047b201004b63"
        "2103eeaeba7ce5dc2470221e9517fb498e8d6bd4e73b85b8be655196972eb9ccd5566754b2752103"
        "a40b74d43df244799d041f32ce1ad515a6cd99501701540e38750d883ae21d3a68ac00000000";
    static const char spent_hex[] =
        "002027a5000c7917f785d8fc6e5a55adfca8717ecb973ebb7743849ff956d896a7ed";
    static const char filter_hex[] = "0385acb4f0fe889ef0";
    static const char prev_hex[] =
        "31d66d516a9eda7de865df29f6ef6cb8e4bf9309e5dac899968a9a62a5df61e3";
    static const char header_hex[] =
        "4e6d564c2a2452065c205dd7eb2791124e0c4e0dbb064c410c24968572589dec";
    uint8_t bytes[sizeof hex / 2], script[34], want[9], *built;
    struct spv_bytes spent[2] = {{script, sizeof script}, {script, sizeof script}};
    struct spv_block block;
    struct spv_blockhash prev, header;
    struct spv_filter_header computed;
    struct spv_filter_hash hash;
    size_t n;

    (void)state;
    assert_int_equal(spv_block_parse(&block, bytes, unhex(bytes, sizeof bytes, hex)), 0);
    (void)unhex(script, sizeof script, spent_hex);
    (void)unhex(want, sizeof want, filter_hex);
    assert_int_equal(spv_blockhash_from_hex(&prev, prev_hex), 0);
    assert_int_equal(spv_blockhash_from_hex(&header, header_hex), 0);
    for (size_t n_spent = 0; n_spent <= 2; n_spent++) {
        const int rc = spv_filter_build_block(&built, &n, &block, spent, n_spent);
        assert_int_equal(rc, n_spent == 1 ? 0 : SPV_ERR_INVALID);
        if (rc != 0) {
            assert_null(built);
            continue;
        }
        assert_int_equal(n, sizeof want);
        assert_memory_equal(built, want, n);
        memcpy(computed.b, prev.b, 32);
        spv_filter_compute_hash(&hash, &(struct spv_filter){.bytes = built, .n = n});
        spv_filter_compute_header(&computed, &hash, &computed);
        assert_memory_equal(computed.b, header.b, 32);
        free(built);
    }
}

/* hash * range / 2^64, computed by hand with 32-bit halves (Python). */
static void hashes_map_to_values_below_the_range(void **state)
{
    static const struct {
        uint64_t hash, range, value;
    } cases[] = {
        {0, SPV_FILTER_M, 0},
        {UINT64_MAX, SPV_FILTER_M, SPV_FILTER_M - 1},
        {UINT64_C(0x8000000000000000), 2 * SPV_FILTER_M, SPV_FILTER_M},
        {UINT64_C(0x7fffffffffffffff), 2 * SPV_FILTER_M, SPV_FILTER_M - 1},
        {UINT64_MAX, UINT64_C(4294967295) * SPV_FILTER_M, UINT64_C(4294967295) * SPV_FILTER_M - 1},
        {UINT64_C(0x0123456789abcdef), UINT64_C(10000) * SPV_FILTER_M, UINT64_C(34885822)},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(spv_gcs_value(cases[i].hash, cases[i].range), cases[i].value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_survive_encoding_and_decoding),
        cmocka_unit_test(a_code_may_be_longer_than_any_register),
        cmocka_unit_test(a_value_out_of_range_is_refused),
        cmocka_unit_test(a_filter_cut_anywhere_is_refused),
        cmocka_unit_test(a_run_of_ones_without_end_is_refused),
        cmocka_unit_test(bytes_behind_the_last_element_are_refused),
        cmocka_unit_test(padding_bits_are_refused_by_the_check_and_tolerated_by_the_decoder),
        cmocka_unit_test(a_count_is_bounded_by_the_bytes_behind_it),
        cmocka_unit_test(equal_items_are_one_element_and_empty_ones_none),
        cmocka_unit_test(a_block_gives_its_known_filter_and_filter_header),
        cmocka_unit_test(hashes_map_to_values_below_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
