/* ../shared/data/vectors/transactions.json: each case as its fields say. */
#include "support/vectors.h"

#include "spv/address.h"
#include "spv/error.h"
#include "spv/tx.h"
#include "util/hex.h"

static uint8_t *hex_bytes(const char *hex, size_t *n)
{
    assert_non_null(hex);
    *n = strlen(hex) / 2;
    uint8_t *bytes = malloc(*n + 1);
    assert_non_null(bytes);
    assert_int_equal(spv_hex_decode(bytes, *n, hex), 0);
    return bytes;
}

static int64_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void assert_bytes(const struct spv_bytes *bytes, const char *hex)
{
    size_t n;
    uint8_t *expected = hex_bytes(hex, &n);
    assert_int_equal(bytes->n, n);
    assert_memory_equal(n > 0 ? bytes->bytes : expected, expected, n);
    free(expected);
}

static void check_inputs(const struct spv_tx *tx, const json_t *vin)
{
    struct spv_tx_iter inputs = spv_tx_inputs(tx), witnesses = spv_tx_witnesses(tx);
    struct spv_tx_input input;
    struct spv_witness witness;
    struct spv_bytes item;
    char hex[SPV_HASH_HEX];
    size_t i, at;
    json_t *expected, *text;
    json_array_foreach(vin, i, expected)
    {
        assert_true(spv_tx_next_input(&inputs, &input) &&
                    spv_tx_next_witness(&witnesses, &witness));
        spv_txid_hex(hex, &input.prev);
        assert_string_equal(hex, vector_member(expected, "txid"));
        assert_int_equal(input.index, number(expected, "vout"));
        assert_int_equal(input.sequence, number(expected, "sequence"));
        assert_bytes(&input.script, vector_member(expected, "script"));
        json_array_foreach(json_object_get(expected, "witness"), at, text)
        {
            assert_true(spv_witness_next(&witness, &item));
            assert_bytes(&item, json_string_value(text));
        }
        assert_false(spv_witness_next(&witness, &item));
    }
    assert_false(spv_tx_next_input(&inputs, &input) || spv_tx_next_witness(&witnesses, &witness));
}

static void check_outputs(const struct spv_tx *tx, const json_t *vout)
{
    struct spv_tx_iter outputs = spv_tx_outputs(tx);
    struct spv_tx_output output;
    struct spv_script_info info;
    size_t i;
    json_t *expected;
    json_array_foreach(vout, i, expected)
    {
        assert_true(spv_tx_next_output(&outputs, &output));
        assert_int_equal(output.value, number(expected, "value"));
        assert_bytes(&output.script, vector_member(expected, "script"));
        const enum spv_script_kind kind =
            spv_script_classify(&info, output.script.bytes, output.script.n);
        assert_string_equal(spv_script_kind_name(kind), vector_member(expected, "type"));
    }
    assert_false(spv_tx_next_output(&outputs, &output));
}

static int64_t sum_of_outputs(const struct spv_tx *tx)
{
    struct spv_tx_iter outputs = spv_tx_outputs(tx);
    struct spv_tx_output output;
    uint64_t sum = 0;
    while (spv_tx_next_output(&outputs, &output))
        sum += (uint64_t)output.value;
    return (int64_t)sum;
}

static void check_valid(const json_t *c)
{
    struct spv_tx tx;
    struct spv_txid txid;
    struct spv_wtxid wtxid;
    char hex[SPV_HASH_HEX];
    size_t n;
    uint8_t *raw = hex_bytes(vector_member(c, "raw"), &n);
    if (number(c, "inputs") == 0 || number(c, "outputs") == 0) {
        /* the data only reads it; no node accepts it, and nor does spv_tx_parse */
        assert_string_equal(vector_member(c, "context_free_check"), "fails");
        assert_int_equal(spv_tx_parse(&tx, raw, n), SPV_ERR_MALFORMED);
        free(raw);
        return;
    }
    assert_int_equal(spv_tx_parse(&tx, raw, n), 0);
    spv_tx_txid(&txid, &tx);
    spv_txid_hex(hex, &txid);
    assert_string_equal(hex, vector_member(c, "txid"));
    spv_tx_wtxid(&wtxid, &tx);
    memcpy(&txid, &wtxid, sizeof txid);
    spv_txid_hex(hex, &txid);
    assert_string_equal(hex, vector_member(c, "wtxid"));
    assert_int_equal(tx.n, number(c, "size"));
    assert_int_equal(tx.stripped_size, number(c, "stripped_size"));
    assert_int_equal(spv_tx_vsize(&tx), number(c, "vsize"));
    assert_int_equal(spv_tx_weight(&tx), number(c, "weight"));
    assert_int_equal(tx.has_witness, json_is_true(json_object_get(c, "is_segwit")));
    assert_int_equal(spv_tx_is_coinbase(&tx), json_is_true(json_object_get(c, "is_coinbase")));
    assert_int_equal((int32_t)tx.version, (int32_t)number(c, "version"));
    assert_int_equal(tx.lock_time, number(c, "locktime"));
    assert_int_equal(tx.n_inputs, number(c, "inputs"));
    assert_int_equal(tx.n_outputs, number(c, "outputs"));
    assert_int_equal(sum_of_outputs(&tx), number(c, "output_value_sum"));
    if (json_object_get(c, "vin"))
        check_inputs(&tx, json_object_get(c, "vin"));
    if (json_object_get(c, "vout"))
        check_outputs(&tx, json_object_get(c, "vout"));
    free(raw);
}

static void valid_transactions_have_their_fields(void **state)
{
    (void)state;
    json_t *all = vector_json("transactions.json"), *c;
    size_t i;
    if (!all)
        skip();
    assert_int_equal(json_array_size(json_object_get(all, "valid_parse")), 192);
    json_array_foreach(json_object_get(all, "valid_parse"), i, c) check_valid(c);
    json_decref(all);
}

/* The data's name of each error, as our code. The transaction without inputs and outputs may be
 * accepted; it is not. */
static int expected_error(const char *name, const char *own)
{
    static const struct {
        const char *own;
        int code;
    } errors[] = {
        {"short", SPV_ERR_SHORT},
        {"noncanonical", SPV_ERR_COMPACT_SIZE},
        {"trailing", SPV_ERR_TRAILING},
        {"flag", SPV_ERR_MALFORMED},
        {"superfluous witness", SPV_ERR_MALFORMED},
        {"accept", SPV_ERR_MALFORMED},
    };
    if (strcmp(name, "segwit flag 0 with inputs") == 0)
        return SPV_ERR_MALFORMED; /* the data reads on, as a transaction without inputs */
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(errors[i].own, own) == 0)
            return errors[i].code;
    fail_msg("%s", own);
    return 0;
}

static void malformed_transactions_are_refused(void **state)
{
    (void)state;
    json_t *all = vector_json("transactions.json"), *c;
    size_t i, wrong = 0;
    if (!all)
        skip();
    assert_int_equal(json_array_size(json_object_get(all, "malformed")), 65);
    json_array_foreach(json_object_get(all, "malformed"), i, c)
    {
        struct spv_tx tx;
        size_t n;
        uint8_t *raw = hex_bytes(vector_member(c, "raw"), &n);
        const int rc = spv_tx_parse(&tx, raw, n);
        if (rc != expected_error(vector_member(c, "name"), vector_member(c, "own_result"))) {
            print_error("%s: %s\n", vector_member(c, "name"), spv_err_name(rc));
            wrong++;
        }
        free(raw);
    }
    assert_int_equal(wrong, 0);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_transactions_have_their_fields),
        cmocka_unit_test(malformed_transactions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
