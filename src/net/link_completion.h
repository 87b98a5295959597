/* Completions: callbacks that report to a sender whether its message was sent. A completion belongs
 * to the command that carries the message, then to the peer state machine, whose tag it is, then to
 * the link's list of finished ones, which calls and frees it. */
#ifndef SPV_NET_LINK_COMPLETION_H
#define SPV_NET_LINK_COMPLETION_H

#include "spv/peer.h"

struct spv_link_completion {
    struct spv_link_completion *next; /* in a list of finished ones */
    void (*done)(void *ctx, int error);
    void *ctx;
    int error; /* once finished: 0, or why the message was not sent */
};

struct spv_link_completion_list {
    struct spv_link_completion *head;
    struct spv_link_completion *tail;
};

/* NULL when out of memory. */
struct spv_link_completion *spv_link_completion_new(void (*done)(void *ctx, int error), void *ctx);
/* The tag that stands for the completion in the peer state machine. */
uint64_t spv_link_completion_tag(const struct spv_link_completion *completion);
/* Queues a message in the peer state machine, tagged unless completion is NULL; returns as
 * spv_peer_send does. The completion is the peer's when this returns 0. */
int spv_link_completion_send(struct spv_link_completion *completion, struct spv_peer *peer,
                             const struct spv_msg *msg, struct spv_now now);
/* Appends a completion that finished with the given error; NULL is ignored. */
void spv_link_completion_push(struct spv_link_completion_list *finished,
                              struct spv_link_completion *completion, int error);
/* Appends those that the peer state machine has finished, n at most. Returns how many. */
size_t spv_link_completion_collect(struct spv_link_completion_list *finished, struct spv_peer *peer,
                                   size_t n);
/* Calls and frees all that are in the list, those pushed meanwhile included. */
void spv_link_completion_run(struct spv_link_completion_list *finished);

#endif
