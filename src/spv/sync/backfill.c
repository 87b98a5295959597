/* The gap is fetched between the checkpoints below the first stored header, and up to the header
 * that the first stored one names as its previous hash. The headers are checked by a chain of their
 * own, and stored beside the main chain, not as part of it. After a restart it resumes above the
 * backfilled headers.
 *
 * Without checkpoints a peer may send headers of another chain up to the last one, which it cannot
 * forge; then, or when no peer has the backfilled headers, the backfill begins again at genesis. */
#include "spv/sync/backfill.h"

#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/chain/consensus.h"
#include "spv/sync/peer_table.h"

enum backfill_phase { PHASE_WAITING, PHASE_RUNNING, PHASE_COMPLETE };

/* Where the second chain begins. */
enum backfill_from { FROM_BACKFILL_DB, FROM_GENESIS };

struct spv_backfill {
    struct spv_backfill_config cfg;
    enum backfill_phase phase;
    struct spv_segments *segments; /* these three: NULL unless it runs */
    struct spv_chain *chain;
    struct spv_checkpoint *checkpoints; /* the last one is what the first stored header follows */
    size_t n_checkpoints;
    bool end_is_own_header; /* it is our own header, and no checkpoint */
    bool storing;
    size_t n_storing; /* headers in the update that is being stored */
    uint64_t added;
    struct spv_disconnect rejected; /* a peer whose headers the chain rejected; id 0: none */
};

/* The checkpoints below the first stored header, and the header that it follows. */
static int make_checkpoints(struct spv_backfill *b, const struct spv_chain_start *start)
{
    const struct spv_params *p = b->cfg.params;
    struct spv_chain_header first;
    size_t n = 0;
    int rc = spv_chain_header_at(b->cfg.chain, &first, start->height);

    if (rc <= 0)
        return rc < 0 ? rc : SPV_ERR_DB_DAMAGED;
    while (n < p->n_checkpoints && p->checkpoints[n].height < start->height)
        n++;
    b->checkpoints = calloc(n + 1, sizeof *b->checkpoints);
    if (!b->checkpoints)
        return SPV_ERR_NOMEM;
    if (n > 0)
        memcpy(b->checkpoints, p->checkpoints, n * sizeof *b->checkpoints);
    b->end_is_own_header = n == 0 || b->checkpoints[n - 1].height + 1 < start->height;
    if (b->end_is_own_header)
        b->checkpoints[n++] =
            (struct spv_checkpoint){.height = start->height - 1, .hash = first.header.prev};
    b->n_checkpoints = n;
    return 0;
}

static int open_chain(struct spv_backfill *b, enum backfill_from from)
{
    struct spv_chain_config cfg = {
        .params = b->cfg.params, .checkpoints = b->checkpoints, .n_checkpoints = b->n_checkpoints};

    if (from == FROM_BACKFILL_DB)
        cfg.header_db = b->cfg.backfill_db;
    spv_chain_free(b->chain);
    b->chain = NULL;
    return spv_chain_new(&b->chain, &cfg);
}

static int open_segments(struct spv_backfill *b, struct spv_now now)
{
    const struct spv_segments_config cfg = {.owner = SPV_SEGMENTS_OF_BACKFILL,
                                            .ops = &spv_segments_header_ops,
                                            .peers = b->cfg.peers,
                                            .params = b->cfg.params,
                                            .checkpoints = b->checkpoints,
                                            .n_checkpoints = b->n_checkpoints,
                                            .effects = b->cfg.effects,
                                            .timeout_us = b->cfg.timeout_us,
                                            .end_is_own_header = b->end_is_own_header};
    int rc = spv_segments_new(&b->segments, &cfg);

    for (struct spv_peer_entry *p = NULL; !rc && (p = spv_peer_table_next(b->cfg.peers, p));)
        rc = spv_segments_add(b->segments, p->id, now);
    return rc;
}

/* Fetches from the chain's tip on. */
static int fetch_from_tip(struct spv_backfill *b, struct spv_now now)
{
    const struct spv_chain_header *tip = spv_chain_tip(b->chain);
    const struct spv_checkpoint from = {.height = tip->height, .hash = tip->hash};

    return spv_segments_begin(b->segments, &from, b->checkpoints[b->n_checkpoints - 1].height, now);
}

static int begin_backfill(struct spv_backfill *b, struct spv_now now)
{
    struct spv_chain_start start;
    int rc;

    spv_chain_get_start(b->cfg.chain, &start);
    if (start.height == 0) {
        b->phase = PHASE_COMPLETE;
        return 0;
    }
    rc = make_checkpoints(b, &start);
    if (rc < 0)
        return rc;
    rc = open_chain(b, FROM_BACKFILL_DB);
    if (rc == SPV_ERR_DB_DAMAGED || rc == SPV_ERR_DB_CHECKPOINT)
        rc = open_chain(b, FROM_GENESIS); /* the backfilled headers will be replaced */
    if (rc < 0)
        return rc;
    b->phase = PHASE_RUNNING;
    rc = open_segments(b, now);
    return rc < 0 ? rc : fetch_from_tip(b, now);
}

/* No peer has the last backfilled header, and no checkpoint proves it. */
static bool backfill_diverged(const struct spv_backfill *b)
{
    const uint32_t tip = spv_chain_tip(b->chain)->height;

    if (tip == 0 || !spv_segments_all_behind(b->segments))
        return false;
    for (size_t i = 0; i < b->n_checkpoints; i++)
        if (b->checkpoints[i].height == tip)
            return false;
    return true;
}

/* The last header below the first stored one is known by our own chain alone. A chain that has
 * another one there has forked from ours below the start, which an honest peer's may have done. */
static int error_of(const struct spv_backfill *b, const struct spv_accept_result *v)
{
    const bool other = v->error == SPV_ERR_HDR_CHECKPOINT && b->end_is_own_header &&
                       v->height == b->checkpoints[b->n_checkpoints - 1].height;

    return other ? SPV_ERR_FORK_BELOW_START : v->error;
}

static int accept_batch(struct spv_backfill *b, const struct spv_segments_batch *batch)
{
    /* The stored chain commits to every header below it, so times need no check by our clock. */
    const struct spv_now any = {.unix_s = UINT32_MAX};
    struct spv_accept_result v;
    struct spv_effect *e;
    int rc = spv_chain_accept_hashed(b->chain, &v, batch->headers, batch->n, &batch->last, any);

    if (rc < 0)
        return rc;
    if (v.error && batch->proven)
        return SPV_ERR_INVALID; /* the checkpoints themselves break the rules */
    if (v.error)
        b->rejected = (struct spv_disconnect){.id = batch->peer, .error = error_of(b, &v)};
    if (v.update.kind == SPV_UPDATE_NONE)
        return 0;
    if (v.update.kind == SPV_UPDATE_BRANCH) {
        spv_chain_stored(b->chain); /* a side branch in the gap is not stored */
        return 0;
    }
    e = spv_effects_push(b->cfg.effects, SPV_EFFECT_STORE, 0);
    if (!e)
        return b->cfg.effects->error;
    e->update = v.update;
    e->update.kind = SPV_UPDATE_BACKFILL;
    b->n_storing = v.update.n;
    b->storing = true;
    return 0;
}

static int run_backfill(struct spv_backfill *b, struct spv_now now)
{
    struct spv_segments_batch batch;

    if (backfill_diverged(b)) {
        const int rc = open_chain(b, FROM_GENESIS);
        return rc < 0 ? rc : fetch_from_tip(b, now);
    }
    while (!b->storing && spv_segments_next_batch(b->segments, &batch, now)) {
        int rc = accept_batch(b, &batch);
        /* what was rejected is requested from other peers, above what was accepted */
        if (!rc)
            rc = b->rejected.id ? fetch_from_tip(b, now) : spv_segments_consume(b->segments, now);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- calls of the node ---- */

int spv_backfill_new(struct spv_backfill **out, const struct spv_backfill_config *cfg)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return SPV_ERR_NOMEM;
    (*out)->cfg = *cfg;
    return 0;
}

static void release_memory(struct spv_backfill *b)
{
    spv_segments_free(b->segments);
    b->segments = NULL;
    spv_chain_free(b->chain);
    b->chain = NULL;
    free(b->checkpoints);
    b->checkpoints = NULL;
    b->n_checkpoints = 0;
}

void spv_backfill_free(struct spv_backfill *b)
{
    if (!b)
        return;
    release_memory(b);
    free(b);
}

bool spv_backfill_storing(const struct spv_backfill *b)
{
    return b && b->storing;
}

const struct spv_segments *spv_backfill_segments(const struct spv_backfill *b)
{
    return b ? b->segments : NULL;
}

uint64_t spv_backfill_added(const struct spv_backfill *b)
{
    return b ? b->added : 0;
}

uint32_t spv_backfill_height(const struct spv_backfill *b)
{
    return b && b->chain ? spv_chain_tip(b->chain)->height : 0;
}

size_t spv_backfill_memory(const struct spv_backfill *b)
{
    struct spv_segments_stats stats = {0};

    if (!b)
        return 0;
    if (b->segments)
        spv_segments_get_stats(b->segments, &stats);
    return sizeof *b + stats.memory + b->n_checkpoints * sizeof *b->checkpoints +
           (b->chain ? spv_chain_memory(b->chain) : 0);
}

int spv_backfill_add(struct spv_backfill *b, uint64_t id, struct spv_now now)
{
    return b && b->segments ? spv_segments_add(b->segments, id, now) : 0;
}

int spv_backfill_remove(struct spv_backfill *b, uint64_t id, struct spv_now now)
{
    if (!b)
        return 0;
    if (b->rejected.id == id)
        b->rejected.id = 0;
    return b->segments ? spv_segments_remove(b->segments, id, now) : 0;
}

int spv_backfill_headers(struct spv_backfill *b, uint64_t id, const struct spv_msg_headers *msg,
                         struct spv_now now)
{
    return b && b->segments ? spv_segments_headers(b->segments, id, msg, now) : 0;
}

int spv_backfill_timer(struct spv_backfill *b, struct spv_now now)
{
    return b && b->segments ? spv_segments_timer(b->segments, now) : 0;
}

uint64_t spv_backfill_deadline(const struct spv_backfill *b)
{
    return b && b->segments ? spv_segments_deadline(b->segments) : SPV_NEVER;
}

int spv_backfill_next_disconnect(struct spv_backfill *b, struct spv_disconnect *out)
{
    if (!b)
        return 0;
    if (b->rejected.id) {
        *out = b->rejected;
        b->rejected.id = 0;
        return 1;
    }
    return b->segments ? spv_segments_next_disconnect(b->segments, out) : 0;
}

int spv_backfill_run(struct spv_backfill *b, bool synced, struct spv_now now)
{
    if (!b || b->storing)
        return 0;
    switch (b->phase) {
    case PHASE_WAITING:
        return synced ? begin_backfill(b, now) : 0;
    case PHASE_RUNNING:
        return run_backfill(b, now);
    case PHASE_COMPLETE:
        return 0;
    }
    return 0;
}

int spv_backfill_stored(struct spv_backfill *b)
{
    if (!b || !b->storing)
        return SPV_ERR_STATE;
    b->storing = false;
    b->added += b->n_storing;
    spv_chain_stored(b->chain);
    if (spv_chain_tip(b->chain)->height < b->checkpoints[b->n_checkpoints - 1].height)
        return 0;
    release_memory(b);
    b->phase = PHASE_COMPLETE;
    return 1;
}
