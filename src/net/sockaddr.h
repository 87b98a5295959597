/* Between the kernel's socket addresses, the wire's network addresses and what people read; and
 * from errno to our errors. */
#ifndef SPV_NET_SOCKADDR_H
#define SPV_NET_SOCKADDR_H

#include <sys/socket.h>

#include "spv/endpoint.h"
#include "spv/netaddr.h"

/* SPV_ERR_UNSUPPORTED unless IPv4 or IPv6. */
int spv_sock_from_netaddr(struct sockaddr_storage *out, socklen_t *len,
                          const struct spv_netaddr *addr);
/* IPv4-mapped IPv6 becomes IPv4. SPV_ERR_UNSUPPORTED for other families. */
int spv_sock_to_netaddr(struct spv_netaddr *out, const struct sockaddr *sa);
/* Literal address and port; "local" and 0 for other families. */
void spv_sock_to_endpoint(struct spv_endpoint *out, const struct sockaddr *sa);
/* A literal IPv4 or IPv6 address; SPV_ERR_MALFORMED when it is a name. */
int spv_sock_literal(struct spv_netaddr *out, const char *host, uint16_t port);
/* The error of a connecting or connected socket. */
int spv_sock_error(int errnum);

#endif
