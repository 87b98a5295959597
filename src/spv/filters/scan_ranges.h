/* A short list of ranges of heights. */
#ifndef SPV_SPV_FILTERS_SCAN_RANGES_H
#define SPV_SPV_FILTERS_SCAN_RANGES_H

#include <stddef.h>
#include <stdint.h>

#define SPV_SCAN_MAX_RANGES 64 /* ours: ranges; beyond, the closest ones are joined */

struct spv_scan_range {
    uint32_t first, last;
};

/* Ascending; there is at least one height between two. */
struct spv_scan_ranges {
    struct spv_scan_range list[SPV_SCAN_MAX_RANGES];
    size_t n;
};

/* Adds first..last; heights between ranges may be added as well when the list is full. */
void spv_scan_ranges_add(struct spv_scan_ranges *r, uint32_t first, uint32_t last);
void spv_scan_ranges_remove_first(struct spv_scan_ranges *r);
/* Removes all heights above one. */
void spv_scan_ranges_truncate(struct spv_scan_ranges *r, uint32_t height);
/* Removes all heights below one. */
void spv_scan_ranges_remove_below(struct spv_scan_ranges *r, uint32_t height);

#endif
