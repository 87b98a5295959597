/* The filters that a scan loads into peers, and unconfirmed transactions. */
#include "source_fixture.h"

#include "spv/bloom.h"

#define NONE ((struct spv_bloom_params){0})

static struct source_fixture f;

static void start(uint64_t seed, uint32_t tip)
{
    source_open(&f, seed);
    source_mine_to(&f, tip);
}

static struct spv_bloom_scan_stats stats(void)
{
    struct spv_bloom_scan_stats out;

    spv_bloom_scan_get_stats(f.bloom, &out);
    return out;
}

/* ---- filters ---- */

static void a_script_without_a_push_of_20_bytes_is_refused(void **state)
{
    uint8_t anchor[4] = {0x51, 2, 0x4e, 0x73}, push[22] = {20};
    struct spv_bytes script = {anchor, sizeof anchor};

    (void)state;
    start(1, 5);
    source_start_bloom(&f, NONE, false, 0);
    assert_int_equal(spv_bloom_scan_add(f.bloom, &script, 1, 1), SPV_ERR_STATE);
    assert_int_equal(spv_bloom_scan_begin(f.bloom, &script, 1, 1, 5), SPV_ERR_BLOOM_SCRIPT);
    assert_int_equal(source_begin(&f, 1, 1, 5), 0);
    assert_int_equal(spv_bloom_scan_add(f.bloom, &script, 1, 1), SPV_ERR_BLOOM_SCRIPT);
    assert_int_equal(stats().items, 1);
    push[0] = 19;
    script = (struct spv_bytes){push, 20};
    assert_int_equal(spv_bloom_scan_add(f.bloom, &script, 1, 1), SPV_ERR_BLOOM_SCRIPT);
    push[0] = 20;
    script.n = 21;
    assert_int_equal(spv_bloom_scan_add(f.bloom, &script, 1, 1), 0);
    assert_int_equal(stats().items, 2);
    source_close(&f);
}

static void add_many(uint32_t from, uint32_t to, int expected)
{
    for (uint32_t n = from; n <= to; n++)
        assert_int_equal(source_watch(&f, n, 1), n == to ? expected : 0);
}

/* 625 items at 0.1 %; the same tweak and size for all peers, reloads and restarts. */
static void the_size_grows_in_steps_of_two_and_is_kept(void **state)
{
    (void)state;
    start(1, 5);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_run(&f);
    const size_t first = p->n_bytes;
    assert_true(first > 1000 && first < 1300);
    add_many(2, 625, 0);
    source_run(&f);
    assert_int_equal(p->n_bytes, first);
    assert_true(stats().rate <= 1.06 * SPV_BLOOM_RATE && stats().rate > 0.9 * SPV_BLOOM_RATE);
    add_many(626, 626, 0);
    source_run(&f);
    assert_true(p->n_bytes >= 2 * first - 1 && p->n_bytes <= 2 * first + 1);
    const struct spv_bloom_params params = spv_bloom_scan_params(f.bloom);
    const size_t second = p->n_bytes;
    assert_int_equal(params.size, second);
    assert_int_equal(params.tweak, p->tweak);
    spv_bloom_scan_free(f.bloom);
    source_start_bloom(&f, params, false, 0);
    p = source_connect(&f, 2, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_run(&f);
    assert_int_equal(p->n_bytes, second);
    assert_int_equal(p->tweak, params.tweak);
    source_close(&f);
}

static void beyond_five_percent_the_source_is_refused(void **state)
{
    const struct spv_txid txid = {{1}};

    (void)state;
    start(1, 5);
    source_start_bloom(&f, NONE, false, 0);
    assert_int_equal(source_begin(&f, 1, 1, 5), 0);
    add_many(2, 20000, 0);
    assert_true(stats().rate <= 1.06 * SPV_BLOOM_RATE);
    assert_int_equal(spv_bloom_scan_params(f.bloom).size, 35943);
    add_many(20001, 20001, 0);
    assert_int_equal(spv_bloom_scan_params(f.bloom).size, SPV_MAX_FILTER_LOAD);
    assert_true(stats().rate > 2 * SPV_BLOOM_RATE);
    uint32_t n = 20002;
    while (source_watch(&f, n, 1) == 0)
        n++;
    assert_true(n > 46000 && n < 46300);
    assert_int_equal(source_watch(&f, n, 1), SPV_ERR_BLOOM_RATE);
    assert_int_equal(spv_bloom_scan_add_output(f.bloom, &txid, 0), SPV_ERR_BLOOM_RATE);
    assert_int_equal(spv_bloom_scan_add_txid(f.bloom, &txid, 1), SPV_ERR_BLOOM_RATE);
    assert_int_equal(stats().items, n - 1);
    assert_true(stats().rate <= SPV_BLOOM_MAX_RATE && stats().rate > 0.0499);
    assert_int_equal(source_watch(&f, 5, 1), 0); /* known */
    source_close(&f);
}

/* Each false positive adds an outpoint to the peer's filter, until it matches everything. */
static void a_filter_with_many_false_positives_is_loaded_again(void **state)
{
    (void)state;
    start(1, 4);
    for (uint32_t i = 0; i < 60; i++) {
        source_pay(&f, NULL, 0, 9, 0);
        source_pay(&f, NULL, 0, 9, 0);
        source_mine(&f);
    }
    source_mine_to(&f, 200);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, 200), 0);
    source_step(&f);
    uint8_t bytes[SOURCE_SCRIPT];
    /* the peer's filter has script 9, ours not: as many false positives as transactions */
    spv_bloom_insert(p->filter, source_script(bytes, 9).bytes + 2, 20);
    source_run(&f);
    assert_int_equal(p->n_loads, 2);
    assert_true(stats().false_positives >= SPV_BLOOM_MAX_FALSE);
    assert_int_equal(f.n_events, 1);
    source_close(&f);
}

static void filters_are_only_ever_loaded(void **state)
{
    (void)state;
    start(1, 50);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 60);
    source_start_bloom(&f, NONE, false, 0);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_run(&f);
    assert_int_equal(source_watch(&f, 2, 1), 0);
    source_run(&f);
    spv_bloom_scan_stop(f.bloom);
    source_step(&f);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_run(&f);
    assert_int_equal(f.n_forbidden, 0);
    source_close(&f);
}

static void outputs_and_txids_are_watched(void **state)
{
    (void)state;
    start(1, 9);
    source_pay(&f, NULL, 0, 0, 0);
    source_mine_to(&f, 19);
    source_pay(&f, source_tx(&f, 10, 1), 1, 0, 0);
    source_pay(&f, NULL, 0, 0, 0);
    source_mine_to(&f, 30);
    source_start_bloom(&f, NONE, false, 0);
    source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 0, 1, 30), 0);
    assert_int_equal(spv_bloom_scan_add_output(f.bloom, &f.blocks[10].txids[1], 1), 0);
    assert_int_equal(spv_bloom_scan_add_txid(f.bloom, &f.blocks[20].txids[2], 1), 0);
    source_run(&f);
    assert_int_equal(f.n_events, 2);
    assert_int_equal(f.events[0].height, 20);
    assert_int_equal(stats().matches, 1);
    assert_int_equal(stats().false_positives, 0);
    source_close(&f);
}

/* ---- unconfirmed transactions ---- */

static struct spv_inv inv_of(const struct built_tx *tx, uint32_t type)
{
    struct spv_inv item = {.type = type};

    memcpy(item.hash.b, tx->txid.b, 32);
    return item;
}

/* Returns the transaction's number in the block that is not mined. */
static const struct built_tx *unconfirmed(uint32_t script)
{
    return &f.blocks[f.tip + 1].txs[source_pay(&f, NULL, 0, script, 0)].built;
}

static void mempools_are_asked_for_at_the_tip_and_after_each_new_filter(void **state)
{
    (void)state;
    start(1, 9);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_step(&f);
    assert_int_equal(p->n_mempool, 0);
    source_run(&f);
    assert_int_equal(p->n_mempool, 1);
    source_run(&f);
    assert_int_equal(p->n_mempool, 1);
    assert_int_equal(source_watch(&f, 2, 10), 0);
    source_run(&f);
    assert_int_equal(p->n_loads, 2);
    assert_int_equal(p->n_mempool, 2);
    struct source_peer *q = source_connect(&f, 2, SOURCE_SERVICES);
    source_run(&f);
    assert_int_equal(q->n_loads, 1);
    assert_int_equal(q->n_mempool, 1);
    source_close(&f);
}

static void announced_transactions_are_requested_from_each_peer(void **state)
{
    (void)state;
    start(1, 9);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    struct source_peer *q = source_connect(&f, 2, SPV_NODE_NETWORK | SPV_NODE_BLOOM);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_run(&f);
    const struct built_tx *mine = unconfirmed(1), *other = unconfirmed(5);
    const struct spv_inv items[] = {inv_of(mine, SPV_INV_TX), inv_of(other, SPV_INV_TX),
                                    inv_of(mine, SPV_INV_BLOCK), inv_of(mine, SPV_INV_TX)};
    const struct spv_msg_inv inv = {.items = items, .n = COUNT(items)};
    assert_int_equal(spv_bloom_scan_inv(f.bloom, 1, &inv), 0);
    assert_int_equal(spv_bloom_scan_inv(f.bloom, 2, &inv), 0);
    struct spv_effect e;
    for (uint64_t id = 1; id <= 2; id++)
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(spv_effects_pop(&f.effects, &e), 1);
            assert_int_equal(e.peer, id);
            assert_int_equal(e.message.command, SPV_CMD_GETDATA);
            /* with its witness where the peer has that */
            assert_int_equal(e.message.u.inv.items[0].type,
                             id == 1 ? SPV_INV_TX | SPV_INV_WITNESS : SPV_INV_TX);
            assert_memory_equal(e.message.u.inv.items[0].hash.b, items[i].hash.b, 32);
        }
    assert_int_equal(spv_effects_pop(&f.effects, &e), 0);
    (void)p;
    (void)q;
    assert_int_equal(spv_bloom_scan_tx(f.bloom, 1, &mine->tx, f.now), SPV_BLOOM_TX_UNCONFIRMED);
    assert_int_equal(spv_bloom_scan_tx(f.bloom, 1, &mine->tx, f.now), SPV_BLOOM_TX_NOT_MINE);
    assert_int_equal(spv_bloom_scan_tx(f.bloom, 2, &mine->tx, f.now), SPV_BLOOM_TX_UNCONFIRMED);
    /* a false positive, which is not requested again */
    assert_int_equal(spv_bloom_scan_tx(f.bloom, 1, &other->tx, f.now), SPV_BLOOM_TX_NOT_MINE);
    assert_int_equal(spv_bloom_scan_inv(f.bloom, 1, &inv), 0);
    assert_int_equal(spv_effects_pop(&f.effects, &e), 1);
    assert_memory_equal(e.message.u.inv.items[0].hash.b, items[0].hash.b, 32);
    assert_int_equal(spv_effects_pop(&f.effects, &e), 0);
    source_close(&f);
}

static void a_peer_has_a_hundred_requests_for_transactions(void **state)
{
    struct spv_inv items[SPV_BLOOM_MAX_TX_REQUESTS + 5];
    struct spv_msg_inv inv = {.items = items, .n = COUNT(items)};

    (void)state;
    start(1, 3);
    source_start_bloom(&f, NONE, false, 0);
    struct source_peer *p = source_connect(&f, 1, SOURCE_SERVICES);
    assert_int_equal(source_begin(&f, 1, 1, UINT32_MAX), 0);
    source_run(&f);
    for (size_t i = 0; i < COUNT(items); i++) {
        items[i] = (struct spv_inv){.type = SPV_INV_TX};
        items[i].hash.b[0] = (uint8_t)i;
        items[i].hash.b[1] = 1;
    }
    assert_int_equal(spv_bloom_scan_inv(f.bloom, 1, &inv), 0);
    source_step(&f);
    assert_int_equal(p->n_tx_requests, SPV_BLOOM_MAX_TX_REQUESTS);
    inv.n = 3;
    items[0].type = SPV_INV_TX | SPV_INV_WITNESS; /* as it was requested */
    assert_int_equal(spv_bloom_scan_notfound(f.bloom, 1, &inv, f.now), 1);
    inv = (struct spv_msg_inv){.items = items + SPV_BLOOM_MAX_TX_REQUESTS, .n = 5};
    assert_int_equal(spv_bloom_scan_inv(f.bloom, 1, &inv), 0);
    source_step(&f);
    assert_int_equal(p->n_tx_requests, SPV_BLOOM_MAX_TX_REQUESTS + 3);
    source_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_without_a_push_of_20_bytes_is_refused),
        cmocka_unit_test(the_size_grows_in_steps_of_two_and_is_kept),
        cmocka_unit_test(beyond_five_percent_the_source_is_refused),
        cmocka_unit_test(a_filter_with_many_false_positives_is_loaded_again),
        cmocka_unit_test(filters_are_only_ever_loaded),
        cmocka_unit_test(outputs_and_txids_are_watched),
        cmocka_unit_test(mempools_are_asked_for_at_the_tip_and_after_each_new_filter),
        cmocka_unit_test(announced_transactions_are_requested_from_each_peer),
        cmocka_unit_test(a_peer_has_a_hundred_requests_for_transactions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
