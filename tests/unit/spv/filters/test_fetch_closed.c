/* A peer that closes on a request for filters, or is silent, and comes back. */
#include "scan_fixture.h"
#include "spv/filters/fetch_closed.h"

#include "support/unit.h"

#define TIP 400 /* many requests for filters */

static void open_lost(struct scan_fixture *f, uint32_t first)
{
    scan_fixture_open(f, TIP);
    scan_fixture_start(f, false);
    scan_fixture_add(f, 1)->is_silent = true;
    assert_int_equal(scan_fixture_begin(f, 3000000, first, TIP), 0);
    scan_fixture_run(f);
    assert_true(f->n_getcfilters > 0);
    scan_fixture_remove(f, 1);
}

/* Another scan, with a silent peer that was not lost and one that was, which answers. Returns the
 * filters that came. */
static uint64_t scan_with_both(struct scan_fixture *f, uint32_t first, uint32_t last)
{
    struct spv_scan_stats stats;

    scan_fixture_add(f, 2)->is_silent = true;
    (void)scan_fixture_add(f, 1);
    spv_filter_scan_stop(f->scan);
    assert_int_equal(scan_fixture_begin(f, 3000000, first, last), 0);
    scan_fixture_run(f);
    spv_filter_scan_get_stats(f->scan, &stats);
    return stats.filters;
}

static void a_peer_that_closes_is_not_asked_as_high_while_another_can(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_lost(&f, 51);
    assert_int_equal(scan_with_both(&f, 51, TIP), 0);
    assert_int_equal(f.drop_error, 0);
    /* the other one is gone: no peer is better */
    scan_fixture_remove(&f, 2);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 1);
    scan_fixture_close(&f);
}

static void a_peer_that_closed_is_asked_below(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_lost(&f, 351);
    assert_true(scan_with_both(&f, 1, 350) > 0);
    scan_fixture_close(&f);
}

/* A connection that breaks now and then is not a peer that refuses. */
static void the_only_peer_is_asked_again_at_once(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_lost(&f, 51);
    (void)scan_fixture_add(&f, 1);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 1);
    scan_fixture_close(&f);
}

static void one_that_was_lost_again_and_again_is_asked_after_a_minute(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_lost(&f, 51);
    for (unsigned i = 1; i < SPV_FETCH_MAX_LOST; i++) {
        f.n_getcfilters = 0;
        scan_fixture_add(&f, 1)->is_silent = true;
        scan_fixture_run(&f);
        assert_true(f.n_getcfilters > 0);
        scan_fixture_remove(&f, 1);
    }
    f.n_getcfilters = 0;
    (void)scan_fixture_add(&f, 1);
    scan_fixture_run(&f);
    assert_int_equal(f.n_getcfilters, 0);
    scan_fixture_wait(&f, SPV_SEGMENTS_BEHIND_US - 1);
    assert_int_equal(f.n_getcfilters, 0);
    scan_fixture_wait(&f, 1);
    assert_true(f.n_getcfilters > 0);
    assert_int_equal(f.n_events, 1);
    scan_fixture_close(&f);
}

/* It was silent first, and closed when nothing was open any more. */
static void a_silent_peer_is_remembered_when_it_closes(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, TIP);
    scan_fixture_start(&f, false);
    scan_fixture_add(&f, 1)->is_silent = true;
    assert_int_equal(scan_fixture_begin(&f, 3000000, 51, TIP), 0);
    scan_fixture_run(&f);
    (void)scan_fixture_add(&f, 2);
    scan_fixture_wait(&f, 30 * SPV_SECOND); /* the other peer has sent all */
    assert_int_equal(f.n_events, 1);
    scan_fixture_remove(&f, 1);
    scan_fixture_remove(&f, 2);
    assert_int_equal(scan_with_both(&f, 51, TIP), 0);
    scan_fixture_close(&f);
}

/* One that answered everything may go and come as it likes. */
static void a_peer_that_answered_is_asked_when_it_comes_back(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 3000000, 1, 50), 0);
    scan_fixture_run(&f);
    scan_fixture_remove(&f, 1);
    (void)scan_fixture_add(&f, 1);
    spv_filter_scan_stop(f.scan);
    assert_int_equal(scan_fixture_begin(&f, 3000000, 1, 50), 0);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 2);
    scan_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_closes_is_not_asked_as_high_while_another_can),
        cmocka_unit_test(a_peer_that_closed_is_asked_below),
        cmocka_unit_test(the_only_peer_is_asked_again_at_once),
        cmocka_unit_test(one_that_was_lost_again_and_again_is_asked_after_a_minute),
        cmocka_unit_test(a_silent_peer_is_remembered_when_it_closes),
        cmocka_unit_test(a_peer_that_answered_is_asked_when_it_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
