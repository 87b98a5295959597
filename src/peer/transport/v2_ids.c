#include "peer/transport/v2_ids.h"

#include <string.h>

/* BIP324, "v2 Bitcoin P2P message structure"; 37: BIP434. Index: the id. */
static const char *const names[] = {
    [1] = "addr",       [2] = "block",         [3] = "blocktxn",    [4] = "cmpctblock",
    [5] = "feefilter",  [6] = "filteradd",     [7] = "filterclear", [8] = "filterload",
    [9] = "getblocks",  [10] = "getblocktxn",  [11] = "getdata",    [12] = "getheaders",
    [13] = "headers",   [14] = "inv",          [15] = "mempool",    [16] = "merkleblock",
    [17] = "notfound",  [18] = "ping",         [19] = "pong",       [20] = "sendcmpct",
    [21] = "tx",        [22] = "getcfilters",  [23] = "cfilter",    [24] = "getcfheaders",
    [25] = "cfheaders", [26] = "getcfcheckpt", [27] = "cfcheckpt",  [28] = "addrv2",
    [37] = "feature",
};
#define IDS (sizeof names / sizeof names[0])

size_t spv_v2_name_write(uint8_t out[SPV_V2_NAME_BYTES], const uint8_t command[SPV_COMMAND_SIZE])
{
    for (size_t id = 1; id < IDS; id++) {
        if (names[id] && strncmp(names[id], (const char *)command, SPV_COMMAND_SIZE) == 0) {
            out[0] = (uint8_t)id;
            return 1;
        }
    }
    out[0] = 0;
    memcpy(out + 1, command, SPV_COMMAND_SIZE);
    return SPV_V2_NAME_BYTES;
}

size_t spv_v2_name_read(struct spv_frame *out, const uint8_t *contents, size_t n)
{
    if (n == 0)
        return 0;
    if (contents[0] == 0)
        return n >= SPV_V2_NAME_BYTES && spv_frame_read_name(out, contents + 1) == 0
                   ? SPV_V2_NAME_BYTES
                   : 0;
    if (contents[0] >= IDS || !names[contents[0]])
        return 0;
    memset(out->name, 0, sizeof out->name);
    memcpy(out->name, names[contents[0]], strlen(names[contents[0]]));
    out->command = spv_command_find(out->name);
    return 1;
}
