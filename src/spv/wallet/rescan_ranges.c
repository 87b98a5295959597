/* The wallet lists the ranges that need a rescan in the same order each time, so the old list and
 * the new one are compared like sorted lists. */
#include "spv/wallet/rescan_ranges.h"

#include <stdlib.h>

#include "spv/error.h"
#include "util/array.h"

void spv_rescan_ranges_free(struct spv_rescan_ranges *ranges)
{
    free(ranges->list);
    free(ranges->next);
    free(ranges->scripts);
    *ranges = (struct spv_rescan_ranges){.n = 0};
}

void spv_rescan_ranges_clear(struct spv_rescan_ranges *ranges)
{
    ranges->n = 0;
}

/* The first index of a range that is not being rescanned yet: the end of the listed range of the
 * same branch, which is searched for from *at on. With an earlier birthday all are new. */
static uint32_t requested_to(const struct spv_rescan_ranges *ranges, size_t *at,
                             const struct spv_rescan_range *range)
{
    for (size_t i = *at; i < ranges->n; i++) {
        const struct spv_rescan_range *old = &ranges->list[i];
        if (old->watch != range->watch || old->branch != range->branch)
            continue;
        *at = i + 1;
        return old->birthday <= range->birthday && old->first <= range->first ? old->end
                                                                              : range->first;
    }
    return range->first;
}

static int add_scripts(struct spv_rescan_ranges *ranges, const struct spv_wallet *wallet,
                       const struct spv_rescan_range *range)
{
    struct spv_bytes script;
    uint64_t next = 0;

    while (spv_wallet_next_rescan_script(wallet, &next, &script, range)) {
        struct spv_bytes *grown = spv_array_grow(ranges->scripts, &ranges->cap_scripts,
                                                 ranges->n_scripts + 1, 64, sizeof *grown);
        if (!grown)
            return SPV_ERR_NOMEM;
        ranges->scripts = grown;
        grown[ranges->n_scripts++] = script;
    }
    return 0;
}

int spv_rescan_ranges_collect(struct spv_rescan_ranges *ranges, const struct spv_wallet *wallet)
{
    struct spv_rescan_range range, *list;
    size_t n = 0, at = 0, cap;
    uint64_t next = 0;
    int rc = 0;

    ranges->n_scripts = 0;
    ranges->found = false;
    ranges->birthday = INT64_MAX;
    while (rc == 0 && spv_wallet_next_rescan(wallet, &next, &range)) {
        struct spv_rescan_range *grown =
            spv_array_grow(ranges->next, &ranges->next_cap, n + 1, 16, sizeof *grown);
        if (!grown)
            return SPV_ERR_NOMEM;
        ranges->next = grown;
        grown[n++] = range;
        range.first = requested_to(ranges, &at, &range);
        if (range.first >= range.end)
            continue;
        ranges->found = true;
        if (range.birthday < ranges->birthday)
            ranges->birthday = range.birthday;
        rc = add_scripts(ranges, wallet, &range);
    }
    if (rc < 0)
        return rc;
    list = ranges->list;
    cap = ranges->cap;
    ranges->list = ranges->next;
    ranges->cap = ranges->next_cap;
    ranges->next = list;
    ranges->next_cap = cap;
    ranges->n = n;
    return 0;
}

int spv_rescan_ranges_finish(struct spv_rescan_ranges *ranges, struct spv_wallet *wallet)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ranges->n; i++) {
        rc = spv_wallet_rescan_done(wallet, &ranges->list[i]);
        if (rc == SPV_ERR_NOT_FOUND) /* the watch has ended */
            rc = 0;
    }
    ranges->n = 0;
    return rc;
}
