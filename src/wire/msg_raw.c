/* Bodies of unknown commands, as bytes. A decoded message points into the payload. */
#include "spv/error.h"
#include "wire/commands.h"

static int raw_decode(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                      struct spv_arena *arena)
{
    (void)version;
    (void)arena;
    out->u.raw.n = spv_cursor_left(c);
    out->u.raw.bytes = spv_cursor_take(c, out->u.raw.n);
    return 0;
}

static size_t raw_size(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.raw.n;
}

static void raw_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    spv_buffer_put(b, msg->u.raw.bytes, msg->u.raw.n);
}

const struct spv_codec spv_codec_raw = {
    .decode = raw_decode, .size = raw_size, .encode = raw_encode};
