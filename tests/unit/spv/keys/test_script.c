/* Kinds of output scripts, and the operations of a script. */
#include "support/vectors.h"

#include "spv/address.h"
#include "spv/error.h"

#define KEY "023bf77c72f10eeb1a3ff68b0dc0dc4a3fcf199aa21b944a21fdf87e349bd4756e"
#define KEY2 "03786ace6ae27c4b60f6361b7c160f7a043153a74e6cc11db81e5b2fdc9e47d3a2"
#define LONG_KEY                                                                                   \
    "0496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da7589379515d4e0a604f81417" \
    "8"                                                                                            \
    "1e62294721166bf621e73a82cbf2342c858ee"
#define HASH20 "f1b0f3bc78b8c898247a709e73a6497c53bf2d7d"
#define HASH32 "396b0d7d45dfcc34f779a70586134d52bc8e7d87c03ea4acf9807d5d2065afca"

static const struct {
    const char *script;
    enum spv_script_kind kind;
} scripts[] = {
    {"", SPV_SCRIPT_NONSTANDARD},
    {"21" KEY "ac", SPV_SCRIPT_P2PK},
    {"41" LONG_KEY "ac", SPV_SCRIPT_P2PK},
    {"2105dccfc8076030b6df3f05ac9761f50ee385d7cdb99d5208d351177766260436dfac",
     SPV_SCRIPT_NONSTANDARD},
    {"21" KEY "ad", SPV_SCRIPT_NONSTANDARD},
    {"4c21" KEY "ac", SPV_SCRIPT_NONSTANDARD}, /* not pushed minimally */
    {"2104" HASH32 "ac", SPV_SCRIPT_NONSTANDARD}, /* 33 bytes that begin like 65 */
    {"76a914" HASH20 "88ac", SPV_SCRIPT_P2PKH},
    {"76a914" HASH20 "88ad", SPV_SCRIPT_NONSTANDARD},
    {"76a914" HASH20 "87ac", SPV_SCRIPT_NONSTANDARD},
    {"76a914" HASH20 "88ac00", SPV_SCRIPT_NONSTANDARD},
    {"a914" HASH20 "87", SPV_SCRIPT_P2SH},
    {"a914" HASH20 "88", SPV_SCRIPT_NONSTANDARD},
    {"a915" HASH20 "87", SPV_SCRIPT_NONSTANDARD},
    {"0014" HASH20, SPV_SCRIPT_P2WPKH},
    {"0020" HASH32, SPV_SCRIPT_P2WSH},
    {"0015" HASH20 "00", SPV_SCRIPT_NONSTANDARD},
    {"00024e73", SPV_SCRIPT_NONSTANDARD},
    {"5120" HASH32, SPV_SCRIPT_P2TR},
    {"511f" HASH20 "0011223344556677889900", SPV_SCRIPT_WITNESS_UNKNOWN},
    {"5220" HASH32, SPV_SCRIPT_WITNESS_UNKNOWN},
    {"6020" HASH32, SPV_SCRIPT_WITNESS_UNKNOWN},
    {"6120" HASH32, SPV_SCRIPT_NONSTANDARD},
    {"5020" HASH32, SPV_SCRIPT_NONSTANDARD},
    {"51024e73", SPV_SCRIPT_P2A},
    {"51024e74", SPV_SCRIPT_WITNESS_UNKNOWN},
    {"51034e7300", SPV_SCRIPT_WITNESS_UNKNOWN},
    {"52024e73", SPV_SCRIPT_WITNESS_UNKNOWN},
    {"51014e", SPV_SCRIPT_NONSTANDARD}, /* one byte is no program */
    {"5128" HASH32 "0011223344556677", SPV_SCRIPT_WITNESS_UNKNOWN},
    {"5129" HASH32 "001122334455667788", SPV_SCRIPT_NONSTANDARD},
    {"5120" HASH32 "00", SPV_SCRIPT_NONSTANDARD},
    {"6a", SPV_SCRIPT_OP_RETURN},
    {"6a51", SPV_SCRIPT_OP_RETURN},
    {"6a60", SPV_SCRIPT_OP_RETURN},
    {"6a61", SPV_SCRIPT_NONSTANDARD},
    {"6a0461626364", SPV_SCRIPT_OP_RETURN},
    {"6a0261", SPV_SCRIPT_NONSTANDARD}, /* cut */
    {"6a4c", SPV_SCRIPT_NONSTANDARD},
    {"6a4d0100", SPV_SCRIPT_NONSTANDARD},
    {"6a4d0100ff", SPV_SCRIPT_OP_RETURN},
    {"6a4e01000000ff", SPV_SCRIPT_OP_RETURN},
    {"5121" KEY "51ae", SPV_SCRIPT_MULTISIG},
    {"5121" KEY "21" KEY2 "52ae", SPV_SCRIPT_MULTISIG},
    {"5141" LONG_KEY "21" KEY2 "52ae", SPV_SCRIPT_MULTISIG},
    {"514c21" KEY "51ae", SPV_SCRIPT_MULTISIG}, /* keys may be pushed in any way */
    {"5221" KEY "51ae", SPV_SCRIPT_NONSTANDARD},
    {"5121" KEY "52ae", SPV_SCRIPT_NONSTANDARD},
    {"0021" KEY "51ae", SPV_SCRIPT_NONSTANDARD},
    {"5121" KEY "51af", SPV_SCRIPT_NONSTANDARD},
    {"5121" KEY "5151ae", SPV_SCRIPT_NONSTANDARD},
    {"5100ae", SPV_SCRIPT_NONSTANDARD},
    {"ae", SPV_SCRIPT_NONSTANDARD},
    {"4dff", SPV_SCRIPT_NONSTANDARD},
};

static void each_script_has_its_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(scripts); i++) {
        uint8_t script[256];
        struct spv_script_info info;
        const size_t n = unhex(script, sizeof script, scripts[i].script);
        if (spv_script_classify(&info, script, n) != scripts[i].kind)
            fail_msg("%s is %s", scripts[i].script, spv_script_kind_name(info.kind));
        assert_int_equal(info.kind, scripts[i].kind);
    }
}

static void classification_finds_hash_program_and_key(void **state)
{
    static const struct {
        const char *script, *data;
        unsigned version;
    } cases[] = {
        {"21" KEY "ac", KEY, 0},         {"76a914" HASH20 "88ac", HASH20, 0},
        {"a914" HASH20 "87", HASH20, 0}, {"0014" HASH20, HASH20, 0},
        {"5120" HASH32, HASH32, 1},      {"51024e73", "4e73", 1},
        {"6020" HASH32, HASH32, 16},     {"6a51", "", 0},
        {"0015" HASH20 "00", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t script[256], data[256];
        struct spv_script_info info;
        const size_t n = unhex(script, sizeof script, cases[i].script);
        const size_t want = unhex(data, sizeof data, cases[i].data);
        (void)spv_script_classify(&info, script, n);
        assert_int_equal(info.data.n, want);
        if (want > 0)
            assert_memory_equal(info.data.bytes, data, want);
        assert_int_equal(info.witness_version, cases[i].version);
        assert_int_equal(info.n_keys, 0);
    }
}

/* m of n with compressed keys, counts above 16 as pushes of one byte. */
static size_t multisig(uint8_t *out, unsigned m, unsigned n)
{
    size_t len = 0;
    for (int i = 0; i < 2; i++) {
        const unsigned count = i == 0 ? m : n;
        if (count > 16)
            out[len++] = 1;
        out[len++] = (uint8_t)(count > 16 ? count : 0x50 + count);
        for (unsigned k = 0; i == 0 && k < n; k++) {
            out[len++] = 33;
            memset(out + len, 2, 33);
            len += 33;
        }
    }
    out[len++] = 0xae;
    return len;
}

static void multisig_has_at_most_20_keys_and_a_threshold_of_at_most_all(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 21; n++)
        for (unsigned m = 1; m <= 21; m++) {
            uint8_t script[1024];
            struct spv_script_info info;
            const size_t len = multisig(script, m, n);
            const bool is_multisig = spv_script_classify(&info, script, len) == SPV_SCRIPT_MULTISIG;
            assert_int_equal(is_multisig, n <= 20 && m <= n);
            assert_int_equal(info.threshold, is_multisig ? m : 0);
            assert_int_equal(info.n_keys, is_multisig ? n : 0);
        }
    /* a count up to 16 must be an opcode, not a push */
    uint8_t script[64];
    struct spv_script_info info;
    const size_t n = unhex(script, sizeof script, "010121" KEY "51ae");
    assert_int_equal(spv_script_classify(&info, script, n), SPV_SCRIPT_NONSTANDARD);
}

static void operations_are_read_one_after_the_other(void **state)
{
    uint8_t script[64];
    struct spv_script_op op;
    const size_t n = unhex(script, sizeof script, "0002aabb4c01cc4d0100dd4e00000000ac");
    struct spv_script_iter iter = spv_script_ops(script, n);
    static const struct {
        uint8_t opcode;
        size_t n;
        uint8_t first;
    } want[] = {{0, 0, 0},       {2, 2, 0xaa}, {0x4c, 1, 0xcc},
                {0x4d, 1, 0xdd}, {0x4e, 0, 0}, {0xac, 0, 0}};
    (void)state;
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_int_equal(spv_script_next_op(&iter, &op), 1);
        assert_int_equal(op.opcode, want[i].opcode);
        assert_int_equal(op.data.n, want[i].n);
        if (op.data.n > 0)
            assert_int_equal(op.data.bytes[0], want[i].first);
    }
    assert_int_equal(spv_script_next_op(&iter, &op), 0);
    assert_int_equal(spv_script_next_op(&iter, &op), 0);
}

static void cut_push_ends_the_script(void **state)
{
    static const char *const cut[] = {"01",   "02aa",     "4b",       "4c",         "4c02aa",
                                      "4d01", "4d0200aa", "4e000000", "4effffffff", "4e01000000"};
    (void)state;
    for (size_t i = 0; i < COUNT(cut); i++) {
        struct spv_script_op op;
        const size_t n = strlen(cut[i]) / 2;
        uint8_t *exact = malloc(n); /* so that a read past the end is seen */
        assert_non_null(exact);
        (void)unhex(exact, n, cut[i]);
        struct spv_script_iter iter = spv_script_ops(exact, n);
        assert_int_equal(spv_script_next_op(&iter, &op), SPV_ERR_SHORT);
        assert_int_equal(spv_script_next_op(&iter, &op), 0);
        free(exact);
    }
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(spv_script_kind_name(SPV_SCRIPT_NONSTANDARD), "nonstandard");
    assert_string_equal(spv_script_kind_name(SPV_SCRIPT_P2A), "p2a");
    assert_string_equal(spv_script_kind_name(SPV_SCRIPT_WITNESS_UNKNOWN), "witness_unknown");
    assert_string_equal(spv_script_kind_name(SPV_SCRIPT_OP_RETURN), "op_return");
    assert_string_equal(spv_script_kind_name((enum spv_script_kind)SPV_SCRIPT_KINDS), "unknown");
    assert_string_equal(spv_script_kind_name((enum spv_script_kind) - 1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_script_has_its_kind),
        cmocka_unit_test(classification_finds_hash_program_and_key),
        cmocka_unit_test(multisig_has_at_most_20_keys_and_a_threshold_of_at_most_all),
        cmocka_unit_test(operations_are_read_one_after_the_other),
        cmocka_unit_test(cut_push_ends_the_script),
        cmocka_unit_test(every_kind_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
