/* What a block proves about its filter: made up blocks, one expected script each. */
#include "support/unit.h"

#include "spv/error.h"
#include "spv/filter.h"
#include "spv/filters/block_scripts.h"
#include "spv/filters/gcs.h"
#include "util/buffer.h"
#include "util/hash.h"

#define KEY "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
#define LONG_KEY                                                                                   \
    "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"                           \
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
#define SIGNATURE "300602010102010101" /* shaped like one */
#define PROGRAM "0014751e76e8199196d454941c45d1b3a323f1433bd6" /* P2WPKH of KEY */
#define OUT_A "76a914000102030405060708090a0b0c0d0e0f1011121388ac"
#define OUT_B "0014202122232425262728292a2b2c2d2e2f30313233"

/* An input by its scriptSig and witness items, in hex; a NULL script ends a list. */
struct in_spec {
    uint8_t prev; /* the first byte of the spent txid; 0: the coinbase's */
    uint32_t index;
    const char *script;
    const char *witness[4];
};

static void put_hex(struct spv_buffer *b, const char *hex)
{
    const size_t n = strlen(hex) / 2;

    spv_buffer_compact(b, n);
    uint8_t *at = spv_buffer_extend(b, n);
    assert_non_null(at);
    (void)unhex(at, n, hex);
}

static void put_outputs(struct spv_buffer *b, const char *const *outputs)
{
    size_t n = 0;

    while (outputs[n])
        n++;
    spv_buffer_compact(b, n);
    for (size_t i = 0; i < n; i++) {
        spv_buffer_u64(b, 1000);
        put_hex(b, outputs[i]);
    }
}

/* A coinbase with these outputs, and a transaction with one input and these outputs. */
static struct spv_buffer make_block(const char *const *coinbase, const struct in_spec *in,
                                    const char *const *outputs)
{
    static const uint8_t header[80] = {1}, zero[32];
    struct spv_buffer b;
    struct spv_txid prev = {{in->prev}};
    const bool has_witness = in->witness[0] != NULL;

    spv_buffer_init(&b);
    spv_buffer_put(&b, header, sizeof header);
    spv_buffer_u8(&b, 2);
    const size_t from = b.len;
    spv_buffer_u32(&b, 1);
    spv_buffer_u8(&b, 1);
    spv_buffer_put(&b, zero, sizeof zero);
    spv_buffer_u32(&b, UINT32_MAX);
    put_hex(&b, "5151");
    spv_buffer_u32(&b, UINT32_MAX);
    put_outputs(&b, coinbase);
    spv_buffer_u32(&b, 0);
    if (in->prev == 0) /* spends the coinbase of its own block: not valid, but easy to make */
        spv_sha256d(prev.b, b.data + from, b.len - from);
    spv_buffer_u32(&b, 2);
    if (has_witness)
        spv_buffer_u16be(&b, 1);
    spv_buffer_u8(&b, 1);
    spv_buffer_put(&b, prev.b, sizeof prev.b);
    spv_buffer_u32(&b, in->index);
    put_hex(&b, in->script);
    spv_buffer_u32(&b, UINT32_MAX);
    put_outputs(&b, outputs);
    if (has_witness) {
        uint8_t n = 0;
        while (n < 4 && in->witness[n])
            n++;
        spv_buffer_u8(&b, n);
        for (uint8_t i = 0; i < n; i++)
            put_hex(&b, in->witness[i]);
    }
    spv_buffer_u32(&b, 0);
    assert_int_equal(b.error, 0);
    return b;
}

/* The script of an output that the caller knows. */
struct known {
    uint8_t prev;
    uint32_t index;
    const char *script;
    uint8_t bytes[100];
};

static bool find_known(void *ctx, struct spv_bytes *script, const struct spv_txid *txid,
                       uint32_t index)
{
    struct known *known = ctx;

    if (!known->script || txid->b[0] != known->prev || index != known->index)
        return false;
    *script = (struct spv_bytes){known->bytes, unhex(known->bytes, 100, known->script)};
    return true;
}

static struct spv_filter_check_result check_filter(const struct spv_buffer *block_bytes,
                                                   bool segwit_active, struct known *known,
                                                   const char *const *elements)
{
    struct spv_bytes items[16];
    uint8_t bytes[16][100], *built;
    struct spv_filter filter;
    struct spv_block block;
    struct spv_block_scripts *block_scripts;
    struct spv_filter_check_result result;
    size_t n = 0;

    for (; elements[n]; n++)
        items[n] = (struct spv_bytes){bytes[n], unhex(bytes[n], sizeof bytes[n], elements[n])};
    assert_int_equal(spv_block_parse(&block, block_bytes->data, block_bytes->len), 0);
    spv_header_hash(&filter.block, &block.header);
    assert_int_equal(spv_filter_build(&built, &filter.n, &filter.block, items, n), 0);
    filter.bytes = built;
    const struct spv_known_outputs outputs = {.find = find_known, .ctx = known};
    assert_int_equal(
        spv_block_scripts_new(&block_scripts, &block, segwit_active, known ? &outputs : NULL), 0);
    assert_int_equal(spv_block_scripts_check_filter(&result, block_scripts, &filter), 0);
    spv_block_scripts_free(block_scripts);
    free(built);
    return result;
}

static const char *const coinbase_outputs[] = {OUT_A, "6a24aa21a9ed", "", OUT_A, NULL};
static const char *const outputs[] = {OUT_B, NULL};

static void every_output_but_op_return_and_empty_ones_is_an_element(void **state)
{
    const struct in_spec in = {.prev = 7, .script = "51"};
    struct spv_buffer block = make_block(coinbase_outputs, &in, outputs);
    const struct spv_filter_check_result whole =
        check_filter(&block, true, NULL, (const char *[]){OUT_A, OUT_B, NULL});

    (void)state;
    assert_int_equal(whole.error, 0);
    assert_int_equal(whole.n_inferred, 0);
    assert_int_equal(check_filter(&block, true, NULL, (const char *[]){OUT_A, NULL}).error,
                     SPV_ERR_FILTER_OUTPUT);
    assert_int_equal(check_filter(&block, true, NULL, (const char *[]){OUT_B, "51", NULL}).error,
                     SPV_ERR_FILTER_OUTPUT);
    /* one input may add one script, not two */
    assert_int_equal(
        check_filter(&block, true, NULL, (const char *[]){OUT_A, OUT_B, "51", NULL}).error, 0);
    assert_int_equal(
        check_filter(&block, true, NULL, (const char *[]){OUT_A, OUT_B, "51", "52", NULL}).error,
        SPV_ERR_FILTER_COUNT);
    spv_buffer_free(&block);
}

static void the_script_of_a_known_prevout_is_an_element(void **state)
{
    const struct in_spec in = {.prev = 7, .index = 3, .script = "51"};
    struct spv_buffer block = make_block(coinbase_outputs, &in, outputs);
    struct known known = {.prev = 7, .index = 3, .script = "5287"};

    (void)state;
    assert_int_equal(
        check_filter(&block, true, &known, (const char *[]){OUT_A, OUT_B, "5287", NULL}).error, 0);
    assert_int_equal(check_filter(&block, true, &known, (const char *[]){OUT_A, OUT_B, NULL}).error,
                     SPV_ERR_FILTER_PREVOUT);
    assert_int_equal(
        check_filter(&block, true, &known, (const char *[]){OUT_A, OUT_B, "52", NULL}).error,
        SPV_ERR_FILTER_PREVOUT);
    known.index = 2; /* another output */
    assert_int_equal(check_filter(&block, true, &known, (const char *[]){OUT_A, OUT_B, NULL}).error,
                     0);
    known.index = 3;
    known.script = ""; /* an empty script is no element */
    assert_int_equal(check_filter(&block, true, &known, (const char *[]){OUT_A, OUT_B, NULL}).error,
                     0);
    spv_buffer_free(&block);
}

static void an_output_spent_in_its_own_block_is_known(void **state)
{
    static const char *const first[] = {OUT_A, "525293", NULL};
    struct in_spec in = {.index = 1, .script = "51"};
    struct spv_buffer block = make_block(first, &in, outputs);

    (void)state;
    /* it is an output of the block all the same, so the filter has it either way; that the input
     * spends nothing else shows in the script that is not inferred */
    assert_int_equal(
        check_filter(&block, true, NULL, (const char *[]){OUT_A, "525293", OUT_B, NULL}).error, 0);
    spv_buffer_free(&block);
    in = (struct in_spec){.index = 1, .script = "0151"}; /* would look like P2SH of 51 */
    block = make_block(first, &in, outputs);
    assert_int_equal(
        check_filter(&block, true, NULL, (const char *[]){OUT_A, "525293", OUT_B, NULL}).n_inferred,
        0);
    spv_buffer_free(&block);
    in.index = 2; /* an output that the coinbase does not have */
    block = make_block(first, &in, outputs);
    assert_int_equal(
        check_filter(&block, true, NULL, (const char *[]){OUT_A, "525293", OUT_B, NULL}).n_inferred,
        1);
    spv_buffer_free(&block);
}

/* One input, and what it shows of its prevout's script. */
static const struct shape {
    struct in_spec in;
    const char *script; /* NULL: nothing */
    bool is_certain;
} shapes[] = {
    /* P2SH around a witness program: the hash of 0014751e... */
    {{.script = "16" PROGRAM, .witness = {SIGNATURE, KEY}},
     "a914bcfeb728b584253d5f3f70bcb780e9ef218a68f487",
     true},
    /* not exactly one direct push of a program */
    {{.script = "4c16" PROGRAM, .witness = {SIGNATURE, KEY}}, NULL, false},
    {{.script = "16" PROGRAM "51", .witness = {SIGNATURE, KEY}}, NULL, false},
    {{.script = "150014751e76e8199196d454941c45d1b3a323f1433b", .witness = {KEY}}, NULL, false},
    {{.script = "15" PROGRAM, .witness = {SIGNATURE, KEY}}, NULL, false},
    {{.script = "035101ff", .witness = {KEY}}, NULL, false}, /* a program has at least 4 bytes */
    {{.script = "045002ffff", .witness = {KEY}}, NULL, false}, /* 0x50 is no version */
    {{.script = "16" PROGRAM}, "a914bcfeb728b584253d5f3f70bcb780e9ef218a68f487", false},
    {{.script = "", .witness = {SIGNATURE, KEY}},
     "0014751e76e8199196d454941c45d1b3a323f1433bd6",
     false},
    {{.script = "", .witness = {"", "52"}},
     "00208c2574892063f995fdf756bce07f46c1a5193e54cd52837ed91e32008ccf41ac",
     false},
    {{.script = "", .witness = {"51"}},
     "00204ae81572f06e1b88fd5ced7a1a000945432e83e1551e6f721ee9c00b8cc33260",
     false},
    /* taproot: a signature alone, a control block last, an annex last */
    {{.script = "",
      .witness = {SIGNATURE SIGNATURE SIGNATURE SIGNATURE SIGNATURE SIGNATURE SIGNATURE "00"}},
     NULL,
     false},
    {{.script = "",
      .witness = {"51", "51",
                  "c079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"}},
     NULL,
     false},
    {{.script = "", .witness = {SIGNATURE, "50"}}, NULL, false},
    {{.script = "09" SIGNATURE "21" KEY},
     "76a914751e76e8199196d454941c45d1b3a323f1433bd688ac",
     false},
    {{.script = "09" SIGNATURE "41" LONG_KEY},
     "76a91491b24bf9f5288532960ac687abb035127b1d28a588ac",
     false},
    {{.script = "09" SIGNATURE}, NULL, false}, /* a bare public key */
    {{.script = "0009" SIGNATURE "0151"}, "a914da1745e9b549bd0bfa1a569971c77eba30cd5a4b87", false},
    {{.script = "51"}, NULL, false}, /* not only pushes */
    {{.script = "015175"}, NULL, false},
    {{.script = "4e01000000ff"}, NULL, false}, /* longer than any push may be */
    {{.script = "02ff"}, NULL, false}, /* cut short */
};

static void inputs_show_what_they_spend_by_their_shape(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const struct shape *shape = &shapes[i];
        struct in_spec in = shape->in;
        const char *script = shape->script;
        in.prev = 7;
        struct spv_buffer block = make_block(coinbase_outputs, &in, outputs);
        const char *const with[] = {OUT_A, OUT_B, script, NULL};
        const char *const without[] = {OUT_A, OUT_B, NULL};
        struct spv_filter_check_result result = check_filter(&block, true, NULL, with);
        assert_int_equal(result.error, 0);
        assert_int_equal(result.n_inferred, script && !shape->is_certain);
        assert_int_equal(result.n_inferred_missing, 0);
        result = check_filter(&block, true, NULL, without);
        assert_int_equal(result.error, shape->is_certain ? SPV_ERR_FILTER_PREVOUT : 0);
        assert_int_equal(result.n_inferred_missing, script && !shape->is_certain);
        /* before BIP141 is active a witness beside a scriptSig shows nothing */
        if (shape->is_certain)
            assert_int_equal(check_filter(&block, false, NULL, without).error, 0);
        spv_buffer_free(&block);
    }
}

static void a_filter_that_does_not_decode_is_invalid(void **state)
{
    const struct in_spec in = {.prev = 7, .script = "51"};
    struct spv_buffer bytes = make_block(coinbase_outputs, &in, outputs);
    static const struct {
        const char *hex;
        int want;
    } cases[] = {
        {"", SPV_ERR_SHORT},
        {"0000", SPV_ERR_TRAILING},
        {"02ffffffffffffff", SPV_ERR_SHORT},
        {"01ffffc00000", SPV_ERR_FILTER_RANGE},
    };
    struct spv_block_scripts *block_scripts;
    struct spv_block block;

    (void)state;
    assert_int_equal(spv_block_parse(&block, bytes.data, bytes.len), 0);
    assert_int_equal(spv_block_scripts_new(&block_scripts, &block, true, NULL), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t raw[16];
        const struct spv_filter filter = {.bytes = raw, .n = unhex(raw, sizeof raw, cases[i].hex)};
        struct spv_filter_check_result result;
        assert_int_equal(spv_block_scripts_check_filter(&result, block_scripts, &filter), 0);
        assert_int_equal(result.error, cases[i].want);
    }
    spv_block_scripts_free(block_scripts);
    spv_block_scripts_free(NULL);
    spv_buffer_free(&bytes);
}

/* Two scripts that share a value of a filter of one element: it has both, and is too small. */
static void a_filter_with_too_few_elements_is_invalid(void **state)
{
    enum { N = 6000 };
    static uint64_t values[N];
    const struct in_spec in = {.prev = 7, .script = "51"};
    char first[9] = "", second[9] = "";
    struct spv_buffer bytes = make_block(outputs, &in, outputs);
    struct spv_block block;
    struct spv_blockhash hash;

    (void)state;
    assert_int_equal(spv_block_parse(&block, bytes.data, bytes.len), 0);
    spv_header_hash(&hash, &block.header);
    const struct spv_gcs_key key = spv_gcs_key_of(&hash);
    for (uint32_t i = 0; i < N && first[0] == '\0'; i++) {
        const uint8_t script[4] = {0x51, (uint8_t)i, (uint8_t)(i >> 8), 0x75};
        values[i] = spv_gcs_value(spv_siphash(key.k0, key.k1, script, 4), SPV_FILTER_M);
        for (uint32_t k = 0; k < i; k++)
            if (values[k] == values[i]) {
                const uint8_t other[4] = {0x51, (uint8_t)k, (uint8_t)(k >> 8), 0x75};
                spv_hex(first, script, 4);
                spv_hex(second, other, 4);
                break;
            }
    }
    assert_int_equal(strlen(first), 8);
    spv_buffer_free(&bytes);
    bytes =
        make_block((const char *const[]){first, NULL}, &in, (const char *const[]){second, NULL});
    /* the header does not depend on the outputs here, so the key is the same */
    assert_int_equal(check_filter(&bytes, true, NULL, (const char *[]){first, NULL}).error,
                     SPV_ERR_FILTER_COUNT);
    assert_int_equal(check_filter(&bytes, true, NULL, (const char *[]){first, second, NULL}).error,
                     0);
    spv_buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_output_but_op_return_and_empty_ones_is_an_element),
        cmocka_unit_test(the_script_of_a_known_prevout_is_an_element),
        cmocka_unit_test(an_output_spent_in_its_own_block_is_known),
        cmocka_unit_test(inputs_show_what_they_spend_by_their_shape),
        cmocka_unit_test(a_filter_that_does_not_decode_is_invalid),
        cmocka_unit_test(a_filter_with_too_few_elements_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
