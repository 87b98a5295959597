/* A reactor's letter box: any thread may drop a post, the reactor's thread runs them in order. It
 * owns the eventfd that wakes the reactor, and outlives the reactor for as long as a worker thread
 * still holds it. */
#ifndef SPV_NET_TASK_QUEUE_H
#define SPV_NET_TASK_QUEUE_H

#include <stdbool.h>

/* Embedded in what is posted; run() is called on the reactor's thread and owns the post then. */
struct spv_post {
    struct spv_post *next;
    void (*run)(struct spv_post *post);
};

struct spv_inbox;

int spv_inbox_new(struct spv_inbox **out);
struct spv_inbox *spv_inbox_ref(struct spv_inbox *in);
void spv_inbox_unref(struct spv_inbox *in); /* NULL is fine */
/* Any thread. False once the box is closed: the post stays the caller's. */
bool spv_inbox_put(struct spv_inbox *in, struct spv_post *post);
/* Any thread; async-signal-safe. */
void spv_inbox_wake(const struct spv_inbox *in);
/* The calling thread is the reactor's: said at every way into our code from the loop, so that it is
 * true whoever runs the loop. Any thread may ask whether it is that one. */
void spv_inbox_enter(struct spv_inbox *in);
void spv_inbox_leave(struct spv_inbox *in); /* the loop has ended: nobody is */
bool spv_inbox_here(const struct spv_inbox *in);
/* Reactor's thread. */
int spv_inbox_fd(const struct spv_inbox *in);
void spv_inbox_run(struct spv_inbox *in); /* clears the wake-up, runs what has come */
void spv_inbox_close(struct spv_inbox *in); /* no more posts; runs those that made it in */

#endif
