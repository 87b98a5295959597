/* Operations of a script, and every form of the scripts that pay to a key or to bare multisig. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "spv/address.h"
#include "spv/error.h"
#include "util/hex.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define KEY "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"
#define KEY3 "03c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"
#define TAIL64                                                                                     \
    "1111111111111111111111111111111111111111111111111111111111111111"                             \
    "1111111111111111111111111111111111111111111111111111111111111111"
#define K "21" KEY
#define K5 K K K K K
#define K15 K5 K5 K5

static struct spv_bytes script_of(const char *hex)
{
    static uint8_t bytes[1024];
    const size_t n = strlen(hex) / 2;

    assert_true(n <= sizeof bytes);
    assert_int_equal(spv_hex_decode(bytes, n, hex), 0);
    return (struct spv_bytes){.bytes = bytes, .n = n};
}

static bool is_kind(const char *hex, enum spv_script_kind kind)
{
    const struct spv_bytes script = script_of(hex);
    struct spv_script_info info;

    return spv_script_classify(&info, script.bytes, script.n) == kind;
}

static void reads_each_operation_with_its_data(void **state)
{
    static const struct {
        uint8_t opcode;
        size_t n;
    } expected[] = {{0, 0}, {2, 2}, {0x4c, 1}, {0x4d, 2}, {0x4e, 3}, {0x60, 0}, {0x87, 0}};
    const struct spv_bytes script = script_of("0002aabb4c01cc4d0200ddee4e030000001122336087");
    struct spv_script_iter iter = spv_script_ops(script.bytes, script.n);
    struct spv_script_op op;

    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_int_equal(spv_script_next_op(&iter, &op), 1);
        assert_int_equal(op.opcode, expected[i].opcode);
        assert_int_equal(op.data.n, expected[i].n);
    }
    op.opcode = 99;
    assert_int_equal(spv_script_next_op(&iter, &op), 0);
    assert_int_equal(op.opcode, 99);
}

static void truncated_push_ends_the_script(void **state)
{
    static const char *const truncated[] = {"01",       "03aabb",     "4b00",        "4c",
                                            "4c02aa",   "4d",         "4d01",        "4d0100",
                                            "4e010000", "4e01000000", "4effffffff00"};

    (void)state;
    for (size_t i = 0; i < COUNT(truncated); i++) {
        const struct spv_bytes script = script_of(truncated[i]);
        struct spv_script_iter iter = spv_script_ops(script.bytes, script.n);
        struct spv_script_op op;
        assert_int_equal(spv_script_next_op(&iter, &op), SPV_ERR_SHORT);
        assert_int_equal(spv_script_next_op(&iter, &op), 0);
    }
}

static void finds_pay_to_pubkey(void **state)
{
    static const struct {
        const char *script;
        bool is;
    } cases[] = {
        {K "ac", true},
        {"21" KEY3 "ac", true},
        {"4104" TAIL64 "ac", true},
        {"4106" TAIL64 "ac", true},
        {"4107" TAIL64 "ac", true},
        {"4105" TAIL64 "ac", false},
        {"4102" TAIL64 "ac", false}, /* first byte of a compressed key */
        {"2104c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5ac", false},
        {"4c" K "ac", false}, /* not a direct push */
        {K, false},
        {K "ae", false},
        {K "acac", false},
        {"51ac", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (is_kind(cases[i].script, SPV_SCRIPT_P2PK) != cases[i].is)
            fail_msg("%s", cases[i].script);
}

static void finds_bare_multisig(void **state)
{
    static const struct {
        const char *script;
        bool is;
    } cases[] = {
        {"51" K "51ae", true},
        {"52" K K "52ae", true},
        {"51" K "4104" TAIL64 "52ae", true},
        {"514c" K "51ae", true}, /* a key may be pushed in any way */
        {"60" K15 K "60ae", true},
        {"0111" K15 K K "0111ae", true}, /* 17 of 17: a push of one byte */
        {"51" K15 K5 "0114ae", true},
        {"51" K15 K5 K "0115ae", false}, /* at most 20 keys */
        {"0110" K15 K "60ae", false}, /* 16 has an opcode */
        {"4c0111" K15 K K "0111ae", false},
        {"53" K K "52ae", false}, /* 3 of 2 */
        {"51" K K "51ae", false}, /* two keys, 1 claimed */
        {"51" K "52ae", false},
        {"00" K "51ae", false},
        {"5151ae", false},
        {"510051ae", false}, /* no key */
        {"51" K "51ac", false},
        {"51" K "51", false},
        {"51" K "51aeae", false},
        {"51" K, false},
        {"51", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (is_kind(cases[i].script, SPV_SCRIPT_MULTISIG) != cases[i].is)
            fail_msg("%s", cases[i].script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each_operation_with_its_data),
        cmocka_unit_test(truncated_push_ends_the_script),
        cmocka_unit_test(finds_pay_to_pubkey),
        cmocka_unit_test(finds_bare_multisig),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
