/* Cheap comparisons come first, proof of work last: a caller keeps only headers that pass all of
 * them, so the order affects cost alone. Decoding bits to target and work needs a 256-bit division,
 * so the last few results are cached. */
#include "spv/chain/header_ctx.h"

#include "spv/error.h"
#include "spv/params/interval.h"
#include "util/u256.h"

/* Decoded bits, from the cache or computed. */
static int decode_bits(struct spv_header_ctx *ctx, const struct spv_target **out, uint32_t bits)
{
    struct spv_target *slot;
    int rc;

    for (size_t i = 0; i < SPV_HEADER_CTX_TARGETS; i++)
        if (ctx->targets[i].bits == bits && bits != 0) {
            *out = &ctx->targets[i];
            return 0;
        }
    slot = &ctx->targets[ctx->next_target];
    slot->bits = 0;
    rc = spv_consensus_target(ctx->params, &slot->target, bits);
    if (rc < 0)
        return rc;
    slot->work = spv_work_from_target(&slot->target);
    slot->bits = bits;
    ctx->next_target = (ctx->next_target + 1) % SPV_HEADER_CTX_TARGETS;
    *out = slot;
    return 0;
}

int spv_header_ctx_check_pow(struct spv_header_ctx *ctx, struct spv_u256 *work,
                             const struct spv_header *header, const struct spv_blockhash *hash)
{
    const struct spv_target *t;
    int rc = decode_bits(ctx, &t, header->bits);

    if (rc < 0)
        return rc;
    /* "UintToArith256(hash) > bnTarget" fails proof of work */
    if (!spv_hash_meets(hash->b, &t->target))
        return SPV_ERR_HDR_POW;
    *work = t->work;
    return 0;
}

int spv_header_ctx_check(struct spv_header_ctx *ctx, struct spv_chain_header *entry)
{
    const struct spv_header *header = &entry->header;
    const uint32_t height = ctx->parent.height + 1;
    struct spv_u256 work;
    int rc;

    if (header->bits != spv_consensus_next_bits(ctx->params, &ctx->parent, header->time)) {
        /* malformed bits, and a target above the limit, have errors of their own */
        const struct spv_target *t;
        rc = decode_bits(ctx, &t, header->bits);
        return rc < 0 ? rc : SPV_ERR_HDR_BITS;
    }
    rc = spv_consensus_version(ctx->params, height, header->version);
    if (rc < 0)
        return rc;
    rc = spv_consensus_time(ctx->params, height, header->time, ctx->parent.time,
                            spv_median_time(&ctx->median));
    if (rc < 0)
        return rc;
    rc = spv_header_ctx_check_pow(ctx, &work, header, &entry->hash);
    if (rc < 0)
        return rc;
    entry->height = height;
    /* the chain's work is the sum of its blocks' work */
    entry->work = spv_u256_add(&ctx->work, &work);
    return 0;
}

uint32_t spv_header_ctx_connect(struct spv_header_ctx *ctx, const struct spv_chain_header *entry)
{
    const struct spv_header *header = &entry->header;
    struct spv_consensus_parent *p = &ctx->parent;

    p->last_non_min_diff_bits = spv_consensus_last_non_min_diff_bits(
        ctx->params, entry->height, header->bits, ctx->parent.last_non_min_diff_bits);
    p->height = entry->height;
    p->time = header->time;
    p->bits = header->bits;
    if (entry->height % spv_params_interval(ctx->params) == 0) {
        p->first_time = header->time;
        p->first_bits = header->bits;
    }
    ctx->hash = entry->hash;
    ctx->work = entry->work;
    spv_median_push(&ctx->median, header->time);
    return p->last_non_min_diff_bits;
}
