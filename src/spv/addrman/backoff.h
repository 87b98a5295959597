/* Delay before the next attempt to connect to an address that failed. */
#ifndef SPV_SPV_ADDRMAN_BACKOFF_H
#define SPV_SPV_ADDRMAN_BACKOFF_H

#include "spv/types.h"
#include "util/rng.h"

#define SPV_BACKOFF_FIRST_US (SPV_SECOND / 2) /* ours: a peer may restart within a second */
#define SPV_BACKOFF_MANUAL_US (30 * SPV_SECOND) /* ours: short, as the user selected this peer */
#define SPV_BACKOFF_MAX_US (600 * SPV_SECOND) /* ours: no address is excluded for good */

/* Doubles with each failure in a row (0 counts as 1), up to `most`; the upper half is random. */
static inline uint64_t spv_backoff(unsigned failures, uint64_t most, struct spv_rng rng)
{
    uint64_t wait = SPV_BACKOFF_FIRST_US;
    for (unsigned i = 1; i < failures && wait < most; i++)
        wait *= 2;
    if (wait > most)
        wait = most;
    return wait / 2 + spv_rng_below(&rng, wait / 2 + 1);
}

#endif
