/* Scans with bloom filters over peers that leave out, lie, are late or go away; cross checks; and
 * random chains compared with the fixed point of the gap rule. */
#include "source_fixture.h"

#include "spv/bloom.h"
#include "util/hash.h"

#define NONE ((struct spv_bloom_params){0})

static struct source_fixture f;

static struct spv_bloom_scan_stats stats(void)
{
    struct spv_bloom_scan_stats out;

    spv_bloom_scan_get_stats(f.bloom, &out);
    return out;
}

/* Script 1 is paid at heights 10 and 30, and the first coin spent at 30; at 30 two transactions
 * match. */
static void start(bool cross_check, int64_t whole_from, size_t n_peers)
{
    source_open(&f, 7);
    source_mine_to(&f, 9);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 29);
    source_pay(&f, source_tx(&f, 10, 1), 0, 0, 0);
    source_pay(&f, NULL, 0, 0, 1);
    source_mine_to(&f, 60);
    source_start_bloom(&f, NONE, cross_check, whole_from);
    for (uint64_t id = 1; id <= n_peers; id++)
        source_connect(&f, id, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, 60), 0);
}

/* With a second peer that is honest, all is found. */
static void check_found(void)
{
    assert_int_equal(f.failed, 0);
    source_check(&f, 1);
    assert_int_equal(f.events[f.n_events - 1].kind, SPV_SOURCE_EVENT_DONE);
    source_close(&f);
}

/* ---- answers that are refused ---- */

static void a_false_tree_bans(void **state)
{
    (void)state;
    start(false, 0, 1);
    source_peer(&f, 1)->false_root = 30;
    source_run(&f);
    assert_int_equal(f.dropped, 1);
    assert_int_equal(f.drop_error, SPV_ERR_MERKLE_ROOT);
    assert_int_equal(spv_err_class_of(f.drop_error), SPV_CLASS_MISBEHAVING);
    source_connect(&f, 2, SOURCE_SERVICES);
    source_run(&f);
    check_found();
}

static void transactions_that_do_not_follow_close(void **state)
{
    (void)state;
    for (int last = 0; last <= 1; last++) { /* before the next merkleblock, and before the pong */
        start(false, 0, 1);
        source_peer(&f, 1)->lacks_txs = 10;
        if (last) {
            spv_bloom_scan_stop(f.bloom);
            assert_int_equal(source_begin(&f, 1, 10, 10), 0);
        }
        source_run(&f);
        assert_int_equal(f.dropped, 1);
        assert_int_equal(f.drop_error, SPV_ERR_BLOOM_ANSWER);
        assert_int_equal(spv_err_class_of(f.drop_error), SPV_CLASS_PEER);
        assert_int_equal(source_matches(&f, 10), 0);
        source_connect(&f, 2, SOURCE_SERVICES);
        source_run(&f);
        assert_int_equal(source_matches(&f, 10), 1);
        source_close(&f);
    }
}

static void other_transactions_close(void **state)
{
    (void)state;
    start(false, 0, 1);
    source_peer(&f, 1)->other_tx = 10;
    source_run(&f);
    assert_int_equal(f.drop_error, SPV_ERR_BLOOM_ANSWER);
    source_connect(&f, 2, SOURCE_SERVICES);
    source_run(&f);
    check_found();
}

static void transactions_in_another_order_close(void **state)
{
    (void)state;
    start(false, 0, 1);
    source_peer(&f, 1)->swaps_txs = 30;
    source_run(&f);
    assert_int_equal(f.drop_error, SPV_ERR_BLOOM_ANSWER);
    source_connect(&f, 2, SOURCE_SERVICES);
    source_run(&f);
    check_found();
}

/* Nothing commits to it. */
static void a_witness_is_not_kept(void **state)
{
    (void)state;
    start(false, 0, 1);
    source_peer(&f, 1)->adds_witness = 10;
    source_run(&f);
    assert_int_equal(f.dropped, 0);
    check_found();
}

/* A peer that begins with the last block of a batch: those that it skipped count as not there, and
 * the others as not requested. */
static void answers_in_another_order_close(void **state)
{
    (void)state;
    start(false, 0, 1);
    source_peer(&f, 1)->is_backwards = true;
    source_run(&f);
    assert_int_equal(f.dropped, 1);
    assert_int_equal(f.drop_error, SPV_ERR_UNSOLICITED);
    source_connect(&f, 2, SOURCE_SERVICES);
    source_run(&f);
    check_found();
}

static void three_blocks_that_were_not_requested_close(void **state)
{
    (void)state;
    start(false, 0, 1);
    spv_bloom_scan_stop(f.bloom);
    assert_int_equal(source_begin(&f, 1, 1, 2), 0);
    source_peer(&f, 1)->unrequested = 1;
    source_run(&f);
    assert_int_equal(f.dropped, 0);
    spv_bloom_scan_stop(f.bloom);
    assert_int_equal(source_begin(&f, 1, 1, 1), 0);
    source_run(&f);
    assert_int_equal(f.dropped, 1);
    assert_int_equal(f.drop_error, SPV_ERR_UNSOLICITED);
    source_close(&f);
}

/* ---- peers that do not answer ---- */

static void what_a_disconnected_peer_was_asked_goes_to_another(void **state)
{
    (void)state;
    start(false, 0, 2);
    source_peer(&f, 1)->stops_at = 5;
    source_run(&f);
    check_found();
}

static void a_silent_peer_is_replaced_and_then_dropped(void **state)
{
    (void)state;
    start(false, 0, 2);
    source_peer(&f, 1)->is_silent = true;
    source_run(&f);
    assert_int_equal(source_matches(&f, 10), 0);
    source_wait(&f, SPV_BLOOM_TIMEOUT_US - 1);
    assert_int_equal(source_matches(&f, 10), 0);
    source_wait(&f, 1);
    assert_int_equal(source_matches(&f, 10), 1);
    assert_int_equal(f.dropped, 0);
    source_wait(&f, SPV_BLOOM_STALL_US - SPV_BLOOM_TIMEOUT_US - 1);
    assert_int_equal(f.dropped, 0);
    source_wait(&f, 1);
    assert_int_equal(f.dropped, 1);
    assert_int_equal(f.drop_error, SPV_ERR_STALL);
    check_found();
}

/* Late answers count where no other peer has answered. */
static void late_answers_are_of_use(void **state)
{
    (void)state;
    start(false, 0, 1);
    source_peer(&f, 1)->is_silent = true;
    source_run(&f);
    source_wait(&f, SPV_BLOOM_TIMEOUT_US + 1);
    assert_int_equal(source_peer(&f, 1)->n_getdata, SPV_BLOOM_PEER_BATCHES);
    source_peer(&f, 1)->is_silent = false;
    source_run(&f);
    assert_int_equal(source_peer(&f, 1)->n_filtered, 60);
    assert_int_equal(f.dropped, 0);
    check_found();
}

/* The pong shows that nothing follows. Others are asked; this one again after a minute. */
static void a_block_that_a_peer_leaves_out_is_asked_of_others(void **state)
{
    (void)state;
    start(false, 0, 2);
    source_peer(&f, 1)->lacks_all = true;
    source_run(&f);
    assert_int_equal(f.dropped, 0);
    assert_int_equal(source_peer(&f, 1)->highest, 60);
    check_found();

    start(false, 0, 1);
    source_peer(&f, 1)->lacks_all = true;
    source_run(&f);
    assert_int_equal(f.n_events, 0);
    source_peer(&f, 1)->lacks_all = false;
    source_wait(&f, SPV_BLOOM_LACKS_US - 1);
    assert_int_equal(f.n_events, 0);
    source_wait(&f, 1);
    check_found();
}

static void notfound_is_a_block_that_is_left_out(void **state)
{
    struct spv_inv item = {.type = SPV_INV_FILTERED_BLOCK};
    const struct spv_msg_inv msg = {.items = &item, .n = 1};

    (void)state;
    start(false, 0, 2);
    source_step(&f);
    const uint32_t before = source_peer(&f, 2)->n_filtered;
    memcpy(item.hash.b, f.blocks[3].hash.b, 32);
    assert_int_equal(spv_bloom_scan_notfound(f.bloom, 1, &msg, f.now), 1);
    source_peer(&f, 1)->is_silent = true;
    source_run(&f);
    assert_int_equal(source_peer(&f, 2)->n_filtered, before + 3);
    assert_int_equal(source_peer(&f, 2)->lowest, 1);
    source_close(&f);
}

static void a_pong_of_another_ping_ends_nothing(void **state)
{
    const struct spv_msg_ping other = {.has_nonce = true, .nonce = 5}, none = {.has_nonce = false};

    (void)state;
    start(false, 0, 1);
    source_step(&f);
    assert_int_equal(spv_bloom_scan_pong(f.bloom, 1, &other, f.now), 0);
    assert_int_equal(spv_bloom_scan_pong(f.bloom, 1, &none, f.now), 0);
    assert_int_equal(spv_bloom_scan_pong(f.bloom, 9, &other, f.now), 0);
    source_run(&f);
    check_found();
}

/* ---- cross checks ---- */

/* Without a cross check an omission is not noticed; with one it is, and the block decides. */
static void a_cross_check_finds_an_omission(void **state)
{
    (void)state;
    start(false, 0, 1);
    source_peer(&f, 1)->omits = 10;
    source_run(&f);
    assert_int_equal(source_matches(&f, 10), 0);
    source_close(&f);

    for (uint64_t bad = 1; bad <= 2; bad++) {
        start(true, 0, 2);
        source_peer(&f, bad)->omits = 10;
        source_run(&f);
        assert_int_equal(f.dropped, bad);
        assert_int_equal(f.drop_error, SPV_ERR_BLOOM_OMISSION);
        assert_int_equal(spv_err_class_of(f.drop_error), SPV_CLASS_PEER);
        assert_int_equal(stats().omissions, 1);
        assert_int_equal(stats().whole_blocks, 1);
        assert_true(f.events[0].whole);
        assert_int_equal(f.n_events, 1); /* the rest waits for another second peer */
        source_connect(&f, 3, SOURCE_SERVICES);
        source_run(&f);
        check_found();
    }
}

static void a_cross_check_asks_two_peers_for_each_block(void **state)
{
    (void)state;
    start(true, 0, 1);
    source_run(&f);
    assert_int_equal(f.n_events, 0);
    source_connect(&f, 2, SOURCE_SERVICES);
    source_connect(&f, 3, SOURCE_SERVICES);
    source_run(&f);
    assert_int_equal(stats().whole_blocks, 0);
    assert_true(stats().blocks >= 120);
    check_found();
}

/* The other answers of a peer that left out a transaction are requested again, too. */
static void answers_of_an_omitting_peer_are_requested_again(void **state)
{
    (void)state;
    start(true, 0, 2);
    source_peer(&f, 1)->omits = 10;
    f.keeps_dropped = true;
    source_peer(&f, 2)->is_silent = true; /* first the one that omits answers for all */
    source_run(&f);
    source_peer(&f, 2)->is_silent = false;
    source_run(&f);
    assert_int_equal(f.dropped, 1);
    const uint32_t height = stats().height;
    source_run(&f);
    assert_int_equal(stats().height, height);
    assert_int_equal(height, 11); /* 11 has the answer of the other peer only */
    source_close(&f);
}

static void two_peers_that_omit_the_same_are_not_noticed(void **state)
{
    (void)state;
    start(true, 0, 2);
    source_peer(&f, 1)->omits = source_peer(&f, 2)->omits = 10;
    source_run(&f);
    assert_int_equal(f.dropped, 0);
    assert_int_equal(source_matches(&f, 10), 0);
    source_close(&f);
}

/* A peer that does not add outpoints misses the spend, when both are in one batch. */
static void a_peer_that_does_not_update_its_filter_is_found_by_a_cross_check(void **state)
{
    (void)state;
    start(true, 0, 2);
    spv_bloom_scan_stop(f.bloom);
    assert_int_equal(source_begin(&f, 1, 10, 40), 0);
    source_peer(&f, 1)->no_update = true;
    source_reorganise(&f, 10);
    source_pay(&f, source_tx(&f, 10, 1), 0, 0, 0);
    source_mine_to(&f, 70);
    spv_bloom_scan_roll_back(f.bloom, 10);
    source_run(&f);
    assert_int_equal(f.drop_error, SPV_ERR_BLOOM_OMISSION);
    source_connect(&f, 3, SOURCE_SERVICES);
    source_run(&f);
    assert_int_equal(source_matches(&f, 11), 1);
    source_close(&f);
}

static void a_block_with_a_large_amount_is_fetched_whole(void **state)
{
    (void)state;
    /* output 0 has 1,000 satoshis, output 1 has 2,000 */
    start(false, 2000, 1);
    source_run(&f);
    assert_false(f.events[0].whole);
    assert_int_equal(f.events[1].height, 30);
    assert_true(f.events[1].whole);
    assert_int_equal(stats().whole_blocks, 1);
    check_found();
    start(false, 2001, 1);
    source_run(&f);
    assert_int_equal(stats().whole_blocks, 0);
    check_found();
}

/* The whole block shows what one peer alone left out. */
static void a_whole_block_shows_what_one_peer_left_out(void **state)
{
    (void)state;
    start(false, 2000, 1);
    source_reorganise(&f, 20);
    source_mine_to(&f, 29);
    source_pay(&f, NULL, 0, 0, 1);
    const size_t at = source_pay(&f, NULL, 0, 1, 0);
    source_pay(&f, &f.blocks[30].txs[at].built, 0, 0, 0);
    source_mine_to(&f, 62);
    source_peer(&f, 1)->no_update = true; /* so it sends two of three */
    source_run(&f);
    assert_int_equal(source_matches(&f, 30), 1);
    assert_int_equal(f.events[1].n, 3);
    assert_int_equal(f.drop_error, SPV_ERR_BLOOM_OMISSION);
    source_connect(&f, 2, SOURCE_SERVICES);
    source_run(&f);
    check_found();
}

/* What was added after a peer answered is no omission of it. */
static void a_script_that_is_newer_than_an_answer_was_not_left_out(void **state)
{
    (void)state;
    source_open(&f, 1);
    source_mine_to(&f, 29);
    source_pay(&f, NULL, 0, 0, 1);
    source_pay(&f, NULL, 0, 9, 0);
    source_mine_to(&f, 40);
    source_start_bloom(&f, NONE, false, 2000);
    source_connect(&f, 1, SPV_NODE_NETWORK | SPV_NODE_BLOOM); /* without whole blocks */
    assert_int_equal(source_begin(&f, 1, 1, 40), 0);
    source_run(&f);
    assert_int_equal(stats().height, 30);
    assert_int_equal(source_watch(&f, 9, 31), 0);
    source_connect(&f, 2, SPV_NODE_NETWORK | SPV_NODE_WITNESS);
    source_run(&f);
    assert_true(f.events[0].whole);
    assert_int_equal(f.events[0].height, 30);
    assert_int_equal(f.dropped, 0);
    assert_int_equal(stats().omissions, 0);
    source_close(&f);
}

/* ---- depth ---- */

/* A transaction of 64 bytes could be two hashes: the whole block decides. */
static void a_transaction_of_64_bytes_is_proven_by_the_whole_block(void **state)
{
    static const uint8_t head[] = {2, 0, 0, 0, 1}, tail[] = {0, 0, 0, 0};
    uint8_t tx[64] = {0};

    (void)state;
    source_open(&f, 1);
    source_mine_to(&f, 9);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 11);
    memcpy(tx, head, sizeof head);
    memcpy(tx + 5, source_tx(&f, 10, 1)->txid.b, 32); /* output 0; empty script; sequence 0 */
    tx[46] = 1; /* one output, with a script of 4 bytes */
    tx[55] = 4;
    memcpy(tx + 60, tail, sizeof tail);
    source_add_raw(&f, tx, sizeof tx);
    source_mine_to(&f, 20);
    source_start_bloom(&f, NONE, false, 0);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, 20), 0);
    source_run(&f);
    assert_int_equal(f.events[1].height, 12);
    assert_true(f.events[1].whole);
    check_found();
}

/* ---- random chains ---- */

static void make_random_chain(uint32_t n_scripts)
{
    const uint32_t tip = 80 + (uint32_t)test_random_below(&f.random, 120);

    while (f.tip < tip) {
        const size_t n = test_random_below(&f.random, 4);
        for (size_t i = 0; i < n; i++) {
            const struct built_tx *spends = NULL;
            if (f.tip > 0 && test_random_below(&f.random, 2)) {
                const struct source_block *b = &f.blocks[1 + test_random_below(&f.random, f.tip)];
                spends = &b->txs[test_random_below(&f.random, b->n)].built;
            }
            source_pay(&f, spends, (uint32_t)test_random_below(&f.random, 2),
                       (uint32_t)test_random_below(&f.random, n_scripts + 3),
                       (uint32_t)test_random_below(&f.random, n_scripts * 4));
        }
        source_mine(&f);
    }
}

static void random_fault(struct source_peer *p)
{
    const uint32_t height = 1 + (uint32_t)test_random_below(&f.random, f.tip);

    switch (test_random_below(&f.random, 8)) {
    case 0:
        p->false_root = height;
        break;
    case 1:
        p->lacks_txs = height;
        break;
    case 2:
        p->stops_at = height;
        break;
    case 3:
        p->lacks_all = true;
        break;
    case 4:
        p->is_silent = true;
        break;
    case 5:
        p->is_backwards = true;
        break;
    default:
        break;
    }
}

/* Late scripts from the first height on, so that the order of finds does not matter. */
static void random_chains_give_the_fixed_point(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        source_open(&f, seed);
        const uint32_t n_scripts = 2 + (uint32_t)test_random_below(&f.random, 12);
        make_random_chain(n_scripts);
        source_start_bloom(&f, NONE, seed % 3 == 0, seed % 4 == 0 ? 2000 : 0);
        for (uint64_t id = 1; id <= 2; id++)
            random_fault(source_connect(&f, id, SOURCE_SERVICES));
        f.script_limit = n_scripts;
        f.scripts_from = 1;
        assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
        source_run(&f);
        if (test_random_below(&f.random, 2)) {
            const uint32_t fork = f.tip - (uint32_t)test_random_below(&f.random, 20);
            const uint32_t tip = f.tip;
            source_reorganise(&f, fork);
            source_mine_to(&f, tip);
            source_pay(&f, NULL, 0, 1, 0);
            source_mine(&f);
            spv_bloom_scan_roll_back(f.bloom, fork);
        }
        source_run(&f);
        for (uint64_t id = 1; id <= 2; id++)
            if (source_peer(&f, id))
                source_disconnect(&f, id);
        for (uint64_t id = 3; id <= 4; id++)
            source_connect(&f, id, SOURCE_SERVICES);
        source_run(&f);
        source_wait(&f, 2 * SPV_BLOOM_STALL_US);
        if (f.events[f.n_events - 1].kind != SPV_SOURCE_EVENT_DONE || f.failed)
            fail_msg("seed %llu: not done", (unsigned long long)seed);
        source_check(&f, 1);
        source_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_false_tree_bans),
        cmocka_unit_test(transactions_that_do_not_follow_close),
        cmocka_unit_test(other_transactions_close),
        cmocka_unit_test(transactions_in_another_order_close),
        cmocka_unit_test(a_witness_is_not_kept),
        cmocka_unit_test(answers_in_another_order_close),
        cmocka_unit_test(three_blocks_that_were_not_requested_close),
        cmocka_unit_test(what_a_disconnected_peer_was_asked_goes_to_another),
        cmocka_unit_test(a_silent_peer_is_replaced_and_then_dropped),
        cmocka_unit_test(late_answers_are_of_use),
        cmocka_unit_test(a_block_that_a_peer_leaves_out_is_asked_of_others),
        cmocka_unit_test(notfound_is_a_block_that_is_left_out),
        cmocka_unit_test(a_pong_of_another_ping_ends_nothing),
        cmocka_unit_test(a_cross_check_finds_an_omission),
        cmocka_unit_test(a_cross_check_asks_two_peers_for_each_block),
        cmocka_unit_test(answers_of_an_omitting_peer_are_requested_again),
        cmocka_unit_test(two_peers_that_omit_the_same_are_not_noticed),
        cmocka_unit_test(a_peer_that_does_not_update_its_filter_is_found_by_a_cross_check),
        cmocka_unit_test(a_block_with_a_large_amount_is_fetched_whole),
        cmocka_unit_test(a_whole_block_shows_what_one_peer_left_out),
        cmocka_unit_test(a_script_that_is_newer_than_an_answer_was_not_left_out),
        cmocka_unit_test(a_transaction_of_64_bytes_is_proven_by_the_whole_block),
        cmocka_unit_test(random_chains_give_the_fixed_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
