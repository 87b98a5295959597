/* An array that is searched from its start: it is short, and its order does not depend on ids. */
#include "spv/sync/peer_table.h"

struct spv_peer_entry *spv_peer_table_next(struct spv_peer_table *t,
                                           const struct spv_peer_entry *after)
{
    for (size_t i = after ? (size_t)(after - t->entry) + 1 : 0; i < SPV_NODE_MAX_PEERS; i++)
        if (t->entry[i].id)
            return &t->entry[i];
    return NULL;
}

struct spv_peer_entry *spv_peer_table_find(struct spv_peer_table *t, uint64_t id)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(t, p));)
        if (p->id == id)
            return p;
    return NULL;
}

struct spv_peer_entry *spv_peer_table_add(struct spv_peer_table *t, uint64_t id)
{
    if (!id || spv_peer_table_find(t, id))
        return NULL;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        if (t->entry[i].id)
            continue;
        t->entry[i].id = id;
        return &t->entry[i];
    }
    return NULL;
}

void spv_peer_table_remove(struct spv_peer_table *t, uint64_t id)
{
    struct spv_peer_entry *p = spv_peer_table_find(t, id);
    if (p)
        *p = (struct spv_peer_entry){0};
}
