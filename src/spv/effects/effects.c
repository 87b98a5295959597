/* A singly linked list. A popped effect is freed by the next pop, so that what it points at (a
 * locator) is valid while the caller executes it. */
#include "spv/effects/effects.h"

#include <stdlib.h>
#include <string.h>

struct spv_queued_effect {
    struct spv_effect effect;
    struct spv_queued_effect *next;
    uint64_t more[]; /* of a message: the locator, the items or the filter that it points at */
};

void spv_effects_init(struct spv_effects *q)
{
    *q = (struct spv_effects){0};
}

void spv_effects_free(struct spv_effects *q)
{
    while (q->head) {
        struct spv_queued_effect *next = q->head->next;
        free(q->head);
        q->head = next;
    }
    free(q->popped);
    spv_effects_init(q);
}

static struct spv_queued_effect *queue_push(struct spv_effects *q, enum spv_effect_kind kind,
                                            uint64_t peer, size_t n_more)
{
    if (q->error)
        return NULL;
    if (q->n == SPV_EFFECTS_MAX) {
        q->error = SPV_ERR_TOO_MANY;
        return NULL;
    }
    struct spv_queued_effect *e = calloc(1, sizeof *e + n_more);
    if (!e) {
        q->error = SPV_ERR_NOMEM;
        return NULL;
    }
    e->effect.kind = kind;
    e->effect.peer = peer;
    if (q->tail)
        q->tail->next = e;
    else
        q->head = e;
    q->tail = e;
    q->n++;
    return e;
}

struct spv_effect *spv_effects_push(struct spv_effects *q, enum spv_effect_kind kind, uint64_t peer)
{
    struct spv_queued_effect *e = queue_push(q, kind, peer, 0);
    return e ? &e->effect : NULL;
}

void spv_effects_send_empty(struct spv_effects *q, uint64_t peer, enum spv_command command)
{
    struct spv_effect *e = spv_effects_push(q, SPV_EFFECT_SEND, peer);
    if (e)
        e->message.command = command;
}

uint64_t spv_effects_send_getheaders(struct spv_effects *q, uint64_t peer,
                                     const struct spv_blockhash *locator, size_t n)
{
    const struct spv_blockhash none = {{0}};
    return spv_effects_send_getheaders_until(q, peer, locator, n, &none);
}

uint64_t spv_effects_send_getheaders_until(struct spv_effects *q, uint64_t peer,
                                           const struct spv_blockhash *locator, size_t n,
                                           const struct spv_blockhash *stop)
{
    struct spv_queued_effect *e = queue_push(q, SPV_EFFECT_SEND, peer, n * sizeof *locator);
    if (!e)
        return 0;
    memcpy(e->more, locator, n * sizeof *locator);
    e->effect.message.command = SPV_CMD_GETHEADERS;
    e->effect.message.u.getheaders = (struct spv_msg_getheaders){.version = SPV_PROTOCOL_VERSION,
                                                                 .locator = (const void *)e->more,
                                                                 .n = n,
                                                                 .stop = *stop,
                                                                 .tag = ++q->last_tag};
    return q->last_tag;
}

void spv_effects_send_getdata(struct spv_effects *q, uint64_t peer, const struct spv_inv *items,
                              size_t n)
{
    struct spv_queued_effect *e = queue_push(q, SPV_EFFECT_SEND, peer, n * sizeof *items);
    if (!e)
        return;
    memcpy(e->more, items, n * sizeof *items);
    e->effect.message.command = SPV_CMD_GETDATA;
    e->effect.message.u.inv = (struct spv_msg_inv){.items = (const void *)e->more, .n = n};
}

void spv_effects_send_filterload(struct spv_effects *q, uint64_t peer,
                                 const struct spv_msg_filterload *load)
{
    struct spv_queued_effect *e = queue_push(q, SPV_EFFECT_SEND, peer, load->n);
    if (!e)
        return;
    if (load->n > 0)
        memcpy(e->more, load->filter, load->n);
    e->effect.message.command = SPV_CMD_FILTERLOAD;
    e->effect.message.u.filterload = *load;
    e->effect.message.u.filterload.filter = (const void *)e->more;
}

void spv_effects_send_ping(struct spv_effects *q, uint64_t peer, uint64_t nonce)
{
    struct spv_effect *e = spv_effects_push(q, SPV_EFFECT_SEND, peer);
    if (!e)
        return;
    e->message.command = SPV_CMD_PING;
    e->message.u.ping = (struct spv_msg_ping){.has_nonce = true, .nonce = nonce};
}

int spv_effects_pop(struct spv_effects *q, struct spv_effect *out)
{
    free(q->popped);
    q->popped = q->head;
    if (!q->head)
        return 0;
    q->head = q->head->next;
    if (!q->head)
        q->tail = NULL;
    q->n--;
    *out = q->popped->effect;
    return 1;
}

const struct spv_effect *spv_effects_head(const struct spv_effects *q)
{
    return q->head ? &q->head->effect : NULL;
}

struct spv_event *spv_effects_unaddressed(struct spv_effects *q)
{
    for (struct spv_queued_effect *e = q->head; e; e = e->next)
        if (e->effect.kind == SPV_EFFECT_EVENT && e->effect.event.peer &&
            !e->effect.event.address[0])
            return &e->effect.event;
    return NULL;
}

void spv_effects_discard_sends(struct spv_effects *q, uint64_t peer)
{
    struct spv_queued_effect **at = &q->head;
    q->tail = NULL;
    while (*at) {
        struct spv_queued_effect *e = *at;
        if (e->effect.kind == SPV_EFFECT_SEND && e->effect.peer == peer) {
            *at = e->next;
            free(e);
            q->n--;
        } else {
            q->tail = e;
            at = &e->next;
        }
    }
}
