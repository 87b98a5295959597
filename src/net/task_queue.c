/* A mutex-protected list and an eventfd. A put links the post in and, when the list was empty,
 * writes to the eventfd; the reactor, seeing it readable, takes the whole list at once and runs it
 * without the lock, so that a post may put another. The count of references decides who frees: the
 * reactor closes the box when it goes, a worker that finishes later finds it closed.
 *
 * A thread is known by the address of a variable that each has its own of. The dead may leave
 * theirs to a newcomer, so an ended loop takes its name back. */
#include "net/task_queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "spv/error.h"

struct spv_task_queue {
    pthread_mutex_t lock; /* guards all but fd */
    struct spv_task *head;
    struct spv_task **tail;
    unsigned refs;
    bool closed;
    int fd;
    atomic_uintptr_t owner; /* the thread that runs the reactor, 0 for none */
};

static _Thread_local char me;

int spv_task_queue_new(struct spv_task_queue **out)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_task_queue *in = calloc(1, sizeof *in);
    if (!in)
        goto err0;
    in->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (in->fd < 0) {
        rc = errno == EMFILE || errno == ENFILE ? SPV_ERR_NO_DESCRIPTOR : SPV_ERR_IO;
        goto err1;
    }
    if (pthread_mutex_init(&in->lock, NULL) != 0)
        goto err2;
    in->tail = &in->head;
    in->refs = 1;
    atomic_init(&in->owner, 0);
    *out = in;
    return 0;
err2:
    (void)close(in->fd);
err1:
    free(in);
err0:
    return rc;
}

struct spv_task_queue *spv_task_queue_ref(struct spv_task_queue *in)
{
    (void)pthread_mutex_lock(&in->lock);
    in->refs++;
    (void)pthread_mutex_unlock(&in->lock);
    return in;
}

void spv_task_queue_unref(struct spv_task_queue *in)
{
    if (!in)
        return;
    (void)pthread_mutex_lock(&in->lock);
    bool last = --in->refs == 0;
    (void)pthread_mutex_unlock(&in->lock);
    if (!last)
        return;
    (void)pthread_mutex_destroy(&in->lock);
    (void)close(in->fd);
    free(in);
}

void spv_task_queue_wake(const struct spv_task_queue *in)
{
    /* Only write(2): a signal handler may be here. A full counter (EAGAIN) is a wake-up, too. */
    int saved = errno;
    const uint64_t one = 1;
    while (write(in->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

bool spv_task_queue_push(struct spv_task_queue *in, struct spv_task *post)
{
    post->next = NULL;
    (void)pthread_mutex_lock(&in->lock);
    bool closed = in->closed;
    bool first = !in->head;
    if (!closed) {
        *in->tail = post;
        in->tail = &post->next;
    }
    (void)pthread_mutex_unlock(&in->lock);
    if (!closed && first)
        spv_task_queue_wake(in);
    return !closed;
}

void spv_task_queue_set_loop_thread(struct spv_task_queue *in)
{
    atomic_store_explicit(&in->owner, (uintptr_t)&me, memory_order_relaxed);
}

void spv_task_queue_clear_loop_thread(struct spv_task_queue *in)
{
    atomic_store_explicit(&in->owner, 0, memory_order_relaxed);
}

bool spv_task_queue_on_loop_thread(const struct spv_task_queue *in)
{
    return atomic_load_explicit(&in->owner, memory_order_relaxed) == (uintptr_t)&me;
}

int spv_task_queue_fd(const struct spv_task_queue *in)
{
    return in->fd;
}

static void run_all(struct spv_task_queue *in, bool close_it)
{
    (void)pthread_mutex_lock(&in->lock);
    struct spv_task *post = in->head;
    in->head = NULL;
    in->tail = &in->head;
    if (close_it)
        in->closed = true;
    (void)pthread_mutex_unlock(&in->lock);
    while (post) {
        struct spv_task *next = post->next;
        post->run(post);
        post = next;
    }
}

void spv_task_queue_run(struct spv_task_queue *in)
{
    uint64_t count;
    while (read(in->fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    run_all(in, false);
}

void spv_task_queue_close(struct spv_task_queue *in)
{
    run_all(in, true);
    spv_task_queue_clear_loop_thread(in);
}
