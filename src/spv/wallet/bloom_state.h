/* The internals of a bloom filter, and the test for an item, inlined into the matching of
 * transactions. */
#ifndef SPV_SPV_WALLET_BLOOM_STATE_H
#define SPV_SPV_WALLET_BLOOM_STATE_H

#include "spv/bloom.h"
#include "spv/wallet/murmur3.h"

/* BIP37: "chosen as it guarantees a reasonable bit difference" */
#define SPV_BLOOM_SEED_STEP 0xfba4c795u

struct spv_bloom {
    struct spv_bloom_shape shape;
    uint32_t reciprocal; /* 2^32 / the number of bits, rounded down; 0: there are none */
    uint8_t bits[];
};

#define SPV_BLOOM_INLINE static inline __attribute__((always_inline))

/* h modulo the number of bits, which is at most 288,000. The quotient from a multiplication is at
 * most one too small. */
SPV_BLOOM_INLINE uint32_t spv_bloom_reduce(const struct spv_bloom *bloom, uint32_t h)
{
    const uint32_t n_bits = (uint32_t)bloom->shape.n_bytes * 8;
    const uint32_t rest = h - (uint32_t)((uint64_t)h * bloom->reciprocal >> 32) * n_bits;

    return rest < n_bits ? rest : rest - n_bits;
}

SPV_BLOOM_INLINE uint32_t spv_bloom_seed(const struct spv_bloom *bloom, uint32_t i)
{
    return i * SPV_BLOOM_SEED_STEP + bloom->shape.tweak;
}

/* The bits that a pair of hashes selects; there is at least one byte of bits. */
SPV_BLOOM_INLINE struct spv_murmur3_pair spv_bloom_bits(const struct spv_bloom *bloom,
                                                        struct spv_murmur3_pair hash)
{
    return (struct spv_murmur3_pair){spv_bloom_reduce(bloom, hash.first),
                                     spv_bloom_reduce(bloom, hash.second)};
}

SPV_BLOOM_INLINE unsigned spv_bloom_bit(const struct spv_bloom *bloom, uint32_t bit)
{
    return (unsigned)bloom->bits[bit / 8] >> bit % 8 & 1;
}

SPV_BLOOM_INLINE uint32_t spv_bloom_functions(const struct spv_bloom *bloom)
{
    return bloom->shape.n_bytes == 0 ? 0 : bloom->shape.n_functions;
}

/* spv_bloom_contains. Tests two bits before it branches: each alone is as likely 0 as 1, and a
 * branch that is predicted wrongly costs more than a hash. Most items fail the first test, so their
 * words are not mixed for all functions beforehand. */
SPV_BLOOM_INLINE bool spv_bloom_test_bytes(const struct spv_bloom *bloom, const uint8_t *data,
                                           size_t n)
{
    const uint32_t end = spv_bloom_functions(bloom);

    for (uint32_t i = 0; i < end; i += 2) {
        const uint32_t seed = spv_bloom_seed(bloom, i);
        const struct spv_murmur3_pair bit =
            spv_bloom_bits(bloom, spv_murmur3(seed, seed + SPV_BLOOM_SEED_STEP, data, n));
        const unsigned second = i + 1 < end ? spv_bloom_bit(bloom, bit.second) : 1;
        if ((spv_bloom_bit(bloom, bit.first) & second) == 0)
            return false;
    }
    return true;
}

SPV_BLOOM_INLINE bool spv_bloom_test(const struct spv_bloom *bloom, const uint8_t *data, size_t n)
{
    switch (n) { /* the usual items: of constant length the hash has no loop */
    case 20:
        return spv_bloom_test_bytes(bloom, data, 20);
    case 32:
        return spv_bloom_test_bytes(bloom, data, 32);
    case 36:
        return spv_bloom_test_bytes(bloom, data, 36);
    }
    return spv_bloom_test_bytes(bloom, data, n);
}

#endif
