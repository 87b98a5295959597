/* A bound and listening socket, for listener.c and for servers that accept themselves. */
#ifndef SPV_NET_LISTENER_H
#define SPV_NET_LISTENER_H

#include "spv/endpoint.h"
#include "spv/error.h"

/* Opens a non-blocking socket that listens on the first of the endpoint's addresses that can be
 * bound. Returns and sets why as spv_listener_new. */
int spv_listen_open(int *out, const struct spv_endpoint *at, struct spv_error_info *why);
/* Returns the port that it is bound to, in host order. */
uint16_t spv_listen_port(int fd);

#endif
