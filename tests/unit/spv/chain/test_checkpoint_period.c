/* A period between two checkpoints, proven by its links alone. */
#include "support/unit.h"

#include "spv/error.h"
#include "spv/mine.h"
#include "util/u256.h"

#define PERIOD 2016

static struct spv_header headers[2 * PERIOD]; /* heights 2016..6047 */
static struct spv_checkpoint before = {.height = PERIOD - 1};
static struct spv_checkpoint end = {.height = 2 * PERIOD - 1};
static struct spv_chain_header out[PERIOD];

static int keep(void *ctx, const struct spv_chain_header *record)
{
    (void)ctx;
    if (record->height == before.height) {
        before.hash = record->hash;
        before.work = record->work;
    } else if (record->height == end.height) {
        end.hash = record->hash;
        end.work = record->work;
    }
    if (record->height >= PERIOD) {
        headers[record->height - PERIOD] = record->header;
    }
    return 0;
}

static int set_up(void **state)
{
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_REGTEST)};
    const struct spv_mine_plan plan = {
        .n = 3 * PERIOD - 1, .spacing = 60, .seed = 7, .on_header = keep};
    struct spv_chain *chain = NULL;
    (void)state;
    assert_int_equal(spv_chain_new(&chain, &cfg), 0);
    assert_int_equal(spv_mine_chain(chain, &plan), 0);
    spv_chain_free(chain);
    return 0;
}

static int period(const struct spv_checkpoint *a, const struct spv_checkpoint *b, size_t *bad)
{
    return spv_chain_period(out, spv_params_get(SPV_REGTEST), a, b, headers, bad);
}

static void a_period_yields_headers_with_heights_and_work(void **state)
{
    (void)state;
    size_t bad = 99;
    assert_int_equal(period(&before, &end, &bad), 0);
    for (uint32_t i = 0; i < PERIOD; i++) {
        assert_int_equal(out[i].height, PERIOD + i);
    }
    assert_true(spv_blockhash_eq(&out[PERIOD - 1].hash, &end.hash));
    assert_int_equal(spv_u256_cmp(&out[PERIOD - 1].work, &end.work), 0);
    /* where the work below is unknown, work counts from there */
    struct spv_checkpoint workless = before;
    workless.work = (struct spv_u256){{0}};
    assert_int_equal(period(&workless, &end, &bad), 0);
    assert_int_equal(out[PERIOD - 1].work.w[0], 2 * PERIOD);
}

static void an_unconnected_header_is_reported_with_its_index(void **state)
{
    (void)state;
    static const size_t indices[] = {0, 1, 1000, PERIOD - 1};
    for (size_t i = 0; i < COUNT(indices); i++) {
        struct spv_header good = headers[indices[i]];
        size_t bad = 0;
        headers[indices[i]].prev.b[5] ^= 1;
        assert_int_equal(period(&before, &end, &bad),
                         indices[i] == 0 ? SPV_ERR_HDR_CHECKPOINT : SPV_ERR_HDR_NONCONTINUOUS);
        assert_int_equal(bad, indices[i]);
        headers[indices[i]] = good;
    }
}

static void a_header_without_proof_of_work_is_reported_with_its_index(void **state)
{
    (void)state;
    struct spv_header good = headers[500];
    struct spv_blockhash hash;
    size_t bad = 0;
    do { /* half of all hashes are above regtest's target */
        headers[500].nonce++;
        spv_header_hash(&hash, &headers[500]);
    } while (hash.b[31] < 0x80);
    assert_int_equal(period(&before, &end, &bad), SPV_ERR_HDR_POW);
    assert_int_equal(bad, 500);
    headers[500] = good;
    headers[500].bits = 0;
    assert_int_equal(period(&before, &end, &bad), SPV_ERR_HDR_BITS_MALFORMED);
    headers[500] = good;
}

static void the_last_header_must_be_the_checkpoint(void **state)
{
    (void)state;
    struct spv_checkpoint other = end;
    size_t bad = 0;
    other.hash.b[0] ^= 1;
    assert_int_equal(period(&before, &other, &bad), SPV_ERR_HDR_CHECKPOINT);
    assert_int_equal(bad, PERIOD - 1);
}

static void checkpoints_are_a_period_apart_at_its_edges(void **state)
{
    (void)state;
    struct spv_checkpoint a = before;
    struct spv_checkpoint b = end;
    size_t bad = 0;
    b.height++;
    assert_int_equal(period(&a, &b, &bad), SPV_ERR_INVALID);
    a.height++;
    assert_int_equal(period(&a, &b, &bad), SPV_ERR_INVALID);
    assert_int_equal(period(&end, &before, &bad), SPV_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_period_yields_headers_with_heights_and_work),
        cmocka_unit_test(an_unconnected_header_is_reported_with_its_index),
        cmocka_unit_test(a_header_without_proof_of_work_is_reported_with_its_index),
        cmocka_unit_test(the_last_header_must_be_the_checkpoint),
        cmocka_unit_test(checkpoints_are_a_period_apart_at_its_edges),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
