/* The heights of a source of coins: which is the next to be reported, and what must be looked at
 * again. As in a scan with filters (spv/filters/filter_scan.h), a main pass goes from the first
 * height to the last; scripts that are added later leave gaps below the next height, and a second
 * look goes over the gaps when the main pass is at its end. */
#ifndef SPV_WALLET_SOURCE_HEIGHTS_H
#define SPV_WALLET_SOURCE_HEIGHTS_H

#include "spv/filters/scan_ranges.h"
#include "spv/wallet/coin_source.h"

struct spv_source_heights {
    uint32_t first, last; /* of the scan */
    uint32_t available; /* the highest that there is */
    bool at_tip; /* `available` is the tip of the synced chain */
    uint32_t next; /* everything below is done in this pass */
    bool is_second_pass;
    struct spv_scan_ranges ranges; /* of a second look: those not done, the current one first */
    uint32_t main_next; /* the main pass goes on here after a second look */
    struct spv_scan_ranges gaps; /* for the next second look */
    uint32_t rolled_back_to; /* an UNDONE event is due; UINT32_MAX: none is */
    uint32_t reported_to; /* the highest height that was reported */
    bool done_reported; /* DONE was, and nothing has changed since */
};

void spv_source_heights_begin(struct spv_source_heights *h, uint32_t first, uint32_t last);
/* Heights from `from` on that are done, those below `end`, must be looked at again; also those
 * below the first one, which is lower from now on. */
void spv_source_heights_rescan(struct spv_source_heights *h, uint32_t from, uint32_t end);
/* How many heights are to be looked at, gaps included. */
uint32_t spv_source_heights_left(const struct spv_source_heights *h);
/* The last height that the pass can go to now. */
uint32_t spv_source_heights_end(const struct spv_source_heights *h);
/* After the end of a pass: true when another one begins, with another `next`. */
bool spv_source_heights_next_pass(struct spv_source_heights *h);
void spv_source_heights_set_available(struct spv_source_heights *h, uint32_t available,
                                      bool at_tip);
void spv_source_heights_reported(struct spv_source_heights *h, uint32_t height);
/* The blocks above a height are other ones now: `next` is at most height + 1. */
void spv_source_heights_roll_back(struct spv_source_heights *h, uint32_t height);
/* An UNDONE event that is due comes before all others: true. */
bool spv_source_heights_take_rolled_back(struct spv_source_heights *h,
                                         struct spv_source_event *out);
/* When all is done that there is: true once. */
bool spv_source_heights_take_done(struct spv_source_heights *h, struct spv_source_event *out);

#endif
