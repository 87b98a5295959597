/* The blocks whose filters match. The lowest are wanted first, few at a time, as a block waits here
 * until all heights below it are done: the outputs that it spends may be in a lower one. */
#include <stdlib.h>
#include <string.h>

#include "spv/filters/block_scripts.h"
#include "spv/filters/filter_scan_state.h"
#include "util/array.h"

int spv_scan_add_hit(struct spv_filter_scan *s, uint32_t height, const struct spv_blockhash *hash,
                     uint8_t *filter, size_t n_filter)
{
    size_t at = s->hits ? s->n_hits : 0;
    struct spv_scan_hit *hits =
        spv_array_grow(s->hits, &s->cap_hits, s->n_hits + 1, 64, sizeof *hits);

    if (!hits)
        return SPV_ERR_NOMEM;
    s->hits = hits;
    while (at > 0 && hits[at - 1].height > height)
        at--;
    memmove(&hits[at + 1], &hits[at], (s->n_hits - at) * sizeof *hits);
    hits[at] = (struct spv_scan_hit){
        .height = height, .hash = *hash, .filter = filter, .n_filter = filter ? n_filter : 0};
    s->n_hits++;
    *spv_scan_state_of(s, height) = SPV_SCAN_IS_HIT;
    s->stats.hits++;
    return 0;
}

void spv_scan_set_sample(struct spv_filter_scan *s, uint32_t height)
{
    for (size_t i = 0; i < s->n_hits; i++)
        if (s->hits[i].height == height)
            s->hits[i].is_sample = true;
}

int spv_scan_want_blocks(struct spv_filter_scan *s, struct spv_now now)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_hits; i++)
        n += s->hits[i].is_requested;
    for (size_t i = 0; i < s->n_hits; i++) {
        struct spv_scan_hit *hit = &s->hits[i];
        /* those held may all be higher than the base, for which they wait */
        if (n >= SPV_SCAN_BLOCKS && hit->height != s->base)
            return 0;
        if (hit->is_requested)
            continue;
        const int rc =
            spv_block_fetch_want(s->cfg.blocks, SPV_BLOCKS_OF_SCAN, &hit->hash, hit->height, now);
        if (rc == SPV_ERR_TOO_MANY)
            return 0; /* later */
        if (rc < 0)
            return rc;
        hit->is_requested = true;
        n++;
    }
    return 0;
}

int spv_filter_scan_block(struct spv_filter_scan *s, const struct spv_fetched_block *block)
{
    size_t at = 0;

    while (at < s->n_hits && s->hits[at].height < block->height)
        at++;
    if (at == s->n_hits || !spv_blockhash_eq(&s->hits[at].hash, &block->hash) || s->hits[at].block)
        return 0;
    struct spv_scan_hit *hit = &s->hits[at];
    hit->block = malloc(block->block.n);
    if (!hit->block)
        return SPV_ERR_NOMEM;
    memcpy(hit->block, block->block.bytes, block->block.n);
    hit->n_block = block->block.n;
    s->block_bytes += hit->n_block;
    s->stats.blocks++;
    return 0;
}

struct spv_scan_hit *spv_scan_base_hit(struct spv_filter_scan *s)
{
    return s->n_hits > 0 && s->hits[0].height == s->base ? &s->hits[0] : NULL;
}

/* The txid commits to the script. */
bool spv_filter_scan_find_output(const struct spv_filter_scan *s, struct spv_bytes *script,
                                 const struct spv_txid *txid, uint32_t index)
{
    if (s->watch && spv_scan_watch_find_output(s->watch, script, txid, index))
        return true;
    return s->cfg.outputs && spv_output_cache_find(s->cfg.outputs, script, txid, index);
}

static bool find_output(void *ctx, struct spv_bytes *script, const struct spv_txid *txid,
                        uint32_t index)
{
    return spv_filter_scan_find_output(ctx, script, txid, index);
}

static int check_filter(struct spv_filter_scan *s, const struct spv_scan_hit *hit,
                        const struct spv_block *block)
{
    const struct spv_known_outputs known = {.find = find_output, .ctx = s};
    const struct spv_filter filter = {.block = hit->hash, .bytes = hit->filter, .n = hit->n_filter};
    struct spv_filter_check_result result;
    struct spv_block_scripts *scripts;
    int rc =
        spv_block_scripts_new(&scripts, block, hit->height >= s->cfg.params->segwit_height, &known);

    if (rc < 0)
        return rc;
    rc = spv_block_scripts_check_filter(&result, scripts, &filter);
    spv_block_scripts_free(scripts);
    if (rc == 0 && result.error) {
        s->disproved = hit->height;
        s->disproved_error = result.error;
    }
    return rc;
}

int spv_scan_search_hit(struct spv_filter_scan *s, const struct spv_scan_hit *hit)
{
    struct spv_block block;
    int rc = spv_block_parse(&block, hit->block, hit->n_block);

    if (rc == 0 && hit->filter)
        rc = check_filter(s, hit, &block);
    if (rc < 0 || s->disproved)
        return rc;
    rc = spv_scan_watch_search(s->watch, &s->positions, &s->n_positions, &block);
    s->is_searched = rc == 0;
    /* It may spend an output of a late script that is only found in a gap below. */
    if (rc == 0 && !hit->is_sample && s->gaps.n > 0 && s->gaps.list[0].first < hit->height)
        spv_scan_ranges_add(&s->gaps, hit->height, hit->height);
    return rc;
}

void spv_scan_forget_search(struct spv_filter_scan *s)
{
    free(s->positions);
    s->positions = NULL;
    s->n_positions = 0;
    s->is_searched = false;
    s->is_reported = false;
}

static void free_hit(struct spv_filter_scan *s, struct spv_scan_hit *hit)
{
    s->held_bytes -= hit->n_filter;
    s->block_bytes -= hit->n_block;
    free(hit->filter);
    free(hit->block);
}

void spv_scan_remove_base_hit(struct spv_filter_scan *s)
{
    spv_scan_forget_search(s);
    free_hit(s, &s->hits[0]);
    s->n_hits--;
    memmove(&s->hits[0], &s->hits[1], s->n_hits * sizeof s->hits[0]);
}

void spv_scan_drop_hits_above(struct spv_filter_scan *s, uint32_t height)
{
    while (s->n_hits > 0 && s->hits[s->n_hits - 1].height > height)
        free_hit(s, &s->hits[--s->n_hits]);
    if (s->base > height)
        spv_scan_forget_search(s);
    spv_block_fetch_cancel_from(s->cfg.blocks, SPV_BLOCKS_OF_SCAN, height + 1);
}
