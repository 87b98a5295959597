#include "chain_builder.h"

#include "spv/header.h"
#include "spv/merkle.h"
#include "util/buffer.h"

#define BLOCK_TIME 1700000000 /* of the block at height 0; one every ten minutes */

static void put_inputs(struct spv_buffer *b, const struct built_spec *spec)
{
    static const uint8_t zero[32];

    spv_buffer_compact(b, spec->n_inputs == 0 ? 1 : spec->n_inputs);
    for (size_t i = 0; i < spec->n_inputs; i++) {
        spv_buffer_put(b, spec->inputs[i].prev.b, 32);
        spv_buffer_u32(b, spec->inputs[i].vout);
        spv_buffer_u8(b, 0);
        spv_buffer_u32(b, 0xfffffffd);
    }
    if (spec->n_inputs > 0)
        return;
    spv_buffer_put(b, zero, sizeof zero);
    spv_buffer_u32(b, UINT32_MAX);
    spv_buffer_u8(b, 2);
    spv_buffer_u16(b, 0x5151);
    spv_buffer_u32(b, UINT32_MAX);
}

void build_tx(struct built_tx *out, const struct built_spec *spec)
{
    const bool witness = spec->witness && spec->n_inputs > 0;
    struct spv_buffer b;

    spv_buffer_init(&b);
    spv_buffer_u32(&b, 2);
    if (witness)
        spv_buffer_u16(&b, 0x0100);
    put_inputs(&b, spec);
    spv_buffer_compact(&b, spec->n_outputs);
    for (size_t i = 0; i < spec->n_outputs; i++) {
        spv_buffer_u64(&b, (uint64_t)spec->outputs[i].value);
        spv_buffer_compact(&b, spec->outputs[i].script.n);
        spv_buffer_put(&b, spec->outputs[i].script.bytes, spec->outputs[i].script.n);
    }
    for (size_t i = 0; witness && i < spec->n_inputs; i++) {
        spv_buffer_compact(&b, 1);
        spv_buffer_compact(&b, 1);
        spv_buffer_u8(&b, 0x77);
    }
    spv_buffer_u32(&b, spec->lock_time);
    assert_int_equal(b.error, 0);
    out->bytes = b.data;
    assert_int_equal(spv_tx_parse(&out->tx, b.data, b.len), 0);
    spv_tx_txid(&out->txid, &out->tx);
}

void built_tx_free(struct built_tx *tx)
{
    free(tx->bytes);
    tx->bytes = NULL;
}

void build_block(struct built_block *out, uint32_t height, uint32_t salt,
                 const struct built_tx *const *txs, size_t n)
{
    struct spv_header header = {.version = 4, .bits = 0x207fffff, .nonce = salt};
    struct spv_txid *txids = malloc(n * sizeof *txids);
    struct spv_buffer b;
    uint8_t raw[80];

    assert_non_null(txids);
    for (size_t i = 0; i < n; i++)
        txids[i] = txs[i]->txid;
    assert_int_equal(spv_merkle_root(&header.merkle_root, txids, n), 0);
    header.time = BLOCK_TIME + height * 600;
    spv_header_encode(raw, &header);
    spv_buffer_init(&b);
    spv_buffer_put(&b, raw, sizeof raw);
    spv_buffer_compact(&b, n);
    for (size_t i = 0; i < n; i++)
        spv_buffer_put(&b, txs[i]->tx.bytes, txs[i]->tx.n);
    assert_int_equal(b.error, 0);
    out->bytes = b.data;
    assert_int_equal(spv_block_parse(&out->block, b.data, b.len), 0);
    out->in = (struct spv_wallet_block){
        .point.height = height, .time = header.time, .whole = &out->block};
    spv_header_hash(&out->in.point.hash, &header);
    free(txids);
}

void built_block_free(struct built_block *block)
{
    free(block->bytes);
    block->bytes = NULL;
}
