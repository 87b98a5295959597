/* ../shared/data/regtest-node: a node's own wallet says what its history, coins and balances are.
 * Every block goes into a wallet with its six descriptors and gap limit 20. */
#include <stdio.h>

#include "support/row_store.h"
#include "support/vector_json.h"

#include "spv/error.h"

#define BLOCKS 265
#define STALE_FIRST 258
#define STALE 3
#define DESCRIPTORS 6

struct raw_block {
    struct spv_block block;
    struct spv_wallet_block in;
    uint8_t *bytes;
};

static json_t *truth;
static struct raw_block best[BLOCKS], stale[STALE];
static struct test_random seed;

static struct spv_wallet_config config(uint32_t lookahead)
{
    seed.state = 1;
    return (struct spv_wallet_config){.rng = test_random_rng(&seed),
                                      .networks = SPV_NETWORK_BIT(SPV_REGTEST),
                                      .lookahead = lookahead};
}

static void read_blocks(struct raw_block *out, size_t n, const char *name)
{
    size_t size;
    char *text = read_data(name, &size), *line = strchr(text, '\n') + 1;

    for (size_t i = 0; i < n; i++) {
        char *end = strchr(line, '\n'), *hash = strchr(line, ',') + 1;
        char *hex = strchr(hash, ',') + 1;
        struct raw_block *b = &out[i];
        *end = '\0';
        hex[-1] = '\0';
        b->bytes = hex_bytes(hex, &size);
        assert_int_equal(spv_block_parse(&b->block, b->bytes, size), 0);
        b->in = (struct spv_wallet_block){
            .point.height = (uint32_t)strtoul(line, NULL, 10),
            .time = b->block.header.time,
            .whole = &b->block,
        };
        assert_int_equal(spv_blockhash_from_hex(&b->in.point.hash, hash), 0);
        line = end + 1;
    }
    free(text);
}

/* Skips the test without the data. */
static void load_truth(void)
{
    if (truth)
        return;
    truth = read_json("regtest-node/wallet.json");
    read_blocks(best, BLOCKS, "regtest-node/blocks.csv");
    read_blocks(stale, STALE, "regtest-node/stale.csv");
}

static int teardown(void **state)
{
    (void)state;
    json_decref(truth);
    for (size_t i = 0; i < BLOCKS; i++)
        free(best[i].bytes);
    for (size_t i = 0; i < STALE; i++)
        free(stale[i].bytes);
    return 0;
}

/* ---- the wallet under test: it is loaded again from its rows after each operation ---- */

struct subject {
    struct spv_wallet_config cfg;
    struct spv_wallet *wallet;
    struct row_store store;
    bool reload;
};

static void commit(struct subject *s)
{
    row_store_apply(&s->store, s->wallet);
    if (!s->reload)
        return;
    spv_wallet_free(s->wallet);
    s->wallet = row_store_load(&s->store, &s->cfg);
}

static void watch(struct subject *s, const char *name)
{
    struct spv_watch_target w = {.kind = SPV_WATCH_DESCRIPTOR, .gap = 20};
    struct spv_text_error why;
    uint64_t id;

    w.descriptor = json_text(json_get(truth, "multipath"), name);
    assert_int_equal(spv_wallet_watch(s->wallet, &id, &why, &w), 0);
    commit(s);
}

static const char *const names[DESCRIPTORS] = {"pkh", "sh_wpkh",         "wpkh",
                                               "tr",  "wsh_sortedmulti", "sh_multi"};

/* Rescans until no script needs it. Returns how often. */
static size_t search_past(struct subject *s)
{
    struct spv_rescan_range range, ranges[2 * DESCRIPTORS];
    const uint32_t scanned = spv_wallet_scanned(s->wallet).height;

    for (size_t rounds = 0;; rounds++) {
        uint64_t next = 0;
        size_t n = 0;
        while (spv_wallet_next_rescan(s->wallet, &next, &range))
            ranges[n++] = range;
        if (n == 0)
            return rounds;
        for (uint32_t i = 0; i <= scanned; i++) {
            assert_int_equal(spv_wallet_rescan_block(s->wallet, &best[i].in), 0);
            commit(s);
        }
        for (size_t i = 0; i < n; i++)
            assert_int_equal(spv_wallet_rescan_done(s->wallet, &ranges[i]), 0);
        commit(s);
    }
}

static void connect_blocks(struct subject *s, const struct raw_block *blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(spv_wallet_connect(s->wallet, &blocks[i].in), 0);
        commit(s);
    }
}

static void begin(struct subject *s, uint32_t lookahead, bool reload)
{
    *s = (struct subject){.cfg = config(lookahead), .reload = reload};
    assert_int_equal(spv_wallet_new(&s->wallet, &s->cfg), 0);
}

static void end(struct subject *s)
{
    spv_wallet_free(s->wallet);
    row_store_free(&s->store);
}

/* ---- what the node says ---- */

static const json_t *find_history(const struct spv_txid *txid)
{
    const json_t *list = json_get(truth, "history");
    char hex[SPV_HASH_HEX];

    spv_txid_hex(hex, txid);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_text(json_array_get(list, i), "txid"), hex) == 0)
            return json_array_get(list, i);
    fail_msg("%s is not in the node's history", hex);
    return NULL;
}

static void check_history(const struct spv_wallet *wallet, size_t n_confirmed, size_t n_all)
{
    const struct spv_wallet_tx_row *row;
    size_t confirmed = 0, all = 0;
    int64_t sum = 0;
    uint64_t next = 0;

    while (spv_wallet_next_tx(wallet, &next, &row)) {
        const json_t *said = find_history(&row->txid);
        const int64_t net = row->received - row->spent;
        assert_int_equal(net, (int64_t)json_number(said, "net_satoshi"));
        assert_int_equal((row->flags & SPV_TX_FLAG_COINBASE) != 0, json_bool(said, "coinbase"));
        assert_int_equal(spv_wallet_confirmations(wallet, row),
                         (uint32_t)json_number(said, "confirmations"));
        assert_int_equal(row->block.height == SPV_NO_HEIGHT,
                         json_is_null(json_get(said, "height")));
        all++;
        if (row->block.height == SPV_NO_HEIGHT)
            continue;
        assert_int_equal(row->block.height, (uint32_t)json_number(said, "height"));
        assert_int_equal(row->state, SPV_TX_CONFIRMED);
        confirmed++;
        sum += net;
    }
    assert_int_equal(confirmed, n_confirmed);
    assert_int_equal(all, n_all);
    /* trusted + immature */
    assert_int_equal(sum, INT64_C(10542854808) + INT64_C(5000000000));
}

static void check_coins(const struct spv_wallet *wallet, size_t expected)
{
    const json_t *list = json_get(truth, "unspent");
    struct spv_wallet_coin coin;
    uint64_t next = 0;
    size_t n = 0;

    while (spv_wallet_next_coin(wallet, &next, &coin)) {
        char hex[SPV_HASH_HEX];
        size_t i = 0;
        spv_txid_hex(hex, &coin.txid);
        while (i < json_array_size(list) &&
               (strcmp(json_text(json_array_get(list, i), "txid"), hex) != 0 ||
                (uint32_t)json_number(json_array_get(list, i), "vout") != coin.vout))
            i++;
        assert_true(i < json_array_size(list));
        assert_int_equal(coin.value, (int64_t)json_number(json_array_get(list, i), "satoshi"));
        assert_int_equal(coin.confirmations,
                         (uint32_t)json_number(json_array_get(list, i), "confirmations"));
        n++;
    }
    assert_int_equal(n, expected);
}

static void check_balance(const struct spv_wallet *wallet, int64_t untrusted)
{
    struct spv_wallet_balance_row balance;

    assert_int_equal(spv_wallet_balance(wallet, &balance, 0), 0);
    assert_int_equal(balance.amount[SPV_BALANCE_CONFIRMED], INT64_C(10542854808));
    assert_int_equal(balance.amount[SPV_BALANCE_IMMATURE], INT64_C(5000000000));
    assert_int_equal(balance.amount[SPV_BALANCE_TRUSTED_PENDING], 0);
    assert_int_equal(balance.amount[SPV_BALANCE_UNTRUSTED_PENDING], untrusted);
}

/* The node's proofs, byte for byte. */
static void check_proofs(const struct row_store *store)
{
    size_t size, found = 0;
    char *text = read_data("regtest-node/proofs.csv", &size), *line = strchr(text, '\n') + 1;

    while (*line) {
        char *end = strchr(line, '\n'), *cells[5];
        uint8_t *proof, *raw;
        size_t n_proof, n_raw;
        *end = '\0';
        for (size_t i = 0; i < 5; i++) {
            cells[i] = line;
            line = i < 4 ? strchr(line, ',') + 1 : end + 1;
            line[-1] = '\0';
        }
        proof = hex_bytes(cells[3], &n_proof);
        raw = hex_bytes(cells[4], &n_raw);
        for (size_t i = 0; i < store->n; i++) {
            const struct spv_wallet_tx_row *row = &store->rows[i].row.row.tx;
            char hex[SPV_HASH_HEX];
            if (store->rows[i].row.kind != SPV_WALLET_ROW_TX)
                continue;
            spv_txid_hex(hex, &row->txid);
            if (strcmp(hex, cells[0]) != 0)
                continue;
            assert_int_equal(row->raw.n, n_raw);
            assert_memory_equal(row->raw.bytes, raw, n_raw);
            assert_int_equal(row->proof.n, n_proof);
            assert_memory_equal(row->proof.bytes, proof, n_proof);
            found++;
        }
        free(proof);
        free(raw);
    }
    assert_true(found >= 37);
    free(text);
}

static void check_all(struct subject *s, size_t extra_rows)
{
    check_history(s->wallet, 37, 37 + extra_rows);
    check_coins(s->wallet, 35);
    check_balance(s->wallet, 0);
    row_store_check(&s->store, s->wallet, &s->cfg);
}

static void receive_mempool(struct subject *s)
{
    const json_t *entry = json_array_get(json_get(truth, "mempool"), 0);
    const struct spv_tx_source source = {.peer = 1, .group = 7};
    struct spv_tx tx;
    size_t n;
    uint8_t *bytes = hex_bytes(json_text(entry, "transaction"), &n);

    assert_int_equal(spv_tx_parse(&tx, bytes, n), 0);
    assert_int_equal(
        spv_wallet_receive(s->wallet, &tx, &source, (struct spv_now){.unix_s = 1800000000}), 1);
    free(bytes);
    commit(s);
}

/* ---- cases ---- */

static void best_chain_gives_the_history_coins_and_balances_of_the_node(void **state)
{
    struct subject s;

    (void)state;
    load_truth();
    begin(&s, 40, false);
    for (size_t i = 0; i < DESCRIPTORS; i++)
        watch(&s, names[i]);
    connect_blocks(&s, best, BLOCKS);
    search_past(&s);
    check_all(&s, 0);
    check_proofs(&s.store);
    receive_mempool(&s);
    check_history(s.wallet, 37, 38);
    check_coins(s.wallet, 36);
    check_balance(s.wallet, 5550000);
    end(&s);
}

static void order_of_descriptors_restarts_and_lookahead_change_nothing(void **state)
{
    static const uint32_t lookaheads[] = {0, 7, 100};

    (void)state;
    load_truth();
    for (size_t k = 0; k < COUNT(lookaheads); k++) {
        struct subject s;
        begin(&s, lookaheads[k], true);
        for (size_t i = DESCRIPTORS; i > 0; i--)
            watch(&s, names[i - 1]);
        connect_blocks(&s, best, BLOCKS);
        search_past(&s);
        check_all(&s, 0);
        end(&s);
    }
}

static void added_descriptors_give_the_same_after_a_rescan(void **state)
{
    struct subject s;

    (void)state;
    load_truth();
    begin(&s, 20, false);
    for (size_t i = 0; i < DESCRIPTORS; i++) {
        const size_t from = i * 44;
        watch(&s, names[i]);
        connect_blocks(&s, best + from, i + 1 < DESCRIPTORS ? 44 : BLOCKS - from);
        search_past(&s);
    }
    check_all(&s, 0);
    end(&s);
}

static void stale_branch_leaves_an_orphaned_coinbase(void **state)
{
    const struct spv_point fork = best[STALE_FIRST - 1].in.point;
    const struct spv_wallet_tx_row *row;
    struct subject s;
    uint64_t next = 0;
    size_t orphaned = 0;

    (void)state;
    load_truth();
    begin(&s, 30, true);
    for (size_t i = 0; i < DESCRIPTORS; i++)
        watch(&s, names[i]);
    connect_blocks(&s, best, STALE_FIRST);
    connect_blocks(&s, stale, STALE);
    assert_int_equal(spv_wallet_disconnect(s.wallet, &fork, (struct spv_now){.unix_s = 1800000000}),
                     0);
    commit(&s);
    connect_blocks(&s, best + STALE_FIRST, BLOCKS - STALE_FIRST);
    search_past(&s);
    check_all(&s, 1);
    while (spv_wallet_next_tx(s.wallet, &next, &row)) {
        if (row->state != SPV_TX_ORPHANED)
            continue;
        orphaned++;
        assert_int_equal(row->block.height, SPV_NO_HEIGHT);
        assert_int_equal(row->received - row->spent, INT64_C(2500000000));
    }
    assert_int_equal(orphaned, 1);
    receive_mempool(&s);
    check_history(s.wallet, 37, 39);
    check_coins(s.wallet, 36);
    check_balance(s.wallet, 5550000);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_chain_gives_the_history_coins_and_balances_of_the_node),
        cmocka_unit_test(order_of_descriptors_restarts_and_lookahead_change_nothing),
        cmocka_unit_test(added_descriptors_give_the_same_after_a_rescan),
        cmocka_unit_test(stale_branch_leaves_an_orphaned_coinbase),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
