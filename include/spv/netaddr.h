/* Network addresses as BIP155 defines them, in binary and as text. */
#ifndef SPV_NETADDR_H
#define SPV_NETADDR_H

#include <stdint.h>

#include "spv/endpoint.h"
#include "spv/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* BIP155 network ids. */
enum spv_addr_network {
    SPV_ADDR_IPV4 = 1,
    SPV_ADDR_IPV6 = 2,
    SPV_ADDR_TORV3 = 4,
    SPV_ADDR_I2P = 5,
    SPV_ADDR_CJDNS = 6,
    SPV_ADDR_YGGDRASIL = 7,
};
#define SPV_ADDR_BYTES 32 /* the longest known address: Tor v3, I2P */

/* An address without bytes (len 0) is of an unknown network, or is no address (network 0); neither
 * is stored or relayed. */
struct spv_netaddr {
    uint8_t network; /* BIP155 network id */
    uint8_t len; /* valid bytes of `bytes` */
    uint16_t port; /* host order */
    uint8_t bytes[SPV_ADDR_BYTES]; /* network order */
};

/* An entry of an addr or addrv2 message. */
struct spv_addr_entry {
    uint32_t time; /* unix seconds, last seen */
    uint64_t services;
    struct spv_netaddr addr;
};

/* Writes the address without its port as text into out, SPV_HOST_MAX bytes: IPv4 dotted, IPv6 as in
 * RFC 5952, Tor v3 as 56 characters and ".onion".
 * Returns 0, SPV_ERR_UNSUPPORTED for other networks, or SPV_ERR_CRYPTO. Any thread. */
SPV_API int spv_netaddr_to_host(char *out, const struct spv_netaddr *addr);

/* Reads a literal address in a form that spv_netaddr_to_host writes, in any spelling of IPv6
 * (::ffff:1.2.3.4 is the IPv4 address) and in upper or lower case; the checksum of an onion name is
 * verified. port, in host order, is copied into out.
 * Returns 0, SPV_ERR_MALFORMED when host is no literal address, or SPV_ERR_CRYPTO. Any thread. */
SPV_API int spv_netaddr_from_host(struct spv_netaddr *out, const char *host, uint16_t port);

#ifdef __cplusplus
}
#endif

#endif
