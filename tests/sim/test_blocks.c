/* The test chains and their filters are what they claim: valid blocks with true filters, and false
 * filters that are false as named. */
#include "seeds.h"

#include "spv/error.h"
#include "spv/filters/block_scripts.h"
#include "spv/merkle.h"
#include "support/sim/blocks.h"
#include "support/sim/filter_store.h"
#include "util/hash.h"

#define LENGTH 250

static struct sim_blocks chain;
static const struct sim_blocks_plan plan = {
    .n = LENGTH, .seed = 7, .kinds = (1u << SIM_COIN_KINDS) - 1, .wallet_in = 4};

static int make_chain(void **state)
{
    (void)state;
    sim_blocks_init(&chain, spv_params_get(SPV_REGTEST));
    sim_blocks_grow(&chain, &plan);
    return 0;
}

static int free_chain(void **state)
{
    (void)state;
    sim_blocks_free(&chain);
    return 0;
}

/* The last OP_RETURN output of the coinbase with the bytes of BIP141. */
static bool find_commitment(uint8_t out[32], const struct spv_tx *coinbase)
{
    static const uint8_t header[] = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
    struct spv_tx_iter iter = spv_tx_outputs(coinbase);
    struct spv_tx_output output;
    bool found = false;
    while (spv_tx_next_output(&iter, &output))
        if (output.script.n >= 38 && memcmp(output.script.bytes, header, sizeof(header)) == 0) {
            memcpy(out, output.script.bytes + 6, 32);
            found = true;
        }
    return found;
}

static void check_block(const struct sim_block *block)
{
    static const uint8_t reserved[32];
    struct spv_txid txids[16], wtxids[16];
    struct spv_block_iter iter = spv_block_txs(&block->parsed);
    struct spv_hash256 root;
    struct spv_tx tx, coinbase;
    uint8_t commitment[32], computed[32];
    size_t n = 0, n_inputs = 0;
    while (spv_block_next(&iter, &tx)) {
        struct spv_wtxid wtxid;
        assert_in_range(n, 0, 15);
        spv_tx_txid(&txids[n], &tx);
        spv_tx_wtxid(&wtxid, &tx);
        memcpy(wtxids[n].b, wtxid.b, 32);
        if (n == 0)
            coinbase = tx;
        n_inputs += n == 0 ? 0 : tx.n_inputs;
        n++;
    }
    assert_int_equal(spv_tx_is_coinbase(&coinbase), true);
    assert_int_equal(n_inputs, block->n_spent);
    assert_int_equal(spv_merkle_root(&root, txids, n), 0);
    assert_memory_equal(root.b, block->parsed.header.merkle_root.b, 32);
    assert_int_equal(find_commitment(commitment, &coinbase), block->parsed.has_witness);
    if (!block->parsed.has_witness)
        return;
    memset(&wtxids[0], 0, sizeof(wtxids[0]));
    assert_int_equal(spv_merkle_root(&root, wtxids, n), 0);
    const struct spv_chunk chunks[] = {{root.b, 32}, {reserved, 32}};
    spv_sha256d_chunks(computed, chunks, 2);
    assert_memory_equal(commitment, computed, 32);
}

static void blocks_match_their_merkle_roots_and_witness_commitments(void **state)
{
    size_t n_witness = 0, n_spent = 0;
    (void)state;
    for (size_t i = 1; i < chain.store.n; i++) {
        check_block(chain.at[i]);
        n_witness += chain.at[i]->parsed.has_witness;
        n_spent += chain.at[i]->n_spent;
    }
    assert_in_range(n_witness, 50, LENGTH);
    assert_in_range(n_spent, 200, 9 * LENGTH);
}

static void the_filter_header_of_genesis_is_the_built_in_one(void **state)
{
    const struct spv_params *params = spv_params_get(SPV_REGTEST);
    (void)state;
    assert_int_equal(params->filter_checkpoints[0].height, 0);
    assert_memory_equal(chain.filters.at[0].header.b, params->filter_checkpoints[0].header.b, 32);
}

static void the_same_seed_makes_the_same_blocks(void **state)
{
    struct sim_blocks again;
    (void)state;
    sim_blocks_init(&again, spv_params_get(SPV_REGTEST));
    sim_blocks_grow(&again, &plan);
    assert_memory_equal(sim_store_tip(&again.store)->hash.b, sim_store_tip(&chain.store)->hash.b,
                        32);
    assert_memory_equal(again.filters.at[LENGTH].header.b, chain.filters.at[LENGTH].header.b, 32);
    sim_blocks_free(&again);
}

static void a_fork_shares_blocks_and_spends_what_is_unspent_there(void **state)
{
    struct sim_blocks_plan more = plan;
    struct sim_blocks fork;
    (void)state;
    more.n = 60;
    more.seed++;
    sim_blocks_fork(&fork, &chain, LENGTH - 50, &more);
    assert_int_equal(fork.store.n, LENGTH + 11);
    assert_ptr_equal(fork.at[LENGTH - 50], chain.at[LENGTH - 50]);
    assert_true(fork.at[LENGTH - 49] != chain.at[LENGTH - 49]);
    for (size_t i = LENGTH - 49; i < fork.store.n; i++) {
        check_block(fork.at[i]);
        /* each coin was created below, or in the same block, on this branch */
        for (size_t k = 0; k < fork.at[i]->n_spent; k++) {
            const struct sim_coin *coin = &fork.at[i]->spent[k];
            const struct sim_block *from = fork.at[coin->height];
            bool found = false;
            for (size_t j = 0; j < from->n_created; j++)
                found = found || (from->created[j].index == coin->index &&
                                  memcmp(&from->created[j].txid, &coin->txid, 32) == 0);
            assert_true(found);
        }
    }
    sim_blocks_free(&fork);
}

static struct spv_filter_check_result judge(uint32_t height, const uint8_t *bytes, size_t n)
{
    const struct sim_block *block = chain.at[height];
    const struct spv_filter filter = {.block = block->hash, .bytes = bytes, .n = n};
    struct spv_block_scripts *scripts;
    struct spv_filter_check_result result;
    assert_int_equal(spv_block_scripts_new(&scripts, &block->parsed, true, NULL), 0);
    assert_int_equal(spv_block_scripts_check_filter(&result, scripts, &filter), 0);
    spv_block_scripts_free(scripts);
    return result;
}

/* Whether the block was made to mislead: an input whose inferred script is in no filter. */
static bool misleads(const struct sim_block *block)
{
    for (size_t i = 0; i < block->n_spent; i++)
        if (block->spent[i].kind >= SIM_FALSE_P2PKH &&
            block->spent[i].height < chain.store.n && /* known in the same block: certain */
            chain.at[block->spent[i].height] != block)
            return true;
    return false;
}

static void true_filters_are_proven_false_by_no_block(void **state)
{
    size_t n_misleading = 0;
    (void)state;
    for (uint32_t h = 0; h < chain.store.n; h++) {
        const struct sim_filter *f = &chain.filters.at[h];
        const struct spv_filter_check_result result = judge(h, f->bytes, f->n);
        assert_int_equal(result.error, 0);
        assert_int_equal(result.n_inferred_missing > 0, misleads(chain.at[h]));
        n_misleading += misleads(chain.at[h]);
    }
    assert_in_range(n_misleading, 10, LENGTH);
}

static void false_filters_are_false_as_named(void **state)
{
    static const int errors[SIM_FILTER_LIES] = {
        [SIM_LACKS_OUTPUT] = SPV_ERR_FILTER_OUTPUT,
        [SIM_LACKS_CERTAIN] = SPV_ERR_FILTER_PREVOUT,
        [SIM_TOO_MANY] = SPV_ERR_FILTER_COUNT,
        [SIM_CUT_SHORT] = SPV_ERR_SHORT,
        [SIM_OF_OTHER_BLOCK] = -1,
        [SIM_EMPTY] = -1,
    };
    (void)state;
    for (unsigned i = 0; i < 2 * SIM_FILTER_LIES; i++) {
        const enum sim_filter_lie lie = (enum sim_filter_lie)(i / 2);
        const uint32_t height = sim_filter_lie_height(&chain, 120, lie, i % 2);
        const struct sim_filter *truth = &chain.filters.at[height];
        size_t n;
        assert_true(height > 0);
        uint8_t *bytes = sim_filter_false(&n, &chain, height, lie);
        assert_non_null(bytes);
        assert_false(n == truth->n && memcmp(bytes, truth->bytes, n) == 0);
        const struct spv_filter_check_result result = judge(height, bytes, n);
        const struct spv_filter_check_result honest = judge(height, truth->bytes, truth->n);
        if (errors[lie] == -1)
            assert_true(result.error < 0);
        else
            assert_int_equal(result.error, errors[lie]);
        if (lie == SIM_LACKS_INFERRED)
            assert_true(result.n_inferred_missing > honest.n_inferred_missing);
        if (lie == SIM_FOLLOWS_INFERRED)
            assert_true(result.n_inferred_missing < honest.n_inferred_missing);
        free(bytes);
    }
}

static void a_table_of_false_filters_forks_its_filter_headers_there(void **state)
{
    const uint32_t height = sim_filter_lie_height(&chain, 100, SIM_LACKS_OUTPUT, true);
    struct sim_filters table;
    (void)state;
    sim_filters_copy(&table, &chain);
    sim_filters_lie(&table, &chain, height, SIM_LACKS_OUTPUT);
    for (size_t i = 0; i < table.n; i++)
        assert_int_equal(memcmp(&table.at[i].header, &chain.filters.at[i].header, 32) == 0,
                         i < height);
    assert_memory_equal(&table.at[height + 1].hash, &chain.filters.at[height + 1].hash, 32);
    sim_filters_replace_hash(&table, 50, 1);
    assert_int_not_equal(memcmp(&table.at[50].hash, &chain.filters.at[50].hash, 32), 0);
    sim_filters_cut(&table, 60);
    sim_filters_extend(&table, &chain);
    assert_int_equal(table.n, chain.store.n);
    assert_memory_equal(&table.at[height].hash, &chain.filters.at[height].hash, 32);
    assert_int_not_equal(memcmp(&table.at[height].header, &chain.filters.at[height].header, 32), 0);
    sim_filters_free(&table);
}

/* What a scan must find, by the scripts of the block's own transactions and of what they spend. */
static void the_wallet_is_where_its_scripts_are(void **state)
{
    struct spv_filter_query *query;
    struct spv_filter_matcher *matcher;
    size_t n, n_found = 0;
    const struct spv_bytes *scripts = sim_wallet_scripts(&n);
    (void)state;
    assert_int_equal(spv_filter_query_new(&query, scripts, n), 0);
    assert_int_equal(spv_filter_matcher_new(&matcher, query), 0);
    for (uint32_t h = 1; h < chain.store.n; h++) {
        const struct spv_filter filter = {chain.at[h]->hash, chain.filters.at[h].bytes,
                                          chain.filters.at[h].n};
        bool in_tx = false;
        assert_int_equal(spv_filter_match(matcher, &filter), sim_wallet_in_block(chain.at[h]));
        for (size_t i = 0; i < chain.at[h]->parsed.n_txs; i++)
            in_tx = in_tx || sim_wallet_in_tx(chain.at[h], i);
        assert_int_equal(in_tx, sim_wallet_in_block(chain.at[h]));
        n_found += in_tx;
    }
    assert_in_range(n_found, 20, LENGTH);
    spv_filter_matcher_free(matcher);
    spv_filter_query_free(query);
}

static const char *apply(struct sim_filter_store *store, const struct sim_filters *table,
                         uint32_t first, size_t n)
{
    struct spv_filter_header headers[LENGTH + 1];
    struct spv_filter_hash hashes[LENGTH + 1];
    for (size_t i = 0; i < n; i++) {
        headers[i] = table->at[first + i].header;
        hashes[i] = table->at[first + i].hash;
    }
    return sim_filter_store_apply(
        store, &(struct spv_filter_update){.first = first,
                                           .headers = headers,
                                           .hashes = hashes,
                                           .n = n,
                                           .last_block = chain.at[first + n - 1]->hash});
}

static void the_clients_store_refuses_what_a_database_refuses(void **state)
{
    struct sim_filter_store store;
    struct sim_filters table;
    (void)state;
    sim_filters_copy(&table, &chain);
    sim_filters_replace_hash(&table, 0, 1);
    sim_filter_store_init(&store, &chain.store);
    assert_non_null(apply(&store, &table, 1, 5)); /* above a false genesis */
    assert_non_null(apply(&store, &chain.filters, 2, 5));
    assert_null(apply(&store, &chain.filters, 1, 5));
    assert_non_null(apply(&store, &chain.filters, 7, 5)); /* a gap */
    assert_non_null(apply(&store, &chain.filters, 5, 5));
    assert_non_null(apply(&store, &table, 6, 5)); /* not joined */
    assert_null(apply(&store, &chain.filters, 6, 5));
    assert_int_equal(sim_filter_store_end(&store), 11);
    for (uint32_t h = 2; h <= 10; h++) {
        const struct sim_filter *f = &chain.filters.at[h];
        const struct spv_bytes bytes = {f->bytes, f->n};
        assert_null(sim_filter_store_keep(&store, h, &bytes, 3 * f->n));
        assert_in_range(store.kept_bytes, f->n, 3 * f->n);
    }
    assert_non_null(sim_filter_store_keep(
        &store, 9, &(struct spv_bytes){chain.filters.at[8].bytes, chain.filters.at[8].n}, 1000));
    assert_null(sim_filter_store_drop(&store, 10));
    assert_int_equal(sim_filter_store_end(&store), 10);
    assert_null(sim_filter_store_drop(&store, 0));
    assert_int_equal(store.kept + store.kept_bytes, 0);
    assert_null(apply(&store, &chain.filters, 0, LENGTH + 1)); /* genesis is built in */
    sim_filter_store_free(&store);
    sim_filters_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_match_their_merkle_roots_and_witness_commitments),
        cmocka_unit_test(the_filter_header_of_genesis_is_the_built_in_one),
        cmocka_unit_test(the_same_seed_makes_the_same_blocks),
        cmocka_unit_test(a_fork_shares_blocks_and_spends_what_is_unspent_there),
        cmocka_unit_test(true_filters_are_proven_false_by_no_block),
        cmocka_unit_test(false_filters_are_false_as_named),
        cmocka_unit_test(a_table_of_false_filters_forks_its_filter_headers_there),
        cmocka_unit_test(the_wallet_is_where_its_scripts_are),
        cmocka_unit_test(the_clients_store_refuses_what_a_database_refuses),
    };
    return cmocka_run_group_tests_name("sim: blocks and filters", tests, make_chain, free_chain);
}
