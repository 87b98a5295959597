/* The arrays of a descriptor grow by doubling; an index, never a pointer, refers to an element. */
#include "spv/keys/desc.h"

#include <stdlib.h>

#include "util/array.h"

#define FIRST 4

int spv_desc_add_node(struct spv_descriptor *d, size_t *at, enum spv_desc_fn fn)
{
    struct spv_desc_node *grown =
        spv_array_grow(d->nodes, &d->cap_nodes, d->n_nodes + 1, FIRST, sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    d->nodes = grown;
    *at = d->n_nodes++;
    d->nodes[*at] = (struct spv_desc_node){.fn = fn};
    return 0;
}

int spv_desc_add_key(struct spv_descriptor *d, size_t *at)
{
    struct spv_desc_key *grown =
        spv_array_grow(d->keys, &d->cap_keys, d->n_keys + 1, FIRST, sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    d->keys = grown;
    *at = d->n_keys++;
    d->keys[*at] = (struct spv_desc_key){0};
    return 0;
}

int spv_desc_add_step(struct spv_descriptor *d, uint32_t step)
{
    uint32_t *grown = spv_array_grow(d->steps, &d->cap_steps, d->n_steps + 1, FIRST, sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    d->steps = grown;
    d->steps[d->n_steps++] = step;
    return 0;
}

int spv_desc_add_leaf(struct spv_descriptor *d, size_t node, unsigned depth)
{
    struct spv_desc_leaf *grown =
        spv_array_grow(d->leaves, &d->cap_leaves, d->n_leaves + 1, FIRST, sizeof *grown);
    if (!grown)
        return SPV_ERR_NOMEM;
    d->leaves = grown;
    d->leaves[d->n_leaves++] = (struct spv_desc_leaf){node, depth};
    return 0;
}

void spv_descriptor_free(struct spv_descriptor *descriptor)
{
    if (!descriptor)
        return;
    free(descriptor->nodes);
    free(descriptor->keys);
    free(descriptor->steps);
    free(descriptor->leaves);
    free(descriptor->script);
    free(descriptor->text);
    free(descriptor);
}

const char *spv_desc_fn_name(enum spv_desc_fn fn)
{
    static const char *const names[] = {"pk",    "pkh",   "wpkh",        "sh",           "wsh",
                                        "combo", "multi", "sortedmulti", "tr",           "rawtr",
                                        "raw",   "addr",  "multi_a",     "sortedmulti_a"};
    return names[fn];
}
