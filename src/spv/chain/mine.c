/* Test networks need so little work that trying nonces one by one finds a hash at once. A mined
 * chain depends on its plan alone: merkle roots are hashes of seed and height. */
#include "spv/mine.h"

#include "spv/error.h"
#include "util/hash.h"
#include "util/u256.h"

#define BLOCK_VERSION 0x20000000 /* BIP9: no bit set */
#define NONCE_AT 76 /* of the 80 bytes */

static void put_u32(uint8_t *out, uint32_t x)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(x >> (8 * i));
}

int spv_mine_header(struct spv_header *header, struct spv_blockhash *hash)
{
    uint8_t raw[SPV_HEADER_SIZE];
    struct spv_u256 target;

    if (spv_target_from_bits(&target, header->bits) < 0)
        return SPV_ERR_INVALID;
    spv_header_encode(raw, header);
    for (;;) {
        spv_header_hash_raw(hash, raw, 1);
        if (spv_hash_meets(hash->b, &target))
            return 0;
        if (header->nonce == UINT32_MAX)
            return SPV_ERR_NOT_FOUND;
        header->nonce++;
        put_u32(raw + NONCE_AT, header->nonce);
    }
}

/* A header on top of the tip, without its proof of work. */
static int next_header(const struct spv_chain *c, struct spv_header *out,
                       const struct spv_mine_plan *plan, uint32_t spacing)
{
    const struct spv_chain_header *tip = spv_chain_tip(c);
    const uint32_t median = spv_chain_median_time(c);
    uint8_t salt[12];

    if (tip->header.time > UINT32_MAX - spacing || median == UINT32_MAX)
        return SPV_ERR_INVALID; /* the time would not fit in 32 bits */
    for (unsigned i = 0; i < 8; i++)
        salt[i] = (uint8_t)(plan->seed >> (8 * i));
    put_u32(salt + 8, tip->height + 1);
    spv_sha256(out->merkle_root.b, salt, sizeof salt);
    out->version = BLOCK_VERSION;
    out->prev = tip->hash;
    out->time = tip->header.time + spacing;
    if (out->time <= median)
        out->time = median + 1;
    out->bits = spv_chain_next_bits(c, out->time);
    out->nonce = 0;
    return 0;
}

int spv_mine_chain(struct spv_chain *c, const struct spv_mine_plan *plan)
{
    const uint32_t spacing = plan->spacing == 0 ? 600 : plan->spacing;

    for (uint32_t i = 0; i < plan->n; i++) {
        struct spv_header header;
        struct spv_blockhash hash;
        struct spv_accept_result result;
        int rc = next_header(c, &header, plan, spacing);
        if (rc < 0)
            return rc;
        rc = spv_mine_header(&header, &hash);
        if (rc < 0)
            return rc;
        /* the header's own time is passed as the clock, so the header is never in the future */
        rc = spv_chain_accept(c, &result, &header, 1, (struct spv_now){0, header.time});
        if (rc < 0)
            return rc;
        if (result.error != 0)
            return result.error;
        if (plan->on_header) {
            rc = plan->on_header(plan->ctx, spv_chain_tip(c));
            if (rc != 0)
                return rc;
        }
        spv_chain_stored(c);
    }
    return 0;
}
