/* ping and pong. BIP31: above version 60000 a ping has a nonce, and a pong answers with the same;
 * before, a ping is empty and has no answer. */
#include "spv/error.h"
#include "wire/commands.h"

static int decode_ping(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                       struct spv_arena *arena)
{
    (void)arena;
    if (version >= SPV_VERSION_PING_NONCE) {
        out->u.ping.has_nonce = true;
        out->u.ping.nonce = spv_cursor_u64(c);
    }
    return 0;
}

static size_t size_ping(const struct spv_msg *msg, uint32_t version)
{
    (void)msg;
    return version >= SPV_VERSION_PING_NONCE ? 8 : 0;
}

static int check_ping(const struct spv_msg *msg, uint32_t version)
{
    return version >= SPV_VERSION_PING_NONCE && !msg->u.ping.has_nonce ? SPV_ERR_INVALID : 0;
}

static void encode_ping(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    if (version >= SPV_VERSION_PING_NONCE)
        spv_buffer_u64(b, msg->u.ping.nonce);
}

static int decode_pong(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                       struct spv_arena *arena)
{
    (void)version;
    (void)arena;
    out->u.ping.has_nonce = true;
    out->u.ping.nonce = spv_cursor_u64(c);
    return 0;
}

static int check_pong(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.ping.has_nonce ? 0 : SPV_ERR_INVALID;
}

static size_t size_pong(const struct spv_msg *msg, uint32_t version)
{
    (void)msg;
    (void)version;
    return 8;
}

static void encode_pong(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    spv_buffer_u64(b, msg->u.ping.nonce);
}

const struct spv_codec spv_codec_ping = {
    .decode = decode_ping, .check = check_ping, .size = size_ping, .encode = encode_ping};
const struct spv_codec spv_codec_pong = {
    .decode = decode_pong, .check = check_pong, .size = size_pong, .encode = encode_pong};
