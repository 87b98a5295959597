/* Network addresses in the old format of version and addr: 16 bytes of IPv6 (IPv4-mapped for IPv4)
 * and the port, big-endian. Other networks, and no address, are written as zeros. */
#ifndef SPV_WIRE_NETADDR_H
#define SPV_WIRE_NETADDR_H

#include <stdbool.h>

#include "spv/message.h"
#include "util/buffer.h"
#include "util/cursor.h"

#define SPV_NETADDR_V1 18

/* Decodes 18 bytes. The zero address and OnionCat (Tor v2) become network 0 with len 0. */
void spv_netaddr_read(struct spv_netaddr *out, struct spv_cursor *c);
/* Appends 18 bytes. */
void spv_netaddr_write(struct spv_buffer *b, const struct spv_netaddr *addr);
/* Returns true for an IPv6 address that embeds no other one: not zero, not IPv4-mapped, not
 * OnionCat. */
bool spv_ipv6_is_native(const uint8_t ip[16]);
/* Returns true for an address that addrv2 can carry: of a known network, with its length, and not
 * embedded in IPv6. (msg_addrv2.c) */
bool spv_netaddr_fits_addrv2(const struct spv_netaddr *addr);
/* Returns true for an address that addr can carry: IPv4, IPv6 or none, each with its length. */
bool spv_netaddr_fits_addr(const struct spv_netaddr *addr);

#endif
