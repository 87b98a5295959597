/* A short list. A peer is asked for one filter at a time by a range of one height, which
 * filter_fetch.c attributes. */
#include "spv/filters/filter_alternatives.h"

#include <string.h>

#include "spv/filters/filter_peers.h"
#include "util/deadline.h"

static void remove_other(struct spv_filter_others *o, size_t at)
{
    o->n--;
    memmove(&o->list[at], &o->list[at + 1], (o->n - at) * sizeof o->list[0]);
}

int spv_filter_others_want(struct spv_filter_others *o, const struct spv_filter_other *wanted)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->list[i].height == wanted->height &&
            memcmp(o->list[i].hash.b, wanted->hash.b, sizeof wanted->hash.b) == 0)
            return 0;
    if (o->n == SPV_FILTER_OTHERS_MAX)
        return SPV_ERR_TOO_MANY;
    o->list[o->n++] = *wanted;
    return 0;
}

bool spv_filter_others_take(struct spv_filter_others *o, uint32_t height,
                            const struct spv_filter_hash *hash)
{
    for (size_t i = 0; i < o->n; i++) {
        if (o->list[i].height != height || memcmp(o->list[i].hash.b, hash->b, sizeof hash->b) != 0)
            continue;
        remove_other(o, i);
        return true;
    }
    return false;
}

void spv_filter_others_drop_above(struct spv_filter_others *o, uint32_t height)
{
    for (size_t i = o->n; i-- > 0;)
        if (o->list[i].height > height)
            remove_other(o, i);
}

static bool is_open_on(const struct spv_filter_other *other, uint64_t peer)
{
    return other->is_open && other->asked[other->n_asked - 1] == peer;
}

void spv_filter_others_refused(struct spv_filter_others *o, uint64_t peer, uint32_t height)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->list[i].height == height && is_open_on(&o->list[i], peer))
            o->list[i].is_open = false;
}

void spv_filter_others_remove_peer(struct spv_filter_others *o, uint64_t peer)
{
    for (size_t i = 0; i < o->n; i++)
        if (is_open_on(&o->list[i], peer))
            o->list[i].is_open = false;
}

/* ---- requests ---- */

static bool was_asked(const struct spv_filter_other *other, uint64_t peer)
{
    for (unsigned i = 0; i < other->n_asked; i++)
        if (other->asked[i] == peer)
            return true;
    return false;
}

static unsigned count_open(const struct spv_filter_others *o, uint64_t peer)
{
    unsigned n = 0;

    for (size_t i = 0; i < o->n; i++)
        n += is_open_on(&o->list[i], peer);
    return n;
}

static int send_request(struct spv_filter_other *other, const struct spv_peer_entry *p,
                        struct spv_fetch_ranges *ranges, struct spv_effects *effects,
                        struct spv_now now)
{
    struct spv_fetch_range *range =
        spv_fetch_ranges_add(ranges, p->id, other->height, 1, SPV_FETCH_RANGE_OTHER);

    if (!range)
        return SPV_ERR_NOMEM;
    range->blocks[0] = other->block;
    range->headers[0] = other->before;
    range->headers[1] = other->header;
    range->asked_us = now.mono_us;
    other->asked[other->n_asked++] = p->id;
    other->is_open = true;
    other->asked_us = now.mono_us;
    struct spv_effect *e = spv_effects_push(effects, SPV_EFFECT_SEND, p->id);
    if (!e)
        return effects->error;
    e->message.command = SPV_CMD_GETCFILTERS;
    e->message.u.getcfilters = (struct spv_msg_getcfilters){
        .type = SPV_FILTER_BASIC, .start = other->height, .stop = other->block};
    return 0;
}

/* Asks the next peer, or finds that there is none. */
static int ask_next(struct spv_filter_others *o, struct spv_filter_other *other,
                    struct spv_fetch_ranges *ranges, struct spv_peer_table *peers,
                    struct spv_effects *effects, struct spv_now now)
{
    bool may_come = false; /* a peer is busy, and can be asked later */

    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(peers, p));) {
        if (!p->filter_fetch.added || !spv_filter_peer_serves(p) ||
            !spv_filter_peer_has_shown(p, other->height) || was_asked(other, p->id))
            continue;
        if (count_open(o, p->id) < SPV_FILTER_OTHERS_OPEN &&
            !spv_fetch_ranges_overlap(ranges, p->id, other->height, other->height))
            return send_request(other, p, ranges, effects, now);
        may_come = true;
    }
    other->missing = !may_come;
    return 0;
}

int spv_filter_others_run(struct spv_filter_others *o, struct spv_fetch_ranges *ranges,
                          struct spv_peer_table *peers, struct spv_effects *effects,
                          struct spv_now now)
{
    int rc = 0;

    for (size_t i = 0; i < o->n && rc == 0; i++) {
        struct spv_filter_other *other = &o->list[i];
        if (other->is_open && other->asked_us + SPV_FILTER_OTHERS_TIMEOUT > now.mono_us)
            continue;
        if (other->is_open) {
            other->is_open = false;
            spv_fetch_ranges_set_late(ranges, other->asked[other->n_asked - 1],
                                      SPV_FETCH_RANGE_OTHER);
        }
        if (other->n_asked == SPV_FILTER_OTHERS_ASKED)
            other->missing = true;
        else if (!other->missing)
            rc = ask_next(o, other, ranges, peers, effects, now);
    }
    return rc;
}

uint64_t spv_filter_others_deadline(const struct spv_filter_others *o)
{
    uint64_t first = SPV_NEVER;

    for (size_t i = 0; i < o->n; i++)
        if (o->list[i].is_open)
            first = spv_min_deadline(first, o->list[i].asked_us + SPV_FILTER_OTHERS_TIMEOUT);
    return first;
}

int spv_filter_others_next_missing(struct spv_filter_others *o, uint32_t *height,
                                   struct spv_filter_hash *hash)
{
    for (size_t i = 0; i < o->n; i++) {
        if (!o->list[i].missing)
            continue;
        *height = o->list[i].height;
        *hash = o->list[i].hash;
        remove_other(o, i);
        return 1;
    }
    return 0;
}
