/* The range is cut into segments that end in checkpoints, each about a period long: checkpoints
 * that are closer to each other are skipped, so that a request is worth its round trip. A window of
 * segments is in progress: it begins with the lowest one that is not consumed, and ends where the
 * headers of all would exceed SPV_SEGMENTS_MAX_HEADERS. That bounds memory for any order of
 * answers, and cannot deadlock, as the lowest segment is always in the window.
 *
 * A segment that is longer than the bound is in the window alone, and its headers are returned
 * unproven as they arrive; the caller must then check them itself. */
#include "spv/sync/segments.h"

#include <stdlib.h>
#include <string.h>

#include "spv/chain/consensus.h"
#include "spv/params/interval.h"
#include "spv/sync/segments_state.h"
#include "util/deadline.h"

int spv_segments_new(struct spv_segments **out, const struct spv_segments_config *cfg)
{
    *out = NULL;
    if (!cfg->ops || !cfg->params || !cfg->effects || !cfg->peers ||
        (cfg->n_checkpoints && !cfg->checkpoints && !cfg->ops_ctx))
        return SPV_ERR_INVALID;
    struct spv_segments *segs = calloc(1, sizeof *segs);
    if (!segs)
        return SPV_ERR_NOMEM;
    segs->cfg = *cfg;
    if (!segs->cfg.timeout_us)
        segs->cfg.timeout_us = SPV_SEGMENTS_TIMEOUT_US;
    segs->ops = cfg->ops;
    segs->batch_buf = malloc(SPV_SEGMENTS_MAX_BATCH * segs->ops->unit_size);
    if (!segs->batch_buf) {
        free(segs);
        return SPV_ERR_NOMEM;
    }
    spv_header_hash(&segs->genesis, &cfg->params->genesis);
    segs->interval = spv_params_interval(cfg->params);
    segs->serial = 1;
    segs->sched_us = SPV_NEVER;
    *out = segs;
    return 0;
}

static void forget_segments(struct spv_segments *segs)
{
    for (size_t i = 0; i < segs->n; i++)
        free(segs->segment[i].units);
    segs->n = 0;
    segs->active = false;
    segs->ready_us = 0;
    segs->sched_us = SPV_NEVER;
}

static void forget_peer(struct spv_segments_peer *p)
{
    free(p->requests);
    *p = (struct spv_segments_peer){0};
}

void spv_segments_free(struct spv_segments *segs)
{
    if (!segs)
        return;
    forget_segments(segs);
    for (struct spv_segments_peer *p; (p = spv_segments_next_peer(segs, NULL));)
        forget_peer(p);
    free(segs->batch_buf);
    free(segs);
}

/* ---- the window ---- */

static uint32_t end_height(const struct spv_segments *segs, size_t i)
{
    return segs->ops->end_height(&segs->cfg, i);
}

static size_t max_segments(const struct spv_segments *segs)
{
    return segs->ops->max_segments ? segs->ops->max_segments : SPV_SEGMENTS_MAX_SEGMENTS;
}

/* Where the next segment ends; *at is the argument of end_hash. False: there is none. */
static bool pick_end(const struct spv_segments *segs, size_t *at, uint32_t *end)
{
    if (segs->ops->cut) {
        if (segs->top_height >= segs->to)
            return false;
        *end = segs->ops->cut(&segs->cfg, segs->top_height, segs->to);
        *at = *end;
        return true;
    }
    if (segs->next_end >= segs->last_end)
        return false;
    *at = segs->next_end;
    while (*at + 1 < segs->last_end &&
           end_height(segs, *at + 1) - segs->top_height <= SPV_SEGMENTS_PERIOD)
        (*at)++;
    *end = end_height(segs, *at);
    return true;
}

/* Adds segments while the window has space. */
static void fill_window(struct spv_segments *segs)
{
    size_t held = 0, at;
    uint32_t end;
    for (size_t i = 0; i < segs->n; i++)
        held += segs->segment[i].end - segs->segment[i].from;
    while (segs->n < max_segments(segs) && pick_end(segs, &at, &end)) {
        const uint32_t size = end - segs->top_height;
        if (segs->n && held + size > SPV_SEGMENTS_MAX_HEADERS)
            return;
        struct spv_segment *s = &segs->segment[segs->n++];
        *s = (struct spv_segment){.serial = segs->serial++,
                                  .from = segs->top_height,
                                  .end = end,
                                  .start = segs->top,
                                  .stop = segs->ops->end_hash(&segs->cfg, at),
                                  .is_long = size > SPV_SEGMENTS_MAX_HEADERS};
        held += size;
        segs->top_height = end;
        segs->top = s->stop;
        segs->next_end = at + 1;
    }
    if (segs->post_checkpoint && segs->next_end == segs->last_end &&
        segs->n < SPV_SEGMENTS_MAX_SEGMENTS && held + SPV_MAX_HEADERS <= SPV_SEGMENTS_MAX_HEADERS) {
        segs->segment[segs->n++] = (struct spv_segment){.serial = segs->serial++,
                                                        .from = segs->top_height,
                                                        .end = segs->top_height + SPV_MAX_HEADERS,
                                                        .start = segs->top,
                                                        .is_post_checkpoint = true};
        segs->post_checkpoint = false;
    }
}

/* The lowest segment is consumed. */
static void next_segment(struct spv_segments *segs)
{
    free(segs->segment[0].units);
    segs->done += !segs->segment[0].is_post_checkpoint;
    segs->n--;
    memmove(segs->segment, segs->segment + 1, segs->n * sizeof segs->segment[0]);
    fill_window(segs);
    if (!segs->n)
        forget_segments(segs);
}

void spv_segments_skip_empty(struct spv_segments *segs)
{
    if (segs->n &&
        segs->segment[0].end == segs->segment[0].from) /* nothing follows the last checkpoint */
        next_segment(segs);
}

int spv_segments_begin(struct spv_segments *segs, const struct spv_checkpoint *from, uint32_t to,
                       struct spv_now now)
{
    const size_t n_ends = segs->cfg.n_checkpoints;
    forget_segments(segs);
    segs->top_height = from->height;
    segs->top = spv_segments_hash(&from->hash);
    segs->next_end = 0;
    while (segs->next_end < n_ends && end_height(segs, segs->next_end) <= from->height)
        segs->next_end++;
    segs->last_end = segs->next_end;
    while (segs->last_end < n_ends && end_height(segs, segs->last_end) <= to)
        segs->last_end++;
    segs->to = to;
    segs->active = segs->ops->cut ? from->height < to : segs->next_end < segs->last_end;
    segs->post_checkpoint = segs->active && segs->cfg.post_checkpoint && segs->last_end == n_ends;
    fill_window(segs);
    return spv_segments_schedule(segs, now);
}

void spv_segments_stop(struct spv_segments *segs)
{
    forget_segments(segs);
}

bool spv_segments_done(const struct spv_segments *segs)
{
    return !segs->active;
}

/* ---- batches ---- */

/* Unit number i of a segment, or the end of its units. */
static uint8_t *unit_at(const struct spv_segments *segs, const struct spv_segment *s, uint32_t i)
{
    return s->units + (i - s->n_discarded) * segs->ops->unit_size;
}

/* Joins small complete segments into one batch. */
static void merge_small(struct spv_segments *segs, struct spv_segments_batch *out)
{
    const size_t size = segs->ops->unit_size;
    size_t n = 0;
    for (size_t i = 0; i < segs->n && spv_segments_complete(&segs->segment[i]); i++) {
        const struct spv_segment *s = &segs->segment[i];
        const size_t more = s->have - s->n_consumed;
        if (s->is_post_checkpoint || s->is_long || n + more > SPV_SEGMENTS_MAX_BATCH)
            break;
        memcpy(segs->batch_buf + n * size, unit_at(segs, s, s->n_consumed), more * size);
        n += more;
        out->last = spv_segments_blockhash(&s->last);
    }
    out->headers = (const void *)segs->batch_buf;
    out->n = n;
}

void spv_segments_note_ready(struct spv_segments *segs, struct spv_now now)
{
    if (!segs->n || !spv_segments_complete(&segs->segment[0]))
        segs->ready_us = 0;
    else if (!segs->ready_us)
        segs->ready_us = now.mono_us;
}

/* Returns whether to wait for more headers: each batch costs the caller one disk flush. */
static bool may_grow(const struct spv_segments *segs, struct spv_now now)
{
    size_t n = 0, i = 0;
    for (; i < segs->n && spv_segments_complete(&segs->segment[i]); i++)
        n += segs->segment[i].have - segs->segment[i].n_consumed;
    return i < segs->n && n < SPV_SEGMENTS_MAX_BATCH && segs->segment[0].n_consumed == 0 &&
           now.mono_us < segs->ready_us + SPV_SEGMENTS_BATCH_DELAY_US;
}

static bool next_batch(struct spv_segments *segs, struct spv_segments_batch *out)
{
    if (!segs->n)
        return false;
    const struct spv_segment *s = &segs->segment[0];
    const bool whole = spv_segments_complete(s);
    size_t n = s->have - s->n_consumed;
    if (!n || (!whole && !s->is_long))
        return false;
    const bool all = n <= SPV_SEGMENTS_MAX_BATCH;
    if (!all)
        n = SPV_SEGMENTS_MAX_BATCH;
    const struct spv_header *headers = (const void *)unit_at(segs, s, s->n_consumed);
    *out = (struct spv_segments_batch){.headers = headers,
                                       .n = n,
                                       .height = s->from + s->n_consumed + 1,
                                       .last =
                                           all ? spv_segments_blockhash(&s->last) : headers[n].prev,
                                       .peer = s->peer,
                                       .proven = !s->is_long && !s->is_post_checkpoint,
                                       .post_checkpoint = s->is_post_checkpoint};
    if (out->proven && all && segs->n > 1 && spv_segments_complete(&segs->segment[1]))
        merge_small(segs, out);
    return true;
}

bool spv_segments_next_batch(struct spv_segments *segs, struct spv_segments_batch *out,
                             struct spv_now now)
{
    return next_batch(segs, out) && !(out->proven && may_grow(segs, now));
}

int spv_segments_consume(struct spv_segments *segs, struct spv_now now)
{
    struct spv_segments_batch batch;
    bool freed = false;
    if (!next_batch(segs, &batch))
        return SPV_ERR_STATE;
    for (size_t left = batch.n; left;) {
        struct spv_segment *s = &segs->segment[0];
        const size_t n = left < s->have - s->n_consumed ? left : s->have - s->n_consumed;
        left -= n;
        s->n_consumed += (uint32_t)n;
        if (s->n_consumed == s->end - s->from) {
            next_segment(segs);
            freed = true;
        } else if (s->is_long) {
            memmove(s->units, unit_at(segs, s, s->n_consumed),
                    (s->have - s->n_consumed) * segs->ops->unit_size);
            s->n_discarded = s->n_consumed;
            freed = true;
        }
    }
    spv_segments_skip_empty(segs);
    segs->ready_us = 0;
    spv_segments_note_ready(segs, now);
    return freed ? spv_segments_schedule(segs, now) : 0;
}

/* ---- answers ---- */

bool spv_segments_alloc(const struct spv_segments *segs, struct spv_segment *s)
{
    const size_t n = s->is_long ? SPV_SEGMENTS_LONG_BUF : s->end - s->from;
    if (!s->units)
        s->units = malloc(n * segs->ops->unit_size);
    return s->units != NULL;
}

void spv_segments_close_request(struct spv_segments_peer *p, unsigned at)
{
    p->n_open--;
    memmove(p->requests + at, p->requests + at + 1, (p->n_open - at) * sizeof p->requests[0]);
}

void spv_segments_set_behind(struct spv_segments_peer *p, const struct spv_segment *s,
                             struct spv_now now)
{
    if (!p->behind_until_us || s->from < p->behind_from)
        p->behind_from = s->from;
    p->behind_until_us = now.mono_us + SPV_SEGMENTS_BEHIND_US;
}

void spv_segments_received(struct spv_segments *segs, struct spv_segments_peer *p,
                           struct spv_segment *s, uint32_t have, const struct spv_hash256 *last,
                           struct spv_now now)
{
    s->have = have;
    s->last = *last;
    s->peer = p->entry->id;
    if (spv_segments_complete(s))
        p->stats.segments += !s->is_post_checkpoint;
    else
        spv_segments_request(segs, p, s, now);
    spv_segments_skip_empty(segs);
    spv_segments_note_ready(segs, now);
}

/* ---- peers ---- */

int spv_segments_add(struct spv_segments *segs, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *entry = spv_peer_table_find(segs->cfg.peers, id);
    if (!entry || spv_segments_find_peer(segs, id))
        return SPV_ERR_INVALID;
    struct spv_segment_request *open = calloc(SPV_SEGMENTS_MAX_OPEN, sizeof *open);
    if (!open)
        return SPV_ERR_NOMEM;
    entry->segments[segs->cfg.owner] = (struct spv_segments_peer){
        .entry = entry, .requests = open, .window = SPV_SEGMENTS_FIRST_OPEN};
    return spv_segments_schedule(segs, now);
}

int spv_segments_remove(struct spv_segments *segs, uint64_t id, struct spv_now now)
{
    struct spv_segments_peer *p = spv_segments_find_peer(segs, id);
    if (!p)
        return 0;
    forget_peer(p);
    return spv_segments_schedule(segs, now);
}

void spv_segments_clear_behind(struct spv_segments *segs, uint64_t id)
{
    struct spv_segments_peer *p = spv_segments_find_peer(segs, id);
    if (p)
        p->behind_until_us = 0;
}

int spv_segments_next_disconnect(struct spv_segments *segs, struct spv_disconnect *out)
{
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(segs, p));) {
        if (!p->disconnect_error || p->reported)
            continue;
        p->reported = true;
        *out = (struct spv_disconnect){.id = p->entry->id, .error = p->disconnect_error};
        return 1;
    }
    return 0;
}

bool spv_segments_all_behind(const struct spv_segments *segs)
{
    bool any = false;
    if (!segs->n)
        return false;
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(segs, p));) {
        if (p->disconnect_error)
            continue;
        /* spv_segments_timer clears expired times */
        if (!p->behind_until_us || segs->segment[0].from < p->behind_from)
            return false;
        any = true;
    }
    return any && !spv_segments_complete(&segs->segment[0]);
}

/* ---- time ---- */

static bool has_other_peers(const struct spv_segments *segs, const struct spv_segments_peer *p)
{
    for (struct spv_segments_peer *q = NULL; (q = spv_segments_next_peer(segs, q));)
        if (q != p && !q->disconnect_error)
            return true;
    return false;
}

/* The timeout runs from the last answer: a peer answers one request after the other, and a long
 * queue takes long on a slow line. */
uint64_t spv_segments_stall_us(const struct spv_segments *segs, const struct spv_segments_peer *p)
{
    if (p->disconnect_error || !p->n_open)
        return SPV_NEVER;
    const uint64_t since =
        p->last_us > p->requests[0].requested_us ? p->last_us : p->requests[0].requested_us;
    return since +
           (has_other_peers(segs, p) ? 1 : SPV_SEGMENTS_LONE_PEER_FACTOR) * segs->cfg.timeout_us;
}

int spv_segments_timer(struct spv_segments *segs, struct spv_now now)
{
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(segs, p));) {
        if (p->behind_until_us && p->behind_until_us <= now.mono_us)
            p->behind_until_us = 0;
        if (spv_segments_stall_us(segs, p) <= now.mono_us)
            p->disconnect_error = SPV_ERR_STALL;
    }
    return spv_segments_schedule(segs, now);
}

uint64_t spv_segments_deadline(const struct spv_segments *segs)
{
    uint64_t first = segs->sched_us;
    if (segs->ready_us)
        first = spv_min_deadline(first, segs->ready_us + SPV_SEGMENTS_BATCH_DELAY_US);
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(segs, p));) {
        const uint64_t stall = spv_segments_stall_us(segs, p);
        if (stall < first)
            first = stall;
        if (segs->active && p->behind_until_us && p->behind_until_us < first)
            first = p->behind_until_us;
    }
    return first;
}

/* ---- statistics ---- */

uint64_t spv_segments_answer_us(const struct spv_segments *segs, uint64_t id)
{
    const struct spv_segments_peer *p = spv_segments_find_peer(segs, id);
    if (!p || !p->rtt_us)
        return 0;
    double units = segs->ops->request_units;
    for (unsigned k = 0; k < p->n_open; k++)
        units += p->requests[k].n;
    const double us = units * (double)SPV_SECOND / spv_segments_rate(p);
    return p->rtt_us + (uint64_t)(us < 1e15 ? us : 1e15);
}

bool spv_segments_get_peer(const struct spv_segments *segs, struct spv_segments_peer_stats *out,
                           uint64_t id)
{
    const struct spv_segments_peer *p = spv_segments_find_peer(segs, id);
    if (!p)
        return false;
    *out = p->stats;
    out->rate = spv_segments_rate(p);
    out->in_flight = p->n_open;
    out->window = p->window;
    return true;
}

void spv_segments_get_stats(const struct spv_segments *segs, struct spv_segments_stats *out)
{
    *out = (struct spv_segments_stats){.hedges = segs->hedges,
                                       .done = segs->done,
                                       .memory = sizeof *segs +
                                                 SPV_SEGMENTS_MAX_BATCH * segs->ops->unit_size};
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(segs, p));) {
        out->in_flight += p->n_open;
        out->memory += SPV_SEGMENTS_MAX_OPEN * sizeof p->requests[0];
    }
    for (size_t i = 0; i < segs->n; i++) {
        const struct spv_segment *s = &segs->segment[i];
        out->segments += s->inflight || s->have;
        out->waiting += s->have - s->n_consumed;
        if (s->units)
            out->memory +=
                (s->is_long ? SPV_SEGMENTS_LONG_BUF : s->end - s->from) * segs->ops->unit_size;
    }
}
