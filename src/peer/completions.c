/* Two queues, each an array with a head index. When the end of the array is reached and at least
 * half of it is free, the entries move to its front, so that a queue that is never empty costs
 * amortised constant time an entry. A large array is freed when its last entry is popped. */
#include "peer/completions.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/array.h"

#define INITIAL_CAP 8 /* a connection seldom queues more messages at once */
#define KEEP_CAP                                                                                   \
    32 /* ours: what an empty queue keeps, 1 KiB, so that small bursts cost no memory */

/* Reserves capacity for `need` entries after *n. Returns 0, SPV_ERR_NOMEM. */
static int array_reserve(void **list, size_t size, size_t *head, size_t *n, size_t *cap,
                         size_t need)
{
    if (*cap - *n >= need)
        return 0;
    size_t used = *n - *head;
    if (*head > 0 && used + need <= *cap / 2) {
        memmove(*list, (uint8_t *)*list + *head * size, used * size);
        *head = 0;
        *n = used;
        return 0;
    }
    void *grown = spv_array_grow(*list, cap, *n + need, INITIAL_CAP, size);
    if (!grown)
        return SPV_ERR_NOMEM;
    *list = grown;
    return 0;
}

void spv_queued_frames_free(struct spv_queued_frames *t)
{
    free(t->list);
    *t = (struct spv_queued_frames){0};
}

size_t spv_queued_frames_count(const struct spv_queued_frames *t)
{
    return t->n - t->head;
}

int spv_queued_frames_push(struct spv_queued_frames *t, const struct spv_queued_frame *queued)
{
    void *list = t->list;
    int rc = array_reserve(&list, sizeof(t->list[0]), &t->head, &t->n, &t->cap, 1);
    t->list = list;
    if (rc == 0)
        t->list[t->n++] = *queued;
    return rc;
}

const struct spv_queued_frame *spv_queued_frames_front(const struct spv_queued_frames *t)
{
    return t->head < t->n ? &t->list[t->head] : NULL;
}

void spv_queued_frames_pop(struct spv_queued_frames *t)
{
    if (++t->head < t->n)
        return;
    t->head = t->n = 0;
    if (t->cap > KEEP_CAP)
        spv_queued_frames_free(t);
}

void spv_completions_free(struct spv_completions *d)
{
    free(d->list);
    *d = (struct spv_completions){0};
}

size_t spv_completions_count(const struct spv_completions *d)
{
    return d->n - d->head;
}

int spv_completions_reserve(struct spv_completions *d)
{
    void *list = d->list;
    int rc = array_reserve(&list, sizeof(d->list[0]), &d->head, &d->n, &d->cap, d->reserved + 1);
    d->list = list;
    if (rc == 0)
        d->reserved++;
    return rc;
}

static void completions_reset_if_empty(struct spv_completions *d)
{
    if (d->reserved > 0 || d->head < d->n)
        return;
    d->head = d->n = 0;
    if (d->cap > KEEP_CAP)
        spv_completions_free(d);
}

void spv_completions_unreserve(struct spv_completions *d)
{
    d->reserved--;
    completions_reset_if_empty(d);
}

void spv_completions_add(struct spv_completions *d, uint64_t tag, int error)
{
    d->reserved--;
    d->list[d->n++] = (struct spv_completion){tag, error};
}

int spv_completions_pop(struct spv_completions *d, uint64_t *tag, int *error)
{
    if (d->head == d->n)
        return 0;
    *tag = d->list[d->head].tag;
    *error = d->list[d->head].error;
    d->head++;
    completions_reset_if_empty(d);
    return 1;
}
