/* Every command with its codec, payload limit and first version. The limits are the exact sizes of
 * the largest valid bodies, so that a frame that cannot be valid is refused before its payload is
 * read. */
#include "wire/commands.h"

#include <string.h>

#include "wire/frame.h"

#define COUNT_3 3 /* CompactSize of 253..65535 */
#define COUNT_5 5 /* CompactSize of 65,536 and more */
#define COUNT_9 9 /* CompactSize of any number */
#define HASH 32

/* 344 bytes of known fields, the rest for later ones */
#define MAX_VERSION_BYTES SPV_MAX_EARLY_PAYLOAD
#define MAX_ADDR_BYTES (COUNT_3 + SPV_MAX_ADDR * (4 + 8 + 16 + 2))
#define MAX_ADDRV2_BYTES (COUNT_3 + SPV_MAX_ADDR * (4 + 9 + 1 + 3 + 512 + 2)) /* BIP155 */
#define MAX_INV_BYTES (COUNT_3 + SPV_MAX_INV * (4 + HASH))
#define MAX_LOCATOR_BYTES (4 + 1 + SPV_MAX_LOCATOR * HASH + HASH)
/* with any transaction count behind each header */
#define MAX_HEADERS_BYTES (COUNT_3 + SPV_MAX_HEADERS * (SPV_HEADER_SIZE + COUNT_9))
/* a bit for each of the 33,341 nodes of a tree of SPV_MAX_BLOCK_TXS leaves */
#define MERKLE_FLAGS 4168
#define MAX_MERKLEBLOCK_BYTES                                                                      \
    (SPV_HEADER_SIZE + 4 + COUNT_3 + SPV_MAX_BLOCK_TXS * HASH + COUNT_3 + MERKLE_FLAGS)
#define MAX_FILTERLOAD_BYTES (COUNT_3 + SPV_MAX_FILTER_LOAD + 4 + 4 + 1)
#define MAX_FILTERADD_BYTES (COUNT_3 + SPV_MAX_FILTER_ADD)
#define MAX_REJECT_BYTES 1024 /* ours: a long reason is truncated, not refused */
#define MAX_FEEFILTER_BYTES 8
#define MAX_SENDCMPCT_BYTES (1 + 8)
#define MAX_FEATURE_BYTES (1 + SPV_MAX_FEATURE_ID + COUNT_3 + SPV_MAX_FEATURE_DATA)
#define MAX_GETCFILTERS_BYTES (1 + 4 + HASH)
#define MAX_GETCFCHECKPT_BYTES (1 + HASH)
#define MAX_CFILTER_BYTES (1 + HASH + COUNT_5 + SPV_MAX_CFILTER)
#define MAX_CFHEADERS_BYTES (1 + HASH + HASH + COUNT_3 + SPV_MAX_CFHEADERS * HASH)
#define MAX_CFCHECKPT_BYTES (1 + HASH + COUNT_5 + SPV_MAX_CFCHECKPT * HASH)

static const struct spv_command_row rows[] = {
    [SPV_CMD_UNKNOWN] = {"unknown", &spv_codec_raw, SPV_MAX_PAYLOAD, 0},
    [SPV_CMD_VERSION] = {"version", &spv_codec_version, MAX_VERSION_BYTES, 0},
    [SPV_CMD_VERACK] = {"verack", &spv_codec_empty, 0, 0},
    [SPV_CMD_WTXIDRELAY] = {"wtxidrelay", &spv_codec_empty, 0, SPV_VERSION_ADDRV2},
    [SPV_CMD_SENDADDRV2] = {"sendaddrv2", &spv_codec_empty, 0, SPV_VERSION_ADDRV2},
    [SPV_CMD_ADDR] = {"addr", &spv_codec_addr, MAX_ADDR_BYTES, 0},
    [SPV_CMD_ADDRV2] = {"addrv2", &spv_codec_addrv2, MAX_ADDRV2_BYTES, SPV_VERSION_ADDRV2},
    [SPV_CMD_GETADDR] = {"getaddr", &spv_codec_empty, 0, 0},
    [SPV_CMD_INV] = {"inv", &spv_codec_inv, MAX_INV_BYTES, 0},
    [SPV_CMD_GETDATA] = {"getdata", &spv_codec_inv, MAX_INV_BYTES, 0},
    [SPV_CMD_NOTFOUND] = {"notfound", &spv_codec_inv, MAX_INV_BYTES, SPV_VERSION_BLOOM},
    [SPV_CMD_GETBLOCKS] = {"getblocks", &spv_codec_getheaders, MAX_LOCATOR_BYTES, 0},
    [SPV_CMD_GETHEADERS] = {"getheaders", &spv_codec_getheaders, MAX_LOCATOR_BYTES, 0},
    [SPV_CMD_HEADERS] = {"headers", &spv_codec_headers, MAX_HEADERS_BYTES, 0},
    [SPV_CMD_BLOCK] = {"block", &spv_codec_block, SPV_MAX_PAYLOAD, 0},
    [SPV_CMD_TX] = {"tx", &spv_codec_tx, SPV_MAX_PAYLOAD, 0},
    [SPV_CMD_MEMPOOL] = {"mempool", &spv_codec_empty, 0, SPV_VERSION_MEMPOOL},
    [SPV_CMD_MERKLEBLOCK] = {"merkleblock", &spv_codec_merkleblock, MAX_MERKLEBLOCK_BYTES,
                             SPV_VERSION_BLOOM},
    [SPV_CMD_FILTERLOAD] = {"filterload", &spv_codec_filterload, MAX_FILTERLOAD_BYTES,
                            SPV_VERSION_BLOOM},
    [SPV_CMD_FILTERADD] = {"filteradd", &spv_codec_filteradd, MAX_FILTERADD_BYTES,
                           SPV_VERSION_BLOOM},
    [SPV_CMD_FILTERCLEAR] = {"filterclear", &spv_codec_empty, 0, SPV_VERSION_BLOOM},
    [SPV_CMD_PING] = {"ping", &spv_codec_ping, 8, 0},
    [SPV_CMD_PONG] = {"pong", &spv_codec_pong, 8, SPV_VERSION_PING_NONCE},
    [SPV_CMD_REJECT] = {"reject", &spv_codec_reject, MAX_REJECT_BYTES, SPV_VERSION_REJECT},
    [SPV_CMD_SENDHEADERS] = {"sendheaders", &spv_codec_empty, 0, SPV_VERSION_SENDHEADERS},
    [SPV_CMD_FEEFILTER] = {"feefilter", &spv_codec_feefilter, MAX_FEEFILTER_BYTES,
                           SPV_VERSION_FEEFILTER},
    [SPV_CMD_SENDCMPCT] = {"sendcmpct", &spv_codec_sendcmpct, MAX_SENDCMPCT_BYTES,
                           SPV_VERSION_SENDCMPCT},
    /* BIP157 is negotiated by a service bit, not by version. */
    [SPV_CMD_GETCFILTERS] = {"getcfilters", &spv_codec_getcfilters, MAX_GETCFILTERS_BYTES, 0},
    [SPV_CMD_CFILTER] = {"cfilter", &spv_codec_cfilter, MAX_CFILTER_BYTES, 0},
    [SPV_CMD_GETCFHEADERS] = {"getcfheaders", &spv_codec_getcfilters, MAX_GETCFILTERS_BYTES, 0},
    [SPV_CMD_CFHEADERS] = {"cfheaders", &spv_codec_cfheaders, MAX_CFHEADERS_BYTES, 0},
    [SPV_CMD_GETCFCHECKPT] = {"getcfcheckpt", &spv_codec_getcfcheckpt, MAX_GETCFCHECKPT_BYTES, 0},
    [SPV_CMD_CFCHECKPT] = {"cfcheckpt", &spv_codec_cfcheckpt, MAX_CFCHECKPT_BYTES, 0},
    [SPV_CMD_FEATURE] = {"feature", &spv_codec_feature, MAX_FEATURE_BYTES, SPV_VERSION_FEATURE},
};
#define ROWS (sizeof rows / sizeof rows[0])

#define ROW(name, value, text) ROW_##name,
enum { ROW_UNKNOWN, SPV_COMMANDS(ROW) N_COMMANDS };
_Static_assert(ROWS == N_COMMANDS, "every command of spv/message.h has its row");

const struct spv_command_row *spv_command_lookup(enum spv_command command)
{
    size_t i = (size_t)command;

    return &rows[i < ROWS ? i : SPV_CMD_UNKNOWN];
}

const char *spv_command_name(enum spv_command command)
{
    return spv_command_lookup(command)->name;
}

enum spv_command spv_command_find(const char *name)
{
    for (size_t i = SPV_CMD_UNKNOWN + 1; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (enum spv_command)i;
    return SPV_CMD_UNKNOWN;
}

uint32_t spv_command_max_payload(enum spv_command command)
{
    return spv_command_lookup(command)->max_payload;
}

uint32_t spv_command_since(enum spv_command command)
{
    return spv_command_lookup(command)->since;
}
