/* Dialling on loopback. */
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

#define IMPOSSIBLE "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct result {
    struct net_fixture *net_fixture;
    unsigned n;
    int fd;
    int error;
};

static void on_done(void *ctx, int fd, int error)
{
    struct result *res = ctx;
    res->n++;
    res->fd = fd;
    res->error = error;
    spv_reactor_stop(res->net_fixture->r);
}

/* A socket bound to a free port of 127.0.0.1: connections are refused until it listens. */
static int bound_socket(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (const struct sockaddr *)&in, sizeof in), 0);
    socklen_t len = sizeof in;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

static struct spv_endpoint at(const char *host, uint16_t port)
{
    struct spv_endpoint e = {.port = port};
    (void)snprintf(e.host, sizeof e.host, "%s", host);
    return e;
}

static struct result dial(struct net_fixture *net_fixture, const char *host, uint16_t port,
                          uint64_t timeout)
{
    struct result res = {.net_fixture = net_fixture, .fd = -1};
    struct spv_dial *d;
    const struct spv_endpoint e = at(host, port);
    assert_int_equal(spv_dial_start(&d, net_fixture->r, &e, timeout, on_done, &res), 0);
    assert_int_equal(res.n, 0); /* not inside spv_dial_start */
    net_fixture_run(net_fixture);
    assert_int_equal(res.n, 1);
    return res;
}

static void connects_to_a_listening_port(void **state)
{
    uint16_t port;
    int listening = bound_socket(&port);
    assert_int_equal(listen(listening, 4), 0);
    struct result res = dial(*state, "127.0.0.1", port, 0);
    assert_int_equal(res.error, 0);
    assert_true(res.fd >= 0);
    int other = accept(listening, NULL, NULL);
    assert_true(other >= 0);
    assert_int_equal(write(res.fd, "x", 1), 1);
    char c = 0;
    assert_int_equal(read(other, &c, 1), 1);
    assert_int_equal(c, 'x');
    assert_int_equal(read(res.fd, &c, 1), -1); /* non-blocking */
    (void)close(other);
    (void)close(res.fd);
    (void)close(listening);
}

static void connects_by_name(void **state)
{
    uint16_t port;
    int listening = bound_socket(&port);
    assert_int_equal(listen(listening, 4), 0);
    struct result res = dial(*state, "localhost", port, 0);
    assert_int_equal(res.error, 0);
    assert_true(res.fd >= 0);
    (void)close(res.fd);
    (void)close(listening);
}

static void refused_port_is_reported_as_refused(void **state)
{
    uint16_t port;
    int fd = bound_socket(&port);
    struct result res = dial(*state, "127.0.0.1", port, 0);
    assert_int_equal(res.error, SPV_ERR_REFUSED);
    assert_int_equal(res.fd, -1);
    (void)close(fd);
}

static void refused_address_outweighs_unreachable_ones_of_the_name(void **state)
{
    uint16_t port;
    int fd = bound_socket(&port);
    struct result res = dial(*state, "localhost", port, 0);
    assert_int_equal(res.error, SPV_ERR_REFUSED);
    (void)close(fd);
}

static void unknown_name_is_not_resolved(void **state)
{
    struct result res = dial(*state, IMPOSSIBLE, 1, 0);
    assert_int_equal(res.error, SPV_ERR_RESOLVE);
    assert_int_equal(res.fd, -1);
}

static void deadline_ends_a_dial_while_connecting(void **state)
{
    /* The literal's answer and the deadline are both due when the loop starts: the connecting
     * begins, and the deadline strikes before its outcome is looked at. */
    uint16_t port;
    int fd = bound_socket(&port);
    assert_int_equal(listen(fd, 4), 0);
    struct net_fixture *net_fixture = *state;
    struct result res = {.net_fixture = net_fixture, .fd = -1};
    struct spv_dial *d;
    const struct spv_endpoint e = at("127.0.0.1", port);
    const uint64_t start = spv_system_now().mono_us;
    assert_int_equal(spv_dial_start(&d, net_fixture->r, &e, 1, on_done, &res), 0);
    while (spv_system_now().mono_us < start + 20000)
        ; /* past the tick of libevent's coarse clock */
    net_fixture_run(net_fixture);
    assert_int_equal(res.n, 1);
    assert_int_equal(res.error, SPV_ERR_CONNECT_TIMEOUT);
    assert_int_equal(res.fd, -1);
    (void)close(fd);
}

static void on_stop(void *ctx)
{
    struct net_fixture *net_fixture = ctx;
    spv_reactor_stop(net_fixture->r);
}

static void cancelled_dial_does_not_call_done(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct result res = {.net_fixture = net_fixture};
    uint16_t port;
    int fd = bound_socket(&port);
    const char *hosts[] = {"127.0.0.1", "localhost", IMPOSSIBLE};
    for (size_t i = 0; i < 3; i++) {
        struct spv_dial *d;
        const struct spv_endpoint e = at(hosts[i], port);
        assert_int_equal(spv_dial_start(&d, net_fixture->r, &e, 0, on_done, &res), 0);
        spv_dial_cancel(d);
    }
    struct spv_timer *t;
    assert_int_equal(spv_timer_new(&t, net_fixture->r, on_stop, net_fixture), 0);
    spv_timer_set(t, spv_system_now().mono_us + 20000);
    net_fixture_run(net_fixture);
    assert_int_equal(res.n, 0);
    spv_timer_free(t);
    (void)close(fd);
}

static void reactor_is_freed_while_dials_are_in_progress(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct result res = {.net_fixture = net_fixture};
    uint16_t port;
    int fd = bound_socket(&port);
    struct spv_dial *d;
    const struct spv_endpoint e = at("127.0.0.1", port);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spv_dial_start(&d, net_fixture->r, &e, 0, on_done, &res), 0);
    assert_int_equal(net_fixture_teardown(state), 0);
    assert_int_equal(res.n, 0);
    assert_int_equal(net_fixture_setup(state), 0);
    (void)close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, net_fixture_setup, net_fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(connects_to_a_listening_port),
        T(connects_by_name),
        T(refused_port_is_reported_as_refused),
        T(refused_address_outweighs_unreachable_ones_of_the_name),
        T(unknown_name_is_not_resolved),
        T(deadline_ends_a_dial_while_connecting),
        T(cancelled_dial_does_not_call_done),
        T(reactor_is_freed_while_dials_are_in_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
