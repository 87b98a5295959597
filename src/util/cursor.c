/* All reading goes through spv_cursor_take, the only function that compares lengths with the bytes
 * left. Its callers get enough bytes or NULL. */
#include "util/cursor.h"

#include <string.h>

#include "spv/error.h"
#include "util/buffer.h"

struct spv_cursor spv_cursor_over(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    return (struct spv_cursor){.p = p, .end = n == 0 ? p : p + n, .error = 0};
}

size_t spv_cursor_left(const struct spv_cursor *c)
{
    return c->error != 0 || c->p == c->end ? 0 : (size_t)(c->end - c->p);
}

void spv_cursor_fail(struct spv_cursor *c, int error)
{
    if (c->error == 0)
        c->error = error;
}

const uint8_t *spv_cursor_take(struct spv_cursor *c, size_t n)
{
    static const uint8_t nothing[1];

    if (c->error != 0)
        return NULL;
    if (n == 0)
        return !c->p ? nothing : c->p;
    if (n > spv_cursor_left(c)) {
        c->error = SPV_ERR_SHORT;
        return NULL;
    }
    const uint8_t *at = c->p;
    c->p += n;
    return at;
}

void spv_cursor_copy(struct spv_cursor *c, void *out, size_t n)
{
    if (n == 0)
        return;
    const uint8_t *at = spv_cursor_take(c, n);
    if (!at)
        memset(out, 0, n);
    else
        memcpy(out, at, n);
}

/* n <= 8 bytes, least significant first. */
static uint64_t read_le(struct spv_cursor *c, size_t n)
{
    const uint8_t *at = spv_cursor_take(c, n);
    uint64_t x = 0;

    if (!at)
        return 0;
    for (size_t i = n; i > 0; i--)
        x = x << 8 | at[i - 1];
    return x;
}

uint8_t spv_cursor_u8(struct spv_cursor *c)
{
    return (uint8_t)read_le(c, 1);
}

uint16_t spv_cursor_u16(struct spv_cursor *c)
{
    return (uint16_t)read_le(c, 2);
}

uint16_t spv_cursor_u16be(struct spv_cursor *c)
{
    uint16_t x = spv_cursor_u16(c);
    return (uint16_t)(x << 8 | x >> 8);
}

uint32_t spv_cursor_u32(struct spv_cursor *c)
{
    return (uint32_t)read_le(c, 4);
}

uint64_t spv_cursor_u64(struct spv_cursor *c)
{
    return read_le(c, 8);
}

uint64_t spv_cursor_compact(struct spv_cursor *c)
{
    uint8_t first = spv_cursor_u8(c);

    if (c->error != 0)
        return 0;
    if (first < 0xfd)
        return first;

    size_t n = first == 0xfd ? 2 : first == 0xfe ? 4 : 8;
    uint64_t x = read_le(c, n);
    if (c->error != 0)
        return 0;
    if (spv_compact_size(x) != n + 1) { /* only the shortest form is canonical */
        c->error = SPV_ERR_COMPACT_SIZE;
        return 0;
    }
    return x;
}

size_t spv_cursor_count(struct spv_cursor *c, size_t max, size_t each)
{
    uint64_t n = spv_cursor_compact(c);

    if (c->error != 0)
        return 0;
    if (n > max)
        spv_cursor_fail(c, SPV_ERR_COUNT);
    else if (each > 0 && n > spv_cursor_left(c) / each)
        spv_cursor_fail(c, SPV_ERR_SHORT);
    return c->error != 0 ? 0 : (size_t)n;
}

int spv_cursor_finish(const struct spv_cursor *c)
{
    if (c->error != 0)
        return c->error;
    return c->p == c->end ? 0 : SPV_ERR_TRAILING;
}
