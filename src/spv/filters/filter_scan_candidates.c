/* Candidates: blocks whose filters match, and samples. The lowest are requested first, few at a
 * time, as a fetched block waits until all heights below are finished: the outputs that it spends
 * may be in a lower block. */
#include <stdlib.h>
#include <string.h>

#include "spv/filters/block_scripts.h"
#include "spv/filters/filter_scan_state.h"
#include "util/array.h"

int spv_scan_add_candidate(struct spv_filter_scan *s, uint32_t height,
                           const struct spv_blockhash *hash, uint8_t *filter, size_t n_filter)
{
    size_t at = s->candidates ? s->n_candidates : 0;
    struct spv_scan_candidate *candidates = spv_array_grow(
        s->candidates, &s->cap_candidates, s->n_candidates + 1, 64, sizeof *candidates);

    if (!candidates)
        return SPV_ERR_NOMEM;
    s->candidates = candidates;
    while (at > 0 && candidates[at - 1].height > height)
        at--;
    memmove(&candidates[at + 1], &candidates[at], (s->n_candidates - at) * sizeof *candidates);
    candidates[at] = (struct spv_scan_candidate){
        .height = height, .hash = *hash, .filter = filter, .n_filter = filter ? n_filter : 0};
    s->n_candidates++;
    *spv_scan_state_of(s, height) = SPV_SCAN_IS_CANDIDATE;
    s->stats.candidates++;
    return 0;
}

void spv_scan_set_sample(struct spv_filter_scan *s, uint32_t height)
{
    for (size_t i = 0; i < s->n_candidates; i++)
        if (s->candidates[i].height == height)
            s->candidates[i].is_sample = true;
}

int spv_scan_want_blocks(struct spv_filter_scan *s, struct spv_now now)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_candidates; i++)
        n += s->candidates[i].is_requested;
    for (size_t i = 0; i < s->n_candidates; i++) {
        struct spv_scan_candidate *candidate = &s->candidates[i];
        /* the requested ones may all be above `lowest`, for which they wait */
        if (n >= SPV_SCAN_MAX_BLOCKS && candidate->height != s->lowest)
            return 0;
        if (candidate->is_requested)
            continue;
        const int rc = spv_block_fetch_want(s->cfg.blocks, SPV_BLOCKS_OF_SCAN, &candidate->hash,
                                            candidate->height, now);
        if (rc == SPV_ERR_TOO_MANY)
            return 0; /* later */
        if (rc < 0)
            return rc;
        candidate->is_requested = true;
        n++;
    }
    return 0;
}

int spv_filter_scan_block(struct spv_filter_scan *s, const struct spv_fetched_block *block)
{
    size_t at = 0;

    while (at < s->n_candidates && s->candidates[at].height < block->height)
        at++;
    if (at == s->n_candidates || !spv_blockhash_eq(&s->candidates[at].hash, &block->hash) ||
        s->candidates[at].block)
        return 0;
    struct spv_scan_candidate *candidate = &s->candidates[at];
    candidate->block = malloc(block->block.n);
    if (!candidate->block)
        return SPV_ERR_NOMEM;
    memcpy(candidate->block, block->block.bytes, block->block.n);
    candidate->n_block = block->block.n;
    s->block_bytes += candidate->n_block;
    s->stats.blocks++;
    return 0;
}

struct spv_scan_candidate *spv_scan_lowest_candidate(struct spv_filter_scan *s)
{
    return s->n_candidates > 0 && s->candidates[0].height == s->lowest ? &s->candidates[0] : NULL;
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

static int check_filter(struct spv_filter_scan *s, const struct spv_scan_candidate *candidate,
                        const struct spv_block *block)
{
    const struct spv_known_outputs known = {.find = find_output, .ctx = s};
    const struct spv_filter filter = {
        .block = candidate->hash, .bytes = candidate->filter, .n = candidate->n_filter};
    struct spv_filter_check_result result;
    struct spv_block_scripts *scripts;
    int rc = spv_block_scripts_new(&scripts, block,
                                   candidate->height >= s->cfg.params->segwit_height, &known);

    if (rc < 0)
        return rc;
    rc = spv_block_scripts_check_filter(&result, scripts, &filter);
    spv_block_scripts_free(scripts);
    if (rc == 0 && result.error) {
        s->invalid_height = candidate->height;
        s->invalid_error = result.error;
    }
    return rc;
}

int spv_scan_search_candidate(struct spv_filter_scan *s, const struct spv_scan_candidate *candidate)
{
    struct spv_block block;
    int rc = spv_block_parse(&block, candidate->block, candidate->n_block);

    if (rc == 0 && candidate->filter)
        rc = check_filter(s, candidate, &block);
    if (rc < 0 || s->invalid_height)
        return rc;
    rc = spv_scan_watch_search(s->watch, &s->positions, &s->n_positions, &block);
    s->is_searched = rc == 0;
    /* It may spend an output of a script that was added late, which is only found in a missed range
     * below. */
    if (rc == 0 && !candidate->is_sample && s->missed.n > 0 &&
        s->missed.list[0].first < candidate->height)
        spv_scan_ranges_add(&s->missed, candidate->height, candidate->height);
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

static void free_candidate(struct spv_filter_scan *s, struct spv_scan_candidate *candidate)
{
    s->buffered_bytes -= candidate->n_filter;
    s->block_bytes -= candidate->n_block;
    free(candidate->filter);
    free(candidate->block);
}

void spv_scan_remove_lowest_candidate(struct spv_filter_scan *s)
{
    spv_scan_forget_search(s);
    free_candidate(s, &s->candidates[0]);
    s->n_candidates--;
    memmove(&s->candidates[0], &s->candidates[1], s->n_candidates * sizeof s->candidates[0]);
}

void spv_scan_remove_candidates_above(struct spv_filter_scan *s, uint32_t height)
{
    while (s->n_candidates > 0 && s->candidates[s->n_candidates - 1].height > height)
        free_candidate(s, &s->candidates[--s->n_candidates]);
    if (s->lowest > height)
        spv_scan_forget_search(s);
    spv_block_fetch_cancel_from(s->cfg.blocks, SPV_BLOCKS_OF_SCAN, height + 1);
}
