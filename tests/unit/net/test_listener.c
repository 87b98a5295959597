/* Listening on loopback. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/net/net_fixture.h"

#define CALLERS 5

struct door {
    struct net_fixture *net_fixture;
    struct spv_listener *listener;
    unsigned came;
    unsigned went;
    int fds[CALLERS];
    int ours[CALLERS];
};

static void check(struct door *d)
{
    if (d->came == CALLERS && d->went == CALLERS)
        spv_reactor_stop(d->net_fixture->r);
}

static void on_accepted(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct door *d = ctx;
    assert_string_equal(from->host, "127.0.0.1");
    assert_int_not_equal(from->port, 0);
    d->fds[d->came++] = fd;
    check(d);
}

static void on_dialled(void *ctx, int fd, int error)
{
    struct door *d = ctx;
    assert_int_equal(error, 0);
    d->ours[d->went++] = fd;
    check(d);
}

static struct rlimit limit;

static void lift_limit(void *ctx)
{
    const struct door *d = ctx;
    assert_int_equal(d->came, CALLERS - 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A connection that waits in the listener's queue; its descriptor is the lowest free one. */
static int call(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    const struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

static void accepts_on_any_free_port(void **state)
{
    struct door d = {.net_fixture = *state};
    struct spv_listener *l;
    struct spv_error_info why;
    struct spv_endpoint at = {.host = "127.0.0.1"};
    assert_int_equal(spv_listener_new(&l, d.net_fixture->r, &at, on_accepted, &d, &why), 0);
    at.port = spv_listener_port(l);
    assert_int_not_equal(at.port, 0);
    for (unsigned i = 0; i < CALLERS; i++) {
        struct spv_dial *dial;
        assert_int_equal(spv_dial_start(&dial, d.net_fixture->r, &at, 0, on_dialled, &d), 0);
    }
    net_fixture_run(d.net_fixture);
    for (unsigned i = 0; i < CALLERS; i++) {
        (void)close(d.fds[i]);
        (void)close(d.ours[i]);
    }
    spv_listener_free(l);
}

static void port_in_use_is_said_with_what_to_do(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct spv_listener *l;
    struct spv_listener *second;
    struct spv_error_info why = {0};
    struct spv_endpoint at = {.host = "127.0.0.1"};
    assert_int_equal(spv_listener_new(&l, net_fixture->r, &at, on_accepted, NULL, NULL), 0);
    at.port = spv_listener_port(l);
    assert_int_equal(spv_listener_new(&second, net_fixture->r, &at, on_accepted, NULL, &why),
                     SPV_ERR_IO);
    char where[64];
    (void)snprintf(where, sizeof where, "127.0.0.1:%u", at.port);
    assert_int_equal(why.code, SPV_ERR_IO);
    assert_non_null(strstr(why.text, where));
    assert_non_null(strstr(why.text, "in use"));
    assert_non_null(strstr(why.text, "another port"));
    spv_listener_free(l);
    /* And a port that was given back can be had again. */
    assert_int_equal(spv_listener_new(&second, net_fixture->r, &at, on_accepted, NULL, &why), 0);
    spv_listener_free(second);
}

static void foreign_addresses_are_refused(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct spv_listener *l;
    struct spv_error_info why = {0};
    const struct spv_endpoint at = {.host = "203.0.113.1", .port = 0}; /* RFC 5737 */
    assert_int_equal(spv_listener_new(&l, net_fixture->r, &at, on_accepted, NULL, &why),
                     SPV_ERR_IO);
    assert_non_null(strstr(why.text, "203.0.113.1"));
}

static void waits_when_out_of_descriptors_and_comes_back(void **state)
{
    struct door d = {.net_fixture = *state, .went = CALLERS, .came = CALLERS - 1};
    struct spv_listener *l;
    struct spv_endpoint at = {.host = "127.0.0.1"};
    assert_int_equal(spv_listener_new(&l, d.net_fixture->r, &at, on_accepted, &d, NULL), 0);
    int caller = call(spv_listener_port(l));
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = (rlim_t)caller + 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct spv_timer *t;
    limit = before;
    assert_int_equal(spv_timer_new(&t, d.net_fixture->r, lift_limit, &d), 0);
    const uint64_t start = spv_system_now().mono_us;
    spv_timer_set(t, start + 50000);
    net_fixture_run(d.net_fixture); /* ends when the caller was let in after all */
    assert_true(spv_system_now().mono_us - start >= SPV_SECOND);
    spv_timer_free(t);
    (void)close(caller);
    (void)close(d.fds[CALLERS - 1]);
    spv_listener_free(l);
}

static void freed_listener_no_longer_accepts(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct spv_listener *l;
    const struct spv_endpoint at = {.host = "127.0.0.1"};
    assert_int_equal(spv_listener_new(&l, net_fixture->r, &at, on_accepted, NULL, NULL), 0);
    spv_listener_free(l);
    spv_listener_free(NULL);
}

static void on_guest(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct door *d = ctx;
    (void)from;
    d->fds[d->came++] = fd;
    if (d->came == 3)
        spv_reactor_stop(d->net_fixture->r);
}

struct late {
    struct door *door;
    struct spv_timer *timer;
    uint16_t port;
    int fd;
};

static void call_again(void *ctx)
{
    struct late *l = ctx;
    l->fd = call(l->port);
}

static void let_one_out(void *ctx)
{
    const struct door *d = ctx;
    assert_int_equal(d->came, 2);
    spv_listener_conn_closed(d->listener);
}

static void listener_keeps_to_its_slots(void **state)
{
    struct door d = {.net_fixture = *state};
    struct spv_error_info why;
    struct spv_endpoint at = {.host = "127.0.0.1"};
    struct spv_timer *t;
    char c;
    assert_int_equal(spv_listener_new(&d.listener, d.net_fixture->r, &at, on_guest, &d, &why), 0);
    spv_listener_set_max_conns(d.listener, 2);
    uint16_t port = spv_listener_port(d.listener);
    for (unsigned i = 0; i < CALLERS; i++)
        d.ours[i] = call(port);
    assert_int_equal(spv_timer_new(&t, d.net_fixture->r, let_one_out, &d), 0);
    spv_timer_set(t, spv_system_now().mono_us + 50000);
    struct late late = {.door = &d, .port = port};
    assert_int_equal(spv_timer_new(&late.timer, d.net_fixture->r, call_again, &late), 0);
    spv_timer_set(late.timer, spv_system_now().mono_us + 100000);
    net_fixture_run(d.net_fixture);
    assert_int_equal(d.came, 3);
    assert_int_equal(spv_listener_conn_count(d.listener), 2);
    for (unsigned i = 2; i < CALLERS; i++) /* these found no slot, and no waiting either */
        assert_int_equal(read(d.ours[i], &c, 1), 0);
    for (unsigned i = 0; i < CALLERS; i++)
        (void)close(d.ours[i]);
    for (unsigned i = 0; i < d.came; i++)
        (void)close(d.fds[i]);
    (void)close(late.fd);
    spv_timer_free(late.timer);
    spv_timer_free(t);
    spv_listener_free(d.listener);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, net_fixture_setup, net_fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(accepts_on_any_free_port),         T(port_in_use_is_said_with_what_to_do),
        T(foreign_addresses_are_refused),    T(waits_when_out_of_descriptors_and_comes_back),
        T(freed_listener_no_longer_accepts), T(listener_keeps_to_its_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
