/* PRESYNC and REDOWNLOAD: where each begins and ends, which headers are released, which errors
 * are detected, and what it costs. */
#include "spv/sync/presync.h"

#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "support/random.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/u256.h"

#define LONG 40000 /* headers: some 40 periods over what is held */

/* A generator whose output the test sets: two keys and the offset, repeated. */
struct fixed {
    uint64_t values[3];
    unsigned next;
};

static void fixed_fill(void *ctx, void *out, size_t n)
{
    struct fixed *f = ctx;

    assert_int_equal(n, sizeof f->values[0]);
    memcpy(out, &f->values[f->next], n);
    f->next = (f->next + 1) % 3;
}

static struct spv_params params;
static struct spv_header_ctx genesis; /* the context for height 1 */
static struct chain_fixture_headers chain, other; /* LONG headers each, nothing in common */

static int set_up(void **state)
{
    struct spv_chain *c;
    (void)state;

    params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    c = chain_fixture_chain(&params);
    genesis = c->tip;
    spv_chain_free(c);
    chain = chain_fixture_mined(&params, NULL, 0, LONG, 600, 1);
    other = chain_fixture_mined(&params, NULL, 0, LONG, 600, 2);
    genesis.params = &params;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    chain_fixture_headers_free(&chain);
    chain_fixture_headers_free(&other);
    return 0;
}

/* The work of genesis and n headers after it: each is worth 2. */
static struct spv_u256 work_of(uint32_t n)
{
    return spv_u256_from_u64(2 * ((uint64_t)n + 1));
}

static void begin_fixed(struct spv_presync *p, uint32_t n, uint32_t offset, uint64_t key)
{
    struct fixed f = {.values = {key, 7, offset}};
    const struct spv_u256 threshold = work_of(n);

    spv_presync_begin(p, &genesis, &threshold, (struct spv_rng){fixed_fill, &f},
                      chain_fixture_late);
}

/* Passes headers[from..to) in messages and checks that all are accepted; released headers go to
 * *out. */
static void give(struct spv_presync *p, const struct chain_fixture_headers *h, size_t from,
                 size_t to, struct chain_fixture_headers *out)
{
    while (from < to) {
        const size_t n = to - from < SPV_MAX_HEADERS ? to - from : SPV_MAX_HEADERS;
        struct spv_header let[512];
        size_t taken;
        size_t got;
        assert_int_equal(spv_presync_take(p, &taken, h->headers + from, n, chain_fixture_late), 0);
        assert_int_equal(taken, n);
        while ((got = spv_presync_pop_ready(p, let, 512)) > 0)
            for (size_t i = 0; i < got; i++)
                chain_fixture_push(out, &let[i]);
        assert_int_equal(spv_presync_n_ready(p), 0);
        from += n;
    }
}

static void assert_same(const struct chain_fixture_headers *out,
                        const struct chain_fixture_headers *h, size_t n)
{
    assert_int_equal(out->n, n);
    assert_memory_equal(out->headers, h->headers, n * sizeof *h->headers);
}

static void a_chain_with_enough_work_comes_out_in_the_second_pass(void **state)
{
    struct spv_presync p = {0};
    struct chain_fixture_headers out = {0};
    (void)state;

    begin_fixed(&p, 100, 50, 1);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_PRESYNC);
    assert_memory_equal(spv_presync_last(&p), &genesis.hash, sizeof genesis.hash);
    give(&p, &chain, 0, 99, &out);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_PRESYNC); /* one header short */
    assert_memory_equal(spv_presync_last(&p), &chain.headers[99].prev, 32);
    give(&p, &chain, 99, 100, &out);
    assert_int_equal(p.phase,
                     SPV_PRESYNC_PHASE_REDOWNLOAD); /* as much as the threshold is enough */
    assert_memory_equal(spv_presync_last(&p), &genesis.hash, sizeof genesis.hash);
    assert_int_equal(out.n, 0);
    give(&p, &chain, 0, 99, &out);
    assert_int_equal(out.n, 0);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_REDOWNLOAD);
    give(&p, &chain, 99, 100, &out);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_FINAL);
    assert_same(&out, &chain, 100);
    spv_presync_end(&p);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_OFF);
    chain_fixture_headers_free(&out);
}

static void a_pass_ends_at_the_header_that_reaches_the_threshold(void **state)
{
    struct spv_presync p = {0};
    struct spv_header let[100];
    size_t taken;
    (void)state;

    begin_fixed(&p, 60, 50, 1);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(spv_presync_take(&p, &taken, chain.headers, 100, chain_fixture_late), 0);
        assert_int_equal(taken, 60);
    }
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_FINAL);
    assert_int_equal(spv_presync_n_ready(&p), 60);
    assert_int_equal(spv_presync_pop_ready(&p, let, 25), 25);
    assert_int_equal(spv_presync_pop_ready(&p, let + 25, 75), 35);
    assert_memory_equal(let, chain.headers, 60 * sizeof *let);
    spv_presync_end(&p);
}

static void a_long_chain_is_let_out_24_commitments_behind(void **state)
{
    struct spv_presync p = {0};
    struct chain_fixture_headers out = {0};
    (void)state;

    begin_fixed(&p, LONG, 0, 1);
    give(&p, &chain, 0, LONG, &out);
    assert_int_equal(out.n, 0);
    assert_int_equal(p.n_bits, LONG / SPV_PRESYNC_PERIOD);
    assert_true(spv_presync_memory(&p) < 1024);
    give(&p, &chain, 0, SPV_PRESYNC_REDOWNLOAD_BUF, &out);
    assert_int_equal(out.n, 0);
    give(&p, &chain, SPV_PRESYNC_REDOWNLOAD_BUF, SPV_PRESYNC_REDOWNLOAD_BUF + 1, &out);
    assert_int_equal(out.n, 1);
    give(&p, &chain, SPV_PRESYNC_REDOWNLOAD_BUF + 1, LONG - 1, &out);
    assert_int_equal(out.n, LONG - 1 - SPV_PRESYNC_REDOWNLOAD_BUF);
    assert_true(spv_presync_memory(&p) < 800 * 1024);
    assert_true(spv_presync_memory(&p) < SPV_PRESYNC_MEMORY);
    give(&p, &chain, LONG - 1, LONG, &out);
    assert_same(&out, &chain, LONG);
    assert_int_equal(p.next_bit, p.n_bits);
    spv_presync_end(&p);
    chain_fixture_headers_free(&out);
}

static void bits_are_where_the_offset_says_and_depend_on_the_key(void **state)
{
    struct spv_presync p = {0};
    struct spv_presync q = {0};
    struct chain_fixture_headers out = {0};
    (void)state;

    begin_fixed(&p, LONG, 599, 1);
    give(&p, &chain, 0, 598, &out);
    assert_int_equal(p.n_bits, 0);
    give(&p, &chain, 598, 599, &out); /* height 599 */
    assert_int_equal(p.n_bits, 1);
    give(&p, &chain, 599, 1198, &out);
    assert_int_equal(p.n_bits, 1);
    give(&p, &chain, 1198, 1199, &out);
    assert_int_equal(p.n_bits, 2);
    give(&p, &chain, 1199, LONG - 1, &out);
    begin_fixed(&q, LONG, 599, 2);
    give(&q, &chain, 0, LONG - 1, &out);
    assert_int_equal(q.n_bits, p.n_bits);
    assert_memory_not_equal(p.bits, q.bits, p.n_bits / 8); /* once in 2^64 */
    /* and both values occur */
    const uint8_t none[8] = {0};
    const uint8_t all[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    assert_memory_not_equal(p.bits, none, sizeof none);
    assert_memory_not_equal(p.bits, all, sizeof all);
    spv_presync_end(&p);
    spv_presync_end(&q);
}

/* REDOWNLOAD leaves PRESYNC's chain at `fork`: no header behind it may be released. */
static void junk_in_the_second_pass_never_comes_out(void **state)
{
    static const uint32_t forks[] = {0, 1, 599, 600, 14399, 14400, 14401, 20000, 39000};
    (void)state;

    for (uint64_t seed = 1; seed <= 9; seed++) {
        const uint32_t fork = forks[seed - 1];
        const struct spv_u256 threshold = work_of(LONG);
        struct chain_fixture_headers junk =
            chain_fixture_mined(&params, &chain, fork, LONG - fork, 601, seed + 10);
        struct test_random random = {seed};
        struct spv_presync p = {0};
        size_t out = 0;
        size_t at = 0;
        int rc = 0;
        print_message("seed %llu\n", (unsigned long long)seed);
        spv_presync_begin(&p, &genesis, &threshold, test_random_rng(&random), chain_fixture_late);
        struct chain_fixture_headers none = {0};
        give(&p, &chain, 0, LONG, &none);
        assert_int_equal(p.phase, SPV_PRESYNC_PHASE_REDOWNLOAD);
        while (rc == 0 && at < LONG) {
            static struct spv_header let[SPV_MAX_HEADERS];
            const size_t n = LONG - at < SPV_MAX_HEADERS ? LONG - at : SPV_MAX_HEADERS;
            size_t taken;
            rc = spv_presync_take(&p, &taken, junk.headers + at, n, chain_fixture_late);
            at += taken;
            if (rc == 0) {
                const size_t got = spv_presync_pop_ready(&p, let, SPV_MAX_HEADERS);
                assert_memory_equal(let, chain.headers + out, got * sizeof *let);
                out += got;
                assert_int_equal(spv_presync_n_ready(&p), 0);
            }
        }
        assert_int_equal(rc, SPV_ERR_REDOWNLOAD_MISMATCH);
        assert_true(out <= fork);
        spv_presync_end(&p);
        chain_fixture_headers_free(&junk);
    }
}

/* Where no commitment falls, the length decides: enough work must follow after as many headers. */
static void a_longer_second_chain_is_another_one(void **state)
{
    struct spv_params plain = chain_fixture_params(CHAIN_FIXTURE_PLAIN);
    struct chain_fixture_headers fast =
        chain_fixture_mined(&plain, NULL, 0, 40, 100, 1); /* harder and harder */
    struct chain_fixture_headers slow = chain_fixture_mined(&plain, NULL, 0, 300, 600, 2);
    struct fixed f = {.values = {1, 2, 599}};
    struct spv_chain *c = chain_fixture_chain(&plain);
    const struct spv_header_ctx start = c->tip;
    struct spv_presync p = {0};
    size_t taken;
    (void)state;

    chain_fixture_feed(c, &fast, 0, 40);
    spv_presync_begin(&p, &start, &spv_chain_tip(c)->work, (struct spv_rng){fixed_fill, &f},
                      chain_fixture_late);
    assert_int_equal(spv_presync_take(&p, &taken, fast.headers, 40, chain_fixture_late), 0);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_REDOWNLOAD);
    assert_int_equal(spv_presync_take(&p, &taken, slow.headers, 300, chain_fixture_late),
                     SPV_ERR_REDOWNLOAD_MISMATCH);
    assert_int_equal(taken, 40);
    assert_int_equal(spv_presync_n_ready(&p), 0);
    spv_presync_end(&p);
    spv_chain_free(c);
    chain_fixture_headers_free(&fast);
    chain_fixture_headers_free(&slow);
}

/* Header 50 of 100 is invalid: reported at its index, in PRESYNC and in REDOWNLOAD. */
static void every_rule_is_judged_in_both_passes(void **state)
{
    enum harm { BITS, POW, OLD, FUTURE, VERSION, DISORDER, HARMS };
    static const int errors[HARMS] = {SPV_ERR_HDR_BITS,     SPV_ERR_HDR_POW,
                                      SPV_ERR_HDR_TIME_OLD, SPV_ERR_HDR_TIME_FUTURE,
                                      SPV_ERR_HDR_VERSION,  SPV_ERR_HDR_NONCONTINUOUS};
    const struct spv_now now = {0, chain.headers[200].time};
    (void)state;

    for (int pass = 1; pass <= 2; pass++)
        for (enum harm harm = BITS; harm < HARMS; harm = (enum harm)(harm + 1)) {
            struct spv_header headers[100];
            struct spv_presync p = {0};
            size_t taken;
            memcpy(headers, chain.headers, sizeof headers);
            struct spv_header *h = &headers[50];
            switch (harm) {
            case BITS:
                h->bits = 0x207ffffe;
                chain_fixture_work(h);
                break;
            case POW:
                chain_fixture_miss(h);
                break;
            case OLD: /* the median of heights 40 to 50 */
                h->time = chain.headers[44].time;
                chain_fixture_work(h);
                break;
            case FUTURE:
                h->time = (uint32_t)now.unix_s + SPV_MAX_FUTURE + 1;
                chain_fixture_work(h);
                break;
            case VERSION:
                h->version = 1;
                chain_fixture_work(h);
                break;
            case DISORDER:
                *h = chain.headers[51];
                break;
            case HARMS:
                break;
            }
            begin_fixed(&p, 100, 599, 1);
            for (int i = 1; i < pass; i++)
                assert_int_equal(spv_presync_take(&p, &taken, chain.headers, 100, now), 0);
            assert_int_equal(spv_presync_take(&p, &taken, headers, 100, now), errors[harm]);
            assert_int_equal(taken, 50);
            assert_int_equal(spv_presync_n_ready(&p), 0);
            spv_presync_end(&p);
        }
}

static void two_hours_ahead_is_not_yet_the_future(void **state)
{
    const struct spv_now now = {0, (int64_t)chain.headers[0].time - SPV_MAX_FUTURE};
    struct spv_presync p = {0};
    size_t taken;
    (void)state;

    begin_fixed(&p, 100, 0, 1);
    assert_int_equal(spv_presync_take(&p, &taken, chain.headers, 1, now), 0);
    assert_int_equal(taken, 1);
    begin_fixed(&p, 100, 0, 1);
    assert_int_equal(
        spv_presync_take(&p, &taken, chain.headers, 1, (struct spv_now){0, now.unix_s - 1}),
        SPV_ERR_HDR_TIME_FUTURE);
    assert_int_equal(taken, 0);
    spv_presync_end(&p);
}

static void what_does_not_follow_changes_nothing(void **state)
{
    struct spv_presync p = {0};
    size_t taken;
    (void)state;

    begin_fixed(&p, 100, 0, 1);
    assert_int_equal(spv_presync_take(&p, &taken, chain.headers, 10, chain_fixture_late), 0);
    assert_int_equal(spv_presync_take(&p, &taken, other.headers, 20, chain_fixture_late),
                     SPV_ERR_HDR_UNCONNECTING);
    assert_int_equal(taken, 0);
    assert_int_equal(spv_presync_take(&p, &taken, chain.headers, 10, chain_fixture_late),
                     SPV_ERR_HDR_UNCONNECTING);
    assert_int_equal(spv_presync_take(&p, &taken, chain.headers + 10, 90, chain_fixture_late), 0);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_REDOWNLOAD);
    spv_presync_end(&p);
}

static void nothing_is_taken_while_something_waits_or_nothing_runs(void **state)
{
    struct spv_presync p = {0};
    struct spv_header let[10];
    size_t taken;
    (void)state;

    assert_int_equal(spv_presync_take(&p, &taken, chain.headers, 10, chain_fixture_late),
                     SPV_ERR_STATE);
    begin_fixed(&p, 10, 0, 1);
    assert_int_equal(
        spv_presync_take(&p, &taken, chain.headers, SPV_MAX_HEADERS + 1, chain_fixture_late),
        SPV_ERR_STATE);
    assert_int_equal(spv_presync_take(&p, &taken, chain.headers, 10, chain_fixture_late), 0);
    assert_int_equal(spv_presync_take(&p, &taken, chain.headers, 10, chain_fixture_late), 0);
    assert_int_equal(spv_presync_take(&p, &taken, chain.headers + 10, 1, chain_fixture_late),
                     SPV_ERR_STATE);
    assert_int_equal(spv_presync_pop_ready(&p, let, 10), 10);
    assert_int_equal(spv_presync_take(&p, &taken, chain.headers + 10, 1, chain_fixture_late),
                     SPV_ERR_STATE);
    /* during REDOWNLOAD, too: no capacity for more */
    struct chain_fixture_headers none = {0};
    begin_fixed(&p, LONG, 0, 1);
    give(&p, &chain, 0, LONG, &none);
    for (size_t at = 0; at < SPV_PRESYNC_REDOWNLOAD_BUF + 100; at += 2000)
        assert_int_equal(spv_presync_take(&p, &taken, chain.headers + at, 2000, chain_fixture_late),
                         0);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_REDOWNLOAD);
    assert_true(spv_presync_n_ready(&p) > 0);
    assert_int_equal(spv_presync_take(&p, &taken, chain.headers + 16000, 1, chain_fixture_late),
                     SPV_ERR_STATE);
    spv_presync_end(&p);
    spv_presync_end(&p); /* a second call has no effect */
}

/* As fast as the median time allows: at most six headers a second. */
static void time_bounds_the_length(void **state)
{
    struct spv_chain *c = chain_fixture_chain(&params);
    const uint32_t born = spv_chain_median_time(c);
    const struct spv_u256 threshold = work_of(LONG);
    struct chain_fixture_headers quick = {0};
    struct fixed f = {.values = {1, 2, 0}};
    struct spv_presync p = {0};
    size_t taken;
    (void)state;

    for (unsigned i = 0; i < 200; i++) {
        const uint32_t median = spv_chain_median_time(c);
        const struct spv_header next =
            chain_fixture_next(c, median + 1 - spv_chain_tip(c)->header.time);
        chain_fixture_push(&quick, &next);
        assert_int_equal(chain_fixture_accept(c, &next, chain_fixture_late), 0);
    }
    /* 20 seconds until two hours ahead: the rules themselves end it in time */
    const struct spv_now early = {0, (int64_t)born + 20 - SPV_MAX_FUTURE};
    const struct spv_now later = {0, early.unix_s + 3600};
    const struct spv_rng rng = {fixed_fill, &f};
    spv_presync_begin(&p, &genesis, &threshold, rng, early);
    assert_int_equal(spv_presync_take(&p, &taken, quick.headers, 200, early),
                     SPV_ERR_HDR_TIME_FUTURE);
    assert_true(taken > 100);
    assert_true(taken <= 120);
    /* and when our clock is set in between, the limit does */
    spv_presync_begin(&p, &genesis, &threshold, rng, early);
    assert_int_equal(spv_presync_take(&p, &taken, quick.headers, 200, later), SPV_ERR_LOW_WORK);
    assert_int_equal(taken, 120);
    /* a clock before the chain's start allows none */
    spv_presync_begin(&p, &genesis, &threshold, rng, (struct spv_now){0, 0});
    assert_int_equal(spv_presync_take(&p, &taken, quick.headers, 1, later), SPV_ERR_LOW_WORK);
    /* while our clock stands still, it is wrong, not the chain */
    spv_presync_begin(&p, &genesis, &threshold, rng, (struct spv_now){0, 0});
    assert_int_equal(spv_presync_take(&p, &taken, quick.headers, 1, (struct spv_now){0, 0}),
                     SPV_ERR_HDR_TIME_FUTURE);
    spv_presync_end(&p);
    spv_chain_free(c);
    chain_fixture_headers_free(&quick);
}

/* A chain may begin anywhere: the header context of its start has what the rules need. */
static void a_chain_may_begin_at_a_fork(void **state)
{
    struct spv_params plain = chain_fixture_params(CHAIN_FIXTURE_MIN_DIFFICULTY);
    struct chain_fixture_headers trunk = chain_fixture_uneven(&plain, NULL, 0, 95, 1);
    struct chain_fixture_headers fork = chain_fixture_uneven(&plain, &trunk, 83, 2000, 2);
    struct spv_chain *c = chain_fixture_chain(&plain);
    struct spv_chain *whole = chain_fixture_chain(&plain);
    struct fixed f = {.values = {1, 2, 90}};
    struct chain_fixture_headers out = {0};
    struct spv_presync p = {0};
    struct spv_header_ctx start;
    (void)state;

    chain_fixture_feed(c, &trunk, 0, 95);
    chain_fixture_feed(whole, &fork, 0, 2083);
    assert_int_equal(spv_chain_ctx_at(c, &start, (struct spv_chain_pos){SPV_MAIN_CHAIN, 83}), 1);
    spv_presync_begin(&p, &start, &spv_chain_tip(whole)->work, (struct spv_rng){fixed_fill, &f},
                      chain_fixture_late);
    give(&p, &fork, 83, 2083, &out);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_REDOWNLOAD);
    assert_int_equal(p.n_bits, 4); /* heights 90, 690, 1290, 1890 */
    give(&p, &fork, 83, 2083, &out);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_FINAL);
    assert_int_equal(out.n, 2000);
    assert_memory_equal(out.headers, fork.headers + 83, 2000 * sizeof *out.headers);
    spv_presync_end(&p);
    spv_chain_free(c);
    spv_chain_free(whole);
    chain_fixture_headers_free(&trunk);
    chain_fixture_headers_free(&fork);
    chain_fixture_headers_free(&out);
}

/* A flood at the highest rate since 2009 costs less than a megabyte. */
static void the_bits_of_the_longest_chain_are_bounded(void **state)
{
    const struct spv_u256 threshold = work_of(1);
    const struct spv_now now = {0, INT64_C(1800000000)}; /* the year 2027 */
    struct fixed f = {.values = {1, 2, 0}};
    struct spv_presync p = {0};
    struct spv_header_ctx start = genesis;
    (void)state;

    start.median = (struct spv_median){0};
    spv_median_push(&start.median, 1231006505); /* mainnet's genesis */
    spv_presync_begin(&p, &start, &threshold, (struct spv_rng){fixed_fill, &f}, now);
    assert_int_equal(p.max, 6 * (INT64_C(1800000000) + 7200 - 1231006505));
    assert_true(p.max / SPV_PRESYNC_PERIOD / 8 < 720 * 1024);
    spv_presync_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_with_enough_work_comes_out_in_the_second_pass),
        cmocka_unit_test(a_pass_ends_at_the_header_that_reaches_the_threshold),
        cmocka_unit_test(a_long_chain_is_let_out_24_commitments_behind),
        cmocka_unit_test(bits_are_where_the_offset_says_and_depend_on_the_key),
        cmocka_unit_test(junk_in_the_second_pass_never_comes_out),
        cmocka_unit_test(a_longer_second_chain_is_another_one),
        cmocka_unit_test(every_rule_is_judged_in_both_passes),
        cmocka_unit_test(two_hours_ahead_is_not_yet_the_future),
        cmocka_unit_test(what_does_not_follow_changes_nothing),
        cmocka_unit_test(nothing_is_taken_while_something_waits_or_nothing_runs),
        cmocka_unit_test(time_bounds_the_length),
        cmocka_unit_test(a_chain_may_begin_at_a_fork),
        cmocka_unit_test(the_bits_of_the_longest_chain_are_bounded),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
