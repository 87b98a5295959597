#include "wallet_case.h"

#include <stdio.h>

#include "spv/network.h"

struct spv_bytes case_script(uint8_t k)
{
    static uint8_t scripts[256][2];

    scripts[k][0] = 0x51;
    scripts[k][1] = k;
    return (struct spv_bytes){.bytes = scripts[k], .n = 2};
}

int case_setup(void **state)
{
    struct wallet_case *c = calloc(1, sizeof *c);

    assert_non_null(c);
    c->random.state = 1;
    c->now.unix_s = 1800000000;
    c->cfg = (struct spv_wallet_config){.rng = test_random_rng(&c->random),
                                        .networks = SPV_NETWORK_BIT(SPV_REGTEST),
                                        .lookahead = 10};
    assert_int_equal(spv_wallet_new(&c->wallet, &c->cfg), 0);
    for (uint8_t k = 0; k < CASE_SCRIPTS; k++) {
        const struct spv_watch_target watch = {.kind = SPV_WATCH_SCRIPT, .script = case_script(k)};
        assert_int_equal(spv_wallet_watch(c->wallet, &c->watches[k], NULL, &watch), 0);
    }
    case_skip(c, 10);
    *state = c;
    return 0;
}

int case_teardown(void **state)
{
    struct wallet_case *c = *state;

    spv_wallet_free(c->wallet);
    row_store_free(&c->store);
    free(c);
    return 0;
}

void case_store(struct wallet_case *c)
{
    row_store_apply(&c->store, c->wallet);
}

void case_make(struct wallet_case *c, struct built_tx *out, const struct case_input *inputs,
               size_t n_inputs, const struct case_output *outputs, size_t n_outputs)
{
    struct built_input in[32];
    struct built_output to[8];

    assert_true(n_inputs <= COUNT(in) && n_outputs <= COUNT(to));
    for (size_t i = 0; i < n_inputs; i++) {
        in[i] = (struct built_input){.vout = inputs[i].vout};
        if (inputs[i].tx)
            in[i].prev = inputs[i].tx->txid;
        else
            memset(&in[i].prev, 0xf0, sizeof in[i].prev);
    }
    for (size_t i = 0; i < n_outputs; i++)
        to[i] = (struct built_output){.script = case_script(outputs[i].script),
                                      .value = outputs[i].value};
    build_tx(out, &(struct built_spec){.inputs = in,
                                       .n_inputs = n_inputs,
                                       .outputs = to,
                                       .n_outputs = n_outputs,
                                       .lock_time = ++c->salt,
                                       .witness = true});
}

static void connect(struct wallet_case *c, const struct built_tx *const *txs, size_t n)
{
    struct built_block block;

    build_block(&block, c->height + 1, ++c->salt, txs, n);
    assert_int_equal(spv_wallet_connect(c->wallet, &block.in), 0);
    c->points[++c->height] = block.in.point;
    built_block_free(&block);
    case_store(c);
}

void case_mine(struct wallet_case *c, const struct built_tx *a, const struct built_tx *b)
{
    const struct built_tx *txs[3] = {NULL, a, b};
    struct built_tx coinbase;

    case_make(c, &coinbase, NULL, 0, OUTPUTS({200, 5000}), 1);
    txs[0] = &coinbase;
    connect(c, txs, !a ? 1 : !b ? 2 : 3);
    built_tx_free(&coinbase);
}

void case_mine_coinbase(struct wallet_case *c, const struct built_tx *coinbase)
{
    connect(c, &coinbase, 1);
}

void case_skip(struct wallet_case *c, uint32_t n)
{
    const struct spv_wallet_block block = {.point.height = c->height + n};

    c->height += n;
    c->points[c->height] = block.point;
    assert_int_equal(spv_wallet_connect(c->wallet, &block), 0);
    case_store(c);
}

void case_disconnect(struct wallet_case *c, uint32_t n)
{
    c->height -= n;
    c->points[c->height].height = c->height;
    assert_int_equal(spv_wallet_disconnect(c->wallet, &c->points[c->height], c->now), 0);
    case_store(c);
}

void case_receive(struct wallet_case *c, const struct built_tx *tx, uint64_t group)
{
    const struct spv_tx_source source = {.peer = group + 100, .group = group};

    if (case_row(c, tx))
        assert_int_equal(spv_wallet_announced(c->wallet, &tx->txid, &source, c->now), 1);
    else
        assert_int_equal(spv_wallet_receive(c->wallet, &tx->tx, &source, c->now), 1);
    case_store(c);
}

void case_publish(struct wallet_case *c, const struct built_tx *tx)
{
    assert_int_equal(spv_wallet_publish(c->wallet, &tx->tx, c->now), 0);
    case_store(c);
}

const struct spv_wallet_tx_row *case_row(const struct wallet_case *c, const struct built_tx *tx)
{
    const struct spv_wallet_tx_row *row;
    uint64_t next = 0;

    while (spv_wallet_next_tx(c->wallet, &next, &row))
        if (memcmp(&row->txid, &tx->txid, sizeof tx->txid) == 0)
            return row;
    return NULL;
}

const struct spv_wallet_tx_row *case_state(const struct wallet_case *c, const struct built_tx *tx,
                                           enum spv_tx_state state)
{
    const struct spv_wallet_tx_row *row = case_row(c, tx);

    if (row)
        assert_int_equal(row->state, state);
    else
        fail_msg("the wallet has no such transaction");
    return row;
}

void case_balance(struct wallet_case *c, int64_t confirmed, int64_t trusted, int64_t untrusted,
                  int64_t immature)
{
    struct spv_wallet_balance_row balance;

    row_store_check(&c->store, c->wallet, &c->cfg);
    assert_int_equal(spv_wallet_balance(c->wallet, &balance, 0), 0);
    assert_int_equal(balance.amount[SPV_BALANCE_CONFIRMED], confirmed);
    assert_int_equal(balance.amount[SPV_BALANCE_TRUSTED_PENDING], trusted);
    assert_int_equal(balance.amount[SPV_BALANCE_UNTRUSTED_PENDING], untrusted);
    assert_int_equal(balance.amount[SPV_BALANCE_IMMATURE], immature);
}

size_t case_coins(const struct wallet_case *c)
{
    struct spv_wallet_coin coin;
    uint64_t next = 0;
    size_t n = 0;

    while (spv_wallet_next_coin(c->wallet, &next, &coin))
        n++;
    return n;
}
