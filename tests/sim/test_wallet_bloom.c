/* A wallet with bloom filters: servers that leave out transactions or do not keep filters in step,
 * the choice of the source, scripts that a filter cannot have, and what peers are told. */
#include "seeds.h"
#include "wallet_scenario.h"

#define SEEDS 40

static enum spv_source source_of(const struct wallet_scenario *s)
{
    struct spv_wallet_status status;

    spv_node_wallet_status(sim_client_node(s->client.client), &status);
    return status.has_source ? status.source : SPV_SOURCE_AUTO;
}

/* One server of three leaves out the transactions of a block, or never adds outpoints to filters;
 * each block is requested from two. */
static void omission(struct sim *sim)
{
    struct wallet_scenario *s = wallet_scenario_begin(sim);

    wallet_scenario_add_servers(s, WALLET_SERVERS);
    if (wallet_chain_chance(&s->chain, 50))
        sim_server(sim, 0)->filters.omits =
            1 + (uint32_t)wallet_chain_below(&s->chain, s->chain.m.height);
    else
        sim_server(sim, 0)->filters.no_update = true;
    wallet_client_start(&s->client, &(struct sim_client_config){.source = SPV_SOURCE_BLOOM,
                                                                .bloom_cross_check = true});
    wallet_scenario_act_many(s);
    wallet_scenario_end(s);
    for (size_t i = 0; i < WALLET_SERVERS; i++)
        if (sim_server_bans(sim, i) > 0)
            sim_break(sim, "an omission is no proof that a peer misbehaves");
}

static void cross_check_finds_what_one_server_leaves_out(void **state)
{
    (void)state;
    seeds_run(omission, &(struct seeds_config){.n = SEEDS});
    wallet_scenario_free_last();
}

/* Outputs of the model are of at least 1,000 satoshis: every block that pays the wallet is fetched
 * whole, so that even a lone server that keeps no outpoints hides no spend in such a block. */
static void large_amounts(struct sim *sim)
{
    struct wallet_scenario *s = wallet_scenario_begin(sim);
    uint64_t blocks = 0;

    wallet_scenario_add_servers(s, WALLET_SERVERS);
    wallet_client_start(
        &s->client, &(struct sim_client_config){.source = SPV_SOURCE_BLOOM, .bloom_whole_from = 1});
    wallet_scenario_act_many(s);
    wallet_scenario_end(s);
    for (size_t i = 0; i < WALLET_SERVERS; i++)
        blocks += sim_server_filter_counts(sim, i).blocks_sent;
    if (!sim_broken(sim) && s->client.store.n > 20 && blocks == 0)
        sim_break(sim, "no block was fetched whole");
}

static void blocks_with_large_outputs_are_fetched_whole(void **state)
{
    (void)state;
    seeds_run(large_amounts, &(struct seeds_config){.n = SEEDS, .divisor = 4});
    wallet_scenario_free_last();
}

static bool has_alarm(struct sim *sim, void *ctx)
{
    const struct wallet_client *c = ctx;

    (void)sim;
    return c->alarms[SPV_WALLET_ALARM_NO_SOURCE] > 0;
}

static void add_servers_without_filters(struct wallet_scenario *s)
{
    wallet_scenario_add_servers(s, WALLET_SERVERS);
    for (size_t i = 0; i < WALLET_SERVERS; i++)
        sim_server(s->client.sim, i)->services =
            SPV_NODE_NETWORK | SPV_NODE_WITNESS | SPV_NODE_BLOOM;
}

static void allowed(struct sim *sim)
{
    struct wallet_scenario *s = wallet_scenario_begin(sim);

    add_servers_without_filters(s);
    wallet_client_start(&s->client, &(struct sim_client_config){.allow_bloom = true});
    wallet_scenario_act_many(s);
    wallet_scenario_end(s);
    if (!sim_broken(sim) && source_of(s) != SPV_SOURCE_BLOOM)
        sim_break(sim, "bloom filters were allowed, and are not used");
}

static void not_allowed(struct sim *sim)
{
    struct wallet_scenario *s = wallet_scenario_begin(sim);

    add_servers_without_filters(s);
    wallet_client_start(&s->client, &(struct sim_client_config){.wallet = NULL});
    if (sim_run(sim, 120 * SPV_SECOND, has_alarm, &s->client) != 1)
        sim_break(sim, "a missing source was not told");
    for (size_t i = 0; i < WALLET_SERVERS; i++)
        if (sim_server_filter_counts(sim, i).filters_loaded > 0)
            sim_break(sim, "a peer was told what is watched without leave");
}

static void auto_uses_bloom_filters_only_when_they_are_allowed(void **state)
{
    (void)state;
    seeds_run(allowed, &(struct seeds_config){.n = SEEDS, .divisor = 4});
    seeds_run(not_allowed, &(struct seeds_config){.n = SEEDS, .divisor = 8});
    wallet_scenario_free_last();
}

static const struct spv_watch_target anyone_can_spend = {.kind = SPV_WATCH_SCRIPT,
                                                         .script = {(const uint8_t *)"\x51", 1}};

/* A script without a push of 20 bytes is in no filter: the watch is refused and leaves nothing. */
static void unusual_script(struct sim *sim)
{
    struct wallet_scenario *s = wallet_scenario_begin(sim);
    uint64_t request = 0, id = 0;

    wallet_scenario_add_servers(s, WALLET_SERVERS);
    wallet_client_start(&s->client, &(struct sim_client_config){.source = SPV_SOURCE_BLOOM});
    wallet_scenario_run(s, wallet_chain_below(&s->chain, 30 * SPV_SECOND));
    const uint64_t starts = s->client.starts;
    if (sim_client_watch(sim, s->client.client, &request, &id, &anyone_can_spend) !=
            SPV_ERR_BLOOM_SCRIPT ||
        request != 0)
        sim_break(sim, "a script that no filter can have is watched");
    wallet_scenario_act_many(s);
    wallet_scenario_end(s);
    if (!sim_broken(sim) && starts == s->client.starts &&
        row_store_find(&s->client.store, SPV_WALLET_ROW_WATCH, id, 0))
        sim_break(sim, "a refused watch is stored");
}

/* With the source AUTO it is watched, and bloom filters are no source for the wallet. */
static void unusual_script_with_auto(struct sim *sim)
{
    struct wallet_scenario *s = wallet_scenario_begin(sim);
    uint64_t request, id;

    add_servers_without_filters(s);
    wallet_client_start(&s->client, &(struct sim_client_config){.allow_bloom = true});
    s->client.last_request++;
    s->client.counts_answers_only = true;
    if (sim_client_watch(sim, s->client.client, &request, &id, &anyone_can_spend) != 0)
        sim_break(sim, "a script is refused that filters and blocks can have");
    if (sim_run(sim, 120 * SPV_SECOND, has_alarm, &s->client) != 1)
        sim_break(sim, "a missing source was not told");
    if (!sim_broken(sim) && source_of(s) != SPV_SOURCE_AUTO)
        sim_break(sim, "bloom filters are the source of a script that they cannot have");
}

static void scripts_without_a_push_are_refused_or_need_another_source(void **state)
{
    (void)state;
    seeds_run(unusual_script, &(struct seeds_config){.n = SEEDS, .divisor = 4});
    seeds_run(unusual_script_with_auto, &(struct seeds_config){.n = SEEDS, .divisor = 8});
    wallet_scenario_free_last();
}

/* What a full node relays concerns nobody here: with relay 0 it is not announced, with
 * fetch_unconfirmed it is fetched and forgotten. */
static void foreign_transaction(struct sim *sim)
{
    struct wallet_scenario *s = wallet_scenario_begin(sim);
    const bool fetch = wallet_chain_chance(&s->chain, 50);
    const struct sim_blocks *best = wallet_chain_best(&s->chain);
    struct spv_block_iter iter = spv_block_txs(&best->at[0]->parsed);
    uint64_t txs = 0;
    struct spv_tx tx;

    wallet_scenario_add_servers(s, WALLET_SERVERS);
    wallet_client_start(&s->client, &(struct sim_client_config){.source = SPV_SOURCE_FILTERS,
                                                                .fetch_unconfirmed = fetch});
    if (sim_run(sim, 600 * SPV_SECOND, wallet_client_done, &s->client) == 0)
        sim_break(sim, "the wallet was not scanned in time");
    if (!spv_block_next(&iter, &tx)) /* the coinbase of genesis: as good as any */
        sim_break(sim, "genesis has no transaction");
    for (size_t i = 0; i < WALLET_SERVERS; i++)
        sim_server_announce_txs(sim, i, &tx, 1);
    wallet_scenario_run(s, 60 * SPV_SECOND);
    for (size_t i = 0; i < WALLET_SERVERS; i++)
        txs += sim_server_filter_counts(sim, i).txs;
    if (!sim_broken(sim) && (fetch ? txs == 0 || txs > 2 : txs != 0))
        sim_break(sim, "announced transactions are fetched from two peers at most, or not at all");
    wallet_scenario_end(s);
}

static void announced_transactions_are_fetched_only_when_wanted(void **state)
{
    (void)state;
    seeds_run(foreign_transaction, &(struct seeds_config){.n = SEEDS, .divisor = 4});
    wallet_scenario_free_last();
}

/* ---- a payment that is in no block yet ---- */

#define DAY INT64_C(86400)

static const struct spv_wallet_tx_row *unconfirmed_row(const struct wallet_scenario *s,
                                                       const struct spv_txid *txid)
{
    const struct spv_wallet_tx_row *row;
    uint64_t next = 0;

    while (spv_wallet_next_tx(s->client.wallet, &next, &row))
        if (memcmp(row->txid.b, txid->b, sizeof txid->b) == 0)
            return row;
    return NULL;
}

static bool has_state(const struct wallet_scenario *s, const struct spv_txid *txid,
                      enum spv_tx_state state)
{
    const struct spv_wallet_tx_row *row = unconfirmed_row(s, txid);

    return row && row->state == state;
}

/* Demands a state and number of network groups of a transaction, also of its stored row. */
static void check_stored(const struct wallet_scenario *s, const struct spv_txid *txid,
                         enum spv_tx_state state, uint32_t n_groups)
{
    const struct spv_wallet_tx_row *row = unconfirmed_row(s, txid);
    const struct spv_wallet_change *stored =
        row ? row_store_find(&s->client.store, SPV_WALLET_ROW_TX, row->id, 0) : NULL;

    if (!row || row->state != state || row->n_groups != n_groups)
        sim_break(s->client.sim, "an unconfirmed payment has another state, or is not there");
    if (!stored || stored->row.tx.state != state || stored->row.tx.n_groups != n_groups)
        sim_break(s->client.sim, "the state of an unconfirmed payment is not stored");
}

/* Pays the wallet; or spends the same output and pays someone else. */
static void build_payment(struct built_tx *out, const struct wallet_scenario *s, bool double_spend)
{
    static const uint8_t foreign[] = {0x51};
    const struct built_output output = {double_spend ? (struct spv_bytes){foreign, 1}
                                                     : spv_wallet_script(s->client.wallet, 0),
                                        12345};
    const struct built_input input = {.prev = {{0x77}}, .vout = 3};
    const struct built_spec spec = {.inputs = &input,
                                    .n_inputs = 1,
                                    .outputs = &output,
                                    .n_outputs = 1,
                                    .lock_time = double_spend,
                                    .witness = true};

    build_tx(out, &spec);
}

/* Announced by three peers: it is fetched, counted by network groups, expires after 14 days, is
 * there again when it is announced again, and with bloom filters gives way to a double spend that
 * pays someone else. */
static void payment_with(struct sim *sim, enum spv_source source)
{
    struct wallet_scenario *s = wallet_scenario_begin(sim);
    struct built_tx payment, other;
    struct spv_wallet_balance_row balance;

    wallet_scenario_add_servers(s, WALLET_SERVERS);
    wallet_client_start(
        &s->client, &(struct sim_client_config){.source = source,
                                                .fetch_unconfirmed = source != SPV_SOURCE_BLOOM});
    if (sim_run(sim, 600 * SPV_SECOND, wallet_client_done, &s->client) == 0)
        sim_break(sim, "the wallet was not scanned in time");
    build_payment(&payment, s, false);
    build_payment(&other, s, true);
    sim_server_announce_txs(sim, 0, &payment.tx, 1);
    wallet_scenario_run(s, 60 * SPV_SECOND);
    check_stored(s, &payment.txid, SPV_TX_UNCONFIRMED, 1);
    for (size_t i = 1; i < WALLET_SERVERS; i++)
        sim_server_announce_txs(sim, i, &payment.tx, 1);
    wallet_scenario_run(s, 60 * SPV_SECOND);
    check_stored(s, &payment.txid, SPV_TX_UNCONFIRMED, WALLET_SERVERS);
    if (spv_wallet_balance(s->client.wallet, &balance, 0) != 0 ||
        balance.amount[SPV_BALANCE_UNTRUSTED_PENDING] < 12345)
        sim_break(sim, "an unconfirmed payment is not pending");
    sim_client_step_clock(sim, s->client.client, 13 * DAY);
    wallet_scenario_run(s, 600 * SPV_SECOND);
    if (!has_state(s, &payment.txid, SPV_TX_UNCONFIRMED))
        sim_break(sim, "it expires before 14 days");
    sim_client_step_clock(sim, s->client.client, 2 * DAY);
    wallet_scenario_run(s, 600 * SPV_SECOND);
    check_stored(s, &payment.txid, SPV_TX_EXPIRED, WALLET_SERVERS);
    for (size_t i = 0; i < WALLET_SERVERS; i++)
        sim_server_announce_txs(sim, i, &payment.tx, 1);
    wallet_scenario_run(s, 60 * SPV_SECOND);
    if (!has_state(s, &payment.txid, SPV_TX_UNCONFIRMED))
        sim_break(sim, "announced again, it is not pending again");
    for (size_t i = 0; i < WALLET_SERVERS; i++)
        sim_server_announce_txs(sim, i, &other.tx, 1);
    wallet_scenario_run(s, 60 * SPV_SECOND);
    if (source == SPV_SOURCE_BLOOM) /* else its announcement shows nothing of the wallet */
        check_stored(s, &payment.txid, SPV_TX_REPLACED, WALLET_SERVERS);
    built_tx_free(&payment);
    built_tx_free(&other);
}

static void payment(struct sim *sim)
{
    static const enum spv_source sources[] = {SPV_SOURCE_FILTERS, SPV_SOURCE_BLOOM,
                                              SPV_SOURCE_BLOCKS};

    payment_with(sim, sources[test_random_next(sim_random(sim)) % COUNT(sources)]);
}

static void unconfirmed_payments_come_and_expire(void **state)
{
    (void)state;
    seeds_run(payment, &(struct seeds_config){.n = SEEDS, .divisor = 4});
    wallet_scenario_free_last();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_check_finds_what_one_server_leaves_out),
        cmocka_unit_test(blocks_with_large_outputs_are_fetched_whole),
        cmocka_unit_test(auto_uses_bloom_filters_only_when_they_are_allowed),
        cmocka_unit_test(scripts_without_a_push_are_refused_or_need_another_source),
        cmocka_unit_test(unconfirmed_payments_come_and_expire),
        cmocka_unit_test(announced_transactions_are_fetched_only_when_wanted),
    };
    return cmocka_run_group_tests_name("sim: wallets with bloom filters", tests, wallet_chain_setup,
                                       wallet_chain_teardown);
}
