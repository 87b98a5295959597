/* Which peer is asked for a block and when, and which answers count. */
#include "block_fixture.h"

#include "support/random.h"
#include "support/unit.h"

#include "spv/filters/block_fetch.h"
#include "spv/mine.h"

#define N_BLOCKS 20 /* heights 1.. */
#define TIP 320
#define FULL (SPV_NODE_NETWORK | SPV_NODE_WITNESS)

struct fixture {
    struct spv_chain *chain;
    struct fixture_block blocks[N_BLOCKS]; /* [i] is at height i + 1 */
    struct spv_effects effects;
    struct spv_peer_table peers;
    struct spv_block_fetch fetch;
    struct test_random random;
    struct spv_now now;
    size_t n_requests; /* that were pulled */
    struct {
        uint64_t peer;
        struct spv_inv item;
    } requests[256];
};

static void open_fixture(struct fixture *f, uint64_t seed)
{
    const struct spv_mine_plan plan = {.n = TIP - N_BLOCKS, .seed = 1};

    memset(f, 0, sizeof *f);
    f->random.state = seed;
    f->now = fixture_late;
    f->chain = fixture_chain_new();
    for (uint32_t i = 0; i < N_BLOCKS; i++)
        fixture_block_make(&f->blocks[i], f->chain, NULL, 0, 0);
    assert_int_equal(spv_mine_chain(f->chain, &plan), 0);
    spv_effects_init(&f->effects);
    spv_block_fetch_init(&f->fetch, f->chain, spv_params_get(SPV_REGTEST), &f->effects, &f->peers,
                         test_random_rng(&f->random));
}

static void close_fixture(struct fixture *f)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        fixture_block_free(&f->blocks[i]);
    spv_effects_free(&f->effects);
    spv_chain_free(f->chain);
}

static void pull(struct fixture *f)
{
    struct spv_effect e;

    while (spv_effects_pop(&f->effects, &e) == 1) {
        assert_int_equal(e.kind, SPV_EFFECT_SEND);
        assert_int_equal(e.message.command, SPV_CMD_GETDATA);
        assert_int_equal(e.message.u.inv.n, 1);
        assert_int_equal(e.message.u.inv.items->type, SPV_INV_BLOCK | SPV_INV_WITNESS);
        assert_true(f->n_requests < COUNT(f->requests));
        f->requests[f->n_requests].peer = e.peer;
        f->requests[f->n_requests++].item = *e.message.u.inv.items;
    }
}

static void add_peer_of(struct fixture *f, uint64_t id, uint64_t group, uint64_t services,
                        uint32_t height)
{
    struct spv_peer_entry *p = spv_peer_table_add(&f->peers, id);

    assert_non_null(p);
    p->group = group;
    p->services = services;
    p->start_height = height;
    assert_int_equal(spv_block_fetch_add(&f->fetch, id, f->now), 0);
    pull(f);
}

static void add_peer(struct fixture *f, uint64_t id)
{
    add_peer_of(f, id, id, FULL, TIP);
}

static void remove_peer(struct fixture *f, uint64_t id)
{
    assert_int_equal(spv_block_fetch_remove(&f->fetch, id, f->now), 0);
    spv_peer_table_remove(&f->peers, id);
    pull(f);
}

static void want(struct fixture *f, uint32_t height)
{
    assert_int_equal(spv_block_fetch_want(&f->fetch, SPV_BLOCKS_OF_SCAN,
                                          &f->blocks[height - 1].hash, height, f->now),
                     0);
    pull(f);
}

/* Number of the requests for a block that a peer got; peer 0: all peers. */
static size_t count_requests(const struct fixture *f, uint64_t peer, uint32_t height)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_requests; i++)
        n += (!peer || f->requests[i].peer == peer) &&
             memcmp(f->requests[i].item.hash.b, f->blocks[height - 1].hash.b, 32) == 0;
    return n;
}

static int give(struct fixture *f, uint64_t id, const struct fixture_block *b)
{
    struct spv_fetched_block out;
    const int rc = spv_block_fetch_recv(&f->fetch, &out, id, &b->block, f->now);

    pull(f);
    if (rc == 1) {
        assert_int_equal(out.height, b->height);
        assert_int_equal(out.peer, id);
        assert_ptr_equal(out.block.bytes, b->block.bytes);
        assert_true(spv_blockhash_eq(&out.hash, &b->hash));
    }
    return rc;
}

static int give_height(struct fixture *f, uint64_t id, uint32_t height)
{
    return give(f, id, &f->blocks[height - 1]);
}

static void wait_us(struct fixture *f, uint64_t us)
{
    const uint64_t until = f->now.mono_us + us;

    while (spv_block_fetch_deadline(&f->fetch) <= until) {
        if (spv_block_fetch_deadline(&f->fetch) > f->now.mono_us)
            f->now.mono_us = spv_block_fetch_deadline(&f->fetch);
        assert_int_equal(spv_block_fetch_timer(&f->fetch, f->now), 0);
        pull(f);
        /* a deadline that stays in the past would be called for ever */
        assert_true(spv_block_fetch_deadline(&f->fetch) > f->now.mono_us);
    }
    f->now.mono_us = until;
}

static int dropped(struct fixture *f, uint64_t id)
{
    struct spv_disconnect drop;

    if (!spv_block_fetch_next_disconnect(&f->fetch, &drop))
        return 0;
    assert_int_equal(drop.id, id);
    return drop.error;
}

static void a_wanted_block_is_requested_with_witness_and_handed_on_once(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer(&f, 1);
    want(&f, 5);
    want(&f, 5);
    assert_int_equal(f.n_requests, 1);
    assert_int_equal(count_requests(&f, 1, 5), 1);
    assert_int_equal(give_height(&f, 1, 5), 1);
    assert_int_equal(give_height(&f, 1, 5), 0);
    assert_int_equal(dropped(&f, 1), 0);
    assert_int_equal(spv_block_fetch_deadline(&f.fetch), SPV_NEVER);
    close_fixture(&f);
}

static void two_modules_that_want_a_block_share_one_request(void **state)
{
    struct spv_fetched_block out;
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer(&f, 1);
    want(&f, 5);
    assert_int_equal(
        spv_block_fetch_want(&f.fetch, SPV_BLOCKS_OF_SYNC, &f.blocks[4].hash, 5, f.now), 0);
    pull(&f);
    assert_int_equal(f.n_requests, 1);
    spv_block_fetch_cancel(&f.fetch, SPV_BLOCKS_OF_SCAN, &f.blocks[4].hash);
    assert_int_equal(spv_block_fetch_recv(&f.fetch, &out, 1, &f.blocks[4].block, f.now), 1);
    assert_int_equal(out.owners, SPV_BLOCKS_OF_SYNC);
    want(&f, 6);
    want(&f, 7);
    spv_block_fetch_cancel_from(&f.fetch, SPV_BLOCKS_OF_SCAN, 7);
    assert_int_equal(give_height(&f, 1, 7), 0); /* requested, but no longer wanted */
    assert_int_equal(give_height(&f, 1, 6), 1);
    assert_int_equal(dropped(&f, 1), 0);
    close_fixture(&f);
}

static void blocks_are_spread_over_peers_at_random(void **state)
{
    size_t differ = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct fixture f;
        size_t n[3] = {0};
        open_fixture(&f, seed);
        for (uint64_t id = 1; id <= 3; id++)
            add_peer(&f, id);
        for (uint32_t h = 1; h <= 12; h++)
            want(&f, h);
        assert_int_equal(f.n_requests, 12);
        for (size_t i = 0; i < f.n_requests; i++)
            n[f.requests[i].peer - 1]++;
        assert_true(n[0] < 12 && n[1] < 12 && n[2] < 12);
        differ += f.requests[0].peer != f.requests[1].peer;
        close_fixture(&f);
    }
    assert_in_range(differ, 1, 8);
}

static void at_most_sixteen_blocks_are_requested_from_a_peer(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer(&f, 1);
    for (uint32_t h = 1; h <= 17; h++)
        want(&f, h);
    assert_int_equal(f.n_requests, 16);
    assert_int_equal(give_height(&f, 1, 3), 1);
    assert_int_equal(f.n_requests, 17);
    assert_int_equal(count_requests(&f, 1, 17), 1);
    close_fixture(&f);
}

static void only_peers_that_offer_the_block_are_asked(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer_of(&f, 1, 1, SPV_NODE_NETWORK, TIP);
    add_peer_of(&f, 2, 2, SPV_NODE_WITNESS, TIP);
    add_peer_of(&f, 3, 3, SPV_NODE_WITNESS | SPV_NODE_NETWORK_LIMITED, TIP);
    add_peer_of(&f, 4, 4, FULL, 9); /* its chain ends below */
    want(&f, 10);
    assert_int_equal(f.n_requests, 0);
    add_peer(&f, 5);
    assert_int_equal(count_requests(&f, 5, 10), 1);
    close_fixture(&f);
}

static void a_limited_peer_is_asked_for_its_last_288_blocks(void **state)
{
    struct spv_blockhash hash = {{1}};
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer_of(&f, 1, 1, SPV_NODE_WITNESS | SPV_NODE_NETWORK_LIMITED, TIP);
    assert_int_equal(spv_block_fetch_want(&f.fetch, SPV_BLOCKS_OF_SCAN, &hash,
                                          TIP - SPV_BLOCKS_LIMITED_DEPTH, f.now),
                     0);
    pull(&f);
    assert_int_equal(f.n_requests, 0);
    hash.b[0] = 2;
    assert_int_equal(spv_block_fetch_want(&f.fetch, SPV_BLOCKS_OF_SCAN, &hash,
                                          TIP - SPV_BLOCKS_LIMITED_DEPTH + 1, f.now),
                     0);
    pull(&f);
    assert_int_equal(f.n_requests, 1);
    close_fixture(&f);
}

static void a_slow_block_is_requested_from_one_more_peer(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    for (uint64_t id = 1; id <= 3; id++)
        add_peer(&f, id);
    want(&f, 5);
    wait_us(&f, SPV_BLOCKS_HEDGE_DELAY_US - 1);
    assert_int_equal(f.n_requests, 1);
    wait_us(&f, 1);
    assert_int_equal(f.n_requests, 2);
    assert_int_not_equal(f.requests[0].peer, f.requests[1].peer);
    wait_us(&f, SPV_BLOCKS_HEDGE_DELAY_US);
    assert_int_equal(f.n_requests, 2);
    assert_int_equal(give_height(&f, f.requests[1].peer, 5), 1);
    assert_int_equal(give_height(&f, f.requests[0].peer, 5), 0);
    assert_int_equal(dropped(&f, 0), 0);
    close_fixture(&f);
}

static void silence_means_that_the_peer_lacks_blocks_as_deep_for_a_while(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer(&f, 1);
    want(&f, 5);
    wait_us(&f, SPV_BLOCKS_TIMEOUT_US);
    assert_int_equal(f.n_requests, 1);
    want(&f, 4); /* deeper */
    want(&f, 6);
    assert_int_equal(count_requests(&f, 1, 4), 0);
    assert_int_equal(count_requests(&f, 1, 6), 1);
    assert_int_equal(give_height(&f, 1, 6), 1);
    wait_us(&f, SPV_BLOCKS_LACKS_US - 1);
    assert_int_equal(f.n_requests, 2);
    wait_us(&f, 1);
    assert_int_equal(count_requests(&f, 1, 4), 1);
    assert_int_equal(count_requests(&f, 1, 5), 2);
    assert_int_equal(give_height(&f, 1, 5), 1);
    assert_int_equal(give_height(&f, 1, 5), 0); /* both requests are answered: no harm */
    assert_int_equal(dropped(&f, 1), 0);
    close_fixture(&f);
}

static void a_late_answer_is_of_use(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer(&f, 1);
    want(&f, 5);
    wait_us(&f, SPV_BLOCKS_TIMEOUT_US + SPV_SECOND);
    assert_int_equal(give_height(&f, 1, 5), 1);
    close_fixture(&f);
}

static void a_peer_that_sends_other_blocks_is_not_silent(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer(&f, 1);
    for (uint32_t h = 1; h <= 5; h++)
        want(&f, h);
    for (uint32_t h = 1; h <= 5; h++) {
        wait_us(&f, SPV_BLOCKS_TIMEOUT_US - 1);
        assert_int_equal(give_height(&f, 1, h), 1);
    }
    assert_int_equal(f.n_requests, 5);
    close_fixture(&f);
}

static void a_block_of_a_lost_peer_is_requested_from_another(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer(&f, 1);
    want(&f, 5);
    add_peer(&f, 2);
    assert_int_equal(f.n_requests, 1);
    remove_peer(&f, 1);
    assert_int_equal(count_requests(&f, 2, 5), 1);
    assert_int_equal(give_height(&f, 2, 5), 1);
    /* the first one comes back, of the same group, and is not asked as deep for a while */
    add_peer_of(&f, 3, 1, FULL, TIP);
    remove_peer(&f, 2);
    want(&f, 4);
    want(&f, 6);
    assert_int_equal(count_requests(&f, 3, 4), 0);
    assert_int_equal(count_requests(&f, 3, 6), 1);
    assert_int_equal(give_height(&f, 3, 6), 1);
    wait_us(&f, SPV_BLOCKS_LACKS_US);
    assert_int_equal(count_requests(&f, 3, 4), 1);
    close_fixture(&f);
}

static void notfound_means_that_another_peer_is_asked(void **state)
{
    struct spv_inv item = {.type = SPV_INV_BLOCK | SPV_INV_WITNESS};
    const struct spv_msg_inv msg = {.items = &item, .n = 1};
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer(&f, 1);
    want(&f, 5);
    add_peer(&f, 2);
    memcpy(item.hash.b, f.blocks[4].hash.b, 32);
    assert_int_equal(spv_block_fetch_notfound(&f.fetch, 1, &msg, f.now), 0);
    pull(&f);
    assert_int_equal(count_requests(&f, 2, 5), 1);
    assert_int_equal(give_height(&f, 2, 5), 1);
    assert_int_equal(dropped(&f, 1), 0);
    close_fixture(&f);
}

static void an_invalid_block_is_misbehaviour_and_another_peer_gets_the_request(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer(&f, 1);
    want(&f, 5);
    add_peer(&f, 2);
    f.blocks[4].bytes.data[f.blocks[4].bytes.len - 6] ^= 1; /* its header stays */
    fixture_block_parse(&f.blocks[4]);
    assert_int_equal(give_height(&f, 1, 5), 0);
    const int error = dropped(&f, 1);
    assert_int_equal(error, SPV_ERR_BLOCK_ROOT);
    assert_int_equal(spv_err_class_of(error), SPV_CLASS_MISBEHAVING);
    assert_int_equal(dropped(&f, 1), 0);
    assert_int_equal(count_requests(&f, 2, 5), 1);
    f.blocks[4].bytes.data[f.blocks[4].bytes.len - 6] ^= 1;
    fixture_block_parse(&f.blocks[4]);
    assert_int_equal(give_height(&f, 1, 5), 0); /* nothing of the first peer counts any more */
    assert_int_equal(give_height(&f, 2, 5), 1);
    close_fixture(&f);
}

static void a_peer_that_sends_three_unsolicited_blocks_is_disconnected(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    add_peer(&f, 1);
    want(&f, 5);
    assert_int_equal(give_height(&f, 1, 1), 0);
    assert_int_equal(give_height(&f, 1, 2), 0);
    assert_int_equal(dropped(&f, 1), 0);
    assert_int_equal(give_height(&f, 9, 5), 0); /* no such peer */
    assert_int_equal(give_height(&f, 1, 1), 0);
    assert_int_equal(dropped(&f, 1), SPV_ERR_UNSOLICITED);
    close_fixture(&f);
}

static void the_list_of_wanted_blocks_is_bounded(void **state)
{
    struct spv_blockhash hash = {{0}};
    struct fixture f;

    (void)state;
    open_fixture(&f, 1);
    for (uint32_t i = 0; i < SPV_BLOCKS_MAX_WANTED; i++) {
        hash.b[0] = (uint8_t)i;
        assert_int_equal(spv_block_fetch_want(&f.fetch, SPV_BLOCKS_OF_SCAN, &hash, 100 - i, f.now),
                         0);
    }
    hash.b[1] = 1;
    assert_int_equal(spv_block_fetch_want(&f.fetch, SPV_BLOCKS_OF_SCAN, &hash, 5, f.now),
                     SPV_ERR_TOO_MANY);
    for (size_t i = 1; i < f.fetch.n_wanted; i++)
        assert_true(f.fetch.wanted[i - 1].height < f.fetch.wanted[i].height);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wanted_block_is_requested_with_witness_and_handed_on_once),
        cmocka_unit_test(two_modules_that_want_a_block_share_one_request),
        cmocka_unit_test(blocks_are_spread_over_peers_at_random),
        cmocka_unit_test(at_most_sixteen_blocks_are_requested_from_a_peer),
        cmocka_unit_test(only_peers_that_offer_the_block_are_asked),
        cmocka_unit_test(a_limited_peer_is_asked_for_its_last_288_blocks),
        cmocka_unit_test(a_slow_block_is_requested_from_one_more_peer),
        cmocka_unit_test(silence_means_that_the_peer_lacks_blocks_as_deep_for_a_while),
        cmocka_unit_test(a_late_answer_is_of_use),
        cmocka_unit_test(a_peer_that_sends_other_blocks_is_not_silent),
        cmocka_unit_test(a_block_of_a_lost_peer_is_requested_from_another),
        cmocka_unit_test(notfound_means_that_another_peer_is_asked),
        cmocka_unit_test(an_invalid_block_is_misbehaviour_and_another_peer_gets_the_request),
        cmocka_unit_test(a_peer_that_sends_three_unsolicited_blocks_is_disconnected),
        cmocka_unit_test(the_list_of_wanted_blocks_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
