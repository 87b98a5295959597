/* Running out of memory costs the call and nothing else: the k-th allocation fails, for every k,
 * the call is made again, and all ends as if nothing had been. The linker sends the allocator's
 * calls through the wrappers below. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "unit/spv/chain/chain_fixture.h"

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);

static size_t until_failure; /* 0: none fails */
static size_t failures;

static bool refused(void)
{
    if (until_failure == 0 || --until_failure > 0)
        return false;
    failures++;
    return true;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_malloc(size_t n)
{
    return refused() ? NULL : __real_malloc(n);
}

void *__wrap_realloc(void *p, size_t n)
{
    return refused() ? NULL : __real_realloc(p, n);
}

/* Accepts, and retries when out of memory. */
static void insist(struct spv_chain *c, struct chain_fixture_store *s,
                   const struct chain_fixture_headers *h, size_t from, size_t to)
{
    struct spv_accept_result v;
    int rc = spv_chain_accept(c, &v, h->headers + from, to - from, chain_fixture_late);
    const size_t left = until_failure;

    if (rc != 0) {
        assert_int_equal(rc, SPV_ERR_NOMEM);
        rc = spv_chain_accept(c, &v, h->headers + from, to - from, chain_fixture_late);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(v.error, 0);
    until_failure = 0; /* the test's own allocations never fail */
    chain_fixture_store_apply(s, &v.update);
    until_failure = left > 0 && rc == 0 ? left : 0;
    spv_chain_stored(c);
}

static void every_allocation_may_fail_once(void **state)
{
    const struct spv_params params = chain_fixture_params(KIT_NO_RETARGET);
    struct chain_fixture_headers a = chain_fixture_mined(&params, NULL, 0, 150, 600, 1);
    struct chain_fixture_headers b = chain_fixture_mined(&params, &a, 120, 60, 600, 2);
    struct chain_fixture_headers d = chain_fixture_mined(&params, &b, 130, 5, 600, 3);
    size_t seen;
    (void)state;

    for (size_t k = 1;; k++) {
        struct chain_fixture_store s;
        struct spv_chain *c;
        chain_fixture_store_init(&s, &params);
        const struct spv_chain_config cfg = {.params = &params, .reader = chain_fixture_reader(&s)};
        seen = failures;
        until_failure = k;
        int rc = spv_chain_new(&c, &cfg);
        if (rc != 0) {
            assert_int_equal(rc, SPV_ERR_NOMEM);
            assert_null(c);
            assert_int_equal(spv_chain_new(&c, &cfg), 0);
        }
        insist(c, &s, &a, 0, 50);
        insist(c, &s, &a, 50, 150);
        insist(c, &s, &b, 120, 125); /* a branch */
        insist(c, &s, &b, 125, 145); /* grows */
        insist(c, &s, &d, 130, 135); /* one off it */
        insist(c, &s, &b, 145, 180); /* becomes the best chain */
        const size_t left = until_failure;
        until_failure = 0;
        const struct spv_blockhash tip = chain_fixture_hash(&b.headers[179]);
        assert_memory_equal(&spv_chain_tip(c)->hash, &tip, sizeof tip);
        spv_chain_free(c);
        /* and what was stored can be loaded, side branches too */
        until_failure = left;
        rc = spv_chain_new(&c, &cfg);
        const size_t unspent = until_failure;
        until_failure = 0;
        if (rc != 0) {
            assert_int_equal(rc, SPV_ERR_NOMEM);
            assert_int_equal(spv_chain_new(&c, &cfg), 0);
        }
        assert_memory_equal(&spv_chain_tip(c)->hash, &tip, sizeof tip);
        assert_int_equal(spv_chain_branch_headers(c), s.n_side);
        spv_chain_free(c);
        chain_fixture_store_free(&s);
        if (unspent > 0) {
            assert_int_equal(failures, seen); /* more than there are */
            break;
        }
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
