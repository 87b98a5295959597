/* A mutex-protected list. The flag has_pending saves the owner the lock when nothing is queued. */
#include "net/mailbox.h"

#include "spv/error.h"

int spv_mailbox_init(struct spv_mailbox *m)
{
    *m = (struct spv_mailbox){.close_error = 0};
    atomic_init(&m->has_pending, false);
    return pthread_mutex_init(&m->lock, NULL) == 0 ? 0 : SPV_ERR_NOMEM;
}

void spv_mailbox_destroy(struct spv_mailbox *m)
{
    (void)pthread_mutex_destroy(&m->lock);
}

/* With the lock held. */
static int mark_pending(struct spv_mailbox *m)
{
    const int must_wake = m->wakeup_queued ? 0 : 1;
    m->wakeup_queued = true;
    atomic_store_explicit(&m->has_pending, true, memory_order_release);
    return must_wake;
}

static int push_locked(struct spv_mailbox *m, struct spv_link_cmd *cmd)
{
    const size_t size = spv_link_cmd_size(cmd);
    if (m->closed || m->close_error < 0)
        return SPV_ERR_STATE;
    if (m->n_cmds >= SPV_MAILBOX_CMDS || size > SPV_MAILBOX_BYTES - m->n_bytes)
        return SPV_ERR_QUEUE_FULL;
    spv_link_cmd_push(&m->cmds, cmd);
    m->n_cmds++;
    m->n_bytes += size;
    return mark_pending(m);
}

int spv_mailbox_push(struct spv_mailbox *m, struct spv_link_cmd *cmd)
{
    (void)pthread_mutex_lock(&m->lock);
    int rc = push_locked(m, cmd);
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

static int request_close_locked(struct spv_mailbox *m, int error)
{
    if (m->closed || m->close_error < 0)
        return SPV_ERR_STATE;
    m->close_error = error;
    return mark_pending(m);
}

int spv_mailbox_request_close(struct spv_mailbox *m, int error)
{
    (void)pthread_mutex_lock(&m->lock);
    int rc = request_close_locked(m, error);
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

void spv_mailbox_woken(struct spv_mailbox *m)
{
    (void)pthread_mutex_lock(&m->lock);
    m->wakeup_queued = false;
    (void)pthread_mutex_unlock(&m->lock);
}

bool spv_mailbox_has_pending(const struct spv_mailbox *m)
{
    return atomic_load_explicit(&m->has_pending, memory_order_acquire);
}

/* With the lock held. */
static void move_cmds(struct spv_mailbox *m, struct spv_link_cmd_queue *out)
{
    struct spv_link_cmd *cmd;
    while ((cmd = spv_link_cmd_pop(&m->cmds)))
        spv_link_cmd_push(out, cmd);
    atomic_store_explicit(&m->has_pending, false, memory_order_relaxed);
}

int spv_mailbox_take(struct spv_mailbox *m, struct spv_link_cmd_queue *out)
{
    (void)pthread_mutex_lock(&m->lock);
    move_cmds(m, out);
    int error = m->close_error;
    (void)pthread_mutex_unlock(&m->lock);
    return error;
}

void spv_mailbox_release(struct spv_mailbox *m, size_t n, size_t bytes)
{
    (void)pthread_mutex_lock(&m->lock);
    m->n_cmds -= n;
    m->n_bytes -= bytes;
    (void)pthread_mutex_unlock(&m->lock);
}

void spv_mailbox_close(struct spv_mailbox *m, struct spv_link_cmd_queue *out)
{
    (void)pthread_mutex_lock(&m->lock);
    m->closed = true;
    move_cmds(m, out);
    (void)pthread_mutex_unlock(&m->lock);
}
