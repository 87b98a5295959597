/* Each rule through spv_chain_accept: a header just within the rule, and one just outside it.
 * The networks are small: periods of ten blocks, regtest's limit. */
#include <string.h>

#include "spv/chain/consensus.h"
#include "spv/error.h"
#include "spv/message.h"
#include "unit/spv/chain/chain_fixture.h"
#include "unit/spv/chain/test_chain_batches.h"
#include "util/u256.h"

#define LIMIT 0x207fffff

/* Mines n headers, each so many seconds after the one before. */
static void grow(struct spv_chain *c, uint32_t n, uint32_t seconds)
{
    const struct spv_mine_plan plan = {.n = n, .spacing = seconds, .seed = 7};

    assert_int_equal(spv_mine_chain(c, &plan), 0);
}

static void starts_at_genesis_with_its_work(void **state)
{
    char work[SPV_HASH_HEX];
    struct spv_chain *c = chain_fixture_chain(spv_params_get(SPV_MAINNET));
    (void)state;

    assert_int_equal(spv_chain_tip(c)->height, 0);
    spv_u256_hex(work, &spv_chain_tip(c)->work);
    assert_string_equal(work + 64 - 9, "100010001");
    spv_chain_free(c);
}

/* Mainnet's heights 1, 2 and 170. */
static void takes_the_first_mainnet_headers(void **state)
{
    static const char *const roots[] = {
        "0e3e2357e806b6cdb1f70b54c3a3a17b6714ee1f0e68bebb44a74b1efd512098",
        "9b0fc92260312ce44e74ef369f5c66bbb85848f2eddd5a7a1cde251e54ccfdd5",
    };
    static const uint32_t times[] = {1231469665, 1231469744};
    static const uint32_t nonces[] = {2573394689, 1639830024};
    struct spv_chain *c = chain_fixture_chain(spv_params_get(SPV_MAINNET));
    char hex[SPV_HASH_HEX];
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        struct spv_header h = {1, spv_chain_tip(c)->hash, {{0}}, times[i], 0x1d00ffff, nonces[i]};
        struct spv_blockhash root;
        assert_int_equal(spv_blockhash_from_hex(&root, roots[i]), 0);
        memcpy(h.merkle_root.b, root.b, 32);
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
    }
    spv_blockhash_hex(hex, &spv_chain_tip(c)->hash);
    assert_string_equal(hex, "000000006a625f06636b8bb6ac7b960a8d03705d1ace08b1a19da3fdcc99ddbd");
    spv_u256_hex(hex, &spv_chain_tip(c)->work);
    assert_string_equal(hex + 64 - 9, "300030003");
    spv_chain_free(c);
}

static void refuses_a_hash_above_its_target(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct spv_chain *c = chain_fixture_chain(&params);
    struct spv_header h = chain_fixture_next(c, 600);
    (void)state;

    chain_fixture_miss(&h);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), SPV_ERR_HDR_POW);
    chain_fixture_work(&h);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
    spv_chain_free(c);
}

static void malformed_bits_have_error_codes_of_their_own(void **state)
{
    static const struct {
        uint32_t bits;
        int error;
    } cases[] = {
        {0, SPV_ERR_HDR_BITS_MALFORMED},          {0x20ffffff, SPV_ERR_HDR_BITS_MALFORMED},
        {0xff123456, SPV_ERR_HDR_BITS_MALFORMED}, {0x2100ffff, SPV_ERR_HDR_BITS_LIMIT},
        {0x207ffffe, SPV_ERR_HDR_BITS},           {0x1d00ffff, SPV_ERR_HDR_BITS},
    };
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct spv_chain *c = chain_fixture_chain(&params);
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spv_header h = chain_fixture_next(c, 600);
        h.bits = cases[i].bits;
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), cases[i].error);
    }
    spv_chain_free(c);
}

static void retargets_where_a_period_ends(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_PLAIN);
    struct spv_chain *c = chain_fixture_chain(&params);
    struct spv_header h;
    (void)state;

    grow(c, 9, 300); /* 9 intervals of half the spacing */
    h = chain_fixture_next(c, 300);
    assert_int_equal(h.bits, spv_consensus_retarget(&params, LIMIT, params.genesis.time,
                                                    spv_chain_tip(c)->header.time));
    assert_int_not_equal(h.bits, LIMIT);
    h.bits = LIMIT;
    chain_fixture_work(&h);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), SPV_ERR_HDR_BITS);
    h = chain_fixture_next(c, 300);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
    spv_chain_free(c);
}

static void regtest_never_retargets(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct spv_chain *c = chain_fixture_chain(&params);
    (void)state;

    grow(c, 50, 1);
    for (uint32_t height = 0; height <= 50; height++) {
        struct spv_chain_header stored;
        assert_int_equal(spv_chain_header_at(c, &stored, height), 1);
        assert_int_equal(stored.header.bits, LIMIT);
    }
    spv_chain_free(c);
}

static void time_must_exceed_the_median_of_eleven(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct spv_chain *c = chain_fixture_chain(&params);
    struct spv_header h;
    (void)state;

    grow(c, 20, 600);
    /* heights 10..20: the median is the time of 15, five before the tip */
    assert_int_equal(spv_chain_median_time(c), spv_chain_tip(c)->header.time - 5 * 600);
    h = chain_fixture_next(c, 0);
    h.time = spv_chain_median_time(c);
    chain_fixture_work(&h);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), SPV_ERR_HDR_TIME_OLD);
    h.time++;
    chain_fixture_work(&h);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
    spv_chain_free(c);
}

static void a_header_from_the_future_waits(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct spv_chain *c = chain_fixture_chain(&params);
    const struct spv_header h = chain_fixture_next(c, 600);
    const struct spv_now early = {0, (int64_t)h.time - SPV_MAX_FUTURE_S - 1};
    const struct spv_now just = {0, (int64_t)h.time - SPV_MAX_FUTURE_S};
    (void)state;

    assert_int_equal(chain_fixture_accept(c, &h, early), SPV_ERR_HDR_TIME_FUTURE);
    assert_int_equal(spv_err_class_of(SPV_ERR_HDR_TIME_FUTURE),
                     SPV_CLASS_PEER); /* not misbehaving */
    assert_int_equal(chain_fixture_accept(c, &h, just), 0);
    spv_chain_free(c);
}

static void a_future_header_ends_a_batch_and_earlier_ones_are_accepted(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct chain_fixture_headers h = chain_fixture_mined(&params, NULL, 0, 10, 600, 1);
    struct spv_chain *c = chain_fixture_chain(&params);
    const struct spv_now now = {0, (int64_t)h.headers[6].time - SPV_MAX_FUTURE_S};
    struct spv_accept_result v;
    (void)state;

    assert_int_equal(spv_chain_accept(c, &v, h.headers, h.n, now), 0);
    assert_int_equal(v.accepted, 7);
    assert_int_equal(v.error, SPV_ERR_HDR_TIME_FUTURE);
    assert_int_equal(v.index, 7);
    assert_int_equal(v.height, 8);
    spv_chain_stored(c);
    chain_fixture_feed(c, &h, 7, 10);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

static void versions_have_floors(void **state)
{
    static const struct {
        uint32_t height;
        int32_t ok;
    } cases[] = {{5, 2}, {8, 3}, {11, 4}};
    struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct spv_chain *c;
    (void)state;

    params.bip34_height = 5;
    params.bip66_height = 8;
    params.bip65_height = 11;
    c = chain_fixture_chain(&params);
    for (size_t i = 0; i < 3; i++) {
        struct spv_header h;
        while (spv_chain_tip(c)->height + 2 < cases[i].height)
            grow(c, 1, 600);
        h = chain_fixture_next(c, 600); /* one below the height: the old version is still valid */
        h.version = cases[i].ok - 1;
        chain_fixture_work(&h);
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
        h = chain_fixture_next(c, 600);
        h.version = cases[i].ok - 1;
        chain_fixture_work(&h);
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), SPV_ERR_HDR_VERSION);
        h.version = cases[i].ok;
        chain_fixture_work(&h);
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
    }
    spv_chain_free(c);
}

/* Ten quick blocks, so that the second period is harder than the limit. */
static struct spv_chain *hard_chain(const struct spv_params *params)
{
    struct spv_chain *c = chain_fixture_chain(params);

    grow(c, 12, 300);
    assert_int_not_equal(spv_chain_tip(c)->header.bits, LIMIT);
    return c;
}

static void test_networks_allow_limit_bits_after_twenty_minutes(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_MIN_DIFFICULTY);
    struct spv_chain *c = hard_chain(&params);
    const uint32_t real = spv_chain_tip(c)->header.bits;
    struct spv_header h;
    (void)state;

    h = chain_fixture_next(c, 1200);
    assert_int_equal(h.bits, real);
    h.bits = LIMIT;
    chain_fixture_work(&h);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), SPV_ERR_HDR_BITS);

    h = chain_fixture_next(c, 1201);
    assert_int_equal(h.bits, LIMIT);
    h.bits = real; /* not allowed to be harder, either */
    chain_fixture_work(&h);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), SPV_ERR_HDR_BITS);
    h = chain_fixture_next(c, 1201);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
    h = chain_fixture_next(c, 1201);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);

    /* two minimum blocks later, the real bits return */
    h = chain_fixture_next(c, 600);
    assert_int_equal(h.bits, real);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
    spv_chain_free(c);
}

static void other_networks_do_not(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_PLAIN);
    struct spv_chain *c = hard_chain(&params);
    struct spv_header h = chain_fixture_next(c, 100000);
    (void)state;

    assert_int_not_equal(h.bits, LIMIT);
    h.bits = LIMIT;
    chain_fixture_work(&h);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), SPV_ERR_HDR_BITS);
    spv_chain_free(c);
}

/* A period that begins at the limit, though the one before ended harder: the walk back stops
 * there. */
static void search_for_the_last_non_minimum_bits_does_not_leave_the_period(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_MIN_DIFFICULTY);
    struct spv_chain *c = hard_chain(&params);
    struct spv_header h;
    (void)state;

    const uint32_t hard = spv_chain_tip(c)->header.bits;
    grow(c, 6, 600); /* heights 13..18, hard */
    h = chain_fixture_next(c, 6001); /* 19, the period's last: limit, and the period was slow */
    assert_int_equal(h.bits, LIMIT);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
    h = chain_fixture_next(c, 600); /* 20: retargets from the limit of 19 to the limit */
    assert_int_equal(h.bits, LIMIT);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
    h = chain_fixture_next(c, 600); /* 21: 20 is as far as the walk goes */
    assert_int_equal(h.bits, LIMIT);
    h.bits = hard;
    chain_fixture_work(&h);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), SPV_ERR_HDR_BITS);
    h = chain_fixture_next(c, 600);
    assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
    spv_chain_free(c);
}

/* What a period's last block at the limit does to the next period. */
static void the_base_of_a_retarget_is_the_last_or_on_bip94_the_first_block(void **state)
{
    const enum chain_fixture_kind kinds[] = {CHAIN_FIXTURE_MIN_DIFFICULTY, CHAIN_FIXTURE_BIP94};
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        const struct spv_params params = chain_fixture_params(kinds[i]);
        struct spv_chain *c = hard_chain(&params);
        struct spv_chain_header first;
        struct spv_header h;
        grow(c, 6, 600);
        h = chain_fixture_next(c, 1201);
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
        assert_int_equal(spv_chain_header_at(c, &first, 10), 1);
        assert_int_not_equal(first.header.bits, LIMIT);
        h = chain_fixture_next(c, 600);
        assert_int_equal(h.bits,
                         spv_consensus_retarget(&params, params.bip94 ? first.header.bits : LIMIT,
                                                first.header.time, spv_chain_tip(c)->header.time));
        /* the other network's base is refused */
        h.bits = spv_consensus_retarget(&params, params.bip94 ? LIMIT : first.header.bits,
                                        first.header.time, spv_chain_tip(c)->header.time);
        chain_fixture_work(&h);
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), SPV_ERR_HDR_BITS);
        h = chain_fixture_next(c, 600);
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
        spv_chain_free(c);
    }
}

static void bip94_refuses_a_period_that_starts_too_early(void **state)
{
    const enum chain_fixture_kind kinds[] = {CHAIN_FIXTURE_MIN_DIFFICULTY, CHAIN_FIXTURE_BIP94};
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        const struct spv_params params = chain_fixture_params(kinds[i]);
        struct spv_chain *c = chain_fixture_chain(&params);
        struct spv_header h;
        grow(c, 19, 600);
        h = chain_fixture_next(c, (uint32_t)-601);
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late),
                         params.bip94 ? SPV_ERR_HDR_TIME_WARP : 0);
        spv_chain_free(c);
        c = chain_fixture_chain(&params);
        grow(c, 19, 600);
        h = chain_fixture_next(c, (uint32_t)-600);
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
        h = chain_fixture_next(c, (uint32_t)-601); /* not a period's first */
        assert_int_equal(chain_fixture_accept(c, &h, chain_fixture_late), 0);
        spv_chain_free(c);
    }
}

static void work_sums_up(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_PLAIN);
    struct spv_chain *c = chain_fixture_chain(&params);
    struct spv_u256 sum = {{0}};
    (void)state;

    grow(c, 40, 300);
    for (uint32_t height = 0; height <= 40; height++) {
        struct spv_chain_header stored;
        struct spv_u256 target;
        struct spv_u256 work;
        assert_int_equal(spv_chain_header_at(c, &stored, height), 1);
        assert_int_equal(spv_target_from_bits(&target, stored.header.bits), 0);
        work = spv_work_from_target(&target);
        sum = spv_u256_add(&sum, &work);
        assert_int_equal(spv_u256_cmp(&sum, &stored.work), 0);
        assert_int_equal(stored.height, height);
    }
    spv_chain_free(c);
}

static void headers_that_contradict_a_checkpoint_are_refused(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct chain_fixture_headers h = chain_fixture_mined(&params, NULL, 0, 10, 600, 1);
    struct spv_checkpoint checkpoint = {.height = 5, .hash = chain_fixture_hash(&h.headers[4])};
    const struct spv_chain_config cfg = {
        .params = &params, .checkpoints = &checkpoint, .n_checkpoints = 1};
    struct spv_chain *c;
    struct spv_accept_result v;
    (void)state;

    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_null(spv_chain_last_checkpoint(c));
    chain_fixture_feed(c, &h, 0, 10);
    assert_ptr_equal(spv_chain_last_checkpoint(c), &checkpoint);
    spv_chain_free(c);

    checkpoint.hash.b[0] ^= 1;
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    assert_int_equal(spv_chain_accept(c, &v, h.headers, 10, chain_fixture_late), 0);
    assert_int_equal(v.error, SPV_ERR_HDR_CHECKPOINT);
    assert_int_equal(v.index, 4);
    assert_int_equal(v.height, 5);
    assert_int_equal(v.accepted, 4);
    spv_chain_free(c);

    const struct spv_chain_config none = {.params = &params,
                                          .checkpoints = &checkpoint,
                                          .n_checkpoints = 1,
                                          .checkpoint_mode = SPV_CHECKPOINTS_IGNORED};
    assert_int_equal(spv_chain_new(&c, &none), 0);
    chain_fixture_feed(c, &h, 0, 10);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

static void every_checkpoint_counts(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct chain_fixture_headers h = chain_fixture_mined(&params, NULL, 0, 10, 600, 1);
    struct spv_checkpoint checkpoints[] = {
        {.height = 3, .hash = chain_fixture_hash(&h.headers[2])},
        {.height = 5, .hash = chain_fixture_hash(&h.headers[4])},
        {.height = 8, .hash = chain_fixture_hash(&h.headers[7])}};
    const struct spv_chain_config cfg = {
        .params = &params, .checkpoints = checkpoints, .n_checkpoints = 3};
    struct spv_chain *c;
    struct spv_accept_result v;
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        checkpoints[i].hash.b[0] ^= 1;
        assert_int_equal(spv_chain_new(&c, &cfg), 0);
        assert_int_equal(spv_chain_accept(c, &v, h.headers, 10, chain_fixture_late), 0);
        assert_int_equal(v.error, SPV_ERR_HDR_CHECKPOINT);
        assert_int_equal(v.height, checkpoints[i].height);
        spv_chain_free(c);
        checkpoints[i].hash.b[0] ^= 1;
    }
    chain_fixture_headers_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_at_genesis_with_its_work),
        cmocka_unit_test(takes_the_first_mainnet_headers),
        cmocka_unit_test(refuses_a_hash_above_its_target),
        cmocka_unit_test(malformed_bits_have_error_codes_of_their_own),
        cmocka_unit_test(retargets_where_a_period_ends),
        cmocka_unit_test(regtest_never_retargets),
        cmocka_unit_test(time_must_exceed_the_median_of_eleven),
        cmocka_unit_test(a_header_from_the_future_waits),
        cmocka_unit_test(a_future_header_ends_a_batch_and_earlier_ones_are_accepted),
        cmocka_unit_test(versions_have_floors),
        cmocka_unit_test(test_networks_allow_limit_bits_after_twenty_minutes),
        cmocka_unit_test(other_networks_do_not),
        cmocka_unit_test(search_for_the_last_non_minimum_bits_does_not_leave_the_period),
        cmocka_unit_test(the_base_of_a_retarget_is_the_last_or_on_bip94_the_first_block),
        cmocka_unit_test(bip94_refuses_a_period_that_starts_too_early),
        cmocka_unit_test(work_sums_up),
        cmocka_unit_test(headers_that_contradict_a_checkpoint_are_refused),
        cmocka_unit_test(every_checkpoint_counts),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + batch_tests();
}
