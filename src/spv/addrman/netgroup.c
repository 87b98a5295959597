/* IPv6 tunnel addresses need no rule: the first 32 bits of 6to4 (2002::/16) include the /16 of its
 * IPv4 address, Teredo (2001::/32) is one group, and NAT64 is not global unicast. */
#include "spv/addrman/netgroup.h"

#include <string.h>

#include "util/hash.h"

#define BY_NAME 0xf0 /* not a BIP155 network id */

struct spv_netgroup spv_netgroup_of(const struct spv_netaddr *addr)
{
    struct spv_netgroup g = {.b = {addr->network}};
    switch ((enum spv_addr_network)addr->network) {
    case SPV_ADDR_IPV4:
        g.len = 3;
        memcpy(g.b + 1, addr->bytes, 2);
        break;
    case SPV_ADDR_IPV6:
        g.len = 5;
        memcpy(g.b + 1, addr->bytes, 4);
        break;
    case SPV_ADDR_TORV3:
    case SPV_ADDR_I2P:
    case SPV_ADDR_CJDNS:
    case SPV_ADDR_YGGDRASIL:
        g.len = 2;
        g.b[1] = addr->bytes[0] & 0xf0;
        break;
    }
    return g;
}

struct spv_netgroup spv_netgroup_of_name(const char *name)
{
    struct spv_netgroup g = {.len = 8, .b = {BY_NAME}};
    const uint64_t hash = spv_siphash(0, 0, name, strlen(name));
    memcpy(g.b + 1, &hash, 7);
    return g;
}

bool spv_netgroup_eq(const struct spv_netgroup *a, const struct spv_netgroup *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

bool spv_netaddr_routable(const struct spv_netaddr *addr)
{
    const uint8_t *b = addr->bytes;
    if (addr->port == 0)
        return false;
    if (addr->network == SPV_ADDR_IPV4 && addr->len == 4) {
        if (b[0] == 0 || b[0] == 10 || b[0] == 127 || b[0] >= 224)
            return false;
        return !((b[0] == 192 && b[1] == 168) || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
                 (b[0] == 169 && b[1] == 254) || (b[0] == 100 && (b[1] & 0xc0) == 64) ||
                 (b[0] == 198 && (b[1] & 0xfe) == 18) ||
                 /* for documentation (RFC 5737) */
                 (b[0] == 192 && b[1] == 0 && b[2] == 2) ||
                 (b[0] == 198 && b[1] == 51 && b[2] == 100) ||
                 (b[0] == 203 && b[1] == 0 && b[2] == 113));
    }
    if (addr->network == SPV_ADDR_TORV3)
        return addr->len == 32;
    /* global unicast 2000::/3 without 2001:db8::/32, which is for documentation */
    return addr->network == SPV_ADDR_IPV6 && addr->len == 16 && (b[0] & 0xe0) == 0x20 &&
           !(b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8);
}
