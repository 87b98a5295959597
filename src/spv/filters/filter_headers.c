/* Our filter headers: a run from a built-in one up to the highest stored one, of which only the two
 * ends are in memory; and above it, while ranges are fetched, the checkpoints that peers agreed on.
 */
#include <stdlib.h>

#include "spv/effects/warning_text.h"
#include "spv/filters/filter_sync_state.h"

/* ---- reading ---- */

const struct spv_filter_header *spv_filter_headers_built_in(const struct spv_filter_sync *fs,
                                                            uint32_t height)
{
    const struct spv_params *params = fs->cfg.params;
    for (size_t i = 0; i < params->n_filter_checkpoints; i++)
        if (params->filter_checkpoints[i].height == height)
            return &params->filter_checkpoints[i].header;
    return NULL;
}

static int read_stored(const struct spv_filter_sync *fs, struct spv_filter_header *out,
                       uint32_t height)
{
    const int rc = fs->cfg.filter_db.headers(fs->cfg.filter_db.ctx, out, NULL, height, 1);
    return rc == 0 ? SPV_ERR_DB_DAMAGED : rc;
}

int spv_filter_headers_at(const struct spv_filter_sync *fs, struct spv_filter_header *out,
                          uint32_t height)
{
    if (height == fs->height) {
        *out = fs->top;
    } else if (height == fs->start_height) {
        *out = fs->start;
    } else if (height < fs->height) {
        return height < fs->start_height ? 0 : read_stored(fs, out, height);
    } else {
        const size_t i = height / SPV_CFCHECKPT_INTERVAL;
        if (height % SPV_CFCHECKPT_INTERVAL || i > fs->n_agreed)
            return 0;
        *out = fs->agreed[i - 1];
    }
    return 1;
}

int spv_filter_headers_hashes(const struct spv_filter_sync *fs, struct spv_filter_hash *out,
                              uint32_t from, uint32_t n)
{
    if (from > fs->height || from <= fs->start_height)
        return 0;
    if (n > fs->height - from + 1)
        n = fs->height - from + 1;
    return fs->cfg.filter_db.headers(fs->cfg.filter_db.ctx, NULL, out, from, n);
}

int spv_filter_headers_block(const struct spv_filter_sync *fs, struct spv_blockhash *out,
                             uint32_t height)
{
    struct spv_chain_header h;
    const int rc = spv_chain_header_at(fs->cfg.chain, &h, height);
    if (rc == 1)
        *out = h.hash;
    return rc == 1 ? 0 : rc == 0 ? SPV_ERR_STATE : rc;
}

/* ---- begin ---- */

void spv_filter_headers_warn(struct spv_filter_sync *fs, enum spv_warning warning, uint64_t peer,
                             uint32_t height)
{
    struct spv_effect *e = spv_effects_push(fs->cfg.effects, SPV_EFFECT_EVENT, peer);
    if (!e)
        return;
    e->event.kind = SPV_EVENT_WARNING;
    e->event.peer = peer;
    e->event.tip = *spv_chain_tip(fs->cfg.chain);
    e->event.warning = warning;
    e->event.given_height = height;
    e->event.text = spv_warning_text(warning);
}

/* The lowest built-in filter header whose block header and all above are stored. */
static int begin_at_built_in(struct spv_filter_sync *fs)
{
    const struct spv_params *params = fs->cfg.params;
    struct spv_chain_start start;
    spv_chain_get_start(fs->cfg.chain, &start);
    for (size_t i = 0; i < params->n_filter_checkpoints; i++) {
        const struct spv_filter_checkpoint *c = &params->filter_checkpoints[i];
        if (c->height < start.height)
            continue;
        if (c->height > spv_chain_tip(fs->cfg.chain)->height)
            return 0; /* the chain will reach it */
        fs->start_height = fs->height = c->height;
        fs->start = fs->top = c->header;
        return 1;
    }
    if (!fs->warned_start)
        spv_filter_headers_warn(fs, SPV_WARN_FILTERS_START, 0, start.height);
    fs->warned_start = true;
    return 0;
}

int spv_filter_headers_begin(struct spv_filter_sync *fs)
{
    uint32_t first, last;
    int rc = fs->cfg.filter_db.range(fs->cfg.filter_db.ctx, &first, &last);
    if (rc < 0)
        return rc;
    if (rc == 0 || last > spv_chain_tip(fs->cfg.chain)->height) {
        rc = begin_at_built_in(fs);
    } else {
        fs->start_height = first;
        fs->height = last;
        rc = read_stored(fs, &fs->start, first);
        if (rc > 0)
            rc = read_stored(fs, &fs->top, last);
    }
    fs->begun = rc > 0;
    return rc;
}

/* ---- storing ---- */

int spv_filter_headers_store(struct spv_filter_sync *fs, const struct spv_filter_hash *hashes,
                             size_t n)
{
    struct spv_filter_update update = {.first = fs->height + 1, .n = n};
    struct spv_filter_header header = fs->top;
    const int rc = spv_filter_headers_block(fs, &update.last_block, fs->height + (uint32_t)n);
    if (rc < 0)
        return rc;
    fs->headers = malloc(n * sizeof *fs->headers);
    fs->hashes = malloc(n * sizeof *fs->hashes);
    if (!fs->headers || !fs->hashes)
        return SPV_ERR_NOMEM; /* the node fails and frees them */
    memcpy(fs->hashes, hashes, n * sizeof *hashes);
    for (size_t i = 0; i < n; i++) {
        spv_filter_compute_header(&header, &hashes[i], &header);
        fs->headers[i] = header;
    }
    update.headers = fs->headers;
    update.hashes = fs->hashes;
    struct spv_effect *e = spv_effects_push(fs->cfg.effects, SPV_EFFECT_STORE_FILTER_HEADERS, 0);
    if (!e)
        return fs->cfg.effects->error;
    e->filter_update = update;
    fs->n_update = n;
    fs->storing = true;
    return 0;
}

/* Commitments of peers above this height are not to our filter headers any more. */
void spv_filter_headers_limit_agreement(struct spv_filter_sync *fs, uint32_t height)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (p->filters.agrees_height > height)
            p->filters.agrees_height = height;
}

void spv_filter_headers_forget_agreed(struct spv_filter_sync *fs)
{
    free(fs->agreed);
    fs->agreed = NULL;
    fs->n_agreed = 0;
    spv_segments_free(fs->segments);
    fs->segments = NULL;
    free(fs->ends);
    fs->ends = NULL;
    spv_filter_headers_limit_agreement(fs, fs->height);
}

/* ---- invalid filters ---- */

void spv_filter_headers_add_invalid(struct spv_filter_sync *fs, uint32_t height,
                                    const struct spv_filter_hash *hash)
{
    fs->invalid[fs->n_invalid++ % SPV_FILTER_MAX_INVALID] =
        (struct spv_filter_invalid){.height = height, .hash = *hash};
}

bool spv_filter_headers_has_invalid(const struct spv_filter_sync *fs, uint32_t from,
                                    const struct spv_hash256 *hashes, size_t n)
{
    const size_t known =
        fs->n_invalid < SPV_FILTER_MAX_INVALID ? fs->n_invalid : SPV_FILTER_MAX_INVALID;
    for (size_t i = 0; i < known; i++) {
        const struct spv_filter_invalid *d = &fs->invalid[i];
        if (d->height >= from && d->height - from < n &&
            memcmp(hashes[d->height - from].b, d->hash.b, sizeof d->hash.b) == 0)
            return true;
    }
    return false;
}
