/* Two halves: new hashes enter the young one; when it is full it becomes the old one, and the
 * previous old one is freed. Each is a growing hash table with open addressing. A hash is stored as
 * its SipHash under a key of this connection: 8 bytes instead of 32, and two of 100,000 hashes
 * collide in one of four billion connections. */
#include "peer/known_inv.h"

#include <stdlib.h>

#include "util/hash.h"
#include "util/rng.h"

#define INITIAL_CAP 64

void spv_known_inv_init(struct spv_known_inv *k, const struct spv_rng *rng, size_t max)
{
    *k = (struct spv_known_inv){.max = max};
    k->k0 = spv_rng_u64(rng);
    k->k1 = spv_rng_u64(rng);
}

void spv_known_inv_free(struct spv_known_inv *k)
{
    free(k->young.slots);
    free(k->old.slots);
    k->young = k->old = (struct spv_known_inv_half){0};
}

/* Returns the slot of the key, or the empty one to insert it into. */
static uint64_t *find_slot(const struct spv_known_inv_half *h, uint64_t key)
{
    size_t i = (size_t)key & (h->cap - 1);
    while (h->slots[i] != 0 && h->slots[i] != key)
        i = (i + 1) & (h->cap - 1);
    return &h->slots[i];
}

static bool half_has(const struct spv_known_inv_half *h, uint64_t key)
{
    return h->cap > 0 && *find_slot(h, key) == key;
}

/* Reserves a slot for one more key; a quarter of the slots stays empty. */
static bool half_grow(struct spv_known_inv_half *h)
{
    if (h->n < h->cap / 4 * 3)
        return true;
    struct spv_known_inv_half grown = {.n = h->n, .cap = h->cap == 0 ? INITIAL_CAP : h->cap * 2};
    grown.slots = calloc(grown.cap, sizeof(grown.slots[0]));
    if (!grown.slots)
        return false;
    for (size_t i = 0; i < h->cap; i++)
        if (h->slots[i] != 0)
            *find_slot(&grown, h->slots[i]) = h->slots[i];
    free(h->slots);
    *h = grown;
    return true;
}

static uint64_t hash_key(const struct spv_known_inv *k, const uint8_t hash[32])
{
    uint64_t key = spv_siphash(k->k0, k->k1, hash, 32);
    return key != 0 ? key : 1;
}

bool spv_known_inv_has(const struct spv_known_inv *k, const uint8_t hash[32])
{
    if (k->young.cap == 0 && k->old.cap == 0)
        return false;
    uint64_t key = hash_key(k, hash);
    return half_has(&k->young, key) || half_has(&k->old, key);
}

void spv_known_inv_add(struct spv_known_inv *k, const uint8_t hash[32])
{
    uint64_t key = hash_key(k, hash);
    if (half_has(&k->young, key))
        return;
    if (k->young.n == k->max) {
        free(k->old.slots);
        k->old = k->young;
        k->young = (struct spv_known_inv_half){0};
    }
    if (!half_grow(&k->young))
        return;
    *find_slot(&k->young, key) = key;
    k->young.n++;
}

size_t spv_known_inv_memory(const struct spv_known_inv *k)
{
    return (k->young.cap + k->old.cap) * sizeof(uint64_t);
}
