/* Filters that are wanted by their hash: who is requested, one after the alternative, and when one
 * is missing.
 */
#include "support/unit.h"

#include "spv/filters/filter_alternatives.h"

static struct spv_filter_alternatives alternatives;
static struct spv_fetch_ranges ranges;
static struct spv_effects effects;
static struct spv_peer_table table;
static struct spv_now now;
static uint32_t missing_height;
static struct spv_filter_hash missing_hash;

static int open_fixture(void **state)
{
    (void)state;
    memset(&alternatives, 0, sizeof alternatives);
    memset(&table, 0, sizeof table);
    ranges = (struct spv_fetch_ranges){0};
    spv_effects_init(&effects);
    now = (struct spv_now){.mono_us = 1000 * SPV_SECOND};
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    spv_fetch_ranges_free(&ranges);
    spv_effects_free(&effects);
    return 0;
}

static struct spv_filter_hash hash_of(uint32_t height, uint8_t side)
{
    struct spv_filter_hash hash = {{0}};

    memcpy(hash.b, &height, sizeof height);
    hash.b[31] = side;
    return hash;
}

static int want(uint32_t height, uint8_t side)
{
    struct spv_filter_alternative alternative = {.height = height, .hash = hash_of(height, side)};

    memcpy(alternative.block.b, &height, sizeof height);
    return spv_filter_alternatives_want(&alternatives, &alternative);
}

static struct spv_peer_entry *add_peer(uint64_t id, uint32_t shown)
{
    struct spv_peer_entry *p = spv_peer_table_add(&table, id);

    assert_non_null(p);
    p->services = SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_COMPACT_FILTERS;
    p->filters = (struct spv_filter_peer){.added = true, .best_known_height = shown};
    p->filter_fetch.added = true;
    return p;
}

static void run(void)
{
    assert_int_equal(spv_filter_alternatives_run(&alternatives, &ranges, &table, &effects, now), 0);
}

/* The peer and the height of the next request; 0 when there is none. */
static uint64_t next_request(uint32_t *height)
{
    struct spv_effect e;

    *height = 0;
    if (spv_effects_pop(&effects, &e) != 1)
        return 0;
    assert_int_equal(e.kind, SPV_EFFECT_SEND);
    assert_int_equal(e.message.command, SPV_CMD_GETCFILTERS);
    memcpy(height, e.message.u.getcfilters.stop.b, sizeof *height);
    assert_int_equal(e.message.u.getcfilters.start, *height);
    return e.peer;
}

static void expect_request(uint64_t peer, uint32_t height)
{
    uint32_t got;

    assert_int_equal(next_request(&got), peer);
    assert_int_equal(got, height);
}

static void expect_none(void)
{
    uint32_t got;

    assert_int_equal(next_request(&got), 0);
}

static int next_missing(void)
{
    return spv_filter_alternatives_next_missing(&alternatives, &missing_height, &missing_hash);
}

static void a_filter_is_wanted_once(void **state)
{
    (void)state;
    assert_int_equal(want(10, 1), 0);
    assert_int_equal(want(10, 1), 0);
    assert_int_equal(alternatives.n, 1);
    assert_int_equal(want(10, 2), 0);
    assert_int_equal(want(11, 1), 0);
    assert_int_equal(alternatives.n, 3);
}

static void the_list_is_bounded(void **state)
{
    (void)state;
    for (uint32_t h = 1; h <= SPV_FILTER_ALTERNATIVES_MAX; h++)
        assert_int_equal(want(h, 1), 0);
    assert_int_equal(want(1, 1), 0); /* it is wanted already */
    assert_int_equal(want(1, 2), SPV_ERR_TOO_MANY);
}

static void a_filter_is_taken_by_its_height_and_hash(void **state)
{
    struct spv_filter_hash hash = hash_of(10, 2);

    (void)state;
    assert_int_equal(want(10, 1), 0);
    assert_false(spv_filter_alternatives_take(&alternatives, 10, &hash));
    hash = hash_of(10, 1);
    assert_false(spv_filter_alternatives_take(&alternatives, 11, &hash));
    assert_true(spv_filter_alternatives_take(&alternatives, 10, &hash));
    assert_false(spv_filter_alternatives_take(&alternatives, 10, &hash));
}

static void filters_above_a_fork_are_not_wanted_any_more(void **state)
{
    (void)state;
    for (uint32_t h = 10; h <= 13; h++)
        assert_int_equal(want(h, 1), 0);
    spv_filter_alternatives_remove_above(&alternatives, 11);
    assert_int_equal(alternatives.n, 2);
    assert_int_equal(alternatives.list[1].height, 11);
}

static void peers_are_asked_one_after_the_other(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 3; id++)
        (void)add_peer(id, 100);
    assert_int_equal(want(10, 1), 0);
    run();
    expect_request(1, 10);
    expect_none();
    run();
    expect_none(); /* it has time to answer */
    spv_filter_alternatives_mismatch(&alternatives, 1, 11);
    spv_filter_alternatives_mismatch(&alternatives, 2, 10);
    run();
    expect_none(); /* these say nothing about the open request */
    spv_filter_alternatives_mismatch(&alternatives, 1, 10);
    run();
    expect_request(2, 10);
    spv_filter_alternatives_remove_peer(&alternatives, 2);
    run();
    expect_request(3, 10);
    assert_int_equal(next_missing(), 0);
    spv_filter_alternatives_mismatch(&alternatives, 3, 10);
    run();
    expect_none();
    assert_int_equal(next_missing(), 1);
    assert_int_equal(missing_height, 10);
    assert_int_equal(missing_hash.b[31], 1);
    assert_int_equal(next_missing(), 0);
    assert_int_equal(alternatives.n, 0);
}

static void silence_of_twenty_seconds_means_that_another_peer_gets_the_request(void **state)
{
    struct spv_blockhash block = {{0}};
    uint32_t at;

    (void)state;
    (void)add_peer(1, 100);
    (void)add_peer(2, 100);
    assert_int_equal(spv_filter_alternatives_deadline(&alternatives), SPV_NEVER);
    assert_int_equal(want(10, 1), 0);
    assert_int_equal(spv_filter_alternatives_deadline(&alternatives), SPV_NEVER);
    run();
    expect_request(1, 10);
    const uint64_t until = now.mono_us + SPV_FILTER_ALTERNATIVES_TIMEOUT_US;
    assert_int_equal(spv_filter_alternatives_deadline(&alternatives), until);
    now.mono_us = until - 1;
    run();
    expect_none();
    now.mono_us = until;
    run();
    expect_request(2, 10);
    assert_int_equal(spv_filter_alternatives_deadline(&alternatives),
                     until + SPV_FILTER_ALTERNATIVES_TIMEOUT_US);
    memcpy(block.b, &(uint32_t){10}, 4); /* its answer is recognised when it comes late */
    const struct spv_fetch_range *range = spv_fetch_ranges_find(&ranges, &at, 1, &block);
    assert_non_null(range);
    assert_true(range && range->late);
}

static void only_peers_that_serve_filters_and_have_the_block_get_a_request(void **state)
{
    (void)state;
    add_peer(1, 9)->filters.n_unsolicited = 0;
    add_peer(2, 100)->services = SPV_NODE_NETWORK | SPV_NODE_WITNESS;
    add_peer(3, 100)->filter_fetch.added = false;
    add_peer(4, 100)->filters.disconnect_error = SPV_ERR_FILTER_ANSWER;
    (void)add_peer(5, 10);
    assert_int_equal(want(10, 1), 0);
    run();
    expect_request(5, 10);
    spv_filter_alternatives_mismatch(&alternatives, 5, 10);
    run();
    expect_none();
    assert_int_equal(next_missing(), 1);
}

static void so_many_requests_are_open_on_a_peer(void **state)
{
    const uint32_t n = SPV_FILTER_ALTERNATIVES_MAX_OPEN;

    (void)state;
    (void)add_peer(1, 100);
    for (uint32_t h = 1; h <= n + 1; h++)
        assert_int_equal(want(h, 1), 0);
    run();
    for (uint32_t h = 1; h <= n; h++)
        expect_request(1, h);
    expect_none();
    assert_int_equal(next_missing(), 0); /* it can be requested later */
    const struct spv_filter_hash hash = hash_of(1, 1);
    assert_true(spv_filter_alternatives_take(&alternatives, 1, &hash));
    run();
    expect_request(1, n + 1);
}

static void a_request_waits_for_an_open_one_of_the_same_height(void **state)
{
    (void)state;
    (void)add_peer(1, 100);
    struct spv_fetch_range *open = spv_fetch_ranges_add(&ranges, 1, 5, 10, SPV_FETCH_RANGE_SEGMENT);
    assert_non_null(open);
    assert_int_equal(want(10, 1), 0);
    run();
    expect_none();
    assert_int_equal(next_missing(), 0);
    spv_fetch_ranges_remove(&ranges, open);
    run();
    expect_request(1, 10);
}

static void a_filter_is_missing_after_so_many_peers(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= SPV_FILTER_ALTERNATIVES_MAX_PEERS + 1; id++)
        (void)add_peer(id, 100);
    assert_int_equal(want(10, 1), 0);
    for (uint64_t id = 1; id <= SPV_FILTER_ALTERNATIVES_MAX_PEERS; id++) {
        run();
        expect_request(id, 10);
        assert_int_equal(next_missing(), 0);
        spv_filter_alternatives_mismatch(&alternatives, id, 10);
    }
    run();
    expect_none();
    assert_int_equal(next_missing(), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        T(a_filter_is_wanted_once),
        T(the_list_is_bounded),
        T(a_filter_is_taken_by_its_height_and_hash),
        T(filters_above_a_fork_are_not_wanted_any_more),
        T(peers_are_asked_one_after_the_other),
        T(silence_of_twenty_seconds_means_that_another_peer_gets_the_request),
        T(only_peers_that_serve_filters_and_have_the_block_get_a_request),
        T(so_many_requests_are_open_on_a_peer),
        T(a_request_waits_for_an_open_one_of_the_same_height),
        T(a_filter_is_missing_after_so_many_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
