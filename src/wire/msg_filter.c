/* filterload and filteradd (BIP37): load a bloom filter, add an element to it. The bits and the
 * element are not copied. */
#include "spv/error.h"
#include "wire/commands.h"

static bool known_update(uint8_t update)
{
    return update == SPV_BLOOM_UPDATE_NONE || update == SPV_BLOOM_UPDATE_ALL ||
           update == SPV_BLOOM_UPDATE_P2PUBKEY_ONLY;
}

static int decode_load(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                       struct spv_arena *arena)
{
    struct spv_msg_filterload *load = &out->u.filterload;

    (void)version;
    (void)arena;
    load->n = spv_cursor_count(c, SPV_MAX_FILTER_LOAD, 1);
    load->filter = spv_cursor_take(c, load->n);
    load->functions = spv_cursor_u32(c);
    if (load->functions > SPV_MAX_FILTER_FUNCTIONS)
        spv_cursor_fail(c, SPV_ERR_COUNT);
    load->tweak = spv_cursor_u32(c);
    load->update = spv_cursor_u8(c);
    if (!known_update(load->update))
        spv_cursor_fail(c, SPV_ERR_MALFORMED);
    return 0;
}

static int check_load(const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_filterload *load = &msg->u.filterload;

    (void)version;
    if (load->n > SPV_MAX_FILTER_LOAD || load->functions > SPV_MAX_FILTER_FUNCTIONS)
        return SPV_ERR_TOO_LONG;
    return known_update(load->update) ? 0 : SPV_ERR_INVALID;
}

static size_t size_load(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return spv_compact_size(msg->u.filterload.n) + msg->u.filterload.n + 4 + 4 + 1;
}

static void encode_load(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_filterload *load = &msg->u.filterload;

    (void)version;
    spv_buffer_compact(b, load->n);
    spv_buffer_put(b, load->filter, load->n);
    spv_buffer_u32(b, load->functions);
    spv_buffer_u32(b, load->tweak);
    spv_buffer_u8(b, load->update);
}

static int decode_add(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                      struct spv_arena *arena)
{
    (void)version;
    (void)arena;
    out->u.filteradd.n = spv_cursor_count(c, SPV_MAX_FILTER_ADD, 1);
    out->u.filteradd.element = spv_cursor_take(c, out->u.filteradd.n);
    return 0;
}

static int check_add(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.filteradd.n > SPV_MAX_FILTER_ADD ? SPV_ERR_TOO_LONG : 0;
}

static size_t size_add(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return spv_compact_size(msg->u.filteradd.n) + msg->u.filteradd.n;
}

static void encode_add(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    spv_buffer_compact(b, msg->u.filteradd.n);
    spv_buffer_put(b, msg->u.filteradd.element, msg->u.filteradd.n);
}

const struct spv_codec spv_codec_filterload = {
    .decode = decode_load, .check = check_load, .size = size_load, .encode = encode_load};
const struct spv_codec spv_codec_filteradd = {
    .decode = decode_add, .check = check_add, .size = size_add, .encode = encode_add};
