/* The SOCKS5 conversation on a connected socket, from the loop. A dial owns it. */
#ifndef SPV_NET_SOCKS5_CONN_H
#define SPV_NET_SOCKS5_CONN_H

#include "spv/link.h"

struct spv_talk;

/* SPV_ERR_INVALID for an endpoint or credentials that SOCKS5 cannot say; SPV_ERR_NOMEM. */
int spv_talk_new(struct spv_talk **out, struct spv_reactor *r, const struct spv_proxy *proxy,
                 const struct spv_endpoint *endpoint);
/* done comes once, from the loop; it may free the talk. */
void spv_talk_tell(struct spv_talk *t, void (*done)(void *ctx, int error), void *ctx);
/* Takes the socket, on success and on failure. Errors that show at once are returned. */
int spv_talk_begin(struct spv_talk *t, int fd);
/* Hands the socket back. */
int spv_talk_take(struct spv_talk *t);
void spv_talk_free(struct spv_talk *t); /* NULL is fine */

#endif
