/* After Austin Appleby's MurmurHash3_x86_32 (public domain). */
#include "spv/wallet/murmur3.h"

static uint32_t rotl(uint32_t x, unsigned by)
{
    return (x << by) | (x >> (32 - by));
}

static uint32_t mix(uint32_t k)
{
    return rotl(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

/* The last fmix32: every bit of the input changes every bit of the output with even odds. */
static uint32_t finish(uint32_t h)
{
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    return h ^ (h >> 16);
}

uint32_t spv_murmur3(uint32_t seed, const uint8_t *data, size_t n)
{
    const size_t tail = n - n % 4;
    uint32_t h = seed, k = 0;

    for (size_t i = 0; i < tail; i += 4) {
        k = (uint32_t)data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16 |
            (uint32_t)data[i + 3] << 24;
        h = rotl(h ^ mix(k), 13) * 5 + 0xe6546b64u;
    }
    k = 0;
    for (size_t i = tail; i < n; i++)
        k |= (uint32_t)data[i] << 8 * (i - tail);
    h ^= mix(k);
    return finish(h ^ (uint32_t)n);
}
