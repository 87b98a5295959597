/* A deadline on top of a libevent timer. Deadlines of the state machines move later with nearly
 * every message and hardly ever expire, so moving one later costs nothing: the event stays armed
 * for the earlier time, and when it fires early it is armed again. The same covers libevent's
 * coarse clock. */
#include <event2/event.h>
#include <stdlib.h>

#include "net/reactor.h"

/* a longer wait is armed in parts of this length; keeps struct timeval far from overflow */
#define LONGEST_WAIT_US (SPV_SECOND * 86400)

struct spv_timer {
    struct spv_handle handle; /* first */
    struct event *event; /* NULL: the reactor was freed */
    void (*fire)(void *ctx);
    void *ctx;
    uint64_t at; /* when the caller's timer expires; SPV_NEVER: disarmed */
    uint64_t armed; /* when the event fires; SPV_NEVER: not armed */
};

static void timer_arm(struct spv_timer *t, uint64_t now)
{
    uint64_t wait = t->at > now ? t->at - now : 0;
    if (wait > LONGEST_WAIT_US)
        wait = LONGEST_WAIT_US;
    const struct timeval tv = {.tv_sec = (time_t)(wait / SPV_SECOND),
                               .tv_usec = (suseconds_t)(wait % SPV_SECOND)};
    t->armed = evtimer_add(t->event, &tv) == 0 ? now + wait : SPV_NEVER;
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct spv_timer *t = ctx;
    struct spv_reactor *r = t->handle.reactor;
    (void)fd;
    (void)what;
    t->armed = SPV_NEVER;
    if (t->at == SPV_NEVER)
        return;
    uint64_t now = spv_system_now().mono_us;
    if (now < t->at) {
        timer_arm(t, now);
        return;
    }
    t->at = SPV_NEVER;
    spv_reactor_begin_callback(r);
    t->fire(t->ctx); /* may free the timer */
    spv_reactor_end_callback(r);
}

/* Frees the event; the owner frees the memory. */
static void timer_close(struct spv_handle *handle)
{
    struct spv_timer *t = (struct spv_timer *)handle;
    spv_handle_unregister(handle);
    event_free(t->event);
    t->event = NULL;
}

int spv_timer_new(struct spv_timer **out, struct spv_reactor *r, void (*fire)(void *ctx), void *ctx)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_timer *t = calloc(1, sizeof *t);
    if (!t)
        goto err0;
    *t = (struct spv_timer){.fire = fire, .ctx = ctx, .at = SPV_NEVER, .armed = SPV_NEVER};
    t->event = evtimer_new(r->base, on_event, t);
    if (!t->event)
        goto err1;
    rc = spv_handle_register(r, &t->handle, SPV_HANDLE_OWNED, timer_close);
    if (rc < 0)
        goto err2;
    *out = t;
    return 0;
err2:
    event_free(t->event);
err1:
    free(t);
err0:
    return rc;
}

void spv_timer_set(struct spv_timer *t, uint64_t at_us)
{
    if (!t->event)
        return;
    t->at = at_us;
    if (at_us < t->armed)
        timer_arm(t, spv_system_now().mono_us);
}

void spv_timer_free(struct spv_timer *t)
{
    if (!t)
        return;
    if (t->event)
        timer_close(&t->handle);
    free(t);
}
