/* Each allocation of parsing, deriving and expanding fails in turn: an error, no leak (the
 * sanitizer), and the next attempt succeeds. */
#include "descriptor_fixture.h"

#include "support/failing_alloc.h"

static const char *const texts[] = {
    "wpkh([deadbeef/84h/0h/0h/1/2/3]" XPUB_A "/<0;1>/1/2/3/4/5/*)",
    "wsh(sortedmulti(2," XPUB_A "/<0;1>/*," KEY_A "," XPUB_B "/3/*," KEY_B "," KEY_B "," KEY_B "))",
    "tr(" KEY_X ",{{pk(" XPUB_A "/*),multi_a(1," KEY_X "," KEY_X ")},{pk(" KEY_X "),{pk(" KEY_X
    "),sortedmulti_a(1," KEY_X "," KEY_B ")}}})",
    "combo(" XPUB_A "/*)",
    "raw(deadbeef)",
    "addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra15j)",
};

static void failed_allocation_of_parsing_is_an_error(void **state)
{
    size_t failures = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        for (size_t k = 1;; k++) {
            struct spv_descriptor *d;
            struct spv_text_error why;
            failing_alloc_plan(k, k % 2 ? FAILING_ALLOC_ONE : FAILING_ALLOC_REST);
            const int rc = parse_descriptor(&d, &why, texts[i], SPV_ANY_NETWORK);
            if (failing_alloc_end() == 0) {
                assert_int_equal(rc, 0);
                spv_descriptor_free(d);
                break;
            }
            failures++;
            assert_int_equal(rc, SPV_ERR_NOMEM);
            assert_int_equal(why.code, SPV_ERR_NOMEM);
            assert_null(d);
        }
    print_message("%zu failures\n", failures);
    assert_true(failures > 40);
}

static void failed_allocation_of_deriving_is_an_error(void **state)
{
    size_t failures = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct spv_descriptor *d, *expanded;
        struct spv_text_error why;
        struct spv_derived_scripts got;
        assert_int_equal(parse_descriptor(&d, &why, texts[i], SPV_ANY_NETWORK), 0);
        for (size_t k = 1;; k++) {
            failing_alloc_plan(k, FAILING_ALLOC_ONE);
            const int rc = spv_descriptor_derive(&got, d, 0, 0, 9);
            if (failing_alloc_end() == 0) {
                assert_int_equal(rc, 0);
                spv_derived_scripts_free(&got);
                break;
            }
            failures++;
            if (rc != SPV_ERR_NOMEM)
                fail_msg("%s: allocation %zu: %d", texts[i], k, rc);
            assert_null(got.scripts);
            assert_null(got.bytes);
            assert_int_equal(got.n, 0);
        }
        for (size_t k = 1;; k++) {
            failing_alloc_plan(k, FAILING_ALLOC_ONE);
            const int rc = spv_descriptor_expand(&expanded, d, 0);
            if (failing_alloc_end() == 0) {
                assert_int_equal(rc, 0);
                spv_descriptor_free(expanded);
                break;
            }
            failures++;
            assert_int_equal(rc, SPV_ERR_NOMEM);
            assert_null(expanded);
        }
        spv_descriptor_free(d);
    }
    assert_true(failures > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_allocation_of_parsing_is_an_error),
        cmocka_unit_test(failed_allocation_of_deriving_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
