/* A short list. Each request is a range of one height, to which filter_fetch.c attributes the
 * answer. */
#include "spv/filters/filter_alternatives.h"

#include <string.h>

#include "spv/filters/filter_peers.h"
#include "util/deadline.h"

static void remove_alternative(struct spv_filter_alternatives *o, size_t at)
{
    o->n--;
    memmove(&o->list[at], &o->list[at + 1], (o->n - at) * sizeof o->list[0]);
}

int spv_filter_alternatives_want(struct spv_filter_alternatives *o,
                                 const struct spv_filter_alternative *wanted)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->list[i].height == wanted->height &&
            spv_filter_hash_eq(&o->list[i].hash, &wanted->hash))
            return 0;
    if (o->n == SPV_FILTER_ALTERNATIVES_MAX)
        return SPV_ERR_TOO_MANY;
    o->list[o->n++] = *wanted;
    return 0;
}

bool spv_filter_alternatives_take(struct spv_filter_alternatives *o, uint32_t height,
                                  const struct spv_filter_hash *hash)
{
    for (size_t i = 0; i < o->n; i++) {
        if (o->list[i].height != height || !spv_filter_hash_eq(&o->list[i].hash, hash))
            continue;
        remove_alternative(o, i);
        return true;
    }
    return false;
}

void spv_filter_alternatives_remove_above(struct spv_filter_alternatives *o, uint32_t height)
{
    for (size_t i = o->n; i-- > 0;)
        if (o->list[i].height > height)
            remove_alternative(o, i);
}

static bool is_open_on(const struct spv_filter_alternative *alternative, uint64_t peer)
{
    return alternative->is_open && alternative->requested[alternative->n_requested - 1] == peer;
}

void spv_filter_alternatives_mismatch(struct spv_filter_alternatives *o, uint64_t peer,
                                      uint32_t height)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->list[i].height == height && is_open_on(&o->list[i], peer))
            o->list[i].is_open = false;
}

void spv_filter_alternatives_remove_peer(struct spv_filter_alternatives *o, uint64_t peer)
{
    for (size_t i = 0; i < o->n; i++)
        if (is_open_on(&o->list[i], peer))
            o->list[i].is_open = false;
}

/* ---- requests ---- */

static bool was_requested_from(const struct spv_filter_alternative *alternative, uint64_t peer)
{
    for (unsigned i = 0; i < alternative->n_requested; i++)
        if (alternative->requested[i] == peer)
            return true;
    return false;
}

static unsigned count_open(const struct spv_filter_alternatives *o, uint64_t peer)
{
    unsigned n = 0;

    for (size_t i = 0; i < o->n; i++)
        n += is_open_on(&o->list[i], peer);
    return n;
}

static int send_request(struct spv_filter_alternative *alternative, const struct spv_peer_entry *p,
                        struct spv_fetch_ranges *ranges, struct spv_effects *effects,
                        struct spv_now now)
{
    struct spv_fetch_range *range =
        spv_fetch_ranges_add(ranges, p->id, alternative->height, 1, SPV_FETCH_RANGE_ALTERNATIVE);

    if (!range)
        return SPV_ERR_NOMEM;
    range->blocks[0] = alternative->block;
    range->headers[0] = alternative->before;
    range->headers[1] = alternative->header;
    range->requested_us = now.mono_us;
    alternative->requested[alternative->n_requested++] = p->id;
    alternative->is_open = true;
    alternative->requested_us = now.mono_us;
    struct spv_effect *e = spv_effects_push(effects, SPV_EFFECT_SEND, p->id);
    if (!e)
        return effects->error;
    e->message.command = SPV_CMD_GETCFILTERS;
    e->message.u.getcfilters = (struct spv_msg_getcfilters){
        .type = SPV_FILTER_BASIC, .start = alternative->height, .stop = alternative->block};
    return 0;
}

/* Requests from the next peer; sets missing when there is none. */
static int request_from_next(struct spv_filter_alternatives *o,
                             struct spv_filter_alternative *alternative,
                             struct spv_fetch_ranges *ranges, struct spv_peer_table *peers,
                             struct spv_effects *effects, struct spv_now now)
{
    bool may_come = false; /* a peer is busy and can be used later */

    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(peers, p));) {
        if (!p->filter_fetch.added || !spv_filter_peer_serves(p) ||
            !spv_filter_peer_has_block(p, alternative->height) ||
            was_requested_from(alternative, p->id))
            continue;
        if (count_open(o, p->id) < SPV_FILTER_ALTERNATIVES_MAX_OPEN &&
            !spv_fetch_ranges_overlap(ranges, p->id, alternative->height, alternative->height))
            return send_request(alternative, p, ranges, effects, now);
        may_come = true;
    }
    alternative->missing = !may_come;
    return 0;
}

int spv_filter_alternatives_run(struct spv_filter_alternatives *o, struct spv_fetch_ranges *ranges,
                                struct spv_peer_table *peers, struct spv_effects *effects,
                                struct spv_now now)
{
    int rc = 0;

    for (size_t i = 0; i < o->n && rc == 0; i++) {
        struct spv_filter_alternative *alternative = &o->list[i];
        if (alternative->is_open &&
            alternative->requested_us + SPV_FILTER_ALTERNATIVES_TIMEOUT_US > now.mono_us)
            continue;
        if (alternative->is_open) {
            alternative->is_open = false;
            spv_fetch_ranges_set_late(ranges, alternative->requested[alternative->n_requested - 1],
                                      SPV_FETCH_RANGE_ALTERNATIVE);
        }
        if (alternative->n_requested == SPV_FILTER_ALTERNATIVES_MAX_PEERS)
            alternative->missing = true;
        else if (!alternative->missing)
            rc = request_from_next(o, alternative, ranges, peers, effects, now);
    }
    return rc;
}

uint64_t spv_filter_alternatives_deadline(const struct spv_filter_alternatives *o)
{
    uint64_t first = SPV_NEVER;

    for (size_t i = 0; i < o->n; i++)
        if (o->list[i].is_open)
            first = spv_min_deadline(first,
                                     o->list[i].requested_us + SPV_FILTER_ALTERNATIVES_TIMEOUT_US);
    return first;
}

int spv_filter_alternatives_next_missing(struct spv_filter_alternatives *o, uint32_t *height,
                                         struct spv_filter_hash *hash)
{
    for (size_t i = 0; i < o->n; i++) {
        if (!o->list[i].missing)
            continue;
        *height = o->list[i].height;
        *hash = o->list[i].hash;
        remove_alternative(o, i);
        return 1;
    }
    return 0;
}
