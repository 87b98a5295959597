/* Two queues as arrays with a head. What was taken at the front is moved away when the end of the
 * array is reached and at least half of it is free, so that a queue that never runs empty costs
 * linear time; a large array whose last entry was taken is given back. */
#include "peer/completions.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"

#define FIRST_CAP 8 /* a connection seldom queues more messages at once */
#define KEEP_CAP                                                                                   \
    32 /* ours: what an empty queue keeps, 1 KiB, so that small bursts cost no memory */

/* Room for `more` entries behind *n. SPV_ERR_NOMEM. */
static int make_room(void **list, size_t size, size_t *head, size_t *n, size_t *cap, size_t more)
{
    if (*cap - *n >= more)
        return 0;
    size_t used = *n - *head;
    if (*head > 0 && used + more <= *cap / 2) {
        memmove(*list, (uint8_t *)*list + *head * size, used * size);
        *head = 0;
        *n = used;
        return 0;
    }
    size_t want = *cap == 0 ? FIRST_CAP : *cap * 2;
    while (want < *n + more)
        want *= 2;
    void *grown = realloc(*list, want * size);
    if (grown == NULL)
        return SPV_ERR_NOMEM;
    *list = grown;
    *cap = want;
    return 0;
}

void spv_tickets_free(struct spv_tickets *t)
{
    free(t->list);
    *t = (struct spv_tickets){0};
}

size_t spv_tickets_open(const struct spv_tickets *t)
{
    return t->n - t->head;
}

int spv_tickets_push(struct spv_tickets *t, const struct spv_ticket *ticket)
{
    void *list = t->list;
    int rc = make_room(&list, sizeof(t->list[0]), &t->head, &t->n, &t->cap, 1);
    t->list = list;
    if (rc == 0)
        t->list[t->n++] = *ticket;
    return rc;
}

const struct spv_ticket *spv_tickets_front(const struct spv_tickets *t)
{
    return t->head < t->n ? &t->list[t->head] : NULL;
}

void spv_tickets_pop(struct spv_tickets *t)
{
    if (++t->head < t->n)
        return;
    t->head = t->n = 0;
    if (t->cap > KEEP_CAP)
        spv_tickets_free(t);
}

void spv_dones_free(struct spv_dones *d)
{
    free(d->list);
    *d = (struct spv_dones){0};
}

size_t spv_dones_waiting(const struct spv_dones *d)
{
    return d->n - d->head;
}

int spv_dones_promise(struct spv_dones *d)
{
    void *list = d->list;
    int rc = make_room(&list, sizeof(d->list[0]), &d->head, &d->n, &d->cap, d->promised + 1);
    d->list = list;
    if (rc == 0)
        d->promised++;
    return rc;
}

static void give_back(struct spv_dones *d)
{
    if (d->promised > 0 || d->head < d->n)
        return;
    d->head = d->n = 0;
    if (d->cap > KEEP_CAP)
        spv_dones_free(d);
}

void spv_dones_unpromise(struct spv_dones *d)
{
    d->promised--;
    give_back(d);
}

void spv_dones_keep(struct spv_dones *d, uint64_t tag, int error)
{
    d->promised--;
    d->list[d->n++] = (struct spv_done){tag, error};
}

int spv_dones_take(struct spv_dones *d, uint64_t *tag, int *error)
{
    if (d->head == d->n)
        return 0;
    *tag = d->list[d->head].tag;
    *error = d->list[d->head].error;
    d->head++;
    give_back(d);
    return 1;
}
