/* A range of at most 2,000 heights is one request, so that an answer completes a segment or is
 * useless. An answer is attributed by its stop hash: the stop hashes of open requests differ, as
 * segments do not overlap. */
#include "spv/filters/filter_segments.h"

#include <string.h>

#include "spv/filter.h"
#include "spv/sync/segments_state.h"

static const struct spv_filter_segments *filter_segments_of(const struct spv_segments_config *cfg)
{
    return cfg->ops_ctx;
}

static struct spv_hash256 generic_hash(const struct spv_filter_header *header)
{
    struct spv_hash256 out;
    memcpy(out.b, header->b, sizeof out.b);
    return out;
}

static uint32_t end_height(const struct spv_segments_config *cfg, size_t i)
{
    return filter_segments_of(cfg)->ends[i].height;
}

static struct spv_hash256 end_hash(const struct spv_segments_config *cfg, size_t i)
{
    return generic_hash(&filter_segments_of(cfg)->ends[i].header);
}

static void send_getcfheaders(struct spv_segments *segs, struct spv_segments_peer *p,
                              const struct spv_segment *s, struct spv_segment_request *o)
{
    const struct spv_filter_segments *f = filter_segments_of(&segs->cfg);
    struct spv_effects *q = segs->cfg.effects;
    const uint32_t start = s->from + s->have + 1;
    const int rc = f->block_hash(f->ctx, &o->stop_block, start + o->n - 1);
    if (rc < 0) {
        if (!q->error)
            q->error = rc;
        return;
    }
    struct spv_effect *e = spv_effects_push(q, SPV_EFFECT_SEND, p->entry->id);
    if (!e)
        return;
    e->message.command = SPV_CMD_GETCFHEADERS;
    e->message.u.getcfilters = (struct spv_msg_getcfilters){
        .type = SPV_FILTER_BASIC, .start = start, .stop = o->stop_block};
}

const struct spv_segments_ops spv_segments_filter_header_ops = {
    .unit_size = sizeof(struct spv_filter_hash),
    .request_units = SPV_MAX_CFHEADERS, /* BIP157: stop - start < 2,000 */
    .guess_rate =
        10000, /* ours: an answer is as long as one of headers, but is read from an index */
    .end_hash = end_hash,
    .end_height = end_height,
    .send = send_getcfheaders,
};

int spv_filter_segments_begin(struct spv_segments *segs, const struct spv_filter_checkpoint *from,
                              uint32_t to, struct spv_now now)
{
    struct spv_checkpoint known = {.height = from->height};
    memcpy(known.hash.b, from->header.b, sizeof known.hash.b);
    return spv_segments_begin(segs, &known, to, now);
}

/* Returns whether the answer leads from the segment's start to its end. */
static bool leads_to_end(const struct spv_segment *s, const struct spv_msg_cfheaders *msg)
{
    struct spv_filter_header header;
    if (!spv_segments_hash_eq(&msg->prev, &s->start))
        return false;
    memcpy(header.b, msg->prev.b, sizeof header.b);
    for (size_t i = 0; i < msg->n; i++) {
        struct spv_filter_hash hash;
        memcpy(hash.b, msg->hashes[i].b, sizeof hash.b);
        spv_filter_compute_header(&header, &hash, &header);
    }
    return memcmp(header.b, s->stop.b, sizeof header.b) == 0;
}

/* Stores the answer to a request for a whole segment, or sets why the peer is to be disconnected.
 */
static void take_answer(struct spv_segments *segs, struct spv_segments_peer *p,
                        struct spv_segment *s, const struct spv_msg_cfheaders *msg,
                        struct spv_now now)
{
    if (msg->n != s->end - s->from) { /* BIP157: exactly stop - start + 1 */
        p->disconnect_error = SPV_ERR_FILTER_ANSWER;
        return;
    }
    if (!leads_to_end(s, msg)) {
        p->disconnect_error = SPV_ERR_FILTER_HEADERS;
        return;
    }
    memcpy(s->units, msg->hashes, msg->n * sizeof *msg->hashes);
    p->stats.headers += msg->n;
    const struct spv_hash256 last = s->stop;
    spv_segments_received(segs, p, s, s->end - s->from, &last, now);
}

int spv_filter_segments_recv(struct spv_segments *segs, uint64_t id,
                             const struct spv_msg_cfheaders *msg, struct spv_now now)
{
    struct spv_segments_peer *p = spv_segments_find_peer(segs, id);
    unsigned at = 0;
    if (!p || msg->type != SPV_FILTER_BASIC)
        return 0;
    while (at < p->n_open && !spv_blockhash_eq(&p->requests[at].stop_block, &msg->stop))
        at++;
    if (at == p->n_open)
        return 0;
    const struct spv_segment_request o = p->requests[at];
    struct spv_segment *s = spv_segments_find(segs, o.serial);
    const bool wanted =
        s && !spv_segments_complete(s) && spv_segments_requests_next(&o, s) && !p->disconnect_error;
    if (wanted && !spv_segments_alloc(segs, s))
        return SPV_ERR_NOMEM;
    spv_segments_close_request(p, at);
    spv_segments_measure(segs, p, &o, msg->n, now);
    if (wanted)
        take_answer(segs, p, s, msg, now);
    else
        p->stats.wasted += msg->n;
    const int rc = spv_segments_schedule(segs, now);
    return rc < 0 ? rc : 1;
}
