/* Places to dial or to listen at, as people write them. */
#ifndef SPV_ENDPOINT_H
#define SPV_ENDPOINT_H

#include <stdint.h>

#include "spv/export.h"

#define SPV_HOST_MAX 256 /* a DNS name of 253 bytes, NUL-terminated */

/* A place to dial: a name or a literal address (no brackets), and a port in host order. */
struct spv_endpoint {
    char host[SPV_HOST_MAX];
    uint16_t port;
};

/* Parses "host", "host:port", "1.2.3.4:port", "[::1]:port", "::1". default_port is used when none
 * is given. Port 0 is taken, too: any free
 * one to a listener, nothing to a dialler. SPV_ERR_MALFORMED. Any thread. */
SPV_API int spv_endpoint_parse(struct spv_endpoint *out, const char *text, uint16_t default_port);
/* "host:port", IPv6 in brackets. out holds at least SPV_HOST_MAX + 8 bytes. Any thread. */
#define SPV_ENDPOINT_TEXT (SPV_HOST_MAX + 8)
SPV_API void spv_endpoint_text(char *out, const struct spv_endpoint *endpoint);

/* Literal addresses. IPv4 dotted, IPv6 as RFC 5952 writes it, Tor v3 as 56 letters and ".onion".
 *
 * to_host: out holds SPV_HOST_MAX bytes. SPV_ERR_UNSUPPORTED for other networks, SPV_ERR_CRYPTO.
 * from_host reads the same, IPv6 in any of its spellings (::ffff:1.2.3.4 is the IPv4 address),
 * onion names with a good checksum and in either case. SPV_ERR_MALFORMED: no literal address;
 * SPV_ERR_CRYPTO. Any thread. */
struct spv_netaddr;
SPV_API int spv_netaddr_to_host(char *out, const struct spv_netaddr *addr);
SPV_API int spv_netaddr_from_host(struct spv_netaddr *out, const char *host, uint16_t port);

#endif
