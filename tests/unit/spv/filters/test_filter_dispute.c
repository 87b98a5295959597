/* What comes of filters that peers disagree about: who is banned, what is stored, what is kept. */
#include "support/unit.h"
#include "unit/spv/filters/filter_sync_fixture.h"

static struct sync_fixture f;
static struct spv_filter_hash others[SPV_FILTER_MAX_BRANCHES];

/* Heights of the chain, of a lie in its tail, and of one between its checkpoints. */
static const struct {
    uint32_t height, lie;
} places[] = {{500, 205}, {500, 495}, {2500, 1205}, {2500, 2405}, {2500, 5}};

static void assert_alternative(uint32_t height, const struct filter_view *v)
{
    assert_int_equal(spv_filter_sync_alternatives(f.sync, others, height), 1);
    assert_memory_equal(others[0].b, v->hashes[height].b, 32);
}

static void peers_are_banned_when_the_block_proves_their_filter_invalid(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(places); i++) {
        sync_fixture_open(&f, places[i].height);
        struct filter_view *lie = filter_view_lie(places[i].lie, LIE_OUTPUT);
        sync_fixture_add(&f, 1, 1, lie);
        sync_fixture_add(&f, 2, 2, lie);
        sync_fixture_add(&f, 3, 3, &honest);
        sync_fixture_sleep(&f, 200 * SPV_SECOND);
        sync_fixture_assert_stored(&f, &honest, places[i].height);
        assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_INVALID);
        assert_int_equal(f.peers[2].dropped, SPV_ERR_FILTER_INVALID);
        assert_int_equal(f.peers[3].dropped, 0);
        assert_int_equal(f.n_blocks, 1);
        assert_int_equal(f.warnings[SPV_WARN_FILTERS_DISPUTED], 0);
        assert_int_equal(f.warnings[SPV_WARN_FILTERS_ONE_GROUP], 1);
        assert_int_equal(spv_filter_sync_alternatives(f.sync, others, places[i].lie), 0);
        sync_fixture_close(&f);
    }
}

static void both_filters_are_kept_when_the_block_proves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(places); i++) {
        sync_fixture_open(&f, places[i].height);
        struct filter_view *lie = filter_view_lie(places[i].lie, LIE_PREVOUT);
        sync_fixture_add(&f, 1, 1, lie);
        sync_fixture_add(&f, 2, 2, lie);
        sync_fixture_add(&f, 3, 3, &honest);
        sync_fixture_sleep(&f, 200 * SPV_SECOND);
        sync_fixture_assert_stored(&f, lie, places[i].height); /* of most groups */
        for (uint64_t id = 1; id <= 3; id++)
            assert_int_equal(f.peers[id].dropped, 0);
        assert_alternative(places[i].lie, &honest);
        assert_int_equal(spv_filter_sync_alternatives(f.sync, others, places[i].lie + 1), 0);
        assert_int_equal(spv_filter_sync_alternatives(f.sync, others, places[i].lie - 1), 0);
        assert_int_equal(f.warnings[SPV_WARN_FILTERS_DISPUTED], 1);
        assert_int_equal(f.n_blocks, 1);
        sync_fixture_close(&f);
    }
}

static void branch_is_compared_with_what_is_stored_later(void **state)
{
    static struct filter_view lie;
    (void)state;
    memset(&lie, 0, sizeof lie);
    lie.lies[205] = lie.lies[395] = lie.lies[505] = LIE_PREVOUT;
    filter_view_make(&lie);
    sync_fixture_open(&f, 400);
    sync_fixture_add(&f, 1, 1, &lie);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 400);
    assert_alternative(205, &lie);
    assert_alternative(395, &lie);
    sync_fixture_grow(&f, 600);
    for (uint64_t id = 1; id <= 3; id++)
        sync_fixture_shows(&f, id, 600);
    sync_fixture_sleep(&f, 10 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 600);
    assert_alternative(205, &lie);
    assert_alternative(505, &lie);
    assert_int_equal(spv_filter_sync_alternatives(f.sync, others, 595), 0);
    assert_int_equal(f.warnings[SPV_WARN_FILTERS_DISPUTED], 1);
    assert_int_equal(f.peers[1].dropped, 0);
    sync_fixture_close(&f);
}

static void peer_of_a_branch_whose_filter_is_proven_invalid_later_is_banned(void **state)
{
    static struct filter_view lie;
    (void)state;
    memset(&lie, 0, sizeof lie);
    lie.lies[205] = LIE_PREVOUT;
    lie.lies[450] = LIE_OUTPUT;
    filter_view_make(&lie);
    sync_fixture_open(&f, 400);
    sync_fixture_add(&f, 1, 1, &lie);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_alternative(205, &lie);
    sync_fixture_grow(&f, 500);
    for (uint64_t id = 1; id <= 3; id++)
        sync_fixture_shows(&f, id, 500);
    sync_fixture_sleep(&f, 10 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_INVALID);
    assert_int_equal(spv_filter_sync_alternatives(f.sync, others, 205), 0);
    sync_fixture_close(&f);
}

static void stored_headers_are_dropped_when_a_filter_of_their_side_is_proven_invalid(void **state)
{
    static struct filter_view lie;
    (void)state;
    memset(&lie, 0, sizeof lie);
    lie.lies[205] = LIE_PREVOUT;
    lie.lies[450] = LIE_OUTPUT;
    filter_view_make(&lie);
    sync_fixture_open(&f, 400);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &lie);
    sync_fixture_add(&f, 3, 3, &lie);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &lie, 400);
    assert_alternative(205, &honest);
    sync_fixture_grow(&f, 500);
    for (uint64_t id = 1; id <= 3; id++)
        sync_fixture_shows(&f, id, 500);
    sync_fixture_sleep(&f, 30 * SPV_SECOND);
    assert_int_equal(f.peers[2].dropped, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.peers[3].dropped, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.peers[1].dropped, 0);
    uint32_t from;
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 1);
    assert_int_equal(from, 205); /* what they said of 205 has no support either */
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 0);
    sync_fixture_sleep(&f, 60 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(spv_filter_sync_alternatives(f.sync, others, 205), 0);
    sync_fixture_close(&f);
}

static void new_peer_that_disagrees_with_what_is_stored_begins_a_dispute(void **state)
{
    static const enum filter_lie lies[] = {LIE_OUTPUT, LIE_PREVOUT};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const uint32_t height = i < 2 ? 900 : SYNC_LENGTH;
        struct filter_view *lie = filter_view_lie(605, lies[i % 2]);
        sync_fixture_open(&f, height);
        sync_fixture_add(&f, 1, 1, &honest);
        sync_fixture_add(&f, 2, 2, &honest);
        sync_fixture_sleep(&f, SPV_SECOND);
        sync_fixture_assert_stored(&f, &honest, height);
        sync_fixture_add(&f, 3, 3, lie);
        sync_fixture_sleep(&f, SPV_SECOND);
        sync_fixture_assert_stored(&f, &honest, height);
        assert_int_equal(f.peers[3].dropped, i % 2 == 0 ? SPV_ERR_FILTER_INVALID : 0);
        assert_int_equal(f.warnings[SPV_WARN_FILTERS_DISPUTED], i % 2);
        if (i % 2 == 1)
            assert_alternative(605, lie);
        assert_int_equal(f.peers[1].dropped, 0);
        sync_fixture_close(&f);
    }
}

static void one_honest_peer_corrects_the_invalid_headers_of_two(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const uint32_t height = i < 1 ? 900 : SYNC_LENGTH;
        struct filter_view *lie = filter_view_lie(605, LIE_OUTPUT);
        sync_fixture_open(&f, height);
        sync_fixture_add(&f, 1, 1, lie);
        sync_fixture_add(&f, 2, 2, lie);
        sync_fixture_sleep(&f, SPV_SECOND);
        sync_fixture_assert_stored(&f, lie, height);
        sync_fixture_add(&f, 3, 3, &honest);
        sync_fixture_sleep(&f, SPV_SECOND);
        assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_INVALID);
        assert_int_equal(f.peers[2].dropped, SPV_ERR_FILTER_INVALID);
        assert_int_equal(f.dropped_from, 605);
        sync_fixture_assert_stored(&f, &honest, height);
        sync_fixture_close(&f);
    }
}

static void peer_whose_hashes_do_not_lead_to_its_own_checkpoints_is_banned(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    sync_fixture_add(&f, 1, 1, &honest)->other = filter_view_lie(1205, LIE_PREVOUT);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 2500);
    assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_CONTRADICTION);
    assert_int_equal(f.n_blocks, 0);
    sync_fixture_close(&f);
}

static void peer_whose_filter_has_another_hash_than_it_said_is_banned(void **state)
{
    static struct filter_view lie;
    (void)state;
    lie = *filter_view_lie(205, LIE_PREVOUT);
    lie.lies[205] = LIE_OUTPUT; /* its headers say another filter than it gives */
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &lie);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_CONTRADICTION);
    sync_fixture_close(&f);
}

static void filter_that_no_peer_gives_and_a_block_that_does_not_come_prove_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct filter_view *lie = filter_view_lie(205, LIE_OUTPUT);
        sync_fixture_open(&f, 500);
        sync_fixture_add(&f, 1, 1, lie)->gives_no_filters = i == 0;
        sync_fixture_add(&f, 2, 2, &honest);
        sync_fixture_add(&f, 3, 3, &honest);
        f.no_blocks = i == 1;
        sync_fixture_sleep(&f, 300 * SPV_SECOND);
        sync_fixture_assert_stored(&f, &honest, 500);
        assert_int_equal(f.peers[1].dropped, 0);
        assert_alternative(205, lie);
        assert_int_equal(f.warnings[SPV_WARN_FILTERS_DISPUTED], 1);
        assert_int_equal(f.warned_height, 205);
        sync_fixture_close(&f);
    }
}

static void another_peer_of_the_side_is_asked_when_one_is_silent_or_gone(void **state)
{
    (void)state;
    struct filter_view *lie = filter_view_lie(205, LIE_OUTPUT);
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, lie)->gives_no_filters = true;
    sync_fixture_add(&f, 2, 2, lie);
    sync_fixture_add(&f, 3, 3, &honest)->gives_no_filters = true;
    sync_fixture_add(&f, 4, 4, &honest)->gives_no_filters = true;
    sync_fixture_add(&f, 5, 5, &honest);
    sync_fixture_sleep(&f, 10 * SPV_SECOND);
    sync_fixture_remove(&f, 4);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.peers[2].dropped, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.peers[3].dropped, 0);
    sync_fixture_close(&f);
}

static void three_sides_are_settled_one_after_the_other(void **state)
{
    static struct filter_view first, second;
    (void)state;
    for (uint32_t height = 500; height <= 2500; height += 2000) {
        first = *filter_view_lie(205, LIE_OUTPUT);
        second = *filter_view_lie(305, LIE_PREVOUT);
        sync_fixture_open(&f, height);
        sync_fixture_add(&f, 1, 1, &first);
        sync_fixture_add(&f, 2, 2, &second);
        sync_fixture_add(&f, 3, 3, &honest);
        sync_fixture_add(&f, 4, 4, &honest);
        sync_fixture_sleep(&f, 100 * SPV_SECOND);
        sync_fixture_assert_stored(&f, &honest, height);
        assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_INVALID);
        assert_int_equal(f.peers[2].dropped, 0);
        assert_alternative(305, &second);
        sync_fixture_close(&f);
    }
}

static void branch_takes_the_place_of_what_no_peer_supports_any_more(void **state)
{
    (void)state;
    struct filter_view *lie = filter_view_lie(205, LIE_PREVOUT);
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, lie);
    sync_fixture_add(&f, 2, 2, lie);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, lie, 500);
    sync_fixture_remove(&f, 1);
    sync_fixture_remove(&f, 2);
    f.more = SPV_MORE_PEERS_EXPECTED;
    sync_fixture_sleep(&f, 30 * SPV_SECOND);
    sync_fixture_assert_stored(&f, lie, 500);
    sync_fixture_sleep(&f, 300 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_alternative(205, lie); /* what was stored is still matched */
    sync_fixture_close(&f);
}

static void stored_filter_that_a_block_proves_invalid_is_dropped_and_not_stored_again(void **state)
{
    (void)state;
    struct filter_view *lie = filter_view_lie(205, LIE_PREVOUT);
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, lie);
    sync_fixture_add(&f, 2, 2, lie);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, lie, 500);
    assert_int_equal(spv_filter_sync_on_invalid(f.sync, 501), 0); /* not stored */
    assert_int_equal(spv_filter_sync_on_invalid(f.sync, 205), 0);
    sync_fixture_run(&f);
    assert_int_equal(f.n_stored, 205);
    assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.peers[2].dropped, SPV_ERR_FILTER_INVALID);
    sync_fixture_add(&f, 3, 3, lie);
    sync_fixture_add(&f, 4, 4, &honest);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    assert_int_equal(f.peers[3].dropped, SPV_ERR_FILTER_INVALID);
    sync_fixture_assert_stored(&f, &honest, 500);
    sync_fixture_close(&f);
}

static void dispute_ends_when_the_peers_of_the_other_side_are_gone(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, filter_view_lie(205, LIE_OUTPUT))->gives_no_filters = true;
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_true(spv_filter_sync_disputing(f.sync));
    sync_fixture_remove(&f, 1);
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_false(spv_filter_sync_disputing(f.sync));
    sync_fixture_assert_stored(&f, &honest, 500);
    sync_fixture_close(&f);
}

static void at_most_eight_branches_are_kept(void **state)
{
    static struct filter_view lie[SPV_FILTER_MAX_BRANCHES + 1];
    struct spv_filter_sync_stats stats;
    (void)state;
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    for (uint32_t i = 0; i <= SPV_FILTER_MAX_BRANCHES; i++) {
        lie[i] = *filter_view_lie(205 + 10 * i, LIE_PREVOUT);
        sync_fixture_add(&f, 3, 3 + i, &lie[i]);
        sync_fixture_sleep(&f, SPV_SECOND);
        sync_fixture_remove(&f, 3);
    }
    spv_filter_sync_get_stats(f.sync, &stats);
    assert_int_equal(stats.branches, SPV_FILTER_MAX_BRANCHES);
    for (uint32_t i = 0; i < SPV_FILTER_MAX_BRANCHES; i++)
        assert_alternative(205 + 10 * i, &lie[i]);
    assert_int_equal(
        spv_filter_sync_alternatives(f.sync, others, 205 + 10 * SPV_FILTER_MAX_BRANCHES), 0);
    assert_int_equal(f.warnings[SPV_WARN_FILTERS_DISPUTED], 1);
    sync_fixture_assert_stored(&f, &honest, 500);
    sync_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_are_banned_when_the_block_proves_their_filter_invalid),
        cmocka_unit_test(both_filters_are_kept_when_the_block_proves_nothing),
        cmocka_unit_test(branch_is_compared_with_what_is_stored_later),
        cmocka_unit_test(peer_of_a_branch_whose_filter_is_proven_invalid_later_is_banned),
        cmocka_unit_test(stored_headers_are_dropped_when_a_filter_of_their_side_is_proven_invalid),
        cmocka_unit_test(new_peer_that_disagrees_with_what_is_stored_begins_a_dispute),
        cmocka_unit_test(one_honest_peer_corrects_the_invalid_headers_of_two),
        cmocka_unit_test(peer_whose_hashes_do_not_lead_to_its_own_checkpoints_is_banned),
        cmocka_unit_test(peer_whose_filter_has_another_hash_than_it_said_is_banned),
        cmocka_unit_test(filter_that_no_peer_gives_and_a_block_that_does_not_come_prove_nothing),
        cmocka_unit_test(another_peer_of_the_side_is_asked_when_one_is_silent_or_gone),
        cmocka_unit_test(three_sides_are_settled_one_after_the_other),
        cmocka_unit_test(branch_takes_the_place_of_what_no_peer_supports_any_more),
        cmocka_unit_test(stored_filter_that_a_block_proves_invalid_is_dropped_and_not_stored_again),
        cmocka_unit_test(dispute_ends_when_the_peers_of_the_other_side_are_gone),
        cmocka_unit_test(at_most_eight_branches_are_kept),
    };
    return cmocka_run_group_tests(tests, sync_world_make, sync_world_free);
}
