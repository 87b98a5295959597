/* The driver of a wallet with a scripted source: what the source is given and when, where the
 * wallet goes, and which events the application gets. */
#include "wallet_sync_fixture.h"

/* ---- birthdays ---- */

static void first_height_is_the_first_as_late_as_two_hours_before_the_birthday(void **state)
{
    struct fixture *f = *state;
    const struct spv_header_db db = sim_store_reader(&f->store), none = {.ctx = NULL};
    struct spv_birthday found;

    for (int i = 0; i < 2; i++) {
        const struct spv_header_db *from = i == 0 ? &db : &none; /* headers not stored yet */
        assert_int_equal(spv_birthday_find(&found, f->chain, from, time_of(f, 30) + 7200), 0);
        assert_int_equal(found.height, 30);
        assert_int_equal(spv_birthday_find(&found, f->chain, from, time_of(f, 30) + 7201), 0);
        assert_int_equal(found.height, 31);
        assert_int_equal(spv_birthday_find(&found, f->chain, from, 0), 0);
        assert_int_equal(found.height, 1);
        assert_int_equal(spv_birthday_find(&found, f->chain, from, INT64_MAX), 0);
        assert_int_equal(found.height, CHAIN + 1);
        assert_false(found.is_below_start);
    }
}

static void scan_begins_at_the_earliest_birthday_once_headers_are_synced(void **state)
{
    struct fixture *f = *state;

    f->in.synced = false;
    watch_script(f, 1, time_of(f, 40) + 7200);
    watch_script(f, 2, time_of(f, 20) + 7200);
    pull(f);
    assert_int_equal(f->n_begun, 0);
    f->in.synced = true;
    pull(f);
    assert_int_equal(f->n_begun, 1);
    assert_int_equal(f->begun[0], 20);
    assert_int_equal(f->n_began_with, 2);
    assert_int_equal(f->n_added, 0); /* the scripts have no past */
    assert_int_equal(scanned(f), 19);
    restart(f);
    pull(f);
    assert_int_equal(f->begun[1], 20);
    assert_int_equal(f->n_added, 0);
}

static void wallet_without_scripts_waits_for_some(void **state)
{
    struct fixture *f = *state;

    pull(f);
    assert_int_equal(f->n_begun, 0);
    watch_script(f, 1, 0);
    pull(f);
    assert_int_equal(f->begun[0], 1);
}

/* ---- what the source finds ---- */

static void block_above_is_connected_and_one_below_is_rescanned(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bytes[] = {0x51, 1};
    const struct spv_bytes script = {bytes, sizeof bytes};
    struct spv_wallet_balance_row balance;

    watch_script(f, 1, 0);
    pull(f);
    assert_int_equal(match(f, 10, script, 100), 0);
    assert_int_equal(scanned(f), 10);
    assert_int_equal(match(f, 5, script, 20), 0);
    assert_int_equal(match(f, 10, script, 100), 0); /* once more */
    assert_int_equal(scanned(f), 10);
    assert_int_equal(spv_wallet_balance(f->wallet, &balance, 0), 0);
    assert_int_equal(balance.amount[SPV_BALANCE_CONFIRMED], 120);
    pull(f);
    assert_int_equal(must_event(f, SPV_WALLET_EVENT_CHANGED)->kind, SPV_WALLET_EVENT_CHANGED);
    restart(f);
    pull(f);
    assert_int_equal(f->begun[1], 11);
    assert_int_equal(f->n_outputs, 2);
}

static void match_of_another_block_than_the_chains_is_refused(void **state)
{
    struct fixture *f = *state;
    struct spv_source_event event = {.kind = SPV_SOURCE_EVENT_FOUND, .height = 9};

    watch_script(f, 1, 0);
    pull(f);
    event.hash = f->store.at[10].hash;
    assert_int_equal(spv_wallet_sync_source_event(f->sync, &event, f->now), SPV_ERR_STATE);
}

static void block_with_an_invalid_value_holds_nothing(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bytes[] = {0x51, 1};

    watch_script(f, 1, 0);
    pull(f);
    assert_int_equal(match(f, 10, (struct spv_bytes){bytes, sizeof bytes}, -1), 0);
    assert_int_equal(scanned(f), 10);
    assert_int_equal(match(f, 7, (struct spv_bytes){bytes, sizeof bytes}, -1), 0);
    assert_int_equal(scanned(f), 10);
}

static void scripts_of_a_window_that_grew_are_given_from_the_height_of_the_match(void **state)
{
    struct fixture *f = *state;
    uint64_t request;
    const uint64_t id = watch(f, 0, &request);

    pull(f);
    assert_int_equal(f->n_began_with, 32);
    assert_int_equal(match_index(f, 10, id, 3), 0); /* window 8: within the derived ones */
    assert_int_equal(f->n_added, 0);
    for (uint32_t i = 7; i < 27; i += 4)
        assert_int_equal(match_index(f, 11 + i, id, i), 0);
    pull(f);
    assert_int_equal(f->n_added, 0);
    assert_int_equal(match_index(f, 50, id, 27), 0);
    assert_int_equal(f->n_added, 0); /* window 32 */
    assert_int_equal(match_index(f, 51, id, 28), 0);
    assert_int_equal(f->n_added, 1); /* window 33 */
    assert_int_equal(f->added[0], 51);
    assert_int_equal(f->n_scripts_added[0], 32);
    pull(f); /* the window has reached them: blocks are rescanned from the birthday on */
    assert_int_equal(f->n_added, 2);
    assert_int_equal(f->added[1], 1);
    assert_int_equal(f->n_scripts_added[1], 32);
    pull(f);
    assert_int_equal(f->n_added, 2);
}

static void an_added_watch_is_rescanned_until_the_source_is_done(void **state)
{
    struct fixture *f = *state;
    struct spv_rescan_range range;
    uint64_t next = 0;

    watch_script(f, 1, 0);
    pull(f);
    assert_int_equal(done(f, CHAIN), 0);
    pull(f);
    assert_int_equal(must_event(f, SPV_WALLET_EVENT_SCANNED)->scanned.height, CHAIN);
    watch_script(f, 2, time_of(f, 33) + 7200);
    pull(f);
    assert_int_equal(f->n_added, 2);
    assert_int_equal(f->added[0], CHAIN + 1); /* the blocks to come */
    assert_int_equal(f->added[1], 33);
    assert_true(spv_wallet_next_rescan(f->wallet, &next, &range));
    assert_null(next_event(f, SPV_WALLET_EVENT_SCANNED));
    assert_int_equal(match(f, 40, (struct spv_bytes){(const uint8_t[]){0x51, 2}, 2}, 5), 0);
    pull(f);
    assert_int_equal(f->n_added, 2); /* not once more */
    restart(f); /* nothing of it is lost */
    pull(f);
    assert_int_equal(f->begun[1], CHAIN + 1);
    assert_int_equal(f->added[2], 33);
    assert_int_equal(done(f, CHAIN), 0);
    next = 0;
    assert_false(spv_wallet_next_rescan(f->wallet, &next, &range));
    pull(f);
    assert_int_equal(must_event(f, SPV_WALLET_EVENT_SCANNED)->scanned.height, CHAIN);
    restart(f);
    pull(f);
    assert_int_equal(f->n_added, 3);
}

static void source_that_was_done_before_new_scripts_must_be_done_again(void **state)
{
    struct fixture *f = *state;
    struct spv_rescan_range range;
    uint64_t next = 0;

    watch_script(f, 1, 0);
    pull(f);
    watch_script(f, 2, 0);
    assert_int_equal(done(f, CHAIN), 0); /* of the first alone */
    assert_true(spv_wallet_next_rescan(f->wallet, &next, &range));
    pull(f);
    assert_null(next_event(f, SPV_WALLET_EVENT_SCANNED));
    assert_int_equal(done(f, CHAIN), 0);
    pull(f);
    assert_non_null(next_event(f, SPV_WALLET_EVENT_SCANNED));
}

static void scanned_height_is_stored_now_and_then_without_matches(void **state)
{
    struct fixture *f = *state;
    size_t before;

    sim_store_grow(&f->store, SPV_WALLET_SYNC_STEP + 10, 0, 2);
    spv_wallet_sync_free(f->sync);
    assert_int_equal(spv_chain_reload(f->chain), 0);
    new_sync(f);
    watch_script(f, 1, 0);
    pull(f);
    before = f->n_stores;
    f->progress.height = SPV_WALLET_SYNC_STEP;
    pull(f);
    assert_int_equal(f->n_stores, before);
    f->progress.height = SPV_WALLET_SYNC_STEP + 1;
    pull(f);
    assert_int_equal(f->n_stores, before + 1);
    assert_int_equal(scanned(f), SPV_WALLET_SYNC_STEP);
    restart(f);
    pull(f);
    assert_int_equal(f->begun[1], SPV_WALLET_SYNC_STEP + 1);
}

/* ---- reorganisations ---- */

static void wallet_leaves_disconnected_blocks_and_the_source_begins_again_below_its_first(
    void **state)
{
    struct fixture *f = *state;
    static const uint8_t bytes[] = {0x51, 1};

    watch_script(f, 1, time_of(f, 30) + 7200);
    pull(f);
    assert_int_equal(match(f, 50, (struct spv_bytes){bytes, sizeof bytes}, 5), 0);
    assert_int_equal(done(f, CHAIN), 0);
    pull(f);
    assert_int_equal(spv_wallet_sync_disconnect(f->sync, CHAIN, f->now), 0);
    assert_int_equal(scanned(f), CHAIN);
    assert_int_equal(spv_wallet_sync_disconnect(f->sync, 49, f->now), 0);
    assert_int_equal(scanned(f), 49);
    const struct spv_point fork = spv_wallet_scanned(f->wallet);
    assert_memory_equal(&fork.hash, &f->store.at[49].hash, sizeof fork.hash);
    assert_int_equal(f->n_stopped, 0);
    pull(f);
    assert_int_equal(f->n_begun, 1);
    assert_int_equal(spv_wallet_sync_disconnect(f->sync, 29, f->now), 0);
    assert_int_equal(f->n_stopped, 0); /* it began at 30 */
    pull(f);
    assert_int_equal(done(f, CHAIN), 0);
    pull(f);
    assert_int_equal(spv_wallet_sync_disconnect(f->sync, 28, f->now), 0);
    assert_int_equal(f->n_stopped, 1);
    pull(f);
    assert_int_equal(f->n_begun, 2);
    assert_int_equal(f->begun[1], 29);
}

/* A transaction that pays script 1, or spends that output, in a block of its own. */
static void find_tx(struct fixture *f, uint32_t height, const struct built_tx *tx)
{
    const struct built_tx *const txs[] = {tx};
    struct built_block block;
    struct spv_source_event event = {.kind = SPV_SOURCE_EVENT_FOUND, .height = height};

    build_block(&block, height, 0, txs, 1);
    event.hash = f->store.at[height].hash;
    event.block = &block.block;
    assert_int_equal(spv_wallet_sync_source_event(f->sync, &event, f->now), 0);
    built_block_free(&block);
}

/* The source is to find what spends an output that no confirmed transaction spends: at its
 * beginning, and again when blocks are disconnected. */
static void unspent_outputs_are_given_at_the_beginning_and_after_a_rollback(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bytes[] = {0x51, 1};
    const struct built_output pays = {.script = {bytes, sizeof bytes}, .value = 7};
    const struct built_output foreign = {.script = {bytes, 1}, .value = 6};
    const struct built_input other = {.vout = 1};
    struct built_tx payment, spend;

    build_tx(&payment, &(struct built_spec){
                           .inputs = &other, .n_inputs = 1, .outputs = &pays, .n_outputs = 1});
    const struct built_input input = {.prev = payment.txid};
    build_tx(&spend, &(struct built_spec){
                         .inputs = &input, .n_inputs = 1, .outputs = &foreign, .n_outputs = 1});
    watch_script(f, 1, 0);
    pull(f);
    find_tx(f, 10, &payment);
    pull(f);
    find_tx(f, 12, &spend);
    pull(f);
    assert_int_equal(f->n_outputs, 0);
    restart(f);
    pull(f);
    assert_int_equal(f->n_outputs, 0); /* it is spent */
    assert_int_equal(done(f, CHAIN), 0);
    pull(f);
    assert_int_equal(spv_wallet_sync_disconnect(f->sync, 13, f->now), 0);
    pull(f);
    assert_int_equal(f->n_outputs, 0);
    assert_int_equal(f->n_begun, 2);
    assert_int_equal(spv_wallet_sync_disconnect(f->sync, 12, f->now), 0);
    pull(f);
    assert_int_equal(f->n_outputs, 0);
    assert_int_equal(spv_wallet_sync_disconnect(f->sync, 11, f->now), 0); /* below its first */
    pull(f);
    assert_int_equal(f->n_begun, 3);
    assert_int_equal(f->n_outputs, 1);
    find_tx(f, 12, &spend);
    assert_int_equal(done(f, CHAIN), 0);
    pull(f);
    assert_int_equal(f->n_outputs, 1);
    assert_int_equal(spv_wallet_sync_disconnect(f->sync, 11, f->now), 0);
    pull(f);
    assert_int_equal(f->n_begun, 3);
    assert_int_equal(f->n_outputs, 2);
    built_tx_free(&payment);
    built_tx_free(&spend);
}

static void undone_blocks_are_disconnected(void **state)
{
    struct fixture *f = *state;
    const struct spv_source_event event = {.kind = SPV_SOURCE_EVENT_ROLLED_BACK, .height = 20};

    watch_script(f, 1, 0);
    pull(f);
    assert_int_equal(done(f, CHAIN), 0);
    assert_int_equal(spv_wallet_sync_source_event(f->sync, &event, f->now), 0);
    assert_int_equal(scanned(f), 20);
    pull(f);
    assert_null(next_event(f, SPV_WALLET_EVENT_SCANNED));
}

static void wallet_whose_block_is_not_on_the_chain_goes_back_to_one_that_is(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bytes[] = {0x51, 1};
    struct spv_chain_config chain = {.params = spv_params_get(SPV_REGTEST)};
    struct sim_store other;

    watch_script(f, 1, 0);
    pull(f);
    assert_int_equal(match(f, 20, (struct spv_bytes){bytes, sizeof bytes}, 5), 0);
    assert_int_equal(match(f, 40, (struct spv_bytes){bytes, sizeof bytes}, 5), 0);
    assert_int_equal(done(f, CHAIN), 0);
    pull(f);
    sim_store_fork(&other, &f->store, 30, 10, 7);
    sim_store_free(&f->store);
    f->store = other;
    spv_chain_free(f->chain);
    chain.header_db = sim_store_reader(&f->store);
    assert_int_equal(spv_chain_new(&f->chain, &chain), 0);
    restart(f);
    assert_int_equal(scanned(f), 20);
    pull(f);
    assert_int_equal(f->begun[1], 21);
}

/* ---- events for the application ---- */

static void request_is_answered_when_it_is_stored_and_matched(void **state)
{
    struct fixture *f = *state;
    struct spv_wallet_update update;
    struct spv_wallet_event event;
    uint64_t request, second;
    uint32_t index;
    const uint64_t id = watch(f, 0, &request);

    assert_int_equal(spv_wallet_sync_step(f->sync, &f->in, f->now), 0);
    assert_int_equal(spv_wallet_sync_next_event(f->sync, &event), 0);
    assert_int_equal(spv_wallet_sync_changes(f->sync, &update), 1);
    assert_int_equal(spv_wallet_sync_next_event(f->sync, &event), 0);
    row_store_update(&f->rows, &update);
    spv_wallet_sync_stored(f->sync);
    pull(f);
    assert_int_equal(must_event(f, SPV_WALLET_EVENT_ANSWER)->request, request);
    f->progress.is_matching = false; /* peers have not confirmed a new filter yet */
    assert_int_equal(spv_wallet_sync_reserve_index(f->sync, &second, &index, id, 0), 0);
    assert_int_equal(second, request + 1);
    assert_int_equal(index, 0);
    pull(f);
    assert_null(next_event(f, SPV_WALLET_EVENT_ANSWER));
    f->progress.is_matching = true;
    pull(f);
    assert_int_equal(must_event(f, SPV_WALLET_EVENT_ANSWER)->request, second);
    assert_null(next_event(f, SPV_WALLET_EVENT_ANSWER));
    assert_int_equal(spv_wallet_sync_unwatch(f->sync, &second, id + 9), SPV_ERR_NOT_FOUND);
    pull(f);
    assert_null(next_event(f, SPV_WALLET_EVENT_ANSWER));
}

static void blocks_below_what_the_source_can_scan_raise_an_alarm_once(void **state)
{
    struct fixture *f = *state;
    const struct spv_wallet_event *event;

    watch_script(f, 1, 0);
    f->progress.lowest = 12;
    pull(f);
    event = must_event(f, SPV_WALLET_EVENT_ALARM);
    assert_non_null(event);
    assert_int_equal(event->alarm, SPV_WALLET_ALARM_START);
    assert_true(event->raised);
    assert_int_equal(event->height, 12);
    watch_script(f, 2, 0);
    pull(f);
    assert_null(next_event(f, SPV_WALLET_EVENT_ALARM));
}

static void status_has_progress_and_rate(void **state)
{
    struct fixture *f = *state;
    struct spv_wallet_status status;

    spv_wallet_sync_get_status(f->sync, &status);
    assert_int_equal(status.left, CHAIN);
    watch_script(f, 1, 0);
    f->progress.left = 40;
    pull(f);
    f->now.mono_us += 2000000;
    f->progress.left = 30;
    pull(f);
    spv_wallet_sync_get_status(f->sync, &status);
    assert_int_equal(status.left, 30);
    assert_true(status.progress > 0.24 && status.progress < 0.26);
    assert_true(status.rate > 4.9 && status.rate < 5.1);
    assert_in_range(status.left_us, 5900000, 6100000);
    f->progress.left = 0;
    pull(f);
    spv_wallet_sync_get_status(f->sync, &status);
    assert_true(status.progress == 1);
    assert_int_equal(status.left_us, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_height_is_the_first_as_late_as_two_hours_before_the_birthday),
        TEST(scan_begins_at_the_earliest_birthday_once_headers_are_synced),
        TEST(wallet_without_scripts_waits_for_some),
        TEST(block_above_is_connected_and_one_below_is_rescanned),
        TEST(match_of_another_block_than_the_chains_is_refused),
        TEST(block_with_an_invalid_value_holds_nothing),
        TEST(scripts_of_a_window_that_grew_are_given_from_the_height_of_the_match),
        TEST(an_added_watch_is_rescanned_until_the_source_is_done),
        TEST(source_that_was_done_before_new_scripts_must_be_done_again),
        TEST(scanned_height_is_stored_now_and_then_without_matches),
        TEST(wallet_leaves_disconnected_blocks_and_the_source_begins_again_below_its_first),
        TEST(unspent_outputs_are_given_at_the_beginning_and_after_a_rollback),
        TEST(undone_blocks_are_disconnected),
        TEST(wallet_whose_block_is_not_on_the_chain_goes_back_to_one_that_is),
        TEST(request_is_answered_when_it_is_stored_and_matched),
        TEST(blocks_below_what_the_source_can_scan_raise_an_alarm_once),
        TEST(status_has_progress_and_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
