/* A node whose chain starts at a checkpoint, with misbehaving peers and peers that disconnect. */
#include <string.h>

#include "unit/spv/sync/backfill_fixture.h"

static void starts_with_the_period_before_the_checkpoint_and_continues_from_there(void **state)
{
    struct backfill_fixture r;
    struct spv_node_stats stats;
    (void)state;
    backfill_fixture_set(&r);
    const struct spv_node_config cfg = backfill_fixture_config(&r);
    backfill_fixture_open(&r, &cfg);
    spv_node_get_stats(r.node, &stats);
    assert_true(stats.starting);
    const uint64_t a = backfill_fixture_connect(&r, 0);
    const uint64_t b = backfill_fixture_connect(&r, 1);
    /* one period is requested, from the previous checkpoint to the start */
    for (size_t i = 0; i < REQUESTS; i++) {
        if (r.request[i].peer == 0)
            continue;
        assert_memory_equal(&r.request[i].from, &r.at[BASE - 1].hash, 32);
        assert_memory_equal(&r.request[i].stop, &r.at[END].hash, 32);
    }
    assert_int_equal(r.store.starts, 0);
    for (int i = 0; i < 20; i++) {
        backfill_fixture_serve(&r, a, &r.chain);
        backfill_fixture_serve(&r, b, &r.chain);
    }
    assert_int_equal(r.store.starts, 1);
    backfill_fixture_check_store(&r, BASE, false);
    spv_node_get_stats(r.node, &stats);
    assert_false(stats.starting);
    assert_int_equal(stats.start.height, BASE);
    assert_int_equal(stats.headers_added, TOP - BASE + 1);
    assert_int_equal(r.events[SPV_EVENT_SYNCED], 1);
    assert_int_equal(r.events[SPV_EVENT_BANNED], 0);
    backfill_fixture_unset(&r);
}

/* The work below the start is unknown: past the last checkpoint, min_chain_work counts as
 * reached. */
static void work_from_the_base_is_enough_past_the_last_checkpoint(void **state)
{
    for (int past = 0; past <= 1; past++) {
        struct backfill_fixture r;
        (void)state;
        backfill_fixture_set(&r);
        struct spv_node_config cfg = backfill_fixture_config(&r);
        const struct chain_fixture_headers some = {.headers = r.chain.headers,
                                                   .n = past ? TOP : 100};
        cfg.min_work = &r.at[TOP].work; /* from genesis */
        cfg.n_connect = 1;
        r.store.starts_relative = true;
        backfill_fixture_open(&r, &cfg);
        const uint64_t a = backfill_fixture_connect(&r, 0);
        backfill_fixture_serve(&r, a, &some);
        assert_int_equal(r.store.starts, 1);
        assert_int_equal(r.events[SPV_EVENT_SYNCED], past);
        backfill_fixture_unset(&r);
    }
}

static void a_work_value_of_the_checkpoint_counts_from_genesis(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    for (size_t i = 0; i < r.n_checkpoints; i++)
        r.checkpoints[i].work = r.at[r.checkpoints[i].height].work;
    const struct spv_node_config cfg = backfill_fixture_config(&r);
    backfill_fixture_open(&r, &cfg);
    const uint64_t a = backfill_fixture_connect(&r, 0);
    backfill_fixture_serve(&r, a, &r.chain);
    backfill_fixture_check_store(&r, BASE, true);
    backfill_fixture_unset(&r);
}

static void a_peer_with_an_invalid_first_period_is_banned_and_the_next_peer_queried(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    /* it has the previous checkpoint, then another chain */
    struct chain_fixture_headers other = chain_fixture_uneven(&r.params, &r.chain, BASE - 1, 40, 9);
    const struct spv_node_config cfg = backfill_fixture_config(&r);
    backfill_fixture_open(&r, &cfg);
    const uint64_t misbehaving = backfill_fixture_connect(&r, 0);
    backfill_fixture_serve(&r, misbehaving, &other);
    assert_int_equal(spv_err_class_of(r.closed[misbehaving]), SPV_CLASS_MISBEHAVING);
    assert_int_equal(r.events[SPV_EVENT_BANNED], 1);
    assert_int_equal(r.store.starts, 0);
    const uint64_t honest = backfill_fixture_connect(&r, 1);
    backfill_fixture_serve(&r, honest, &r.chain);
    assert_int_equal(r.closed[honest], 0);
    backfill_fixture_check_store(&r, BASE, false);
    chain_fixture_headers_free(&other);
    backfill_fixture_unset(&r);
}

static void a_peer_lost_in_the_first_period_is_replaced(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    const struct spv_node_config cfg = backfill_fixture_config(&r);
    backfill_fixture_open(&r, &cfg);
    const uint64_t lost = backfill_fixture_connect(&r, 0);
    backfill_fixture_headers(&r, lost, r.chain.headers + BASE - 1,
                             4); /* a part of the period, then no more answers */
    assert_int_equal(spv_node_closed(r.node, lost, SPV_ERR_RESET, r.now), 0);
    backfill_fixture_pull(&r);
    assert_int_equal(r.store.starts, 0);
    const uint64_t other = backfill_fixture_connect(&r, 1);
    backfill_fixture_serve(&r, other, &r.chain);
    backfill_fixture_check_store(&r, BASE, false);
    backfill_fixture_unset(&r);
}

static void a_mute_peer_is_replaced(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    const struct spv_node_config cfg = backfill_fixture_config(&r);
    backfill_fixture_open(&r, &cfg);
    const uint64_t mute = backfill_fixture_connect(&r, 0);
    const uint64_t other = backfill_fixture_connect(&r, 1);
    for (int i = 0; i < 50 && r.closed[mute] == 0; i++) {
        r.now.mono_us = spv_node_deadline(r.node);
        assert_true(r.now.mono_us != SPV_NEVER);
        assert_int_equal(spv_node_timer(r.node, r.now), 0);
        backfill_fixture_pull(&r);
        backfill_fixture_serve(&r, other, &r.chain);
    }
    backfill_fixture_check_store(&r, BASE, false);
    backfill_fixture_unset(&r);
}

/* The first retarget after the start, and the first medians, are checked like any other. */
static void difficulty_dropped_right_after_the_start_is_misbehaving(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    r.n_checkpoints = END / PERIOD + 1; /* above the start no headers are covered by a checkpoint */
    struct chain_fixture_headers cheap = {0};
    for (size_t i = 0; i < TOP; i++)
        chain_fixture_push(&cheap, &r.chain.headers[i]);
    for (size_t i = END; i < TOP; i++) {
        cheap.headers[i].prev = chain_fixture_hash(&cheap.headers[i - 1]);
        cheap.headers[i].bits = r.params.pow_limit_bits;
        chain_fixture_work(&cheap.headers[i]);
    }
    assert_int_not_equal(r.chain.headers[END].bits, r.params.pow_limit_bits);
    const struct spv_node_config cfg = backfill_fixture_config(&r);
    backfill_fixture_open(&r, &cfg);
    const uint64_t misbehaving = backfill_fixture_connect(&r, 0);
    backfill_fixture_serve(&r, misbehaving, &cheap);
    assert_int_equal(r.store.starts, 1);
    assert_int_equal(r.closed[misbehaving], SPV_ERR_HDR_BITS);
    const uint64_t honest = backfill_fixture_connect(&r, 1);
    backfill_fixture_serve(&r, honest, &r.chain);
    backfill_fixture_check_store(&r, BASE, false);
    chain_fixture_headers_free(&cheap);
    backfill_fixture_unset(&r);
}

/* A peer that is behind has only genesis of our locator. */
static void a_peer_that_answers_from_genesis_is_behind_and_not_misbehaving(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    const struct spv_node_config cfg = backfill_fixture_config(&r);
    backfill_fixture_open(&r, &cfg);
    const uint64_t good = backfill_fixture_connect(&r, 0);
    backfill_fixture_serve(&r, good, &r.chain);
    const uint64_t behind = backfill_fixture_connect(&r, 1);
    struct chain_fixture_headers few = {.headers = r.chain.headers, .n = 30};
    assert_int_equal(r.events[SPV_EVENT_SYNCED],
                     0); /* of two manual peers, the second has not answered */
    backfill_fixture_serve(&r, behind, &few);
    assert_int_equal(r.closed[behind], 0);
    assert_int_equal(r.events[SPV_EVENT_BANNED], 0);
    assert_int_equal(r.events[SPV_EVENT_SYNCED], 1); /* its chain has not more work */
    backfill_fixture_check_store(&r, BASE, false);
    backfill_fixture_unset(&r);
}

static void a_start_that_cannot_be_stored_stops_the_node(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    const struct spv_node_config cfg = backfill_fixture_config(&r);
    backfill_fixture_open(&r, &cfg);
    const uint64_t a = backfill_fixture_connect(&r, 0);
    r.store_error = SPV_ERR_DB_FULL;
    backfill_fixture_serve(&r, a, &r.chain);
    assert_int_equal(spv_node_timer(r.node, r.now), SPV_ERR_DB_FULL);
    /* again, with free space: nothing was lost */
    r.store_error = 0;
    backfill_fixture_open(&r, &cfg);
    backfill_fixture_serve(&r, backfill_fixture_connect(&r, 0), &r.chain);
    backfill_fixture_check_store(&r, BASE, false);
    backfill_fixture_unset(&r);
}

static void a_store_with_headers_is_continued(void **state)
{
    struct backfill_fixture r;
    struct spv_node_stats stats;
    (void)state;
    backfill_fixture_set(&r);
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.start_height = 0;
    backfill_fixture_open(&r, &cfg);
    struct chain_fixture_headers some = {.headers = r.chain.headers, .n = 20};
    backfill_fixture_serve(&r, backfill_fixture_connect(&r, 0), &some);
    assert_int_equal(r.store.tip, 20);
    cfg.start_height = 75;
    backfill_fixture_open(&r, &cfg);
    spv_node_get_stats(r.node, &stats);
    assert_false(stats.starting);
    backfill_fixture_serve(&r, backfill_fixture_connect(&r, 0), &r.chain);
    backfill_fixture_check_store(&r, 0, true);
    assert_int_equal(r.store.starts, 0);
    backfill_fixture_unset(&r);
}

static size_t open_requests(const struct backfill_fixture *r, uint64_t peer)
{
    size_t n = 0;
    for (size_t i = 0; i < REQUESTS; i++)
        n += r->request[i].peer == peer;
    return n;
}

static void segments_of_a_lost_peer_are_requested_from_another_at_once(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.start_height = 0;
    backfill_fixture_open(&r, &cfg);
    const uint64_t lost = backfill_fixture_connect(&r, 0);
    const size_t segments = open_requests(&r, lost);
    assert_true(segments > 1);
    const uint64_t other = backfill_fixture_connect(&r, 1);
    assert_true(open_requests(&r, other) < segments);
    assert_int_equal(spv_node_closed(r.node, lost, SPV_ERR_RESET, r.now), 0);
    backfill_fixture_pull(&r);
    assert_int_equal(open_requests(&r, other), segments);
    backfill_fixture_unset(&r);
}

static struct spv_node_peer peer_info(const struct backfill_fixture *r, uint64_t id)
{
    struct spv_node_peer peers[PEERS];
    const size_t n = spv_node_peers(r->node, peers, PEERS, r->now);
    for (size_t i = 0; i < n; i++)
        if (peers[i].id == id)
            return peers[i];
    fail_msg("no such peer");
    return (struct spv_node_peer){0};
}

/* The first period was requested from both peers. The answer that comes second, after the start,
 * answers none of header sync's requests. */
static void a_late_answer_to_the_start_closes_no_later_request(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    r.n_checkpoints = END / PERIOD + 1; /* above the start one peer is asked after the other */
    const struct spv_node_config cfg = backfill_fixture_config(&r);
    backfill_fixture_open(&r, &cfg);
    const uint64_t slow = backfill_fixture_connect(&r, 0);
    const uint64_t fast = backfill_fixture_connect(&r, 1);
    for (int i = 0; i < 50 && r.store.starts == 0; i++) {
        r.now.mono_us = spv_node_deadline(r.node);
        assert_int_equal(spv_node_timer(r.node, r.now), 0);
        backfill_fixture_pull(&r);
        (void)backfill_fixture_answer(&r, fast, &r.chain);
    }
    assert_int_equal(r.store.starts, 1);
    assert_int_equal(peer_info(&r, slow).requests, 1); /* of header sync */
    for (size_t i = 0; i < REQUESTS; i++) /* that for the start is answered here */
        if (r.request[i].peer == slow && spv_blockhash_eq(&r.request[i].stop, &r.at[END].hash))
            r.request[i].peer = 0;
    const size_t asked = r.asked;
    backfill_fixture_headers(&r, slow, r.chain.headers + BASE - 1, PERIOD);
    assert_int_equal(peer_info(&r, slow).requests, 1);
    assert_int_equal(r.asked, asked);
    /* on another branch it is no announcement that does not connect, however often it comes */
    struct chain_fixture_headers other = chain_fixture_uneven(&r.params, &r.chain, BASE - 1, 40, 9);
    for (int i = 0; i < 12; i++) {
        const struct spv_msg late = {
            .command = SPV_CMD_HEADERS,
            .u.headers = {.headers = other.headers + BASE - 1, .n = PERIOD, .tag = 1}};
        assert_int_equal(spv_node_recv(r.node, slow, &late, r.now), 0);
        backfill_fixture_pull(&r);
    }
    chain_fixture_headers_free(&other);
    assert_int_equal(peer_info(&r, slow).requests, 1);
    assert_int_equal(r.closed[slow], 0);
    assert_int_equal(r.events[SPV_EVENT_WARNING], 0);
    backfill_fixture_serve(&r, slow, &r.chain);
    backfill_fixture_serve(&r, fast, &r.chain);
    backfill_fixture_check_store(&r, BASE, false);
    assert_true(peer_info(&r, slow).at_tip);
    assert_int_equal(r.events[SPV_EVENT_SYNCED], 1);
    backfill_fixture_unset(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_with_the_period_before_the_checkpoint_and_continues_from_there),
        cmocka_unit_test(work_from_the_base_is_enough_past_the_last_checkpoint),
        cmocka_unit_test(a_work_value_of_the_checkpoint_counts_from_genesis),
        cmocka_unit_test(a_peer_with_an_invalid_first_period_is_banned_and_the_next_peer_queried),
        cmocka_unit_test(a_peer_lost_in_the_first_period_is_replaced),
        cmocka_unit_test(a_mute_peer_is_replaced),
        cmocka_unit_test(difficulty_dropped_right_after_the_start_is_misbehaving),
        cmocka_unit_test(a_peer_that_answers_from_genesis_is_behind_and_not_misbehaving),
        cmocka_unit_test(a_start_that_cannot_be_stored_stops_the_node),
        cmocka_unit_test(a_store_with_headers_is_continued),
        cmocka_unit_test(segments_of_a_lost_peer_are_requested_from_another_at_once),
        cmocka_unit_test(a_late_answer_to_the_start_closes_no_later_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
