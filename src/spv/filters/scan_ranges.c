/* The list is short: everything is linear. */
#include "spv/filters/scan_ranges.h"

#include <string.h>

static void remove_at(struct spv_scan_ranges *r, size_t at)
{
    r->n--;
    memmove(&r->list[at], &r->list[at + 1], (r->n - at) * sizeof r->list[0]);
}

void spv_scan_ranges_remove_first(struct spv_scan_ranges *r)
{
    remove_at(r, 0);
}

/* Joins the two neighbours that are closest to each other. */
static void join_closest(struct spv_scan_ranges *r)
{
    size_t best = 1;

    for (size_t i = 2; i < r->n; i++)
        if (r->list[i].first - r->list[i - 1].last < r->list[best].first - r->list[best - 1].last)
            best = i;
    r->list[best - 1].last = r->list[best].last;
    remove_at(r, best);
}

void spv_scan_ranges_add(struct spv_scan_ranges *r, uint32_t first, uint32_t last)
{
    size_t at = 0;

    if (r->n == SPV_SCAN_MAX_RANGES)
        join_closest(r);
    while (at < r->n && r->list[at].last < first && r->list[at].last + 1 < first)
        at++;
    /* those that touch become a part of the new one */
    while (at < r->n && r->list[at].first <= last + (last < UINT32_MAX)) {
        if (r->list[at].first < first)
            first = r->list[at].first;
        if (r->list[at].last > last)
            last = r->list[at].last;
        remove_at(r, at);
    }
    memmove(&r->list[at + 1], &r->list[at], (r->n - at) * sizeof r->list[0]);
    r->list[at] = (struct spv_scan_range){first, last};
    r->n++;
}

void spv_scan_ranges_truncate(struct spv_scan_ranges *r, uint32_t height)
{
    while (r->n > 0 && r->list[r->n - 1].first > height)
        r->n--;
    if (r->n > 0 && r->list[r->n - 1].last > height)
        r->list[r->n - 1].last = height;
}

void spv_scan_ranges_remove_below(struct spv_scan_ranges *r, uint32_t height)
{
    while (r->n > 0 && r->list[0].last < height)
        remove_at(r, 0);
    if (r->n > 0 && r->list[0].first < height)
        r->list[0].first = height;
}
