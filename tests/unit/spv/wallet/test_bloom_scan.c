/* Scans with bloom filters over honest peers: requests, gaps, reorganisations. */
#include "source_fixture.h"

#define NONE ((struct spv_bloom_params){0})

static struct source_fixture f;

static void start(uint64_t seed, uint32_t tip)
{
    source_open(&f, seed);
    source_mine_to(&f, tip);
}

static struct spv_bloom_scan_stats stats(void)
{
    struct spv_bloom_scan_stats out;

    spv_bloom_scan_get_stats(f.bloom, &out);
    return out;
}

static void payments_and_spends_are_found_and_proven(void **state)
{
    (void)state;
    start(1, 9);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 39);
    source_pay(&f, source_tx(&f, 10, 1), 0, 0, 0);
    source_pay(&f, NULL, 0, 2, 7);
    source_mine_to(&f, 60);
    source_start_bloom(&f, NONE, false, 0);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 3, 1, UINT32_MAX), 0);
    source_run(&f);
    source_check(&f, 1);
    assert_int_equal(f.n_events, 3);
    assert_int_equal(f.events[0].height, 10);
    assert_int_equal(f.events[1].height, 40);
    assert_int_equal(f.events[1].n, 2);
    assert_int_equal(f.events[2].kind, SPV_SOURCE_EVENT_DONE);
    assert_int_equal(f.events[2].height, 60);
    assert_int_equal(f.n_whole_requests, 0);
    assert_int_equal(f.dropped, 0);
    source_close(&f);
}

/* An output whose spend follows in the same block: the peer adds the outpoint (flag ALL). */
static void a_coin_that_is_spent_in_its_own_block_is_found(void **state)
{
    (void)state;
    start(1, 9);
    const size_t at = source_pay(&f, NULL, 0, 1, 0);
    source_pay(&f, &f.blocks[10].txs[at].built, 0, 0, 0);
    source_mine_to(&f, 20);
    source_start_bloom(&f, NONE, false, 0);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, 20), 0);
    source_run(&f);
    source_check(&f, 1);
    assert_int_equal(f.events[0].n, 2);
    source_close(&f);
}

/* Blocks go to two peers in turns; the coin is in the range of one, its spend in the other's, which
 * answered before the outpoint was known. */
static void a_coin_of_one_peers_range_is_found_spent_in_anothers(void **state)
{
    (void)state;
    start(1, 4);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 19);
    source_pay(&f, source_tx(&f, 5, 1), 0, 0, 0);
    source_mine_to(&f, 120);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    struct source_peer *q = source_connect(&f, 2, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, 120), 0);
    source_step(&f);
    assert_int_equal(p->lowest, 1);
    assert_int_equal(q->lowest, 17);
    p->is_silent = true; /* first the other one answers */
    source_run(&f);
    p->is_silent = false;
    source_run(&f);
    source_check(&f, 1);
    assert_int_equal(source_matches(&f, 20), 1);
    assert_true(q->n_loads > 1);
    assert_true(stats().again > 0);
    source_close(&f);
}

/* One peer alone adds the outpoints that it finds itself: nothing is requested twice. */
static void what_a_peer_found_itself_is_not_requested_again(void **state)
{
    (void)state;
    start(1, 4);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 19);
    source_pay(&f, source_tx(&f, 5, 1), 0, 1, 0);
    source_mine_to(&f, 39);
    source_pay(&f, source_tx(&f, 20, 1), 0, 0, 0);
    source_mine_to(&f, 60);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, 60), 0);
    source_run(&f);
    source_check(&f, 1);
    assert_int_equal(p->n_filtered, 60);
    assert_int_equal(p->n_loads, 1);
    assert_int_equal(stats().again, 0);
    assert_int_equal(stats().items, 3);
    source_close(&f);
}

/* The outpoint that a peer finds under an older filter does not make that filter the newest one: it
 * lacks the script that came in between. */
static void an_outpoint_found_under_an_older_filter_does_not_make_it_the_newest(void **state)
{
    (void)state;
    start(1, 2);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 49);
    source_pay(&f, NULL, 0, 2, 0);
    source_mine_to(&f, 60);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, 60), 0);
    source_step(&f);
    assert_int_equal(p->n_loads, 1); /* blocks 1 to 32 are requested under it */
    f.n_scripts = 2;
    assert_int_equal(source_watch(&f, 2, 40), 0);
    source_connect(&f, 2, SOURCE_SERVICES)->is_silent = true;
    source_run(&f); /* peer 2 gets the newer filter, peer 1 finds an outpoint under the older one */
    assert_int_equal(source_peer(&f, 2)->n_loads, 1);
    source_wait(&f, 2 * SPV_BLOOM_STALL_US);
    source_check(&f, 1);
    assert_int_equal(source_matches(&f, 50), 1);
    source_close(&f);
}

static void blocks_of_one_wallet_go_to_two_peers(void **state)
{
    (void)state;
    start(1, 200);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    struct source_peer *q = source_connect(&f, 2, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, 200), 0);
    source_step(&f);
    assert_int_equal(p->n_filtered, SPV_BLOOM_PEER_BATCHES * SPV_BLOOM_BATCH);
    assert_int_equal(q->n_filtered, SPV_BLOOM_PEER_BATCHES * SPV_BLOOM_BATCH);
    assert_int_equal(p->n_pings, p->n_getdata);
    source_run(&f);
    assert_int_equal(p->n_filtered + q->n_filtered, 200);
    assert_true(p->n_filtered > 60 && q->n_filtered > 60);
    assert_int_equal(p->tweak, q->tweak);
    assert_int_equal(f.n_events, 1);
    source_close(&f);
}

static void no_more_than_the_window_is_requested(void **state)
{
    (void)state;
    start(1, 300);
    source_start_bloom(&f, NONE, false, 0);
    source_connect(&f, 1, SOURCE_SERVICES)->is_silent = true;
    for (uint64_t id = 2; id <= 4; id++)
        source_connect(&f, id, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, 300), 0);
    source_run(&f);
    for (uint64_t id = 2; id <= 4; id++)
        assert_true(source_peer(&f, id)->highest <= SPV_BLOOM_WINDOW);
    assert_int_equal(f.n_events, 0);
    source_close(&f);
}

static void a_peer_without_bloom_is_not_used(void **state)
{
    (void)state;
    start(1, 20);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SPV_NODE_NETWORK | SPV_NODE_WITNESS);
    assert_int_equal(source_begin(&f, 1, 1, 20), 0);
    source_run(&f);
    assert_int_equal(p->n_loads + p->n_getdata + p->n_pings + p->n_mempool, 0);
    assert_int_equal(f.n_events, 0);
    source_close(&f);
}

/* BIP159: the last 288 blocks only. */
static void old_blocks_are_asked_only_of_full_peers(void **state)
{
    (void)state;
    start(1, 400);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p =
        source_connect(&f, 1, SPV_NODE_NETWORK_LIMITED | SPV_NODE_WITNESS | SPV_NODE_BLOOM);
    assert_int_equal(source_begin(&f, 1, 100, 400), 0);
    source_run(&f);
    assert_int_equal(p->lowest, 400 - SPV_BLOCKS_LIMITED_DEPTH + 1);
    assert_int_equal(f.n_events, 0);
    struct source_peer *q = source_connect(&f, 2, SPV_NODE_BLOOM | SPV_NODE_NETWORK);
    source_run(&f);
    assert_int_equal(q->lowest, 100);
    assert_int_equal(f.n_events, 1);
    source_close(&f);
}

static void no_block_above_a_peers_chain_is_requested(void **state)
{
    (void)state;
    start(1, 100);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    struct spv_peer_entry *e = spv_peer_table_find(&f.table, 1);
    e->start_height = 40;
    assert_int_equal(source_begin(&f, 1, 1, 100), 0);
    source_run(&f);
    assert_int_equal(p->highest, 40);
    e->sync.claimed_height = 70;
    source_run(&f);
    assert_int_equal(p->highest, 70);
    e->filters.best_known_height = 100;
    source_run(&f);
    assert_int_equal(p->highest, 100);
    assert_int_equal(f.n_events, 1);
    source_close(&f);
}

/* ---- scripts that come later ---- */

/* Each receipt brings the next script, 100 times, each paid in the next block or the same one. */
static void a_hundred_gap_extensions_in_a_row_are_found(void **state)
{
    (void)state;
    for (uint32_t peers = 1; peers <= 3; peers++) {
        start(peers, 4);
        for (uint32_t n = 1; n <= 100; n++) {
            source_pay(&f, NULL, 0, n, 0);
            if (n % 3 != 0)
                source_mine_to(&f, f.tip + 1 + n % 2);
        }
        source_mine_to(&f, f.tip + 150);
        source_start_bloom(&f, NONE, false, 0);
        for (uint64_t id = 1; id <= peers; id++)
            source_connect(&f, id, SOURCE_SERVICES);
        f.script_limit = 101;
        assert_int_equal(source_begin(&f, 1, 1, f.tip), 0);
        source_run(&f);
        assert_int_equal(f.failed, 0);
        assert_int_equal(f.n_scripts, 101);
        source_check(&f, 1);
        assert_int_equal(f.n_forbidden, 0);
        source_close(&f);
    }
}

/* The next script was paid before: blocks that were passed are scanned again. */
static void scripts_from_a_lower_height_get_a_second_pass(void **state)
{
    (void)state;
    start(1, 4);
    for (uint32_t n = 12; n >= 1; n--) {
        source_pay(&f, NULL, 0, n, 0);
        source_mine_to(&f, f.tip + 20);
    }
    source_start_bloom(&f, NONE, false, 0);
    source_connect(&f, 1, SOURCE_SERVICES);
    source_connect(&f, 2, SOURCE_SERVICES);
    f.script_limit = 13;
    f.scripts_from = 1;
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_run(&f);
    assert_int_equal(f.n_scripts, 13);
    source_check(&f, 1);
    assert_int_equal(f.events[f.n_events - 1].kind, SPV_SOURCE_EVENT_DONE);
    assert_int_equal(f.events[f.n_events - 1].height, f.tip);
    source_close(&f);
}

static void a_script_that_is_added_at_the_end_is_scanned_for_from_its_height(void **state)
{
    (void)state;
    start(1, 4);
    source_pay(&f, NULL, 0, 9, 0);
    source_mine_to(&f, 50);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_run(&f);
    assert_int_equal(p->n_filtered, 50);
    f.n_scripts = 9;
    assert_int_equal(source_watch(&f, 9, 3), 0);
    assert_int_equal(stats().left, 48);
    assert_false(stats().is_matching);
    source_run(&f);
    assert_true(stats().is_matching);
    assert_int_equal(source_matches(&f, 5), 1);
    assert_int_equal(p->n_filtered, 98);
    assert_int_equal(source_watch(&f, 9, 40), 0); /* once more */
    source_run(&f);
    assert_int_equal(p->n_filtered, 109);
    assert_int_equal(p->n_loads, 2);
    source_close(&f);
}

static void what_was_answered_below_the_height_of_a_new_script_counts(void **state)
{
    (void)state;
    start(1, 60);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    struct source_peer *q = source_connect(&f, 2, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, 60), 0);
    source_step(&f);
    p->is_silent = true;
    source_run(&f); /* 17..32 and 49..60 are answered */
    assert_int_equal(q->n_filtered, 28);
    assert_int_equal(source_watch(&f, 2, 30), 0);
    source_run(&f);
    assert_int_equal(q->n_filtered, 28 + 3 + 12);
    p->is_silent = false;
    source_run(&f);
    assert_int_equal(f.n_events, 1);
    source_close(&f);
}

/* ---- the chain ---- */

static void a_reorganisation_is_undone_and_its_blocks_are_scanned(void **state)
{
    (void)state;
    start(1, 9);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 29);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 40);
    source_start_bloom(&f, NONE, false, 0);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_run(&f);
    assert_int_equal(f.n_events, 3);
    source_reorganise(&f, 25);
    memset(f.found[26], 0, sizeof f.found[0] * 20);
    source_mine_to(&f, 34);
    source_pay(&f, source_tx(&f, 10, 1), 0, 0, 0);
    source_mine_to(&f, 42);
    spv_bloom_scan_roll_back(f.bloom, 25);
    source_run(&f);
    assert_int_equal(f.events[3].kind, SPV_SOURCE_EVENT_ROLLED_BACK);
    assert_int_equal(f.events[3].height, 25);
    assert_int_equal(f.events[4].height, 35);
    assert_int_equal(f.events[5].kind, SPV_SOURCE_EVENT_DONE);
    source_check(&f, 1);
    source_close(&f);
}

/* Answers of the branch that left are read and dropped, with their transactions. */
static void answers_of_a_branch_that_left_do_not_count(void **state)
{
    (void)state;
    start(1, 9);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 20);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_step(&f);
    source_reorganise(&f, 5);
    source_mine_to(&f, 25);
    spv_bloom_scan_roll_back(f.bloom, 5);
    source_run(&f);
    assert_int_equal(f.n_events, 1);
    assert_int_equal(f.events[0].kind, SPV_SOURCE_EVENT_DONE);
    assert_int_equal(p->highest, 25);
    assert_int_equal(f.dropped, 0);
    source_close(&f);
}

static void the_tip_is_followed(void **state)
{
    (void)state;
    start(1, 9);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_run(&f);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine(&f);
    source_run(&f);
    source_check(&f, 1);
    assert_int_equal(f.n_events, 3);
    assert_int_equal(p->n_filtered, 10);
    source_close(&f);
}

static void a_range_that_is_none_is_refused_and_one_runs_at_a_time(void **state)
{
    struct spv_source_event e;

    (void)state;
    start(1, 5);
    source_start_bloom(&f, NONE, false, 0);
    assert_int_equal(source_begin(&f, 1, 0, 5), SPV_ERR_INVALID);
    assert_int_equal(source_begin(&f, 1, 4, 3), SPV_ERR_INVALID);
    assert_int_equal(source_begin(&f, 1, 4, 4), 0);
    assert_int_equal(source_begin(&f, 1, 4, 4), SPV_ERR_STATE);
    spv_bloom_scan_stop(f.bloom);
    assert_int_equal(spv_bloom_scan_next(f.bloom, &e), 0);
    assert_int_equal(spv_bloom_scan_run(f.bloom, 5, true, f.now), 0);
    source_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payments_and_spends_are_found_and_proven),
        cmocka_unit_test(a_coin_that_is_spent_in_its_own_block_is_found),
        cmocka_unit_test(a_coin_of_one_peers_range_is_found_spent_in_anothers),
        cmocka_unit_test(what_a_peer_found_itself_is_not_requested_again),
        cmocka_unit_test(an_outpoint_found_under_an_older_filter_does_not_make_it_the_newest),
        cmocka_unit_test(blocks_of_one_wallet_go_to_two_peers),
        cmocka_unit_test(no_more_than_the_window_is_requested),
        cmocka_unit_test(a_peer_without_bloom_is_not_used),
        cmocka_unit_test(old_blocks_are_asked_only_of_full_peers),
        cmocka_unit_test(no_block_above_a_peers_chain_is_requested),
        cmocka_unit_test(a_hundred_gap_extensions_in_a_row_are_found),
        cmocka_unit_test(scripts_from_a_lower_height_get_a_second_pass),
        cmocka_unit_test(a_script_that_is_added_at_the_end_is_scanned_for_from_its_height),
        cmocka_unit_test(what_was_answered_below_the_height_of_a_new_script_counts),
        cmocka_unit_test(a_reorganisation_is_undone_and_its_blocks_are_scanned),
        cmocka_unit_test(answers_of_a_branch_that_left_do_not_count),
        cmocka_unit_test(the_tip_is_followed),
        cmocka_unit_test(a_range_that_is_none_is_refused_and_one_runs_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
