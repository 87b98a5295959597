/* What is read too rarely to be inline. */
#include "util/cursor.h"

#include "util/buffer.h"

uint64_t spv_cursor_long_compact(struct spv_cursor *c)
{
    const uint8_t first = spv_cursor_u8(c);
    uint64_t x;

    if (first < 0xfd) /* after an error: 0 */
        return first;
    if (first == 0xfd)
        x = spv_cursor_u16(c);
    else if (first == 0xfe)
        x = spv_cursor_u32(c);
    else
        x = spv_cursor_u64(c);
    if (c->error != 0)
        return 0;
    if (spv_compact_size(x) != (first == 0xfd ? 3u : first == 0xfe ? 5u : 9u)) {
        c->error = SPV_ERR_COMPACT_SIZE; /* only the shortest form is canonical */
        return 0;
    }
    return x;
}

int spv_cursor_finish(const struct spv_cursor *c)
{
    if (c->error != 0)
        return c->error;
    return c->p == c->end ? 0 : SPV_ERR_TRAILING;
}
