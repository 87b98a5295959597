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
    if (!cfg->params || !cfg->effects || !cfg->peers || (cfg->n_checkpoints && !cfg->checkpoints))
        return SPV_ERR_INVALID;
    struct spv_segments *f = calloc(1, sizeof *f);
    if (!f)
        return SPV_ERR_NOMEM;
    f->cfg = *cfg;
    if (!f->cfg.timeout_us)
        f->cfg.timeout_us = SPV_SEGMENTS_TIMEOUT;
    f->batch_buf = malloc(SPV_SEGMENTS_BATCH * sizeof *f->batch_buf);
    if (!f->batch_buf) {
        free(f);
        return SPV_ERR_NOMEM;
    }
    spv_header_hash(&f->genesis, &cfg->params->genesis);
    f->interval = spv_params_interval(cfg->params);
    f->serial = 1;
    f->sched_us = SPV_NEVER;
    *out = f;
    return 0;
}

static void forget_segments(struct spv_segments *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->segment[i].headers);
    f->n = 0;
    f->active = false;
    f->ready_us = 0;
    f->sched_us = SPV_NEVER;
}

static void forget_peer(struct spv_segments_peer *p)
{
    free(p->requests);
    *p = (struct spv_segments_peer){0};
}

void spv_segments_free(struct spv_segments *f)
{
    if (!f)
        return;
    forget_segments(f);
    for (struct spv_segments_peer *p; (p = spv_segments_next_peer(f, NULL));)
        forget_peer(p);
    free(f->batch_buf);
    free(f);
}

/* ---- the window ---- */

/* Adds segments while the window has space. */
static void fill_window(struct spv_segments *f)
{
    size_t held = 0;
    for (size_t i = 0; i < f->n; i++)
        held += f->segment[i].end - f->segment[i].from;
    while (f->next_checkpoint < f->end_checkpoint && f->n < SPV_SEGMENTS_MAX_SEGMENTS) {
        size_t cp = f->next_checkpoint;
        while (cp + 1 < f->end_checkpoint &&
               f->cfg.checkpoints[cp + 1].height - f->top.height <= SPV_SEGMENTS_PERIOD)
            cp++;
        const size_t size = f->cfg.checkpoints[cp].height - f->top.height;
        if (f->n && held + size > SPV_SEGMENTS_MAX_HEADERS)
            return;
        f->segment[f->n++] = (struct spv_segment){.serial = f->serial++,
                                                  .from = f->top.height,
                                                  .end = f->cfg.checkpoints[cp].height,
                                                  .start = f->top.hash,
                                                  .stop = f->cfg.checkpoints[cp].hash,
                                                  .is_long = size > SPV_SEGMENTS_MAX_HEADERS};
        held += size;
        f->top = f->cfg.checkpoints[cp];
        f->next_checkpoint = cp + 1;
    }
    if (f->post_checkpoint && f->next_checkpoint == f->end_checkpoint &&
        f->n < SPV_SEGMENTS_MAX_SEGMENTS && held + SPV_MAX_HEADERS <= SPV_SEGMENTS_MAX_HEADERS) {
        f->segment[f->n++] = (struct spv_segment){.serial = f->serial++,
                                                  .from = f->top.height,
                                                  .end = f->top.height + SPV_MAX_HEADERS,
                                                  .start = f->top.hash,
                                                  .is_post_checkpoint = true};
        f->post_checkpoint = false;
    }
}

/* The lowest segment is consumed. */
static void next_segment(struct spv_segments *f)
{
    free(f->segment[0].headers);
    f->done += !f->segment[0].is_post_checkpoint;
    f->n--;
    memmove(f->segment, f->segment + 1, f->n * sizeof f->segment[0]);
    fill_window(f);
    if (!f->n)
        forget_segments(f);
}

void spv_segments_skip_empty(struct spv_segments *f)
{
    if (f->n && f->segment[0].end == f->segment[0].from) /* nothing follows the last checkpoint */
        next_segment(f);
}

int spv_segments_begin(struct spv_segments *f, const struct spv_checkpoint *from, uint32_t to,
                       struct spv_now now)
{
    forget_segments(f);
    f->top = *from;
    f->next_checkpoint = 0;
    while (f->next_checkpoint < f->cfg.n_checkpoints &&
           f->cfg.checkpoints[f->next_checkpoint].height <= from->height)
        f->next_checkpoint++;
    f->end_checkpoint = f->next_checkpoint;
    while (f->end_checkpoint < f->cfg.n_checkpoints &&
           f->cfg.checkpoints[f->end_checkpoint].height <= to)
        f->end_checkpoint++;
    f->active = f->next_checkpoint < f->end_checkpoint;
    f->post_checkpoint =
        f->active && f->cfg.post_checkpoint && f->end_checkpoint == f->cfg.n_checkpoints;
    fill_window(f);
    return spv_segments_schedule(f, now);
}

void spv_segments_stop(struct spv_segments *f)
{
    forget_segments(f);
}

bool spv_segments_done(const struct spv_segments *f)
{
    return !f->active;
}

/* ---- batches ---- */

/* Joins small complete segments into one batch. */
static void merge_small(struct spv_segments *f, struct spv_segments_batch *out)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n && spv_segments_complete(&f->segment[i]); i++) {
        const struct spv_segment *s = &f->segment[i];
        const size_t more = s->have - s->n_consumed;
        if (s->is_post_checkpoint || s->is_long || n + more > SPV_SEGMENTS_BATCH)
            break;
        memcpy(f->batch_buf + n, s->headers + s->n_consumed, more * sizeof *s->headers);
        n += more;
        out->last = s->last;
    }
    out->headers = f->batch_buf;
    out->n = n;
}

void spv_segments_note_ready(struct spv_segments *f, struct spv_now now)
{
    if (!f->n || !spv_segments_complete(&f->segment[0]))
        f->ready_us = 0;
    else if (!f->ready_us)
        f->ready_us = now.mono_us;
}

/* Returns whether to wait for more headers: each batch costs the caller one disk flush. */
static bool may_grow(const struct spv_segments *f, struct spv_now now)
{
    size_t n = 0, i = 0;
    for (; i < f->n && spv_segments_complete(&f->segment[i]); i++)
        n += f->segment[i].have - f->segment[i].n_consumed;
    return i < f->n && n < SPV_SEGMENTS_BATCH && f->segment[0].n_consumed == 0 &&
           now.mono_us < f->ready_us + SPV_SEGMENTS_BATCH_DELAY;
}

static bool next_batch(struct spv_segments *f, struct spv_segments_batch *out)
{
    if (!f->n)
        return false;
    const struct spv_segment *s = &f->segment[0];
    const bool whole = spv_segments_complete(s);
    size_t n = s->have - s->n_consumed;
    if (!n || (!whole && !s->is_long))
        return false;
    const bool all = n <= SPV_SEGMENTS_BATCH;
    if (!all)
        n = SPV_SEGMENTS_BATCH;
    const struct spv_header *headers = s->headers + (s->n_consumed - s->base);
    *out = (struct spv_segments_batch){.headers = headers,
                                       .n = n,
                                       .height = s->from + s->n_consumed + 1,
                                       .last = all ? s->last : headers[n].prev,
                                       .peer = s->peer,
                                       .proven = !s->is_long && !s->is_post_checkpoint,
                                       .post_checkpoint = s->is_post_checkpoint};
    if (out->proven && all && f->n > 1 && spv_segments_complete(&f->segment[1]))
        merge_small(f, out);
    return true;
}

bool spv_segments_next_batch(struct spv_segments *f, struct spv_segments_batch *out,
                             struct spv_now now)
{
    return next_batch(f, out) && !(out->proven && may_grow(f, now));
}

int spv_segments_consume(struct spv_segments *f, struct spv_now now)
{
    struct spv_segments_batch batch;
    bool freed = false;
    if (!next_batch(f, &batch))
        return SPV_ERR_STATE;
    for (size_t left = batch.n; left;) {
        struct spv_segment *s = &f->segment[0];
        const size_t n = left < s->have - s->n_consumed ? left : s->have - s->n_consumed;
        left -= n;
        s->n_consumed += (uint32_t)n;
        if (s->n_consumed == s->end - s->from) {
            next_segment(f);
            freed = true;
        } else if (s->is_long) {
            memmove(s->headers, s->headers + (s->n_consumed - s->base),
                    (s->have - s->n_consumed) * sizeof s->headers[0]);
            s->base = s->n_consumed;
            freed = true;
        }
    }
    spv_segments_skip_empty(f);
    f->ready_us = 0;
    spv_segments_note_ready(f, now);
    return freed ? spv_segments_schedule(f, now) : 0;
}

/* ---- peers ---- */

int spv_segments_add(struct spv_segments *f, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *entry = spv_peer_table_find(f->cfg.peers, id);
    if (!entry || spv_segments_find_peer(f, id))
        return SPV_ERR_INVALID;
    struct spv_segment_request *open = calloc(SPV_SEGMENTS_MAX_OPEN, sizeof *open);
    if (!open)
        return SPV_ERR_NOMEM;
    entry->segments[f->cfg.owner] = (struct spv_segments_peer){
        .entry = entry, .requests = open, .window = SPV_SEGMENTS_FIRST_OPEN};
    return spv_segments_schedule(f, now);
}

int spv_segments_remove(struct spv_segments *f, uint64_t id, struct spv_now now)
{
    struct spv_segments_peer *p = spv_segments_find_peer(f, id);
    if (!p)
        return 0;
    forget_peer(p);
    return spv_segments_schedule(f, now);
}

void spv_segments_clear_behind(struct spv_segments *f, uint64_t id)
{
    struct spv_segments_peer *p = spv_segments_find_peer(f, id);
    if (p)
        p->behind_until_us = 0;
}

int spv_segments_next_drop(struct spv_segments *f, struct spv_segments_drop *out)
{
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(f, p));) {
        if (!p->drop || p->reported)
            continue;
        p->reported = true;
        *out = (struct spv_segments_drop){.id = p->entry->id, .error = p->drop};
        return 1;
    }
    return 0;
}

bool spv_segments_all_behind(const struct spv_segments *f)
{
    bool any = false;
    if (!f->n)
        return false;
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(f, p));) {
        if (p->drop)
            continue;
        /* spv_segments_timer clears expired times */
        if (!p->behind_until_us || f->segment[0].from < p->behind_from)
            return false;
        any = true;
    }
    return any && !spv_segments_complete(&f->segment[0]);
}

/* ---- time ---- */

static bool has_other_peers(const struct spv_segments *f, const struct spv_segments_peer *p)
{
    for (struct spv_segments_peer *q = NULL; (q = spv_segments_next_peer(f, q));)
        if (q != p && !q->drop)
            return true;
    return false;
}

/* The timeout runs from the last answer: a peer answers one request after the other, and a long
 * queue takes long on a slow line. */
uint64_t spv_segments_stall_us(const struct spv_segments *f, const struct spv_segments_peer *p)
{
    if (p->drop || !p->n_open)
        return SPV_NEVER;
    const uint64_t since =
        p->last_us > p->requests[0].asked_us ? p->last_us : p->requests[0].asked_us;
    return since + (has_other_peers(f, p) ? 1 : SPV_SEGMENTS_LONE_PEER_FACTOR) * f->cfg.timeout_us;
}

int spv_segments_timer(struct spv_segments *f, struct spv_now now)
{
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(f, p));) {
        if (p->behind_until_us && p->behind_until_us <= now.mono_us)
            p->behind_until_us = 0;
        if (spv_segments_stall_us(f, p) <= now.mono_us)
            p->drop = SPV_ERR_STALL;
    }
    return spv_segments_schedule(f, now);
}

uint64_t spv_segments_deadline(const struct spv_segments *f)
{
    uint64_t first = f->sched_us;
    if (f->ready_us)
        first = spv_min_deadline(first, f->ready_us + SPV_SEGMENTS_BATCH_DELAY);
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(f, p));) {
        const uint64_t stall = spv_segments_stall_us(f, p);
        if (stall < first)
            first = stall;
        if (f->active && p->behind_until_us && p->behind_until_us < first)
            first = p->behind_until_us;
    }
    return first;
}

/* ---- statistics ---- */

uint64_t spv_segments_time(const struct spv_segments *f, uint64_t id)
{
    const struct spv_segments_peer *p = spv_segments_find_peer(f, id);
    if (!p || !p->rtt_us)
        return 0;
    double headers = SPV_MAX_HEADERS;
    for (unsigned k = 0; k < p->n_open; k++)
        headers += p->requests[k].n;
    const double us = headers * (double)SPV_SECOND / spv_segments_rate(p);
    return p->rtt_us + (uint64_t)(us < 1e15 ? us : 1e15);
}

bool spv_segments_get_peer(const struct spv_segments *f, struct spv_segments_peer_stats *out,
                           uint64_t id)
{
    const struct spv_segments_peer *p = spv_segments_find_peer(f, id);
    if (!p)
        return false;
    *out = p->stats;
    out->rate = spv_segments_rate(p);
    out->in_flight = p->n_open;
    out->window = p->window;
    return true;
}

void spv_segments_get_stats(const struct spv_segments *f, struct spv_segments_stats *out)
{
    *out = (struct spv_segments_stats){.hedges = f->hedges,
                                       .done = f->done,
                                       .memory =
                                           sizeof *f + SPV_SEGMENTS_BATCH * sizeof *f->batch_buf};
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(f, p));) {
        out->in_flight += p->n_open;
        out->memory += SPV_SEGMENTS_MAX_OPEN * sizeof p->requests[0];
    }
    for (size_t i = 0; i < f->n; i++) {
        const struct spv_segment *s = &f->segment[i];
        out->segments += s->inflight || s->have;
        out->waiting += s->have - s->n_consumed;
        if (s->headers)
            out->memory +=
                (s->is_long ? SPV_SEGMENTS_LONG_BUF : s->end - s->from) * sizeof s->headers[0];
    }
}
