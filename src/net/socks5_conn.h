/* The SOCKS5 negotiation on a connected socket, driven by the loop. A dial owns it. */
#ifndef SPV_NET_SOCKS5_CONN_H
#define SPV_NET_SOCKS5_CONN_H

#include "spv/dial.h"

struct spv_socks5_conn;

/* Returns 0, SPV_ERR_INVALID for an endpoint or credentials that SOCKS5 cannot encode, or
 * SPV_ERR_NOMEM. */
int spv_socks5_conn_new(struct spv_socks5_conn **out, struct spv_reactor *r,
                        const struct spv_proxy *proxy, const struct spv_endpoint *endpoint);
/* done is called once, from the loop, and may free the connection. */
void spv_socks5_conn_set_callback(struct spv_socks5_conn *conn, void (*done)(void *ctx, int error),
                                  void *ctx);
/* The socket is then the connection's, also on failure. Returns 0 or SPV_ERR_NOMEM; done is not
 * called after an error. */
int spv_socks5_conn_start(struct spv_socks5_conn *conn, int fd);
/* Returns the socket, which is the caller's again. */
int spv_socks5_conn_release_fd(struct spv_socks5_conn *conn);
void spv_socks5_conn_free(struct spv_socks5_conn *conn); /* NULL is ignored */

#endif
