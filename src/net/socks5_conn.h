/* The SOCKS5 conversation on a connected socket, from the loop. A dial owns it. */
#ifndef SPV_NET_SOCKS5_CONN_H
#define SPV_NET_SOCKS5_CONN_H

#include "spv/dial.h"

struct spv_socks5_conn;

/* SPV_ERR_INVALID for an endpoint or credentials that SOCKS5 cannot say; SPV_ERR_NOMEM. */
int spv_socks5_conn_new(struct spv_socks5_conn **out, struct spv_reactor *r,
                        const struct spv_proxy *proxy, const struct spv_endpoint *endpoint);
/* done comes once, from the loop; it may free the talk. */
void spv_socks5_conn_set_callback(struct spv_socks5_conn *t, void (*done)(void *ctx, int error),
                                  void *ctx);
/* Takes the socket, on success and on failure. Errors that show at once are returned. */
int spv_socks5_conn_start(struct spv_socks5_conn *t, int fd);
/* Hands the socket back. */
int spv_socks5_conn_release_fd(struct spv_socks5_conn *t);
void spv_socks5_conn_free(struct spv_socks5_conn *t); /* NULL is fine */

#endif
