/* Bech32 and bech32m: checksums, grouping of bits, and the location of wrong values. */
#include "support/vectors.h"

#include "spv/error.h"
#include "spv/keys/bech32.h"
#include "support/random.h"

/* Splits a text at its last '1'; the values go to out. */
static size_t split(char hrp[SPV_BECH32_TEXT], uint8_t *out, const char *text)
{
    const size_t prefix = (size_t)(strrchr(text, '1') - text);
    size_t n = 0;
    for (size_t i = 0; i < prefix; i++)
        hrp[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    hrp[prefix] = '\0';
    for (const char *c = text + prefix + 1; *c; c++) {
        out[n] = spv_bech32_value(*c);
        assert_int_not_equal(out[n], SPV_BECH32_BAD);
        n++;
    }
    return n;
}

/* From BIP173 and BIP350. */
static const struct {
    const char *text;
    uint32_t constant;
} valid[] = {
    {"A12UEL5L", SPV_BECH32_CONST},
    {"a12uel5l", SPV_BECH32_CONST},
    {"an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
     SPV_BECH32_CONST},
    {"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", SPV_BECH32_CONST},
    {"split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w", SPV_BECH32_CONST},
    {"?1ezyfcl", SPV_BECH32_CONST},
    {"A1LQFN3A", SPV_BECH32M_CONST},
    {"a1lqfn3a", SPV_BECH32M_CONST},
    {"abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx", SPV_BECH32M_CONST},
    {"split1checkupstagehandshakeupstreamerranterredcaperredlc445v", SPV_BECH32M_CONST},
    {"?1v759aa", SPV_BECH32M_CONST},
};

static void checksums_of_the_bips_verify_and_are_made(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(valid); i++) {
        char hrp[SPV_BECH32_TEXT], out[SPV_BECH32_TEXT + 1];
        uint8_t values[SPV_BECH32_VALUES];
        const size_t n = split(hrp, values, valid[i].text);
        assert_int_equal(spv_bech32_remainder(hrp, values, n), valid[i].constant);
        assert_int_equal(spv_bech32_encode(out, hrp, values, n - SPV_BECH32_SUM, valid[i].constant),
                         0);
        for (size_t j = 0; out[j]; j++)
            assert_int_equal(out[j], valid[i].text[j] >= 'A' && valid[i].text[j] <= 'Z'
                                         ? valid[i].text[j] - 'A' + 'a'
                                         : valid[i].text[j]);
        assert_int_equal(strlen(out), strlen(valid[i].text));
    }
}

static void text_above_90_characters_is_not_made(void **state)
{
    static const uint8_t values[SPV_BECH32_VALUES];
    char out[SPV_BECH32_TEXT + 1];
    (void)state;
    assert_int_equal(spv_bech32_encode(out, "bc", values, 81, 1), 0);
    assert_int_equal(strlen(out), 90);
    assert_int_equal(spv_bech32_encode(out, "bc", values, 82, 1), SPV_ERR_TOO_LONG);
    assert_int_equal(spv_bech32_encode(out, "bc", values, SIZE_MAX, 1), SPV_ERR_TOO_LONG);
}

static void only_the_charset_has_values(void **state)
{
    static const char set[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    size_t known = 0;
    (void)state;
    for (int c = 0; c < 256; c++)
        known += spv_bech32_value((char)c) != SPV_BECH32_BAD;
    assert_int_equal(known, 32 + 23); /* each letter in both cases, nine digits */
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(spv_bech32_value(set[i]), i);
    assert_int_equal(spv_bech32_value('Q'), 0);
    assert_int_equal(spv_bech32_value('b'), SPV_BECH32_BAD);
    assert_int_equal(spv_bech32_value('1'), SPV_BECH32_BAD);
    assert_int_equal(spv_bech32_value('\0'), SPV_BECH32_BAD);
}

static void padding_is_less_than_five_zero_bits(void **state)
{
    static const uint8_t bytes[2] = {0xff, 0x01};
    uint8_t values[8], back[8];
    (void)state;
    assert_int_equal(spv_bech32_regroup(values, bytes, 2, 8, 5), 4);
    assert_memory_equal(values, ((uint8_t[]){31, 28, 0, 16}), 4);
    assert_int_equal(spv_bech32_regroup(back, values, 4, 5, 8), 2);
    assert_memory_equal(back, bytes, 2);
    values[3] |= 1; /* nonzero padding */
    assert_int_equal(spv_bech32_regroup(back, values, 4, 5, 8), SPV_ERR_MALFORMED);
    memset(values, 0, sizeof values);
    assert_int_equal(spv_bech32_regroup(back, values, 5, 5, 8), 3);
    assert_int_equal(spv_bech32_regroup(back, values, 6, 5, 8), SPV_ERR_MALFORMED); /* 6 bits */
    assert_int_equal(spv_bech32_regroup(back, values, 1, 5, 8), SPV_ERR_MALFORMED); /* 5 bits */
    assert_int_equal(spv_bech32_regroup(back, values, 0, 5, 8), 0);
}

/* The syndrome of errors at two positions of n values. */
static uint32_t syndrome_of(size_t n, size_t a, uint8_t e, size_t b, uint8_t f)
{
    uint8_t right[SPV_BECH32_VALUES] = {0}, wrong[SPV_BECH32_VALUES] = {0};
    wrong[a] ^= e;
    wrong[b] ^= f;
    return spv_bech32_remainder("bc", right, n) ^ spv_bech32_remainder("bc", wrong, n);
}

static void every_single_wrong_value_is_located(void **state)
{
    (void)state;
    for (size_t at = 0; at < SPV_BECH32_VALUES; at++)
        for (uint8_t e = 1; e < 32; e++) {
            struct spv_bech32_errors found;
            assert_int_equal(spv_bech32_locate(&found, syndrome_of(88, at, e, at, 0), 88), 0);
            assert_int_equal(found.n, 1);
            assert_int_equal(found.at[0], at);
            assert_int_equal(found.change[0], e);
        }
}

/* Every pair of positions. The code is linear over GF(32): a factor on both errors is a factor on
 * the syndrome, which the search divides out, so the first error takes two values only. */
static void every_pair_of_wrong_values_is_located(void **state)
{
    static const uint8_t first[] = {1, 22};
    (void)state;
    for (size_t a = 0; a < 59; a++)
        for (size_t b = a + 1; b < 59; b++)
            for (uint8_t f = 1; f < 32; f += (uint8_t)(4 + (a + b) % 3))
                for (size_t i = 0; i < COUNT(first); i++) {
                    struct spv_bech32_errors found;
                    const uint32_t s = syndrome_of(59, a, first[i], b, f);
                    assert_int_equal(spv_bech32_locate(&found, s, 59), 0);
                    assert_int_equal(found.n, 2);
                    assert_int_equal(found.at[0], a);
                    assert_int_equal(found.at[1], b);
                    assert_int_equal(found.change[0], first[i]);
                    assert_int_equal(found.change[1], f);
                }
}

static void more_than_two_wrong_values_are_rarely_explained_by_two(void **state)
{
    struct test_random r = {.state = 12};
    size_t unexplained = 0;
    (void)state;
    print_message("seed 12\n");
    for (size_t i = 0; i < 1000; i++) {
        struct spv_bech32_errors found;
        /* any 30 bits */
        unexplained += spv_bech32_locate(&found, (uint32_t)test_random_below(&r, 1u << 30), 39) ==
                       SPV_ERR_NOT_FOUND;
    }
    assert_true(unexplained > 990);
    /* one of the two lies before the first of 39 values */
    struct spv_bech32_errors none = {.n = 2};
    assert_int_equal(spv_bech32_locate(&none, syndrome_of(88, 43, 3, 67, 5), 39),
                     SPV_ERR_NOT_FOUND);
    assert_int_equal(spv_bech32_locate(&none, 0, 39), 0);
    assert_int_equal(none.n, 0);
    assert_int_equal(spv_bech32_locate(&none, 1, SPV_BECH32_VALUES + 1), SPV_ERR_TOO_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_of_the_bips_verify_and_are_made),
        cmocka_unit_test(text_above_90_characters_is_not_made),
        cmocka_unit_test(only_the_charset_has_values),
        cmocka_unit_test(padding_is_less_than_five_zero_bits),
        cmocka_unit_test(every_single_wrong_value_is_located),
        cmocka_unit_test(every_pair_of_wrong_values_is_located),
        cmocka_unit_test(more_than_two_wrong_values_are_rarely_explained_by_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
