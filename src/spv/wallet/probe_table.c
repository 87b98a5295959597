/* At most three quarters of the slots are filled, so that every probe ends at an empty one. A
 * removed value leaves a slot REMOVED, over which probes continue; the next growth clears these.
 * The position of a value needs only the 32 bits of the hash that the slot has. */
#include "spv/wallet/probe_table.h"

#include <stdlib.h>

#include "spv/error.h"

#define FIRST_SLOTS 64
#define REMOVED 1u

void spv_probe_table_free(struct spv_probe_table *table)
{
    free(table->slots);
    *table = (struct spv_probe_table){.slots = NULL};
}

static void put_slot(struct spv_probe_table *table, uint64_t slot)
{
    size_t at = (size_t)(slot >> 32) & (table->n_slots - 1);

    while (table->slots[at] != 0)
        at = (at + 1) & (table->n_slots - 1);
    table->slots[at] = slot;
    table->n_filled++;
    table->n_values++;
}

int spv_probe_table_reserve(struct spv_probe_table *table, size_t more)
{
    struct spv_probe_table grown = {.n_slots = FIRST_SLOTS};

    if (table->n_filled + more <= table->n_slots / 4 * 3)
        return 0;
    /* At most half full after growth: otherwise insertions and removals in turn would rebuild the
     * table each time. */
    while (table->n_values + more > grown.n_slots / 2)
        grown.n_slots *= 2;
    grown.slots = calloc(grown.n_slots, sizeof *grown.slots);
    if (!grown.slots)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < table->n_slots; i++)
        if ((uint32_t)table->slots[i] > REMOVED)
            put_slot(&grown, table->slots[i]);
    free(table->slots);
    *table = grown;
    return 0;
}

void spv_probe_table_insert(struct spv_probe_table *table, uint32_t hash, uint32_t value)
{
    put_slot(table, (uint64_t)hash << 32 | (value + 2));
}

void spv_probe_table_remove(struct spv_probe_table *table, uint32_t hash, uint32_t value)
{
    const uint64_t slot = (uint64_t)hash << 32 | (value + 2);

    for (size_t at = hash & (table->n_slots - 1); table->slots[at] != 0;
         at = (at + 1) & (table->n_slots - 1)) {
        if (table->slots[at] == slot) {
            table->slots[at] = REMOVED;
            table->n_values--;
            return;
        }
    }
}
