/* The header set of spv-serve, compared with the headers of the chain from which it was filled: a
 * simnet chain with two retargets, so that the work per header has several values. */
#include "header_set.h"
#include "spv/error.h"
#include "spv/mine.h"
#include "support/unit.h"

#define HEADERS 4500 /* past two retargets, with several work spans and growths of every table */

struct set_fixture {
    struct header_set *set;
    struct spv_chain *chain;
    struct spv_chain_header *records; /* HEADERS + 1 */
    uint32_t n;
};

static int add_header(void *ctx, const struct spv_chain_header *record)
{
    struct set_fixture *f = ctx;

    f->records[f->n++] = *record;
    return header_set_add(f->set, record);
}

static int setup(void **state)
{
    struct set_fixture *f = calloc(1, sizeof *f);
    struct spv_chain_config cfg = {.params = spv_params_get(SPV_SIMNET)};
    struct spv_mine_plan plan = {.n = HEADERS, .seed = 3, .on_header = add_header};

    assert_non_null(f);
    f->records = calloc(HEADERS + 1, sizeof *f->records);
    assert_non_null(f->records);
    assert_int_equal(header_set_new(&f->set), 0);
    cfg.header_db = header_set_db(f->set);
    assert_int_equal(spv_chain_new(&f->chain, &cfg), 0);
    assert_int_equal(add_header(f, spv_chain_tip(f->chain)), 0);
    plan.ctx = f;
    assert_int_equal(spv_mine_chain(f->chain, &plan), 0);
    assert_int_equal(f->n, HEADERS + 1);
    assert_int_not_equal(f->records[1].header.bits, f->records[HEADERS].header.bits);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct set_fixture *f = *state;

    spv_chain_free(f->chain);
    header_set_free(f->set);
    free(f->records);
    free(f);
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
    const struct set_fixture *f = *state;
    struct spv_header_db r = header_set_db(f->set);
    struct spv_chain_header got;
    uint32_t h;

    for (h = 0; h <= HEADERS; h++) {
        assert_int_equal(r.by_height(r.ctx, &got, h), 1);
        assert_same(&got, &f->records[h]);
        memset(&got, 0, sizeof got);
        assert_int_equal(r.by_hash(r.ctx, &got, &f->records[h].hash), 1);
        assert_same(&got, &f->records[h]);
    }
    assert_int_equal(r.tip(r.ctx, &got), 1);
    assert_same(&got, &f->records[HEADERS]);
}

static void unknown_heights_and_hashes_are_not_found(void **state)
{
    const struct set_fixture *f = *state;
    struct spv_header_db r = header_set_db(f->set), none;
    struct spv_blockhash hash = f->records[7].hash;
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
    const struct set_fixture *f = *state;
    struct spv_header_db r = header_set_db(f->set);
    struct spv_header out[10];
    size_t i;
    int k;

    for (i = 0; i < COUNT(cases); i++) {
        assert_int_equal(r.range(r.ctx, out, cases[i].from, cases[i].n), cases[i].want);
        for (k = 0; k < cases[i].want; k++)
            assert_int_equal(out[k].nonce, f->records[cases[i].from + (uint32_t)k].header.nonce);
    }
}

static void takes_only_the_next_header(void **state)
{
    const struct set_fixture *f = *state;
    struct spv_chain_header wrong = f->records[HEADERS];

    assert_int_equal(header_set_add(f->set, &wrong), SPV_ERR_INVALID); /* again */
    wrong.height++;
    assert_int_equal(header_set_add(f->set, &wrong), SPV_ERR_INVALID); /* does not connect */
}

/* Truncated below a retarget and filled again, it is the same as before; truncated headers are
 * unknown in between. */
static void truncated_headers_are_unknown_until_added_again(void **state)
{
    const struct set_fixture *f = *state;
    struct spv_header_db r = header_set_db(f->set);
    struct spv_chain_header got;
    uint32_t h;

    header_set_truncate(f->set, 2001);
    assert_int_equal(r.tip(r.ctx, &got), 1);
    assert_same(&got, &f->records[2000]);
    assert_int_equal(r.by_height(r.ctx, &got, 2001), 0);
    for (h = 2001; h <= HEADERS; h++)
        assert_int_equal(r.by_hash(r.ctx, &got, &f->records[h].hash), 0);
    assert_int_equal(header_set_add(f->set, &f->records[2002]), SPV_ERR_INVALID);
    for (h = 2001; h <= HEADERS; h++)
        assert_int_equal(header_set_add(f->set, &f->records[h]), 0);
    for (h = 0; h <= HEADERS; h++) {
        assert_int_equal(r.by_hash(r.ctx, &got, &f->records[h].hash), 1);
        assert_same(&got, &f->records[h]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_record_by_height_and_by_hash),
        cmocka_unit_test(unknown_heights_and_hashes_are_not_found),
        cmocka_unit_test(range_ends_with_the_chain),
        cmocka_unit_test(takes_only_the_next_header),
        cmocka_unit_test(truncated_headers_are_unknown_until_added_again),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
