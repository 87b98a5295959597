/* A dispute is about one range of heights: at `low` the filter headers of both sides are equal (or
 * known, where a branch is compared), at `high` they differ. One side has our filter headers, the
 * other one those of the challenger.
 *
 *     CHECKPOINTS   a long range is narrowed down by their cfcheckpt to 1,000 heights
 *     HASHES        the filter hashes of both sides; a peer whose hashes do not lead from its
 *                   filter header of low to that of high contradicts itself
 *     PROVE         at the first heights where hashes differ: both filters and the block
 *
 * Every peer that committed to a filter that is proven invalid is banned. When nothing is proven,
 * the hashes of the other side become a filter branch, and its peers no longer vote. There is one
 * dispute at a time. */
#include <stdlib.h>

#include "spv/filters/filter_sync_state.h"

void spv_filter_dispute_end(struct spv_filter_sync *fs)
{
    struct spv_filter_dispute *d = &fs->dispute;
    spv_filter_prove_clear(d);
    for (int i = 0; i < 2; i++) {
        free(d->side[i].hashes);
        d->side[i].hashes = NULL;
    }
    d->step = SPV_FILTER_DISPUTE_NONE;
    d->branch = -1;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        p->filters.side = SPV_FILTER_SIDE_NONE;
}

/* ---- begin ---- */

static void open_dispute(struct spv_filter_sync *fs, uint64_t challenger, uint32_t low,
                         uint32_t high)
{
    struct spv_filter_dispute *d = &fs->dispute;
    const uint64_t serial = (d->serial + 1) | SPV_FILTER_OF_DISPUTE;
    spv_filter_prove_clear(d);
    *d = (struct spv_filter_dispute){.step = high - low > SPV_FILTER_MAX_VOTE_HEIGHTS
                                                 ? SPV_FILTER_DISPUTE_CHECKPOINTS
                                                 : SPV_FILTER_DISPUTE_HASHES,
                                     .serial = serial,
                                     .challenger = challenger,
                                     .low = low,
                                     .high = high,
                                     .branch = -1,
                                     .proofs_left = SPV_FILTER_MAX_BRANCH_PROOFS,
                                     .block_until_us = SPV_NEVER};
    d->side[0].until_us = d->side[1].until_us = SPV_NEVER;
}

void spv_filter_dispute_begin(struct spv_filter_sync *fs, uint64_t challenger,
                              const struct spv_filter_checkpoint *low,
                              const struct spv_filter_checkpoint *ours,
                              const struct spv_filter_header *theirs)
{
    struct spv_filter_dispute *d = &fs->dispute;
    open_dispute(fs, challenger, low->height, ours->height);
    d->our_low = d->their_low = low->header;
    d->our_high = ours->header;
    d->their_high = *theirs;
    d->their_high_known = true;
}

static int copy_hashes(struct spv_filter_dispute_side *s, const struct spv_hash256 *hashes,
                       size_t n)
{
    s->hashes = malloc(n * sizeof *s->hashes);
    if (!s->hashes)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        s->hashes[i] = spv_filter_hash_of(&hashes[i]);
    return 0;
}

int spv_filter_dispute_set_hashes(struct spv_filter_sync *fs, const struct spv_hash256 *ours,
                                  const struct spv_hash256 *theirs)
{
    struct spv_filter_dispute *d = &fs->dispute;
    const size_t n = d->high - d->low;
    int rc = ours ? copy_hashes(&d->side[0], ours, n) : 0;
    if (!rc && theirs)
        rc = copy_hashes(&d->side[1], theirs, n);
    return rc;
}

int spv_filter_dispute_begin_branch(struct spv_filter_sync *fs, int index, struct spv_peer_entry *p)
{
    const struct spv_filter_branch *b = &fs->branch[index];
    struct spv_filter_dispute *d = &fs->dispute;
    uint32_t high = b->top_height + SPV_FILTER_MAX_VOTE_HEIGHTS;
    if (high > fs->height)
        high = fs->height;
    open_dispute(fs, p->id, b->top_height, high);
    d->branch = index;
    d->their_low = b->top;
    d->proofs_left = b->proofs_left;
    for (struct spv_peer_entry *q = NULL; (q = spv_peer_table_next(fs->cfg.peers, q));) {
        if (q->filters.branch == (unsigned)index + 1)
            q->filters.side = SPV_FILTER_THEIRS;
        else if (q->filters.agrees && q->filters.agrees_height >= high)
            q->filters.side = SPV_FILTER_OURS;
    }
    int rc = spv_filter_headers_at(fs, &d->our_low, d->low);
    if (rc > 0)
        rc = spv_filter_headers_at(fs, &d->our_high, d->high);
    return rc < 0 ? rc : 0;
}

/* ---- outcomes ---- */

static void ban_side(struct spv_filter_sync *fs, enum spv_filter_side side)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (p->filters.side == side)
            spv_filter_peers_disconnect(p, SPV_ERR_FILTER_INVALID);
}

/* The filter of one side, or those of both, are proven invalid at the tested height. */
static int dispute_ban_invalid_side(struct spv_filter_sync *fs, const bool is_invalid[2])
{
    struct spv_filter_dispute *d = &fs->dispute;
    const int branch = d->branch;
    uint32_t from = d->at;
    for (int i = 0; i < 2; i++) {
        if (!is_invalid[i])
            continue;
        spv_filter_headers_add_invalid(fs, d->at, &d->side[i].hashes[d->at - d->low - 1]);
        ban_side(fs, i == 0 ? SPV_FILTER_OURS : SPV_FILTER_THEIRS);
    }
    /* the hashes of that side at lower heights, which differ from the branch, have no support
     * either */
    if (is_invalid[0] && branch >= 0)
        from = fs->branch[branch].diffs[0].height;
    spv_filter_dispute_end(fs);
    if (branch >= 0)
        spv_filter_branches_remove(fs, branch);
    spv_filter_votes_restart(fs);
    return is_invalid[0] ? spv_filter_rollback_stored(fs, from) : 0;
}

/* Nothing could be proven: the hashes of the other side become a branch beside ours. */
static int keep_both(struct spv_filter_sync *fs)
{
    struct spv_filter_dispute *d = &fs->dispute;
    const int index = spv_filter_branches_add(fs, d->branch, d);
    if (index < 0 && index != SPV_ERR_TOO_MANY)
        return index;
    uint32_t first = d->low + 1;
    while (first < d->high && spv_filter_hash_eq(&d->side[0].hashes[first - d->low - 1],
                                                 &d->side[1].hashes[first - d->low - 1]))
        first++;
    if (index >= 0)
        fs->branch[index].proofs_left = d->proofs_left;
    if (!fs->warned_disputed && d->branch < 0)
        spv_filter_headers_warn(fs, SPV_WARN_FILTERS_DISPUTED, d->challenger, first);
    fs->warned_disputed |= d->branch < 0;
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        if (p->filters.side != SPV_FILTER_THEIRS)
            continue;
        if (index >= 0)
            p->filters.branch = (unsigned)index + 1;
        else
            p->filters.silent_until_us = SPV_NEVER; /* no branch slot is free: the peer gets no
                                                       request for filter headers again */
        p->filters.agrees = false;
        spv_filter_votes_forget(p);
    }
    if (index >= 0)
        spv_filter_branches_join(fs, index);
    spv_filter_dispute_end(fs);
    return 0;
}

/* Ends the dispute: no peer of a side can get requests any more. */
static int dispute_give_up(struct spv_filter_sync *fs, enum spv_filter_side side,
                           struct spv_now now)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));) {
        if (p->filters.side != side)
            continue;
        if (p->filters.silent_until_us <= now.mono_us)
            p->filters.silent_until_us = now.mono_us + SPV_FILTER_SILENT_US;
        spv_filter_votes_forget(p);
    }
    spv_filter_dispute_end(fs);
    return 0;
}

/* ---- CHECKPOINTS ---- */

/* Sends a request to a peer of a side. 1: it was sent, or an answer or a peer is awaited; 0: no
 * peer of the side can get it. */
static int request_from_side(struct spv_filter_sync *fs, int side, struct spv_filter_request r,
                             struct spv_now now)
{
    struct spv_filter_dispute *d = &fs->dispute;
    struct spv_filter_dispute_side *s = &d->side[side];
    bool wait;
    if (s->peer && s->until_us > now.mono_us)
        return 1;
    if (s->peer) {
        struct spv_peer_entry *late = spv_peer_table_find(fs->cfg.peers, s->peer);
        if (late)
            late->filters.silent_until_us = now.mono_us + SPV_FILTER_SILENT_US;
    }
    s->peer = 0;
    s->until_us = SPV_NEVER;
    struct spv_peer_entry *p = spv_filter_prove_peer(
        fs, side == 0 ? SPV_FILTER_OURS : SPV_FILTER_THEIRS, r.stop, &wait, now);
    if (!p)
        return wait;
    const int rc = spv_filter_headers_block(fs, &r.stop_block, r.stop);
    if (rc < 0)
        return rc;
    r.serial = d->serial;
    spv_filter_requests_send(fs->cfg.effects, p, &r);
    s->peer = p->id;
    s->until_us = now.mono_us + SPV_FILTER_TIMEOUT_US;
    return fs->cfg.effects->error < 0 ? fs->cfg.effects->error : 1;
}

static int run_checkpoints(struct spv_filter_sync *fs, struct spv_now now)
{
    const struct spv_filter_dispute *d = &fs->dispute;
    const struct spv_filter_request r = {.command = SPV_CMD_GETCFCHECKPT,
                                         .stop = d->high / SPV_CFCHECKPT_INTERVAL *
                                                 SPV_CFCHECKPT_INTERVAL};
    const int rc = request_from_side(fs, 1, r, now);
    return rc == 0 ? dispute_give_up(fs, SPV_FILTER_THEIRS, now) : rc;
}

/* Sets low and high to the first two neighbouring checkpoints between which their filter headers
 * begin to differ from ours. */
static int dispute_narrow_range(struct spv_filter_sync *fs, const struct spv_msg_cfcheckpt *msg)
{
    struct spv_filter_dispute *d = &fs->dispute;
    for (size_t i = 0; i < msg->n; i++) {
        const uint32_t height = (uint32_t)(i + 1) * SPV_CFCHECKPT_INTERVAL;
        struct spv_filter_header ours;
        const struct spv_filter_header theirs = spv_filter_header_of(&msg->headers[i]);
        if (height <= d->low || height >= d->high)
            continue;
        const int rc = spv_filter_headers_at(fs, &ours, height);
        if (rc <= 0)
            return rc;
        if (!spv_filter_header_eq(&ours, &theirs)) {
            d->high = height;
            d->our_high = ours;
            d->their_high = theirs;
            break;
        }
        d->low = height;
        d->our_low = d->their_low = ours;
    }
    d->step = SPV_FILTER_DISPUTE_HASHES;
    return 0;
}

/* ---- HASHES ---- */

static const struct spv_filter_header *side_low(const struct spv_filter_dispute *d, int side)
{
    return side == 0 ? &d->our_low : &d->their_low;
}

/* Our hashes from the database, when all are known there. */
static int read_our_hashes(struct spv_filter_sync *fs)
{
    struct spv_filter_dispute *d = &fs->dispute;
    const uint32_t n = d->high - d->low;
    struct spv_filter_hash *hashes;
    if (d->high > fs->height || d->low < fs->start_height)
        return 0;
    hashes = malloc(n * sizeof *hashes);
    if (!hashes)
        return SPV_ERR_NOMEM;
    const int rc = spv_filter_headers_hashes(fs, hashes, d->low + 1, n);
    if (rc == (int)n)
        d->side[0].hashes = hashes;
    else
        free(hashes);
    return rc < 0 ? rc : 0;
}

/* The filter hashes from a peer of a side. */
static int take_hashes(struct spv_filter_sync *fs, struct spv_peer_entry *p, int side,
                       const struct spv_msg_cfheaders *msg)
{
    struct spv_filter_dispute *d = &fs->dispute;
    struct spv_filter_header header = spv_filter_header_of(&msg->prev);
    const bool begins = spv_filter_header_eq(&header, side_low(d, side));
    for (size_t i = 0; i < msg->n; i++) {
        const struct spv_filter_hash hash = spv_filter_hash_of(&msg->hashes[i]);
        spv_filter_compute_header(&header, &hash, &header);
    }
    const bool known = side == 0 || d->their_high_known;
    if (!begins && side == 1 && spv_filter_headers_built_in(fs, d->low)) {
        p->filters.contradicts_built_in = true;
        p->filters.side = SPV_FILTER_SIDE_NONE;
        d->side[1].peer = 0;
        d->side[1].until_us = SPV_NEVER;
        return 0;
    }
    if (!begins ||
        (known && !spv_filter_header_eq(&header, side == 0 ? &d->our_high : &d->their_high))) {
        spv_filter_peers_disconnect(p, SPV_ERR_FILTER_CONTRADICTION);
        d->side[side].peer = 0;
        d->side[side].until_us = SPV_NEVER;
        return 0;
    }
    if (side == 1)
        d->their_high = header;
    d->side[side].peer = 0;
    d->side[side].until_us = SPV_NEVER;
    return copy_hashes(&d->side[side], msg->hashes, msg->n);
}

/* The next height above `at` where the hashes differ; 0: none. */
static uint32_t next_difference(const struct spv_filter_dispute *d)
{
    for (uint32_t h = d->at > d->low ? d->at + 1 : d->low + 1; h <= d->high; h++)
        if (!spv_filter_hash_eq(&d->side[0].hashes[h - d->low - 1],
                                &d->side[1].hashes[h - d->low - 1]))
            return h;
    return 0;
}

/* Tests the next height where the hashes differ; when there is none, or enough were tested, keeps
 * both. */
static int test_next(struct spv_filter_sync *fs)
{
    struct spv_filter_dispute *d = &fs->dispute;
    d->at = next_difference(d);
    if (!d->at || !d->proofs_left)
        return keep_both(fs);
    d->proofs_left--;
    d->step = SPV_FILTER_DISPUTE_PROVE;
    spv_filter_prove_clear(d);
    return spv_filter_headers_block(fs, &d->block, d->at);
}

static int run_hashes(struct spv_filter_sync *fs, struct spv_now now)
{
    struct spv_filter_dispute *d = &fs->dispute;
    const struct spv_filter_request r = {
        .command = SPV_CMD_GETCFHEADERS, .start = d->low + 1, .stop = d->high};
    int rc = d->side[0].hashes ? 0 : read_our_hashes(fs);
    for (int i = 1; rc >= 0 && i >= 0; i--) {
        if (d->side[i].hashes)
            continue;
        rc = request_from_side(fs, i, r, now);
        if (rc == 0) /* without hashes to compare the stored ones stay */
            return dispute_give_up(
                fs, i == 0 && d->high > fs->height ? SPV_FILTER_OURS : SPV_FILTER_THEIRS, now);
    }
    if (rc < 0 || !d->side[0].hashes || !d->side[1].hashes)
        return rc < 0 ? rc : 0;
    return test_next(fs);
}

/* ---- PROVE ---- */

static int run_prove(struct spv_filter_sync *fs, struct spv_now now)
{
    bool is_invalid[2];
    int rc = spv_filter_prove_fetch(fs, now);
    if (rc <= 0)
        return rc;
    rc = spv_filter_prove_test(fs, is_invalid);
    if (rc < 0)
        return rc;
    return is_invalid[0] || is_invalid[1] ? dispute_ban_invalid_side(fs, is_invalid)
                                          : test_next(fs);
}

/* ---- the steps together ---- */

static bool has_side(const struct spv_filter_sync *fs, enum spv_filter_side side)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (p->filters.side == side && !p->filters.disconnect_error && !p->sync.disconnect_error)
            return true;
    return false;
}

int spv_filter_dispute_run(struct spv_filter_sync *fs, struct spv_now now)
{
    enum spv_filter_dispute_step before;
    int rc = 0;
    do {
        if (fs->dispute.step && !has_side(fs, SPV_FILTER_THEIRS))
            spv_filter_dispute_end(fs); /* no peer of that side is left */
        before = fs->dispute.step;
        switch (before) {
        case SPV_FILTER_DISPUTE_NONE:
            return 0;
        case SPV_FILTER_DISPUTE_CHECKPOINTS:
            rc = run_checkpoints(fs, now);
            break;
        case SPV_FILTER_DISPUTE_HASHES:
            rc = run_hashes(fs, now);
            break;
        case SPV_FILTER_DISPUTE_PROVE:
            rc = run_prove(fs, now);
            break;
        }
    } while (rc >= 0 && fs->dispute.step != before);
    return rc < 0 ? rc : fs->dispute.step != SPV_FILTER_DISPUTE_NONE;
}

int spv_filter_dispute_recv(struct spv_filter_sync *fs, struct spv_peer_entry *p,
                            const struct spv_filter_request *r, const struct spv_msg *msg)
{
    struct spv_filter_dispute *d = &fs->dispute;
    if (r->serial != d->serial || d->step == SPV_FILTER_DISPUTE_NONE)
        return 0; /* of an earlier dispute */
    if (msg->command == SPV_CMD_CFILTER)
        return spv_filter_prove_recv(fs, p, &msg->u.cfilter);
    if (msg->command == SPV_CMD_CFCHECKPT && d->step == SPV_FILTER_DISPUTE_CHECKPOINTS &&
        d->side[1].peer == p->id) {
        d->side[1].peer = 0;
        d->side[1].until_us = SPV_NEVER;
        return dispute_narrow_range(fs, &msg->u.cfcheckpt);
    }
    if (msg->command != SPV_CMD_CFHEADERS || d->step != SPV_FILTER_DISPUTE_HASHES)
        return 0;
    for (int i = 0; i < 2; i++)
        if (d->side[i].peer == p->id && !d->side[i].hashes)
            return take_hashes(fs, p, i, &msg->u.cfheaders);
    return 0;
}

uint64_t spv_filter_dispute_deadline(const struct spv_filter_sync *fs, struct spv_now now)
{
    const struct spv_filter_dispute *d = &fs->dispute;
    uint64_t first = SPV_NEVER;
    if (d->step == SPV_FILTER_DISPUTE_NONE)
        return SPV_NEVER;
    if (!d->block_bytes)
        first = spv_filter_earlier(first, d->block_until_us, now);
    for (int i = 0; i < 2; i++)
        first = spv_filter_earlier(first, d->side[i].until_us, now);
    for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(fs->cfg.peers, p));)
        if (p->filters.side)
            first = spv_filter_earlier(first, spv_filter_peers_deadline(p), now);
    return first;
}
