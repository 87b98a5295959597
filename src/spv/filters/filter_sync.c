/* After every input an open dispute continues; without one, votes are collected and compared, and
 * agreed filter headers are stored: near the tip at once, far below it through ranges. Then filter
 * branches are compared with the stored ones. Only one update is stored at a time. */
#include "spv/filters/filter_sync.h"

#include <stdlib.h>

#include "spv/filters/filter_sync_state.h"
#include "util/deadline.h"

/* ours: runs after one input at most: the end of a dispute leads to another run at once */
#define MAX_RUNS 16

int spv_filter_sync_new(struct spv_filter_sync **out, const struct spv_filter_sync_config *cfg)
{
    *out = NULL;
    if (!cfg->filter_db.headers || !cfg->filter_db.range || !cfg->params->n_filter_checkpoints)
        return SPV_ERR_INVALID;
    struct spv_filter_sync *fs = calloc(1, sizeof *fs);
    if (!fs)
        return SPV_ERR_NOMEM;
    fs->cfg = *cfg;
    fs->rolled_back_from = fs->drop_from = fs->fork = UINT32_MAX;
    fs->dispute.branch = -1;
    spv_filter_prove_clear(&fs->dispute);
    *out = fs;
    return 0;
}

static void free_update(struct spv_filter_sync *fs)
{
    free(fs->headers);
    free(fs->hashes);
    fs->headers = NULL;
    fs->hashes = NULL;
    fs->n_update = 0;
}

void spv_filter_sync_free(struct spv_filter_sync *fs)
{
    if (!fs)
        return;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        spv_filter_votes_forget(p);
    spv_filter_dispute_end(fs);
    spv_filter_headers_forget_agreed(fs);
    spv_filter_branches_free(fs);
    free_update(fs);
    free(fs);
}

/* ---- peers and messages ---- */

int spv_filter_sync_remove(struct spv_filter_sync *fs, uint64_t id, struct spv_now now)
{
    struct spv_peer_entry *p = fs ? spv_peer_table_find(fs->cfg.peers, id) : NULL;
    if (!p)
        return 0;
    spv_filter_votes_forget(p);
    p->filters.side = SPV_FILTER_SIDE_NONE;
    p->filters.added = false;
    for (int i = 0; i < 2; i++) {
        struct spv_filter_dispute_side *s = &fs->dispute.side[i];
        if (s->peer != id)
            continue;
        s->peer = 0;
        s->until_us = SPV_NEVER;
    }
    return fs->segments ? spv_segments_remove(fs->segments, id, now) : 0;
}

int spv_filter_sync_recv(struct spv_filter_sync *fs, uint64_t id, const struct spv_msg *msg,
                         struct spv_now now)
{
    struct spv_peer_entry *p = fs ? spv_peer_table_find(fs->cfg.peers, id) : NULL;
    struct spv_filter_request r;
    int rc = 0;
    if (!p || p->filters.disconnect_error)
        return 0;
    const enum spv_filter_answer_match match = spv_filter_requests_take(p, &r, msg);
    if (match == SPV_FILTER_ANSWER_EXACT) {
        rc = r.serial & SPV_FILTER_OF_DISPUTE ? spv_filter_dispute_recv(fs, p, &r, msg)
                                              : spv_filter_votes_recv(fs, p, &r, msg);
        return rc < 0 ? rc : 1;
    }
    if (msg->command == SPV_CMD_CFHEADERS && fs->segments)
        rc = spv_filter_segments_recv(fs->segments, id, &msg->u.cfheaders, now);
    if (rc == 0 && match == SPV_FILTER_ANSWER_WRONG_LENGTH) {
        spv_filter_peers_disconnect(p, SPV_ERR_FILTER_ANSWER);
        rc = 1;
    }
    return rc;
}

/* ---- running ---- */

bool spv_filter_sync_disputing(const struct spv_filter_sync *fs)
{
    return fs && fs->dispute.step != SPV_FILTER_DISPUTE_NONE;
}

/* Compares the next range of a branch that has peers. 1: a dispute has begun. */
static int compare_branches(struct spv_filter_sync *fs, struct spv_now now)
{
    for (int i = 0; i < SPV_FILTER_MAX_BRANCHES; i++) {
        const struct spv_filter_branch *b = &fs->branch[i];
        if (!b->n || b->frozen || b->top_height >= fs->height)
            continue;
        for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
            if (p->filters.branch != (unsigned)i + 1 || !spv_filter_peer_serves(p) ||
                p->filters.silent_until_us > now.mono_us)
                continue;
            const int rc = spv_filter_dispute_begin_branch(fs, i, p);
            return rc < 0 ? rc : 1;
        }
    }
    return 0;
}

/* Replaces the stored filter headers by a branch that has peers when no peer supports the stored
 * ones. */
static int adopt_branch(struct spv_filter_sync *fs, struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        if (!p->filters.branch || !spv_filter_peer_serves(p) ||
            p->filters.silent_until_us > now.mono_us || !spv_filter_agree_unsupported(fs, now))
            continue;
        return spv_filter_rollback_adopt(fs, (int)p->filters.branch - 1);
    }
    return 0;
}

/* Replaces the stored filter headers by a branch that more network groups support. */
static int exchange_branch(struct spv_filter_sync *fs, struct spv_now now)
{
    const int index = spv_filter_agree_preferred(fs, now);
    if (index < 0)
        return 0;
    fs->n_exchanges++;
    return spv_filter_rollback_adopt(fs, index);
}

/* Does all that is possible now. 1: another run may do more. */
static int sync_run_once(struct spv_filter_sync *fs, struct spv_now now)
{
    int rc = spv_filter_dispute_run(fs, now);
    if (rc < 0 || fs->drop_from != UINT32_MAX)
        return rc < 0 ? rc : 0;
    const bool disputing = rc > 0;
    rc = spv_filter_votes_run(fs, now);
    if (rc < 0 || disputing)
        return rc;
    rc = spv_filter_agree_run(fs, now);
    if (rc < 0 || fs->storing || fs->phase == SPV_FILTER_SYNC_STOPPED)
        return rc < 0 ? rc : 0;
    if (fs->dispute.step != SPV_FILTER_DISPUTE_NONE)
        return 1;
    rc = spv_filter_ranges_run(fs, now);
    if (rc < 0 || fs->storing)
        return rc;
    rc = spv_filter_branches_check(fs);
    if (rc < 0)
        return rc;
    rc = compare_branches(fs, now);
    if (!rc)
        rc = adopt_branch(fs, now);
    return rc || fs->drop_from != UINT32_MAX ? rc : exchange_branch(fs, now);
}

static int send_drop(struct spv_filter_sync *fs)
{
    struct spv_effect *e = spv_effects_push(fs->cfg.effects, SPV_EFFECT_DROP_FILTER_HEADERS, 0);
    if (!e)
        return fs->cfg.effects->error;
    e->height = fs->drop_from;
    fs->drop_from = UINT32_MAX;
    fs->storing = fs->dropping = true;
    return 0;
}

/* Not before all peers were compared, except those that do not answer in time. */
static void report_synced(struct spv_filter_sync *fs, bool synced, struct spv_now now)
{
    const struct spv_chain_header *tip = spv_chain_tip(fs->cfg.chain);
    if (spv_filter_sync_disputing(fs) || (spv_filter_agree_pending(fs, now) &&
                                          fs->round.start_us + SPV_FILTER_TIMEOUT_US > now.mono_us))
        return;
    if (!synced || fs->storing || !fs->begun || fs->height != tip->height ||
        spv_blockhash_eq(&fs->reported, &tip->hash))
        return;
    struct spv_effect *e = spv_effects_push(fs->cfg.effects, SPV_EFFECT_EVENT, 0);
    if (!e)
        return;
    e->event.kind = SPV_EVENT_FILTERS_SYNCED;
    e->event.tip = *tip;
    fs->reported = tip->hash;
}

int spv_filter_sync_run(struct spv_filter_sync *fs, bool synced, enum spv_more_peers more,
                        struct spv_now now)
{
    int rc = 1;
    if (!fs)
        return 0;
    fs->more = more;
    fs->now = now;
    if (fs->phase == SPV_FILTER_SYNC_WAITING && synced)
        fs->phase = SPV_FILTER_SYNC_RUNNING;
    if (fs->phase != SPV_FILTER_SYNC_RUNNING || fs->storing)
        return 0;
    for (int i = 0; rc > 0 && i < MAX_RUNS && !fs->storing; i++) {
        if (fs->drop_from != UINT32_MAX)
            return send_drop(fs);
        rc = fs->begun ? 1 : spv_filter_headers_begin(fs);
        if (rc > 0)
            rc = sync_run_once(fs, now);
        if (rc >= 0 && fs->drop_from != UINT32_MAX)
            rc = 1;
    }
    if (rc >= 0)
        report_synced(fs, synced, now);
    return rc < 0 ? rc : fs->cfg.effects->error;
}

int spv_filter_sync_timer(struct spv_filter_sync *fs, struct spv_now now)
{
    return fs && fs->segments && !fs->storing ? spv_segments_timer(fs->segments, now) : 0;
}

uint64_t spv_filter_sync_deadline(const struct spv_filter_sync *fs)
{
    if (!fs || fs->phase != SPV_FILTER_SYNC_RUNNING || fs->storing || !fs->begun)
        return SPV_NEVER;
    uint64_t first = spv_filter_votes_deadline(fs, fs->now);
    first = spv_min_deadline(first, spv_filter_agree_deadline(fs, fs->now));
    first = spv_min_deadline(first, spv_filter_dispute_deadline(fs, fs->now));
    if (!fs->segments || spv_filter_sync_disputing(fs))
        return first; /* received ranges wait for the end of the dispute */
    return spv_min_deadline(first, spv_segments_deadline(fs->segments));
}

/* ---- storing ---- */

bool spv_filter_sync_storing(const struct spv_filter_sync *fs)
{
    return fs && fs->storing;
}

int spv_filter_sync_stored(struct spv_filter_sync *fs)
{
    const uint32_t fork = fs ? fs->fork : 0;
    if (!fs || !fs->storing)
        return SPV_ERR_STATE;
    fs->storing = false;
    if (fs->dropping) {
        fs->dropping = false;
        return 0;
    }
    fs->height += (uint32_t)fs->n_update;
    fs->top = fs->headers[fs->n_update - 1];
    fs->added += fs->n_update;
    free_update(fs);
    fs->fork = UINT32_MAX;
    return fork == UINT32_MAX ? 0 : spv_filter_rollback_to(fs, fork);
}

int spv_filter_sync_reorganised(struct spv_filter_sync *fs, uint32_t fork)
{
    if (!fs)
        return 0;
    spv_filter_dispute_end(fs);
    spv_filter_votes_restart(fs);
    fs->round.kind = SPV_FILTER_ROUND_NONE;
    if (!fs->storing || fs->dropping)
        return spv_filter_rollback_to(fs, fork);
    if (fork < fs->fork)
        fs->fork = fork;
    return 0;
}

/* ---- for modules that use the filter headers ---- */

int spv_filter_sync_height(const struct spv_filter_sync *fs, uint32_t *height)
{
    if (!fs || !fs->begun)
        return 0;
    *height = fs->height;
    return 1;
}

int spv_filter_sync_on_invalid(struct spv_filter_sync *fs, uint32_t height)
{
    struct spv_filter_hash hash;
    if (!fs || !fs->begun || height > fs->height || height <= fs->start_height)
        return 0;
    const int rc = spv_filter_headers_hashes(fs, &hash, height, 1);
    if (rc > 0)
        spv_filter_headers_add_invalid(fs, height, &hash);
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (p->filters.agrees && p->filters.agrees_height >= height)
            spv_filter_peers_disconnect(p, SPV_ERR_FILTER_INVALID);
    spv_filter_dispute_end(fs);
    spv_filter_votes_restart(fs);
    if (rc < 0)
        return rc;
    if (!fs->storing || fs->dropping)
        return spv_filter_rollback_stored(fs, height);
    if (height - 1 < fs->fork)
        fs->fork = height - 1;
    if (height < fs->drop_from)
        fs->drop_from = height;
    return 0;
}

int spv_filter_sync_next_rollback(struct spv_filter_sync *fs, uint32_t *from)
{
    if (!fs || fs->rolled_back_from == UINT32_MAX)
        return 0;
    *from = fs->rolled_back_from;
    fs->rolled_back_from = UINT32_MAX;
    return 1;
}

int spv_filter_sync_next_differing(struct spv_filter_sync *fs, uint32_t *first, uint32_t *last)
{
    if (!fs || fs->differing.n == 0)
        return 0;
    *first = fs->differing.list[0].first;
    *last = fs->differing.list[0].last;
    spv_scan_ranges_remove_first(&fs->differing);
    return 1;
}

void spv_filter_sync_get_stats(const struct spv_filter_sync *fs, struct spv_filter_sync_stats *out)
{
    struct spv_segments_stats segments = {0};
    *out = (struct spv_filter_sync_stats){0};
    if (!fs)
        return;
    if (fs->segments)
        spv_segments_get_stats(fs->segments, &segments);
    out->begun = fs->begun;
    out->height = fs->height;
    out->stopped = fs->phase == SPV_FILTER_SYNC_STOPPED;
    out->disputing = spv_filter_sync_disputing(fs);
    out->added = fs->added;
    out->memory = sizeof *fs + segments.memory +
                  fs->n_agreed * (sizeof *fs->agreed + sizeof *fs->ends) +
                  fs->n_update * (sizeof *fs->headers + sizeof *fs->hashes) + fs->dispute.n_block;
    for (int i = 0; i < SPV_FILTER_MAX_BRANCHES; i++) {
        out->branches += fs->branch[i].n > 0;
        out->memory += fs->branch[i].cap * sizeof *fs->branch[i].diffs;
    }
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        out->peers += spv_filter_peer_serves(p);
        if (p->filters.answer)
            out->memory += sizeof *p->filters.answer +
                           p->filters.answer->n * sizeof p->filters.answer->values[0];
    }
}
