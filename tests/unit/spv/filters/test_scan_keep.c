/* A scan that only keeps filters: nothing is fetched that would be deleted again. */
#include "scan_fixture.h"

#include "support/unit.h"

#define TIP 300

static void open_keeping(struct scan_fixture *f, uint64_t bytes)
{
    scan_fixture_open(f, TIP);
    f->keep_bytes = bytes;
    scan_fixture_start(f, true);
    (void)scan_fixture_add(f, 1);
    assert_int_equal(spv_filter_scan_begin(f->scan, NULL, 0, 1, UINT32_MAX, f->now), 0);
}

static size_t bytes_from(const struct scan_fixture *f, uint32_t height)
{
    size_t n = 0;

    for (uint32_t h = height; h <= f->tip; h++)
        n += f->filters[h].n;
    return n;
}

static void the_highest_filters_that_fit_are_fetched_and_no_others(void **state)
{
    (void)state;
    for (uint64_t limit = 100; limit < 2000; limit += 190) {
        struct scan_fixture f;
        open_keeping(&f, limit);
        scan_fixture_run(&f);
        assert_int_equal(f.n_events, 1);
        assert_int_equal(f.events[0].kind, SPV_SCAN_DONE);
        assert_int_equal(f.events[0].height, TIP);
        assert_true(f.kept_total <= limit);
        assert_int_equal(f.filters_requested, f.n_kept);
        assert_int_equal(bytes_from(&f, f.lowest_kept), f.kept_total); /* without a gap */
        /* no more of the largest size fits */
        assert_true(limit - f.kept_total < 16);
        scan_fixture_close(&f);
    }
}

static void all_are_fetched_where_all_fit(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_keeping(&f, 1000000);
    scan_fixture_run(&f);
    assert_int_equal(f.n_kept, TIP);
    assert_int_equal(f.filters_requested, TIP);
    scan_fixture_close(&f);
}

/* No block is needed, so a peer without old blocks is good enough. */
static void no_block_is_fetched_and_none_is_waited_for(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_keeping(&f, 1000000);
    f.peers[0].is_blockless = true;
    scan_fixture_run(&f);
    assert_int_equal(f.n_kept, TIP);
    assert_int_equal(f.n_getdata, 0);
    assert_int_equal(f.events[f.n_events - 1].kind, SPV_SCAN_DONE);
    scan_fixture_close(&f);
}

/* While filter headers are synced, their end is not known: what is fetched might not stay. */
static void it_begins_when_the_tip_is_reached(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_keeping(&f, 500);
    f.syncs = true;
    f.available = 100;
    scan_fixture_run(&f);
    assert_int_equal(f.filters_requested, 0);
    assert_int_equal(f.n_events, 0);
    f.syncs = false;
    f.available = TIP;
    scan_fixture_run(&f);
    assert_true(f.lowest_kept > 200);
    assert_int_equal(f.filters_requested, f.n_kept);
    scan_fixture_close(&f);
}

static void new_blocks_are_kept_and_nothing_below_is_fetched_for_them(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_keeping(&f, 500);
    f.available = TIP - 20;
    scan_fixture_run(&f);
    const size_t before = f.n_kept;
    const uint32_t lowest = f.lowest_kept;
    for (uint32_t h = TIP - 19; h <= TIP; h++) {
        f.available = h;
        scan_fixture_run(&f);
    }
    assert_int_equal(f.n_kept, before + 20);
    assert_int_equal(f.lowest_kept, lowest);
    assert_int_equal(f.filters_requested, f.n_kept);
    scan_fixture_close(&f);
}

/* Heights that were never fetched are looked at for a script that is added. */
static void a_script_that_is_added_is_found_below_what_is_kept(void **state)
{
    (void)state;
    for (int begun = 0; begun < 2; begun++) {
        struct scan_fixture f;
        open_keeping(&f, 500);
        if (begun)
            scan_fixture_run(&f);
        scan_fixture_watch(&f, 50, 1);
        scan_fixture_run(&f);
        assert_int_equal(scan_fixture_matches(&f, 50), 1);
        assert_int_equal(scan_fixture_matches(&f, 60), 1);
        scan_fixture_close(&f);
    }
}

static void a_reorganisation_below_what_is_kept_is_kept_from_there(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_keeping(&f, 500);
    scan_fixture_run(&f);
    const uint32_t fork = f.lowest_kept - 5;
    f.n_kept = f.kept_total = 0;
    scan_fixture_reorganise(&f, fork, TIP - fork + 1);
    scan_fixture_run(&f);
    assert_int_equal(f.n_kept, TIP + 1 - fork);
    assert_int_equal(f.lowest_kept, fork + 1);
    assert_int_equal(f.events[f.n_events - 1].kind, SPV_SCAN_DONE);
    assert_int_equal(f.events[f.n_events - 1].height, TIP + 1);
    scan_fixture_close(&f);
}

/* The window that was begun is scanned again from the fork on, and nothing twice. */
static void a_reorganisation_below_the_first_window_is_no_second_window(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_keeping(&f, 3000);
    f.holds_matches = true;
    scan_fixture_run(&f);
    scan_fixture_reorganise(&f, TIP - 20, 21);
    f.holds_matches = false;
    scan_fixture_match(&f);
    f.n_kept = 0;
    f.lowest_kept = 0;
    scan_fixture_run(&f);
    assert_true(f.lowest_kept < TIP - 20);
    assert_int_equal(f.n_kept, f.tip + 1 - f.lowest_kept);
    scan_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_filters_that_fit_are_fetched_and_no_others),
        cmocka_unit_test(all_are_fetched_where_all_fit),
        cmocka_unit_test(no_block_is_fetched_and_none_is_waited_for),
        cmocka_unit_test(it_begins_when_the_tip_is_reached),
        cmocka_unit_test(new_blocks_are_kept_and_nothing_below_is_fetched_for_them),
        cmocka_unit_test(a_script_that_is_added_is_found_below_what_is_kept),
        cmocka_unit_test(a_reorganisation_below_what_is_kept_is_kept_from_there),
        cmocka_unit_test(a_reorganisation_below_the_first_window_is_no_second_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
