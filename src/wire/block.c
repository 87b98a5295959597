/* A block is its header, a count and as many transactions. Parsing reads all of them once, so that
 * iterating later cannot fail; the iterator parses each again. */
#include "spv/block.h"

#include "spv/error.h"
#include "wire/tx.h"

#define MIN_TX 60 /* bytes: one input and one output, both scripts empty */

void spv_block_read(struct spv_block *out, struct spv_cursor *c)
{
    const uint8_t *start = c->p;
    const uint8_t *header = spv_cursor_take(c, SPV_HEADER_SIZE);

    *out = (struct spv_block){.bytes = start, .n_txs = spv_cursor_count(c, SIZE_MAX, MIN_TX)};
    if (out->n_txs == 0) /* consensus: a block has a coinbase */
        spv_cursor_fail(c, SPV_ERR_MALFORMED);
    if (c->error != 0)
        return;
    spv_header_decode(&out->header, header);
    out->txs_at = (size_t)(c->p - start);
    out->stripped_size = out->txs_at;
    for (size_t i = 0; i < out->n_txs && c->error == 0; i++) {
        struct spv_tx tx;
        spv_tx_read(&tx, c);
        out->stripped_size += tx.stripped_size;
        out->has_witness = out->has_witness || tx.has_witness;
    }
    if (c->error == 0)
        out->n = (size_t)(c->p - start);
}

int spv_block_parse(struct spv_block *out, const uint8_t *bytes, size_t n)
{
    struct spv_cursor c = spv_cursor_over(bytes, n);

    spv_block_read(out, &c);
    return spv_cursor_finish(&c);
}

size_t spv_block_weight(const struct spv_block *block)
{
    return block->stripped_size * (SPV_WITNESS_SCALE - 1) + block->n;
}

struct spv_block_iter spv_block_txs(const struct spv_block *block)
{
    return (struct spv_block_iter){
        .at = block->bytes + block->txs_at, .end = block->bytes + block->n, .left = block->n_txs};
}

bool spv_block_next(struct spv_block_iter *iter, struct spv_tx *out)
{
    if (iter->left == 0)
        return false;
    struct spv_cursor c = spv_cursor_over(iter->at, (size_t)(iter->end - iter->at));
    iter->left--;
    spv_tx_read(out, &c);
    iter->at = c.p;
    return true;
}
