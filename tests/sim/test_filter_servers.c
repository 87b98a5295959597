/* Simulated servers answer compact filter and block requests as they are configured. */
#include "seeds.h"

#include "probe.h"
#include "spv/merkle.h"
#include "support/sim/blocks.h"

#define LENGTH 2100

static struct sim_blocks chain, fork_chain;

static int make_chains(void **state)
{
    (void)state;
    sim_blocks_init(&chain, spv_params_get(SPV_REGTEST));
    sim_blocks_grow(&chain, &(struct sim_blocks_plan){.n = LENGTH, .seed = 1, .txs_max = 1});
    sim_blocks_fork(&fork_chain, &chain, LENGTH - 5, &(struct sim_blocks_plan){.n = 7, .seed = 2});
    return 0;
}

static int free_chains(void **state)
{
    (void)state;
    sim_blocks_free(&chain);
    sim_blocks_free(&fork_chain);
    return 0;
}

/* A simulation with one server, and a probe that is connected to it. */
struct fixture {
    struct sim *sim;
    struct probe probe;
};

static void open_with(struct fixture *f, const struct sim_server_config *cfg)
{
    f->sim = sim_new(&(struct sim_config){.seed = 5});
    sim_add_server(f->sim, cfg);
    sim_add_client(f->sim, &(struct sim_client_config){0});
    probe_open(&f->probe, f->sim, 0);
    assert_null(sim_broken(f->sim));
}

static void open_probe(struct fixture *f, const struct sim_filter_service *service)
{
    struct sim_server_config cfg = {.filters = *service};
    if (!cfg.filters.blocks)
        cfg.filters.blocks = &chain;
    open_with(f, &cfg);
}

static void close_probe(struct fixture *f)
{
    assert_null(sim_broken(f->sim));
    probe_clear(&f->probe);
    sim_free(f->sim);
}

/* Sends one request and waits for all answers. */
static void request(struct fixture *f, enum spv_command command, uint32_t start, uint32_t stop)
{
    probe_clear(&f->probe);
    probe_get_filters(&f->probe, command, start, &chain.at[stop]->hash);
    probe_run(&f->probe, 30);
}

static struct sim_filter_counts counts(const struct fixture *f)
{
    return sim_server_filter_counts(f->sim, 0);
}

static void assert_filter(const struct probe_msg *msg, const struct sim_filters *table,
                          uint32_t height)
{
    assert_int_equal(msg->command, SPV_CMD_CFILTER);
    assert_memory_equal(msg->hash.b, chain.at[height]->hash.b, 32);
    assert_int_equal(msg->n, table->at[height].n);
    assert_memory_equal(msg->bytes, table->at[height].bytes, msg->n);
}

static void assert_cfheaders(const struct probe_msg *msg, const struct sim_filters *table,
                             uint32_t start, uint32_t stop)
{
    assert_int_equal(msg->command, SPV_CMD_CFHEADERS);
    assert_memory_equal(msg->hash.b, chain.at[stop]->hash.b, 32);
    assert_int_equal(msg->n, 32 * (stop - start + 1));
    if (start > 0)
        assert_memory_equal(msg->prev.b, table->at[start - 1].header.b, 32);
    for (uint32_t h = start; h <= stop; h++)
        assert_memory_equal(msg->bytes + 32 * (size_t)(h - start), table->at[h].hash.b, 32);
}

static void assert_cfcheckpt(const struct probe_msg *msg, const struct sim_filters *table)
{
    assert_int_equal(msg->command, SPV_CMD_CFCHECKPT);
    assert_int_equal(msg->n, 64);
    assert_memory_equal(msg->bytes, table->at[1000].header.b, 32);
    assert_memory_equal(msg->bytes + 32, table->at[2000].header.b, 32);
}

static void an_honest_server_answers_with_the_true_filters(void **state)
{
    struct fixture f;
    (void)state;
    open_probe(&f, &(struct sim_filter_service){.blocks = &chain});
    request(&f, SPV_CMD_GETCFCHECKPT, 0, LENGTH);
    assert_int_equal(f.probe.n, 1);
    assert_cfcheckpt(&f.probe.msgs[0], &chain.filters);
    request(&f, SPV_CMD_GETCFHEADERS, 101, LENGTH);
    assert_int_equal(f.probe.n, 1);
    assert_cfheaders(&f.probe.msgs[0], &chain.filters, 101, LENGTH);
    request(&f, SPV_CMD_GETCFHEADERS, 0, 0);
    assert_cfheaders(&f.probe.msgs[0], &chain.filters, 0, 0);
    request(&f, SPV_CMD_GETCFILTERS, 1, 1000);
    assert_int_equal(f.probe.n, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_filter(&f.probe.msgs[i], &chain.filters, 1 + i);
    assert_int_equal(counts(&f).filters_sent, 1000);
    assert_int_equal(counts(&f).closed, 0);
    close_probe(&f);
}

static void what_bitcoin_core_closes_on_closes(void **state)
{
    static const struct {
        enum spv_command command;
        uint32_t start, stop;
    } cases[] = {
        {SPV_CMD_GETCFILTERS, 1, 1001},   {SPV_CMD_GETCFHEADERS, 1, 2001},
        {SPV_CMD_GETCFILTERS, 11, 10},    {SPV_CMD_GETCFHEADERS, 11, 10},
        {SPV_CMD_GETCFILTERS, 0, LENGTH},
    };
    static const struct spv_blockhash unknown = {{1}};
    struct fixture f;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_probe(&f, &(struct sim_filter_service){.blocks = &chain});
        request(&f, cases[i].command, cases[i].start, cases[i].stop);
        assert_true(f.probe.closed);
        assert_int_equal(f.probe.n, 0);
        assert_int_equal(counts(&f).closed, 1);
        close_probe(&f);
    }
    for (unsigned i = 0; i < 3; i++) {
        static const enum spv_command commands[] = {SPV_CMD_GETCFILTERS, SPV_CMD_GETCFHEADERS,
                                                    SPV_CMD_GETCFCHECKPT};
        open_probe(&f, &(struct sim_filter_service){.blocks = &chain});
        probe_get_filters(&f.probe, commands[i], 0, &unknown);
        probe_run(&f.probe, 10);
        assert_true(f.probe.closed);
        close_probe(&f);
    }
    open_probe(&f, &(struct sim_filter_service){.blocks = &chain});
    probe_send(&f.probe, &(struct spv_msg){.command = SPV_CMD_GETCFHEADERS,
                                           .u.getcfilters = {1, 0, chain.at[1]->hash}});
    probe_run(&f.probe, 10);
    assert_true(f.probe.closed);
    close_probe(&f);
}

static void a_replaced_branch_is_still_served(void **state)
{
    struct fixture f;
    (void)state;
    open_probe(&f, &(struct sim_filter_service){.blocks = &chain});
    sim_server_announce_blocks(f.sim, 0, &fork_chain);
    probe_run(&f.probe, 5);
    request(&f, SPV_CMD_GETCFHEADERS, LENGTH - 9, LENGTH);
    assert_cfheaders(&f.probe.msgs[0], &chain.filters, LENGTH - 9, LENGTH);
    probe_clear(&f.probe);
    probe_get_filters(&f.probe, SPV_CMD_GETCFILTERS, LENGTH, &fork_chain.at[LENGTH + 2]->hash);
    probe_run(&f.probe, 10);
    assert_int_equal(f.probe.n, 3);
    assert_memory_equal(f.probe.msgs[2].hash.b, fork_chain.at[LENGTH + 2]->hash.b, 32);
    assert_false(f.probe.closed);
    close_probe(&f);
}

/* Filters, filter headers and checkpoints of three tables: each answer is of its own. */
static void tables_of_a_liar_are_served(void **state)
{
    struct sim_filters tables[3];
    struct fixture f;
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        sim_filters_copy(&tables[i], &chain);
        sim_filters_lie(&tables[i], &chain, 500 + i, SIM_EMPTY);
    }
    open_probe(&f, &(struct sim_filter_service){
                       .filters = &tables[0], .headers = &tables[1], .checkpoints = &tables[2]});
    request(&f, SPV_CMD_GETCFCHECKPT, 0, LENGTH);
    assert_cfcheckpt(&f.probe.msgs[0], &tables[2]);
    request(&f, SPV_CMD_GETCFHEADERS, 495, 505);
    assert_cfheaders(&f.probe.msgs[0], &tables[1], 495, 505);
    request(&f, SPV_CMD_GETCFILTERS, 500, 501);
    assert_filter(&f.probe.msgs[0], &tables[0], 500);
    assert_int_equal(f.probe.msgs[0].n, 1);
    assert_filter(&f.probe.msgs[1], &chain.filters, 501);
    close_probe(&f);
    open_probe(&f, &(struct sim_filter_service){.filters = &tables[0]}); /* in all its answers */
    request(&f, SPV_CMD_GETCFCHECKPT, 0, LENGTH);
    assert_cfcheckpt(&f.probe.msgs[0], &tables[0]);
    request(&f, SPV_CMD_GETCFHEADERS, 495, 505);
    assert_cfheaders(&f.probe.msgs[0], &tables[0], 495, 505);
    close_probe(&f);
    for (uint32_t i = 0; i < 3; i++)
        sim_filters_free(&tables[i]);
}

static void answers_have_more_or_fewer_entries(void **state)
{
    struct fixture f;
    (void)state;
    for (int more = -1; more <= 1; more++) {
        open_probe(&f, &(struct sim_filter_service){
                           .more_checkpoints = more, .more_headers = more, .more_filters = more});
        request(&f, SPV_CMD_GETCFCHECKPT, 0, LENGTH);
        assert_int_equal(f.probe.msgs[0].n, 32 * (2 + more));
        request(&f, SPV_CMD_GETCFHEADERS, 11, 20);
        assert_int_equal(f.probe.msgs[0].n, 32 * (10 + more));
        request(&f, SPV_CMD_GETCFILTERS, 11, 20);
        assert_int_equal(f.probe.n, 10 + more);
        if (more > 0)
            assert_filter(&f.probe.msgs[10], &chain.filters, 10);
        close_probe(&f);
    }
}

static void filters_come_in_another_order_or_twice(void **state)
{
    struct fixture f;
    (void)state;
    open_probe(&f, &(struct sim_filter_service){.reversed = true});
    request(&f, SPV_CMD_GETCFILTERS, 11, 20);
    assert_int_equal(f.probe.n, 10);
    for (uint32_t i = 0; i < 10; i++)
        assert_filter(&f.probe.msgs[i], &chain.filters, 20 - i);
    close_probe(&f);
    open_probe(&f, &(struct sim_filter_service){.twice = true});
    request(&f, SPV_CMD_GETCFILTERS, 11, 20);
    assert_int_equal(f.probe.n, 20);
    for (uint32_t i = 0; i < 20; i++)
        assert_filter(&f.probe.msgs[i], &chain.filters, 11 + i / 2);
    request(&f, SPV_CMD_GETCFHEADERS, 11, 20);
    assert_int_equal(f.probe.n, 2);
    request(&f, SPV_CMD_GETCFCHECKPT, 0, 20);
    assert_int_equal(f.probe.n, 2);
    close_probe(&f);
}

static void silence_and_closing_are_by_kind_of_request(void **state)
{
    static const enum spv_command commands[] = {SPV_CMD_GETCFCHECKPT, SPV_CMD_GETCFHEADERS,
                                                SPV_CMD_GETCFILTERS};
    struct fixture f;
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        open_probe(&f, &(struct sim_filter_service){.mute = 1u << i});
        for (unsigned k = 0; k < 3; k++) {
            request(&f, commands[k], 11, 11);
            assert_int_equal(f.probe.n, k != i);
        }
        assert_false(f.probe.closed);
        close_probe(&f);
        open_probe(&f, &(struct sim_filter_service){.close_on = 1u << i});
        request(&f, commands[i], 11, 11);
        assert_true(f.probe.closed);
        assert_int_equal(counts(&f).unserved, 1);
        assert_int_equal(counts(&f).closed, 0);
        close_probe(&f);
    }
}

static void an_index_that_lags_is_silent(void **state)
{
    struct fixture f;
    (void)state;
    open_probe(&f, &(struct sim_filter_service){.indexed = 2000});
    request(&f, SPV_CMD_GETCFHEADERS, 1999, 2001);
    assert_int_equal(f.probe.n, 0);
    request(&f, SPV_CMD_GETCFHEADERS, 1999, 2000);
    assert_int_equal(f.probe.n, 1);
    assert_false(f.probe.closed);
    close_probe(&f);
    open_probe(&f, &(struct sim_filter_service){.index_delay_us = 40 * SPV_SECOND});
    sim_server_announce_blocks(f.sim, 0, &fork_chain);
    probe_clear(&f.probe);
    probe_get_filters(&f.probe, SPV_CMD_GETCFHEADERS, LENGTH - 5, &fork_chain.at[LENGTH - 4]->hash);
    probe_get_filters(&f.probe, SPV_CMD_GETCFHEADERS, LENGTH - 5, &fork_chain.at[LENGTH - 5]->hash);
    probe_run(&f.probe, 39);
    assert_int_equal(f.probe.n, 2); /* the announcement, and what it had before */
    probe_run(&f.probe, 2);
    probe_get_filters(&f.probe, SPV_CMD_GETCFHEADERS, LENGTH - 5, &fork_chain.at[LENGTH - 4]->hash);
    probe_run(&f.probe, 2);
    assert_int_equal(f.probe.n, 3);
    close_probe(&f);
}

static void get_block(struct fixture *f, uint32_t height)
{
    probe_clear(&f->probe);
    probe_get_block(&f->probe, &chain.at[height]->hash);
    probe_run(&f->probe, 10);
}

static void blocks_are_served_with_their_witnesses(void **state)
{
    static const struct spv_blockhash unknown = {{1}};
    struct fixture f;
    (void)state;
    open_probe(&f, &(struct sim_filter_service){.blocks_from = 1500});
    get_block(&f, LENGTH);
    assert_int_equal(f.probe.n, 1);
    assert_int_equal(f.probe.msgs[0].n, chain.at[LENGTH]->n);
    assert_memory_equal(f.probe.msgs[0].bytes, chain.at[LENGTH]->bytes, f.probe.msgs[0].n);
    assert_int_equal(sim_block_sent(f.sim, &chain.at[LENGTH]->hash), 1);
    get_block(&f, 1499); /* pruned: silence */
    assert_int_equal(f.probe.n, 0);
    probe_get_block(&f.probe, &unknown); /* silence, too */
    probe_run(&f.probe, 10);
    assert_int_equal(f.probe.n, 0);
    assert_false(f.probe.closed);
    assert_int_equal(counts(&f).blocks, 3);
    assert_int_equal(counts(&f).blocks_sent, 1);
    close_probe(&f);
}

static void old_blocks_close_where_bitcoin_core_does(void **state)
{
    struct fixture f;
    (void)state;
    open_with(&f,
              &(struct sim_server_config){.services = SPV_NODE_NETWORK_LIMITED | SPV_NODE_WITNESS |
                                                      SPV_NODE_COMPACT_FILTERS,
                                          .filters.blocks = &chain});
    get_block(&f, LENGTH - 290);
    assert_int_equal(f.probe.n, 1);
    get_block(&f, LENGTH - 291);
    assert_int_equal(f.probe.n, 0);
    assert_true(f.probe.closed);
    assert_int_equal(counts(&f).closed, 1);
    close_probe(&f);
    open_probe(&f, &(struct sim_filter_service){.max_depth = 100});
    get_block(&f, LENGTH - 100);
    assert_false(f.probe.closed);
    get_block(&f, LENGTH - 101);
    assert_true(f.probe.closed);
    assert_int_equal(counts(&f).unserved, 1);
    close_probe(&f);
}

static bool has_root(const struct spv_block *block)
{
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_txid txids[16];
    struct spv_hash256 root;
    struct spv_tx tx;
    size_t n = 0;
    while (spv_block_next(&iter, &tx))
        spv_tx_txid(&txids[n++], &tx);
    /* The doubled one has the root of the others. */
    const bool doubled = n == 4 && memcmp(&txids[2], &txids[3], sizeof(txids[0])) == 0;
    assert_int_equal(spv_merkle_root(&root, txids, doubled ? 3 : n), 0);
    return memcmp(root.b, block->header.merkle_root.b, 32) == 0;
}

static void false_blocks_are_false_as_named(void **state)
{
    uint32_t height = 1200;
    struct spv_block parsed;
    struct fixture f;
    (void)state;
    while (!fork_chain.at[height]->parsed.has_witness || fork_chain.at[height]->parsed.n_txs != 3)
        height++;
    const struct sim_block *block = fork_chain.at[height];
    for (enum sim_block_lie lie = SIM_BLOCK_OTHER; lie <= SIM_BLOCK_NOTFOUND; lie++) {
        open_probe(&f, &(struct sim_filter_service){.blocks = &fork_chain, .block_lie = lie});
        probe_get_block(&f.probe, &block->hash);
        probe_run(&f.probe, 10);
        const struct probe_msg *msg = f.probe.msgs;
        if (lie == SIM_BLOCK_CUT) { /* a malformed message: the probe's own end closes */
            assert_int_equal(f.probe.n, 0);
            close_probe(&f);
            continue;
        }
        assert_int_equal(f.probe.n, 1);
        assert_int_equal(msg->command,
                         lie == SIM_BLOCK_NOTFOUND ? SPV_CMD_NOTFOUND : SPV_CMD_BLOCK);
        if (lie != SIM_BLOCK_NOTFOUND) {
            assert_int_equal(spv_block_parse(&parsed, msg->bytes, msg->n), 0);
            assert_int_equal(spv_blockhash_eq(&msg->hash, &block->hash), lie != SIM_BLOCK_OTHER);
            assert_false(msg->n == block->n && memcmp(msg->bytes, block->bytes, msg->n) == 0);
            assert_int_equal(has_root(&parsed), lie != SIM_BLOCK_MUTATED);
            assert_int_equal(parsed.n_txs == 4, lie == SIM_BLOCK_DOUBLED);
        }
        close_probe(&f);
    }
}

/* While more than 1 MB of filters wait to be sent, nothing is read; then the rest is answered. */
static void a_server_with_a_full_send_queue_reads_nothing(void **state)
{
    struct sim_filters big;
    struct fixture f;
    uint64_t last = 0, block = 0;
    (void)state;
    sim_filters_copy(&big, &chain);
    for (uint32_t h = 1; h <= 50; h++) {
        uint8_t *bytes = calloc(1, 100000);
        assert_non_null(bytes);
        sim_filters_replace(&big, h, bytes, 100000);
    }
    open_with(&f, &(struct sim_server_config){
                      .bytes_per_s = 1000000,
                      .filters = {.blocks = &chain, .filters = &big, .headers = &chain.filters}});
    probe_get_filters(&f.probe, SPV_CMD_GETCFILTERS, 1, &chain.at[50]->hash);
    probe_run(&f.probe, 1);
    probe_get_block(&f.probe, &chain.at[LENGTH]->hash);
    probe_run(&f.probe, 1);
    assert_in_range(f.probe.n, 5, 25);
    assert_in_range(counts(&f).filters_sent, f.probe.n, f.probe.n + 20);
    assert_int_equal(counts(&f).blocks, 0);
    probe_run(&f.probe, 10);
    assert_int_equal(f.probe.n, 51);
    for (size_t i = 0; i < f.probe.n; i++)
        *(f.probe.msgs[i].command == SPV_CMD_BLOCK ? &block : &last) = f.probe.msgs[i].at_us;
    assert_true(block >= last);
    close_probe(&f);
    sim_filters_free(&big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_server_answers_with_the_true_filters),
        cmocka_unit_test(what_bitcoin_core_closes_on_closes),
        cmocka_unit_test(a_replaced_branch_is_still_served),
        cmocka_unit_test(tables_of_a_liar_are_served),
        cmocka_unit_test(answers_have_more_or_fewer_entries),
        cmocka_unit_test(filters_come_in_another_order_or_twice),
        cmocka_unit_test(silence_and_closing_are_by_kind_of_request),
        cmocka_unit_test(an_index_that_lags_is_silent),
        cmocka_unit_test(blocks_are_served_with_their_witnesses),
        cmocka_unit_test(old_blocks_close_where_bitcoin_core_does),
        cmocka_unit_test(false_blocks_are_false_as_named),
        cmocka_unit_test(a_server_with_a_full_send_queue_reads_nothing),
    };
    return cmocka_run_group_tests_name("sim: filter servers", tests, make_chains, free_chains);
}
