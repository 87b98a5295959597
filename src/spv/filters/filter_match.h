/* struct spv_filter_matcher. It is in a header so that tests can set `simd`. */
#ifndef SPV_SPV_FILTERS_FILTER_MATCH_H
#define SPV_SPV_FILTERS_FILTER_MATCH_H

#include <stddef.h>
#include <stdint.h>

#include "spv/filter.h"
#include "spv/filters/filter_query.h"

#define SPV_FILTER_INTERVALS_LOG2 19 /* 64 KiB of bits: they stay in the second-level cache */
#define SPV_FILTER_BUCKET_LOG2 8 /* intervals per bucket: five values of a filter of 10,000 */
/* With at most this many scripts, their bitmap excludes nearly all values of a filter: 1 in 130
 * bits is set. */
#define SPV_FILTER_FEW_SCRIPTS 4096

struct spv_filter_matcher {
    const struct spv_filter_query *query;
    enum spv_simd simd;
    uint64_t *values[2]; /* decoded, of one or two filters */
    size_t cap[2];
    uint64_t *script_values; /* values of all scripts when there are few, else of one batch */
    uint64_t *bitmap;
    uint16_t slots[SPV_SCRIPT_BATCH_SLOTS + 1]; /* of the scripts of a batch that may match */
    uint32_t first[1 << (SPV_FILTER_INTERVALS_LOG2 -
                         SPV_FILTER_BUCKET_LOG2)]; /* index of the first value, by bucket */
};

#endif
