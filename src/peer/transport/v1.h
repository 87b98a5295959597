/* The receiving half of the v1 transport: bytes in any chunking become checked frames. It owns the
 * bytes that arrived and were not yet handed out, and the memory of decoded messages. */
#ifndef SPV_PEER_TRANSPORT_V1_H
#define SPV_PEER_TRANSPORT_V1_H

#include "spv/types.h"
#include "util/buffer.h"
#include "wire/codec.h"
#include "wire/frame.h"

#define SPV_FRAME_READER_KEEP                                                                      \
    4096 /* bytes of buffer and of arena that an idle connection keeps                             \
          */

struct spv_frame_reader {
    struct spv_buffer buf;
    size_t off; /* bytes at the front of buf that were handed out */
    struct spv_frame frame; /* of the message at off, once its header has been checked */
    bool have_frame;
    struct spv_arena arena;
};

void spv_frame_reader_init(struct spv_frame_reader *in);
void spv_frame_reader_free(struct spv_frame_reader *in);

/* Appends n bytes. Memory grows with the bytes that arrive, never with a claimed length.
 * SPV_ERR_NOMEM. */
int spv_frame_reader_feed(struct spv_frame_reader *in, const uint8_t *bytes, size_t n);

/* The next frame's header, as soon as its bytes are there: 1 and in->frame, 0 not yet, or what is
 * wrong with it (SPV_ERR_MAGIC, _COMMAND, _LENGTH). */
int spv_frame_reader_header(struct spv_frame_reader *in, const struct spv_netid *net, uint32_t cap);
/* After that returned 1: 1 when the frame's bytes are all there and its checksum holds, 0 not yet,
 * SPV_ERR_CHECKSUM (the frame can be passed over: the next calls go on behind it). *payload is
 * borrowed: valid until the next call. */
int spv_frame_reader_next(struct spv_frame_reader *in, const uint8_t **payload);

/* Bytes that arrived and do not yet belong to a frame handed out. */
size_t spv_frame_reader_buffered(const struct spv_frame_reader *in);

/* True when more memory is held than what waits, as much again, and SPV_FRAME_READER_KEEP ask for.
 */
bool spv_frame_reader_bulky(const struct spv_frame_reader *in);
/* Gives that memory back, also while a message is arriving. What was handed out before is gone. */
void spv_frame_reader_trim(struct spv_frame_reader *in);
size_t spv_frame_reader_memory(const struct spv_frame_reader *in);

#endif
