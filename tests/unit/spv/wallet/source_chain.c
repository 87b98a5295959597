/* The chain of a source fixture: transactions, blocks, reorganisations. */
#include "source_fixture.h"

#include "spv/bloom.h"
#include "spv/merkle.h"
#include "spv/mine.h"
#include "util/buffer.h"

struct spv_bytes source_script(uint8_t out[SOURCE_SCRIPT], uint32_t number)
{
    memset(out, 0x5a, SOURCE_SCRIPT);
    out[0] = 0;
    out[1] = 20;
    memcpy(out + 2, &number, sizeof number);
    return (struct spv_bytes){out, SOURCE_SCRIPT};
}

void source_open(struct source_fixture *f, uint64_t seed)
{
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_REGTEST)};

    memset(f, 0, sizeof *f);
    f->seed = f->random.state = seed;
    f->now = (struct spv_now){.mono_us = 1000 * SPV_SECOND, .unix_s = INT64_C(4000000000)};
    assert_int_equal(spv_chain_new(&f->chain, &cfg), 0);
    spv_effects_init(&f->effects);
    spv_block_fetch_init(&f->fetch, f->chain, cfg.params, &f->effects, &f->table,
                         test_random_rng(&f->random));
}

static void free_block(struct source_block *b)
{
    for (size_t i = 0; i < b->n; i++)
        built_tx_free(&b->txs[i].built);
    free(b->bytes);
    memset(b, 0, sizeof *b);
}

void source_close(struct source_fixture *f)
{
    spv_bloom_scan_free(f->bloom);
    spv_block_scan_free(f->whole);
    for (size_t i = 0; i < SOURCE_PEERS; i++) {
        spv_bloom_free(f->peers[i].filter);
        free(f->peers[i].queue);
    }
    for (size_t i = 0; i <= SOURCE_BLOCKS; i++)
        free_block(&f->blocks[i]);
    spv_effects_free(&f->effects);
    spv_chain_free(f->chain);
}

static void begin_block(struct source_fixture *f)
{
    struct source_block *b = &f->blocks[f->tip + 1];
    uint8_t script[SOURCE_SCRIPT];
    const struct built_output output = {source_script(script, 1000000 + f->tip), 5000};
    const struct built_spec spec = {
        .outputs = &output, .n_outputs = 1, .lock_time = (uint32_t)test_random_next(&f->random)};

    assert_true(f->tip < SOURCE_BLOCKS);
    if (b->n == 0)
        build_tx(&b->txs[b->n++].built, &spec);
}

size_t source_pay(struct source_fixture *f, const struct built_tx *spends, uint32_t vout,
                  uint32_t a, uint32_t b)
{
    struct source_block *block = &f->blocks[f->tip + 1];
    uint8_t scripts[2][SOURCE_SCRIPT];
    const struct built_output outputs[] = {
        {source_script(scripts[0], a ? a : 2000000 + f->tip), 1000},
        {source_script(scripts[1], b ? b : 3000000 + f->tip), 2000}};
    struct built_input input = {.vout = vout};
    const struct built_spec spec = {.inputs = &input,
                                    .n_inputs = 1,
                                    .outputs = outputs,
                                    .n_outputs = 2,
                                    .lock_time = (uint32_t)test_random_next(&f->random)};

    begin_block(f);
    assert_true(block->n < SOURCE_TXS);
    if (spends)
        input.prev = spends->txid;
    else
        test_random_fill(&f->random, input.prev.b, sizeof input.prev.b);
    block->txs[block->n].scripts[0] = a;
    block->txs[block->n].scripts[1] = b;
    build_tx(&block->txs[block->n].built, &spec);
    return block->n++;
}

void source_add_raw(struct source_fixture *f, const uint8_t *bytes, size_t n)
{
    struct source_block *block = &f->blocks[f->tip + 1];

    begin_block(f);
    struct built_tx *built = &block->txs[block->n++].built;
    built->bytes = malloc(n);
    assert_non_null(built->bytes);
    memcpy(built->bytes, bytes, n);
    assert_int_equal(spv_tx_parse(&built->tx, built->bytes, n), 0);
    spv_tx_txid(&built->txid, &built->tx);
}

uint32_t source_mine(struct source_fixture *f)
{
    struct spv_header header = {.version = 4};
    struct spv_chain_header genesis;
    struct source_block *b = &f->blocks[f->tip + 1];
    struct spv_accept_result result;
    uint8_t raw[SPV_HEADER_SIZE];
    struct spv_buffer bytes;

    begin_block(f);
    assert_int_equal(spv_chain_header_at(f->chain, &genesis, 0), 1);
    header.prev = f->tip ? f->blocks[f->tip].hash : genesis.hash;
    header.time = genesis.header.time + 600 * (f->tip + 1);
    header.bits = genesis.header.bits;
    for (size_t i = 0; i < b->n; i++)
        b->txids[i] = b->txs[i].built.txid;
    assert_int_equal(spv_merkle_root(&header.merkle_root, b->txids, b->n), 0);
    assert_int_equal(spv_mine_header(&header, &b->hash), 0);
    spv_header_encode(raw, &header);
    spv_buffer_init(&bytes);
    spv_buffer_put(&bytes, raw, sizeof raw);
    spv_buffer_compact(&bytes, b->n);
    for (size_t i = 0; i < b->n; i++)
        spv_buffer_put(&bytes, b->txs[i].built.bytes, b->txs[i].built.tx.n);
    assert_int_equal(bytes.error, 0);
    b->bytes = bytes.data;
    assert_int_equal(spv_block_parse(&b->block, bytes.data, bytes.len), 0);
    assert_int_equal(spv_chain_accept(f->chain, &result, &header, 1, f->now), 0);
    assert_int_equal(result.error, 0);
    if (result.update.kind != SPV_UPDATE_NONE)
        spv_chain_stored(f->chain);
    return ++f->tip;
}

void source_mine_to(struct source_fixture *f, uint32_t height)
{
    while (f->tip < height)
        source_mine(f);
}

struct built_tx *source_tx(struct source_fixture *f, uint32_t height, size_t n)
{
    return &f->blocks[height].txs[n].built;
}

void source_reorganise(struct source_fixture *f, uint32_t height)
{
    for (uint32_t h = height + 1; h <= f->tip; h++)
        free_block(&f->blocks[h]);
    memset(f->found[height + 1], 0, (SOURCE_BLOCKS - height) * sizeof f->found[0]);
    f->tip = height;
}
