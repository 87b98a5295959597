/* The watch set: windows, look-ahead, reserved indexes, rescans, and its size. */
#include "wallet_case.h"

#include "spv/descriptor.h"
#include "spv/keys.h"
#include "spv/wallet/watch_set.h"

#define XPUB                                                                                       \
    "tpubDCwf7iLkApvAxZE8pJckS47pkp3oxUjAcRKVH3oo8RBri2GmxTum8uXGvm2ukTeD5PgHUbWKXH8h6WXznjLjmm"   \
    "WiQizU1dVk2aFJTz212Li"
#define RANGED "wpkh(" XPUB "/<0;1>/*)"
#define GAP 5

static struct spv_derived_scripts scripts[2];

static int setup_scripts(void **state)
{
    struct spv_descriptor *descriptor;

    (void)state;
    assert_int_equal(spv_descriptor_parse(&descriptor, NULL, RANGED, strlen(RANGED),
                                          SPV_ANY_NETWORK, SPV_DESCRIPTOR_CHECKSUM_OPTIONAL),
                     0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(spv_descriptor_derive(&scripts[i], descriptor, i, 0, 300), 0);
    spv_descriptor_free(descriptor);
    return 0;
}

static int teardown_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++)
        spv_derived_scripts_free(&scripts[i]);
    return 0;
}

static uint64_t watch_ranged(struct wallet_case *c, uint32_t gap, int64_t birthday)
{
    const struct spv_watch_target watch = {
        .kind = SPV_WATCH_DESCRIPTOR, .descriptor = RANGED, .gap = gap, .birthday = birthday};
    uint64_t id;

    assert_int_equal(spv_wallet_watch(c->wallet, &id, NULL, &watch), 0);
    case_store(c);
    return id;
}

/* A transaction that pays up to two of the scripts; branch 2: none. */
static void pay(struct wallet_case *c, struct built_tx *out, const uint32_t at[2][2])
{
    const struct built_input input = {.vout = ++c->salt};
    struct built_output outputs[2] = {{.script = case_script(200), .value = 1}};
    size_t n = 0;

    for (size_t i = 0; i < 2; i++)
        if (at[i][0] < 2)
            outputs[n++] = (struct built_output){
                .script = scripts[at[i][0]].scripts[at[i][1]].script, .value = 100};
    build_tx(out, &(struct built_spec){
                      .inputs = &input, .n_inputs = 1, .outputs = outputs, .n_outputs = n});
}

static void mine_payment(struct wallet_case *c, uint32_t branch, uint32_t index)
{
    struct built_tx tx;

    pay(c, &tx, (const uint32_t[2][2]){{branch, index}, {2, 0}});
    case_mine(c, &tx, NULL);
    built_tx_free(&tx);
}

static uint32_t window(const struct wallet_case *c, uint64_t id, uint32_t branch)
{
    const struct spv_wallet_change *row =
        row_store_find(&c->store, SPV_WALLET_ROW_BRANCH, id, branch);

    assert_non_null(row);
    return row->row.branch.window;
}

static void window_reaches_gap_beyond_the_highest_used_index(void **state)
{
    struct wallet_case *c = *state;
    const uint64_t id = watch_ranged(c, GAP, 0);

    assert_int_equal(window(c, id, 0), GAP);
    mine_payment(c, 0, 3);
    assert_int_equal(window(c, id, 0), 4 + GAP);
    assert_int_equal(window(c, id, 1), GAP);
    mine_payment(c, 1, 4); /* change widens its branch, too */
    assert_int_equal(window(c, id, 1), 5 + GAP);
    mine_payment(c, 0, 1);
    assert_int_equal(window(c, id, 0), 4 + GAP);
    case_disconnect(c, 3); /* windows never shrink */
    assert_int_equal(window(c, id, 0), 4 + GAP);
    case_balance(c, 0, 0, 300, 0);
}

static void payment_beyond_the_window_is_active_when_the_window_reaches_it(void **state)
{
    struct wallet_case *c = *state;
    const uint64_t id = watch_ranged(c, GAP, 0);

    mine_payment(c, 0, GAP + 2);
    mine_payment(c, 0, 2 * GAP + 1);
    case_balance(c, 0, 0, 0, 0);
    assert_int_equal(window(c, id, 0), GAP);
    mine_payment(c, 0, 2); /* reaches 7, which reaches 11 */
    case_balance(c, 300, 0, 0, 0);
    assert_int_equal(window(c, id, 0), 2 * GAP + 2 + GAP);
}

static void earlier_transaction_of_the_block_may_pay_a_script_derived_later(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx first, second;

    spv_wallet_free(c->wallet);
    row_store_free(&c->store);
    c->cfg.lookahead = 0;
    c->height = 0;
    assert_int_equal(spv_wallet_new(&c->wallet, &c->cfg), 0);
    watch_ranged(c, 30, 0); /* derives 32 */
    pay(c, &first, (const uint32_t[2][2]){{0, 40}, {2, 0}});
    pay(c, &second, (const uint32_t[2][2]){{0, 20}, {2, 0}});
    case_mine(c, &first, &second);
    case_balance(c, 200, 0, 0, 0);
    built_tx_free(&first);
    built_tx_free(&second);
}

/* Both branches of this descriptor have the same scripts. */
static void coin_is_added_once_for_a_watch_that_owns_its_script_twice(void **state)
{
    const struct spv_watch_target watch = {.kind = SPV_WATCH_DESCRIPTOR,
                                           .descriptor = "wsh(sortedmulti(1," XPUB "/<0;1>/*," XPUB
                                                         "/<1;0>/*))"};
    const struct built_input input = {.vout = 1};
    struct wallet_case *c = *state;
    struct spv_wallet_balance_row balance;
    struct spv_script_origin origins[2];
    struct built_output output = {.value = 100};
    struct built_tx tx;
    uint64_t id;

    assert_int_equal(spv_wallet_watch(c->wallet, &id, NULL, &watch), 0);
    assert_int_equal(spv_wallet_script_at(c->wallet, &output.script, id, 0, 3), 0);
    assert_int_equal(spv_wallet_find_script(c->wallet, origins, 2, output.script), 2);
    build_tx(&tx, &(struct built_spec){
                      .inputs = &input, .n_inputs = 1, .outputs = &output, .n_outputs = 1});
    case_mine(c, &tx, NULL);
    assert_int_equal(spv_wallet_balance(c->wallet, &balance, id), 0);
    assert_int_equal(balance.amount[SPV_BALANCE_CONFIRMED], 100);
    case_balance(c, 100, 0, 0, 0);
    built_tx_free(&tx);
}

static void reserved_index_is_above_all_used_ones_and_moves_the_window(void **state)
{
    struct wallet_case *c = *state;
    const uint64_t id = watch_ranged(c, GAP, 0);
    struct spv_bytes script;
    uint32_t index;

    mine_payment(c, 0, 3);
    mine_payment(c, 0, 1);
    for (uint32_t i = 4; i < 20; i++) {
        assert_int_equal(spv_wallet_reserve_index(c->wallet, &index, id, 0), 0);
        assert_int_equal(index, i);
    }
    case_store(c);
    assert_int_equal(window(c, id, 0), 20 + GAP);
    assert_int_equal(spv_wallet_script_at(c->wallet, &script, id, 0, index), 0);
    assert_memory_equal(script.bytes, scripts[0].scripts[index].script.bytes, script.n);
    assert_int_equal(spv_wallet_script_at(c->wallet, &script, id, 0, 5000), SPV_ERR_NOT_FOUND);
    assert_int_equal(spv_wallet_reserve_index(c->wallet, &index, id, 2), SPV_ERR_NOT_FOUND);
    assert_int_equal(spv_wallet_reserve_index(c->wallet, &index, 99, 0), SPV_ERR_NOT_FOUND);
    assert_int_equal(spv_wallet_reserve_index(c->wallet, &index, c->watches[0], 0),
                     SPV_ERR_UNSUPPORTED);
    case_balance(c, 200, 0, 0, 0);
}

static void equal_watch_gets_the_larger_gap_and_the_earlier_birthday(void **state)
{
    struct wallet_case *c = *state;
    const uint64_t id = watch_ranged(c, GAP, 1000);
    const struct spv_wallet_change *row;

    assert_int_equal(watch_ranged(c, GAP + 4, 2000), id);
    assert_int_equal(window(c, id, 0), GAP + 4);
    assert_int_equal(watch_ranged(c, GAP, 500), id);
    assert_int_equal(window(c, id, 1), GAP + 4);
    row = row_store_find(&c->store, SPV_WALLET_ROW_WATCH, id, 0);
    assert_int_equal(row->row.watch.watch.gap, GAP + 4);
    assert_int_equal(row->row.watch.watch.birthday, 500);
    assert_int_not_equal(row->row.watch.watch.descriptor[0], 0);
}

static void new_watch_needs_a_rescan_until_it_is_done(void **state)
{
    struct wallet_case *c = *state;
    struct spv_rescan_range range;
    struct built_tx tx;
    uint64_t next = 0;

    /* those that were watched before the first block have no past */
    assert_false(spv_wallet_next_rescan(c->wallet, &next, &range));
    const uint64_t id = watch_ranged(c, GAP, 77);
    next = 0;
    assert_true(spv_wallet_next_rescan(c->wallet, &next, &range));
    assert_int_equal(range.watch, id);
    assert_int_equal(range.birthday, 77);
    assert_int_equal(range.branch, 0);
    assert_int_equal(range.first, 0);
    assert_true(range.end >= GAP + c->cfg.lookahead);
    assert_int_equal(spv_wallet_rescan_done(c->wallet, &range), 0);
    assert_true(spv_wallet_next_rescan(c->wallet, &next, &range));
    assert_int_equal(range.branch, 1);
    assert_int_equal(spv_wallet_rescan_done(c->wallet, &range), 0);
    next = 0;
    assert_false(spv_wallet_next_rescan(c->wallet, &next, &range));
    case_store(c);
    /* far enough that scripts are in the window for which nothing was scanned */
    pay(c, &tx, (const uint32_t[2][2]){{0, 4}, {0, 9}});
    case_mine(c, &tx, NULL);
    mine_payment(c, 0, 14);
    mine_payment(c, 0, 18); /* more look-ahead is derived, but the window needs no rescan */
    next = 0;
    assert_false(spv_wallet_next_rescan(c->wallet, &next, &range));
    for (uint32_t i = 1; i < 6; i++)
        mine_payment(c, 0, 18 + i * GAP);
    next = 0;
    assert_true(spv_wallet_next_rescan(c->wallet, &next, &range));
    assert_true(range.first >= GAP + c->cfg.lookahead);
    range.watch = 99;
    assert_int_equal(spv_wallet_rescan_done(c->wallet, &range), SPV_ERR_NOT_FOUND);
    case_balance(c, 900, 0, 0, 0);
    built_tx_free(&tx);
}

static void wrong_watches_are_refused_and_nothing_changes(void **state)
{
    static uint8_t zeros[SPV_WATCH_MAX_SCRIPT_BYTES + 1];
    const struct {
        struct spv_watch_target watch;
        int error;
    } wrong[] = {
        {{.kind = SPV_WATCH_DESCRIPTOR}, SPV_ERR_INVALID},
        {{.kind = SPV_WATCH_DESCRIPTOR, .descriptor = RANGED, .gap = SPV_WATCH_MAX_GAP + 1},
         SPV_ERR_INVALID},
        {{.kind = SPV_WATCH_DESCRIPTOR, .descriptor = "wpkh(" XPUB "/0h/*)"}, SPV_ERR_HARDENED},
        {{.kind = SPV_WATCH_DESCRIPTOR, .descriptor = "wpkh("}, SPV_ERR_DESC_SYNTAX},
        {{.kind = SPV_WATCH_DESCRIPTOR, .descriptor = "raw()"}, SPV_ERR_INVALID},
        {{.kind = SPV_WATCH_SCRIPT}, SPV_ERR_INVALID},
        {{.kind = SPV_WATCH_OUTPOINT}, SPV_ERR_INVALID},
        {{.kind = SPV_WATCH_SCRIPT, .script = {zeros, sizeof zeros}}, SPV_ERR_TOO_LONG},
        {{.kind = (enum spv_watch_kind)0}, SPV_ERR_INVALID},
    };
    struct wallet_case *c = *state;
    struct spv_wallet_update update;
    uint64_t id;

    case_store(c);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(spv_wallet_watch(c->wallet, &id, NULL, &wrong[i].watch), wrong[i].error);
    assert_int_equal(spv_wallet_changes(c->wallet, &update), 0);
    assert_int_equal(update.n, 0);
}

static void script_is_found_with_all_places_that_it_belongs_to(void **state)
{
    const struct spv_watch_target path = {.kind = SPV_WATCH_DESCRIPTOR,
                                          .descriptor = "wpkh(" XPUB "/1/*)"};
    struct wallet_case *c = *state;
    const uint64_t id = watch_ranged(c, GAP, 0);
    struct spv_script_origin origins[2];
    uint64_t second;

    assert_int_equal(spv_wallet_watch(c->wallet, &second, NULL, &path), 0);
    assert_int_equal(spv_wallet_find_script(c->wallet, origins, 2, scripts[1].scripts[7].script),
                     2);
    assert_int_equal(origins[0].watch, id);
    assert_int_equal(origins[0].branch, 1);
    assert_int_equal(origins[0].index, 7);
    assert_int_equal(origins[1].watch, second);
    assert_int_equal(origins[1].branch, 0);
    assert_int_equal(spv_wallet_find_script(c->wallet, NULL, 0, case_script(99)), 0);
    const size_t n = spv_wallet_script_count(c->wallet);
    assert_int_equal(spv_wallet_script(c->wallet, n).n, 0);
    assert_int_equal(spv_wallet_unwatch(c->wallet, id), 0);
    assert_int_equal(spv_wallet_script_count(c->wallet), n); /* numbers stay */
    assert_int_equal(spv_wallet_find_script(c->wallet, origins, 2, scripts[0].scripts[0].script),
                     0);
    assert_int_equal(spv_wallet_find_script(c->wallet, origins, 2, scripts[1].scripts[7].script),
                     1);
    assert_int_equal(origins[0].watch, second);
}

static void hundred_thousand_scripts_take_at_most_ten_megabytes(void **state)
{
    struct wallet_case *c = *state;
    struct spv_watch_set set = {.next_id = 0};
    struct spv_watch_target watch = {.kind = SPV_WATCH_DESCRIPTOR, .descriptor = "tr(" XPUB "/*)"};
    uint32_t slot, number;
    uint8_t script[34] = {0x51, 0x20};

    spv_watch_set_init(&set, &c->cfg.rng, SPV_ANY_NETWORK, 0);
    assert_int_equal(spv_watch_set_restore(&set, NULL, &slot, &watch, 1), 0);
    for (uint32_t i = 0; i < 100000; i++) {
        memcpy(script + 2, &i, sizeof i);
        assert_int_equal(
            spv_watch_set_restore_script(&set, 1, 0, i, (struct spv_bytes){script, sizeof script}),
            0);
    }
    assert_true(spv_watch_set_memory(&set) <= 10000000);
    assert_true(spv_watch_set_memory(&set) >= 100000 * (sizeof script + 12));
    for (uint32_t i = 0; i < 100000; i++) {
        memcpy(script + 2, &i, sizeof i);
        number = spv_script_table_find(&set.scripts, (struct spv_bytes){script, sizeof script});
        assert_int_equal(number, i);
    }
    spv_watch_set_free(&set);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, case_setup, case_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(window_reaches_gap_beyond_the_highest_used_index),
        CASE(payment_beyond_the_window_is_active_when_the_window_reaches_it),
        CASE(earlier_transaction_of_the_block_may_pay_a_script_derived_later),
        CASE(coin_is_added_once_for_a_watch_that_owns_its_script_twice),
        CASE(reserved_index_is_above_all_used_ones_and_moves_the_window),
        CASE(equal_watch_gets_the_larger_gap_and_the_earlier_birthday),
        CASE(new_watch_needs_a_rescan_until_it_is_done),
        CASE(wrong_watches_are_refused_and_nothing_changes),
        CASE(script_is_found_with_all_places_that_it_belongs_to),
        CASE(hundred_thousand_scripts_take_at_most_ten_megabytes),
    };
    return cmocka_run_group_tests(tests, setup_scripts, teardown_scripts);
}
