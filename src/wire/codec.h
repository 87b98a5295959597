/* One codec a message: payload bytes to struct spv_msg and back. */
#ifndef SPV_WIRE_CODEC_H
#define SPV_WIRE_CODEC_H

#include "spv/message.h"
#include "spv/network.h"
#include "util/buffer.h"

/* Memory for decoded arrays, reused from message to message; what a decoded message lends lives
 * here or in the payload. Zero-initialise; free with spv_arena_free. */
struct spv_arena {
    void *mem;
    size_t cap;
};
void spv_arena_free(struct spv_arena *a);
/* Gives the memory back when it is larger than keep. */
void spv_arena_trim(struct spv_arena *a, size_t keep);

/* Decodes the payload of the message named in out->command (and out->name), at the negotiated
 * protocol version (0 before negotiation). An SPV_CMD_UNKNOWN hands the payload out raw. A negative
 * error names what is wrong; nothing in out is then meaningful. */
int spv_msg_decode(struct spv_msg *out, const uint8_t *payload, size_t n, uint32_t version,
                   struct spv_arena *arena);
/* Exact payload size that spv_msg_encode will write at this version. */
size_t spv_msg_size(const struct spv_msg *msg, uint32_t version);
/* Appends the payload. SPV_ERR_TOO_LONG, SPV_ERR_INVALID, SPV_ERR_NOMEM, and SPV_ERR_UNSUPPORTED
 * when the version (unless 0) is below the command's first; on error b is as before.
 */
int spv_msg_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version);
/* Appends frame header and payload. */
int spv_msg_write(struct spv_buffer *b, const struct spv_msg *msg, const struct spv_netid *net,
                  uint32_t version);

#endif
