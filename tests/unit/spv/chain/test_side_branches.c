/* Side branches and reorganisations: which chain is selected, what is stored, what it costs. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "unit/spv/chain/chain_fixture.h"
#include "util/u256.h"

static struct spv_accept_result accept(struct spv_chain *c, const struct chain_fixture_headers *h,
                                       size_t from, size_t to)
{
    struct spv_accept_result v;

    assert_int_equal(spv_chain_accept(c, &v, h->headers + from, to - from, chain_fixture_late), 0);
    return v;
}

static void assert_tip(const struct spv_chain *c, const struct chain_fixture_headers *h)
{
    const struct spv_blockhash hash = chain_fixture_hash(&h->headers[h->n - 1]);

    assert_int_equal(spv_chain_tip(c)->height, h->n);
    assert_memory_equal(&spv_chain_tip(c)->hash, &hash, sizeof hash);
}

static void more_work_wins_and_a_tie_does_not(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers a = chain_fixture_mined(params, NULL, 0, 10, 600, 1);
    struct chain_fixture_headers b = chain_fixture_mined(params, &a, 6, 5, 600, 2); /* 11 headers */
    struct spv_chain *c = chain_fixture_chain(params);
    struct spv_accept_result v;
    (void)state;

    chain_fixture_feed(c, &a, 0, 10);
    v = accept(c, &b, 6, 10); /* as long as a */
    assert_int_equal(v.accepted, 4);
    assert_int_equal(v.update.kind, SPV_UPDATE_BRANCH);
    assert_int_equal(v.update.fork_height, 6);
    assert_int_equal(v.update.n, 4);
    assert_tip(c, &a);
    spv_chain_stored(c);
    v = accept(c, &b, 10, 11);
    assert_int_equal(v.update.kind, SPV_UPDATE_REORG);
    assert_int_equal(v.update.fork_height, 6);
    assert_int_equal(v.update.removed, 4);
    assert_int_equal(v.update.n, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(v.update.headers[i].height, 7 + i);
        assert_memory_equal(&v.update.headers[i].header, &b.headers[6 + i],
                            sizeof(struct spv_header));
    }
    spv_chain_stored(c);
    assert_tip(c, &b);
    spv_chain_free(c);
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&b);
}

/* Fewer headers with more work win. */
static void work_decides_not_length(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_PLAIN);
    struct chain_fixture_headers slow = chain_fixture_mined(&params, NULL, 0, 24, 600, 1);
    struct chain_fixture_headers fast =
        chain_fixture_mined(&params, NULL, 0, 19, 100, 2); /* four times the work */
    struct spv_chain *c = chain_fixture_chain(&params);
    (void)state;

    chain_fixture_feed(c, &slow, 0, slow.n);
    chain_fixture_feed(c, &fast, 0, fast.n);
    assert_tip(c, &fast);
    spv_chain_free(c);
    chain_fixture_headers_free(&slow);
    chain_fixture_headers_free(&fast);
}

static void a_branch_grows_over_many_messages(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers a = chain_fixture_mined(params, NULL, 0, 300, 600, 1);
    struct chain_fixture_headers b = chain_fixture_mined(params, &a, 20, 281, 600, 2);
    struct spv_chain *c = chain_fixture_chain(params);
    bool best;
    struct spv_chain_header record;
    (void)state;

    chain_fixture_feed(c, &a, 0, 300);
    for (size_t i = 20; i < 300; i++) {
        const struct spv_accept_result v = accept(c, &b, i, i + 1);
        assert_int_equal(v.update.kind, SPV_UPDATE_BRANCH);
        assert_int_equal(v.update.fork_height, i);
        spv_chain_stored(c);
    }
    const struct spv_blockhash end = chain_fixture_hash(&b.headers[299]);
    assert_int_equal(spv_chain_find(c, &record, &best, &end), 1);
    assert_false(best);
    assert_int_equal(record.height, 300);
    chain_fixture_feed(c, &b, 300, 301);
    assert_tip(c, &b);
    /* the old best chain is a branch now, and wins again */
    const struct spv_blockhash old = chain_fixture_hash(&a.headers[299]);
    assert_int_equal(spv_chain_find(c, &record, &best, &old), 1);
    assert_false(best);
    struct chain_fixture_headers a2 = chain_fixture_mined(params, &a, 300, 2, 600, 3);
    const struct spv_accept_result v = accept(c, &a2, 300, 302);
    assert_int_equal(v.update.kind, SPV_UPDATE_REORG);
    assert_int_equal(v.update.fork_height, 20);
    assert_int_equal(v.update.removed, 281);
    assert_int_equal(v.update.n, 282);
    assert_tip(c, &a2);
    spv_chain_free(c);
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&a2);
    chain_fixture_headers_free(&b);
}

static void a_branch_is_validated_against_its_own_ancestors(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_MIN_DIFFICULTY);
    struct chain_fixture_headers a = chain_fixture_uneven(&params, NULL, 0, 35, 1);
    struct chain_fixture_headers b =
        chain_fixture_uneven(&params, &a, 12, 25, 2); /* other retargets */
    struct chain_fixture_headers d = chain_fixture_uneven(&params, &b, 25, 25, 3); /* off b */
    struct spv_chain *c = chain_fixture_chain(&params);
    (void)state;

    chain_fixture_feed(c, &a, 0, a.n);
    for (size_t i = 12; i < b.n; i++)
        chain_fixture_feed(c, &b, i, i + 1);
    for (size_t i = 25; i < d.n; i++)
        chain_fixture_feed(c, &d, i, i + 1);
    spv_chain_free(c);
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&b);
    chain_fixture_headers_free(&d);
}

static void known_headers_of_a_branch_are_counted_as_known(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers a = chain_fixture_mined(params, NULL, 0, 30, 600, 1);
    struct chain_fixture_headers b = chain_fixture_mined(params, &a, 10, 10, 600, 2);
    struct chain_fixture_headers d = chain_fixture_mined(params, &b, 15, 8, 600, 3); /* off b */
    struct spv_chain *c = chain_fixture_chain(params);
    struct spv_accept_result v;
    (void)state;

    chain_fixture_feed(c, &a, 0, a.n);
    chain_fixture_feed(c, &b, 0, b.n);
    chain_fixture_feed(c, &d, 12, d.n); /* its first three are b's */
    assert_int_equal(spv_chain_branch_headers(c), 10 + 13);
    v = accept(c, &b, 0, b.n);
    assert_int_equal(v.known, b.n);
    v = accept(c, &d, 0, d.n);
    assert_int_equal(v.known, d.n);
    assert_int_equal(v.update.kind, SPV_UPDATE_NONE);
    assert_int_equal(spv_chain_branch_headers(c), 10 + 13);
    spv_chain_free(c);
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&b);
    chain_fixture_headers_free(&d);
}

/* Without a header database: the headers in memory must be enough. */
static void a_fork_within_the_last_two_periods_needs_no_store(void **state)
{
    const struct spv_params params = chain_fixture_params(CHAIN_FIXTURE_MIN_DIFFICULTY);
    struct chain_fixture_headers a = chain_fixture_uneven(&params, NULL, 0, 300, 1);
    struct spv_chain *c = chain_fixture_chain(&params);
    (void)state;

    for (uint32_t i = 0; i < 299; i++) {
        chain_fixture_feed(c, &a, i, i + 1);
        assert_true(spv_chain_window_start(c) + 2 * CHAIN_FIXTURE_INTERVAL <= i + 1 || i < 20);
        assert_in_range(c->window.n, 1, SPV_WINDOW_MAX_PERIODS * CHAIN_FIXTURE_INTERVAL + 1);
    }
    for (uint32_t fork = 280; fork < 299; fork++) {
        struct chain_fixture_headers b = chain_fixture_uneven(&params, &a, fork, 1, 5);
        const int error = chain_fixture_accept(c, &b.headers[fork], chain_fixture_late);
        assert_true(error == 0 || error == SPV_ERR_CHAIN_BRANCHES);
        chain_fixture_headers_free(&b);
    }
    spv_chain_free(c);
    chain_fixture_headers_free(&a);
}

static void reorganises_5000_deep(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers a = chain_fixture_mined(params, NULL, 0, 6000, 600, 1);
    struct chain_fixture_headers b = chain_fixture_mined(params, &a, 1000, 5001, 600, 2);
    struct chain_fixture_store s;
    struct spv_chain *c;
    (void)state;

    chain_fixture_store_init(&s, params);
    const struct spv_chain_config cfg = {.params = params, .header_db = chain_fixture_reader(&s)};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    chain_fixture_feed_stored(c, &s, &a, 0, a.n);
    chain_fixture_feed_stored(c, &s, &b, 1000, b.n);
    assert_tip(c, &b);
    assert_int_equal(s.n, 6002);
    assert_memory_equal(&s.records[6001].hash, &spv_chain_tip(c)->hash, 32);
    spv_chain_free(c);
    chain_fixture_store_free(&s);
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&b);
}

/* The window is 60 headers at most here; the fork is 100 below the tip. */
static void reorganises_below_the_window_through_the_store(void **state)
{
    const enum chain_fixture_kind kinds[] = {CHAIN_FIXTURE_PLAIN, CHAIN_FIXTURE_MIN_DIFFICULTY,
                                             CHAIN_FIXTURE_BIP94, CHAIN_FIXTURE_NO_RETARGET};
    (void)state;

    for (size_t k = 0; k < 4; k++) {
        const struct spv_params params = chain_fixture_params(kinds[k]);
        struct chain_fixture_headers a = chain_fixture_uneven(&params, NULL, 0, 200, 1);
        /* where the walk back and the retarget base lie below the window, too */
        for (uint32_t fork = 95; fork <= 101; fork++) {
            struct chain_fixture_headers b =
                chain_fixture_mined(&params, &a, fork, 120, 450, 2); /* more work */
            struct spv_chain_header record;
            struct chain_fixture_store s;
            struct spv_chain *c;
            struct spv_accept_result v;
            chain_fixture_store_init(&s, &params);
            const struct spv_chain_config cfg = {.params = &params,
                                                 .header_db = chain_fixture_reader(&s)};
            assert_int_equal(spv_chain_new(&c, &cfg), 0);
            chain_fixture_feed_stored(c, &s, &a, 0, a.n);
            assert_true(spv_chain_window_start(c) > 120);
            chain_fixture_feed_stored(c, &s, &b, fork, fork + 20);
            assert_tip(c, &a);
            v = accept(c, &b, fork + 20, b.n);
            assert_int_equal(v.update.kind, SPV_UPDATE_REORG);
            assert_int_equal(v.update.fork_height, fork);
            assert_int_equal(v.update.removed, 200 - fork);
            /* before the store has it, lookups find it in memory */
            assert_tip(c, &b);
            assert_int_equal(spv_chain_header_at(c, &record, fork + 1), 1);
            assert_memory_equal(&record.header, &b.headers[fork], sizeof record.header);
            chain_fixture_store_apply(&s, &v.update);
            spv_chain_stored(c);
            for (uint32_t i = 0; i < b.n; i++) {
                assert_int_equal(spv_chain_header_at(c, &record, i + 1), 1);
                assert_memory_equal(&record.header, &b.headers[i], sizeof record.header);
            }
            spv_chain_free(c);
            chain_fixture_store_free(&s);
            chain_fixture_headers_free(&b);
        }
        chain_fixture_headers_free(&a);
    }
}

static void forks_below_the_last_checkpoint_are_refused(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers a = chain_fixture_mined(params, NULL, 0, 20, 600, 1);
    struct chain_fixture_headers deep = chain_fixture_mined(params, &a, 9, 20, 600, 2);
    struct chain_fixture_headers at = chain_fixture_mined(params, &a, 10, 20, 600, 3);
    const struct spv_checkpoint checkpoints[] = {
        {.height = 5, .hash = chain_fixture_hash(&a.headers[4])},
        {.height = 10, .hash = chain_fixture_hash(&a.headers[9])}};
    const struct spv_chain_config cfg = {
        .params = params, .checkpoints = checkpoints, .n_checkpoints = 2};
    struct spv_chain *c;
    struct spv_accept_result v;
    (void)state;

    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    chain_fixture_feed(c, &a, 0, 20);
    v = accept(c, &deep, 0, deep.n); /* known ones before the fork are fine */
    assert_int_equal(v.known, 9);
    assert_int_equal(v.accepted, 0);
    assert_int_equal(v.error, SPV_ERR_HDR_FORK_DEPTH);
    assert_int_equal(v.index, 9);
    assert_int_equal(v.height, 10);
    chain_fixture_feed(c, &at, 0, at.n);
    assert_tip(c, &at);
    spv_chain_free(c);
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&deep);
    chain_fixture_headers_free(&at);
}

static void a_branch_below_a_new_checkpoint_is_dropped(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers a = chain_fixture_mined(params, NULL, 0, 20, 600, 1);
    struct chain_fixture_headers b = chain_fixture_mined(params, &a, 3, 4, 600, 2);
    const struct spv_checkpoint checkpoint = {.height = 10,
                                              .hash = chain_fixture_hash(&a.headers[9])};
    const struct spv_chain_config cfg = {
        .params = params, .checkpoints = &checkpoint, .n_checkpoints = 1};
    struct spv_chain *c;
    (void)state;

    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    chain_fixture_feed(c, &a, 0, 9);
    chain_fixture_feed(c, &b, 0, b.n);
    assert_int_equal(spv_chain_branch_headers(c), 4);
    chain_fixture_feed(c, &a, 9, 20);
    assert_int_equal(spv_chain_branch_headers(c), 0);
    spv_chain_free(c);
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&b);
}

static void the_branch_with_the_least_work_is_replaced(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers a = chain_fixture_mined(params, NULL, 0, 60, 600, 1);
    struct chain_fixture_headers weak =
        chain_fixture_mined(params, &a, 5, 1, 600, 2); /* ends at height 6 */
    struct chain_fixture_headers b;
    struct spv_chain *c = chain_fixture_chain(params);
    struct spv_chain_header record;
    (void)state;

    chain_fixture_feed(c, &a, 0, 60);
    chain_fixture_feed(c, &weak, 0, weak.n);
    const struct spv_blockhash end = chain_fixture_hash(&weak.headers[5]);
    for (uint32_t i = 0; i < SPV_CHAIN_BRANCHES; i++) {
        assert_int_equal(spv_chain_find(c, &record, NULL, &end), 1);
        b = chain_fixture_mined(params, &a, 10 + i, 1, 600, 3);
        chain_fixture_feed(c, &b, 0, b.n);
        chain_fixture_headers_free(&b);
    }
    assert_int_equal(spv_chain_find(c, &record, NULL, &end), 0);
    assert_int_equal(spv_chain_branch_headers(c), SPV_CHAIN_BRANCHES);
    /* and a branch with less work than all of them is refused */
    assert_int_equal(chain_fixture_accept(c, &weak.headers[5], chain_fixture_late),
                     SPV_ERR_CHAIN_BRANCHES);
    assert_int_equal(spv_err_class_of(SPV_ERR_CHAIN_BRANCHES), SPV_CLASS_LOCAL);
    assert_int_equal(spv_chain_branch_headers(c), SPV_CHAIN_BRANCHES);
    spv_chain_free(c);
    chain_fixture_headers_free(&weak);
    chain_fixture_headers_free(&a);
}

static void side_branches_hold_a_bounded_number_of_headers(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers a = chain_fixture_mined(params, NULL, 0, 17500, 600, 1);
    struct chain_fixture_headers small = chain_fixture_mined(params, &a, 3, 100, 600, 2);
    struct chain_fixture_headers big = chain_fixture_mined(params, &a, 5, 17496, 600, 3);
    struct chain_fixture_store s;
    struct spv_chain *c;
    struct spv_accept_result v;
    size_t at = 5;
    size_t memory;
    (void)state;

    chain_fixture_store_init(&s, params);
    const struct spv_chain_config cfg = {.params = params, .header_db = chain_fixture_reader(&s)};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    chain_fixture_feed_stored(c, &s, &a, 0, a.n);
    chain_fixture_feed_stored(c, &s, &small, 3, small.n);
    for (;;) {
        memory = spv_chain_memory(c);
        assert_in_range(memory, 0, 8 << 20);
        assert_in_range(spv_chain_branch_headers(c), 0, SPV_CHAIN_BRANCH_HEADERS);
        v = accept(c, &big, at, at + 1000);
        spv_chain_stored(c);
        if (v.error != 0)
            break;
        at += 1000;
    }
    assert_int_equal(v.error, SPV_ERR_CHAIN_BRANCHES);
    assert_int_equal(v.accepted, 0);
    assert_int_equal(at, 16005);
    assert_int_equal(spv_chain_branch_headers(c), 16100); /* no header was dropped */
    v = accept(c, &big, at, at + 300);
    assert_int_equal(v.accepted, 300);
    assert_int_equal(spv_chain_branch_headers(c), 16300); /* the small one was dropped */
    assert_tip(c, &a);
    spv_chain_free(c);
    chain_fixture_store_free(&s);
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&small);
    chain_fixture_headers_free(&big);
}

static void a_locator_of_a_branch_walks_down_the_branch(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    struct chain_fixture_headers a = chain_fixture_mined(params, NULL, 0, 40, 600, 1);
    struct chain_fixture_headers b = chain_fixture_mined(params, &a, 30, 5, 600, 2);
    struct spv_chain *c = chain_fixture_chain(params);
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    (void)state;

    chain_fixture_feed(c, &a, 0, 40);
    chain_fixture_feed(c, &b, 0, 35);
    const struct spv_blockhash tip = chain_fixture_hash(&b.headers[34]);
    const int n = spv_chain_locator(c, locator, SPV_MAX_LOCATOR, &tip);
    assert_in_range(n, 11, 20);
    for (size_t i = 0; i < 10; i++) {
        const struct spv_blockhash hash = chain_fixture_hash(&b.headers[34 - i]);
        assert_memory_equal(&locator[i], &hash, 32);
    }
    spv_chain_free(c);
    chain_fixture_headers_free(&a);
    chain_fixture_headers_free(&b);
}

/* A random tree, against a model that keeps every header. */
#define NODES 400
struct tree_node {
    struct spv_header header;
    struct spv_blockhash hash;
    uint32_t height;
    int parent;
};

static uint32_t random_below(uint64_t *random, uint32_t below)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 33) % below;
}

static void grow_tree(uint64_t seed)
{
    const struct spv_params params = *spv_params_get(SPV_REGTEST);
    static struct tree_node nodes[NODES];
    uint64_t random = seed;
    int best = 0;
    int leaves[12] = {0};
    size_t n_leaves = 1;
    struct chain_fixture_store s;
    struct spv_chain *c;

    chain_fixture_store_init(&s, &params);
    const struct spv_chain_config cfg = {.params = &params, .header_db = chain_fixture_reader(&s)};
    assert_int_equal(spv_chain_new(&c, &cfg), 0);
    nodes[0] = (struct tree_node){params.genesis, chain_fixture_hash(&params.genesis), 0, -1};
    for (int n = 1; n < NODES;) {
        struct spv_header batch[8];
        struct spv_accept_result v;
        size_t leaf = random_below(&random, (uint32_t)n_leaves);
        int at = leaves[leaf];
        const uint32_t size = 1 + random_below(&random, 8);
        /* sometimes fork off the leaf's ancestors, while the model's branches surely fit */
        if (n_leaves < 12 && random_below(&random, 4) == 0) {
            for (uint32_t back = random_below(&random, 40); back > 0 && nodes[at].parent >= 0;
                 back--)
                at = nodes[at].parent;
            leaf = n_leaves++;
        }
        uint32_t made = 0;
        int top = best;
        for (; made < size && n < NODES; made++, n++) {
            struct tree_node *tree_node = &nodes[n];
            tree_node->header = (struct spv_header){.version = 4, .prev = nodes[at].hash};
            tree_node->header.merkle_root.b[0] = (uint8_t)n;
            tree_node->header.merkle_root.b[1] = (uint8_t)(n >> 8);
            tree_node->header.time = nodes[at].header.time + 1;
            tree_node->header.bits = params.pow_limit_bits;
            chain_fixture_work(&tree_node->header);
            tree_node->hash = chain_fixture_hash(&tree_node->header);
            tree_node->height = nodes[at].height + 1;
            tree_node->parent = at;
            batch[made] = tree_node->header;
            at = n;
        }
        leaves[leaf] = at;
        if (nodes[at].height > nodes[top].height)
            best = at;
        assert_int_equal(spv_chain_accept(c, &v, batch, made, chain_fixture_late), 0);
        assert_int_equal(v.error, 0);
        assert_int_equal(v.accepted, made);
        chain_fixture_store_apply(&s, &v.update);
        spv_chain_stored(c);
        /* the tip is the first one with the most work */
        assert_memory_equal(&spv_chain_tip(c)->hash, &nodes[best].hash, 32);
        assert_memory_equal(&s.records[s.n - 1].hash, &nodes[best].hash, 32);
        assert_int_equal(s.n, nodes[best].height + 1);
    }
    /* every header is still found, at its height */
    bool in_best_chain[NODES] = {false};
    for (int i = best; i >= 0; i = nodes[i].parent)
        in_best_chain[i] = true;
    for (int i = 0; i < NODES; i++) {
        struct spv_chain_header record;
        bool is_best;
        assert_int_equal(spv_chain_find(c, &record, &is_best, &nodes[i].hash), 1);
        assert_int_equal(record.height, nodes[i].height);
        assert_int_equal(is_best, in_best_chain[i]);
    }
    /* each branch forks from the best chain */
    for (int i = 0; i < SPV_CHAIN_BRANCHES; i++) {
        const struct spv_branch *b = &c->branches[i];
        struct spv_chain_header record;
        if (b->headers.n == 0)
            continue;
        assert_int_equal(spv_chain_header_at(c, &record, b->fork), 1);
        assert_memory_equal(&record.hash, &b->headers.headers[0].header.prev, 32);
        assert_int_equal(b->headers.headers[0].height, b->fork + 1);
        if (spv_chain_header_at(c, &record, b->fork + 1) == 1)
            assert_memory_not_equal(&record.hash, &b->headers.headers[0].hash, 32);
    }
    spv_chain_free(c);
    chain_fixture_store_free(&s);
}

static void agrees_with_a_model_that_remembers_everything(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        grow_tree(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_work_wins_and_a_tie_does_not),
        cmocka_unit_test(work_decides_not_length),
        cmocka_unit_test(a_branch_grows_over_many_messages),
        cmocka_unit_test(a_branch_is_validated_against_its_own_ancestors),
        cmocka_unit_test(known_headers_of_a_branch_are_counted_as_known),
        cmocka_unit_test(a_fork_within_the_last_two_periods_needs_no_store),
        cmocka_unit_test(reorganises_5000_deep),
        cmocka_unit_test(reorganises_below_the_window_through_the_store),
        cmocka_unit_test(forks_below_the_last_checkpoint_are_refused),
        cmocka_unit_test(a_branch_below_a_new_checkpoint_is_dropped),
        cmocka_unit_test(the_branch_with_the_least_work_is_replaced),
        cmocka_unit_test(side_branches_hold_a_bounded_number_of_headers),
        cmocka_unit_test(a_locator_of_a_branch_walks_down_the_branch),
        cmocka_unit_test(agrees_with_a_model_that_remembers_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
