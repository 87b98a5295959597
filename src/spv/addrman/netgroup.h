/* Network groups: addresses that one operator can obtain cheaply in large numbers are one group. */
#ifndef SPV_SPV_ADDRMAN_NETGROUP_H
#define SPV_SPV_ADDRMAN_NETGROUP_H

#include "spv/addrman.h"

struct spv_netgroup {
    uint8_t len; /* 0: none */
    uint8_t b[SPV_ADDRMAN_SOURCE];
};

/* The group of an address: /16 of IPv4, /32 of IPv6, 4 bits of an onion key (keys cost nothing:
 * sixteen groups in all). */
struct spv_netgroup spv_netgroup_of(const struct spv_netaddr *addr);
/* The group of a name: a DNS seed, a manual peer. */
struct spv_netgroup spv_netgroup_of_name(const char *name);
bool spv_netgroup_eq(const struct spv_netgroup *a, const struct spv_netgroup *b);

/* Whether the address is neither loopback, private, link-local, multicast nor for documentation,
 * and not port 0. IPv4, IPv6 and Tor v3 only, the networks that we can connect to. */
bool spv_netaddr_routable(const struct spv_netaddr *addr);

#endif
