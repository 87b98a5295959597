/* How many encrypted handshakes a server makes with a group of addresses, with the test's own time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "loop/handshake_limit.h"

static struct spv_netaddr ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct spv_netaddr){.network = SPV_ADDR_IPV4, .len = 4, .bytes = {a, b, c, d}};
}

static struct spv_netaddr ipv6(uint8_t subnet, uint8_t host)
{
    struct spv_netaddr a = {.network = SPV_ADDR_IPV6, .len = 16, .bytes = {0x20, 0x01}};
    a.bytes[7] = subnet;
    a.bytes[15] = host;
    return a;
}

/* Handshakes until one is refused; at most 1,000. */
static unsigned handshakes(struct spv_rate_limit *r, struct spv_netaddr from, uint64_t now_us)
{
    unsigned n = 0;
    while (n < 1000 && spv_handshake_limit_allow(r, &from, now_us))
        n++;
    return n;
}

static void a_group_has_a_hundred_at_once_and_ten_a_second(void **state)
{
    struct spv_rate_limit r;
    (void)state;
    spv_handshake_limit_init(&r);
    assert_int_equal(handshakes(&r, ipv4(192, 0, 2, 1), SPV_SECOND), 100);
    assert_int_equal(handshakes(&r, ipv4(192, 0, 2, 1), 2 * SPV_SECOND), 10);
    assert_int_equal(handshakes(&r, ipv4(192, 0, 2, 1), 3 * SPV_SECOND - 1), 9);
    assert_int_equal(handshakes(&r, ipv4(192, 0, 2, 1), 1000 * SPV_SECOND), 100);
    spv_rate_limit_free(&r);
}

static void an_ipv4_slash_24_is_a_group(void **state)
{
    struct spv_rate_limit r;
    (void)state;
    spv_handshake_limit_init(&r);
    assert_int_equal(handshakes(&r, ipv4(192, 0, 2, 1), SPV_SECOND), 100);
    for (unsigned host = 0; host < 256; host++)
        assert_int_equal(handshakes(&r, ipv4(192, 0, 2, (uint8_t)host), SPV_SECOND), 0);
    assert_int_equal(handshakes(&r, ipv4(192, 0, 3, 1), SPV_SECOND), 100);
    assert_int_equal(handshakes(&r, ipv4(192, 1, 2, 1), SPV_SECOND), 100);
    spv_rate_limit_free(&r);
}

static void an_ipv6_slash_64_is_a_group(void **state)
{
    struct spv_rate_limit r;
    (void)state;
    spv_handshake_limit_init(&r);
    assert_int_equal(handshakes(&r, ipv6(1, 1), SPV_SECOND), 100);
    assert_int_equal(handshakes(&r, ipv6(1, 2), SPV_SECOND), 0);
    assert_int_equal(handshakes(&r, ipv6(2, 1), SPV_SECOND), 100);
    spv_rate_limit_free(&r);
}

/* Tor's clients of an onion service come from there; they share no group of their own. */
static void loopback_and_sockets_without_an_address_are_not_limited(void **state)
{
    static const struct spv_netaddr none = {0};
    static const struct spv_netaddr ipv6_loopback = {
        .network = SPV_ADDR_IPV6, .len = 16, .bytes = {[15] = 1}};
    struct spv_rate_limit r;
    (void)state;
    spv_handshake_limit_init(&r);
    assert_int_equal(handshakes(&r, ipv4(127, 0, 0, 1), SPV_SECOND), 1000);
    assert_int_equal(handshakes(&r, ipv4(127, 9, 9, 9), SPV_SECOND), 1000);
    assert_int_equal(handshakes(&r, ipv6_loopback, SPV_SECOND), 1000);
    assert_int_equal(handshakes(&r, none, SPV_SECOND), 1000);
    assert_int_equal(r.n, 0);
    spv_rate_limit_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_has_a_hundred_at_once_and_ten_a_second),
        cmocka_unit_test(an_ipv4_slash_24_is_a_group),
        cmocka_unit_test(an_ipv6_slash_64_is_a_group),
        cmocka_unit_test(loopback_and_sockets_without_an_address_are_not_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
