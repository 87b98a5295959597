/* What the modules of src/net share of a reactor: its event base, its task queue, its receive
 * buffer and its open handles, which freeing the reactor closes. */
#ifndef SPV_NET_REACTOR_H
#define SPV_NET_REACTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/task_queue.h"
#include "spv/reactor.h"

struct event;
struct spv_resolve_pool;

enum spv_handle_kind {
    /* Links, dials and look-ups: close() frees them, links after on_closed. */
    SPV_HANDLE_CONNECTION,
    /* Timers, listeners and the resolver pool: close() frees what belongs to the event base. The
     * memory of timers and listeners is their owner's to free, before the reactor or after it. */
    SPV_HANDLE_OWNED,
    SPV_HANDLE_KINDS,
};

/* Embedded first in everything that lives on a reactor. */
struct spv_handle {
    struct spv_handle *prev;
    struct spv_handle *next;
    struct spv_reactor *reactor; /* NULL: not registered (any more) */
    enum spv_handle_kind kind;
    void (*close)(struct spv_handle *handle);
};

struct spv_handle_list {
    struct spv_handle *oldest;
    struct spv_handle *newest;
};

#define SPV_SCRATCH 65536 /* bytes of one recv(2): enough that copying is its main cost */

struct spv_reactor {
    struct event_base *base;
    bool own_base;
    atomic_bool running; /* within spv_reactor_run */
    unsigned callbacks; /* of ours on the stack */
    bool closing; /* being freed: no handle can be registered */
    struct spv_task_queue *task_queue;
    struct event *wake;
    atomic_bool stopped;
    struct spv_handle_list handles[SPV_HANDLE_KINDS];
    struct spv_resolve_pool *resolve_pool; /* NULL until the first look-up; resolve.c's */
    uint8_t *scratch; /* SPV_SCRATCH bytes to receive into, used between two calls only */
};

/* Around everything that an event of the loop calls, and around every other callback of the user:
 * the calling thread is the reactor's, and the reactor can be neither freed nor run until the
 * matching end. */
void spv_reactor_begin_callback(struct spv_reactor *r);
void spv_reactor_end_callback(struct spv_reactor *r);
/* True while the reactor runs, is being freed, or one of its callbacks is on the stack: it cannot
 * be freed now. */
bool spv_reactor_busy(const struct spv_reactor *r);

/* Adds the handle at the end of its kind's list. close() is called when the reactor is freed and
 * unregisters the handle. Returns 0, or SPV_ERR_STATE while the reactor is being freed. */
int spv_handle_register(struct spv_reactor *r, struct spv_handle *handle, enum spv_handle_kind kind,
                        void (*close)(struct spv_handle *handle));
/* Does nothing for a handle that is not registered. */
void spv_handle_unregister(struct spv_handle *handle);
/* Closes every link, dial and look-up; links call on_closed. */
void spv_reactor_close_connections(struct spv_reactor *r);

#endif
