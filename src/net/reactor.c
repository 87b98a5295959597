/* An event base with a persistent event on the task queue's eventfd. A stop from any thread or
 * signal handler is a flag and a write to that eventfd; the wake-up event sees the flag and breaks
 * the loop.
 *
 * Open handles are kept in two lists. Freeing the reactor closes connections first, the oldest
 * first, so that a dial is closed before the look-up that it owns; then timers, listeners and the
 * resolver pool. */
#include "net/reactor.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BASE_DESCRIPTORS 4 /* epoll, libevent's pair for signals, our wake-up */

void spv_reactor_begin_callback(struct spv_reactor *r)
{
    spv_task_queue_set_loop_thread(r->task_queue);
    r->callbacks++;
}

void spv_reactor_end_callback(struct spv_reactor *r)
{
    r->callbacks--;
}

bool spv_reactor_busy(const struct spv_reactor *r)
{
    return atomic_load(&r->running) || r->callbacks > 0 || r->closing;
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
    struct spv_reactor *r = ctx;
    (void)fd;
    (void)what;
    spv_reactor_begin_callback(r);
    spv_task_queue_run(r->task_queue);
    spv_reactor_end_callback(r);
    if (atomic_load(&r->stopped) && atomic_load(&r->running))
        (void)event_base_loopbreak(r->base);
}

/* event_base_new ends the process when it cannot create its socket pair for signals, so it is
 * checked before that enough descriptors are free. (event_set_fatal_callback is no alternative: it
 * applies to the whole process, and the callback must not return.) Another thread may still use up
 * the descriptors in between. */
static bool has_descriptors(void)
{
    int fds[BASE_DESCRIPTORS];
    int n = 0;
    while (n < BASE_DESCRIPTORS && (fds[n] = eventfd(0, EFD_CLOEXEC)) >= 0)
        n++;
    const bool enough = n == BASE_DESCRIPTORS;
    while (n > 0)
        (void)close(fds[--n]);
    return enough;
}

/* An own base is used by one thread only, so it needs no locks even where the program has turned
 * libevent's locking on. */
static struct event_base *new_base(void)
{
    struct event_config *cfg = event_config_new();
    if (!cfg)
        return NULL;
    (void)event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    return base;
}

int spv_reactor_new(struct spv_reactor **out, struct event_base *base)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_reactor *r = calloc(1, sizeof *r);
    if (!r)
        goto err0;
    atomic_init(&r->stopped, false);
    atomic_init(&r->running, false);
    r->scratch = malloc(SPV_SCRATCH);
    if (!r->scratch)
        goto err1;
    r->own_base = !base;
    if (r->own_base && !has_descriptors()) {
        rc = SPV_ERR_NO_DESCRIPTOR;
        goto err2;
    }
    r->base = r->own_base ? new_base() : base;
    if (!r->base)
        goto err2;
    rc = spv_task_queue_new(&r->task_queue);
    if (rc < 0)
        goto err3;
    rc = SPV_ERR_NOMEM;
    r->wake =
        event_new(r->base, spv_task_queue_fd(r->task_queue), EV_READ | EV_PERSIST, on_wake, r);
    if (!r->wake)
        goto err4;
    if (event_add(r->wake, NULL) != 0) {
        rc = SPV_ERR_IO;
        goto err5;
    }
    *out = r;
    return 0;
err5:
    event_free(r->wake);
err4:
    spv_task_queue_unref(r->task_queue);
err3:
    if (r->own_base)
        event_base_free(r->base);
err2:
    free(r->scratch);
err1:
    free(r);
err0:
    return rc;
}

static void close_handles(struct spv_reactor *r, enum spv_handle_kind kind)
{
    struct spv_handle *handle;
    while ((handle = r->handles[kind].oldest))
        handle->close(handle);
}

void spv_reactor_close_connections(struct spv_reactor *r)
{
    spv_reactor_begin_callback(r);
    close_handles(r, SPV_HANDLE_CONNECTION);
    spv_reactor_end_callback(r);
    if (!spv_reactor_busy(r))
        spv_task_queue_clear_loop_thread(r->task_queue);
}

int spv_reactor_free(struct spv_reactor *r)
{
    if (!r)
        return 0;
    if (spv_reactor_busy(r))
        return SPV_ERR_STATE;
    r->closing = true;
    spv_reactor_close_connections(r);
    close_handles(r, SPV_HANDLE_OWNED);
    spv_task_queue_close(r->task_queue);
    event_free(r->wake);
    spv_task_queue_unref(r->task_queue);
    if (r->own_base)
        event_base_free(r->base);
    free(r->scratch);
    free(r);
    return 0;
}

int spv_reactor_run(struct spv_reactor *r)
{
    if (spv_reactor_busy(r))
        return SPV_ERR_STATE;
    int rc = 0;
    atomic_store(&r->running, true);
    spv_task_queue_set_loop_thread(r->task_queue);
    if (!atomic_load(&r->stopped) && event_base_loop(r->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
        rc = SPV_ERR_IO;
    spv_task_queue_clear_loop_thread(r->task_queue);
    atomic_store(&r->running, false);
    return rc;
}

void spv_reactor_stop(struct spv_reactor *r)
{
    atomic_store(&r->stopped, true);
    spv_task_queue_wake(r->task_queue);
}

bool spv_reactor_stopped(const struct spv_reactor *r)
{
    return atomic_load(&r->stopped);
}

int spv_handle_register(struct spv_reactor *r, struct spv_handle *handle, enum spv_handle_kind kind,
                        void (*close)(struct spv_handle *handle))
{
    if (r->closing)
        return SPV_ERR_STATE;
    struct spv_handle_list *list = &r->handles[kind];
    *handle = (struct spv_handle){.reactor = r, .kind = kind, .close = close, .prev = list->newest};
    if (list->newest)
        list->newest->next = handle;
    else
        list->oldest = handle;
    list->newest = handle;
    return 0;
}

void spv_handle_unregister(struct spv_handle *handle)
{
    if (!handle->reactor)
        return;
    struct spv_handle_list *list = &handle->reactor->handles[handle->kind];
    if (handle->prev)
        handle->prev->next = handle->next;
    else
        list->oldest = handle->next;
    if (handle->next)
        handle->next->prev = handle->prev;
    else
        list->newest = handle->prev;
    handle->reactor = NULL;
}
