/* Which filters are requested from which peer, and which answers count. */
#include "scan_fixture.h"

#include "support/unit.h"

#include "spv/filters/fetch_ranges.h"

/* A fetcher of its own, with the chain, database and peers of the scan's fixture. */
struct fixture {
    struct scan_fixture chain;
    struct spv_filter_fetch *fetch;
    size_t n_requests;
    struct {
        uint64_t peer;
        uint32_t start, stop;
    } requests[256];
    uint32_t handed_on[SCAN_FIXTURE_BLOCKS + 1]; /* times, by height */
    int drop_error;
    uint64_t dropped;
};

static void pull(struct fixture *f)
{
    struct spv_effect e;

    while (spv_effects_pop(&f->chain.effects, &e) == 1) {
        uint32_t stop = 1;
        assert_int_equal(e.kind, SPV_EFFECT_SEND);
        assert_int_equal(e.message.command, SPV_CMD_GETCFILTERS);
        while (!spv_blockhash_eq(&f->chain.blocks[stop].hash, &e.message.u.getcfilters.stop))
            stop++;
        assert_true(f->n_requests < COUNT(f->requests));
        f->requests[f->n_requests].peer = e.peer;
        f->requests[f->n_requests].start = e.message.u.getcfilters.start;
        f->requests[f->n_requests++].stop = stop;
    }
}

static void open_fixture(struct fixture *f, uint32_t tip)
{
    memset(f, 0, sizeof *f);
    scan_fixture_open(&f->chain, tip);
    const struct spv_filter_fetch_config cfg = {.params = spv_params_get(SPV_REGTEST),
                                                .chain = f->chain.chain,
                                                .peers = &f->chain.table,
                                                .effects = &f->chain.effects,
                                                .filter_db = scan_fixture_db(&f->chain),
                                                .knowledge = scan_fixture_knowledge(&f->chain)};
    assert_int_equal(spv_filter_fetch_new(&f->fetch, &cfg), 0);
}

static void close_fixture(struct fixture *f)
{
    spv_filter_fetch_free(f->fetch);
    scan_fixture_close(&f->chain);
}

static void add_peer_of(struct fixture *f, uint64_t id, uint64_t services, uint32_t shown)
{
    struct spv_peer_entry *p = spv_peer_table_add(&f->chain.table, id);

    assert_non_null(p);
    p->group = id;
    p->services = services;
    p->filters = (struct spv_filter_peer){.added = true, .best_known_height = shown};
    assert_int_equal(spv_filter_fetch_add(f->fetch, id, f->chain.now), 0);
    pull(f);
}

static void add_peer(struct fixture *f, uint64_t id)
{
    add_peer_of(f, id, SCAN_FIXTURE_FULL, f->chain.tip);
}

static void begin(struct fixture *f, uint32_t first, uint32_t last)
{
    assert_int_equal(spv_filter_fetch_begin(f->fetch, first, last, f->chain.now), 0);
    pull(f);
}

static int give_filter(struct fixture *f, uint64_t id, uint32_t height,
                       const struct fixture_filter *filter)
{
    struct spv_fetched_filter out;
    const struct spv_msg_cfilter msg = {.type = SPV_FILTER_BASIC,
                                        .block = f->chain.blocks[height].hash,
                                        .filter = filter->bytes,
                                        .n = filter->n};
    const int rc = spv_filter_fetch_recv(f->fetch, &out, id, &msg, f->chain.now);

    if (rc == SPV_FILTER_USED) {
        assert_int_equal(out.height, height);
        f->handed_on[height]++;
    }
    pull(f);
    struct spv_disconnect drop;
    while (spv_filter_fetch_next_disconnect(f->fetch, &drop)) {
        f->dropped = drop.id;
        f->drop_error = drop.error;
    }
    return rc;
}

static int give(struct fixture *f, uint64_t id, uint32_t height)
{
    return give_filter(f, id, height, &f->chain.filters[height]);
}

static void give_range(struct fixture *f, uint64_t id, uint32_t start, uint32_t stop)
{
    for (uint32_t h = start; h <= stop; h++)
        assert_int_equal(give(f, id, h), SPV_FILTER_USED);
}

static void wait_us(struct fixture *f, uint64_t us)
{
    f->chain.now.mono_us += us;
    assert_int_equal(spv_filter_fetch_timer(f->fetch, f->chain.now), 0);
    pull(f);
}

static size_t count_of_peer(const struct fixture *f, uint64_t id)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_requests; i++)
        n += f->requests[i].peer == id;
    return n;
}

static void a_range_is_cut_by_the_size_of_filters_and_nothing_overlaps(void **state)
{
    struct fixture f;
    uint32_t next = 5;

    (void)state;
    open_fixture(&f, 300);
    add_peer(&f, 1);
    begin(&f, 5, 300);
    assert_int_equal(f.n_requests,
                     SPV_FILTER_FETCH_MAX_OPEN); /* of 13 filters: 20 kB each, it thinks */
    for (size_t i = 0; i < f.n_requests; i++) {
        assert_int_equal(f.requests[i].start, next);
        assert_int_equal(f.requests[i].stop, next + 12);
        next = f.requests[i].stop + 1;
    }
    for (size_t i = 0; i < f.n_requests; i++)
        give_range(&f, 1, f.requests[i].start, f.requests[i].stop);
    assert_true(spv_filter_fetch_done(f.fetch));
    assert_int_equal(f.requests[f.n_requests - 1].stop, 300);
    for (uint32_t h = 1; h <= 300; h++)
        assert_int_equal(f.handed_on[h], h >= 5);
    /* they were small: the next requests are for more of them */
    f.n_requests = 0;
    begin(&f, 1, 300);
    assert_true(f.requests[0].stop > 13);
    assert_in_range(f.requests[0].stop, 14, SPV_FILTER_FETCH_REQUEST_FILTERS);
    close_fixture(&f);
}

static void filters_are_attributed_by_their_block_in_any_order(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 26);
    add_peer(&f, 1);
    begin(&f, 1, 26);
    for (uint32_t h = 26; h > 1; h--)
        assert_int_equal(give(&f, 1, h), SPV_FILTER_USED);
    assert_false(spv_filter_fetch_done(f.fetch));
    assert_int_equal(give(&f, 1, 20), SPV_FILTER_UNSOLICITED); /* twice: its request is done, ... */
    assert_int_equal(give(&f, 1, 5), SPV_FILTER_UNSOLICITED); /* ... this one's is not */
    assert_int_equal(give(&f, 1, 1), SPV_FILTER_USED);
    assert_true(spv_filter_fetch_done(f.fetch));
    assert_int_equal(give(&f, 1, 1), SPV_FILTER_UNSOLICITED);
    assert_int_equal(give(&f, 9, 1), SPV_FILTER_UNSOLICITED); /* no such peer */
    close_fixture(&f);
}

static void another_type_of_filter_is_no_answer(void **state)
{
    struct spv_fetched_filter out;
    struct fixture f;

    (void)state;
    open_fixture(&f, 13);
    add_peer(&f, 1);
    begin(&f, 1, 13);
    const struct spv_msg_cfilter msg = {.type = 1,
                                        .block = f.chain.blocks[1].hash,
                                        .filter = f.chain.filters[1].bytes,
                                        .n = f.chain.filters[1].n};
    assert_int_equal(spv_filter_fetch_recv(f.fetch, &out, 1, &msg, f.chain.now),
                     SPV_FILTER_UNSOLICITED);
    close_fixture(&f);
}

static void only_peers_that_serve_filters_and_have_the_block_get_requests(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 100);
    begin(&f, 88, 100);
    add_peer_of(&f, 1, SPV_NODE_NETWORK | SPV_NODE_WITNESS, 100);
    add_peer_of(&f, 2, SCAN_FIXTURE_FULL, 99);
    assert_int_equal(f.n_requests, 0);
    spv_peer_table_find(&f.chain.table, 2)->filters.best_known_height = 100;
    assert_int_equal(spv_filter_fetch_schedule(f.fetch, f.chain.now), 0);
    pull(&f);
    assert_int_equal(count_of_peer(&f, 2), 1);
    close_fixture(&f);
}

static void requests_are_spread_and_those_of_a_lost_peer_go_to_another(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 400);
    add_peer(&f, 1);
    add_peer(&f, 2);
    begin(&f, 1, 400);
    assert_int_equal(count_of_peer(&f, 1) + count_of_peer(&f, 2), 31);
    assert_true(count_of_peer(&f, 1) > 0 && count_of_peer(&f, 2) > 0);
    assert_int_equal(spv_filter_fetch_remove(f.fetch, 1, f.chain.now), 0);
    spv_peer_table_remove(&f.chain.table, 1);
    pull(&f);
    for (size_t i = 0; i < f.n_requests; i++)
        if (f.requests[i].peer == 2)
            give_range(&f, 2, f.requests[i].start, f.requests[i].stop);
    assert_true(spv_filter_fetch_done(f.fetch));
    for (uint32_t h = 1; h <= 400; h++)
        assert_int_equal(f.handed_on[h], 1);
    close_fixture(&f);
}

static void a_filter_that_no_header_commits_to_is_useless_or_a_contradiction(void **state)
{
    (void)state;
    for (int committed = 0; committed < 2; committed++) {
        struct fixture f;
        open_fixture(&f, 13);
        scan_fixture_make_other(&f.chain, 7, 70);
        f.chain.committed = committed != 0;
        add_peer(&f, 1);
        begin(&f, 1, 13);
        add_peer(&f, 2);
        assert_int_equal(f.n_requests, 1);
        assert_int_equal(give_filter(&f, 1, 7, &f.chain.other), SPV_FILTER_USELESS);
        assert_int_equal(f.dropped, 1);
        assert_int_equal(f.drop_error,
                         committed ? SPV_ERR_FILTER_CONTRADICTION : SPV_ERR_FILTER_HASH);
        assert_int_equal(f.n_requests, 2); /* another peer is asked */
        assert_int_equal(f.requests[1].peer, 2);
        assert_int_equal(give(&f, 1, 8), SPV_FILTER_USELESS);
        give_range(&f, 2, 1, 13);
        assert_true(spv_filter_fetch_done(f.fetch));
        close_fixture(&f);
    }
}

static void a_filter_of_another_block_is_not_what_its_header_commits_to(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 13);
    add_peer(&f, 1);
    begin(&f, 1, 13);
    assert_int_equal(give_filter(&f, 1, 7, &f.chain.filters[8]), SPV_FILTER_USELESS);
    assert_int_equal(f.drop_error, SPV_ERR_FILTER_HASH);
    close_fixture(&f);
}

static void requests_open_to_a_peer_do_not_overlap(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 13);
    add_peer(&f, 1);
    begin(&f, 1, 13);
    begin(&f, 3, 12);
    assert_int_equal(f.n_requests, 1);
    give_range(&f, 1, 1, 13);
    assert_int_equal(f.n_requests, 2);
    assert_int_equal(f.requests[1].start, 3);
    assert_int_equal(f.requests[1].stop, 12);
    close_fixture(&f);
}

static void silence_is_no_fault_and_another_peer_is_asked(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 13);
    add_peer(&f, 1);
    begin(&f, 1, 13);
    add_peer(&f, 2);
    give_range(&f, 1, 1, 5); /* and no more */
    wait_us(&f, SPV_SEGMENTS_TIMEOUT_US);
    assert_int_equal(count_of_peer(&f, 2), 1);
    assert_int_equal(f.drop_error, 0);
    for (uint32_t h = 1; h <= 13; h++)
        assert_int_equal(give(&f, 2, h), SPV_FILTER_USED);
    assert_true(spv_filter_fetch_done(f.fetch));
    assert_int_equal(give(&f, 1, 6), SPV_FILTER_USED); /* late, but requested */
    assert_int_equal(f.drop_error, 0);
    close_fixture(&f);
}

static void a_silent_peer_is_asked_again_after_a_while(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 13);
    add_peer(&f, 1);
    begin(&f, 1, 13);
    wait_us(&f, SPV_SEGMENTS_LONE_PEER_FACTOR * SPV_SEGMENTS_TIMEOUT_US);
    assert_int_equal(f.n_requests, 1);
    wait_us(&f, SPV_SEGMENTS_BEHIND_US);
    assert_int_equal(f.n_requests, 2);
    give_range(&f, 1, 1, 13); /* the answer to one of the requests, ... */
    assert_true(spv_filter_fetch_done(f.fetch));
    for (uint32_t h = 1; h <= 13; h++) /* ... and to the other one */
        assert_int_equal(give(&f, 1, h), SPV_FILTER_USED);
    assert_int_equal(give(&f, 1, 1), SPV_FILTER_UNSOLICITED);
    close_fixture(&f);
}

static void nothing_above_the_ceiling_is_requested_but_for_the_lowest(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 100);
    assert_int_equal(spv_filter_fetch_limit(f.fetch, 1, 0, f.chain.now), 0);
    add_peer(&f, 1);
    begin(&f, 1, 100);
    assert_int_equal(f.n_requests, 1); /* has the lowest */
    assert_int_equal(f.requests[0].start, 1);
    assert_int_equal(spv_filter_fetch_limit(f.fetch, 1, 30, f.chain.now), 0);
    pull(&f);
    assert_int_equal(f.n_requests, 2);
    assert_int_equal(f.requests[1].stop, 26);
    assert_int_equal(spv_filter_fetch_limit(f.fetch, 1, 100, f.chain.now), 0);
    pull(&f);
    assert_int_equal(f.n_requests, 8);
    close_fixture(&f);
}

static void answers_to_requests_of_other_headers_prove_nothing(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 13);
    scan_fixture_make_other(&f.chain, 7, 70);
    f.chain.committed = true;
    add_peer(&f, 1);
    begin(&f, 1, 13);
    spv_filter_fetch_rollback(f.fetch, 5);
    assert_true(spv_filter_fetch_done(f.fetch));
    assert_int_equal(give_filter(&f, 1, 7, &f.chain.other), SPV_FILTER_USELESS);
    assert_int_equal(f.drop_error, 0);
    begin(&f, 6, 13);
    assert_int_equal(f.n_requests, 2);
    give_range(&f, 1, 6, 13);
    assert_true(spv_filter_fetch_done(f.fetch));
    close_fixture(&f);
}

static void filters_of_another_branch_are_asked_of_one_peer_after_the_other(void **state)
{
    struct spv_filter_hash hash;
    struct fixture f;
    uint32_t height;

    (void)state;
    open_fixture(&f, 13);
    scan_fixture_make_other(&f.chain, 7, 70);
    f.chain.conflict_height = 7;
    add_peer(&f, 1);
    add_peer(&f, 2);
    assert_int_equal(
        spv_filter_fetch_want_alternative(f.fetch, 7, &f.chain.other.hash, f.chain.now), 0);
    assert_int_equal(
        spv_filter_fetch_want_alternative(f.fetch, 7, &f.chain.other.hash, f.chain.now), 0);
    pull(&f);
    assert_int_equal(f.n_requests, 1);
    assert_int_equal(f.requests[0].start, 7);
    assert_int_equal(f.requests[0].stop, 7);
    assert_int_equal(give(&f, f.requests[0].peer, 7), SPV_FILTER_USELESS); /* the stored one */
    assert_int_equal(f.n_requests, 2);
    assert_int_not_equal(f.requests[0].peer, f.requests[1].peer);
    assert_int_equal(spv_filter_fetch_next_missing(f.fetch, &height, &hash), 0);
    assert_int_equal(give_filter(&f, f.requests[1].peer, 7, &f.chain.other), SPV_FILTER_USED);
    assert_int_equal(f.drop_error, 0);
    /* it has come: nothing is missing */
    assert_int_equal(spv_filter_fetch_next_missing(f.fetch, &height, &hash), 0);
    close_fixture(&f);
}

static void a_filter_that_no_peer_sends_is_missing(void **state)
{
    struct spv_filter_hash hash;
    struct fixture f;
    uint32_t height = 0;

    (void)state;
    open_fixture(&f, 13);
    scan_fixture_make_other(&f.chain, 7, 70);
    f.chain.conflict_height = 7;
    add_peer(&f, 1);
    add_peer(&f, 2);
    assert_int_equal(
        spv_filter_fetch_want_alternative(f.fetch, 7, &f.chain.other.hash, f.chain.now), 0);
    pull(&f);
    assert_int_equal(give(&f, f.requests[0].peer, 7), SPV_FILTER_USELESS);
    wait_us(&f, SPV_FILTER_ALTERNATIVES_TIMEOUT_US); /* the second one is silent */
    assert_int_equal(f.n_requests, 2);
    assert_int_equal(spv_filter_fetch_next_missing(f.fetch, &height, &hash), 1);
    assert_int_equal(height, 7);
    assert_memory_equal(hash.b, f.chain.other.hash.b, 32);
    assert_int_equal(spv_filter_fetch_next_missing(f.fetch, &height, &hash), 0);
    close_fixture(&f);
}

static void kept_filters_are_read_in_runs(void **state)
{
    struct spv_fetched_filter out;
    struct fixture f;
    uint32_t next = 11;

    (void)state;
    open_fixture(&f, 40);
    f.chain.kept_first = 11;
    f.chain.kept_last = 30;
    add_peer(&f, 1);
    begin(&f, 1, 40);
    assert_int_equal(f.n_requests, 1);
    assert_int_equal(f.requests[0].stop, 10);
    assert_int_equal(spv_filter_fetch_read(f.fetch, &out, f.chain.now), 0);
    give_range(&f, 1, 1, 10);
    assert_int_equal(spv_filter_fetch_limit(f.fetch, 11, 20, f.chain.now), 0);
    while (spv_filter_fetch_read(f.fetch, &out, f.chain.now) == 1) {
        assert_int_equal(out.height, next++);
        assert_true(out.is_kept);
        assert_memory_equal(out.filter.block.b, f.chain.blocks[out.height].hash.b, 32);
        assert_memory_equal(out.hash.b, f.chain.filters[out.height].hash.b, 32);
    }
    assert_int_equal(next, 21);
    assert_int_equal(spv_filter_fetch_limit(f.fetch, 21, 40, f.chain.now), 0);
    while (spv_filter_fetch_read(f.fetch, &out, f.chain.now) == 1)
        assert_int_equal(out.height, next++);
    assert_int_equal(next, 31);
    pull(&f);
    assert_int_equal(f.n_requests, 2);
    assert_int_equal(f.requests[1].start, 31);
    give_range(&f, 1, 31, 40);
    assert_true(spv_filter_fetch_done(f.fetch));
    close_fixture(&f);
}

static void late_ranges_of_a_peer_are_bounded(void **state)
{
    struct spv_fetch_ranges r = {0};
    unsigned n = 0;

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        assert_non_null(spv_fetch_ranges_add(&r, 1 + i % 2, i + 1, 1, SPV_FETCH_RANGE_SEGMENT));
        spv_fetch_ranges_set_late(&r, 1, SPV_FETCH_RANGE_SEGMENT);
    }
    for (const struct spv_fetch_range *range = r.oldest; range; range = range->next) {
        assert_int_equal(range->late, range->peer == 1);
        n += range->late;
    }
    assert_int_equal(n, SPV_FETCH_MAX_LATE);
    assert_true(spv_fetch_ranges_overlap(&r, 2, 1, 40));
    assert_false(spv_fetch_ranges_overlap(&r, 1, 1, 40)); /* late ones do not count */
    assert_false(spv_fetch_ranges_overlap(&r, 2, 41, 50));
    spv_fetch_ranges_remove_peer(&r, 2);
    assert_false(spv_fetch_ranges_overlap(&r, 2, 1, 40));
    spv_fetch_ranges_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_cut_by_the_size_of_filters_and_nothing_overlaps),
        cmocka_unit_test(filters_are_attributed_by_their_block_in_any_order),
        cmocka_unit_test(another_type_of_filter_is_no_answer),
        cmocka_unit_test(only_peers_that_serve_filters_and_have_the_block_get_requests),
        cmocka_unit_test(requests_are_spread_and_those_of_a_lost_peer_go_to_another),
        cmocka_unit_test(a_filter_that_no_header_commits_to_is_useless_or_a_contradiction),
        cmocka_unit_test(a_filter_of_another_block_is_not_what_its_header_commits_to),
        cmocka_unit_test(requests_open_to_a_peer_do_not_overlap),
        cmocka_unit_test(silence_is_no_fault_and_another_peer_is_asked),
        cmocka_unit_test(a_silent_peer_is_asked_again_after_a_while),
        cmocka_unit_test(nothing_above_the_ceiling_is_requested_but_for_the_lowest),
        cmocka_unit_test(answers_to_requests_of_other_headers_prove_nothing),
        cmocka_unit_test(filters_of_another_branch_are_asked_of_one_peer_after_the_other),
        cmocka_unit_test(a_filter_that_no_peer_sends_is_missing),
        cmocka_unit_test(kept_filters_are_read_in_runs),
        cmocka_unit_test(late_ranges_of_a_peer_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
