/* The table of commands behind frame.h and codec.h, one row each. A new message is a file msg_<x>.c
 * with its struct spv_codec, a declaration here and a row in commands.c. */
#ifndef SPV_WIRE_COMMANDS_H
#define SPV_WIRE_COMMANDS_H

#include "spv/message.h"
#include "util/buffer.h"
#include "util/cursor.h"
#include "wire/arena.h"

/* How bodies of one format are decoded and encoded. */
struct spv_codec {
    /* Decodes the body into out->u, which is zero before. Returns 0 or SPV_ERR_NOMEM; errors of the
     * wire format are the cursor's, and the caller checks for trailing bytes. */
    int (*decode)(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                  struct spv_arena *arena);
    /* Checks a message of the caller's. Returns 0, SPV_ERR_TOO_LONG or SPV_ERR_INVALID. NULL: every
     * message is valid. */
    int (*check)(const struct spv_msg *msg, uint32_t version);
    size_t (*size)(const struct spv_msg *msg, uint32_t version);
    /* Appends a checked message; the space is reserved. */
    void (*encode)(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version);
    bool open_ended; /* bytes after the known fields are ignored */
};

struct spv_command_row {
    const char *name;
    const struct spv_codec *codec;
    uint32_t max_payload; /* payload bytes */
    uint32_t since; /* protocol version, 0: always */
};

/* The row of a command; the row of SPV_CMD_UNKNOWN for values outside the enum. */
const struct spv_command_row *spv_command_lookup(enum spv_command command);

extern const struct spv_codec spv_codec_raw; /* as bytes */
extern const struct spv_codec spv_codec_empty; /* no body */
extern const struct spv_codec spv_codec_version;
extern const struct spv_codec spv_codec_addr;
extern const struct spv_codec spv_codec_inv;
extern const struct spv_codec spv_codec_getheaders;
extern const struct spv_codec spv_codec_headers;
extern const struct spv_codec spv_codec_ping;
extern const struct spv_codec spv_codec_pong;
extern const struct spv_codec spv_codec_reject;
extern const struct spv_codec spv_codec_addrv2;
extern const struct spv_codec spv_codec_tx;
extern const struct spv_codec spv_codec_block;
extern const struct spv_codec spv_codec_merkleblock;
extern const struct spv_codec spv_codec_filterload;
extern const struct spv_codec spv_codec_filteradd;
extern const struct spv_codec spv_codec_feefilter;
extern const struct spv_codec spv_codec_sendcmpct;
extern const struct spv_codec spv_codec_getcfilters; /* and getcfheaders */
extern const struct spv_codec spv_codec_cfilter;
extern const struct spv_codec spv_codec_cfheaders;
extern const struct spv_codec spv_codec_getcfcheckpt;
extern const struct spv_codec spv_codec_cfcheckpt;
extern const struct spv_codec spv_codec_feature;

#endif
