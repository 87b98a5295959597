/* Between two checkpoints only prev hashes and proof of work are checked, and chain work is summed
 * up. The other rules were checked when the checkpoints were made; here they would need the headers
 * before the period. */
#include <string.h>

#include "spv/chain.h"
#include "spv/chain/header_ctx.h"
#include "spv/error.h"
#include "spv/params/interval.h"
#include "util/u256.h"

int spv_chain_period(struct spv_chain_header *out, const struct spv_params *params,
                     const struct spv_checkpoint *before, const struct spv_checkpoint *end,
                     const struct spv_header *headers, size_t *bad)
{
    const uint32_t n = spv_params_interval(params);
    struct spv_header_ctx ctx = {.params = params, .work = before->work};
    struct spv_blockhash prev = before->hash;

    *bad = 0;
    if (end->height < before->height || end->height - before->height != n ||
        (before->height + 1) % n != 0)
        return SPV_ERR_INVALID;
    for (uint32_t i = 0; i < n; i++) {
        struct spv_chain_header *entry = &out[i];
        struct spv_u256 work;
        int rc;

        *bad = i;
        entry->header = headers[i];
        entry->height = before->height + 1 + i;
        spv_header_hash(&entry->hash, &headers[i]);
        if (!spv_blockhash_eq(&headers[i].prev, &prev))
            return i == 0 ? SPV_ERR_HDR_CHECKPOINT : SPV_ERR_HDR_NONCONTINUOUS;
        rc = spv_header_ctx_check_pow(&ctx, &work, &headers[i], &entry->hash);
        if (rc < 0)
            return rc;
        ctx.work = spv_u256_add(&ctx.work, &work);
        entry->work = ctx.work;
        prev = entry->hash;
    }
    return spv_blockhash_eq(&prev, &end->hash) ? 0 : SPV_ERR_HDR_CHECKPOINT;
}
