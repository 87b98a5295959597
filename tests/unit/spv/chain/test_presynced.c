/* A presynced branch may be longer than other side branches: a reorganisation of any depth can
 * be received in many messages, and the memory is released after it. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/u256.h"

#define DEEP 20000 /* more than the limit of side branches */
#define FORK 1000

static struct spv_params params;
static struct chain_fixture_headers best, rival; /* FORK + DEEP and one more; they fork at FORK */

static int set_up(void **state)
{
    (void)state;
    params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    best = chain_fixture_mined(&params, NULL, 0, FORK + DEEP, 600, 1);
    rival = chain_fixture_mined(&params, &best, FORK, DEEP + 1, 600, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    chain_fixture_headers_free(&best);
    chain_fixture_headers_free(&rival);
    return 0;
}

static struct spv_chain *in_best_chain(struct chain_fixture_store *s)
{
    struct spv_chain *c;

    chain_fixture_store_init(s, &params);
    const struct spv_chain_config cfg = {.params = &params, .header_db = chain_fixture_reader(s)};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    chain_fixture_feed_stored(c, s, &best, 0, best.n);
    return c;
}

/* Accepts headers[from..to) as presynced ones; returns the last result. */
static struct spv_accept_result accept(struct spv_chain *c, struct chain_fixture_store *s,
                                       const struct chain_fixture_headers *h, size_t from,
                                       size_t to)
{
    struct spv_accept_result v = {0};

    while (from < to) {
        const size_t n = to - from < SPV_MAX_HEADERS ? to - from : SPV_MAX_HEADERS;
        assert_int_equal(
            spv_chain_accept_presynced(c, &v, h->headers + from, n, chain_fixture_late), 0);
        assert_int_equal(v.error, 0);
        assert_int_equal(v.accepted, n);
        from += n;
        if (from < to) {
            assert_int_equal(v.update.kind, SPV_UPDATE_BRANCH);
            chain_fixture_store_apply(s, &v.update);
            spv_chain_stored(c);
        }
    }
    return v;
}

static void a_reorganisation_20000_deep_is_one_change(void **state)
{
    struct chain_fixture_store s;
    struct spv_chain *c = in_best_chain(&s);
    const size_t before = spv_chain_memory(c);
    struct spv_accept_result v = accept(c, &s, &rival, FORK, FORK + DEEP);
    (void)state;

    assert_int_equal(v.update.kind, SPV_UPDATE_BRANCH); /* equal work */
    spv_chain_stored(c);
    assert_true(spv_chain_has_presynced_branch(c));
    assert_int_equal(spv_chain_branch_headers(c), 0); /* within the limit */
    v = accept(c, &s, &rival, FORK + DEEP, FORK + DEEP + 1);
    assert_int_equal(v.update.kind, SPV_UPDATE_REORG);
    assert_int_equal(v.update.fork_height, FORK);
    assert_int_equal(v.update.removed, DEEP);
    assert_int_equal(v.update.n, DEEP + 1);
    assert_false(spv_chain_has_presynced_branch(c));
    chain_fixture_store_apply(&s, &v.update);
    spv_chain_stored(c);
    /* and its memory is released */
    assert_int_equal(spv_chain_branch_headers(c), 0);
    assert_true(spv_chain_memory(c) <= before + SPV_CHAIN_BRANCH_HEADERS * 144);
    const struct spv_blockhash tip = chain_fixture_hash(&rival.headers[FORK + DEEP]);
    assert_memory_equal(&spv_chain_tip(c)->hash, &tip, sizeof tip);
    spv_chain_free(c);
    chain_fixture_store_free(&s);
}

static void the_presynced_branch_is_bounded_after_its_release(void **state)
{
    struct chain_fixture_store s;
    struct spv_chain *c = in_best_chain(&s);
    struct spv_accept_result v;
    (void)state;

    for (size_t at = FORK;; at += SPV_MAX_HEADERS) {
        assert_int_equal(
            spv_chain_accept(c, &v, rival.headers + at, SPV_MAX_HEADERS, chain_fixture_late), 0);
        spv_chain_stored(c);
        if (v.error != 0)
            break;
    }
    assert_int_equal(v.error, SPV_ERR_CHAIN_BRANCHES);
    assert_int_equal(v.accepted, 0);
    assert_int_equal(spv_chain_branch_headers(c), 16000);
    /* presynced, it continues from its current height */
    v = accept(c, &s, &rival, FORK + 16000, FORK + DEEP + 1);
    assert_int_equal(v.update.kind, SPV_UPDATE_REORG);
    spv_chain_free(c);
    chain_fixture_store_free(&s);
}

static void a_forsaken_branch_is_bounded_again(void **state)
{
    struct chain_fixture_store s;
    struct spv_chain *c = in_best_chain(&s);
    const size_t before = spv_chain_memory(c);
    (void)state;

    (void)accept(c, &s, &rival, FORK, FORK + 16384);
    spv_chain_stored(c);
    spv_chain_release_presynced_branch(c); /* within the limit: it stays */
    assert_false(spv_chain_has_presynced_branch(c));
    assert_int_equal(spv_chain_branch_headers(c), 16384);
    (void)accept(c, &s, &rival, FORK + 16384, FORK + 16385);
    spv_chain_stored(c);
    assert_true(spv_chain_has_presynced_branch(c));
    spv_chain_release_presynced_branch(c); /* beyond it: it is dropped */
    assert_int_equal(spv_chain_branch_headers(c), 0);
    assert_int_equal(spv_chain_memory(c), before);
    spv_chain_free(c);
    chain_fixture_store_free(&s);
}

/* Another branch is presynced while the first has too little work: only one branch may exceed
 * the limit. */
static void only_one_branch_is_beyond_the_bound(void **state)
{
    struct chain_fixture_headers third = chain_fixture_mined(&params, &best, FORK, 30, 600, 3);
    struct chain_fixture_store s;
    struct spv_chain *c = in_best_chain(&s);
    (void)state;

    (void)accept(c, &s, &rival, FORK, FORK + 18000);
    spv_chain_stored(c);
    (void)accept(c, &s, &third, FORK, FORK + 20);
    spv_chain_stored(c);
    assert_int_equal(spv_chain_branch_headers(c), 0); /* the first was dropped */
    assert_true(spv_chain_has_presynced_branch(c));
    /* a header that extends the presynced branch needs no capacity check; others do */
    struct spv_accept_result v;
    assert_int_equal(spv_chain_accept(c, &v, third.headers + FORK + 20, 10, chain_fixture_late), 0);
    assert_int_equal(v.accepted, 10);
    spv_chain_stored(c);
    assert_int_equal(spv_chain_branch_headers(c), 0);
    spv_chain_free(c);
    chain_fixture_store_free(&s);
    chain_fixture_headers_free(&third);
}

/* All slots are used by branches with more work: the weakest is dropped for a presynced one. */
static void a_proven_branch_finds_a_slot(void **state)
{
    struct chain_fixture_store s;
    struct spv_chain *c = in_best_chain(&s);
    struct chain_fixture_headers weak = chain_fixture_mined(&params, &best, FORK, 10, 600, 3);
    struct spv_accept_result v;
    (void)state;

    for (uint32_t i = 0; i < SPV_CHAIN_BRANCHES; i++) {
        struct chain_fixture_headers b =
            chain_fixture_mined(&params, &best, FORK + 20, 20 + i, 600, 100 + i);
        assert_int_equal(spv_chain_accept(c, &v, b.headers + FORK + 20, 20 + i, chain_fixture_late),
                         0);
        assert_int_equal(v.error, 0);
        spv_chain_stored(c);
        chain_fixture_headers_free(&b);
    }
    assert_int_equal(spv_chain_accept(c, &v, weak.headers + FORK, 10, chain_fixture_late), 0);
    assert_int_equal(v.error, SPV_ERR_CHAIN_BRANCHES);
    (void)accept(c, &s, &weak, FORK, FORK + 10);
    spv_chain_stored(c);
    assert_true(spv_chain_has_presynced_branch(c));
    /* no branch with more work replaces it */
    struct chain_fixture_headers b = chain_fixture_mined(&params, &best, FORK + 20, 60, 600, 200);
    assert_int_equal(spv_chain_accept(c, &v, b.headers + FORK + 20, 60, chain_fixture_late), 0);
    assert_int_equal(v.error, 0);
    assert_true(spv_chain_has_presynced_branch(c));
    const struct spv_blockhash end = chain_fixture_hash(&weak.headers[FORK + 9]);
    struct spv_chain_header record;
    assert_int_equal(spv_chain_find(c, &record, NULL, &end), 1);
    chain_fixture_headers_free(&b);
    spv_chain_free(c);
    chain_fixture_store_free(&s);
    chain_fixture_headers_free(&weak);
}

static void where_headers_attach(void **state)
{
    struct chain_fixture_store s;
    struct spv_chain *c = in_best_chain(&s);
    struct chain_fixture_headers far = chain_fixture_mined(&params, NULL, 0, 5, 600, 9);
    struct spv_chain_pos place;
    size_t known;
    (void)state;

    /* on the tip, at a fork, inside a branch, all known, nothing known */
    struct spv_header next = chain_fixture_next(c, 600);
    assert_int_equal(spv_chain_find_fork_point(c, &place, &known, &next, 1), 1);
    assert_int_equal(place.height, FORK + DEEP);
    assert_int_equal(known, 0);
    assert_int_equal(spv_chain_find_fork_point(c, &place, &known, rival.headers + FORK - 20, 100),
                     1);
    assert_int_equal(place.height, FORK);
    assert_int_equal(place.branch, SPV_MAIN_CHAIN);
    assert_int_equal(known, 20);
    chain_fixture_feed(c, &rival, FORK, FORK + 30);
    assert_int_equal(spv_chain_find_fork_point(c, &place, &known, rival.headers + FORK - 20, 100),
                     1);
    assert_int_equal(place.height, FORK + 30);
    assert_int_not_equal(place.branch, SPV_MAIN_CHAIN);
    assert_int_equal(known, 50);
    assert_int_equal(spv_chain_find_fork_point(c, &place, &known, rival.headers, 50), 1);
    assert_int_equal(known, 50);
    assert_int_equal(spv_chain_find_fork_point(c, &place, &known, far.headers + 1, 4), 0);
    /* a message whose links break counts up to the break */
    struct spv_header broken[2] = {best.headers[10], best.headers[12]};
    assert_int_equal(spv_chain_find_fork_point(c, &place, &known, broken, 2), 1);
    assert_int_equal(known, 1);
    assert_int_equal(place.height, 11);
    spv_chain_free(c);
    chain_fixture_headers_free(&far);
    chain_fixture_store_free(&s);
}

static void checkpoints_cover_what_is_below_the_last(void **state)
{
    struct spv_checkpoint checkpoints[2] = {{.height = 100}, {.height = 200}};
    struct spv_chain_config cfg = {
        .params = &params, .checkpoints = checkpoints, .n_checkpoints = 2};
    struct spv_chain *c;
    (void)state;

    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_true(spv_chain_below_checkpoint(c, 0));
    assert_true(spv_chain_below_checkpoint(c, 199));
    assert_false(spv_chain_below_checkpoint(c, 200));
    spv_chain_free(c);
    cfg.checkpoint_mode = SPV_CHECKPOINTS_IGNORED;
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_false(spv_chain_below_checkpoint(c, 0));
    spv_chain_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reorganisation_20000_deep_is_one_change),
        cmocka_unit_test(the_presynced_branch_is_bounded_after_its_release),
        cmocka_unit_test(a_forsaken_branch_is_bounded_again),
        cmocka_unit_test(only_one_branch_is_beyond_the_bound),
        cmocka_unit_test(a_proven_branch_finds_a_slot),
        cmocka_unit_test(where_headers_attach),
        cmocka_unit_test(checkpoints_cover_what_is_below_the_last),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
