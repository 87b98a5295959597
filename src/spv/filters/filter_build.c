/* Building a filter: items are hashed and sorted by hash, so that equal ones are adjacent; the map
 * from hashes to values keeps the order, so that values need no sorting. */
#include "spv/filter.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/filters/gcs.h"
#include "util/array.h"
#include "util/buffer.h"
#include "util/hash.h"
#include "util/script_forms.h"

struct element {
    uint64_t hash;
    struct spv_bytes item;
};

static int element_cmp(const void *left, const void *right)
{
    const struct element *a = left, *b = right;

    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->item.n != b->item.n)
        return a->item.n < b->item.n ? -1 : 1;
    return memcmp(a->item.bytes, b->item.bytes, a->item.n);
}

/* Removes adjacent equal elements; returns how many are left. */
static size_t drop_equal(struct element *elements, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (i == 0 || element_cmp(&elements[kept - 1], &elements[i]) != 0)
            elements[kept++] = elements[i];
    return kept;
}

/* Encodes n elements, which are sorted here. */
static int encode_elements(uint8_t **out, size_t *n_out, struct element *elements, size_t n)
{
    struct spv_buffer bytes;
    uint64_t *values;
    int rc;

    if (n > 0)
        qsort(elements, n, sizeof *elements, element_cmp);
    n = drop_equal(elements, n);
    values = malloc((n + 1) * sizeof *values);
    if (!values)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        values[i] = spv_gcs_value(elements[i].hash, (uint64_t)n * SPV_FILTER_M);
    spv_buffer_init(&bytes);
    spv_gcs_encode(&bytes, values, n);
    free(values);
    rc = bytes.error;
    if (rc != 0) {
        spv_buffer_free(&bytes);
        return rc;
    }
    *out = bytes.data;
    *n_out = bytes.len;
    return 0;
}

int spv_filter_build(uint8_t **out, size_t *n_out, const struct spv_blockhash *block,
                     const struct spv_bytes *items, size_t n_items)
{
    const struct spv_gcs_key key = spv_gcs_key_of(block);
    struct element *elements;
    size_t n = 0;
    int rc;

    *out = NULL;
    *n_out = 0;
    if (n_items > UINT32_MAX)
        return SPV_ERR_TOO_LONG;
    elements = malloc((n_items + 1) * sizeof *elements);
    if (!elements)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < n_items; i++)
        if (items[i].n > 0)
            elements[n++] = (struct element){
                .hash = spv_siphash(key.k0, key.k1, items[i].bytes, items[i].n), .item = items[i]};
    rc = encode_elements(out, n_out, elements, n);
    free(elements);
    return rc;
}

struct items {
    struct spv_bytes *at;
    size_t n, cap;
};

static int items_add(struct items *items, struct spv_bytes item)
{
    struct spv_bytes *grown =
        spv_array_grow(items->at, &items->cap, items->n + 1, 1024, sizeof *items->at);

    if (!grown)
        return SPV_ERR_NOMEM;
    items->at = grown;
    items->at[items->n++] = item;
    return 0;
}

/* Adds the outputs of a block and counts the outputs that it spends. */
static int add_outputs(struct items *items, size_t *n_spent, const struct spv_block *block)
{
    struct spv_block_iter txs = spv_block_txs(block);
    struct spv_tx tx;

    while (spv_block_next(&txs, &tx)) {
        struct spv_tx_iter outputs = spv_tx_outputs(&tx);
        struct spv_tx_output output;
        if (!spv_tx_is_coinbase(&tx))
            *n_spent += tx.n_inputs;
        while (spv_tx_next_output(&outputs, &output)) {
            /* "the scriptPubKey of each output, aside from all OP_RETURN output scripts" */
            if (output.script.n > 0 && output.script.bytes[0] == OP_RETURN)
                continue;
            const int rc = items_add(items, output.script);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

int spv_filter_build_block(uint8_t **out, size_t *n_out, const struct spv_block *block,
                           const struct spv_bytes *spent, size_t n_spent)
{
    struct items items = {0};
    struct spv_blockhash hash;
    size_t n_inputs = 0;
    int rc;

    *out = NULL;
    *n_out = 0;
    rc = add_outputs(&items, &n_inputs, block);
    if (rc != 0)
        goto out;
    if (n_inputs != n_spent) {
        rc = SPV_ERR_INVALID;
        goto out;
    }
    for (size_t i = 0; i < n_spent; i++) {
        rc = items_add(&items, spent[i]);
        if (rc != 0)
            goto out;
    }
    spv_header_hash(&hash, &block->header);
    rc = spv_filter_build(out, n_out, &hash, items.at, items.n);
out:
    free(items.at);
    return rc;
}
