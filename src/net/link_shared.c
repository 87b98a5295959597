/* References: one is the reactor's until on_closed has returned, one belongs to a queued wake-up of
 * the mailbox, the others are the user's. */
#include <stdlib.h>

#include "net/link.h"

int spv_link_shared_init(struct spv_link_shared *shared)
{
    if (pthread_mutex_init(&shared->lock, NULL) != 0)
        return SPV_ERR_NOMEM;
    if (pthread_cond_init(&shared->closed_cond, NULL) != 0) {
        (void)pthread_mutex_destroy(&shared->lock);
        return SPV_ERR_NOMEM;
    }
    atomic_init(&shared->refs, 1);
    return 0;
}

void spv_link_shared_destroy(struct spv_link_shared *shared)
{
    (void)pthread_cond_destroy(&shared->closed_cond);
    (void)pthread_mutex_destroy(&shared->lock);
}

struct spv_link *spv_link_ref(struct spv_link *link)
{
    (void)atomic_fetch_add_explicit(&link->shared.refs, 1, memory_order_relaxed);
    return link;
}

void spv_link_unref(struct spv_link *link)
{
    if (!link || atomic_fetch_sub_explicit(&link->shared.refs, 1, memory_order_acq_rel) != 1)
        return;
    spv_link_shared_destroy(&link->shared);
    spv_mailbox_destroy(&link->mailbox);
    spv_task_queue_unref(link->task_queue);
    free(link);
}

void spv_link_publish_stats(struct spv_link *l)
{
    (void)pthread_mutex_lock(&l->shared.lock);
    spv_peer_get_stats(l->peer, &l->shared.stats);
    (void)pthread_mutex_unlock(&l->shared.lock);
}

void spv_link_signal_closed(struct spv_link *l)
{
    (void)pthread_mutex_lock(&l->shared.lock);
    l->shared.closed = true;
    (void)pthread_cond_broadcast(&l->shared.closed_cond);
    (void)pthread_mutex_unlock(&l->shared.lock);
}
