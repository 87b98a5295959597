/* The calls of any thread. On the reactor's thread they act at once. From another thread a message
 * is encoded into a command, outside the lock, and queued in the link's mailbox. The first to queue
 * something posts the link's wake-up task to the reactor; until that has run, further commands need
 * no other. A queued command is executed in order, or its completion gets an error. */
#include <stdlib.h>

#include "net/link.h"
#include "spv/push.h"

static void wake_loop(struct spv_link *l)
{
    (void)spv_link_ref(l);
    /* Refused: the reactor was freed meanwhile and has failed the commands. */
    if (!spv_task_queue_push(l->task_queue, &l->wakeup))
        spv_link_unref(l);
}

/* The command is the mailbox's, or freed on an error. */
static int push_cmd(struct spv_link *l, struct spv_link_cmd *cmd)
{
    int rc = spv_mailbox_push(&l->mailbox, cmd);
    if (rc < 0) {
        spv_link_cmd_free(cmd);
        return rc;
    }
    if (rc == 1)
        wake_loop(l);
    return 0;
}

static int send_message(struct spv_link *l, const struct spv_msg *msg,
                        struct spv_link_completion *completion)
{
    if (spv_task_queue_on_loop_thread(l->task_queue))
        return spv_link_send_on_reactor(l, msg, completion);
    struct spv_link_cmd *cmd;
    int rc = spv_link_cmd_encode(&cmd, msg);
    if (rc < 0)
        return rc;
    cmd->completion = completion;
    return push_cmd(l, cmd);
}

int spv_link_send(struct spv_link *link, const struct spv_msg *msg)
{
    return send_message(link, msg, NULL);
}

int spv_link_send_tracked(struct spv_link *link, const struct spv_msg *msg,
                          void (*done)(void *ctx, int error), void *ctx)
{
    struct spv_link_completion *completion = spv_link_completion_new(done, ctx);
    if (!completion)
        return SPV_ERR_NOMEM;
    int rc = send_message(link, msg, completion);
    if (rc < 0)
        free(completion);
    return rc;
}

int spv_link_exec(struct spv_link *link,
                  void (*fn)(void *ctx, struct spv_peer *peer, struct spv_now now), void *ctx)
{
    if (spv_task_queue_on_loop_thread(link->task_queue))
        return spv_link_exec_on_reactor(link, fn, ctx);
    struct spv_link_cmd *cmd;
    int rc = spv_link_cmd_new_exec(&cmd, fn, ctx);
    if (rc < 0)
        return rc;
    return push_cmd(link, cmd);
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
    if (rc < 0) {
        free(copy);
        return rc;
    }
    return 1;
}

void spv_link_close(struct spv_link *link, int error)
{
    if (spv_task_queue_on_loop_thread(link->task_queue)) {
        spv_link_close_on_reactor(link, error);
        return;
    }
    const int reason = error < 0 ? error : SPV_ERR_DISCONNECTED;
    if (spv_mailbox_request_close(&link->mailbox, reason) == 1)
        wake_loop(link);
}

int spv_link_wait(struct spv_link *link)
{
    struct spv_link_shared *shared = &link->shared;
    if (spv_task_queue_on_loop_thread(link->task_queue))
        return SPV_ERR_STATE;
    (void)pthread_mutex_lock(&shared->lock);
    while (!shared->closed)
        (void)pthread_cond_wait(&shared->closed_cond, &shared->lock);
    (void)pthread_mutex_unlock(&shared->lock);
    return 0;
}

bool spv_link_wants_v1(const struct spv_link *link)
{
    return link->peer && spv_peer_wants_v1(link->peer);
}

void spv_link_stats(struct spv_link *link, struct spv_peer_stats *out)
{
    if (spv_task_queue_on_loop_thread(link->task_queue) && link->peer) {
        spv_peer_get_stats(link->peer, out);
        return;
    }
    (void)pthread_mutex_lock(&link->shared.lock);
    *out = link->shared.stats;
    (void)pthread_mutex_unlock(&link->shared.lock);
}

const struct spv_endpoint *spv_link_endpoint(const struct spv_link *link)
{
    return &link->endpoint;
}
