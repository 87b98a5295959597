/* feefilter (BIP133): announce no transactions below a fee rate; sendcmpct (BIP152): announce
 * blocks in compact form. */
#include "spv/error.h"
#include "wire/commands.h"

static int decode_fee(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                      struct spv_arena *arena)
{
    (void)version;
    (void)arena;
    out->u.feefilter.rate = spv_cursor_u64(c);
    return 0;
}

static size_t size_fee(const struct spv_msg *msg, uint32_t version)
{
    (void)msg;
    (void)version;
    return 8;
}

static void encode_fee(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    spv_buffer_u64(b, msg->u.feefilter.rate);
}

static int decode_cmpct(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                        struct spv_arena *arena)
{
    uint8_t announce = spv_cursor_u8(c);

    (void)version;
    (void)arena;
    if (announce > 1) /* BIP152: "MUST have a value of either 1 or 0" */
        spv_cursor_fail(c, SPV_ERR_MALFORMED);
    out->u.sendcmpct.announce = announce == 1;
    out->u.sendcmpct.version = spv_cursor_u64(c);
    return 0;
}

static size_t size_cmpct(const struct spv_msg *msg, uint32_t version)
{
    (void)msg;
    (void)version;
    return 1 + 8;
}

static void encode_cmpct(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    spv_buffer_u8(b, msg->u.sendcmpct.announce);
    spv_buffer_u64(b, msg->u.sendcmpct.version);
}

const struct spv_codec spv_codec_feefilter = {
    .decode = decode_fee, .size = size_fee, .encode = encode_fee};
const struct spv_codec spv_codec_sendcmpct = {
    .decode = decode_cmpct, .size = size_cmpct, .encode = encode_cmpct};
