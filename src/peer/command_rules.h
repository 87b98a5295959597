/* Which commands may be sent and received: by protocol version and offered services. */
#ifndef SPV_PEER_COMMAND_RULES_H
#define SPV_PEER_COMMAND_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "spv/message.h"
#include "spv/peer.h"

/* Returns 0 when a peer of this version and these services accepts the command, else
 * SPV_ERR_UNSUPPORTED. */
int spv_command_rules_send(enum spv_command command, uint32_t version, uint64_t services);
/* Returns 1 when a peer may send the command to a node of this configuration, else an error. */
int spv_command_rules_receive(enum spv_command command, const struct spv_peer_config *cfg);
/* The largest payload in bytes that this configuration accepts for a command. */
uint32_t spv_command_rules_limit(const struct spv_peer_config *cfg, enum spv_command command);
/* The largest payload in bytes that it accepts for any command. */
uint32_t spv_command_rules_max_limit(const struct spv_peer_config *cfg);
/* True for the errors that tolerate_malformed ignores. */
bool spv_command_rules_malformed(int error);
/* A literal of 127.0.0.0/8, or ::1. */
bool spv_command_rules_loopback(const char *host);

#endif
