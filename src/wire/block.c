/* A block is its header, a count and so many transactions. Parsing reads them all once, to know
 * that the walk later cannot fail; the walk reads each again when it is asked for. */
#include "spv/block.h"

#include "spv/error.h"
#include "wire/tx.h"

#define TX_LEAST 60 /* one input and one output, both scripts empty */

void spv_block_read(struct spv_block *out, struct spv_cursor *c)
{
    const uint8_t *start = c->p;
    const uint8_t *header = spv_cursor_take(c, SPV_HEADER_SIZE);

    *out = (struct spv_block){.bytes = start, .n_txs = spv_cursor_count(c, SIZE_MAX, TX_LEAST)};
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

bool spv_block_next(struct spv_block_iter *walk, struct spv_tx *out)
{
    if (walk->left == 0)
        return false;
    struct spv_cursor c = spv_cursor_over(walk->at, (size_t)(walk->end - walk->at));
    walk->left--;
    spv_tx_read(out, &c);
    walk->at = c.p;
    return true;
}
