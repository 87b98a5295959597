/* The internals of header sync, shared by its source files. Each file calls only those above it:
 *
 *   sync_peers.c           the peers of header sync, those to be disconnected, getheaders, events
 *   presync_peers.c        low-work chains (presync_peers.h)
 *   sync_segments.c        segments up to the last checkpoint
 *   sync_warnings.c        answers that neither extend our chain nor end the search
 *   synced.c               SYNCED or not
 *   sync_sched.c           which peer gets the next request
 *   header_sync_headers.c  messages, and all that the chain accepts
 *   header_sync.c          the calls of the node */
#ifndef SPV_SPV_SYNC_SYNC_STATE_H
#define SPV_SPV_SYNC_SYNC_STATE_H

#include "spv/sync/header_sync.h"
#include "spv/sync/peer_table.h"

#define SPV_SYNC_MAX_ANNOUNCED 8 /* BIP130 peers announce at most 8 headers; more is an answer */

static inline bool spv_sync_request_open(const struct spv_peer_entry *p)
{
    return p->sync.request_tag != 0;
}

/* SYNCED waits for its answer. */
static inline bool spv_sync_is_waited_for(const struct spv_peer_entry *p)
{
    return !p->sync.disconnect_error && spv_sync_request_open(p) && !p->sync.overdue;
}

/* The message answers the peer's open request: not an earlier one that was replaced, nor one of the
 * checkpoint start, the backfill or the segments. */
static inline bool spv_sync_is_answer(const struct spv_peer_entry *p,
                                      const struct spv_msg_headers *msg)
{
    return msg->role == SPV_HEADERS_ANSWER && msg->tag && msg->tag == p->sync.request_tag;
}

/* A request to the peer is open, or it is in presync. */
static inline bool spv_sync_busy(const struct spv_peer_entry *p)
{
    return spv_sync_request_open(p) || p->presync.slot || p->presync.waiting;
}

/* The peer gets no request now: it has no better chain, or one that cannot be accepted. */
static inline bool spv_sync_answered(const struct spv_peer_entry *p)
{
    return p->sync.at_tip || p->sync.excluded;
}

/* The peer after `after` (NULL: the first) that was added to header sync, or NULL. */
static inline struct spv_peer_entry *spv_sync_next_peer(const struct spv_sync *s,
                                                        const struct spv_peer_entry *after)
{
    struct spv_peer_entry *p = spv_peer_table_next(s->cfg.peers, after);
    while (p && !p->sync.added)
        p = spv_peer_table_next(s->cfg.peers, p);
    return p;
}

/* sync_peers.c */
/* NULL: no such peer was added to header sync. */
struct spv_peer_entry *spv_sync_find(const struct spv_sync *s, uint64_t id);
/* Whether there is another peer that is not being disconnected. */
bool spv_sync_has_other_peers(const struct spv_sync *s, const struct spv_peer_entry *p);
/* The node disconnects it after this input; a MISBEHAVING error bans it. Counts misbehaviour and
 * stalls. */
void spv_sync_disconnect(struct spv_sync *s, struct spv_peer_entry *p, int error);
/* The peer has answered every request, and does not count towards SYNCED for this reason; the
 * numbers of the warning are in its entry. Cleared by the next request to it. */
void spv_sync_exclude(struct spv_sync *s, struct spv_peer_entry *p, enum spv_warning why);
/* Sends getheaders from `from`, or from our tip when it is NULL. */
int spv_sync_send_getheaders(struct spv_sync *s, struct spv_peer_entry *p,
                             const struct spv_blockhash *from, struct spv_now now);
/* A getheaders was queued for it: its timeout starts. It replaces an open one, whose answer is then
 * treated as unsolicited. */
void spv_sync_on_request_sent(struct spv_sync *s, struct spv_peer_entry *p, uint64_t tag,
                              struct spv_now now);
/* Closes the open request if this message answers it. */
void spv_sync_request_done(struct spv_peer_entry *p, const struct spv_msg_headers *msg,
                           struct spv_now now);
bool spv_sync_enough_work(const struct spv_sync *s);
/* Its answer ended with this header. 0 or negative. */
int spv_sync_note_answer_end(struct spv_sync *s, struct spv_peer_entry *p,
                             const struct spv_blockhash *last);

/* sync_segments.c: all do nothing where no checkpoint is ahead. */
int spv_sync_segments_new(struct spv_sync *s, struct spv_now now);
/* Fetches segments from our tip on, if a checkpoint is ahead. */
int spv_sync_segments_begin(struct spv_sync *s, struct spv_now now);
void spv_sync_segments_stop(struct spv_sync *s);
int spv_sync_segments_add(struct spv_sync *s, uint64_t id, struct spv_now now);
/* The peer has finished a segment. */
bool spv_sync_segments_useful(const struct spv_sync *s, uint64_t id);
void spv_sync_segments_remove(struct spv_sync *s, uint64_t id, struct spv_now now);
/* Returns an enum spv_sync_result: ACCEPT: an answer to a segment request (call
 * spv_sync_accept_segments); CONSUMED: no use for it while segments are fetched; DISCONNECT: the
 * peer sends unsolicited headers. Negative: failed. */
int spv_sync_segments_headers(struct spv_sync *s, struct spv_peer_entry *p,
                              const struct spv_msg_headers *msg, struct spv_now now);
/* A peer has moved our tip by headers of its own: 1 when segments are fetched from there. */
int spv_sync_segments_resume(struct spv_sync *s, const struct spv_peer_entry *p,
                             struct spv_now now);

/* sync_warnings.c */
/* Fills in the peer's part of a WARNING or UNRESOLVED event. */
void spv_sync_describe_warning(const struct spv_sync *s, struct spv_event *event,
                               const struct spv_peer_entry *p, enum spv_warning why);
/* Emits a WARNING about this peer, once for each tip. */
void spv_sync_warn(struct spv_sync *s, struct spv_peer_entry *p, enum spv_warning why);
/* Its answer forks from our chain below the first stored header, where it cannot be validated
 * (SPV_ERR_FORK_BELOW_START). 1: its chain is shorter than that, and the peer is at its tip; 0: it
 * is excluded; negative: failed. */
int spv_sync_on_fork_below_start(struct spv_sync *s, struct spv_peer_entry *p,
                                 const struct spv_msg_headers *msg);
/* A header was rejected only because its time is too far ahead of our clock. It is requested again
 * when it becomes valid. p may be NULL: then no peer is excluded for it. */
void spv_sync_on_future_header(struct spv_sync *s, struct spv_peer_entry *p, uint32_t time,
                               struct spv_now now);
/* Its future headers become valid so soon that SYNCED waits for them. */
bool spv_sync_soon_valid(const struct spv_sync *s, const struct spv_peer_entry *p);
/* Future headers may be valid now. */
void spv_sync_retry_future_headers(struct spv_sync *s);
/* Its chain ends below our tip, with less work. */
bool spv_sync_chain_below_tip(const struct spv_sync *s, const struct spv_peer_entry *p);
/* Its whole chain, which ends here, has too little work: disconnects it, with a warning. */
void spv_sync_on_low_work(struct spv_sync *s, struct spv_peer_entry *p, uint32_t height,
                          const struct spv_u256 *work);

/* synced.c */
/* In how many network groups a peer is at its tip. */
unsigned spv_sync_groups_at_tip(const struct spv_sync *s);
/* After each input: emits SYNCED or UNRESOLVED when that is so now. */
void spv_sync_update_synced(struct spv_sync *s, struct spv_now now);
/* Marks the requests as overdue that SYNCED has waited for long enough. */
void spv_sync_synced_timer(struct spv_sync *s, struct spv_now now);
uint64_t spv_sync_synced_deadline(const struct spv_sync *s);
/* SYNCED waits for missing manual peers as if it had not done so before. */
void spv_sync_restart_manual_wait(struct spv_sync *s);

/* sync_sched.c */
/* Sends the requests that are due now. */
int spv_sync_schedule(struct spv_sync *s, struct spv_now now);

/* header_sync_headers.c */
/* Passes presynced headers to the chain until an update must be stored. 1: a peer's presync has
 * ended; 0; negative. */
int spv_sync_accept_presynced(struct spv_sync *s, struct spv_now now);
/* The same for segments, after each input to them and after each STORE. */
int spv_sync_accept_segments(struct spv_sync *s, struct spv_now now);
void spv_sync_presync_timer(struct spv_sync *s, struct spv_now now);

#endif
