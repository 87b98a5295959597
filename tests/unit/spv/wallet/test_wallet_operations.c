/* What goes into a wallet: refused inputs, stripped forms, watches and their ends, rows. */
#include "wallet_case.h"

#include "spv/merkle.h"

#define X 200 /* a script of others */

static const struct spv_tx_source peer = {.peer = 1, .group = 1};

static void amounts_out_of_range_and_double_inputs_are_refused(void **state)
{
    static const int64_t wrong[][2] = {
        {-1, 1}, {INT64_C(2100000000000001), 0}, {INT64_C(2100000000000000), 1}};
    struct wallet_case *c = *state;
    struct built_tx tx;

    for (size_t i = 0; i < COUNT(wrong); i++) {
        MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({0, wrong[i][0]}, {1, wrong[i][1]}));
        assert_int_equal(spv_wallet_receive(c->wallet, &tx.tx, &peer, c->now), SPV_ERR_TX_VALUE);
        built_tx_free(&tx);
    }
    MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({0, INT64_C(2099999999999999)}, {1, 1}));
    assert_int_equal(spv_wallet_receive(c->wallet, &tx.tx, &peer, c->now), 1);
    built_tx_free(&tx);
    MAKE(c, &tx, INPUTS({NULL, 1}, {NULL, 2}, {NULL, 1}), OUTPUTS({0, 1}));
    assert_int_equal(spv_wallet_receive(c->wallet, &tx.tx, &peer, c->now),
                     SPV_ERR_TX_DUPLICATE_INPUT);
    assert_int_equal(spv_wallet_publish(c->wallet, &tx.tx, c->now), SPV_ERR_TX_DUPLICATE_INPUT);
    built_tx_free(&tx);
    case_make(c, &tx, NULL, 0, OUTPUTS({0, 1}), 1);
    assert_int_equal(spv_wallet_receive(c->wallet, &tx.tx, &peer, c->now), SPV_ERR_MALFORMED);
    built_tx_free(&tx);
}

static void transaction_that_concerns_no_watch_is_not_kept(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx tx;

    MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({X, 1}));
    assert_int_equal(spv_wallet_receive(c->wallet, &tx.tx, &peer, c->now), 0);
    assert_int_equal(spv_wallet_announced(c->wallet, &tx.txid, &peer, c->now), 0);
    assert_int_equal(spv_wallet_withdraw(c->wallet, &tx.txid, c->now), SPV_ERR_NOT_FOUND);
    assert_null(case_row(c, &tx));
    case_publish(c, &tx); /* the caller's wish */
    assert_non_null(case_row(c, &tx));
    built_tx_free(&tx);
}

static void block_with_another_merkle_root_changes_nothing(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx tx;
    const struct built_tx *txs[] = {&tx};
    struct built_block block;
    struct spv_wallet_update update;

    MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({0, 1}));
    build_block(&block, c->height + 1, 0, txs, 1);
    block.block.header.merkle_root.b[0] ^= 1;
    assert_int_equal(spv_wallet_connect(c->wallet, &block.in), SPV_ERR_MERKLE_ROOT);
    assert_int_equal(spv_wallet_changes(c->wallet, &update), 0);
    assert_int_equal(update.n, 0);
    assert_int_equal(spv_wallet_scanned(c->wallet).height, c->height);
    block.block.header.merkle_root.b[0] ^= 1;
    assert_int_equal(spv_wallet_connect(c->wallet, &block.in), 0);
    assert_non_null(case_row(c, &tx));
    built_block_free(&block);
    built_tx_free(&tx);
}

static void heights_out_of_order_are_refused(void **state)
{
    struct wallet_case *c = *state;
    struct spv_wallet_block block = {.point.height = c->height};

    assert_int_equal(spv_wallet_connect(c->wallet, &block), SPV_ERR_INVALID);
    block.point.height = SPV_NO_HEIGHT;
    assert_int_equal(spv_wallet_connect(c->wallet, &block), SPV_ERR_INVALID);
    block.point.height = c->height + 1;
    assert_int_equal(spv_wallet_rescan_block(c->wallet, &block), SPV_ERR_INVALID);
    assert_int_equal(spv_wallet_disconnect(c->wallet, &block.point, c->now), SPV_ERR_INVALID);
    assert_int_equal(spv_wallet_connect(c->wallet, &block), 0);
}

/* The same transaction without its witness. */
static void strip(struct built_tx *out, const struct built_tx *tx)
{
    const size_t inputs = tx->tx.witness_at - 6;

    out->bytes = malloc(tx->tx.stripped_size);
    assert_non_null(out->bytes);
    memcpy(out->bytes, tx->bytes, 4);
    memcpy(out->bytes + 4, tx->bytes + 6, inputs);
    memcpy(out->bytes + 4 + inputs, tx->bytes + tx->tx.n - 4, 4);
    assert_int_equal(spv_tx_parse(&out->tx, out->bytes, tx->tx.stripped_size), 0);
    spv_tx_txid(&out->txid, &out->tx);
    assert_memory_equal(&out->txid, &tx->txid, 32);
}

static size_t stored_size(const struct wallet_case *c, const struct built_tx *tx)
{
    return row_store_find(&c->store, SPV_WALLET_ROW_TX, case_row(c, tx)->id, 0)->row.tx.raw.n;
}

static void stripped_form_never_replaces_a_full_one(void **state)
{
    const struct spv_tx_source source = {.peer = 1, .group = 1, .stripped = true};
    const uint32_t both = SPV_TX_FLAG_HAS_WITNESS | SPV_TX_FLAG_STRIPPED;
    struct wallet_case *c = *state;
    struct built_tx full, stripped;

    MAKE(c, &full, INPUTS({NULL, 1}), OUTPUTS({0, 1}));
    strip(&stripped, &full);
    assert_int_equal(spv_wallet_receive(c->wallet, &stripped.tx, &source, c->now), 1);
    case_store(c);
    assert_int_equal(case_row(c, &full)->flags & both, SPV_TX_FLAG_STRIPPED);
    assert_int_equal(stored_size(c, &full), stripped.tx.n);
    assert_int_equal(spv_wallet_receive(c->wallet, &full.tx, &peer, c->now), 1);
    case_store(c);
    assert_int_equal(case_row(c, &full)->flags & both, SPV_TX_FLAG_HAS_WITNESS);
    assert_int_equal(stored_size(c, &full), full.tx.n);
    assert_int_equal(spv_wallet_receive(c->wallet, &stripped.tx, &source, c->now), 1);
    case_store(c);
    assert_int_equal(case_row(c, &full)->flags & both, SPV_TX_FLAG_HAS_WITNESS);
    assert_int_equal(stored_size(c, &full), full.tx.n);
    built_tx_free(&full);
    built_tx_free(&stripped);
}

static void depth_is_proven_by_a_later_answer(void **state)
{
    static const uint8_t proof[] = {1, 2, 3};
    struct wallet_case *c = *state;
    struct built_tx tx;
    struct spv_proven_tx proven = {.position = 3, .stripped = true};
    struct spv_wallet_block block = {
        .point.height = c->height + 1, .time = 1, .txs = &proven, .n_txs = 1};

    MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({0, 1}));
    proven.tx = tx.tx;
    assert_int_equal(spv_wallet_connect(c->wallet, &block), 0);
    assert_int_equal(case_row(c, &tx)->flags & SPV_TX_FLAG_DEPTH_PROVEN, 0);
    assert_int_equal(case_row(c, &tx)->position, 3);
    proven.depth_proven = true;
    proven.proof = (struct spv_bytes){.bytes = proof, .n = sizeof proof};
    assert_int_equal(spv_wallet_rescan_block(c->wallet, &block), 0);
    case_store(c);
    assert_true((case_row(c, &tx)->flags & SPV_TX_FLAG_DEPTH_PROVEN) != 0);
    assert_int_equal(
        row_store_find(&c->store, SPV_WALLET_ROW_TX, case_row(c, &tx)->id, 0)->row.tx.proof.n,
        sizeof proof);
    built_tx_free(&tx);
}

/* ---- watches ---- */

static void coin_of_two_watches_is_in_each_balance_and_once_in_the_sum(void **state)
{
    const struct spv_watch_target twice = {.kind = SPV_WATCH_DESCRIPTOR, .descriptor = "raw(5100)"};
    struct wallet_case *c = *state;
    struct spv_wallet_balance_row balance;
    struct built_tx tx, other;
    uint64_t id;

    MAKE(c, &other, INPUTS({NULL, 2}), OUTPUTS({2, 7}));
    MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({0, 1000}, {1, 10}));
    case_receive(c, &other, 1);
    case_receive(c, &tx, 1);
    assert_int_equal(spv_wallet_watch(c->wallet, &id, NULL, &twice), 0);
    case_store(c);
    case_balance(c, 0, 0, 1017, 0);
    assert_int_equal(spv_wallet_balance(c->wallet, &balance, id), 0);
    assert_int_equal(balance.amount[SPV_BALANCE_UNTRUSTED_PENDING], 1000);
    assert_int_equal(spv_wallet_balance(c->wallet, &balance, c->watches[0]), 0);
    assert_int_equal(balance.amount[SPV_BALANCE_UNTRUSTED_PENDING], 1000);
    assert_int_equal(case_row(c, &tx)->received, 1010);
    const uint64_t tx_id = case_row(c, &tx)->id;
    assert_int_equal(row_store_find(&c->store, SPV_WALLET_ROW_SHARE, tx_id, id)->row.share.received,
                     1000);
    case_mine(c, &other, NULL); /* its share is written again, and is the same */
    assert_int_equal(
        row_store_find(&c->store, SPV_WALLET_ROW_SHARE, case_row(c, &other)->id, c->watches[2])
            ->row.share.received,
        7);
    case_disconnect(c, 1);
    assert_int_equal(spv_wallet_unwatch(c->wallet, c->watches[0]), 0);
    case_store(c);
    assert_null(row_store_find(&c->store, SPV_WALLET_ROW_SHARE, tx_id, c->watches[0]));
    case_balance(c, 0, 0, 1017, 0);
    assert_int_equal(spv_wallet_balance(c->wallet, &balance, c->watches[0]), SPV_ERR_NOT_FOUND);
    assert_int_equal(spv_wallet_unwatch(c->wallet, id), 0);
    case_store(c);
    case_balance(c, 0, 0, 17, 0);
    assert_int_equal(case_row(c, &tx)->received, 10);
    assert_int_equal(spv_wallet_unwatch(c->wallet, c->watches[1]), 0);
    case_store(c);
    assert_null(case_row(c, &tx));
    case_balance(c, 0, 0, 7, 0);
    assert_null(row_store_find(&c->store, SPV_WALLET_ROW_TX, tx_id, 0));
    assert_int_equal(spv_wallet_unwatch(c->wallet, id), SPV_ERR_NOT_FOUND);
    built_tx_free(&tx);
    built_tx_free(&other);
}

static void end_of_a_watch_deletes_what_hung_on_its_coins(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx coin, spend, rival;

    MAKE(c, &coin, INPUTS({NULL, 1}), OUTPUTS({0, 1000}));
    MAKE(c, &spend, INPUTS({&coin, 0}, {NULL, 7}), OUTPUTS({X, 900}));
    MAKE(c, &rival, INPUTS({NULL, 7}), OUTPUTS({X, 900}));
    case_mine(c, &coin, NULL);
    case_receive(c, &spend, 1);
    case_mine(c, &rival, NULL);
    case_state(c, &spend, SPV_TX_CONFLICTED);
    assert_int_equal(spv_wallet_unwatch(c->wallet, c->watches[0]), 0);
    case_store(c);
    assert_null(case_row(c, &coin));
    assert_null(case_row(c, &spend));
    case_balance(c, 0, 0, 0, 0);
    built_tx_free(&coin);
    built_tx_free(&spend);
    built_tx_free(&rival);
}

static void watched_outpoint_is_one_output(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx tx;
    struct spv_watch_target watch = {
        .kind = SPV_WATCH_OUTPOINT, .script = case_script(9), .vout = 1};
    uint64_t id, again;

    MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({9, 1}, {9, 20}, {9, 300}));
    watch.txid = tx.txid;
    assert_int_equal(spv_wallet_watch(c->wallet, &id, NULL, &watch), 0);
    assert_int_equal(spv_wallet_watch(c->wallet, &again, NULL, &watch), 0);
    assert_int_equal(again, id);
    watch.vout = 2;
    case_mine(c, &tx, NULL);
    case_balance(c, 20, 0, 0, 0);
    assert_int_equal(spv_wallet_watch(c->wallet, &again, NULL, &watch), 0);
    assert_int_not_equal(again, id);
    case_store(c);
    case_balance(c, 320, 0, 0, 0);
    built_tx_free(&tx);
}

static void watched_txid_is_shown_whomever_it_pays(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx tx;
    struct spv_watch_target watch = {.kind = SPV_WATCH_TXID};
    uint64_t id;

    MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({X, 1}));
    watch.txid = tx.txid;
    assert_int_equal(spv_wallet_watch(c->wallet, &id, NULL, &watch), 0);
    case_mine(c, &tx, NULL);
    case_state(c, &tx, SPV_TX_CONFIRMED);
    case_balance(c, 0, 0, 0, 0);
    assert_int_equal(spv_wallet_unwatch(c->wallet, id), 0);
    case_store(c);
    assert_null(case_row(c, &tx));
    built_tx_free(&tx);
}

static void pending_transactions_are_matched_again_when_scripts_are_added(void **state)
{
    const struct spv_watch_target watch = {.kind = SPV_WATCH_SCRIPT, .script = case_script(X)};
    struct wallet_case *c = *state;
    struct built_tx pending, confirmed;
    struct spv_wallet *loaded;
    uint64_t id;

    MAKE(c, &pending, INPUTS({NULL, 1}), OUTPUTS({0, 1}, {X, 20}));
    MAKE(c, &confirmed, INPUTS({NULL, 2}), OUTPUTS({0, 300}, {X, 4000}));
    case_receive(c, &pending, 1);
    case_mine(c, &confirmed, NULL);
    assert_int_equal(spv_wallet_watch(c->wallet, &id, NULL, &watch), 0);
    case_store(c);
    assert_int_equal(case_row(c, &pending)->received, 21);
    /* In a block a rescan would find it; of a pending one the raw form is loaded. */
    assert_int_equal(case_row(c, &confirmed)->received, 300);
    loaded = row_store_load(&c->store, &c->cfg);
    spv_wallet_free(c->wallet);
    c->wallet = loaded;
    assert_true(row_store_apply(&c->store, loaded) > 0);
    assert_int_equal(case_row(c, &confirmed)->received, 4300);
    case_balance(c, 4300, 0, 21, 0);
    built_tx_free(&pending);
    built_tx_free(&confirmed);
}

/* ---- rows ---- */

static void check_damage(const struct wallet_case *c)
{
    struct spv_wallet *wallet;

    assert_int_equal(row_store_try_load(&wallet, &c->store, &c->cfg), SPV_ERR_DB_DAMAGED);
}

static void damaged_rows_are_refused(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx tx, second;

    MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({0, 1}));
    MAKE(c, &second, INPUTS({NULL, 2}), OUTPUTS({0, 1}));
    case_mine(c, &tx, &second);
    for (size_t i = 0; i < c->store.n; i++) {
        struct stored_row *row = &c->store.rows[i];
        struct spv_wallet_change *r = &row->row;
        const struct spv_wallet_change saved = *r;
#define DAMAGE(change)                                                                             \
    change;                                                                                        \
    check_damage(c);                                                                               \
    *r = saved
        if (r->kind == SPV_WALLET_ROW_TX) {
            DAMAGE(r->row.tx.raw.n--);
            DAMAGE(r->row.tx.txid.b[0] ^= 1);
            DAMAGE(r->row.tx.id = 0);
            DAMAGE(r->row.tx.id = 100);
            DAMAGE(r->row.tx.id = 3 - saved.row.tx.id); /* that of the other */
            DAMAGE(r->row.tx.revision = 100);
            DAMAGE(r->row.tx.n_groups = SPV_WALLET_MAX_GROUPS + 1);
            DAMAGE(r->row.tx.flags |= 128);
            DAMAGE(r->row.tx.flags |= SPV_TX_FLAG_COINBASE);
            DAMAGE(r->row.tx.state = 7);
            DAMAGE(r->row.tx.state = SPV_TX_UNCONFIRMED);
            DAMAGE(r->row.tx.block.height = c->height + 1);
        } else if (r->kind == SPV_WALLET_ROW_COIN) {
            DAMAGE(r->row.coin.tx = 9);
            DAMAGE(r->row.coin.vout = 1);
            DAMAGE(r->row.coin.value++);
            DAMAGE(r->row.coin.balance = SPV_BALANCE_KINDS);
        } else if (r->kind == SPV_WALLET_ROW_WATCH) {
            DAMAGE(r->row.watch.id = 0);
            DAMAGE(r->row.watch.watch.kind = (enum spv_watch_kind)9);
            DAMAGE(r->row.watch.watch.script.n = 0);
        } else if (r->kind == SPV_WALLET_ROW_BRANCH) {
            DAMAGE(r->row.branch.watch = 77);
            DAMAGE(r->row.branch.branch = 1);
        } else if (r->kind == SPV_WALLET_ROW_META) {
            DAMAGE(r->row.meta.next_tx = 0);
            DAMAGE(r->row.meta.next_watch = 0);
        }
    }
    case_balance(c, 2, 0, 0, 0);
    built_tx_free(&tx);
    built_tx_free(&second);
}

static void transactions_out_of_order_are_refused(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx first, second;
    struct spv_wallet *wallet;

    MAKE(c, &first, INPUTS({NULL, 1}), OUTPUTS({0, 1}));
    MAKE(c, &second, INPUTS({NULL, 2}), OUTPUTS({0, 1}));
    case_mine(c, &first, &second);
    assert_int_equal(spv_wallet_new(&wallet, &c->cfg), 0);
    assert_int_equal(spv_wallet_load(wallet, row_store_find(&c->store, SPV_WALLET_ROW_META, 0, 0)),
                     0);
    assert_int_equal(spv_wallet_load(wallet, row_store_find(&c->store, SPV_WALLET_ROW_TX, 2, 0)),
                     0);
    assert_int_equal(spv_wallet_load(wallet, row_store_find(&c->store, SPV_WALLET_ROW_TX, 1, 0)),
                     SPV_ERR_DB_DAMAGED);
    spv_wallet_free(wallet);
    built_tx_free(&first);
    built_tx_free(&second);
}

static void wallet_with_inputs_loads_no_rows(void **state)
{
    struct wallet_case *c = *state;

    assert_int_equal(spv_wallet_load(c->wallet, &c->store.rows[0].row), SPV_ERR_STATE);
    assert_int_equal(spv_wallet_load_end(c->wallet), SPV_ERR_STATE);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, case_setup, case_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(amounts_out_of_range_and_double_inputs_are_refused),
        CASE(transaction_that_concerns_no_watch_is_not_kept),
        CASE(block_with_another_merkle_root_changes_nothing),
        CASE(heights_out_of_order_are_refused),
        CASE(stripped_form_never_replaces_a_full_one),
        CASE(depth_is_proven_by_a_later_answer),
        CASE(coin_of_two_watches_is_in_each_balance_and_once_in_the_sum),
        CASE(end_of_a_watch_deletes_what_hung_on_its_coins),
        CASE(watched_outpoint_is_one_output),
        CASE(watched_txid_is_shown_whomever_it_pays),
        CASE(pending_transactions_are_matched_again_when_scripts_are_added),
        CASE(damaged_rows_are_refused),
        CASE(transactions_out_of_order_are_refused),
        CASE(wallet_with_inputs_loads_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
