/* PRESYNC and REDOWNLOAD: where each begins and ends, which headers are released, which errors are
 * detected, and the memory used. */
#include "spv/sync/presync.h"

#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "support/random.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/u256.h"

#define LONG 40000 /* headers: 42 commitment periods more than the redownload buffer */

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
static struct chain_fixture_headers chain, other; /* LONG headers each, only genesis in common */

static int setup(void **state)
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
static void pass_headers(struct spv_presync *p, const struct chain_fixture_headers *h, size_t from,
                         size_t to, struct chain_fixture_headers *out)
{
    while (from < to) {
        const size_t n = to - from < SPV_MAX_HEADERS ? to - from : SPV_MAX_HEADERS;
        struct spv_header released[512];
        size_t taken;
        size_t got;
        assert_int_equal(spv_presync_take(p, &taken, h->headers + from, n, chain_fixture_late), 0);
        assert_int_equal(taken, n);
        while ((got = spv_presync_pop_ready(p, released, 512)) > 0)
            for (size_t i = 0; i < got; i++)
                chain_fixture_push(out, &released[i]);
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

static void a_chain_with_enough_work_is_released_in_the_redownload(void **state)
{
    struct spv_presync p = {0};
    struct chain_fixture_headers out = {0};
    (void)state;

    begin_fixed(&p, 100, 50, 1);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_PRESYNC);
    assert_memory_equal(spv_presync_last(&p), &genesis.hash, sizeof genesis.hash);
    pass_headers(&p, &chain, 0, 99, &out);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_PRESYNC); /* one header short */
    assert_memory_equal(spv_presync_last(&p), &chain.headers[99].prev, 32);
    pass_headers(&p, &chain, 99, 100, &out);
    assert_int_equal(p.phase,
                     SPV_PRESYNC_PHASE_REDOWNLOAD); /* work equal to the threshold is enough */
    assert_memory_equal(spv_presync_last(&p), &genesis.hash, sizeof genesis.hash);
    assert_int_equal(out.n, 0);
    pass_headers(&p, &chain, 0, 99, &out);
    assert_int_equal(out.n, 0);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_REDOWNLOAD);
    pass_headers(&p, &chain, 99, 100, &out);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_FINAL);
    assert_same(&out, &chain, 100);
    spv_presync_end(&p);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_OFF);
    chain_fixture_headers_free(&out);
}

static void presync_and_redownload_end_at_the_header_that_reaches_the_threshold(void **state)
{
    struct spv_presync p = {0};
    struct spv_header released[100];
    size_t taken;
    (void)state;

    begin_fixed(&p, 60, 50, 1);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(spv_presync_take(&p, &taken, chain.headers, 100, chain_fixture_late), 0);
        assert_int_equal(taken, 60);
    }
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_FINAL);
    assert_int_equal(spv_presync_n_ready(&p), 60);
    assert_int_equal(spv_presync_pop_ready(&p, released, 25), 25);
    assert_int_equal(spv_presync_pop_ready(&p, released + 25, 75), 35);
    assert_memory_equal(released, chain.headers, 60 * sizeof *released);
    spv_presync_end(&p);
}

static void headers_are_released_24_commitments_behind(void **state)
{
    struct spv_presync p = {0};
    struct chain_fixture_headers out = {0};
    (void)state;

    begin_fixed(&p, LONG, 0, 1);
    pass_headers(&p, &chain, 0, LONG, &out);
    assert_int_equal(out.n, 0);
    assert_int_equal(p.n_bits, LONG / SPV_PRESYNC_PERIOD);
    assert_true(spv_presync_memory(&p) < 1024);
    pass_headers(&p, &chain, 0, SPV_PRESYNC_REDOWNLOAD_BUF, &out);
    assert_int_equal(out.n, 0);
    pass_headers(&p, &chain, SPV_PRESYNC_REDOWNLOAD_BUF, SPV_PRESYNC_REDOWNLOAD_BUF + 1, &out);
    assert_int_equal(out.n, 1);
    pass_headers(&p, &chain, SPV_PRESYNC_REDOWNLOAD_BUF + 1, LONG - 1, &out);
    assert_int_equal(out.n, LONG - 1 - SPV_PRESYNC_REDOWNLOAD_BUF);
    assert_true(spv_presync_memory(&p) < 800 * 1024);
    assert_true(spv_presync_memory(&p) < SPV_PRESYNC_MAX_MEMORY);
    pass_headers(&p, &chain, LONG - 1, LONG, &out);
    assert_same(&out, &chain, LONG);
    assert_int_equal(p.next_bit, p.n_bits);
    spv_presync_end(&p);
    chain_fixture_headers_free(&out);
}

static void commitments_are_at_the_offset_and_depend_on_the_key(void **state)
{
    struct spv_presync p = {0};
    struct spv_presync q = {0};
    struct chain_fixture_headers out = {0};
    (void)state;

    begin_fixed(&p, LONG, 599, 1);
    pass_headers(&p, &chain, 0, 598, &out);
    assert_int_equal(p.n_bits, 0);
    pass_headers(&p, &chain, 598, 599, &out); /* height 599 */
    assert_int_equal(p.n_bits, 1);
    pass_headers(&p, &chain, 599, 1198, &out);
    assert_int_equal(p.n_bits, 1);
    pass_headers(&p, &chain, 1198, 1199, &out);
    assert_int_equal(p.n_bits, 2);
    pass_headers(&p, &chain, 1199, LONG - 1, &out);
    begin_fixed(&q, LONG, 599, 2);
    pass_headers(&q, &chain, 0, LONG - 1, &out);
    assert_int_equal(q.n_bits, p.n_bits);
    assert_memory_not_equal(p.bits, q.bits, p.n_bits / 8); /* equal with a probability of 2^-64 */
    /* both bit values occur */
    const uint8_t none[8] = {0};
    const uint8_t all[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    assert_memory_not_equal(p.bits, none, sizeof none);
    assert_memory_not_equal(p.bits, all, sizeof all);
    spv_presync_end(&p);
    spv_presync_end(&q);
}

/* REDOWNLOAD leaves PRESYNC's chain at `fork`: no header behind it may be released. */
static void headers_of_another_chain_are_never_released(void **state)
{
    static const uint32_t forks[] = {0, 1, 599, 600, 14399, 14400, 14401, 20000, 39000};
    (void)state;

    for (uint64_t seed = 1; seed <= 9; seed++) {
        const uint32_t fork = forks[seed - 1];
        const struct spv_u256 threshold = work_of(LONG);
        struct chain_fixture_headers branch =
            chain_fixture_mined(&params, &chain, fork, LONG - fork, 601, seed + 10);
        struct test_random random = {seed};
        struct spv_presync p = {0};
        size_t out = 0;
        size_t at = 0;
        int rc = 0;
        print_message("seed %llu\n", (unsigned long long)seed);
        spv_presync_begin(&p, &genesis, &threshold, test_random_rng(&random), chain_fixture_late);
        struct chain_fixture_headers none = {0};
        pass_headers(&p, &chain, 0, LONG, &none);
        assert_int_equal(p.phase, SPV_PRESYNC_PHASE_REDOWNLOAD);
        while (rc == 0 && at < LONG) {
            static struct spv_header released[SPV_MAX_HEADERS];
            const size_t n = LONG - at < SPV_MAX_HEADERS ? LONG - at : SPV_MAX_HEADERS;
            size_t taken;
            rc = spv_presync_take(&p, &taken, branch.headers + at, n, chain_fixture_late);
            at += taken;
            if (rc == 0) {
                const size_t got = spv_presync_pop_ready(&p, released, SPV_MAX_HEADERS);
                assert_memory_equal(released, chain.headers + out, got * sizeof *released);
                out += got;
                assert_int_equal(spv_presync_n_ready(&p), 0);
            }
        }
        assert_int_equal(rc, SPV_ERR_REDOWNLOAD_MISMATCH);
        assert_true(out <= fork);
        spv_presync_end(&p);
        chain_fixture_headers_free(&branch);
    }
}

/* Between commitments the height decides: REDOWNLOAD must reach the threshold at the height at
 * which PRESYNC did. */
static void a_chain_with_less_work_at_the_same_height_is_a_mismatch(void **state)
{
    struct spv_params plain = chain_fixture_params(CHAIN_FIXTURE_PLAIN);
    struct chain_fixture_headers fast =
        chain_fixture_mined(&plain, NULL, 0, 40, 100, 1); /* difficulty grows */
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
static void every_rule_is_checked_in_presync_and_in_redownload(void **state)
{
    enum violation { BITS, POW, OLD, FUTURE, VERSION, DISORDER, VIOLATIONS };
    static const int errors[VIOLATIONS] = {SPV_ERR_HDR_BITS,     SPV_ERR_HDR_POW,
                                           SPV_ERR_HDR_TIME_OLD, SPV_ERR_HDR_TIME_FUTURE,
                                           SPV_ERR_HDR_VERSION,  SPV_ERR_HDR_NONCONTINUOUS};
    const struct spv_now now = {0, chain.headers[200].time};
    (void)state;

    for (int pass = 1; pass <= 2; pass++)
        for (enum violation violation = BITS; violation < VIOLATIONS;
             violation = (enum violation)(violation + 1)) {
            struct spv_header headers[100];
            struct spv_presync p = {0};
            size_t taken;
            memcpy(headers, chain.headers, sizeof headers);
            struct spv_header *h = &headers[50];
            switch (violation) {
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
                h->time = (uint32_t)now.unix_s + SPV_MAX_FUTURE_S + 1;
                chain_fixture_work(h);
                break;
            case VERSION:
                h->version = 1;
                chain_fixture_work(h);
                break;
            case DISORDER:
                *h = chain.headers[51];
                break;
            case VIOLATIONS:
                break;
            }
            begin_fixed(&p, 100, 599, 1);
            for (int i = 1; i < pass; i++)
                assert_int_equal(spv_presync_take(&p, &taken, chain.headers, 100, now), 0);
            assert_int_equal(spv_presync_take(&p, &taken, headers, 100, now), errors[violation]);
            assert_int_equal(taken, 50);
            assert_int_equal(spv_presync_n_ready(&p), 0);
            spv_presync_end(&p);
        }
}

static void two_hours_ahead_is_not_yet_the_future(void **state)
{
    const struct spv_now now = {0, (int64_t)chain.headers[0].time - SPV_MAX_FUTURE_S};
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

static void unconnected_headers_change_nothing(void **state)
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

static void take_is_refused_while_headers_are_ready_or_presync_is_off(void **state)
{
    struct spv_presync p = {0};
    struct spv_header released[10];
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
    assert_int_equal(spv_presync_pop_ready(&p, released, 10), 10);
    assert_int_equal(spv_presync_take(&p, &taken, chain.headers + 10, 1, chain_fixture_late),
                     SPV_ERR_STATE);
    /* also during REDOWNLOAD: ready headers must be popped first */
    struct chain_fixture_headers none = {0};
    begin_fixed(&p, LONG, 0, 1);
    pass_headers(&p, &chain, 0, LONG, &none);
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

/* Headers as close together as the median time rule allows: six a second. */
static void the_length_is_bounded_by_time(void **state)
{
    struct spv_chain *c = chain_fixture_chain(&params);
    const uint32_t start_time = spv_chain_median_time(c);
    const struct spv_u256 threshold = work_of(LONG);
    struct chain_fixture_headers fastest = {0};
    struct fixed f = {.values = {1, 2, 0}};
    struct spv_presync p = {0};
    size_t taken;
    (void)state;

    for (unsigned i = 0; i < 200; i++) {
        const uint32_t median = spv_chain_median_time(c);
        const struct spv_header next =
            chain_fixture_next(c, median + 1 - spv_chain_tip(c)->header.time);
        chain_fixture_push(&fastest, &next);
        assert_int_equal(chain_fixture_accept(c, &next, chain_fixture_late), 0);
    }
    /* our clock allows times up to 20 s after the start: the future rule ends the chain */
    const struct spv_now early = {0, (int64_t)start_time + 20 - SPV_MAX_FUTURE_S};
    const struct spv_now later = {0, early.unix_s + 3600};
    const struct spv_rng rng = {fixed_fill, &f};
    spv_presync_begin(&p, &genesis, &threshold, rng, early);
    assert_int_equal(spv_presync_take(&p, &taken, fastest.headers, 200, early),
                     SPV_ERR_HDR_TIME_FUTURE);
    assert_true(taken > 100);
    assert_true(taken <= 120);
    /* when our clock is set forward meanwhile, the limit on the length ends it */
    spv_presync_begin(&p, &genesis, &threshold, rng, early);
    assert_int_equal(spv_presync_take(&p, &taken, fastest.headers, 200, later), SPV_ERR_LOW_WORK);
    assert_int_equal(taken, 120);
    /* a clock before the start's time at the beginning allows no header */
    spv_presync_begin(&p, &genesis, &threshold, rng, (struct spv_now){0, 0});
    assert_int_equal(spv_presync_take(&p, &taken, fastest.headers, 1, later), SPV_ERR_LOW_WORK);
    /* if the clock is still wrong, the header is from the future, and the chain is not limited */
    spv_presync_begin(&p, &genesis, &threshold, rng, (struct spv_now){0, 0});
    assert_int_equal(spv_presync_take(&p, &taken, fastest.headers, 1, (struct spv_now){0, 0}),
                     SPV_ERR_HDR_TIME_FUTURE);
    spv_presync_end(&p);
    spv_chain_free(c);
    chain_fixture_headers_free(&fastest);
}

/* A chain may begin at any header: the context of its start has what the rules need. */
static void a_chain_may_begin_at_a_fork(void **state)
{
    struct spv_params plain = chain_fixture_params(CHAIN_FIXTURE_MIN_DIFFICULTY);
    struct chain_fixture_headers trunk = chain_fixture_uneven(&plain, NULL, 0, 95, 1);
    struct chain_fixture_headers fork = chain_fixture_uneven(&plain, &trunk, 83, 2000, 2);
    struct spv_chain *c = chain_fixture_chain(&plain);
    struct spv_chain *full = chain_fixture_chain(&plain);
    struct fixed f = {.values = {1, 2, 90}};
    struct chain_fixture_headers out = {0};
    struct spv_presync p = {0};
    struct spv_header_ctx start;
    (void)state;

    chain_fixture_feed(c, &trunk, 0, 95);
    chain_fixture_feed(full, &fork, 0, 2083);
    assert_int_equal(spv_chain_ctx_at(c, &start, (struct spv_chain_pos){SPV_MAIN_CHAIN, 83}), 1);
    spv_presync_begin(&p, &start, &spv_chain_tip(full)->work, (struct spv_rng){fixed_fill, &f},
                      chain_fixture_late);
    pass_headers(&p, &fork, 83, 2083, &out);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_REDOWNLOAD);
    assert_int_equal(p.n_bits, 4); /* heights 90, 690, 1290, 1890 */
    pass_headers(&p, &fork, 83, 2083, &out);
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_FINAL);
    assert_int_equal(out.n, 2000);
    assert_memory_equal(out.headers, fork.headers + 83, 2000 * sizeof *out.headers);
    spv_presync_end(&p);
    spv_chain_free(c);
    spv_chain_free(full);
    chain_fixture_headers_free(&trunk);
    chain_fixture_headers_free(&fork);
    chain_fixture_headers_free(&out);
}

/* The commitments of a chain at the highest rate since 2009 take less than a megabyte. */
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
        cmocka_unit_test(a_chain_with_enough_work_is_released_in_the_redownload),
        cmocka_unit_test(presync_and_redownload_end_at_the_header_that_reaches_the_threshold),
        cmocka_unit_test(headers_are_released_24_commitments_behind),
        cmocka_unit_test(commitments_are_at_the_offset_and_depend_on_the_key),
        cmocka_unit_test(headers_of_another_chain_are_never_released),
        cmocka_unit_test(a_chain_with_less_work_at_the_same_height_is_a_mismatch),
        cmocka_unit_test(every_rule_is_checked_in_presync_and_in_redownload),
        cmocka_unit_test(two_hours_ahead_is_not_yet_the_future),
        cmocka_unit_test(unconnected_headers_change_nothing),
        cmocka_unit_test(take_is_refused_while_headers_are_ready_or_presync_is_off),
        cmocka_unit_test(the_length_is_bounded_by_time),
        cmocka_unit_test(a_chain_may_begin_at_a_fork),
        cmocka_unit_test(the_bits_of_the_longest_chain_are_bounded),
    };
    return cmocka_run_group_tests(tests, setup, tear_down);
}
