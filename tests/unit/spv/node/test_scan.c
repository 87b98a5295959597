/* Scans through the calls of the node. */
#include "support/unit.h"
#include "unit/spv/node/scan_node_fixture.h"

static struct scan_node s;

/* A node that has synced headers and filter headers up to height 40, from two peers. */
static int open_fixture(void **state)
{
    (void)state;
    scan_node_open(&s, 40);
    scan_node_start(&s, &(struct spv_node_config){.filters = true}, 2);
    scan_node_sleep(&s, 5 * SPV_SECOND);
    assert_int_equal(s.error, 0);
    assert_int_equal(s.n_stored, 41);
    assert_int_equal(s.events[SPV_EVENT_FILTERS_SYNCED], 1);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    scan_node_close(&s);
    return 0;
}

static void expect(size_t at, enum spv_scan_event_kind kind, uint32_t height)
{
    assert_true(at < s.n_log);
    assert_int_equal(s.log[at].kind, kind);
    assert_int_equal(s.log[at].height, height);
}

static void a_scan_reports_what_pays_and_what_spends(void **state)
{
    struct spv_scan_stats stats;
    (void)state;
    assert_int_equal(scan_node_begin(&s, 12, 1, UINT32_MAX), 0);
    scan_node_sleep(&s, SPV_SECOND);
    assert_int_equal(s.n_log, 3);
    expect(0, SPV_SCAN_FOUND, 12);
    assert_int_equal(s.log[0].n, 1);
    expect(1, SPV_SCAN_FOUND, 22);
    expect(2, SPV_SCAN_DONE, 40);
    spv_node_scan_stats(s.node, &stats);
    assert_true(stats.running);
    assert_int_equal(stats.first, 1);
    assert_int_equal(stats.last, UINT32_MAX);
    assert_int_equal(stats.next_height, 41);
    assert_int_equal(stats.scripts, 1);
    assert_int_equal(stats.filters, 40);
    assert_int_equal(stats.found, 2);
}

static void a_scan_follows_the_tip(void **state)
{
    (void)state;
    assert_int_equal(scan_node_begin(&s, 41, 30, UINT32_MAX), 0);
    scan_node_sleep(&s, SPV_SECOND);
    expect(0, SPV_SCAN_DONE, 40);
    scan_node_grow(&s);
    scan_node_sleep(&s, 10 * SPV_SECOND);
    assert_int_equal(s.n_stored, 42);
    assert_int_equal(s.n_log, 3);
    expect(1, SPV_SCAN_FOUND, 41);
    expect(2, SPV_SCAN_DONE, 41);
}

static void a_scan_that_begins_before_the_filter_headers_waits_for_them(void **state)
{
    (void)state;
    scan_node_stop(&s);
    s.n_stored = 0;
    scan_node_start(&s, &(struct spv_node_config){.filters = true}, 0);
    assert_int_equal(scan_node_begin(&s, 12, 1, UINT32_MAX), 0);
    scan_node_sleep(&s, 100 * SPV_SECOND);
    assert_int_equal(s.n_log, 0);
    assert_int_equal(s.n_getcfilters, 0);
    scan_node_stop(&s);
    scan_node_start(&s, &(struct spv_node_config){.filters = true}, 2);
    assert_int_equal(scan_node_begin(&s, 12, 1, UINT32_MAX), 0);
    scan_node_sleep(&s, 5 * SPV_SECOND);
    assert_int_equal(s.n_log, 3);
}

static void scripts_and_outputs_may_be_added(void **state)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes script = {bytes, sizeof bytes};
    (void)state;
    assert_int_equal(scan_node_begin(&s, 12, 25, UINT32_MAX), 0);
    scan_node_sleep(&s, SPV_SECOND);
    assert_int_equal(s.n_log, 1);
    assert_int_equal(scan_node_add(&s, 30, 25), 0);
    scan_node_sleep(&s, SPV_SECOND);
    assert_int_equal(scan_node_matches(&s, 30), 1);
    assert_int_equal(scan_node_matches(&s, 40), 1); /* spends it */
    fixture_script(bytes, 28);
    assert_int_equal(spv_node_scan_add_output(s.node, &s.blocks[28].txids[1], 0, &script, s.now),
                     0);
    scan_node_sleep(&s, SPV_SECOND);
    assert_int_equal(scan_node_matches(&s, 38), 0); /* the script is watched from the tip on */
    assert_int_equal(s.error, 0);
}

static void calls_out_of_order_are_refused_and_change_nothing(void **state)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes script = {bytes, sizeof bytes}, empty = {NULL, 0};
    const struct spv_txid txid = {{1}};
    struct spv_scan_stats stats;
    (void)state;
    fixture_script(bytes, 12);
    assert_int_equal(spv_node_scan_add(s.node, &script, 1, 1, s.now), SPV_ERR_STATE);
    assert_int_equal(spv_node_scan_add_output(s.node, &txid, 0, &script, s.now), SPV_ERR_STATE);
    assert_int_equal(spv_node_filters_matched(s.node, s.now), SPV_ERR_STATE);
    assert_int_equal(spv_node_scan(s.node, &script, 1, 0, 10, s.now), SPV_ERR_INVALID);
    assert_int_equal(spv_node_scan(s.node, &script, 1, 11, 10, s.now), SPV_ERR_INVALID);
    assert_int_equal(spv_node_scan(s.node, &empty, 1, 1, 10, s.now), SPV_ERR_INVALID);
    assert_int_equal(spv_node_scan(s.node, NULL, 0, 1, 10, s.now), SPV_ERR_INVALID);
    spv_node_scan_stats(s.node, &stats);
    assert_false(stats.running);
    assert_int_equal(scan_node_begin(&s, 12, 1, 20), 0);
    assert_int_equal(spv_node_scan(s.node, &script, 1, 1, 20, s.now), SPV_ERR_STATE);
    scan_node_sleep(&s, SPV_SECOND);
    assert_int_equal(s.n_log, 2);
    expect(0, SPV_SCAN_FOUND, 12);
    expect(1, SPV_SCAN_DONE, 20);
    assert_int_equal(s.error, 0);
}

static void a_node_without_filters_scans_nothing(void **state)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes script = {bytes, sizeof bytes};
    const struct spv_txid txid = {{1}};
    struct spv_scan_stats stats = {.running = true, .scripts = 3};
    (void)state;
    scan_node_stop(&s);
    scan_node_start(&s, &(struct spv_node_config){.filters = false}, 2);
    fixture_script(bytes, 12);
    assert_int_equal(spv_node_scan(s.node, &script, 1, 1, 10, s.now), SPV_ERR_INVALID);
    assert_int_equal(spv_node_scan_add(s.node, &script, 1, 1, s.now), SPV_ERR_STATE);
    assert_int_equal(spv_node_scan_add_output(s.node, &txid, 0, &script, s.now), SPV_ERR_STATE);
    assert_int_equal(spv_node_filters_matched(s.node, s.now), SPV_ERR_STATE);
    assert_int_equal(spv_node_scan_stop(s.node, s.now), 0);
    spv_node_scan_stats(s.node, &stats);
    assert_false(stats.running);
    assert_int_equal(stats.scripts, 0);
    scan_node_sleep(&s, 5 * SPV_SECOND);
    assert_int_equal(s.error, 0);
    assert_int_equal(s.events[SPV_EVENT_FILTERS_SYNCED], 1); /* that of the node before */
}

static void a_stopped_scan_reports_nothing_and_another_may_begin(void **state)
{
    struct spv_scan_stats stats;
    (void)state;
    s.holds_matches = true;
    assert_int_equal(scan_node_begin(&s, 12, 1, UINT32_MAX), 0);
    scan_node_sleep(&s, SPV_SECOND);
    assert_true(s.has_match);
    assert_int_equal(spv_node_scan_stop(s.node, s.now), 0);
    spv_node_scan_stats(s.node, &stats);
    assert_false(stats.running);
    s.holds_matches = false;
    assert_int_equal(scan_node_begin(&s, 15, 1, UINT32_MAX), 0);
    scan_node_match(&s); /* that of the first scan: its memory is still there */
    scan_node_sleep(&s, SPV_SECOND);
    assert_int_equal(scan_node_matches(&s, 12), 0);
    assert_int_equal(scan_node_matches(&s, 15), 1);
    assert_int_equal(scan_node_matches(&s, 25), 1);
    assert_int_equal(s.error, 0);
}

static void a_reorganisation_takes_back_what_was_above_the_fork(void **state)
{
    (void)state;
    assert_int_equal(scan_node_begin(&s, 37, 30, UINT32_MAX), 0);
    scan_node_sleep(&s, SPV_SECOND);
    assert_int_equal(scan_node_matches(&s, 37), 1);
    const size_t before = s.n_log;
    scan_node_reorganise(&s, 35, 7);
    scan_node_sleep(&s, 30 * SPV_SECOND);
    assert_int_equal(s.error, 0);
    assert_int_equal(s.n_stored, 43);
    assert_memory_equal(s.stored[42].b, s.filters[42].header.b, 32);
    expect(before, SPV_SCAN_ROLLED_BACK, 35);
    expect(before + 1, SPV_SCAN_FOUND, 37); /* of the new branch: the fixture compares the hash */
    expect(before + 2, SPV_SCAN_DONE, 42);
}

static void a_block_above_a_fork_is_not_fetched_for_a_dispute_or_a_scan(void **state)
{
    (void)state;
    s.sends_no_blocks = true;
    assert_int_equal(scan_node_begin(&s, 37, 30, UINT32_MAX), 0);
    scan_node_sleep(&s, SPV_SECOND);
    assert_true(s.n_getdata > 0);
    s.sends_no_blocks = false;
    scan_node_reorganise(&s, 35, 7);
    scan_node_sleep(&s, 60 * SPV_SECOND);
    assert_int_equal(s.error, 0);
    assert_int_equal(scan_node_count(&s, SPV_SCAN_ROLLED_BACK), 0); /* nothing was reported above */
    assert_int_equal(scan_node_matches(&s, 37), 1);
}

static void a_block_that_its_header_does_not_prove_is_misbehaviour(void **state)
{
    (void)state;
    s.sends_false_blocks = true;
    assert_int_equal(scan_node_begin(&s, 12, 1, 20), 0);
    scan_node_sleep(&s, SPV_SECOND);
    assert_int_equal(spv_err_class_of(s.closed), SPV_CLASS_MISBEHAVING);
    assert_int_equal(s.n_log, 0);
    assert_int_equal(s.error, 0);
}

static void filters_that_no_scan_asked_for_close_the_connection(void **state)
{
    const struct spv_msg msg = {.command = SPV_CMD_CFILTER,
                                .u.cfilter = {.block = s.blocks[5].hash,
                                              .filter = s.filters[5].bytes,
                                              .n = s.filters[5].n}};
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(s.closed, 0);
        scan_node_recv(&s, s.peers[0], &msg);
        scan_node_run(&s);
    }
    assert_int_equal(s.closed, SPV_ERR_FILTER_ANSWER);
    assert_int_equal(spv_err_class_of(s.closed), SPV_CLASS_PEER);
}

static void peers_without_filters_are_asked_for_blocks_only(void **state)
{
    (void)state;
    scan_node_stop(&s);
    s.services = SPV_NODE_NETWORK | SPV_NODE_WITNESS;
    scan_node_start(&s, &(struct spv_node_config){.filters = true}, 2);
    assert_int_equal(scan_node_begin(&s, 12, 1, 20), 0);
    s.n_getcfilters = 0;
    scan_node_sleep(&s, 60 * SPV_SECOND);
    assert_int_equal(s.n_getcfilters, 0);
    assert_int_equal(s.n_log, 0);
    assert_int_equal(s.error, 0);
}

static void filters_are_kept_when_the_node_keeps_them(void **state)
{
    (void)state;
    assert_int_equal(scan_node_begin(&s, 12, 1, 20), 0);
    scan_node_sleep(&s, SPV_SECOND);
    assert_int_equal(s.n_kept, 0);
    scan_node_stop(&s);
    scan_node_start(&s, &(struct spv_node_config){.filters = true, .keep_filters = true}, 2);
    assert_int_equal(spv_node_scan(s.node, NULL, 0, 1, 20, s.now), 0);
    scan_node_sleep(&s, 5 * SPV_SECOND);
    assert_int_equal(s.n_kept, 20);
    assert_int_equal(s.error, 0);
}

static void a_store_that_fails_ends_the_node_with_its_error(void **state)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes script = {bytes, sizeof bytes};
    (void)state;
    scan_node_stop(&s);
    s.n_stored = 0;
    s.store_error = SPV_ERR_DB_FULL;
    scan_node_start(&s, &(struct spv_node_config){.filters = true}, 2);
    scan_node_sleep(&s, 5 * SPV_SECOND);
    assert_int_equal(s.error, SPV_ERR_DB_FULL);
    fixture_script(bytes, 12);
    assert_int_equal(spv_node_scan(s.node, &script, 1, 1, 20, s.now), SPV_ERR_DB_FULL);
    assert_int_equal(spv_node_scan_add(s.node, &script, 1, 1, s.now), SPV_ERR_DB_FULL);
    assert_int_equal(spv_node_scan_add_output(s.node, &s.blocks[5].txids[1], 0, &script, s.now),
                     SPV_ERR_DB_FULL);
    assert_int_equal(spv_node_scan_stop(s.node, s.now), SPV_ERR_DB_FULL);
    assert_int_equal(spv_node_filters_matched(s.node, s.now), SPV_ERR_DB_FULL);
}

static void an_invalid_stored_filter_is_dropped_and_its_peers_are_banned(void **state)
{
    uint8_t bytes[BLOCK_FIXTURE_SCRIPT];
    const struct spv_bytes other = {bytes, sizeof bytes};
    struct scan_node_filter *f = &s.filters[20];
    struct spv_filter filter = {.block = s.blocks[20].hash};
    (void)state;
    scan_node_stop(&s);
    fixture_script(bytes, 12); /* it matches, and lacks every script of the block */
    free(f->bytes);
    assert_int_equal(spv_filter_build(&f->bytes, &f->n, &filter.block, &other, 1), 0);
    filter.bytes = f->bytes;
    filter.n = f->n;
    spv_filter_compute_hash(&f->hash, &filter);
    for (uint32_t h = 20; h <= s.tip; h++)
        spv_filter_compute_header(&s.filters[h].header, &s.filters[h].hash,
                                  &s.filters[h - 1].header);
    s.n_stored = 0;
    scan_node_start(&s, &(struct spv_node_config){.filters = true}, 2);
    scan_node_sleep(&s, 5 * SPV_SECOND);
    assert_int_equal(s.n_stored, 41);
    assert_int_equal(scan_node_begin(&s, 12, 1, UINT32_MAX), 0);
    scan_node_sleep(&s, 30 * SPV_SECOND);
    assert_int_equal(s.error, 0);
    assert_int_equal(s.n_drops, 1);
    assert_int_equal(s.dropped_from, 20);
    assert_int_equal(s.n_stored, 20);
    assert_int_equal(s.closed, SPV_ERR_FILTER_INVALID);
    assert_int_equal(s.events[SPV_EVENT_BANNED], 2);
    assert_int_equal(scan_node_matches(&s, 20), 0);
    assert_int_equal(scan_node_matches(&s, 12), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        T(a_scan_reports_what_pays_and_what_spends),
        T(a_scan_follows_the_tip),
        T(a_scan_that_begins_before_the_filter_headers_waits_for_them),
        T(scripts_and_outputs_may_be_added),
        T(calls_out_of_order_are_refused_and_change_nothing),
        T(a_node_without_filters_scans_nothing),
        T(a_stopped_scan_reports_nothing_and_another_may_begin),
        T(a_reorganisation_takes_back_what_was_above_the_fork),
        T(a_block_above_a_fork_is_not_fetched_for_a_dispute_or_a_scan),
        T(a_block_that_its_header_does_not_prove_is_misbehaviour),
        T(filters_that_no_scan_asked_for_close_the_connection),
        T(peers_without_filters_are_asked_for_blocks_only),
        T(filters_are_kept_when_the_node_keeps_them),
        T(a_store_that_fails_ends_the_node_with_its_error),
        T(an_invalid_stored_filter_is_dropped_and_its_peers_are_banned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
