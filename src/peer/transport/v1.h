/* The receiving half of the v1 transport: chunks of bytes of any size become checked frames. It
 * owns the received bytes that were not returned yet. */
#ifndef SPV_PEER_TRANSPORT_V1_H
#define SPV_PEER_TRANSPORT_V1_H

#include "spv/types.h"
#include "util/buffer.h"
#include "wire/frame.h"

#define SPV_FRAME_READER_KEEP 4096 /* bytes of buffer that an idle connection keeps */

struct spv_frame_reader {
    struct spv_buffer buf;
    size_t off; /* bytes at the front of buf that were returned */
    struct spv_frame frame; /* of the message at off, once its header has been checked */
    bool have_frame;
};

void spv_frame_reader_init(struct spv_frame_reader *in);
void spv_frame_reader_free(struct spv_frame_reader *in);

/* Appends n bytes. Memory grows with the received bytes, never with a claimed length. Returns 0 or
 * SPV_ERR_NOMEM. */
int spv_frame_reader_feed(struct spv_frame_reader *in, const uint8_t *bytes, size_t n);

/* Reads the next frame's header into in->frame. Returns 1, 0 when it is incomplete, or
 * SPV_ERR_MAGIC, _COMMAND or _LENGTH. */
int spv_frame_reader_header(struct spv_frame_reader *in, const struct spv_netid *net,
                            uint32_t max_payload);
/* After spv_frame_reader_header has returned 1: returns 1 when the frame is complete and its
 * checksum is right, 0 when it is incomplete, or SPV_ERR_CHECKSUM, after which the next calls
 * continue with the frame after it. *payload is borrowed: valid until the next call. */
int spv_frame_reader_next(struct spv_frame_reader *in, const uint8_t **payload);

/* Received bytes that do not belong to a returned frame. */
size_t spv_frame_reader_buffered(const struct spv_frame_reader *in);

/* True when the buffer is larger than twice the buffered bytes plus SPV_FRAME_READER_KEEP. */
bool spv_frame_reader_is_oversized(const struct spv_frame_reader *in);
/* Frees that memory, also while a message is incomplete. Returned payloads become invalid. */
void spv_frame_reader_trim(struct spv_frame_reader *in);

#endif
