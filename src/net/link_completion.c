/* A singly linked list; a completion's address is its tag. */
#include "net/link_completion.h"

#include <stdlib.h>

struct spv_link_completion *spv_link_completion_new(void (*done)(void *ctx, int error), void *ctx)
{
    struct spv_link_completion *completion = malloc(sizeof *completion);
    if (completion)
        *completion = (struct spv_link_completion){.done = done, .ctx = ctx};
    return completion;
}

uint64_t spv_link_completion_tag(const struct spv_link_completion *completion)
{
    return (uint64_t)(uintptr_t)completion;
}

int spv_link_completion_send(struct spv_link_completion *completion, struct spv_peer *peer,
                             const struct spv_msg *msg, struct spv_now now)
{
    if (!completion)
        return spv_peer_send(peer, msg, now);
    return spv_peer_send_tagged(peer, msg, spv_link_completion_tag(completion), now);
}

void spv_link_completion_push(struct spv_link_completion_list *finished,
                              struct spv_link_completion *completion, int error)
{
    if (!completion)
        return;
    completion->error = error;
    completion->next = NULL;
    if (finished->tail)
        finished->tail->next = completion;
    else
        finished->head = completion;
    finished->tail = completion;
}

size_t spv_link_completion_collect(struct spv_link_completion_list *finished, struct spv_peer *peer,
                                   size_t n)
{
    size_t collected = 0;
    uint64_t tag;
    int error;
    while (collected < n && spv_peer_next_completion(peer, &tag, &error) == 1) {
        spv_link_completion_push(finished, (void *)(uintptr_t)tag, error);
        collected++;
    }
    return collected;
}

static struct spv_link_completion *completion_pop(struct spv_link_completion_list *finished)
{
    struct spv_link_completion *first = finished->head;
    if (!first)
        return NULL;
    finished->head = first->next;
    if (!finished->head)
        finished->tail = NULL;
    return first;
}

void spv_link_completion_run(struct spv_link_completion_list *finished)
{
    struct spv_link_completion *completion;
    while ((completion = completion_pop(finished))) {
        completion->done(completion->ctx, completion->error);
        free(completion);
    }
}
