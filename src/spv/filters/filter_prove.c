/* Tests two filters of one height, each from a peer that committed to its hash, with the block
 * (block_scripts.h). A peer that sends a filter with another hash contradicts itself. About a
 * filter that no peer sends the block proves nothing. */
#include <stdlib.h>

#include "spv/filters/filter_sync_state.h"

void spv_filter_prove_clear(struct spv_filter_dispute *d)
{
    for (int i = 0; i < 2; i++) {
        free(d->side[i].filter);
        d->side[i].filter = NULL;
        d->side[i].n_filter = 0;
        d->side[i].no_filter = false;
        d->side[i].peer = 0;
        d->side[i].until_us = SPV_NEVER;
    }
    free(d->block_bytes);
    d->block_bytes = NULL;
    d->block_wanted = false;
    d->block_until_us = SPV_NEVER;
}

struct spv_peer_entry *spv_filter_prove_peer(struct spv_filter_sync *fs, enum spv_filter_side side,
                                             uint32_t height, bool *wait, struct spv_now now)
{
    *wait = false;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        if (p->filters.side != side || !spv_filter_peer_serves(p) ||
            p->filters.silent_until_us > now.mono_us)
            continue;
        const int state = spv_filter_peers_probe(fs->cfg.filter_peers, p, height, now);
        if (state == SPV_FILTER_BLOCK_KNOWN)
            return p;
        *wait |= state == SPV_FILTER_BLOCK_PROBING;
    }
    return NULL;
}

static int copy_filter(struct spv_filter_dispute_side *s, const uint8_t *bytes, size_t n)
{
    s->filter = malloc(n ? n : 1);
    if (!s->filter)
        return SPV_ERR_NOMEM;
    if (n)
        memcpy(s->filter, bytes, n);
    s->n_filter = n;
    s->peer = 0;
    s->until_us = SPV_NEVER;
    return 0;
}

static const struct spv_filter_hash *hash_at(const struct spv_filter_dispute *d, int side)
{
    return &d->side[side].hashes[d->at - d->low - 1];
}

/* The stored filter, when it is kept. 1, 0 or negative. */
static int read_kept(struct spv_filter_sync *fs)
{
    struct spv_filter_dispute *d = &fs->dispute;
    struct spv_filter_hash hash;
    struct spv_bytes bytes;
    if (!fs->cfg.filter_db.filter || d->at > fs->height)
        return 0;
    int rc = fs->cfg.filter_db.filter(fs->cfg.filter_db.ctx, &bytes, d->at);
    if (rc <= 0)
        return rc;
    const struct spv_filter filter = {.bytes = bytes.bytes, .n = bytes.n};
    spv_filter_compute_hash(&hash, &filter);
    if (!spv_filter_hash_eq(&hash, hash_at(d, 0)))
        return 0;
    rc = copy_filter(&d->side[0], bytes.bytes, bytes.n);
    return rc < 0 ? rc : 1;
}

/* Fetches the filter of a side. 1: it was received, or no peer sends it; 0: not yet. */
static int fetch_filter(struct spv_filter_sync *fs, int side, struct spv_now now)
{
    struct spv_filter_dispute *d = &fs->dispute;
    struct spv_filter_dispute_side *s = &d->side[side];
    bool wait;
    int rc = 0;
    if (s->filter || s->no_filter)
        return 1;
    if (s->peer) {
        if (s->until_us > now.mono_us)
            return 0;
        struct spv_peer_entry *late = spv_peer_table_find(fs->cfg.peers, s->peer);
        if (late)
            late->filters.silent_until_us = now.mono_us + SPV_FILTER_SILENT_US;
        s->peer = 0;
        s->until_us = SPV_NEVER;
    }
    if (side == 0)
        rc = read_kept(fs);
    if (rc)
        return rc;
    struct spv_peer_entry *p = spv_filter_prove_peer(
        fs, side == 0 ? SPV_FILTER_OURS : SPV_FILTER_THEIRS, d->at, &wait, now);
    if (!p) {
        s->no_filter = !wait;
        return !wait;
    }
    const struct spv_filter_request r = {.command = SPV_CMD_GETCFILTERS,
                                         .serial = d->serial,
                                         .start = d->at,
                                         .stop = d->at,
                                         .stop_block = d->block};
    spv_filter_requests_send(fs->cfg.effects, p, &r);
    s->peer = p->id;
    s->until_us = now.mono_us + SPV_FILTER_TIMEOUT_US;
    return fs->cfg.effects->error;
}

int spv_filter_prove_fetch(struct spv_filter_sync *fs, struct spv_now now)
{
    struct spv_filter_dispute *d = &fs->dispute;
    int ready[2];
    for (int i = 0; i < 2; i++)
        if ((ready[i] = fetch_filter(fs, i, now)) < 0)
            return ready[i];
    if (!ready[0] || !ready[1])
        return 0;
    if (!d->side[0].filter && !d->side[1].filter)
        return 1; /* no filter to test */
    if (d->block_until_us == SPV_NEVER) { /* not before the filters: a block is larger */
        d->block_wanted = true;
        d->block_until_us = now.mono_us + SPV_FILTER_BLOCK_TIMEOUT_US;
    }
    return d->block_bytes || d->block_until_us <= now.mono_us;
}

int spv_filter_prove_recv(struct spv_filter_sync *fs, struct spv_peer_entry *p,
                          const struct spv_msg_cfilter *msg)
{
    struct spv_filter_dispute *d = &fs->dispute;
    const struct spv_filter filter = {.bytes = msg->filter, .n = msg->n};
    struct spv_filter_hash hash;
    for (int i = 0; i < 2; i++) {
        if (d->step != SPV_FILTER_DISPUTE_PROVE || d->side[i].peer != p->id || d->side[i].filter)
            continue;
        spv_filter_compute_hash(&hash, &filter);
        if (spv_filter_hash_eq(&hash, hash_at(d, i)))
            return copy_filter(&d->side[i], msg->filter, msg->n);
        spv_filter_peers_disconnect(p, SPV_ERR_FILTER_CONTRADICTION);
        d->side[i].peer = 0;
        d->side[i].until_us = SPV_NEVER;
    }
    return 0;
}

int spv_filter_prove_test(struct spv_filter_sync *fs, bool is_invalid[2])
{
    const struct spv_filter_dispute *d = &fs->dispute;
    struct spv_block_scripts *scripts = NULL;
    struct spv_block block;
    is_invalid[0] = is_invalid[1] = false;
    if (!d->block_bytes || spv_block_parse(&block, d->block_bytes, d->n_block) < 0)
        return 0;
    int rc = spv_block_scripts_new(&scripts, &block, d->at >= fs->cfg.params->segwit_height,
                                   fs->cfg.known.find ? &fs->cfg.known : NULL);
    for (int i = 0; !rc && i < 2; i++) {
        struct spv_filter_check_result result;
        const struct spv_filter filter = {
            .block = d->block, .bytes = d->side[i].filter, .n = d->side[i].n_filter};
        if (!d->side[i].filter)
            continue;
        rc = spv_block_scripts_check_filter(&result, scripts, &filter);
        /* BIP158 sets no padding bits; matching tolerates them */
        const int encoding = rc ? rc : spv_filter_check(NULL, &filter);
        if (encoding == SPV_ERR_NOMEM)
            rc = encoding;
        is_invalid[i] = !rc && (result.error != 0 || encoding < 0);
    }
    spv_block_scripts_free(scripts);
    return rc;
}

/* ---- the block ---- */

int spv_filter_sync_next_block(struct spv_filter_sync *fs, struct spv_blockhash *hash,
                               uint32_t *height)
{
    if (!fs || fs->dispute.step != SPV_FILTER_DISPUTE_PROVE || !fs->dispute.block_wanted)
        return 0;
    fs->dispute.block_wanted = false;
    *hash = fs->dispute.block;
    *height = fs->dispute.at;
    return 1;
}

int spv_filter_sync_block(struct spv_filter_sync *fs, uint32_t height,
                          const struct spv_block *block)
{
    struct spv_blockhash hash;
    if (!fs || fs->dispute.step != SPV_FILTER_DISPUTE_PROVE || fs->dispute.at != height ||
        fs->dispute.block_bytes)
        return 0;
    spv_header_hash(&hash, &block->header);
    if (!spv_blockhash_eq(&hash, &fs->dispute.block))
        return 0;
    fs->dispute.block_bytes = malloc(block->n);
    if (!fs->dispute.block_bytes)
        return SPV_ERR_NOMEM;
    memcpy(fs->dispute.block_bytes, block->bytes, block->n);
    fs->dispute.n_block = block->n;
    return 0;
}
