/* The capacity doubles, so that n appends cost O(n). All writing goes through spv_buffer_extend,
 * which extends the buffer or fails. */
#include "util/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "util/array.h"

#define FIRST_CAP 64 /* most small messages fit */

void spv_buffer_init(struct spv_buffer *b)
{
    *b = (struct spv_buffer){0};
}

void spv_buffer_free(struct spv_buffer *b)
{
    free(b->data);
    spv_buffer_init(b);
}

int spv_buffer_resize(struct spv_buffer *b, size_t cap)
{
    if (b->error != 0)
        return b->error;
    if (cap == 0) {
        spv_buffer_free(b);
        return 0;
    }
    uint8_t *data = realloc(b->data, cap);
    if (!data)
        return b->error = SPV_ERR_NOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

int spv_buffer_reserve(struct spv_buffer *b, size_t more)
{
    if (b->error != 0)
        return b->error;
    if (more <= b->cap - b->len)
        return 0;
    if (more > SIZE_MAX - b->len)
        return b->error = SPV_ERR_NOMEM;

    return spv_buffer_resize(b, spv_array_next_cap(b->cap, b->len + more, FIRST_CAP, SIZE_MAX));
}

uint8_t *spv_buffer_extend(struct spv_buffer *b, size_t n)
{
    static uint8_t nothing[1];

    if (b->error != 0)
        return NULL;
    if (n == 0)
        return !b->data ? nothing : b->data + b->len;
    if (spv_buffer_reserve(b, n) != 0)
        return NULL;
    uint8_t *at = b->data + b->len;
    b->len += n;
    return at;
}

void spv_buffer_put(struct spv_buffer *b, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    uint8_t *at = spv_buffer_extend(b, n);
    if (at)
        memcpy(at, bytes, n);
}

/* The n low bytes of x, least significant first. */
static void append_le(struct spv_buffer *b, uint64_t x, size_t n)
{
    uint8_t *at = spv_buffer_extend(b, n);

    if (!at)
        return;
    for (size_t i = 0; i < n; i++)
        at[i] = (uint8_t)(x >> (8 * i));
}

void spv_buffer_u8(struct spv_buffer *b, uint8_t x)
{
    append_le(b, x, 1);
}

void spv_buffer_u16(struct spv_buffer *b, uint16_t x)
{
    append_le(b, x, 2);
}

void spv_buffer_u16be(struct spv_buffer *b, uint16_t x)
{
    append_le(b, (uint16_t)(x << 8 | x >> 8), 2);
}

void spv_buffer_u32(struct spv_buffer *b, uint32_t x)
{
    append_le(b, x, 4);
}

void spv_buffer_u64(struct spv_buffer *b, uint64_t x)
{
    append_le(b, x, 8);
}

size_t spv_compact_size(uint64_t x)
{
    return x < 0xfd ? 1 : x <= UINT16_MAX ? 3 : x <= UINT32_MAX ? 5 : 9;
}

void spv_buffer_compact(struct spv_buffer *b, uint64_t x)
{
    size_t n = spv_compact_size(x);

    if (n > 1)
        spv_buffer_u8(b, n == 3 ? 0xfd : n == 5 ? 0xfe : 0xff);
    append_le(b, x, n == 1 ? 1 : n - 1);
}

void spv_buffer_consume(struct spv_buffer *b, size_t n)
{
    if (n == 0)
        return;
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}
