/* HTTP server for Bitcoin Core's REST endpoints for headers: /rest/headers/<hash>.<ext> with
 * ?count=, the deprecated /rest/headers/<count>/<hash>.<ext>,
 * /rest/blockhashbyheight/<height>.<ext> and /rest/chaininfo.json; GET and HEAD only. Each answer
 * is a consistent snapshot of the header database's chain, which may grow meanwhile. */
#ifndef SPV_HTTP_SERVER_H
#define SPV_HTTP_SERVER_H

#include <stdint.h>

#include "spv/endpoint.h"
#include "spv/error.h"
#include "spv/export.h"
#include "spv/header_db.h"
#include "spv/params.h"
#include "spv/reactor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spv_http_server_config {
    const struct spv_params *params; /* borrowed until spv_http_server_free */
    struct spv_header_db header_db; /* its ctx is borrowed until spv_http_server_free */
    struct spv_endpoint listen; /* port 0: a free one */
    /* Maximum number of connections; 0: 64. At the maximum, a new connection replaces the one that
     * has been idle longest; a connection that is being sent a reply is replaced only when all are.
     */
    unsigned max_connections;
    /* Requests per second from one address (IPv6: one /64), four times as many in a burst; more are
     * answered with 429 and Retry-After. 0: no limit. */
    unsigned rate;
    uint64_t request_timeout_us; /* for receiving a request; 0: 10 s */
};

struct spv_http_server_stats {
    unsigned open; /* connections now */
    uint64_t connections, requests;
    uint64_t limited; /* requests answered with 429 */
    uint64_t dropped; /* connections closed because they were too slow or too many */
};

struct spv_http_server;

/* Creates a server on the reactor (borrowed; free the server before it) and listens. The caller
 * owns *out and frees it with spv_http_server_free. *why (may be NULL) is filled in on failure.
 * Thread: the reactor's. Returns 0, SPV_ERR_NOMEM, SPV_ERR_NO_DESCRIPTOR, SPV_ERR_RESOLVE (the
 * listen address), or SPV_ERR_IO (cannot listen on it). */
SPV_API int spv_http_server_new(struct spv_http_server **out, struct spv_reactor *r,
                                const struct spv_http_server_config *cfg,
                                struct spv_error_info *why);

/* Returns the port that it listens on. Thread: the reactor's. */
SPV_API uint16_t spv_http_server_port(const struct spv_http_server *h);

/* Writes the statistics to *out. Thread: the reactor's; not safe from others. */
SPV_API void spv_http_server_get_stats(const struct spv_http_server *h,
                                       struct spv_http_server_stats *out);

/* Closes all connections and frees the server. NULL is allowed. Thread: the reactor's; other
 * callbacks on the reactor may call it.
 * Returns 0, or SPV_ERR_STATE in a call of the configured header database (the server is answering
 * a request): nothing is freed. */
SPV_API int spv_http_server_free(struct spv_http_server *h);

#ifdef __cplusplus
}
#endif

#endif
