/* The queue of effects between the state machines of src/spv and the caller of the node, which
 * executes them. Bounded; the error of the first failed push is sticky. */
#ifndef SPV_SPV_EFFECTS_EFFECTS_H
#define SPV_SPV_EFFECTS_EFFECTS_H

#include "spv/node.h"

#define SPV_EFFECTS_MAX 4096 /* an input queues a few; a caller that never polls is a bug */

struct spv_queued_effect;

struct spv_effects {
    struct spv_queued_effect *head;
    struct spv_queued_effect *tail;
    struct spv_queued_effect *popped; /* the last one that was popped; freed by the next pop */
    size_t n;
    uint64_t last_tag; /* of a getheaders */
    int error;
};

void spv_effects_init(struct spv_effects *q);
void spv_effects_free(struct spv_effects *q);

/* A zeroed effect at the end of the queue, to be filled in; NULL: the queue has failed. */
struct spv_effect *spv_effects_push(struct spv_effects *q, enum spv_effect_kind kind,
                                    uint64_t peer);

/* A SEND of a message without a body. */
void spv_effects_send_empty(struct spv_effects *q, uint64_t peer, enum spv_command command);

/* A SEND of getheaders; the locator is copied. Returns the request's tag, which its answer has. */
uint64_t spv_effects_send_getheaders(struct spv_effects *q, uint64_t peer,
                                     const struct spv_blockhash *locator, size_t n);
/* The same with a stop hash. */
uint64_t spv_effects_send_getheaders_until(struct spv_effects *q, uint64_t peer,
                                           const struct spv_blockhash *locator, size_t n,
                                           const struct spv_blockhash *stop);

/* A SEND of getdata for n items, which are copied. */
void spv_effects_send_getdata(struct spv_effects *q, uint64_t peer, const struct spv_inv *items,
                              size_t n);
/* A SEND of filterload; the filter is copied. */
void spv_effects_send_filterload(struct spv_effects *q, uint64_t peer,
                                 const struct spv_msg_filterload *load);
/* A SEND of a ping whose pong is recognised by its nonce. */
void spv_effects_send_ping(struct spv_effects *q, uint64_t peer, uint64_t nonce);

/* The first effect: 1, or 0 when the queue is empty. What *out points at is valid until the next
 * pop.
 */
int spv_effects_pop(struct spv_effects *q, struct spv_effect *out);

/* The effect that is popped next; NULL: none. */
const struct spv_effect *spv_effects_head(const struct spv_effects *q);

/* The first queued event of a peer that lacks the peer's address, or NULL. */
struct spv_event *spv_effects_unaddressed(struct spv_effects *q);

/* Discards queued SENDs to a disconnected peer. */
void spv_effects_discard_sends(struct spv_effects *q, uint64_t peer);

#endif
