/* Scans of both sources with each of their allocations failing in turn: the first failure ends the
 * scan, and nothing leaks. The fixture's own allocations are made before. */
#include "source_fixture.h"

#include "spv/merkle.h"
#include "support/fail_each.h"

#define TIP 40

static struct source_fixture f;
static struct spv_merkle_proof *proofs[TIP + 1];
static uint32_t positions[TIP + 1][SOURCE_TXS];
static size_t n_positions[TIP + 1];
static bool cross_check, has_added;

/* Script 1 is paid at 5; the coin is spent at 7, where script 1 is paid again, and script 2 at 20.
 */
static void make_chain(void)
{
    source_open(&f, 1);
    source_mine_to(&f, 4);
    source_pay(&f, NULL, 0, 1, 0);
    source_mine_to(&f, 6);
    source_pay(&f, source_tx(&f, 5, 1), 0, 1, 0);
    source_mine_to(&f, 19);
    source_pay(&f, NULL, 0, 2, 0);
    source_mine_to(&f, TIP);
    for (uint32_t h = 1; h <= TIP; h++) {
        const struct source_block *b = &f.blocks[h];
        for (uint32_t i = 1; i < b->n; i++)
            positions[h][n_positions[h]++] = i;
        assert_int_equal(spv_merkle_proof_new(&proofs[h], &b->block.header, b->txids, b->n,
                                              positions[h], n_positions[h]),
                         0);
    }
}

static int answer_item(uint64_t peer, const struct spv_inv *item)
{
    uint32_t h = 1;

    while (h < TIP && memcmp(f.blocks[h].hash.b, item->hash.b, 32) != 0)
        h++;
    if (item->type != SPV_INV_FILTERED_BLOCK) {
        struct spv_fetched_block out;
        const int rc = spv_block_fetch_recv(&f.fetch, &out, peer, &f.blocks[h].block, f.now);
        if (rc != 1)
            return rc;
        return f.bloom ? spv_bloom_scan_block(f.bloom, &out) : spv_block_scan_block(f.whole, &out);
    }
    int rc = spv_bloom_scan_merkleblock(f.bloom, peer, spv_merkle_proof_message(proofs[h]), f.now);
    for (size_t i = 0; rc >= 0 && i < n_positions[h]; i++)
        rc = spv_bloom_scan_tx(f.bloom, peer, &f.blocks[h].txs[positions[h][i]].built.tx, f.now);
    return rc < 0 ? rc : 0;
}

static int run_effect(const struct spv_effect *e)
{
    const struct spv_msg_inv inv = e->message.u.inv;
    struct spv_inv items[SPV_BLOOM_BATCH];
    int rc = 0;

    if (e->message.command == SPV_CMD_PING) {
        spv_bloom_scan_pong(f.bloom, e->peer, &e->message.u.ping, f.now);
        return 0;
    }
    if (e->message.command != SPV_CMD_GETDATA)
        return 0;
    assert_true(inv.n <= COUNT(items));
    memcpy(items, inv.items, inv.n * sizeof items[0]);
    for (size_t i = 0; rc >= 0 && i < inv.n; i++)
        rc = answer_item(e->peer, &items[i]);
    return rc;
}

static int step(bool *done)
{
    struct spv_source_event event;
    struct spv_effect e;
    int rc = f.bloom ? spv_bloom_scan_run(f.bloom, TIP, true, f.now)
                     : spv_block_scan_run(f.whole, TIP, true, f.now);

    if (rc == 0 && spv_effects_pop(&f.effects, &e) == 1)
        return run_effect(&e);
    if (rc == 0 && (f.bloom ? spv_bloom_scan_next(f.bloom, &event)
                            : spv_block_scan_next(f.whole, &event)) == 1) {
        *done = event.kind == SPV_SOURCE_EVENT_DONE;
        if (event.height == 20 && !has_added) {
            has_added = true;
            rc = source_watch(&f, 3, 15);
        }
    }
    return rc;
}

static int scan(bool bloom)
{
    const struct spv_bloom_scan_config cfg = {.chain = f.chain,
                                              .peers = &f.table,
                                              .effects = &f.effects,
                                              .blocks = &f.fetch,
                                              .rng = test_random_rng(&f.random),
                                              .cross_check = cross_check,
                                              .whole_from = cross_check ? 1 : 0};
    const struct spv_block_scan_config whole = {.chain = f.chain, .blocks = &f.fetch};
    bool done = false;

    has_added = false;
    memset(&f.table, 0, sizeof f.table);
    spv_block_fetch_init(&f.fetch, f.chain, spv_params_get(SPV_REGTEST), &f.effects, &f.table,
                         test_random_rng(&f.random));
    for (uint64_t id = 1; id <= 2; id++) {
        struct spv_peer_entry *p = spv_peer_table_add(&f.table, id);
        p->services = SOURCE_SERVICES;
        p->start_height = TIP;
        (void)spv_block_fetch_add(&f.fetch, id, f.now);
    }
    int rc = bloom ? spv_bloom_scan_new(&f.bloom, &cfg) : spv_block_scan_new(&f.whole, &whole);
    if (rc == 0)
        rc = source_begin(&f, 2, 1, TIP);
    while (rc >= 0 && !done)
        rc = step(&done);
    spv_bloom_scan_free(f.bloom);
    spv_block_scan_free(f.whole);
    f.bloom = NULL;
    f.whole = NULL;
    spv_effects_free(&f.effects);
    return rc < 0 ? rc : 0;
}

static int scan_blocks(void)
{
    return scan(false);
}

static int scan_bloom(void)
{
    return scan(true);
}

static void every_allocation_of_a_scan_may_fail(void **state)
{
    (void)state;
    make_chain();
    assert_true(fail_each(scan_blocks) > 50);
    cross_check = false;
    assert_true(fail_each(scan_bloom) > 50);
    cross_check = true;
    assert_true(fail_each(scan_bloom) > 80);
    for (uint32_t h = 1; h <= TIP; h++)
        spv_merkle_proof_free(proofs[h]);
    source_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_scan_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
