/* Each rule at its boundary, on the networks where it applies. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/consensus.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/u256.h"

/* The network after p; the first for NULL, NULL after the last. */
static const struct spv_params *next_network(const struct spv_params *p)
{
    return spv_params_get(!p ? SPV_MAINNET : (enum spv_network)(p->net.network + 1));
}

#define ALL_NETWORKS for (const struct spv_params *p = next_network(NULL); p; p = next_network(p))

static void refuses_malformed_bits_on_every_network(void **state)
{
    static const uint32_t malformed[] = {
        0x00000000, /* zero */
        0x1d000000, /* zero mantissa */
        0x01003456, /* shifted out */
        0x1d80ffff, /* negative */
        0x04923456, /* negative */
        0x23000100, /* overflow */
        0xff123456, /* overflow */
    };
    struct spv_u256 target;
    (void)state;
    ALL_NETWORKS
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_int_equal(spv_consensus_target(p, &target, malformed[i]),
                         SPV_ERR_HDR_BITS_MALFORMED);
}

static void refuses_targets_above_the_limit_of_each_network(void **state)
{
    static const struct {
        enum spv_network network;
        uint32_t above;
    } cases[] = {
        {SPV_MAINNET, 0x1d010000}, {SPV_TESTNET3, 0x1d010000}, {SPV_TESTNET4, 0x1d010000},
        {SPV_SIGNET, 0x1e0377af},  {SPV_REGTEST, 0x21008000},  {SPV_SIMNET, 0x21008000},
    };
    struct spv_u256 target;
    (void)state;
    for (size_t i = 0; i < SPV_NETWORKS; i++) {
        const struct spv_params *p = spv_params_get(cases[i].network);
        assert_int_equal(spv_consensus_target(p, &target, p->pow_limit_bits), 0);
        assert_int_equal(spv_consensus_target(p, &target, cases[i].above), SPV_ERR_HDR_BITS_LIMIT);
    }
}

/* Real retargets of mainnet, at the heights named. */
static void retargets_as_mainnet_did(void **state)
{
    static const struct {
        uint32_t first_time, last_time, bits, next;
    } cases[] = {
        {1261130161, 1262152739, 0x1d00ffff, 0x1d00d86a}, /* 32256 */
        {1231006505, 1233061996, 0x1d00ffff, 0x1d00ffff}, /* 2016: held by the limit */
        {1279008237, 1279297671, 0x1c05a3f4, 0x1c0168fd}, /* 68544: clamped to a quarter */
        {1263163443, 1269211443, 0x1c387f6f, 0x1d00e1fd}, /* clamped to four times */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(spv_consensus_retarget(spv_params_get(SPV_MAINNET), cases[i].bits,
                                                cases[i].first_time, cases[i].last_time),
                         cases[i].next);
}

static void clamps_exactly_at_a_factor_of_four(void **state)
{
    const struct spv_params *p = spv_params_get(SPV_MAINNET);
    const uint32_t t = 1300000000;
    const uint32_t quarter = p->target_timespan / 4;
    (void)state;

    assert_int_equal(spv_consensus_retarget(p, 0x1b400000, t, t + quarter), 0x1b100000);
    assert_int_equal(spv_consensus_retarget(p, 0x1b400000, t, t + quarter - 86400), 0x1b100000);
    assert_int_not_equal(spv_consensus_retarget(p, 0x1b400000, t, t + quarter + 86400), 0x1b100000);
    assert_int_equal(spv_consensus_retarget(p, 0x1b100000, t, t + 16 * quarter), 0x1b400000);
    assert_int_equal(spv_consensus_retarget(p, 0x1b100000, t, t + 16 * quarter + 86400),
                     0x1b400000);
    assert_int_not_equal(spv_consensus_retarget(p, 0x1b100000, t, t + 16 * quarter - 86400),
                         0x1b400000);
    /* the last block before the first: still a quarter, not a wrapped difference */
    assert_int_equal(spv_consensus_retarget(p, 0x1b400000, t, t - 86400), 0x1b100000);
}

static void keeps_the_bits_after_a_perfect_period(void **state)
{
    const struct spv_params *p = spv_params_get(SPV_MAINNET);
    (void)state;
    assert_int_equal(spv_consensus_retarget(p, 0x1b0404cb, 1000, 1000 + p->target_timespan),
                     0x1b0404cb);
}

static void truncates_a_new_target_through_the_compact_form(void **state)
{
    /* 0x123456 * 1000000 / 1209600 = 0xf0cca and a remainder that is cut off */
    const struct spv_params *p = spv_params_get(SPV_MAINNET);
    struct spv_u256 target;
    const uint32_t bits = spv_consensus_retarget(p, 0x1a123456, 0, 1000000);
    (void)state;
    assert_int_equal(bits, 0x1a0f0cca);
    assert_int_equal(spv_target_from_bits(&target, bits), 0);
    assert_int_equal(target.w[0] | target.w[1], 0); /* nothing below the mantissa */
}

static void never_exceeds_the_limit_even_where_256_bits_overflow(void **state)
{
    (void)state;
    ALL_NETWORKS
    assert_int_equal(spv_consensus_retarget(p, p->pow_limit_bits, 0, UINT32_MAX),
                     p->pow_limit_bits);
    /* three times 0x60... is 0x120...: what is left of it in 256 bits would be a harder target */
    const struct spv_params *p = spv_params_get(SPV_SIMNET);
    assert_int_equal(spv_consensus_retarget(p, 0x20600000, 0, 3 * p->target_timespan),
                     p->pow_limit_bits);
}

static struct spv_consensus_parent parent_at(uint32_t height, uint32_t time, uint32_t bits)
{
    return (struct spv_consensus_parent){.height = height,
                                         .time = time,
                                         .bits = bits,
                                         .last_non_min_diff_bits = bits,
                                         .first_bits = bits};
}

static void bits_are_constant_within_a_period(void **state)
{
    (void)state;
    ALL_NETWORKS
    {
        const struct spv_consensus_parent parent = parent_at(2016, 5000, p->pow_limit_bits - 1);
        assert_int_equal(spv_consensus_next_bits(p, &parent, 5600), p->pow_limit_bits - 1);
    }
}

static void twenty_minutes_give_limit_bits_on_test_networks_only(void **state)
{
    (void)state;
    ALL_NETWORKS
    {
        const struct spv_consensus_parent parent = parent_at(100, 5000, p->pow_limit_bits - 1);
        const uint32_t late = p->min_difficulty ? p->pow_limit_bits : p->pow_limit_bits - 1;
        assert_int_equal(spv_consensus_next_bits(p, &parent, 5000 + 1200), p->pow_limit_bits - 1);
        assert_int_equal(spv_consensus_next_bits(p, &parent, 5000 + 1201), late);
    }
}

static void after_a_minimum_block_the_real_bits_return(void **state)
{
    (void)state;
    ALL_NETWORKS
    {
        struct spv_consensus_parent parent = parent_at(100, 5000, p->pow_limit_bits);
        parent.last_non_min_diff_bits = p->pow_limit_bits - 1;
        assert_int_equal(spv_consensus_next_bits(p, &parent, 5600),
                         p->min_difficulty ? p->pow_limit_bits - 1 : p->pow_limit_bits);
    }
}

static void search_for_the_last_non_minimum_bits_stops_at_the_first_block_of_the_period(
    void **state)
{
    (void)state;
    ALL_NETWORKS
    {
        const uint32_t real = p->pow_limit_bits - 1;
        /* inside a period a limit block passes on what was before it, any other its own */
        assert_int_equal(spv_consensus_last_non_min_diff_bits(p, 2017, p->pow_limit_bits, real),
                         real);
        assert_int_equal(spv_consensus_last_non_min_diff_bits(p, 2017, real, p->pow_limit_bits),
                         real);
        assert_int_equal(spv_consensus_last_non_min_diff_bits(p, 2016, p->pow_limit_bits, real),
                         p->pow_limit_bits);
        assert_int_equal(spv_consensus_last_non_min_diff_bits(p, 0, p->pow_limit_bits, real),
                         p->pow_limit_bits);
    }
}

static void a_retarget_is_due_every_2016_blocks_except_on_regtest(void **state)
{
    (void)state;
    ALL_NETWORKS
    {
        struct spv_consensus_parent parent = parent_at(4031, 1300000000, 0x1b0404cb);
        parent.first_time = 1300000000 - p->target_timespan / 2;
        /* late or not: the 20-minute rule does not apply to a period's first block */
        const uint32_t halved = p->no_retarget ? 0x1b0404cb : 0x1b020265;
        assert_int_equal(spv_consensus_next_bits(p, &parent, 1300000001), halved);
        assert_int_equal(spv_consensus_next_bits(p, &parent, 1300009999), halved);
        parent.height = 4030;
        assert_int_equal(spv_consensus_next_bits(p, &parent, 1300000001), 0x1b0404cb);
    }
}

static void bip94_takes_the_first_blocks_bits_others_the_lasts(void **state)
{
    (void)state;
    ALL_NETWORKS
    {
        struct spv_consensus_parent parent = parent_at(2015, 1300000000, 0x1b400000);
        parent.first_time = 1300000000 - p->target_timespan;
        parent.first_bits = 0x1b200000;
        assert_int_equal(spv_consensus_next_bits(p, &parent, 1300000600),
                         p->bip94 ? 0x1b200000 : 0x1b400000);
    }
}

static void versions_have_floors_from_the_activation_heights_on(void **state)
{
    (void)state;
    ALL_NETWORKS
    {
        const uint32_t heights[] = {p->bip34_height, p->bip66_height, p->bip65_height};
        for (int32_t i = 0; i < 3; i++) {
            assert_int_equal(spv_consensus_version(p, heights[i], i + 1), SPV_ERR_HDR_VERSION);
            if (heights[i] > 1)
                assert_int_equal(spv_consensus_version(p, heights[i] - 1, i + 1), 0);
        }
        /* BIP9 signalling as bcoin's regtest does it, and a negative version */
        assert_int_equal(spv_consensus_version(p, 1000000, 0x20000000), 0);
        assert_int_equal(spv_consensus_version(p, 1000000, 4), 0);
        assert_int_equal(spv_consensus_version(p, 1000000, INT32_MIN), SPV_ERR_HDR_VERSION);
    }
    assert_int_equal(spv_consensus_version(spv_params_get(SPV_MAINNET), 227930, 1), 0);
    assert_int_equal(spv_consensus_version(spv_params_get(SPV_SIMNET), 1, 3), SPV_ERR_HDR_VERSION);
}

static void time_must_exceed_the_median_on_every_network(void **state)
{
    (void)state;
    ALL_NETWORKS
    {
        assert_int_equal(spv_consensus_time(p, 5, 1000, 1000, 1000), SPV_ERR_HDR_TIME_OLD);
        assert_int_equal(spv_consensus_time(p, 5, 1001, 1000, 1000), 0);
        assert_int_equal(spv_consensus_time(p, 5, 1001, 5000, 1000),
                         0); /* before its parent is fine */
    }
}

static void a_period_may_start_600_seconds_before_its_parent_on_bip94_networks(void **state)
{
    (void)state;
    ALL_NETWORKS
    {
        assert_int_equal(spv_consensus_time(p, 2016, 9400, 10000, 1), 0);
        assert_int_equal(spv_consensus_time(p, 2016, 9399, 10000, 1),
                         p->bip94 ? SPV_ERR_HDR_TIME_WARP : 0);
        assert_int_equal(spv_consensus_time(p, 2017, 9399, 10000, 1), 0);
        assert_int_equal(spv_consensus_time(p, 2015, 9399, 10000, 1), 0);
        assert_int_equal(spv_consensus_time(p, 2016, 2, 500, 1), 0); /* no wrap below zero */
    }
}

static void two_hours_ahead_is_the_future(void **state)
{
    const struct spv_now now = {0, 1300000000};
    (void)state;
    assert_int_equal(spv_consensus_future(1300007200, now), 0);
    assert_int_equal(spv_consensus_future(1300007201, now), SPV_ERR_HDR_TIME_FUTURE);
}

static int by_value(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;

    return *x < *y ? -1 : *x > *y;
}

static void the_median_is_that_of_the_last_eleven(void **state)
{
    const uint64_t seed = 20240601;
    uint64_t random = seed;
    uint32_t all[500];
    struct spv_median m = {0};
    (void)state;

    print_message("seed %llu\n", (unsigned long long)seed);
    assert_int_equal(spv_median_time(&m), 0);
    for (size_t n = 1; n <= 500; n++) {
        const size_t span = n < SPV_MEDIAN_SPAN ? n : SPV_MEDIAN_SPAN;
        uint32_t last[SPV_MEDIAN_SPAN];
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        all[n - 1] = (uint32_t)(random >> 33) % 50; /* many equal ones */
        spv_median_push(&m, all[n - 1]);
        memcpy(last, all + n - span, span * sizeof *last);
        qsort(last, span, sizeof *last, by_value);
        assert_int_equal(spv_median_time(&m), last[span / 2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_malformed_bits_on_every_network),
        cmocka_unit_test(refuses_targets_above_the_limit_of_each_network),
        cmocka_unit_test(retargets_as_mainnet_did),
        cmocka_unit_test(clamps_exactly_at_a_factor_of_four),
        cmocka_unit_test(keeps_the_bits_after_a_perfect_period),
        cmocka_unit_test(truncates_a_new_target_through_the_compact_form),
        cmocka_unit_test(never_exceeds_the_limit_even_where_256_bits_overflow),
        cmocka_unit_test(bits_are_constant_within_a_period),
        cmocka_unit_test(twenty_minutes_give_limit_bits_on_test_networks_only),
        cmocka_unit_test(after_a_minimum_block_the_real_bits_return),
        cmocka_unit_test(
            search_for_the_last_non_minimum_bits_stops_at_the_first_block_of_the_period),
        cmocka_unit_test(a_retarget_is_due_every_2016_blocks_except_on_regtest),
        cmocka_unit_test(bip94_takes_the_first_blocks_bits_others_the_lasts),
        cmocka_unit_test(versions_have_floors_from_the_activation_heights_on),
        cmocka_unit_test(time_must_exceed_the_median_on_every_network),
        cmocka_unit_test(a_period_may_start_600_seconds_before_its_parent_on_bip94_networks),
        cmocka_unit_test(two_hours_ahead_is_the_future),
        cmocka_unit_test(the_median_is_that_of_the_last_eleven),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
