/* The sending half: one bounded FIFO of encoded frames. Before the handshake completes, the
 * caller's messages are held apart and follow the negotiation. */
#ifndef SPV_PEER_SENDQ_H
#define SPV_PEER_SENDQ_H

#include "base/buffer.h"
#include "spv/message.h"
#include "spv/network.h"

#define SPV_SENDQ_KEEP 4096 /* bytes of buffer that an idle connection keeps */

struct spv_sendq {
    struct spv_buffer wire; /* frames on their way to the socket */
    size_t off; /* bytes of wire that the socket took */
    struct spv_buffer held; /* frames that wait for the handshake */
    uint64_t messages; /* put on wire so far */
};

void spv_sendq_init(struct spv_sendq *q);
void spv_sendq_free(struct spv_sendq *q);

/* Appends a frame to the wire or, before the handshake is through, to the held ones, unless the
 * queue would then hold more than max bytes: SPV_ERR_QUEUE_FULL. Other errors as spv_msg_encode. On
 * error the queue is as before. */
int spv_sendq_put(struct spv_sendq *q, const struct spv_msg *msg, const struct spv_netid *net,
                  uint32_t version, size_t max);
int spv_sendq_hold(struct spv_sendq *q, const struct spv_msg *msg, const struct spv_netid *net,
                   size_t max);

/* The handshake is through at this version: held frames join the wire. Those of commands that the
 * version does not know are dropped, a ping takes the version's form. SPV_ERR_NOMEM. */
int spv_sendq_release(struct spv_sendq *q, const struct spv_netid *net, uint32_t version);
/* Forgets what is held: it will never be sent. */
void spv_sendq_drop_held(struct spv_sendq *q);

size_t spv_sendq_pending(const struct spv_sendq *q); /* bytes on the wire's side */
size_t spv_sendq_bytes(const struct spv_sendq *q); /* and the held ones */
const uint8_t *spv_sendq_front(const struct spv_sendq *q);
void spv_sendq_sent(struct spv_sendq *q, size_t n); /* n <= pending */

bool spv_sendq_bulky(const struct spv_sendq *q);
void spv_sendq_trim(struct spv_sendq *q);
size_t spv_sendq_memory(const struct spv_sendq *q);

#endif
