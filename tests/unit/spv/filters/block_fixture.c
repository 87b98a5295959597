#include "block_fixture.h"

#include "support/unit.h"

#include "spv/merkle.h"
#include "spv/mine.h"
#include "util/hash.h"

#define COMMITMENT 38 /* bytes of its script */

const struct spv_now fixture_late = {.mono_us = 1000 * SPV_SECOND, .unix_s = INT64_C(4000000000)};

void fixture_script(uint8_t out[BLOCK_FIXTURE_SCRIPT], uint32_t number)
{
    memset(out, 0, BLOCK_FIXTURE_SCRIPT);
    out[0] = 0x51; /* no OP_RETURN */
    memcpy(out + 1, &number, sizeof number);
}

static void put_output(struct spv_buffer *b, const uint8_t *script, size_t n)
{
    spv_buffer_u64(b, 1000);
    spv_buffer_compact(b, n);
    spv_buffer_put(b, script, n);
}

/* commitment: NULL without witnesses. */
static void put_coinbase(struct spv_buffer *b, uint32_t height, uint32_t salt,
                         const uint8_t *commitment)
{
    static const uint8_t zero[32];
    uint8_t script[BLOCK_FIXTURE_SCRIPT];

    spv_buffer_u32(b, 1);
    if (commitment)
        spv_buffer_u16be(b, 1);
    spv_buffer_u8(b, 1);
    spv_buffer_put(b, zero, sizeof zero);
    spv_buffer_u32(b, UINT32_MAX);
    spv_buffer_u8(b, 10);
    spv_buffer_u8(b, 4);
    spv_buffer_u32(b, height);
    spv_buffer_u8(b, 4);
    spv_buffer_u32(b, salt);
    spv_buffer_u32(b, UINT32_MAX);
    spv_buffer_u8(b, commitment ? 2 : 1);
    fixture_script(script, 1000000 + height);
    put_output(b, script, sizeof script);
    if (commitment) {
        put_output(b, commitment, COMMITMENT);
        spv_buffer_u8(b, 1);
        spv_buffer_u8(b, 32);
        spv_buffer_put(b, zero, sizeof zero);
    }
    spv_buffer_u32(b, 0);
}

static void put_tx(struct spv_buffer *b, const struct fixture_tx *tx)
{
    spv_buffer_u32(b, 2);
    if (tx->has_witness)
        spv_buffer_u16be(b, 1);
    spv_buffer_u8(b, 1);
    spv_buffer_put(b, tx->prev.b, sizeof tx->prev.b);
    spv_buffer_u32(b, 0);
    spv_buffer_u8(b, 0);
    spv_buffer_u32(b, UINT32_MAX);
    spv_buffer_u8(b, 1);
    put_output(b, tx->script, sizeof tx->script);
    if (tx->has_witness) {
        spv_buffer_u8(b, 1);
        spv_buffer_u8(b, 1);
        spv_buffer_u8(b, 0x51);
    }
    spv_buffer_u32(b, 0);
}

static void compute_commitment(uint8_t out[COMMITMENT], const struct fixture_tx *txs, size_t n)
{
    struct spv_txid wtxids[8] = {{{0}}};
    uint8_t both[64] = {0};
    struct spv_hash256 root;

    for (size_t i = 0; i < n; i++) {
        struct spv_buffer b;
        spv_buffer_init(&b);
        put_tx(&b, &txs[i]);
        spv_sha256d(wtxids[i + 1].b, b.data, b.len);
        spv_buffer_free(&b);
    }
    assert_int_equal(spv_merkle_root(&root, wtxids, n + 1), 0);
    memcpy(both, root.b, 32);
    memcpy(out, "\x6a\x24\xaa\x21\xa9\xed", 6);
    spv_sha256d(out + 6, both, sizeof both);
}

void fixture_block_parse(struct fixture_block *block)
{
    assert_int_equal(block->bytes.error, 0);
    assert_int_equal(spv_block_parse(&block->block, block->bytes.data, block->bytes.len), 0);
    spv_header_hash(&block->hash, &block->block.header);
}

static void make(struct fixture_block *out, struct spv_header header, uint32_t height,
                 const struct fixture_tx *txs, size_t n, uint32_t salt)
{
    uint8_t commitment[COMMITMENT];
    static const uint8_t raw[SPV_HEADER_SIZE];
    struct spv_block_iter iter;
    struct spv_tx tx;
    bool has_witness = false;

    assert_true(n < 8);
    *out = (struct fixture_block){.height = height};
    spv_buffer_init(&out->bytes);
    for (size_t i = 0; i < n; i++)
        has_witness |= txs[i].has_witness;
    compute_commitment(commitment, txs, n);
    spv_buffer_put(&out->bytes, raw, sizeof raw);
    spv_buffer_u8(&out->bytes, (uint8_t)(n + 1));
    put_coinbase(&out->bytes, height, salt, has_witness ? commitment : NULL);
    for (size_t i = 0; i < n; i++)
        put_tx(&out->bytes, &txs[i]);
    fixture_block_parse(out);
    iter = spv_block_txs(&out->block);
    for (size_t i = 0; spv_block_next(&iter, &tx); i++)
        spv_tx_txid(&out->txids[i], &tx);
    assert_int_equal(spv_merkle_root(&header.merkle_root, out->txids, n + 1), 0);
    assert_int_equal(spv_mine_header(&header, &out->hash), 0);
    spv_header_encode(out->bytes.data, &header);
    fixture_block_parse(out);
}

void fixture_block_make_on(struct fixture_block *out, const struct spv_chain_header *parent,
                           const struct fixture_tx *txs, size_t n, uint32_t salt)
{
    const struct spv_header header = {.version = 4,
                                      .prev = parent->hash,
                                      .time = parent->header.time + 600,
                                      .bits = parent->header.bits};

    make(out, header, parent->height + 1, txs, n, salt);
}

void fixture_block_make(struct fixture_block *out, struct spv_chain *chain,
                        const struct fixture_tx *txs, size_t n, uint32_t salt)
{
    struct spv_accept_result result;

    fixture_block_make_on(out, spv_chain_tip(chain), txs, n, salt);
    assert_int_equal(spv_chain_accept(chain, &result, &out->block.header, 1, fixture_late), 0);
    assert_int_equal(result.error, 0);
    if (result.update.kind != SPV_UPDATE_NONE)
        spv_chain_stored(chain);
}

void fixture_block_free(struct fixture_block *block)
{
    spv_buffer_free(&block->bytes);
}

struct spv_chain *fixture_chain_new(void)
{
    const struct spv_chain_config cfg = {.params = spv_params_get(SPV_REGTEST)};
    struct spv_chain *chain;

    assert_int_equal(spv_chain_new(&chain, &cfg), 0);
    return chain;
}
