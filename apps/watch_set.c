#include "watch_set.h"

#include <stdlib.h>
#include <string.h>

#include "spv/descriptor.h"

static int add_entry(struct watch_set *set, const struct spv_wallet_watch_row *row)
{
    struct watch_entry entry = {.id = row->id, .kind = row->watch.kind};

    if (set->n == set->cap) {
        const size_t cap = set->cap ? 2 * set->cap : 16;
        struct watch_entry *at = realloc(set->at, cap * sizeof *at);

        if (!at)
            return SPV_ERR_NOMEM;
        set->at = at;
        set->cap = cap;
    }
    if (row->watch.descriptor && !(entry.descriptor = strdup(row->watch.descriptor)))
        return SPV_ERR_NOMEM;
    set->at[set->n++] = entry;
    return 0;
}

int watch_set_load(struct watch_set *out, struct spv_wallet_iter *it)
{
    struct spv_wallet_item item;
    int rc = spv_wallet_iter_list(it, SPV_WALLET_LIST_WATCHES, NULL);

    *out = (struct watch_set){.n = 0};
    while (rc == 0 && (rc = spv_wallet_iter_next(it, &item)) == 1)
        rc = add_entry(out, &item.of.watch.row);
    return rc;
}

void watch_set_free(struct watch_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        for (size_t k = 0; k < set->at[i].n_single; k++)
            free(set->at[i].single[k]);
        free(set->at[i].single);
        free(set->at[i].descriptor);
    }
    free(set->at);
    *set = (struct watch_set){.n = 0};
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = ((const struct watch_entry *)b)->id;

    return x < y ? -1 : x > y;
}

struct watch_entry *watch_set_find(const struct watch_set *set, uint64_t id)
{
    return set->n > 0 ? bsearch(&id, set->at, set->n, sizeof *set->at, compare_ids) : NULL;
}

static void make_single(struct watch_entry *e)
{
    struct spv_descriptor *whole, *one;
    size_t n;

    if (spv_descriptor_parse(&whole, NULL, e->descriptor, strlen(e->descriptor), SPV_ANY_NETWORK,
                             SPV_DESCRIPTOR_CHECKSUM_OPTIONAL) != 0)
        return;
    n = spv_descriptor_n_branches(whole);
    e->single = calloc(n, sizeof *e->single);
    for (; e->single && e->n_single < n; e->n_single++) {
        if (spv_descriptor_expand(&one, whole, e->n_single) != 0)
            break;
        e->single[e->n_single] = strdup(spv_descriptor_text(one));
        spv_descriptor_free(one);
    }
    spv_descriptor_free(whole);
}

const char *watch_set_single(struct watch_entry *e, uint32_t branch)
{
    if (e->descriptor && !e->single)
        make_single(e);
    return e->single && branch < e->n_single ? e->single[branch] : NULL;
}
