/* The table of what is published: rows are written with the wallet's, changed, deleted, loaded into
 * the machine, and limited. */
#include "stored_wallet.h"

#include "spv/error.h"

static const struct spv_broadcast_row *published_row(struct spv_wallet_iter **it,
                                                     struct spv_wallet_item *item,
                                                     struct spv_store *s)
{
    *it = open_wallet_list(s, SPV_WALLET_LIST_BROADCASTS, NULL);
    assert_int_equal(spv_wallet_iter_next(*it, item), 1);
    return &item->of.broadcast;
}

static void broadcast_is_stored_with_the_wallet_and_deleted(void **state)
{
    struct spv_store *s = must_open(new_stored_wallet(state, 4), SPV_STORE_WRITE);
    const struct spv_broadcast_row *row;
    struct spv_wallet_iter *it;
    struct spv_wallet_item item;

    row = published_row(&it, &item, s);
    assert_int_equal(row->id, 5);
    assert_int_equal(row->package, 5);
    assert_int_equal(row->position, 0);
    assert_memory_equal(&row->txid, &wallet_txs[3].txid, 32);
    assert_int_equal(row->state, SPV_BROADCAST_PUBLISHING);
    assert_int_equal(row->flags, SPV_BROADCAST_PRIVATE);
    assert_int_equal(row->wait_height, 7);
    assert_int_equal(row->wait_time, 8);
    assert_int_equal(row->height, 0);
    assert_int_equal(row->n_rounds, 9);
    assert_int_equal(row->announced_at, 1800000000);
    assert_int_equal(row->ended_at, 0);
    assert_int_equal(row->n_rejects, 2);
    assert_int_equal(row->reject_code, 0x42);
    assert_int_equal(row->n_groups, 2);
    assert_int_equal(row->groups[0], UINT64_C(0x8877665544332211));
    assert_int_equal(row->groups[1], 1);
    assert_int_equal(row->facts[0], SPV_BROADCAST_ANNOUNCED);
    assert_int_equal(row->facts[1], SPV_BROADCAST_FETCHED);
    assert_int_equal(row->raw.n, wallet_txs[3].tx.n);
    assert_memory_equal(row->raw.bytes, wallet_txs[3].tx.bytes, wallet_txs[3].tx.n);
    assert_int_equal(spv_wallet_iter_next(it, &item), 0);
    spv_wallet_iter_close(it);

    assert_int_equal(wallet_step(s, 4), 0); /* a change, without its bytes */
    row = published_row(&it, &item, s);
    assert_int_equal(row->state, SPV_BROADCAST_CONFIRMED);
    assert_int_equal(row->ended_at, 1800000100);
    assert_true(row->height > 0);
    assert_int_equal(row->n_groups, 0);
    assert_int_equal(row->raw.n, wallet_txs[3].tx.n);
    spv_wallet_iter_close(it);

    assert_int_equal(wallet_step(s, 5), 0);
    it = open_wallet_list(s, SPV_WALLET_LIST_BROADCASTS, NULL);
    assert_int_equal(spv_wallet_iter_next(it, &item), 0);
    spv_wallet_iter_close(it);
    assert_int_equal(spv_store_close(s), 0);
}

static void broadcast_that_is_not_there_cannot_change(void **state)
{
    struct spv_store *s = must_open(new_stored_wallet(state, 4), SPV_STORE_WRITE);
    struct spv_broadcast_change change = {
        .row = {.id = 6, .package = 6, .txid = wallet_txs[3].txid, .state = 1}};
    const struct spv_broadcast_update update = {&change, 1};
    const struct spv_store_update all = {.broadcast = &update};

    assert_int_equal(spv_store_apply_all(s, &all), SPV_ERR_STATE);
    change.row.id = change.row.package = 5;
    change.row.txid.b[0] ^= 1; /* another transaction */
    assert_int_equal(spv_store_apply_all(s, &all), SPV_ERR_STATE);
    change.row.txid.b[0] ^= 1;
    assert_int_equal(spv_store_apply_all(s, &all), 0);
    assert_int_equal(spv_store_close(s), 0);
}

static void broadcast_is_loaded_into_the_machine(void **state)
{
    static struct test_random random;
    const struct spv_broadcast_config cfg = {.rng = test_random_rng(&random)};
    const struct spv_now now = {.mono_us = SPV_SECOND, .unix_s = 1800000010};
    struct spv_broadcast_progress progress;
    struct spv_broadcast_update update;
    struct spv_broadcast *b;
    struct spv_store *s = must_open(new_stored_wallet(state, 4), SPV_STORE_WRITE);

    assert_int_equal(spv_broadcast_new(&b, &cfg), 0);
    assert_int_equal(spv_store_load_broadcast(s, b, now), 1);
    assert_int_equal(spv_broadcast_find(b, &progress, &wallet_txs[3].txid), 0);
    assert_int_equal(progress.state, SPV_BROADCAST_PUBLISHING);
    assert_true(progress.is_private);
    assert_int_equal(progress.announced, 1);
    assert_int_equal(progress.fetched, 1);
    assert_int_equal(spv_broadcast_changes(b, &update), 0);
    assert_int_equal(update.n, 0);
    assert_int_equal(spv_store_load_broadcast(s, b, now), SPV_ERR_STATE); /* it was used */
    spv_broadcast_free(b);
    run_sql(spv_store_path(s), "UPDATE broadcast SET package = 4");
    assert_int_equal(spv_broadcast_new(&b, &cfg), 0);
    assert_int_equal(spv_store_load_broadcast(s, b, now), SPV_ERR_DB_DAMAGED);
    spv_broadcast_free(b);
    assert_int_equal(spv_store_close(s), 0);
}

static void broadcasts_are_limited(void **state)
{
    static struct spv_broadcast_change rows[SPV_BROADCAST_MAX_TXS + 1];
    struct spv_broadcast_update update = {rows, SPV_BROADCAST_MAX_TXS + 1};
    const struct spv_store_update all = {.broadcast = &update};
    struct spv_store *s = must_open(new_stored_wallet(state, 1), SPV_STORE_WRITE);
    struct spv_store_info info;

    for (uint32_t i = 0; i < COUNT(rows); i++)
        rows[i].row = (struct spv_broadcast_row){
            .id = i + 1, .package = i + 1, .state = 1, .raw = wallet_script(1)};
    assert_int_equal(spv_store_apply_all(s, &all), SPV_ERR_TOO_MANY);
    update.n--;
    assert_int_equal(spv_store_apply_all(s, &all), 0);
    assert_int_equal(spv_store_get_info(s, &info), 0);
    assert_int_equal(info.wallet_broadcasts, SPV_BROADCAST_MAX_TXS);
    assert_int_equal(spv_store_close(s), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(broadcast_is_stored_with_the_wallet_and_deleted),
        T(broadcast_that_is_not_there_cannot_change),
        T(broadcast_is_loaded_into_the_machine),
        T(broadcasts_are_limited),
    };
    return cmocka_run_group_tests(tests, stored_wallet_setup, stored_wallet_teardown);
}
