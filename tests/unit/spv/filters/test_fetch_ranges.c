/* The ranges of filters that are requested from peers: what an answer belongs to, what overlaps. */
#include "support/unit.h"

#include "spv/filters/fetch_ranges.h"

static struct spv_fetch_ranges ranges;
static uint32_t at;

static int open_fixture(void **state)
{
    (void)state;
    ranges = (struct spv_fetch_ranges){0};
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    spv_fetch_ranges_free(&ranges);
    return 0;
}

static struct spv_blockhash block(uint32_t height)
{
    struct spv_blockhash hash = {{0}};

    memcpy(hash.b, &height, sizeof height);
    return hash;
}

static struct spv_fetch_range *add(uint64_t peer, uint32_t start, uint32_t n,
                                   enum spv_fetch_range_kind kind)
{
    struct spv_fetch_range *range = spv_fetch_ranges_add(&ranges, peer, start, n, kind);

    assert_non_null(range);
    for (uint32_t i = 0; range && i < n; i++) /* gcc cannot see that asserts end the test */
        range->blocks[i] = block(start + i);
    return range;
}

static struct spv_fetch_range *find(uint64_t peer, uint32_t height)
{
    const struct spv_blockhash hash = block(height);

    return spv_fetch_ranges_find(&ranges, &at, peer, &hash);
}

static void a_filter_answers_the_request_to_its_peer_that_has_its_block(void **state)
{
    struct spv_fetch_range *first = add(1, 10, 5, SPV_FETCH_RANGE_SEGMENT);
    struct spv_fetch_range *second = add(2, 20, 5, SPV_FETCH_RANGE_SEGMENT);

    (void)state;
    assert_ptr_equal(find(1, 12), first);
    assert_int_equal(at, 2);
    assert_ptr_equal(find(2, 24), second);
    assert_int_equal(at, 4);
    assert_null(find(1, 24));
    assert_null(find(2, 12));
    assert_null(find(3, 12));
    assert_null(find(1, 15));
}

static void the_oldest_of_two_requests_is_answered_first(void **state)
{
    struct spv_fetch_range *first = add(1, 10, 1, SPV_FETCH_RANGE_SEGMENT);
    struct spv_fetch_range *second = add(1, 10, 1, SPV_FETCH_RANGE_ALTERNATIVE);

    (void)state;
    assert_ptr_equal(find(1, 10), first);
    first->received[0] = true;
    assert_ptr_equal(find(1, 10), second);
    second->received[0] = true;
    assert_null(find(1, 10));
}

static void an_open_request_is_answered_before_a_late_one(void **state)
{
    struct spv_fetch_range *late = add(1, 10, 5, SPV_FETCH_RANGE_SEGMENT);

    (void)state;
    spv_fetch_ranges_set_late(&ranges, 1, SPV_FETCH_RANGE_SEGMENT);
    struct spv_fetch_range *open = add(1, 12, 5, SPV_FETCH_RANGE_SEGMENT);
    assert_ptr_equal(find(1, 12), open);
    assert_ptr_equal(find(1, 11), late);
}

static void ranges_of_one_peer_overlap_where_they_have_a_height_in_common(void **state)
{
    static const struct {
        uint32_t first, last;
        bool overlaps;
    } rows[] = {{1, 9, false},  {1, 10, true}, {14, 20, true}, {15, 20, false},
                {11, 12, true}, {5, 20, true}, {10, 14, true}};

    (void)state;
    (void)add(1, 10, 5, SPV_FETCH_RANGE_SEGMENT);
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(spv_fetch_ranges_overlap(&ranges, 1, rows[i].first, rows[i].last),
                         rows[i].overlaps);
        assert_false(spv_fetch_ranges_overlap(&ranges, 2, rows[i].first, rows[i].last));
    }
    spv_fetch_ranges_set_late(&ranges, 1, SPV_FETCH_RANGE_SEGMENT);
    assert_false(spv_fetch_ranges_overlap(&ranges, 1, 10, 14)); /* nothing is open any more */
}

static void only_ranges_of_the_peer_and_kind_become_late(void **state)
{
    const struct spv_fetch_range *scan = add(1, 10, 1, SPV_FETCH_RANGE_SEGMENT);
    const struct spv_fetch_range *other = add(1, 11, 1, SPV_FETCH_RANGE_ALTERNATIVE);
    const struct spv_fetch_range *of_another = add(2, 10, 1, SPV_FETCH_RANGE_ALTERNATIVE);

    (void)state;
    spv_fetch_ranges_set_late(&ranges, 1, SPV_FETCH_RANGE_ALTERNATIVE);
    assert_false(scan->late);
    assert_true(other->late);
    assert_false(of_another->late);
    spv_fetch_ranges_set_late(&ranges, 1, SPV_FETCH_RANGE_SEGMENT);
    assert_true(scan->late);
    assert_false(of_another->late);
}

static void the_oldest_late_ranges_of_a_peer_are_forgotten(void **state)
{
    (void)state;
    (void)add(2, 1, 1, SPV_FETCH_RANGE_SEGMENT);
    spv_fetch_ranges_set_late(&ranges, 2, SPV_FETCH_RANGE_SEGMENT);
    for (uint32_t i = 1; i <= SPV_FETCH_MAX_LATE + 1; i++) {
        (void)add(1, i, 1, SPV_FETCH_RANGE_SEGMENT);
        spv_fetch_ranges_set_late(&ranges, 1, SPV_FETCH_RANGE_SEGMENT);
    }
    assert_null(find(1, 1));
    for (uint32_t i = 2; i <= SPV_FETCH_MAX_LATE + 1; i++)
        assert_non_null(find(1, i));
    assert_non_null(find(2, 1)); /* of another peer */
}

static void a_lost_peer_takes_its_ranges_with_it(void **state)
{
    (void)state;
    (void)add(1, 10, 1, SPV_FETCH_RANGE_SEGMENT);
    struct spv_fetch_range *other = add(2, 10, 1, SPV_FETCH_RANGE_SEGMENT);
    (void)add(1, 11, 1, SPV_FETCH_RANGE_ALTERNATIVE);
    spv_fetch_ranges_remove_peer(&ranges, 1);
    assert_null(find(1, 10));
    assert_null(find(1, 11));
    assert_ptr_equal(find(2, 10), other);
    assert_ptr_equal(ranges.oldest, other);
    spv_fetch_ranges_remove(&ranges, other);
    assert_null(ranges.oldest);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        T(a_filter_answers_the_request_to_its_peer_that_has_its_block),
        T(the_oldest_of_two_requests_is_answered_first),
        T(an_open_request_is_answered_before_a_late_one),
        T(ranges_of_one_peer_overlap_where_they_have_a_height_in_common),
        T(only_ranges_of_the_peer_and_kind_become_late),
        T(the_oldest_late_ranges_of_a_peer_are_forgotten),
        T(a_lost_peer_takes_its_ranges_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
