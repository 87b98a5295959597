/* Inbound connections: a listening TCP socket on a reactor. */
#ifndef SPV_LISTENER_H
#define SPV_LISTENER_H

#include <stdint.h>

#include "spv/endpoint.h"
#include "spv/error.h"
#include "spv/export.h"
#include "spv/reactor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spv_listener;

/* Listens on the first address of endpoint that can be bound; port 0 takes any free one. A host
 * name is looked up inside this call. endpoint is copied.
 *
 * accepted is called from the loop with each connected non-blocking socket, which the callee owns,
 * and the remote address, valid during the call. It may free the listener. Accepting pauses
 * for a second when the process has no free descriptor.
 * Returns 0 (*out is the caller's; free it with spv_listener_free, before the reactor or after it),
 * SPV_ERR_RESOLVE, SPV_ERR_IO when no address can be bound, SPV_ERR_NOMEM, or SPV_ERR_STATE while
 * the reactor is being freed; after an error why, unless NULL, has a message for the user.
 * Reactor's thread. */
SPV_API int spv_listener_new(struct spv_listener **out, struct spv_reactor *r,
                             const struct spv_endpoint *endpoint,
                             void (*accepted)(void *ctx, int fd, const struct spv_endpoint *from),
                             void *ctx, struct spv_error_info *why);

/* Returns the bound port in host order, also after the reactor was freed. Reactor's thread. */
SPV_API uint16_t spv_listener_port(const struct spv_listener *l);

/* Limits the open connections (0: no limit, the default): at the limit a new connection is closed
 * at once, without a call of accepted. Reactor's thread. */
SPV_API void spv_listener_set_max_conns(struct spv_listener *l, unsigned max_conns);

/* Reports that an accepted connection has closed, once for each call of accepted; usually called
 * from the link's on_closed. NULL is ignored. Reactor's thread. */
SPV_API void spv_listener_conn_closed(struct spv_listener *l);

/* Returns how many accepted connections were not reported closed. Reactor's thread. */
SPV_API unsigned spv_listener_conn_count(const struct spv_listener *l);

/* Stops listening and frees the listener, also after the reactor; accepted sockets stay open. NULL
 * is ignored. Reactor's thread. */
SPV_API void spv_listener_free(struct spv_listener *l);

#ifdef __cplusplus
}
#endif

#endif
