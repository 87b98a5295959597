/* Random numbers from an injected generator (struct spv_rng). */
#ifndef SPV_UTIL_RNG_H
#define SPV_UTIL_RNG_H

#include <stdint.h>

#include "spv/types.h"

static inline uint64_t spv_rng_u64(const struct spv_rng *rng)
{
    uint64_t x = 0;

    rng->fill(rng->ctx, &x, sizeof x);
    return x;
}

/* A uniform number in [0, n), n > 0. Values at and above the largest multiple of n are rejected:
 * x % n alone favours small results. */
static inline uint64_t spv_rng_below(const struct spv_rng *rng, uint64_t n)
{
    const uint64_t excess = (UINT64_MAX % n + 1) % n; /* 2^64 mod n */
    uint64_t x;

    do {
        x = spv_rng_u64(rng);
    } while (x > UINT64_MAX - excess);
    return x % n;
}

/* A uniform number in [x - spread, x + spread]; spread <= x. Timers of many connections that start
 * together do not stay in step. */
static inline uint64_t spv_rng_jitter(const struct spv_rng *rng, uint64_t x, uint64_t spread)
{
    return x - spread + spv_rng_below(rng, 2 * spread + 1);
}

#endif
