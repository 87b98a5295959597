/* How the chain accepts headers: batches, known headers, updates that must be stored first,
 * memory limits, and locators. */
#include <string.h>

#include "spv/error.h"
#include "spv/message.h"
#include "unit/spv/chain/chain_fixture.h"
#include "unit/spv/chain/test_chain_batches.h"

/* Mines n headers, each so many seconds after the one before. */
static void grow(struct spv_chain *c, uint32_t n, uint32_t seconds)
{
    const struct spv_mine_plan plan = {.n = n, .spacing = seconds, .seed = 7};

    assert_int_equal(spv_mine_chain(c, &plan), 0);
}

static void an_unknown_parent_is_not_misbehaving(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct chain_fixture_headers h = chain_fixture_mined(&params, NULL, 0, 10, 600, 1);
    struct spv_chain *c = chain_fixture_chain(&params);
    (void)state;

    assert_int_equal(chain_fixture_accept(c, &h.headers[3], chain_fixture_late),
                     SPV_ERR_HDR_UNCONNECTING);
    assert_int_equal(spv_err_class_of(SPV_ERR_HDR_UNCONNECTING), SPV_CLASS_PEER);
    assert_int_equal(
        chain_fixture_accept(c, &spv_params_get(SPV_MAINNET)->genesis, chain_fixture_late),
        SPV_ERR_HDR_GENESIS);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

static void headers_of_one_message_must_link(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct chain_fixture_headers h = chain_fixture_mined(&params, NULL, 0, 10, 600, 1);
    struct spv_chain *c = chain_fixture_chain(&params);
    struct spv_accept_result v;
    (void)state;

    h.headers[6] = h.headers[7];
    assert_int_equal(spv_chain_accept(c, &v, h.headers, 10, chain_fixture_late), 0);
    assert_int_equal(v.error, SPV_ERR_HDR_NONCONTINUOUS);
    assert_int_equal(v.index, 6);
    assert_int_equal(v.accepted, 6);
    assert_int_equal(v.update.kind, SPV_UPDATE_APPEND);
    assert_int_equal(v.update.n, 6);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

static void known_headers_are_counted_as_known(void **state)
{
    const struct spv_params params = *spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers h = chain_fixture_mined(&params, NULL, 0, 200, 600, 1);
    struct spv_chain *c = chain_fixture_chain(&params);
    struct spv_accept_result v;
    (void)state;

    chain_fixture_feed(c, &h, 0, 150);
    assert_int_equal(chain_fixture_accept(c, &params.genesis, chain_fixture_late), 0);
    assert_int_equal(spv_chain_accept(c, &v, h.headers, 150, chain_fixture_late), 0);
    assert_int_equal(v.known, 150);
    assert_int_equal(v.accepted, 0);
    assert_int_equal(v.update.kind, SPV_UPDATE_NONE);
    /* known ones first, then new ones */
    assert_int_equal(spv_chain_accept(c, &v, h.headers + 100, 100, chain_fixture_late), 0);
    assert_int_equal(v.known, 50);
    assert_int_equal(v.accepted, 50);
    assert_int_equal(v.update.kind, SPV_UPDATE_APPEND);
    assert_int_equal(v.update.fork_height, 150);
    assert_int_equal(v.update.n, 50);
    assert_int_equal(v.update.headers[0].height, 151);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

static void headers_neither_in_memory_nor_stored_are_unconnecting(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct chain_fixture_headers h = chain_fixture_mined(&params, NULL, 0, 200, 600, 1);
    struct spv_chain *c = chain_fixture_chain(&params);
    struct spv_chain_header record;
    (void)state;

    chain_fixture_feed(c, &h, 0, 200); /* without a reader; the window is 60 headers at most */
    assert_int_equal(spv_chain_header_at(c, &record, 50), 0);
    assert_int_equal(spv_chain_header_at(c, &record, 0), 1);
    assert_int_equal(chain_fixture_accept(c, &h.headers[0], chain_fixture_late),
                     SPV_ERR_HDR_UNCONNECTING);
    assert_int_equal(chain_fixture_accept(c, &h.headers[49], chain_fixture_late),
                     SPV_ERR_HDR_UNCONNECTING);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

static void a_change_must_be_stored_before_the_next(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct chain_fixture_headers h = chain_fixture_mined(&params, NULL, 0, 4, 600, 1);
    struct spv_chain *c = chain_fixture_chain(&params);
    struct spv_accept_result v;
    (void)state;

    assert_int_equal(spv_chain_accept(c, &v, h.headers, 2, chain_fixture_late), 0);
    assert_int_equal(spv_chain_accept(c, &v, h.headers + 2, 2, chain_fixture_late), SPV_ERR_STATE);
    assert_int_equal(spv_chain_tip(c)->height, 2);
    spv_chain_stored(c);
    assert_int_equal(spv_chain_accept(c, &v, h.headers + 2, 2, chain_fixture_late), 0);
    assert_int_equal(spv_chain_tip(c)->height, 4);
    spv_chain_stored(c);
    assert_int_equal(spv_chain_accept(c, &v, h.headers, SPV_MAX_HEADERS + 1, chain_fixture_late),
                     SPV_ERR_TOO_LONG);
    assert_int_equal(spv_chain_accept(c, &v, h.headers, 0, chain_fixture_late), 0);
    spv_chain_free(c);
    chain_fixture_headers_free(&h);
}

static void memory_is_bounded_over_100000_headers(void **state)
{
    struct spv_params params = *spv_params_get(SPV_REGTEST);
    struct spv_chain *c = chain_fixture_chain(&params);
    size_t at_20000;
    (void)state;

    grow(c, 20000, 600);
    at_20000 = spv_chain_memory(c);
    assert_in_range(at_20000, 1, 3 << 20);
    for (int i = 0; i < 8; i++) {
        grow(c, 10000, 600);
        assert_int_equal(spv_chain_memory(c), at_20000);
    }
    assert_int_equal(spv_chain_tip(c)->height, 100000);
    spv_chain_free(c);
}

static void a_locator_is_dense_then_doubles_and_ends_at_genesis(void **state)
{
    static const uint32_t heights[] = {100, 99, 98, 97, 96, 95, 94, 93, 92,
                                       91,  90, 88, 84, 76, 60, 28, 0};
    const struct spv_params params = *spv_params_get(SPV_REGTEST);
    struct spv_chain *c = chain_fixture_chain(&params);
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    struct spv_chain_header record;
    (void)state;

    assert_int_equal(spv_chain_locator(c, locator, SPV_MAX_LOCATOR, NULL), 1);
    grow(c, 100, 600);
    const size_t n = sizeof heights / sizeof heights[0];
    assert_int_equal(spv_chain_locator(c, locator, SPV_MAX_LOCATOR, NULL), n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(spv_chain_header_at(c, &record, heights[i]), 1);
        assert_memory_equal(&locator[i], &record.hash, 32);
    }
    /* cut short, it still ends at genesis */
    assert_int_equal(spv_chain_locator(c, locator, 5, NULL), 5);
    assert_int_equal(spv_chain_header_at(c, &record, 0), 1);
    assert_memory_equal(&locator[4], &record.hash, 32);
    memset(&locator[0], 1, 32);
    assert_int_equal(spv_chain_locator(c, locator + 1, 5, &locator[0]), SPV_ERR_UNKNOWN_HASH);
    spv_chain_free(c);
}

int batch_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_parent_is_not_misbehaving),
        cmocka_unit_test(headers_of_one_message_must_link),
        cmocka_unit_test(known_headers_are_counted_as_known),
        cmocka_unit_test(headers_neither_in_memory_nor_stored_are_unconnecting),
        cmocka_unit_test(a_change_must_be_stored_before_the_next),
        cmocka_unit_test(memory_is_bounded_over_100000_headers),
        cmocka_unit_test(a_locator_is_dense_then_doubles_and_ends_at_genesis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
