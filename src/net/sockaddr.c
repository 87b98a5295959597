/* IPv4 and IPv6 only: socket addresses of other families are local ones. */
#include "net/sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "spv/error.h"

int spv_sock_from_netaddr(struct sockaddr_storage *out, socklen_t *len,
                          const struct spv_netaddr *addr)
{
    memset(out, 0, sizeof *out);
    if (addr->network == SPV_ADDR_IPV4 && addr->len == 4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
        memcpy(&in.sin_addr, addr->bytes, 4);
        memcpy(out, &in, sizeof in);
        *len = sizeof in;
        return 0;
    }
    if (addr->network == SPV_ADDR_IPV6 && addr->len == 16) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
        memcpy(&in6.sin6_addr, addr->bytes, 16);
        memcpy(out, &in6, sizeof in6);
        *len = sizeof in6;
        return 0;
    }
    return SPV_ERR_UNSUPPORTED;
}

int spv_sock_to_netaddr(struct spv_netaddr *out, const struct sockaddr *sa)
{
    memset(out, 0, sizeof *out);
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        out->network = SPV_ADDR_IPV4;
        out->len = 4;
        out->port = ntohs(in.sin_port);
        memcpy(out->bytes, &in.sin_addr, 4);
        return 0;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        out->port = ntohs(in6.sin6_port);
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
        out->network = mapped ? SPV_ADDR_IPV4 : SPV_ADDR_IPV6;
        out->len = mapped ? 4 : 16;
        memcpy(out->bytes, in6.sin6_addr.s6_addr + (mapped ? 12 : 0), out->len);
        return 0;
    }
    return SPV_ERR_UNSUPPORTED;
}

void spv_sock_to_endpoint(struct spv_endpoint *out, const struct sockaddr *sa)
{
    struct spv_netaddr addr;
    memset(out, 0, sizeof *out);
    if (spv_sock_to_netaddr(&addr, sa) < 0 ||
        !inet_ntop(addr.len == 4 ? AF_INET : AF_INET6, addr.bytes, out->host, sizeof out->host)) {
        (void)snprintf(out->host, sizeof out->host, "local");
        return;
    }
    out->port = addr.port;
}

int spv_sock_literal(struct spv_netaddr *out, const char *host, uint16_t port)
{
    memset(out, 0, sizeof *out);
    out->port = port;
    if (inet_pton(AF_INET, host, out->bytes) == 1) {
        out->network = SPV_ADDR_IPV4;
        out->len = 4;
        return 0;
    }
    if (inet_pton(AF_INET6, host, out->bytes) == 1) {
        out->network = SPV_ADDR_IPV6;
        out->len = 16;
        return 0;
    }
    return SPV_ERR_MALFORMED;
}

int spv_sock_error(int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
        return SPV_ERR_REFUSED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return SPV_ERR_RESET;
    case ETIMEDOUT:
        return SPV_ERR_CONNECT_TIMEOUT;
    case EMFILE:
    case ENFILE:
        return SPV_ERR_NO_DESCRIPTOR; /* of this process */
    case ENOBUFS:
    case ENOMEM:
        return SPV_ERR_NOMEM;
    default:
        return SPV_ERR_UNREACHABLE; /* ENETUNREACH, EHOSTUNREACH, EACCES of a firewall, ... */
    }
}
