/* A store's work values include the work below its base, or count from the base. */
#include "start_fixture.h"

#include "util/u256.h"

struct spv_params base_params;
struct spv_chain_header base_chain[TOP + 1];

void start_fixture_prepare(void)
{
    base_params = *regtest();
    base_params.target_timespan = PERIOD * base_params.target_spacing;
    base_chain[0] = genesis_record(&base_params);
    extend(base_chain + 1, &base_chain[0], TOP, 0);
}

struct spv_store *start_fixture_open(const char *path, enum spv_store_mode mode)
{
    struct spv_store *s = NULL;
    struct spv_error_info why = {.text = ""};
    const struct spv_store_config cfg = {.path = path, .params = &base_params, .mode = mode};
    if (spv_store_open(&s, &cfg, &why) != 0) {
        fail_msg("%s", why.text);
    }
    return s;
}

void start_fixture_relative(struct spv_chain_header *out, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = base_chain[from + i];
        out[i].work = spv_u256_sub(&base_chain[from + i].work, &base_chain[BASE - 1].work);
    }
}

struct spv_store *start_fixture_started(const char *path, size_t to, bool known)
{
    struct spv_chain_header some[TOP];
    struct spv_store *s = start_fixture_open(path, SPV_STORE_CREATE);
    start_fixture_relative(some, BASE, to - BASE + 1);
    assert_int_equal(apply(s, SPV_UPDATE_CHECKPOINT_START, BASE - 1, 0,
                           known ? base_chain + BASE : some, PERIOD),
                     0);
    if (to >= BASE + PERIOD) {
        assert_int_equal(apply(s, SPV_UPDATE_APPEND, BASE + PERIOD - 1, 0,
                               known ? base_chain + BASE + PERIOD : some + PERIOD,
                               to - BASE - PERIOD + 1),
                         0);
    }
    return s;
}

void start_fixture_same(const struct spv_chain_header *a, const struct spv_chain_header *b)
{
    assert_int_equal(a->height, b->height);
    assert_memory_equal(&a->hash, &b->hash, sizeof a->hash);
    assert_memory_equal(&a->header, &b->header, sizeof a->header);
    assert_int_equal(spv_u256_cmp(&a->work, &b->work), 0);
}

void start_fixture_check(struct spv_store *s, uint32_t base, uint32_t to)
{
    struct spv_chain_header got;
    struct spv_header headers[TOP + 2];
    struct spv_store_iter *walk = NULL;
    struct spv_chain_start begins;

    spv_store_get_start(s, &begins);
    assert_int_equal(begins.height, base);
    assert_int_equal(begins.work_since, 0);
    assert_int_equal(spv_store_tip(s, &got), 1);
    start_fixture_same(&got, &base_chain[to]);
    assert_int_equal(spv_store_by_height(s, &got, 0), 1);
    start_fixture_same(&got, &base_chain[0]);
    assert_int_equal(spv_store_range(s, headers, 0, 3), base > 0 || to < 2 ? 1 : 3);
    assert_memory_equal(&headers[0], &base_chain[0].header, sizeof headers[0]);
    for (uint32_t h = 1; h < base; h++) {
        assert_int_equal(spv_store_by_height(s, &got, h), 0);
        assert_int_equal(spv_store_by_hash(s, &got, &base_chain[h].hash), 0);
        assert_int_equal(spv_store_locate(s, &got, &base_chain[h].hash, 1), 0);
        assert_int_equal(spv_store_range(s, headers, h, 5), 0);
        assert_int_equal(spv_store_iter_open(&walk, s, h, to), SPV_ERR_NOT_FOUND);
    }
    const uint32_t from = base > 0 ? base : 1;
    assert_int_equal(spv_store_range(s, headers, from, TOP), to - from + 1);
    assert_int_equal(spv_store_iter_open(&walk, s, from, UINT32_MAX), 0);
    for (uint32_t h = from; h <= to; h++) {
        assert_int_equal(spv_store_by_height(s, &got, h), 1);
        start_fixture_same(&got, &base_chain[h]);
        assert_int_equal(spv_store_iter_next(walk, &got), 1);
        start_fixture_same(&got, &base_chain[h]);
        assert_memory_equal(&headers[h - from], &base_chain[h].header, sizeof headers[0]);
        if (spv_store_indexed(s)) {
            assert_int_equal(spv_store_by_hash(s, &got, &base_chain[h].hash), 1);
            start_fixture_same(&got, &base_chain[h]);
            assert_int_equal(spv_store_locate(s, &got, &base_chain[h].hash, 1), 1);
            start_fixture_same(&got, &base_chain[h]);
        }
    }
    assert_int_equal(spv_store_iter_next(walk, &got), 0);
    spv_store_iter_close(walk);
    assert_int_equal(spv_store_by_height(s, &got, to + 1), 0);
}
