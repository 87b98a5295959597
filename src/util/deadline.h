/* Deadlines: monotonic microseconds, SPV_NEVER (the largest value) for none. */
#ifndef SPV_UTIL_DEADLINE_H
#define SPV_UTIL_DEADLINE_H

#include <stdint.h>

/* The earlier of two deadlines. */
static inline uint64_t spv_min_deadline(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
