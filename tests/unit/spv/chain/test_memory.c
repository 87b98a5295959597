/* Out of memory fails the call and has no other effect: the k-th allocation fails, for every k, the
 * call is repeated, and the outcome is the same as without the failure. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "support/failing_alloc.h"
#include "unit/spv/chain/chain_fixture.h"

/* Accepts, and retries when out of memory. */
static void accept_retrying(struct spv_chain *c, struct chain_fixture_store *s,
                            const struct chain_fixture_headers *h, size_t from, size_t to)
{
    struct spv_accept_result v;
    int rc = spv_chain_accept(c, &v, h->headers + from, to - from, chain_fixture_late);

    if (rc != 0) {
        assert_int_equal(rc, SPV_ERR_NOMEM);
        rc = spv_chain_accept(c, &v, h->headers + from, to - from, chain_fixture_late);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(v.error, 0);
    failing_alloc_pause();
    chain_fixture_store_apply(s, &v.update);
    failing_alloc_resume();
    spv_chain_stored(c);
}

static void every_allocation_may_fail_once(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct chain_fixture_headers a = chain_fixture_mined(&params, NULL, 0, 150, 600, 1);
    struct chain_fixture_headers b = chain_fixture_mined(&params, &a, 120, 60, 600, 2);
    struct chain_fixture_headers d = chain_fixture_mined(&params, &b, 130, 5, 600, 3);
    size_t failures = 0;
    (void)state;

    for (size_t k = 1;; k++) {
        struct chain_fixture_store s;
        struct spv_chain *c;
        chain_fixture_store_init(&s, &params);
        const struct spv_chain_config cfg = {.params = &params,
                                             .header_db = chain_fixture_reader(&s)};
        failing_alloc_plan(k, FAILING_ALLOC_ONE);
        int rc = spv_chain_new(&c, &cfg);
        if (rc != 0) {
            assert_int_equal(rc, SPV_ERR_NOMEM);
            assert_null(c);
            assert_int_equal(spv_chain_new(&c, &cfg), 0);
        }
        accept_retrying(c, &s, &a, 0, 50);
        accept_retrying(c, &s, &a, 50, 150);
        accept_retrying(c, &s, &b, 120, 125); /* a branch */
        accept_retrying(c, &s, &b, 125, 145); /* grows */
        accept_retrying(c, &s, &d, 130, 135); /* one off it */
        accept_retrying(c, &s, &b, 145, 180); /* becomes the best chain */
        failing_alloc_pause();
        const struct spv_blockhash tip = chain_fixture_hash(&b.headers[179]);
        assert_memory_equal(&spv_chain_tip(c)->hash, &tip, sizeof tip);
        spv_chain_free(c);
        failing_alloc_resume();
        /* and what was stored can be loaded, side branches too */
        rc = spv_chain_new(&c, &cfg);
        const size_t failed = failing_alloc_end();
        if (rc != 0) {
            assert_int_equal(rc, SPV_ERR_NOMEM);
            assert_int_equal(spv_chain_new(&c, &cfg), 0);
        }
        assert_memory_equal(&spv_chain_tip(c)->hash, &tip, sizeof tip);
        assert_int_equal(spv_chain_branch_headers(c), s.n_side);
        spv_chain_free(c);
        chain_fixture_store_free(&s);
        if (failed == 0) /* more than there are */
            break;
        failures += failed;
    }
    assert_true(failures >= 10);
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&b);
    chain_fixture_headers_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
