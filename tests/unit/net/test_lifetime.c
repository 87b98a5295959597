/* What may be freed when: timers and listeners around their reactor, a reactor from its callbacks.
 */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/reactor.h"
#include "spv/resolve.h"
#include "unit/net/net_fixture.h"

static const struct spv_endpoint loopback = {.host = "127.0.0.1"};

static void count_call(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void close_socket(void *ctx, int fd, const struct spv_endpoint *from)
{
    (void)ctx;
    (void)from;
    assert_int_equal(close(fd), 0);
}

static void timer_can_be_freed_after_its_reactor(void **state)
{
    (void)state;
    unsigned fired = 0;
    struct spv_reactor *r;
    struct spv_timer *timers[3];
    assert_int_equal(spv_reactor_new(&r, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(spv_timer_new(&timers[i], r, count_call, &fired), 0);
    spv_timer_set(timers[0], 0);
    spv_timer_free(timers[1]); /* before, from the middle of the list */
    assert_int_equal(spv_reactor_free(r), 0);
    spv_timer_set(timers[0], 0);
    spv_timer_set(timers[2], SPV_NEVER);
    spv_timer_free(timers[0]);
    spv_timer_free(timers[2]);
    assert_int_equal(fired, 0);
}

static void listener_can_be_freed_after_its_reactor(void **state)
{
    (void)state;
    struct spv_reactor *r;
    struct spv_listener *l;
    struct spv_listener *again;
    struct spv_endpoint at = loopback;
    assert_int_equal(spv_reactor_new(&r, NULL), 0);
    assert_int_equal(spv_listener_new(&l, r, &at, close_socket, NULL, NULL), 0);
    at.port = spv_listener_port(l);
    assert_int_equal(spv_reactor_free(r), 0);
    assert_int_equal(spv_listener_port(l), at.port);
    spv_listener_conn_closed(l);
    assert_int_equal(spv_listener_conn_count(l), 0);
    /* The reactor has closed the socket: another listener gets the port. */
    assert_int_equal(spv_reactor_new(&r, NULL), 0);
    assert_int_equal(spv_listener_new(&again, r, &at, close_socket, NULL, NULL), 0);
    spv_listener_free(l);
    spv_listener_free(again);
    assert_int_equal(spv_reactor_free(r), 0);
}

/* A reactor on its own base or on the caller's, with callbacks that try to free and to run it. */
struct attempts {
    struct event_base *base; /* NULL: the reactor's own */
    struct spv_reactor *r;
    struct spv_timer *timer;
    struct spv_listener *listener;
    struct spv_link *link;
    unsigned n;
    unsigned wanted; /* attempts after which the loop ends */
};

static void free_and_run(struct attempts *a)
{
    assert_int_equal(spv_reactor_free(a->r), SPV_ERR_STATE);
    assert_int_equal(spv_reactor_run(a->r), SPV_ERR_STATE);
    if (++a->n != a->wanted)
        return;
    spv_reactor_stop(a->r);
    if (a->base)
        assert_int_equal(event_base_loopbreak(a->base), 0);
}

static void on_fire(void *ctx)
{
    struct attempts *a = ctx;
    spv_timer_free(a->timer);
    a->timer = NULL;
    free_and_run(a);
}

static void on_accepted(void *ctx, int fd, const struct spv_endpoint *from)
{
    struct attempts *a = ctx;
    (void)from;
    assert_int_equal(close(fd), 0);
    spv_listener_free(a->listener);
    a->listener = NULL;
    free_and_run(a);
}

static void on_dialled(void *ctx, int fd, int error)
{
    assert_int_equal(error, 0);
    assert_int_equal(close(fd), 0);
    free_and_run(ctx);
}

static void on_resolved(void *ctx, int error, const struct spv_netaddr *addrs, size_t n)
{
    (void)addrs;
    assert_int_equal(error, 0);
    assert_int_equal(n, 1);
    free_and_run(ctx);
}

static void on_link_ready(struct spv_link *link, void *ctx)
{
    (void)link;
    free_and_run(ctx);
}

static void on_link_message(struct spv_link *link, const struct spv_msg *msg, void *ctx)
{
    (void)link;
    if (msg->command == SPV_CMD_VERACK)
        free_and_run(ctx);
}

static void on_link_closed(struct spv_link *link, int error, void *ctx)
{
    struct attempts *a = ctx;
    (void)error;
    if (link == a->link)
        a->link = NULL;
    free_and_run(a);
}

static void on_sent(void *ctx, int error)
{
    assert_int_equal(error, 0);
    free_and_run(ctx);
}

static void on_exec(void *ctx, struct spv_peer *peer, struct spv_now now)
{
    (void)now;
    assert_non_null(peer);
    free_and_run(ctx);
}

static void attach_links(struct attempts *a)
{
    int fds[2];
    struct spv_link *inbound;
    const struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {.has_nonce = true}};
    const struct spv_peer_config cfg = net_fixture_config();
    const struct spv_link_callbacks outer = {.on_ready = on_link_ready,
                                             .on_message = on_link_message,
                                             .on_closed = on_link_closed,
                                             .ctx = a};
    net_fixture_pair(fds);
    assert_int_equal(spv_link_attach(&a->link, a->r, fds[0], &cfg, SPV_OUTBOUND, &outer), 0);
    assert_int_equal(spv_link_attach(&inbound, a->r, fds[1], &cfg, SPV_INBOUND,
                                     &(const struct spv_link_callbacks){0}),
                     0);
    assert_int_equal(spv_link_send_tracked(a->link, &ping, on_sent, a), 0);
    assert_int_equal(spv_link_exec(a->link, on_exec, a), 0);
}

static void refuse_in_callbacks(struct event_base *base)
{
    /* exec, ready, verack, completion; timer, accepted, dialled, resolved */
    struct attempts a = {.base = base, .wanted = 8};
    struct spv_endpoint at = loopback;
    struct spv_dial *dial;
    struct spv_resolve *resolve;
    assert_int_equal(spv_reactor_new(&a.r, base), 0);
    attach_links(&a);
    assert_int_equal(spv_timer_new(&a.timer, a.r, on_fire, &a), 0);
    spv_timer_set(a.timer, 0);
    assert_int_equal(spv_listener_new(&a.listener, a.r, &at, on_accepted, &a, NULL), 0);
    at.port = spv_listener_port(a.listener);
    assert_int_equal(spv_dial_start(&dial, a.r, &at, 0, on_dialled, &a), 0);
    assert_int_equal(spv_resolve_start(&resolve, a.r, "127.0.0.1", 1, on_resolved, &a), 0);
    if (base)
        assert_int_equal(event_base_dispatch(base), 0);
    else
        assert_int_equal(spv_reactor_run(a.r), 0);
    assert_int_equal(a.n, 8);
    assert_int_equal(spv_reactor_free(a.r), 0); /* on_closed tries once more */
    assert_int_equal(a.n, 9);
    assert_null(a.link);
}

static void reactor_is_not_freed_or_run_by_its_callbacks(void **state)
{
    (void)state;
    refuse_in_callbacks(NULL);
}

static void reactor_on_the_callers_base_is_not_freed_or_run_by_its_callbacks(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    assert_non_null(base);
    refuse_in_callbacks(base);
    event_base_free(base);
}

static void observe_write(void *ctx, size_t bytes, const char *command, int error)
{
    struct attempts *a = ctx;
    (void)bytes;
    (void)command;
    (void)error;
    assert_int_equal(spv_reactor_free(a->r), SPV_ERR_STATE);
    a->n++;
}

static void reactor_is_not_freed_by_an_observer(void **state)
{
    (void)state;
    struct attempts a = {0};
    int fds[2];
    struct spv_peer_config cfg = net_fixture_config();
    cfg.observer = (struct spv_peer_observer){.on_any_write = observe_write, .ctx = &a};
    net_fixture_pair(fds);
    assert_int_equal(spv_reactor_new(&a.r, NULL), 0);
    assert_int_equal(spv_link_attach(&a.link, a.r, fds[0], &cfg, SPV_OUTBOUND,
                                     &(const struct spv_link_callbacks){0}),
                     0); /* writes the version message */
    assert_int_equal(a.n, 1);
    const struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {.has_nonce = true}};
    assert_int_equal(spv_link_send(a.link, &ping), 0);
    spv_link_close(a.link, 0);
    assert_int_equal(spv_reactor_free(a.r), 0);
    assert_int_equal(close(fds[1]), 0);
}

/* on_closed, while its reactor is freed. */
static void open_more(struct spv_link *link, int error, void *ctx)
{
    struct attempts *a = ctx;
    struct spv_endpoint at = loopback;
    struct spv_dial *dial;
    struct spv_timer *timer;
    struct spv_listener *listener;
    struct spv_error_info why = {0};
    (void)link;
    assert_int_equal(error, SPV_ERR_INTERRUPTED);
    assert_int_equal(spv_timer_new(&timer, a->r, count_call, &a->n), SPV_ERR_STATE);
    assert_int_equal(spv_listener_new(&listener, a->r, &at, on_accepted, a, &why), SPV_ERR_STATE);
    assert_int_equal(why.code, SPV_ERR_STATE);
    at.port = 1;
    assert_int_equal(spv_dial_start(&dial, a->r, &at, 0, on_dialled, a), SPV_ERR_STATE);
    spv_timer_set(a->timer, 0);
    spv_listener_free(a->listener);
    a->n++;
}

static void no_handle_opens_on_a_reactor_that_is_being_freed(void **state)
{
    (void)state;
    struct attempts a = {0};
    int fds[2];
    const struct spv_peer_config cfg = net_fixture_config();
    const struct spv_link_callbacks callbacks = {.on_closed = open_more, .ctx = &a};
    net_fixture_pair(fds);
    assert_int_equal(spv_reactor_new(&a.r, NULL), 0);
    assert_int_equal(spv_timer_new(&a.timer, a.r, count_call, &a.n), 0);
    assert_int_equal(spv_listener_new(&a.listener, a.r, &loopback, on_accepted, &a, NULL), 0);
    assert_int_equal(spv_link_attach(&a.link, a.r, fds[0], &cfg, SPV_OUTBOUND, &callbacks), 0);
    assert_int_equal(spv_reactor_free(a.r), 0);
    assert_int_equal(a.n, 1);
    spv_timer_free(a.timer);
    assert_int_equal(close(fds[1]), 0);
}

/* An event of the caller's on a base of his own. */
static void free_reactor(evutil_socket_t fd, short what, void *ctx)
{
    struct attempts *a = ctx;
    (void)fd;
    (void)what;
    assert_int_equal(spv_reactor_free(a->r), 0);
    a->r = NULL;
}

static void callers_event_on_the_same_base_may_free_the_reactor(void **state)
{
    (void)state;
    struct attempts a = {.base = event_base_new()};
    assert_non_null(a.base);
    assert_int_equal(spv_reactor_new(&a.r, a.base), 0);
    assert_int_equal(spv_timer_new(&a.timer, a.r, on_fire, &a), 0);
    spv_timer_set(a.timer, spv_system_now().mono_us + 3600 * SPV_SECOND);
    struct event *event = event_new(a.base, -1, 0, free_reactor, &a);
    assert_non_null(event);
    event_active(event, EV_TIMEOUT, 0);
    assert_int_equal(event_base_loop(a.base, EVLOOP_ONCE), 0);
    assert_null(a.r);
    spv_timer_free(a.timer);
    event_free(event);
    event_base_free(a.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_can_be_freed_after_its_reactor),
        cmocka_unit_test(listener_can_be_freed_after_its_reactor),
        cmocka_unit_test(reactor_is_not_freed_or_run_by_its_callbacks),
        cmocka_unit_test(reactor_on_the_callers_base_is_not_freed_or_run_by_its_callbacks),
        cmocka_unit_test(reactor_is_not_freed_by_an_observer),
        cmocka_unit_test(no_handle_opens_on_a_reactor_that_is_being_freed),
        cmocka_unit_test(callers_event_on_the_same_base_may_free_the_reactor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
