/* A scan from end to end: what it finds, in which order, and what it asks for. */
#include "scan_fixture.h"

#include "support/unit.h"

static void expect_event(const struct scan_fixture *f, size_t at, enum spv_scan_event_kind kind,
                         uint32_t height)
{
    assert_true(at < f->n_events);
    assert_int_equal(f->events[at].kind, kind);
    assert_int_equal(f->events[at].height, height);
}

static void a_scan_finds_what_pays_a_script_and_what_spends_it(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 50, 1, 100), 0);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 3);
    expect_event(&f, 0, SPV_SCAN_FOUND, 50);
    expect_event(&f, 1, SPV_SCAN_FOUND, 60);
    expect_event(&f, 2, SPV_SCAN_DONE, 100);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(f.events[i].n, 1);
        assert_int_equal(f.events[i].position, 1);
    }
    assert_int_equal(f.filters_requested, 100);
    struct spv_scan_stats stats;
    spv_filter_scan_get_stats(f.scan, &stats);
    assert_int_equal(stats.found, 2);
    assert_int_equal(stats.filters, 100);
    assert_int_equal(stats.next_height, 101);
    /* all that was fetched beside the two blocks are samples */
    assert_true(stats.samples > 0 && stats.samples <= SPV_SCAN_SAMPLES);
    assert_int_equal(stats.blocks, f.n_getdata);
    assert_int_equal(stats.blocks, 2 + stats.samples);
    assert_int_equal(f.drop_error, 0);
    scan_fixture_close(&f);
}

static void the_range_of_a_scan_is_kept(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 50, 0, 100), SPV_ERR_INVALID);
    assert_int_equal(scan_fixture_begin(&f, 50, 60, 59), SPV_ERR_INVALID);
    assert_int_equal(spv_filter_scan_begin(f.scan, NULL, 0, 1, 2, f.now), SPV_ERR_INVALID);
    assert_int_equal(scan_fixture_begin(&f, 50, 51, 59), 0);
    assert_int_equal(scan_fixture_begin(&f, 50, 51, 59), SPV_ERR_STATE);
    scan_fixture_run(&f);
    assert_int_equal(f.filters_requested, 9);
    assert_int_equal(f.n_events, 1);
    expect_event(&f, 0, SPV_SCAN_DONE, 59);
    scan_fixture_close(&f);
}

static void a_scan_that_follows_the_tip_goes_on_with_new_blocks(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    f.available = 55;
    assert_int_equal(scan_fixture_begin(&f, 50, 1, UINT32_MAX), 0);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 2);
    expect_event(&f, 1, SPV_SCAN_DONE, 55);
    f.available = 59;
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 3);
    expect_event(&f, 2, SPV_SCAN_DONE, 59);
    f.available = 60;
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 5);
    expect_event(&f, 3, SPV_SCAN_FOUND, 60);
    expect_event(&f, 4, SPV_SCAN_DONE, 60);
    assert_int_equal(f.filters_requested, 60);
    scan_fixture_close(&f);
}

static void blocks_are_reported_in_order_of_height(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    scan_fixture_add(&f, 1)->is_backwards = true;
    assert_int_equal(scan_fixture_begin(&f, 20, 1, 100), 0);
    for (uint32_t h = 40; h < 50; h++)
        scan_fixture_watch(&f, h, 1);
    f.holds_blocks = true;
    for (int i = 0; i < 20; i++) {
        scan_fixture_run(&f);
        scan_fixture_send_blocks(&f);
    }
    scan_fixture_run(&f);
    uint32_t last = 0;
    for (size_t i = 0; i + 1 < f.n_events; i++) {
        assert_int_equal(f.events[i].kind, SPV_SCAN_FOUND);
        assert_true(f.events[i].height > last);
        last = f.events[i].height;
    }
    assert_int_equal(f.n_events, 2 + 20 + 1); /* 20, 30, 40..59 */
    scan_fixture_close(&f);
}

static void few_blocks_are_wanted_at_a_time(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    (void)scan_fixture_add(&f, 2);
    assert_int_equal(scan_fixture_begin(&f, 1, 1, 100), 0);
    for (uint32_t h = 2; h <= 50; h++)
        scan_fixture_watch(&f, h, 1);
    f.holds_blocks = true;
    scan_fixture_run(&f);
    assert_int_equal(f.n_held_blocks, SPV_SCAN_MAX_BLOCKS);
    scan_fixture_close(&f);
}

static void scripts_of_a_found_block_are_looked_for_from_there_on(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 20, 1, 100), 0);
    f.holds_matches = true;
    scan_fixture_run(&f);
    /* some filters are with the matcher, with the first script only */
    assert_true(f.has_match);
    scan_fixture_watch(&f, 20, 1); /* known: changes nothing */
    scan_fixture_watch(&f, 5, 1);
    scan_fixture_watch(&f, 70, 65);
    f.holds_matches = false;
    scan_fixture_match(&f);
    scan_fixture_run(&f);
    assert_int_equal(scan_fixture_matches(&f, 20), 1);
    assert_int_equal(scan_fixture_matches(&f, 30), 1);
    assert_int_equal(scan_fixture_matches(&f, 5), 1);
    assert_int_equal(scan_fixture_matches(&f, 15), 1);
    assert_int_equal(scan_fixture_matches(&f, 70), 1);
    assert_int_equal(scan_fixture_matches(&f, 80), 1);
    expect_event(&f, f.n_events - 1, SPV_SCAN_DONE, 100);
    for (size_t i = 0; i + 1 < f.n_events; i++)
        assert_int_equal(f.events[i].kind, SPV_SCAN_FOUND);
    scan_fixture_close(&f);
}

static void a_catch_up_pass_requests_only_heights_already_passed(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 20, 1, 100), 0);
    scan_fixture_run(&f);
    expect_event(&f, f.n_events - 1, SPV_SCAN_DONE, 100);
    assert_int_equal(f.filters_requested, 100);
    const size_t n = f.n_events;
    scan_fixture_watch(&f, 95, 91);
    scan_fixture_run(&f);
    assert_int_equal(f.filters_requested, 110);
    assert_int_equal(f.n_events, n + 2);
    expect_event(&f, n, SPV_SCAN_FOUND, 95);
    expect_event(&f, n + 1, SPV_SCAN_DONE, 100);
    scan_fixture_close(&f);
}

/* Block 45 pays the late script, and was passed; block 55, which spends that output, comes before
 * the catch-up pass. */
static void a_spend_that_comes_before_its_output_is_found_is_looked_at_again(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    f.available = 50;
    f.holds_matches = true;
    assert_int_equal(scan_fixture_begin(&f, 20, 1, 100), 0);
    scan_fixture_run(&f);
    assert_true(f.has_match);
    scan_fixture_watch(&f, 45, 1);
    f.available = 100;
    f.holds_matches = false;
    scan_fixture_match(&f);
    scan_fixture_run(&f);
    assert_int_equal(scan_fixture_matches(&f, 45), 1);
    assert_int_equal(scan_fixture_matches(&f, 55), 1);
    /* filters below, and that of 55, which matches the late script, once more */
    assert_int_equal(f.filters_requested, 100 + 50 + 1);
    expect_event(&f, f.n_events - 1, SPV_SCAN_DONE, 100);
    scan_fixture_close(&f);
}

static void a_reorganisation_takes_back_what_was_above_the_fork(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 80, 1, UINT32_MAX), 0);
    scan_fixture_watch(&f, 2000000 + 95, 1);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 3); /* 80, 90, done */
    scan_fixture_reorganise(&f, 85, 17);
    scan_fixture_run(&f);
    expect_event(&f, 3, SPV_SCAN_ROLLED_BACK, 85);
    expect_event(&f, 4, SPV_SCAN_FOUND, 90);
    expect_event(&f, 5, SPV_SCAN_FOUND, 95);
    expect_event(&f, 6, SPV_SCAN_DONE, 102);
    assert_int_equal(f.n_events, 7);
    assert_int_equal(f.filters_requested, 100 + 17);
    scan_fixture_close(&f);
}

static void a_reorganisation_in_mid_scan_is_no_event(void **state)
{
    struct scan_fixture f;

    (void)state;
    for (int with_matches = 0; with_matches < 2; with_matches++) {
        scan_fixture_open(&f, 100);
        scan_fixture_start(&f, false);
        (void)scan_fixture_add(&f, 1);
        assert_int_equal(scan_fixture_begin(&f, 90, 1, UINT32_MAX), 0);
        scan_fixture_watch(&f, 2000000 + 95, 1);
        f.holds_matches = with_matches == 0;
        f.holds_blocks = true;
        scan_fixture_run(&f);
        scan_fixture_reorganise(&f, 92, 10);
        f.holds_matches = false;
        if (f.has_match)
            scan_fixture_match(&f);
        f.holds_blocks = false;
        scan_fixture_send_blocks(&f);
        scan_fixture_run(&f);
        assert_int_equal(f.n_events, 4);
        expect_event(&f, 0, SPV_SCAN_FOUND, 90);
        expect_event(&f, 1, SPV_SCAN_FOUND, 95);
        expect_event(&f, 2, SPV_SCAN_FOUND, 100);
        expect_event(&f, 3, SPV_SCAN_DONE, 102);
        assert_int_equal(f.drop_error, 0);
        scan_fixture_close(&f);
    }
}

static void a_reorganisation_in_a_catch_up_pass_scans_the_new_branch_for_all(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 2000000 + 95, 1, UINT32_MAX), 0);
    scan_fixture_run(&f);
    scan_fixture_watch(&f, 20, 1);
    scan_fixture_watch(&f, 97, 96);
    f.holds_matches = true;
    scan_fixture_run(&f);
    assert_true(f.has_match);
    scan_fixture_reorganise(&f, 90, 12);
    f.holds_matches = false;
    scan_fixture_match(&f);
    scan_fixture_run(&f);
    assert_int_equal(scan_fixture_matches(&f, 20), 1);
    assert_int_equal(scan_fixture_matches(&f, 30), 1);
    assert_int_equal(scan_fixture_matches(&f, 95), 1);
    assert_int_equal(scan_fixture_matches(&f, 97), 0);
    expect_event(&f, f.n_events - 1, SPV_SCAN_DONE, 102);
    scan_fixture_close(&f);
}

static void a_filter_that_its_block_proves_invalid_stops_the_scan_until_rollback(void **state)
{
    struct scan_fixture f;
    uint32_t height = 0;
    int error = 0;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_make_other(&f, 50, 70); /* lacks the outputs of its block */
    scan_fixture_start(&f, false);
    f.conflict_height = 50;
    f.other_is_stored = true;
    struct scan_fixture_peer *peer = scan_fixture_add(&f, 1);
    peer->false_height = 50;
    f.conflict_height = 0; /* no peer disagrees */
    f.other_is_stored = false;
    free(f.filters[50].bytes);
    f.filters[50] = f.other;
    f.other.bytes = NULL;
    peer->false_height = 0;
    for (uint32_t h = 51; h <= 100; h++)
        spv_filter_compute_header(&f.filters[h].header, &f.filters[h].hash,
                                  &f.filters[h - 1].header);
    assert_int_equal(scan_fixture_begin(&f, 70, 41, 100), 0);
    scan_fixture_run(&f);
    assert_int_equal(spv_filter_scan_get_invalid(f.scan, &height, &error), 1);
    assert_int_equal(height, 50);
    assert_int_equal(error, SPV_ERR_FILTER_OUTPUT);
    assert_int_equal(scan_fixture_matches(&f, 70), 0);
    /* the filter headers are other ones now */
    f.available = 49;
    spv_filter_scan_rollback(f.scan, 49);
    scan_fixture_run(&f);
    assert_int_equal(spv_filter_scan_get_invalid(f.scan, &height, &error), 0);
    scan_fixture_close(&f);
}

/* The stored filter lacks what is looked for; the other one has it, and is a false one. */
static void open_conflict(struct scan_fixture *f, uint32_t script, bool other_is_stored)
{
    scan_fixture_open(f, 100);
    scan_fixture_make_other(f, 50, script);
    scan_fixture_start(f, false);
    f->conflict_height = 50;
    f->other_is_stored = other_is_stored;
}

static void where_peers_disagree_the_block_is_fetched_when_either_filter_matches(void **state)
{
    (void)state;
    for (int stored = 0; stored < 2; stored++) {
        struct scan_fixture f;
        uint32_t height;
        int error;
        open_conflict(&f, 70, stored != 0);
        (void)scan_fixture_add(&f, 1);
        scan_fixture_add(&f, 2)->false_height = 50;
        assert_int_equal(scan_fixture_begin(&f, 50, 45, 59), 0); /* in the true one only */
        scan_fixture_run(&f);
        assert_int_equal(f.drop_error, 0);
        if (stored) { /* the block shows that the stored one is invalid */
            assert_int_equal(spv_filter_scan_get_invalid(f.scan, &height, &error), 1);
            assert_int_equal(height, 50);
        } else {
            assert_int_equal(scan_fixture_matches(&f, 50), 1);
            expect_event(&f, f.n_events - 1, SPV_SCAN_DONE, 59);
        }
        scan_fixture_close(&f);
    }
}

static void a_match_of_the_other_filter_alone_wants_the_block(void **state)
{
    struct scan_fixture f;
    struct spv_scan_stats stats;

    (void)state;
    open_conflict(&f, 70, false);
    (void)scan_fixture_add(&f, 1);
    scan_fixture_add(&f, 2)->false_height = 50;
    assert_int_equal(scan_fixture_begin(&f, 70, 45, 59), 0);
    scan_fixture_run(&f);
    expect_event(&f, 0, SPV_SCAN_DONE, 59); /* the block pays it nothing */
    spv_filter_scan_get_stats(f.scan, &stats);
    assert_int_equal(stats.candidates, stats.samples + 1);
    scan_fixture_close(&f);
}

static size_t blocks_but_samples(const struct scan_fixture *f)
{
    struct spv_scan_stats stats;

    spv_filter_scan_get_stats(f->scan, &stats);
    return stats.blocks - stats.samples;
}

static void where_peers_disagree_no_block_is_fetched_when_no_filter_matches(void **state)
{
    struct scan_fixture f;

    (void)state;
    open_conflict(&f, 70, false);
    (void)scan_fixture_add(&f, 1);
    scan_fixture_add(&f, 2)->false_height = 50;
    assert_int_equal(scan_fixture_begin(&f, 3000000, 1, 100), 0);
    scan_fixture_run(&f);
    expect_event(&f, 0, SPV_SCAN_DONE, 100);
    assert_int_equal(blocks_but_samples(&f), 0);
    assert_in_range(f.filters_requested, 101, 102);
    scan_fixture_close(&f);
}

static void where_the_other_filter_cannot_be_had_the_block_is_fetched(void **state)
{
    (void)state;
    for (int stored = 0; stored < 2; stored++) {
        struct scan_fixture f;
        open_conflict(&f, 70, stored != 0);
        (void)scan_fixture_add(&f, 1); /* has the true one only */
        assert_int_equal(scan_fixture_begin(&f, 3000000, 1, 100), 0);
        scan_fixture_run(&f);
        expect_event(&f, 0, SPV_SCAN_DONE, 100);
        struct spv_scan_stats stats;
        spv_filter_scan_get_stats(f.scan, &stats);
        assert_true(stats.candidates >= stats.samples + 1 || stats.blocks == stats.samples);
        assert_true(f.n_getdata > 0);
        assert_int_equal(f.drop_error, 0);
        scan_fixture_close(&f);
    }
}

static void kept_filters_are_read_and_others_are_kept(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    f.kept_first = 31;
    f.kept_last = 60;
    f.kept_damaged = 40;
    scan_fixture_start(&f, true);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 50, 1, 100), 0);
    scan_fixture_run(&f);
    assert_int_equal(f.filters_requested, 30 + 1 + 40);
    assert_int_equal(f.n_kept, 30 + 1 + 40);
    assert_int_equal(scan_fixture_matches(&f, 50), 1);
    assert_int_equal(scan_fixture_matches(&f, 60), 1);
    expect_event(&f, 2, SPV_SCAN_DONE, 100);
    struct spv_scan_stats stats;
    spv_filter_scan_get_stats(f.scan, &stats);
    assert_int_equal(stats.filters_kept, 29);
    scan_fixture_close(&f);
}

static void a_scan_without_scripts_keeps_filters(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, true);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(spv_filter_scan_begin(f.scan, NULL, 0, 1, UINT32_MAX, f.now), 0);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 1);
    expect_event(&f, 0, SPV_SCAN_DONE, 100);
    assert_int_equal(f.n_kept, 100);
    scan_fixture_close(&f);
}

static void heights_without_a_filter_header_below_are_left_out(void **state)
{
    struct scan_fixture f;
    struct spv_scan_stats stats;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    f.first_header = 49;
    assert_int_equal(scan_fixture_begin(&f, 50, 45, 100), 0);
    scan_fixture_watch(&f, 55, 10);
    scan_fixture_run(&f);
    assert_int_equal(f.filters_requested, 51);
    assert_int_equal(scan_fixture_matches(&f, 50), 1);
    expect_event(&f, f.n_events - 1, SPV_SCAN_DONE, 100);
    scan_fixture_watch(&f, 99, 1); /* a catch-up pass begins there, too */
    scan_fixture_run(&f);
    assert_int_equal(f.filters_requested, 2 * 51);
    spv_filter_scan_get_stats(f.scan, &stats);
    assert_int_equal(stats.first, 50);
    scan_fixture_close(&f);
}

static void a_lost_peer_changes_nothing_that_is_found(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    scan_fixture_add(&f, 1)->is_silent = true;
    scan_fixture_add(&f, 2)->is_blockless = true;
    assert_int_equal(scan_fixture_begin(&f, 50, 1, 100), 0);
    scan_fixture_run(&f);
    scan_fixture_remove(&f, 1);
    scan_fixture_run(&f);
    (void)scan_fixture_add(&f, 3);
    scan_fixture_wait(&f, 30 * SPV_SECOND);
    assert_int_equal(scan_fixture_matches(&f, 50), 1);
    assert_int_equal(scan_fixture_matches(&f, 60), 1);
    expect_event(&f, 2, SPV_SCAN_DONE, 100);
    assert_int_equal(f.drop_error, 0);
    scan_fixture_close(&f);
}

static void a_scan_can_be_stopped_at_any_time_and_begun_again(void **state)
{
    struct scan_fixture f;

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    assert_int_equal(scan_fixture_begin(&f, 50, 1, 100), 0);
    f.holds_matches = true;
    f.holds_blocks = true;
    scan_fixture_run(&f);
    spv_filter_scan_stop(f.scan);
    spv_filter_scan_stop(f.scan);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 0);
    assert_int_equal(scan_fixture_begin(&f, 20, 1, 40), 0);
    scan_fixture_run(&f);
    f.holds_matches = f.holds_blocks = false;
    scan_fixture_match(&f); /* of the first scan */
    scan_fixture_send_blocks(&f);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 3);
    expect_event(&f, 0, SPV_SCAN_FOUND, 20);
    expect_event(&f, 1, SPV_SCAN_FOUND, 30);
    expect_event(&f, 2, SPV_SCAN_DONE, 40);
    scan_fixture_close(&f);
}

static void an_output_of_an_earlier_scan_is_found_when_it_is_spent(void **state)
{
    struct scan_fixture f;
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes script = {bytes, sizeof bytes};

    (void)state;
    scan_fixture_open(&f, 100);
    scan_fixture_start(&f, false);
    (void)scan_fixture_add(&f, 1);
    fixture_script(bytes, 50);
    assert_int_equal(scan_fixture_begin(&f, 3000000, 55, 100), 0);
    assert_int_equal(spv_filter_scan_add_output(f.scan, &f.blocks[50].txids[1], 0, &script), 0);
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 2);
    expect_event(&f, 0, SPV_SCAN_FOUND, 60);
    scan_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_finds_what_pays_a_script_and_what_spends_it),
        cmocka_unit_test(the_range_of_a_scan_is_kept),
        cmocka_unit_test(a_scan_that_follows_the_tip_goes_on_with_new_blocks),
        cmocka_unit_test(blocks_are_reported_in_order_of_height),
        cmocka_unit_test(few_blocks_are_wanted_at_a_time),
        cmocka_unit_test(scripts_of_a_found_block_are_looked_for_from_there_on),
        cmocka_unit_test(a_catch_up_pass_requests_only_heights_already_passed),
        cmocka_unit_test(a_spend_that_comes_before_its_output_is_found_is_looked_at_again),
        cmocka_unit_test(a_reorganisation_takes_back_what_was_above_the_fork),
        cmocka_unit_test(a_reorganisation_in_mid_scan_is_no_event),
        cmocka_unit_test(a_reorganisation_in_a_catch_up_pass_scans_the_new_branch_for_all),
        cmocka_unit_test(a_filter_that_its_block_proves_invalid_stops_the_scan_until_rollback),
        cmocka_unit_test(where_peers_disagree_the_block_is_fetched_when_either_filter_matches),
        cmocka_unit_test(a_match_of_the_other_filter_alone_wants_the_block),
        cmocka_unit_test(where_peers_disagree_no_block_is_fetched_when_no_filter_matches),
        cmocka_unit_test(where_the_other_filter_cannot_be_had_the_block_is_fetched),
        cmocka_unit_test(kept_filters_are_read_and_others_are_kept),
        cmocka_unit_test(a_scan_without_scripts_keeps_filters),
        cmocka_unit_test(heights_without_a_filter_header_below_are_left_out),
        cmocka_unit_test(a_lost_peer_changes_nothing_that_is_found),
        cmocka_unit_test(a_scan_can_be_stopped_at_any_time_and_begun_again),
        cmocka_unit_test(an_output_of_an_earlier_scan_is_found_when_it_is_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
