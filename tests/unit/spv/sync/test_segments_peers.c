/* Segments and peers that are slow, lost, behind or misbehaving. */
#include "segments_fixture.h"

/* ---- invalid answers ---- */

static void an_invalid_segment_drops_its_peer_and_is_requested_from_others(void **state)
{
    (void)state;
    static const int errors[] = {SPV_ERR_HDR_POW, SPV_ERR_HDR_BITS, SPV_ERR_HDR_BITS_LIMIT,
                                 SPV_ERR_HDR_BITS_MALFORMED, SPV_ERR_HDR_NONCONTINUOUS};
    static struct spv_header bad[2000];
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct segments_fixture k;
        uint64_t id;
        struct spv_blockhash hash;
        open_fixture(&k);
        segments_fixture_add(&k, 1);
        memcpy(bad, chain.headers + 1, sizeof bad);
        const size_t at =
            errors[i] == SPV_ERR_HDR_BITS_LIMIT || errors[i] == SPV_ERR_HDR_BITS_MALFORMED ? 0
                                                                                           : 1999;
        if (errors[i] == SPV_ERR_HDR_POW)
            do {
                bad[at].nonce++;
                spv_header_hash(&hash, &bad[at]);
            } while (!(hash.b[31] & 0x80));
        else if (errors[i] == SPV_ERR_HDR_BITS)
            bad[at].bits = 0x1f00ffff;
        else if (errors[i] == SPV_ERR_HDR_BITS_LIMIT)
            bad[at].bits = 0x2100ffff;
        else if (errors[i] == SPV_ERR_HDR_BITS_MALFORMED)
            bad[at].bits = 0x04800001;
        else
            bad[at].prev.b[0] ^= 1;
        assert_int_equal(send_raw(&k, 1, bad, 2000), 1);
        assert_int_equal(dropped(&k, &id), errors[i]);
        assert_int_equal(id, 1);
        assert_no_peer_dropped(&k); /* once */
        assert_int_equal(spv_err_class_of(errors[i]), SPV_CLASS_MISBEHAVING);
        segments_fixture_add(&k, 2);
        assert_int_equal(asked(&k, 2, 0, 0), 1);
        send_segment(&k, 2, 0);
        assert_int_equal(consume_all(&k, 0), 2015);
        assert_int_equal(send_raw(&k, 1, chain.headers + 2016, 2000), 1); /* too late */
        assert_int_equal(stats_of(&k, 1).headers, 0);
        close_fixture(&k);
    }
}

static void the_peer_that_contradicts_a_checkpoint_is_dropped_not_the_one_before(void **state)
{
    (void)state;
    struct segments_fixture k;
    uint64_t id;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    segments_fixture_send(&k, 1, 0, 2000); /* valid */
    segments_fixture_remove(&k, 1);
    segments_fixture_add(&k, 2);
    assert_int_equal(asked(&k, 2, 2000, 0), 1);
    assert_int_equal(send_raw(&k, 2, fork_chain.headers + 2001, 15), 1);
    assert_int_equal(dropped(&k, &id), SPV_ERR_HDR_CHECKPOINT);
    assert_int_equal(id, 2);
    segments_fixture_add(&k, 3);
    assert_int_equal(asked(&k, 3, 2000, 0), 1); /* the first peer's headers are kept */
    segments_fixture_send(&k, 3, 2000, 15);
    assert_int_equal(consume_all(&k, 0), 2015);
    close_fixture(&k);
}

static void a_peer_without_the_locator_hash_restarts_the_segment(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    send_segment(&k, 1, 0);
    assert_int_equal(send_raw(&k, 1, fork_chain.headers + 1, 0),
                     1); /* the peer's oldest request, from 2015, is completed */
    close_fixture(&k);

    open_with(&k, segments_checkpoints, PERIODS, false);
    segments_fixture_begin(&k, 2005); /* last common header; 10 below the first checkpoint */
    segments_fixture_add(&k, 1);
    segments_fixture_send(&k, 1, 2005, 10);
    /* the second segment's first 2,000: a branch off 2015 that does not end in the checkpoint */
    struct test_chain off = test_chain_mine(4100, 9, &chain, 2015);
    assert_int_equal(send_raw(&k, 1, off.headers + 2016, 2000), 1);
    segments_fixture_remove(&k, 1);
    segments_fixture_add(&k, 2); /* it does not have off's headers */
    const struct request *last = NULL;
    for (size_t i = 0; i < k.n; i++)
        if (k.log[i].peer == 2 && k.log[i].n == 3)
            last = &k.log[i];
    assert_non_null(last);
    assert_memory_equal(&last->locator[0], &off.hashes[4015], 32);
    assert_memory_equal(&last->locator[1], &chain.hashes[2015], 32);
    segments_fixture_send(&k, 2, 2015, 2000);
    assert_int_equal(asked(&k, 2, 4015, 0), 1);
    segments_fixture_send(&k, 2, 4015, 16);
    assert_no_peer_dropped(&k);
    assert_int_equal(consume_all(&k, 2005), 4031);
    test_chain_free(&off);
    close_fixture(&k);
}

static void an_answer_that_extends_replaced_headers_is_not_misbehaving(void **state)
{
    (void)state;
    struct segments_fixture k;
    uint64_t id;
    struct test_chain off = test_chain_mine(4100, 9, &chain, 2015);
    open_with(&k, segments_checkpoints, 2, false);
    segments_fixture_begin(&k, 2015);
    segments_fixture_add(&k, 1);
    k.now.mono_us += SPV_SECOND / 10;
    segments_fixture_send(&k, 1, 2015, 2000); /* valid; the second answer is delayed */
    segments_fixture_add(&k, 2);
    while (!asked(&k, 2, 4015, 0))
        segments_fixture_wait_us(&k, SPV_SECOND / 10);
    assert_int_equal(send_raw(&k, 2, off.headers + 2016, 2000), 1); /* in place of the valid ones */
    segments_fixture_send(&k, 1, 4015, 16);
    assert_no_peer_dropped(&k);
    assert_int_equal(send_raw(&k, 2, off.headers + 4016, 16), 1);
    assert_int_equal(dropped(&k, &id), SPV_ERR_HDR_CHECKPOINT);
    assert_int_equal(id, 2);
    close_fixture(&k);
    test_chain_free(&off);
}

static void headers_beyond_the_requested_range_are_ignored(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    segments_fixture_send(&k, 1, 0, 2000);
    segments_fixture_send(&k, 1, 2000, 2000); /* a peer that ignores hashStop */
    assert_no_peer_dropped(&k);
    assert_int_equal(consume_all(&k, 0), 2015);
    close_fixture(&k);
}

/* ---- peers that connect, disconnect and are slow ---- */

static void requests_of_a_lost_peer_are_sent_to_others(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    segments_fixture_send(&k, 1, 0, 2000);
    send_segment(&k, 1, 4031);
    segments_fixture_add(&k, 2);
    const size_t before = k.n;
    segments_fixture_remove(&k, 1);
    segments_fixture_pull(&k);
    assert_int_equal(k.n - before, PERIODS - 1);
    assert_int_equal(asked(&k, 2, 2000, before),
                     1); /* only the remaining headers of the first segment */
    assert_int_equal(asked(&k, 2, 4031, before), 0);
    close_fixture(&k);
}

static void an_overdue_segment_is_requested_from_one_more_peer(void **state)
{
    (void)state;
    struct segments_fixture k;
    uint64_t waited = 0;
    open_fixture(&k);
    segments_fixture_add(&k, 1); /* accepts all requests, and answers none */
    segments_fixture_add(&k, 2);
    assert_int_equal(asked(&k, 2, 0, 0), 0);
    while (!asked(&k, 2, 0, 0) && waited < 20 * SPV_SECOND) {
        const uint64_t step = spv_segments_deadline(k.segments) - k.now.mono_us;
        assert_true(step > 0);
        waited += step;
        segments_fixture_wait_us(&k, step);
    }
    /* the estimate for an unmeasured peer is 1 s; 3 times that, well before its deadline of 20 s */
    assert_in_range(waited, 2 * SPV_SECOND, 4 * SPV_SECOND);
    assert_int_equal(sums(&k).hedges, stats_of(&k, 1).hedged);
    assert_true(stats_of(&k, 1).hedged > 0);
    assert_true(stats_of(&k, 1).window < SPV_SEGMENTS_FIRST_OPEN);
    send_segment(&k, 2, 0);
    assert_int_equal(consume_all(&k, 0), 2015);
    const uint64_t wasted = stats_of(&k, 1).wasted;
    segments_fixture_send(&k, 1, 0, 2000); /* the second answer is ignored without an error */
    assert_no_peer_dropped(&k);
    assert_int_equal(stats_of(&k, 1).wasted, wasted + 2000);
    assert_int_equal(asked(&k, 1, 2000, 0), 0);
    close_fixture(&k);
}

static void a_window_grows_with_answers_in_good_time_and_shrinks_with_late_ones(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    assert_int_equal(stats_of(&k, 1).window, SPV_SEGMENTS_FIRST_OPEN);
    k.now.mono_us += SPV_SECOND / 10;
    segments_fixture_send(&k, 1, 0, 2000);
    assert_int_equal(stats_of(&k, 1).window, SPV_SEGMENTS_FIRST_OPEN + 2);
    k.now.mono_us += 2 * SPV_SECOND;
    segments_fixture_send(&k, 1, 2015, 2000);
    assert_int_equal(stats_of(&k, 1).window, SPV_SEGMENTS_FIRST_OPEN + 1);
    close_fixture(&k);
}

static void who_does_not_answer_is_dropped_and_progress_counts(void **state)
{
    (void)state;
    struct segments_fixture k;
    uint64_t id;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    k.now.mono_us += SPV_SEGMENTS_LONE_PEER_FACTOR * SPV_SEGMENTS_TIMEOUT_US -
                     1; /* no other peer is connected */
    segments_fixture_send(&k, 1, 0, 2000);
    segments_fixture_wait_us(&k, SPV_SEGMENTS_LONE_PEER_FACTOR * SPV_SEGMENTS_TIMEOUT_US - 1);
    assert_no_peer_dropped(&k);
    segments_fixture_add(&k, 2); /* another peer connects */
    segments_fixture_wait_us(&k, 0);
    assert_int_equal(dropped(&k, &id), SPV_ERR_STALL);
    assert_int_equal(id, 1);
    segments_fixture_wait_us(&k, SPV_SEGMENTS_TIMEOUT_US);
    assert_no_peer_dropped(&k); /* now the only peer */
    assert_int_equal(asked(&k, 2, 2000, 0), 1);
    close_fixture(&k);
}

static void a_slow_peer_gets_no_segment_that_a_fast_one_finishes_much_earlier(void **state)
{
    (void)state;
    static struct spv_checkpoint many[40];
    struct segments_fixture k;
    memcpy(many, segments_checkpoints, sizeof segments_checkpoints);
    for (uint32_t i = PERIODS; i < 40; i++) {
        many[i].height = (i + 1) * PERIOD - 1;
        memset(many[i].hash.b, (int)i + 1, 32);
    }
    open_with(&k, many, 40, false);
    const struct spv_checkpoint start = {.height = 0, .hash = chain.hashes[0]};
    assert_int_equal(spv_segments_begin(k.segments, &start, many[0].height, k.now), 0);
    segments_fixture_add(&k, 1);
    k.now.mono_us += SPV_SECOND / 100;
    send_segment(&k, 1, 0); /* in 10 ms */
    assert_int_equal(consume_all(&k, 0), 2015);
    segments_fixture_add(&k, 2);
    assert_int_equal(spv_segments_begin(k.segments, &many[0], many[1].height, k.now), 0);
    segments_fixture_pull(&k);
    assert_int_equal(send_raw(&k, 1, NULL, 0), 1); /* the request must go to the other peer */
    assert_int_equal(asked(&k, 2, 2015, 0), 1);
    k.now.mono_us += 2 * SPV_SECOND;
    segments_fixture_send(&k, 2, 2015, 2000);
    k.now.mono_us += 2 * SPV_SECOND;
    segments_fixture_send(&k, 2, 4015, 16);
    assert_int_equal(consume_all(&k, 2015), 4031);

    spv_segments_clear_behind(k.segments, 1);
    size_t before = k.n;
    segments_fixture_begin(&k, 4031);
    assert_int_equal(stats_of(&k, 2).in_flight, 0);
    assert_true(stats_of(&k, 1).in_flight > SPV_SEGMENTS_FIRST_OPEN);
    assert_int_equal(k.n - before, stats_of(&k, 1).in_flight);
    before = k.n;
    segments_fixture_remove(&k, 1);
    segments_fixture_pull(&k);
    assert_true(stats_of(&k, 2).in_flight > 0); /* slower than the others, but the only peer */
    assert_int_equal(asked(&k, 2, 4031, before), 1);
    close_fixture(&k);
}

/* ---- bounds ---- */

static void no_more_is_in_work_than_memory_allows(void **state)
{
    (void)state;
    static struct spv_checkpoint many[200];
    struct segments_fixture k;
    for (uint32_t i = 0; i < 200; i++) {
        many[i].height = (i + 1) * PERIOD - 1;
        memset(many[i].hash.b, (int)i + 1, 32);
    }
    open_with(&k, many, 200, true);
    segments_fixture_begin(&k, 0);
    for (uint64_t id = 1; id <= 8; id++)
        segments_fixture_add(&k, id);
    assert_int_equal(stats_of(&k, 1).in_flight, SPV_SEGMENTS_FIRST_OPEN);
    assert_int_equal(k.n, SPV_SEGMENTS_MAX_HEADERS / PERIOD);
    assert_true(SPV_SEGMENTS_MAX_HEADERS * sizeof(struct spv_header) <= 16u << 20);
    for (int i = 0; i < 20; i++)
        segments_fixture_wait_us(&k, SPV_SECOND / 2); /* hedges are bounded, too */
    assert_in_range(k.n, 0, 3 * (SPV_SEGMENTS_MAX_HEADERS / PERIOD));
    for (uint64_t id = 1; id <= 8; id++)
        assert_in_range(stats_of(&k, id).in_flight, 0, SPV_SEGMENTS_MAX_OPEN);
    close_fixture(&k);
}

static void segments_have_capacity_for_all_peers_of_a_node(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    for (uint64_t id = 1; id <= SPV_NODE_MAX_PEERS; id++)
        segments_fixture_add(&k, id);
    segments_fixture_remove(&k, 5);
    segments_fixture_add(&k, 1000);
    close_fixture(&k);
}

static void only_a_peer_of_the_table_is_added_and_only_once(void **state)
{
    (void)state;
    struct segments_fixture k;
    struct spv_segments_peer_stats stats;
    open_fixture(&k);
    assert_int_equal(spv_segments_add(k.segments, 1, k.now), SPV_ERR_INVALID);
    assert_non_null(spv_peer_table_add(&k.peers, 1));
    assert_false(spv_segments_get_peer(k.segments, &stats, 1)); /* the peer was not added */
    segments_fixture_wait_us(&k, SPV_SECOND);
    assert_int_equal(k.n, 0); /* and gets no request */
    assert_int_equal(spv_segments_add(k.segments, 1, k.now), 0);
    assert_int_equal(spv_segments_add(k.segments, 1, k.now), SPV_ERR_INVALID);
    assert_true(spv_segments_get_peer(k.segments, &stats, 1));
    close_fixture(&k);
    assert_null(spv_peer_table_find(&k.peers, 1)->segments[SPV_SEGMENTS_OF_SYNC].entry);
}

/* ---- restart ---- */

static void answers_to_requests_of_before_a_restart_are_used(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    const size_t before = k.n;
    segments_fixture_begin(&k, 2015);
    assert_int_equal(k.n, before); /* all headers are already requested */
    segments_fixture_send(&k, 1, 0, 2000); /* no longer needed, but recognised as an answer */
    assert_int_equal(asked(&k, 1, 2000, 0), 0);
    for (uint32_t i = 1; i < PERIODS; i++)
        send_segment(&k, 1, i * PERIOD - 1);
    assert_int_equal(consume_all(&k, 2015), segments_checkpoints[PERIODS - 1].height);
    assert_int_equal(stats_of(&k, 1).in_flight, 0);
    close_fixture(&k);
}

static void after_a_stop_answers_are_recognised_and_discarded(void **state)
{
    (void)state;
    struct segments_fixture k;
    open_fixture(&k);
    segments_fixture_add(&k, 1);
    spv_segments_stop(k.segments);
    assert_true(spv_segments_done(k.segments));
    segments_fixture_send(&k, 1, 0, 2000);
    assert_int_equal(consume_all(&k, 0), 0);
    assert_int_equal(k.n, PERIODS);
    assert_int_equal(stats_of(&k, 1).wasted, 2000);
    close_fixture(&k);
}

int fetch_peer_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_invalid_segment_drops_its_peer_and_is_requested_from_others),
        cmocka_unit_test(the_peer_that_contradicts_a_checkpoint_is_dropped_not_the_one_before),
        cmocka_unit_test(a_peer_without_the_locator_hash_restarts_the_segment),
        cmocka_unit_test(an_answer_that_extends_replaced_headers_is_not_misbehaving),
        cmocka_unit_test(headers_beyond_the_requested_range_are_ignored),
        cmocka_unit_test(requests_of_a_lost_peer_are_sent_to_others),
        cmocka_unit_test(an_overdue_segment_is_requested_from_one_more_peer),
        cmocka_unit_test(a_window_grows_with_answers_in_good_time_and_shrinks_with_late_ones),
        cmocka_unit_test(who_does_not_answer_is_dropped_and_progress_counts),
        cmocka_unit_test(a_slow_peer_gets_no_segment_that_a_fast_one_finishes_much_earlier),
        cmocka_unit_test(no_more_is_in_work_than_memory_allows),
        cmocka_unit_test(segments_have_capacity_for_all_peers_of_a_node),
        cmocka_unit_test(only_a_peer_of_the_table_is_added_and_only_once),
        cmocka_unit_test(answers_to_requests_of_before_a_restart_are_used),
        cmocka_unit_test(after_a_stop_answers_are_recognised_and_discarded),
    };
    return cmocka_run_group_tests(tests, segments_fixture_setup, segments_fixture_teardown);
}
