/* Two queues, each an array with a head index. When the end of the array is reached and at least
 * half of it is free, the entries move to its front, so that a queue that is never empty costs
 * amortised constant time per entry. A large array is freed when its last entry is popped. */
#include "peer/completions.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/array.h"

#define INITIAL_CAP 8 /* a connection seldom queues more messages at once */
/* ours: what an empty queue keeps, 1 KiB, so that small bursts cost no memory */
#define KEEP_CAP 32

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

void spv_queued_frames_free(struct spv_queued_frames *q)
{
    free(q->list);
    *q = (struct spv_queued_frames){0};
}

size_t spv_queued_frames_count(const struct spv_queued_frames *q)
{
    return q->n - q->head;
}

int spv_queued_frames_push(struct spv_queued_frames *q, const struct spv_queued_frame *queued)
{
    void *list = q->list;
    int rc = array_reserve(&list, sizeof(q->list[0]), &q->head, &q->n, &q->cap, 1);
    q->list = list;
    if (rc == 0)
        q->list[q->n++] = *queued;
    return rc;
}

const struct spv_queued_frame *spv_queued_frames_front(const struct spv_queued_frames *q)
{
    return q->head < q->n ? &q->list[q->head] : NULL;
}

void spv_queued_frames_pop(struct spv_queued_frames *q)
{
    if (++q->head < q->n)
        return;
    q->head = q->n = 0;
    if (q->cap > KEEP_CAP)
        spv_queued_frames_free(q);
}

void spv_queued_frames_pop_newest(struct spv_queued_frames *q)
{
    if (--q->n == q->head)
        q->head = q->n = 0;
}

void spv_completions_free(struct spv_completions *c)
{
    free(c->list);
    *c = (struct spv_completions){0};
}

size_t spv_completions_count(const struct spv_completions *c)
{
    return c->n - c->head;
}

int spv_completions_reserve(struct spv_completions *c)
{
    void *list = c->list;
    int rc = array_reserve(&list, sizeof(c->list[0]), &c->head, &c->n, &c->cap, c->reserved + 1);
    c->list = list;
    if (rc == 0)
        c->reserved++;
    return rc;
}

static void completions_reset_if_empty(struct spv_completions *c)
{
    if (c->reserved > 0 || c->head < c->n)
        return;
    c->head = c->n = 0;
    if (c->cap > KEEP_CAP)
        spv_completions_free(c);
}

void spv_completions_unreserve(struct spv_completions *c)
{
    c->reserved--;
    completions_reset_if_empty(c);
}

void spv_completions_add(struct spv_completions *c, uint64_t tag, int error)
{
    c->reserved--;
    c->list[c->n++] = (struct spv_completion){tag, error};
}

int spv_completions_pop(struct spv_completions *c, uint64_t *tag, int *error)
{
    if (c->head == c->n)
        return 0;
    *tag = c->list[c->head].tag;
    *error = c->list[c->head].error;
    c->head++;
    completions_reset_if_empty(c);
    return 1;
}
