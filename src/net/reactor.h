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
struct spv_resolve_pool;

/* Embedded first in every link, dial and look-up. evict() ends it at once: a link says on_closed, a
 * dial and a look-up go silently. */
struct spv_handle {
    struct spv_handle *prev;
    struct spv_handle *next;
    struct spv_reactor *reactor;
    void (*close)(struct spv_handle *handle);
};

#define SPV_SCRATCH 65536 /* one recv(2): large enough that its cost is the copy */

struct spv_reactor {
    struct event_base *base;
    bool own_base;
    bool running;
    bool closing; /* being freed: nobody new may move in */
    struct spv_task_queue *task_queue;
    struct event *wake;
    atomic_bool stopped;
    struct spv_handle *handles; /* oldest first */
    struct spv_handle *newest;
    struct spv_resolve_pool *resolve_pool; /* NULL until the first look-up */
    uint8_t *scratch; /* SPV_SCRATCH bytes to receive into, used between two calls only */
};

/* SPV_ERR_STATE when the reactor is being freed. */
int spv_handle_register(struct spv_reactor *r, struct spv_handle *handle,
                        void (*evict)(struct spv_handle *handle));
void spv_handle_unregister(struct spv_handle *handle);
/* Ends every link, dial and look-up on the reactor, with their last callbacks. */
void spv_reactor_close_handles(struct spv_reactor *r);

/* lookup.c: no more look-ups; worker threads that are still busy clean up behind themselves. */
void spv_resolve_pool_close(struct spv_resolve_pool *pool);

#endif
