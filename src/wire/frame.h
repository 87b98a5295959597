/* The frame around every message: magic, command, length, checksum. Pure functions over memory. */
#ifndef SPV_WIRE_FRAME_H
#define SPV_WIRE_FRAME_H

#include "spv/message.h"
#include "spv/network.h"

struct spv_frame {
    char name[SPV_COMMAND_SIZE + 1];
    enum spv_command command;
    uint32_t length;
    uint8_t checksum[4];
};

/* Reads a 24-byte frame header. Checks in this order: magic (SPV_ERR_MAGIC), command form
 * (SPV_ERR_COMMAND: printable ASCII, nothing after the first NUL), length against cap and against
 * the command's own cap (SPV_ERR_LENGTH). */
int spv_frame_read(struct spv_frame *out, const uint8_t in[SPV_FRAME_HEADER],
                   const struct spv_netid *net, uint32_t cap);
/* SPV_ERR_CHECKSUM unless the payload's double SHA-256 begins with the frame's checksum. */
int spv_frame_check(const struct spv_frame *frame, const uint8_t *payload);
/* The cap of a command's payload in bytes (PEER.md's table); SPV_MAX_PAYLOAD for unknown ones. */
uint32_t spv_command_cap(enum spv_command command);
enum spv_command spv_command_find(const char *name);
/* The first protocol version at which a command may be used; 0: always. */
uint32_t spv_command_since(enum spv_command command);

#endif
