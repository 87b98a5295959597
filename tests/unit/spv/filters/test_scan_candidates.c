/* What a scan holds until its turn: filters that wait for the matcher, heights with several
 * filters, and the blocks of those that matched. */
#include "support/unit.h"
#include "unit/spv/filters/scan_fixture.h"

#include "spv/filters/filter_scan_state.h"

static struct scan_fixture f;

static int close_fixture(void **state)
{
    (void)state;
    scan_fixture_close(&f);
    return 0;
}

static void open_scan(uint32_t tip, size_t n_peers)
{
    scan_fixture_open(&f, tip);
    scan_fixture_start(&f, false);
    for (uint64_t id = 1; id <= n_peers; id++)
        (void)scan_fixture_add(&f, id);
}

static void a_task_is_answered_once(void **state)
{
    (void)state;
    open_scan(40, 1);
    assert_int_equal(spv_filter_scan_matched(f.scan), SPV_ERR_STATE);
    f.holds_matches = true;
    assert_int_equal(scan_fixture_begin(&f, 12, 1, 40), 0);
    scan_fixture_run(&f);
    assert_true(f.has_match);
    scan_fixture_match(&f);
    if (!f.has_match)
        assert_int_equal(spv_filter_scan_matched(f.scan), SPV_ERR_STATE);
}

static void a_filter_that_could_not_be_matched_ends_the_scan(void **state)
{
    (void)state;
    open_scan(40, 1);
    f.holds_matches = true;
    assert_int_equal(scan_fixture_begin(&f, 12, 1, 40), 0);
    scan_fixture_run(&f);
    assert_true(f.has_match);
    f.has_match = false; /* it is answered here */
    for (size_t i = 0; i < f.match.n; i++)
        f.match.results[i] = SPV_ERR_NOMEM;
    assert_int_equal(spv_filter_scan_matched(f.scan), SPV_ERR_NOMEM);
}

static void a_block_is_taken_once_and_by_its_hash(void **state)
{
    struct spv_scan_stats stats;

    (void)state;
    open_scan(40, 1);
    f.holds_blocks = true;
    assert_int_equal(scan_fixture_begin(&f, 12, 1, 40), 0);
    scan_fixture_run(&f);
    struct spv_fetched_block block = {
        .height = 12, .hash = f.blocks[13].hash, .block = f.blocks[12].block};
    assert_int_equal(spv_filter_scan_block(f.scan, &block), 0); /* of another branch */
    spv_filter_scan_get_stats(f.scan, &stats);
    assert_int_equal(stats.blocks, 0);
    block.hash = f.blocks[12].hash;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spv_filter_scan_block(f.scan, &block), 0);
        spv_filter_scan_get_stats(f.scan, &stats);
        assert_int_equal(stats.blocks, 1);
    }
    block.height = 41; /* nothing is wanted there */
    assert_int_equal(spv_filter_scan_block(f.scan, &block), 0);
}

static void nothing_is_buffered_at_the_end(void **state)
{
    (void)state;
    open_scan(100, 2);
    assert_int_equal(scan_fixture_begin(&f, 12, 1, 100), 0);
    scan_fixture_watch(&f, 30, 1);
    scan_fixture_run(&f);
    assert_true(f.n_events > 3);
    assert_int_equal(f.events[f.n_events - 1].kind, SPV_SCAN_DONE);
    assert_int_equal(f.scan->buffered_bytes, 0);
    assert_int_equal(f.scan->block_bytes, 0);
    assert_int_equal(f.scan->n_candidates, 0);
}

/* A candidate at the lowest height that leaves the chain, held in each state. */
static void what_is_buffered_of_the_first_block_above_a_fork_is_freed(void **state)
{
    enum { OF_THE_MATCHER, AMBIGUOUS, A_BLOCK, STATES };

    (void)state;
    for (int held = 0; held < STATES; held++) {
        open_scan(100, 1);
        if (held == AMBIGUOUS) {
            scan_fixture_make_other(&f, 90, 90);
            f.conflict_height = 90;
        }
        assert_int_equal(scan_fixture_begin(&f, 90, 1, UINT32_MAX), 0);
        f.holds_matches = held == OF_THE_MATCHER;
        f.holds_blocks = true;
        scan_fixture_run(&f);
        f.conflict_height = 0;
        scan_fixture_reorganise(&f, 89, 20);
        assert_int_equal(f.scan->n_conflicts, 0);
        for (size_t i = 0; i < f.scan->n_candidates; i++)
            assert_true(f.scan->candidates[i].height <= 89);
        for (size_t i = 0; i < f.scan->pending.n; i++)
            assert_true(f.scan->pending.list[i].height <= 89);
        for (size_t i = 0; i < f.fetch.n_wanted; i++)
            assert_true(f.fetch.wanted[i].height <= 89);
        f.holds_matches = false;
        if (f.has_match)
            scan_fixture_match(&f);
        f.holds_blocks = false;
        scan_fixture_send_blocks(&f);
        scan_fixture_run(&f);
        assert_int_equal(f.events[f.n_events - 1].kind, SPV_SCAN_DONE);
        assert_int_equal(f.events[f.n_events - 1].height, 109);
        assert_int_equal(scan_fixture_matches(&f, 90), 0);
        assert_int_equal(f.drop_error, 0);
        if (held + 1 < STATES)
            scan_fixture_close(&f);
    }
}

/* The filter of a block that spends what was found earlier must have that script. */
static void an_output_found_earlier_proves_a_filter_invalid(void **state)
{
    uint8_t scripts[2][BLOCK_FIXTURE_SCRIPT];
    struct spv_bytes items[2];
    struct fixture_filter *filter = &f.filters[22];

    (void)state;
    open_scan(40, 1);
    fixture_script(scripts[0], 1000022);
    fixture_script(scripts[1], 22);
    for (size_t i = 0; i < 2; i++)
        items[i] = (struct spv_bytes){scripts[i], BLOCK_FIXTURE_SCRIPT};
    free(filter->bytes);
    assert_int_equal(spv_filter_build(&filter->bytes, &filter->n, &f.blocks[22].hash, items, 2), 0);
    const struct spv_filter view = {
        .block = f.blocks[22].hash, .bytes = filter->bytes, .n = filter->n};
    spv_filter_compute_hash(&filter->hash, &view);
    for (uint32_t h = 22; h <= f.tip; h++)
        spv_filter_compute_header(&f.filters[h].header, &f.filters[h].hash,
                                  &f.filters[h - 1].header);
    assert_int_equal(scan_fixture_begin(&f, 12, 1, 40), 0);
    scan_fixture_watch(&f, 22, 1);
    scan_fixture_run(&f);
    assert_int_equal(scan_fixture_matches(&f, 12), 1);
    assert_int_equal(f.scan->invalid_height, 22);
    assert_int_equal(scan_fixture_matches(&f, 22), 0);
}

static void blocks_wait_for_the_filters_below_them(void **state)
{
    (void)state;
    open_scan(400, 2);
    for (size_t i = 0; i < 2; i++)
        f.peers[i].is_backwards = true;
    assert_int_equal(scan_fixture_begin(&f, 395, 1, 400), 0);
    f.peers[0].is_silent = true; /* the lowest range is asked of it */
    scan_fixture_run(&f);
    assert_int_equal(f.n_events, 0);
    assert_true(f.n_getdata > 0);
    scan_fixture_wait(&f, 120 * SPV_SECOND);
    assert_int_equal(f.n_events, 2);
    assert_int_equal(f.events[0].height, 395);
    assert_int_equal(f.events[1].kind, SPV_SCAN_DONE);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, close_fixture)
    const struct CMUnitTest tests[] = {
        T(a_task_is_answered_once),
        T(a_filter_that_could_not_be_matched_ends_the_scan),
        T(a_block_is_taken_once_and_by_its_hash),
        T(nothing_is_buffered_at_the_end),
        T(what_is_buffered_of_the_first_block_above_a_fork_is_freed),
        T(an_output_found_earlier_proves_a_filter_invalid),
        T(blocks_wait_for_the_filters_below_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
