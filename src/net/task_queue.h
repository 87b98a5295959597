/* A reactor's task queue: any thread may push a task, the reactor's thread runs them in order. It
 * owns the eventfd that wakes the reactor up, and exists until the reactor and the last worker
 * thread have dropped their references. */
#ifndef SPV_NET_TASK_QUEUE_H
#define SPV_NET_TASK_QUEUE_H

#include <stdbool.h>

/* Embedded in what is pushed; run() is called on the reactor's thread and owns the task then. */
struct spv_task {
    struct spv_task *next;
    void (*run)(struct spv_task *task);
};

struct spv_task_queue;

/* Returns 0, SPV_ERR_NOMEM, SPV_ERR_IO or SPV_ERR_NO_DESCRIPTOR. */
int spv_task_queue_new(struct spv_task_queue **out);
struct spv_task_queue *spv_task_queue_ref(struct spv_task_queue *queue);
void spv_task_queue_unref(struct spv_task_queue *queue); /* NULL is ignored */
/* Returns false when the queue is closed: the task is the caller's then. Any thread. */
bool spv_task_queue_push(struct spv_task_queue *queue, struct spv_task *task);
/* Any thread; async-signal-safe. */
void spv_task_queue_wake(const struct spv_task_queue *queue);
/* The calling thread is the reactor's: called on every entry from the loop, so that it is true for
 * whichever thread runs the loop. */
void spv_task_queue_set_loop_thread(struct spv_task_queue *queue);
void spv_task_queue_clear_loop_thread(struct spv_task_queue *queue); /* the loop has ended */
/* Returns true on the reactor's thread. Any thread. */
bool spv_task_queue_on_loop_thread(const struct spv_task_queue *queue);
/* Reactor's thread. */
int spv_task_queue_fd(const struct spv_task_queue *queue);
void spv_task_queue_run(struct spv_task_queue *queue); /* clears the wake-up, runs all tasks */
void spv_task_queue_close(struct spv_task_queue *queue); /* runs all tasks, accepts no more */

#endif
