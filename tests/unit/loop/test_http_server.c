/* The HTTP server on loopback, on the same event loop as the header server; the clients are plain
 * sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/loop/server_fixture.h"
#include "util/buffer.h"
#include "wire/codec.h"

#define HEADERS 10
#define HANG 20 /* seconds without a byte: the test hangs */

static struct mined chain;

static int new_socket(void)
{
    const struct timeval patience = {.tv_sec = HANG};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return fd;
}

static void connect_to(int fd, struct spv_endpoint at)
{
    const struct sockaddr_in in = {.sin_family = AF_INET,
                                   .sin_port = htons(at.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof in), 0);
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads until the server ends the connection; the bytes as a string. */
static void read_to_the_end(int fd, char *out, size_t cap)
{
    size_t n = 0;
    ssize_t got = 1;
    while (n + 1 < cap && got > 0) {
        got = recv(fd, out + n, cap - 1 - n, 0);
        assert_true(got >= 0);
        n += (size_t)got;
    }
    out[n] = '\0';
    assert_int_equal(got, 0);
}

/* Reads one answer without a body, or with the body of a block hash in hex. */
static void read_answer(int fd, char *out, size_t cap)
{
    static const char field[] = "Content-Length: ";
    size_t n = 0, want = SIZE_MAX;
    while (n < want) {
        const ssize_t got = recv(fd, out + n, 1, 0);
        assert_int_equal(got, 1);
        n++;
        assert_true(n < cap);
        out[n] = '\0';
        if (want == SIZE_MAX && n >= 4 && strcmp(out + n - 4, "\r\n\r\n") == 0)
            want = n + (size_t)strtoul(strstr(out, field) + sizeof field - 1, NULL, 10);
    }
}

/* The number of the next descriptor that this process opens. */
static int next_descriptor(void)
{
    const int fd = dup(STDIN_FILENO);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    return fd;
}

static void wait_until_closed(int fd)
{
    while (fcntl(fd, F_GETFD) >= 0)
        (void)sched_yield();
}

static void wait_until_open(int fd)
{
    while (fcntl(fd, F_GETFD) < 0)
        (void)sched_yield();
}

static void send_version(int fd)
{
    const struct spv_msg version = {.command = SPV_CMD_VERSION,
                                    .u.version = {.version = SPV_PROTOCOL_VERSION, .nonce = 99}};
    struct spv_buffer b;
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_write(&b, &version, spv_netid_get(SPV_REGTEST), SPV_PROTOCOL_VERSION),
                     0);
    assert_int_equal(send(fd, b.data, b.len, MSG_NOSIGNAL), (ssize_t)b.len);
    spv_buffer_free(&b);
}

static int get_option(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

/* How an HTTP connection ends. */
enum ending { BY_CLIENT, BY_SERVER, BY_RESET };

/* An HTTP connection ends, and the next accepted connection, a peer's, gets its descriptor number:
 * the server must still read from it. The client's own descriptors are opened before and closed
 * after, so that only the server's number becomes free. */
static void peer_that_gets_the_descriptor_of_a_closed_http_connection_is_served(void **state)
{
    (void)state;
    for (int ending = BY_CLIENT; ending <= BY_RESET; ending++) {
        struct server_fixture s = {.with_http = true};
        char text[1024];
        server_fixture_start(&s, &chain, HEADERS, 0);
        const int web = new_socket(), peer = new_socket();
        const int reused = next_descriptor();
        connect_to(web, server_fixture_http_endpoint(&s));
        wait_until_open(reused);
        if (ending == BY_SERVER) {
            send_text(web, "GET /rest/blockhashbyheight/1.hex HTTP/1.1\r\nHost: a\r\n"
                           "Connection: close\r\n\r\n");
            read_to_the_end(web, text, sizeof text);
        } else {
            send_text(web, "GET /rest/blockhashbyheight/1.hex HTTP/1.1\r\nHost: a\r\n\r\n");
            read_answer(web, text, sizeof text);
            /* else a keep-alive client waits for our answers' last packets: 44 ms each */
            assert_int_not_equal(get_option(reused, IPPROTO_TCP, TCP_NODELAY), 0);
        }
        const struct linger reset = {.l_onoff = 1};
        if (ending == BY_RESET)
            assert_int_equal(setsockopt(web, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
        assert_int_equal(dup2(STDIN_FILENO, web),
                         web); /* closes the connection and keeps its number in use */
        wait_until_closed(reused);
        connect_to(peer, server_fixture_endpoint(&s));
        wait_until_open(reused);
        send_version(peer);
        const ssize_t got = recv(peer, text, sizeof text, 0);
        assert_true(got > 24); /* its version message */
        server_fixture_stop(&s);
        (void)close(web);
        (void)close(peer);
    }
}

/* A header database that records which heights are read, and stops the loop after the last one. */
struct asked {
    struct spv_reactor *reactor;
    uint32_t heights[HEADERS];
    size_t n, want;
};

static int request_tip(void *ctx, struct spv_chain_header *out)
{
    (void)ctx;
    *out = chain.records[HEADERS];
    return 1;
}

static int asked_by_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    struct asked *a = ctx;
    *out = chain.records[height];
    a->heights[a->n++] = height;
    if (a->n == a->want)
        spv_reactor_stop(a->reactor);
    return 1;
}

/* Two connections, one with four requests, one with one; all is sent before the loop runs. */
static void connection_gets_one_answer_a_turn(void **state)
{
    struct asked a = {.want = 5};
    struct spv_http_server *http;
    struct spv_error_info why;
    (void)state;
    assert_int_equal(spv_reactor_new(&a.reactor, NULL), 0);
    const struct spv_http_server_config cfg = {
        .params = spv_params_get(SPV_REGTEST),
        .header_db = {.ctx = &a, .tip = request_tip, .by_height = asked_by_height},
        .listen = {.host = "127.0.0.1"}};
    assert_int_equal(spv_http_server_new(&http, a.reactor, &cfg, &why), 0);
    const struct spv_endpoint at = {.host = "127.0.0.1", .port = spv_http_server_port(http)};
    const int many = new_socket(), one = new_socket();
    connect_to(many, at);
    connect_to(one, at);
    for (int height = 1; height <= 4; height++) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "GET /rest/blockhashbyheight/%d.hex HTTP/1.1\r\nHost: a\r\n\r\n", height);
        send_text(many, text);
    }
    send_text(one, "GET /rest/blockhashbyheight/9.hex HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(spv_reactor_run(a.reactor), 0);
    size_t before = 0; /* answers to the first connection before the other's */
    while (a.heights[before] != 9)
        before++;
    assert_in_range(before, 0, 1);
    spv_http_server_free(http);
    spv_reactor_free(a.reactor);
    (void)close(many);
    (void)close(one);
}

static void freeing_the_http_server_while_it_answers_returns_an_error(void **state)
{
    struct server_fixture s = {.with_http = true, .frees_http = true};
    char text[1024];
    (void)state;
    server_fixture_start(&s, &chain, HEADERS, 0);
    const int web = new_socket();
    connect_to(web, server_fixture_http_endpoint(&s));
    send_text(web, "GET /rest/blockhashbyheight/0.hex HTTP/1.0\r\n\r\n");
    read_to_the_end(web, text, sizeof text);
    assert_non_null(strstr(text, " 200 OK\r\n"));
    (void)close(web);
    server_fixture_stop(&s);
    assert_int_equal(s.n_busy, 1);
}

static int make_chain(void **state)
{
    (void)state;
    mined_new(&chain, HEADERS, 11);
    return 0;
}

static int free_chain(void **state)
{
    (void)state;
    mined_free(&chain);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_that_gets_the_descriptor_of_a_closed_http_connection_is_served),
        cmocka_unit_test(connection_gets_one_answer_a_turn),
        cmocka_unit_test(freeing_the_http_server_while_it_answers_returns_an_error),
    };
    return cmocka_run_group_tests(tests, make_chain, free_chain);
}
