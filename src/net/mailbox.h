/* A mailbox: a bounded queue of commands from any thread to the one that owns the mailbox, and a
 * request to close. It is independent of links; the caller wakes up the owner. */
#ifndef SPV_NET_MAILBOX_H
#define SPV_NET_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/link_cmd.h"

/* Limits of what a thread that writes faster than the peer reads can queue. */
#define SPV_MAILBOX_CMDS 10000 /* ours: small messages that fill a few percent of the bytes */
#define SPV_MAILBOX_BYTES (4u << 20) /* ours: one message of the largest size */

struct spv_mailbox {
    pthread_mutex_t lock; /* guards all except has_pending */
    struct spv_link_cmd_queue cmds; /* not taken by the owner yet */
    size_t n_cmds; /* these, and those taken but not released */
    size_t n_bytes; /* of the same commands */
    int close_error; /* requested reason to close; 0: none */
    bool closed; /* no command or request is accepted */
    bool wakeup_queued; /* a wake-up of the owner is on its way */
    atomic_bool has_pending; /* something to take; read without the lock */
};

/* Returns 0 or SPV_ERR_NOMEM. */
int spv_mailbox_init(struct spv_mailbox *m);
void spv_mailbox_destroy(struct spv_mailbox *m);

/* Queues a command, which is then the mailbox's. Returns 1 when the caller must wake the owner up,
 * 0 when a wake-up is on its way, SPV_ERR_STATE when the mailbox is closed or a close was
 * requested, or SPV_ERR_QUEUE_FULL. Any thread. */
int spv_mailbox_push(struct spv_mailbox *m, struct spv_link_cmd *cmd);
/* Requests that the owner closes for the given reason, a negative error. Returns as
 * spv_mailbox_push; the first request counts. Any thread. */
int spv_mailbox_request_close(struct spv_mailbox *m, int error);

/* The owner's thread, as all that follow: its wake-up has arrived. */
void spv_mailbox_woken(struct spv_mailbox *m);
/* Returns true when there is something to take. */
bool spv_mailbox_has_pending(const struct spv_mailbox *m);
/* Moves all commands to the end of out. Returns the requested reason to close, or 0. */
int spv_mailbox_take(struct spv_mailbox *m, struct spv_link_cmd_queue *out);
/* n of the taken commands, with `bytes` bytes in all, no longer count against the limits. */
void spv_mailbox_release(struct spv_mailbox *m, size_t n, size_t bytes);
/* Accepts nothing more and moves what is queued to the end of out. */
void spv_mailbox_close(struct spv_mailbox *m, struct spv_link_cmd_queue *out);

#endif
