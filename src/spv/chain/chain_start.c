/* A chain need not begin at genesis: what is stored may begin at a later base (started at a
 * checkpoint, or pruned). Nothing below it is known, and where the work below it was never known,
 * either, sums of work count from there.
 *
 * Checkpoints bind stored headers as they bind new ones. A database may have been written under
 * fewer of them, so all of them are looked at when a chain is made: a few microseconds each. */
#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "util/u256.h"

struct spv_chain_start spv_chain_start_point(const struct spv_chain *c)
{
    struct spv_chain_start base = {0};

    if (c->reader.start)
        c->reader.start(c->reader.ctx, &base);
    return base;
}

void spv_chain_get_start(const struct spv_chain *c, struct spv_chain_start *out)
{
    *out = spv_chain_start_point(c);
}

int spv_chain_check_work(const struct spv_chain *c, const struct spv_checkpoint *checkpoint,
                         const struct spv_u256 *work)
{
    if (spv_u256_is_zero(&checkpoint->work) || spv_u256_cmp(&checkpoint->work, work) == 0 ||
        spv_chain_start_point(c).work_since > 0)
        return 0;
    return SPV_ERR_DB_DAMAGED;
}

/* The checkpoint that the base follows is not stored itself. */
static int check_below(const struct spv_chain *c, const struct spv_checkpoint *checkpoint)
{
    struct spv_chain_header first;
    int rc = c->reader.by_height(c->reader.ctx, &first, checkpoint->height + 1);

    if (rc < 0)
        return rc;
    if (rc == 0)
        return SPV_ERR_DB_DAMAGED;
    return spv_blockhash_eq(&first.header.prev, &checkpoint->hash) ? 0 : SPV_ERR_DB_CHECKPOINT;
}

int spv_chain_check_stored(const struct spv_chain *c)
{
    const uint32_t base = spv_chain_start_point(c).height;

    for (size_t i = 0; i < c->n_passed; i++) {
        const struct spv_checkpoint *checkpoint = &c->checkpoints[i];
        struct spv_chain_header record;
        int rc;

        if (checkpoint->height + 1 < base)
            continue;
        if (checkpoint->height + 1 == base) {
            rc = check_below(c, checkpoint);
        } else {
            rc = spv_chain_header_at_pos(
                c, &record, (struct spv_chain_pos){SPV_MAIN_CHAIN, checkpoint->height});
            if (rc == 0) /* nothing is stored below the window */
                continue;
            if (rc == 1 && !spv_blockhash_eq(&record.hash, &checkpoint->hash))
                rc = SPV_ERR_DB_CHECKPOINT;
            if (rc == 1)
                rc = spv_chain_check_work(c, checkpoint, &record.work);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

bool spv_chain_has_work(const struct spv_chain *c, const struct spv_u256 *work)
{
    if (spv_chain_start_point(c).work_since > 0 && c->n_checkpoints > 0 &&
        c->n_passed == c->n_checkpoints)
        return true;
    return spv_u256_cmp(&c->tip.work, work) >= 0;
}
