/* Name look-ups that do not block a reactor: getaddrinfo in worker threads. */
#ifndef SPV_RESOLVE_H
#define SPV_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "spv/export.h"
#include "spv/netaddr.h"
#include "spv/reactor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_RESOLVE_MAX 64 /* addresses reported for one name */

/* A look-up in progress; the pointer is valid until done was called, the look-up was cancelled or
 * the reactor was freed. */
struct spv_resolve;

/* Looks up host, a name or a literal address of 1 to 255 bytes, with the system's resolver. Four
 * names are looked up at a time, the others wait. host is copied.
 *
 * done is called once, from the loop: with error 0 and n (1 to SPV_RESOLVE_MAX) IPv4 and IPv6
 * addresses without duplicates, in the system's order of preference (RFC 6724), each with the given
 * port (host order); or with SPV_ERR_RESOLVE or SPV_ERR_NOMEM and n 0. addrs is valid during the
 * call. done may free or start anything but may not free the reactor.
 * Returns 0, SPV_ERR_INVALID for an empty or too long host, SPV_ERR_NOMEM, or SPV_ERR_STATE while
 * the reactor is being freed; done is not called after an error. Reactor's thread. */
SPV_API int spv_resolve_start(
    struct spv_resolve **out, struct spv_reactor *r, const char *host, uint16_t port,
    void (*done)(void *ctx, int error, const struct spv_netaddr *addrs, size_t n), void *ctx);

/* Ends a look-up without calling done. A worker thread may go on for as long as the system's
 * resolver takes; its result is discarded. NULL is ignored. Reactor's thread. */
SPV_API void spv_resolve_cancel(struct spv_resolve *rs);

#ifdef __cplusplus
}
#endif

#endif
