/* The calls that any thread may make.
 *
 * On the reactor's thread they go straight through. From elsewhere a message is written into a
 * letter, outside the lock, and left behind the link's door; a wish to close is a flag there. The
 * first to leave something posts the link in the reactor's inbox, once, whatever else comes until
 * the reactor looks. Door and letters are bounded a link, so a thread that writes faster than the
 * peer reads hears SPV_ERR_QUEUE_FULL, and a letter that was taken is given to the machine in order
 * or told not sent.
 *
 * A link is held by references: one is the reactor's until the final callback has run, one is the
 * post's, and the others are the user's. */
#include <stdlib.h>

#include "net/link.h"
#include "spv/push.h"

#define MAX_LETTERS 10000 /* ours: messages a link that wait for the reactor's thread */
#define MAX_LETTER_BYTES (4u << 20) /* ours: holds one message of the largest size */

static void on_task(struct spv_task *post);

int spv_link_mailbox_init(struct spv_link *l)
{
    struct spv_link_mailbox *d = &l->mailbox;
    if (pthread_mutex_init(&d->lock, NULL) != 0)
        return SPV_ERR_NOMEM;
    if (pthread_cond_init(&d->closed_cond, NULL) != 0) {
        (void)pthread_mutex_destroy(&d->lock);
        return SPV_ERR_NOMEM;
    }
    d->task.run = on_task;
    atomic_init(&d->has_pending, false);
    atomic_init(&d->refs, 1);
    return 0;
}

void spv_link_mailbox_destroy(struct spv_link *l)
{
    (void)pthread_cond_destroy(&l->mailbox.closed_cond);
    (void)pthread_mutex_destroy(&l->mailbox.lock);
}

struct spv_link *spv_link_ref(struct spv_link *link)
{
    (void)atomic_fetch_add_explicit(&link->mailbox.refs, 1, memory_order_relaxed);
    return link;
}

void spv_link_unref(struct spv_link *link)
{
    if (!link || atomic_fetch_sub_explicit(&link->mailbox.refs, 1, memory_order_acq_rel) != 1)
        return;
    spv_link_mailbox_destroy(link);
    spv_task_queue_unref(link->task_queue);
    free(link);
}

void spv_link_update_stats(struct spv_link *l)
{
    (void)pthread_mutex_lock(&l->mailbox.lock);
    spv_peer_get_stats(l->peer, &l->mailbox.stats);
    (void)pthread_mutex_unlock(&l->mailbox.lock);
}

int spv_link_mailbox_take(struct spv_link *l)
{
    struct spv_link_mailbox *d = &l->mailbox;
    struct spv_link_cmd *cmd;
    (void)pthread_mutex_lock(&d->lock);
    while ((cmd = spv_link_cmd_pop(&d->cmds)))
        spv_link_cmd_push(&l->backlog, cmd);
    int error = d->close_wanted ? d->close_error : 0;
    atomic_store_explicit(&d->has_pending, false, memory_order_relaxed);
    (void)pthread_mutex_unlock(&d->lock);
    return error;
}

void spv_link_mailbox_release(struct spv_link *l, size_t n, size_t bytes)
{
    (void)pthread_mutex_lock(&l->mailbox.lock);
    l->mailbox.n_cmds -= n;
    l->mailbox.cmd_bytes -= bytes;
    (void)pthread_mutex_unlock(&l->mailbox.lock);
}

void spv_link_mailbox_close(struct spv_link *l)
{
    (void)pthread_mutex_lock(&l->mailbox.lock);
    l->mailbox.no_more_cmds = true;
    (void)pthread_mutex_unlock(&l->mailbox.lock);
    (void)spv_link_mailbox_take(l);
}

void spv_link_signal_closed(struct spv_link *l)
{
    (void)pthread_mutex_lock(&l->mailbox.lock);
    l->mailbox.closed = true;
    (void)pthread_cond_broadcast(&l->mailbox.closed_cond);
    (void)pthread_mutex_unlock(&l->mailbox.lock);
}

static void on_task(struct spv_task *post)
{
    struct spv_link *l = (void *)((char *)post - offsetof(struct spv_link, mailbox.task));
    (void)pthread_mutex_lock(&l->mailbox.lock);
    l->mailbox.wakeup_queued = false;
    (void)pthread_mutex_unlock(&l->mailbox.lock);
    if (!l->mailbox.closed)
        spv_link_end_of_event(l);
    spv_link_unref(l);
}

/* Call with the lock held, which it gives back. */
static void wake_loop(struct spv_link *l)
{
    struct spv_link_mailbox *d = &l->mailbox;
    bool post = !d->wakeup_queued;
    d->wakeup_queued = true;
    atomic_store_explicit(&d->has_pending, true, memory_order_release);
    if (post)
        (void)spv_link_ref(l);
    (void)pthread_mutex_unlock(&d->lock);
    /* Refused: the reactor has gone meanwhile and told everybody. */
    if (post && !spv_task_queue_push(l->task_queue, &d->task))
        spv_link_unref(l);
}

/* The letter is the door's when this succeeds. */
static int cmd_push(struct spv_link *l, struct spv_link_cmd *cmd)
{
    struct spv_link_mailbox *d = &l->mailbox;
    const size_t size = spv_link_cmd_size(cmd);
    int rc = 0;
    (void)pthread_mutex_lock(&d->lock);
    if (d->no_more_cmds || d->close_wanted)
        rc = SPV_ERR_STATE;
    else if (d->n_cmds >= MAX_LETTERS || size > MAX_LETTER_BYTES - d->cmd_bytes)
        rc = SPV_ERR_QUEUE_FULL;
    if (rc < 0) {
        (void)pthread_mutex_unlock(&d->lock);
        return rc;
    }
    spv_link_cmd_push(&d->cmds, cmd);
    d->n_cmds++;
    d->cmd_bytes += size;
    wake_loop(l);
    return 0;
}

static int cmd_push_message(struct spv_link *l, const struct spv_msg *msg,
                            struct spv_link_completion *completion)
{
    struct spv_link_cmd *cmd;
    int rc = spv_link_cmd_encode(&cmd, msg);
    if (rc < 0)
        return rc;
    cmd->completion = completion;
    rc = cmd_push(l, cmd);
    if (rc < 0)
        spv_link_cmd_free(cmd);
    return rc;
}

static int push_message(struct spv_link *l, const struct spv_msg *msg,
                        struct spv_link_completion *completion)
{
    return spv_task_queue_on_loop_thread(l->task_queue) ? spv_link_send_here(l, msg, completion)
                                                        : cmd_push_message(l, msg, completion);
}

int spv_link_send(struct spv_link *link, const struct spv_msg *msg)
{
    return push_message(link, msg, NULL);
}

int spv_link_send_tracked(struct spv_link *link, const struct spv_msg *msg,
                          void (*done)(void *ctx, int error), void *ctx)
{
    struct spv_link_completion *completion = spv_link_completion_new(done, ctx);
    if (!completion)
        return SPV_ERR_NOMEM;
    int rc = push_message(link, msg, completion);
    if (rc < 0)
        free(completion);
    return rc;
}

int spv_link_exec(struct spv_link *link,
                  void (*fn)(void *ctx, struct spv_peer *peer, struct spv_now now), void *ctx)
{
    if (spv_task_queue_on_loop_thread(link->task_queue))
        return spv_link_exec_here(link, fn, ctx);
    struct spv_link_cmd *cmd;
    int rc = spv_link_cmd_new_run(&cmd, fn, ctx);
    if (rc < 0)
        return rc;
    rc = cmd_push(link, cmd);
    if (rc < 0)
        spv_link_cmd_free(cmd);
    return rc;
}

struct inventory {
    struct spv_inv item;
    uint64_t fee_rate;
    int result;
};

static void push_inventory(void *ctx, struct spv_peer *peer, struct spv_now now)
{
    struct inventory *inv = ctx;
    if (peer)
        inv->result = spv_peer_push_inventory(peer, &inv->item, inv->fee_rate, now);
}

static void push_and_free(void *ctx, struct spv_peer *peer, struct spv_now now)
{
    push_inventory(ctx, peer, now);
    free(ctx);
}

int spv_link_push_inventory(struct spv_link *link, const struct spv_inv *item, uint64_t fee_rate)
{
    struct inventory inv = {.item = *item, .fee_rate = fee_rate};
    if (spv_task_queue_on_loop_thread(link->task_queue)) {
        int rc = spv_link_exec(link, push_inventory, &inv);
        return rc < 0 ? rc : inv.result;
    }
    struct inventory *copy = malloc(sizeof *copy);
    if (!copy)
        return SPV_ERR_NOMEM;
    *copy = inv;
    int rc = spv_link_exec(link, push_and_free, copy);
    if (rc < 0)
        free(copy);
    return rc < 0 ? rc : 1;
}

void spv_link_close(struct spv_link *link, int error)
{
    struct spv_link_mailbox *d = &link->mailbox;
    if (spv_task_queue_on_loop_thread(link->task_queue)) {
        spv_link_close_here(link, error);
        return;
    }
    (void)pthread_mutex_lock(&d->lock);
    if (d->no_more_cmds || d->close_wanted) {
        (void)pthread_mutex_unlock(&d->lock);
        return;
    }
    d->close_wanted = true;
    d->close_error = error < 0 ? error : SPV_ERR_DISCONNECTED;
    wake_loop(link);
}

int spv_link_wait(struct spv_link *link)
{
    struct spv_link_mailbox *d = &link->mailbox;
    if (spv_task_queue_on_loop_thread(link->task_queue))
        return SPV_ERR_STATE;
    (void)pthread_mutex_lock(&d->lock);
    while (!d->closed)
        (void)pthread_cond_wait(&d->closed_cond, &d->lock);
    (void)pthread_mutex_unlock(&d->lock);
    return 0;
}

void spv_link_stats(struct spv_link *link, struct spv_peer_stats *out)
{
    if (spv_task_queue_on_loop_thread(link->task_queue) && link->peer) {
        spv_peer_get_stats(link->peer, out);
        return;
    }
    (void)pthread_mutex_lock(&link->mailbox.lock);
    *out = link->mailbox.stats;
    (void)pthread_mutex_unlock(&link->mailbox.lock);
}

const struct spv_endpoint *spv_link_endpoint(const struct spv_link *link)
{
    return &link->endpoint;
}
