/* Endpoints as text. */
#include "support/unit.h"

#include "spv/endpoint.h"
#include "spv/error.h"

static void every_notation_of_an_endpoint_is_parsed(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        const char *back;
    } cases[] = {
        {"example.org", "example.org", 8333, "example.org:8333"},
        {"example.org:18444", "example.org", 18444, "example.org:18444"},
        {"1.2.3.4", "1.2.3.4", 8333, "1.2.3.4:8333"},
        {"1.2.3.4:1", "1.2.3.4", 1, "1.2.3.4:1"},
        {"host:65535", "host", 65535, "host:65535"},
        {"::1", "::1", 8333, "[::1]:8333"},
        {"::", "::", 8333, "[::]:8333"},
        {"[::1]", "::1", 8333, "[::1]:8333"},
        {"127.0.0.1:0", "127.0.0.1", 0, "127.0.0.1:0"},
        {"[::1]:18444", "::1", 18444, "[::1]:18444"},
        {"2001:db8::ff00:42:8329", "2001:db8::ff00:42:8329", 8333, "[2001:db8::ff00:42:8329]:8333"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", 8333, "[1:2:3:4:5:6:7:8]:8333"},
        {"::ffff:1.2.3.4", "::ffff:1.2.3.4", 8333, "[::ffff:1.2.3.4]:8333"},
        {"fe80::1%eth0", "fe80::1%eth0", 8333, "[fe80::1%eth0]:8333"},
        {"[fe80::1%eth0]:8333", "fe80::1%eth0", 8333, "[fe80::1%eth0]:8333"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example", 8333, "xn--bcher-kva.example:8333"},
        {"under_score:8333", "under_score", 8333, "under_score:8333"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_endpoint endpoint, again;
        char text[SPV_ENDPOINT_TEXT];

        assert_int_equal(spv_endpoint_parse(&endpoint, cases[i].text, 8333), 0);
        assert_string_equal(endpoint.host, cases[i].host);
        assert_int_equal(endpoint.port, cases[i].port);
        spv_endpoint_text(text, &endpoint);
        assert_string_equal(text, cases[i].back);
        assert_int_equal(spv_endpoint_parse(&again, text, 1), 0);
        assert_string_equal(again.host, endpoint.host);
        assert_int_equal(again.port, endpoint.port);
    }
}

static void malformed_endpoints_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        ":8333",
        "host:",
        "host:65536",
        "host:-1",
        "host:80a",
        "host:123456",
        "[::1",
        "[::1]8333",
        "[::1]:",
        "[]",
        "[]:8333",
        "[host]:8333",
        "[1.2.3.4]",
        "two words",
        "host\n",
        "http://a.b",
        "a/b",
        "user@host",
        "a:b:c",
        "::1:18444",
        "[::1:18444]",
        "2001:db8::12345",
        "::1]",
        "[::1%]",
        "fe80::1%lo:18444",
        "fe80::1%1:8333",
        "host: 80",
        "[[::1]]:1",
        "1:2:3:zz",
        "1:2:3:4:5:6:7",
        "\x80host",
        "a]:1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spv_endpoint endpoint;
        if (spv_endpoint_parse(&endpoint, cases[i], 8333) != SPV_ERR_MALFORMED)
            fail_msg("accepted \"%s\"", cases[i]);
    }
}

static void host_of_255_bytes_is_accepted_and_of_256_refused(void **state)
{
    struct spv_endpoint endpoint;
    char host[SPV_HOST_MAX + 1];
    char text[SPV_ENDPOINT_TEXT];

    (void)state;
    memset(host, 'h', sizeof host);
    host[SPV_HOST_MAX - 1] = '\0';
    assert_int_equal(spv_endpoint_parse(&endpoint, host, 65535), 0);
    spv_endpoint_text(text, &endpoint);
    assert_int_equal(strlen(text), SPV_HOST_MAX - 1 + 6);
    host[SPV_HOST_MAX - 1] = 'h';
    host[SPV_HOST_MAX] = '\0';
    assert_int_equal(spv_endpoint_parse(&endpoint, host, 65535), SPV_ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_notation_of_an_endpoint_is_parsed),
        cmocka_unit_test(malformed_endpoints_are_refused),
        cmocka_unit_test(host_of_255_bytes_is_accepted_and_of_256_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
