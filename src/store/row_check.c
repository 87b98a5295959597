/* What one row must be: by itself, and on top of the row below. */
#include "store/row_check.h"

#include <string.h>

#include "store/rows.h"
#include "util/u256.h"

const char *spv_row_check_pow(struct spv_u256 *target, const struct spv_chain_header *r)
{
    struct spv_blockhash hash;
    spv_header_hash(&hash, &r->header);
    if (!spv_blockhash_eq(&hash, &r->hash))
        return "does not hash to its stored hash";
    if (spv_target_from_bits(target, r->header.bits) != 0 || !spv_hash_meets(hash.b, target))
        return "does not meet its own target";
    return NULL;
}

const char *spv_row_check(const struct spv_chain_header *below, const struct spv_chain_header *r)
{
    struct spv_u256 target;
    const char *reason = spv_row_check_pow(&target, r);
    if (reason)
        return reason;
    struct spv_u256 own = spv_work_from_target(&target);
    struct spv_u256 work = spv_u256_add(&below->work, &own);
    return spv_u256_cmp(&work, &r->work) == 0 ? NULL : "has a wrong chain work";
}

void spv_genesis_header(const struct spv_store *s, struct spv_chain_header *out)
{
    struct spv_u256 target;
    memset(out, 0, sizeof *out);
    out->header = s->params.genesis;
    spv_header_hash(&out->hash, &out->header);
    if (spv_target_from_bits(&target, out->header.bits) == 0)
        out->work = spv_work_from_target(&target);
}

const char *spv_genesis_check(const struct spv_store *s, const struct spv_chain_header *r)
{
    struct spv_chain_header genesis;
    spv_genesis_header(s, &genesis);
    struct spv_blockhash hash;
    spv_header_hash(&hash, &r->header);
    if (!spv_blockhash_eq(&genesis.hash, &r->hash) || !spv_blockhash_eq(&genesis.hash, &hash) ||
        spv_u256_cmp(&genesis.work, &r->work) != 0)
        return "is not the network's genesis";
    return NULL;
}

int spv_genesis_store(struct spv_store *s, struct spv_chain_header *out)
{
    spv_genesis_header(s, out);
    return spv_rows_insert(s, out);
}
