/* Whole blocks: order, bounds, late scripts, reorganisations. */
#include "source_fixture.h"

static struct source_fixture f;

static void open_blocks(uint32_t tip)
{
    source_open(&f, 1);
    source_mine_to(&f, tip);
    source_start_blocks(&f);
}

static void every_block_is_reported_in_order_and_then_done(void **state)
{
    (void)state;
    open_blocks(100);
    source_connect(&f, 1, SOURCE_SERVICES);
    source_connect(&f, 2, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 3, 50), 0);
    source_run(&f);
    assert_int_equal(f.n_events, 49);
    for (uint32_t i = 0; i < 48; i++) {
        assert_int_equal(f.events[i].kind, SPV_SOURCE_EVENT_FOUND);
        assert_int_equal(f.events[i].height, 3 + i);
        assert_true(f.events[i].whole);
    }
    assert_int_equal(f.events[48].kind, SPV_SOURCE_EVENT_DONE);
    assert_int_equal(f.events[48].height, 50);
    source_close(&f);
}

static void a_range_that_is_none_is_refused_and_one_runs_at_a_time(void **state)
{
    (void)state;
    open_blocks(5);
    assert_int_equal(source_begin(&f, 0, 0, 5), SPV_ERR_INVALID);
    assert_int_equal(source_begin(&f, 0, 4, 3), SPV_ERR_INVALID);
    assert_int_equal(spv_block_scan_add(f.whole, 1), SPV_ERR_STATE);
    assert_int_equal(source_begin(&f, 0, 4, 4), 0);
    assert_int_equal(source_begin(&f, 0, 4, 4), SPV_ERR_STATE);
    spv_block_scan_stop(f.whole);
    assert_int_equal(source_begin(&f, 0, 4, 4), 0);
    source_close(&f);
}

/* With the lowest missing, no more than the window is requested. */
static void no_more_than_the_window_is_requested(void **state)
{
    (void)state;
    open_blocks(100);
    source_connect(&f, 1, SOURCE_SERVICES)->is_silent = true;
    assert_int_equal(source_begin(&f, 0, 1, 100), 0);
    source_run(&f);
    assert_int_equal(f.fetch.n_wanted, SPV_BLOCK_SCAN_WINDOW);
    assert_int_equal(f.fetch.wanted[0].height, 1);
    assert_int_equal(f.n_events, 0);
    source_close(&f);
}

static void beyond_the_bytes_only_the_next_block_is_requested(void **state)
{
    const size_t n = SPV_BLOCK_SCAN_BUFFER_BYTES / 4;
    struct spv_fetched_block big = {.height = 2};
    struct spv_block_scan_stats stats;
    uint8_t *bytes = calloc(n, 1);

    (void)state;
    assert_non_null(bytes);
    open_blocks(100);
    assert_int_equal(source_begin(&f, 0, 1, 100), 0);
    source_step(&f);
    assert_int_equal(f.fetch.n_wanted, SPV_BLOCK_SCAN_WINDOW);
    for (uint32_t h = 2; h <= 5; h++) { /* not parsed before their turn */
        big.height = h;
        big.hash = f.blocks[h].hash;
        big.block = f.blocks[h].block;
        big.block.bytes = bytes;
        big.block.n = n;
        assert_int_equal(spv_block_scan_block(f.whole, &big), 0);
    }
    spv_block_scan_get_stats(f.whole, &stats);
    assert_true(stats.memory >= SPV_BLOCK_SCAN_BUFFER_BYTES);
    assert_int_equal(stats.blocks, 4);
    spv_block_fetch_cancel_from(&f.fetch, SPV_BLOCKS_OF_COINS, 1);
    const struct spv_fetched_block first = {
        .height = 1, .hash = f.blocks[1].hash, .block = f.blocks[1].block};
    assert_int_equal(spv_block_scan_block(f.whole, &first), 0);
    struct spv_source_event e;
    assert_int_equal(spv_block_scan_next(f.whole, &e), 1);
    source_step(&f); /* height 17 would fit into the window */
    assert_int_equal(f.fetch.n_wanted, 0);
    free(bytes);
    source_close(&f);
}

static void a_block_that_was_not_requested_is_not_kept(void **state)
{
    struct spv_block_scan_stats before, after;

    (void)state;
    open_blocks(100);
    assert_int_equal(source_begin(&f, 0, 10, 100), 0);
    source_step(&f);
    spv_block_scan_get_stats(f.whole, &before);
    struct spv_fetched_block b = {
        .height = 9, .hash = f.blocks[9].hash, .block = f.blocks[9].block};
    assert_int_equal(spv_block_scan_block(f.whole, &b), 0);
    b.height = 11;
    assert_int_equal(spv_block_scan_block(f.whole, &b), 0);
    spv_block_scan_get_stats(f.whole, &after);
    assert_int_equal(after.memory, before.memory);
    source_close(&f);
}

static void the_tip_is_followed_and_done_comes_again(void **state)
{
    (void)state;
    open_blocks(3);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 0, 1, UINT32_MAX), 0);
    source_run(&f);
    source_run(&f);
    assert_int_equal(f.n_events, 4);
    source_mine(&f);
    source_run(&f);
    assert_int_equal(f.n_events, 6);
    assert_int_equal(f.events[4].height, 4);
    assert_int_equal(f.events[5].kind, SPV_SOURCE_EVENT_DONE);
    assert_int_equal(f.events[5].height, 4);
    source_close(&f);
}

static void done_waits_until_the_tip_is_that_of_the_synced_chain(void **state)
{
    struct spv_source_event e;

    (void)state;
    open_blocks(3);
    assert_int_equal(source_begin(&f, 0, 4, UINT32_MAX), 0);
    assert_int_equal(spv_block_scan_run(f.whole, 3, false, f.now), 0);
    assert_int_equal(spv_block_scan_next(f.whole, &e), 0);
    assert_int_equal(spv_block_scan_run(f.whole, 3, true, f.now), 0);
    assert_int_equal(spv_block_scan_next(f.whole, &e), 1);
    assert_int_equal(e.kind, SPV_SOURCE_EVENT_DONE);
    source_close(&f);
}

/* Blocks that were reported before come again after the others, from the height on. */
static void added_scripts_get_a_second_pass(void **state)
{
    struct spv_block_scan_stats stats;

    (void)state;
    open_blocks(20);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 0, 1, 20), 0);
    source_run(&f);
    assert_int_equal(f.n_events, 21);
    assert_int_equal(spv_block_scan_add(f.whole, 15), 0);
    spv_block_scan_get_stats(f.whole, &stats);
    assert_int_equal(stats.left, 6);
    source_run(&f);
    assert_int_equal(f.n_events, 28);
    assert_int_equal(f.events[21].height, 15);
    assert_int_equal(f.events[26].height, 20);
    assert_int_equal(f.events[27].kind, SPV_SOURCE_EVENT_DONE);
    source_close(&f);
}

/* The block that is being reported may have been scanned without them. */
static void scripts_added_after_a_block_scan_that_block_again(void **state)
{
    struct spv_source_event e;

    (void)state;
    open_blocks(2);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 0, 1, 2), 0);
    source_step(&f);
    source_step(&f);
    assert_int_equal(spv_block_scan_next(f.whole, &e), 1);
    assert_int_equal(e.height, 1);
    assert_int_equal(spv_block_scan_add(f.whole, 1), 0);
    source_run(&f);
    assert_int_equal(f.n_events, 3);
    assert_int_equal(f.events[0].height, 2);
    assert_int_equal(f.events[1].height, 1);
    assert_int_equal(f.events[2].kind, SPV_SOURCE_EVENT_DONE);
    source_close(&f);
}

/* A wallet that has scanned all, and watches more. */
static void added_scripts_extend_the_scan_below_the_first_height(void **state)
{
    (void)state;
    open_blocks(10);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 0, 9, UINT32_MAX), 0);
    source_run(&f);
    assert_int_equal(f.n_events, 3); /* 9, 10 and DONE */
    f.n_events = 0;
    assert_int_equal(spv_block_scan_add(f.whole, 4), 0);
    source_run(&f);
    assert_int_equal(f.n_events, 8);
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(f.events[i].height, 4 + i);
    assert_int_equal(f.events[7].kind, SPV_SOURCE_EVENT_DONE);
    source_close(&f);
}

static void a_reorganisation_is_undone_and_the_new_blocks_follow(void **state)
{
    (void)state;
    open_blocks(10);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 0, 1, UINT32_MAX), 0);
    source_run(&f);
    assert_int_equal(f.n_events, 11);
    source_reorganise(&f, 6);
    source_mine_to(&f, 12);
    spv_block_scan_roll_back(f.whole, 6);
    source_run(&f);
    assert_int_equal(f.n_events, 11 + 1 + 6 + 1);
    assert_int_equal(f.events[11].kind, SPV_SOURCE_EVENT_ROLLED_BACK);
    assert_int_equal(f.events[11].height, 6);
    assert_int_equal(f.events[12].height, 7);
    assert_int_equal(f.events[17].height, 12);
    source_close(&f);
}

/* In a second pass: the gaps above the fork are gone, the main pass begins there again. */
static void a_reorganisation_in_a_second_pass_scans_all_once(void **state)
{
    struct spv_source_event e;

    (void)state;
    open_blocks(30);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 0, 1, UINT32_MAX), 0);
    source_run(&f);
    f.n_events = 0;
    assert_int_equal(spv_block_scan_add(f.whole, 20), 0);
    source_step(&f);
    source_step(&f);
    assert_int_equal(spv_block_scan_next(f.whole, &e), 1);
    assert_int_equal(e.height, 20);
    source_reorganise(&f, 25);
    source_mine_to(&f, 31);
    spv_block_scan_roll_back(f.whole, 25);
    source_run(&f);
    assert_int_equal(f.n_events, 1 + 5 + 6 + 1);
    assert_int_equal(f.events[0].kind, SPV_SOURCE_EVENT_ROLLED_BACK);
    assert_int_equal(f.events[1].height, 21);
    assert_int_equal(f.events[6].height, 26);
    assert_int_equal(f.events[11].height, 31);
    source_close(&f);
}

static void stopping_wants_nothing_more(void **state)
{
    struct spv_source_event e;

    (void)state;
    open_blocks(10);
    assert_int_equal(source_begin(&f, 0, 1, 10), 0);
    source_step(&f);
    assert_int_equal(f.fetch.n_wanted, 10);
    spv_block_scan_stop(f.whole);
    assert_int_equal(f.fetch.n_wanted, 0);
    source_step(&f);
    assert_int_equal(f.fetch.n_wanted, 0);
    assert_int_equal(spv_block_scan_next(f.whole, &e), 0);
    source_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_is_reported_in_order_and_then_done),
        cmocka_unit_test(a_range_that_is_none_is_refused_and_one_runs_at_a_time),
        cmocka_unit_test(no_more_than_the_window_is_requested),
        cmocka_unit_test(beyond_the_bytes_only_the_next_block_is_requested),
        cmocka_unit_test(a_block_that_was_not_requested_is_not_kept),
        cmocka_unit_test(the_tip_is_followed_and_done_comes_again),
        cmocka_unit_test(done_waits_until_the_tip_is_that_of_the_synced_chain),
        cmocka_unit_test(added_scripts_get_a_second_pass),
        cmocka_unit_test(scripts_added_after_a_block_scan_that_block_again),
        cmocka_unit_test(added_scripts_extend_the_scan_below_the_first_height),
        cmocka_unit_test(a_reorganisation_is_undone_and_the_new_blocks_follow),
        cmocka_unit_test(a_reorganisation_in_a_second_pass_scans_all_once),
        cmocka_unit_test(stopping_wants_nothing_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
