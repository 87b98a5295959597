/* 256-bit arithmetic, compact bits and work. The quotients were computed apart, with Python's
 * integers; the compact vectors are those that Bitcoin Core publishes for arith_uint256. */
#include "support/unit.h"

#include <stdio.h>

#include "spv/error.h"
#include "util/u256.h"

static struct spv_u256 number(const char *hex)
{
    struct spv_u256 x;

    assert_int_equal(spv_u256_from_hex(&x, hex), 0);
    return x;
}

static void equals(struct spv_u256 x, const char *hex)
{
    struct spv_u256 y = number(hex);
    char text[SPV_HASH_HEX];

    spv_u256_hex(text, &x);
    if (spv_u256_cmp(&x, &y) != 0)
        fail_msg("%s is not %s", text, hex);
}

#define MAX "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void adds_and_subtracts_modulo_two_to_256(void **state)
{
    static const struct {
        const char *a, *b, *sum;
    } cases[] = {
        {"0", "0", "0"},
        {"1", "2", "3"},
        {"ffffffffffffffff", "1", "10000000000000000"},
        {"ffffffffffffffffffffffffffffffff", "1", "100000000000000000000000000000000"},
        {"ffffffffffffffffffffffffffffffffffffffffffffffff", "1",
         "1000000000000000000000000000000000000000000000000"},
        {MAX, "1", "0"},
        {MAX, MAX, "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"},
        {"ffffffffffffffff0000000000000000", "ffffffffffffffffffffffffffffffff",
         "1fffffffffffffffeffffffffffffffff"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_u256 a = number(cases[i].a), b = number(cases[i].b);
        struct spv_u256 sum = spv_u256_add(&a, &b);
        equals(sum, cases[i].sum);
        equals(spv_u256_sub(&sum, &b), cases[i].a);
        equals(spv_u256_sub(&sum, &a), cases[i].b);
    }
}

static void multiplies_and_divides_by_32_bits(void **state)
{
    static const struct {
        const char *x;
        uint32_t m;
        const char *product, *quotient;
    } cases[] = {
        {"0", 7, "0", "0"},
        {"ffffffffffffffff", UINT32_MAX, "fffffffeffffffff00000001", "100000001"},
        {MAX, 1, MAX, MAX},
        {MAX, UINT32_MAX, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff00000001",
         "100000001000000010000000100000001000000010000000100000001"},
        {"ffff0000000000000000000000000000000000000000000000000000", 1209600,
         "1274ed8b000000000000000000000000000000000000000000000000000000",
         "ddeadeadeadeadeadeadeadeadeadeadeadeadeadeadeadeade"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_u256 x = number(cases[i].x);
        equals(spv_u256_mul_u32(&x, cases[i].m), cases[i].product);
        equals(spv_u256_div_u32(&x, cases[i].m), cases[i].quotient);
    }
}

static void divides_numbers_of_any_length(void **state)
{
    static const struct {
        const char *a, *b, *quotient;
    } cases[] = {
        {"0", "1", "0"},
        {"5", "6", "0"},
        {"6", "6", "1"},
        {MAX, "1", MAX},
        {MAX, MAX, "1"},
        {MAX, "2", "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
        {"d23f0824128b2f330c5c7fd0a6a3a4506513270e269e0d37f2a74de452e6b438",
         "3681e74ef5e8e25d940ed904759531985d5d9dc9f81818e811", "3db719fad1cd8f7"},
        {"8d116ece1738f7d93d9c172411e20b8f6b0d549b6f03675a1600a35a099950d8",
         "190c192cfd3ac94af0f21ddb6", "5a1cfcf965be9ce33fe9c18c67c8ad4a7c511d1b"},
        {"93bd04cf0fd630f1f29d0da9953f48f1a09f76b5a170b33839263059f28c105d",
         "db8e81973e0becd7b03898d190f9ebdacc0cb1e29c658cda14", "ac42c7623ecef4"},
        {"4ef8aa38922766581e27a1c08a6a63ec24ede6a46b4cb2424a23d5962217bead",
         "a3923a736994e3bf911a61dbe22e44158bae97ba94d0eda82f", "7b9872bdd64709"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_u256 a = number(cases[i].a), b = number(cases[i].b);
        equals(spv_u256_div(&a, &b), cases[i].quotient);
    }
}

static void shifts_by_every_distance_are_reversible(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 256; n++) {
        struct spv_u256 one = spv_u256_from_u64(1);
        struct spv_u256 x = spv_u256_shl(&one, n);
        assert_int_equal(spv_u256_bits(&x), n + 1);
        assert_true(x.w[n / 64] == UINT64_C(1) << (n % 64));
        equals(spv_u256_shr(&x, n), "1");
        equals(spv_u256_shr(&x, n + 1), "0");
    }
    struct spv_u256 x = number(MAX), zero = spv_u256_from_u64(0);
    equals(spv_u256_shl(&x, 256), "0");
    equals(spv_u256_shr(&x, 256), "0");
    equals(spv_u256_shl(&x, 252),
           "f000000000000000000000000000000000000000000000000000000000000000");
    equals(spv_u256_shr(&x, 60), "fffffffffffffffffffffffffffffffffffffffffffffffff");
    assert_int_equal(spv_u256_bits(&zero), 0);
    equals(spv_u256_not(&zero), MAX);
}

static void compares_by_the_highest_word_that_differs(void **state)
{
    struct spv_u256 a = {{9, 0, 0, 1}}, b = {{0, 9, 9, 1}}, c = {{9, 9, 9, 0}};

    (void)state;
    assert_int_equal(spv_u256_cmp(&a, &b), -1);
    assert_int_equal(spv_u256_cmp(&b, &a), 1);
    assert_int_equal(spv_u256_cmp(&c, &a), -1);
    assert_int_equal(spv_u256_cmp(&a, &a), 0);
    for (size_t i = 0; i < 4; i++) {
        struct spv_u256 x = {{0}};
        assert_true(spv_u256_is_zero(&x));
        x.w[i] = 1;
        assert_false(spv_u256_is_zero(&x));
    }
}

static void reads_and_writes_bytes_in_both_orders(void **state)
{
    uint8_t bytes[32], back[32];
    struct spv_u256 x;

    (void)state;
    for (size_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(i + 1);
    x = spv_u256_from_be(bytes);
    equals(x, "102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20");
    spv_u256_to_be(back, &x);
    assert_memory_equal(back, bytes, 32);
    equals(spv_u256_from_le(bytes),
           "201f1e1d1c1b1a191817161514131211100f0e0d0c0b0a090807060504030201");
}

static void compact_bits_are_decoded_as_by_bitcoin_core(void **state)
{
    static const struct {
        uint32_t bits;
        const char *target; /* NULL: zero, negative or overflowing */
        uint32_t back;
    } cases[] = {
        {0, NULL, 0},
        {0x00123456, NULL, 0},
        {0x01003456, NULL, 0},
        {0x02000056, NULL, 0},
        {0x03000000, NULL, 0},
        {0x04000000, NULL, 0},
        {0x00923456, NULL, 0},
        {0x01803456, NULL, 0},
        {0x02800056, NULL, 0},
        {0x03800000, NULL, 0},
        {0x04800000, NULL, 0},
        {0x01123456, "12", 0x01120000},
        {0x01fedcba, NULL, 0}, /* negative */
        {0x02123456, "1234", 0x02123400},
        {0x03123456, "123456", 0x03123456},
        {0x04123456, "12345600", 0x04123456},
        {0x04923456, NULL, 0}, /* negative */
        {0x05009234, "92340000", 0x05009234},
        {0x20123456, "1234560000000000000000000000000000000000000000000000000000000000",
         0x20123456},
        {0xff123456, NULL, 0}, /* overflow */
        /* The edges of overflow: one, two and three bytes of mantissa. */
        {0x220000ff, "ff00000000000000000000000000000000000000000000000000000000000000",
         0x2100ff00},
        {0x22000100, NULL, 0},
        {0x2100ffff, "ffff000000000000000000000000000000000000000000000000000000000000",
         0x2100ffff},
        {0x21010000, NULL, 0},
        {0x23000001, NULL, 0},
        {0x207fffff, "7fffff0000000000000000000000000000000000000000000000000000000000",
         0x207fffff},
        {0x1d00ffff, "ffff0000000000000000000000000000000000000000000000000000", 0x1d00ffff},
        {0x1b0404cb, "404cb000000000000000000000000000000000000000000000000", 0x1b0404cb},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_u256 target;
        int rc = spv_target_from_bits(&target, cases[i].bits);
        if (!cases[i].target) {
            if (rc != SPV_ERR_HDR_BITS_MALFORMED)
                fail_msg("accepted bits %08x", (unsigned)cases[i].bits);
            continue;
        }
        assert_int_equal(rc, 0);
        equals(target, cases[i].target);
        assert_int_equal(spv_bits_from_target(&target), cases[i].back);
    }
}

static void sign_bit_of_encoded_compact_bits_is_clear(void **state)
{
    struct spv_u256 x = spv_u256_from_u64(0x80);

    (void)state;
    assert_int_equal(spv_bits_from_target(&x), 0x02008000); /* not 0x01800000 */
    x = spv_u256_from_u64(0x7f);
    assert_int_equal(spv_bits_from_target(&x), 0x017f0000);
    x = spv_u256_from_u64(0);
    assert_int_equal(spv_bits_from_target(&x), 0);
    x = number(MAX);
    assert_int_equal(spv_bits_from_target(&x), 0x2100ffff);
}

static void work_is_the_expected_number_of_hashes(void **state)
{
    static const struct {
        uint32_t bits;
        const char *work;
    } cases[] = {
        {0x1d00ffff, "100010001"},
        {0x1d00d86a, "12ed3afd2"},
        {0x1b0404cb, "3fb3ab764c00"},
        {0x207fffff, "2"},
        {0x1e0377ae, "49d414"}, /* signet's limit */
        {0x17034219, "4e9235f043634662e0cb"},
    };
    struct spv_u256 target;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(spv_target_from_bits(&target, cases[i].bits), 0);
        equals(spv_work_from_target(&target), cases[i].work);
    }
    target = spv_u256_from_u64(0);
    equals(spv_work_from_target(&target), "0"); /* 2^256 does not fit; no bits give this target */
    target = spv_u256_from_u64(1);
    equals(spv_work_from_target(&target),
           "8000000000000000000000000000000000000000000000000000000000000000");
    target = number(MAX);
    equals(spv_work_from_target(&target), "1");
}

/* 2,016 blocks at the first difficulty, then 14 more periods of it: the sums at real checkpoints.
 */
static void sums_of_work_equal_the_chain_work_at_checkpoints(void **state)
{
    struct spv_u256 target, each, sum;

    (void)state;
    assert_int_equal(spv_target_from_bits(&target, 0x1d00ffff), 0);
    each = spv_work_from_target(&target);
    sum = spv_u256_mul_u32(&each, 2016);
    equals(sum, "7e007e007e0");
    sum = spv_u256_mul_u32(&each, 32256);
    equals(sum, "7e007e007e00");
    assert_int_equal(spv_target_from_bits(&target, 0x1d00d86a), 0);
    each = spv_work_from_target(&target);
    each = spv_u256_mul_u32(&each, 2016);
    equals(spv_u256_add(&sum, &each), "8751410913c0");
}

/* The first real retarget, at height 32256: 2,015 intervals took less than twelve days. */
static void retarget_arithmetic_matches_the_bits_of_height_32256(void **state)
{
    const uint32_t first = 1261130161, last = 1262152739; /* times of 30240 and 32255 */
    struct spv_u256 target;

    (void)state;
    assert_int_equal(spv_target_from_bits(&target, 0x1d00ffff), 0);
    target = spv_u256_mul_u32(&target, last - first);
    target = spv_u256_div_u32(&target, 1209600);
    assert_int_equal(spv_bits_from_target(&target), 0x1d00d86a);
}

static void a_hash_meets_its_target_up_to_equality(void **state)
{
    struct spv_u256 target = number("ffff00"), more = number("ffff01"), less = number("fffeff");
    uint8_t hash[32] = {0x00, 0xff, 0xff};

    (void)state;
    assert_true(spv_hash_meets(hash, &target));
    assert_true(spv_hash_meets(hash, &more));
    assert_false(spv_hash_meets(hash, &less));
    hash[31] = 1; /* the last byte is the most significant */
    assert_false(spv_hash_meets(hash, &target));
}

/* Every row of the list of period starts: a period is 2,016 blocks of one work each. */
static void chain_work_of_the_published_list_adds_up(void **state)
{
    const char *folder = getenv("SPV_TEST_DATA");
    char path[4096], line[512];
    struct spv_u256 each = {{0}}, sum = {{0}};
    unsigned long rows = 0;

    (void)state;
    if (!folder) {
        print_message("SPV_TEST_DATA is not set: the list of chain work is not there to check\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/checkpoints/mainnet-headers.csv", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    /* Row k is height 2016(k+1): its bits are those of the 2,015 blocks after it. */
    struct spv_u256 target = {{0}};
    assert_int_equal(spv_target_from_bits(&target, 0x1d00ffff), 0);
    each = spv_work_from_target(&target);
    sum = each; /* genesis */
    while (fgets(line, sizeof line, file)) {
        char *work = strchr(line, ',') + 1;
        char *header = strchr(work, ',');
        uint8_t bits[4];

        *header++ = '\0';
        header[152] = '\0'; /* bits: bytes 72..75 */
        unhex(bits, 4, header + 144);
        struct spv_u256 rest = spv_u256_mul_u32(&each, 2015);
        sum = spv_u256_add(&sum, &rest);
        assert_int_equal(spv_target_from_bits(&target, (uint32_t)bits[0] | (uint32_t)bits[1] << 8 |
                                                           (uint32_t)bits[2] << 16 |
                                                           (uint32_t)bits[3] << 24),
                         0);
        each = spv_work_from_target(&target);
        sum = spv_u256_add(&sum, &each);
        equals(sum, work);
        rows++;
    }
    fclose(file);
    print_message("%lu periods add up\n", rows);
    assert_true(rows > 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_and_subtracts_modulo_two_to_256),
        cmocka_unit_test(multiplies_and_divides_by_32_bits),
        cmocka_unit_test(divides_numbers_of_any_length),
        cmocka_unit_test(shifts_by_every_distance_are_reversible),
        cmocka_unit_test(compares_by_the_highest_word_that_differs),
        cmocka_unit_test(reads_and_writes_bytes_in_both_orders),
        cmocka_unit_test(compact_bits_are_decoded_as_by_bitcoin_core),
        cmocka_unit_test(sign_bit_of_encoded_compact_bits_is_clear),
        cmocka_unit_test(work_is_the_expected_number_of_hashes),
        cmocka_unit_test(sums_of_work_equal_the_chain_work_at_checkpoints),
        cmocka_unit_test(retarget_arithmetic_matches_the_bits_of_height_32256),
        cmocka_unit_test(a_hash_meets_its_target_up_to_equality),
        cmocka_unit_test(chain_work_of_the_published_list_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
