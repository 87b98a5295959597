/* tx and block: a view over the received bytes. A message to send must parse. */
#include "spv/error.h"
#include "wire/commands.h"
#include "wire/tx.h"

static int decode_tx(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                     struct spv_arena *arena)
{
    (void)version;
    (void)arena;
    spv_tx_read(&out->u.tx, c);
    return 0;
}

static int check_tx(const struct spv_msg *msg, uint32_t version)
{
    struct spv_tx parsed;

    (void)version;
    if (msg->u.tx.n > SPV_MAX_PAYLOAD)
        return SPV_ERR_TOO_LONG;
    return spv_tx_parse(&parsed, msg->u.tx.bytes, msg->u.tx.n) == 0 ? 0 : SPV_ERR_INVALID;
}

static size_t size_tx(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.tx.n;
}

static void encode_tx(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    spv_buffer_put(b, msg->u.tx.bytes, msg->u.tx.n);
}

static int decode_block(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                        struct spv_arena *arena)
{
    (void)version;
    (void)arena;
    spv_block_read(&out->u.block, c);
    return 0;
}

static int check_block(const struct spv_msg *msg, uint32_t version)
{
    const struct spv_block *block = &msg->u.block;
    struct spv_block parsed;

    (void)version;
    if (block->n > SPV_MAX_PAYLOAD)
        return SPV_ERR_TOO_LONG;
    return spv_block_parse(&parsed, block->bytes, block->n) == 0 ? 0 : SPV_ERR_INVALID;
}

static size_t size_block(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.block.n;
}

static void encode_block(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    spv_buffer_put(b, msg->u.block.bytes, msg->u.block.n);
}

const struct spv_codec spv_codec_tx = {
    .decode = decode_tx, .check = check_tx, .size = size_tx, .encode = encode_tx};
const struct spv_codec spv_codec_block = {
    .decode = decode_block, .check = check_block, .size = size_block, .encode = encode_block};
