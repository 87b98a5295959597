/* MurmurHash3_x86_32, after Austin Appleby's (public domain): the hash functions of bloom filters
 * (BIP37), computed two at a time. The part that depends on the data alone is shared by both seeds;
 * the rest are two independent chains that the processor runs in parallel. Inline: a filter calls
 * it thousands of times per block. */
#ifndef SPV_SPV_WALLET_MURMUR3_H
#define SPV_SPV_WALLET_MURMUR3_H

#include <stddef.h>
#include <stdint.h>

struct spv_murmur3_pair {
    uint32_t first, second;
};

static inline uint32_t spv_murmur3_rotl(uint32_t x, unsigned by)
{
    return (x << by) | (x >> (32 - by));
}

static inline uint32_t spv_murmur3_mix(uint32_t k)
{
    return spv_murmur3_rotl(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

/* The last fmix32: every bit of the input changes every bit of the output with even odds. */
static inline uint32_t spv_murmur3_finish(uint32_t h)
{
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    return h ^ (h >> 16);
}

static inline uint32_t spv_murmur3_load(const uint8_t *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

/* Mixes data of whole words once, for all hash functions. */
static inline void spv_murmur3_mix_words(uint32_t *mixed, const uint8_t *data, size_t n_words)
{
    for (size_t i = 0; i < n_words; i++)
        mixed[i] = spv_murmur3_mix(spv_murmur3_load(data + 4 * i));
}

/* The hashes of mixed words with two seeds. Any thread. */
static inline struct spv_murmur3_pair spv_murmur3_words(uint32_t first, uint32_t second,
                                                        const uint32_t *mixed, size_t n_words)
{
    for (size_t i = 0; i < n_words; i++) {
        first = spv_murmur3_rotl(first ^ mixed[i], 13) * 5 + 0xe6546b64u;
        second = spv_murmur3_rotl(second ^ mixed[i], 13) * 5 + 0xe6546b64u;
    }
    const uint32_t n = (uint32_t)n_words * 4;
    return (struct spv_murmur3_pair){spv_murmur3_finish(first ^ n), spv_murmur3_finish(second ^ n)};
}

/* The hashes of data of any length with two seeds. Any thread. */
static inline struct spv_murmur3_pair spv_murmur3(uint32_t first, uint32_t second,
                                                  const uint8_t *data, size_t n)
{
    size_t left = n;
    uint32_t k;

    for (; left >= 4; left -= 4, data += 4) {
        k = spv_murmur3_mix(spv_murmur3_load(data));
        first = spv_murmur3_rotl(first ^ k, 13) * 5 + 0xe6546b64u;
        second = spv_murmur3_rotl(second ^ k, 13) * 5 + 0xe6546b64u;
    }
    k = 0;
    while (left > 0)
        k = k << 8 | data[--left];
    k = spv_murmur3_mix(k) ^ (uint32_t)n;
    return (struct spv_murmur3_pair){spv_murmur3_finish(first ^ k), spv_murmur3_finish(second ^ k)};
}

#endif
