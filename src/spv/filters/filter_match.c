/* Matching decodes all values of a filter, hashes all scripts with the filter's key, and compares
 * the two lists by way of a bitmap that divides the range into 2^19 intervals:
 *
 * 1. With few scripts only: set the bit of the interval of each script; discard values whose
 * interval has no bit.
 * 2. Set the bit of the interval of each remaining value. A script whose interval has its bit set
 * is searched among the values, which ascend, from the first one in its bucket (256 intervals) on.
 *
 * Nothing is sorted, and memory is allocated only for a filter larger than all previous ones. The
 * bitmap is empty between uses. */
#include "spv/filter.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/filters/filter_match.h"
#include "spv/filters/gcs.h"
#include "util/array.h"

#define INTERVALS_LOG2 SPV_FILTER_INTERVALS_LOG2
#define BITMAP_WORDS (((size_t)1 << INTERVALS_LOG2) / 64)
#define FEW_BITS 2048 /* up to this many are cleared one by one: cheaper than clearing 64 KiB */

static unsigned interval_shift(uint64_t range)
{
    unsigned shift = 0;

    while ((range - 1) >> shift >> INTERVALS_LOG2 != 0)
        shift++;
    return shift;
}

static void set_bits(uint64_t *bitmap, const uint64_t *values, size_t n, unsigned shift)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t interval = values[i] >> shift;
        bitmap[interval / 64] |= (uint64_t)1 << (interval % 64);
    }
}

static bool has_bit(const uint64_t *bitmap, uint64_t value, unsigned shift)
{
    const uint64_t interval = value >> shift;
    return (bitmap[interval / 64] >> (interval % 64) & 1) != 0;
}

/* Clears what set_bits set. */
static void clear_bits(uint64_t *bitmap, const uint64_t *values, size_t n, unsigned shift)
{
    if (n > FEW_BITS) {
        memset(bitmap, 0, BITMAP_WORDS * sizeof *bitmap);
        return;
    }
    for (size_t i = 0; i < n; i++)
        bitmap[values[i] >> shift >> 6] = 0;
}

/* Keeps the values whose interval has its bit set; returns their number. */
static size_t keep_values_with_bit(uint64_t *values, size_t n, const uint64_t *bitmap,
                                   unsigned shift)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        const uint64_t value = values[i];
        values[kept] = value;
        kept += has_bit(bitmap, value, shift);
    }
    return kept;
}

/* Sets the bits of the values' intervals and notes the first value of each bucket. */
static void index_values(struct spv_filter_matcher *m, const uint64_t *values, size_t n,
                         unsigned shift)
{
    for (size_t i = n; i-- > 0;) {
        const uint64_t interval = values[i] >> shift;
        m->bitmap[interval / 64] |= (uint64_t)1 << (interval % 64);
        m->first[interval >> SPV_FILTER_BUCKET_LOG2] = (uint32_t)i;
    }
}

/* Whether a value whose interval has its bit set is among the values, which end with UINT64_MAX. */
static bool is_among(const struct spv_filter_matcher *m, const uint64_t *values, uint64_t value,
                     unsigned shift)
{
    size_t i = m->first[value >> shift >> SPV_FILTER_BUCKET_LOG2];

    while (values[i] < value)
        i++;
    return values[i] == value;
}

/* Whether a script of a batch, of which script_values are the values, is in the filter; sets hits[]
 * when it is not NULL. */
static bool find_batch(struct spv_filter_matcher *m, bool *hits,
                       const struct spv_script_batch *batch, const uint64_t *script_values,
                       const uint64_t *values, unsigned shift)
{
    const size_t n = batch->n_rows * SPV_FILTER_LANES;
    size_t n_candidates = 0;
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        m->slots[n_candidates] = (uint16_t)i;
        n_candidates += has_bit(m->bitmap, script_values[i], shift);
    }
    for (size_t i = 0; i < n_candidates && (hits || !found); i++) {
        const size_t slot = m->slots[i];
        if (!is_among(m, values, script_values[slot], shift))
            continue;
        found = true;
        if (hits)
            hits[m->query->script_of[batch->first_slot + slot]] = true;
    }
    return found;
}

/* Whether a script is in a filter with these values, set->n of them; sets hits[] when it is not
 * NULL. The values are changed, and there is room for one more. */
static bool find_scripts(struct spv_filter_matcher *m, bool *hits, uint64_t *values,
                         const struct spv_gcs *set, struct spv_gcs_key key)
{
    const struct spv_filter_query *query = m->query;
    const unsigned shift = interval_shift(set->range);
    const bool few_scripts = query->n_slots <= SPV_FILTER_FEW_SCRIPTS;
    bool found = false;
    size_t n = set->n;

    if (few_scripts) {
        for (size_t g = 0; g < query->n_batches; g++)
            spv_script_batch_hash(m->script_values + query->batches[g].first_slot,
                                  &query->batches[g], key, set->range, m->simd);
        set_bits(m->bitmap, m->script_values, query->n_slots, shift);
        n = keep_values_with_bit(values, n, m->bitmap, shift);
        clear_bits(m->bitmap, m->script_values, query->n_slots, shift);
        if (n == 0)
            return false;
    }
    values[n] = UINT64_MAX;
    index_values(m, values, n, shift);
    for (size_t g = 0; g < query->n_batches && (hits || !found); g++) {
        const struct spv_script_batch *batch = &query->batches[g];
        uint64_t *script_values = m->script_values + (few_scripts ? batch->first_slot : 0);
        if (!few_scripts)
            spv_script_batch_hash(script_values, batch, key, set->range, m->simd);
        if (find_batch(m, hits, batch, script_values, values, shift))
            found = true;
    }
    clear_bits(m->bitmap, values, n, shift);
    return found;
}

static int reserve_values(struct spv_filter_matcher *m, unsigned which, size_t n)
{
    uint64_t *grown =
        spv_array_grow(m->values[which], &m->cap[which], n + 1, 1024, sizeof *m->values[which]);

    if (!grown)
        return SPV_ERR_NOMEM;
    m->values[which] = grown;
    return 0;
}

/* Reads a filter's count and makes room for its values. */
static int open_filter(struct spv_gcs *set, struct spv_filter_matcher *m, unsigned which,
                       const struct spv_filter *filter)
{
    const int rc = spv_gcs_open(set, filter->bytes, filter->n);

    return rc != 0 ? rc : reserve_values(m, which, set->n);
}

int spv_filter_matcher_new(struct spv_filter_matcher **out, const struct spv_filter_query *query)
{
    struct spv_filter_matcher *m = calloc(1, sizeof *m);

    *out = NULL;
    if (!m)
        return SPV_ERR_NOMEM;
    m->query = query;
    m->simd = spv_simd_best();
    m->script_values = calloc(SPV_FILTER_FEW_SCRIPTS, sizeof *m->script_values);
    m->bitmap = calloc(BITMAP_WORDS, sizeof *m->bitmap);
    if (!m->script_values || !m->bitmap) {
        spv_filter_matcher_free(m);
        return SPV_ERR_NOMEM;
    }
    *out = m;
    return 0;
}

void spv_filter_matcher_free(struct spv_filter_matcher *matcher)
{
    if (!matcher)
        return;
    free(matcher->values[0]);
    free(matcher->values[1]);
    free(matcher->script_values);
    free(matcher->bitmap);
    free(matcher);
}

static int match_one(struct spv_filter_matcher *m, bool *hits, const struct spv_filter *filter)
{
    struct spv_gcs set;
    int rc = open_filter(&set, m, 0, filter);

    if (rc == 0)
        rc = spv_gcs_decode(m->values[0], &set, m->simd);
    return rc != 0 ? rc : find_scripts(m, hits, m->values[0], &set, spv_gcs_key_of(&filter->block));
}

int spv_filter_match(struct spv_filter_matcher *matcher, const struct spv_filter *filter)
{
    return match_one(matcher, NULL, filter);
}

int spv_filter_match_which(struct spv_filter_matcher *matcher, bool *hits,
                           const struct spv_filter *filter)
{
    for (size_t i = 0; i < matcher->query->n; i++)
        hits[i] = false;
    return match_one(matcher, hits, filter);
}

void spv_filter_match_list(struct spv_filter_matcher *matcher, int *results,
                           const struct spv_filter *filters, size_t n)
{
    size_t i = 0;

    for (; i + 1 < n; i += 2) {
        struct spv_gcs a, b;
        int *rc = results + i;
        rc[0] = open_filter(&a, matcher, 0, &filters[i]);
        rc[1] = open_filter(&b, matcher, 1, &filters[i + 1]);
        if (rc[0] == 0 && rc[1] == 0)
            spv_gcs_decode_pair(rc, matcher->values, (const struct spv_gcs *[2]){&a, &b},
                                matcher->simd);
        else if (rc[0] == 0)
            rc[0] = spv_gcs_decode(matcher->values[0], &a, matcher->simd);
        else if (rc[1] == 0)
            rc[1] = spv_gcs_decode(matcher->values[1], &b, matcher->simd);
        if (rc[0] == 0)
            rc[0] = find_scripts(matcher, NULL, matcher->values[0], &a,
                                 spv_gcs_key_of(&filters[i].block));
        if (rc[1] == 0)
            rc[1] = find_scripts(matcher, NULL, matcher->values[1], &b,
                                 spv_gcs_key_of(&filters[i + 1].block));
    }
    if (i < n)
        results[i] = spv_filter_match(matcher, &filters[i]);
}
