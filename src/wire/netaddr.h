/* Network addresses in the old form of version and addr: 16 bytes of IPv6 (IPv4 mapped into it) and
 * the port, big-endian. Networks that do not fit are all zeros, as is no address. */
#ifndef SPV_WIRE_NETADDR_H
#define SPV_WIRE_NETADDR_H

#include <stdbool.h>

#include "spv/message.h"
#include "util/buffer.h"
#include "util/cursor.h"

#define SPV_NETADDR_V1 18

/* The zero address and OnionCat (Tor v2) become network 0 with len 0: never stored or relayed. */
void spv_netaddr_read(struct spv_netaddr *out, struct spv_cursor *c);
void spv_netaddr_write(struct spv_buffer *b, const struct spv_netaddr *addr);
/* 16 bytes that are an IPv6 address and nothing else inside one: not zero, no mapped IPv4, no
 * OnionCat. */
bool spv_ipv6_genuine(const uint8_t ip[16]);
/* An address that addrv2 sends: of a known network, in its length, genuine. (msg_addrv2.c) */
bool spv_netaddr_relayable(const struct spv_netaddr *addr);
/* IPv4, IPv6 or none, each with its right length. */
bool spv_netaddr_fits(const struct spv_netaddr *addr);

#endif
