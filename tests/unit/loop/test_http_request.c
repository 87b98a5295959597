/* Parsing the head of an HTTP request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loop/http_request.h"

static char bytes[2 * SPV_HTTP_MAX_HEAD]; /* the input of the last parse; targets point into it */

static enum spv_http_parse parse(struct spv_http_request *out, const char *text)
{
    const size_t n = strlen(text);
    char *exact = malloc(n > 0 ? n : 1); /* so that a sanitizer finds a read beyond the end */
    assert_non_null(exact);
    memcpy(exact, text, n);
    const enum spv_http_parse parsed = spv_http_request_parse(out, exact, n);
    memcpy(bytes, exact, n);
    if (out->target)
        out->target = bytes + (out->target - exact);
    free(exact);
    return parsed;
}

static void request_line_and_fields_are_read(void **state)
{
    struct spv_http_request r;
    (void)state;
    assert_int_equal(parse(&r, "GET /rest/x?y HTTP/1.1\r\nHost: a\r\n\r\nmore"), SPV_HTTP_COMPLETE);
    assert_int_equal(r.method, SPV_HTTP_GET);
    assert_string_equal(r.target, "/rest/x?y");
    assert_true(r.keep_alive);
    assert_false(r.http_1_0);
    assert_int_equal(r.len, strlen("GET /rest/x?y HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(parse(&r, "\r\n\nHEAD http://h:1/p HTTP/1.1\nHost:a\n\n"), SPV_HTTP_COMPLETE);
    assert_int_equal(r.method, SPV_HTTP_HEAD);
    assert_string_equal(r.target, "/p");
    assert_int_equal(parse(&r, "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n"), SPV_HTTP_COMPLETE);
    assert_int_equal(r.method, SPV_HTTP_OTHER);
    assert_int_equal(parse(&r, "get / HTTP/1.1\r\nHost:\r\n\r\n"), SPV_HTTP_COMPLETE);
    assert_int_equal(r.method, SPV_HTTP_OTHER); /* methods are case-sensitive */
}

static void head_is_incomplete_at_each_length_but_the_last(void **state)
{
    static const char head[] = "\r\nGET /a HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n";
    (void)state;
    for (size_t n = 0; n < sizeof head; n++) {
        char part[sizeof head] = {0};
        struct spv_http_request r;
        memcpy(part, head, n);
        assert_int_equal(parse(&r, part),
                         n < sizeof head - 1 ? SPV_HTTP_INCOMPLETE : SPV_HTTP_COMPLETE);
        if (n < sizeof head - 1)
            assert_memory_equal(bytes, head, n); /* the output is unchanged */
    }
}

static void keep_alive_depends_on_the_http_version_and_the_connection_header(void **state)
{
    static const struct {
        const char *head;
        bool stays;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nconnection: TE , Close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_http_request r;
        assert_int_equal(parse(&r, cases[i].head), SPV_HTTP_COMPLETE);
        assert_int_equal(r.keep_alive, cases[i].stays);
    }
}

struct refused {
    enum spv_http_parse as;
    const char *fields; /* after the request line and Host */
};

static void check_refused(const char *line, const struct refused *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char head[512];
        struct spv_http_request r;
        (void)snprintf(head, sizeof head, "%s\r\nHost: a\r\n%s\r\n\r\n", line, cases[i].fields);
        const enum spv_http_parse as = parse(&r, head);
        if (as != cases[i].as)
            fail_msg("%s with %s: %d, not %d", line, cases[i].fields, (int)as, (int)cases[i].as);
        assert_true(as == SPV_HTTP_COMPLETE ? r.why == NULL : r.why != NULL);
    }
}

static void length_that_is_a_matter_of_opinion_is_refused(void **state)
{
    static const struct refused cases[] = {
        {SPV_HTTP_BAD_REQUEST, "Content-Length: 5\r\nContent-Length: 5"},
        {SPV_HTTP_BAD_REQUEST, "Content-Length: 0\r\ncontent-length: 0"},
        {SPV_HTTP_BAD_REQUEST, "Content-Length: 0, 0"},
        {SPV_HTTP_BAD_REQUEST, "Content-Length: -1"},
        {SPV_HTTP_BAD_REQUEST, "Content-Length: +1"},
        {SPV_HTTP_BAD_REQUEST, "Content-Length: 0x5"},
        {SPV_HTTP_BAD_REQUEST, "Content-Length:"},
        {SPV_HTTP_BAD_REQUEST, "Content-Length: 0\r\nTransfer-Encoding: chunked"},
        {SPV_HTTP_BAD_REQUEST, "Transfer-Encoding: identity\r\nContent-Length: 3"},
        {SPV_HTTP_BAD_REQUEST, "Content-Length : 0"},
        {SPV_HTTP_BAD_REQUEST, "Content-Length\r\n : 0"},
        {SPV_HTTP_BAD_REQUEST, " Content-Length: 0"},
        {SPV_HTTP_BAD_REQUEST, "X: a\r\n\tb"},
        {SPV_HTTP_BAD_REQUEST, "X: a\rb"},
        {SPV_HTTP_BAD_REQUEST, "X: a\x01"},
        {SPV_HTTP_BAD_REQUEST, "no colon"},
        {SPV_HTTP_BAD_REQUEST, ": empty"},
        {SPV_HTTP_BAD_REQUEST, "Host: b"},
    };
    static const char *const lines[] = {"GET / HTTP/1.1", "HEAD / HTTP/1.1", "POST / HTTP/1.1",
                                        "TRACE / HTTP/1.1"};
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        check_refused(lines[i], cases, sizeof cases / sizeof cases[0]);
}

static void body_is_refused_with_every_method(void **state)
{
    static const struct refused none[] = {{SPV_HTTP_BAD_REQUEST, "Content-Length: 5"},
                                          {SPV_HTTP_BAD_REQUEST, "Content-Length: 00005"},
                                          {SPV_HTTP_BAD_REQUEST, "Transfer-Encoding: chunked"},
                                          {SPV_HTTP_COMPLETE, "Content-Length: 0"}};
    static const struct refused other[] = {{SPV_HTTP_HAS_BODY, "Content-Length: 5"},
                                           {SPV_HTTP_HAS_BODY, "Transfer-Encoding: chunked"},
                                           {SPV_HTTP_COMPLETE, "Content-Length: 0"}};
    static const struct refused old[] = {{SPV_HTTP_BAD_REQUEST, "Transfer-Encoding: chunked"}};
    (void)state;
    check_refused("GET / HTTP/1.1", none, 4);
    check_refused("HEAD / HTTP/1.1", none, 4);
    check_refused("TRACE / HTTP/1.1", none, 4);
    check_refused("POST / HTTP/1.1", other, 3);
    check_refused("PUT / HTTP/1.1", other, 3);
    check_refused("POST / HTTP/1.0", old, 1);
}

static void malformed_request_line_is_refused(void **state)
{
    static const struct {
        enum spv_http_parse as;
        const char *head;
    } cases[] = {
        {SPV_HTTP_BAD_REQUEST, "GET /\r\n\r\n"}, /* HTTP/0.9 */
        {SPV_HTTP_BAD_REQUEST, "GET\r\n\r\n"},
        {SPV_HTTP_BAD_REQUEST, "GET  HTTP/1.1\r\nHost: a\r\n\r\n"},
        {SPV_HTTP_BAD_REQUEST, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
        {SPV_HTTP_BAD_REQUEST, "GET / x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {SPV_HTTP_BAD_REQUEST, "GET x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {SPV_HTTP_BAD_REQUEST, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {SPV_HTTP_BAD_REQUEST, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {SPV_HTTP_BAD_REQUEST, "GET / http/1.1\r\nHost: a\r\n\r\n"},
        {SPV_HTTP_BAD_REQUEST, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"},
        {SPV_HTTP_BAD_REQUEST, "GET / HTTP/11\r\nHost: a\r\n\r\n"},
        {SPV_HTTP_BAD_REQUEST, "GET / HTTP/1.1\r\n\r\n"}, /* no Host */
        {SPV_HTTP_BAD_VERSION, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
        {SPV_HTTP_BAD_VERSION, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_http_request r;
        const enum spv_http_parse as = parse(&r, cases[i].head);
        if (as != cases[i].as)
            fail_msg("%s: %d, not %d", cases[i].head, (int)as, (int)cases[i].as);
        assert_non_null(r.why);
        assert_false(r.keep_alive);
    }
}

static void zero_byte_ends_no_line(void **state)
{
    char head[] = "GET / HTTP/1.1\r\nHost: a\r\nX: b_\r\n\r\n";
    struct spv_http_request r;
    (void)state;
    for (size_t i = 0; i < sizeof head - 4; i++) {
        char copy[sizeof head];
        memcpy(copy, head, sizeof head);
        if (copy[i] == '\r' || copy[i] == '\n')
            continue;
        copy[i] = '\0';
        assert_int_equal(spv_http_request_parse(&r, copy, sizeof head - 1), SPV_HTTP_BAD_REQUEST);
    }
}

static void head_of_more_than_the_limit_is_refused(void **state)
{
    static char head[2 * SPV_HTTP_MAX_HEAD];
    static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    struct spv_http_request r;
    (void)state;
    memset(head, 'a', sizeof head);
    memcpy(head, start, sizeof start - 1);
    assert_int_equal(spv_http_request_parse(&r, head, SPV_HTTP_MAX_HEAD - 1), SPV_HTTP_INCOMPLETE);
    assert_int_equal(spv_http_request_parse(&r, head, SPV_HTTP_MAX_HEAD), SPV_HTTP_BAD_REQUEST);
    memcpy(head + SPV_HTTP_MAX_HEAD - 3, "\r\n\r\n", 4);
    assert_int_equal(spv_http_request_parse(&r, head, SPV_HTTP_MAX_HEAD + 1), SPV_HTTP_BAD_REQUEST);
    memset(head, '\n', sizeof head);
    assert_int_equal(spv_http_request_parse(&r, head, SPV_HTTP_MAX_HEAD), SPV_HTTP_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_line_and_fields_are_read),
        cmocka_unit_test(head_is_incomplete_at_each_length_but_the_last),
        cmocka_unit_test(keep_alive_depends_on_the_http_version_and_the_connection_header),
        cmocka_unit_test(length_that_is_a_matter_of_opinion_is_refused),
        cmocka_unit_test(body_is_refused_with_every_method),
        cmocka_unit_test(malformed_request_line_is_refused),
        cmocka_unit_test(zero_byte_ends_no_line),
        cmocka_unit_test(head_of_more_than_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
