/* Progress of a scan and its rate, from the number of blocks that are left. */
#ifndef SPV_WALLET_SCAN_RATE_H
#define SPV_WALLET_SCAN_RATE_H

#include "spv/types.h"
#include "spv/wallet_event.h"

struct spv_scan_rate { /* zeroed: nothing is known */
    uint32_t most_left; /* the highest number of blocks left: 0 % of the progress */
    uint32_t measured_left; /* blocks left, ... */
    uint64_t measured_us; /* ... when the rate was last measured */
    double rate; /* blocks a second; 0: unknown */
};

void spv_scan_rate_measure(struct spv_scan_rate *r, uint32_t left, struct spv_now now);
/* Fills in progress, rate and left_us for out->left. */
void spv_scan_rate_status(const struct spv_scan_rate *r, struct spv_wallet_status *out);

#endif
