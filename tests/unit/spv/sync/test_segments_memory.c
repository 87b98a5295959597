/* Out of memory fails the call and has no other effect: the k-th allocation fails, for every k,
 * the call is repeated, and all headers are there at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "spv/sync/peer_table.h"
#include "spv/sync/segments.h"
#include "support/failing_alloc.h"
#include "unit/spv/node/node_fixture.h"

#define LENGTH 4500

static struct test_chain main_chain;
static struct spv_effects effects;
static const struct spv_now now = {.mono_us = SPV_SECOND, .unix_s = 1800000000};

/* The effect queue keeps its error after out of memory, which stops its node; here a new queue
 * replaces it, like that of the restarted node. */
static bool is_nomem(int rc)
{
    if (rc >= 0)
        return false;
    assert_int_equal(rc, SPV_ERR_NOMEM);
    return true;
}

/* Returns true when it completed. */
static bool fetch_all(void)
{
    const struct spv_checkpoint checkpoints[2] = {{2015, main_chain.hashes[2015], 0, {{0}}},
                                                  {4031, main_chain.hashes[4031], 0, {{0}}}};
    const struct spv_checkpoint start = {0, main_chain.hashes[0], 0, {{0}}};
    struct spv_peer_table peers = {0};
    const struct spv_segments_config cfg = {.ops = &spv_segments_header_ops,
                                            .peers = &peers,
                                            .params = spv_params_get(SPV_REGTEST),
                                            .checkpoints = checkpoints,
                                            .n_checkpoints = 2,
                                            .effects = &effects};
    static const struct {
        uint32_t from, n;
    } answers[] = {{2015, 2000}, {4015, 16}, {0, 2000}, {2000, 15}};
    struct spv_segments *f;
    struct spv_segments_batch batch;
    struct spv_effect e;
    uint64_t tags[4] = {0};
    spv_effects_init(&effects);
    assert_non_null(spv_peer_table_add(&peers, 1));
    int rc = spv_segments_new(&f, &cfg);
    if (is_nomem(rc)) {
        assert_null(f);
        rc = spv_segments_new(&f, &cfg);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(spv_segments_begin(f, &start, UINT32_MAX, now), 0);
    rc = spv_segments_add(f, 1, now);
    if (is_nomem(rc) && !effects.error)
        rc = spv_segments_add(f, 1, now);
    for (size_t i = 0; rc >= 0 && i < sizeof answers / sizeof answers[0]; i++) {
        while (spv_effects_pop(&effects, &e) == 1)
            for (size_t k = 0; k < sizeof answers / sizeof answers[0]; k++)
                if (spv_blockhash_eq(&e.message.u.getheaders.locator[0],
                                     &main_chain.hashes[answers[k].from]))
                    tags[k] = e.message.u.getheaders.tag;
        const struct spv_msg_headers msg = {
            .headers = main_chain.headers + answers[i].from + 1, .n = answers[i].n, .tag = tags[i]};
        rc = spv_segments_headers(f, 1, &msg, now);
        if (is_nomem(rc) && !effects.error)
            rc = spv_segments_headers(f, 1, &msg, now);
        if (rc >= 0)
            assert_int_equal(rc, 1);
    }
    const bool n_complete = rc >= 0;
    if (n_complete) {
        assert_true(spv_segments_next_batch(f, &batch, now));
        assert_int_equal(batch.n, 4031);
        assert_int_equal(spv_segments_consume(f, now), 0);
        assert_true(spv_segments_done(f));
    } else {
        assert_int_equal(effects.error, SPV_ERR_NOMEM);
    }
    spv_segments_free(f);
    spv_effects_free(&effects);
    return n_complete;
}

static void every_allocation_may_fail_once(void **state)
{
    (void)state;
    size_t failed, failures = 0, n_complete = 0;
    do {
        failing_alloc_plan(failures + 1, FAILING_ALLOC_ONE);
        n_complete += fetch_all();
        failed = failing_alloc_end();
        failures += failed;
    } while (failed > 0);
    assert_in_range(failures, 8, 20); /* the machine, its stage, a peer, two segments, requests */
    assert_in_range(n_complete, 6, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail_once),
    };
    main_chain = test_chain_mine(LENGTH, 1, NULL, 0);
    const int rc = cmocka_run_group_tests(tests, NULL, NULL);
    test_chain_free(&main_chain);
    return rc;
}
