/* A deadline on top of a libevent timer. Deadlines of machines move away with nearly every message
 * and hardly ever strike, so moving one away is free: the event stays armed for the earlier time,
 * and striking early it is armed anew. The same covers libevent's coarse clock. */
#include <event2/event.h>
#include <stdlib.h>

#include "net/reactor.h"

#define LONGEST_WAIT                                                                               \
    (SPV_SECOND * 86400) /* then it looks again; keeps timeval far from overflow                   \
                          */

struct spv_timer {
    struct event *event;
    void (*fire)(void *ctx);
    void *ctx;
    uint64_t at; /* what the caller wants; SPV_NEVER: nothing */
    uint64_t armed; /* when the event strikes; SPV_NEVER: not armed */
};

static void timer_arm(struct spv_timer *t, uint64_t now)
{
    uint64_t wait = t->at > now ? t->at - now : 0;
    if (wait > LONGEST_WAIT)
        wait = LONGEST_WAIT;
    const struct timeval tv = {.tv_sec = (time_t)(wait / SPV_SECOND),
                               .tv_usec = (suseconds_t)(wait % SPV_SECOND)};
    t->armed = evtimer_add(t->event, &tv) == 0 ? now + wait : SPV_NEVER;
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct spv_timer *t = ctx;
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
    t->fire(t->ctx); /* may free the timer */
}

int spv_timer_new(struct spv_timer **out, struct spv_reactor *r, void (*fire)(void *ctx), void *ctx)
{
    struct spv_timer *t = calloc(1, sizeof *t);
    if (!t)
        return SPV_ERR_NOMEM;
    *t = (struct spv_timer){.fire = fire, .ctx = ctx, .at = SPV_NEVER, .armed = SPV_NEVER};
    t->event = evtimer_new(r->base, on_event, t);
    if (!t->event) {
        free(t);
        return SPV_ERR_NOMEM;
    }
    *out = t;
    return 0;
}

void spv_timer_set(struct spv_timer *t, uint64_t at_us)
{
    t->at = at_us;
    if (at_us < t->armed)
        timer_arm(t, spv_system_now().mono_us);
}

void spv_timer_free(struct spv_timer *t)
{
    if (!t)
        return;
    event_free(t->event);
    free(t);
}
