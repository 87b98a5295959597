/* Which network an old-form address belongs to is told by its prefix. */
#include "wire/netaddr.h"

#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}; /* ::ffff:0:0/96 */
static const uint8_t onioncat[6] = {0xfd, 0x87, 0xd8, 0x7e, 0xeb, 0x43}; /* Tor v2, gone */
static const uint8_t none[16];

bool spv_ipv6_genuine(const uint8_t ip[16])
{
    return memcmp(ip, mapped, sizeof mapped) != 0 && memcmp(ip, none, sizeof none) != 0 &&
           memcmp(ip, onioncat, sizeof onioncat) != 0;
}

void spv_netaddr_read(struct spv_netaddr *out, struct spv_cursor *c)
{
    uint8_t ip[16];

    *out = (struct spv_netaddr){0};
    spv_cursor_copy(c, ip, sizeof ip);
    out->port = spv_cursor_u16be(c);
    if (memcmp(ip, mapped, sizeof mapped) == 0) {
        out->network = SPV_ADDR_IPV4;
        out->len = 4;
        memcpy(out->bytes, ip + sizeof mapped, 4);
    } else if (spv_ipv6_genuine(ip)) {
        out->network = SPV_ADDR_IPV6;
        out->len = 16;
        memcpy(out->bytes, ip, 16);
    }
}

void spv_netaddr_write(struct spv_buffer *b, const struct spv_netaddr *addr)
{
    if (addr->network == SPV_ADDR_IPV4) {
        spv_buffer_put(b, mapped, sizeof mapped);
        spv_buffer_put(b, addr->bytes, 4);
    } else {
        spv_buffer_put(b, addr->network == SPV_ADDR_IPV6 ? addr->bytes : none, 16);
    }
    spv_buffer_u16be(b, addr->port);
}

bool spv_netaddr_fits(const struct spv_netaddr *addr)
{
    return (addr->network == SPV_ADDR_IPV4 && addr->len == 4) ||
           (addr->network == SPV_ADDR_IPV6 && addr->len == 16) ||
           (addr->network == 0 && addr->len == 0);
}
