/* How outbound connections are configured, and how long a v2 greeting waits for an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "loop/connections.h"
#include "support/random.h"

/* A peer with the configuration of a connection over v2, which has sent its key. */
static struct spv_peer *greeting(struct spv_connections *c, struct spv_now now)
{
    const struct spv_peer_config cfg = spv_connections_peer_config(c, SPV_TRANSPORT_V2);
    struct spv_peer *p;
    const uint8_t *bytes;
    assert_int_equal(spv_peer_new(&p, &cfg, SPV_OUTBOUND, now), 0);
    spv_peer_sent(p, spv_peer_pending(p, &bytes), now);
    return p;
}

static struct spv_connections connections(struct test_random *random, bool proxied)
{
    struct spv_connections c = {.net = spv_netid_get(SPV_REGTEST), .rng = test_random_rng(random)};
    if (proxied)
        strcpy(c.proxy.endpoint.host, "127.0.0.1");
    return c;
}

/* Tor's circuits take several seconds for a round trip. */
static void a_v2_greeting_waits_ten_seconds_and_thirty_by_a_proxy(void **state)
{
    static const uint64_t seconds[] = {10, 30};
    (void)state;
    for (int proxied = 0; proxied < 2; proxied++) {
        struct test_random random = {.state = 5};
        struct spv_connections c = connections(&random, proxied);
        struct spv_now now = {.mono_us = SPV_SECOND, .unix_s = 1700000000};
        struct spv_peer *p = greeting(&c, now);
        now.mono_us += seconds[proxied] * SPV_SECOND - 1;
        assert_int_equal(spv_peer_timer(p, now), 0);
        now.mono_us++;
        assert_int_equal(spv_peer_timer(p, now), SPV_ERR_HANDSHAKE_TIMEOUT);
        assert_true(spv_peer_wants_v1(p)); /* silence all along: the next dial is v1 */
        spv_peer_free(p);
    }
}

static void a_connection_has_the_transport_that_the_node_dials_it_with(void **state)
{
    struct test_random random = {.state = 5};
    struct spv_connections c = connections(&random, false);
    (void)state;
    assert_int_equal(spv_connections_peer_config(&c, SPV_TRANSPORT_V1).transport,
                     SPV_TRANSPORT_ONLY_V1);
    assert_int_equal(spv_connections_peer_config(&c, SPV_TRANSPORT_V2).transport,
                     SPV_TRANSPORT_ONLY_V2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_v2_greeting_waits_ten_seconds_and_thirty_by_a_proxy),
        cmocka_unit_test(a_connection_has_the_transport_that_the_node_dials_it_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
