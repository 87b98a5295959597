/* The header set of spv-serve, held against the records of the chain that it was filled from. A
 * simnet chain with two retargets, so that the work of a header takes several values. */
#include "header_set.h"
#include "spv/error.h"
#include "spv/mine.h"
#include "support/unit.h"

#define HEADERS 4500 /* past two retargets, several spans of work and growths of every table */

struct world {
    struct header_set *set;
    struct spv_chain *chain;
    struct spv_chain_header *records; /* HEADERS + 1 */
    uint32_t n;
};

static int keep(void *ctx, const struct spv_chain_header *record)
{
    struct world *w = ctx;

    w->records[w->n++] = *record;
    return header_set_add(w->set, record);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct spv_chain_config cfg = {.params = spv_params_get(SPV_SIMNET)};
    struct spv_mine_plan plan = {.n = HEADERS, .seed = 3, .sink = keep};

    assert_non_null(w);
    w->records = calloc(HEADERS + 1, sizeof *w->records);
    assert_non_null(w->records);
    assert_int_equal(header_set_new(&w->set), 0);
    cfg.reader = header_set_db(w->set);
    assert_int_equal(spv_chain_new(&w->chain, &cfg), 0);
    assert_int_equal(keep(w, spv_chain_tip(w->chain)), 0);
    plan.ctx = w;
    assert_int_equal(spv_mine_chain(w->chain, &plan), 0);
    assert_int_equal(w->n, HEADERS + 1);
    assert_int_not_equal(w->records[1].header.bits, w->records[HEADERS].header.bits);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    spv_chain_free(w->chain);
    header_set_free(w->set);
    free(w->records);
    free(w);
    return 0;
}

static void assert_same(const struct spv_chain_header *got, const struct spv_chain_header *want)
{
    uint8_t a[SPV_HEADER_SIZE], b[SPV_HEADER_SIZE];

    spv_header_encode(a, &got->header);
    spv_header_encode(b, &want->header);
    assert_memory_equal(a, b, sizeof a);
    assert_true(spv_blockhash_eq(&got->hash, &want->hash));
    assert_int_equal(spv_u256_cmp(&got->work, &want->work), 0);
    assert_int_equal(got->height, want->height);
}

static void finds_every_record_by_height_and_by_hash(void **state)
{
    const struct world *w = *state;
    struct spv_header_db r = header_set_db(w->set);
    struct spv_chain_header got;
    uint32_t h;

    for (h = 0; h <= HEADERS; h++) {
        assert_int_equal(r.by_height(r.ctx, &got, h), 1);
        assert_same(&got, &w->records[h]);
        memset(&got, 0, sizeof got);
        assert_int_equal(r.by_hash(r.ctx, &got, &w->records[h].hash), 1);
        assert_same(&got, &w->records[h]);
    }
    assert_int_equal(r.tip(r.ctx, &got), 1);
    assert_same(&got, &w->records[HEADERS]);
}

static void finds_nothing_where_nothing_is(void **state)
{
    const struct world *w = *state;
    struct spv_header_db r = header_set_db(w->set), none;
    struct spv_blockhash hash = w->records[7].hash;
    struct header_set *empty;
    struct spv_chain_header got;

    hash.b[31] ^= 1; /* the same slot, another hash */
    assert_int_equal(r.by_hash(r.ctx, &got, &hash), 0);
    assert_int_equal(r.by_height(r.ctx, &got, HEADERS + 1), 0);
    assert_int_equal(r.by_height(r.ctx, &got, UINT32_MAX), 0);
    assert_int_equal(header_set_new(&empty), 0);
    none = header_set_db(empty);
    assert_int_equal(none.tip(none.ctx, &got), 0);
    assert_int_equal(none.by_hash(none.ctx, &got, &hash), 0);
    header_set_free(empty);
    header_set_free(NULL);
}

static void range_ends_with_the_chain(void **state)
{
    static const struct {
        uint32_t from, n;
        int want;
    } cases[] = {
        {0, 10, 10}, {HEADERS - 2, 10, 3}, {HEADERS, 1, 1}, {HEADERS + 1, 5, 0}, {5, 0, 0}};
    const struct world *w = *state;
    struct spv_header_db r = header_set_db(w->set);
    struct spv_header out[10];
    size_t i;
    int k;

    for (i = 0; i < COUNT(cases); i++) {
        assert_int_equal(r.range(r.ctx, out, cases[i].from, cases[i].n), cases[i].want);
        for (k = 0; k < cases[i].want; k++)
            assert_int_equal(out[k].nonce, w->records[cases[i].from + (uint32_t)k].header.nonce);
    }
}

static void takes_only_the_next_header(void **state)
{
    const struct world *w = *state;
    struct spv_chain_header wrong = w->records[HEADERS];

    assert_int_equal(header_set_add(w->set, &wrong), SPV_ERR_INVALID); /* again */
    wrong.height++;
    assert_int_equal(header_set_add(w->set, &wrong), SPV_ERR_INVALID); /* does not link */
}

/* Cut back below a retarget and filled again: the same as before, and what was cut is unknown while
 * it is away. */
static void what_was_cut_is_gone_until_it_is_added_again(void **state)
{
    const struct world *w = *state;
    struct spv_header_db r = header_set_db(w->set);
    struct spv_chain_header got;
    uint32_t h;

    header_set_truncate(w->set, 2001);
    assert_int_equal(r.tip(r.ctx, &got), 1);
    assert_same(&got, &w->records[2000]);
    assert_int_equal(r.by_height(r.ctx, &got, 2001), 0);
    for (h = 2001; h <= HEADERS; h++)
        assert_int_equal(r.by_hash(r.ctx, &got, &w->records[h].hash), 0);
    assert_int_equal(header_set_add(w->set, &w->records[2002]), SPV_ERR_INVALID);
    for (h = 2001; h <= HEADERS; h++)
        assert_int_equal(header_set_add(w->set, &w->records[h]), 0);
    for (h = 0; h <= HEADERS; h++) {
        assert_int_equal(r.by_hash(r.ctx, &got, &w->records[h].hash), 1);
        assert_same(&got, &w->records[h]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_record_by_height_and_by_hash),
        cmocka_unit_test(finds_nothing_where_nothing_is),
        cmocka_unit_test(range_ends_with_the_chain),
        cmocka_unit_test(takes_only_the_next_header),
        cmocka_unit_test(what_was_cut_is_gone_until_it_is_added_again),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
