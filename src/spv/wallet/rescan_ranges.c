/* The wallet lists its unsearched ranges in the same order each time, so the new list is made by
 * going through both side by side. */
#include "spv/wallet/rescan_ranges.h"

#include <stdlib.h>

#include "spv/error.h"
#include "util/array.h"

void spv_late_scripts_free(struct spv_late_scripts *late)
{
    free(late->list);
    free(late->next);
    free(late->scripts);
    *late = (struct spv_late_scripts){.n = 0};
}

void spv_late_scripts_forget(struct spv_late_scripts *late)
{
    late->n = 0;
}

/* The entry of a range's branch, from *at on; the indexes of the range that are not yet being
 * searched begin at the end of it. An earlier birthday makes it another one. */
static uint32_t searched_to(const struct spv_late_scripts *late, size_t *at,
                            const struct spv_unsearched *range)
{
    for (size_t i = *at; i < late->n; i++) {
        const struct spv_unsearched *old = &late->list[i];
        if (old->watch != range->watch || old->branch != range->branch)
            continue;
        *at = i + 1;
        return old->birthday <= range->birthday && old->first <= range->first ? old->end
                                                                              : range->first;
    }
    return range->first;
}

static int add_scripts(struct spv_late_scripts *late, const struct spv_wallet *wallet,
                       const struct spv_unsearched *range)
{
    struct spv_bytes script;
    uint64_t next = 0;

    while (spv_wallet_next_script_of(wallet, &next, &script, range)) {
        struct spv_bytes *grown = spv_array_grow(late->scripts, &late->cap_scripts,
                                                 late->n_scripts + 1, 64, sizeof *grown);
        if (!grown)
            return SPV_ERR_NOMEM;
        late->scripts = grown;
        grown[late->n_scripts++] = script;
    }
    return 0;
}

int spv_late_scripts_collect(struct spv_late_scripts *late, const struct spv_wallet *wallet)
{
    struct spv_unsearched range, *list;
    size_t n = 0, at = 0, cap;
    uint64_t next = 0;
    int rc = 0;

    late->n_scripts = 0;
    late->found = false;
    late->birthday = INT64_MAX;
    while (rc == 0 && spv_wallet_next_unsearched(wallet, &next, &range)) {
        struct spv_unsearched *grown =
            spv_array_grow(late->next, &late->next_cap, n + 1, 16, sizeof *grown);
        if (!grown)
            return SPV_ERR_NOMEM;
        late->next = grown;
        grown[n++] = range;
        range.first = searched_to(late, &at, &range);
        if (range.first >= range.end)
            continue;
        late->found = true;
        if (range.birthday < late->birthday)
            late->birthday = range.birthday;
        rc = add_scripts(late, wallet, &range);
    }
    if (rc < 0)
        return rc;
    list = late->list;
    cap = late->cap;
    late->list = late->next;
    late->cap = late->next_cap;
    late->next = list;
    late->next_cap = cap;
    late->n = n;
    return 0;
}

int spv_late_scripts_settle(struct spv_late_scripts *late, struct spv_wallet *wallet)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < late->n; i++) {
        rc = spv_wallet_searched(wallet, &late->list[i]);
        if (rc == SPV_ERR_NOT_FOUND) /* the watch has ended */
            rc = 0;
    }
    late->n = 0;
    return rc;
}
