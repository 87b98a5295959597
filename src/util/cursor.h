/* Reading memory that nobody vouches for. A cursor goes over (pointer, end), turns sick on the
 * first short or malformed read and stays so: read the fields in order, check once at the end. A
 * sick cursor yields zeros. All integers little-endian unless the name says otherwise. */
#ifndef SPV_UTIL_CURSOR_H
#define SPV_UTIL_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spv_cursor {
    const uint8_t *p;
    const uint8_t *end;
    int error; /* 0, or the first error: SPV_ERR_SHORT, _COMPACT_SIZE, _COUNT */
};

struct spv_cursor spv_cursor_over(const void *bytes, size_t n);
size_t spv_cursor_left(const struct spv_cursor *c);
uint8_t spv_cursor_u8(struct spv_cursor *c);
uint16_t spv_cursor_u16(struct spv_cursor *c);
uint16_t spv_cursor_u16be(struct spv_cursor *c);
uint32_t spv_cursor_u32(struct spv_cursor *c);
uint64_t spv_cursor_u64(struct spv_cursor *c);
/* CompactSize; a non-canonical form makes the cursor sick. */
uint64_t spv_cursor_compact(struct spv_cursor *c);
/* A CompactSize count of entries of at least `each` bytes: at most max, and no more than can fit in
 * what is left, checked before anyone allocates. */
size_t spv_cursor_count(struct spv_cursor *c, size_t max, size_t each);
/* n bytes in place, or NULL when sick. */
const uint8_t *spv_cursor_take(struct spv_cursor *c, size_t n);
void spv_cursor_copy(struct spv_cursor *c, void *out, size_t n);
void spv_cursor_fail(struct spv_cursor *c, int error);
/* 0 when healthy and all was read; the error, or SPV_ERR_TRAILING. */
int spv_cursor_finish(const struct spv_cursor *c);

#endif
