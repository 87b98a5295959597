/* How a packet of BIP324 names its message: one byte for the common commands, or a zero byte and 12
 * bytes with the v1 name. */
#ifndef SPV_PEER_TRANSPORT_V2_IDS_H
#define SPV_PEER_TRANSPORT_V2_IDS_H

#include "wire/frame.h"

#define SPV_V2_NAME_BYTES (1 + SPV_COMMAND_SIZE) /* the long form */

/* Writes the shortest form of a command (padded with NULs). Returns the number of bytes, 1 or
 * SPV_V2_NAME_BYTES. */
size_t spv_v2_name_write(uint8_t out[SPV_V2_NAME_BYTES], const uint8_t command[SPV_COMMAND_SIZE]);
/* Reads the name that contents begin with into out->name and out->command, in either form. Returns
 * the number of its bytes; 0: empty contents, an unassigned id, or a name that is not printable
 * ASCII padded with NULs. */
size_t spv_v2_name_read(struct spv_frame *out, const uint8_t *contents, size_t n);

#endif
