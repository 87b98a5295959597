/* A node that syncs filter headers and scans, with each of its allocations failing in turn: the
 * failure ends it, and nothing leaks. */
#include "support/fail_each.h"
#include "unit/spv/node/scan_node_fixture.h"

static struct scan_node s;
static size_t n_found[SCAN_NODE_BLOCKS + 1]; /* by height, when nothing fails */

/* Everything that a scan does; returns the first error. */
static int scan(void)
{
    struct spv_node_config cfg = {.filters = true, .keep_filters = true};
    int rc = 0;

    s.n_stored = 0;
    scan_node_start(&s, &cfg, 1);
    if (s.error == 0)
        rc = scan_node_begin(&s, 2, 1, UINT32_MAX);
    if (rc == 0 && s.error == 0)
        rc = scan_node_add(&s, 14, 1);
    if (rc == 0 && s.error == 0)
        scan_node_sleep(&s, 5 * SPV_SECOND);
    for (uint32_t h = 1; h <= s.tip; h++)
        n_found[h] = scan_node_matches(&s, h);
    scan_node_stop(&s);
    return s.error != 0 ? s.error : rc;
}

static void the_first_failed_allocation_ends_the_node_and_nothing_leaks(void **state)
{
    (void)state;
    scan_node_open(&s, 15);
    assert_in_range(fail_each(scan), 50, 100000);
    for (uint32_t h = 1; h <= s.tip; h++) /* block 12 spends what block 2 pays */
        assert_int_equal(n_found[h] > 0, h == 2 || h == 12 || h == 14);
    scan_node_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failed_allocation_ends_the_node_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
