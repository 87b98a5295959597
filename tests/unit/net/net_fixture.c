#include "unit/net/net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "net/reactor.h"

static void on_guard(void *ctx)
{
    struct rig *rig = ctx;
    rig->hung = true;
    spv_reactor_stop(rig->r);
}

int rig_setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->guard_us = RIG_GUARD;
    assert_int_equal(spv_reactor_new(&rig->r, NULL), 0);
    assert_int_equal(spv_timer_new(&rig->guard, rig->r, on_guard, rig), 0);
    *state = rig;
    return 0;
}

int rig_teardown(void **state)
{
    struct rig *rig = *state;
    spv_timer_free(rig->guard);
    spv_reactor_free(rig->r);
    free(rig);
    return 0;
}

void rig_run(struct rig *rig)
{
    spv_timer_set(rig->guard, spv_system_now().mono_us + rig->guard_us);
    assert_int_equal(spv_reactor_run(rig->r), 0);
    assert_false(rig->hung);
}

static void on_ready(struct spv_link *link, void *ctx)
{
    struct end *e = ctx;
    assert_ptr_equal(link, e->link);
    e->readies++;
    if (e->on_ready != NULL)
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
    if (e->on_message != NULL)
        e->on_message(e, msg);
}

static void on_closed(struct spv_link *link, int error, void *ctx)
{
    struct end *e = ctx;
    assert_ptr_equal(link, e->link);
    e->closings++;
    e->error = error;
    if (e->on_closed != NULL)
        e->on_closed(e);
    e->link = NULL;
}

struct spv_peer_config rig_config(void)
{
    return (struct spv_peer_config){.net = spv_netid_get(SPV_REGTEST), .rng = spv_system_rng()};
}

struct spv_link_callbacks rig_callbacks(struct end *e)
{
    return (struct spv_link_callbacks){
        .on_ready = on_ready, .on_message = on_message, .on_closed = on_closed, .ctx = e};
}

void rig_attach(struct rig *rig, struct end *e, int fd, enum spv_direction dir,
                const struct spv_peer_config *cfg)
{
    const struct spv_link_callbacks callbacks = rig_callbacks(e);
    e->rig = rig;
    assert_int_equal(spv_link_attach(&e->link, rig->r, fd, cfg, dir, &callbacks), 0);
}

void rig_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

void rig_connect(struct rig *rig, struct end *a, struct end *b)
{
    int fds[2];
    rig_pair(fds);
    const struct spv_peer_config cfg = rig_config();
    rig_attach(rig, a, fds[0], SPV_OUTBOUND, &cfg);
    rig_attach(rig, b, fds[1], SPV_INBOUND, &cfg);
}

void rig_stop(struct end *e)
{
    spv_reactor_stop(e->rig->r);
}

void rig_part(struct rig *rig)
{
    spv_reactor_evict(rig->r);
}
