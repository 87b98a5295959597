/* An event loop of one thread on libevent, with timers and the system's clocks.
 *
 * Links, dials, listeners, name look-ups and timers belong to a reactor. Their callbacks run on the
 * reactor's thread, one at a time. That thread is the one that runs the loop; while no thread runs
 * it, any single thread may use the reactor. Functions marked "any thread" may be called from every
 * thread, all others only from the reactor's. */
#ifndef SPV_REACTOR_H
#define SPV_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "spv/error.h"
#include "spv/export.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;
struct spv_reactor;

/* Creates a reactor. With base NULL the reactor creates an event base, which spv_reactor_run runs.
 * Any other base stays the caller's: it may be run by libevent's own functions, and must outlive
 * the reactor. *out is the caller's; free it with spv_reactor_free.
 * Returns 0, SPV_ERR_NOMEM, SPV_ERR_IO or SPV_ERR_NO_DESCRIPTOR. Any thread. */
SPV_API int spv_reactor_new(struct spv_reactor **out, struct event_base *base);

/* Closes what is open on the reactor and frees it. Links call on_closed with SPV_ERR_INTERRUPTED
 * and are no longer the reactor's; dials and look-ups end without a callback and their pointers are
 * invalid. Listeners and timers stop; their owners free them before or after, in any order. NULL is
 * ignored.
 * Returns 0, or SPV_ERR_STATE when the reactor runs or the call is made from one of its callbacks:
 * nothing is freed then. Reactor's thread. */
SPV_API int spv_reactor_free(struct spv_reactor *r);

/* Runs the loop until spv_reactor_stop, which ends this and every later run.
 * Returns 0, SPV_ERR_IO when libevent fails, or SPV_ERR_STATE when the reactor runs already or the
 * call is made from one of its callbacks. The calling thread becomes the reactor's. */
SPV_API int spv_reactor_run(struct spv_reactor *r);

/* Makes spv_reactor_run return after the callback in progress. It does not end a loop that the
 * caller runs on its own event base. Any thread; async-signal-safe. */
SPV_API void spv_reactor_stop(struct spv_reactor *r);

/* Returns true once spv_reactor_stop was called. Any thread. */
SPV_API bool spv_reactor_stopped(const struct spv_reactor *r);

/* Returns the system's clocks: monotonic microseconds and unix seconds. Any thread. */
SPV_API struct spv_now spv_system_now(void);

/* Returns the system's random generator, getrandom(2). It has no state: copies are equal, and it
 * may be used from any thread. */
SPV_API struct spv_rng spv_system_rng(void);

/* A one-shot timer. */
struct spv_timer;

/* Creates a disarmed timer. fire(ctx) is called from the loop when it expires, and may set or free
 * the timer. *out is the caller's; free it with spv_timer_free, before the reactor or after it.
 * Returns 0, SPV_ERR_NOMEM, or SPV_ERR_STATE while the reactor is being freed. Reactor's thread. */
SPV_API int spv_timer_new(struct spv_timer **out, struct spv_reactor *r, void (*fire)(void *ctx),
                          void *ctx);

/* Arms the timer for a time of the monotonic clock in microseconds (spv_system_now), in place of
 * the time it was armed for; a time in the past expires in the loop's next turn, SPV_NEVER disarms.
 * Does nothing once the reactor is freed. Reactor's thread. */
SPV_API void spv_timer_set(struct spv_timer *t, uint64_t at_us);

/* Disarms and frees the timer, also after the reactor. NULL is ignored. Reactor's thread. */
SPV_API void spv_timer_free(struct spv_timer *t);

#ifdef __cplusplus
}
#endif

#endif
