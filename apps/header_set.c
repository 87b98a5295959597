/* Raw headers are stored one after the other. The hash of a header is the previous-hash field of
 * the one above it, so hashes are not stored again; only the tip's is. The index is an
 * open-addressing table of heights plus one (0: free), keyed by the first bytes of the hash, which
 * proof of work leaves random. Cumulative work is kept at every WORK_SPAN-th height; between, it is
 * summed from the work of each header's bits, which is computed once per distinct value when a
 * header is added.
 */
#include "header_set.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"

#define WORK_SPAN 256 /* 32 bytes a span: an eighth of a byte a header */
#define FIRST_HEADERS 4096
#define FIRST_SLOTS 8192 /* a power of two */
#define PREV_OFFSET 4 /* of the previous hash in the 80 bytes */

struct bits_work {
    uint32_t bits;
    struct spv_u256 work; /* of one header with these bits */
};

struct header_set {
    uint8_t *raw;
    uint32_t n, cap;
    struct spv_blockhash tip_hash;
    struct spv_u256 tip_work;
    uint32_t *slots;
    uint32_t n_slots;
    struct spv_u256 *work_samples; /* work at heights 0, WORK_SPAN, ...; grown with raw */
    struct bits_work *work_by_bits; /* ascending bits */
    size_t n_work_by_bits, cap_work_by_bits;
};

static const uint8_t *raw_at(const struct header_set *set, uint32_t height)
{
    return set->raw + (size_t)height * SPV_HEADER_SIZE;
}

static const uint8_t *hash_at(const struct header_set *set, uint32_t height)
{
    return height + 1 < set->n ? raw_at(set, height + 1) + PREV_OFFSET : set->tip_hash.b;
}

/* Returns the slot of this hash, or the free one for it. */
static uint32_t find_slot(const struct header_set *set, const uint8_t *hash)
{
    uint32_t mask = set->n_slots - 1, i;

    memcpy(&i, hash, sizeof i);
    for (i &= mask; set->slots[i] != 0; i = (i + 1) & mask) {
        if (memcmp(hash_at(set, set->slots[i] - 1), hash, sizeof set->tip_hash) == 0)
            break;
    }
    return i;
}

static void fill_slots(struct header_set *set)
{
    uint32_t h;

    for (h = 0; h < set->n; h++)
        set->slots[find_slot(set, hash_at(set, h))] = h + 1;
}

static int grow_slots(struct header_set *set)
{
    uint32_t *bigger, old = set->n_slots;

    if (old > UINT32_MAX / 2)
        return SPV_ERR_TOO_MANY;
    bigger = calloc((size_t)old * 2, sizeof *bigger);
    if (!bigger)
        return SPV_ERR_NOMEM;
    free(set->slots);
    set->slots = bigger;
    set->n_slots = old * 2;
    fill_slots(set);
    return 0;
}

static int grow_headers(struct header_set *set)
{
    uint32_t cap = set->cap == 0 ? FIRST_HEADERS : set->cap + set->cap / 2;
    uint8_t *raw;
    struct spv_u256 *work_samples;

    if (cap <= set->cap)
        return SPV_ERR_TOO_MANY;
    raw = realloc(set->raw, (size_t)cap * SPV_HEADER_SIZE);
    if (!raw)
        return SPV_ERR_NOMEM;
    set->raw = raw;
    work_samples = realloc(set->work_samples, ((size_t)cap / WORK_SPAN + 1) * sizeof *work_samples);
    if (!work_samples)
        return SPV_ERR_NOMEM;
    set->work_samples = work_samples;
    set->cap = cap;
    return 0;
}

/* Returns the index of the first entry whose bits are not below these. */
static size_t find_bits(const struct header_set *set, uint32_t bits)
{
    size_t low = 0, high = set->n_work_by_bits;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (set->work_by_bits[mid].bits < bits)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int add_bits(struct header_set *set, const struct spv_chain_header *record)
{
    size_t at = find_bits(set, record->header.bits);
    struct spv_u256 work = record->work;

    if (at < set->n_work_by_bits && set->work_by_bits[at].bits == record->header.bits)
        return 0;
    if (set->n_work_by_bits == set->cap_work_by_bits) {
        size_t cap = set->cap_work_by_bits == 0 ? 16 : set->cap_work_by_bits * 2;
        struct bits_work *work_by_bits = realloc(set->work_by_bits, cap * sizeof *work_by_bits);

        if (!work_by_bits)
            return SPV_ERR_NOMEM;
        set->work_by_bits = work_by_bits;
        set->cap_work_by_bits = cap;
    }
    work = spv_u256_sub(&work, &set->tip_work);
    memmove(set->work_by_bits + at + 1, set->work_by_bits + at,
            (set->n_work_by_bits - at) * sizeof *set->work_by_bits);
    set->work_by_bits[at] = (struct bits_work){.bits = record->header.bits, .work = work};
    set->n_work_by_bits++;
    return 0;
}

static struct spv_u256 work_at(const struct header_set *set, uint32_t height)
{
    uint32_t h = height / WORK_SPAN * WORK_SPAN;
    struct spv_u256 work = set->work_samples[height / WORK_SPAN];
    struct spv_header header;

    while (h < height) {
        spv_header_decode(&header, raw_at(set, ++h));
        work = spv_u256_add(&work, &set->work_by_bits[find_bits(set, header.bits)].work);
    }
    return work;
}

/* The reader. */

static int read_height(void *ctx, struct spv_chain_header *out, uint32_t height)
{
    const struct header_set *set = ctx;

    if (height >= set->n)
        return 0;
    spv_header_decode(&out->header, raw_at(set, height));
    memcpy(out->hash.b, hash_at(set, height), sizeof out->hash.b);
    out->work = height + 1 == set->n ? set->tip_work : work_at(set, height);
    out->height = height;
    return 1;
}

static int read_tip(void *ctx, struct spv_chain_header *out)
{
    const struct header_set *set = ctx;

    return set->n == 0 ? 0 : read_height(ctx, out, set->n - 1);
}

static int read_hash(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash)
{
    const struct header_set *set = ctx;
    uint32_t slot = find_slot(set, hash->b);

    return set->slots[slot] == 0 ? 0 : read_height(ctx, out, set->slots[slot] - 1);
}

static int read_range(void *ctx, struct spv_header *out, uint32_t from, uint32_t n)
{
    const struct header_set *set = ctx;
    uint32_t i, available = from < set->n ? set->n - from : 0;

    if (n > available)
        n = available;
    if (n > INT32_MAX)
        n = INT32_MAX;
    for (i = 0; i < n; i++)
        spv_header_decode(&out[i], raw_at(set, from + i));
    return (int)n;
}

struct spv_header_db header_set_db(struct header_set *set)
{
    return (struct spv_header_db){.ctx = set,
                                  .tip = read_tip,
                                  .by_height = read_height,
                                  .by_hash = read_hash,
                                  .range = read_range};
}

int header_set_add(struct header_set *set, const struct spv_chain_header *record)
{
    int rc;

    if (record->height != set->n ||
        (set->n > 0 && !spv_blockhash_eq(&record->header.prev, &set->tip_hash)))
        return SPV_ERR_INVALID;
    if (set->n == set->cap && (rc = grow_headers(set)) != 0)
        return rc;
    if (set->n >= set->n_slots / 3 * 2 && (rc = grow_slots(set)) != 0)
        return rc;
    rc = add_bits(set, record);
    if (rc != 0)
        return rc;
    spv_header_encode(set->raw + (size_t)set->n * SPV_HEADER_SIZE, &record->header);
    if (record->height % WORK_SPAN == 0)
        set->work_samples[record->height / WORK_SPAN] = record->work;
    set->n++; /* from here on the old tip's hash is read from the new header */
    set->tip_hash = record->hash;
    set->tip_work = record->work;
    set->slots[find_slot(set, record->hash.b)] = record->height + 1;
    return 0;
}

void header_set_truncate(struct header_set *set, uint32_t n)
{
    struct spv_u256 work;

    if (n == 0 || n >= set->n)
        return;
    work = work_at(set, n - 1);
    memcpy(set->tip_hash.b, hash_at(set, n - 1), sizeof set->tip_hash.b);
    set->tip_work = work;
    set->n = n;
    memset(set->slots, 0, set->n_slots * sizeof *set->slots);
    fill_slots(set);
}

int header_set_new(struct header_set **out)
{
    struct header_set *set = calloc(1, sizeof *set);

    if (!set)
        return SPV_ERR_NOMEM;
    set->n_slots = FIRST_SLOTS;
    set->slots = calloc(set->n_slots, sizeof *set->slots);
    if (!set->slots) {
        free(set);
        return SPV_ERR_NOMEM;
    }
    *out = set;
    return 0;
}

void header_set_free(struct header_set *set)
{
    if (!set)
        return;
    free(set->raw);
    free(set->slots);
    free(set->work_samples);
    free(set->work_by_bits);
    free(set);
}
