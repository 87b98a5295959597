/* Cheap comparisons come first, proof of work after them: whoever calls keeps nothing that did not
 * pass all. Decoding bits to target and work takes a 256-bit division, so the last few are kept. */
#include "spv/chain/header_ctx.h"

#include "spv/error.h"
#include "spv/params/interval.h"
#include "util/u256.h"

/* The decoded form of bits, from memory or made now. */
static int decoded(struct spv_header_ctx *j, const struct spv_target **out, uint32_t bits)
{
    struct spv_target *slot;
    int rc;

    for (size_t i = 0; i < SPV_HEADER_CTX_TARGETS; i++)
        if (j->targets[i].bits == bits && bits != 0) {
            *out = &j->targets[i];
            return 0;
        }
    slot = &j->targets[j->next_target];
    slot->bits = 0;
    rc = spv_consensus_target(j->params, &slot->target, bits);
    if (rc < 0)
        return rc;
    slot->work = spv_work_from_target(&slot->target);
    slot->bits = bits;
    j->next_target = (j->next_target + 1) % SPV_HEADER_CTX_TARGETS;
    *out = slot;
    return 0;
}

int spv_header_ctx_check_pow(struct spv_header_ctx *j, struct spv_u256 *work,
                             const struct spv_header *header, const struct spv_blockhash *hash)
{
    const struct spv_target *t;
    int rc = decoded(j, &t, header->bits);

    if (rc < 0)
        return rc;
    /* "UintToArith256(hash) > bnTarget" fails proof of work */
    if (!spv_hash_meets(hash->b, &t->target))
        return SPV_ERR_HDR_POW;
    *work = t->work;
    return 0;
}

int spv_header_ctx_check(struct spv_header_ctx *j, struct spv_chain_header *record)
{
    const struct spv_header *header = &record->header;
    const uint32_t height = j->parent.height + 1;
    struct spv_u256 work;
    int rc;

    if (header->bits != spv_consensus_next_bits(j->params, &j->parent, header->time)) {
        /* say what is wrong with the bits themselves, when something is */
        const struct spv_target *t;
        rc = decoded(j, &t, header->bits);
        return rc < 0 ? rc : SPV_ERR_HDR_BITS;
    }
    rc = spv_consensus_version(j->params, height, header->version);
    if (rc < 0)
        return rc;
    rc = spv_consensus_time(j->params, height, header->time, j->parent.time,
                            spv_median_time(&j->median));
    if (rc < 0)
        return rc;
    rc = spv_header_ctx_check_pow(j, &work, header, &record->hash);
    if (rc < 0)
        return rc;
    record->height = height;
    /* the chain's work is the sum of its blocks' work */
    record->work = spv_u256_add(&j->work, &work);
    return 0;
}

uint32_t spv_header_ctx_connect(struct spv_header_ctx *j, const struct spv_chain_header *record)
{
    const struct spv_header *header = &record->header;
    struct spv_consensus_parent *p = &j->parent;

    p->real_bits = spv_consensus_last_non_min_diff_bits(j->params, record->height, header->bits,
                                                        j->parent.real_bits);
    p->height = record->height;
    p->time = header->time;
    p->bits = header->bits;
    if (record->height % spv_params_interval(j->params) == 0) {
        p->first_time = header->time;
        p->first_bits = header->bits;
    }
    j->hash = record->hash;
    j->work = record->work;
    spv_median_push(&j->median, header->time);
    return p->real_bits;
}
