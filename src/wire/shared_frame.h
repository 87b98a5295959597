/* An encoded frame that several connections send without copying it. It is reference-counted; all
 * references belong to one thread. */
#ifndef SPV_WIRE_SHARED_FRAME_H
#define SPV_WIRE_SHARED_FRAME_H

#include "wire/frame.h"

struct spv_shared_frame {
    unsigned refs;
    size_t n; /* bytes, the frame header included */
    uint8_t bytes[];
};

/* Allocates a frame for `payload` bytes of payload, which the caller writes behind the first
 * SPV_FRAME_HEADER bytes before sealing the frame. The reference is the caller's. NULL when out of
 * memory. */
struct spv_shared_frame *spv_shared_frame_new(size_t payload);
/* Writes the header: magic, command, length and checksum. */
void spv_shared_frame_seal(struct spv_shared_frame *f, const struct spv_netid *net,
                           enum spv_command command);
struct spv_shared_frame *spv_shared_frame_ref(struct spv_shared_frame *f);
void spv_shared_frame_unref(struct spv_shared_frame *f); /* NULL is fine */

#endif
