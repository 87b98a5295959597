/* A ring that is searched completely: peers connect and disconnect rarely. */
#include "spv/filters/fetch_closed.h"

#include "spv/sync/segments_state.h"

void spv_fetch_closed_add(struct spv_fetch_closed *c, const struct spv_segments_peer *p,
                          struct spv_now now)
{
    uint32_t from = p->behind_until_us > now.mono_us ? p->behind_from : UINT32_MAX;

    for (unsigned i = 0; i < p->n_open; i++)
        if (p->requests[i].start - 1 < from)
            from = p->requests[i].start - 1;
    if (from == UINT32_MAX || p->disconnect_error) /* we disconnected it: it did answer */
        return;
    c->list[c->next].group = p->entry->group;
    c->list[c->next].from = from;
    c->list[c->next].until_us = now.mono_us + SPV_SEGMENTS_BEHIND_US;
    c->next = (c->next + 1) % SPV_FETCH_MAX_CLOSED;
}

void spv_fetch_closed_recall(const struct spv_fetch_closed *c, struct spv_peer_entry *p,
                             struct spv_now now)
{
    struct spv_filter_fetch_peer *fetch = &p->filter_fetch;

    for (size_t i = 0; i < SPV_FETCH_MAX_CLOSED; i++) {
        if (c->list[i].group != p->group || c->list[i].until_us <= now.mono_us)
            continue;
        if (!fetch->lacks_until_us || c->list[i].from < fetch->lacks_from)
            fetch->lacks_from = c->list[i].from;
        if (c->list[i].until_us > fetch->lacks_until_us)
            fetch->lacks_until_us = c->list[i].until_us;
        fetch->n_lost++;
    }
}

bool spv_fetch_closed_lacks(const struct spv_peer_entry *p, uint32_t height)
{
    return p->filter_fetch.lacks_until_us && height >= p->filter_fetch.lacks_from;
}
