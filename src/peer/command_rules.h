/* What may be said on a connection: pure questions about commands, versions and services. */
#ifndef SPV_PEER_COMMAND_RULES_H
#define SPV_PEER_COMMAND_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "spv/message.h"
#include "spv/peer.h"

/* What a peer of this version and these services takes: 0, SPV_ERR_UNSUPPORTED. */
int spv_command_rules_send(enum spv_command command, uint32_t version, uint64_t services);
/* May it come, when we offer these services? 1, or an error. */
int spv_command_rules_receive(enum spv_command command, uint64_t ours);
/* The largest payload of a command that this configuration takes. */
uint32_t spv_command_rules_cap(const struct spv_peer_config *cfg, enum spv_command command);
/* Is this what tolerate_malformed covers? */
bool spv_command_rules_malformed(int error);
/* A literal of 127.0.0.0/8, or ::1. */
bool spv_command_rules_loopback(const char *host);

#endif
