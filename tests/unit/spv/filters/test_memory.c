/* Each allocation failing in turn: an error, nothing leaked, and the next call succeeds. */
#include "support/fail_each.h"
#include "support/unit.h"

#include "spv/error.h"
#include "spv/filter.h"
#include "spv/filters/block_scripts.h"

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

/* A block of a coinbase with an output and an OP_RETURN output, and of a transaction whose input
 * shows what it spends. */
static void parse_block(struct spv_block *out)
{
    static const char hex[] = "01000000"
                              "01"
                              "0000000000000000000000000000000000000000000000000000000000000000"
                              "ffffffff"
                              "0151"
                              "ffffffff"
                              "02"
                              "0000000000000000"
                              "0151"
                              "0000000000000000"
                              "016a"
                              "00000000"
                              "01000000"
                              "01"
                              "0700000000000000000000000000000000000000000000000000000000000000"
                              "00000000"
                              "020152"
                              "ffffffff"
                              "01"
                              "0000000000000000"
                              "0153"
                              "00000000";
    static uint8_t bytes[80 + 1 + sizeof hex / 2];

    bytes[80] = 2;
    (void)unhex(bytes + 81, sizeof bytes - 81, hex);
    assert_int_equal(spv_block_parse(out, bytes, sizeof bytes), 0);
}

static int build_of_a_block(void)
{
    const uint8_t script[] = {0x54};
    const struct spv_bytes spent = {script, sizeof script};
    struct spv_block parsed;
    uint8_t *built;
    size_t n;

    parse_block(&parsed);
    const int rc = spv_filter_build_block(&built, &n, &parsed, &spent, 1);
    assert_int_equal(built == NULL, rc != 0);
    if (built)
        assert_int_equal(built[0], 3); /* the OP_RETURN output is no element */
    free(built);
    return rc;
}

static int check_a_filter(void)
{
    static const uint8_t bytes[] = {3, 0, 0, 0, 0, 0, 0, 0, 0};
    const struct spv_filter filter = {.bytes = bytes, .n = sizeof bytes};
    struct spv_block parsed;
    struct spv_block_scripts *block_scripts;
    struct spv_filter_check_result result;

    parse_block(&parsed);
    int rc = spv_block_scripts_new(&block_scripts, &parsed, true, NULL);
    assert_int_equal(block_scripts == NULL, rc != 0);
    if (rc == 0)
        rc = spv_block_scripts_check_filter(&result, block_scripts, &filter);
    if (rc == 0)
        assert_int_equal(result.error, SPV_ERR_FILTER_OUTPUT);
    spv_block_scripts_free(block_scripts);
    return rc;
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

static void failed_allocation_checks_nothing(void **state)
{
    (void)state;
    assert_true(fail_each(check_a_filter) >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_allocation_builds_and_matches_nothing),
        cmocka_unit_test(failed_allocation_builds_no_filter_of_a_block),
        cmocka_unit_test(failed_allocation_checks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
