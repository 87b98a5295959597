/* ../shared/data/regtest-node served by simulated filter servers: a node with a wallet must say
 * what that node's own wallet says of its history, coins and balances. */
#include "seeds.h"
#include "support/random.h"
#include "support/row_store.h"
#include "support/sim/blocks.h"
#include "support/vector_json.h"

#include "spv/network.h"

#define BLOCKS 265
#define STALE_FIRST 258
#define STALE 3
#define DESCRIPTORS 6
#define CLOCK_AHEAD 200000 /* seconds: the blocks are a day younger than the simulation */
#define TXS 4096
#define SERVICES (SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_COMPACT_FILTERS | SPV_NODE_BLOOM)

static const char *const names[DESCRIPTORS] = {"pkh", "sh_wpkh",         "wpkh",
                                               "tr",  "wsh_sortedmulti", "sh_multi"};
static json_t *truth;
static struct sim_blocks best, stale;

/* ---- the data ---- */

struct known_tx {
    struct spv_txid txid;
    struct spv_tx tx;
};
static struct known_tx known[TXS];
static size_t n_known;

static struct spv_bytes script_of(const struct spv_tx_input *in)
{
    for (size_t i = 0; i < n_known; i++) {
        struct spv_tx_iter outputs = spv_tx_outputs(&known[i].tx);
        struct spv_tx_output output;
        if (memcmp(&known[i].txid, &in->prev, sizeof in->prev) != 0)
            continue;
        for (uint32_t k = 0; spv_tx_next_output(&outputs, &output); k++)
            if (k == in->index)
                return output.script;
    }
    fail_msg("a block spends an output that is not there");
    return (struct spv_bytes){.n = 0};
}

static void add_block(struct sim_blocks *chain, const uint8_t *bytes, size_t n)
{
    struct spv_bytes spent[512];
    struct spv_block block;
    struct spv_tx tx;
    size_t n_spent = 0;

    assert_int_equal(spv_block_parse(&block, bytes, n), 0);
    struct spv_block_iter iter = spv_block_txs(&block);
    for (size_t i = 0; spv_block_next(&iter, &tx); i++) {
        struct spv_tx_iter inputs = spv_tx_inputs(&tx);
        struct spv_tx_input in;
        while (i > 0 && spv_tx_next_input(&inputs, &in)) {
            assert_true(n_spent < COUNT(spent));
            spent[n_spent++] = script_of(&in);
        }
        assert_true(n_known < TXS);
        known[n_known].tx = tx;
        spv_tx_txid(&known[n_known++].txid, &tx);
    }
    assert_null(sim_blocks_load(chain, bytes, n, spent, n_spent));
    /* the transactions point into the chain's copy from here on */
    const struct sim_block *kept = chain->at[chain->store.n - 1];
    iter = spv_block_txs(&kept->parsed);
    for (size_t i = n_known - kept->parsed.n_txs; spv_block_next(&iter, &tx); i++)
        known[i].tx = tx;
}

static void add_blocks(struct sim_blocks *chain, const char *name, uint32_t first)
{
    size_t size;
    char *text = read_data(name, &size), *line = strchr(text, '\n') + 1;

    while (*line) {
        char *hex = strrchr(line, ','), *end = strchr(line, '\n');
        uint8_t *bytes;
        *end = '\0';
        hex = strchr(strchr(line, ',') + 1, ',') + 1;
        if (strtoul(line, NULL, 10) >= first) {
            bytes = hex_bytes(hex, &size);
            add_block(chain, bytes, size);
            free(bytes);
        }
        line = end + 1;
    }
    free(text);
}

static void load_truth(void)
{
    if (truth)
        return;
    truth = read_json("regtest-node/wallet.json");
    sim_blocks_init(&best, spv_params_get(SPV_REGTEST));
    add_blocks(&best, "regtest-node/blocks.csv", 1);
    assert_int_equal(best.store.n, BLOCKS);
    sim_blocks_fork(&stale, &best, STALE_FIRST - 1, &(struct sim_blocks_plan){.n = 0});
    add_blocks(&stale, "regtest-node/stale.csv", STALE_FIRST);
    assert_int_equal(stale.store.n, STALE_FIRST + STALE);
}

static int teardown(void **state)
{
    (void)state;
    if (truth) {
        json_decref(truth);
        sim_blocks_free(&best);
        sim_blocks_free(&stale);
    }
    return 0;
}

/* ---- the client ---- */

struct subject {
    struct sim *sim;
    struct sim_client *client;
    struct spv_wallet_config cfg;
    struct test_random random;
    struct spv_wallet *wallet;
    struct row_store rows;
    size_t n_first; /* descriptors that are watched from the start */
    struct spv_point scanned;
    const struct sim_blocks *tip; /* to be scanned */
};

static struct spv_watch_target target_of(size_t i)
{
    return (struct spv_watch_target){.kind = SPV_WATCH_DESCRIPTOR,
                                     .gap = 20,
                                     .descriptor =
                                         json_text(json_get(truth, "multipath"), names[i])};
}

static struct spv_wallet *load(void *ctx)
{
    struct subject *s = ctx;

    s->scanned.height = 0;
    spv_wallet_free(s->wallet);
    if (s->rows.n > 0) {
        s->wallet = row_store_load(&s->rows, &s->cfg);
        return s->wallet;
    }
    assert_int_equal(spv_wallet_new(&s->wallet, &s->cfg), 0);
    for (size_t i = 0; i < s->n_first; i++) {
        const struct spv_watch_target target = target_of(i);
        uint64_t id;
        assert_int_equal(spv_wallet_watch(s->wallet, &id, NULL, &target), 0);
    }
    return s->wallet;
}

static const char *store(void *ctx, const struct spv_wallet_update *update)
{
    row_store_update(&((struct subject *)ctx)->rows, update);
    return NULL;
}

static struct spv_point stored_point(void *ctx)
{
    const struct subject *s = ctx;
    const struct spv_wallet_change *meta = row_store_find(&s->rows, SPV_WALLET_ROW_META, 0, 0);

    return meta ? meta->row.meta.scanned : (struct spv_point){.height = SPV_NO_HEIGHT};
}

static void event(void *ctx, const struct spv_wallet_event *e)
{
    if (e->kind == SPV_WALLET_EVENT_SCANNED)
        ((struct subject *)ctx)->scanned = e->scanned;
}

static bool is_scanned(struct sim *sim, void *ctx)
{
    const struct subject *s = ctx;

    (void)sim;
    return spv_blockhash_eq(&s->scanned.hash, &sim_store_tip(&s->tip->store)->hash);
}

static void scan(struct subject *s)
{
    s->scanned = (struct spv_point){.height = 0};
    assert_int_equal(sim_run(s->sim, 600 * SPV_SECOND, is_scanned, s), 1);
}

/* A simulation with two servers of a chain, and a client that watches the first descriptors. */
static void begin(struct subject *s, struct sim_wallet *hooks, struct sim_blocks *chain,
                  size_t n_first, uint32_t lookahead, enum spv_source source)
{
    load_truth();
    *s = (struct subject){.n_first = n_first, .random = {.state = 1}, .tip = chain};
    s->cfg = (struct spv_wallet_config){.rng = test_random_rng(&s->random),
                                        .networks = SPV_NETWORK_BIT(SPV_REGTEST),
                                        .lookahead = lookahead};
    *hooks = (struct sim_wallet){
        .ctx = s, .load = load, .store = store, .stored_point = stored_point, .event = event};
    s->sim = sim_new(&(struct sim_config){.seed = 1});
    for (size_t i = 0; i < 2; i++)
        sim_add_server(s->sim, &(struct sim_server_config){.filters.blocks = chain,
                                                           .services = SERVICES,
                                                           .clock_ahead_s = CLOCK_AHEAD});
    s->client = sim_add_client(
        s->sim, &(struct sim_client_config){.wallet = hooks,
                                            .source = source,
                                            .fetch_unconfirmed = source != SPV_SOURCE_BLOOM});
    sim_client_step_clock(s->sim, s->client, CLOCK_AHEAD);
}

static void end(struct subject *s)
{
    assert_null(sim_broken(s->sim));
    sim_free(s->sim);
    spv_wallet_free(s->wallet);
    row_store_free(&s->rows);
}

/* ---- what the node says ---- */

static void check_row(const struct spv_wallet *wallet, const struct spv_wallet_tx_row *row)
{
    const json_t *list = json_get(truth, "history");
    char hex[SPV_HASH_HEX];
    size_t i = 0;

    spv_txid_hex(hex, &row->txid);
    while (i < json_array_size(list) &&
           strcmp(json_text(json_array_get(list, i), "txid"), hex) != 0)
        i++;
    assert_true(i < json_array_size(list));
    const json_t *said = json_array_get(list, i);
    assert_int_equal(row->received - row->spent, (int64_t)json_number(said, "net_satoshi"));
    assert_int_equal(spv_wallet_confirmations(wallet, row),
                     (uint32_t)json_number(said, "confirmations"));
}

struct expected {
    size_t orphaned, unconfirmed; /* beside the 37 confirmed ones */
    int64_t untrusted_pending;
};

static void check(struct subject *s, const struct expected *e)
{
    const struct spv_wallet_tx_row *row;
    struct spv_wallet_balance_row balance;
    struct spv_wallet_coin coin;
    size_t confirmed = 0, orphaned = 0, unconfirmed = 0, coins = 0;
    uint64_t next = 0;

    while (spv_wallet_next_tx(s->wallet, &next, &row)) {
        check_row(s->wallet, row);
        confirmed += row->state == SPV_TX_CONFIRMED;
        orphaned += row->state == SPV_TX_ORPHANED;
        unconfirmed += row->state == SPV_TX_UNCONFIRMED;
        assert_true(row->state == SPV_TX_CONFIRMED || row->state == SPV_TX_ORPHANED ||
                    row->state == SPV_TX_UNCONFIRMED);
    }
    assert_int_equal(confirmed, 37);
    assert_int_equal(orphaned, e->orphaned);
    assert_int_equal(unconfirmed, e->unconfirmed);
    next = 0;
    while (spv_wallet_next_coin(s->wallet, &next, &coin))
        coins++;
    assert_int_equal(coins, 35 + e->unconfirmed);
    assert_int_equal(spv_wallet_balance(s->wallet, &balance, 0), 0);
    assert_int_equal(balance.amount[SPV_BALANCE_CONFIRMED], INT64_C(10542854808));
    assert_int_equal(balance.amount[SPV_BALANCE_IMMATURE], INT64_C(5000000000));
    assert_int_equal(balance.amount[SPV_BALANCE_TRUSTED_PENDING], 0);
    assert_int_equal(balance.amount[SPV_BALANCE_UNTRUSTED_PENDING], e->untrusted_pending);
    row_store_check(&s->rows, s->wallet, &s->cfg);
}

static const enum spv_source sources[] = {SPV_SOURCE_AUTO, SPV_SOURCE_FILTERS, SPV_SOURCE_BLOOM,
                                          SPV_SOURCE_BLOCKS};

static void source_gives_the_history_coins_and_balances_of_the_node(void **state)
{
    static const uint32_t lookaheads[] = {0, 100};

    (void)state;
    for (size_t i = 0; i < COUNT(lookaheads) * COUNT(sources); i++) {
        struct sim_wallet hooks;
        struct subject s;
        begin(&s, &hooks, &best, DESCRIPTORS, lookaheads[i % 2], sources[i / 2]);
        scan(&s);
        check(&s, &(struct expected){0});
        sim_client_restart(s.sim, s.client);
        scan(&s);
        check(&s, &(struct expected){0});
        end(&s);
    }
}

static void added_descriptors_and_restarts_change_nothing_with(enum spv_source source)
{
    struct sim_wallet hooks;
    struct subject s;

    begin(&s, &hooks, &best, 1, 20, source);
    for (size_t i = 1; i < DESCRIPTORS; i++) {
        const struct spv_watch_target target = target_of(i);
        uint64_t request, id;
        scan(&s);
        assert_int_equal(sim_client_watch(s.sim, s.client, &request, &id, &target), 0);
        if (i % 2 == 0)
            sim_client_restart(s.sim, s.client);
    }
    scan(&s);
    check(&s, &(struct expected){0});
    end(&s);
}

static void added_descriptors_and_restarts_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sources); i++)
        added_descriptors_and_restarts_change_nothing_with(sources[i]);
}

static void stale_branch_that_is_served_first_leaves_an_orphaned_coinbase_with(
    enum spv_source source)
{
    struct sim_wallet hooks;
    struct subject s;

    load_truth();
    begin(&s, &hooks, &stale, DESCRIPTORS, 30, source);
    scan(&s);
    s.tip = &best;
    for (size_t i = 0; i < 2; i++)
        sim_server_announce_blocks(s.sim, i, &best);
    scan(&s);
    check(&s, &(struct expected){.orphaned = 1});
    end(&s);
}

static void stale_branch_that_is_served_first_leaves_an_orphaned_coinbase(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sources); i++)
        stale_branch_that_is_served_first_leaves_an_orphaned_coinbase_with(sources[i]);
}

/* ---- the transaction in the node's mempool ---- */

static bool has_unconfirmed(struct sim *sim, void *ctx)
{
    const struct subject *s = ctx;
    const struct spv_wallet_tx_row *row;
    uint64_t next = 0;

    (void)sim;
    while (spv_wallet_next_tx(s->wallet, &next, &row))
        if (row->state == SPV_TX_UNCONFIRMED)
            return is_scanned(sim, ctx);
    return false;
}

static struct spv_tx mempool_tx(uint8_t **bytes)
{
    size_t n;
    struct spv_tx tx;

    *bytes = hex_bytes(json_text(json_array_get(json_get(truth, "mempool"), 0), "transaction"), &n);
    assert_int_equal(spv_tx_parse(&tx, *bytes, n), 0);
    return tx;
}

/* Announced after connecting; with bloom filters also when it was there before, as the answer to
 * `mempool`, also after a restart. */
static void unconfirmed_payment_with(enum spv_source source, bool is_there_before)
{
    static const struct expected expected = {.unconfirmed = 1, .untrusted_pending = 5550000};
    struct sim_wallet hooks;
    struct subject s;
    uint8_t *bytes;

    begin(&s, &hooks, &best, DESCRIPTORS, 30, source);
    const struct spv_tx tx = mempool_tx(&bytes);
    for (size_t i = 0; is_there_before && i < 2; i++)
        sim_server_announce_txs(s.sim, i, &tx, 1);
    scan(&s);
    for (size_t i = 0; !is_there_before && i < 2; i++)
        sim_server_announce_txs(s.sim, i, &tx, 1);
    assert_int_equal(sim_run(s.sim, 60 * SPV_SECOND, has_unconfirmed, &s), 1);
    check(&s, &expected);
    sim_client_restart(s.sim, s.client);
    scan(&s);
    check(&s, &expected);
    end(&s);
    free(bytes);
}

static void unconfirmed_payment_is_pending_and_not_trusted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sources); i++)
        unconfirmed_payment_with(sources[i], false);
    unconfirmed_payment_with(SPV_SOURCE_BLOOM, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_gives_the_history_coins_and_balances_of_the_node),
        cmocka_unit_test(added_descriptors_and_restarts_change_nothing),
        cmocka_unit_test(unconfirmed_payment_is_pending_and_not_trusted),
        cmocka_unit_test(stale_branch_that_is_served_first_leaves_an_orphaned_coinbase),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
