/* A bounds-checked reader for untrusted bytes. The first error is sticky; later reads return zeros:
 * read the fields in order, check once at the end. Integers are little-endian unless the name says
 * otherwise. */
#ifndef SPV_UTIL_CURSOR_H
#define SPV_UTIL_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spv_cursor {
    const uint8_t *p;
    const uint8_t *end;
    int error; /* 0, or the first error: SPV_ERR_SHORT, _COMPACT_SIZE, _COUNT, or a caller's */
};

struct spv_cursor spv_cursor_over(const void *bytes, size_t n);
size_t spv_cursor_left(const struct spv_cursor *c); /* 0 after an error */
uint8_t spv_cursor_u8(struct spv_cursor *c);
uint16_t spv_cursor_u16(struct spv_cursor *c);
uint16_t spv_cursor_u16be(struct spv_cursor *c);
uint32_t spv_cursor_u32(struct spv_cursor *c);
uint64_t spv_cursor_u64(struct spv_cursor *c);
/* A CompactSize; a non-canonical one is an error. */
uint64_t spv_cursor_compact(struct spv_cursor *c);
/* A CompactSize count of entries of at least `each` bytes, checked before anything is allocated: at
 * most max, and no more than fit into the remaining bytes. */
size_t spv_cursor_count(struct spv_cursor *c, size_t max, size_t each);
/* Returns the next n bytes in place; NULL after an error. */
const uint8_t *spv_cursor_take(struct spv_cursor *c, size_t n);
void spv_cursor_copy(struct spv_cursor *c, void *out, size_t n);
/* Sets the error unless there is one. */
void spv_cursor_fail(struct spv_cursor *c, int error);
/* Returns 0 when all bytes were read, the error, or SPV_ERR_TRAILING. */
int spv_cursor_finish(const struct spv_cursor *c);

#endif
