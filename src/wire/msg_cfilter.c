/* Compact block filters (BIP157): getcfilters and getcfheaders, cfilter, cfheaders, getcfcheckpt,
 * cfcheckpt. Each begins with the filter type and a block hash (the requests by range have the
 * height of their first block between the two). Lists of hashes are not copied. */
#include "spv/error.h"
#include "wire/commands.h"

#define HASH 32
#define HEAD (1 + HASH) /* type, block hash */

_Static_assert(sizeof(struct spv_hash256) == HASH, "hashes are used in place");

static const struct spv_hash256 *take_hashes(struct spv_cursor *c, size_t *n, size_t max)
{
    *n = spv_cursor_count(c, max, HASH);
    return (const struct spv_hash256 *)spv_cursor_take(c, *n * HASH);
}

static void put_hashes(struct spv_buffer *b, const struct spv_hash256 *hashes, size_t n)
{
    spv_buffer_compact(b, n);
    spv_buffer_put(b, hashes, n * HASH);
}

static int decode_get(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                      struct spv_arena *arena)
{
    struct spv_msg_getcfilters *get = &out->u.getcfilters;

    (void)version;
    (void)arena;
    get->type = spv_cursor_u8(c);
    get->start = spv_cursor_u32(c);
    spv_cursor_copy(c, get->stop.b, HASH);
    return 0;
}

static size_t size_get(const struct spv_msg *msg, uint32_t version)
{
    (void)msg;
    (void)version;
    return HEAD + 4;
}

static void encode_get(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_getcfilters *get = &msg->u.getcfilters;

    (void)version;
    spv_buffer_u8(b, get->type);
    spv_buffer_u32(b, get->start);
    spv_buffer_put(b, get->stop.b, HASH);
}

static int decode_filter(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                         struct spv_arena *arena)
{
    struct spv_msg_cfilter *f = &out->u.cfilter;

    (void)version;
    (void)arena;
    f->type = spv_cursor_u8(c);
    spv_cursor_copy(c, f->block.b, HASH);
    f->n = spv_cursor_count(c, SPV_MAX_CFILTER, 1);
    f->filter = spv_cursor_take(c, f->n);
    return 0;
}

static int check_filter(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.cfilter.n > SPV_MAX_CFILTER ? SPV_ERR_TOO_LONG : 0;
}

static size_t size_filter(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return HEAD + spv_compact_size(msg->u.cfilter.n) + msg->u.cfilter.n;
}

static void encode_filter(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_cfilter *f = &msg->u.cfilter;

    (void)version;
    spv_buffer_u8(b, f->type);
    spv_buffer_put(b, f->block.b, HASH);
    spv_buffer_compact(b, f->n);
    spv_buffer_put(b, f->filter, f->n);
}

static int decode_headers(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                          struct spv_arena *arena)
{
    struct spv_msg_cfheaders *h = &out->u.cfheaders;

    (void)version;
    (void)arena;
    h->type = spv_cursor_u8(c);
    spv_cursor_copy(c, h->stop.b, HASH);
    spv_cursor_copy(c, h->prev.b, HASH);
    h->hashes = take_hashes(c, &h->n, SPV_MAX_CFHEADERS);
    return 0;
}

static int check_headers(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.cfheaders.n > SPV_MAX_CFHEADERS ? SPV_ERR_TOO_LONG : 0;
}

static size_t size_headers(const struct spv_msg *msg, uint32_t version)
{
    size_t n = msg->u.cfheaders.n;

    (void)version;
    return HEAD + HASH + spv_compact_size(n) + n * HASH;
}

static void encode_headers(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_cfheaders *h = &msg->u.cfheaders;

    (void)version;
    spv_buffer_u8(b, h->type);
    spv_buffer_put(b, h->stop.b, HASH);
    spv_buffer_put(b, h->prev.b, HASH);
    put_hashes(b, h->hashes, h->n);
}

static int decode_get_checkpoints(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                                  struct spv_arena *arena)
{
    (void)version;
    (void)arena;
    out->u.getcfcheckpt.type = spv_cursor_u8(c);
    spv_cursor_copy(c, out->u.getcfcheckpt.stop.b, HASH);
    return 0;
}

static size_t size_get_checkpoints(const struct spv_msg *msg, uint32_t version)
{
    (void)msg;
    (void)version;
    return HEAD;
}

static void encode_get_checkpoints(struct spv_buffer *b, const struct spv_msg *msg,
                                   uint32_t version)
{
    (void)version;
    spv_buffer_u8(b, msg->u.getcfcheckpt.type);
    spv_buffer_put(b, msg->u.getcfcheckpt.stop.b, HASH);
}

static int decode_checkpoints(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                              struct spv_arena *arena)
{
    struct spv_msg_cfcheckpt *p = &out->u.cfcheckpt;

    (void)version;
    (void)arena;
    p->type = spv_cursor_u8(c);
    spv_cursor_copy(c, p->stop.b, HASH);
    p->headers = take_hashes(c, &p->n, SPV_MAX_CFCHECKPT);
    return 0;
}

static int check_checkpoints(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.cfcheckpt.n > SPV_MAX_CFCHECKPT ? SPV_ERR_TOO_LONG : 0;
}

static size_t size_checkpoints(const struct spv_msg *msg, uint32_t version)
{
    size_t n = msg->u.cfcheckpt.n;

    (void)version;
    return HEAD + spv_compact_size(n) + n * HASH;
}

static void encode_checkpoints(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_cfcheckpt *p = &msg->u.cfcheckpt;

    (void)version;
    spv_buffer_u8(b, p->type);
    spv_buffer_put(b, p->stop.b, HASH);
    put_hashes(b, p->headers, p->n);
}

const struct spv_codec spv_codec_getcfilters = {
    .decode = decode_get, .size = size_get, .encode = encode_get};
const struct spv_codec spv_codec_cfilter = {
    .decode = decode_filter, .check = check_filter, .size = size_filter, .encode = encode_filter};
const struct spv_codec spv_codec_cfheaders = {.decode = decode_headers,
                                              .check = check_headers,
                                              .size = size_headers,
                                              .encode = encode_headers};
const struct spv_codec spv_codec_getcfcheckpt = {.decode = decode_get_checkpoints,
                                                 .size = size_get_checkpoints,
                                                 .encode = encode_get_checkpoints};
const struct spv_codec spv_codec_cfcheckpt = {.decode = decode_checkpoints,
                                              .check = check_checkpoints,
                                              .size = size_checkpoints,
                                              .encode = encode_checkpoints};
