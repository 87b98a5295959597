/* An event base with a persistent event on the inbox's eventfd. A stop from any thread or signal
 * handler is a flag and a write to that eventfd: the wake-up callback sees the flag and breaks the
 * loop. Residents (links, dials, look-ups) are kept in a list; whoever is still there when the
 * reactor is freed is evicted first, while the base still lives: the oldest first, so that a dial
 * goes before the look-up that it owns. */
#include "net/reactor.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BASE_DESCRIPTORS 4 /* epoll, libevent's pair for signals, our wake-up */

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
    struct spv_reactor *r = ctx;
    (void)fd;
    (void)what;
    spv_task_queue_set_loop_thread(r->task_queue);
    spv_task_queue_run(r->task_queue);
    if (atomic_load(&r->stopped) && r->running)
        (void)event_base_loopbreak(r->base);
}

/* libevent ends the process when it cannot open what its signals need, so that is tried before. (A
 * fatal callback would be the whole process's, and must not return.) Another thread may still take
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

void spv_reactor_close_handles(struct spv_reactor *r)
{
    spv_task_queue_set_loop_thread(r->task_queue);
    while (r->handles)
        r->handles->close(r->handles);
    if (!r->running)
        spv_task_queue_clear_loop_thread(r->task_queue);
}

void spv_reactor_free(struct spv_reactor *r)
{
    if (!r)
        return;
    r->closing = true;
    spv_reactor_close_handles(r);
    spv_resolve_pool_close(r->resolve_pool);
    spv_task_queue_close(r->task_queue);
    event_free(r->wake);
    spv_task_queue_unref(r->task_queue);
    if (r->own_base)
        event_base_free(r->base);
    free(r->scratch);
    free(r);
}

int spv_reactor_run(struct spv_reactor *r)
{
    if (r->running)
        return SPV_ERR_STATE;
    int rc = 0;
    r->running = true;
    spv_task_queue_set_loop_thread(r->task_queue);
    if (!atomic_load(&r->stopped) && event_base_loop(r->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
        rc = SPV_ERR_IO;
    spv_task_queue_clear_loop_thread(r->task_queue);
    r->running = false;
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

int spv_handle_register(struct spv_reactor *r, struct spv_handle *handle,
                        void (*evict)(struct spv_handle *handle))
{
    if (r->closing)
        return SPV_ERR_STATE;
    handle->reactor = r;
    handle->close = evict;
    handle->next = NULL;
    handle->prev = r->newest;
    if (r->newest)
        r->newest->next = handle;
    else
        r->handles = handle;
    r->newest = handle;
    return 0;
}

void spv_handle_unregister(struct spv_handle *handle)
{
    struct spv_reactor *r = handle->reactor;
    if (handle->prev)
        handle->prev->next = handle->next;
    else
        r->handles = handle->next;
    if (handle->next)
        handle->next->prev = handle->prev;
    else
        r->newest = handle->prev;
}
