/* The error table: every code is unique and has a message, a name and a class. */
#include "support/unit.h"

#include "spv/error.h"
#include "spv/version.h"

static const struct {
    int value;
    const char *name, *message;
    enum spv_err_class class;
} table[] = {
#define ROW(name, value, class, message) {value, #name, message, SPV_CLASS_##class},
    SPV_ERRORS(ROW)
#undef ROW
};

static void every_code_is_negative_and_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_true(table[i].value < 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(table[i].value, table[j].value);
            assert_string_not_equal(table[i].message, table[j].message);
        }
    }
}

static void every_code_has_its_message_name_and_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_string_equal(spv_strerror(table[i].value), table[i].message);
        assert_true(strlen(table[i].message) > 5);
        assert_string_equal(spv_err_name(table[i].value), table[i].name);
        assert_int_equal(spv_err_class_of(table[i].value), table[i].class);
        assert_int_not_equal(spv_err_class_of(table[i].value), SPV_CLASS_NONE);
    }
}

static void success_and_unknown_codes_have_names(void **state)
{
    (void)state;
    assert_string_equal(spv_strerror(0), "success");
    assert_string_equal(spv_err_name(0), "OK");
    assert_int_equal(spv_err_class_of(0), SPV_CLASS_NONE);
    assert_string_equal(spv_strerror(-9999), "unknown error");
    assert_string_equal(spv_err_name(12), "UNKNOWN");
    assert_int_equal(spv_err_class_of(-9999), SPV_CLASS_CALLER);
}

/* Every code of the table once, by hand: a change of class, which begins or ends bans, is seen
 * here. */
static const struct {
    int error;
    enum spv_err_class class;
} classes[] = {
    /* an invalid header that no honest node sends: only these ban */
    {SPV_ERR_HDR_NONCONTINUOUS, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_HDR_BITS_MALFORMED, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_HDR_BITS_LIMIT, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_HDR_BITS, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_HDR_POW, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_HDR_TIME_OLD, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_HDR_TIME_WARP, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_HDR_VERSION, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_HDR_CHECKPOINT, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_HDR_FORK_DEPTH, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_MERKLE_ROOT, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_MERKLE_DUPLICATE, SPV_CLASS_MISBEHAVING},
    /* unusable data: disconnects, with a back-off */
    {SPV_ERR_MAGIC, SPV_CLASS_PEER},
    {SPV_ERR_COMMAND, SPV_CLASS_PEER},
    {SPV_ERR_LENGTH, SPV_CLASS_PEER},
    {SPV_ERR_CHECKSUM, SPV_CLASS_PEER},
    {SPV_ERR_SHORT, SPV_CLASS_PEER},
    {SPV_ERR_TRAILING, SPV_CLASS_PEER},
    {SPV_ERR_COUNT, SPV_CLASS_PEER},
    {SPV_ERR_COMPACT_SIZE, SPV_CLASS_PEER},
    {SPV_ERR_MALFORMED, SPV_CLASS_PEER},
    {SPV_ERR_NOT_VERSION, SPV_CLASS_PEER},
    {SPV_ERR_OBSOLETE, SPV_CLASS_PEER},
    {SPV_ERR_SELF, SPV_CLASS_PEER},
    {SPV_ERR_SERVICES, SPV_CLASS_PEER},
    {SPV_ERR_LATE_NEGOTIATION, SPV_CLASS_PEER},
    {SPV_ERR_BLOOM_NOT_OFFERED, SPV_CLASS_PEER},
    {SPV_ERR_FILTERS_NOT_OFFERED, SPV_CLASS_PEER},
    {SPV_ERR_BANNED, SPV_CLASS_PEER},
    {SPV_ERR_V1_PEER, SPV_CLASS_PEER},
    {SPV_ERR_V2_GARBAGE, SPV_CLASS_PEER},
    {SPV_ERR_V2_TAG, SPV_CLASS_PEER},
    {SPV_ERR_HDR_UNCONNECTING, SPV_CLASS_PEER},
    {SPV_ERR_HDR_TIME_FUTURE, SPV_CLASS_PEER},
    {SPV_ERR_HDR_GENESIS, SPV_CLASS_PEER},
    {SPV_ERR_LOW_WORK, SPV_CLASS_PEER},
    {SPV_ERR_REDOWNLOAD_MISMATCH, SPV_CLASS_PEER},
    {SPV_ERR_FORK_BELOW_START, SPV_CLASS_PEER},
    {SPV_ERR_MERKLE_BITS, SPV_CLASS_PEER},
    {SPV_ERR_MERKLE_HASHES, SPV_CLASS_PEER},
    {SPV_ERR_MERKLE_PADDING, SPV_CLASS_PEER},
    /* timeouts */
    {SPV_ERR_HANDSHAKE_TIMEOUT, SPV_CLASS_TIMEOUT},
    {SPV_ERR_PONG_TIMEOUT, SPV_CLASS_TIMEOUT},
    {SPV_ERR_IDLE, SPV_CLASS_TIMEOUT},
    {SPV_ERR_STALL, SPV_CLASS_TIMEOUT},
    {SPV_ERR_WRITE_TIMEOUT, SPV_CLASS_TIMEOUT},
    {SPV_ERR_MESSAGE_TIMEOUT, SPV_CLASS_TIMEOUT},
    {SPV_ERR_CONNECT_TIMEOUT, SPV_CLASS_TIMEOUT},
    /* the connection */
    {SPV_ERR_REFUSED, SPV_CLASS_CONNECTION},
    {SPV_ERR_RESET, SPV_CLASS_CONNECTION},
    {SPV_ERR_CLOSED, SPV_CLASS_CONNECTION},
    {SPV_ERR_UNREACHABLE, SPV_CLASS_CONNECTION},
    {SPV_ERR_RESOLVE, SPV_CLASS_CONNECTION},
    {SPV_ERR_DISCONNECTED, SPV_CLASS_CONNECTION},
    {SPV_ERR_PROXY, SPV_CLASS_CONNECTION},
    {SPV_ERR_EVICTED, SPV_CLASS_CONNECTION},
    /* this system */
    {SPV_ERR_NOMEM, SPV_CLASS_LOCAL},
    {SPV_ERR_CRYPTO, SPV_CLASS_LOCAL},
    {SPV_ERR_IO, SPV_CLASS_LOCAL},
    {SPV_ERR_TOO_MANY, SPV_CLASS_CALLER},
    {SPV_ERR_DB, SPV_CLASS_LOCAL},
    {SPV_ERR_DB_BUSY, SPV_CLASS_LOCAL},
    {SPV_ERR_DB_DAMAGED, SPV_CLASS_LOCAL},
    {SPV_ERR_DB_NEWER, SPV_CLASS_LOCAL},
    {SPV_ERR_DB_NETWORK, SPV_CLASS_LOCAL},
    {SPV_ERR_DB_FULL, SPV_CLASS_LOCAL},
    {SPV_ERR_DB_READONLY, SPV_CLASS_LOCAL},
    {SPV_ERR_DB_NONE, SPV_CLASS_LOCAL},
    {SPV_ERR_INTERRUPTED, SPV_CLASS_LOCAL},
    {SPV_ERR_NOT_FOUND, SPV_CLASS_LOCAL},
    {SPV_ERR_NO_DESCRIPTOR, SPV_CLASS_LOCAL},
    {SPV_ERR_DB_CHECKPOINT, SPV_CLASS_LOCAL},
    {SPV_ERR_UNKNOWN_HASH, SPV_CLASS_LOCAL},
    {SPV_ERR_QUEUE_FULL, SPV_CLASS_LOCAL},
    {SPV_ERR_SERVER_FULL, SPV_CLASS_LOCAL},
    {SPV_ERR_ADDRESS_LIMIT, SPV_CLASS_LOCAL},
    {SPV_ERR_CHAIN_BRANCHES, SPV_CLASS_LOCAL},
    /* the caller */
    {SPV_ERR_INVALID, SPV_CLASS_CALLER},
    {SPV_ERR_STATE, SPV_CLASS_CALLER},
    {SPV_ERR_TOO_LONG, SPV_CLASS_CALLER},
    {SPV_ERR_UNSUPPORTED, SPV_CLASS_CALLER},
    {SPV_ERR_PRIVATE_KEY, SPV_CLASS_CALLER},
    {SPV_ERR_SLIP132, SPV_CLASS_CALLER},
    {SPV_ERR_TEXT_CHECKSUM, SPV_CLASS_CALLER},
    {SPV_ERR_TEXT_CHARACTER, SPV_CLASS_CALLER},
    {SPV_ERR_WRONG_NETWORK, SPV_CLASS_CALLER},
    {SPV_ERR_ADDRESS, SPV_CLASS_CALLER},
    {SPV_ERR_PUBLIC_KEY, SPV_CLASS_CALLER},
    {SPV_ERR_DESC_SYNTAX, SPV_CLASS_CALLER},
    {SPV_ERR_DESC_CONTEXT, SPV_CLASS_CALLER},
    {SPV_ERR_DESC_LIMIT, SPV_CLASS_CALLER},
    {SPV_ERR_DESC_UNSUPPORTED, SPV_CLASS_CALLER},
    {SPV_ERR_HARDENED, SPV_CLASS_CALLER},
    {SPV_ERR_NO_ADDRESS, SPV_CLASS_CALLER},
    {SPV_ERR_NO_CHILD_KEY, SPV_CLASS_CALLER},
    {SPV_ERR_FILTER_RANGE, SPV_CLASS_PEER},
    {SPV_ERR_FILTER_PADDING, SPV_CLASS_PEER},
    {SPV_ERR_FILTER_OUTPUT, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_FILTER_PREVOUT, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_FILTER_COUNT, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_FILTER_REQUEST, SPV_CLASS_PEER},
    {SPV_ERR_FILTER_ANSWER, SPV_CLASS_PEER},
    {SPV_ERR_FILTER_HEADERS, SPV_CLASS_PEER},
    {SPV_ERR_FILTER_CONTRADICTION, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_FILTER_BUILT_IN, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_FILTER_INVALID, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_BLOCK_COINBASE, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_BLOCK_WEIGHT, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_BLOCK_ROOT, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_BLOCK_WITNESS, SPV_CLASS_MISBEHAVING},
    {SPV_ERR_UNSOLICITED, SPV_CLASS_PEER},
    {SPV_ERR_FILTER_HASH, SPV_CLASS_PEER},
    {SPV_ERR_TX_VALUE, SPV_CLASS_PEER},
    {SPV_ERR_TX_DUPLICATE_INPUT, SPV_CLASS_PEER},
    {SPV_ERR_BLOOM_SCRIPT, SPV_CLASS_CALLER},
    {SPV_ERR_BLOOM_RATE, SPV_CLASS_CALLER},
    {SPV_ERR_BLOOM_ANSWER, SPV_CLASS_PEER},
    {SPV_ERR_BLOOM_OMISSION, SPV_CLASS_PEER},
    {SPV_ERR_TX_NO_INPUTS, SPV_CLASS_CALLER},
    {SPV_ERR_TX_NO_OUTPUTS, SPV_CLASS_CALLER},
    {SPV_ERR_TX_NULL_PREVOUT, SPV_CLASS_CALLER},
    {SPV_ERR_TX_SIZE, SPV_CLASS_CALLER},
    {SPV_ERR_TX_WEIGHT, SPV_CLASS_CALLER},
    {SPV_ERR_TX_PSBT, SPV_CLASS_CALLER},
    {SPV_ERR_TX_FEE_RATE, SPV_CLASS_CALLER},
    {SPV_ERR_PACKAGE_SIZE, SPV_CLASS_CALLER},
    {SPV_ERR_PACKAGE_FORM, SPV_CLASS_CALLER},
    {SPV_ERR_TX_PRIVATE, SPV_CLASS_CALLER},
    {SPV_ERR_NO_PRIVATE_PEERS, SPV_CLASS_CALLER},
};

static void every_code_has_the_class_that_it_should_have(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        size_t found = 0;
        for (size_t j = 0; j < COUNT(classes); j++) {
            if (classes[j].error != table[i].value)
                continue;
            found++;
            if (spv_err_class_of(table[i].value) != classes[j].class)
                fail_msg("%s has changed its class", table[i].name);
        }
        if (found != 1)
            fail_msg("%s is listed %zu times", table[i].name, found);
    }
    assert_int_equal(COUNT(classes), COUNT(table));
}

/* Codes that were removed from the table are not used again with another meaning. */
static void removed_codes_are_unknown(void **state)
{
    static const int removed[] = {-61, -62}; /* a second version, a second verack */

    (void)state;
    for (size_t i = 0; i < COUNT(removed); i++) {
        assert_string_equal(spv_err_name(removed[i]), "UNKNOWN");
        assert_int_equal(spv_err_class_of(removed[i]), SPV_CLASS_CALLER);
    }
}

static void version_is_that_of_the_headers(void **state)
{
    (void)state;
    assert_string_equal(spv_version(), SPV_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_negative_and_unique),
        cmocka_unit_test(every_code_has_its_message_name_and_class),
        cmocka_unit_test(success_and_unknown_codes_have_names),
        cmocka_unit_test(every_code_has_the_class_that_it_should_have),
        cmocka_unit_test(removed_codes_are_unknown),
        cmocka_unit_test(version_is_that_of_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
