/* inv, getdata and notfound: lists of inventory vectors. Unknown types pass through. */
#include "spv/error.h"
#include "wire/commands.h"

#define ITEM (4 + 32)

static int inv_decode(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                      struct spv_arena *arena)
{
    size_t n = spv_cursor_count(c, SPV_MAX_INV, ITEM);
    struct spv_inv *items = spv_arena_take(arena, n, sizeof *items);

    (void)version;
    if (!items)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        items[i].type = spv_cursor_u32(c);
        spv_cursor_copy(c, items[i].hash.b, sizeof items[i].hash.b);
    }
    out->u.inv.items = items;
    out->u.inv.n = n;
    return 0;
}

static int inv_check(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return msg->u.inv.n > SPV_MAX_INV ? SPV_ERR_TOO_LONG : 0;
}

static size_t inv_size(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return spv_compact_size(msg->u.inv.n) + msg->u.inv.n * ITEM;
}

static void inv_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_inv *inv = &msg->u.inv;

    (void)version;
    spv_buffer_compact(b, inv->n);
    for (size_t i = 0; i < inv->n; i++) {
        spv_buffer_u32(b, inv->items[i].type);
        spv_buffer_put(b, inv->items[i].hash.b, sizeof inv->items[i].hash.b);
    }
}

const struct spv_codec spv_codec_inv = {
    .decode = inv_decode, .check = inv_check, .size = inv_size, .encode = inv_encode};
