/* The consensus rules of headers as pure functions over numbers: what bits, times and versions a
 * header may have, after the headers before it. */
#ifndef SPV_SPV_CHAIN_CONSENSUS_H
#define SPV_SPV_CHAIN_CONSENSUS_H

#include <stdint.h>

#include "spv/chain.h"
#include "spv/params.h"

/* Decodes bits. Returns 0, SPV_ERR_HDR_BITS_MALFORMED, or SPV_ERR_HDR_BITS_LIMIT when it is above
 * the network's limit. */
int spv_consensus_target(const struct spv_params *params, struct spv_u256 *target, uint32_t bits);

/* The bits after a period whose blocks had base_bits and whose first and last blocks have these
 * times. base_bits must have passed spv_consensus_target. */
uint32_t spv_consensus_retarget(const struct spv_params *params, uint32_t base_bits,
                                uint32_t first_time, uint32_t last_time);

/* The parent's data that the retarget rules need. */
struct spv_consensus_parent {
    uint32_t height;
    uint32_t time;
    uint32_t bits;
    uint32_t last_non_min_diff_bits; /* bits of the nearest block at or before it whose bits are
                           not pow_limit_bits, or of its period's first block */
    uint32_t first_time; /* of its period's first block */
    uint32_t first_bits;
};

/* The bits that a child with this time must have. */
uint32_t spv_consensus_next_bits(const struct spv_params *params,
                                 const struct spv_consensus_parent *parent, uint32_t time);

/* last_non_min_diff_bits of a block, from its parent's. */
uint32_t spv_consensus_last_non_min_diff_bits(const struct spv_params *params, uint32_t height,
                                              uint32_t bits, uint32_t parent_bits);

/* BIP34, BIP66, BIP65. Returns 0, or SPV_ERR_HDR_VERSION when the version is too low at the height.
 */
int spv_consensus_version(const struct spv_params *params, uint32_t height, int32_t version);

/* height and time are the child's. Returns 0, SPV_ERR_HDR_TIME_OLD, or SPV_ERR_HDR_TIME_WARP
 * (BIP94). */
int spv_consensus_time(const struct spv_params *params, uint32_t height, uint32_t time,
                       uint32_t parent_time, uint32_t median);

/* A header may be at most two hours ahead of our clock. Returns 0 or SPV_ERR_HDR_TIME_FUTURE. */
int spv_consensus_future(uint32_t time, struct spv_now now);

/* The times of the last (up to) 11 headers, in order and sorted. Zero-initialise. */
struct spv_median {
    uint32_t times[SPV_MEDIAN_SPAN]; /* a ring; at is the oldest once it is full */
    uint32_t sorted[SPV_MEDIAN_SPAN];
    uint32_t n;
    uint32_t at;
};
void spv_median_push(struct spv_median *m, uint32_t time);
/* The median; 0 when empty. */
uint32_t spv_median_time(const struct spv_median *m);

#endif
