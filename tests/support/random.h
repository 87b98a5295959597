/* Seeded randomness for tests: splitmix64, the same on every machine. */
#ifndef SPV_TESTS_SUPPORT_RANDOM_H
#define SPV_TESTS_SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "spv/types.h"

struct test_random {
    uint64_t state;
};

static inline uint64_t test_random_next(struct test_random *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* In [0, n), n > 0. */
static inline uint64_t test_random_below(struct test_random *r, uint64_t n)
{
    return test_random_next(r) % n;
}

static inline void test_random_fill(void *ctx, void *out, size_t n)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)test_random_next(ctx);
}

/* The same generator as a struct spv_rng. */
static inline struct spv_rng test_random_rng(struct test_random *r)
{
    return (struct spv_rng){.fill = test_random_fill, .ctx = r};
}

#endif
