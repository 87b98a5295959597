/* One connection's transport: received bytes become frames, messages become bytes. It hides from
 * the rest of the peer whether the connection has v1 frames or encrypted packets (v2, BIP324), and
 * detects which of both an inbound connection has. */
#ifndef SPV_PEER_TRANSPORT_TRANSPORT_H
#define SPV_PEER_TRANSPORT_TRANSPORT_H

#include "peer/transport/v1.h"
#include "peer/transport/v2.h"
#include "spv/peer.h"
#include "wire/arena.h"
#include "wire/shared_frame.h"

struct spv_transport_config {
    const struct spv_netid *net; /* borrowed; valid as long as the transport */
    enum spv_transport_choice choice; /* automatic: detected if inbound, v1 if outbound */
    enum spv_direction direction;
    const struct spv_v2_context *context; /* borrowed, as net; NULL: one is made when needed */
    const struct spv_rng *rng; /* borrowed, as net */
    bool (*allow_v2)(void *ctx, const struct spv_endpoint *from); /* as of spv_peer_config */
    void *allow_ctx;
    const struct spv_endpoint *endpoint; /* passed to it; borrowed, as net */
    size_t max_contents; /* of a v2 packet, decoys included; at most SPV_V2_MAX_CONTENTS */
};

struct spv_transport_state {
    struct spv_transport_config cfg;
    enum spv_transport kind; /* SPV_TRANSPORT_PENDING: not detected yet, or not authenticated */
    struct spv_frame_reader v1; /* bytes received before v2 is detected, too */
    struct spv_v2 *v2; /* owned; NULL: v1, or not detected yet */
    struct spv_v2_context *own_context; /* owned; NULL: cfg.context */
    struct spv_frame frame; /* of the current message */
    const uint8_t *packet; /* v2: the current message's payload */
    size_t frame_bytes; /* on the wire, of the current message */
    bool have_packet;
    bool has_unknown_id; /* v2: the packet has an unassigned id or a malformed name: skip it */
    struct spv_arena arena; /* of the decoded message */
};

/* Prepares a transport; allocates nothing. */
void spv_transport_init(struct spv_transport_state *t, const struct spv_transport_config *cfg);
void spv_transport_free(struct spv_transport_state *t);
/* Outbound: appends to out what opens the connection: v2's public key; nothing for v1. Returns 0,
 * SPV_ERR_NOMEM or SPV_ERR_CRYPTO. */
int spv_transport_start(struct spv_transport_state *t, struct spv_buffer *out);

/* Appends n received bytes. Returns 0 or SPV_ERR_NOMEM. */
int spv_transport_feed(struct spv_transport_state *t, const uint8_t *bytes, size_t n);
/* Reads the frame header of the next message into t->frame; max_payload limits its payload in
 * bytes. What the v2 handshake has to send is appended to out. Returns 1, 0 when more bytes are
 * needed, or an error after which the connection is unusable: those of spv_frame_read for v1;
 * SPV_ERR_V1_PEER (v2 was chosen and the peer uses v1), SPV_ERR_ADDRESS_LIMIT (not allowed),
 * SPV_ERR_MAGIC, SPV_ERR_LENGTH, SPV_ERR_V2_GARBAGE, SPV_ERR_V2_TAG, SPV_ERR_CRYPTO, SPV_ERR_NOMEM.
 */
int spv_transport_header(struct spv_transport_state *t, struct spv_buffer *out,
                         uint32_t max_payload);
/* After that returned 1: returns 1 and the payload of t->frame, 0 while it is incomplete, or
 * SPV_ERR_CHECKSUM, after which the next message may be read. *payload is borrowed: valid until the
 * next call. */
int spv_transport_payload(struct spv_transport_state *t, const uint8_t **payload);

/* True once messages can be encoded: the transport is known and, for v2, its keys are derived. */
bool spv_transport_can_send(const struct spv_transport_state *t);
/* True while an outbound v2 connection has not received the peer's whole key. */
bool spv_transport_unanswered(const struct spv_transport_state *t);
/* A message is encoded in two steps, so that a caller may drop it in between by setting out->len
 * back to *start. The first appends it at *start in its final length and returns as spv_msg_write.
 */
int spv_transport_put(const struct spv_transport_state *t, struct spv_buffer *out,
                      const struct spv_msg *msg, uint32_t version, size_t *start);
/* The same for an encoded v1 frame. */
int spv_transport_put_frame(const struct spv_transport_state *t, struct spv_buffer *out,
                            const uint8_t *frame, size_t n, size_t *start);
/* The second encrypts it (v2), in the order in which the messages are sent. Returns 0, or
 * SPV_ERR_CRYPTO, removes it, and the connection is unusable. */
int spv_transport_seal(struct spv_transport_state *t, struct spv_buffer *out, size_t start);

/* Received bytes that do not belong to a returned message. */
size_t spv_transport_buffered(const struct spv_transport_state *t);
/* True when more memory is kept than an idle connection keeps; trim frees it, and what the last
 * message borrowed with it. */
bool spv_transport_is_oversized(const struct spv_transport_state *t);
void spv_transport_trim(struct spv_transport_state *t);
size_t spv_transport_memory(const struct spv_transport_state *t);

#endif
