/* The period that ends in the checkpoint is fetched from the checkpoint before. Its hash chain
 * leads from one to the other, so no peer can forge it. It is kept in memory and stored as one
 * update: until then nothing is stored, and the program may end at any time. */
#include "spv/sync/checkpoint_start.h"

#include <stdlib.h>

#include "spv/chain/header_ctx.h"
#include "spv/params/interval.h"
#include "util/u256.h"

struct spv_checkpoint_start {
    struct spv_checkpoint_start_config cfg;
    struct spv_segments *segments; /* NULL: the period is stored */
    struct spv_chain_header *headers; /* space for a period */
    size_t n_headers;
    struct spv_header_ctx ctx;
    bool storing;
    uint64_t added;
};

static uint32_t retarget_interval(const struct spv_checkpoint_start *c)
{
    return spv_params_interval(c->cfg.params);
}

int spv_checkpoint_start_new(struct spv_checkpoint_start **out,
                             const struct spv_checkpoint_start_config *cfg, struct spv_now now)
{
    const struct spv_params *p = cfg->params;
    const struct spv_checkpoint *before = cfg->start;
    const struct spv_segments_config segments = {.owner = SPV_SEGMENTS_OF_START,
                                                 .ops = &spv_segments_header_ops,
                                                 .peers = cfg->peers,
                                                 .params = p,
                                                 .checkpoints = p->checkpoints,
                                                 .n_checkpoints = p->n_checkpoints,
                                                 .effects = cfg->effects,
                                                 .timeout_us = cfg->timeout_us};
    struct spv_checkpoint_start *c = calloc(1, sizeof *c);
    int rc = SPV_ERR_NOMEM;

    *out = NULL;
    if (!c)
        return SPV_ERR_NOMEM;
    c->cfg = *cfg;
    while (before > p->checkpoints && before->height + retarget_interval(c) > cfg->start->height)
        before--;
    c->headers = calloc(retarget_interval(c), sizeof *c->headers);
    if (!c->headers)
        goto fail;
    c->ctx.params = p;
    c->ctx.work = before->work;
    rc = spv_segments_new(&c->segments, &segments);
    if (rc < 0)
        goto fail;
    rc = spv_segments_begin(c->segments, before, cfg->start->height, now);
    if (rc < 0)
        goto fail;
    *out = c;
    return 0;
fail:
    spv_checkpoint_start_free(c);
    return rc;
}

static void release_memory(struct spv_checkpoint_start *c)
{
    spv_segments_free(c->segments);
    c->segments = NULL;
    free(c->headers);
    c->headers = NULL;
}

void spv_checkpoint_start_free(struct spv_checkpoint_start *c)
{
    if (!c)
        return;
    release_memory(c);
    free(c);
}

bool spv_checkpoint_start_running(const struct spv_checkpoint_start *c)
{
    return c && c->segments;
}

bool spv_checkpoint_start_storing(const struct spv_checkpoint_start *c)
{
    return c && c->storing;
}

uint64_t spv_checkpoint_start_added(const struct spv_checkpoint_start *c)
{
    return c ? c->added : 0;
}

const struct spv_segments *spv_checkpoint_start_segments(const struct spv_checkpoint_start *c)
{
    return c ? c->segments : NULL;
}

size_t spv_checkpoint_start_memory(const struct spv_checkpoint_start *c)
{
    struct spv_segments_stats stats = {0};

    if (!c)
        return 0;
    if (c->segments)
        spv_segments_get_stats(c->segments, &stats);
    return sizeof *c + stats.memory + (c->headers ? retarget_interval(c) * sizeof *c->headers : 0);
}

/* ---- peers ---- */

int spv_checkpoint_start_add(struct spv_checkpoint_start *c, uint64_t id, struct spv_now now)
{
    return spv_checkpoint_start_running(c) ? spv_segments_add(c->segments, id, now) : 0;
}

int spv_checkpoint_start_remove(struct spv_checkpoint_start *c, uint64_t id, struct spv_now now)
{
    return spv_checkpoint_start_running(c) ? spv_segments_remove(c->segments, id, now) : 0;
}

int spv_checkpoint_start_headers(struct spv_checkpoint_start *c, uint64_t id,
                                 const struct spv_msg_headers *msg, struct spv_now now)
{
    return spv_checkpoint_start_running(c) ? spv_segments_headers(c->segments, id, msg, now) : 0;
}

int spv_checkpoint_start_timer(struct spv_checkpoint_start *c, struct spv_now now)
{
    return spv_checkpoint_start_running(c) ? spv_segments_timer(c->segments, now) : 0;
}

uint64_t spv_checkpoint_start_deadline(const struct spv_checkpoint_start *c)
{
    return spv_checkpoint_start_running(c) ? spv_segments_deadline(c->segments) : SPV_NEVER;
}

int spv_checkpoint_start_next_disconnect(struct spv_checkpoint_start *c, struct spv_disconnect *out)
{
    return spv_checkpoint_start_running(c) ? spv_segments_next_disconnect(c->segments, out) : 0;
}

/* ---- the period ---- */

/* Checks what can be checked of a header of the period without its predecessors. */
static int add_header(struct spv_checkpoint_start *c, const struct spv_header *header,
                      uint32_t height)
{
    struct spv_chain_header *r = &c->headers[c->n_headers];
    struct spv_u256 work;

    if (c->n_headers == retarget_interval(c))
        return SPV_ERR_INVALID;
    r->header = *header;
    r->height = height;
    spv_header_hash(&r->hash, header);
    if (spv_header_ctx_check_pow(&c->ctx, &work, header, &r->hash) < 0)
        return SPV_ERR_INVALID;
    /* Inside a period all headers have the same bits, except on test networks. */
    if (!c->cfg.params->min_difficulty && header->bits != c->headers[0].header.bits)
        return SPV_ERR_INVALID;
    c->ctx.work = spv_u256_add(&c->ctx.work, &work);
    r->work = c->ctx.work;
    c->n_headers++;
    return 0;
}

/* The whole period was received. */
static int store_period(struct spv_checkpoint_start *c)
{
    const struct spv_checkpoint *end = c->cfg.start;
    const struct spv_chain_header *last = &c->headers[c->n_headers - 1];
    struct spv_effect *e;

    if (c->n_headers != retarget_interval(c) || last->height != end->height ||
        !spv_blockhash_eq(&last->hash, &end->hash))
        return SPV_ERR_INVALID;
    e = spv_effects_push(c->cfg.effects, SPV_EFFECT_STORE, 0);
    if (!e)
        return c->cfg.effects->error;
    e->update = (struct spv_chain_update){.kind = SPV_UPDATE_CHECKPOINT_START,
                                          .fork_height = c->headers[0].height - 1,
                                          .headers = c->headers,
                                          .n = c->n_headers};
    c->storing = true;
    return 0;
}

int spv_checkpoint_start_run(struct spv_checkpoint_start *c, struct spv_now now)
{
    struct spv_segments_batch batch;

    if (!spv_checkpoint_start_running(c) || c->storing)
        return 0;
    while (spv_segments_next_batch(c->segments, &batch, now)) {
        int rc = 0;
        for (size_t i = 0; !rc && i < batch.n; i++)
            rc = add_header(c, &batch.headers[i], batch.height + (uint32_t)i);
        if (!rc)
            rc = spv_segments_consume(c->segments, now);
        if (rc < 0)
            return rc;
    }
    return spv_segments_done(c->segments) ? store_period(c) : 0;
}

int spv_checkpoint_start_stored(struct spv_checkpoint_start *c)
{
    if (!spv_checkpoint_start_storing(c))
        return SPV_ERR_STATE;
    c->storing = false;
    c->added = c->n_headers;
    release_memory(c);
    return 0;
}
