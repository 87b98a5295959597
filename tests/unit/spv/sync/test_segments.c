/* Segments, with every request checked and every answer given by the test. */
#include "segments_fixture.h"

/* ---- the range ---- */

static void a_range_is_divided_at_its_checkpoints_and_requested_at_once(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    assert_int_equal(k.n, PERIODS);
    for (uint32_t i = 0; i < PERIODS; i++) {
        assert_int_equal(k.log[i].n, i ? 2 : 1); /* every locator ends with genesis */
        assert_memory_equal(&k.log[i].locator[0], &chain.hashes[i ? i * PERIOD - 1 : 0], 32);
        assert_memory_equal(&k.log[i].stop, &segments_checkpoints[i].hash, 32);
    }
    close_fixture(&k);
}

static void a_range_may_begin_anywhere_and_end_at_any_checkpoint(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_with(&k, segments_checkpoints, PERIODS, false);
    const struct spv_checkpoint start = {.height = 3000, .hash = chain.hashes[3000]};
    assert_true(spv_segments_done(k.segments));
    assert_int_equal(spv_segments_begin(k.segments, &start, segments_checkpoints[2].height, k.now),
                     0);
    assert_false(spv_segments_done(k.segments));
    segments_fixture_add(&k, 1);
    assert_int_equal(k.n, 2);
    segments_fixture_send(&k, 1, 3000, 1031);
    send_segment(&k, 1, 4031);
    assert_int_equal(consume_all(&k, 3000), 6047);
    assert_true(spv_segments_done(k.segments));
    assert_int_equal(spv_segments_begin(k.segments, &segments_checkpoints[4], UINT32_MAX, k.now),
                     0);
    assert_true(spv_segments_done(k.segments)); /* no checkpoint above */
    close_fixture(&k);
}

static void marks_near_to_each_other_are_passed_over(void **state)
{
    (void)state;
    struct spv_checkpoint many[80];
    struct segments_fixture k;
    for (uint32_t i = 0; i < 80; i++)
        many[i] = (struct spv_checkpoint){(i + 1) * 100, chain.hashes[(i + 1) * 100], 0, {{0}}};
    open_with(&k, many, 80, false);
    segments_fixture_begin(&k, 0);
    segments_fixture_add(&k, 1);
    assert_int_equal(k.n, 4);
    assert_memory_equal(&k.log[0].stop, &chain.hashes[2000], 32);
    for (uint32_t i = 0; i < 4; i++)
        segments_fixture_send(&k, 1, i * 2000, 2000); /* one request each */
    assert_int_equal(consume_all(&k, 0), 8000);
    close_fixture(&k);
}

static void the_rest_of_a_segment_is_requested_upon_the_first_answer(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    segments_fixture_send(&k, 1, 2015, 2000);
    assert_int_equal(k.n, PERIODS + 1);
    const struct request *r = &k.log[PERIODS];
    assert_int_equal(r->n, 3);
    assert_memory_equal(&r->locator[0], &chain.hashes[4015], 32);
    assert_memory_equal(&r->locator[1], &chain.hashes[2015], 32);
    assert_memory_equal(&r->stop, &chain.hashes[4031], 32);
    close_fixture(&k);
}

static void segments_are_joined_in_order_of_height(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    for (uint32_t i = PERIODS - 1; i > 0; i--) {
        send_segment(&k, 1, i * PERIOD - 1);
        assert_int_equal(consume_all(&k, 0), 0);
        assert_int_equal(sums(&k).waiting,
                         (PERIODS - i) * PERIOD); /* received, but not yet consumed */
    }
    send_segment(&k, 1, 0);
    assert_int_equal(consume_all(&k, 0), segments_checkpoints[PERIODS - 1].height);
    assert_true(spv_segments_done(k.segments));
    assert_int_equal(stats_of(&k, 1).segments, PERIODS);
    assert_int_equal(sums(&k).done, PERIODS);
    assert_int_equal(sums(&k).waiting, 0);
    assert_no_peer_dropped(&k);
    close_fixture(&k);
}

static void headers_wait_up_to_the_batch_delay_for_more(void **state)
{
    (void)state;
    struct segments_fixture k;
    struct spv_segments_batch batch;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    send_segment(&k, 1, 0);
    assert_false(spv_segments_next_batch(k.segments, &batch, k.now));
    assert_int_equal(spv_segments_deadline(k.segments),
                     k.now.mono_us + SPV_SEGMENTS_BATCH_DELAY_US);
    send_segment(&k, 1, 2015);
    k.now.mono_us += SPV_SEGMENTS_BATCH_DELAY_US - 1;
    assert_false(spv_segments_next_batch(k.segments, &batch, k.now));
    k.now.mono_us++;
    assert_true(spv_segments_next_batch(k.segments, &batch, k.now));
    assert_int_equal(batch.n, 4031);
    send_segment(&k, 1, 4031);
    send_segment(&k, 1, 6047);
    assert_int_equal(spv_segments_consume(k.segments, k.now), 0);
    close_fixture(&k);
}

static void headers_after_the_last_checkpoint_are_a_batch_of_their_own(void **state)
{
    (void)state;
    struct segments_fixture k;
    struct spv_segments_batch batch;
    const struct spv_blockhash none = {{0}};
    for (size_t n = 0; n <= 300; n += 300) {
        open_with(&k, segments_checkpoints, PERIODS, true);
        segments_fixture_begin(&k, segments_checkpoints[3].height);
        segments_fixture_add(&k, 1);
        assert_int_equal(k.n, 2);
        assert_memory_equal(&k.log[1].locator[0], &segments_checkpoints[4].hash, 32);
        assert_memory_equal(&k.log[1].stop, &none, 32);
        segments_fixture_send(&k, 1, segments_checkpoints[3].height, 2000);
        if (n)
            segments_fixture_send(&k, 1, segments_checkpoints[4].height, n);
        else
            assert_int_equal(send_raw(&k, 1, NULL, 0), 1);
        if (n)
            segments_fixture_send(&k, 1, segments_checkpoints[3].height + 2000, 16);
        else /* the empty answer precedes the rest, but completes the oldest request: requested
                again */
            segments_fixture_send(&k, 1, segments_checkpoints[3].height + 2000, 16);
        k.now.mono_us += SPV_SEGMENTS_BATCH_DELAY_US;
        assert_true(spv_segments_next_batch(k.segments, &batch, k.now));
        assert_true(batch.proven);
        assert_int_equal(spv_segments_consume(k.segments, k.now), 0);
        assert_int_equal(spv_segments_next_batch(k.segments, &batch, k.now), n > 0);
        if (n) {
            assert_true(batch.post_checkpoint);
            assert_false(batch.proven);
            assert_int_equal(batch.n, n);
            assert_int_equal(spv_segments_consume(k.segments, k.now), 0);
        }
        assert_true(spv_segments_done(k.segments));
        close_fixture(&k);
    }
}

static void a_segment_longer_than_the_buffer_is_passed_on_as_received(void **state)
{
    (void)state;
    const struct spv_checkpoint far = {.height = SPV_SEGMENTS_MAX_HEADERS + 1};
    struct segments_fixture k;
    struct spv_segments_batch batch;
    open_with(&k, &far, 1, false);
    segments_fixture_begin(&k, 0);
    segments_fixture_add(&k, 1);
    segments_fixture_send(&k, 1, 0, 2000);
    assert_int_equal(asked(&k, 1, 2000, 0), 1);
    assert_true(spv_segments_next_batch(k.segments, &batch, k.now));
    assert_false(batch.proven);
    assert_int_equal(batch.n, 2000);
    segments_fixture_send(&k, 1, 2000, 2000);
    assert_int_equal(asked(&k, 1, 4000, 0), 0); /* no header is consumed: no capacity for more */
    assert_int_equal(consume_all(&k, 0), 4000);
    assert_int_equal(asked(&k, 1, 4000, 0), 1);
    assert_in_range(sums(&k).memory, 0, 2u << 20);
    close_fixture(&k);
}

/* ---- matching answers to requests ---- */

static void an_announcement_completes_no_request(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    assert_int_equal(send_raw(&k, 1, chain.headers + 9000, 8), 0);
    assert_int_equal(send_raw(&k, 7, chain.headers + 1, 2000),
                     0); /* from a peer that is not connected */
    assert_int_equal(stats_of(&k, 1).in_flight, PERIODS);
    segments_fixture_send(&k, 1, 0, 2000);
    assert_int_equal(stats_of(&k, 1).in_flight,
                     PERIODS); /* one completed, its remaining headers requested */
    close_fixture(&k);
}

static void a_peer_without_the_segment_start_is_behind_and_not_misbehaving(void **state)
{
    (void)state;
    static const struct {
        uint32_t from; /* tag of the headers that it sends instead */
        size_t n;
    } rows[] = {{0, 0}, {0, 2000}, {0, 5}, {777, 2000}, {777, 9}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct segments_fixture k;
        open_fixture(&k);
        segments_fixture_add(&k, 1);
        send_segment(&k, 1, 0); /* the number of headers matches */
        const size_t before = k.n;
        assert_int_equal(send_raw(&k, 1, chain.headers + rows[i].from + 1, rows[i].n), 1);
        assert_no_peer_dropped(&k);
        assert_int_equal(stats_of(&k, 1).in_flight, PERIODS - 2); /* the oldest is completed */
        assert_int_equal(k.n, before); /* and not requested again */
        assert_true(spv_segments_all_behind(k.segments) ==
                    false); /* the first segment is not consumed yet */
        assert_int_equal(consume_all(&k, 0), 2015);
        assert_true(spv_segments_all_behind(k.segments));
        segments_fixture_add(&k, 2);
        assert_false(spv_segments_all_behind(k.segments));
        assert_int_equal(asked(&k, 2, 2015, before), 1);
        close_fixture(&k);
    }
}

static void a_peer_that_is_behind_in_a_later_segment_blocks_nothing(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    segments_fixture_send(&k, 1, 0, 2000);
    assert_int_equal(send_raw(&k, 1, NULL, 0), 1); /* no header after 2015 */
    assert_false(spv_segments_all_behind(k.segments));
    segments_fixture_send(&k, 1, 2000, 15);
    assert_int_equal(consume_all(&k, 0), 2015);
    assert_true(spv_segments_all_behind(k.segments));
    close_fixture(&k);
}

static void a_peer_whose_chain_ends_in_a_segment_is_behind(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    segments_fixture_send(&k, 1, 0, 1500);
    assert_no_peer_dropped(&k);
    assert_true(spv_segments_all_behind(k.segments));
    assert_int_equal(sums(&k).memory < 2u << 20, 1);
    close_fixture(&k);
}

static void a_peer_that_was_behind_is_queried_again_later(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    for (uint32_t i = 0; i < PERIODS; i++)
        assert_int_equal(send_raw(&k, 1, NULL, 0), 1);
    size_t before = k.n;
    segments_fixture_wait_us(&k, SPV_SEGMENTS_BEHIND_US - 1);
    assert_int_equal(k.n, before);
    assert_int_equal(spv_segments_deadline(k.segments), k.now.mono_us + 1);
    segments_fixture_wait_us(&k, 1);
    assert_int_equal(k.n, before + PERIODS);
    assert_int_equal(send_raw(&k, 1, NULL, 0), 1);
    spv_segments_clear_behind(k.segments, 1);
    assert_false(spv_segments_all_behind(k.segments));
    close_fixture(&k);
}

static void a_segment_that_a_peer_does_not_have_is_requested_from_others_at_once(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    send_segment(&k, 1, 0);
    send_segment(&k, 1, 2015);
    segments_fixture_add(&k, 2);
    const size_t before = k.n;
    segments_fixture_send(&k, 1, 0, 2000); /* instead of the successors of 4031 */
    for (uint32_t i = 2; i < PERIODS; i++)
        assert_int_equal(asked(&k, 2, i * PERIOD - 1, before), 1);
    close_fixture(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_divided_at_its_checkpoints_and_requested_at_once),
        cmocka_unit_test(a_range_may_begin_anywhere_and_end_at_any_checkpoint),
        cmocka_unit_test(marks_near_to_each_other_are_passed_over),
        cmocka_unit_test(the_rest_of_a_segment_is_requested_upon_the_first_answer),
        cmocka_unit_test(segments_are_joined_in_order_of_height),
        cmocka_unit_test(headers_wait_up_to_the_batch_delay_for_more),
        cmocka_unit_test(headers_after_the_last_checkpoint_are_a_batch_of_their_own),
        cmocka_unit_test(a_segment_longer_than_the_buffer_is_passed_on_as_received),
        cmocka_unit_test(an_announcement_completes_no_request),
        cmocka_unit_test(a_peer_without_the_segment_start_is_behind_and_not_misbehaving),
        cmocka_unit_test(a_peer_that_is_behind_in_a_later_segment_blocks_nothing),
        cmocka_unit_test(a_peer_whose_chain_ends_in_a_segment_is_behind),
        cmocka_unit_test(a_peer_that_was_behind_is_queried_again_later),
        cmocka_unit_test(a_segment_that_a_peer_does_not_have_is_requested_from_others_at_once),
    };
    const int failed =
        cmocka_run_group_tests(tests, segments_fixture_setup, segments_fixture_teardown);
    return failed + fetch_peer_tests();
}
