/* Hex, and the conversion between internal and display order. */
#include "support/unit.h"

#include "spv/error.h"
#include "spv/types.h"

#define GENESIS "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"

static void hashes_are_displayed_last_byte_first(void **state)
{
    struct spv_blockhash hash;
    struct spv_hash256 root = {{0}};
    char text[SPV_HASH_HEX];

    (void)state;
    assert_int_equal(spv_blockhash_from_hex(&hash, GENESIS), 0);
    assert_int_equal(hash.b[0], 0x6f);
    assert_int_equal(hash.b[31], 0x00);
    spv_blockhash_hex(text, &hash);
    assert_string_equal(text, GENESIS);

    root.b[0] = 0xab; /* the first byte in memory is the last two digits */
    spv_hash256_hex(text, &root);
    assert_string_equal(text + 60, "00ab");
    assert_string_equal(text, "00000000000000000000000000000000000000000000000000000000000000ab");
}

static void reads_both_cases_and_exactly_64_digits(void **state)
{
    struct spv_blockhash hash, upper;
    char text[70];

    (void)state;
    assert_int_equal(spv_blockhash_from_hex(&hash, GENESIS), 0);
    for (size_t i = 0; i <= 64; i++)
        text[i] = (char)(GENESIS[i] >= 'a' && GENESIS[i] <= 'f' ? GENESIS[i] - 32 : GENESIS[i]);
    assert_int_equal(spv_blockhash_from_hex(&upper, text), 0);
    assert_true(spv_blockhash_eq(&hash, &upper));

    assert_int_equal(spv_blockhash_from_hex(&hash, ""), SPV_ERR_MALFORMED);
    assert_int_equal(spv_blockhash_from_hex(&hash, &GENESIS[1]), SPV_ERR_MALFORMED);
    assert_int_equal(spv_blockhash_from_hex(&hash, GENESIS "0"), SPV_ERR_MALFORMED);
    assert_int_equal(spv_blockhash_from_hex(&hash, "0x" GENESIS), SPV_ERR_MALFORMED);
    for (size_t i = 0; i < 64; i++) {
        static const char wrong[] = {'g', 'G', ' ', '/', ':', '@', '`', '\x7f', '-'};
        for (size_t j = 0; j < sizeof wrong; j++) {
            memcpy(text, GENESIS, SPV_HASH_HEX);
            text[i] = wrong[j];
            assert_int_equal(spv_blockhash_from_hex(&hash, text), SPV_ERR_MALFORMED);
        }
    }
    assert_true(spv_blockhash_eq(&hash, &upper)); /* an error leaves the output unchanged */
}

static void different_hashes_are_not_equal(void **state)
{
    (void)state;
    for (size_t i = 0; i < 32; i++) {
        struct spv_blockhash zero = {{0}}, other = {{0}};
        assert_true(spv_blockhash_is_zero(&other));
        assert_true(spv_blockhash_eq(&zero, &other));
        other.b[i] = 1;
        assert_false(spv_blockhash_is_zero(&other));
        assert_false(spv_blockhash_eq(&zero, &other));
    }
}

static void reads_and_writes_numbers_most_significant_first(void **state)
{
    static const struct {
        const char *in;
        uint64_t w0, w3;
    } good[] = {
        {"0", 0, 0},
        {"0x0", 0, 0},
        {"100010001", UINT64_C(0x100010001), 0},
        {"0X7e007E007e0", UINT64_C(0x7e007e007e0), 0},
        {"8000000000000000000000000000000000000000000000000000000000000001", 1,
         UINT64_C(0x8000000000000000)},
    };
    static const char *const bad[] = {
        "",      "0x", "x1",
        "1x",    " 1", "-1",
        "0x0x1", "1 ", "00000000000000000000000000000000000000000000000000000000000000000"};
    struct spv_u256 x;
    char text[SPV_HASH_HEX];

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(spv_u256_from_hex(&x, good[i].in), 0);
        assert_true(x.w[0] == good[i].w0 && x.w[3] == good[i].w3 && x.w[1] == 0 && x.w[2] == 0);
    }
    spv_u256_hex(text, &x);
    assert_string_equal(text, good[COUNT(good) - 1].in);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(spv_u256_from_hex(&x, bad[i]), SPV_ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_displayed_last_byte_first),
        cmocka_unit_test(reads_both_cases_and_exactly_64_digits),
        cmocka_unit_test(different_hashes_are_not_equal),
        cmocka_unit_test(reads_and_writes_numbers_most_significant_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
