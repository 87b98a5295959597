/* The messages of the Bitcoin P2P protocol as C structures, and the frame around them.
 *
 * The arrays of a received message belong to the decoder; the comment of the function that
 * returns it states how long they are valid. The arrays of a message to send belong to the caller
 * and are used during the call only. Integers are in host order, hashes in internal byte order.
 *
 * "ours:" marks a limit that we chose, here and in all headers; other limits are those of the
 * protocol or of Bitcoin Core. */
#ifndef SPV_MESSAGE_H
#define SPV_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/block.h"
#include "spv/export.h"
#include "spv/header.h"
#include "spv/netaddr.h"
#include "spv/tx.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_FRAME_HEADER 24 /* magic 4, command 12, length 4, checksum 4 */
#define SPV_MAX_PAYLOAD 4000000 /* protocol limit per message */
#define SPV_MAX_EARLY_PAYLOAD 1024 /* ours: before the handshake completes */
#define SPV_MAX_HEADERS 2000 /* protocol limit per headers message */
#define SPV_MAX_INV 50000 /* protocol limit per inv, getdata, notfound */
#define SPV_MAX_ADDR 1000 /* protocol limit per addr, addrv2 */
#define SPV_MAX_LOCATOR 101 /* protocol limit; peers disconnect beyond it */
#define SPV_MAX_USER_AGENT 256 /* BIP14, protocol limit */
#define SPV_MAX_REJECT_REASON 111 /* protocol limit */
/* protocol limit: a block weighs 4,000,000, each transaction 240 or more */
#define SPV_MAX_BLOCK_TXS 16666
#define SPV_MAX_FILTER_LOAD 36000 /* BIP37: bytes of a bloom filter */
#define SPV_MAX_FILTER_FUNCTIONS 50 /* BIP37 */
#define SPV_MAX_FILTER_ADD 520 /* BIP37: bytes of an element, the limit of a script push */
/* ours: 256 KiB a message; a full block needs a tenth of it */
#define SPV_MAX_CFILTER (262144 - 38)
#define SPV_MAX_GETCFILTERS 1000 /* BIP157: blocks of one getcfilters */
#define SPV_MAX_CFHEADERS 2000 /* BIP157 */
#define SPV_CFCHECKPT_INTERVAL 1000 /* BIP157: blocks from one filter header to the next */
#define SPV_MAX_CFCHECKPT 100000 /* ours: one for 1,000 blocks, up to height 100,000,000 */
#define SPV_COMMAND_SIZE 12 /* bytes */
#define SPV_MAX_MONEY UINT64_C(2100000000000000) /* satoshis; a feefilter above it is ignored */

/* Codes of a reject message (BIP61). */
#define SPV_REJECT_MALFORMED 0x01
#define SPV_REJECT_INVALID 0x10
#define SPV_REJECT_OBSOLETE 0x11
#define SPV_REJECT_DUPLICATE 0x12
#define SPV_REJECT_NONSTANDARD 0x40
#define SPV_REJECT_DUST 0x41
#define SPV_REJECT_FEE 0x42
#define SPV_REJECT_CHECKPOINT 0x43

/* Service bits. */
#define SPV_NODE_NETWORK (UINT64_C(1) << 0)
#define SPV_NODE_BLOOM (UINT64_C(1) << 2) /* BIP111 */
#define SPV_NODE_WITNESS (UINT64_C(1) << 3) /* BIP144 */
#define SPV_NODE_COMPACT_FILTERS (UINT64_C(1) << 6) /* BIP157 */
#define SPV_NODE_NETWORK_LIMITED (UINT64_C(1) << 10) /* BIP159 */
#define SPV_NODE_P2P_V2 (UINT64_C(1) << 11) /* BIP324 */

/* Protocol version thresholds. */
#define SPV_PROTOCOL_VERSION 70016
#define SPV_FEATURE_PROTOCOL_VERSION 70017 /* offered in its place with features (BIP434) */
#define SPV_MIN_PROTOCOL_VERSION 31800
#define SPV_VERSION_PING_NONCE 60001 /* BIP31: versions above 60000 */
#define SPV_VERSION_MEMPOOL 60002 /* BIP35 */
#define SPV_VERSION_BLOOM 70001 /* BIP37 */
#define SPV_VERSION_REJECT 70002 /* BIP61 */
/* BIP111: bloom commands only where NODE_BLOOM is offered */
#define SPV_VERSION_BLOOM_OFFERED 70011
#define SPV_VERSION_SENDHEADERS 70012 /* BIP130 */
#define SPV_VERSION_FEEFILTER 70013 /* BIP133 */
#define SPV_VERSION_SENDCMPCT 70014 /* BIP152 */
#define SPV_VERSION_ADDRV2 70016 /* BIP155; also wtxidrelay, BIP339 */
#define SPV_VERSION_FEATURE 70017 /* BIP434 */

/* X(NAME, value, "command"): every command that the library supports. A value never changes: a new
 * command gets the next one. */
#define SPV_COMMANDS(X)                                                                            \
    X(VERSION, 1, "version")                                                                       \
    X(VERACK, 2, "verack")                                                                         \
    X(WTXIDRELAY, 3, "wtxidrelay")                                                                 \
    X(SENDADDRV2, 4, "sendaddrv2")                                                                 \
    X(ADDR, 5, "addr")                                                                             \
    X(ADDRV2, 6, "addrv2")                                                                         \
    X(GETADDR, 7, "getaddr")                                                                       \
    X(INV, 8, "inv")                                                                               \
    X(GETDATA, 9, "getdata")                                                                       \
    X(NOTFOUND, 10, "notfound")                                                                    \
    X(GETBLOCKS, 11, "getblocks")                                                                  \
    X(GETHEADERS, 12, "getheaders")                                                                \
    X(HEADERS, 13, "headers")                                                                      \
    X(BLOCK, 14, "block")                                                                          \
    X(TX, 15, "tx")                                                                                \
    X(MEMPOOL, 16, "mempool")                                                                      \
    X(MERKLEBLOCK, 17, "merkleblock")                                                              \
    X(FILTERLOAD, 18, "filterload")                                                                \
    X(FILTERADD, 19, "filteradd")                                                                  \
    X(FILTERCLEAR, 20, "filterclear")                                                              \
    X(PING, 21, "ping")                                                                            \
    X(PONG, 22, "pong")                                                                            \
    X(REJECT, 23, "reject")                                                                        \
    X(SENDHEADERS, 24, "sendheaders")                                                              \
    X(FEEFILTER, 25, "feefilter")                                                                  \
    X(SENDCMPCT, 26, "sendcmpct")                                                                  \
    X(GETCFILTERS, 27, "getcfilters")                                                              \
    X(CFILTER, 28, "cfilter")                                                                      \
    X(GETCFHEADERS, 29, "getcfheaders")                                                            \
    X(CFHEADERS, 30, "cfheaders")                                                                  \
    X(GETCFCHECKPT, 31, "getcfcheckpt")                                                            \
    X(CFCHECKPT, 32, "cfcheckpt")                                                                  \
    X(FEATURE, 33, "feature")

enum spv_command {
    SPV_CMD_UNKNOWN = 0,
#define SPV_CMD_ENUM(name, value, text) SPV_CMD_##name = (value),
    SPV_COMMANDS(SPV_CMD_ENUM)
#undef SPV_CMD_ENUM
};

/* Returns the command as on the wire, a static string; "unknown" for SPV_CMD_UNKNOWN and for values
 * outside the enum. Any thread. */
SPV_API const char *spv_command_name(enum spv_command command);

/* Types of inventory vectors. */
#define SPV_INV_TX 1
#define SPV_INV_BLOCK 2
#define SPV_INV_FILTERED_BLOCK 3
#define SPV_INV_COMPACT_BLOCK 4 /* BIP152 */
#define SPV_INV_WTX 5 /* BIP339 */
#define SPV_INV_WITNESS (UINT32_C(1) << 30) /* BIP144: flag of a type */
struct spv_inv {
    uint32_t type; /* SPV_INV_*; unknown types are kept */
    struct spv_hash256 hash;
};

struct spv_msg_version {
    uint32_t version;
    uint64_t services;
    int64_t time; /* unix seconds */
    uint64_t recv_services;
    struct spv_netaddr recv;
    uint64_t from_services;
    struct spv_netaddr from;
    uint64_t nonce;
    char user_agent[SPV_MAX_USER_AGENT + 1]; /* NUL-terminated; any other bytes are possible */
    size_t user_agent_len; /* bytes before the NUL */
    int32_t height;
    bool relay; /* BIP37, from version 70001 on; true when absent */
};
/* addr, addrv2 (BIP155). An addr to send may have IPv4, IPv6 and empty addresses; an addrv2 only
 * addresses of BIP155 networks with the length of their network, and no IPv6 address that embeds
 * IPv4 or Tor v2: SPV_ERR_INVALID otherwise. */
struct spv_msg_addr {
    const struct spv_addr_entry *entries;
    size_t n;
};
struct spv_msg_inv { /* inv, getdata, notfound */
    const struct spv_inv *items;
    size_t n;
};
struct spv_msg_getheaders { /* getheaders, getblocks */
    uint32_t version;
    const struct spv_blockhash *locator; /* newest first */
    size_t n;
    struct spv_blockhash stop; /* the last hash requested; zero: as many as the limit allows */
    uint64_t tag; /* not on the wire: identifies the request for its sender; 0: none */
};
/* Which getheaders a received headers message answers, as spv_peer decides. */
enum spv_headers_role {
    SPV_HEADERS_ANSWER = 0, /* answers one of them; also the value before spv_peer decides */
    SPV_HEADERS_UNSOLICITED = 1, /* answers none: an announcement, or an empty message */
    SPV_HEADERS_REPEATED = 2, /* the last answer again */
};
struct spv_msg_headers {
    const struct spv_header *headers;
    size_t n;
    enum spv_headers_role role; /* of a received message; not on the wire */
    uint64_t tag; /* ANSWER: that of the getheaders; not on the wire */
};
struct spv_msg_ping { /* ping, pong */
    bool has_nonce; /* BIP31; false up to version 60000 */
    uint64_t nonce;
};
struct spv_msg_reject { /* BIP61 */
    char command[SPV_COMMAND_SIZE + 1]; /* of the rejected message */
    uint8_t code; /* SPV_REJECT_* */
    char reason[SPV_MAX_REJECT_REASON + 1];
    bool has_hash; /* of the rejected block or transaction */
    struct spv_hash256 hash;
};
/* merkleblock (BIP37): a header and the part of its merkle tree that proves the matched
 * transactions. Decoding compares the counts with each other; it does not verify the proof. */
struct spv_msg_merkleblock {
    struct spv_header header;
    uint32_t total; /* transactions in the block, 1..SPV_MAX_BLOCK_TXS */
    const struct spv_hash256 *hashes; /* in depth-first order */
    size_t n_hashes; /* 1..total */
    const uint8_t *flags; /* a bit for each visited node, least significant first, zero-padded */
    size_t n_flags; /* bytes, enough for all nodes of the tree at most */
};
/* Which matched outputs are added to a filter (BIP37). */
enum spv_bloom_update {
    SPV_BLOOM_UPDATE_NONE = 0,
    SPV_BLOOM_UPDATE_ALL = 1,
    SPV_BLOOM_UPDATE_P2PUBKEY_ONLY = 2, /* those that pay to a public key or to bare multisig */
};
struct spv_msg_filterload {
    const uint8_t *filter;
    size_t n; /* up to SPV_MAX_FILTER_LOAD */
    uint32_t functions; /* up to SPV_MAX_FILTER_FUNCTIONS */
    uint32_t tweak;
    uint8_t update; /* enum spv_bloom_update; other values are rejected */
};
struct spv_msg_filteradd {
    const uint8_t *element;
    size_t n; /* up to SPV_MAX_FILTER_ADD */
};
struct spv_msg_feefilter {
    uint64_t rate; /* BIP133: satoshis per 1,000 virtual bytes; ignored above SPV_MAX_MONEY */
};
/* feature (BIP434), between version and verack. The id should be printable ASCII, but need not be.
 */
#define SPV_MIN_FEATURE_ID 4
#define SPV_MAX_FEATURE_ID 80
#define SPV_MAX_FEATURE_DATA 512
struct spv_msg_feature {
    const uint8_t *id;
    size_t id_len;
    const uint8_t *data;
    size_t n;
};
struct spv_msg_sendcmpct {
    bool announce; /* BIP152: announce blocks by cmpctblock */
    uint64_t version; /* 1 without, 2 with witness */
};
#define SPV_FILTER_BASIC 0 /* BIP158; other types are passed through */
/* getcfilters, getcfheaders (BIP157): a range from a height to the block with the hash `stop`. */
struct spv_msg_getcfilters {
    uint8_t type;
    uint32_t start; /* height */
    struct spv_blockhash stop;
};
struct spv_msg_cfilter {
    uint8_t type;
    struct spv_blockhash block;
    const uint8_t *filter;
    size_t n; /* up to SPV_MAX_CFILTER */
};
struct spv_msg_cfheaders {
    uint8_t type;
    struct spv_blockhash stop;
    struct spv_hash256 prev; /* filter header of the block before the first */
    const struct spv_hash256 *hashes; /* filter hashes, not filter headers */
    size_t n; /* up to SPV_MAX_CFHEADERS */
};
struct spv_msg_getcfcheckpt {
    uint8_t type;
    struct spv_blockhash stop;
};
struct spv_msg_cfcheckpt {
    uint8_t type;
    struct spv_blockhash stop;
    const struct spv_hash256 *headers; /* filter headers of the heights 1,000, 2,000, ... */
    size_t n; /* up to SPV_MAX_CFCHECKPT */
};
/* The payload of an unknown command. */
struct spv_msg_raw {
    const uint8_t *bytes;
    size_t n;
};

struct spv_msg {
    enum spv_command command;
    char name[SPV_COMMAND_SIZE + 1]; /* as on the wire; to send, for SPV_CMD_UNKNOWN only */
    union {
        struct spv_msg_version version;
        struct spv_msg_addr addr;
        struct spv_msg_inv inv;
        struct spv_msg_getheaders getheaders; /* and getblocks */
        struct spv_msg_headers headers;
        struct spv_msg_ping ping; /* and pong */
        struct spv_msg_reject reject;
        /* To send one, parse it with spv_tx_parse or spv_block_parse. */
        struct spv_tx tx;
        struct spv_block block;
        struct spv_msg_merkleblock merkleblock;
        struct spv_msg_filterload filterload;
        struct spv_msg_filteradd filteradd;
        struct spv_msg_feefilter feefilter;
        struct spv_msg_sendcmpct sendcmpct;
        struct spv_msg_feature feature;
        struct spv_msg_getcfilters getcfilters; /* and getcfheaders */
        struct spv_msg_cfilter cfilter;
        struct spv_msg_cfheaders cfheaders;
        struct spv_msg_getcfcheckpt getcfcheckpt;
        struct spv_msg_cfcheckpt cfcheckpt;
        struct spv_msg_raw raw; /* SPV_CMD_UNKNOWN */
    } u;
};

#ifdef __cplusplus
}
#endif

#endif
