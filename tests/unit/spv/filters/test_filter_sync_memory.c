/* Each allocation of filter header sync failing in turn: the failure is reported and kept, and
 * nothing leaks. */
#include "support/fail_each.h"
#include "unit/spv/filters/filter_sync_fixture.h"

static struct sync_fixture f;
static struct filter_view *lie;
static uint32_t height;

static void open_scenario(void)
{
    sync_fixture_open(&f, height);
    sync_fixture_add(&f, 1, 1, lie);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
}

static int run_scenario(void)
{
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    return f.error;
}

/* Fails allocation number k of the scenario. Returns whether there was one. */
static bool fail_one(size_t k)
{
    open_scenario();
    failing_alloc_plan(k, FAILING_ALLOC_ONE);
    const int rc = run_scenario();
    const bool failed = failing_alloc_end() != 0;
    assert_int_equal(rc, failed ? SPV_ERR_NOMEM : 0);
    sync_fixture_close(&f);
    return failed;
}

static void every_failing_allocation_is_reported(void **state)
{
    static const enum filter_lie lies[] = {LIE_OUTPUT, LIE_PREVOUT};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        height = i < 2 ? 300 : 2300;
        lie = filter_view_lie(205, lies[i % 2]);
        open_scenario(); /* builds the filters that are asked for */
        assert_int_equal(run_scenario(), 0);
        sync_fixture_close(&f);
        size_t n = 0;
        while (fail_one(n + 1))
            n++;
        assert_in_range(n, 20, 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, sync_world_make, sync_world_free);
}
