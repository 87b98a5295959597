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

/* Parses a 24-byte frame header. Returns 0 or the first of: SPV_ERR_MAGIC; SPV_ERR_COMMAND when the
 * command is not printable ASCII padded with NULs; SPV_ERR_LENGTH when the payload is longer than
 * max_payload or than the command's own limit. */
int spv_frame_read(struct spv_frame *out, const uint8_t in[SPV_FRAME_HEADER],
                   const struct spv_netid *net, uint32_t max_payload);
/* Reads a command's 12 bytes into out->name and out->command. Returns 0, or SPV_ERR_COMMAND when
 * they are not printable ASCII padded with NULs. */
int spv_frame_read_name(struct spv_frame *out, const uint8_t name[SPV_COMMAND_SIZE]);
/* Returns 0, or SPV_ERR_CHECKSUM unless the payload's double SHA-256 begins with the frame's
 * checksum. */
int spv_frame_check(const struct spv_frame *frame, const uint8_t *payload);
/* Returns the limit of a command's payload in bytes; SPV_MAX_PAYLOAD for SPV_CMD_UNKNOWN. */
uint32_t spv_command_max_payload(enum spv_command command);
/* Returns the command of that name, or SPV_CMD_UNKNOWN. */
enum spv_command spv_command_find(const char *name);
/* Returns the first protocol version at which a command may be used; 0: any. */
uint32_t spv_command_since(enum spv_command command);

#endif
