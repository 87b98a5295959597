/* Dialling through a SOCKS5 proxy: a scripted one on loopback, one connection at a time. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/net/net_fixture.h"

#define OFFER_SIZE 3

struct proxy { /* what the scripted proxy does */
    struct net_fixture *net_fixture;
    struct spv_listener *listener;
    struct spv_timer *timer;
    int fd;
    const uint8_t *script; /* sent at once, whatever the client sends */
    size_t n;
    bool closes_after; /* after that */
    /* the dial's result */
    unsigned done;
    int got;
    int error;
    char received[1024]; /* from the client */
    size_t said_n;
};

static void on_accepted(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct proxy *p = ctx;
    (void)from;
    p->fd = fd;
    if (p->n > 0)
        assert_int_equal(write(fd, p->script, p->n), (ssize_t)p->n);
    if (p->closes_after)
        (void)shutdown(fd, SHUT_WR);
}

static void on_done(void *ctx, int fd, int error)
{
    struct proxy *p = ctx;
    p->done++;
    p->got = fd;
    p->error = error;
    spv_reactor_stop(p->net_fixture->r);
}

/* Dials x.example:7 through a proxy that sends these bytes. */
static struct proxy dial(struct net_fixture *net_fixture, const struct spv_proxy *how,
                         const void *script, size_t n, bool closes_after, uint64_t timeout)
{
    struct proxy p = {.net_fixture = net_fixture,
                      .fd = -1,
                      .got = -1,
                      .script = script,
                      .n = n,
                      .closes_after = closes_after};
    struct spv_endpoint at = {.host = "127.0.0.1"};
    struct spv_error_info why;
    struct spv_dial *d;
    const struct spv_endpoint target = {.host = "x.example", .port = 7};
    assert_int_equal(spv_listener_new(&p.listener, net_fixture->r, &at, on_accepted, &p, &why), 0);
    struct spv_proxy proxy = how ? *how : (struct spv_proxy){0};
    (void)snprintf(proxy.endpoint.host, sizeof proxy.endpoint.host, "127.0.0.1");
    proxy.endpoint.port = spv_listener_port(p.listener);
    assert_int_equal(
        spv_dial_proxy_start(&d, net_fixture->r, &proxy, &target, timeout, on_done, &p), 0);
    assert_int_equal(p.done, 0);
    net_fixture_run(net_fixture);
    assert_int_equal(p.done, 1);
    if (p.fd >= 0) {
        ssize_t received = recv(p.fd, p.received, sizeof p.received, MSG_DONTWAIT);
        p.said_n = received > 0 ? (size_t)received : 0;
    }
    spv_listener_free(p.listener);
    return p;
}

static void close_proxy(const struct proxy *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    if (p->got >= 0)
        (void)close(p->got);
}

static void bytes_of_the_destination_are_left_unread(void **state)
{
    /* The destination's first bytes follow the proxy's reply and belong to the caller. */
    static const char script[] = "\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0hello";
    struct proxy p = dial(*state, NULL, script, sizeof script - 1, false, 0);
    assert_int_equal(p.error, 0);
    assert_true(p.got >= 0);
    assert_int_equal(p.said_n, OFFER_SIZE + 16);
    assert_memory_equal(p.received, "\x05\x01\x00\x05\x01\x00\x03\x09x.example\x00\x07", p.said_n);
    char bytes[8] = {0};
    assert_int_equal(read(p.got, bytes, sizeof bytes), 5);
    assert_string_equal(bytes, "hello");
    close_proxy(&p);
}

static void each_isolated_dial_has_its_own_user_name(void **state)
{
    static const char script[] = "\x05\x02\x01\x00\x05\x00\x00\x01\0\0\0\0\0\0";
    const struct spv_proxy isolate = {.isolate = true};
    char first[64] = {0};
    for (int i = 0; i < 2; i++) {
        struct proxy p = dial(*state, &isolate, script, sizeof script - 1, false, 0);
        assert_int_equal(p.error, 0);
        assert_memory_equal(p.received, "\x05\x01\x02\x01\x20", 5);
        assert_int_equal(p.said_n, OFFER_SIZE + 67 + 16);
        if (i == 1)
            assert_memory_not_equal(p.received + OFFER_SIZE, first, sizeof first);
        memcpy(first, p.received + OFFER_SIZE, sizeof first);
        close_proxy(&p);
        assert_int_equal(net_fixture_teardown(state), 0);
        assert_int_equal(net_fixture_setup(state), 0);
    }
}

static void configured_credentials_are_used(void **state)
{
    static const char script[] = "\x05\x02\x01\x01";
    const struct spv_proxy how = {.user = "me", .password = "pw", .isolate = true};
    struct proxy p = dial(*state, &how, script, sizeof script - 1, false, 0);
    assert_int_equal(p.error, SPV_ERR_PROXY); /* the proxy refuses them */
    assert_memory_equal(p.received + OFFER_SIZE, "\x01\x02me\x02pw", 7);
    close_proxy(&p);
}

static void reply_of_the_proxy_is_the_error_of_the_dial(void **state)
{
    static const struct {
        const char *script;
        size_t n;
        bool closes_after;
        int error;
    } table[] = {
        {"\x05\xff", 2, false, SPV_ERR_PROXY},
        {"\x05\x00\x05\x05\x00\x01\0\0\0\0\0\0", 12, false, SPV_ERR_REFUSED},
        {"\x05\x00\x05\x04\x00\x01\0\0\0\0\0\0", 12, false, SPV_ERR_UNREACHABLE},
        {"\x05\x00\x05\x00\x00\x01\0\0\0", 9, true,
         SPV_ERR_PROXY}, /* disconnects inside the reply */
        {"\x05", 1, true, SPV_ERR_PROXY},
        {"", 0, true, SPV_ERR_PROXY},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct proxy p = dial(*state, NULL, table[i].script, table[i].n, table[i].closes_after, 0);
        assert_int_equal(p.error, table[i].error);
        assert_int_equal(p.got, -1);
        close_proxy(&p);
        assert_int_equal(net_fixture_teardown(state), 0);
        assert_int_equal(net_fixture_setup(state), 0);
    }
}

static void silent_proxy_ends_the_dial_at_the_deadline(void **state)
{
    struct proxy p = dial(*state, NULL, "\x05\x00", 2, false, 20000);
    assert_int_equal(p.error, SPV_ERR_CONNECT_TIMEOUT);
    close_proxy(&p);
}

static void unreachable_proxy_is_a_proxy_error(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct proxy p = {.net_fixture = net_fixture, .got = -1};
    struct spv_dial *d;
    const struct spv_endpoint target = {.host = "x.example", .port = 7};
    const struct spv_proxy absent = {.endpoint = {.host = "127.0.0.1", .port = 1}};
    assert_int_equal(spv_dial_proxy_start(&d, net_fixture->r, &absent, &target, 0, on_done, &p), 0);
    net_fixture_run(net_fixture);
    assert_int_equal(p.error, SPV_ERR_PROXY);
}

static void cancelled_negotiation_does_not_call_done(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct proxy p = {.net_fixture = net_fixture};
    struct spv_dial *d;
    const struct spv_endpoint target = {.host = "x.example", .port = 7};
    const struct spv_endpoint nowhere = {.host = "x.example"};
    const struct spv_proxy proxy = {.endpoint = {.host = "127.0.0.1", .port = 1}};
    assert_int_equal(spv_dial_proxy_start(&d, net_fixture->r, &proxy, &target, 0, on_done, &p), 0);
    spv_dial_cancel(d);
    assert_int_equal(spv_dial_proxy_start(&d, net_fixture->r, &proxy, &nowhere, 0, on_done, &p),
                     SPV_ERR_INVALID);
    assert_int_equal(p.done, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, net_fixture_setup, net_fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(bytes_of_the_destination_are_left_unread),
        T(each_isolated_dial_has_its_own_user_name),
        T(configured_credentials_are_used),
        T(reply_of_the_proxy_is_the_error_of_the_dial),
        T(silent_proxy_ends_the_dial_at_the_deadline),
        T(unreachable_proxy_is_a_proxy_error),
        T(cancelled_negotiation_does_not_call_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
