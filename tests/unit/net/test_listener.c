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

#define CLIENTS 5

struct server {
    struct net_fixture *net_fixture;
    struct spv_listener *listener;
    unsigned n_accepted;
    unsigned n_dialled;
    int fds[CLIENTS];
    int client_fds[CLIENTS];
};

static void stop_when_all_connected(struct server *d)
{
    if (d->n_accepted == CLIENTS && d->n_dialled == CLIENTS)
        spv_reactor_stop(d->net_fixture->r);
}

static void on_accepted(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct server *d = ctx;
    assert_string_equal(from->host, "127.0.0.1");
    assert_int_not_equal(from->port, 0);
    d->fds[d->n_accepted++] = fd;
    stop_when_all_connected(d);
}

static void on_dialled(void *ctx, int fd, int error)
{
    struct server *d = ctx;
    assert_int_equal(error, 0);
    d->client_fds[d->n_dialled++] = fd;
    stop_when_all_connected(d);
}

static struct rlimit limit;

static void lift_limit(void *ctx)
{
    const struct server *d = ctx;
    assert_int_equal(d->n_accepted, CLIENTS - 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Connects to the listener's backlog with the lowest free descriptor. */
static int connect_client(uint16_t port)
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
    struct server d = {.net_fixture = *state};
    struct spv_listener *l;
    struct spv_error_info why;
    struct spv_endpoint at = {.host = "127.0.0.1"};
    assert_int_equal(spv_listener_new(&l, d.net_fixture->r, &at, on_accepted, &d, &why), 0);
    at.port = spv_listener_port(l);
    assert_int_not_equal(at.port, 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct spv_dial *dial;
        assert_int_equal(spv_dial_start(&dial, d.net_fixture->r, &at, 0, on_dialled, &d), 0);
    }
    net_fixture_run(d.net_fixture);
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)close(d.fds[i]);
        (void)close(d.client_fds[i]);
    }
    spv_listener_free(l);
}

static void port_in_use_is_reported_with_advice(void **state)
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
    /* A released port can be bound again. */
    assert_int_equal(spv_listener_new(&second, net_fixture->r, &at, on_accepted, NULL, &why), 0);
    spv_listener_free(second);
}

static void address_of_another_host_is_refused(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct spv_listener *l;
    struct spv_error_info why = {0};
    const struct spv_endpoint at = {.host = "203.0.113.1", .port = 0}; /* RFC 5737 */
    assert_int_equal(spv_listener_new(&l, net_fixture->r, &at, on_accepted, NULL, &why),
                     SPV_ERR_IO);
    assert_non_null(strstr(why.text, "203.0.113.1"));
}

static void accepting_pauses_without_descriptors_and_resumes(void **state)
{
    struct server d = {.net_fixture = *state, .n_dialled = CLIENTS, .n_accepted = CLIENTS - 1};
    struct spv_listener *l;
    struct spv_endpoint at = {.host = "127.0.0.1"};
    assert_int_equal(spv_listener_new(&l, d.net_fixture->r, &at, on_accepted, &d, NULL), 0);
    int client = connect_client(spv_listener_port(l));
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = (rlim_t)client + 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct spv_timer *t;
    limit = before;
    assert_int_equal(spv_timer_new(&t, d.net_fixture->r, lift_limit, &d), 0);
    const uint64_t start = spv_system_now().mono_us;
    spv_timer_set(t, start + 50000);
    net_fixture_run(d.net_fixture); /* ends when the client is accepted */
    assert_true(spv_system_now().mono_us - start >= SPV_SECOND);
    spv_timer_free(t);
    (void)close(client);
    (void)close(d.fds[CLIENTS - 1]);
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

static void on_limited(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct server *d = ctx;
    (void)from;
    d->fds[d->n_accepted++] = fd;
    if (d->n_accepted == 3)
        spv_reactor_stop(d->net_fixture->r);
}

struct late_client {
    struct server *server;
    struct spv_timer *timer;
    uint16_t port;
    int fd;
};

static void connect_late(void *ctx)
{
    struct late_client *l = ctx;
    l->fd = connect_client(l->port);
}

static void close_one(void *ctx)
{
    const struct server *d = ctx;
    assert_int_equal(d->n_accepted, 2);
    spv_listener_conn_closed(d->listener);
}

static void listener_closes_connections_beyond_its_limit(void **state)
{
    struct server d = {.net_fixture = *state};
    struct spv_error_info why;
    struct spv_endpoint at = {.host = "127.0.0.1"};
    struct spv_timer *t;
    char c;
    assert_int_equal(spv_listener_new(&d.listener, d.net_fixture->r, &at, on_limited, &d, &why), 0);
    spv_listener_set_max_conns(d.listener, 2);
    uint16_t port = spv_listener_port(d.listener);
    for (unsigned i = 0; i < CLIENTS; i++)
        d.client_fds[i] = connect_client(port);
    assert_int_equal(spv_timer_new(&t, d.net_fixture->r, close_one, &d), 0);
    spv_timer_set(t, spv_system_now().mono_us + 50000);
    struct late_client late_client = {.server = &d, .port = port};
    assert_int_equal(
        spv_timer_new(&late_client.timer, d.net_fixture->r, connect_late, &late_client), 0);
    spv_timer_set(late_client.timer, spv_system_now().mono_us + 100000);
    net_fixture_run(d.net_fixture);
    assert_int_equal(d.n_accepted, 3);
    assert_int_equal(spv_listener_conn_count(d.listener), 2);
    for (unsigned i = 2; i < CLIENTS; i++) /* beyond the limit: closed at once */
        assert_int_equal(read(d.client_fds[i], &c, 1), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        (void)close(d.client_fds[i]);
    for (unsigned i = 0; i < d.n_accepted; i++)
        (void)close(d.fds[i]);
    (void)close(late_client.fd);
    spv_timer_free(late_client.timer);
    spv_timer_free(t);
    spv_listener_free(d.listener);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, net_fixture_setup, net_fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(accepts_on_any_free_port),           T(port_in_use_is_reported_with_advice),
        T(address_of_another_host_is_refused), T(accepting_pauses_without_descriptors_and_resumes),
        T(freed_listener_no_longer_accepts),   T(listener_closes_connections_beyond_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
