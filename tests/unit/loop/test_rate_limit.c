/* The token buckets of HTTP clients, with the test's own time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "loop/rate_limit.h"

static struct spv_netaddr ipv4(uint32_t n)
{
    struct spv_netaddr a = {.network = SPV_ADDR_IPV4, .len = 4};
    memcpy(a.bytes, &n, 4);
    return a;
}

static struct spv_netaddr ipv6(uint8_t subnet, uint8_t host)
{
    struct spv_netaddr a = {.network = SPV_ADDR_IPV6, .len = 16, .bytes = {0x20, 0x01}};
    a.bytes[7] = subnet;
    a.bytes[15] = host;
    return a;
}

/* Takes tokens until refused; returns how many. */
static unsigned take_all(struct spv_rate_limit *l, const struct spv_netaddr *a, uint64_t now)
{
    unsigned n = 0;
    while (n < 1000 && spv_rate_limit_take(l, a, now) == 0)
        n++;
    return n;
}

static void allows_a_burst_and_then_the_rate(void **state)
{
    struct spv_rate_limit l;
    const struct spv_netaddr a = ipv4(1);
    (void)state;
    spv_rate_limit_init(&l, 2, 8);
    assert_int_equal(take_all(&l, &a, 5 * SPV_SECOND), 8);
    assert_int_equal(take_all(&l, &a, 6 * SPV_SECOND), 2);
    assert_int_equal(take_all(&l, &a, 6 * SPV_SECOND + SPV_SECOND / 2), 1);
    assert_int_equal(take_all(&l, &a, 1000 * SPV_SECOND), 8); /* at most the burst */
    spv_rate_limit_free(&l);
}

static void returns_the_retry_time(void **state)
{
    struct spv_rate_limit l;
    const struct spv_netaddr a = ipv4(1);
    (void)state;
    spv_rate_limit_init(&l, 2, 1);
    assert_int_equal(spv_rate_limit_take(&l, &a, 0), 0);
    const unsigned wait = spv_rate_limit_take(&l, &a, 0);
    assert_int_equal(wait, 1);
    assert_int_equal(spv_rate_limit_take(&l, &a, wait * SPV_SECOND), 0);
    spv_rate_limit_free(&l);
}

static void a_clock_that_steps_back_adds_no_tokens(void **state)
{
    struct spv_rate_limit l;
    const struct spv_netaddr a = ipv4(1);
    (void)state;
    spv_rate_limit_init(&l, 1, 1);
    assert_int_equal(spv_rate_limit_take(&l, &a, 10 * SPV_SECOND), 0);
    assert_int_not_equal(spv_rate_limit_take(&l, &a, 5 * SPV_SECOND), 0);
    assert_int_equal(spv_rate_limit_take(&l, &a, 11 * SPV_SECOND), 0);
    spv_rate_limit_free(&l);
}

static void each_ipv4_address_has_a_bucket_and_an_ipv6_subnet_shares_one(void **state)
{
    struct spv_rate_limit l;
    const struct spv_netaddr a = ipv4(1), b = ipv4(2), c = ipv6(1, 1), d = ipv6(1, 2),
                             e = ipv6(2, 1);
    (void)state;
    spv_rate_limit_init(&l, 1, 3);
    assert_int_equal(take_all(&l, &a, 0), 3);
    assert_int_equal(take_all(&l, &b, 0), 3);
    assert_int_equal(take_all(&l, &c, 0), 3);
    assert_int_equal(take_all(&l, &d, 0), 0);
    assert_int_equal(take_all(&l, &e, 0), 3);
    assert_int_equal(take_all(&l, &a, 0), 0);
    spv_rate_limit_free(&l);
}

static void number_of_buckets_is_bounded_and_the_least_recent_is_replaced(void **state)
{
    struct spv_rate_limit l;
    const struct spv_netaddr busy = ipv4(0xffffffff), old = ipv4(0);
    (void)state;
    spv_rate_limit_init(&l, 1, 1);
    for (uint32_t i = 0; i < 3 * SPV_RATE_LIMIT_BUCKETS; i++) {
        const struct spv_netaddr a = ipv4(i);
        (void)spv_rate_limit_take(&l, &busy, i);
        assert_int_equal(spv_rate_limit_take(&l, &a, i), 0);
    }
    assert_int_equal(l.n, SPV_RATE_LIMIT_BUCKETS);
    assert_int_equal(l.cap, SPV_RATE_LIMIT_BUCKETS);
    assert_int_not_equal(spv_rate_limit_take(&l, &busy, 3 * SPV_RATE_LIMIT_BUCKETS), 0);
    assert_int_equal(spv_rate_limit_take(&l, &old, 3 * SPV_RATE_LIMIT_BUCKETS),
                     0); /* its bucket was replaced */
    spv_rate_limit_free(&l);
}

static void without_a_rate_there_is_no_limit_and_no_bucket(void **state)
{
    struct spv_rate_limit l;
    const struct spv_netaddr a = ipv4(1);
    (void)state;
    spv_rate_limit_init(&l, 0, 0);
    assert_int_equal(take_all(&l, &a, 0), 1000);
    assert_int_equal(l.n, 0);
    spv_rate_limit_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_a_burst_and_then_the_rate),
        cmocka_unit_test(returns_the_retry_time),
        cmocka_unit_test(a_clock_that_steps_back_adds_no_tokens),
        cmocka_unit_test(each_ipv4_address_has_a_bucket_and_an_ipv6_subnet_shares_one),
        cmocka_unit_test(number_of_buckets_is_bounded_and_the_least_recent_is_replaced),
        cmocka_unit_test(without_a_rate_there_is_no_limit_and_no_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
