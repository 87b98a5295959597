/* addrman without memory: the k-th allocation fails, for every k; the call returns an error or
 * works without it, nothing leaks, and addrman stays consistent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "spv/addrman/addrman.h"
#include "support/failing_alloc.h"
#include "support/random.h"

static struct spv_netaddr address(unsigned i)
{
    return (struct spv_netaddr){.network = SPV_ADDR_IPV4,
                                .len = 4,
                                .port = 1,
                                .bytes = {(uint8_t)(20 + i / 200), (uint8_t)(i % 200), 1, 1}};
}

static void add(struct spv_addrman *b, unsigned from, unsigned to, struct spv_now now)
{
    for (unsigned i = from; i < to; i++) {
        const struct spv_netaddr a = address(i);
        const struct spv_netgroup g = spv_netgroup_of(&a);
        int rc = spv_addrman_add(b, &a, 1, now.unix_s, &g, now);
        assert_true(rc >= 0 || rc == SPV_ERR_NOMEM);
        if (rc < 0)
            assert_true(spv_addrman_add(b, &a, 1, now.unix_s, &g, now) >= 0);
    }
}

/* Drains all changes, with a retry after an error. */
static void save(struct spv_addrman *b)
{
    struct spv_addrman_changes c;
    int rc = spv_addrman_get_changes(b, &c);
    assert_true(rc == 0 || rc == SPV_ERR_NOMEM);
    if (rc < 0)
        assert_int_equal(spv_addrman_get_changes(b, &c), 0);
    if (c.all)
        assert_int_equal(c.n_changed, b->n_new + b->n_tried);
}

static void every_allocation_may_fail_once(void **state)
{
    static struct spv_addrman b;
    (void)state;
    for (size_t k = 1;; k++) {
        struct test_random chance = {.state = 7};
        struct spv_now now = {.mono_us = 1, .unix_s = 1800000000};
        spv_addrman_init(&b, NULL, test_random_rng(&chance));
        failing_alloc_plan(k, FAILING_ALLOC_ONE);
        add(&b, 0, 1500, now);
        save(&b);
        now.unix_s += 40 * 86400; /* every address is terrible: new ones replace them */
        add(&b, 3000, 4500, now);
        save(&b);
        assert_true(b.n_new > 1400);
        const size_t failed = failing_alloc_end();
        spv_addrman_free(&b);
        if (failed == 0) { /* more than there are */
            print_message("%zu allocations\n", k - 1);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
