/* addrv2 (BIP155): addresses of other nodes, each with its network id. */
#include <string.h>

#include "spv/error.h"
#include "wire/commands.h"
#include "wire/netaddr.h"

#define MAX_ADDRESS 512 /* BIP155: bytes, of any network */
#define MIN_ENTRY (4 + 1 + 1 + 1 + 2) /* an empty address of an unknown network */

/* The length of a network's addresses in bytes, 0 for an unknown network and for Tor v2 (id 3). */
static uint8_t address_length(uint8_t network)
{
    switch (network) {
    case SPV_ADDR_IPV4:
        return 4;
    case SPV_ADDR_IPV6:
    case SPV_ADDR_CJDNS:
    case SPV_ADDR_YGGDRASIL:
        return 16;
    case SPV_ADDR_TORV3:
    case SPV_ADDR_I2P:
        return 32;
    default:
        return 0;
    }
}

static void read_address(struct spv_netaddr *out, struct spv_cursor *c)
{
    *out = (struct spv_netaddr){.network = spv_cursor_u8(c)};
    size_t n = spv_cursor_count(c, MAX_ADDRESS, 1);
    const uint8_t *bytes = spv_cursor_take(c, n);
    size_t expected = address_length(out->network);
    out->port = spv_cursor_u16be(c);
    if (!bytes || expected == 0)
        return;
    if (n != expected) { /* BIP155: a wrong length for a known network makes the message invalid */
        spv_cursor_fail(c, SPV_ERR_MALFORMED);
        return;
    }
    if (out->network == SPV_ADDR_IPV6 && !spv_ipv6_is_native(bytes)) {
        out->network = 0;
        return;
    }
    out->len = (uint8_t)n;
    memcpy(out->bytes, bytes, n);
}

static int addrv2_decode(struct spv_msg *out, struct spv_cursor *c, uint32_t version,
                         struct spv_arena *arena)
{
    size_t n = spv_cursor_count(c, SPV_MAX_ADDR, MIN_ENTRY);
    struct spv_addr_entry *entries = spv_arena_take(arena, n, sizeof *entries);

    (void)version;
    if (!entries)
        return SPV_ERR_NOMEM;
    for (size_t i = 0; i < n && c->error == 0; i++) {
        entries[i].time = spv_cursor_u32(c);
        entries[i].services = spv_cursor_compact(c); /* BIP155: any 64-bit value */
        read_address(&entries[i].addr, c);
    }
    out->u.addr.entries = entries;
    out->u.addr.n = n;
    return 0;
}

bool spv_netaddr_fits_addrv2(const struct spv_netaddr *addr)
{
    return addr->len != 0 && addr->len == address_length(addr->network) &&
           (addr->network != SPV_ADDR_IPV6 || spv_ipv6_is_native(addr->bytes));
}

static int addrv2_check(const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_addr *addr = &msg->u.addr;

    (void)version;
    if (addr->n > SPV_MAX_ADDR)
        return SPV_ERR_TOO_LONG;
    for (size_t i = 0; i < addr->n; i++)
        if (!spv_netaddr_fits_addrv2(&addr->entries[i].addr))
            return SPV_ERR_INVALID;
    return 0;
}

static size_t addrv2_size(const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_addr *addr = &msg->u.addr;
    size_t n = spv_compact_size(addr->n);

    (void)version;
    for (size_t i = 0; i < addr->n; i++) {
        const struct spv_addr_entry *e = &addr->entries[i];
        n += 4 + spv_compact_size(e->services) + 1 + 1 + e->addr.len + 2;
    }
    return n;
}

static void addrv2_encode(struct spv_buffer *b, const struct spv_msg *msg, uint32_t version)
{
    const struct spv_msg_addr *addr = &msg->u.addr;

    (void)version;
    spv_buffer_compact(b, addr->n);
    for (size_t i = 0; i < addr->n; i++) {
        const struct spv_addr_entry *e = &addr->entries[i];
        spv_buffer_u32(b, e->time);
        spv_buffer_compact(b, e->services);
        spv_buffer_u8(b, e->addr.network);
        spv_buffer_compact(b, e->addr.len);
        spv_buffer_put(b, e->addr.bytes, e->addr.len);
        spv_buffer_u16be(b, e->addr.port);
    }
}

const struct spv_codec spv_codec_addrv2 = {
    .decode = addrv2_decode, .check = addrv2_check, .size = addrv2_size, .encode = addrv2_encode};
