/* A mutex-protected list and an eventfd. Pushing appends the task and, when the list was empty,
 * writes to the eventfd. When that is readable, the reactor takes the whole list and runs it
 * without the lock, so that a task may push another. The queue is reference-counted: the reactor
 * closes it when it is freed, a worker that finishes later finds it closed.
 *
 * A thread is identified by the address of a thread-local variable. A new thread may get the
 * address of one that has ended, so the owner is cleared when the loop ends. */
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
    pthread_mutex_t lock; /* guards all except fd */
    struct spv_task *head;
    struct spv_task **tail;
    unsigned refs;
    bool closed;
    int fd;
    atomic_uintptr_t owner; /* the thread that runs the reactor; 0: none */
};

static _Thread_local char thread_id;

int spv_task_queue_new(struct spv_task_queue **out)
{
    int rc = SPV_ERR_NOMEM;
    struct spv_task_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        goto err0;
    queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (queue->fd < 0) {
        rc = errno == EMFILE || errno == ENFILE ? SPV_ERR_NO_DESCRIPTOR : SPV_ERR_IO;
        goto err1;
    }
    if (pthread_mutex_init(&queue->lock, NULL) != 0)
        goto err2;
    queue->tail = &queue->head;
    queue->refs = 1;
    atomic_init(&queue->owner, 0);
    *out = queue;
    return 0;
err2:
    (void)close(queue->fd);
err1:
    free(queue);
err0:
    return rc;
}

struct spv_task_queue *spv_task_queue_ref(struct spv_task_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->refs++;
    (void)pthread_mutex_unlock(&queue->lock);
    return queue;
}

void spv_task_queue_unref(struct spv_task_queue *queue)
{
    if (!queue)
        return;
    (void)pthread_mutex_lock(&queue->lock);
    bool last = --queue->refs == 0;
    (void)pthread_mutex_unlock(&queue->lock);
    if (!last)
        return;
    (void)pthread_mutex_destroy(&queue->lock);
    (void)close(queue->fd);
    free(queue);
}

void spv_task_queue_wake(const struct spv_task_queue *queue)
{
    /* Only write(2), for signal handlers. A full counter (EAGAIN) wakes the reactor as well. */
    int saved = errno;
    const uint64_t one = 1;
    while (write(queue->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

bool spv_task_queue_push(struct spv_task_queue *queue, struct spv_task *task)
{
    task->next = NULL;
    (void)pthread_mutex_lock(&queue->lock);
    bool closed = queue->closed;
    bool first = !queue->head;
    if (!closed) {
        *queue->tail = task;
        queue->tail = &task->next;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    if (!closed && first)
        spv_task_queue_wake(queue);
    return !closed;
}

void spv_task_queue_set_loop_thread(struct spv_task_queue *queue)
{
    atomic_store_explicit(&queue->owner, (uintptr_t)&thread_id, memory_order_relaxed);
}

void spv_task_queue_clear_loop_thread(struct spv_task_queue *queue)
{
    atomic_store_explicit(&queue->owner, 0, memory_order_relaxed);
}

bool spv_task_queue_on_loop_thread(const struct spv_task_queue *queue)
{
    return atomic_load_explicit(&queue->owner, memory_order_relaxed) == (uintptr_t)&thread_id;
}

int spv_task_queue_fd(const struct spv_task_queue *queue)
{
    return queue->fd;
}

static void run_all(struct spv_task_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    struct spv_task *task = queue->head;
    queue->head = NULL;
    queue->tail = &queue->head;
    (void)pthread_mutex_unlock(&queue->lock);
    while (task) {
        struct spv_task *next = task->next;
        task->run(task);
        task = next;
    }
}

void spv_task_queue_run(struct spv_task_queue *queue)
{
    uint64_t count;
    while (read(queue->fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    run_all(queue);
}

void spv_task_queue_close(struct spv_task_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    (void)pthread_mutex_unlock(&queue->lock);
    run_all(queue);
    spv_task_queue_clear_loop_thread(queue);
}
