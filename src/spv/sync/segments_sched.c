/* Segment scheduler. After every event, assign the lowest unrequested segment to the peer with the
 * earliest expected completion, until no peer has a free slot.
 *
 * The number of segments that are requested from a peer at once (its window) grows by two with each
 * answer that is in time, and shrinks when answers queue up, so that its connection is used fully
 * and its queue is short. Its rate is the headers it delivered divided by the time it was busy.
 *
 * A slow peer must not delay the others: it gets only segments so far ahead that it delivers them
 * before they are needed. A segment whose answer is overdue is requested from one more idle peer
 * (hedged) when that one should deliver it in less than half of the time that the first may still
 * take. That time is unknown once the answer is late; the estimate is that it takes as long again
 * as it is late already. With an exact estimate a silent peer is thus hedged after three times the
 * time that the best peer would have taken. */
#include "spv/sync/segments_state.h"
#include "util/deadline.h"

#define MAX_QUEUE_US (SPV_SECOND / 2) /* ours: how long an answer may wait behind others */
#define TOLERANCE_US (SPV_SECOND / 50) /* ours: smaller differences are noise */
#define SLOW_FACTOR 4 /* ours: a peer slower than the best by this factor is slow */
#define MIN_WINDOW 2 /* one request on its way while one is answered */
#define DECAY 0.875 /* weight of earlier answers in a peer's rate: about the last eight count */

/* ---- rate ---- */

double spv_segments_rate(const struct spv_segments_peer *p)
{
    return p->rtt_us && p->headers > 0 ? p->headers * (double)SPV_SECOND / (p->busy_us + 1) : 0;
}

void spv_segments_measure(const struct spv_segments *segs, struct spv_segments_peer *p,
                          const struct spv_segment_request *o, size_t n, struct spv_now now)
{
    const uint64_t took = now.mono_us - o->requested_us;
    /* busy with this request since its last answer, or since the request reached it */
    const uint64_t reached = o->requested_us + p->rtt_us;
    const uint64_t since = p->last_us > reached ? p->last_us : reached;
    p->last_us = now.mono_us;
    if (!n)
        return;
    p->headers = p->headers * DECAY + (double)n;
    p->busy_us = p->busy_us * DECAY + (now.mono_us > since ? (double)(now.mono_us - since) : 0);
    if (!p->rtt_us || took < p->rtt_us)
        p->rtt_us = took ? took : 1;
    if (took <= 2 * p->rtt_us + MAX_QUEUE_US)
        p->window += 2;
    else if (took > 2 * (p->rtt_us + MAX_QUEUE_US) && p->window > MIN_WINDOW)
        p->window--;
    if (p->window > spv_segments_max_open(segs))
        p->window = spv_segments_max_open(segs);
}

/* The estimates of one scheduling run. */
struct sched {
    struct spv_segments *segs;
    uint64_t now_us;
    double guess_rate; /* of a peer whose rate is unknown: that of the best, until it is late */
    uint64_t guess_rtt_us;
    double all_rates;
};

static double peer_rate(const struct sched *x, const struct spv_segments_peer *p)
{
    const double r = spv_segments_rate(p);
    return r > 0 ? r : x->guess_rate;
}

static uint64_t peer_rtt_us(const struct sched *x, const struct spv_segments_peer *p)
{
    return p->rtt_us ? p->rtt_us : x->guess_rtt_us;
}

static uint64_t duration_us(double units, double per_second)
{
    const double us = units * (double)SPV_SECOND / per_second;
    return us < 1e15 ? (uint64_t)us : (uint64_t)1e15;
}

/* When open request number `at` should be answered. */
static uint64_t arrival_us(const struct sched *x, const struct spv_segments_peer *p, unsigned at)
{
    double ahead = 0;
    for (unsigned i = 0; i <= at; i++)
        ahead += p->requests[i].n;
    const uint64_t busy =
        p->last_us > p->requests[0].requested_us ? p->last_us : p->requests[0].requested_us;
    const uint64_t by_rate = busy + duration_us(ahead, peer_rate(x, p));
    const uint64_t by_rtt = p->requests[at].requested_us + peer_rtt_us(x, p);
    return by_rate > by_rtt ? by_rate : by_rtt;
}

/* Time until the expected arrival; for a late answer, as much time as it is late already. */
static uint64_t remaining_us(uint64_t expected_us, uint64_t now_us)
{
    return expected_us > now_us ? expected_us - now_us : now_us - expected_us;
}

/* How long the peer would take for `more` further units. */
static uint64_t completion_us(const struct sched *x, const struct spv_segments_peer *p,
                              uint32_t more)
{
    double n = more;
    uint64_t late = 0;
    for (unsigned i = 0; i < p->n_open; i++)
        n += p->requests[i].n;
    if (p->n_open) {
        const uint64_t first = arrival_us(x, p, 0);
        late = x->now_us > first ? x->now_us - first : 0;
    }
    return peer_rtt_us(x, p) + duration_us(n, peer_rate(x, p)) + late;
}

static uint32_t next_count(const struct spv_segments *segs, const struct spv_segment *s)
{
    const uint32_t left = s->end - s->from - s->have, most = segs->ops->request_units;
    return left < most ? left : most;
}

/* ---- requests ---- */

void spv_segments_request(struct spv_segments *segs, struct spv_segments_peer *p,
                          struct spv_segment *s, struct spv_now now)
{
    const struct spv_hash256 *first = s->have ? &s->last : &s->start;
    if (s->is_long && s->have - s->n_discarded > SPV_SEGMENTS_LONG_BUF - SPV_MAX_HEADERS)
        return; /* not before the buffered headers are consumed */
    for (unsigned i = 0; i < p->n_open; i++) {
        struct spv_segment_request *o = &p->requests[i];
        if (spv_segments_hash_eq(&o->first, first) && spv_segments_hash_eq(&o->stop, &s->stop)) {
            o->serial = s->serial; /* requested before the range was begun again: still valid */
            o->offset = s->have;
            return;
        }
    }
    if (p->n_open == spv_segments_max_open(segs))
        return;
    struct spv_segment_request *o = &p->requests[p->n_open++];
    *o = (struct spv_segment_request){.serial = s->serial,
                                      .offset = s->have,
                                      .start = s->from + s->have + 1,
                                      .n = next_count(segs, s),
                                      .first = *first,
                                      .second = *first,
                                      .stop = s->stop,
                                      .requested_us = now.mono_us};
    segs->ops->send(segs, p, s, o);
}

/* ---- scanning ---- */

static void scan_peers(struct sched *x)
{
    x->guess_rate = 0;
    x->guess_rtt_us = 0;
    x->all_rates = 0;
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(x->segs, p));) {
        p->idle = p->disconnect_error != 0;
        if (p->idle)
            continue;
        const double r = spv_segments_rate(p);
        x->all_rates += r;
        if (r > x->guess_rate) {
            x->guess_rate = r;
            x->guess_rtt_us = p->rtt_us;
        }
    }
    if (x->guess_rate <= 0)
        x->guess_rate = x->segs->ops->guess_rate;
}

static void add_inflight(const struct sched *x, struct spv_segment *s,
                         const struct spv_segments_peer *p, unsigned at)
{
    const uint64_t expected_us = arrival_us(x, p, at);
    /* no segment is hedged against a peer of unknown rate before it is late */
    const uint64_t wait =
        p->rtt_us || expected_us <= x->now_us ? remaining_us(expected_us, x->now_us) : 0;
    if (!s->inflight || wait < s->eta_us)
        s->eta_us = wait;
    if (!s->inflight || expected_us > s->expected_us)
        s->expected_us = expected_us;
    s->inflight++;
}

static void scan_segments(const struct sched *x)
{
    for (size_t i = 0; i < x->segs->n; i++)
        x->segs->segment[i].inflight = 0;
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(x->segs, p));) {
        for (unsigned at = 0; !p->disconnect_error && at < p->n_open; at++) {
            const struct spv_segment_request *o = &p->requests[at];
            struct spv_segment *s = spv_segments_find(x->segs, o->serial);
            if (s && spv_segments_requests_next(o, s) && !spv_segments_is_behind(p, s, x->now_us))
                add_inflight(x, s, p, at);
        }
    }
}

/* ---- selection ---- */

/* Returns whether the peer may get one more request. Requests for the remainder of a segment do not
 * count. */
static bool has_free_slot(const struct spv_segments *segs, const struct spv_segments_peer *p)
{
    unsigned begun = 0;
    for (unsigned i = 0; i < p->n_open; i++)
        begun += p->requests[i].offset == 0;
    return p->n_open < spv_segments_max_open(segs) && begun < p->window;
}

static bool is_requested_from(const struct spv_segments_peer *p, const struct spv_segment *s)
{
    for (unsigned i = 0; i < p->n_open; i++)
        if (spv_segments_requests_next(&p->requests[i], s))
            return true;
    return false;
}

static bool can_request(const struct sched *x, const struct spv_segments_peer *p,
                        const struct spv_segment *s)
{
    return !spv_segments_complete(s) && !spv_segments_is_behind(p, s, x->now_us) &&
           !(s->is_long && s->have - s->n_discarded > SPV_SEGMENTS_LONG_BUF - SPV_MAX_HEADERS) &&
           (!x->segs->ops->can_request || x->segs->ops->can_request(x->segs, p, s));
}

/* How much later than the last expected answer the peer may hedge. */
static uint64_t hedge_delay(const struct sched *x, const struct spv_segments_peer *p,
                            const struct spv_segment *s)
{
    return 2 * completion_us(x, p, next_count(x->segs, s)) + TOLERANCE_US;
}

static bool worth_hedging(const struct sched *x, const struct spv_segments_peer *p,
                          const struct spv_segment *s)
{
    return s->inflight && s->inflight < SPV_SEGMENTS_MAX_INFLIGHT && can_request(x, p, s) &&
           !is_requested_from(p, s) && s->eta_us > hedge_delay(x, p, s);
}

/* Returns whether another peer would deliver it much sooner. */
static bool too_slow_for(const struct sched *x, const struct spv_segments_peer *p,
                         const struct spv_segment *s)
{
    const uint64_t mine = completion_us(x, p, next_count(x->segs, s));
    const uint64_t needed =
        x->all_rates > 0 ? duration_us(s->from - x->segs->segment[0].from, x->all_rates) : 0;
    if (!p->rtt_us || needed >= mine)
        return false;
    for (struct spv_segments_peer *q = NULL; (q = spv_segments_next_peer(x->segs, q));)
        if (q != p && !q->disconnect_error && q->rtt_us &&
            !spv_segments_is_behind(q, s, x->now_us) &&
            mine > SLOW_FACTOR * completion_us(x, q, next_count(x->segs, s)) + TOLERANCE_US)
            return true;
    return false;
}

static struct spv_segment *pick_segment(const struct sched *x, const struct spv_segments_peer *p)
{
    struct spv_segments *segs = x->segs;
    size_t lowest = 0;
    while (lowest < segs->n && spv_segments_complete(&segs->segment[lowest]))
        lowest++;
    if (lowest < segs->n && worth_hedging(x, p, &segs->segment[lowest]))
        return &segs->segment[lowest]; /* all later headers wait for it */
    for (size_t i = lowest; i < segs->n; i++) {
        struct spv_segment *s = &segs->segment[i];
        if (!s->inflight && can_request(x, p, s) && !too_slow_for(x, p, s))
            return s;
    }
    for (size_t i = lowest; i < segs->n; i++)
        if (worth_hedging(x, p, &segs->segment[i]))
            return &segs->segment[i];
    return NULL;
}

/* The segment is requested from one more peer: the peers that have it got too many requests. */
static void count_hedge(struct spv_segments *segs, const struct spv_segment *s)
{
    segs->hedges++;
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(segs, p));) {
        if (!is_requested_from(p, s))
            continue;
        p->stats.hedged++;
        p->window = p->window / 2 > MIN_WINDOW ? p->window / 2 : MIN_WINDOW;
    }
}

/* The peer with a free slot and the earliest expected completion. */
static struct spv_segments_peer *fastest_peer(const struct sched *x)
{
    struct spv_segments_peer *best = NULL;
    uint64_t best_us = 0;
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(x->segs, p));) {
        if (p->idle || !has_free_slot(x->segs, p))
            continue;
        const uint64_t us = completion_us(x, p, x->segs->ops->request_units);
        if (!best || us < best_us) {
            best = p;
            best_us = us;
        }
    }
    return best;
}

/* When a requested segment becomes worth hedging. */
static uint64_t next_check(const struct sched *x)
{
    uint64_t first = SPV_NEVER;
    for (struct spv_segments_peer *p = NULL; (p = spv_segments_next_peer(x->segs, p));) {
        if (p->disconnect_error || !has_free_slot(x->segs, p))
            continue;
        for (size_t k = 0; k < x->segs->n; k++) {
            const struct spv_segment *s = &x->segs->segment[k];
            if (!s->inflight || s->inflight >= SPV_SEGMENTS_MAX_INFLIGHT || !can_request(x, p, s) ||
                is_requested_from(p, s))
                continue;
            const uint64_t at = s->expected_us + hedge_delay(x, p, s) + 1;
            if (at > x->now_us)
                first = spv_min_deadline(first, at);
        }
    }
    return first;
}

int spv_segments_schedule(struct spv_segments *segs, struct spv_now now)
{
    struct sched x = {.segs = segs, .now_us = now.mono_us};
    struct spv_segments_peer *p;
    segs->sched_us = SPV_NEVER;
    if (!segs->active)
        return segs->cfg.effects->error;
    scan_peers(&x);
    scan_segments(&x);
    while ((p = fastest_peer(&x))) {
        struct spv_segment *s = pick_segment(&x, p);
        if (!s) {
            p->idle = true;
            continue;
        }
        if (s->inflight)
            count_hedge(segs, s);
        spv_segments_request(segs, p, s, now);
        add_inflight(&x, s, p, p->n_open - 1);
    }
    segs->sched_us = next_check(&x);
    return segs->cfg.effects->error;
}
