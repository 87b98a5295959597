/* Growing arrays and the earlier of two deadlines. */
#include "support/unit.h"

#include "spv/types.h"
#include "util/array.h"
#include "util/deadline.h"

static void capacity_doubles_up_to_the_limit(void **state)
{
    static const struct {
        size_t cap, need, first, max, next;
    } cases[] = {
        {0, 1, 8, SIZE_MAX, 8},
        {0, 9, 8, SIZE_MAX, 9},
        {0, 1, 8, 5, 5},
        {8, 9, 8, SIZE_MAX, 16},
        {8, 17, 8, SIZE_MAX, 17},
        {8, 9, 8, 12, 12},
        {12, 13, 8, 12, 0}, /* more than the limit */
        {SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 2, 8, SIZE_MAX, SIZE_MAX}, /* 2 * cap does not overflow */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(
            spv_array_next_cap(cases[i].cap, cases[i].need, cases[i].first, cases[i].max),
            cases[i].next);
}

static void grown_array_keeps_its_elements(void **state)
{
    uint32_t *a = NULL;
    size_t cap = 0;
    size_t moves = 0;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        const size_t before = cap;
        uint32_t *grown = spv_array_grow(a, &cap, i + 1, 4, sizeof *a);
        assert_non_null(grown);
        assert_true(cap > i);
        moves += cap != before;
        a = grown;
        a[i] = i;
    }
    assert_int_equal(moves, 9); /* 4, 8, ..., 1024 */
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(a[i], i);
    free(a);
}

static void array_whose_size_would_overflow_is_refused(void **state)
{
    uint64_t *a = malloc(sizeof *a);
    size_t cap = 1;

    (void)state;
    assert_non_null(a);
    assert_null(spv_array_grow(a, &cap, SIZE_MAX / sizeof *a + 1, 4, sizeof *a));
    assert_int_equal(cap, 1);
    free(a);
}

static void earlier_deadline_wins_and_never_is_last(void **state)
{
    (void)state;
    assert_int_equal(spv_min_deadline(1, 2), 1);
    assert_int_equal(spv_min_deadline(2, 1), 1);
    assert_int_equal(spv_min_deadline(SPV_NEVER, 5), 5);
    assert_int_equal(spv_min_deadline(SPV_NEVER, SPV_NEVER), SPV_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacity_doubles_up_to_the_limit),
        cmocka_unit_test(grown_array_keeps_its_elements),
        cmocka_unit_test(array_whose_size_would_overflow_is_refused),
        cmocka_unit_test(earlier_deadline_wins_and_never_is_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
