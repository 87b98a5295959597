/* Which commands are allowed: the first version that has each, BIP61's versions for reject, and
 * BIP111, which made bloom filters depend on a service bit. */
#include "peer/command_rules.h"
#include <string.h>

#include "spv/error.h"
#include "wire/frame.h"

/* Commands that a node accepts only when it offers NODE_BLOOM. */
static bool is_bloom(enum spv_command command)
{
    return command == SPV_CMD_FILTERLOAD || command == SPV_CMD_FILTERADD ||
           command == SPV_CMD_FILTERCLEAR || command == SPV_CMD_MEMPOOL;
}

static bool is_filter_request(enum spv_command command)
{
    return command == SPV_CMD_GETCFILTERS || command == SPV_CMD_GETCFHEADERS ||
           command == SPV_CMD_GETCFCHECKPT;
}

int spv_command_rules_send(enum spv_command command, uint32_t version, uint64_t services)
{
    if (spv_command_since(command) > version)
        return SPV_ERR_UNSUPPORTED;
    /* BIP61 was withdrawn: reject is sent at 70002..70015 only. */
    if (command == SPV_CMD_REJECT && version >= SPV_PROTOCOL_VERSION)
        return SPV_ERR_UNSUPPORTED;
    /* BIP111: from 70011, a peer without NODE_BLOOM closes the connection on any of these. */
    if (is_bloom(command) && version >= SPV_VERSION_BLOOM_OFFERED &&
        (services & SPV_NODE_BLOOM) == 0)
        return SPV_ERR_UNSUPPORTED;
    return 0;
}

int spv_command_rules_receive(enum spv_command command, const struct spv_peer_config *cfg)
{
    if (is_bloom(command) && (cfg->services & SPV_NODE_BLOOM) == 0)
        return SPV_ERR_BLOOM_NOT_OFFERED; /* BIP111; at every version of the peer */
    if (is_filter_request(command) && !cfg->accept_filter_requests &&
        (cfg->services & SPV_NODE_COMPACT_FILTERS) == 0)
        return SPV_ERR_FILTERS_NOT_OFFERED; /* BIP157 */
    return 1;
}

bool spv_command_rules_malformed(int error)
{
    return error == SPV_ERR_CHECKSUM || error == SPV_ERR_SHORT || error == SPV_ERR_TRAILING ||
           error == SPV_ERR_COUNT || error == SPV_ERR_COMPACT_SIZE || error == SPV_ERR_MALFORMED;
}

/* Only literals: a host name does not prove that the peer is local. */
bool spv_command_rules_loopback(const char *host)
{
    if (strcmp(host, "::1") == 0)
        return true;
    unsigned dots = 0;
    for (const char *c = host; *c != '\0'; c++) {
        if (*c == '.')
            dots++;
        else if (*c < '0' || *c > '9')
            return false;
    }
    return dots == 3 && strncmp(host, "127.", 4) == 0;
}

uint32_t spv_command_rules_limit(const struct spv_peer_config *cfg, enum spv_command command)
{
    for (size_t i = 0; i < cfg->n_payload_limits; i++)
        if (cfg->payload_limits[i].command == command)
            return cfg->payload_limits[i].bytes;
    return cfg->max_payload;
}

uint32_t spv_command_rules_max_limit(const struct spv_peer_config *cfg)
{
    uint32_t most = cfg->max_payload;
    for (size_t i = 0; i < cfg->n_payload_limits; i++)
        if (cfg->payload_limits[i].bytes > most)
            most = cfg->payload_limits[i].bytes;
    return most < SPV_MAX_PAYLOAD ? most : SPV_MAX_PAYLOAD;
}
