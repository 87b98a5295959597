/* Conversions between socket addresses, network addresses and endpoints, and from errno to errors.
 */
#ifndef SPV_NET_SOCKADDR_H
#define SPV_NET_SOCKADDR_H

#include <sys/socket.h>

#include "spv/endpoint.h"
#include "spv/netaddr.h"

/* Returns 0, or SPV_ERR_UNSUPPORTED unless IPv4 or IPv6. */
int spv_sock_from_netaddr(struct sockaddr_storage *out, socklen_t *len,
                          const struct spv_netaddr *addr);
/* IPv4-mapped IPv6 becomes IPv4. Returns 0, or SPV_ERR_UNSUPPORTED for other families. */
int spv_sock_to_netaddr(struct spv_netaddr *out, const struct sockaddr *sa);
/* Writes literal address and port; "local" and 0 for other families. */
void spv_sock_to_endpoint(struct spv_endpoint *out, const struct sockaddr *sa);
/* Parses a literal IPv4 or IPv6 address. Returns 0, or SPV_ERR_MALFORMED for a name. */
int spv_sock_literal(struct spv_netaddr *out, const char *host, uint16_t port);
/* Returns the error for the errno of a connecting or connected socket. */
int spv_sock_error(int errnum);

#endif
