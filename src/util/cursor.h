/* A bounds-checked reader for untrusted bytes. The first error is sticky; later reads return zeros:
 * read the fields in order, check once at the end. Integers are little-endian unless the name says
 * otherwise.
 *
 * What reads a byte or a field is inline: a block has hundreds of thousands of them. */
#ifndef SPV_UTIL_CURSOR_H
#define SPV_UTIL_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "spv/error.h"

struct spv_cursor {
    const uint8_t *p;
    const uint8_t *end;
    int error; /* 0, or the first error: SPV_ERR_SHORT, _COMPACT_SIZE, _COUNT, or a caller's */
};

static inline struct spv_cursor spv_cursor_over(const void *bytes, size_t n)
{
    const uint8_t *p = (const uint8_t *)bytes;
    return (struct spv_cursor){.p = p, .end = n == 0 ? p : p + n, .error = 0};
}

/* Sets the error unless there is one. */
static inline void spv_cursor_fail(struct spv_cursor *c, int error)
{
    if (c->error == 0)
        c->error = error;
}

/* 0 after an error. */
static inline size_t spv_cursor_left(const struct spv_cursor *c)
{
    return c->error != 0 || c->p == c->end ? 0 : (size_t)(c->end - c->p);
}

/* Returns the next n bytes in place; NULL after an error. All reading goes through this function:
 * only it compares lengths with the bytes left. */
static inline const uint8_t *spv_cursor_take(struct spv_cursor *c, size_t n)
{
    static const uint8_t nothing[1];
    const uint8_t *at = c->p;

    if (c->error != 0)
        return NULL;
    if (n == 0)
        return !at ? nothing : at;
    if (n > spv_cursor_left(c)) {
        c->error = SPV_ERR_SHORT;
        return NULL;
    }
    c->p += n;
    return at;
}

static inline void spv_cursor_copy(struct spv_cursor *c, void *out, size_t n)
{
    if (n == 0)
        return;
    const uint8_t *at = spv_cursor_take(c, n);
    if (!at)
        memset(out, 0, n);
    else
        memcpy(out, at, n);
}

static inline uint8_t spv_cursor_u8(struct spv_cursor *c)
{
    const uint8_t *at = spv_cursor_take(c, 1);
    return !at ? 0 : *at;
}

static inline uint16_t spv_cursor_u16(struct spv_cursor *c)
{
    const uint8_t *at = spv_cursor_take(c, 2);
    return (uint16_t)(!at ? 0 : at[0] | at[1] << 8);
}

static inline uint16_t spv_cursor_u16be(struct spv_cursor *c)
{
    const uint8_t *at = spv_cursor_take(c, 2);
    return (uint16_t)(!at ? 0 : at[0] << 8 | at[1]);
}

static inline uint32_t spv_cursor_u32(struct spv_cursor *c)
{
    const uint8_t *at = spv_cursor_take(c, 4);
    if (!at)
        return 0;
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t spv_cursor_u64(struct spv_cursor *c)
{
    const uint8_t *at = spv_cursor_take(c, 8);
    uint64_t x = 0;

    for (size_t i = 8; at && i > 0; i--)
        x = x << 8 | at[i - 1];
    return x;
}

/* A CompactSize of three bytes and more. */
uint64_t spv_cursor_long_compact(struct spv_cursor *c);
/* A CompactSize; a non-canonical one is an error. */
static inline uint64_t spv_cursor_compact(struct spv_cursor *c)
{
    if (spv_cursor_left(c) > 0 && *c->p < 0xfd)
        return *c->p++;
    return spv_cursor_long_compact(c);
}

/* A CompactSize count of entries of at least `each` bytes, checked before anything is allocated: at
 * most max, and no more than fit into the remaining bytes. */
static inline size_t spv_cursor_count(struct spv_cursor *c, size_t max, size_t each)
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

/* Returns 0 when all bytes were read, the error, or SPV_ERR_TRAILING. */
int spv_cursor_finish(const struct spv_cursor *c);

#endif
