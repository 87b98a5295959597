/* Low-work header DoS protection, as in Bitcoin Core. Headers go to the chain at once where their
 * parent has enough work, or is below a checkpoint in force, which proves the chain. Otherwise
 * their peer gets a slot and its chain goes through two passes. Meanwhile it is not the sync peer,
 * and requests go to the others as if it were not there, so an endless chain delays no other peer.
 * Without a free slot the peer waits, and gets a new request when one is free.
 *
 * A chain on our tip must show the network's minimum work; a branch must also show more work than
 * our best chain: a branch that forks this low, or is this long, is useless until it wins. Nothing
 * of a first pass is stored, and an announcement during a pass does not count in it.
 *
 * The headers of a second pass go to the chain one message at a time, each stored before the next
 * one. The next request is sent before that, so that the answer is on its way meanwhile. */
#include "spv/sync/presync_peers.h"

#include <stdlib.h>
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/sync/sync_state.h"
#include "util/deadline.h"
#include "util/u256.h"

static struct spv_presync_peers_slot *free_slot(struct spv_sync *s)
{
    for (size_t i = 0; i < SPV_PRESYNC_PEERS_SLOTS; i++)
        if (!s->presync_peers.slot[i].peer)
            return &s->presync_peers.slot[i];
    return NULL;
}

/* Frees the slot: the peers that waited for one may get requests again. */
static void clear_slot(struct spv_sync *s, struct spv_presync_peers_slot *slot)
{
    bool used = false;

    slot->peer->presync.slot = NULL;
    spv_presync_end(&slot->presync);
    *slot = (struct spv_presync_peers_slot){0};
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));)
        p->presync.waiting = false;
    for (size_t i = 0; i < SPV_PRESYNC_PEERS_SLOTS; i++)
        used |= s->presync_peers.slot[i].peer != NULL;
    if (!used) {
        free(s->presync_peers.out);
        s->presync_peers.out = NULL;
    }
}

void spv_presync_peers_free(struct spv_sync *s)
{
    for (size_t i = 0; i < SPV_PRESYNC_PEERS_SLOTS; i++)
        if (s->presync_peers.slot[i].peer)
            clear_slot(s, &s->presync_peers.slot[i]);
}

/* Requests what follows the last header of the running pass. */
static int request_next(struct spv_sync *s, struct spv_peer_entry *p,
                        const struct spv_presync_peers_slot *slot, struct spv_now now)
{
    const struct spv_blockhash *last = spv_presync_last(&slot->presync);
    const struct spv_blockhash *start = &slot->presync.start.hash;
    struct spv_blockhash locator[SPV_MAX_LOCATOR];
    size_t n = 0;
    int rc;

    if (!spv_blockhash_eq(last, start))
        locator[n++] = *last;
    rc = spv_chain_locator(s->cfg.chain, locator + n, SPV_MAX_LOCATOR - n, start);
    if (rc == SPV_ERR_UNKNOWN_HASH) /* the start was in a side branch that was dropped since */
        rc = spv_chain_locator(s->cfg.chain, locator + n, SPV_MAX_LOCATOR - n, NULL);
    if (rc < 0)
        return rc;
    const uint64_t tag =
        spv_effects_send_getheaders(s->cfg.effects, p->id, locator, n + (size_t)rc);
    spv_sync_on_request_sent(s, p, tag, now);
    return s->cfg.effects->error;
}

/* ---- headers for the chain ---- */

int spv_presync_peers_next_batch(struct spv_sync *s, struct spv_presync_batch *out)
{
    for (size_t i = 0; i < SPV_PRESYNC_PEERS_SLOTS; i++) {
        struct spv_presync_peers_slot *slot = &s->presync_peers.slot[i];
        struct spv_peer_entry *p = slot->peer;
        if (!p || (slot->presync.phase != SPV_PRESYNC_PHASE_FINAL &&
                   spv_presync_n_ready(&slot->presync) == 0))
            continue;
        if (!s->presync_peers.out)
            s->presync_peers.out = malloc(SPV_MAX_HEADERS * sizeof *s->presync_peers.out);
        if (!s->presync_peers.out)
            return SPV_ERR_NOMEM;
        *out = (struct spv_presync_batch){.peer = p, .headers = s->presync_peers.out};
        out->n = spv_presync_pop_ready(&slot->presync, s->presync_peers.out, SPV_MAX_HEADERS);
        if (!out->n) {
            out->last = *spv_presync_last(&slot->presync);
            clear_slot(s, slot);
        }
        return 1;
    }
    return 0;
}

void spv_presync_peers_abort(struct spv_sync *s, const struct spv_peer_entry *p)
{
    if (p->presync.slot)
        clear_slot(s, p->presync.slot);
}

/* ---- headers from peers ---- */

/* The header is invalid. */
static int on_invalid(struct spv_sync *s, struct spv_presync_peers_slot *slot,
                      struct spv_presync_failure *failure, const struct spv_header *header,
                      int error)
{
    if (spv_err_class_of(error) == SPV_CLASS_LOCAL || spv_err_class_of(error) == SPV_CLASS_CALLER)
        return error;
    *failure = (struct spv_presync_failure){.error = error,
                                            .time = header->time,
                                            .height = slot->presync.ctx.parent.height,
                                            .work = slot->presync.ctx.work};
    clear_slot(s, slot);
    return SPV_SYNC_DISCONNECT;
}

/* Headers that continue the running pass. */
static int continue_pass(struct spv_sync *s, struct spv_peer_entry *p,
                         struct spv_presync_peers_slot *slot, struct spv_presync_failure *failure,
                         const struct spv_msg_headers *msg, struct spv_now now)
{
    size_t taken;
    int rc = spv_presync_take(&slot->presync, &taken, msg->headers, msg->n, now);

    if (rc < 0)
        return on_invalid(s, slot, failure, &msg->headers[taken], rc);
    p->sync.n_unconnecting = 0;
    spv_sync_request_done(p, msg, now);
    /* only an empty answer ends a chain */
    if (slot->presync.phase != SPV_PRESYNC_PHASE_FINAL)
        rc = request_next(s, p, slot, now);
    return rc < 0 ? rc : SPV_SYNC_CONSUMED;
}

/* Assigns a slot to the peer and begins the first pass with the headers after the known ones.
 * ACCEPT: this message shows enough work. */
static int begin_presync(struct spv_sync *s, struct spv_peer_entry *p,
                         struct spv_presync_failure *failure, const struct spv_header_ctx *start,
                         const struct spv_u256 *threshold, const struct spv_msg_headers *msg,
                         size_t known, struct spv_now now)
{
    struct spv_presync_peers_slot *slot = free_slot(s);
    const struct spv_header *headers = msg->headers + known;
    size_t taken;
    int rc;

    p->sync.at_tip = false;
    spv_sync_request_done(p, msg, now);
    if (s->sync_peer == p->id)
        s->sync_peer = 0;
    if (!slot) {
        p->presync.waiting = true;
        return SPV_SYNC_CONSUMED;
    }
    slot->peer = p;
    slot->begun_us = now.mono_us;
    p->presync.slot = slot;
    spv_presync_begin(&slot->presync, start, threshold, s->cfg.rng, now);
    rc = spv_presync_take(&slot->presync, &taken, headers, msg->n - known, now);
    if (rc < 0)
        return on_invalid(s, slot, failure, &headers[taken], rc);
    if (slot->presync.phase == SPV_PRESYNC_PHASE_REDOWNLOAD) {
        /* the whole chain is in this message: nothing has to be requested again */
        clear_slot(s, slot);
        return SPV_SYNC_ACCEPT;
    }
    p->sync.n_unconnecting = 0;
    rc = request_next(s, p, slot, now);
    return rc < 0 ? rc : SPV_SYNC_CONSUMED;
}

/* One unit more work than the best chain has. */
static struct spv_u256 best_work_plus_one(const struct spv_sync *s)
{
    const struct spv_u256 one = spv_u256_from_u64(1);

    return spv_u256_add(&spv_chain_tip(s->cfg.chain)->work, &one);
}

/* Begins presync of a peer without a slot if its headers require it. Returns an enum
 * spv_sync_result or negative. */
static int try_presync(struct spv_sync *s, struct spv_peer_entry *p,
                       struct spv_presync_failure *failure, const struct spv_msg_headers *msg,
                       struct spv_now now)
{
    const struct spv_chain *c = s->cfg.chain;
    const struct spv_chain_header *tip = spv_chain_tip(c);
    struct spv_u256 threshold = s->cfg.min_work;
    struct spv_chain_header parent;
    struct spv_header_ctx start;
    struct spv_chain_pos pos;
    struct spv_chain_start chain_start;
    size_t known;
    int rc;

    if (spv_blockhash_eq(&msg->headers[0].prev, &tip->hash) &&
        (spv_chain_below_checkpoint(c, tip->height) || spv_sync_enough_work(s)))
        return 0;
    rc = spv_chain_find_fork_point(c, &pos, &known, msg->headers, msg->n);
    if (rc <= 0 || known == msg->n || spv_chain_below_checkpoint(c, pos.height))
        return rc < 0 ? rc : 0;
    rc = spv_chain_header_at_pos(c, &parent, pos);
    if (rc == 1)
        rc = spv_chain_ctx_at(c, &start, pos);
    if (rc <= 0) /* the parent's ancestors are not known: the chain returns the error */
        return rc;
    spv_chain_get_start(c, &chain_start);
    if (pos.branch == SPV_MAIN_CHAIN && pos.height + 1 < chain_start.height)
        return 0; /* the database does not reach so low: the chain returns the error */
    if (spv_u256_cmp(&parent.work, &s->cfg.min_work) >= 0 ||
        (chain_start.work_since > 0 && spv_sync_enough_work(s)))
        return 0; /* work that is counted from a checkpoint is proven by the last checkpoint */
    if (pos.branch == SPV_MAIN_CHAIN && pos.height == tip->height) {
        if (spv_sync_enough_work(s))
            return 0;
    } else {
        const struct spv_u256 more = best_work_plus_one(s);
        if (spv_u256_cmp(&more, &threshold) > 0)
            threshold = more;
    }
    return begin_presync(s, p, failure, &start, &threshold, msg, known, now);
}

int spv_presync_peers_branch(struct spv_sync *s, struct spv_peer_entry *p,
                             struct spv_presync_failure *failure, const struct spv_msg_headers *msg,
                             struct spv_now now)
{
    const struct spv_u256 threshold = best_work_plus_one(s);
    struct spv_header_ctx start;
    struct spv_chain_pos pos;
    size_t known;
    int rc = spv_chain_find_fork_point(s->cfg.chain, &pos, &known, msg->headers, msg->n);

    if (rc == 1 && known < msg->n)
        rc = spv_chain_ctx_at(s->cfg.chain, &start, pos);
    if (rc <= 0 || known == msg->n)
        return rc < 0 ? rc : SPV_SYNC_CONSUMED;
    rc = begin_presync(s, p, failure, &start, &threshold, msg, known, now);
    /* the chain has already accepted a branch that wins with this message */
    return rc == SPV_SYNC_ACCEPT ? SPV_SYNC_CONSUMED : rc;
}

/* Another peer may have extended our chain past this threshold meanwhile. 1: then this pass is
 * pointless. */
static int chain_caught_up(struct spv_sync *s, struct spv_presync_peers_slot *slot)
{
    struct spv_presync *presync = &slot->presync;
    const struct spv_chain_header *tip = spv_chain_tip(s->cfg.chain);
    struct spv_chain_header ours;
    int rc;

    if (presync->phase != SPV_PRESYNC_PHASE_PRESYNC ||
        spv_u256_cmp(&tip->work, &presync->threshold) < 0 ||
        spv_u256_cmp(&tip->work, &presync->ctx.work) < 0)
        return 0;
    rc = spv_chain_header_at(s->cfg.chain, &ours, presync->ctx.parent.height);
    if (rc == 1 && spv_blockhash_eq(&ours.hash, &presync->ctx.hash))
        return 1;
    presync->threshold = best_work_plus_one(s);
    return rc < 0 ? rc : 0;
}

/* Headers of a peer with a slot that do not follow its last ones: an announcement, or the answer to
 * our request, whose chain has changed. NOT_HANDLED: the pass begins anew. */
static int handle_noncontinuing(struct spv_sync *s, struct spv_peer_entry *p,
                                struct spv_presync_peers_slot *slot,
                                struct spv_presync_failure *failure,
                                const struct spv_msg_headers *msg, struct spv_now now)
{
    struct spv_chain_pos pos;
    size_t known;
    int rc = spv_chain_find_fork_point(s->cfg.chain, &pos, &known, msg->headers, msg->n);

    if (rc <= 0 || known == msg->n)
        return rc < 0 ? rc : SPV_SYNC_CONSUMED;
    spv_sync_request_done(p, msg, now);
    if (slot->restarts == SPV_PRESYNC_PEERS_MAX_RESTARTS) {
        clear_slot(s, slot);
        *failure = (struct spv_presync_failure){.error = SPV_ERR_REDOWNLOAD_MISMATCH};
        return SPV_SYNC_DISCONNECT;
    }
    return SPV_SYNC_NOT_HANDLED;
}

int spv_presync_peers_headers(struct spv_sync *s, struct spv_peer_entry *p,
                              struct spv_presync_failure *failure,
                              const struct spv_msg_headers *msg, struct spv_now now)
{
    struct spv_presync_peers_slot *slot = p->presync.slot;
    unsigned restarts;
    int rc;

    if (!slot)
        return try_presync(s, p, failure, msg, now);
    rc = chain_caught_up(s, slot);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        clear_slot(s, slot);
        rc = spv_sync_send_getheaders(s, p, NULL, now);
        return rc < 0 ? rc : SPV_SYNC_CONSUMED;
    }
    if (spv_blockhash_eq(&msg->headers[0].prev, spv_presync_last(&slot->presync)))
        return continue_pass(s, p, slot, failure, msg, now);
    rc = handle_noncontinuing(s, p, slot, failure, msg, now);
    if (rc != SPV_SYNC_NOT_HANDLED)
        return rc;
    restarts = slot->restarts + 1;
    clear_slot(s, slot);
    rc = try_presync(s, p, failure, msg, now);
    if (p->presync.slot)
        p->presync.slot->restarts = restarts;
    return rc;
}

int spv_presync_peers_empty(struct spv_sync *s, struct spv_peer_entry *p,
                            struct spv_presync_failure *failure)
{
    struct spv_presync_peers_slot *slot = p->presync.slot;

    if (!slot)
        return SPV_SYNC_NOT_HANDLED;
    const bool first = slot->presync.phase == SPV_PRESYNC_PHASE_PRESYNC;
    const bool enough = spv_u256_cmp(&slot->presync.ctx.work, &s->cfg.min_work) >= 0;
    p->sync.last_answer_work = slot->presync.ctx.work;
    p->sync.last_answer_height = slot->presync.ctx.parent.height;
    clear_slot(s, slot);
    /* A peer that cannot show min_chain_work is disconnected, one that has no better chain is not.
     */
    if (first && enough)
        return SPV_SYNC_CONSUMED;
    *failure = (struct spv_presync_failure){.error = first ? SPV_ERR_LOW_WORK
                                                           : SPV_ERR_REDOWNLOAD_MISMATCH,
                                            .height = p->sync.last_answer_height,
                                            .work = p->sync.last_answer_work};
    return SPV_SYNC_DISCONNECT;
}

void spv_presync_peers_forget(struct spv_sync *s, struct spv_peer_entry *p)
{
    if (p->presync.slot)
        clear_slot(s, p->presync.slot);
    if (s->presync_peers.presynced_by == p->id) {
        s->presync_peers.presynced_by = 0;
        spv_chain_release_presynced_branch(s->cfg.chain);
    }
}

/* ---- time and memory ---- */

static bool any_peer_waits(const struct spv_sync *s)
{
    for (struct spv_peer_entry *p = NULL; (p = spv_sync_next_peer(s, p));)
        if (p->presync.waiting && !p->sync.disconnect_error)
            return true;
    return false;
}

uint64_t spv_presync_peers_deadline(const struct spv_sync *s)
{
    uint64_t first = SPV_NEVER;

    for (size_t i = 0; i < SPV_PRESYNC_PEERS_SLOTS; i++) {
        const struct spv_presync_peers_slot *slot = &s->presync_peers.slot[i];
        if (slot->peer)
            first = spv_min_deadline(first, slot->begun_us + SPV_PRESYNC_PEERS_SLOT_US);
    }
    return first != SPV_NEVER && any_peer_waits(s) ? first : SPV_NEVER;
}

struct spv_peer_entry *spv_presync_peers_timer(struct spv_sync *s,
                                               struct spv_presync_failure *failure,
                                               struct spv_now now)
{
    if (!any_peer_waits(s))
        return NULL;
    for (size_t i = 0; i < SPV_PRESYNC_PEERS_SLOTS; i++) {
        struct spv_presync_peers_slot *slot = &s->presync_peers.slot[i];
        struct spv_peer_entry *p = slot->peer;
        if (!p || slot->begun_us + SPV_PRESYNC_PEERS_SLOT_US > now.mono_us)
            continue;
        *failure = (struct spv_presync_failure){.error = SPV_ERR_LOW_WORK,
                                                .height = slot->presync.ctx.parent.height,
                                                .work = slot->presync.ctx.work};
        clear_slot(s, slot);
        return p; /* one slot is enough, unless a peer still waits at the next timer */
    }
    return NULL;
}

size_t spv_presync_peers_memory(const struct spv_sync *s)
{
    size_t n = s->presync_peers.out ? SPV_MAX_HEADERS * sizeof *s->presync_peers.out : 0;

    for (size_t i = 0; i < SPV_PRESYNC_PEERS_SLOTS; i++)
        n += spv_presync_memory(&s->presync_peers.slot[i].presync);
    return n;
}
