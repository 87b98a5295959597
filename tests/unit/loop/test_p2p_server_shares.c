/* The shares of the header server's slots, with connections that appear to come from elsewhere:
 * loopback itself has no share. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "spv/spv.h"

/* In this order; of 16 slots an address has 2, and its group 4. */
#define SLOTS 16
static const struct arrival {
    uint32_t from;
    int refused; /* the error of its refusal; 0: it is accepted */
} arrivals[] = {
    {0x08010101, 0},
    {0x08010101, 0},
    {0x08010101, SPV_ERR_ADDRESS_LIMIT},
    {0x08010102, 0},
    {0x08010102, 0},
    {0x08010103, SPV_ERR_ADDRESS_LIMIT}, /* the group's share */
    {0x08010201, 0}, /* another group */
    {INADDR_LOOPBACK, 0},
    {INADDR_LOOPBACK, 0},
    {INADDR_LOOPBACK, 0},
};
#define ARRIVALS (sizeof arrivals / sizeof arrivals[0])

struct arrived {
    struct spv_reactor *reactor;
    int refused[ARRIVALS];
    size_t n;
};

static const struct arrived *arrived;

int __real_getpeername(int fd, struct sockaddr *sa, socklen_t *len);
int __wrap_getpeername(int fd, struct sockaddr *sa, socklen_t *len);
int __wrap_getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
    const int rc = __real_getpeername(fd, sa, len);
    if (rc == 0 && arrived->n < ARRIVALS)
        ((struct sockaddr_in *)(void *)sa)->sin_addr.s_addr = htonl(arrivals[arrived->n].from);
    return rc;
}

static void arrive(struct arrived *a, int error)
{
    if (a->n < ARRIVALS)
        a->refused[a->n] = error;
    if (++a->n == ARRIVALS)
        spv_reactor_stop(a->reactor);
}

static void on_client(void *ctx, const struct spv_endpoint *from, bool connected, int error,
                      unsigned clients)
{
    (void)from;
    (void)error;
    (void)clients;
    if (connected)
        arrive(ctx, 0);
}

static void on_refused(void *ctx, const struct spv_endpoint *from, int error, unsigned clients)
{
    (void)from;
    (void)clients;
    arrive(ctx, error);
}

static int no_tip(void *ctx, struct spv_chain_header *out)
{
    (void)ctx;
    (void)out;
    return 0;
}

static int connected_socket(uint16_t port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    const struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

static void connections_beyond_the_share_of_an_address_or_its_group_are_refused(void **state)
{
    struct arrived a = {0};
    struct spv_p2p_server *server;
    struct spv_p2p_server_stats stats;
    struct spv_error_info why;
    int fds[ARRIVALS];
    (void)state;
    const struct spv_p2p_server_config cfg = {.net = spv_netid_get(SPV_REGTEST),
                                              .header_db = {.tip = no_tip},
                                              .listen = {.host = "127.0.0.1"},
                                              .max_clients = SLOTS,
                                              .on_client = on_client,
                                              .on_refused = on_refused,
                                              .ctx = &a};
    arrived = &a;
    assert_int_equal(spv_p2p_server_new(&server, &cfg, &why), 0);
    a.reactor = spv_p2p_server_reactor(server);
    for (size_t i = 0; i < ARRIVALS; i++)
        fds[i] = connected_socket(spv_p2p_server_port(server));
    assert_int_equal(spv_p2p_server_run(server), 0);
    spv_p2p_server_get_stats(server, &stats);
    spv_p2p_server_free(server);
    for (size_t i = 0; i < ARRIVALS; i++) {
        assert_int_equal(a.refused[i], arrivals[i].refused);
        (void)close(fds[i]);
    }
    assert_int_equal(stats.accepted, ARRIVALS - 2);
    assert_int_equal(stats.refused, 2);
    assert_int_equal(stats.evicted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_beyond_the_share_of_an_address_or_its_group_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
