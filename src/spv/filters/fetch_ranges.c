/* A singly linked list, oldest first: a peer has a few, and their filters come in order, so that
 * the next filter of a range is nearly always the one received. */
#include "spv/filters/fetch_ranges.h"

#include <stdlib.h>

struct spv_fetch_range *spv_fetch_ranges_add(struct spv_fetch_ranges *r, uint64_t peer,
                                             uint32_t start, uint32_t n,
                                             enum spv_fetch_range_kind kind)
{
    struct spv_fetch_range *range = calloc(1, sizeof *range + n * sizeof range->blocks[0]);
    struct spv_fetch_range **end = &r->oldest;

    if (!range)
        return NULL;
    range->headers = calloc((size_t)n + 1, sizeof *range->headers);
    range->received = calloc(n, sizeof *range->received);
    if (!range->headers || !range->received) {
        free(range->headers);
        free(range->received);
        free(range);
        return NULL;
    }
    range->peer = peer;
    range->start = start;
    range->n = n;
    range->kind = kind;
    while (*end)
        end = &(*end)->next;
    *end = range;
    return range;
}

static void remove_at(struct spv_fetch_range **at)
{
    struct spv_fetch_range *range = *at;

    *at = range->next;
    free(range->headers);
    free(range->received);
    free(range);
}

void spv_fetch_ranges_remove(struct spv_fetch_ranges *r, struct spv_fetch_range *range)
{
    struct spv_fetch_range **at = &r->oldest;

    while (*at != range)
        at = &(*at)->next;
    remove_at(at);
}

void spv_fetch_ranges_remove_peer(struct spv_fetch_ranges *r, uint64_t peer)
{
    for (struct spv_fetch_range **at = &r->oldest; *at;) {
        if ((*at)->peer == peer)
            remove_at(at);
        else
            at = &(*at)->next;
    }
}

void spv_fetch_ranges_free(struct spv_fetch_ranges *r)
{
    while (r->oldest)
        remove_at(&r->oldest);
}

/* Whether the filter of the block is missing in this range, and its index. */
static bool find_missing(const struct spv_fetch_range *range, uint32_t *index,
                         const struct spv_blockhash *block)
{
    for (uint32_t i = 0; i < range->n; i++) {
        const uint32_t at = (range->expected + i) % range->n;
        if (range->received[at] || !spv_blockhash_eq(&range->blocks[at], block))
            continue;
        *index = at;
        return true;
    }
    return false;
}

struct spv_fetch_range *spv_fetch_ranges_find(const struct spv_fetch_ranges *r, uint32_t *index,
                                              uint64_t peer, const struct spv_blockhash *block)
{
    for (int late = 0; late < 2; late++)
        for (struct spv_fetch_range *range = r->oldest; range; range = range->next)
            if (range->peer == peer && range->late == (late != 0) &&
                find_missing(range, index, block))
                return range;
    return NULL;
}

bool spv_fetch_ranges_overlap(const struct spv_fetch_ranges *r, uint64_t peer, uint32_t first,
                              uint32_t last)
{
    for (const struct spv_fetch_range *range = r->oldest; range; range = range->next)
        if (range->peer == peer && !range->late && range->start <= last &&
            range->start + (range->n - 1) >= first)
            return true;
    return false;
}

void spv_fetch_ranges_set_late(struct spv_fetch_ranges *r, uint64_t peer,
                               enum spv_fetch_range_kind kind)
{
    unsigned n = 0;

    for (struct spv_fetch_range *range = r->oldest; range; range = range->next) {
        if (range->peer == peer && range->kind == kind)
            range->late = true;
        n += range->peer == peer && range->late;
    }
    for (struct spv_fetch_range **at = &r->oldest; *at && n > SPV_FETCH_MAX_LATE;) {
        if ((*at)->peer == peer && (*at)->late) {
            remove_at(at);
            n--;
        } else {
            at = &(*at)->next;
        }
    }
}
