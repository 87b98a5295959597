/* A bound and listening socket, for listener.c and for servers that accept by themselves. */
#ifndef SPV_NET_LISTENER_H
#define SPV_NET_LISTENER_H

#include "spv/endpoint.h"
#include "spv/error.h"

/* Listens, non-blocking, on the first of the endpoint's addresses that can be bound. why as of
 * spv_listener_new. */
int spv_listen_open(int *out, const struct spv_endpoint *at, struct spv_error_info *why);
/* The port that it is bound to. */
uint16_t spv_listen_port(int fd);

#endif
