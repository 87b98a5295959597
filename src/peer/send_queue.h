/* Send queue: one bounded FIFO of encoded frames, with a completion for each tagged one. Before the
 * handshake is complete, the caller's messages are deferred: they follow the negotiation. */
#ifndef SPV_PEER_SEND_QUEUE_H
#define SPV_PEER_SEND_QUEUE_H

#include "peer/completions.h"
#include "peer/transport/transport.h"
#include "spv/message.h"
#include "spv/network.h"
#include "util/buffer.h"
#include "wire/shared_frame.h"

#define SPV_SEND_QUEUE_KEEP 4096 /* bytes of buffer that an idle connection keeps */

/* A shared frame in the stream of queued bytes. */
struct spv_send_queue_shared {
    uint64_t at; /* offset of its start, counted from the connection's first byte */
    struct spv_shared_frame *frame;
};

struct spv_send_queue {
    struct spv_buffer wire; /* frames to be written to the socket */
    size_t off; /* bytes of wire that the socket has accepted */
    struct spv_send_queue_shared *shared; /* shared frames between those of wire, oldest first */
    size_t first_shared, n_shared, shared_cap; /* shared[first_shared..first_shared + n_shared) */
    size_t shared_bytes; /* bytes of shared frames that the socket has not accepted */
    uint64_t taken; /* all bytes that the socket has accepted */
    uint64_t completed; /* offset of the end of the last completed frame */
    struct spv_queued_frames frames; /* of the frames on wire */
    struct spv_buffer deferred; /* frames that wait for the handshake */
    struct spv_queued_frames deferred_frames;
    struct spv_completions completions;
    uint64_t messages; /* put on wire so far */
    /* Called once for every frame: the bytes of it that were sent, and 0 or why it was not sent
     * whole. May be NULL. */
    void (*on_frame_done)(void *ctx, const struct spv_queued_frame *queued, size_t bytes,
                          int error);
    void *ctx;
};

/* Limits of the queue; completions not yet popped count as messages. */
struct spv_send_queue_bound {
    size_t bytes;
    size_t messages;
};

void spv_send_queue_init(struct spv_send_queue *q);
void spv_send_queue_free(struct spv_send_queue *q);

/* Appends a frame to the wire or, before the handshake is complete, to the deferred ones, unless
 * the queue would then exceed the bound (NULL: none): SPV_ERR_QUEUE_FULL. tag may be NULL. Other
 * errors as spv_msg_encode. On error the queue is as before; SPV_ERR_CRYPTO ends the connection. */
int spv_send_queue_put(struct spv_send_queue *q, const struct spv_msg *msg,
                       struct spv_transport_state *transport, uint32_t version,
                       const struct spv_send_queue_bound *bound, const uint64_t *tag);
int spv_send_queue_defer(struct spv_send_queue *q, const struct spv_msg *msg,
                         const struct spv_netid *net, const struct spv_send_queue_bound *bound,
                         const uint64_t *tag);

/* Appends a sealed frame to the wire: of a v1 connection, which keeps a reference to it, or, copied
 * and encrypted, of a v2 one. */
int spv_send_queue_put_shared(struct spv_send_queue *q, struct spv_shared_frame *frame,
                              enum spv_command command, struct spv_transport_state *transport,
                              const struct spv_send_queue_bound *bound, const uint64_t *tag);

/* The transport has appended bytes of its own to q->wire, from position len on, before the first
 * message: they belong to no frame. */
void spv_send_queue_opened(struct spv_send_queue *q, size_t len);
/* The handshake is complete at this version: deferred frames move to the wire. Those of commands
 * that the peer does not accept (command_rules.c) are dropped, a ping takes the version's form.
 * SPV_ERR_NOMEM. */
int spv_send_queue_flush_deferred(struct spv_send_queue *q, struct spv_transport_state *transport,
                                  uint32_t version, uint64_t services);
/* Drops the deferred frames: they complete with this error. */
void spv_send_queue_drop_deferred(struct spv_send_queue *q, int error);
/* Drops the frames on the wire, too. */
void spv_send_queue_drop_all(struct spv_send_queue *q, int error);

size_t spv_send_queue_pending(
    const struct spv_send_queue *q); /* bytes to write, deferred ones excluded */
size_t spv_send_queue_bytes(const struct spv_send_queue *q); /* deferred ones included */
size_t spv_send_queue_messages(const struct spv_send_queue *q); /* plus completions not popped */
/* Sets *bytes to the next contiguous bytes to write and returns how many they are: 0 only when
 * nothing is pending. */
size_t spv_send_queue_front(const struct spv_send_queue *q, const uint8_t **bytes);
void spv_send_queue_sent(struct spv_send_queue *q, size_t n); /* n <= pending */

/* True when nothing is pending and the buffer is larger than SPV_SEND_QUEUE_KEEP; trim frees it. */
bool spv_send_queue_is_oversized(const struct spv_send_queue *q);
void spv_send_queue_trim(struct spv_send_queue *q);
size_t spv_send_queue_memory(const struct spv_send_queue *q);

#endif
