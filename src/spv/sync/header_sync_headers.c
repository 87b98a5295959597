/* Headers from peers, and what they show about the peer. This is the only file of header sync that
 * passes headers to the chain: those that a peer sent, those that have passed presync, and the
 * segments below the last checkpoint. The request for more is queued before the STORE effect, so
 * that the answer arrives while the disk is written. */
#include <string.h>

#include "spv/chain/chain_state.h"
#include "spv/sync/sync_state.h"
#include "util/u256.h"

/* The peer has no more headers: its claim is void, and requests may go to other peers. */
static void set_at_tip(struct spv_sync *s, struct spv_peer_entry *p)
{
    spv_presync_peers_forget(s, p);
    p->sync.at_tip = true;
    p->sync.excluded = SPV_WARN_NONE;
    p->sync.below = spv_sync_chain_below_tip(s, p);
    if (spv_u256_is_zero(&p->sync.last_answer_work))
        p->sync.last_answer_height = p->sync.claimed_height;
    p->sync.claim_valid = false;
    p->sync.was_useful = true;
    p->sync.partial = false;
    p->sync.waiting_since_us = 0;
    p->sync.overdue = false;
    if (s->sync_peer == p->id)
        s->sync_peer = 0;
    /* A peer that cannot show min_chain_work is disconnected. */
    if (!spv_sync_enough_work(s)) {
        const struct spv_chain_header *tip = spv_chain_tip(s->cfg.chain);
        spv_sync_on_low_work(s, p, tip->height, &tip->work);
    }
}

/* The block that was announced while a request was open may have come with the answer. A request
 * from our tip would then be met with silence by peers that never send empty headers (bcoin). */
static int update_recheck(struct spv_sync *s, struct spv_peer_entry *p)
{
    struct spv_chain_header known;
    if (!p->sync.recheck || spv_blockhash_is_zero(&p->sync.announced))
        return 0;
    const int rc = spv_chain_find(s->cfg.chain, &known, NULL, &p->sync.announced);
    if (rc == 1)
        p->sync.recheck = false;
    return rc < 0 ? rc : 0;
}

/* The peer's answer contained nothing new. It gets one more request when it claims more than our
 * tip or has announced a block meanwhile; else it is at its tip. */
static int no_more_headers(struct spv_sync *s, struct spv_peer_entry *p, struct spv_now now)
{
    const bool claims_more =
        p->sync.claim_valid && p->sync.claimed_height > spv_chain_tip(s->cfg.chain)->height;
    const int rc = update_recheck(s, p);
    if (rc < 0)
        return rc;
    if (!claims_more && !p->sync.recheck) {
        set_at_tip(s, p);
        return 0;
    }
    if (claims_more)
        p->sync.claim_valid = false; /* only one further request for a claim */
    return spv_sync_send_getheaders(s, p, NULL, now);
}

/* Returns whether these headers have moved the best chain; SYNCED then waits for this peer again.
 */
static bool tip_moved(struct spv_peer_entry *p, const struct spv_accept_result *v)
{
    const bool moved = v->update.kind == SPV_UPDATE_APPEND || v->update.kind == SPV_UPDATE_REORG;
    if (moved) {
        p->sync.waiting_since_us = 0;
        p->sync.overdue = false;
    }
    return moved;
}

/* Queues the effects of a chain update: STORE, and an event for the application. Queue the next
 * request before. */
static void emit_update(struct spv_sync *s, uint64_t peer, const struct spv_accept_result *v)
{
    if (v->update.kind == SPV_UPDATE_NONE)
        return;
    struct spv_effect *e = spv_effects_push(s->cfg.effects, SPV_EFFECT_STORE, peer);
    if (!e)
        return;
    e->update = v->update;
    s->storing = true;
    if (v->update.kind == SPV_UPDATE_BRANCH)
        return;
    const bool reorg = v->update.kind == SPV_UPDATE_REORG;
    s->headers_added += v->update.n;
    s->reorgs += reorg;
    struct spv_event *event = spv_sync_event(s->cfg.effects, s->cfg.chain,
                                             reorg ? SPV_EVENT_REORG : SPV_EVENT_PROGRESS, peer);
    if (event) {
        event->fork_height = v->update.fork_height;
        event->removed = v->update.removed;
        event->added = (uint32_t)v->update.n;
    }
}

/* Headers that are all known still require the next request when they end on a side branch, higher
 * than any before: after a restart the branch was loaded from the database, and the headers that
 * make it the best chain follow it. Heights only rise and branches are bounded, so this ends. 1, 0
 * or negative. */
static int extends_branch(const struct spv_sync *s, struct spv_peer_entry *p,
                          const struct spv_blockhash *last)
{
    struct spv_chain_header r;
    bool best = false;
    const int rc = spv_chain_find(s->cfg.chain, &r, &best, last);
    if (rc <= 0 || best || r.height <= p->sync.known_branch)
        return rc < 0 ? rc : 0;
    p->sync.known_branch = r.height;
    return 1;
}

/* Whether the message ends at the height in the peer's version message; a height of 0 is no claim.
 * 1, 0 or negative. */
static int reaches_claim(const struct spv_sync *s, const struct spv_peer_entry *p,
                         const struct spv_blockhash *last)
{
    struct spv_chain_header r;
    const int rc = spv_chain_find(s->cfg.chain, &r, NULL, last);
    return rc < 0 ? rc : rc == 1 && p->start_height > 0 && r.height >= p->start_height;
}

/* The peer may have more headers after `last`. It gets a request when it is the sync peer or
 * becomes it, or when it is overdue and so cannot become it. A peer whose answers are not full may
 * need many requests, so these are sent in parallel with those to the others, which may need one.
 */
static int request_more(struct spv_sync *s, struct spv_peer_entry *p,
                        const struct spv_blockhash *last, bool full, struct spv_now now)
{
    p->sync.at_tip = false;
    p->sync.partial = !full;
    if (p->sync.partial && s->sync_peer == p->id)
        s->sync_peer = 0;
    if (!p->sync.partial && !p->sync.overdue && !s->sync_peer)
        s->sync_peer = p->id;
    return s->sync_peer == p->id || p->sync.partial || p->sync.overdue
               ? spv_sync_send_getheaders(s, p, last, now)
               : 0;
}

enum headers_origin { ORIGIN_UNSOLICITED, ORIGIN_REQUESTED };

/* Updates the peer by the chain's result for its message, and sends the next request if there may
 * be more. Few headers that answer no request are an announcement, and while a request is open only
 * its answer shows that there are no more. */
static int after_headers(struct spv_sync *s, struct spv_peer_entry *p,
                         const struct spv_msg_headers *msg, enum headers_origin origin,
                         const struct spv_accept_result *v, struct spv_now now)
{
    if (v->error == SPV_ERR_HDR_TIME_FUTURE) {
        spv_sync_on_future_header(s, p, msg->headers[v->index].time, now);
        return 0;
    }
    if (v->error) {
        spv_sync_disconnect(s, p, v->error);
        return 0;
    }
    p->sync.was_useful |= v->accepted > 0;
    const bool moved = tip_moved(p, v);
    struct spv_blockhash last;
    spv_header_hash(&last, &msg->headers[msg->n - 1]);
    int rc = spv_sync_note_answer_end(s, p, &last);
    if (rc < 0)
        return rc;
    if (origin == ORIGIN_UNSOLICITED &&
        (msg->n <= SPV_SYNC_MAX_ANNOUNCED || spv_sync_request_open(p))) {
        p->sync.below = p->sync.at_tip && spv_sync_chain_below_tip(s, p);
        return 0;
    }
    const bool full = msg->n == SPV_MAX_HEADERS;
    const int onward = v->accepted ? 1 : extends_branch(s, p, &last);
    const int reached = onward > 0 && !full ? reaches_claim(s, p, &last) : 0;
    if (onward < 0 || reached < 0)
        return onward < 0 ? onward : reached;
    p->sync.n_no_new = onward ? 0 : p->sync.n_no_new + 1;
    /* Done when an answer has no new header, or when a short answer reaches the claimed height. */
    if (full ? p->sync.n_no_new > SPV_SYNC_MAX_NO_NEW : !onward || reached) {
        /* our tip has moved since the request was sent: known headers show nothing about the peer
         */
        const struct spv_blockhash *tip = &spv_chain_tip(s->cfg.chain)->hash;
        if (!onward && !full && !spv_blockhash_eq(&p->sync.request_tip, tip))
            return spv_sync_send_getheaders(s, p, NULL, now);
        return no_more_headers(s, p, now);
    }
    /* a side branch does not change the synced state, nor do a few headers */
    if (s->synced && moved && msg->n > SPV_SYNC_MAX_ANNOUNCED) {
        s->synced = false;
        spv_sync_event(s->cfg.effects, s->cfg.chain, SPV_EVENT_BEHIND, p->id);
    }
    if (full && moved) {
        rc = spv_sync_segments_resume(s, p, now);
        if (rc) {
            p->sync.at_tip = false;
            return rc < 0 ? rc : 0;
        }
    }
    return request_more(s, p, &last, full, now);
}

/* ---- presync ---- */

static void disconnect_in_presync(struct spv_sync *s, struct spv_peer_entry *p,
                                  const struct spv_presync_failure *failure, struct spv_now now)
{
    if (failure->error == SPV_ERR_LOW_WORK)
        spv_sync_on_low_work(s, p, failure->height, &failure->work);
    else if (failure->error == SPV_ERR_HDR_TIME_FUTURE)
        spv_sync_on_future_header(s, p, failure->time, now);
    else
        spv_sync_disconnect(s, p, failure->error);
}

void spv_sync_presync_timer(struct spv_sync *s, struct spv_now now)
{
    struct spv_presync_failure failure;
    struct spv_peer_entry *p = spv_presync_peers_timer(s, &failure, now);
    if (p)
        disconnect_in_presync(s, p, &failure, now);
}

/* The chain has accepted all of the peer's presynced headers: it may have more. */
static int presync_finished(struct spv_sync *s, struct spv_peer_entry *p,
                            const struct spv_blockhash *last, struct spv_now now)
{
    struct spv_chain_header r;
    const int rc = spv_chain_find(s->cfg.chain, &r, NULL, last);
    if (rc < 0)
        return rc;
    p->sync.at_tip = false;
    const int noted = spv_sync_note_answer_end(s, p, last);
    if (noted < 0)
        return noted;
    if (!s->sync_peer)
        s->sync_peer = p->id;
    return spv_sync_send_getheaders(s, p, rc == 1 ? last : NULL, now);
}

static int accept_presync_batch(struct spv_sync *s, const struct spv_presync_batch *batch,
                                struct spv_now now)
{
    struct spv_peer_entry *p = batch->peer;
    struct spv_accept_result v;
    const int rc = spv_chain_accept_presynced(s->cfg.chain, &v, batch->headers, batch->n, now);
    if (rc < 0)
        return rc;
    p->sync.was_useful |= v.accepted > 0;
    tip_moved(p, &v);
    emit_update(s, p->id, &v);
    s->presync_peers.presynced_by = spv_chain_has_presynced_branch(s->cfg.chain) ? p->id : 0;
    if (v.error) { /* it contradicts a checkpoint, or our chain has changed */
        const uint32_t time = batch->headers[v.index].time;
        spv_presync_peers_abort(s, p);
        if (v.error == SPV_ERR_HDR_TIME_FUTURE)
            spv_sync_on_future_header(s, p, time, now);
        else
            spv_sync_disconnect(s, p, v.error);
    }
    return s->cfg.effects->error;
}

int spv_sync_accept_presynced(struct spv_sync *s, struct spv_now now)
{
    struct spv_presync_batch batch;
    int rc = 0, ended = 0;
    while (!s->storing && (rc = spv_presync_peers_next_batch(s, &batch)) > 0) {
        rc = batch.n ? accept_presync_batch(s, &batch, now)
                     : presync_finished(s, batch.peer, &batch.last, now);
        if (rc < 0)
            break;
        ended |= !batch.peer->presync.slot;
    }
    return rc < 0 ? rc : ended;
}

/* ---- segments ---- */

/* Passes one batch to the chain. */
static int accept_segment(struct spv_sync *s, const struct spv_segments_batch *batch,
                          struct spv_now now)
{
    struct spv_peer_entry *p = spv_sync_find(s, batch->peer);
    struct spv_accept_result v;
    int rc = spv_chain_accept_hashed(s->cfg.chain, &v, batch->headers, batch->n, &batch->last, now);
    if (rc < 0)
        return rc;
    if (batch->post_checkpoint) { /* as any message past the last checkpoint */
        const struct spv_msg_headers msg = {.headers = batch->headers, .n = batch->n};
        s->fetching_segments = false;
        if (p)
            rc = after_headers(s, p, &msg, ORIGIN_REQUESTED, &v, now);
        emit_update(s, batch->peer, &v);
        spv_sync_segments_stop(s);
        return rc;
    }
    if (!v.error) {
        emit_update(s, batch->peer, &v);
        return spv_segments_consume(s->segments, now);
    }
    if (v.error == SPV_ERR_HDR_TIME_FUTURE)
        spv_sync_on_future_header(s, NULL, batch->headers[v.index].time, now);
    else if (batch->proven) /* the checkpoints themselves break the rules: use no segments */
        s->segments_disabled = true;
    else if (p)
        spv_sync_disconnect(s, p, v.error);
    spv_sync_segments_stop(s);
    emit_update(s, batch->peer, &v);
    return 0;
}

int spv_sync_accept_segments(struct spv_sync *s, struct spv_now now)
{
    struct spv_disconnect next;
    struct spv_segments_batch batch;
    int rc = 0;
    if (!s->segments)
        return 0;
    while (spv_segments_next_disconnect(s->segments, &next)) {
        struct spv_peer_entry *p = spv_sync_find(s, next.id);
        if (p)
            spv_sync_disconnect(s, p, next.error);
    }
    if (!s->fetching_segments)
        return 0;
    while (!rc && s->fetching_segments && !s->storing &&
           spv_segments_next_batch(s->segments, &batch, now))
        rc = accept_segment(s, &batch, now);
    if (rc < 0)
        return rc;
    if (s->fetching_segments &&
        (spv_segments_done(s->segments) || spv_segments_all_behind(s->segments)))
        spv_sync_segments_stop(s);
    return s->fetching_segments ? 0 : spv_sync_schedule(s, now);
}

/* ---- messages ---- */

/* The peer's best chain forks from ours below the first stored header. */
static int handle_fork_below_start(struct spv_sync *s, struct spv_peer_entry *p,
                                   const struct spv_msg_headers *msg)
{
    const bool useful = p->sync.was_useful;
    const int behind = spv_sync_on_fork_below_start(s, p, msg);
    if (behind == 1) {
        set_at_tip(s, p);
        p->sync.was_useful = useful;
    }
    return behind < 0 ? behind : 0;
}

/* Headers that do not connect to ours: an announcement, or an answer that lacks its first part. */
static int handle_unconnecting(struct spv_sync *s, struct spv_peer_entry *p, struct spv_now now)
{
    if (++p->sync.n_unconnecting > SPV_SYNC_MAX_UNCONNECTING) {
        spv_sync_disconnect(s, p, SPV_ERR_HDR_UNCONNECTING);
        return 0;
    }
    p->sync.at_tip = false;
    p->sync.recheck = spv_sync_request_open(p);
    p->sync.announced = (struct spv_blockhash){{0}};
    return spv_sync_request_open(p) ? 0 : spv_sync_send_getheaders(s, p, NULL, now);
}

static int handle_empty(struct spv_sync *s, struct spv_peer_entry *p,
                        const struct spv_msg_headers *msg, struct spv_now now)
{
    struct spv_presync_failure failure;
    if (!spv_sync_is_answer(p, msg))
        return 0;
    spv_sync_request_done(p, msg, now);
    int rc = spv_presync_peers_empty(s, p, &failure);
    if (rc == SPV_SYNC_NOT_HANDLED)
        rc = no_more_headers(s, p, now);
    else if (rc == SPV_SYNC_CONSUMED)
        set_at_tip(s, p);
    else
        disconnect_in_presync(s, p, &failure, now);
    return rc < 0 ? rc : spv_sync_schedule(s, now);
}

/* Headers for the chain: neither segments nor presync have consumed them. */
static int accept_headers(struct spv_sync *s, struct spv_peer_entry *p,
                          const struct spv_msg_headers *msg, bool presynced, struct spv_now now)
{
    const bool answer = spv_sync_is_answer(p, msg);
    struct spv_presync_failure failure;
    struct spv_accept_result v;
    int rc = presynced ? spv_chain_accept_presynced(s->cfg.chain, &v, msg->headers, msg->n, now)
                       : spv_chain_accept(s->cfg.chain, &v, msg->headers, msg->n, now);
    if (rc < 0)
        return rc;
    if (v.error == SPV_ERR_CHAIN_BRANCHES) {
        rc = spv_presync_peers_branch(s, p, &failure, msg, now);
        if (rc == SPV_SYNC_DISCONNECT)
            disconnect_in_presync(s, p, &failure, now);
        return rc < 0 ? rc : spv_sync_schedule(s, now);
    }
    if (v.error == SPV_ERR_FORK_BELOW_START && answer) {
        rc = handle_fork_below_start(s, p, msg);
        return rc < 0 ? rc : spv_sync_schedule(s, now);
    }
    if (v.error == SPV_ERR_HDR_UNCONNECTING || v.error == SPV_ERR_FORK_BELOW_START) {
        /* a late answer to another request: the checkpoint start requests lower headers */
        const bool late = msg->role == SPV_HEADERS_ANSWER && !answer;
        spv_sync_request_done(p, msg, now);
        return late ? 0 : handle_unconnecting(s, p, now);
    }
    p->sync.n_unconnecting = 0;
    spv_sync_request_done(p, msg, now);
    rc = after_headers(s, p, msg, answer ? ORIGIN_REQUESTED : ORIGIN_UNSOLICITED, &v, now);
    emit_update(s, p->id, &v);
    return rc ? rc : spv_sync_schedule(s, now);
}

static int handle_headers(struct spv_sync *s, struct spv_peer_entry *p,
                          const struct spv_msg_headers *msg, struct spv_now now)
{
    struct spv_presync_failure failure;
    int rc = spv_presync_peers_headers(s, p, &failure, msg, now);
    if (rc == SPV_SYNC_NOT_HANDLED || rc == SPV_SYNC_ACCEPT)
        return accept_headers(s, p, msg, rc == SPV_SYNC_ACCEPT, now);
    if (rc == SPV_SYNC_DISCONNECT)
        disconnect_in_presync(s, p, &failure, now);
    if (rc == SPV_SYNC_CONSUMED)
        rc = spv_sync_accept_presynced(s, now);
    return rc < 0 ? rc : spv_sync_schedule(s, now);
}

int spv_sync_headers(struct spv_sync *s, uint64_t id, const struct spv_msg_headers *msg,
                     struct spv_now now)
{
    struct spv_peer_entry *p = spv_sync_find(s, id);
    if (!p || p->sync.disconnect_error)
        return 0;
    const int rc = spv_sync_segments_headers(s, p, msg, now);
    if (rc == SPV_SYNC_NOT_HANDLED)
        return msg->n ? handle_headers(s, p, msg, now) : handle_empty(s, p, msg, now);
    if (rc == SPV_SYNC_DISCONNECT)
        spv_sync_disconnect(s, p, SPV_ERR_HDR_UNCONNECTING);
    return rc == SPV_SYNC_ACCEPT ? spv_sync_accept_segments(s, now) : rc < 0 ? rc : 0;
}

int spv_sync_inv(struct spv_sync *s, uint64_t id, const struct spv_msg_inv *msg, struct spv_now now)
{
    struct spv_peer_entry *p = spv_sync_find(s, id);
    if (!p || p->sync.disconnect_error)
        return 0;
    /* the last block suffices: inventories list blocks in the order of the chain */
    for (size_t i = msg->n; i-- > 0;) {
        if ((msg->items[i].type & ~SPV_INV_WITNESS) != SPV_INV_BLOCK)
            continue;
        struct spv_chain_header known;
        struct spv_blockhash hash;
        memcpy(hash.b, msg->items[i].hash.b, sizeof hash.b);
        const int rc = spv_chain_find(s->cfg.chain, &known, NULL, &hash);
        if (rc)
            return rc < 0 ? rc : 0;
        p->sync.at_tip = false;
        p->sync.recheck = spv_sync_request_open(p);
        p->sync.announced = hash;
        return spv_sync_busy(p) || s->sync_peer || s->fetching_segments
                   ? 0
                   : spv_sync_send_getheaders(s, p, NULL, now);
    }
    return 0;
}
