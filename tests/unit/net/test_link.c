/* Links over socket pairs: two links, or one link and a test that writes bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/link.h"
#include "unit/net/net_fixture.h"
#include "util/buffer.h"
#include "wire/codec.h"

#define MANY_HEADERS SPV_MAX_HEADERS

static struct spv_header many[MANY_HEADERS];

static struct spv_msg headers_message(void)
{
    for (uint32_t i = 0; i < MANY_HEADERS; i++)
        many[i].nonce = i + 1;
    return (struct spv_msg){.command = SPV_CMD_HEADERS,
                            .u.headers = {.headers = many, .n = MANY_HEADERS}};
}

static struct spv_msg ping_message(void)
{
    return (struct spv_msg){.command = SPV_CMD_PING, .u.ping = {.has_nonce = true, .nonce = 7}};
}

static void close_link(struct end *e)
{
    spv_link_close(e->link, SPV_ERR_DISCONNECTED);
    assert_int_equal(e->n_closed, 0); /* not inside the call */
}

/* Stops the loop once both ends of a pair are closed. */
static void stop_after_both(struct end *e)
{
    const struct end *other = e->ctx;
    if (other->n_closed > 0)
        net_fixture_stop(e);
}

static void two_links_complete_the_handshake_and_close(void **state)
{
    struct end a = {.on_ready = close_link, .on_closed = stop_after_both};
    struct end b = {.on_closed = stop_after_both, .ctx = &a};
    a.ctx = &b;
    net_fixture_connect(*state, &a, &b);
    assert_int_equal(a.n_ready, 0);
    net_fixture_run(*state);
    assert_int_equal(a.n_ready, 1);
    assert_int_equal(b.n_ready, 1);
    assert_int_equal(a.n_closed, 1);
    assert_int_equal(a.error, SPV_ERR_DISCONNECTED);
    assert_int_equal(b.n_closed, 1);
    assert_int_equal(b.error, SPV_ERR_CLOSED);
    assert_int_equal(a.messages[SPV_CMD_VERSION], 1);
    assert_int_equal(b.messages[SPV_CMD_VERACK], 1);
}

static void send_headers(struct end *e)
{
    const struct spv_msg msg = headers_message();
    for (int i = 0; i < 5; i++)
        assert_int_equal(spv_link_send(e->link, &msg), 0);
}

static void stop_after_all_headers(struct end *e, const struct spv_msg *msg)
{
    const struct end *other = e->ctx;
    (void)msg;
    const size_t all = (size_t)5 * MANY_HEADERS;
    if (e->headers == all && other->headers == all)
        net_fixture_stop(e);
}

static void large_messages_are_sent_both_ways(void **state)
{
    struct end a = {.on_ready = send_headers, .on_message = stop_after_all_headers};
    struct end b = {.on_ready = send_headers, .on_message = stop_after_all_headers, .ctx = &a};
    a.ctx = &b;
    net_fixture_connect(*state, &a, &b);
    net_fixture_run(*state);
    assert_int_equal(a.nonces, MANY_HEADERS);
    assert_int_equal(b.nonces, MANY_HEADERS);
    struct spv_peer_stats s;
    spv_link_stats(a.link, &s);
    assert_true(s.ready);
    assert_true(s.bytes_in > (uint64_t)5 * MANY_HEADERS * 81);
    assert_true(s.bytes_out > (uint64_t)5 * MANY_HEADERS * 81);
    assert_string_equal(spv_link_endpoint(a.link)->host, "local");
    net_fixture_close(*state);
    assert_int_equal(a.n_closed, 1);
    assert_int_equal(b.error, SPV_ERR_INTERRUPTED);
}

/* A callback may send on its link and close it. */
static void reply_and_close(struct end *e, const struct spv_msg *msg)
{
    if (msg->command != SPV_CMD_HEADERS)
        return;
    const struct spv_msg ping = ping_message();
    assert_int_equal(msg->u.headers.n, MANY_HEADERS);
    assert_int_equal(spv_link_send(e->link, &ping), 0);
    assert_int_equal(msg->u.headers.headers[MANY_HEADERS - 1].nonce, MANY_HEADERS);
    close_link(e);
    spv_link_close(e->link, SPV_ERR_STALL); /* too late, changes nothing */
    assert_int_equal(spv_link_send(e->link, &ping), SPV_ERR_STATE);
}

static void callbacks_may_send_and_close(void **state)
{
    struct end a = {.on_ready = send_headers, .on_closed = stop_after_both};
    struct end b = {.on_message = reply_and_close, .on_closed = stop_after_both, .ctx = &a};
    a.ctx = &b;
    net_fixture_connect(*state, &a, &b);
    net_fixture_run(*state);
    assert_int_equal(b.messages[SPV_CMD_HEADERS], 1); /* nothing after the close */
    assert_int_equal(b.error, SPV_ERR_DISCONNECTED);
    assert_int_equal(b.n_closed, 1);
    assert_int_equal(a.n_closed, 1);
}

/* One link, and a socket of the test. */
static int half_connect(struct net_fixture *net_fixture, struct end *e, enum spv_direction dir,
                        const struct spv_peer_config *cfg)
{
    int fds[2];
    net_fixture_pair(fds);
    net_fixture_attach(net_fixture, e, fds[0], dir, cfg);
    return fds[1];
}

static void send_raw(int fd, const struct spv_msg *msg, uint32_t version)
{
    struct spv_buffer b;
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_write(&b, msg, spv_netid_get(SPV_REGTEST), version), 0);
    assert_int_equal(write(fd, b.data, b.len), (ssize_t)b.len);
    spv_buffer_free(&b);
}

static void send_version(int fd, uint32_t version)
{
    const struct spv_msg msg = {.command = SPV_CMD_VERSION,
                                .u.version = {.version = version, .nonce = 99}};
    send_raw(fd, &msg, version);
}

static void send_verack(int fd)
{
    const struct spv_msg msg = {.command = SPV_CMD_VERACK};
    send_raw(fd, &msg, SPV_PROTOCOL_VERSION);
}

/* An inv with a count of 1 and no entry: closes the connection, at 70015 with a reject. */
static void send_malformed(int fd)
{
    struct spv_msg msg = {
        .command = SPV_CMD_UNKNOWN, .name = "inv", .u.raw = {(const uint8_t *)"\1", 1}};
    send_raw(fd, &msg, SPV_PROTOCOL_VERSION);
}

static void peer_that_disconnects_closes_the_link_once(void **state)
{
    struct end e = {.on_closed = net_fixture_stop};
    const struct spv_peer_config cfg = net_fixture_config();
    int fd = half_connect(*state, &e, SPV_OUTBOUND, &cfg);
    (void)close(fd);
    net_fixture_run(*state);
    assert_int_equal(e.n_closed, 1);
    assert_in_range((unsigned)-e.error, (unsigned)-SPV_ERR_RESET, (unsigned)-SPV_ERR_CLOSED);
    assert_int_equal(e.n_ready, 0);
}

static void last_message_of_a_disconnected_peer_is_read(void **state)
{
    struct end e = {.on_closed = net_fixture_stop};
    const struct spv_peer_config cfg = net_fixture_config();
    int fd = half_connect(*state, &e, SPV_INBOUND, &cfg);
    send_version(fd, SPV_PROTOCOL_VERSION);
    send_verack(fd);
    const struct spv_msg msg = headers_message();
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){1 << 20}, sizeof(int));
    send_raw(fd, &msg, SPV_PROTOCOL_VERSION);
    (void)close(fd); /* replies fail on a closed socket, the received bytes are still unread */
    net_fixture_run(*state);
    assert_int_equal(e.n_ready, 1);
    assert_int_equal(e.headers, MANY_HEADERS);
    assert_int_equal(e.n_closed, 1);
}

static void note_memory(void *ctx, struct spv_peer *peer, struct spv_now now)
{
    size_t *most = ctx;
    (void)now;
    if (peer && spv_peer_memory(peer) > *most)
        *most = spv_peer_memory(peer);
}

static void measure(struct end *e, const struct spv_msg *msg)
{
    if (msg->command != SPV_CMD_GETADDR)
        return;
    assert_int_equal(spv_link_exec(e->link, note_memory, e->ctx), 0);
    if (e->messages[SPV_CMD_GETADDR] == 2000)
        net_fixture_stop(e);
}

static void trim_at_once_link_reads_in_small_chunks(void **state)
{
    size_t most = 0;
    struct end e = {.on_message = measure, .ctx = &most};
    const struct spv_msg msg = {.command = SPV_CMD_GETADDR};
    struct spv_peer_config cfg = net_fixture_config();
    struct spv_buffer b;
    cfg.trim_at_once = true;
    int fd = half_connect(*state, &e, SPV_INBOUND, &cfg);
    send_version(fd, SPV_PROTOCOL_VERSION);
    send_verack(fd);
    spv_buffer_init(&b);
    for (size_t i = 0; i < 2000; i++)
        assert_int_equal(spv_msg_write(&b, &msg, cfg.net, SPV_PROTOCOL_VERSION), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){1 << 20}, sizeof(int));
    assert_int_equal(write(fd, b.data, b.len), (ssize_t)b.len);
    net_fixture_run(*state);
    assert_in_range(most, 1, 32 * 1024);
    spv_buffer_free(&b);
    net_fixture_close(*state);
    (void)close(fd);
}

static void closes_by_its_first_bytes(void **state, enum spv_transport_choice choice,
                                      const char bytes[30])
{
    struct end e = {.on_closed = net_fixture_stop};
    struct spv_peer_config cfg = net_fixture_config();
    cfg.transport = choice;
    int fd = half_connect(*state, &e, SPV_INBOUND, &cfg);
    assert_int_equal(write(fd, bytes, 30), 30);
    net_fixture_run(*state);
    assert_int_equal(e.error, SPV_ERR_MAGIC);
    assert_int_equal(e.n_closed, 1);
    (void)close(fd);
}

/* With v2 allowed they may be a key. */
static void foreign_magic_closes_a_v1_connection_with_its_own_error(void **state)
{
    closes_by_its_first_bytes(state, SPV_TRANSPORT_ONLY_V1, "GET / HTTP/1.1\r\nHost: nobody\r\n");
}

static void version_message_of_another_network_is_no_v2(void **state)
{
    closes_by_its_first_bytes(state, SPV_TRANSPORT_AUTO,
                              "\xf9\xbe\xb4\xd9version\0\0\0\0\0\x66\0\0\0____________");
}

static void silent_peer_is_closed_at_the_handshake_deadline(void **state)
{
    struct end e = {.on_closed = net_fixture_stop};
    struct spv_peer_config cfg = net_fixture_config();
    cfg.timeouts.handshake = 5000;
    int fd = half_connect(*state, &e, SPV_INBOUND, &cfg);
    net_fixture_run(*state);
    assert_int_equal(e.error, SPV_ERR_HANDSHAKE_TIMEOUT);
    (void)close(fd);
}

static int late_fd;

static void write_late(void *ctx)
{
    (void)ctx;
    send_version(late_fd, SPV_PROTOCOL_VERSION);
    send_verack(late_fd);
}

static void expired_deadline_reads_received_bytes_first(void **state)
{
    /* A timer that fires just before the deadline, in the same turn of the loop, sends the
     * bytes: the loop has not seen them when the deadline's turn comes. */
    struct net_fixture *net_fixture = *state;
    struct end e = {.on_ready = net_fixture_stop, .on_closed = net_fixture_stop};
    struct spv_peer_config cfg = net_fixture_config();
    cfg.timeouts.handshake = 1000;
    struct spv_timer *t;
    assert_int_equal(spv_timer_new(&t, net_fixture->r, write_late, NULL), 0);
    const uint64_t start = spv_system_now().mono_us;
    spv_timer_set(t, start);
    late_fd = half_connect(net_fixture, &e, SPV_INBOUND, &cfg);
    while (spv_system_now().mono_us < start + 20000)
        ; /* past the tick of libevent's coarse clock */
    net_fixture_run(net_fixture);
    assert_int_equal(e.n_ready, 1);
    assert_int_equal(e.n_closed, 0);
    spv_timer_free(t);
    net_fixture_close(net_fixture);
    (void)close(late_fd);
}

static void last_reject_is_flushed_before_closing(void **state)
{
    /* A malformed message at 70015 is answered by a reject before the link closes. */
    struct end e = {.on_closed = net_fixture_stop};
    struct spv_peer_config cfg = net_fixture_config();
    cfg.max_version = 70015;
    int fd = half_connect(*state, &e, SPV_INBOUND, &cfg);
    send_version(fd, 70015);
    send_malformed(fd);
    net_fixture_run(*state);
    assert_int_equal(e.error, SPV_ERR_SHORT);
    uint8_t bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);
    assert_true(n > 0);
    bool found = false;
    for (size_t i = 0; i + 6 < (size_t)n; i++)
        found = found || memcmp(bytes + i, "reject", 6) == 0;
    assert_true(found);
    assert_int_equal(read(fd, bytes, sizeof bytes), 0); /* and the link is closed */
    (void)close(fd);
}

static void fill_queue(struct end *e)
{
    const struct spv_msg msg = headers_message();
    int rc;
    unsigned sent = 0;
    while ((rc = spv_link_send(e->link, &msg)) == 0)
        assert_true(++sent < 100);
    assert_int_equal(rc, SPV_ERR_QUEUE_FULL);
    e->ctx = (void *)(uintptr_t)sent;
}

static void peer_that_does_not_read_is_closed_and_memory_is_bounded(void **state)
{
    struct end e = {.on_ready = fill_queue, .on_closed = net_fixture_stop};
    struct spv_peer_config cfg = net_fixture_config();
    cfg.max_queue_bytes = 1 << 20;
    cfg.timeouts.write = 20000;
    int fd = half_connect(*state, &e, SPV_INBOUND, &cfg);
    send_version(fd, SPV_PROTOCOL_VERSION);
    send_verack(fd);
    net_fixture_run(*state);
    assert_int_equal(e.n_ready, 1);
    assert_in_range((uintptr_t)e.ctx, 6, 60); /* the queue and the socket buffer */
    assert_int_equal(e.error, SPV_ERR_WRITE_TIMEOUT);
    (void)close(fd);
}

struct slow_reader {
    struct spv_timer *timer;
    int fd;
    size_t got;
    uint64_t sent; /* by the link, when it closed */
    size_t waiting; /* in the link's queue when it closed */
};

static void read_some(void *ctx)
{
    struct slow_reader *r = ctx;
    static uint8_t bytes[65536];
    ssize_t n;
    while ((n = read(r->fd, bytes, sizeof bytes)) > 0)
        r->got += (size_t)n;
    if (n < 0) /* 0: the link is closed */
        spv_timer_set(r->timer, spv_system_now().mono_us + 1000);
}

static void fill_and_send_malformed(struct end *e)
{
    struct slow_reader *r = e->ctx;
    fill_queue(e);
    e->ctx = r;
    send_malformed(r->fd);
    spv_timer_set(r->timer, spv_system_now().mono_us + 20000);
}

static void fill_and_close(struct end *e)
{
    struct slow_reader *r = e->ctx;
    fill_queue(e);
    e->ctx = r;
    spv_link_close(e->link, SPV_ERR_DISCONNECTED);
    spv_timer_set(r->timer, spv_system_now().mono_us + 20000);
}

static void note_waiting(struct end *e)
{
    struct slow_reader *r = e->ctx;
    struct spv_peer_stats stats;
    spv_link_stats(e->link, &stats);
    r->waiting = spv_link_pending(e->link);
    r->sent = stats.bytes_out;
    net_fixture_stop(e);
}

static void close_on_a_slow_reader(struct net_fixture *net_fixture, void (*on_ready)(struct end *e),
                                   int error)
{
    struct slow_reader r = {0};
    struct end e = {.on_ready = on_ready, .on_closed = note_waiting, .ctx = &r};
    struct spv_peer_config cfg = net_fixture_config();
    cfg.max_queue_bytes = 1 << 20;
    assert_int_equal(spv_timer_new(&r.timer, net_fixture->r, read_some, &r), 0);
    r.fd = half_connect(net_fixture, &e, SPV_INBOUND, &cfg);
    send_version(r.fd, SPV_PROTOCOL_VERSION);
    send_verack(r.fd);
    net_fixture_run(net_fixture);
    assert_int_equal(e.error, error);
    assert_int_equal(r.waiting, 0);
    read_some(&r);
    assert_true(r.sent > (1 << 19));
    assert_int_equal(r.got, r.sent);
    spv_timer_free(r.timer);
    (void)close(r.fd);
}

static void closing_link_flushes_its_queue_to_a_slow_reader(void **state)
{
    close_on_a_slow_reader(*state, fill_and_send_malformed, SPV_ERR_SHORT);
}

static void queued_messages_are_written_before_a_disconnect(void **state)
{
    close_on_a_slow_reader(*state, fill_and_close, SPV_ERR_DISCONNECTED);
}

static void flush_of_a_closing_link_ends_after_a_second(void **state)
{
    struct end e = {.on_ready = fill_queue, .on_closed = net_fixture_stop};
    struct spv_peer_config cfg = net_fixture_config();
    cfg.max_queue_bytes = 1 << 20;
    int fd = half_connect(*state, &e, SPV_INBOUND, &cfg);
    send_version(fd, SPV_PROTOCOL_VERSION);
    send_verack(fd);
    send_malformed(fd);
    net_fixture_run(*state); /* ends by closing; the queue cannot be flushed */
    assert_int_equal(e.error, SPV_ERR_SHORT);
    assert_int_equal(e.n_closed, 1);
    (void)close(fd);
}

static void links_on_a_reactor_are_closed_when_it_is_freed(void **state)
{
    struct end a = {0};
    struct end b = {0};
    net_fixture_connect(*state, &a, &b);
    spv_link_close(a.link, SPV_ERR_DISCONNECTED);
    assert_int_equal(net_fixture_teardown(state), 0);
    assert_int_equal(a.n_closed, 1);
    assert_int_equal(a.error, SPV_ERR_DISCONNECTED);
    assert_int_equal(b.n_closed, 1);
    assert_int_equal(b.error, SPV_ERR_INTERRUPTED);
    assert_int_equal(net_fixture_setup(state), 0);
}

static void bad_configuration_closes_the_socket(void **state)
{
    struct net_fixture *net_fixture = *state;
    int fds[2];
    net_fixture_pair(fds);
    struct spv_peer_config cfg = net_fixture_config();
    cfg.net = NULL;
    struct spv_link *link;
    const struct spv_link_callbacks none = {0};
    assert_int_equal(spv_link_attach(&link, net_fixture->r, fds[0], &cfg, SPV_OUTBOUND, &none),
                     SPV_ERR_INVALID);
    char c;
    assert_int_equal(read(fds[1], &c, 1), 0);
    (void)close(fds[1]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, net_fixture_setup, net_fixture_teardown)
#define V2(name) NET_FIXTURE_V2(name, net_fixture_setup_v2)
    const struct CMUnitTest tests[] = {
        T(two_links_complete_the_handshake_and_close),
        T(large_messages_are_sent_both_ways),
        T(callbacks_may_send_and_close),
        T(peer_that_disconnects_closes_the_link_once),
        T(last_message_of_a_disconnected_peer_is_read),
        T(trim_at_once_link_reads_in_small_chunks),
        T(foreign_magic_closes_a_v1_connection_with_its_own_error),
        T(version_message_of_another_network_is_no_v2),
        T(silent_peer_is_closed_at_the_handshake_deadline),
        T(expired_deadline_reads_received_bytes_first),
        T(last_reject_is_flushed_before_closing),
        T(peer_that_does_not_read_is_closed_and_memory_is_bounded),
        T(closing_link_flushes_its_queue_to_a_slow_reader),
        T(queued_messages_are_written_before_a_disconnect),
        T(flush_of_a_closing_link_ends_after_a_second),
        T(links_on_a_reactor_are_closed_when_it_is_freed),
        T(bad_configuration_closes_the_socket),
        V2(two_links_complete_the_handshake_and_close),
        V2(large_messages_are_sent_both_ways),
        V2(callbacks_may_send_and_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
