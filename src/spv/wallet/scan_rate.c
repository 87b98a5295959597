#include "spv/wallet/scan_rate.h"

#define RATE_US 1000000 /* the interval in which the rate is measured */

void spv_scan_rate_measure(struct spv_scan_rate *r, uint32_t left, struct spv_now now)
{
    const uint64_t elapsed = now.mono_us - r->measured_us;

    if (left == 0 || left > r->most_left)
        r->most_left = left;
    if (left >= r->measured_left) {
        r->measured_left = left;
        r->measured_us = now.mono_us;
    } else if (elapsed >= RATE_US) {
        const double blocks = (double)(r->measured_left - left);
        r->rate = (r->rate + blocks * 1e6 / (double)elapsed) / (r->rate > 0 ? 2 : 1);
        r->measured_left = left;
        r->measured_us = now.mono_us;
    }
}

void spv_scan_rate_status(const struct spv_scan_rate *r, struct spv_wallet_status *out)
{
    out->rate = r->rate;
    if (out->left == 0)
        out->progress = 1;
    else if (r->most_left >= out->left)
        out->progress = 1 - (double)out->left / r->most_left;
    if (r->rate > 0)
        out->left_us = (uint64_t)(out->left * 1e6 / r->rate);
}
