/* version. Fields were added over time, so the message of an older protocol version ends early:
 * after addr_recv (before 106), nonce, user agent or height. Bytes after the known fields are
 * ignored. The relay byte (BIP37) is read from version 70001 of the *sender* on. */
#include <string.h>

#include "spv/error.h"
#include "wire/commands.h"
#include "wire/netaddr.h"

static bool has_relay(const struct spv_msg_version *v)
{
    return v->version >= SPV_VERSION_BLOOM;
}

static int version_decode(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                          struct spv_arena *arena)
{
    struct spv_msg_version *v = &out->u.version;

    (void)version;
    (void)arena;
    v->relay = true;
    v->version = spv_cursor_u32(c);
    v->services = spv_cursor_u64(c);
    v->time = (int64_t)spv_cursor_u64(c);
    v->recv_services = spv_cursor_u64(c);
    spv_netaddr_read(&v->recv, c);
    if (spv_cursor_left(c) == 0)
        return 0;
    v->from_services = spv_cursor_u64(c);
    spv_netaddr_read(&v->from, c);
    v->nonce = spv_cursor_u64(c);
    if (spv_cursor_left(c) == 0)
        return 0;
    const size_t length = spv_cursor_count(c, SIZE_MAX, 1);
    v->user_agent_len = length < SPV_MAX_USER_AGENT ? length : SPV_MAX_USER_AGENT;
    spv_cursor_copy(c, v->user_agent, v->user_agent_len);
    (void)spv_cursor_take(c, length - v->user_agent_len); /* a longer one is truncated */
    if (spv_cursor_left(c) == 0)
        return 0;
    v->height = (int32_t)spv_cursor_u32(c);
    if (spv_cursor_left(c) > 0 && has_relay(v))
        v->relay = spv_cursor_u8(c) != 0;
    return 0;
}

static int version_check(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.version.user_agent_len > SPV_MAX_USER_AGENT ? SPV_ERR_TOO_LONG : 0;
}

static size_t version_size(const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_version *v = &msg->u.version;

    (void)version;
    return 4 + 8 + 8 + 2 * (8 + SPV_NETADDR_V1) + 8 + spv_compact_size(v->user_agent_len) +
           v->user_agent_len + 4 + (has_relay(v) ? 1 : 0);
}

static void version_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_version *v = &msg->u.version;

    (void)version;
    spv_buffer_u32(b, v->version);
    spv_buffer_u64(b, v->services);
    spv_buffer_u64(b, (uint64_t)v->time);
    spv_buffer_u64(b, v->recv_services);
    spv_netaddr_write(b, &v->recv);
    spv_buffer_u64(b, v->from_services);
    spv_netaddr_write(b, &v->from);
    spv_buffer_u64(b, v->nonce);
    spv_buffer_compact(b, v->user_agent_len);
    spv_buffer_put(b, v->user_agent, v->user_agent_len);
    spv_buffer_u32(b, (uint32_t)v->height);
    if (has_relay(v))
        spv_buffer_u8(b, v->relay);
}

const struct spv_codec spv_codec_version = {.decode = version_decode,
                                            .check = version_check,
                                            .size = version_size,
                                            .encode = version_encode,
                                            .open_ended = true};
