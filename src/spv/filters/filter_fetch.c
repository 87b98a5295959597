/* The range is split into runs that are kept, which are read from the database, and runs between
 * them, which are downloaded. A downloaded run is divided into segments of about 256 KiB each, by
 * the size of the last received filters.
 *
 *     segment   one getcfilters   a range (fetch_ranges.h)   n cfilter messages
 *
 * A segment is complete when its range is, also when some of the filters are alternatives: the
 * caller matches all of them. A peer that does not answer or closes the connection instead gets no
 * request at or above that height for a while, also after it reconnects: its block filter index
 * (Core: -blockfilterindex) may lag behind. Neither is misbehaviour. */
#include "spv/filters/filter_fetch.h"

#include <stdlib.h>
#include <string.h>

#include "spv/filters/fetch_closed.h"
#include "spv/filters/filter_peers.h"
#include "spv/sync/segments_state.h"
#include "util/deadline.h"

enum source { SOURCE_NONE, SOURCE_KEPT, SOURCE_NETWORK };

struct spv_filter_fetch {
    struct spv_filter_fetch_config cfg;
    struct spv_segments *segments;
    struct spv_fetch_ranges ranges;
    struct spv_filter_alternatives alternatives;
    enum source source;
    uint32_t next, run_end; /* the next height of a kept run; the last height of the run */
    uint32_t last; /* height of the whole range */
    uint32_t lowest, ceiling; /* of spv_filter_fetch_limit */
    double filter_bytes; /* size of a filter, from the last received ones */
    struct spv_fetch_closed closed;
};

static struct spv_filter_fetch *fetch_of(const struct spv_segments_config *cfg)
{
    return (struct spv_filter_fetch *)(uintptr_t)cfg->ops_ctx;
}

static void fetch_fail(struct spv_effects *q, int error)
{
    if (!q->error)
        q->error = error;
}

/* ---- segments of filters ---- */

static int block_hash(const struct spv_filter_fetch *f, struct spv_blockhash *out, uint32_t height)
{
    struct spv_chain_header header;
    const int rc = spv_chain_header_at(f->cfg.chain, &header, height);

    if (rc == 1)
        *out = header.hash;
    return rc == 0 ? SPV_ERR_DB_DAMAGED : rc < 0 ? rc : 0;
}

static struct spv_hash256 end_hash(const struct spv_segments_config *cfg, size_t height)
{
    struct spv_blockhash hash = {{0}};
    const int rc = block_hash(fetch_of(cfg), &hash, (uint32_t)height);

    if (rc < 0)
        fetch_fail(cfg->effects, rc);
    return spv_segments_hash(&hash);
}

static uint32_t segment_end(const struct spv_segments_config *cfg, uint32_t top, uint32_t to)
{
    const double n = SPV_FILTER_FETCH_REQUEST_BYTES / (fetch_of(cfg)->filter_bytes + 1);
    const uint32_t units = n < 1                                  ? 1
                           : n > SPV_FILTER_FETCH_REQUEST_FILTERS ? SPV_FILTER_FETCH_REQUEST_FILTERS
                                                                  : (uint32_t)n;

    return to - top <= units ? to : top + units;
}

/* Whether a limit allows heights above `from` up to `end`. */
static bool is_allowed(uint32_t lowest, uint32_t ceiling, uint32_t from, uint32_t end)
{
    return end <= ceiling || from < lowest;
}

/* Whether the peer has the filters of a segment, as far as is known. */
static bool has_filters(const struct spv_filter_fetch *f, const struct spv_peer_entry *p,
                        const struct spv_segment *s)
{
    const struct spv_filter_knowledge *k = &f->cfg.knowledge;

    return spv_filter_peer_serves(p) && spv_filter_peer_has_block(p, s->end) &&
           (!k->is_compared || k->is_compared(k->ctx, p->id, s->end));
}

/* Whether a peer that did not close on such a request can be used instead. */
static bool has_other_peer(const struct spv_filter_fetch *f, const struct spv_peer_entry *than,
                           const struct spv_segment *s)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->cfg.peers, p));)
        if (p != than && p->filter_fetch.added && !spv_fetch_closed_lacks(p, s->from) &&
            has_filters(f, p, s))
            return true;
    return false;
}

static bool can_request(const struct spv_segments *segs, const struct spv_segments_peer *p,
                        const struct spv_segment *s)
{
    const struct spv_filter_fetch *f = fetch_of(&segs->cfg);

    if (spv_fetch_closed_lacks(p->entry, s->from) &&
        (p->entry->filter_fetch.n_lost >= SPV_FETCH_MAX_LOST || has_other_peer(f, p->entry, s)))
        return false;
    return has_filters(f, p->entry, s) && is_allowed(f->lowest, f->ceiling, s->from, s->end) &&
           !spv_fetch_ranges_overlap(&f->ranges, p->entry->id, s->from + 1, s->end);
}

static int read_range(const struct spv_filter_fetch *f, struct spv_fetch_range *range)
{
    const struct spv_filter_db *db = &f->cfg.filter_db;
    int rc = db->headers(db->ctx, range->headers, NULL, range->start - 1, range->n + 1);

    if (rc >= 0 && (uint32_t)rc != range->n + 1)
        rc = SPV_ERR_DB_DAMAGED;
    for (uint32_t i = 0; i < range->n && rc >= 0; i++)
        rc = block_hash(f, &range->blocks[i], range->start + i);
    return rc < 0 ? rc : 0;
}

static void send_getcfilters(struct spv_segments *segs, struct spv_segments_peer *p,
                             const struct spv_segment *s, struct spv_segment_request *o)
{
    struct spv_filter_fetch *f = fetch_of(&segs->cfg);
    struct spv_effects *q = segs->cfg.effects;
    struct spv_fetch_range *range =
        spv_fetch_ranges_add(&f->ranges, p->entry->id, o->start, o->n, SPV_FETCH_RANGE_SEGMENT);
    const int rc = range ? read_range(f, range) : SPV_ERR_NOMEM;

    (void)s;
    if (rc < 0) {
        fetch_fail(q, rc);
        return;
    }
    o->stop_block = range->blocks[range->n - 1];
    range->requested_us = o->requested_us;
    struct spv_effect *e = spv_effects_push(q, SPV_EFFECT_SEND, p->entry->id);
    if (!e)
        return;
    e->message.command = SPV_CMD_GETCFILTERS;
    e->message.u.getcfilters = (struct spv_msg_getcfilters){
        .type = SPV_FILTER_BASIC, .start = o->start, .stop = o->stop_block};
}

static const struct spv_segments_ops filters_ops = {
    .unit_size = 1, /* nothing is kept of a filter */
    .request_units = SPV_FILTER_FETCH_REQUEST_FILTERS,
    .guess_rate = 500, /* ours: 13 MB/s of the largest filters */
    .end_hash = end_hash,
    .send = send_getcfilters,
    .max_open = SPV_FILTER_FETCH_MAX_OPEN,
    .max_segments = SPV_FILTER_FETCH_MAX_SEGMENTS,
    .cut = segment_end,
    .can_request = can_request,
};

/* ---- runs ---- */

static int begin_network_run(struct spv_filter_fetch *f, struct spv_now now)
{
    struct spv_checkpoint from = {.height = f->next - 1};
    const int rc = block_hash(f, &from.hash, from.height);

    f->source = SOURCE_NETWORK;
    return rc < 0 ? rc : spv_segments_begin(f->segments, &from, f->run_end, now);
}

/* Begins the run at f->next. */
static int begin_run(struct spv_filter_fetch *f, struct spv_now now)
{
    const struct spv_filter_db *db = &f->cfg.filter_db;
    uint32_t first = 0, last = 0;

    f->source = SOURCE_NONE;
    if (f->next > f->last)
        return 0;
    const int kept = db->kept ? db->kept(db->ctx, &first, &last) : 0;
    if (kept < 0)
        return kept;
    f->run_end = f->last;
    if (kept && first <= f->next && f->next <= last) {
        f->source = SOURCE_KEPT;
        if (last < f->last)
            f->run_end = last;
        return 0;
    }
    if (kept && first > f->next && first <= f->last)
        f->run_end = first - 1;
    return begin_network_run(f, now);
}

int spv_filter_fetch_begin(struct spv_filter_fetch *f, uint32_t first, uint32_t last,
                           struct spv_now now)
{
    spv_filter_fetch_stop(f);
    f->next = first;
    f->last = last;
    return begin_run(f, now);
}

void spv_filter_fetch_stop(struct spv_filter_fetch *f)
{
    spv_segments_stop(f->segments);
    f->source = SOURCE_NONE;
    f->next = 1;
    f->last = 0;
}

bool spv_filter_fetch_done(const struct spv_filter_fetch *f)
{
    return f->source == SOURCE_NONE;
}

/* Consumes segments in order as soon as each is complete; begins the next run after the last one.
 */
static int consume_complete(struct spv_filter_fetch *f, struct spv_now now)
{
    struct spv_segments *segs = f->segments;
    int rc = 0;

    while (rc == 0 && segs->n > 0 && spv_segments_complete(&segs->segment[0]))
        rc = spv_segments_consume(segs, now);
    if (rc == 0 && f->source == SOURCE_NETWORK && spv_segments_done(segs)) {
        f->next = f->run_end + 1;
        rc = begin_run(f, now);
    }
    return rc;
}

int spv_filter_fetch_limit(struct spv_filter_fetch *f, uint32_t lowest, uint32_t ceiling,
                           struct spv_now now)
{
    bool freed = false;

    for (size_t i = 0; i < f->segments->n && !freed; i++) {
        const struct spv_segment *s = &f->segments->segment[i];
        freed = !is_allowed(f->lowest, f->ceiling, s->from, s->end) &&
                is_allowed(lowest, ceiling, s->from, s->end);
    }
    f->lowest = lowest;
    f->ceiling = ceiling;
    return freed ? spv_segments_schedule(f->segments, now) : 0;
}

static int run_alternatives(struct spv_filter_fetch *f, struct spv_now now)
{
    return spv_filter_alternatives_run(&f->alternatives, &f->ranges, f->cfg.peers, f->cfg.effects,
                                       now);
}

int spv_filter_fetch_schedule(struct spv_filter_fetch *f, struct spv_now now)
{
    const int rc = spv_segments_schedule(f->segments, now);

    return rc < 0 ? rc : run_alternatives(f, now);
}

/* ---- peers ---- */

int spv_filter_fetch_add(struct spv_filter_fetch *f, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(f->cfg.peers, id);

    if (!p || p->filter_fetch.added || !spv_filter_peer_serves(p))
        return 0;
    p->filter_fetch = (struct spv_filter_fetch_peer){.added = true};
    spv_fetch_closed_recall(&f->closed, p, now);
    const int rc = spv_segments_add(f->segments, id, now);
    return rc < 0 ? rc : run_alternatives(f, now);
}

int spv_filter_fetch_remove(struct spv_filter_fetch *f, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *p = spv_peer_table_find(f->cfg.peers, id);

    if (!p || !p->filter_fetch.added)
        return 0;
    const struct spv_segments_peer *lost = spv_segments_find_peer(f->segments, id);
    if (lost)
        spv_fetch_closed_add(&f->closed, lost, now);
    p->filter_fetch = (struct spv_filter_fetch_peer){0};
    spv_fetch_ranges_remove_peer(&f->ranges, id);
    spv_filter_alternatives_remove_peer(&f->alternatives, id);
    const int rc = spv_segments_remove(f->segments, id, now);
    return rc < 0 ? rc : run_alternatives(f, now);
}

int spv_filter_fetch_next_disconnect(struct spv_filter_fetch *f, struct spv_disconnect *out)
{
    return spv_segments_next_disconnect(f->segments, out);
}

/* ---- answers ---- */

static bool is_alternative(const struct spv_filter_fetch *f, uint32_t height,
                           const struct spv_filter_hash *hash)
{
    const struct spv_filter_knowledge *k = &f->cfg.knowledge;
    struct spv_filter_hash alternatives[SPV_FILTER_MAX_BRANCHES];
    const size_t n = k->alternatives ? k->alternatives(k->ctx, alternatives, height) : 0;

    for (size_t i = 0; i < n; i++)
        if (spv_filter_hash_eq(&alternatives[i], hash))
            return true;
    return false;
}

enum filter_origin { ORIGIN_STORED, ORIGIN_ALTERNATIVE, ORIGIN_UNKNOWN };

static enum filter_origin classify_filter(const struct spv_filter_fetch *f,
                                          const struct spv_fetch_range *range, uint32_t at,
                                          const struct spv_filter_hash *hash)
{
    struct spv_filter_header header;

    spv_filter_compute_header(&header, hash, &range->headers[at]);
    if (spv_filter_header_eq(&header, &range->headers[at + 1]))
        return ORIGIN_STORED;
    return is_alternative(f, range->start + at, hash) ? ORIGIN_ALTERNATIVE : ORIGIN_UNKNOWN;
}

/* A filter that no filter header commits to is misbehaviour when the peer itself has sent the
 * stored header; else it is only useless. */
static void disconnect_for_filter(const struct spv_filter_fetch *f, struct spv_segments_peer *p,
                                  uint32_t height)
{
    const struct spv_filter_knowledge *k = &f->cfg.knowledge;
    const bool committed = k->has_committed && k->has_committed(k->ctx, p->entry->id, height);

    p->disconnect_error = committed ? SPV_ERR_FILTER_CONTRADICTION : SPV_ERR_FILTER_HASH;
}

/* All filters of a range have arrived: closes the request of the segment. */
static int complete_range(struct spv_filter_fetch *f, struct spv_segments_peer *p,
                          struct spv_fetch_range *range, struct spv_now now)
{
    struct spv_segments *segs = f->segments;
    const struct spv_blockhash stop = range->blocks[range->n - 1];
    const uint32_t start = range->start;
    unsigned at = 0;

    spv_fetch_ranges_remove(&f->ranges, range);
    while (at < p->n_open && !(p->requests[at].start == start &&
                               spv_blockhash_eq(&p->requests[at].stop_block, &stop)))
        at++;
    if (at == p->n_open)
        return run_alternatives(f, now); /* the request was late, or for an alternative */
    const struct spv_segment_request o = p->requests[at];
    struct spv_segment *s = spv_segments_find(segs, o.serial);
    const bool wanted =
        s && !spv_segments_complete(s) && spv_segments_requests_next(&o, s) && !p->disconnect_error;
    if (wanted && !spv_segments_alloc(segs, s))
        return SPV_ERR_NOMEM;
    spv_segments_close_request(p, at);
    spv_segments_measure(segs, p, &o, o.n, now);
    if (wanted) {
        const struct spv_hash256 last = s->stop;
        memset(s->units, 0, s->end - s->from);
        p->stats.headers += o.n;
        spv_segments_received(segs, p, s, s->end - s->from, &last, now);
    } else {
        p->stats.wasted += o.n;
    }
    int rc = consume_complete(f, now);
    if (rc == 0)
        rc = spv_segments_schedule(segs, now);
    return rc < 0 ? rc : run_alternatives(f, now);
}

static void measure_size(struct spv_filter_fetch *f, size_t n)
{
    f->filter_bytes += ((double)n - f->filter_bytes) / 16;
}

static enum spv_filter_use take_filter(struct spv_filter_fetch *f, struct spv_fetched_filter *out,
                                       struct spv_segments_peer *p,
                                       const struct spv_fetch_range *range, uint32_t at)
{
    const struct spv_filter filter = out->filter;

    spv_filter_compute_hash(&out->hash, &filter);
    out->height = range->start + at;
    if (range->is_void || p->disconnect_error)
        return SPV_FILTER_USELESS;
    const enum filter_origin origin = classify_filter(f, range, at, &out->hash);
    if (origin == ORIGIN_UNKNOWN) {
        disconnect_for_filter(f, p, out->height);
        return SPV_FILTER_USELESS;
    }
    out->is_alternative = origin == ORIGIN_ALTERNATIVE;
    measure_size(f, filter.n);
    const bool wanted = spv_filter_alternatives_take(&f->alternatives, out->height, &out->hash);
    if (wanted || range->kind == SPV_FETCH_RANGE_SEGMENT)
        return SPV_FILTER_USED;
    spv_filter_alternatives_mismatch(&f->alternatives, p->entry->id, out->height);
    return SPV_FILTER_USELESS;
}

int spv_filter_fetch_recv(struct spv_filter_fetch *f, struct spv_fetched_filter *out, uint64_t id,
                          const struct spv_msg_cfilter *msg, struct spv_now now)
{
    struct spv_segments_peer *p = spv_segments_find_peer(f->segments, id);
    uint32_t at = 0;

    if (!p || msg->type != SPV_FILTER_BASIC)
        return SPV_FILTER_UNSOLICITED;
    struct spv_fetch_range *range = spv_fetch_ranges_find(&f->ranges, &at, id, &msg->block);
    if (!range)
        return SPV_FILTER_UNSOLICITED;
    *out = (struct spv_fetched_filter){
        .filter = {.block = msg->block, .bytes = msg->filter, .n = msg->n}};
    const enum spv_filter_use use = take_filter(f, out, p, range, at);
    range->received[at] = true;
    range->expected = (at + 1) % range->n;
    const int rc = ++range->n_received == range->n ? complete_range(f, p, range, now) : 0;
    if (rc < 0)
        return rc;
    if (p->disconnect_error) { /* other peers get its requests */
        const int failed = spv_segments_schedule(f->segments, now);
        return failed < 0 ? failed : (int)use;
    }
    return (int)use;
}

/* ---- kept filters ---- */

/* Downloads a kept filter that is missing or does not match its filter header. */
static int skip_kept(struct spv_filter_fetch *f, struct spv_now now)
{
    f->run_end = f->next;
    return begin_network_run(f, now);
}

int spv_filter_fetch_read(struct spv_filter_fetch *f, struct spv_fetched_filter *out,
                          struct spv_now now)
{
    const struct spv_filter_db *db = &f->cfg.filter_db;
    struct spv_bytes bytes;

    if (f->source != SOURCE_KEPT || !is_allowed(f->lowest, f->ceiling, f->next - 1, f->next))
        return 0;
    int rc = db->filter(db->ctx, &bytes, f->next);
    if (rc == 0 || rc == SPV_ERR_DB_DAMAGED)
        return skip_kept(f, now);
    *out = (struct spv_fetched_filter){
        .filter = {.bytes = bytes.bytes, .n = bytes.n}, .height = f->next, .is_kept = true};
    if (rc > 0)
        rc = block_hash(f, &out->filter.block, f->next);
    if (rc < 0)
        return rc;
    spv_filter_compute_hash(&out->hash, &out->filter);
    if (f->next++ == f->run_end)
        rc = begin_run(f, now);
    return rc < 0 ? rc : 1;
}

/* ---- alternatives ---- */

int spv_filter_fetch_want_alternative(struct spv_filter_fetch *f, uint32_t height,
                                      const struct spv_filter_hash *hash, struct spv_now now)
{
    const struct spv_filter_db *db = &f->cfg.filter_db;
    struct spv_filter_alternative wanted = {.height = height, .hash = *hash};
    struct spv_filter_header headers[2];
    int rc = block_hash(f, &wanted.block, height);

    if (rc == 0)
        rc = db->headers(db->ctx, headers, NULL, height - 1, 2);
    if (rc < 0)
        return rc;
    if (rc != 2)
        return SPV_ERR_DB_DAMAGED;
    wanted.before = headers[0];
    wanted.header = headers[1];
    rc = spv_filter_alternatives_want(&f->alternatives, &wanted);
    return rc < 0 ? rc : run_alternatives(f, now);
}

int spv_filter_fetch_next_missing(struct spv_filter_fetch *f, uint32_t *height,
                                  struct spv_filter_hash *hash)
{
    return spv_filter_alternatives_next_missing(&f->alternatives, height, hash);
}

/* ---- reorganisations and time ---- */

/* Closes the requests of a peer above a height. */
static void close_requests_above(struct spv_segments_peer *p, uint32_t height)
{
    for (unsigned i = p->n_open; i-- > 0;)
        if (p->requests[i].start + p->requests[i].n - 1 > height)
            spv_segments_close_request(p, i);
}

void spv_filter_fetch_rollback(struct spv_filter_fetch *f, uint32_t height)
{
    spv_filter_fetch_stop(f);
    spv_filter_alternatives_remove_above(&f->alternatives, height);
    for (struct spv_fetch_range *r = f->ranges.oldest; r; r = r->next)
        if (r->start + r->n - 1 > height)
            r->is_void = r->late = true;
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(f->segments, p));)
        close_requests_above(p, height);
}

/* The peer did not answer: it gets no request at or above that height for a while. */
static void set_peer_silent(struct spv_filter_fetch *f, struct spv_segments_peer *p,
                            struct spv_now now)
{
    const struct spv_segment oldest = {.from = p->requests[0].start - 1};

    spv_segments_set_behind(p, &oldest, now);
    p->n_open = 0;
    spv_fetch_ranges_set_late(&f->ranges, p->entry->id, SPV_FETCH_RANGE_SEGMENT);
}

int spv_filter_fetch_timer(struct spv_filter_fetch *f, struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->cfg.peers, p));)
        if (p->filter_fetch.lacks_until_us <= now.mono_us)
            p->filter_fetch.lacks_until_us = 0;
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(f->segments, p));)
        if (spv_segments_stall_us(f->segments, p) <= now.mono_us)
            set_peer_silent(f, p, now);
    const int rc = spv_segments_timer(f->segments, now);
    return rc < 0 ? rc : run_alternatives(f, now);
}

uint64_t spv_filter_fetch_deadline(const struct spv_filter_fetch *f)
{
    uint64_t first = spv_min_deadline(spv_segments_deadline(f->segments),
                                      spv_filter_alternatives_deadline(&f->alternatives));

    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->cfg.peers, p));)
        if (f->source == SOURCE_NETWORK && p->filter_fetch.lacks_until_us)
            first = spv_min_deadline(first, p->filter_fetch.lacks_until_us);
    return first;
}

/* ---- creation ---- */

int spv_filter_fetch_new(struct spv_filter_fetch **out, const struct spv_filter_fetch_config *cfg)
{
    struct spv_filter_fetch *f = calloc(1, sizeof *f);

    *out = NULL;
    if (!f)
        return SPV_ERR_NOMEM;
    f->cfg = *cfg;
    f->filter_bytes = SPV_FILTER_FETCH_GUESS_BYTES;
    f->ceiling = UINT32_MAX;
    f->next = 1;
    const struct spv_segments_config segments = {.owner = SPV_SEGMENTS_OF_SCAN,
                                                 .ops = &filters_ops,
                                                 .ops_ctx = f,
                                                 .peers = cfg->peers,
                                                 .params = cfg->params,
                                                 .effects = cfg->effects,
                                                 .timeout_us = cfg->timeout_us};
    const int rc = spv_segments_new(&f->segments, &segments);
    if (rc < 0) {
        free(f);
        return rc;
    }
    *out = f;
    return 0;
}

void spv_filter_fetch_free(struct spv_filter_fetch *f)
{
    if (!f)
        return;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(f->cfg.peers, p));)
        p->filter_fetch = (struct spv_filter_fetch_peer){0};
    spv_segments_free(f->segments);
    spv_fetch_ranges_free(&f->ranges);
    free(f);
}

size_t spv_filter_fetch_memory(const struct spv_filter_fetch *f)
{
    struct spv_segments_stats stats;
    size_t memory = sizeof *f;

    spv_segments_get_stats(f->segments, &stats);
    for (const struct spv_fetch_range *r = f->ranges.oldest; r; r = r->next)
        memory += sizeof *r + r->n * (sizeof *r->blocks + sizeof *r->headers + 1);
    return memory + stats.memory;
}
