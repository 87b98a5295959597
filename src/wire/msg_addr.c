/* addr: addresses of other nodes in the old format, IPv4 and IPv6 only. */
#include "spv/error.h"
#include "wire/commands.h"
#include "wire/netaddr.h"

#define ENTRY (4 + 8 + SPV_NETADDR_V1)

static int addr_decode(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                       struct spv_arena *arena)
{
    size_t n = spv_cursor_count(c, SPV_MAX_ADDR, ENTRY);
    struct spv_addr_entry *entries = spv_arena_take(arena, n, sizeof *entries);

    (void)version;
    if (!entries)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        entries[i].time = spv_cursor_u32(c);
        entries[i].services = spv_cursor_u64(c);
        spv_netaddr_read(&entries[i].addr, c);
    }
    out->u.addr.entries = entries;
    out->u.addr.n = n;
    return 0;
}

static int addr_check(const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_addr *addr = &msg->u.addr;

    (void)version;
    if (addr->n > SPV_MAX_ADDR)
        return SPV_ERR_TOO_LONG;
    for (size_t i = 0; i < addr->n; i++)
        if (!spv_netaddr_fits_addr(&addr->entries[i].addr))
            return SPV_ERR_INVALID;
    return 0;
}

static size_t addr_size(const struct spv_msg *msg, uint32_t version)
{
    (void)version;
    return spv_compact_size(msg->u.addr.n) + msg->u.addr.n * ENTRY;
}

static void addr_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_addr *addr = &msg->u.addr;

    (void)version;
    spv_buffer_compact(b, addr->n);
    for (size_t i = 0; i < addr->n; i++) {
        spv_buffer_u32(b, addr->entries[i].time);
        spv_buffer_u64(b, addr->entries[i].services);
        spv_netaddr_write(b, &addr->entries[i].addr);
    }
}

const struct spv_codec spv_codec_addr = {
    .decode = addr_decode, .check = addr_check, .size = addr_size, .encode = addr_encode};
