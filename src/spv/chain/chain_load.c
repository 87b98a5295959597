/* Starting from what the reader holds: the window is read back in order, re-hashed and re-linked,
 * and its work is summed up again, from the stored work below it to that of the stored tip. What
 * lies below the window was proven by the same chain once; its end is tied to the window by a hash.
 */
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/error.h"
#include "util/u256.h"

#define READ_AT_ONCE 128 /* headers a call of the reader: 10 KB of stack */

/* Judges a read header as far as it can be judged alone, and appends it. */
static int append_header(struct spv_chain *c, struct spv_header_ctx *ctx,
                         const struct spv_header *header, const struct spv_blockhash *hash)
{
    struct spv_header_array *w = &c->window;
    const struct spv_chain_header *last = &w->headers[w->n - 1];
    struct spv_chain_header *record = &w->headers[w->n];
    struct spv_u256 work;

    if (!spv_blockhash_eq(&header->prev, &last->hash) ||
        spv_header_ctx_check_pow(ctx, &work, header, hash) < 0)
        return SPV_ERR_DB_DAMAGED;
    record->header = *header;
    record->hash = *hash;
    record->height = last->height + 1;
    record->work = spv_u256_add(&last->work, &work);
    w->last_non_min_diff_bits[w->n] = spv_consensus_last_non_min_diff_bits(
        c->params, record->height, header->bits, w->last_non_min_diff_bits[w->n - 1]);
    w->n++;
    return 0;
}

/* Reads heights from..to behind the window's end. */
static int read_window(struct spv_chain *c, struct spv_header_ctx *ctx, uint32_t from, uint32_t to)
{
    struct spv_header headers[READ_AT_ONCE];

    while (from <= to) {
        const uint32_t left = to - from + 1;
        const uint32_t ask = left < READ_AT_ONCE ? left : READ_AT_ONCE;
        int got = c->reader.range(c->reader.ctx, headers, from, ask);
        if (got < 0)
            return got;
        if ((uint32_t)got != ask)
            return SPV_ERR_DB_DAMAGED;
        for (uint32_t i = 0; i < ask; i++) {
            struct spv_blockhash hash;
            int rc;
            spv_header_hash(&hash, &headers[i]);
            rc = append_header(c, ctx, &headers[i], &hash);
            if (rc < 0)
                return rc;
        }
        from += ask;
    }
    return 0;
}

/* The window's first record: genesis, or a stored one whose work is taken on trust. */
static int read_start(struct spv_chain *c, struct spv_chain_header *out, uint32_t start)
{
    struct spv_blockhash hash;
    int rc;

    if (start == 0) {
        *out = c->genesis;
        return 0;
    }
    rc = c->reader.by_height(c->reader.ctx, out, 0);
    if (rc < 0)
        return rc;
    if (rc == 1 && !spv_blockhash_eq(&out->hash, &c->genesis.hash))
        return SPV_ERR_DB_NETWORK;
    rc = c->reader.by_height(c->reader.ctx, out, start);
    if (rc < 0)
        return rc;
    spv_header_hash(&hash, &out->header);
    if (rc == 0 || out->height != start || !spv_blockhash_eq(&hash, &out->hash))
        return SPV_ERR_DB_DAMAGED;
    return 0;
}

int spv_chain_load(struct spv_chain *c)
{
    struct spv_header_ctx ctx = {.params = c->params};
    struct spv_chain_header stored = c->genesis;
    struct spv_chain_header base;
    const struct spv_chain_header *tip;
    uint32_t start;
    int rc;

    if (c->reader.tip) {
        rc = c->reader.tip(c->reader.ctx, &stored);
        if (rc < 0)
            return rc;
        if (rc == 0)
            stored = c->genesis;
    }
    start = stored.height > SPV_WINDOW_PERIODS * c->interval
                ? stored.height - SPV_WINDOW_PERIODS * c->interval
                : 0;
    start -= start % c->interval; /* there real bits are the bits */
    if (start < spv_chain_start_point(c).height)
        start = spv_chain_start_point(c).height; /* a period's first as well */
    if (start > stored.height)
        return SPV_ERR_DB_DAMAGED;

    rc = read_start(c, &base, start);
    if (rc < 0)
        return rc;
    rc = spv_header_array_reserve(&c->window, stored.height - start + 1);
    if (rc < 0)
        return rc;
    c->window.headers[0] = base;
    c->window.last_non_min_diff_bits[0] = base.header.bits;
    c->window.n = 1;
    rc = read_window(c, &ctx, start + 1, stored.height);
    if (rc < 0)
        return rc;
    tip = spv_chain_window_tip(c);
    if (!spv_blockhash_eq(&tip->hash, &stored.hash) || spv_u256_cmp(&tip->work, &stored.work) != 0)
        return SPV_ERR_DB_DAMAGED;
    return 0;
}
