/* The capacity of a filter starts at 625 items at 0.1 % and doubles; the largest filter, 36,000
 * bytes, holds 20,000. With more items the rate is higher; one more doubling, to 40,000 items,
 * gives the number of hash functions that fits them. */
#include "spv/wallet/bloom_scan_state.h"

static struct spv_bloom_shape shape_of(const struct spv_bloom_scan *s, uint32_t capacity)
{
    struct spv_bloom_shape shape = {.tweak = s->cfg.params.tweak, .update = SPV_BLOOM_UPDATE_ALL};

    (void)spv_bloom_size(&shape, capacity,
                         SPV_BLOOM_RATE); /* cannot fail: spv_bloom_capacity keeps the range */
    return shape;
}

uint32_t spv_bloom_capacity(uint32_t least, size_t n)
{
    uint32_t capacity = SPV_BLOOM_CAPACITY;

    while ((capacity < least || capacity < n) && capacity < 64 * SPV_BLOOM_CAPACITY)
        capacity *= 2;
    return capacity;
}

uint32_t spv_bloom_capacity_bytes(const struct spv_bloom_scan *s, uint32_t capacity)
{
    return capacity ? (uint32_t)shape_of(s, capacity).n_bytes : 0;
}

double spv_bloom_rate_of(const struct spv_bloom_scan *s, size_t n)
{
    const struct spv_bloom_shape shape = shape_of(s, spv_bloom_capacity(s->capacity, n));

    return n > 0 ? spv_bloom_rate(&shape, n) : 0;
}

uint32_t spv_bloom_next_version(const struct spv_bloom_scan *s)
{
    return s->version + s->is_version_used;
}

int spv_bloom_insert_new(struct spv_bloom_scan *s)
{
    const uint32_t capacity = spv_bloom_capacity(s->capacity, s->items.n);

    if (!s->bloom || capacity != s->capacity) {
        const struct spv_bloom_shape shape = shape_of(s, capacity);
        struct spv_bloom *bloom;
        const int rc = spv_bloom_new(&bloom, &shape);
        if (rc < 0)
            return rc;
        spv_bloom_free(s->bloom);
        s->bloom = bloom;
        s->n_inserted = 0;
        s->capacity = capacity;
    }
    spv_bloom_items_fill(&s->items, s->bloom, s->n_inserted);
    s->n_inserted = s->items.n;
    s->version = spv_bloom_next_version(s);
    s->is_version_used = false;
    if (spv_bloom_rate_of(s, s->items.n) > SPV_BLOOM_MAX_RATE)
        s->refused = SPV_ERR_BLOOM_RATE;
    return 0;
}

/* filterload only: filteradd reveals which item is new, and filterclear turns the relay of all
 * transactions on. */
void spv_bloom_send_filterload(struct spv_bloom_scan *s, struct spv_peer_entry *p)
{
    struct spv_msg_filterload load;

    spv_bloom_filterload(&load, s->bloom);
    spv_effects_send_filterload(s->cfg.effects, p->id, &load);
    p->bloom->load = ++s->n_loads;
    p->bloom->version = s->version;
    p->bloom->n_false = 0;
    s->is_version_used = true;
}
