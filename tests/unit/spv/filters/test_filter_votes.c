/* Votes that come late, votes that change what is stored, and what is known beside them. */
#include "support/unit.h"
#include "unit/spv/filters/filter_sync_fixture.h"

static struct sync_fixture f;
static struct spv_filter_hash others[SPV_FILTER_MAX_BRANCHES];

static void assert_alternative(uint32_t height, const struct filter_view *v)
{
    assert_int_equal(spv_filter_sync_alternatives(f.sync, others, height), 1);
    assert_memory_equal(others[0].b, v->hashes[height].b, 32);
}

/* ---- late answers ---- */

/* False checkpoints that come after the others have agreed, true filter headers. */
static void late_checkpoints_are_compared_with_what_is_stored(void **state)
{
    static const uint32_t lies[] = {5, 1005, 1995};
    (void)state;
    for (size_t i = 0; i < COUNT(lies); i++) {
        sync_fixture_open(&f, 2500);
        struct sync_peer *late = sync_fixture_add(&f, 1, 1, filter_view_lie(lies[i], LIE_PREVOUT));
        late->other = &honest;
        late->holds = true;
        sync_fixture_add(&f, 2, 2, &honest);
        sync_fixture_add(&f, 3, 3, &honest);
        sync_fixture_sleep(&f, SPV_SECOND);
        sync_fixture_assert_stored(&f, &honest, 2500);
        assert_int_equal(late->n_checkpoints, 1);
        sync_fixture_release(&f, 1);
        sync_fixture_sleep(&f, SPV_SECOND);
        assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_CONTRADICTION);
        assert_int_equal(f.peers[2].dropped, 0);
        assert_int_equal(f.peers[3].dropped, 0);
        assert_int_equal(f.warnings[SPV_WARN_FILTERS_DISPUTED], 0);
        sync_fixture_assert_stored(&f, &honest, 2500);
        sync_fixture_close(&f);
    }
}

/* The last of its checkpoints alone is false: none of those below shows it. */
static void each_late_checkpoint_is_compared(void **state)
{
    static struct filter_view view;
    (void)state;
    view = honest;
    view.headers[1000].b[5] ^= 1;
    sync_fixture_open(&f, 2500);
    struct sync_peer *late = sync_fixture_add(&f, 1, 1, &view);
    late->other = &honest;
    late->holds = true;
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_release(&f, 1);
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_CONTRADICTION);
    sync_fixture_close(&f);
}

static void late_checkpoints_that_are_true_change_nothing(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    sync_fixture_add(&f, 1, 1, &honest)->holds = true;
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_release(&f, 1);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    assert_int_equal(f.peers[1].dropped, 0);
    assert_int_equal(f.peers[1].entry->filters.n_unsolicited, 0);
    sync_fixture_close(&f);
}

/* In step with the tip: filter headers of the last blocks that come late, then true ones. */
static void late_filter_headers_are_compared_with_what_is_stored(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    struct sync_peer *late = sync_fixture_add(&f, 1, 1, filter_view_lie(205, LIE_PREVOUT));
    late->holds = true;
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    const size_t held = f.n_held;
    assert_true(held >= 2); /* the tail, and then the comparison */
    f.n_held = 1;
    sync_fixture_release(&f, 1); /* the tail */
    assert_int_equal(f.peers[1].dropped, 0);
    late->view = &honest;
    sync_fixture_sleep(&f, 20 * SPV_SECOND); /* the comparison is repeated */
    assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_CONTRADICTION);
    sync_fixture_close(&f);
}

/* A liar that stays with its lie is no contradiction of itself: both filters are matched. */
static void late_answer_of_a_peer_that_disagrees_begins_a_dispute(void **state)
{
    (void)state;
    struct filter_view *lie = filter_view_lie(1005, LIE_PREVOUT);
    sync_fixture_open(&f, 2500);
    sync_fixture_add(&f, 1, 1, lie)->holds = true;
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_release(&f, 1);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    assert_int_equal(f.peers[1].dropped, 0);
    assert_alternative(1005, lie);
    sync_fixture_close(&f);
}

/* What differed from filter headers that are stored no more proves nothing. */
static void rollback_forgets_what_late_answers_differed_from(void **state)
{
    (void)state;
    struct filter_view *lie = filter_view_lie(1005, LIE_PREVOUT);
    sync_fixture_open(&f, 2500);
    sync_fixture_add(&f, 1, 1, &honest)->holds = true;
    sync_fixture_add(&f, 2, 2, lie);
    sync_fixture_add(&f, 3, 3, lie);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, lie, 2500);
    sync_fixture_release(&f, 1); /* true checkpoints; then a dispute that proves nothing */
    assert_int_equal(spv_filter_sync_on_invalid(f.sync, 1005), 0);
    sync_fixture_sleep(&f, 200 * SPV_SECOND);
    assert_int_equal(f.peers[2].dropped, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.peers[1].dropped, 0);
    sync_fixture_assert_stored(&f, &honest, 2500);
    sync_fixture_close(&f);
}

/* Blocks 401 to 501 of another branch, with the same filters. */
static struct fixture_block branch[102];

static void reorganise(void)
{
    struct spv_chain_header parent;
    assert_int_equal(spv_chain_header_at(f.chain, &parent, 400), 1);
    for (size_t i = 0; i < 101; i++) {
        struct spv_accept_result r;
        fixture_block_make_on(&branch[i], &parent, NULL, 0, 7);
        assert_int_equal(spv_chain_accept(f.chain, &r, &branch[i].block.header, 1, fixture_late),
                         0);
        assert_int_equal(r.error, 0);
        if (r.update.kind != SPV_UPDATE_NONE)
            spv_chain_stored(f.chain);
        parent = (struct spv_chain_header){
            .header = branch[i].block.header, .hash = branch[i].hash, .height = 401 + (uint32_t)i};
    }
    f.n_stored = 401; /* the chain's update removes the filter headers of its blocks */
}

static void exchange_blocks(void)
{
    for (size_t i = 0; i < 101; i++) {
        const struct fixture_block other = sync_blocks[401 + i];
        sync_blocks[401 + i] = branch[i];
        branch[i] = other;
    }
}

/* "filter headers of different branches are never compared by height" */
static void late_answer_about_a_former_branch_proves_nothing(void **state)
{
    struct spv_hash256 hashes[490];
    struct spv_msg msg = {.command = SPV_CMD_CFHEADERS};
    (void)state;
    struct filter_view *lie = filter_view_lie(455, LIE_PREVOUT);
    sync_fixture_open(&f, 500);
    struct sync_peer *late = sync_fixture_add(&f, 1, 1, lie);
    late->holds = true;
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_int_equal(f.held[0].start, 1);
    assert_int_equal(f.held[0].stop, 490);
    msg.u.cfheaders =
        (struct spv_msg_cfheaders){.stop = sync_blocks[490].hash, .hashes = hashes, .n = 490};
    memcpy(msg.u.cfheaders.prev.b, lie->headers[0].b, 32);
    for (size_t i = 0; i < 490; i++)
        memcpy(hashes[i].b, lie->hashes[1 + i].b, 32);
    f.n_held = 0;
    late->holds = false;
    late->view = &honest;
    reorganise();
    exchange_blocks();
    sync_fixture_run(&f);
    for (uint64_t id = 1; id <= 3; id++)
        sync_fixture_shows(&f, id, 501);
    late->silent = true;
    sync_fixture_sleep(&f, 10 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 501);
    assert_int_equal(spv_filter_sync_recv(f.sync, 1, &msg, f.now), 1);
    late->silent = false;
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    assert_true(late->entry && late->entry->filters.agrees);
    assert_int_equal(f.peers[1].dropped, 0);
    sync_fixture_close(&f);
    exchange_blocks();
    for (size_t i = 0; i < 101; i++)
        fixture_block_free(&branch[i]);
}

/* ---- evidence ---- */

static void known_spent_script_proves_a_filter_invalid(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    f.knows_spent = true;
    struct filter_view *lie = filter_view_lie(205, LIE_PREVOUT);
    sync_fixture_add(&f, 1, 1, lie);
    sync_fixture_add(&f, 2, 2, lie);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.peers[2].dropped, SPV_ERR_FILTER_INVALID);
    assert_int_equal(f.peers[3].dropped, 0);
    assert_int_equal(f.warnings[SPV_WARN_FILTERS_DISPUTED], 0);
    sync_fixture_close(&f);
}

/* ---- the chain of most groups ---- */

static void open_outvoted(const struct filter_view *first, uint64_t group_of_fifth)
{
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, first);
    sync_fixture_add(&f, 2, 2, first);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, first, 500);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_add(&f, 4, 4, &honest);
    sync_fixture_add(&f, 5, group_of_fifth, &honest);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
}

static void branch_of_more_groups_takes_the_place_of_what_is_stored(void **state)
{
    struct spv_filter_sync_stats stats;
    uint32_t from;
    (void)state;
    struct filter_view *lie = filter_view_lie(205, LIE_PREVOUT);
    open_outvoted(lie, 5);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_alternative(205, lie); /* what was stored is still matched */
    assert_int_equal(f.n_drops, 1);
    assert_int_equal(f.dropped_from, 205);
    assert_int_equal(spv_filter_sync_next_rollback(f.sync, &from), 1);
    assert_int_equal(from, 205); /* it is scanned again from there */
    assert_int_equal(f.warnings[SPV_WARN_FILTERS_DISPUTED], 1);
    for (uint64_t id = 1; id <= 5; id++)
        assert_int_equal(f.peers[id].dropped, 0);
    spv_filter_sync_get_stats(f.sync, &stats);
    assert_int_equal(stats.branches, 1); /* that of its peers replaces the copy without peers */
    sync_fixture_close(&f);
}

static void branch_of_as_many_groups_changes_nothing(void **state)
{
    (void)state;
    struct filter_view *lie = filter_view_lie(205, LIE_PREVOUT);
    open_outvoted(lie, 4); /* a peer more, but no group more */
    sync_fixture_assert_stored(&f, lie, 500);
    assert_alternative(205, &honest);
    assert_int_equal(f.n_drops, 0);
    sync_fixture_close(&f);
}

/* Heights that were scanned are looked at again with the filters of a branch that is new. */
static void new_differences_are_reported_once(void **state)
{
    uint32_t first, last;
    (void)state;
    struct filter_view *lie = filter_view_lie(205, LIE_PREVOUT);
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_int_equal(spv_filter_sync_next_differing(f.sync, &first, &last), 0);
    sync_fixture_add(&f, 3, 3, lie);
    sync_fixture_sleep(&f, 10 * SPV_SECOND);
    assert_int_equal(spv_filter_sync_next_differing(f.sync, &first, &last), 1);
    assert_int_equal(first, 205);
    assert_int_equal(last, 205);
    assert_int_equal(spv_filter_sync_next_differing(f.sync, &first, &last), 0);
    sync_fixture_close(&f);
}

/* The peers of the new branch leave before it is stored, and what is stored then differs from what
 * was stored before in other heights: who supported that is compared anew. */
static void branch_that_does_not_fit_what_is_stored_is_compared_anew(void **state)
{
    static struct filter_view third;
    (void)state;
    third = *filter_view_lie(305, LIE_PREVOUT);
    struct filter_view *lie = filter_view_lie(205, LIE_PREVOUT);
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, lie);
    sync_fixture_add(&f, 2, 2, lie);
    sync_fixture_sleep(&f, SPV_SECOND);
    for (uint64_t id = 3; id <= 5; id++)
        sync_fixture_add(&f, id, id, &honest)->silent_after_drop = true;
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_int_equal(f.n_stored, 205);
    for (uint64_t id = 3; id <= 5; id++)
        sync_fixture_remove(&f, id);
    sync_fixture_add(&f, 3, 3, &third);
    sync_fixture_add(&f, 4, 4, &third);
    sync_fixture_sleep(&f, 300 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &third, 500);
    assert_alternative(205, lie);
    assert_alternative(305, lie); /* the true filter there */
    for (uint64_t id = 1; id <= 4; id++)
        assert_int_equal(f.peers[id].dropped, 0);
    sync_fixture_close(&f);
}

/* One group alone replaces nothing, even if the stored side has lost all but its memory. */
static void branch_of_one_group_replaces_nothing_that_is_supported(void **state)
{
    (void)state;
    struct filter_view *lie = filter_view_lie(205, LIE_PREVOUT);
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, lie);
    sync_fixture_add(&f, 2, 2, lie);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, 10 * SPV_SECOND);
    sync_fixture_remove(&f, 2);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    sync_fixture_assert_stored(&f, lie, 500);
    sync_fixture_close(&f);
}

/* Peers come and go, and each time another branch has more groups. */
static void what_is_stored_is_exchanged_a_few_times_at_most(void **state)
{
    (void)state;
    struct filter_view *lie = filter_view_lie(205, LIE_PREVOUT);
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, lie);
    sync_fixture_add(&f, 2, 2, lie);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_add(&f, 4, 4, &honest);
    sync_fixture_sleep(&f, 100 * SPV_SECOND);
    for (unsigned i = 0; i < 2 * SPV_FILTER_MAX_EXCHANGES + 2; i++) {
        const bool honest_is_stored =
            memcmp(f.stored[500].b, honest.headers[500].b, sizeof f.stored[500].b) == 0;
        sync_fixture_add(&f, 5, 5, honest_is_stored ? lie : &honest);
        sync_fixture_sleep(&f, 100 * SPV_SECOND);
        sync_fixture_remove(&f, 5);
        sync_fixture_sleep(&f, 10 * SPV_SECOND);
    }
    assert_int_equal(f.n_drops, SPV_FILTER_MAX_EXCHANGES);
    assert_int_equal(f.error, 0);
    assert_int_equal(f.n_stored, 501);
    assert_int_equal(f.warnings[SPV_WARN_FILTERS_DISPUTED], 1);
    sync_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_checkpoints_are_compared_with_what_is_stored),
        cmocka_unit_test(each_late_checkpoint_is_compared),
        cmocka_unit_test(late_checkpoints_that_are_true_change_nothing),
        cmocka_unit_test(late_filter_headers_are_compared_with_what_is_stored),
        cmocka_unit_test(late_answer_of_a_peer_that_disagrees_begins_a_dispute),
        cmocka_unit_test(rollback_forgets_what_late_answers_differed_from),
        cmocka_unit_test(late_answer_about_a_former_branch_proves_nothing),
        cmocka_unit_test(known_spent_script_proves_a_filter_invalid),
        cmocka_unit_test(branch_of_more_groups_takes_the_place_of_what_is_stored),
        cmocka_unit_test(branch_of_as_many_groups_changes_nothing),
        cmocka_unit_test(new_differences_are_reported_once),
        cmocka_unit_test(branch_that_does_not_fit_what_is_stored_is_compared_anew),
        cmocka_unit_test(branch_of_one_group_replaces_nothing_that_is_supported),
        cmocka_unit_test(what_is_stored_is_exchanged_a_few_times_at_most),
    };
    return cmocka_run_group_tests(tests, sync_world_make, sync_world_free);
}
