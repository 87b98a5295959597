/* getheaders (and getblocks, of the same shape) and headers. */
#include "spv/error.h"
#include "wire/commands.h"

#define ENTRY (SPV_HEADER_SIZE + 1) /* a header and a transaction count of 0 */

static int decode_getheaders(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                             struct spv_arena *arena)
{
    struct spv_msg_getheaders *get = &out->u.getheaders;

    (void)version;
    get->version = spv_cursor_u32(c);
    size_t n = spv_cursor_count(c, SPV_MAX_LOCATOR, sizeof *get->locator);
    struct spv_blockhash *locator = spv_arena_take(arena, n, sizeof *locator);
    if (!locator)
        return SPV_ERR_NOMEM;
    spv_cursor_copy(c, locator, n * sizeof *locator);
    spv_cursor_copy(c, get->stop.b, sizeof get->stop.b);
    get->locator = locator;
    get->n = n;
    get->tag = 0;
    return 0;
}

static int check_getheaders(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.getheaders.n > SPV_MAX_LOCATOR ? SPV_ERR_TOO_LONG : 0;
}

static size_t size_getheaders(const struct spv_msg *msg, uint32_t version)
{
    size_t n = msg->u.getheaders.n;

    (void)version;
    return 4 + spv_compact_size(n) + (n + 1) * sizeof(struct spv_blockhash);
}

static void encode_getheaders(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_getheaders *get = &msg->u.getheaders;

    (void)version;
    spv_buffer_u32(b, get->version);
    spv_buffer_compact(b, get->n);
    spv_buffer_put(b, get->locator, get->n * sizeof *get->locator);
    spv_buffer_put(b, get->stop.b, sizeof get->stop.b);
}

static int decode_headers(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                          struct spv_arena *arena)
{
    size_t n = spv_cursor_count(c, SPV_MAX_HEADERS, ENTRY);
    struct spv_header *headers = spv_arena_take(arena, n, sizeof *headers);

    (void)version;
    if (!headers)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *raw = spv_cursor_take(c, SPV_HEADER_SIZE);
        if (!raw)
            break;
        spv_header_decode(&headers[i], raw);
        (void)spv_cursor_compact(c); /* the transaction count: ignored, as Bitcoin Core does */
    }
    out->u.headers.headers = headers;
    out->u.headers.n = n;
    out->u.headers.role = SPV_HEADERS_ANSWER;
    out->u.headers.tag = 0;
    return 0;
}

static int check_headers(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.headers.n > SPV_MAX_HEADERS ? SPV_ERR_TOO_LONG : 0;
}

static size_t size_headers(const struct spv_msg *msg, uint32_t version)
{
    size_t n = msg->u.headers.n;

    (void)version;
    return spv_compact_size(n) + n * ENTRY;
}

static void encode_headers(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_headers *headers = &msg->u.headers;

    (void)version;
    spv_buffer_compact(b, headers->n);
    for (size_t i = 0; i < headers->n; i++) {
        uint8_t *raw = spv_buffer_extend(b, ENTRY);
        if (!raw)
            return;
        spv_header_encode(raw, &headers->headers[i]);
        raw[SPV_HEADER_SIZE] = 0;
    }
}

const struct spv_codec spv_codec_getheaders = {.decode = decode_getheaders,
                                               .check = check_getheaders,
                                               .size = size_getheaders,
                                               .encode = encode_getheaders};
const struct spv_codec spv_codec_headers = {.decode = decode_headers,
                                            .check = check_headers,
                                            .size = size_headers,
                                            .encode = encode_headers};
