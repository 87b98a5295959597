/* Messages without a body: verack, getaddr, mempool, filterclear, sendheaders,
 * sendaddrv2, wtxidrelay. */
#include "spv/error.h"
#include "wire/commands.h"

static int empty_decode(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                        struct spv_arena *arena)
{
    (void)out;
    (void)c;
    (void)version;
    (void)arena;
    return 0;
}

static size_t empty_size(const struct spv_msg *msg, uint32_t version)
{
    (void)msg;
    (void)version;
    return 0;
}

static void empty_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    (void)b;
    (void)msg;
    (void)version;
}

const struct spv_codec spv_codec_empty = {
    .decode = empty_decode, .size = empty_size, .encode = empty_encode};
