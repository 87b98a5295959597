/* States of transactions, trust, coins and balances: one rule each. */
#include "wallet_case.h"

#include <time.h>

#define X 200 /* a script of others */

static void coinbase_is_mature_from_101_confirmations(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx coinbase;

    case_make(c, &coinbase, NULL, 0, OUTPUTS({0, 5000}), 1);
    case_mine_coinbase(c, &coinbase);
    case_balance(c, 0, 0, 0, 5000);
    case_skip(c, 99);
    case_balance(c, 0, 0, 0, 5000); /* 100 confirmations */
    case_skip(c, 1);
    case_balance(c, 5000, 0, 0, 0);
    case_disconnect(c, 1);
    case_balance(c, 0, 0, 0, 5000);
    built_tx_free(&coinbase);
}

static void genesis_coinbase_is_no_coin(void **state)
{
    struct wallet_case *c = *state;
    struct spv_wallet *wallet;
    struct built_block block;
    struct built_tx coinbase;
    const struct built_tx *txs[] = {&coinbase};
    const struct spv_watch_target watch = {.kind = SPV_WATCH_SCRIPT, .script = case_script(0)};
    uint64_t id;

    case_make(c, &coinbase, NULL, 0, OUTPUTS({0, 5000}), 1);
    build_block(&block, 0, 1, txs, 1);
    assert_int_equal(spv_wallet_new(&wallet, &c->cfg), 0);
    assert_int_equal(spv_wallet_watch(wallet, &id, NULL, &watch), 0);
    assert_int_equal(spv_wallet_connect(wallet, &block.in), 0);
    uint64_t next = 0;
    struct spv_wallet_coin coin;
    assert_false(spv_wallet_next_coin(wallet, &next, &coin));
    spv_wallet_free(wallet);
    built_block_free(&block);
    built_tx_free(&coinbase);
}

static void later_coinbase_of_the_same_txid_replaces_the_earlier(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx coinbase;

    case_make(c, &coinbase, NULL, 0, OUTPUTS({0, 5000}), 1);
    case_mine_coinbase(c, &coinbase);
    case_skip(c, 120);
    case_balance(c, 5000, 0, 0, 0);
    case_mine_coinbase(c, &coinbase);
    case_balance(c, 0, 0, 0, 5000);
    assert_int_equal(case_coins(c), 1);
    case_disconnect(c, 1);
    case_balance(c, 5000, 0, 0, 0);
    built_tx_free(&coinbase);
}

/* A payment to script 0 in a block, from others. */
static void receive_confirmed(struct wallet_case *c, struct built_tx *out, uint32_t n,
                              int64_t value)
{
    MAKE(c, out, INPUTS({NULL, n}), OUTPUTS({0, value}));
    case_mine(c, out, NULL);
}

static void spend_relayed_by_one_group_takes_no_coin(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx coin, spend;

    receive_confirmed(c, &coin, 1, 9000);
    MAKE(c, &spend, INPUTS({&coin, 0}), OUTPUTS({X, 5000}, {1, 3000}));
    case_receive(c, &spend, 1);
    case_state(c, &spend, SPV_TX_UNCONFIRMED);
    case_balance(c, 9000, 0, 0, 0);
    case_receive(c, &spend, 1); /* again: still one group */
    case_balance(c, 9000, 0, 0, 0);
    case_receive(c, &spend, 2);
    case_balance(c, 0, 0, 3000, 0);
    assert_int_equal(case_coins(c), 2); /* the spent one is listed, in no balance */
    case_mine(c, &spend, NULL);
    case_balance(c, 3000, 0, 0, 0);
    assert_int_equal(case_coins(c), 1);
    built_tx_free(&coin);
    built_tx_free(&spend);
}

static void only_published_spends_of_trusted_coins_are_trusted(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx coin, first, second, foreign, mixed;

    receive_confirmed(c, &coin, 1, 9000);
    MAKE(c, &first, INPUTS({&coin, 0}), OUTPUTS({X, 1000}, {1, 7000}));
    case_publish(c, &first);
    case_balance(c, 0, 7000, 0, 0);
    MAKE(c, &second, INPUTS({&first, 1}), OUTPUTS({2, 6000}));
    case_publish(c, &second);
    case_balance(c, 0, 6000, 0, 0);
    MAKE(c, &foreign, INPUTS({NULL, 2}), OUTPUTS({0, 500}));
    case_receive(c, &foreign, 1);
    case_balance(c, 0, 6000, 500, 0);
    MAKE(c, &mixed, INPUTS({&second, 0}, {NULL, 3}), OUTPUTS({3, 5000}));
    case_publish(c, &mixed);
    case_balance(c, 0, 0, 5500, 0);
    assert_int_equal(spv_wallet_withdraw(c->wallet, &second.txid, c->now), 0);
    case_store(c);
    case_balance(c, 0, 7000, 500, 0); /* one that nobody announced takes nothing */
    built_tx_free(&coin);
    built_tx_free(&first);
    built_tx_free(&second);
    built_tx_free(&foreign);
    built_tx_free(&mixed);
}

static void published_spend_gives_way_to_one_that_two_groups_announced(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx coin, ours, theirs;

    receive_confirmed(c, &coin, 1, 9000);
    MAKE(c, &ours, INPUTS({&coin, 0}), OUTPUTS({1, 8000}));
    MAKE(c, &theirs, INPUTS({&coin, 0}), OUTPUTS({X, 8000}));
    case_publish(c, &ours);
    case_receive(c, &theirs, 1);
    case_state(c, &ours, SPV_TX_UNCONFIRMED);
    case_state(c, &theirs, SPV_TX_REPLACED);
    case_balance(c, 0, 8000, 0, 0);
    case_receive(c, &theirs, 2);
    case_state(c, &theirs, SPV_TX_UNCONFIRMED);
    assert_memory_equal(&case_state(c, &ours, SPV_TX_REPLACED)->conflict, &theirs.txid, 32);
    case_balance(c, 0, 0, 0, 0);
    built_tx_free(&coin);
    built_tx_free(&ours);
    built_tx_free(&theirs);
}

static void fee_is_known_only_when_all_inputs_are_ours(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx coin, spend, mixed;

    receive_confirmed(c, &coin, 1, 9000);
    assert_int_equal(case_state(c, &coin, SPV_TX_CONFIRMED)->fee, -1);
    MAKE(c, &mixed, INPUTS({&coin, 0}, {NULL, 5}), OUTPUTS({X, 8000}));
    case_receive(c, &mixed, 1);
    assert_int_equal(case_row(c, &mixed)->fee, -1);
    assert_int_equal(case_row(c, &mixed)->spent, 9000);
    MAKE(c, &spend, INPUTS({&coin, 0}), OUTPUTS({X, 5000}, {1, 3500}));
    case_publish(c, &spend);
    assert_int_equal(case_row(c, &spend)->fee, 500);
    assert_int_equal(case_row(c, &spend)->received, 3500);
    assert_int_equal(case_row(c, &spend)->spent, 9000);
    built_tx_free(&coin);
    built_tx_free(&mixed);
    built_tx_free(&spend);
}

static void one_seen_later_replaces_with_all_descendants(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx first, child, second;

    MAKE(c, &first, INPUTS({NULL, 1}), OUTPUTS({0, 1000}, {1, 100}));
    MAKE(c, &child, INPUTS({&first, 1}, {NULL, 2}), OUTPUTS({2, 70}));
    MAKE(c, &second, INPUTS({NULL, 1}), OUTPUTS({3, 2000}));
    case_receive(c, &first, 1);
    case_receive(c, &child, 1);
    case_receive(c, &child, 2);
    case_balance(c, 0, 0, 1070, 0);
    case_receive(c, &second, 1);
    case_state(c, &first,
               SPV_TX_UNCONFIRMED); /* a sufficiently announced child is enough for its parent */
    case_receive(c, &second, 2);
    assert_memory_equal(&case_state(c, &first, SPV_TX_REPLACED)->conflict, &second.txid, 32);
    assert_memory_equal(&case_state(c, &child, SPV_TX_REPLACED)->conflict, &second.txid, 32);
    case_balance(c, 0, 0, 2000, 0);
    built_tx_free(&first);
    built_tx_free(&child);
    built_tx_free(&second);
}

static void confirmed_conflict_is_reconsidered_when_its_block_leaves(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx ours, child, theirs;

    MAKE(c, &ours, INPUTS({NULL, 1}), OUTPUTS({0, 1000}));
    MAKE(c, &child, INPUTS({&ours, 0}), OUTPUTS({1, 900}));
    MAKE(c, &theirs, INPUTS({NULL, 1}), OUTPUTS({X, 1000})); /* pays no script of ours */
    case_receive(c, &ours, 1);
    case_receive(c, &ours, 2);
    case_publish(c, &child);
    case_balance(c, 0, 0, 900, 0);
    case_mine(c, &theirs, NULL);
    assert_memory_equal(&case_state(c, &ours, SPV_TX_CONFLICTED)->conflict, &theirs.txid, 32);
    assert_memory_equal(&case_state(c, &child, SPV_TX_CONFLICTED)->conflict, &theirs.txid, 32);
    assert_null(case_row(c, &theirs)); /* no watch has a part in it */
    case_balance(c, 0, 0, 0, 0);
    case_disconnect(c, 1);
    case_state(c, &ours,
               SPV_TX_REPLACED); /* what was in a block is sufficiently announced, and came later */
    case_state(c, &child, SPV_TX_REPLACED);
    case_mine(c, &ours, NULL);
    case_state(c, &ours, SPV_TX_CONFIRMED);
    case_state(c, &child, SPV_TX_UNCONFIRMED);
    case_balance(c, 0, 900, 0, 0);
    built_tx_free(&ours);
    built_tx_free(&child);
    built_tx_free(&theirs);
}

static void coinbase_of_a_block_that_left_is_orphaned_with_its_descendants(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx coinbase, child;
    struct built_block block;
    const struct built_tx *txs[] = {&coinbase};

    case_make(c, &coinbase, NULL, 0, OUTPUTS({0, 5000}), 1);
    build_block(&block, c->height + 1, 7, txs, 1);
    assert_int_equal(spv_wallet_connect(c->wallet, &block.in), 0);
    MAKE(c, &child, INPUTS({&coinbase, 0}), OUTPUTS({1, 4000}));
    case_publish(c, &child);
    c->height++;
    case_disconnect(c, 1);
    case_state(c, &coinbase, SPV_TX_ORPHANED);
    case_state(c, &child, SPV_TX_ORPHANED);
    assert_int_equal(case_row(c, &coinbase)->received, 5000);
    case_balance(c, 0, 0, 0, 0);
    assert_int_equal(case_coins(c), 0);
    assert_int_equal(spv_wallet_connect(c->wallet, &block.in), 0);
    case_store(c);
    case_state(c, &coinbase, SPV_TX_CONFIRMED);
    case_state(c, &child, SPV_TX_UNCONFIRMED);
    case_balance(c, 0, 4000, 0, 0);
    built_block_free(&block);
    built_tx_free(&coinbase);
    built_tx_free(&child);
}

static void unannounced_transaction_expires_after_14_days(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx tx, child, ours;

    MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({0, 1000}));
    MAKE(c, &child, INPUTS({&tx, 0}), OUTPUTS({1, 900}));
    MAKE(c, &ours, INPUTS({NULL, 2}), OUTPUTS({2, 50}));
    case_publish(c, &ours);
    assert_int_equal(spv_wallet_next_expiry(c->wallet), INT64_MAX);
    case_receive(c, &tx, 1);
    case_publish(c, &child);
    assert_int_equal(spv_wallet_next_expiry(c->wallet), c->now.unix_s + 14 * DAY);
    c->now.unix_s += 14 * DAY - 1;
    assert_int_equal(spv_wallet_expire(c->wallet, c->now), 0);
    case_state(c, &tx, SPV_TX_UNCONFIRMED);
    c->now.unix_s++;
    assert_int_equal(spv_wallet_expire(c->wallet, c->now), 0);
    case_store(c);
    case_state(c, &tx, SPV_TX_EXPIRED);
    case_state(c, &child, SPV_TX_EXPIRED);
    case_state(c, &ours, SPV_TX_UNCONFIRMED);
    assert_int_equal(spv_wallet_next_expiry(c->wallet), INT64_MAX);
    case_balance(c, 0, 0, 50, 0);
    case_receive(c, &tx, 1);
    case_state(c, &tx, SPV_TX_UNCONFIRMED);
    case_balance(c, 0, 0, 950, 0);
    built_tx_free(&tx);
    built_tx_free(&child);
    built_tx_free(&ours);
}

static void child_that_comes_before_its_parent_is_linked(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx parent, child;

    MAKE(c, &parent, INPUTS({NULL, 1}), OUTPUTS({0, 1000}));
    MAKE(c, &child, INPUTS({&parent, 0}), OUTPUTS({1, 900}));
    case_receive(c, &child, 1);
    case_receive(c, &child, 2);
    assert_int_equal(case_row(c, &child)->fee, -1);
    case_receive(c, &parent, 1);
    assert_int_equal(case_row(c, &child)->fee, 100);
    assert_int_equal(case_row(c, &child)->spent, 1000);
    case_balance(c, 0, 0, 900, 0);
    built_tx_free(&parent);
    built_tx_free(&child);
}

/* P1 is in conflict with X1, a child of P2, which is in conflict with X2, a child of P1. */
static void conflicts_in_a_circle_leave_a_set_without_conflicts(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx p1, p2, x1, x2, own;

    MAKE(c, &p1, INPUTS({NULL, 1}), OUTPUTS({0, 100}));
    MAKE(c, &p2, INPUTS({NULL, 2}), OUTPUTS({1, 1000}));
    MAKE(c, &x1, INPUTS({NULL, 1}, {&p2, 0}), OUTPUTS({2, 10000}));
    MAKE(c, &x2, INPUTS({NULL, 2}, {&p1, 0}), OUTPUTS({3, 100000}));
    MAKE(c, &own, INPUTS({NULL, 2}, {&p2, 0}), OUTPUTS({3, 1})); /* its own ancestor's rival */
    case_receive(c, &p1, 1);
    case_receive(c, &p2, 1);
    case_receive(c, &x1, 1);
    case_receive(c, &x2, 1);
    case_state(c, &x2, SPV_TX_UNCONFIRMED);
    case_state(c, &p1, SPV_TX_UNCONFIRMED);
    case_state(c, &x1, SPV_TX_REPLACED);
    case_state(c, &p2, SPV_TX_REPLACED);
    case_receive(c, &own, 1);
    case_state(c, &own, SPV_TX_REPLACED);
    case_state(c, &x2, SPV_TX_UNCONFIRMED);
    case_balance(c, 0, 0, 100, 0); /* x2 is relayed by one group: what it spends stays */
    built_tx_free(&p1);
    built_tx_free(&p2);
    built_tx_free(&x1);
    built_tx_free(&x2);
    built_tx_free(&own);
}

static void every_change_of_a_transaction_has_the_next_revision(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx tx;

    MAKE(c, &tx, INPUTS({NULL, 1}), OUTPUTS({0, 1000}));
    case_receive(c, &tx, 1);
    const uint64_t first = case_row(c, &tx)->revision;
    case_mine(c, NULL, NULL);
    assert_int_equal(case_row(c, &tx)->revision, first);
    case_receive(c, &tx, 2);
    assert_int_equal(case_row(c, &tx)->revision, first + 1);
    case_mine(c, &tx, NULL);
    assert_int_equal(case_row(c, &tx)->revision, first + 2);
    assert_int_equal(row_store_find(&c->store, SPV_WALLET_ROW_META, 0, 0)->row.meta.revision,
                     first + 2);
    built_tx_free(&tx);
}

/* Spends one output of a transaction and 20 of others. */
static void make_link(struct wallet_case *c, struct built_tx *out, const struct case_input *first,
                      size_t n_first)
{
    struct case_input inputs[22];

    memcpy(inputs, first, n_first * sizeof *first);
    for (size_t i = n_first; i < COUNT(inputs); i++)
        inputs[i] = (struct case_input){NULL, 1000 + c->salt * 32 + (uint32_t)i};
    case_make(c, out, inputs, COUNT(inputs), OUTPUTS({0, 1}), 1);
}

static int64_t cpu_seconds(void)
{
    return (int64_t)(clock() / CLOCKS_PER_SEC);
}

#define CHAIN 300
#define CHAIN_CPU_SECONDS                                                                          \
    5 /* each of the chain climbing to the conflict takes several times that */

/* A chain on a transaction that can't be live: all of it is replaced, in bounded time. */
static void grow_replaced_chain(struct wallet_case *c, const struct built_tx *root)
{
    static struct built_tx txs[CHAIN];
    const int64_t start = cpu_seconds();

    for (size_t i = 0; i < CHAIN; i++) {
        const struct spv_tx_source source = {.peer = 500 + i / 50, .group = 1};
        make_link(c, &txs[i], INPUTS({i > 0 ? &txs[i - 1] : root, 0}), 1);
        assert_int_equal(spv_wallet_receive(c->wallet, &txs[i].tx, &source, c->now), 1);
    }
    assert_true(cpu_seconds() - start <= CHAIN_CPU_SECONDS);
    case_store(c);
    case_state(c, root, SPV_TX_REPLACED);
    for (size_t i = 0; i < CHAIN; i++) {
        case_state(c, &txs[i], SPV_TX_REPLACED);
        built_tx_free(&txs[i]);
    }
}

static void chain_on_a_replaced_transaction_is_replaced_in_bounded_time(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx ours, root;

    MAKE(c, &ours, INPUTS({NULL, 1}), OUTPUTS({0, 7}));
    MAKE(c, &root, INPUTS({NULL, 1}), OUTPUTS({0, 5}));
    case_publish(c, &ours);
    case_receive(c, &root, 1);
    grow_replaced_chain(c, &root);
    case_state(c, &ours, SPV_TX_UNCONFIRMED);
    case_balance(c, 0, 0, 7, 0);
    built_tx_free(&ours);
    built_tx_free(&root);
}

static void chain_on_two_that_conflict_is_replaced_in_bounded_time(void **state)
{
    struct wallet_case *c = *state;
    struct built_tx a, b, root;

    MAKE(c, &a, INPUTS({NULL, 1}), OUTPUTS({0, 7}));
    MAKE(c, &b, INPUTS({NULL, 1}), OUTPUTS({0, 5}));
    case_receive(c, &a, 1);
    case_receive(c, &b, 1);
    make_link(c, &root, INPUTS({&a, 0}, {&b, 0}), 2);
    case_receive(c, &root, 1);
    grow_replaced_chain(c, &root);
    case_state(c, &a, SPV_TX_REPLACED);
    case_state(c, &b, SPV_TX_UNCONFIRMED);
    case_balance(c, 0, 0, 5, 0);
    built_tx_free(&a);
    built_tx_free(&b);
    built_tx_free(&root);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, case_setup, case_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(coinbase_is_mature_from_101_confirmations),
        CASE(genesis_coinbase_is_no_coin),
        CASE(later_coinbase_of_the_same_txid_replaces_the_earlier),
        CASE(spend_relayed_by_one_group_takes_no_coin),
        CASE(only_published_spends_of_trusted_coins_are_trusted),
        CASE(published_spend_gives_way_to_one_that_two_groups_announced),
        CASE(fee_is_known_only_when_all_inputs_are_ours),
        CASE(one_seen_later_replaces_with_all_descendants),
        CASE(confirmed_conflict_is_reconsidered_when_its_block_leaves),
        CASE(coinbase_of_a_block_that_left_is_orphaned_with_its_descendants),
        CASE(unannounced_transaction_expires_after_14_days),
        CASE(child_that_comes_before_its_parent_is_linked),
        CASE(conflicts_in_a_circle_leave_a_set_without_conflicts),
        CASE(chain_on_a_replaced_transaction_is_replaced_in_bounded_time),
        CASE(chain_on_two_that_conflict_is_replaced_in_bounded_time),
        CASE(every_change_of_a_transaction_has_the_next_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
