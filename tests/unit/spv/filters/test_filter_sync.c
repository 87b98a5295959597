/* Filter header sync: agreement, ranges and the tail. */
#include "support/unit.h"
#include "unit/spv/filters/filter_sync_fixture.h"

static struct sync_fixture f;

static void two_groups_that_agree_give_all_filter_headers(void **state)
{
    (void)state;
    sync_fixture_open(&f, SYNC_LENGTH);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    f.more = SPV_MORE_PEERS_EXPECTED;
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, SYNC_LENGTH);
    assert_int_equal(f.events[SPV_EVENT_FILTERS_SYNCED], 1);
    assert_int_equal(f.events[SPV_EVENT_WARNING], 0);
    assert_int_equal(f.peers[1].n_checkpoints, 1);
    sync_fixture_close(&f);
}

static void only_peer_suffices_when_no_other_is_expected_and_the_user_is_told_once(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 1, &honest); /* of the same group */
    f.more = SPV_MORE_PEERS_NONE;
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 2500);
    assert_int_equal(f.warnings[SPV_WARN_FILTERS_ONE_GROUP], 1);
    sync_fixture_grow(&f, 2501);
    sync_fixture_shows(&f, 1, 2501);
    sync_fixture_sleep(&f, 30 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 2501);
    assert_int_equal(f.warnings[SPV_WARN_FILTERS_ONE_GROUP], 1);
    sync_fixture_close(&f);
}

static void ranges_of_the_only_peer_are_fetched_at_once(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    sync_fixture_add(&f, 1, 1, &honest);
    f.more = SPV_MORE_PEERS_NONE;
    f.only_inputs = true; /* each answer leads to the next request */
    sync_fixture_run(&f);
    sync_fixture_assert_stored(&f, &honest, 2500);
    sync_fixture_close(&f);
}

static void one_group_waits_a_minute_for_another_that_may_come(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &honest);
    f.more = SPV_MORE_PEERS_EXPECTED;
    sync_fixture_sleep(&f, 59 * SPV_SECOND);
    assert_int_equal(f.n_stored, 0);
    assert_int_equal(f.events[SPV_EVENT_FILTERS_SYNCED], 0);
    sync_fixture_sleep(&f, 2 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(f.warnings[SPV_WARN_FILTERS_ONE_GROUP], 1);
    sync_fixture_close(&f);
}

static void second_group_that_comes_in_time_is_waited_for(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &honest);
    f.more = SPV_MORE_PEERS_EXPECTED;
    sync_fixture_sleep(&f, 30 * SPV_SECOND);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(f.events[SPV_EVENT_WARNING], 0);
    sync_fixture_close(&f);
}

static void new_block_is_asked_of_every_peer_two_seconds_after_its_announcement(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    for (uint64_t id = 1; id <= 3; id++)
        f.peers[id].n_headers = 0;
    sync_fixture_grow(&f, 501);
    sync_fixture_shows(&f, 1, 501);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_shows(&f, 2, 501);
    sync_fixture_shows(&f, 3, 501);
    sync_fixture_sleep(&f, SPV_SECOND - 1);
    assert_int_equal(f.peers[1].n_headers, 0);
    sync_fixture_sleep(&f, 1);
    assert_int_equal(f.peers[1].n_headers, 1);
    assert_int_equal(f.peers[2].n_headers, 0);
    assert_int_equal(f.n_stored, 501);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 501);
    assert_int_equal(f.peers[2].n_headers, 1);
    assert_true(f.peers[3].n_headers >= 1);
    assert_int_equal(f.events[SPV_EVENT_FILTERS_SYNCED], 2);
    sync_fixture_close(&f);
}

static void silence_about_a_new_block_is_no_fault_and_the_request_is_repeated(void **state)
{
    (void)state;
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest)->lags_above = 500;
    sync_fixture_sleep(&f, SPV_SECOND);
    const unsigned before = f.peers[2].n_headers;
    sync_fixture_grow(&f, 501);
    sync_fixture_shows(&f, 1, 501);
    sync_fixture_shows(&f, 2, 501);
    sync_fixture_sleep(&f, 2 * SPV_SECOND);
    assert_int_equal(f.peers[2].n_headers, before + 1);
    sync_fixture_sleep(&f, 3 * SPV_SECOND);
    assert_int_equal(f.peers[2].n_headers, before + 2);
    sync_fixture_sleep(&f, 10 * SPV_SECOND);
    assert_int_equal(f.peers[2].n_headers, before + 3);
    sync_fixture_sleep(&f, 44 * SPV_SECOND);
    assert_int_equal(f.peers[2].n_headers, before + 3);
    assert_int_equal(f.n_stored, 501); /* the other one alone does not suffice so far */
    f.peers[2].lags_above = 0;
    sync_fixture_sleep(&f, SPV_SECOND);
    assert_int_equal(f.peers[2].n_headers, before + 4);
    sync_fixture_assert_stored(&f, &honest, 501);
    assert_int_equal(f.peers[2].dropped, 0);
    assert_int_equal(f.events[SPV_EVENT_WARNING], 0);
    sync_fixture_close(&f);
}

static void peer_that_stays_silent_is_left_out(void **state)
{
    (void)state;
    sync_fixture_open(&f, 2500);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest)->silent = true;
    f.more = SPV_MORE_PEERS_NONE;
    sync_fixture_sleep(&f, 50 * SPV_SECOND);
    assert_int_equal(f.n_stored, 0);
    sync_fixture_sleep(&f, 200 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 2500);
    assert_int_equal(f.peers[2].dropped, 0);
    assert_int_equal(f.warnings[SPV_WARN_FILTERS_ONE_GROUP], 1);
    sync_fixture_close(&f);
}

static void peer_that_hides_the_tip_gets_no_request_above_its_best_known_block(void **state)
{
    (void)state;
    sync_fixture_open(&f, 400);
    sync_fixture_add(&f, 1, 1, &honest)->hides_headers = true;
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_grow(&f, 500); /* of which only 400 are shown: the fixture watches stop hashes */
    sync_fixture_sleep(&f, 10 * SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 500);
    assert_int_equal(f.peers[1].n_headers, 0);
    assert_true(f.peers[1].n_probes > 0 && f.peers[2].n_probes > 0);
    sync_fixture_close(&f);
}

static void sync_goes_on_after_a_restart_from_what_is_stored(void **state)
{
    (void)state;
    sync_fixture_open(&f, 1500);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_add(&f, 2, 2, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, 1500);
    for (uint64_t id = 1; id <= 2; id++)
        sync_fixture_remove(&f, id);
    spv_filter_sync_free(f.sync);
    sync_fixture_start(&f);
    sync_fixture_grow(&f, SYNC_LENGTH);
    sync_fixture_add(&f, 3, 3, &honest);
    sync_fixture_add(&f, 4, 4, &honest);
    sync_fixture_sleep(&f, SPV_SECOND);
    sync_fixture_assert_stored(&f, &honest, SYNC_LENGTH);
    sync_fixture_close(&f);
}

static void answer_of_another_length_closes_and_does_not_ban(void **state)
{
    static const int extras[] = {-1, 1};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        sync_fixture_open(&f, i < 2 ? 500 : 2500);
        sync_fixture_add(&f, 1, 1, &honest);
        sync_fixture_add(&f, 2, 2, &honest);
        sync_fixture_add(&f, 3, 3, &honest)->extra = extras[i % 2];
        sync_fixture_sleep(&f, SPV_SECOND);
        sync_fixture_assert_stored(&f, &honest, i < 2 ? 500 : 2500);
        assert_int_equal(f.peers[3].dropped, SPV_ERR_FILTER_ANSWER);
        sync_fixture_close(&f);
    }
}

static void messages_that_nobody_asked_for_answer_nothing(void **state)
{
    struct spv_msg msg = {.command = SPV_CMD_CFHEADERS};
    (void)state;
    sync_fixture_open(&f, 500);
    sync_fixture_add(&f, 1, 1, &honest);
    sync_fixture_run(&f);
    msg.u.cfheaders.stop = sync_blocks[300].hash;
    assert_int_equal(spv_filter_sync_recv(f.sync, 1, &msg, f.now), 0);
    msg.command = SPV_CMD_CFCHECKPT;
    msg.u.cfcheckpt = (struct spv_msg_cfcheckpt){.stop = sync_blocks[300].hash};
    assert_int_equal(spv_filter_sync_recv(f.sync, 1, &msg, f.now), 0);
    msg.command = SPV_CMD_CFILTER;
    msg.u.cfilter = (struct spv_msg_cfilter){.block = sync_blocks[300].hash};
    assert_int_equal(spv_filter_sync_recv(f.sync, 1, &msg, f.now), 0);
    assert_int_equal(spv_filter_sync_recv(f.sync, 9, &msg, f.now), 0);
    struct spv_peer_entry *p = f.peers[1].entry;
    for (unsigned i = 0; i < SPV_FILTER_MAX_UNSOLICITED; i++) {
        assert_int_equal(p->filters.disconnect_error, 0);
        spv_filter_peers_unsolicited(p);
    }
    assert_int_equal(p->filters.disconnect_error, SPV_ERR_FILTER_ANSWER);
    sync_fixture_close(&f);
}

static void who_contradicts_a_built_in_filter_header_is_banned(void **state)
{
    struct spv_filter_checkpoint built_in[2] = {{0, honest.headers[0]},
                                                {1000, honest.headers[1000]}};
    (void)state;
    for (uint32_t height = 1500; height <= 2500; height += 1000) {
        sync_fixture_open(&f, height);
        f.params.filter_checkpoints = built_in;
        f.params.n_filter_checkpoints = 2;
        sync_fixture_add(&f, 1, 1, filter_view_lie(705, LIE_PREVOUT));
        sync_fixture_add(&f, 2, 2, &honest);
        sync_fixture_add(&f, 3, 3, &honest);
        sync_fixture_sleep(&f, SPV_SECOND);
        sync_fixture_assert_stored(&f, &honest, height);
        assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_BUILT_IN);
        sync_fixture_close(&f);
    }
}

static void all_peers_of_three_groups_against_a_built_in_filter_header_stop_the_sync(void **state)
{
    struct spv_filter_checkpoint built_in[2] = {{0, honest.headers[0]},
                                                {1000, honest.headers[1000]}};
    (void)state;
    built_in[1].header.b[0] ^= 1;
    for (uint32_t height = 1500; height <= 2500; height += 1000) {
        sync_fixture_open(&f, height);
        f.params.filter_checkpoints = built_in;
        f.params.n_filter_checkpoints = 2;
        sync_fixture_add(&f, 1, 1, &honest);
        sync_fixture_add(&f, 2, 2, &honest);
        f.more = SPV_MORE_PEERS_EXPECTED;
        sync_fixture_sleep(&f, 10 * SPV_SECOND);
        assert_int_equal(f.peers[1].dropped, 0);
        sync_fixture_add(&f, 3, 3, &honest);
        sync_fixture_sleep(&f, 300 * SPV_SECOND);
        assert_int_equal(f.n_stored, 0);
        assert_int_equal(f.warnings[SPV_WARN_FILTERS_BUILT_IN], 1);
        assert_int_equal(f.warned_height, 1000);
        for (uint64_t id = 1; id <= 3; id++)
            assert_int_equal(f.peers[id].dropped, 0);
        sync_fixture_close(&f);
    }
}

static void two_groups_against_a_built_in_filter_header_are_banned_after_a_minute(void **state)
{
    struct spv_filter_checkpoint built_in[2] = {{0, honest.headers[0]},
                                                {1000, honest.headers[1000]}};
    (void)state;
    sync_fixture_open(&f, 1500);
    f.params.filter_checkpoints = built_in;
    f.params.n_filter_checkpoints = 2;
    sync_fixture_add(&f, 1, 1, filter_view_lie(705, LIE_PREVOUT));
    sync_fixture_add(&f, 2, 2, f.peers[1].view);
    f.more = SPV_MORE_PEERS_EXPECTED;
    sync_fixture_sleep(&f, 59 * SPV_SECOND);
    assert_int_equal(f.peers[1].dropped, 0);
    sync_fixture_sleep(&f, 2 * SPV_SECOND);
    assert_int_equal(f.peers[1].dropped, SPV_ERR_FILTER_BUILT_IN);
    assert_int_equal(f.peers[2].dropped, SPV_ERR_FILTER_BUILT_IN);
    sync_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_groups_that_agree_give_all_filter_headers),
        cmocka_unit_test(only_peer_suffices_when_no_other_is_expected_and_the_user_is_told_once),
        cmocka_unit_test(ranges_of_the_only_peer_are_fetched_at_once),
        cmocka_unit_test(one_group_waits_a_minute_for_another_that_may_come),
        cmocka_unit_test(second_group_that_comes_in_time_is_waited_for),
        cmocka_unit_test(new_block_is_asked_of_every_peer_two_seconds_after_its_announcement),
        cmocka_unit_test(silence_about_a_new_block_is_no_fault_and_the_request_is_repeated),
        cmocka_unit_test(peer_that_stays_silent_is_left_out),
        cmocka_unit_test(peer_that_hides_the_tip_gets_no_request_above_its_best_known_block),
        cmocka_unit_test(sync_goes_on_after_a_restart_from_what_is_stored),
        cmocka_unit_test(answer_of_another_length_closes_and_does_not_ban),
        cmocka_unit_test(messages_that_nobody_asked_for_answer_nothing),
        cmocka_unit_test(who_contradicts_a_built_in_filter_header_is_banned),
        cmocka_unit_test(all_peers_of_three_groups_against_a_built_in_filter_header_stop_the_sync),
        cmocka_unit_test(two_groups_against_a_built_in_filter_header_are_banned_after_a_minute),
    };
    return cmocka_run_group_tests(tests, sync_world_make, sync_world_free);
}
