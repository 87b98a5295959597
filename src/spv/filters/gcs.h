/* Golomb-coded sets (BIP158): N values below N * M, ascending, each as its difference from the
 * previous one in a Golomb-Rice code: the difference divided by 2^P in unary (ones, then a zero),
 * then P bits of remainder, most significant bit first; the last byte is padded with zeros. */
#ifndef SPV_SPV_FILTERS_GCS_H
#define SPV_SPV_FILTERS_GCS_H

#include <stddef.h>
#include <stdint.h>

#include "spv/filter.h"
#include "spv/filters/simd.h"
#include "util/buffer.h"

/* The key of SipHash-2-4: the first 16 bytes of a block's hash, two little-endian words. */
struct spv_gcs_key {
    uint64_t k0, k1;
};
struct spv_gcs_key spv_gcs_key_of(const struct spv_blockhash *block);

/* A filter's coded set. */
struct spv_gcs {
    size_t n; /* elements, for which the bytes suffice; the codes may still end too early */
    uint64_t range; /* n * M */
    const uint8_t *bits, *end;
};

/* Reads the number of elements, which is bounded by the bytes that follow: nothing is computed or
 * allocated for an impossible count. Returns 0, SPV_ERR_SHORT, SPV_ERR_COMPACT_SIZE, or
 * SPV_ERR_TRAILING for bytes after an empty set. */
int spv_gcs_open(struct spv_gcs *out, const uint8_t *bytes, size_t n);

/* Decodes all values into out, set.n of them. Returns 0, SPV_ERR_SHORT, SPV_ERR_TRAILING or
 * SPV_ERR_FILTER_RANGE. */
int spv_gcs_decode(uint64_t *out, const struct spv_gcs *set, enum spv_simd simd);
/* The same for two sets in turn, which hides the latency of each. rc has both results. */
void spv_gcs_decode_pair(int rc[2], uint64_t *out[2], const struct spv_gcs *set[2],
                         enum spv_simd simd);

/* Appends the set of n ascending values: their number as a CompactSize and their codes. */
void spv_gcs_encode(struct spv_buffer *out, const uint64_t *values, size_t n);

/* hash * range / 2^64: maps a 64-bit hash to a value below range ("fast range"), in order. */
static inline uint64_t spv_gcs_value(uint64_t hash, uint64_t range)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)hash * range >> 64);
#else
    const uint64_t low = (hash & UINT32_MAX) * (range & UINT32_MAX);
    const uint64_t a = (hash >> 32) * (range & UINT32_MAX) + (low >> 32);
    const uint64_t b = (hash & UINT32_MAX) * (range >> 32) + (a & UINT32_MAX);
    return (hash >> 32) * (range >> 32) + (a >> 32) + (b >> 32);
#endif
}

#endif
