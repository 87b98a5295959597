/* The prefix of an address in the old format determines its network. */
#include "wire/netaddr.h"

#include <string.h>

static const uint8_t ipv4_mapped_prefix[12] = {0, 0, 0, 0, 0,    0,
                                               0, 0, 0, 0, 0xff, 0xff}; /* ::ffff:0:0/96 */
static const uint8_t onioncat_prefix[6] = {0xfd, 0x87, 0xd8,
                                           0x7e, 0xeb, 0x43}; /* Tor v2 (obsolete) */
static const uint8_t unspecified[16];

bool spv_ipv6_is_native(const uint8_t ip[16])
{
    return memcmp(ip, ipv4_mapped_prefix, sizeof ipv4_mapped_prefix) != 0 &&
           memcmp(ip, unspecified, sizeof unspecified) != 0 &&
           memcmp(ip, onioncat_prefix, sizeof onioncat_prefix) != 0;
}

void spv_netaddr_read(struct spv_netaddr *out, struct spv_cursor *c)
{
    uint8_t ip[16];

    *out = (struct spv_netaddr){0};
    spv_cursor_copy(c, ip, sizeof ip);
    out->port = spv_cursor_u16be(c);
    if (memcmp(ip, ipv4_mapped_prefix, sizeof ipv4_mapped_prefix) == 0) {
        out->network = SPV_ADDR_IPV4;
        out->len = 4;
        memcpy(out->bytes, ip + sizeof ipv4_mapped_prefix, 4);
    } else if (spv_ipv6_is_native(ip)) {
        out->network = SPV_ADDR_IPV6;
        out->len = 16;
        memcpy(out->bytes, ip, 16);
    }
}

void spv_netaddr_write(struct spv_buffer *b, const struct spv_netaddr *addr)
{
    if (addr->network == SPV_ADDR_IPV4) {
        spv_buffer_put(b, ipv4_mapped_prefix, sizeof ipv4_mapped_prefix);
        spv_buffer_put(b, addr->bytes, 4);
    } else {
        spv_buffer_put(b, addr->network == SPV_ADDR_IPV6 ? addr->bytes : unspecified, 16);
    }
    spv_buffer_u16be(b, addr->port);
}

bool spv_netaddr_fits_addr(const struct spv_netaddr *addr)
{
    return (addr->network == SPV_ADDR_IPV4 && addr->len == 4) ||
           (addr->network == SPV_ADDR_IPV6 && addr->len == 16) ||
           (addr->network == 0 && addr->len == 0);
}
