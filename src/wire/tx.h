/* Parsing of transactions and blocks from a cursor, for codecs and blocks; and the iterators' steps
 * inline, for loops over all inputs and outputs of a block. */
#ifndef SPV_WIRE_TX_H
#define SPV_WIRE_TX_H

#include "spv/block.h"
#include "spv/tx.h"
#include "util/cursor.h"

/* Parse one transaction or block and leave the cursor behind it. Errors are the cursor's; out is
 * then undefined. */
void spv_tx_read(struct spv_tx *out, struct spv_cursor *c);
void spv_block_read(struct spv_block *out, struct spv_cursor *c);

/* A CompactSize length and as many bytes. */
static inline struct spv_bytes spv_tx_take_bytes(struct spv_cursor *c)
{
    struct spv_bytes out = {.n = (size_t)spv_cursor_compact(c)};

    out.bytes = spv_cursor_take(c, out.n);
    return out;
}

/* Sets the cursor to the next entry; false at the end. */
static inline bool spv_tx_take_item(struct spv_tx_iter *iter, struct spv_cursor *c)
{
    if (iter->left == 0)
        return false;
    iter->left--;
    *c = spv_cursor_over(iter->at, (size_t)(iter->end - iter->at));
    return true;
}

/* spv_tx_next_input and spv_tx_next_output. */
static inline bool spv_tx_take_input(struct spv_tx_iter *iter, struct spv_tx_input *out)
{
    struct spv_cursor c;

    if (!spv_tx_take_item(iter, &c))
        return false;
    spv_cursor_copy(&c, out->prev.b, sizeof out->prev.b);
    out->index = spv_cursor_u32(&c);
    out->script = spv_tx_take_bytes(&c);
    out->sequence = spv_cursor_u32(&c);
    iter->at = c.p;
    return true;
}

static inline bool spv_tx_take_output(struct spv_tx_iter *iter, struct spv_tx_output *out)
{
    struct spv_cursor c;

    if (!spv_tx_take_item(iter, &c))
        return false;
    out->value = (int64_t)spv_cursor_u64(&c);
    out->script = spv_tx_take_bytes(&c);
    iter->at = c.p;
    return true;
}

#endif
