/* The insides of sync, shared by its source files: sync.c (whose turn it is), sync_headers.c (what
 * comes), sync_fetch.c (segments up to the last checkpoint), sync_verdict.c (SYNCED or not). */
#ifndef SPV_SPV_SYNC_SYNC_STATE_H
#define SPV_SPV_SYNC_SYNC_STATE_H

#include "spv/sync/header_sync.h"

#define SPV_SYNC_ANNOUNCED 8 /* BIP130 peers announce at most 8 headers; more is an answer */

/* An answer of it is waited for, or it has a business of its own. */
static inline bool spv_sync_busy(const struct spv_sync_peer *p)
{
    return p->deadline_us != 0 || p->in_presync || p->presync_waiting;
}

/* sync.c */
struct spv_sync_peer *spv_sync_find(struct spv_sync *s, uint64_t id);
/* The node drops it as soon as this input is over; a MISBEHAVING error bans it. */
void spv_sync_drop_peer(struct spv_sync *s, const struct spv_sync_peer *p, int error);
bool spv_sync_dropping(const struct spv_sync *s, uint64_t id);
/* Sends getheaders from `from`, or from our tip when it is NULL. */
int spv_sync_ask(struct spv_sync *s, struct spv_sync_peer *p, const struct spv_blockhash *from,
                 struct spv_now now);
/* A getheaders was queued for it: counts its time. */
void spv_sync_asked(struct spv_sync *s, struct spv_sync_peer *p, struct spv_now now);
/* Its open getheaders, if any, is answered. */
void spv_sync_request_done(struct spv_sync_peer *p, struct spv_now now);
bool spv_sync_enough_work(const struct spv_sync *s);
/* Hands out what is to be asked now. */
int spv_sync_schedule(struct spv_sync *s, struct spv_now now);

/* sync_verdict.c */
/* In how many network groups a peer is done. */
unsigned spv_sync_done_groups(const struct spv_sync *s);
/* After each input: says SYNCED or UNRESOLVED when that is so now. */
void spv_sync_update_synced(struct spv_sync *s, struct spv_now now);
/* Requests that a verdict has waited for long enough no longer hold it up. */
void spv_sync_synced_timer(struct spv_sync *s, struct spv_now now);
uint64_t spv_sync_synced_deadline(const struct spv_sync *s);
/* The peer has answered all, and does not count for a verdict for this reason; the figures that the
 * warning needs are in its given*. Cleared by news of it. */
void spv_sync_exclude(struct spv_sync *s, struct spv_sync_peer *p, enum spv_warning why);
/* Says what speaks against this peer, once for each tip. */
void spv_sync_warn(struct spv_sync *s, struct spv_sync_peer *p, enum spv_warning why);

/* sync_headers.c */
/* The peer has no more: its claim falls, and others may be asked. */
void spv_sync_peer_at_tip(struct spv_sync *s, struct spv_sync_peer *p);
/* An answer of it brought nothing new: it is asked once more when it claims more than our tip or
 * has announced something meanwhile, else it is done. */
int spv_sync_no_more(struct spv_sync *s, struct spv_sync_peer *p, struct spv_now now);
/* Did these headers of its move the best chain? Then a verdict waits for it anew. */
bool spv_sync_moved(struct spv_sync_peer *p, const struct spv_accept_result *v);
/* What a change of the chain means to the store and to the application. Queue the next request
 * first: the answer is then under way while the disk works. */
void spv_sync_emit_update(struct spv_sync *s, uint64_t peer, const struct spv_accept_result *v);
/* What a verdict on a batch says about the peer that sent it. Asks for more where there is more. */
int spv_sync_after_headers(struct spv_sync *s, struct spv_sync_peer *p,
                           const struct spv_msg_headers *msg, const struct spv_accept_result *v,
                           struct spv_now now);
/* Drops it and counts what it did: lied, stalled, or neither. */
void spv_sync_drop_and_count(struct spv_sync *s, const struct spv_sync_peer *p, int error);

/* sync_apart.c: answers that neither bring the chain on nor end the search, and prove no lie */
/* Nothing more is asked of it now: it knows no better chain, or one that cannot be taken. */
static inline bool spv_sync_answered(const struct spv_sync_peer *p)
{
    return p->at_tip || p->excluded;
}
/* Its answer leaves our chain where the database cannot judge it (SPV_ERR_CHAIN_BASE). 0 or
 * negative. */
int spv_sync_on_fork_below_start(struct spv_sync *s, struct spv_sync_peer *p,
                                 const struct spv_msg_headers *msg);
/* The header was refused only because our clock calls it a future one. It is asked for again when
 * its time has come. p may be NULL: nothing is said of its peer. */
void spv_sync_future(struct spv_sync *s, struct spv_sync_peer *p, const struct spv_header *header,
                     struct spv_now now);
/* What it has from the future is valid so soon that a verdict waits for it. */
bool spv_sync_soon_valid(const struct spv_sync *s, const struct spv_sync_peer *p);
/* Its time has come. */
void spv_sync_retry(struct spv_sync *s);
/* Its answer ended with this header. 0 or negative. */
int spv_sync_note_shown(struct spv_sync *s, struct spv_sync_peer *p,
                        const struct spv_blockhash *last);
/* Its chain ends below our tip, with less work. */
bool spv_sync_below(const struct spv_sync *s, const struct spv_sync_peer *p);
/* Its whole chain, which ends here, has too little work: it is dropped, and that is said. */
void spv_sync_low_work(struct spv_sync *s, struct spv_sync_peer *p, uint32_t height,
                       const struct spv_u256 *work);

/* sync_fetch.c: all do nothing where no checkpoint is ahead. */
int spv_sync_segments_new(struct spv_sync *s, struct spv_now now);
/* Works through fetch from the tip on, if there is anything to fetch. */
int spv_sync_segments_begin(struct spv_sync *s, struct spv_now now);
int spv_sync_segments_add(struct spv_sync *s, uint64_t id, struct spv_now now);
/* The peer has finished a segment. */
bool spv_sync_segments_useful(const struct spv_sync *s, uint64_t id);
void spv_sync_segments_remove(struct spv_sync *s, uint64_t id, struct spv_now now);
/* 1: the message was for fetch, and was dealt with. 0: it is sync's own. Negative: failed. */
int spv_sync_segments_headers(struct spv_sync *s, struct spv_sync_peer *p,
                              const struct spv_msg_headers *msg, struct spv_now now);
/* A peer without fetch has brought the tip on: 1 when fetch goes on from there. */
int spv_sync_segments_resume(struct spv_sync *s, const struct spv_sync_peer *p, struct spv_now now);
/* After each input to fetch, and after each STORE: what has come is judged. */
int spv_sync_segments_process(struct spv_sync *s, struct spv_now now);

#endif
