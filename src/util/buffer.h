/* A growing byte buffer for writing. The first failed allocation sets `error`, and later writes do
 * nothing: write the fields in order, check `error` once. Integers are written little-endian unless
 * the name says otherwise. */
#ifndef SPV_UTIL_BUFFER_H
#define SPV_UTIL_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct spv_buffer {
    uint8_t *data;
    size_t len;
    size_t cap;
    int error; /* 0 or SPV_ERR_NOMEM */
};

void spv_buffer_init(struct spv_buffer *b);
void spv_buffer_free(struct spv_buffer *b);
/* Allocates for `more` further bytes. Returns 0 or SPV_ERR_NOMEM. */
int spv_buffer_reserve(struct spv_buffer *b, size_t more);
/* Allocates exactly cap bytes, at least len. Returns 0 or SPV_ERR_NOMEM. */
int spv_buffer_resize(struct spv_buffer *b, size_t cap);
/* Appends n uninitialised bytes and returns them; NULL after an error. */
uint8_t *spv_buffer_extend(struct spv_buffer *b, size_t n);
void spv_buffer_put(struct spv_buffer *b, const void *bytes, size_t n);
void spv_buffer_u8(struct spv_buffer *b, uint8_t x);
void spv_buffer_u16(struct spv_buffer *b, uint16_t x);
void spv_buffer_u16be(struct spv_buffer *b, uint16_t x);
void spv_buffer_u32(struct spv_buffer *b, uint32_t x);
void spv_buffer_u64(struct spv_buffer *b, uint64_t x);
void spv_buffer_compact(struct spv_buffer *b, uint64_t x); /* CompactSize */
/* Removes the first n bytes. */
void spv_buffer_consume(struct spv_buffer *b, size_t n);
size_t spv_compact_size(uint64_t x); /* bytes of its CompactSize: 1, 3, 5 or 9 */

#endif
