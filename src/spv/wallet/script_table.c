/* An entry holds its first owner, so that further ones cost memory only where scripts are shared.
 * Arrays grow by a quarter: doubling would waste up to as much again. */
#include "spv/wallet/script_table.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/watch.h"
#include "util/hash.h"

#define FIRST_SCRIPTS 64
#define FIRST_BYTES 2048
#define FIRST_OWNERS 16

_Static_assert(SPV_WATCH_MAX_SCRIPT_BYTES <= UINT16_MAX, "a script's length fits");

void spv_script_table_free(struct spv_script_table *table)
{
    free(table->scripts);
    free(table->owners);
    free(table->bytes);
    spv_probe_table_free(&table->by_script);
}

static uint32_t hash_script(const struct spv_script_table *table, struct spv_bytes script)
{
    return (uint32_t)spv_siphash(table->key[0], table->key[1], script.bytes, script.n);
}

struct spv_bytes spv_script_table_bytes(const struct spv_script_table *table, uint32_t number)
{
    const struct spv_script_entry *entry = &table->scripts[number];

    return (struct spv_bytes){.bytes = entry->n > 0 ? table->bytes + entry->at : NULL,
                              .n = entry->n};
}

uint32_t spv_script_table_find(const struct spv_script_table *table, struct spv_bytes script)
{
    struct spv_probe_iter iter;
    uint32_t number;

    if (script.n == 0 || script.n > SPV_WATCH_MAX_SCRIPT_BYTES)
        return SPV_NO_INDEX;
    iter = spv_probe_start(&table->by_script, hash_script(table, script));
    while (spv_probe_next(&table->by_script, &iter, &number)) {
        const struct spv_script_entry *entry = &table->scripts[number];
        if (entry->n == script.n && memcmp(table->bytes + entry->at, script.bytes, script.n) == 0)
            return number;
    }
    return SPV_NO_INDEX;
}

/* As spv_array_grow, by a quarter. */
static void *grow_by_quarter(void *array, size_t *cap, size_t need, size_t first, size_t size)
{
    size_t next = *cap + *cap / 4;
    void *grown;

    if (need <= *cap)
        return array;
    if (next < first)
        next = first;
    if (next < need)
        next = need;
    grown = realloc(array, next * size);
    if (grown)
        *cap = next;
    return grown;
}

static int add_owner(struct spv_script_table *table, struct spv_script_entry *entry,
                     const struct spv_script_owner *owner)
{
    struct spv_script_owner *grown;

    if (entry->watch == SPV_NO_INDEX) {
        entry->watch = owner->watch;
        entry->branch = owner->branch;
        entry->index = owner->index;
        return 0;
    }
    grown = grow_by_quarter(table->owners, &table->cap_owners, table->n_owners + 1, FIRST_OWNERS,
                            sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    table->owners = grown;
    grown[table->n_owners] = *owner;
    grown[table->n_owners].next = entry->next;
    entry->next = (uint32_t)table->n_owners++;
    return 0;
}

static int add_entry(struct spv_script_table *table, struct spv_bytes script)
{
    struct spv_script_entry *scripts;
    uint8_t *bytes;
    int rc;

    if (table->n >= SPV_WATCH_MAX_SCRIPTS)
        return SPV_ERR_TOO_MANY;
    if (script.n > UINT32_MAX - table->n_bytes)
        return SPV_ERR_TOO_MANY;
    scripts =
        grow_by_quarter(table->scripts, &table->cap, table->n + 1, FIRST_SCRIPTS, sizeof *scripts);
    if (!scripts)
        return SPV_ERR_NOMEM;
    table->scripts = scripts;
    bytes =
        grow_by_quarter(table->bytes, &table->cap_bytes, table->n_bytes + script.n, FIRST_BYTES, 1);
    if (!bytes)
        return SPV_ERR_NOMEM;
    table->bytes = bytes;
    rc = spv_probe_table_reserve(&table->by_script, 1);
    if (rc < 0)
        return rc;
    scripts[table->n] = (struct spv_script_entry){.at = (uint32_t)table->n_bytes,
                                                  .n = (uint16_t)script.n,
                                                  .watch = SPV_NO_INDEX,
                                                  .next = SPV_NO_INDEX,
                                                  .first_coin = SPV_NO_INDEX};
    memcpy(bytes + table->n_bytes, script.bytes, script.n);
    table->n_bytes += script.n;
    spv_probe_table_insert(&table->by_script, hash_script(table, script), (uint32_t)table->n++);
    return 0;
}

int spv_script_table_add(struct spv_script_table *table, uint32_t *number, struct spv_bytes script,
                         const struct spv_script_owner *owner)
{
    if (script.n == 0)
        return SPV_ERR_INVALID;
    if (script.n > SPV_WATCH_MAX_SCRIPT_BYTES)
        return SPV_ERR_TOO_LONG;
    *number = spv_script_table_find(table, script);
    if (*number == SPV_NO_INDEX) {
        const int rc = add_entry(table, script);
        if (rc < 0)
            return rc;
        *number = (uint32_t)table->n - 1;
    }
    return add_owner(table, &table->scripts[*number], owner);
}

bool spv_script_table_next_owner(const struct spv_script_table *table, struct spv_script_owner *out,
                                 uint32_t number, struct spv_owner_iter *iter)
{
    const struct spv_script_entry *entry = &table->scripts[number];

    if (entry->watch == SPV_NO_INDEX || (iter->begun && iter->next == SPV_NO_INDEX))
        return false;
    if (!iter->begun)
        *out = (struct spv_script_owner){.watch = entry->watch,
                                         .index = entry->index,
                                         .next = entry->next,
                                         .branch = entry->branch};
    else
        *out = table->owners[iter->next];
    iter->begun = true;
    iter->next = out->next;
    return true;
}

bool spv_script_table_remove_owner(struct spv_script_table *table, uint32_t number, uint32_t watch)
{
    struct spv_script_entry *entry = &table->scripts[number];
    uint32_t *link = &entry->next;

    if (entry->watch == SPV_NO_INDEX)
        return false;
    while (*link != SPV_NO_INDEX) {
        if (table->owners[*link].watch == watch)
            *link = table->owners[*link].next;
        else
            link = &table->owners[*link].next;
    }
    if (entry->watch != watch)
        return false;
    if (entry->next != SPV_NO_INDEX) {
        const struct spv_script_owner *second = &table->owners[entry->next];
        entry->watch = second->watch;
        entry->branch = second->branch;
        entry->index = second->index;
        entry->next = second->next;
        return false;
    }
    spv_probe_table_remove(&table->by_script,
                           hash_script(table, spv_script_table_bytes(table, number)), number);
    entry->watch = SPV_NO_INDEX;
    entry->n = 0;
    return true;
}

size_t spv_script_table_memory(const struct spv_script_table *table)
{
    return table->cap * sizeof *table->scripts + table->cap_owners * sizeof *table->owners +
           table->cap_bytes + table->by_script.n_slots * sizeof *table->by_script.slots;
}
