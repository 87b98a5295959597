/* What is refused and warned before a transaction is published, each rule at its boundary. */
#include "tx_builder.h"

#include "spv/broadcast.h"
#include "spv/error.h"

#define BTC INT64_C(100000000)
#define MONEY ((int64_t)SPV_MAX_MONEY)
#define LIST 30

static const struct spv_broadcast_check_config nothing_known;
static struct spv_text_error why;
static struct spv_broadcast_report reports[LIST];

/* Checks one transaction, which is freed. */
static int check_one(const struct tx_spec *spec, const struct spv_broadcast_check_config *cfg)
{
    struct built_tx tx;
    int rc;

    make_tx(&tx, spec);
    why = (struct spv_text_error){.code = SPV_OK};
    rc = spv_broadcast_check(reports, &why, &tx.tx, 1, cfg);
    assert_int_equal(spv_broadcast_check(reports, NULL, &tx.tx, 1, cfg), rc);
    assert_int_equal(why.code, rc);
    if (rc == 0)
        assert_memory_equal(&reports[0].txid, &tx.txid, sizeof tx.txid);
    built_tx_free(&tx);
    return rc;
}

static int check_package(const struct built_tx *const *list, size_t n,
                         const struct spv_broadcast_check_config *cfg)
{
    struct spv_tx txs[LIST];

    for (size_t i = 0; i < n; i++)
        txs[i] = list[i]->tx;
    why = (struct spv_text_error){.code = SPV_OK};
    return spv_broadcast_check(reports, &why, txs, n, cfg);
}
#define LIST_OF(...) ((const struct built_tx *const[]){__VA_ARGS__})
#define PACKAGE(cfg, ...) check_package(LIST_OF(__VA_ARGS__), COUNT(LIST_OF(__VA_ARGS__)), cfg)

/* ---- limits ---- */

static void transaction_of_64_bytes_without_witness_is_refused(void **state)
{
    (void)state;
    /* 10 + 41 + 9 bytes and the scripts */
    assert_int_equal(check_one(TX_SPEC(TX_INS({.script = 1}), TX_OUTS({1, 4})), &nothing_known), 0);
    assert_int_equal(check_one(TX_SPEC(TX_INS({.script = 1}), TX_OUTS({1, 3})), &nothing_known),
                     SPV_ERR_TX_SIZE);
    assert_int_equal(check_one(TX_SPEC(TX_INS({.witness = 100}), TX_OUTS({1, 4})), &nothing_known),
                     SPV_ERR_TX_SIZE);
    assert_string_equal(why.text, "fewer than 65 bytes without witness, which nodes do not relay");
}

static void weight_above_400000_is_refused(void **state)
{
    const size_t heavy = 400000 - 4 * 65 - 2 - 2 - 5 + 0;

    (void)state;
    /* 65 bytes without witness weigh 260; marker and flag 2, the count 1, the length 5 */
    assert_int_equal(
        check_one(TX_SPEC(TX_INS({.witness = heavy + 1}), TX_OUTS({1, 5})), &nothing_known), 0);
    assert_int_equal(
        check_one(TX_SPEC(TX_INS({.witness = heavy + 2}), TX_OUTS({1, 5})), &nothing_known),
        SPV_ERR_TX_WEIGHT);
}

static void null_prevout_is_refused(void **state)
{
    (void)state;
    assert_int_equal(
        check_one(TX_SPEC(TX_INS({.null = true, .vout = UINT32_MAX, .script = 9}), TX_OUTS({1, 9})),
                  &nothing_known),
        SPV_ERR_TX_NULL_PREVOUT);
    assert_int_equal(check_one(TX_SPEC(TX_INS({.script = 9}, {.null = true, .vout = UINT32_MAX}),
                                       TX_OUTS({1, 9})),
                               &nothing_known),
                     SPV_ERR_TX_NULL_PREVOUT);
    assert_string_equal(why.text, "input 2: spends the null outpoint, as only a coinbase may");
    /* neither of both alone is the null outpoint */
    assert_int_equal(check_one(TX_SPEC(TX_INS({.script = 9, .vout = UINT32_MAX}), TX_OUTS({1, 9})),
                               &nothing_known),
                     0);
    assert_int_equal(
        check_one(TX_SPEC(TX_INS({.script = 9, .null = true}), TX_OUTS({1, 9})), &nothing_known),
        0);
}

static void input_that_is_spent_twice_is_refused(void **state)
{
    const struct spv_txid a = {.b = {9}};

    (void)state;
    assert_int_equal(
        check_one(TX_SPEC(TX_INS({.prev = a, .vout = 1}, {.vout = 1}, {.prev = a, .vout = 1}),
                          TX_OUTS({1, 9})),
                  &nothing_known),
        SPV_ERR_TX_DUPLICATE_INPUT);
    assert_string_equal(why.text, "input 3: spends an output that an input before it spends");
    assert_int_equal(
        check_one(TX_SPEC(TX_INS({.prev = a, .vout = 1}, {.vout = 1}, {.prev = a, .vout = 2}),
                          TX_OUTS({1, 9})),
                  &nothing_known),
        0);
}

static void amounts_are_at_most_21_million(void **state)
{
    static const struct {
        int64_t a, b;
        int expected;
    } cases[] = {
        {MONEY, 0, 0},
        {MONEY + 1, 0, SPV_ERR_TX_VALUE},
        {0, MONEY + 1, SPV_ERR_TX_VALUE},
        {-1, 5, SPV_ERR_TX_VALUE},
        {MONEY - 7, 7, 0},
        {MONEY - 7, 8, SPV_ERR_TX_VALUE},
        {INT64_MIN, 0, SPV_ERR_TX_VALUE},
        {INT64_MAX, INT64_MAX, SPV_ERR_TX_VALUE},
        {0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(
            check_one(TX_SPEC(TX_INS({.script = 1}), TX_OUTS({cases[i].a, 9}, {cases[i].b, 9})),
                      &nothing_known),
            cases[i].expected);
    assert_int_equal(
        check_one(TX_SPEC(TX_INS({.script = 1}), TX_OUTS({MONEY, 9}, {1, 9})), &nothing_known),
        SPV_ERR_TX_VALUE);
    assert_string_equal(why.text, "output 2: with those before it more than 21 million BTC");
    assert_int_equal(
        check_one(TX_SPEC(TX_INS({.script = 1}), TX_OUTS({MONEY + 1, 9})), &nothing_known),
        SPV_ERR_TX_VALUE);
    assert_string_equal(why.text, "output 1: an amount that is negative or above 21 million BTC");
}

/* ---- fee ---- */

/* Every output is ours: worth 1 BTC, in block 100. */
static bool find_any(void *ctx, struct spv_broadcast_prevout *out, const struct spv_txid *txid,
                     uint32_t vout)
{
    (void)ctx;
    (void)txid;
    *out = (struct spv_broadcast_prevout){.value = BTC, .height = 100};
    return vout != 77;
}

static void fee_rate_above_a_tenth_btc_is_refused_when_it_is_known(void **state)
{
    struct spv_broadcast_check_config cfg = {.find_output = find_any};
    /* 10 + 41 + 40 + 9 + 50 = 150 virtual bytes: at most 1,500,000 satoshis */
    const struct tx_in in[] = {{.script = 40}};
    const struct tx_in foreign[] = {{.script = 40, .vout = 77}};

    (void)state;
    assert_int_equal(check_one(TX_SPEC(in, TX_OUTS({BTC - 1500000, 50})), &cfg), 0);
    assert_int_equal(reports[0].fee, 1500000);
    assert_int_equal(check_one(TX_SPEC(in, TX_OUTS({BTC - 1500001, 50})), &cfg),
                     SPV_ERR_TX_FEE_RATE);
    assert_int_equal(check_one(TX_SPEC(foreign, TX_OUTS({BTC - 1500001, 50})), &cfg), 0);
    assert_int_equal(reports[0].fee, -1);
    assert_int_equal(check_one(TX_SPEC(in, TX_OUTS({1, 50})), &nothing_known), 0);
    cfg.allow_high_fee = true;
    assert_int_equal(check_one(TX_SPEC(in, TX_OUTS({1, 50})), &cfg), 0);
    assert_int_equal(reports[0].fee, BTC - 1);
}

static void paying_more_than_what_is_spent_is_refused(void **state)
{
    const struct spv_broadcast_check_config cfg = {.find_output = find_any};

    (void)state;
    assert_int_equal(check_one(TX_SPEC(TX_INS({.script = 9}), TX_OUTS({BTC, 50})), &cfg), 0);
    assert_int_equal(reports[0].fee, 0);
    assert_int_equal(check_one(TX_SPEC(TX_INS({.script = 9}), TX_OUTS({BTC + 1, 50})), &cfg),
                     SPV_ERR_TX_VALUE);
}

/* ---- warnings and locks ---- */

static void input_with_neither_script_nor_witness_is_warned_of(void **state)
{
    (void)state;
    assert_int_equal(
        check_one(TX_SPEC(TX_INS({.script = 1}, {.witness = 0}, {.witness = 1}, {.vout = 3}),
                          TX_OUTS({1, 9})),
                  &nothing_known),
        0);
    assert_int_equal(reports[0].n_unsigned, 2);
    assert_int_equal(reports[0].first_unsigned, 1);
    assert_int_equal(
        check_one(TX_SPEC(TX_INS({.script = 1}, {.witness = 1}), TX_OUTS({1, 9})), &nothing_known),
        0);
    assert_int_equal(reports[0].n_unsigned, 0);
}

static void lock_time_is_waited_for_unless_all_sequences_are_final(void **state)
{
    static const struct {
        uint32_t lock_time, not_sequence;
        uint32_t height;
        int64_t time;
    } cases[] = {
        {0, 1, 0, 0},
        {100, 1, 100, 0},
        {100, 0, 0, 0},
        {499999999, 1, 499999999, 0},
        {500000000, 1, 0, 500000000},
        {UINT32_MAX, 1, 0, UINT32_MAX},
        {UINT32_MAX, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct tx_in in[] = {{.script = 9},
                                   {.script = 9, .not_sequence = cases[i].not_sequence}};
        assert_int_equal(
            check_one(TX_SPEC_WITH(in, TX_OUTS({1, 9}), .lock_time = cases[i].lock_time),
                      &nothing_known),
            0);
        assert_int_equal(reports[0].wait_height, cases[i].height);
        assert_int_equal(reports[0].wait_time, cases[i].time);
        assert_int_equal(reports[0].n_relative, 0);
    }
}

static void relative_lock_of_blocks_is_waited_for_when_the_height_is_known(void **state)
{
    const struct spv_broadcast_check_config known = {.find_output = find_any};
    static const struct {
        uint32_t version, sequence, vout;
        uint32_t height;
        size_t n_relative;
    } cases[] = {
        {2, 10, 0, 109, 0}, /* in block 110 at the earliest */
        {2, 1, 0, 100, 0},
        {2, 0, 0, 0, 0},
        {2, 0xffff, 0, 65634, 0},
        {2, 0x10000, 0, 0, 0}, /* no bit of the lock */
        {2, 10, 77, 0, 1}, /* an output of others */
        {1, 10, 0, 0, 0}, /* BIP68: version 2 and above */
        {3, 10, 0, 109, 0},
        {2, 0x80000000 | 10, 0, 0, 0}, /* BIP68: disabled */
        {2, 0x400000 | 10, 0, 0, 1}, /* a time */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct tx_in in[] = {
            {.script = 9, .not_sequence = ~cases[i].sequence, .vout = cases[i].vout}};
        assert_int_equal(
            check_one(TX_SPEC_WITH(in, TX_OUTS({BTC, 9}), .version = cases[i].version), &known), 0);
        assert_int_equal(reports[0].wait_height, cases[i].height);
        assert_int_equal(reports[0].n_relative, cases[i].n_relative);
    }
    /* the later one of both locks */
    assert_int_equal(check_one(TX_SPEC_WITH(TX_INS({.script = 9, .not_sequence = ~UINT32_C(10)}),
                                            TX_OUTS({BTC, 9}), .lock_time = 108),
                               &known),
                     0);
    assert_int_equal(reports[0].wait_height, 109);
    assert_int_equal(check_one(TX_SPEC_WITH(TX_INS({.script = 9, .not_sequence = ~UINT32_C(10)}),
                                            TX_OUTS({BTC, 9}), .lock_time = 110),
                               &known),
                     0);
    assert_int_equal(reports[0].wait_height, 110);
}

/* ---- packages ---- */

static void parents_come_before_one_child_that_spends_them_all(void **state)
{
    const struct spv_txid c9 = {.b = {9}};
    struct built_tx a, b, child, half, other;

    (void)state;
    make_tx(&a, TX_SPEC(TX_INS({.script = 9}), TX_OUTS({5, 9}, {6, 9})));
    make_tx(&b, TX_SPEC(TX_INS({.script = 9, .prev = c9}, {.script = 1, .prev = a.txid, .vout = 1}),
                        TX_OUTS({5, 9})));
    make_tx(&child, TX_SPEC(TX_INS({.script = 9, .prev = a.txid}, {.script = 9, .prev = b.txid}),
                            TX_OUTS({7, 9})));
    make_tx(&half, TX_SPEC(TX_INS({.script = 9, .prev = b.txid}), TX_OUTS({5, 9})));
    make_tx(&other, TX_SPEC(TX_INS({.script = 9, .prev = a.txid, .vout = 1}), TX_OUTS({5, 9})));
    assert_int_equal(PACKAGE(&nothing_known, &a, &b, &child), 0);
    assert_int_equal(reports[2].fee, 3); /* all that it spends is of the package */
    assert_int_equal(reports[1].fee, -1);
    assert_memory_equal(&reports[1].txid, &b.txid, sizeof b.txid);
    assert_int_equal(PACKAGE(&nothing_known, &b, &a, &child), SPV_ERR_PACKAGE_FORM);
    assert_string_equal(why.text,
                        "transaction 1: spends a later one: parents come before children");
    assert_int_equal(PACKAGE(&nothing_known, &a, &b, &half), SPV_ERR_PACKAGE_FORM);
    assert_string_equal(why.text, "transaction 1: the last one, the child, does not spend it");
    assert_int_equal(PACKAGE(&nothing_known, &a, &a), SPV_ERR_PACKAGE_FORM);
    assert_int_equal(PACKAGE(&nothing_known, &a, &a, &child), SPV_ERR_TX_DUPLICATE_INPUT);
    assert_int_equal(check_package(NULL, 0, &nothing_known), SPV_ERR_INVALID);
    /* two of a package spend one output */
    built_tx_free(&child);
    make_tx(&child, TX_SPEC(TX_INS({.script = 9, .prev = b.txid}, {.script = 9, .prev = other.txid},
                                   {.script = 9, .prev = a.txid}),
                            TX_OUTS({7, 9})));
    assert_int_equal(PACKAGE(&nothing_known, &a, &b, &other, &child), SPV_ERR_TX_DUPLICATE_INPUT);
    assert_string_equal(why.text,
                        "transaction 3, input 1: spends an output that an input before it spends");
    built_tx_free(&a);
    built_tx_free(&b);
    built_tx_free(&child);
    built_tx_free(&half);
    built_tx_free(&other);
}

static void package_has_25_transactions_at_most(void **state)
{
    struct built_tx parents[25], child;
    struct tx_in in[25] = {{.script = 0}};
    const struct built_tx *list[26];

    (void)state;
    for (size_t i = 0; i < 25; i++) {
        make_tx(&parents[i],
                TX_SPEC(TX_INS({.script = 9, .vout = (uint32_t)i}), TX_OUTS({1000, 9})));
        in[i].prev = parents[i].txid;
        list[i] = &parents[i];
    }
    make_tx(&child, &(struct tx_spec){
                        .inputs = in, .n_inputs = 24, .outputs = TX_OUTS({1, 9}), .n_outputs = 1});
    list[24] = &child;
    assert_int_equal(check_package(list, 25, &nothing_known), 0);
    built_tx_free(&child);
    make_tx(&child, &(struct tx_spec){
                        .inputs = in, .n_inputs = 25, .outputs = TX_OUTS({1, 9}), .n_outputs = 1});
    list[24] = &parents[24];
    list[25] = &child;
    assert_int_equal(check_package(list, 26, &nothing_known), SPV_ERR_PACKAGE_SIZE);
    built_tx_free(&child);
    for (size_t i = 0; i < 25; i++)
        built_tx_free(&parents[i]);
}

static void package_weighs_404000_at_most(void **state)
{
    struct built_tx parent, child;
    size_t witness = 350000;

    (void)state;
    make_tx(&parent, TX_SPEC(TX_INS({.witness = witness}), TX_OUTS({9, 9})));
    for (size_t more = 0; more < 2; more++) {
        struct tx_in in[] = {{.prev = parent.txid, .witness = 1000}};
        make_tx(&child, TX_SPEC(in, TX_OUTS({9, 9})));
        in[0].witness = 1000 + 404000 - spv_tx_weight(&parent.tx) - spv_tx_weight(&child.tx) + more;
        built_tx_free(&child);
        make_tx(&child, TX_SPEC(in, TX_OUTS({9, 9})));
        assert_int_equal(spv_tx_weight(&parent.tx) + spv_tx_weight(&child.tx), 404000 + more);
        assert_int_equal(PACKAGE(&nothing_known, &parent, &child), more ? SPV_ERR_PACKAGE_SIZE : 0);
        built_tx_free(&child);
    }
    built_tx_free(&parent);
}

static void each_transaction_of_a_package_is_checked(void **state)
{
    const struct spv_broadcast_check_config cfg = {.find_output = find_any};
    struct built_tx parent, child;

    (void)state;
    make_tx(&parent, TX_SPEC(TX_INS({.script = 40}), TX_OUTS({BTC, 50})));
    make_tx(&child,
            TX_SPEC(TX_INS({.script = 40, .prev = parent.txid}), TX_OUTS({BTC - 1500001, 50})));
    assert_int_equal(PACKAGE(&cfg, &parent, &child), SPV_ERR_TX_FEE_RATE);
    assert_string_equal(why.text,
                        "transaction 2: a fee rate above 0.1 BTC per 1,000 virtual bytes");
    built_tx_free(&parent);
    built_tx_free(&child);
}

/* ---- decoding ---- */

static uint8_t decoded[4096];
static size_t n_decoded;

static int decode(const void *in, size_t n)
{
    why = (struct spv_text_error){.code = SPV_OK};
    return spv_broadcast_decode(decoded, &n_decoded, &why, in, n);
}

static int decode_text(const char *text)
{
    return decode(text, strlen(text));
}

static void hexadecimal_and_binary_transactions_are_read(void **state)
{
    char hex[1024], spaced[2048];
    size_t n, at = 0;
    uint8_t *bytes = make_bytes(&n, TX_SPEC(TX_INS({.witness = 60}), TX_OUTS({0x6162, 9})));

    (void)state;
    spv_hex(hex, bytes, n);
    hex[strspn(hex, "0123456789")] -= 'a' - 'A';
    for (size_t i = 0; i < 2 * n; i++) {
        spaced[at++] = hex[i];
        spaced[at++] = "\r\n \t\f"[i % 5];
    }
    spaced[at] = '\0';
    assert_int_equal(decode(bytes, n), 0);
    assert_int_equal(n_decoded, n);
    assert_memory_equal(decoded, bytes, n);
    for (int i = 0; i < 2; i++) {
        memset(decoded, 0, sizeof decoded);
        assert_int_equal(decode_text(i == 0 ? hex : spaced), 0);
        assert_int_equal(n_decoded, n);
        assert_memory_equal(decoded, bytes, n);
    }
    assert_int_equal(spv_broadcast_decode(decoded, &n_decoded, NULL, hex, 2 * n), 0);
    free(bytes);
}

static void wrong_character_is_named_with_its_position(void **state)
{
    (void)state;
    assert_int_equal(decode_text("0200 0g"), SPV_ERR_TEXT_CHARACTER);
    assert_int_equal(why.n_at, 1);
    assert_int_equal(why.at[0], 6);
    assert_string_equal(why.text, "not a hexadecimal digit at character 7");
    assert_int_equal(decode_text("0x0200"), SPV_ERR_TEXT_CHARACTER);
    assert_int_equal(why.at[0], 1);
    assert_int_equal(decode_text("02000"), SPV_ERR_TEXT_CHARACTER);
    assert_string_equal(why.text, "an odd number of hexadecimal digits (5): one is missing");
    assert_int_equal(decode_text("02:G@`/"), SPV_ERR_TEXT_CHARACTER);
    assert_int_equal(why.at[0], 2);
    static const char beside[] = "/:@G`g~!";
    for (size_t i = 0; beside[i] != '\0'; i++) {
        const char text[] = {'0', beside[i], '\0'};
        assert_int_equal(decode_text(text), SPV_ERR_TEXT_CHARACTER);
        assert_int_equal(why.at[0], 1);
    }
}

static void psbt_is_refused_by_name_in_each_form(void **state)
{
    static const uint8_t raw[] = {'p', 's', 'b', 't', 0xff, 1, 0};
    static const char *const texts[] = {"70736274ff0100", "70 73 62 74 FF", "cHNidP8BAHECAAAA",
                                        "\n cHNidP8BAHECAAAA=="};

    (void)state;
    assert_int_equal(decode(raw, sizeof raw), SPV_ERR_TX_PSBT);
    assert_int_equal(decode(raw, 5), SPV_ERR_TX_PSBT);
    assert_int_not_equal(decode(raw, 4), SPV_ERR_TX_PSBT);
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(decode_text(texts[i]), SPV_ERR_TX_PSBT);
        assert_non_null(strstr(why.text, "PSBT"));
    }
    assert_int_equal(decode_text("cHNidO8BAHECAAAA"), SPV_ERR_TEXT_CHARACTER);
}

static int decode_spec(const struct tx_spec *spec)
{
    size_t n;
    uint8_t *bytes = make_bytes(&n, spec);
    const int rc = decode(bytes, n);

    free(bytes);
    return rc;
}

static void transaction_without_inputs_or_outputs_is_named(void **state)
{
    static const struct tx_out outs[3] = {{1, 3}, {2, 0}, {3, 9}};
    static const struct tx_in in[1] = {{.script = 3}};
    static const struct tx_in signed_in[1] = {{.witness = 3}};
    static const uint8_t marked[] = {2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};

    (void)state;
    for (size_t n = 0; n <= COUNT(outs); n++)
        assert_int_equal(decode_spec(&(struct tx_spec){.outputs = outs, .n_outputs = n}),
                         SPV_ERR_TX_NO_INPUTS);
    assert_int_equal(decode(marked, sizeof marked), SPV_ERR_TX_NO_INPUTS);
    assert_int_equal(decode_spec(&(struct tx_spec){.inputs = in, .n_inputs = 1}),
                     SPV_ERR_TX_NO_OUTPUTS);
    assert_int_equal(decode_spec(&(struct tx_spec){.inputs = signed_in, .n_inputs = 1}),
                     SPV_ERR_TX_NO_OUTPUTS);
    assert_string_equal(why.text, "the transaction has no outputs");
}

static void truncated_and_longer_input_is_refused_with_its_position(void **state)
{
    char hex[1024];
    size_t n;
    uint8_t *bytes = make_bytes(&n, TX_SPEC(TX_INS({.script = 60}), TX_OUTS({1, 9})));

    (void)state;
    spv_hex(hex, bytes, n);
    for (size_t i = 1; i < n; i++)
        assert_int_equal(decode(bytes, i), SPV_ERR_SHORT);
    assert_int_equal(decode(hex, 2 * n - 2), SPV_ERR_SHORT);
    assert_string_equal(why.text, "the transaction ends too early, after 128 bytes");
    memcpy(hex + 2 * n, " 00", 4);
    assert_int_equal(decode_text(hex), SPV_ERR_TRAILING);
    assert_int_equal(why.at[0], 2 * n + 1);
    assert_string_equal(why.text, "more bytes follow the transaction, which ends at character 260");
    bytes = realloc(bytes, n + 1);
    assert_non_null(bytes);
    bytes[n] = 0;
    assert_int_equal(decode(bytes, n + 1), SPV_ERR_TRAILING);
    assert_int_equal(why.at[0], n);
    assert_int_equal(decode("", 0), SPV_ERR_SHORT);
    assert_int_equal(decode_text(" \n"), SPV_ERR_SHORT);
    free(bytes);
    /* a count in more bytes than it needs */
    assert_int_equal(decode_text("02000000fd0100"), SPV_ERR_COMPACT_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transaction_of_64_bytes_without_witness_is_refused),
        cmocka_unit_test(weight_above_400000_is_refused),
        cmocka_unit_test(null_prevout_is_refused),
        cmocka_unit_test(input_that_is_spent_twice_is_refused),
        cmocka_unit_test(amounts_are_at_most_21_million),
        cmocka_unit_test(fee_rate_above_a_tenth_btc_is_refused_when_it_is_known),
        cmocka_unit_test(paying_more_than_what_is_spent_is_refused),
        cmocka_unit_test(input_with_neither_script_nor_witness_is_warned_of),
        cmocka_unit_test(lock_time_is_waited_for_unless_all_sequences_are_final),
        cmocka_unit_test(relative_lock_of_blocks_is_waited_for_when_the_height_is_known),
        cmocka_unit_test(parents_come_before_one_child_that_spends_them_all),
        cmocka_unit_test(package_has_25_transactions_at_most),
        cmocka_unit_test(package_weighs_404000_at_most),
        cmocka_unit_test(each_transaction_of_a_package_is_checked),
        cmocka_unit_test(hexadecimal_and_binary_transactions_are_read),
        cmocka_unit_test(wrong_character_is_named_with_its_position),
        cmocka_unit_test(psbt_is_refused_by_name_in_each_form),
        cmocka_unit_test(transaction_without_inputs_or_outputs_is_named),
        cmocka_unit_test(truncated_and_longer_input_is_refused_with_its_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
