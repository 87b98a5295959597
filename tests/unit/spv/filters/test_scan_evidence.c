/* What a scan knows for certain of the outputs that a block spends: a filter that lacks such a
 * script is false, although no peer disagrees. Block 70 pays scripts 70 and 1,000,070, and spends
 * the output of block 60, whose script is 60. */
#include "scan_fixture.h"

#include "support/unit.h"

static void open_invalid(struct scan_fixture *f)
{
    scan_fixture_open(f, 100);
    scan_fixture_replace(f, 70, (const uint32_t[]){70, 1000070}, 2);
    scan_fixture_start(f, false);
    (void)scan_fixture_add(f, 1);
}

static void assert_invalid(const struct scan_fixture *f, int expected)
{
    uint32_t height = 0;
    int error = 0;

    assert_int_equal(spv_filter_scan_get_invalid(f->scan, &height, &error), expected != 0);
    if (!expected)
        return;
    assert_int_equal(height, 70);
    assert_int_equal(error, expected);
}

/* Script 60 is not watched; block 60 was fetched as it spends the output of block 50. */
static void an_output_of_a_fetched_block_proves_a_filter_that_lacks_it_invalid(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_invalid(&f);
    assert_int_equal(scan_fixture_begin(&f, 50, 41, 100), 0);
    scan_fixture_watch(&f, 70, 41);
    scan_fixture_run(&f);
    assert_int_equal(scan_fixture_matches(&f, 60), 1);
    assert_invalid(&f, SPV_ERR_FILTER_PREVOUT);
    scan_fixture_close(&f);
}

/* Nothing shows the script of an output that was never seen. */
static void an_output_of_a_block_that_was_not_fetched_proves_nothing(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_invalid(&f);
    assert_int_equal(scan_fixture_begin(&f, 70, 65, 79), 0);
    scan_fixture_run(&f);
    assert_int_equal(scan_fixture_matches(&f, 70), 1);
    assert_invalid(&f, 0);
    scan_fixture_close(&f);
}

static void a_coin_of_the_caller_proves_a_filter_that_lacks_it_invalid(void **state)
{
    struct scan_fixture f;
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes script = {bytes, sizeof bytes};

    (void)state;
    open_invalid(&f);
    fixture_script(bytes, 60);
    assert_int_equal(scan_fixture_begin(&f, 70, 65, 79), 0);
    assert_int_equal(spv_filter_scan_add_output(f.scan, &f.blocks[60].txids[1], 0, &script), 0);
    scan_fixture_run(&f);
    assert_invalid(&f, SPV_ERR_FILTER_PREVOUT);
    scan_fixture_close(&f);
}

/* Outputs are evidence for disputes, too, also when no scan runs any more. */
static void outputs_of_blocks_stay_known_after_a_scan(void **state)
{
    struct scan_fixture f;
    struct spv_bytes script;

    (void)state;
    open_invalid(&f);
    assert_false(spv_filter_scan_find_output(f.scan, &script, &f.blocks[60].txids[1], 0));
    assert_int_equal(scan_fixture_begin(&f, 60, 55, 65), 0);
    scan_fixture_run(&f);
    spv_filter_scan_stop(f.scan);
    assert_true(spv_filter_scan_find_output(f.scan, &script, &f.blocks[60].txids[1], 0));
    assert_int_equal(script.n, BLOCK_FIXTURE_SCRIPT);
    assert_false(spv_filter_scan_find_output(f.scan, &script, &f.blocks[60].txids[1], 1));
    scan_fixture_close(&f);
}

/* A peer that comes after the scan has another filter of a height: it counts as well. Both have
 * what block 50 pays; the stored one lacks script 40, whose output it spends. */
static void heights_with_another_filter_are_looked_at_again(void **state)
{
    struct scan_fixture f;
    uint32_t height = 0;
    int error = 0;

    (void)state;
    scan_fixture_open(&f, 400); /* block 50 is no sample, in all likelihood */
    scan_fixture_start(&f, false);
    struct fixture_filter truth = f.filters[50];
    f.filters[50].bytes = NULL;
    scan_fixture_replace(&f, 50, (const uint32_t[]){50, 1000050}, 2);
    f.other = truth; /* the alternative */
    f.conflict_height = 50;
    f.agrees_so_far = true;
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 40, 1, 390), 0);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 2);
    assert_int_equal(f.events[1].kind, SPV_SCAN_DONE);
    assert_int_equal(spv_filter_scan_get_invalid(f.scan, &height, &error), 0);
    f.agrees_so_far = false;
    scan_fixture_add(&f, 2)->false_height = 50;
    spv_filter_scan_rescan(f.scan, 391, 400); /* not scanned */
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 2);
    f.n_getdata = f.filters_requested = 0;
    spv_filter_scan_rescan(f.scan, 50, 50);
    scan_fixture_run(&f);
    assert_int_equal(f.n_getdata, 1);
    assert_in_range(f.filters_requested, 2, 3);
    assert_int_equal(spv_filter_scan_get_invalid(f.scan, &height, &error), 1);
    assert_int_equal(height, 50);
    scan_fixture_close(&f);
}

/* Scripts that are known already are searched for again, and DONE is reported once more, also when
 * there is nothing to search. */
static void a_search_is_done_again(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 40, 1, 90), 0);
    scan_fixture_run(&f);
    const size_t n = f.n_events;
    assert_int_equal(f.events[n - 1].kind, SPV_SCAN_DONE);
    assert_int_equal(spv_filter_scan_search(f.scan, NULL, 0, 1), 0);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, n + 1);
    assert_int_equal(f.events[n].kind, SPV_SCAN_DONE);
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes known = {bytes, sizeof bytes};
    fixture_script(bytes, 40);
    assert_int_equal(spv_filter_scan_search(f.scan, &known, 1, 1), 0);
    scan_fixture_run(&f);
    assert_int_equal(f.events[n + 1].kind, SPV_SCAN_FOUND);
    assert_int_equal(f.events[n + 1].height, 40);
    assert_int_equal(f.events[f.n_events - 1].kind, SPV_SCAN_DONE);
    scan_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_is_done_again),
        cmocka_unit_test(an_output_of_a_fetched_block_proves_a_filter_that_lacks_it_invalid),
        cmocka_unit_test(an_output_of_a_block_that_was_not_fetched_proves_nothing),
        cmocka_unit_test(a_coin_of_the_caller_proves_a_filter_that_lacks_it_invalid),
        cmocka_unit_test(outputs_of_blocks_stay_known_after_a_scan),
        cmocka_unit_test(heights_with_another_filter_are_looked_at_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
