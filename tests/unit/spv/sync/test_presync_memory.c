/* PRESYNC and REDOWNLOAD without memory: the k-th allocation fails, for every k; the presync
 * ends, nothing leaks, and a new one completes. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "spv/sync/presync.h"
#include "support/failing_alloc.h"
#include "support/random.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/u256.h"

#define LENGTH 400000 /* headers: more bits than the first piece of memory holds */

/* Headers of a chain that is not kept in memory: each computed on request. */
struct maker {
    struct spv_header last;
    struct spv_blockhash hash;
};

static void make(struct maker *m, struct spv_header *out)
{
    m->last.prev = m->hash;
    m->last.time++;
    m->last.nonce = 0;
    assert_int_equal(spv_mine_header(&m->last, &m->hash), 0);
    *out = m->last;
}

/* Runs both passes to their end, or to the first error. */
static int run(struct spv_presync *p, const struct spv_header_ctx *start)
{
    static struct spv_header message[SPV_MAX_HEADERS];
    static struct spv_header let[SPV_MAX_HEADERS];
    const struct spv_u256 threshold = spv_u256_from_u64(2 * (LENGTH + 1));
    struct test_random random = {1};
    int rc = 0;

    spv_presync_begin(p, start, &threshold, test_random_rng(&random), chain_fixture_late);
    while (rc == 0 && p->phase != SPV_PRESYNC_PHASE_FINAL) {
        const enum spv_presync_phase pass = p->phase;
        struct maker m = {.last = {.version = 4, .time = start->parent.time, .bits = 0x207fffff},
                          .hash = start->hash};
        while (rc == 0 && p->phase == pass) {
            size_t taken;
            for (size_t i = 0; i < SPV_MAX_HEADERS; i++)
                make(&m, &message[i]);
            rc = spv_presync_take(p, &taken, message, SPV_MAX_HEADERS, chain_fixture_late);
            while (spv_presync_pop_ready(p, let, SPV_MAX_HEADERS) > 0)
                ;
        }
    }
    return rc;
}

static void every_allocation_may_fail_once(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_NO_RETARGET);
    struct spv_chain *c = chain_fixture_chain(&params);
    const struct spv_header_ctx start = c->tip;
    struct spv_presync p = {0};
    size_t failures = 0;
    (void)state;

    for (;; failures++) {
        failing_alloc_plan(failures + 1, FAILING_ALLOC_ONE);
        const int rc = run(&p, &start);
        if (failing_alloc_end() == 0) { /* more than there are */
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, SPV_ERR_NOMEM);
        spv_presync_end(&p);
    }
    assert_int_equal(failures, 3); /* bits, more bits, the redownload buffer */
    assert_int_equal(p.phase, SPV_PRESYNC_PHASE_FINAL);
    spv_presync_end(&p);
    spv_chain_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
