/* A hash table of 32-bit values: open addressing with linear probing. Keys stay with the caller,
 * who compares them: several values may have one hash. A value is found by one probe, because a
 * slot holds 32 bits of the hash beside the value. */
#ifndef SPV_WALLET_PROBE_TABLE_H
#define SPV_WALLET_PROBE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spv_probe_table {
    uint64_t *slots; /* hash << 32 | value + 2; 0: empty, 1: removed */
    size_t n_slots; /* 0 or a power of two */
    size_t n_filled; /* slots that are not empty */
    size_t n_values;
};

struct spv_probe_iter {
    size_t at;
    uint32_t hash;
};

#define SPV_PROBE_MAX_VALUE (UINT32_MAX - 2)

void spv_probe_table_free(struct spv_probe_table *table);
/* Makes room for `more` insertions, which then cannot fail. Returns 0 or SPV_ERR_NOMEM. */
int spv_probe_table_reserve(struct spv_probe_table *table, size_t more);
/* Inserts a value; there is room for it. */
void spv_probe_table_insert(struct spv_probe_table *table, uint32_t hash, uint32_t value);
/* Removes one value, which is there. */
void spv_probe_table_remove(struct spv_probe_table *table, uint32_t hash, uint32_t value);

/* Iterates over the values with this hash; the table must not change meanwhile. */
static inline struct spv_probe_iter spv_probe_start(const struct spv_probe_table *table,
                                                    uint32_t hash)
{
    return (struct spv_probe_iter){.at = table->n_slots > 0 ? hash & (table->n_slots - 1) : 0,
                                   .hash = hash};
}

/* Returns true and the next value, or false at the end. */
static inline bool spv_probe_next(const struct spv_probe_table *table, struct spv_probe_iter *iter,
                                  uint32_t *value)
{
    while (table->n_slots > 0 && table->slots[iter->at] != 0) {
        const uint64_t slot = table->slots[iter->at];
        iter->at = (iter->at + 1) & (table->n_slots - 1);
        if (slot >> 32 == iter->hash && (uint32_t)slot > 1) {
            *value = (uint32_t)slot - 2;
            return true;
        }
    }
    return false;
}

#endif
