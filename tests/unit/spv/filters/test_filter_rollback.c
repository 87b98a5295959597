/* Filter headers that end: by a reorganisation of the chain, or because a filter was proven
 * invalid; at rest, in a dispute, between checkpoints, and while an update is being stored. */
#include "support/unit.h"
#include "unit/spv/filters/filter_sync_fixture.h"

#include "spv/filters/filter_sync_state.h"

static struct sync_fixture f;
static struct spv_filter_hash others[SPV_FILTER_MAX_BRANCHES];
static uint32_t from; /* of spv_filter_sync_next_rollback */

/* A chain with three peers, whose filter headers are stored up to the tip. */
static void open_synced(uint32_t height)
{
    sync_fixture_open(&f, height);
    for (uint64_t id = 1; id <= 3; id++)
        sync_fixture_add(&f, id, id, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, height);
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 0);
}

/* All peers follow the chain to its new branch. */
static void follow(const struct filter_view *view)
{
    for (uint64_t id = 1; id <= 3; id++) {
        if (!f.peers[id].entry)
            continue;
        f.peers[id].view = view;
        f.peers[id].hides_headers = false;
        sync_fixture_shows(&f, id, spv_chain_tip(f.chain)->height);
    }
}

static void reorganisation_at_the_tip_replaces_the_filter_headers_above_the_fork(void **state)
{
    uint32_t height;
    (void)state;
    open_synced(500);
    sync_fixture_reorganise(&f, 497, 5);
    sync_fixture_run(&f);
    assert_int_equal(spv_filter_sync_height(f.sync, &height), 1);
    assert_int_equal(height, 497);
    follow(&honest_branch);
    sync_fixture_sleep(&f, 10 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest_branch, 502);
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 1);
    assert_int_equal(from, 498);
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 0);
    assert_int_equal(f.n_drops, 0); /* the database drops them with the headers */
    assert_int_equal(f.events[SPV_EVENT_WARNING], 0);
    for (uint64_t id = 1; id <= 3; id++)
        assert_int_equal(f.peers[id].dropped, 0);
    sync_fixture_close(&f);
}

static void reorganisation_below_a_checkpoint_is_followed(void **state)
{
    (void)state;
    open_synced(2500);
    sync_fixture_reorganise(&f, 1995, 506);
    sync_fixture_run(&f);
    follow(&honest_branch);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest_branch, 2501);
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 1);
    assert_int_equal(from, 1996);
    sync_fixture_close(&f);
}

static void peers_have_committed_to_nothing_above_a_fork(void **state)
{
    (void)state;
    open_synced(500);
    sync_fixture_reorganise(&f, 450, 60);
    sync_fixture_run(&f);
    for (uint64_t id = 1; id <= 3; id++) {
        assert_true(f.peers[id].entry->filters.agrees);
        assert_int_equal(f.peers[id].entry->filters.agrees_height, 450);
    }
    sync_fixture_close(&f);
}

static void lowest_of_several_forks_is_rolled_back_to(void **state)
{
    (void)state;
    open_synced(500);
    assert_int_equal(spv_filter_sync_reorganised(f.sync, 450), 0);
    for (uint64_t id = 1; id <= 3; id++)
        assert_int_equal(f.peers[id].entry->filters.agrees_height, 450);
    f.sync->height = 500; /* as if the new branch had been stored meanwhile */
    assert_int_equal(spv_filter_sync_reorganised(f.sync, 480), 0);
    assert_int_equal(f.sync->rolled_back_from, 451);
    assert_int_equal(spv_filter_sync_reorganised(f.sync, 440), 0);
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 1);
    assert_int_equal(from, 441);
    assert_int_equal(f.sync->height, 440);
    assert_memory_equal(f.sync->top.b, honest.headers[440].b, 32);
    sync_fixture_close(&f);
}

static void reorganisation_above_what_is_stored_undoes_nothing(void **state)
{
    uint32_t height;
    (void)state;
    open_synced(500);
    assert_int_equal(spv_filter_sync_reorganised(f.sync, 500), 0);
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 0);
    assert_int_equal(spv_filter_sync_height(f.sync, &height), 1);
    assert_int_equal(height, 500);
    sync_fixture_close(&f);
}

static void reorganisation_below_the_lowest_filter_header_begins_again(void **state)
{
    const struct spv_filter_checkpoint at_400 = {400, honest.headers[400]};
    uint32_t height;
    (void)state;
    sync_fixture_open(&f, 500);
    f.params.filter_checkpoints = &at_400;
    f.params.n_filter_checkpoints = 1;
    assert_int_equal(spv_filter_headers_begin(f.sync), 1);
    assert_int_equal(spv_filter_sync_height(f.sync, &height), 1);
    assert_int_equal(height, 400);
    assert_int_equal(spv_filter_sync_reorganised(f.sync, 399), 0);
    assert_int_equal(spv_filter_sync_height(f.sync, &height), 0);
    sync_fixture_close(&f);
}

static void votes_about_the_old_branch_say_nothing_of_the_new_one(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &honest);
    f.more = SPV_MORE_PEERS_EXPECTED;
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_non_null(f.peers[1].entry->filters.answer);
    assert_int_equal(f.n_stored, 0);
    sync_fixture_reorganise(&f, 450, 60);
    sync_fixture_run(&f);
    assert_null(f.peers[1].entry->filters.answer);
    follow(&honest_branch);
    sync_fixture_add(&f, 2, 2, &honest_branch);
    sync_fixture_sleep(&f, 10 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest_branch, 510);
    sync_fixture_close(&f);
}

static void dispute_about_the_old_branch_ends_with_it(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    f.no_blocks = true;
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, filter_view_lie(495, LIE_OUTPUT));
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_true(spv_filter_sync_disputing(f.sync));
    assert_int_equal(f.sync->dispute.at, 495);
    sync_fixture_reorganise(&f, 450, 60);
    sync_fixture_run(&f);
    assert_false(spv_filter_sync_disputing(f.sync));
    f.no_blocks = false;
    follow(&honest_branch);
    sync_fixture_sleep(&f, 30 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest_branch, 510);
    assert_false(spv_filter_sync_disputing(f.sync));
    for (uint64_t id = 1; id <= 3; id++)
        assert_int_equal(f.peers[id].dropped, 0);
    sync_fixture_close(&f);
}

static void branch_of_filters_ends_where_the_chain_forks(void **state)
{
    static struct filter_view lie;
    (void)state;
    memset(&lie, 0, sizeof lie);
    lie.lies[205] = lie.lies[495] = LIE_PREVOUT;
    filter_view_make(&lie);
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &lie);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, 30 * SPV_SECOND);
    assert_int_equal(spv_filter_sync_alternatives(f.sync, others, 205), 1);
    assert_int_equal(spv_filter_sync_alternatives(f.sync, others, 495), 1);
    sync_fixture_reorganise(&f, 450, 60);
    sync_fixture_run(&f);
    assert_int_equal(spv_filter_sync_alternatives(f.sync, others, 205), 1);
    assert_int_equal(spv_filter_sync_alternatives(f.sync, others, 495), 0);
    assert_int_equal(f.peers[1].entry->filters.branch, 1);
    sync_fixture_close(&f);
}

static void branch_that_is_not_followed_is_not_compared_any_further(void **state)
{
    (void)state;
    sync_fixture_open(&f, 400);
    sync_fixture_add(&f, 1, 1, filter_view_lie(205, LIE_PREVOUT));
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, 30 * SPV_SECOND);
    assert_int_equal(f.sync->branch[0].top_height, 400);
    f.sync->branch[0].frozen = true;
    sync_fixture_grow(&f, 500);
    for (uint64_t id = 1; id <= 3; id++)
        sync_fixture_shows(&f, id, 500);
    sync_fixture_sleep(&f, 30 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(f.sync->branch[0].top_height, 400);
    f.sync->branch[0].frozen = false;
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_int_equal(f.sync->branch[0].top_height, 500);
    sync_fixture_close(&f);
}

static void reorganisation_while_ranges_are_fetched_begins_again(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    for (uint64_t id = 1; id <= 3; id++)
        sync_fixture_add(&f, id, id, &honest)->gives_no_cfheaders = true;
    sync_fixture_run(&f);
    assert_int_equal(f.sync->n_agreed, 2);
    assert_non_null(f.sync->segments);
    sync_fixture_reorganise(&f, 1990, 511);
    assert_int_equal(spv_filter_sync_reorganised(f.sync, 1990), 0);
    assert_int_equal(f.sync->n_agreed, 0);
    assert_null(f.sync->segments);
    for (uint64_t id = 1; id <= 3; id++)
        f.peers[id].gives_no_cfheaders = false;
    sync_fixture_run(&f);
    follow(&honest_branch);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest_branch, 2501);
    sync_fixture_close(&f);
}

static void fork_while_an_update_is_stored_takes_it_back_afterwards(void **state)
{
    uint32_t height;
    (void)state;
    open_synced(500);
    f.holds_stores = true;
    sync_fixture_grow(&f, 510);
    follow(&honest);
    sync_fixture_sleep(&f, 5 * SPV_SECOND);
    assert_true(spv_filter_sync_storing(f.sync));
    assert_true(f.has_update);
    sync_fixture_reorganise(&f, 495, 20);
    sync_fixture_run(&f);
    assert_int_equal(spv_filter_sync_reorganised(f.sync, 498), 0); /* a higher one */
    f.n_stored = 501; /* the database does both in order: the update, then the reorganisation */
    sync_fixture_apply(&f);
    f.holds_stores = false;
    assert_int_equal(spv_filter_sync_height(f.sync, &height), 1);
    assert_int_equal(height, 495);
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 1);
    assert_int_equal(from, 496);
    sync_fixture_run(&f);
    follow(&honest_branch);
    sync_fixture_sleep(&f, 30 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest_branch, 515);
    sync_fixture_close(&f);
}

static void only_peers_that_committed_to_an_invalid_filter_are_banned(void **state)
{
    (void)state;
    open_synced(500);
    f.peers[3].entry->filters.agrees_height = 299; /* it was compared before */
    assert_int_equal(spv_filter_sync_on_invalid(f.sync, 300), 0);
    assert_int_equal(f.peers[1].entry->filters.disconnect_error, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.peers[2].entry->filters.disconnect_error, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.peers[3].entry->filters.disconnect_error, 0);
    sync_fixture_run(&f);
    assert_int_equal(f.n_drops, 1);
    assert_int_equal(f.dropped_from, 300);
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 1);
    assert_int_equal(from, 300);
    sync_fixture_close(&f);
}

static void invalid_filter_above_the_stored_ones_or_at_the_start_changes_nothing(void **state)
{
    (void)state;
    open_synced(500);
    assert_int_equal(spv_filter_sync_on_invalid(f.sync, 501), 0);
    assert_int_equal(spv_filter_sync_on_invalid(f.sync, 0), 0);
    sync_fixture_run(&f);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(f.n_drops, 0);
    assert_int_equal(f.peers[1].dropped, 0);
    sync_fixture_close(&f);
}

static void invalid_filter_found_while_an_update_is_stored_is_dropped_after_it(void **state)
{
    (void)state;
    open_synced(500);
    f.holds_stores = true;
    sync_fixture_grow(&f, 501);
    follow(&honest);
    sync_fixture_sleep(&f, 5 * SPV_SECOND);
    assert_true(f.has_update);
    assert_int_equal(spv_filter_sync_on_invalid(f.sync, 300), 0);
    assert_int_equal(f.n_drops, 0);
    f.holds_stores = false;
    sync_fixture_apply(&f);
    sync_fixture_run(&f);
    assert_int_equal(f.n_drops, 1);
    assert_int_equal(f.dropped_from, 300);
    assert_int_equal(f.n_stored, 300);
    assert_int_equal(f.sync->height, 299);
    sync_fixture_close(&f);
}

static void filters_proven_invalid_before_they_are_stored_need_no_drop(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    struct filter_view *lie = filter_view_lie(205, LIE_OUTPUT);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, lie);
    sync_fixture_add(&f, 3, 3, lie);
    sync_fixture_sleep(&f, 200 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(f.peers[2].dropped, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.n_drops, 0);
    sync_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reorganisation_at_the_tip_replaces_the_filter_headers_above_the_fork),
        cmocka_unit_test(reorganisation_below_a_checkpoint_is_followed),
        cmocka_unit_test(peers_have_committed_to_nothing_above_a_fork),
        cmocka_unit_test(lowest_of_several_forks_is_rolled_back_to),
        cmocka_unit_test(reorganisation_above_what_is_stored_undoes_nothing),
        cmocka_unit_test(reorganisation_below_the_lowest_filter_header_begins_again),
        cmocka_unit_test(votes_about_the_old_branch_say_nothing_of_the_new_one),
        cmocka_unit_test(dispute_about_the_old_branch_ends_with_it),
        cmocka_unit_test(branch_of_filters_ends_where_the_chain_forks),
        cmocka_unit_test(branch_that_is_not_followed_is_not_compared_any_further),
        cmocka_unit_test(reorganisation_while_ranges_are_fetched_begins_again),
        cmocka_unit_test(fork_while_an_update_is_stored_takes_it_back_afterwards),
        cmocka_unit_test(only_peers_that_committed_to_an_invalid_filter_are_banned),
        cmocka_unit_test(invalid_filter_above_the_stored_ones_or_at_the_start_changes_nothing),
        cmocka_unit_test(invalid_filter_found_while_an_update_is_stored_is_dropped_after_it),
        cmocka_unit_test(filters_proven_invalid_before_they_are_stored_need_no_drop),
    };
    return cmocka_run_group_tests(tests, sync_world_make, sync_world_free);
}
