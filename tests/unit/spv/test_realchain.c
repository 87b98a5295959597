/* Real headers through the real rules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/u256.h"
#include "spv/rules.h"
#include "unit/spv/chain_kit.h"

static void follows_mainnet_through_its_first_retarget(void **state)
{
    struct kit_headers h;
    struct spv_record record;
    struct spv_chain *c;
    char work[SPV_HASH_HEX];
    (void)state;

    if (!kit_real(&h, "headers/mainnet-1-32260.bin"))
        skip();
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_MAINNET)};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    kit_feed(c, &h, 0, h.n);
    assert_int_equal(spv_chain_tip(c)->height, 32260);
    assert_int_equal(spv_chain_at(c, &record, 32255), 1);
    assert_int_equal(record.header.bits, 0x1d00ffff);
    assert_int_equal(spv_chain_at(c, &record, 32256), 1);
    assert_int_equal(record.header.bits, 0x1d00d86a);
    /* checkpoints/mainnet-headers.csv */
    spv_u256_hex(work, &record.work);
    assert_string_equal(work + 64 - 12, "7e01acd42dd2");
    assert_int_equal(spv_chain_last_checkpoint(c)->height, 32255);
    spv_chain_free(c);
    kit_headers_free(&h);
}

static void refuses_the_old_bits_after_mainnets_first_retarget(void **state)
{
    struct kit_headers h;
    struct spv_chain *c;
    (void)state;

    if (!kit_real(&h, "headers/mainnet-1-32260.bin"))
        skip();
    c = kit_chain(spv_params_get(SPV_MAINNET));
    kit_feed(c, &h, 0, 32255);
    h.headers[32255].bits = 0x1d00ffff;
    assert_int_equal(kit_judge(c, &h.headers[32255], kit_late), SPV_ERR_HDR_BITS);
    spv_chain_free(c);
    kit_headers_free(&h);
}

static void follows_signet(void **state)
{
    struct kit_headers h;
    struct spv_chain *c;
    (void)state;

    if (!kit_real(&h, "headers/signet-0-2015.bin"))
        skip();
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_SIGNET)};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    kit_feed(c, &h, 0, h.n); /* genesis is known */
    assert_int_equal(spv_chain_tip(c)->height, 2015);
    assert_int_equal(spv_chain_last_checkpoint(c)->height, 2015);
    spv_chain_free(c);
    kit_headers_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_mainnet_through_its_first_retarget),
        cmocka_unit_test(refuses_the_old_bits_after_mainnets_first_retarget),
        cmocka_unit_test(follows_signet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
