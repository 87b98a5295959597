/* The SOCKS5 state machine: bytes in, bytes out. */
#include "support/unit.h"

#include "net/socks5.h"
#include "spv/error.h"

static struct spv_endpoint at(const char *host, uint16_t port)
{
    struct spv_endpoint e = {.port = port};
    strncpy(e.host, host, sizeof e.host - 1);
    return e;
}

static void expect_sent(struct spv_socks5 *s, const char *hex)
{
    uint8_t want[SPV_SOCKS5_OUT];
    const uint8_t *bytes;
    size_t n = unhex(want, sizeof want, hex);
    assert_int_equal(spv_socks5_wants(s), 0); /* bytes are pending */
    assert_int_equal(spv_socks5_pending(s, &bytes), n);
    assert_memory_equal(bytes, want, n);
    for (size_t i = 0; i < n; i++) /* a socket may accept it byte by byte */
        spv_socks5_sent(s, 1);
    assert_int_equal(spv_socks5_pending(s, &bytes), 0);
}

/* Feeds byte by byte. Returns the result of the last one. */
static int feed_hex(struct spv_socks5 *s, const char *hex)
{
    uint8_t bytes[SPV_SOCKS5_IN];
    size_t n = unhex(bytes, sizeof bytes, hex);
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(rc, 0); /* not decided before the last byte */
        assert_true(spv_socks5_wants(s) >= 1);
        assert_true(spv_socks5_wants(s) <= (n - i > 2 ? n - i : 2)); /* never beyond the reply */
        rc = spv_socks5_feed(s, &bytes[i], 1);
    }
    return rc;
}

static struct spv_socks5 asked(const char *host, uint16_t port)
{
    struct spv_socks5 s;
    const struct spv_endpoint e = at(host, port);
    assert_int_equal(spv_socks5_begin(&s, &e, NULL, NULL), 0);
    expect_sent(&s, "050100");
    assert_int_equal(feed_hex(&s, "0500"), 0);
    return s;
}

static void names_and_addresses_are_requested_by_their_type(void **state)
{
    static const struct {
        const char *host;
        uint16_t port;
        const char *request;
    } table[] = {
        {"a.example", 8333, "0501000309612e6578616d706c65208d"},
        {"1.2.3.4", 1, "05010001010203040001"},
        {"2001:db8::7", 65535, "0501000420010db8000000000000000000000007ffff"},
        {"1.2.3.4.", 256, "0501000308312e322e332e342e0100"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        struct spv_socks5 s = asked(table[i].host, table[i].port);
        expect_sent(&s, table[i].request);
        assert_int_equal(feed_hex(&s, "05000001000000000000"), 1);
        assert_int_equal(spv_socks5_wants(&s), 0);
    }
}

static void every_kind_of_address_in_the_reply_is_read_to_its_end(void **state)
{
    static const char *const replies[] = {
        "050000010102030400ff",
        "0500000420010db800000000000000000000000700ff",
        "0500000303616263ffff",
        "05000003000000",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(replies); i++) {
        struct spv_socks5 s = asked("x", 1);
        expect_sent(&s, "0501000301780001");
        assert_int_equal(feed_hex(&s, replies[i]), 1); /* with the last byte only */
        assert_int_equal(spv_socks5_feed(&s, NULL, 0), 1);
    }
    char longest[2 * SPV_SOCKS5_IN + 1];
    memset(longest, '6', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest, "05000003ff", 10);
    struct spv_socks5 s = asked("x", 1);
    expect_sent(&s, "0501000301780001");
    assert_int_equal(feed_hex(&s, longest), 1);
}

static void every_reply_code_has_its_error(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 256; code++) {
        int want = SPV_ERR_PROXY;
        if (code == 0)
            want = 1;
        else if (code == 3 || code == 4 || code == 0xf0 || code == 0xf2 || code == 0xf3)
            want = SPV_ERR_UNREACHABLE;
        else if (code == 5)
            want = SPV_ERR_REFUSED;
        else if (code == 6 || code == 0xf7)
            want = SPV_ERR_CONNECT_TIMEOUT;
        else if (code == 0xf6)
            want = SPV_ERR_RESOLVE;
        const uint8_t reply[] = {5, (uint8_t)code, 0, 1, 0, 0, 0, 0, 0, 0};
        struct spv_socks5 s = asked("x", 1);
        expect_sent(&s, "0501000301780001");
        int rc = spv_socks5_feed(&s, reply, 5);
        if (rc == 0)
            rc = spv_socks5_feed(&s, reply + 5, 5);
        assert_int_equal(rc, want);
        assert_int_equal(spv_socks5_reply_error((uint8_t)code), want == 1 ? 0 : want);
        /* A refusal is known from its first two bytes and is sticky. */
        if (code == 0)
            continue;
        s = asked("x", 1);
        expect_sent(&s, "0501000301780001");
        assert_int_equal(spv_socks5_feed(&s, reply, 2), want);
        assert_int_equal(spv_socks5_wants(&s), 0);
        assert_int_equal(spv_socks5_feed(&s, reply, 0), want);
    }
}

static void malformed_replies_are_proxy_errors(void **state)
{
    static const struct {
        const char *methods; /* the reply to the methods */
        const char *reply; /* the reply to the request */
    } table[] = {
        {"0400", NULL},         {"0501", NULL},         {"0502", NULL},
        {"05ff", NULL},         {"4854", NULL},         {"0500", "04000001"},
        {"0500", "0500000000"}, {"0500", "0500000200"}, {"0500", "05000005aa"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        struct spv_socks5 s;
        const struct spv_endpoint e = at("x", 1);
        assert_int_equal(spv_socks5_begin(&s, &e, NULL, NULL), 0);
        expect_sent(&s, "050100");
        int rc = feed_hex(&s, table[i].methods);
        if (table[i].reply) {
            uint8_t bytes[8];
            size_t n = unhex(bytes, sizeof bytes, table[i].reply);
            assert_int_equal(rc, 0);
            expect_sent(&s, "0501000301780001");
            rc = spv_socks5_feed(&s, bytes, n);
        }
        assert_int_equal(rc, SPV_ERR_PROXY);
    }
}

static void only_authentication_is_offered_with_credentials(void **state)
{
    struct spv_socks5 s;
    const struct spv_endpoint e = at("x", 1);
    (void)state;
    assert_int_equal(spv_socks5_begin(&s, &e, "me", "pass"), 0);
    expect_sent(&s, "050102");
    assert_int_equal(feed_hex(&s, "0502"), 0);
    expect_sent(&s, "01026d650470617373");
    assert_int_equal(feed_hex(&s, "0100"), 0);
    expect_sent(&s, "0501000301780001");
    assert_int_equal(feed_hex(&s, "05000001000000000000"), 1);

    assert_int_equal(spv_socks5_begin(&s, &e, "me", "pass"), 0);
    expect_sent(&s, "050102");
    assert_int_equal(feed_hex(&s, "0500"), SPV_ERR_PROXY); /* it does not isolate */

    assert_int_equal(spv_socks5_begin(&s, &e, "me", "pass"), 0);
    expect_sent(&s, "050102");
    assert_int_equal(feed_hex(&s, "0502"), 0);
    expect_sent(&s, "01026d650470617373");
    assert_int_equal(feed_hex(&s, "0101"), SPV_ERR_PROXY);
}

static void targets_and_credentials_that_socks5_cannot_encode_are_refused(void **state)
{
    char endless[SPV_SOCKS5_CREDENTIAL + 2];
    struct spv_socks5 s;
    struct spv_endpoint e = at("x", 1);
    (void)state;
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(spv_socks5_begin(&s, &e, endless, "p"), SPV_ERR_INVALID);
    assert_int_equal(spv_socks5_begin(&s, &e, "u", endless), SPV_ERR_INVALID);
    assert_int_equal(spv_socks5_begin(&s, &e, endless + 1, endless + 1), 0);
    assert_int_equal(spv_socks5_begin(&s, &e, "", "p"), SPV_ERR_INVALID);
    assert_int_equal(spv_socks5_begin(&s, &e, "u", ""), SPV_ERR_INVALID);
    assert_int_equal(spv_socks5_begin(&s, &e, "u", NULL), SPV_ERR_INVALID);
    assert_int_equal(spv_socks5_begin(&s, &e, NULL, "p"), SPV_ERR_INVALID);
    e.port = 0;
    assert_int_equal(spv_socks5_begin(&s, &e, NULL, NULL), SPV_ERR_INVALID);
    e = at("", 1);
    assert_int_equal(spv_socks5_begin(&s, &e, NULL, NULL), SPV_ERR_INVALID);
    memset(&e, 'a', sizeof e); /* a host without NUL */
    assert_int_equal(spv_socks5_begin(&s, &e, NULL, NULL), SPV_ERR_INVALID);
}

static void more_bytes_than_wanted_are_an_invalid_argument(void **state)
{
    const uint8_t bytes[12] = {5};
    struct spv_socks5 s;
    const struct spv_endpoint e = at("x", 1);
    (void)state;
    assert_int_equal(spv_socks5_begin(&s, &e, NULL, NULL), 0);
    assert_int_equal(spv_socks5_feed(&s, bytes, 1), SPV_ERR_INVALID); /* bytes are pending */
    s = asked("x", 1);
    expect_sent(&s, "0501000301780001");
    assert_int_equal(spv_socks5_feed(&s, bytes, 6), SPV_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_addresses_are_requested_by_their_type),
        cmocka_unit_test(every_kind_of_address_in_the_reply_is_read_to_its_end),
        cmocka_unit_test(every_reply_code_has_its_error),
        cmocka_unit_test(malformed_replies_are_proxy_errors),
        cmocka_unit_test(only_authentication_is_offered_with_credentials),
        cmocka_unit_test(targets_and_credentials_that_socks5_cannot_encode_are_refused),
        cmocka_unit_test(more_bytes_than_wanted_are_an_invalid_argument),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
