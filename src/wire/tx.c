/* One pass finds the offsets of inputs, outputs and witness and checks every length inside; the
 * iterators then read the same fields again with the same cursor and cannot fail.
 *
 * Layout (BIP144): version 4, [marker 0, flag 1], inputs, outputs, [a witness for each input], lock
 * time 4. A transaction without witness cannot be mistaken for one with a marker: it would have no
 * inputs, which consensus forbids. */
#include "wire/tx.h"

#include <string.h>

#include "spv/error.h"
#include "util/hash.h"

#define OUTPOINT 36
#define MIN_INPUT (OUTPOINT + 1 + 4) /* with an empty script */
#define MIN_OUTPUT (8 + 1)
#define MARKER_AND_FLAG 2

/* What is rare stays out of the loops that skip. */
static __attribute__((noinline)) void skip_any_bytes(struct spv_cursor *c, size_t before,
                                                     size_t after)
{
    spv_cursor_take(c, before);
    spv_tx_take_bytes(c);
    spv_cursor_take(c, after);
}

/* `before` bytes, a CompactSize length and as many bytes, `after` bytes. Most lengths are one byte:
 * then one comparison replaces four. */
static void skip_bytes(struct spv_cursor *c, size_t before, size_t after)
{
    const size_t left = spv_cursor_left(c);

    if (left > before && c->p[before] < 0xfd) {
        const size_t n = before + 1 + c->p[before] + after;
        if (n <= left) {
            c->p += n;
            return;
        }
    }
    skip_any_bytes(c, before, after);
}

static size_t skip_inputs(struct spv_cursor *c)
{
    size_t n = spv_cursor_count(c, SIZE_MAX, MIN_INPUT);

    for (size_t i = 0; i < n && c->error == 0; i++)
        skip_bytes(c, OUTPOINT, 4);
    return n;
}

static size_t skip_outputs(struct spv_cursor *c)
{
    size_t n = spv_cursor_count(c, SIZE_MAX, MIN_OUTPUT);

    for (size_t i = 0; i < n && c->error == 0; i++)
        skip_bytes(c, 8, 0);
    return n;
}

/* Returns the number of items. */
static size_t skip_witness(struct spv_cursor *c)
{
    size_t n = spv_cursor_count(c, SIZE_MAX, 1);

    for (size_t i = 0; i < n && c->error == 0; i++)
        skip_bytes(c, 0, 0);
    return n;
}

void spv_tx_read(struct spv_tx *out, struct spv_cursor *c)
{
    const uint8_t *start = c->p;
    size_t items = 0;

    *out = (struct spv_tx){.bytes = start, .version = spv_cursor_u32(c)};
    out->has_witness = spv_cursor_left(c) > 0 && *c->p == 0;
    if (out->has_witness) {
        spv_cursor_u8(c);
        if (spv_cursor_u8(c) != 1) /* BIP144: the flag is 1; no other value is defined */
            spv_cursor_fail(c, SPV_ERR_MALFORMED);
    }
    if (c->error != 0)
        return;
    out->inputs_at = (size_t)(c->p - start);
    out->n_inputs = skip_inputs(c);
    out->outputs_at = (size_t)(c->p - start);
    out->n_outputs = skip_outputs(c);
    out->witness_at = (size_t)(c->p - start);
    /* Consensus: a transaction has at least one output. Without inputs, the count of zero was read
     * as the marker; without inputs but with a marker, the witness is empty. */
    if (out->n_outputs == 0)
        spv_cursor_fail(c, SPV_ERR_MALFORMED);
    if (out->has_witness) {
        for (size_t i = 0; i < out->n_inputs && c->error == 0; i++)
            items += skip_witness(c);
        /* BIP144: "If the witness is empty, the old serialization format must be used." */
        if (items == 0)
            spv_cursor_fail(c, SPV_ERR_MALFORMED);
    }
    if (c->error != 0)
        return;
    size_t witness = (size_t)(c->p - start) - out->witness_at;
    out->lock_time = spv_cursor_u32(c);
    if (c->error != 0)
        return;
    out->n = (size_t)(c->p - start);
    out->stripped_size = out->has_witness ? out->n - MARKER_AND_FLAG - witness : out->n;
}

int spv_tx_parse(struct spv_tx *out, const uint8_t *bytes, size_t n)
{
    struct spv_cursor c = spv_cursor_over(bytes, n);

    spv_tx_read(out, &c);
    return spv_cursor_finish(&c);
}

void spv_tx_txid(struct spv_txid *out, const struct spv_tx *tx)
{
    const struct spv_chunk stripped[] = {
        {tx->bytes, 4},
        {tx->bytes + tx->inputs_at, tx->witness_at - tx->inputs_at},
        {tx->bytes + tx->n - 4, 4},
    };

    spv_sha256d_chunks(out->b, stripped, sizeof stripped / sizeof stripped[0]);
}

void spv_tx_wtxid(struct spv_wtxid *out, const struct spv_tx *tx)
{
    spv_sha256d(out->b, tx->bytes, tx->n);
}

size_t spv_tx_weight(const struct spv_tx *tx)
{
    return tx->stripped_size * (SPV_WITNESS_SCALE - 1) + tx->n;
}

size_t spv_tx_vsize(const struct spv_tx *tx)
{
    return (spv_tx_weight(tx) + SPV_WITNESS_SCALE - 1) / SPV_WITNESS_SCALE;
}

bool spv_tx_is_coinbase(const struct spv_tx *tx)
{
    static const struct spv_txid none;
    struct spv_tx_iter iter = spv_tx_inputs(tx);
    struct spv_tx_input first;

    return tx->n_inputs == 1 && spv_tx_next_input(&iter, &first) && first.index == UINT32_MAX &&
           memcmp(&first.prev, &none, sizeof none) == 0;
}

/* An iterator over a list that begins with its count. */
static struct spv_tx_iter list_iter(const struct spv_tx *tx, size_t at, size_t end)
{
    struct spv_cursor c = spv_cursor_over(tx->bytes + at, end - at);
    size_t n = (size_t)spv_cursor_compact(&c);

    return (struct spv_tx_iter){.at = c.p, .end = c.end, .left = n};
}

struct spv_tx_iter spv_tx_inputs(const struct spv_tx *tx)
{
    return list_iter(tx, tx->inputs_at, tx->outputs_at);
}

bool spv_tx_next_input(struct spv_tx_iter *iter, struct spv_tx_input *out)
{
    return spv_tx_take_input(iter, out);
}

struct spv_tx_iter spv_tx_outputs(const struct spv_tx *tx)
{
    return list_iter(tx, tx->outputs_at, tx->witness_at);
}

bool spv_tx_next_output(struct spv_tx_iter *iter, struct spv_tx_output *out)
{
    return spv_tx_take_output(iter, out);
}

struct spv_tx_iter spv_tx_witnesses(const struct spv_tx *tx)
{
    struct spv_tx_iter iter = {.at = tx->bytes + tx->witness_at, .left = tx->n_inputs};

    /* Without witness the range is empty, and each count is read as zero. */
    iter.end = tx->has_witness ? tx->bytes + tx->n - 4 : iter.at;
    return iter;
}

bool spv_tx_next_witness(struct spv_tx_iter *iter, struct spv_witness *out)
{
    struct spv_cursor c;

    if (!spv_tx_take_item(iter, &c))
        return false;
    *out = (struct spv_witness){.n_items = 0};
    out->n_items = (size_t)spv_cursor_compact(&c);
    out->rest.bytes = c.p;
    for (size_t i = 0; i < out->n_items; i++)
        spv_tx_take_bytes(&c);
    out->rest.n = (size_t)(c.p - out->rest.bytes);
    iter->at = c.p;
    return true;
}

bool spv_witness_next(struct spv_witness *witness, struct spv_bytes *out)
{
    struct spv_cursor c = spv_cursor_over(witness->rest.bytes, witness->rest.n);

    if (witness->n_items == 0)
        return false;
    witness->n_items--;
    *out = spv_tx_take_bytes(&c);
    witness->rest = (struct spv_bytes){.bytes = c.p, .n = spv_cursor_left(&c)};
    return true;
}
