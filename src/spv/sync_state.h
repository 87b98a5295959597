/* The insides of sync, shared by its source files: sync.c (whose turn it is), sync_headers.c (what
 * comes). */
#ifndef SPV_SPV_SYNC_STATE_H
#define SPV_SPV_SYNC_STATE_H

#include "spv/sync.h"

/* sync.c */
struct spv_sync_peer *spv_sync_find(struct spv_sync *s, uint64_t id);
/* The node drops it as soon as this input is over; a LYING error bans it. */
void spv_sync_drop_peer(struct spv_sync *s, const struct spv_sync_peer *p, int error);
bool spv_sync_dropping(const struct spv_sync *s, uint64_t id);
/* Sends getheaders from `from`, or from our tip when it is NULL. */
int spv_sync_ask(struct spv_sync *s, struct spv_sync_peer *p, const struct spv_blockhash *from,
                 struct spv_now now);
bool spv_sync_enough_work(const struct spv_sync *s);
/* Hands out what is to be asked now. */
int spv_sync_schedule(struct spv_sync *s, struct spv_now now);

/* sync_headers.c */
/* The peer has no more: its claim falls, and somebody else may be asked. */
void spv_sync_finish(struct spv_sync *s, struct spv_sync_peer *p);
/* What a change of the chain means to the store and to the application. Queue the next request
 * first: the answer is then under way while the disk works. */
void spv_sync_publish(struct spv_sync *s, const struct spv_sync_peer *p,
                      const struct spv_verdict *v);

#endif
