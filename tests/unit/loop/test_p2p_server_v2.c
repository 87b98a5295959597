/* The header server's choice of transports: what it offers and takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/loop/server_fixture.h"
#include "unit/net/net_fixture.h"

static struct mined chain;

static void on_dialled(void *ctx, int fd, int error)
{
    struct end *e = ctx;
    struct spv_peer_config cfg = net_fixture_config();
    assert_int_equal(error, 0);
    cfg.transport = e->net_fixture->transport;
    net_fixture_attach(e->net_fixture, e, fd, SPV_OUTBOUND, &cfg);
}

/* A client and a server; *stats are the client's at the end of the handshake. Returns the link's
 * error when the server closed it before. */
static int connect_to(enum spv_transport_choice server, enum spv_transport_choice client,
                      struct spv_peer_stats *stats)
{
    void *state = NULL; /* a stopped reactor does not run again */
    assert_int_equal(net_fixture_setup(&state), 0);
    struct net_fixture *net_fixture = state;
    net_fixture->transport = client;
    struct server_fixture s = {.transport = server};
    struct end e = {
        .net_fixture = net_fixture, .on_ready = net_fixture_stop, .on_closed = net_fixture_stop};
    struct spv_dial *d;
    server_fixture_start(&s, &chain, 1, 0);
    const struct spv_endpoint at = server_fixture_endpoint(&s);
    assert_int_equal(spv_dial_start(&d, net_fixture->r, &at, 0, on_dialled, &e), 0);
    net_fixture_run(net_fixture);
    const int error = e.n_closed > 0 ? e.error : 0;
    if (e.link)
        spv_link_stats(e.link, stats);
    net_fixture_close(net_fixture);
    server_fixture_stop(&s);
    assert_int_equal(net_fixture_teardown(&state), 0);
    return error;
}

static void the_service_bit_of_v2_is_offered_by_servers_that_take_it(void **state)
{
    static const struct {
        enum spv_transport_choice server, client;
        uint64_t services;
        enum spv_transport transport;
    } cases[] = {
        {SPV_TRANSPORT_AUTO, SPV_TRANSPORT_ONLY_V1, SPV_NODE_P2P_V2, SPV_TRANSPORT_V1},
        {SPV_TRANSPORT_AUTO, SPV_TRANSPORT_ONLY_V2, SPV_NODE_P2P_V2, SPV_TRANSPORT_V2},
        {SPV_TRANSPORT_ONLY_V1, SPV_TRANSPORT_ONLY_V1, 0, SPV_TRANSPORT_V1},
        {SPV_TRANSPORT_ONLY_V2, SPV_TRANSPORT_ONLY_V2, SPV_NODE_P2P_V2, SPV_TRANSPORT_V2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_peer_stats stats = {0};
        assert_int_equal(connect_to(cases[i].server, cases[i].client, &stats), 0);
        assert_int_equal(stats.services, cases[i].services);
        assert_int_equal(stats.transport, cases[i].transport);
    }
}

static void a_server_of_one_transport_closes_the_other(void **state)
{
    static const struct {
        enum spv_transport_choice server, client;
    } cases[] = {{SPV_TRANSPORT_ONLY_V1, SPV_TRANSPORT_ONLY_V2},
                 {SPV_TRANSPORT_ONLY_V2, SPV_TRANSPORT_ONLY_V1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_peer_stats stats = {0};
        assert_true(connect_to(cases[i].server, cases[i].client, &stats) < 0);
    }
}

static int make_chain(void **state)
{
    (void)state;
    mined_new(&chain, 1, 11);
    return 0;
}

static int free_chain(void **state)
{
    (void)state;
    mined_free(&chain);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_service_bit_of_v2_is_offered_by_servers_that_take_it),
        cmocka_unit_test(a_server_of_one_transport_closes_the_other),
    };
    return cmocka_run_group_tests(tests, make_chain, free_chain);
}
