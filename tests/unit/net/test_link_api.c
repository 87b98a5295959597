/* Completions, references, commands of other threads, and bufferevents. While no thread runs the
 * reactor, this one counts as another thread: its messages are queued in the mailbox. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/link.h"
#include "unit/net/net_fixture.h"
#include "wire/codec.h"

#define MAX_CMDS 10000 /* documented limits */
#define MAX_CMD_BYTES (4u << 20)

struct counters {
    struct end a;
    struct end b;
    unsigned n_done;
    int errors[16]; /* in order */
    unsigned n_closed_before; /* at the last completion */
};

static void on_done(void *ctx, int error)
{
    struct counters *t = ctx;
    assert_true(t->n_done < 16);
    t->errors[t->n_done++] = error;
    t->n_closed_before = t->a.n_closed;
}

static const struct spv_msg getaddr = {.command = SPV_CMD_GETADDR};

static void stop_at_getaddr(struct end *e, const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_GETADDR)
        net_fixture_stop(e);
}

static void send_three(struct end *e)
{
    struct counters *t = e->ctx;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(spv_link_send_tracked(e->link, &getaddr, on_done, t), 0);
        assert_int_equal(t->n_done, 0); /* not inside the call */
    }
    spv_link_close(e->link, 0);
}

static void completions_come_in_order_before_the_final_callback(void **state)
{
    struct counters t = {.a = {.on_ready = send_three, .on_closed = net_fixture_stop}};
    t.a.ctx = &t;
    net_fixture_connect(*state, &t.a, &t.b);
    net_fixture_run(*state);
    assert_int_equal(t.n_done, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(t.errors[i], 0);
    assert_int_equal(t.n_closed_before, 0);
    assert_int_equal(t.a.n_closed, 1);
    assert_int_equal(t.a.error, SPV_ERR_DISCONNECTED);
    net_fixture_close(*state);
}

static void completions_fail_when_the_link_closes_in_the_handshake(void **state)
{
    struct counters t = {.a = {.on_closed = net_fixture_stop}};
    int fds[2];
    const struct spv_peer_config cfg = net_fixture_config();
    net_fixture_pair(fds);
    net_fixture_attach(*state, &t.a, fds[0], SPV_OUTBOUND, &cfg);
    assert_int_equal(spv_link_send_tracked(t.a.link, &getaddr, on_done, &t), 0);
    (void)close(fds[1]);
    net_fixture_run(*state);
    assert_int_equal(t.n_done, 1);
    assert_int_equal(t.errors[0], t.a.error);
    assert_true(t.a.error == SPV_ERR_RESET || t.a.error == SPV_ERR_CLOSED);
}

static void completion_of_a_message_unknown_to_the_peers_version_is_unsupported(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct counters t = {.b = {.on_message = stop_at_getaddr}};
    const struct spv_msg sendheaders = {.command = SPV_CMD_SENDHEADERS};
    struct spv_peer_config cfg = net_fixture_config();
    int fds[2];
    net_fixture_pair(fds);
    net_fixture_attach(net_fixture, &t.a, fds[0], SPV_OUTBOUND, &cfg);
    cfg.max_version = 70001;
    net_fixture_attach(net_fixture, &t.b, fds[1], SPV_INBOUND, &cfg);
    assert_int_equal(spv_link_send_tracked(t.a.link, &sendheaders, on_done, &t), 0);
    assert_int_equal(spv_link_send_tracked(t.a.link, &getaddr, on_done, &t), 0);
    net_fixture_run(net_fixture);
    net_fixture_close(net_fixture);
    assert_int_equal(t.n_done, 2);
    assert_int_equal(t.errors[0], SPV_ERR_UNSUPPORTED);
    assert_int_equal(t.errors[1], 0);
    assert_int_equal(t.b.messages[SPV_CMD_SENDHEADERS], 0);
    assert_int_equal(t.b.messages[SPV_CMD_GETADDR], 1);
}

static void queued_commands_are_bounded_in_number(void **state)
{
    struct counters t = {0};
    net_fixture_connect(*state, &t.a, &t.b);
    for (unsigned i = 0; i < MAX_CMDS; i++)
        assert_int_equal(spv_link_send(t.a.link, &getaddr), 0);
    assert_int_equal(spv_link_send(t.a.link, &getaddr), SPV_ERR_QUEUE_FULL);
    assert_int_equal(spv_link_send_tracked(t.a.link, &getaddr, on_done, &t), SPV_ERR_QUEUE_FULL);
    net_fixture_close(*state);
    assert_int_equal(t.n_done, 0); /* a call that fails has no completion */
}

static void queued_commands_are_bounded_in_bytes(void **state)
{
    struct counters t = {0};
    uint8_t *bytes = calloc(1, SPV_MAX_PAYLOAD);
    assert_non_null(bytes);
    struct spv_msg large = {.command = SPV_CMD_UNKNOWN,
                            .name = "large",
                            .u.raw = {.bytes = bytes, .n = SPV_MAX_PAYLOAD}};
    net_fixture_connect(*state, &t.a, &t.b);
    assert_int_equal(spv_link_send(t.a.link, &large), 0); /* one always fits */
    large.u.raw.n = MAX_CMD_BYTES - SPV_MAX_PAYLOAD - 2 * SPV_FRAME_HEADER + 1;
    assert_int_equal(spv_link_send(t.a.link, &large), SPV_ERR_QUEUE_FULL);
    large.u.raw.n--;
    assert_int_equal(spv_link_send(t.a.link, &large), 0);
    net_fixture_close(*state);
    free(bytes);
}

static void messages_of_the_handshake_are_refused_at_the_call(void **state)
{
    struct counters t = {0};
    static const enum spv_command handshake[] = {
        SPV_CMD_VERSION, SPV_CMD_VERACK, SPV_CMD_SENDADDRV2, SPV_CMD_WTXIDRELAY, SPV_CMD_FEATURE};
    const struct spv_msg inv = {.command = SPV_CMD_INV, .u.inv = {.n = SPV_MAX_INV + 1}};
    net_fixture_connect(*state, &t.a, &t.b);
    for (size_t i = 0; i < sizeof handshake / sizeof handshake[0]; i++) {
        const struct spv_msg msg = {.command = handshake[i]};
        assert_int_equal(spv_link_send(t.a.link, &msg), SPV_ERR_INVALID);
    }
    assert_int_equal(spv_link_send(t.a.link, &inv), SPV_ERR_TOO_LONG);
    net_fixture_close(*state);
}

static void stop_after_two_completions(struct end *e, const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_PING)
        net_fixture_stop(e);
}

static void message_larger_than_the_send_queue_fails_and_blocks_no_other(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct counters t = {.b = {.on_message = stop_after_two_completions}};
    static uint8_t bytes[3000];
    const struct spv_msg large = {
        .command = SPV_CMD_UNKNOWN, .name = "large", .u.raw = {.bytes = bytes, .n = sizeof bytes}};
    const struct spv_msg ping = {.command = SPV_CMD_PING, .u.ping = {.has_nonce = true}};
    struct spv_peer_config cfg = net_fixture_config();
    int fds[2];
    cfg.max_queue_bytes = 2000;
    net_fixture_pair(fds);
    net_fixture_attach(net_fixture, &t.a, fds[0], SPV_OUTBOUND, &cfg);
    net_fixture_attach(net_fixture, &t.b, fds[1], SPV_INBOUND, &cfg);
    assert_int_equal(spv_link_send_tracked(t.a.link, &large, on_done, &t), 0);
    assert_int_equal(spv_link_send_tracked(t.a.link, &ping, on_done, &t), 0);
    net_fixture_run(net_fixture);
    net_fixture_close(net_fixture);
    assert_int_equal(t.n_done, 2);
    assert_int_equal(t.errors[0] + t.errors[1], SPV_ERR_QUEUE_FULL); /* the other was sent */
}

/* Eight messages, of which the send queue has space for one at a time. */
static void send_large_messages(struct net_fixture *net_fixture, struct counters *t, int fd)
{
    static uint8_t bytes[1500];
    const struct spv_msg large = {
        .command = SPV_CMD_UNKNOWN, .name = "large", .u.raw = {.bytes = bytes, .n = sizeof bytes}};
    struct spv_peer_config cfg = net_fixture_config();
    cfg.max_queue_bytes = 2000;
    net_fixture_attach(net_fixture, &t->a, fd, SPV_OUTBOUND, &cfg);
    for (int i = 0; i < 8; i++)
        assert_int_equal(spv_link_send_tracked(t->a.link, &large, on_done, t), 0);
}

static void stop_at_the_eighth(struct end *e, const struct spv_msg *msg)
{
    (void)msg;
    if (e->messages[SPV_CMD_UNKNOWN] == 8)
        net_fixture_stop(e);
}

static void commands_wait_for_space_in_the_send_queue(void **state)
{
    struct counters t = {.b = {.on_message = stop_at_the_eighth}};
    const struct spv_peer_config cfg = net_fixture_config();
    int fds[2];
    net_fixture_pair(fds);
    send_large_messages(*state, &t, fds[0]);
    net_fixture_attach(*state, &t.b, fds[1], SPV_INBOUND, &cfg);
    net_fixture_run(*state);
    net_fixture_close(*state);
    assert_int_equal(t.n_done, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(t.errors[i], 0);
}

static void commands_waiting_for_space_fail_when_the_link_closes(void **state)
{
    struct counters t = {.a = {.on_closed = net_fixture_stop}};
    int fds[2];
    net_fixture_pair(fds);
    send_large_messages(*state, &t, fds[0]);
    (void)close(fds[1]);
    net_fixture_run(*state);
    assert_int_equal(t.n_done, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(t.errors[i], t.a.error);
    assert_int_equal(t.n_closed_before, 0);
}

static void stop_at_inv(struct end *e, const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_INV && msg->u.inv.n == 1 && msg->u.inv.items[0].hash.b[0] == 7)
        net_fixture_stop(e);
}

static const struct spv_inv block = {.type = SPV_INV_BLOCK, .hash = {{7}}};

static void push_twice(struct end *e)
{
    assert_int_equal(spv_link_push_inventory(e->link, &block, 0), 1);
    assert_int_equal(spv_link_push_inventory(e->link, &block, 0), 0); /* known to the peer now */
}

static void inventory_is_pushed_from_the_reactors_thread(void **state)
{
    struct counters t = {.a = {.on_ready = push_twice}, .b = {.on_message = stop_at_inv}};
    net_fixture_connect(*state, &t.a, &t.b);
    net_fixture_run(*state);
    net_fixture_close(*state);
    assert_int_equal(t.b.messages[SPV_CMD_INV], 1);
}

static void push_from_outside(struct end *e)
{
    struct counters *t = e->ctx;
    spv_task_queue_clear_loop_thread(t->a.link->task_queue); /* act as another thread */
    assert_int_equal(spv_link_push_inventory(t->a.link, &block, 0), 1);
    assert_int_equal(t->b.messages[SPV_CMD_INV], 0);
}

static void inventory_is_pushed_from_any_thread(void **state)
{
    struct counters t = {.a = {.on_ready = push_from_outside}, .b = {.on_message = stop_at_inv}};
    t.a.ctx = &t;
    net_fixture_connect(*state, &t.a, &t.b);
    net_fixture_run(*state);
    net_fixture_close(*state);
    assert_int_equal(t.b.messages[SPV_CMD_INV], 1);
}

static void count_call(void *ctx, struct spv_peer *peer, struct spv_now now)
{
    struct counters *t = ctx;
    (void)now;
    t->errors[t->n_done++] = peer != NULL;
}

static void exec_is_called_once_or_with_no_peer_when_the_link_has_closed(void **state)
{
    struct counters t = {.a = {.on_ready = net_fixture_stop}};
    net_fixture_connect(*state, &t.a, &t.b);
    assert_int_equal(spv_link_exec(t.a.link, count_call, &t), 0);
    assert_int_equal(t.n_done, 0);
    net_fixture_run(*state);
    assert_int_equal(t.n_done, 1);
    assert_int_equal(t.errors[0], 1);
    spv_link_ref(t.a.link);
    struct spv_link *link = t.a.link;
    assert_int_equal(spv_link_exec(link, count_call, &t), 0);
    net_fixture_close(*state); /* executes queued commands first */
    assert_int_equal(t.n_done, 2);
    assert_int_equal(spv_link_exec(link, count_call, &t), SPV_ERR_STATE);
    assert_int_equal(t.n_done, 2);
    spv_link_unref(link);
}

static void on_wait(struct end *e)
{
    assert_int_equal(spv_link_wait(e->link), SPV_ERR_STATE);
    net_fixture_stop(e);
}

static void waiting_on_the_reactors_thread_is_refused(void **state)
{
    struct counters t = {.a = {.on_ready = on_wait, .on_closed = on_wait}};
    net_fixture_connect(*state, &t.a, &t.b);
    net_fixture_run(*state);
    net_fixture_close(*state); /* in on_closed as well */
    assert_int_equal(t.a.n_closed, 1);
}

static void referenced_link_is_safe_to_use_after_it_has_closed(void **state)
{
    struct counters t = {.a = {.on_ready = net_fixture_stop}};
    struct spv_peer_stats stats;
    net_fixture_connect(*state, &t.a, &t.b);
    struct spv_link *link = spv_link_ref(t.a.link);
    net_fixture_run(*state);
    assert_int_equal(net_fixture_teardown(state), 0); /* the reactor is freed */
    assert_int_equal(t.a.error, SPV_ERR_INTERRUPTED);
    assert_int_equal(spv_link_send(link, &getaddr), SPV_ERR_STATE);
    assert_int_equal(spv_link_send_tracked(link, &getaddr, on_done, &t), SPV_ERR_STATE);
    spv_link_close(link, SPV_ERR_STALL);
    assert_int_equal(spv_link_wait(link), 0);
    spv_link_stats(link, &stats);
    assert_true(stats.ready);
    assert_true(stats.bytes_in > 0);
    assert_string_equal(spv_link_endpoint(link)->host, "local");
    spv_link_unref(link);
    assert_int_equal(t.n_done, 0);
    assert_int_equal(net_fixture_setup(state), 0);
}

/* Bufferevents. */
static void attach_bev(struct net_fixture *net_fixture, struct end *e, struct bufferevent *bev,
                       enum spv_direction dir, const struct spv_peer_config *cfg)
{
    const struct spv_link_callbacks callbacks = net_fixture_callbacks(e);
    e->net_fixture = net_fixture;
    assert_int_equal(
        spv_link_attach_bufferevent(&e->link, net_fixture->r, bev, cfg, dir, &callbacks), 0);
}

static void send_headers(struct end *e)
{
    static struct spv_header many[SPV_MAX_HEADERS];
    const struct spv_msg msg = {.command = SPV_CMD_HEADERS,
                                .u.headers = {.headers = many, .n = SPV_MAX_HEADERS}};
    for (int i = 0; i < 5; i++)
        assert_int_equal(spv_link_send_tracked(e->link, &msg, on_done, e->ctx), 0);
}

static void stop_after_all_headers(struct end *e, const struct spv_msg *msg)
{
    const struct counters *t = e->ctx;
    (void)msg;
    if (t->a.headers == (size_t)5 * SPV_MAX_HEADERS && t->b.headers == t->a.headers)
        net_fixture_stop(e);
}

static void exchange_headers(struct net_fixture *net_fixture, struct bufferevent *one,
                             struct bufferevent *two)
{
    struct counters t = {.a = {.on_ready = send_headers, .on_message = stop_after_all_headers},
                         .b = {.on_ready = send_headers, .on_message = stop_after_all_headers}};
    const struct spv_peer_config cfg = net_fixture_config();
    t.a.ctx = &t;
    t.b.ctx = &t;
    attach_bev(net_fixture, &t.a, one, SPV_OUTBOUND, &cfg);
    attach_bev(net_fixture, &t.b, two, SPV_INBOUND, &cfg);
    net_fixture_run(net_fixture);
    net_fixture_close(net_fixture);
    assert_int_equal(t.n_done, 10);
    assert_int_equal(t.a.n_closed + t.b.n_closed, 2);
}

static void links_exchange_headers_over_bufferevents_on_sockets(void **state)
{
    struct net_fixture *net_fixture = *state;
    int fds[2];
    net_fixture_pair(fds);
    exchange_headers(net_fixture,
                     bufferevent_socket_new(net_fixture->r->base, fds[0], BEV_OPT_CLOSE_ON_FREE),
                     bufferevent_socket_new(net_fixture->r->base, fds[1], BEV_OPT_CLOSE_ON_FREE));
}

static void links_exchange_headers_over_a_pair_that_calls_back_inside_writes(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct bufferevent *pair[2];
    assert_int_equal(bufferevent_pair_new(net_fixture->r->base, 0, pair), 0);
    exchange_headers(net_fixture, pair[0], pair[1]);
}

static void bufferevent_that_ends_closes_the_link(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct counters t = {.a = {.on_closed = net_fixture_stop}};
    const struct spv_peer_config cfg = net_fixture_config();
    int fds[2];
    net_fixture_pair(fds);
    attach_bev(net_fixture, &t.a,
               bufferevent_socket_new(net_fixture->r->base, fds[0], BEV_OPT_CLOSE_ON_FREE),
               SPV_OUTBOUND, &cfg);
    (void)close(fds[1]);
    net_fixture_run(net_fixture);
    assert_true(t.a.error == SPV_ERR_RESET || t.a.error == SPV_ERR_CLOSED);
}

static void unread_bufferevent_is_closed_at_the_write_deadline(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct counters t = {.a = {.on_ready = send_headers, .on_closed = net_fixture_stop}};
    struct spv_peer_config cfg = net_fixture_config();
    struct spv_buffer b;
    int fds[2];
    t.a.ctx = &t;
    net_fixture_pair(fds);
    (void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int));
    cfg.timeouts.write = 20000;
    attach_bev(net_fixture, &t.a,
               bufferevent_socket_new(net_fixture->r->base, fds[0], BEV_OPT_CLOSE_ON_FREE),
               SPV_INBOUND, &cfg);
    spv_buffer_init(&b);
    const struct spv_msg version = {.command = SPV_CMD_VERSION,
                                    .u.version = {.version = SPV_PROTOCOL_VERSION, .nonce = 9}};
    const struct spv_msg verack = {.command = SPV_CMD_VERACK};
    assert_int_equal(spv_msg_write(&b, &version, cfg.net, SPV_PROTOCOL_VERSION), 0);
    assert_int_equal(spv_msg_write(&b, &verack, cfg.net, SPV_PROTOCOL_VERSION), 0);
    assert_int_equal(write(fds[1], b.data, b.len), (ssize_t)b.len);
    spv_buffer_free(&b);
    net_fixture_run(net_fixture);
    assert_int_equal(t.a.error, SPV_ERR_WRITE_TIMEOUT);
    assert_int_equal(t.n_done, 5);
    assert_int_equal(t.errors[4],
                     SPV_ERR_WRITE_TIMEOUT); /* bytes in bev's output buffer never count as sent */
    (void)close(fds[1]);
}

static void bufferevent_of_another_base_is_refused(void **state)
{
    struct net_fixture *net_fixture = *state;
    struct event_base *other = event_base_new();
    const struct spv_peer_config cfg = net_fixture_config();
    const struct spv_link_callbacks none = {0};
    struct spv_link *l;
    int fds[2];
    char c;
    assert_non_null(other);
    net_fixture_pair(fds);
    assert_int_equal(
        spv_link_attach_bufferevent(&l, net_fixture->r,
                                    bufferevent_socket_new(other, fds[0], BEV_OPT_CLOSE_ON_FREE),
                                    &cfg, SPV_OUTBOUND, &none),
        SPV_ERR_INVALID);
    (void)event_base_loop(other, EVLOOP_NONBLOCK);
    assert_int_equal(read(fds[1], &c, 1), 0); /* the bufferevent was freed */
    (void)close(fds[1]);
    event_base_free(other);
}

/* The caller's base, run by the caller. */
static void leave_base(struct end *e, const struct spv_msg *msg)
{
    if (msg->command == SPV_CMD_GETADDR)
        (void)event_base_loopbreak(e->net_fixture->r->base);
}

static void links_and_commands_run_on_the_callers_base(void **state)
{
    struct event_base *base = event_base_new();
    struct net_fixture net_fixture = {0};
    struct counters t = {.b = {.on_message = leave_base}};
    (void)state;
    assert_non_null(base);
    assert_int_equal(spv_reactor_new(&net_fixture.r, base), 0);
    net_fixture_connect(&net_fixture, &t.a, &t.b);
    assert_int_equal(spv_link_send(t.a.link, &getaddr), 0);
    assert_int_equal(event_base_dispatch(base), 0);
    assert_int_equal(t.b.messages[SPV_CMD_GETADDR], 1);
    spv_reactor_free(net_fixture.r);
    assert_int_equal(t.a.n_closed + t.b.n_closed, 2);
    event_base_free(base);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* see spv_link_attach_bufferevent */
#define T(name) cmocka_unit_test_setup_teardown(name, net_fixture_setup, net_fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(completions_come_in_order_before_the_final_callback),
        T(completions_fail_when_the_link_closes_in_the_handshake),
        T(completion_of_a_message_unknown_to_the_peers_version_is_unsupported),
        T(queued_commands_are_bounded_in_number),
        T(queued_commands_are_bounded_in_bytes),
        T(messages_of_the_handshake_are_refused_at_the_call),
        T(message_larger_than_the_send_queue_fails_and_blocks_no_other),
        T(commands_wait_for_space_in_the_send_queue),
        T(commands_waiting_for_space_fail_when_the_link_closes),
        T(inventory_is_pushed_from_the_reactors_thread),
        T(inventory_is_pushed_from_any_thread),
        T(exec_is_called_once_or_with_no_peer_when_the_link_has_closed),
        T(waiting_on_the_reactors_thread_is_refused),
        T(referenced_link_is_safe_to_use_after_it_has_closed),
        T(links_exchange_headers_over_bufferevents_on_sockets),
        T(links_exchange_headers_over_a_pair_that_calls_back_inside_writes),
        T(bufferevent_that_ends_closes_the_link),
        T(unread_bufferevent_is_closed_at_the_write_deadline),
        T(bufferevent_of_another_base_is_refused),
        cmocka_unit_test(links_and_commands_run_on_the_callers_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
