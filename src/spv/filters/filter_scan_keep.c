/* A scan without scripts keeps filters, the highest ones. It goes down from the tip, so that no
 * filter is fetched that would be deleted again when the space is full: a window of heights at a
 * time, sized so that filters as large as the largest so far fit into the space left.
 *
 *     first ........ | window 3 | window 2 |  window 1  | new blocks
 *                    <- catch-up passes -> <----- main pass ------->
 */
#include "spv/filters/filter_scan_state.h"

/* ours: while no size is known: the first window has 1 / FIRST_PART of the space, by a guess */
#define FIRST_PART 4

static uint32_t window_size(uint64_t bytes, uint64_t filter_bytes)
{
    const uint64_t n = bytes / filter_bytes;

    return n < SPV_SCAN_KEEP_WINDOW_HEIGHTS ? (uint32_t)n : SPV_SCAN_KEEP_WINDOW_HEIGHTS;
}

/* The first height of a window of n heights up to `last`. */
static uint32_t window_first(const struct spv_filter_scan *s, uint32_t last, uint32_t n)
{
    return last - s->first + 1 > n ? last - n + 1 : s->first;
}

uint32_t spv_scan_keep_begin(struct spv_filter_scan *s)
{
    const uint32_t last = s->last < s->available ? s->last : s->available;
    const uint32_t n = window_size(s->cfg.keep_bytes / FIRST_PART, SPV_FILTER_FETCH_GUESS_BYTES);

    if (!s->at_tip || last < s->first)
        return 0;
    s->window_first = window_first(s, last, n > 0 ? n : 1);
    return s->window_first;
}

bool spv_scan_keep_next(struct spv_filter_scan *s)
{
    const uint64_t kept = s->stats.filter_bytes;
    const uint64_t left = s->cfg.keep_bytes > kept ? s->cfg.keep_bytes - kept : 0;

    if (!s->keeps_only || !s->window_first || s->window_first <= s->first || !s->largest_filter)
        return false;
    const uint32_t n = window_size(left, s->largest_filter);
    if (n == 0)
        return false;
    const uint32_t last = s->window_first - 1;
    s->window_first = window_first(s, last, n);
    s->missed_script = 0;
    spv_scan_ranges_add(&s->missed, s->window_first, last);
    return true;
}
