/* Outbound connections: by name or address, directly or through a SOCKS5 proxy. */
#ifndef SPV_DIAL_H
#define SPV_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "spv/endpoint.h"
#include "spv/export.h"
#include "spv/reactor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A connection attempt in progress; the pointer is valid until done was called, the dial was
 * cancelled or the reactor was freed. */
struct spv_dial;

/* Connects to endpoint. A name is looked up first (spv_resolve_start); up to 16 addresses are tried
 * with IPv6 and IPv4 alternating, the next one when one fails or after 250 ms (RFC 8305), and the
 * first connection is used. timeout_us bounds all of it, in microseconds (0: 10 s). endpoint is
 * copied.
 *
 * done is called once, from the loop, never inside this call: with a connected non-blocking socket,
 * which the callee owns, and error 0; or with fd -1 and SPV_ERR_RESOLVE, SPV_ERR_REFUSED,
 * SPV_ERR_UNREACHABLE, SPV_ERR_RESET, SPV_ERR_CONNECT_TIMEOUT, SPV_ERR_NO_DESCRIPTOR or
 * SPV_ERR_NOMEM.
 * Returns 0, SPV_ERR_INVALID for an endpoint without a host, SPV_ERR_NOMEM, or SPV_ERR_STATE while
 * the reactor is being freed; done is not called after an error. Reactor's thread. */
SPV_API int spv_dial_start(struct spv_dial **out, struct spv_reactor *r,
                           const struct spv_endpoint *endpoint, uint64_t timeout_us,
                           void (*done)(void *ctx, int fd, int error), void *ctx);

/* A SOCKS5 proxy (RFC 1928, RFC 1929), for example Tor's. A proxy that isolates streams by user
 * name (Tor: IsolateSOCKSAuth, on by default) uses separate circuits for dials with different user
 * names. With a user name, only authentication is offered to the proxy: one that ignored it would
 * not isolate. */
struct spv_proxy {
    struct spv_endpoint endpoint;
    const char *user; /* NULL: no authentication; else 1 to 255 bytes, valid during the call */
    const char *password; /* likewise; NULL if and only if user is */
    bool isolate; /* without a user: random credentials for this dial */
};

/* Connects to endpoint through a proxy, which resolves the name: no name is resolved locally except
 * the proxy's own. proxy and endpoint are copied; timeout_us is as for spv_dial_start.
 *
 * done is called as for spv_dial_start, with these errors: SPV_ERR_PROXY when the proxy cannot be
 * reached, refuses, or violates the protocol; what the proxy reports about the destination
 * (SPV_ERR_REFUSED, SPV_ERR_UNREACHABLE, SPV_ERR_CONNECT_TIMEOUT, SPV_ERR_RESOLVE);
 * SPV_ERR_CONNECT_TIMEOUT when a connected proxy does not answer in time; SPV_ERR_NO_DESCRIPTOR;
 * SPV_ERR_NOMEM.
 * Returns 0, SPV_ERR_INVALID for an endpoint without host or port or for credentials of a wrong
 * length, SPV_ERR_NOMEM, or SPV_ERR_STATE while the reactor is being freed; done is not called
 * after an error. Reactor's thread. */
SPV_API int spv_dial_proxy_start(struct spv_dial **out, struct spv_reactor *r,
                                 const struct spv_proxy *proxy, const struct spv_endpoint *endpoint,
                                 uint64_t timeout_us, void (*done)(void *ctx, int fd, int error),
                                 void *ctx);

/* Ends a dial without calling done. NULL is ignored. Reactor's thread. */
SPV_API void spv_dial_cancel(struct spv_dial *d);

#ifdef __cplusplus
}
#endif

#endif
