#include "unit/net/net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "net/reactor.h"

static void on_watchdog(void *ctx)
{
    struct net_fixture *net_fixture = ctx;
    net_fixture->timed_out = true;
    spv_reactor_stop(net_fixture->r);
}

int net_fixture_setup(void **state)
{
    struct net_fixture *net_fixture = calloc(1, sizeof *net_fixture);
    assert_non_null(net_fixture);
    net_fixture->timeout_us = NET_FIXTURE_TIMEOUT;
    assert_int_equal(spv_reactor_new(&net_fixture->r, NULL), 0);
    assert_int_equal(
        spv_timer_new(&net_fixture->watchdog, net_fixture->r, on_watchdog, net_fixture), 0);
    *state = net_fixture;
    return 0;
}

int net_fixture_setup_v2(void **state)
{
    const int rc = net_fixture_setup(state);
    ((struct net_fixture *)*state)->transport = SPV_TRANSPORT_ONLY_V2;
    return rc;
}

int net_fixture_teardown(void **state)
{
    struct net_fixture *net_fixture = *state;
    spv_timer_free(net_fixture->watchdog);
    spv_reactor_free(net_fixture->r);
    free(net_fixture);
    return 0;
}

void net_fixture_run(struct net_fixture *net_fixture)
{
    spv_timer_set(net_fixture->watchdog, spv_system_now().mono_us + net_fixture->timeout_us);
    assert_int_equal(spv_reactor_run(net_fixture->r), 0);
    assert_false(net_fixture->timed_out);
}

static void on_ready(struct spv_link *link, void *ctx)
{
    struct end *e = ctx;
    assert_ptr_equal(link, e->link);
    if (e->net_fixture->transport == SPV_TRANSPORT_ONLY_V2) {
        struct spv_peer_stats stats;
        spv_link_stats(link, &stats);
        assert_int_equal(stats.transport, SPV_TRANSPORT_V2);
    }
    e->n_ready++;
    if (e->on_ready)
        e->on_ready(e);
}

static void on_message(struct spv_link *link, const struct spv_msg *msg, void *ctx)
{
    struct end *e = ctx;
    assert_ptr_equal(link, e->link);
    e->messages[msg->command]++;
    if (msg->command == SPV_CMD_HEADERS && msg->u.headers.n > 0) {
        e->headers += msg->u.headers.n;
        e->nonces = msg->u.headers.headers[msg->u.headers.n - 1].nonce;
    }
    if (e->on_message)
        e->on_message(e, msg);
}

static void on_closed(struct spv_link *link, int error, void *ctx)
{
    struct end *e = ctx;
    assert_ptr_equal(link, e->link);
    e->n_closed++;
    e->error = error;
    if (e->on_closed)
        e->on_closed(e);
    e->link = NULL;
}

struct spv_peer_config net_fixture_config(void)
{
    return (struct spv_peer_config){.net = spv_netid_get(SPV_REGTEST), .rng = spv_system_rng()};
}

struct spv_link_callbacks net_fixture_callbacks(struct end *e)
{
    return (struct spv_link_callbacks){
        .on_ready = on_ready, .on_message = on_message, .on_closed = on_closed, .ctx = e};
}

void net_fixture_attach(struct net_fixture *net_fixture, struct end *e, int fd,
                        enum spv_direction dir, const struct spv_peer_config *cfg)
{
    const struct spv_link_callbacks callbacks = net_fixture_callbacks(e);
    e->net_fixture = net_fixture;
    assert_int_equal(spv_link_attach(&e->link, net_fixture->r, fd, cfg, dir, &callbacks), 0);
}

void net_fixture_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

void net_fixture_connect(struct net_fixture *net_fixture, struct end *a, struct end *b)
{
    int fds[2];
    net_fixture_pair(fds);
    struct spv_peer_config cfg = net_fixture_config();
    cfg.transport = net_fixture->transport;
    net_fixture_attach(net_fixture, a, fds[0], SPV_OUTBOUND, &cfg);
    net_fixture_attach(net_fixture, b, fds[1], SPV_INBOUND, &cfg);
}

void net_fixture_stop(struct end *e)
{
    spv_reactor_stop(e->net_fixture->r);
}

void net_fixture_close(struct net_fixture *net_fixture)
{
    spv_reactor_close_connections(net_fixture->r);
}
