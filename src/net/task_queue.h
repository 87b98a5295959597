/* A reactor's letter box: any thread may drop a post, the reactor's thread runs them in order. It
 * owns the eventfd that wakes the reactor, and outlives the reactor for as long as a worker thread
 * still holds it. */
#ifndef SPV_NET_TASK_QUEUE_H
#define SPV_NET_TASK_QUEUE_H

#include <stdbool.h>

/* Embedded in what is posted; run() is called on the reactor's thread and owns the post then. */
struct spv_task {
    struct spv_task *next;
    void (*run)(struct spv_task *post);
};

struct spv_task_queue;

int spv_task_queue_new(struct spv_task_queue **out);
struct spv_task_queue *spv_task_queue_ref(struct spv_task_queue *in);
void spv_task_queue_unref(struct spv_task_queue *in); /* NULL is fine */
/* Any thread. False once the box is closed: the post stays the caller's. */
bool spv_task_queue_push(struct spv_task_queue *in, struct spv_task *post);
/* Any thread; async-signal-safe. */
void spv_task_queue_wake(const struct spv_task_queue *in);
/* The calling thread is the reactor's: said at every way into our code from the loop, so that it is
 * true whoever runs the loop. Any thread may ask whether it is that one. */
void spv_task_queue_set_loop_thread(struct spv_task_queue *in);
void spv_task_queue_clear_loop_thread(
    struct spv_task_queue *in); /* the loop has ended: nobody is */
bool spv_task_queue_on_loop_thread(const struct spv_task_queue *in);
/* Reactor's thread. */
int spv_task_queue_fd(const struct spv_task_queue *in);
void spv_task_queue_run(struct spv_task_queue *in); /* clears the wake-up, runs what has come */
void spv_task_queue_close(
    struct spv_task_queue *in); /* no more posts; runs those that made it in */

#endif
