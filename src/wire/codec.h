/* Decoding and encoding of messages: payload bytes to struct spv_msg and back. */
#ifndef SPV_WIRE_CODEC_H
#define SPV_WIRE_CODEC_H

#include "spv/message.h"
#include "spv/network.h"
#include "util/buffer.h"
#include "wire/arena.h"

/* Decodes the payload of the message named by out->command (and out->name for SPV_CMD_UNKNOWN,
 * whose payload is returned as bytes) at the negotiated protocol version, 0 before the negotiation.
 * Arrays of out point into payload or the arena and are valid until either changes. Returns 0, or
 * an error of the wire format or SPV_ERR_NOMEM; out is undefined then. */
int spv_msg_decode(struct spv_msg *out, const uint8_t *payload, size_t n, uint32_t version,
                   struct spv_arena *arena);
/* Returns the exact payload size that spv_msg_encode writes at this version. */
size_t spv_msg_size(const struct spv_msg *msg, uint32_t version);
/* Appends the payload. Returns 0, SPV_ERR_TOO_LONG, SPV_ERR_INVALID, SPV_ERR_NOMEM, or
 * SPV_ERR_UNSUPPORTED when version (unless 0) is below the command's first; b is unchanged after an
 * error. */
int spv_msg_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version);
/* Writes a command as on the wire, padded with NULs: the table's name, or msg->name for an unknown
 * command. Returns 0, or SPV_ERR_INVALID for an unknown command whose name is empty or not
 * printable ASCII. */
int spv_msg_command(uint8_t out[SPV_COMMAND_SIZE], const struct spv_msg *msg);
/* Appends frame header and payload. Returns as spv_msg_encode, and SPV_ERR_INVALID for an unknown
 * command whose name is empty or not printable ASCII. */
int spv_msg_write(struct spv_buffer *b, const struct spv_msg *msg, const struct spv_netid *net,
                  uint32_t version);

#endif
