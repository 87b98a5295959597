/* Base58 and Base58Check in both directions. */
#include "support/vectors.h"

#include "spv/error.h"
#include "spv/keys/base58.h"

static const struct {
    const char *hex, *text;
} pairs[] = {
    {"", ""},
    {"00", "1"},
    {"0000", "11"},
    {"61", "2g"},
    {"39", "z"},
    {"3a", "21"},
    {"00eb15231dfceb60925886b67d065299925915aeb172c06647", "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L"},
    {"516b6fcd0f", "ABnLTmg"},
    {"00000000000000000000", "1111111111"},
    {"ffffffffffffffffffffffffffffffff", "YcVfxkQb6JRzqk5kF2tNLv"},
};

static void check_pair(const char *hex, const char *text)
{
    uint8_t bytes[SPV_BASE58_BYTES], back[SPV_BASE58_BYTES];
    char out[SPV_BASE58_TEXT];
    size_t bad_at = 0;
    const size_t n = unhex(bytes, sizeof bytes, hex);
    assert_int_equal(spv_base58_encode(out, bytes, n), strlen(text));
    assert_string_equal(out, text);
    assert_int_equal(spv_base58_decode(back, text, strlen(text), &bad_at), n);
    assert_memory_equal(back, bytes, n);
}

static void base58_converts_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++)
        check_pair(pairs[i].hex, pairs[i].text);
}

static void base58_vectors_convert_both_ways(void **state)
{
    json_t *all = vector_json("base58_encode_decode.json");
    (void)state;
    if (!all)
        skip();
    assert_int_equal(json_array_size(all), 14);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *row = json_array_get(all, i);
        check_pair(vector_text(row, 0), vector_text(row, 1));
    }
    json_decref(all);
}

static void base58_names_the_first_character_outside_its_alphabet(void **state)
{
    static const struct {
        const char *text;
        size_t bad_at;
    } cases[] = {{"0", 0},   {"1O", 1},  {"11I", 2},      {"2gl", 2},
                 {" 2g", 0}, {"2g ", 2}, {"a\xc3\xa0", 1}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t out[SPV_BASE58_BYTES];
        size_t bad_at = 99;
        assert_int_equal(spv_base58_decode(out, cases[i].text, strlen(cases[i].text), &bad_at),
                         SPV_ERR_TEXT_CHARACTER);
        assert_int_equal(bad_at, cases[i].bad_at);
    }
    /* NUL is no character of the alphabet, although strchr finds the terminator. */
    uint8_t out[SPV_BASE58_BYTES];
    size_t bad_at = 99;
    assert_int_equal(spv_base58_decode(out, "2\0g", 3, &bad_at), SPV_ERR_TEXT_CHARACTER);
    assert_int_equal(bad_at, 1);
}

static void base58_is_bounded(void **state)
{
    static const uint8_t zeros[SPV_BASE58_BYTES + 1];
    uint8_t full[SPV_BASE58_BYTES], back[SPV_BASE58_BYTES];
    char text[SPV_BASE58_TEXT], ones[SPV_BASE58_TEXT + 8];
    size_t bad_at = 0;
    (void)state;
    memset(full, 0xff, sizeof full);
    const int n = spv_base58_encode(text, full, sizeof full);
    assert_true(n > 0 && n < SPV_BASE58_TEXT);
    assert_int_equal(spv_base58_decode(back, text, (size_t)n, &bad_at), sizeof full);
    assert_memory_equal(back, full, sizeof full);
    assert_int_equal(spv_base58_encode(text, zeros, sizeof zeros), SPV_ERR_TOO_LONG);
    assert_int_equal(spv_base58check_encode(text, zeros, SPV_BASE58_BYTES - 3), SPV_ERR_TOO_LONG);
    memset(ones, '1', sizeof ones);
    assert_int_equal(spv_base58_decode(back, ones, SPV_BASE58_BYTES, &bad_at), SPV_BASE58_BYTES);
    assert_int_equal(spv_base58_decode(back, ones, SPV_BASE58_BYTES + 1, &bad_at),
                     SPV_ERR_TOO_LONG);
    memset(ones, 'z', sizeof ones);
    assert_int_equal(spv_base58_decode(back, ones, SPV_BASE58_TEXT - 1, &bad_at), SPV_ERR_TOO_LONG);
    assert_int_equal(spv_base58_decode(back, ones, sizeof ones, &bad_at), SPV_ERR_TOO_LONG);
}

static void base58check_verifies_its_four_bytes(void **state)
{
    static const char good[] = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2";
    uint8_t out[SPV_BASE58_BYTES];
    char text[SPV_BASE58_TEXT];
    size_t bad_at = 0;
    (void)state;
    assert_int_equal(spv_base58check_decode(out, good, strlen(good), &bad_at), 21);
    assert_int_equal(spv_base58check_encode(text, out, 21), strlen(good));
    assert_string_equal(text, good);
    for (size_t i = 0; i < strlen(good); i++) {
        memcpy(text, good, sizeof good);
        text[i] = text[i] == '2' ? '3' : '2';
        const int got = spv_base58check_decode(out, text, strlen(good), &bad_at);
        assert_int_equal(got, SPV_ERR_TEXT_CHECKSUM);
    }
    assert_int_equal(spv_base58check_decode(out, "111", 3, &bad_at), SPV_ERR_TEXT_CHECKSUM);
    assert_int_equal(spv_base58check_decode(out, "", 0, &bad_at), SPV_ERR_TEXT_CHECKSUM);
    /* the checksum of nothing */
    assert_int_equal(spv_base58check_decode(out, "3QJmnh", 6, &bad_at), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base58_converts_both_ways),
        cmocka_unit_test(base58_vectors_convert_both_ways),
        cmocka_unit_test(base58_names_the_first_character_outside_its_alphabet),
        cmocka_unit_test(base58_is_bounded),
        cmocka_unit_test(base58check_verifies_its_four_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
