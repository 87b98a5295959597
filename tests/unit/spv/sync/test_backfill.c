/* A node that backfills the gap below its chain's base, with misbehaving peers and allocation
 * failures. */
#include <string.h>

#include "support/failing_alloc.h"
#include "unit/spv/sync/backfill_fixture.h"
#include "util/u256.h"

/* A node that has started at the checkpoint, is synced, and whose store begins at BASE. */
static void start_first(struct backfill_fixture *r)
{
    const struct spv_node_config cfg = backfill_fixture_config(r);
    backfill_fixture_open(r, &cfg);
    backfill_fixture_serve(r, backfill_fixture_connect(r, 0), &r->chain);
    backfill_fixture_check_store(r, BASE, false);
    r->store.base.work_since = BASE;
}

static void backfills_once_synced_and_corrects_the_work(void **state)
{
    struct backfill_fixture r;
    struct spv_node_stats stats;
    (void)state;
    backfill_fixture_set(&r);
    start_first(&r);
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    backfill_fixture_open(&r, &cfg);
    const uint64_t a = backfill_fixture_connect(&r, 0);
    backfill_fixture_serve(&r, a, &r.chain);
    assert_int_equal(r.events[SPV_EVENT_BACKFILL_DONE], 1);
    assert_true(r.store.fills > 0);
    backfill_fixture_check_store(&r, 0, true);
    spv_node_get_stats(r.node, &stats);
    assert_int_equal(stats.start.height, 0);
    /* the node's chain in memory has the right work, too */
    assert_int_equal(spv_u256_cmp(&stats.tip.work, &r.store.at[TOP].work), 0);
    /* already complete: the option has no effect */
    backfill_fixture_open(&r, &cfg);
    backfill_fixture_serve(&r, backfill_fixture_connect(&r, 0), &r.chain);
    assert_int_equal(r.events[SPV_EVENT_BACKFILL_DONE], 1);
    backfill_fixture_unset(&r);
}

/* True when a request for headers below BASE is open. */
static bool asks_for_the_gap(const struct backfill_fixture *r)
{
    for (size_t i = 0; i < REQUESTS; i++)
        for (uint32_t h = 0; r->request[i].peer && h + 1 < BASE; h++)
            if (spv_blockhash_eq(&r->request[i].from, &r->at[h].hash))
                return true;
    return false;
}

static void the_gap_is_not_requested_before_the_chain_is_synced(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    start_first(&r);
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    const unsigned before = r.events[SPV_EVENT_SYNCED];
    backfill_fixture_open(&r, &cfg);
    const uint64_t peer = backfill_fixture_connect(&r, 0);
    assert_int_equal(r.events[SPV_EVENT_SYNCED], before);
    assert_false(asks_for_the_gap(&r));
    while (r.events[SPV_EVENT_SYNCED] == before)
        assert_true(backfill_fixture_answer(&r, peer, &r.chain));
    assert_true(asks_for_the_gap(&r));
    backfill_fixture_unset(&r);
}

static void backfill_resumes_where_it_ended(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    start_first(&r);
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    for (uint32_t h = 1; h < 30; h++) { /* stored by an earlier run */
        r.store.at[h] = r.at[h];
        r.store.there[h] = true;
    }
    backfill_fixture_open(&r, &cfg);
    backfill_fixture_serve(&r, backfill_fixture_connect(&r, 0), &r.chain);
    assert_int_equal(r.store.filled_from, 29);
    backfill_fixture_check_store(&r, 0, true);
    backfill_fixture_unset(&r);
}

static void damaged_backfilled_headers_are_downloaded_again(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    start_first(&r);
    for (uint32_t h = 1; h < 30; h++) {
        r.store.at[h] = r.store.at[BASE + h];
        r.store.at[h].height = h;
        r.store.there[h] = true;
    }
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    backfill_fixture_open(&r, &cfg);
    backfill_fixture_serve(&r, backfill_fixture_connect(&r, 0), &r.chain);
    backfill_fixture_check_store(&r, 0, true);
    backfill_fixture_unset(&r);
}

static void a_peer_with_an_invalid_gap_is_banned_and_the_next_peer_queried(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    start_first(&r);
    struct chain_fixture_headers other = {0};
    for (size_t i = 0; i < TOP; i++)
        chain_fixture_push(&other, &r.chain.headers[i]);
    chain_fixture_miss(
        &other.headers[14]); /* one stored header is changed, its successors are not */
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.backfill = true;
    backfill_fixture_open(&r, &cfg);
    const uint64_t misbehaving = backfill_fixture_connect(&r, 0);
    const uint64_t honest = backfill_fixture_connect(&r, 1);
    for (int i = 0; i < 10; i++) {
        backfill_fixture_serve(&r, misbehaving, &other);
        backfill_fixture_serve(&r, honest, &r.chain);
    }
    assert_int_equal(spv_err_class_of(r.closed[misbehaving]), SPV_CLASS_MISBEHAVING);
    assert_int_equal(r.closed[honest], 0);
    backfill_fixture_check_store(&r, 0, true);
    chain_fixture_headers_free(&other);
    backfill_fixture_unset(&r);
}

/* Answers until the node is synced: its later requests are for the gap. */
static void serve_until_synced(struct backfill_fixture *r, const uint64_t peers[2])
{
    const unsigned before = r->events[SPV_EVENT_SYNCED];
    for (int i = 0; i < 20 && r->events[SPV_EVENT_SYNCED] == before; i++)
        (void)backfill_fixture_answer(r, peers[i % 2], &r->chain);
    assert_int_equal(r->events[SPV_EVENT_SYNCED], before + 1);
}

/* Only our own chain commits to the headers below the base: an honest peer may have forked below
 * it. */
static void a_fork_below_the_base_is_not_misbehaving_in_the_backfill(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    start_first(&r);
    struct chain_fixture_headers other = chain_fixture_uneven(&r.params, NULL, 0, TOP, 77);
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.backfill = true;
    cfg.checkpoint_mode = SPV_CHECKPOINTS_IGNORED;
    backfill_fixture_open(&r, &cfg);
    const uint64_t peers[2] = {backfill_fixture_connect(&r, 0), backfill_fixture_connect(&r, 1)};
    serve_until_synced(&r, peers);
    backfill_fixture_serve(&r, peers[0], &other);
    assert_int_equal(r.closed[peers[0]], SPV_ERR_FORK_BELOW_START);
    assert_int_equal(r.events[SPV_EVENT_BANNED], 0);
    for (int i = 0; i < 5 && r.store.base.height > 0; i++) {
        backfill_fixture_serve(&r, peers[1], &r.chain);
        r.now.mono_us = spv_node_deadline(r.node);
        assert_int_equal(spv_node_timer(r.node, r.now), 0);
        backfill_fixture_pull(&r);
    }
    assert_int_equal(r.closed[peers[1]], 0);
    backfill_fixture_check_store(&r, 0, true);
    chain_fixture_headers_free(&other);
    backfill_fixture_unset(&r);
}

/* Our base commits to the headers of the gap, so no clock makes them invalid. */
static void the_gap_is_backfilled_with_any_clock(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    start_first(&r);
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    r.now.unix_s = 0; /* 1970 */
    backfill_fixture_open(&r, &cfg);
    backfill_fixture_serve(&r, backfill_fixture_connect(&r, 0), &r.chain);
    assert_int_equal(r.events[SPV_EVENT_BACKFILL_DONE], 1);
    backfill_fixture_check_store(&r, 0, true);
    backfill_fixture_unset(&r);
}

/* Without checkpoints an earlier run may have stored a misbehaving peer's valid headers. */
static void backfilled_headers_that_no_peer_has_are_requested_again(void **state)
{
    struct backfill_fixture r;
    struct spv_chain *c;
    (void)state;
    backfill_fixture_set(&r);
    start_first(&r);
    struct chain_fixture_headers other = chain_fixture_uneven(&r.params, NULL, 0, 40, 77);
    c = chain_fixture_chain(&r.params);
    for (size_t i = 0; i < 40; i++) {
        chain_fixture_feed(c, &other, i, i + 1);
        r.store.at[i + 1] = *spv_chain_tip(c);
        r.store.there[i + 1] = true;
    }
    spv_chain_free(c);
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    cfg.checkpoint_mode = SPV_CHECKPOINTS_IGNORED;
    backfill_fixture_open(&r, &cfg);
    const uint64_t honest = backfill_fixture_connect(&r, 0);
    for (int i = 0; i < 5 && r.store.base.height > 0; i++) {
        backfill_fixture_serve(&r, honest, &r.chain);
        r.now.mono_us = spv_node_deadline(r.node);
        assert_int_equal(spv_node_timer(r.node, r.now), 0);
        backfill_fixture_pull(&r);
    }
    assert_int_equal(r.closed[honest], 0);
    backfill_fixture_check_store(&r, 0, true);
    chain_fixture_headers_free(&other);
    backfill_fixture_unset(&r);
}

static void wrong_work_below_the_base_stops_the_node(void **state)
{
    struct backfill_fixture r;
    (void)state;
    backfill_fixture_set(&r);
    start_first(&r);
    assert_int_equal(r.checkpoints[2].height, 35);
    r.checkpoints[2].work = r.at[36].work; /* not the work of height 35 */
    struct spv_node_config cfg = backfill_fixture_config(&r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    backfill_fixture_open(&r, &cfg);
    backfill_fixture_serve(&r, backfill_fixture_connect(&r, 0), &r.chain);
    assert_int_equal(spv_node_timer(r.node, r.now), SPV_ERR_DB_DAMAGED);
    assert_int_equal(r.store.fills, 0); /* before any of them is stored */
    backfill_fixture_unset(&r);
}

static void checkpoints_of_the_callers_must_ascend(void **state)
{
    struct backfill_fixture r;
    struct spv_node *node = NULL;
    (void)state;
    backfill_fixture_set(&r);
    struct spv_node_config cfg = backfill_fixture_config(&r);
    r.checkpoints[3].height = r.checkpoints[2].height;
    assert_int_equal(spv_node_new(&node, &cfg, r.now), SPV_ERR_INVALID);
    r.checkpoints[3].height++;
    cfg.n_checkpoints = 2;
    assert_int_equal(spv_node_new(&node, &cfg, r.now), 0);
    spv_node_free(node);
    backfill_fixture_unset(&r);
}

/* A checkpoint start and a backfill, until an allocation fails. */
static void live(struct backfill_fixture *r)
{
    const struct spv_peer_stats info = {.ready = true, .version = 70016, .start_height = TOP};
    struct spv_node_config cfg = backfill_fixture_config(r);
    cfg.backfill = true;
    cfg.n_connect = 1;
    r->n_dialled = 0;
    memset(r->request, 0, sizeof r->request);
    if (spv_node_new(&r->node, &cfg, r->now) < 0) {
        r->node = NULL;
        return;
    }
    backfill_fixture_pull(r);
    if (r->n_dialled > 0) {
        (void)spv_node_connected(r->node, r->dialled[0], &info, r->now);
        backfill_fixture_pull(r);
        backfill_fixture_serve(r, r->dialled[0], &r->chain);
    }
    spv_node_free(r->node);
    r->node = NULL;
}

static void each_failing_allocation_is_survived(void **state)
{
    struct backfill_fixture r;
    size_t failed, k = 0;
    (void)state;
    backfill_fixture_set(&r);
    const struct spv_chain_header genesis = r.store.at[0];
    do {
        memset(&r.store, 0, sizeof r.store);
        memset(r.closed, 0, sizeof r.closed);
        r.store.at[0] = genesis;
        r.store.there[0] = true;
        failing_alloc_plan(++k, FAILING_ALLOC_ONE);
        live(&r);
        failed = failing_alloc_end();
        /* the next run always completes */
        r.store.base.work_since = r.store.base.height;
        if (r.store.tip < TOP || r.store.base.height > 0)
            live(&r);
        if (r.store.base.height > 0) { /* where work values still counted from the base */
            r.store.base.work_since = r.store.base.height;
            live(&r);
        }
        assert_int_equal(r.store.tip, TOP);
        assert_int_equal(r.store.base.height, 0);
        assert_true(k < 10000);
    } while (failed > 0);
    print_message("%zu allocations\n", k);
    assert_true(k > 20);
    backfill_fixture_unset(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_of_the_callers_must_ascend),
        cmocka_unit_test(backfills_once_synced_and_corrects_the_work),
        cmocka_unit_test(the_gap_is_not_requested_before_the_chain_is_synced),
        cmocka_unit_test(backfill_resumes_where_it_ended),
        cmocka_unit_test(damaged_backfilled_headers_are_downloaded_again),
        cmocka_unit_test(a_peer_with_an_invalid_gap_is_banned_and_the_next_peer_queried),
        cmocka_unit_test(a_fork_below_the_base_is_not_misbehaving_in_the_backfill),
        cmocka_unit_test(the_gap_is_backfilled_with_any_clock),
        cmocka_unit_test(backfilled_headers_that_no_peer_has_are_requested_again),
        cmocka_unit_test(wrong_work_below_the_base_stops_the_node),
        cmocka_unit_test(each_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
