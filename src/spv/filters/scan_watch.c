/* Scripts and outputs are in arrays; two hash tables of indexes (open addressing, at most half
 * full) find them. */
#include "spv/filters/scan_watch.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/array.h"
#include "util/hash.h"
#include "util/rng.h"

struct watched_output {
    struct spv_txid txid;
    uint32_t index;
    uint32_t script; /* number of the script that it pays */
};

/* Slots hold an index + 1; 0: free. */
struct index_table {
    uint32_t *slots;
    size_t n_slots; /* a power of two, or 0 */
};

struct spv_scan_watch {
    uint64_t key[2]; /* of the hash tables */
    struct spv_bytes *scripts; /* each allocated */
    size_t n_scripts, cap_scripts;
    size_t script_bytes;
    struct watched_output *outputs;
    size_t n_outputs, cap_outputs;
    struct index_table by_script, by_output;
};

int spv_scan_watch_new(struct spv_scan_watch **out, const struct spv_rng *rng)
{
    struct spv_scan_watch *w = calloc(1, sizeof *w);

    *out = w;
    if (!w)
        return SPV_ERR_NOMEM;
    w->key[0] = spv_rng_u64(rng);
    w->key[1] = spv_rng_u64(rng);
    return 0;
}

void spv_scan_watch_free(struct spv_scan_watch *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_scripts; i++)
        free((void *)(uintptr_t)w->scripts[i].bytes);
    free(w->scripts);
    free(w->outputs);
    free(w->by_script.slots);
    free(w->by_output.slots);
    free(w);
}

size_t spv_scan_watch_count(const struct spv_scan_watch *w)
{
    return w->n_scripts;
}

size_t spv_scan_watch_memory(const struct spv_scan_watch *w)
{
    return sizeof *w + w->script_bytes + w->cap_scripts * sizeof *w->scripts +
           w->cap_outputs * sizeof *w->outputs +
           (w->by_script.n_slots + w->by_output.n_slots) * sizeof(uint32_t);
}

/* ---- hash tables ---- */

static uint64_t hash_script(const struct spv_scan_watch *w, const struct spv_bytes *script)
{
    return spv_siphash(w->key[0], w->key[1], script->bytes, script->n);
}

static uint64_t hash_output(const struct spv_scan_watch *w, const struct spv_txid *txid,
                            uint32_t index)
{
    uint8_t both[sizeof txid->b + sizeof index];

    memcpy(both, txid->b, sizeof txid->b);
    memcpy(both + sizeof txid->b, &index, sizeof index);
    return spv_siphash(w->key[0], w->key[1], both, sizeof both);
}

static bool script_eq(const struct spv_bytes *a, const struct spv_bytes *b)
{
    return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

/* The slot of a script, or the free slot where it belongs; NULL: the table is empty. */
static uint32_t *script_slot(const struct spv_scan_watch *w, const struct spv_bytes *script)
{
    const struct index_table *t = &w->by_script;

    for (size_t i = t->n_slots ? hash_script(w, script) : 0; t->n_slots; i++) {
        uint32_t *slot = &t->slots[i & (t->n_slots - 1)];
        if (!*slot || script_eq(&w->scripts[*slot - 1], script))
            return slot;
    }
    return NULL;
}

static uint32_t *output_slot(const struct spv_scan_watch *w, const struct spv_txid *txid,
                             uint32_t index)
{
    const struct index_table *t = &w->by_output;

    for (size_t i = t->n_slots ? hash_output(w, txid, index) : 0; t->n_slots; i++) {
        uint32_t *slot = &t->slots[i & (t->n_slots - 1)];
        const struct watched_output *o = *slot ? &w->outputs[*slot - 1] : NULL;
        if (!o || (o->index == index && memcmp(o->txid.b, txid->b, sizeof txid->b) == 0))
            return slot;
    }
    return NULL;
}

/* Allocates an empty table of twice the size when it would be more than half full. 1: the caller
 * inserts all entries again. */
static int grow_table(struct index_table *t, size_t n)
{
    const size_t size = t->n_slots ? 2 * t->n_slots : 64;

    if (2 * (n + 1) <= t->n_slots)
        return 0;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (!slots)
        return SPV_ERR_NOMEM;
    free(t->slots);
    *t = (struct index_table){.slots = slots, .n_slots = size};
    return 1;
}

/* ---- scripts ---- */

static int reserve_script(struct spv_scan_watch *w)
{
    struct spv_bytes *scripts =
        spv_array_grow(w->scripts, &w->cap_scripts, w->n_scripts + 1, 64, sizeof *scripts);

    if (!scripts)
        return SPV_ERR_NOMEM;
    w->scripts = scripts;
    const int rc = grow_table(&w->by_script, w->n_scripts);
    for (size_t i = 0; rc == 1 && i < w->n_scripts; i++)
        *script_slot(w, &w->scripts[i]) = (uint32_t)i + 1;
    return rc < 0 ? rc : 0;
}

static int add_script(struct spv_scan_watch *w, const struct spv_bytes *script)
{
    const uint32_t *known = script_slot(w, script);

    if (!script->n || (known && *known))
        return 0;
    if (w->n_scripts == SPV_SCAN_MAX_SCRIPTS)
        return SPV_ERR_TOO_MANY;
    const int rc = reserve_script(w);
    uint8_t *copy = rc ? NULL : malloc(script->n);
    if (!copy)
        return SPV_ERR_NOMEM;
    memcpy(copy, script->bytes, script->n);
    *script_slot(w, script) = (uint32_t)w->n_scripts + 1;
    w->scripts[w->n_scripts++] = (struct spv_bytes){copy, script->n};
    w->script_bytes += script->n;
    return 0;
}

int spv_scan_watch_add(struct spv_scan_watch *w, const struct spv_bytes *scripts, size_t n)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_script(w, &scripts[i]);
    return rc;
}

size_t spv_scan_watch_lowest(const struct spv_scan_watch *w, const struct spv_bytes *scripts,
                             size_t n)
{
    size_t lowest = w->n_scripts;

    for (size_t i = 0; i < n; i++) {
        const uint32_t *slot = scripts[i].n > 0 ? script_slot(w, &scripts[i]) : NULL;
        if (slot && *slot && *slot - 1 < lowest)
            lowest = *slot - 1;
    }
    return lowest;
}

int spv_scan_watch_query(const struct spv_scan_watch *w, struct spv_filter_query **out,
                         size_t first)
{
    const struct spv_bytes *from = w->scripts ? w->scripts + first : NULL; /* none yet */
    return spv_filter_query_new(out, from, w->n_scripts - first);
}

/* ---- outputs ---- */

static int watch_output(struct spv_scan_watch *w, const struct spv_txid *txid, uint32_t index,
                        uint32_t script)
{
    const uint32_t *known = output_slot(w, txid, index);

    if (known && *known)
        return 0;
    if (w->n_outputs == UINT32_MAX - 1)
        return SPV_ERR_NOMEM;
    const size_t n = w->outputs ? w->n_outputs : 0;
    struct watched_output *outputs =
        spv_array_grow(w->outputs, &w->cap_outputs, w->n_outputs + 1, 64, sizeof *outputs);
    if (!outputs)
        return SPV_ERR_NOMEM;
    w->outputs = outputs;
    const int rc = grow_table(&w->by_output, w->n_outputs);
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 1 && i < n; i++)
        *output_slot(w, &w->outputs[i].txid, w->outputs[i].index) = (uint32_t)i + 1;
    w->outputs[w->n_outputs] =
        (struct watched_output){.txid = *txid, .index = index, .script = script};
    *output_slot(w, txid, index) = (uint32_t)++w->n_outputs;
    return 0;
}

int spv_scan_watch_add_output(struct spv_scan_watch *w, const struct spv_txid *txid, uint32_t index,
                              const struct spv_bytes *script)
{
    const int rc = add_script(w, script);
    const uint32_t *slot = rc ? NULL : script_slot(w, script);

    if (rc < 0)
        return rc;
    return slot && *slot ? watch_output(w, txid, index, *slot - 1) : SPV_ERR_INVALID;
}

bool spv_scan_watch_find_output(const struct spv_scan_watch *w, struct spv_bytes *script,
                                const struct spv_txid *txid, uint32_t index)
{
    const uint32_t *slot = output_slot(w, txid, index);

    if (!slot || !*slot)
        return false;
    *script = w->scripts[w->outputs[*slot - 1].script];
    return true;
}

/* ---- blocks ---- */

static bool spends_watched(const struct spv_scan_watch *w, const struct spv_tx *tx)
{
    struct spv_tx_iter inputs = spv_tx_inputs(tx);
    struct spv_tx_input input;

    while (spv_tx_next_input(&inputs, &input)) {
        const uint32_t *slot = output_slot(w, &input.prev, input.index);
        if (slot && *slot)
            return true;
    }
    return false;
}

/* 1: the transaction pays a watched script; watches its outputs that do. */
static int pays_watched(struct spv_scan_watch *w, const struct spv_tx *tx)
{
    struct spv_tx_iter outputs = spv_tx_outputs(tx);
    struct spv_tx_output output;
    struct spv_txid txid;
    int pays = 0, rc = 0;

    for (uint32_t i = 0; rc == 0 && spv_tx_next_output(&outputs, &output); i++) {
        const uint32_t *slot = output.script.n ? script_slot(w, &output.script) : NULL;
        if (!slot || !*slot)
            continue;
        if (!pays)
            spv_tx_txid(&txid, tx);
        pays = 1;
        rc = watch_output(w, &txid, i, *slot - 1);
    }
    return rc < 0 ? rc : pays;
}

int spv_scan_watch_search(struct spv_scan_watch *w, uint32_t **positions, size_t *n,
                          const struct spv_block *block)
{
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_tx tx;
    size_t cap = 0;

    *positions = NULL;
    *n = 0;
    for (uint32_t at = 0; spv_block_next(&iter, &tx); at++) {
        const bool spends = spends_watched(w, &tx);
        int rc = pays_watched(w, &tx);
        if (rc == 0 && !spends)
            continue;
        uint32_t *grown =
            rc < 0 ? NULL : spv_array_grow(*positions, &cap, *n + 1, 8, sizeof *grown);
        if (!grown) {
            free(*positions);
            *positions = NULL;
            *n = 0;
            return SPV_ERR_NOMEM;
        }
        *positions = grown;
        grown[(*n)++] = at;
    }
    return 0;
}
