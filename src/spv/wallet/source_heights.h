/* The heights of a source of coins: which one is scanned next, and which must be scanned again. As
 * in a scan with filters (spv/filters/filter_scan.h), the main pass goes from the first height to
 * the last one. Scripts that are added later leave gaps: heights below the next one that were
 * scanned without them. When the main pass is at its end, a second pass scans the gaps. */
#ifndef SPV_WALLET_SOURCE_HEIGHTS_H
#define SPV_WALLET_SOURCE_HEIGHTS_H

#include "spv/filters/scan_ranges.h"
#include "spv/wallet/coin_source.h"

struct spv_source_heights {
    uint32_t first, last; /* of the scan */
    uint32_t available; /* the highest height that can be scanned now */
    bool at_tip; /* `available` is the tip of the synced chain */
    uint32_t next; /* the lowest height that this pass has not scanned yet */
    bool is_second_pass;
    /* second pass: the ranges that are left, the current one first */
    struct spv_scan_ranges ranges;
    uint32_t main_next; /* second pass: the height at which the main pass continues */
    struct spv_scan_ranges gaps; /* ranges for the next second pass */
    uint32_t rolled_back_to; /* the height of the ROLLED_BACK event that is due; UINT32_MAX: none */
    uint32_t reported_to; /* the highest height that a FOUND event was reported for */
    bool done_reported; /* a DONE event was reported, and nothing has changed since */
};

void spv_source_heights_begin(struct spv_source_heights *h, uint32_t first, uint32_t last);
/* Heights from `from` to `end` - 1 that were scanned must be scanned again. When `from` is below
 * the first height, the scan is extended down to it. */
void spv_source_heights_rescan(struct spv_source_heights *h, uint32_t from, uint32_t end);
/* How many heights are yet to be scanned, gaps included. */
uint32_t spv_source_heights_left(const struct spv_source_heights *h);
/* The last height that the current pass can scan now. */
uint32_t spv_source_heights_end(const struct spv_source_heights *h);
/* At the end of a pass, or of a range of it: true when another one begins, with another `next`. */
bool spv_source_heights_next_pass(struct spv_source_heights *h);
void spv_source_heights_set_available(struct spv_source_heights *h, uint32_t available,
                                      bool at_tip);
void spv_source_heights_reported(struct spv_source_heights *h, uint32_t height);
/* The blocks above a height left the best chain: `next` becomes at most height + 1. */
void spv_source_heights_roll_back(struct spv_source_heights *h, uint32_t height);
/* Returns true and a ROLLED_BACK event when one is due; it precedes all other events. */
bool spv_source_heights_take_rolled_back(struct spv_source_heights *h,
                                         struct spv_source_event *out);
/* Returns true and a DONE event once all available heights are scanned. */
bool spv_source_heights_take_done(struct spv_source_heights *h, struct spv_source_event *out);

#endif
