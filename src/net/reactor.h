/* What the parts of the link layer share of a reactor: its event base, its inbox, its scratch
 * memory and the list of who lives on it, so that freeing a reactor leaves nobody behind. */
#ifndef SPV_NET_REACTOR_H
#define SPV_NET_REACTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/task_queue.h"
#include "spv/link.h"

struct event;
struct spv_lookup_pool;

/* Embedded first in every link, dial and look-up. evict() ends it at once: a link says on_closed, a
 * dial and a look-up go silently. */
struct spv_resident {
    struct spv_resident *prev;
    struct spv_resident *next;
    struct spv_reactor *reactor;
    void (*evict)(struct spv_resident *resident);
};

#define SPV_SCRATCH 65536 /* one recv(2): large enough that its cost is the copy */

struct spv_reactor {
    struct event_base *base;
    bool own_base;
    bool running;
    bool leaving; /* being freed: nobody new may move in */
    struct spv_inbox *inbox;
    struct event *wake;
    atomic_bool stopped;
    struct spv_resident *residents; /* oldest first */
    struct spv_resident *newest;
    struct spv_lookup_pool *lookups; /* NULL until the first look-up */
    uint8_t *scratch; /* SPV_SCRATCH bytes to receive into, used between two calls only */
};

/* SPV_ERR_STATE when the reactor is being freed. */
int spv_reactor_settle(struct spv_reactor *r, struct spv_resident *resident,
                       void (*evict)(struct spv_resident *resident));
void spv_reactor_leave(struct spv_resident *resident);
/* Ends every link, dial and look-up on the reactor, with their last callbacks. */
void spv_reactor_evict(struct spv_reactor *r);

/* lookup.c: no more look-ups; worker threads that are still busy clean up behind themselves. */
void spv_lookup_pool_leave(struct spv_lookup_pool *pool);

#endif
