/*     heights:   scanned | next: the lowest height not yet scanned ... available
 *                 ^ gaps: to be scanned again
 */
#include "spv/wallet/source_heights.h"

void spv_source_heights_begin(struct spv_source_heights *h, uint32_t first, uint32_t last)
{
    *h = (struct spv_source_heights){
        .first = first, .last = last, .next = first, .rolled_back_to = UINT32_MAX};
}

static void add_gap(struct spv_source_heights *h, uint32_t from, uint32_t first, uint32_t end)
{
    if (first < from)
        first = from;
    if (first < end)
        spv_scan_ranges_add(&h->gaps, first, end - 1);
}

void spv_source_heights_rescan(struct spv_source_heights *h, uint32_t from, uint32_t end)
{
    if (from < h->first) /* no height below the first one was scanned */
        h->first = from > 0 ? from : 1;
    h->done_reported = false;
    add_gap(h, from, h->first, end);
    if (!h->is_second_pass)
        return;
    /* ranges that the second pass has left out */
    for (size_t i = 1; i < h->ranges.n; i++)
        add_gap(h, from, h->ranges.list[i - 1].last + 1, h->ranges.list[i].first);
    add_gap(h, from, h->ranges.list[h->ranges.n - 1].last + 1, h->main_next);
}

uint32_t spv_source_heights_end(const struct spv_source_heights *h)
{
    if (h->is_second_pass)
        return h->ranges.list[0].last;
    return h->last < h->available ? h->last : h->available;
}

static uint32_t count_from(const struct spv_scan_ranges *r, size_t from)
{
    uint32_t n = 0;

    for (size_t i = from; i < r->n; i++)
        n += r->list[i].last - r->list[i].first + 1;
    return n;
}

uint32_t spv_source_heights_left(const struct spv_source_heights *h)
{
    const uint32_t end = spv_source_heights_end(h),
                   top = h->last < h->available ? h->last : h->available;
    uint32_t n = count_from(&h->gaps, 0);

    if (h->next <= end)
        n += end - h->next + 1;
    if (h->is_second_pass)
        n += count_from(&h->ranges, 1);
    if (h->is_second_pass && h->main_next <= top)
        n += top - h->main_next + 1;
    return n;
}

/* The next gap, or the main pass again. */
static void next_range(struct spv_source_heights *h)
{
    if (h->ranges.n > 0)
        spv_scan_ranges_remove_first(&h->ranges);
    h->is_second_pass = h->ranges.n > 0;
    h->next = h->is_second_pass ? h->ranges.list[0].first : h->main_next;
}

bool spv_source_heights_next_pass(struct spv_source_heights *h)
{
    if (h->next <= spv_source_heights_end(h))
        return false;
    if (h->is_second_pass) {
        next_range(h);
        return true;
    }
    if (h->gaps.n == 0)
        return false;
    h->is_second_pass = true;
    h->main_next = h->next;
    h->ranges = h->gaps;
    h->gaps.n = 0;
    h->next = h->ranges.list[0].first;
    return true;
}

void spv_source_heights_set_available(struct spv_source_heights *h, uint32_t available, bool at_tip)
{
    if (available > h->available)
        h->done_reported = false;
    h->available = available;
    h->at_tip = at_tip;
}

void spv_source_heights_reported(struct spv_source_heights *h, uint32_t height)
{
    if (height > h->reported_to)
        h->reported_to = height;
}

void spv_source_heights_roll_back(struct spv_source_heights *h, uint32_t height)
{
    const uint32_t next = height + 1 > h->first ? height + 1 : h->first;

    if (h->available > height)
        h->available = height;
    if ((h->done_reported && h->next - 1 > height) || h->reported_to > height) {
        if (height < h->rolled_back_to)
            h->rolled_back_to = height;
        if (h->reported_to > height)
            h->reported_to = height;
    }
    h->done_reported = false;
    spv_scan_ranges_truncate(&h->gaps, height);
    if (!h->is_second_pass) {
        if (h->next > next)
            h->next = next;
        return;
    }
    spv_scan_ranges_truncate(&h->ranges, height);
    if (h->main_next > next)
        h->main_next = next;
    if (h->ranges.n == 0)
        next_range(h);
    else if (h->next > next)
        h->next = next;
}

bool spv_source_heights_take_rolled_back(struct spv_source_heights *h, struct spv_source_event *out)
{
    if (h->rolled_back_to == UINT32_MAX)
        return false;
    *out = (struct spv_source_event){.kind = SPV_SOURCE_EVENT_ROLLED_BACK,
                                     .height = h->rolled_back_to};
    h->rolled_back_to = UINT32_MAX;
    return true;
}

bool spv_source_heights_take_done(struct spv_source_heights *h, struct spv_source_event *out)
{
    if (h->is_second_pass || h->gaps.n > 0 || h->done_reported ||
        h->next <= spv_source_heights_end(h) || (h->next <= h->last && !h->at_tip))
        return false;
    *out = (struct spv_source_event){.kind = SPV_SOURCE_EVENT_DONE, .height = h->next - 1};
    h->done_reported = true;
    return true;
}
