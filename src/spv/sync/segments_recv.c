/* struct spv_peer decides which request a headers message answers: the message has its tag. A peer
 * replies with the headers after the first locator hash that it has. An answer that does not follow
 * the request's first hash therefore shows what the peer lacks: nothing follows (empty), or it
 * lacks the start and began at the next locator hash or at genesis. Such a peer is behind; it does
 * not misbehave.
 *
 * The headers are then verified as far as the segment alone allows, cheap checks first and 64
 * headers at a time: links, bits, proof of work, and the checkpoint at the end. A peer that sends a
 * header at the checkpoint's height has that header in its chain; if it is not the checkpoint, the
 * peer misbehaves, even where the headers before came from another peer, as its answer links to
 * them.
 *
 * Of a segment that was requested from several peers the first valid answer counts; the others are
 * ignored. */
#include <stdlib.h>
#include <string.h>

#include "spv/chain/consensus.h"
#include "spv/chain/hash_ahead.h"
#include "spv/sync/segments_state.h"
#include "util/u256.h"

static uint32_t end_height(const struct spv_segments_config *cfg, size_t i)
{
    return cfg->checkpoints[i].height;
}

static struct spv_hash256 end_hash(const struct spv_segments_config *cfg, size_t i)
{
    return spv_segments_hash(&cfg->checkpoints[i].hash);
}

static void send_getheaders(struct spv_segments *segs, struct spv_segments_peer *p,
                            const struct spv_segment *s, struct spv_segment_request *o)
{
    const struct spv_blockhash stop = spv_segments_blockhash(&s->stop);
    struct spv_blockhash locator[3] = {spv_segments_blockhash(&o->first)};
    size_t n = 1;
    if (s->have && !s->is_long) { /* consumed headers are not replaced by others that follow the
                                     segment's start */
        o->second = s->start;
        locator[n++] = spv_segments_blockhash(&s->start);
    }
    /* a peer that lacks these answers from genesis, and so this request */
    if (!spv_blockhash_eq(&locator[n - 1], &segs->genesis))
        locator[n++] = segs->genesis;
    o->tag = spv_effects_send_getheaders_until(segs->cfg.effects, p->entry->id, locator, n, &stop);
}

const struct spv_segments_ops spv_segments_header_ops = {
    .unit_size = sizeof(struct spv_header),
    .request_units = SPV_MAX_HEADERS,
    .guess_rate = 2000, /* ours */
    .end_hash = end_hash,
    .end_height = end_height,
    .send = send_getheaders,
};

enum request_match {
    MATCH_NONE, /* no answer to a segment request */
    MATCH_START, /* what follows the request's first hash */
    MATCH_SECOND, /* what follows its second: the peer lacks the first */
    MATCH_BEHIND, /* the peer lacks its start */
};

static enum request_match match_request(const struct spv_segments_peer *p, unsigned *at,
                                        const struct spv_msg_headers *msg)
{
    unsigned i = 0;
    while (i < p->n_open && p->requests[i].tag != msg->tag)
        i++;
    *at = i;
    if (!msg->tag || i == p->n_open)
        return MATCH_NONE;
    if (!msg->n)
        return MATCH_BEHIND;
    const struct spv_hash256 prev = spv_segments_hash(&msg->headers[0].prev);
    if (spv_segments_hash_eq(&prev, &p->requests[i].first))
        return MATCH_START;
    return spv_segments_hash_eq(&prev, &p->requests[i].second) ? MATCH_SECOND : MATCH_BEHIND;
}

/* The segment ends at a header of our own chain, not at a checkpoint. */
static bool ends_at_own_header(const struct spv_segments *segs, const struct spv_segment *s)
{
    return segs->cfg.end_is_own_header &&
           s->end == segs->cfg.checkpoints[segs->cfg.n_checkpoints - 1].height;
}

static struct spv_header *headers_of(const struct spv_segment *s)
{
    return (void *)s->units;
}

/* Checks n headers from number `offset` on and copies them into the segment. 0, or the error of the
 * first invalid one. */
static int verify_segment(const struct spv_segments *segs, struct spv_segment *s, uint32_t offset,
                          struct spv_blockhash *last, const struct spv_header *headers, uint32_t n)
{
    const struct spv_params *params = segs->cfg.params;
    struct spv_hash_ahead ahead;
    struct spv_u256 target = {{0}};
    struct spv_header *slot = headers_of(s) + (offset - s->n_discarded);
    uint32_t bits = 0;
    bool before = offset > s->n_discarded; /* the parent is in the segment */
    if (before)
        bits = slot[-1].bits;
    uint32_t decoded = 0;

    *last = spv_segments_blockhash(offset ? &s->last : &s->start);
    for (uint32_t i = 0; i < n; i++) {
        const struct spv_header *header = &headers[i];
        const struct spv_blockhash *hash = spv_hash_ahead_at(&ahead, headers, i, n);
        const uint32_t height = s->from + offset + i + 1;
        if (!spv_blockhash_eq(&header->prev, last))
            return SPV_ERR_HDR_NONCONTINUOUS;
        /* "Only change once per difficulty adjustment interval", except the test networks' blocks
         * of minimum difficulty */
        if (before && !params->min_difficulty && height % segs->interval != 0 &&
            header->bits != bits)
            return SPV_ERR_HDR_BITS;
        if (header->bits != decoded || !decoded) {
            const int rc = spv_consensus_target(params, &target, header->bits);
            if (rc < 0)
                return rc;
            decoded = header->bits;
        }
        if (!spv_hash_meets(hash->b, &target))
            return SPV_ERR_HDR_POW;
        bits = header->bits;
        before = true;
        *last = *hash;
    }
    const struct spv_blockhash stop = spv_segments_blockhash(&s->stop);
    if (!s->is_post_checkpoint && offset + n == s->end - s->from && !spv_blockhash_eq(last, &stop))
        return ends_at_own_header(segs, s) ? SPV_ERR_FORK_BELOW_START : SPV_ERR_HDR_CHECKPOINT;
    if (n)
        memcpy(slot, headers, n * sizeof *headers);
    return 0;
}

/* Headers from `offset` on, from a peer to which the request was sent. */
static void store_answer(struct spv_segments *segs, struct spv_segments_peer *p,
                         struct spv_segment *s, uint32_t offset, const struct spv_msg_headers *msg,
                         struct spv_now now)
{
    const uint32_t left = s->end - s->from - offset;
    uint32_t due = left < SPV_MAX_HEADERS ? left : SPV_MAX_HEADERS;
    struct spv_blockhash last;
    if (s->is_post_checkpoint && msg->n < due)
        due = (uint32_t)msg->n;
    if (msg->n < due) { /* its chain ends here */
        spv_segments_set_behind(p, s, now);
        return;
    }
    const int rc = verify_segment(segs, s, offset, &last, msg->headers, due);
    if (rc < 0) {
        p->disconnect_error = rc;
        return;
    }
    if (s->is_post_checkpoint)
        s->end = s->from + due;
    const struct spv_hash256 hash = spv_segments_hash(&last);
    spv_segments_received(segs, p, s, offset + due, &hash, now);
    p->stats.headers += due;
}

int spv_segments_headers(struct spv_segments *segs, uint64_t id, const struct spv_msg_headers *msg,
                         struct spv_now now)
{
    struct spv_segments_peer *p = spv_segments_find_peer(segs, id);
    unsigned at;
    enum request_match match = p ? match_request(p, &at, msg) : MATCH_NONE;
    if (match == MATCH_NONE)
        return 0;
    const struct spv_segment_request o = p->requests[at];
    struct spv_segment *s = spv_segments_find(segs, o.serial);
    if (!msg->n && s && s->is_post_checkpoint)
        match = MATCH_START; /* the last checkpoint is its tip */
    const bool wanted =
        s && !spv_segments_complete(s) && spv_segments_requests_next(&o, s) && !p->disconnect_error;
    if (wanted && match != MATCH_BEHIND && !spv_segments_alloc(segs, s))
        return SPV_ERR_NOMEM;
    spv_segments_close_request(p, at);
    spv_segments_measure(segs, p, &o, match == MATCH_BEHIND ? 0 : msg->n, now);
    if (match == MATCH_BEHIND && s && !p->disconnect_error)
        spv_segments_set_behind(p, s, now);
    else if (wanted)
        store_answer(segs, p, s, match == MATCH_START ? o.offset : 0, msg, now);
    if (!wanted || match == MATCH_BEHIND)
        p->stats.wasted += msg->n;
    const int rc = spv_segments_schedule(segs, now);
    return rc < 0 ? rc : 1;
}
