/* Each allocation failing in turn: an error, nothing leaked, and the next call succeeds. */
#include "support/failing_alloc.h"
#include "support/unit.h"

#include "spv/error.h"
#include "spv/filter.h"

static const struct spv_blockhash block = {{5}};
static const uint8_t text[] = "a script, and another one that is longer";
static const struct spv_bytes scripts[] = {{text, 8}, {text, 22}, {text, 39}, {text, 0}};

static int build_and_match(void)
{
    struct spv_filter_query *query = NULL;
    struct spv_filter_matcher *matcher = NULL;
    struct spv_filter filters[2] = {{.block = block}, {.block = block}};
    uint8_t *built;
    int results[2];
    int rc = spv_filter_build(&built, &filters[0].n, &block, scripts, COUNT(scripts));

    assert_int_equal(built == NULL, rc != 0);
    if (rc != 0)
        return rc;
    filters[0].bytes = built;
    filters[1] = filters[0];
    rc = spv_filter_check(NULL, &filters[0]);
    if (rc == 0)
        rc = spv_filter_query_new(&query, scripts, COUNT(scripts));
    assert_int_equal(query == NULL, rc != 0);
    if (rc == 0)
        rc = spv_filter_matcher_new(&matcher, query);
    assert_int_equal(matcher == NULL, rc != 0);
    if (rc == 0) {
        spv_filter_match_list(matcher, results, filters, 2);
        for (unsigned i = 0; i < 2; i++) {
            assert_true(results[i] == 1 || results[i] == SPV_ERR_NOMEM);
            if (results[i] < 0)
                rc = results[i];
        }
    }
    spv_filter_matcher_free(matcher);
    spv_filter_query_free(query);
    free(built);
    return rc;
}

/* A block of one transaction without an input's worth of script. */
static int build_of_a_block(void)
{
    static const char coinbase[] =
        "01000000" /* version */
        "01" /* inputs */
        "0000000000000000000000000000000000000000000000000000000000000000"
        "ffffffff"
        "0151"
        "ffffffff"
        "02" /* outputs */
        "0000000000000000"
        "0151"
        "0000000000000000"
        "016a"
        "00000000";
    uint8_t bytes[80 + 1 + COUNT(coinbase) / 2] = {0};
    struct spv_block parsed;
    uint8_t *built;
    size_t n;

    bytes[80] = 1;
    (void)unhex(bytes + 81, sizeof bytes - 81, coinbase);
    assert_int_equal(spv_block_parse(&parsed, bytes, sizeof bytes), 0);
    const int rc = spv_filter_build_block(&built, &n, &parsed, NULL, 0);
    assert_int_equal(built == NULL, rc != 0);
    if (rc == 0) {
        assert_int_equal(built[0], 1); /* the OP_RETURN output is no element */
        free(built);
    }
    return rc;
}

/* Returns the number of allocations. */
static size_t fail_each(int (*call)(void))
{
    for (size_t k = 1;; k++) {
        failing_alloc_plan(k, FAILING_ALLOC_ONE);
        const int rc = call();
        if (failing_alloc_end() == 0) {
            assert_int_equal(rc, 0);
            return k - 1;
        }
        assert_int_equal(rc, SPV_ERR_NOMEM);
    }
}

static void failed_allocation_builds_and_matches_nothing(void **state)
{
    (void)state;
    assert_true(fail_each(build_and_match) >= 13);
}

static void failed_allocation_builds_no_filter_of_a_block(void **state)
{
    (void)state;
    assert_true(fail_each(build_of_a_block) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_allocation_builds_and_matches_nothing),
        cmocka_unit_test(failed_allocation_builds_no_filter_of_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
