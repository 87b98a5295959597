/* The best known blocks of peers, on real chains of regtest headers. */
#include "support/unit.h"
#include "unit/spv/node/node_fixture.h"

#include "spv/filters/filter_peers.h"

#define LENGTH 60
#define FORK 40

static struct test_chain main_chain, other;

struct fixture {
    struct spv_effects effects;
    struct spv_peer_table peers;
    struct spv_filter_peers filters;
    struct spv_chain *chain;
    struct spv_now now;
    struct spv_blockhash locator[SPV_MAX_LOCATOR]; /* of the last getheaders */
    struct spv_msg_getheaders request;
};

static int mine(void **state)
{
    (void)state;
    main_chain = test_chain_mine(LENGTH, 1, NULL, 0);
    other = test_chain_mine(LENGTH + 5, 2, &main_chain, FORK);
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    test_chain_free(&main_chain);
    test_chain_free(&other);
    return 0;
}

static void accept(struct fixture *f, const struct test_chain *c, uint32_t from, uint32_t to)
{
    struct spv_accept_result v;
    const struct spv_now late = {.unix_s = INT64_C(1) << 32};
    assert_int_equal(spv_chain_accept(f->chain, &v, &c->headers[from], to - from + 1, late), 0);
    assert_int_equal(v.error, 0);
    spv_chain_stored(f->chain);
}

static void open_fixture(struct fixture *f, uint32_t height)
{
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_REGTEST)};
    memset(f, 0, sizeof *f);
    f->now.mono_us = 1000 * SPV_SECOND;
    spv_effects_init(&f->effects);
    assert_int_equal(spv_chain_new(&f->chain, &cfg), 0);
    if (height)
        accept(f, &main_chain, 1, height);
    spv_filter_peers_init(&f->filters, f->chain, &f->effects, &f->peers);
}

static void close_fixture(struct fixture *f)
{
    spv_effects_free(&f->effects);
    spv_chain_free(f->chain);
}

static struct spv_peer_entry *add_peer(struct fixture *f, uint64_t id)
{
    struct spv_peer_entry *p = spv_peer_table_add(&f->peers, id);
    assert_non_null(p);
    p->services = SPV_NODE_NETWORK | SPV_NODE_COMPACT_FILTERS;
    spv_filter_peers_add(&f->filters, p);
    return p;
}

static void headers(struct fixture *f, uint64_t peer, const struct test_chain *c, uint32_t from,
                    size_t n, uint64_t tag)
{
    const struct spv_msg_headers msg = {.headers = &c->headers[from],
                                        .n = n,
                                        .role = tag ? SPV_HEADERS_ANSWER : SPV_HEADERS_UNSOLICITED,
                                        .tag = tag};
    assert_int_equal(spv_filter_peers_headers(&f->filters, peer, &msg, f->now), 0);
}

/* The next effect, which is a getheaders. */
static uint64_t pull(struct fixture *f)
{
    struct spv_effect e;
    assert_int_equal(spv_effects_pop(&f->effects, &e), 1);
    assert_int_equal(e.kind, SPV_EFFECT_SEND);
    assert_int_equal(e.message.command, SPV_CMD_GETHEADERS);
    f->request = e.message.u.getheaders;
    memcpy(f->locator, f->request.locator, f->request.n * sizeof *f->locator);
    return f->request.tag;
}

static int show(struct fixture *f, struct spv_peer_entry *p, uint32_t height)
{
    return spv_filter_peers_probe(&f->filters, p, height, f->now);
}

static void best_known_block_of_a_new_peer_is_genesis(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, LENGTH);
    const struct spv_peer_entry *p = add_peer(&f, 1);
    assert_true(spv_filter_peer_has_block(p, 0));
    assert_false(spv_filter_peer_has_block(p, 1));
    assert_true(spv_blockhash_eq(&p->filters.best_known_hash, &main_chain.hashes[0]));
    close_fixture(&f);
}

static void headers_that_end_on_our_best_chain_raise_the_best_known_block(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, LENGTH);
    accept(&f, &other, FORK + 1, FORK + 5); /* a side branch */
    const struct spv_peer_entry *p = add_peer(&f, 1);
    headers(&f, 1, &main_chain, 1, 30, 0);
    assert_int_equal(p->filters.best_known_height, 30);
    assert_true(spv_blockhash_eq(&p->filters.best_known_hash, &main_chain.hashes[30]));
    headers(&f, 1, &main_chain, 1, 20, 0); /* never lowered by a message */
    assert_int_equal(p->filters.best_known_height, 30);
    headers(&f, 1, &other, FORK + 1, 5, 0); /* on a side branch */
    headers(&f, 1, &other, FORK + 6, 5, 0); /* unknown */
    headers(&f, 1, &other, 0, 0, 0);
    assert_int_equal(p->filters.best_known_height, 30);
    headers(&f, 2, &main_chain, 1, 30, 0); /* no such peer */
    close_fixture(&f);
}

static void inv_of_a_block_of_our_best_chain_raises_the_best_known_block(void **state)
{
    struct fixture f;
    struct spv_inv items[3] = {
        {.type = SPV_INV_BLOCK}, {.type = SPV_INV_BLOCK}, {.type = SPV_INV_TX}};
    const struct spv_msg_inv msg = {.items = items, .n = 3};
    (void)state;
    open_fixture(&f, LENGTH);
    const struct spv_peer_entry *p = add_peer(&f, 1);
    memcpy(items[0].hash.b, main_chain.hashes[50].b, 32);
    memcpy(items[1].hash.b, main_chain.hashes[51].b, 32);
    memcpy(items[2].hash.b, main_chain.hashes[52].b, 32);
    assert_int_equal(spv_filter_peers_inv(&f.filters, 1, &msg), 0);
    assert_int_equal(p->filters.best_known_height, 51);
    assert_int_equal(spv_filter_peers_inv(&f.filters, 2, &msg), 0);
    close_fixture(&f);
}

static void probe_is_answered_by_the_only_header_after_the_parent(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, LENGTH);
    struct spv_peer_entry *p = add_peer(&f, 1);
    assert_int_equal(show(&f, p, 0), SPV_FILTER_BLOCK_KNOWN);
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_PROBING);
    const uint64_t tag = pull(&f);
    assert_true(spv_blockhash_eq(&f.request.stop, &main_chain.hashes[50]));
    static const uint32_t heights[] = {49, 48, 46, 42, 34, 18, 0};
    assert_int_equal(f.request.n, COUNT(heights));
    for (size_t i = 0; i < COUNT(heights); i++)
        assert_true(spv_blockhash_eq(&f.locator[i], &main_chain.hashes[heights[i]]));
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_PROBING); /* one request at a time */
    assert_int_equal(show(&f, p, 51), SPV_FILTER_BLOCK_PROBING);
    assert_int_equal(f.effects.n, 0);
    headers(&f, 1, &main_chain, 50, 1, tag);
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_KNOWN);
    assert_int_equal(show(&f, p, 51), SPV_FILTER_BLOCK_PROBING);
    close_fixture(&f);
}

static void peer_that_lacks_a_block_is_asked_again_after_a_minute(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, LENGTH);
    struct spv_peer_entry *p = add_peer(&f, 1);
    assert_int_equal(spv_filter_peers_deadline(p), SPV_NEVER);
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_PROBING);
    headers(&f, 1, &main_chain, 0, 0, pull(&f)); /* an empty answer shows nothing */
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_UNKNOWN);
    assert_int_equal(spv_filter_peers_deadline(p), f.now.mono_us + SPV_FILTER_PROBE_RETRY_US);
    f.now.mono_us += SPV_FILTER_PROBE_RETRY_US - 1;
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_UNKNOWN);
    f.now.mono_us++;
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_PROBING);
    assert_int_equal(spv_filter_peers_deadline(p), f.now.mono_us + SPV_FILTER_PROBE_TIMEOUT_US);
    close_fixture(&f);
}

static void silent_peer_counts_as_one_that_lacks_the_block_and_may_show_it_late(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, LENGTH);
    struct spv_peer_entry *p = add_peer(&f, 1);
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_PROBING);
    const uint64_t tag = pull(&f);
    f.now.mono_us += SPV_FILTER_PROBE_TIMEOUT_US - 1;
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_PROBING);
    f.now.mono_us++;
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_UNKNOWN);
    headers(&f, 1, &main_chain, 50, 1, tag);
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_KNOWN);
    assert_int_equal(show(&f, p, 51), SPV_FILTER_BLOCK_PROBING);
    close_fixture(&f);
}

static void no_peer_is_asked_for_a_block_above_our_tip_or_while_it_is_dropped(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, 50);
    struct spv_peer_entry *p = add_peer(&f, 1);
    assert_int_equal(show(&f, p, 51), SPV_FILTER_BLOCK_UNKNOWN);
    p->sync.disconnect_error = SPV_ERR_STALL;
    assert_int_equal(show(&f, p, 50), SPV_FILTER_BLOCK_UNKNOWN);
    assert_false(spv_filter_peer_serves(p));
    p->sync.disconnect_error = 0;
    assert_true(spv_filter_peer_serves(p));
    p->services = SPV_NODE_NETWORK;
    assert_false(spv_filter_peer_serves(p));
    assert_int_equal(f.effects.n, 0);
    close_fixture(&f);
}

static void reorganisation_lowers_the_best_known_block_to_the_fork(void **state)
{
    struct fixture f;
    uint32_t fork = 0;
    (void)state;
    open_fixture(&f, LENGTH - 1);
    const struct spv_peer_entry *p = add_peer(&f, 1), *q = add_peer(&f, 2);
    assert_int_equal(spv_filter_peers_update(&f.filters, &fork), 0);
    accept(&f, &main_chain, LENGTH, LENGTH);
    assert_int_equal(spv_filter_peers_update(&f.filters, &fork), 0); /* extended */
    headers(&f, 1, &main_chain, LENGTH, 1, 0);
    headers(&f, 2, &main_chain, FORK - 1, 1, 0);
    accept(&f, &other, FORK + 1, LENGTH + 5);
    assert_int_equal(spv_filter_peers_update(&f.filters, &fork), 1);
    assert_int_equal(fork, FORK);
    assert_int_equal(p->filters.best_known_height, FORK);
    assert_true(spv_blockhash_eq(&p->filters.best_known_hash, &main_chain.hashes[FORK]));
    assert_int_equal(q->filters.best_known_height, FORK - 1);
    assert_int_equal(spv_filter_peers_update(&f.filters, &fork), 0);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_known_block_of_a_new_peer_is_genesis),
        cmocka_unit_test(headers_that_end_on_our_best_chain_raise_the_best_known_block),
        cmocka_unit_test(inv_of_a_block_of_our_best_chain_raises_the_best_known_block),
        cmocka_unit_test(probe_is_answered_by_the_only_header_after_the_parent),
        cmocka_unit_test(peer_that_lacks_a_block_is_asked_again_after_a_minute),
        cmocka_unit_test(silent_peer_counts_as_one_that_lacks_the_block_and_may_show_it_late),
        cmocka_unit_test(no_peer_is_asked_for_a_block_above_our_tip_or_while_it_is_dropped),
        cmocka_unit_test(reorganisation_lowers_the_best_known_block_to_the_fork),
    };
    return cmocka_run_group_tests(tests, mine, free_chains);
}
