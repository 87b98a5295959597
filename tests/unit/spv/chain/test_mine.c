/* Mining: valid, deterministic, quick. */
#include <string.h>

#include "spv/error.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/u256.h"

static void finds_a_nonce_that_meets_the_bits(void **state)
{
    struct spv_header h = {.version = 4, .time = 1300000000, .bits = 0x1f7fffff};
    struct spv_blockhash hash;
    struct spv_blockhash again;
    struct spv_u256 target;
    (void)state;

    assert_int_equal(spv_mine_header(&h, &hash), 0);
    spv_header_hash(&again, &h);
    assert_memory_equal(&hash, &again, sizeof hash);
    assert_int_equal(spv_target_from_bits(&target, h.bits), 0);
    assert_true(spv_hash_meets(hash.b, &target));
}

static void exhausted_nonces_and_invalid_bits_are_errors(void **state)
{
    struct spv_header h = {.version = 4, .bits = 0x1700ffff, .nonce = UINT32_MAX - 100};
    struct spv_blockhash hash;
    (void)state;

    assert_int_equal(spv_mine_header(&h, &hash), SPV_ERR_NOT_FOUND);
    h.bits = 0x20ffffff;
    assert_int_equal(spv_mine_header(&h, &hash), SPV_ERR_INVALID);
}

static void the_same_plan_gives_the_same_chain(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers a = chain_fixture_mined(params, NULL, 0, 50, 0, 9);
    struct chain_fixture_headers b = chain_fixture_mined(params, NULL, 0, 50, 0, 9);
    struct chain_fixture_headers other = chain_fixture_mined(params, NULL, 0, 50, 0, 10);
    (void)state;

    assert_memory_equal(a.headers, b.headers, a.n * sizeof *a.headers);
    for (size_t i = 0; i < a.n; i++) {
        assert_memory_not_equal(&a.headers[i].merkle_root, &other.headers[i].merkle_root, 32);
        assert_int_equal(a.headers[i].time, params->genesis.time + 600 * (i + 1));
    }
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&b);
    chain_fixture_headers_free(&other);
}

static void simnet_obeys_its_retargets(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_SIMNET);
    struct chain_fixture_headers h = chain_fixture_mined(params, NULL, 0, 4100, 400, 1);
    struct spv_chain *c = chain_fixture_chain(params);
    (void)state;

    chain_fixture_feed(c, &h, 0, h.n);
    assert_int_equal(spv_chain_tip(c)->height, 4100);
    assert_int_equal(h.headers[2014].bits, 0x207fffff);
    assert_int_not_equal(h.headers[2015].bits, 0x207fffff); /* height 2016 */
    assert_int_not_equal(h.headers[4031].bits, h.headers[2015].bits);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

static int stop_at_five(void *ctx, const struct spv_chain_header *record)
{
    (void)ctx;
    return record->height == 5 ? 42 : 0;
}

static void a_sink_can_stop_it(void **state)
{
    const struct spv_mine_plan plan = {.n = 10, .on_header = stop_at_five};
    struct spv_chain *c = chain_fixture_chain(spv_params_get(SPV_REGTEST));
    (void)state;

    assert_int_equal(spv_mine_chain(c, &plan), 42);
    assert_int_equal(spv_chain_tip(c)->height, 5);
    spv_chain_free(c);
}

static void ends_where_32_bit_time_ends(void **state)
{
    struct spv_params params = *spv_params_get(SPV_REGTEST);
    const struct spv_mine_plan plan = {.n = 10, .spacing = 600};
    struct spv_chain *c;
    (void)state;

    params.genesis.time = UINT32_MAX - 1500;
    c = chain_fixture_chain(&params);
    assert_int_equal(spv_mine_chain(c, &plan), SPV_ERR_INVALID);
    assert_int_equal(spv_chain_tip(c)->height, 2);
    spv_chain_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_nonce_that_meets_the_bits),
        cmocka_unit_test(exhausted_nonces_and_invalid_bits_are_errors),
        cmocka_unit_test(the_same_plan_gives_the_same_chain),
        cmocka_unit_test(simnet_obeys_its_retargets),
        cmocka_unit_test(a_sink_can_stop_it),
        cmocka_unit_test(ends_where_32_bit_time_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
