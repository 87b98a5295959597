/* A set-associative table: a hash with a secret key chooses a set of four entries, in which a new
 * output replaces a free entry or the oldest one. Complete txids are compared: peers are banned on
 * this evidence. */
#include "spv/filters/output_cache.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/hash.h"
#include "util/rng.h"
#include "util/script_forms.h"

#define WAYS 4

struct cached_output {
    uint32_t age; /* number of the block that it was last added with, from 1; 0: free */
    uint32_t index;
    struct spv_txid txid;
    uint8_t n;
    uint8_t script[SPV_OUTPUT_CACHE_SCRIPT_BYTES];
};

struct spv_output_cache {
    uint64_t key[2];
    uint32_t n_blocks;
    struct cached_output *entries; /* NULL: no block was added yet */
};

int spv_output_cache_new(struct spv_output_cache **out, const struct spv_rng *rng)
{
    struct spv_output_cache *c = calloc(1, sizeof *c);

    *out = c;
    if (!c)
        return SPV_ERR_NOMEM;
    c->key[0] = spv_rng_u64(rng);
    c->key[1] = spv_rng_u64(rng);
    return 0;
}

void spv_output_cache_free(struct spv_output_cache *c)
{
    if (!c)
        return;
    free(c->entries);
    free(c);
}

size_t spv_output_cache_memory(const struct spv_output_cache *c)
{
    return sizeof *c + (c->entries ? SPV_OUTPUT_CACHE_ENTRIES * sizeof *c->entries : 0);
}

static struct cached_output *find_set(const struct spv_output_cache *c, const struct spv_txid *txid,
                                      uint32_t index)
{
    uint8_t both[sizeof txid->b + sizeof index];

    memcpy(both, txid->b, sizeof txid->b);
    memcpy(both + sizeof txid->b, &index, sizeof index);
    const uint64_t hash = spv_siphash(c->key[0], c->key[1], both, sizeof both);
    return &c->entries[hash % (SPV_OUTPUT_CACHE_ENTRIES / WAYS) * WAYS];
}

static bool is_output(const struct cached_output *e, const struct spv_txid *txid, uint32_t index)
{
    return e->age && e->index == index && memcmp(e->txid.b, txid->b, sizeof txid->b) == 0;
}

bool spv_output_cache_find(const struct spv_output_cache *c, struct spv_bytes *script,
                           const struct spv_txid *txid, uint32_t index)
{
    if (!c->entries)
        return false;
    const struct cached_output *set = find_set(c, txid, index);
    for (size_t i = 0; i < WAYS; i++) {
        if (!is_output(&set[i], txid, index))
            continue;
        *script = (struct spv_bytes){set[i].script, set[i].n};
        return true;
    }
    return false;
}

static void add_output(struct spv_output_cache *c, const struct spv_txid *txid, uint32_t index,
                       const struct spv_bytes *script)
{
    struct cached_output *set = find_set(c, txid, index), *entry = set;

    for (size_t i = 0; i < WAYS; i++) {
        if (is_output(&set[i], txid, index)) {
            set[i].age = c->n_blocks; /* the block was fetched again */
            return;
        }
        if (set[i].age < entry->age)
            entry = &set[i];
    }
    *entry = (struct cached_output){
        .age = c->n_blocks, .index = index, .txid = *txid, .n = (uint8_t)script->n};
    memcpy(entry->script, script->bytes, script->n);
}

/* Whether an output can be evidence: one that cannot be spent, or is no element of filters, proves
 * nothing. */
static bool is_evidence(const struct spv_bytes *script)
{
    return script->n > 0 && script->n <= SPV_OUTPUT_CACHE_SCRIPT_BYTES &&
           script->bytes[0] != OP_RETURN;
}

int spv_output_cache_add(struct spv_output_cache *c, const struct spv_block *block)
{
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_tx tx;

    if (!c->entries)
        c->entries = calloc(SPV_OUTPUT_CACHE_ENTRIES, sizeof *c->entries);
    if (!c->entries)
        return SPV_ERR_NOMEM;
    c->n_blocks += c->n_blocks < UINT32_MAX;
    while (spv_block_next(&iter, &tx)) {
        struct spv_tx_iter outputs = spv_tx_outputs(&tx);
        struct spv_tx_output output;
        struct spv_txid txid;
        spv_tx_txid(&txid, &tx);
        for (uint32_t i = 0; spv_tx_next_output(&outputs, &output); i++)
            if (is_evidence(&output.script))
                add_output(c, &txid, i, &output.script);
    }
    return 0;
}
