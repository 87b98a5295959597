/* The server of compact filters with clients that do not read, and with many at once: how much it
 * makes for whom. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/loop/filter_client_fixture.h"
#include "util/buffer.h"
#include "wire/codec.h"

#define BIG 100000 /* bytes of a filter that is larger than a socket takes at once */
#define BUSY_CLIENTS 3

static int connected_socket(const struct spv_endpoint *at)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    const int small = 65536; /* so that answers wait at the server, not in the kernel */
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    const struct sockaddr_in in = {.sin_family = AF_INET,
                                   .sin_port = htons(at->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

/* A plain socket that has sent n requests of `each` blocks, from height `from` on, and reads
 * nothing. */
static int unread_client(const struct spv_endpoint *at, uint32_t from, uint32_t each, unsigned n)
{
    const int fd = connected_socket(at);
    const struct spv_netid *net = spv_netid_get(SPV_REGTEST);
    const struct spv_msg version = {.command = SPV_CMD_VERSION,
                                    .u.version = {.version = SPV_PROTOCOL_VERSION, .nonce = 99}};
    const struct spv_msg verack = {.command = SPV_CMD_VERACK};
    struct spv_buffer b;
    spv_buffer_init(&b);
    assert_int_equal(spv_msg_write(&b, &version, net, SPV_PROTOCOL_VERSION), 0);
    assert_int_equal(spv_msg_write(&b, &verack, net, SPV_PROTOCOL_VERSION), 0);
    for (unsigned i = 0; i < n; i++) {
        const struct spv_msg request =
            filter_client_getcfilters(from + i * each, from + (i + 1) * each - 1);
        assert_int_equal(spv_msg_write(&b, &request, net, SPV_PROTOCOL_VERSION), 0);
    }
    assert_int_equal(write(fd, b.data, b.len), (ssize_t)b.len);
    spv_buffer_free(&b);
    return fd;
}

/* Reads until this many bytes have arrived. */
static void read_bytes(int fd, size_t left)
{
    const struct timeval patience = {.tv_sec = 30};
    static uint8_t bytes[65536];
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    while (left > 0) {
        const ssize_t got = read(fd, bytes, left < sizeof bytes ? left : sizeof bytes);
        assert_true(got > 0);
        left -= (size_t)got;
    }
}

/* A client that takes 400 filters, in many turns. */
static struct filter_client other_client(void)
{
    return (struct filter_client){.requests = {filter_client_getcfilters(1500, 1899)},
                                  .n_requests = 1,
                                  .from = 1500,
                                  .want = 400};
}

#define CFILTER_BYTES(n) (24 + 33 + 5 + (size_t)(n)) /* with a CompactSize of 5 bytes */
#define HANDSHAKE_BYTES 200 /* of the server; more than there are */
#define MAX_QUEUED (256u << 10) /* bytes; no filter is made while more are queued */

/* 61 bytes ask for 100 MB. What the kernel holds arrives after the server's end; the rest of what
 * the server made was its queue. */
static void filters_are_made_as_the_client_reads(void **state)
{
    (void)state;
    struct filter_client a = other_client();
    filter_client_make_big(0, 999, BIG);
    filter_client_begin(&a);
    const struct spv_endpoint at = server_fixture_endpoint(&a.server);
    const int fd = unread_client(&at, 0, 1000, 1);
    net_fixture_run(a.loop);
    filter_client_end(&a);
    assert_in_range(filter_client_chain.filter_reads - 400, 4, 900);
    const size_t made = (filter_client_chain.filter_reads - 400) * CFILTER_BYTES(BIG);
    const size_t queued = made + HANDSHAKE_BYTES - server_fixture_read_to_end(fd);
    assert_in_range(queued, MAX_QUEUED - BIG, MAX_QUEUED + CFILTER_BYTES(BIG) + HANDSHAKE_BYTES);
    (void)close(fd);
}

static void an_answer_continues_when_the_client_reads(void **state)
{
    (void)state;
    struct filter_client a = other_client();
    filter_client_make_big(0, 299, BIG);
    filter_client_begin(&a);
    const struct spv_endpoint at = server_fixture_endpoint(&a.server);
    const int fd = unread_client(&at, 0, 300, 1);
    net_fixture_run(a.loop);
    read_bytes(fd, 300 * CFILTER_BYTES(BIG));
    filter_client_end(&a);
    assert_int_equal(a.server.stats.filters_sent, 700);
    (void)close(fd);
}

/* More requests than the queue holds, while nothing is read. */
static void queued_requests_are_bounded(void **state)
{
    (void)state;
    struct filter_client a = other_client();
    filter_client_make_big(0, 299, BIG);
    filter_client_begin(&a);
    const struct spv_endpoint at = server_fixture_endpoint(&a.server);
    const int fd = unread_client(&at, 0, 3, 100);
    net_fixture_run(a.loop);
    server_fixture_stop(&a.server);
    const uint64_t sent = a.server.stats.filters_sent - 400;
    assert_in_range(sent, 4, 100);
    assert_in_range(a.server.stats.filter_requests - 1, sent / 3,
                    sent / 3 + SPV_FILTER_ANSWERS_MAX_QUEUE + 1);
    filter_client_hang_up(&a);
    (void)close(fd);
}

static void all_requests_are_answered_when_the_client_reads(void **state)
{
    (void)state;
    struct filter_client a = other_client();
    filter_client_make_big(0, 299, BIG);
    filter_client_begin(&a);
    const struct spv_endpoint at = server_fixture_endpoint(&a.server);
    const int fd = unread_client(&at, 0, 3, 100);
    net_fixture_run(a.loop);
    read_bytes(fd, 300 * CFILTER_BYTES(BIG));
    filter_client_end(&a);
    assert_int_equal(a.server.stats.filter_requests, 101);
    assert_int_equal(a.server.stats.filters_sent, 700);
    (void)close(fd);
}

static void a_client_may_close_in_the_middle_of_an_answer(void **state)
{
    (void)state;
    struct filter_client a = other_client();
    filter_client_make_big(0, 299, BIG);
    filter_client_begin(&a);
    const struct spv_endpoint at = server_fixture_endpoint(&a.server);
    const int fd = unread_client(&at, 0, 100, 3);
    read_bytes(fd, 3 * BIG);
    (void)close(fd);
    net_fixture_run(a.loop);
    filter_client_end(&a);
    assert_in_range(a.server.stats.filters_sent, 403, 699);
}

/* The order in which clients are sent filters: each has heights of its own. */
struct order {
    struct spv_p2p_server *server;
    uint8_t client[BUSY_CLIENTS * 500];
    size_t n;
};
static struct order order;

static int ordered_filter(void *ctx, struct spv_bytes *out, uint32_t height)
{
    order.client[order.n++] = (uint8_t)(height / 600);
    if (order.n == sizeof order.client)
        spv_p2p_server_stop(order.server);
    return filter_client_filters.filter(ctx, out, height);
}

/* All requests are sent before the loop runs. Between two filters to one client, each other client
 * is sent two at most: one a turn, and turns begin with another client when one connects. */
static void filters_are_sent_round_robin(void **state)
{
    struct spv_filter_db recording = filter_client_filters;
    struct spv_error_info why;
    int fds[BUSY_CLIENTS];
    (void)state;
    recording.filter = ordered_filter;
    order = (struct order){.n = 0};
    const struct spv_p2p_server_config cfg = {.net = spv_netid_get(SPV_REGTEST),
                                              .header_db = filter_client_headers,
                                              .filter_db = &recording,
                                              .listen = {.host = "127.0.0.1"}};
    assert_int_equal(spv_p2p_server_new(&order.server, &cfg, &why), 0);
    const struct spv_endpoint at = {.host = "127.0.0.1", .port = spv_p2p_server_port(order.server)};
    for (uint32_t i = 0; i < BUSY_CLIENTS; i++)
        fds[i] = unread_client(&at, i * 600, 500, 1);
    assert_int_equal(spv_p2p_server_run(order.server), 0);
    for (uint32_t i = 0; i < BUSY_CLIENTS; i++) {
        unsigned since[BUSY_CLIENTS] = {0}, left = 500;
        for (size_t k = 0; k < order.n && left > 0; k++) {
            assert_in_range(++since[order.client[k]], 1, 2);
            if (order.client[k] != i)
                continue;
            memset(since, 0, sizeof since);
            left--;
        }
        assert_int_equal(left, 0);
    }
    spv_p2p_server_free(order.server);
    for (uint32_t i = 0; i < BUSY_CLIENTS; i++)
        (void)close(fds[i]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, filter_client_setup, filter_client_teardown)
    const struct CMUnitTest tests[] = {
        T(filters_are_made_as_the_client_reads),
        T(an_answer_continues_when_the_client_reads),
        T(queued_requests_are_bounded),
        T(all_requests_are_answered_when_the_client_reads),
        T(a_client_may_close_in_the_middle_of_an_answer),
        T(filters_are_sent_round_robin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
