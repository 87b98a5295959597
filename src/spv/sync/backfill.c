/* Starting. The period that ends in the checkpoint is fetched from the checkpoint before. Its hash
 * chain leads from one to the other, so no peer can lie about it; it is kept in memory and leaves
 * as one change. Until then nothing is stored, and whatever ends the program does no harm.
 *
 * Filling. The gap is fetched between the checkpoints below the base, and up to the header that the
 * base follows, which is as good as one. What comes is judged by a chain of its own, and stored
 * beside the main chain, not as part of it. A program that was ended goes on above what it finds
 * filled. Without checkpoints a liar may lead the fill astray until the last header, which he
 * cannot fake; then, or when nobody knows what was filled, it begins anew at genesis. */
#include "spv/sync/backfill.h"

#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/chain/consensus.h"
#include "spv/chain/header_ctx.h"
#include "spv/params/interval.h"
#include "util/u256.h"

enum phase { PHASE_IDLE, PHASE_START, PHASE_FILL, PHASE_WHOLE };

struct spv_backfill {
    struct spv_backfill_config cfg;
    enum phase phase;
    struct spv_backfill_peer peers[SPV_NODE_MAX_PEERS];
    struct spv_segments *segments; /* of the phase; NULL when idle */
    bool storing;
    uint64_t added;
    struct spv_segments_drop drop; /* a peer whose headers the fill's chain refused; id 0: none */
    /* start */
    struct spv_chain_header *headers;
    size_t n_headers;
    struct spv_header_ctx ctx;
    /* fill */
    struct spv_chain *chain;
    struct spv_checkpoint *checkpoints; /* the last one is what the base follows */
    size_t n_checkpoints;
    bool own_end; /* it is our own header, and no checkpoint */
    size_t n_storing; /* headers in the change that is being stored */
};

static uint32_t interval(const struct spv_backfill *o)
{
    return spv_params_interval(o->cfg.params);
}

/* A fetch for the phase, with all peers. */
static int begin_fetch(struct spv_backfill *o, const struct spv_checkpoint *marks, size_t n_marks,
                       const struct spv_checkpoint *from, uint32_t to, struct spv_now now)
{
    const struct spv_segments_config cfg = {.params = o->cfg.params,
                                            .checkpoints = marks,
                                            .n_checkpoints = n_marks,
                                            .effects = o->cfg.effects,
                                            .timeout_us = o->cfg.timeout_us,
                                            .own_end = o->own_end};
    int rc = spv_segments_new(&o->segments, &cfg);

    for (size_t i = 0; rc == 0 && i < SPV_NODE_MAX_PEERS; i++)
        if (o->peers[i].id != 0)
            rc = spv_segments_add(o->segments, o->peers[i].id, now);
    return rc < 0 ? rc : spv_segments_begin(o->segments, from, to, now);
}

/* ---- starting ---- */

static int begin_start(struct spv_backfill *o, struct spv_now now)
{
    const struct spv_params *p = o->cfg.params;
    const struct spv_checkpoint *end = o->cfg.start;
    const struct spv_checkpoint *before = end;

    while (before > p->checkpoints && before->height + interval(o) > end->height)
        before--;
    o->headers = calloc(interval(o), sizeof *o->headers);
    if (!o->headers)
        return SPV_ERR_NOMEM;
    o->phase = PHASE_START;
    o->ctx.params = p;
    o->ctx.work = before->work;
    return begin_fetch(o, p->checkpoints, p->n_checkpoints, before, end->height, now);
}

/* What a header of the period can be judged by alone. */
static int accept_start(struct spv_backfill *o, const struct spv_header *header, uint32_t height)
{
    struct spv_chain_header *r = &o->headers[o->n_headers];
    struct spv_u256 work;

    if (o->n_headers == interval(o))
        return SPV_ERR_INVALID;
    r->header = *header;
    r->height = height;
    spv_header_hash(&r->hash, header);
    if (spv_header_ctx_check_pow(&o->ctx, &work, header, &r->hash) < 0)
        return SPV_ERR_INVALID;
    /* "bits inside the period": they change at its first block only, but on test networks */
    if (!o->cfg.params->min_difficulty && header->bits != o->headers[0].header.bits)
        return SPV_ERR_INVALID;
    o->ctx.work = spv_u256_add(&o->ctx.work, &work);
    r->work = o->ctx.work;
    o->n_headers++;
    return 0;
}

/* All of the period is there. */
static int publish_start(struct spv_backfill *o)
{
    const struct spv_checkpoint *end = o->cfg.start;
    const struct spv_chain_header *last = &o->headers[o->n_headers - 1];
    struct spv_effect *e;

    if (o->n_headers != interval(o) || last->height != end->height ||
        !spv_blockhash_eq(&last->hash, &end->hash))
        return SPV_ERR_INVALID;
    e = spv_effects_push(o->cfg.effects, SPV_EFFECT_STORE, 0);
    if (!e)
        return o->cfg.effects->error;
    e->update = (struct spv_chain_update){.kind = SPV_UPDATE_CHECKPOINT_START,
                                          .fork_height = o->headers[0].height - 1,
                                          .headers = o->headers,
                                          .n = o->n_headers};
    o->storing = true;
    return 0;
}

static int run_start(struct spv_backfill *o, struct spv_now now)
{
    struct spv_segments_batch batch;
    int rc = 0;

    while (rc == 0 && spv_segments_next_batch(o->segments, &batch, now)) {
        for (size_t i = 0; rc == 0 && i < batch.n; i++)
            rc = accept_start(o, &batch.headers[i], batch.height + (uint32_t)i);
        if (rc == 0)
            rc = spv_segments_consume(o->segments, now);
    }
    if (rc == 0 && spv_segments_done(o->segments))
        rc = publish_start(o);
    return rc;
}

/* ---- filling ---- */

/* The checkpoints below the base, and what the base follows. */
static int make_checkpoints(struct spv_backfill *o, const struct spv_chain_start *base)
{
    const struct spv_params *p = o->cfg.params;
    struct spv_chain_header first;
    size_t n = 0;
    int rc = spv_chain_header_at(o->cfg.chain, &first, base->height);

    if (rc <= 0)
        return rc < 0 ? rc : SPV_ERR_DB_DAMAGED;
    while (n < p->n_checkpoints && p->checkpoints[n].height < base->height)
        n++;
    o->checkpoints = calloc(n + 1, sizeof *o->checkpoints);
    if (!o->checkpoints)
        return SPV_ERR_NOMEM;
    if (n > 0)
        memcpy(o->checkpoints, p->checkpoints, n * sizeof *o->checkpoints);
    o->own_end = n == 0 || o->checkpoints[n - 1].height + 1 < base->height;
    if (o->own_end)
        o->checkpoints[n++] =
            (struct spv_checkpoint){.height = base->height - 1, .hash = first.header.prev};
    o->n_checkpoints = n;
    return 0;
}

/* The chain that judges the gap: above what is filled, or from genesis. */
static int open_fill(struct spv_backfill *o, bool anew)
{
    struct spv_chain_config cfg = {
        .params = o->cfg.params, .checkpoints = o->checkpoints, .n_checkpoints = o->n_checkpoints};

    if (!anew)
        cfg.reader = o->cfg.backfill_db;
    spv_chain_free(o->chain);
    o->chain = NULL;
    return spv_chain_new(&o->chain, &cfg);
}

/* Fetches on from the fill's tip. */
static int fetch_next(struct spv_backfill *o, struct spv_now now)
{
    const struct spv_chain_header *tip = spv_chain_tip(o->chain);
    const struct spv_checkpoint from = {.height = tip->height, .hash = tip->hash};
    const uint32_t to = o->checkpoints[o->n_checkpoints - 1].height;

    return !o->segments ? begin_fetch(o, o->checkpoints, o->n_checkpoints, &from, to, now)
                        : spv_segments_begin(o->segments, &from, to, now);
}

static int begin_fill(struct spv_backfill *o, struct spv_now now)
{
    struct spv_chain_start base;
    int rc;

    spv_chain_get_start(o->cfg.chain, &base);
    if (base.height == 0) {
        o->phase = PHASE_WHOLE;
        return 0;
    }
    rc = make_checkpoints(o, &base);
    if (rc == 0)
        rc = open_fill(o, false);
    if (rc == SPV_ERR_DB_DAMAGED || rc == SPV_ERR_DB_CHECKPOINT)
        rc = open_fill(o, true); /* what was filled is of no use; it will be replaced */
    if (rc < 0)
        return rc;
    o->phase = PHASE_FILL;
    return fetch_next(o, now);
}

/* Nobody knows what was filled last, and no checkpoint proves it. */
static bool backfill_diverged(const struct spv_backfill *o)
{
    const uint32_t tip = spv_chain_tip(o->chain)->height;

    if (tip == 0 || !spv_segments_all_behind(o->segments))
        return false;
    for (size_t i = 0; i < o->n_checkpoints; i++)
        if (o->checkpoints[i].height == tip)
            return false;
    return true;
}

/* What the base follows is our own chain's header. A chain that has another one there has left ours
 * below the base, which an honest peer's may have done. */
static int error_of(const struct spv_backfill *o, const struct spv_accept_result *v)
{
    const bool other = v->error == SPV_ERR_HDR_CHECKPOINT && o->own_end &&
                       v->height == o->checkpoints[o->n_checkpoints - 1].height;

    return other ? SPV_ERR_CHAIN_BASE : v->error;
}

static int check_batch(struct spv_backfill *o, const struct spv_segments_batch *batch)
{
    /* The stored base commits to every header below it, so no clock is asked about them. */
    const struct spv_now any = {.unix_s = UINT32_MAX};
    struct spv_accept_result v;
    struct spv_effect *e;
    int rc = spv_chain_accept_hashed(o->chain, &v, batch->headers, batch->n, &batch->last, any);

    if (rc < 0)
        return rc;
    if (v.error != 0 && batch->proven)
        return SPV_ERR_INVALID; /* the checkpoints themselves break the rules */
    if (v.error != 0)
        o->drop = (struct spv_segments_drop){.id = batch->peer, .error = error_of(o, &v)};
    if (v.update.kind == SPV_UPDATE_NONE)
        return 0;
    if (v.update.kind == SPV_UPDATE_BRANCH) {
        spv_chain_stored(o->chain); /* a branch of the gap is nothing to keep */
        return 0;
    }
    e = spv_effects_push(o->cfg.effects, SPV_EFFECT_STORE, 0);
    if (!e)
        return o->cfg.effects->error;
    e->update = v.update;
    e->update.kind = SPV_UPDATE_BACKFILL;
    o->n_storing = v.update.n;
    o->storing = true;
    return 0;
}

static int run_fill(struct spv_backfill *o, struct spv_now now)
{
    struct spv_segments_batch batch;
    int rc = 0;

    if (backfill_diverged(o)) {
        rc = open_fill(o, true);
        return rc < 0 ? rc : fetch_next(o, now);
    }
    while (rc == 0 && !o->storing && spv_segments_next_batch(o->segments, &batch, now)) {
        rc = check_batch(o, &batch);
        /* what was refused is asked of others, from what was taken on */
        if (rc == 0)
            rc = o->drop.id != 0 ? fetch_next(o, now) : spv_segments_consume(o->segments, now);
    }
    return rc;
}

/* ---- the machine ---- */

int spv_backfill_new(struct spv_backfill **out, const struct spv_backfill_config *cfg,
                     struct spv_now now)
{
    struct spv_backfill *o;
    int rc = 0;

    *out = NULL;
    if (!cfg->start && !cfg->backfill)
        return 0;
    o = calloc(1, sizeof *o);
    if (!o)
        return SPV_ERR_NOMEM;
    o->cfg = *cfg;
    if (cfg->start)
        rc = begin_start(o, now);
    if (rc < 0) {
        spv_backfill_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

static void end_phase(struct spv_backfill *o, enum phase next)
{
    spv_segments_free(o->segments);
    o->segments = NULL;
    spv_chain_free(o->chain);
    o->chain = NULL;
    free(o->headers);
    o->headers = NULL;
    free(o->checkpoints);
    o->checkpoints = NULL;
    o->phase = next;
}

void spv_backfill_free(struct spv_backfill *o)
{
    if (!o)
        return;
    end_phase(o, PHASE_IDLE);
    free(o);
}

bool spv_backfill_starting(const struct spv_backfill *o)
{
    return o && o->phase == PHASE_START;
}

bool spv_backfill_storing(const struct spv_backfill *o)
{
    return o && o->storing;
}

const struct spv_segments *spv_backfill_segments(const struct spv_backfill *o)
{
    return o ? o->segments : NULL;
}

uint64_t spv_backfill_added(const struct spv_backfill *o)
{
    return o ? o->added : 0;
}

uint32_t spv_backfill_height(const struct spv_backfill *o)
{
    return o && o->chain ? spv_chain_tip(o->chain)->height : 0;
}

size_t spv_backfill_memory(const struct spv_backfill *o)
{
    struct spv_segments_stats stats = {0};
    size_t n;

    if (!o)
        return 0;
    if (o->segments)
        spv_segments_get_stats(o->segments, &stats);
    n = sizeof *o + stats.memory + o->n_checkpoints * sizeof *o->checkpoints;
    n += o->headers != NULL ? interval(o) * sizeof *o->headers : 0;
    return n + (o->chain ? spv_chain_memory(o->chain) : 0);
}

int spv_backfill_add(struct spv_backfill *o, uint64_t id, uint64_t group,
                     const struct spv_peer_stats *info, struct spv_now now)
{
    if (!o || o->phase == PHASE_WHOLE)
        return 0;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        if (o->peers[i].id != 0)
            continue;
        o->peers[i] = (struct spv_backfill_peer){
            .id = id, .group = group, .info = *info, .waits = o->phase == PHASE_START};
        return o->segments ? spv_segments_add(o->segments, id, now) : 0;
    }
    return SPV_ERR_FULL;
}

int spv_backfill_remove(struct spv_backfill *o, uint64_t id, struct spv_now now)
{
    if (!o)
        return 0;
    if (o->drop.id == id)
        o->drop.id = 0;
    for (size_t i = 0; i < SPV_NODE_MAX_PEERS; i++) {
        if (o->peers[i].id != id)
            continue;
        o->peers[i] = (struct spv_backfill_peer){0};
        return o->segments ? spv_segments_remove(o->segments, id, now) : 0;
    }
    return 0;
}

const struct spv_backfill_peer *spv_backfill_waiting(struct spv_backfill *o)
{
    for (size_t i = 0; o && i < SPV_NODE_MAX_PEERS; i++) {
        if (!o->peers[i].waits)
            continue;
        o->peers[i].waits = false;
        return &o->peers[i];
    }
    return NULL;
}

int spv_backfill_headers(struct spv_backfill *o, uint64_t id, const struct spv_msg_headers *msg,
                         struct spv_now now)
{
    return o && o->segments ? spv_segments_headers(o->segments, id, msg, now) : 0;
}

int spv_backfill_timer(struct spv_backfill *o, struct spv_now now)
{
    return o && o->segments ? spv_segments_timer(o->segments, now) : 0;
}

uint64_t spv_backfill_deadline(const struct spv_backfill *o)
{
    return o && o->segments ? spv_segments_deadline(o->segments) : SPV_NEVER;
}

int spv_backfill_next_drop(struct spv_backfill *o, struct spv_segments_drop *out)
{
    if (!o)
        return 0;
    if (o->drop.id != 0) {
        *out = o->drop;
        o->drop.id = 0;
        return 1;
    }
    return o->segments ? spv_segments_next_drop(o->segments, out) : 0;
}

int spv_backfill_run(struct spv_backfill *o, bool synced, struct spv_now now)
{
    if (!o || o->storing)
        return 0;
    switch (o->phase) {
    case PHASE_START:
        return run_start(o, now);
    case PHASE_IDLE:
        return o->cfg.backfill && synced ? begin_fill(o, now) : 0;
    case PHASE_FILL:
        return run_fill(o, now);
    case PHASE_WHOLE:
        return 0;
    }
    return 0;
}

int spv_backfill_stored(struct spv_backfill *o, struct spv_now now)
{
    (void)now;
    if (!o || !o->storing)
        return SPV_ERR_STATE;
    o->storing = false;
    if (o->phase == PHASE_START) {
        o->added += o->n_headers;
        end_phase(o, PHASE_IDLE);
        return SPV_BACKFILL_STARTED;
    }
    o->added += o->n_storing;
    spv_chain_stored(o->chain);
    if (spv_chain_tip(o->chain)->height < o->checkpoints[o->n_checkpoints - 1].height)
        return SPV_BACKFILL_NONE;
    end_phase(o, PHASE_WHOLE);
    return SPV_BACKFILL_COMPLETE;
}
