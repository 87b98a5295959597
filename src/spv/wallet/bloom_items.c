/* The item of a script is its first data push of at least 20 bytes: "its 20- or 32-byte hash or
 * key". Of bare multisig each key is an item: any of them may be in another script of the wallet. A
 * whole script is never an item: peers test data pushes only (BIP37). */
#include "spv/wallet/bloom_items.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/keys/script.h"
#include "util/array.h"
#include "util/hash.h"
#include "util/rng.h"
#include "wire/tx.h"

void spv_bloom_items_init(struct spv_bloom_items *items, const struct spv_rng *rng)
{
    *items = (struct spv_bloom_items){.key = {spv_rng_u64(rng), spv_rng_u64(rng)}};
}

void spv_bloom_items_free(struct spv_bloom_items *items)
{
    free(items->list);
    free(items->bytes);
    spv_probe_table_free(&items->table);
    *items = (struct spv_bloom_items){.list = NULL};
}

static uint32_t hash_item(const struct spv_bloom_items *items, const uint8_t *data, size_t n)
{
    return (uint32_t)spv_siphash(items->key[0], items->key[1], data, n);
}

static const struct spv_bloom_item *find_item(const struct spv_bloom_items *items,
                                              const uint8_t *data, size_t n)
{
    struct spv_probe_iter iter;
    uint32_t at;

    if (items->n == 0)
        return NULL;
    iter = spv_probe_start(&items->table, hash_item(items, data, n));
    while (spv_probe_next(&items->table, &iter, &at)) {
        const struct spv_bloom_item *item = &items->list[at];
        if (item->n == n && memcmp(items->bytes + item->at, data, n) == 0)
            return item;
    }
    return NULL;
}

static uint32_t version_of(const struct spv_bloom_items *items, const uint8_t *data, size_t n)
{
    const struct spv_bloom_item *item = find_item(items, data, n);

    return item ? item->version : 0;
}

/* Returns 1 when it is new, 0 when it is known. */
static int add_item(struct spv_bloom_items *items, const uint8_t *data, size_t n, uint32_t version)
{
    if (find_item(items, data, n))
        return 0;
    if (items->n >= SPV_PROBE_MAX_VALUE || items->n_bytes + n > UINT32_MAX || n > UINT16_MAX)
        return SPV_ERR_TOO_MANY;
    struct spv_bloom_item *list =
        spv_array_grow(items->list, &items->cap, items->n + 1, 64, sizeof *list);
    if (!list)
        return SPV_ERR_NOMEM;
    items->list = list;
    uint8_t *bytes = spv_array_grow(items->bytes, &items->cap_bytes, items->n_bytes + n, 2048, 1);
    if (!bytes)
        return SPV_ERR_NOMEM;
    items->bytes = bytes;
    if (spv_probe_table_reserve(&items->table, 1) < 0)
        return SPV_ERR_NOMEM;
    memcpy(bytes + items->n_bytes, data, n);
    list[items->n] = (struct spv_bloom_item){
        .at = (uint32_t)items->n_bytes, .version = version, .n = (uint16_t)n};
    items->n_bytes += n;
    spv_probe_table_insert(&items->table, hash_item(items, data, n), (uint32_t)items->n++);
    return 1;
}

/* Iterates over the data pushes of a script that are its items. */
struct script_items {
    struct spv_script_iter ops;
    bool all; /* all such pushes; else the first one only */
    bool found;
};

static struct script_items items_of(const struct spv_bytes *script)
{
    struct spv_script_info info;
    const enum spv_script_kind kind = spv_script_classify(&info, script->bytes, script->n);

    return (struct script_items){.ops = spv_script_ops(script->bytes, script->n),
                                 .all = kind == SPV_SCRIPT_MULTISIG};
}

static bool next_script_item(struct script_items *iter, struct spv_bytes *out)
{
    struct spv_script_op op;

    while ((iter->all || !iter->found) && spv_script_take_op(&iter->ops, &op) == 1) {
        if (op.data.n < SPV_BLOOM_MIN_PUSH)
            continue;
        iter->found = true;
        *out = op.data;
        return true;
    }
    return false;
}

int spv_bloom_items_check(const struct spv_bytes *script)
{
    struct script_items iter = items_of(script);
    struct spv_bytes item;

    return next_script_item(&iter, &item) ? 0 : SPV_ERR_BLOOM_SCRIPT;
}

int spv_bloom_items_count(const struct spv_bloom_items *items, const struct spv_bytes *script)
{
    struct script_items iter = items_of(script);
    struct spv_bytes item;
    int n = 0;

    while (next_script_item(&iter, &item))
        n += !find_item(items, item.bytes, item.n);
    return iter.found ? n : SPV_ERR_BLOOM_SCRIPT;
}

int spv_bloom_items_add_script(struct spv_bloom_items *items, const struct spv_bytes *script,
                               uint32_t version)
{
    struct script_items iter = items_of(script);
    struct spv_bytes item;
    int added = 0;

    while (next_script_item(&iter, &item)) {
        const int rc = add_item(items, item.bytes, item.n, version);
        if (rc < 0)
            return rc;
        added += rc;
    }
    return iter.found ? added : SPV_ERR_BLOOM_SCRIPT;
}

/* COutPoint as serialised. */
static void encode_outpoint(uint8_t out[SPV_BLOOM_OUTPOINT], const struct spv_txid *txid,
                            uint32_t index)
{
    memcpy(out, txid->b, sizeof txid->b);
    for (unsigned i = 0; i < 4; i++)
        out[sizeof txid->b + i] = (uint8_t)(index >> 8 * i);
}

int spv_bloom_items_add_outpoint(struct spv_bloom_items *items, const struct spv_txid *txid,
                                 uint32_t index, uint32_t version)
{
    uint8_t outpoint[SPV_BLOOM_OUTPOINT];

    encode_outpoint(outpoint, txid, index);
    return add_item(items, outpoint, sizeof outpoint, version);
}

int spv_bloom_items_add_txid(struct spv_bloom_items *items, const struct spv_txid *txid,
                             uint32_t version)
{
    return add_item(items, txid->b, sizeof txid->b, version);
}

/* ---- matching ---- */

/* The lower of two versions; 0 is no version. */
static uint32_t lower_version(uint32_t a, uint32_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

uint32_t spv_bloom_items_match_script(const struct spv_bloom_items *items,
                                      const struct spv_bytes *script)
{
    struct spv_script_iter ops = spv_script_ops(script->bytes, script->n);
    struct spv_script_op op;
    uint32_t version = 0;

    while (spv_script_take_op(&ops, &op) == 1)
        if (op.data.n >= SPV_BLOOM_MIN_PUSH)
            version = lower_version(version, version_of(items, op.data.bytes, op.data.n));
    return version;
}

static uint32_t match_inputs(const struct spv_bloom_items *items, const struct spv_tx *tx)
{
    struct spv_tx_iter inputs = spv_tx_inputs(tx);
    struct spv_tx_input input;
    uint32_t version = 0;

    for (;;) {
        const uint8_t *outpoint = inputs.at; /* an input begins with its outpoint */
        if (!spv_tx_take_input(&inputs, &input))
            return version;
        version = lower_version(version, version_of(items, outpoint, SPV_BLOOM_OUTPOINT));
        version = lower_version(version, spv_bloom_items_match_script(items, &input.script));
    }
}

uint32_t spv_bloom_items_match_tx(const struct spv_bloom_items *items, const struct spv_tx *tx)
{
    struct spv_tx_iter outputs = spv_tx_outputs(tx);
    struct spv_tx_output output;
    struct spv_txid txid;
    uint32_t version = match_inputs(items, tx);

    while (spv_tx_take_output(&outputs, &output))
        version = lower_version(version, spv_bloom_items_match_script(items, &output.script));
    spv_tx_txid(&txid, tx);
    return lower_version(version, version_of(items, txid.b, sizeof txid.b));
}

void spv_bloom_items_fill(const struct spv_bloom_items *items, struct spv_bloom *bloom, size_t from)
{
    for (size_t i = from; i < items->n; i++)
        spv_bloom_insert(bloom, items->bytes + items->list[i].at, items->list[i].n);
}

size_t spv_bloom_items_memory(const struct spv_bloom_items *items)
{
    return items->cap * sizeof *items->list + items->cap_bytes +
           items->table.n_slots * sizeof *items->table.slots;
}
