/* The options --proxy and --onion, and what they allow. */
#ifndef APPS_SYNC_PROXY_H
#define APPS_SYNC_PROXY_H

#include "cli.h"
#include "spv/loop.h"

struct sync_proxy {
    const char *text; /* --proxy */
    bool onion; /* --onion */
    struct spv_endpoint endpoint;
};

/* Reads the options. Returns CLI_DONE, or the exit code after reporting a usage error. */
int sync_proxy_read(struct sync_proxy *p);
/* Reads the peers of an option into out, which has room for all, and checks that they can be
 * dialled with these options. port is the network's. Returns the same. */
int sync_proxy_endpoints(struct spv_endpoint *out, const struct sync_proxy *p,
                         const struct cli_list *list, const char *option, uint16_t port);
/* Sets them in the loop's configuration; *p is borrowed during spv_evloop_new. */
void sync_proxy_apply(const struct sync_proxy *p, struct spv_evloop_config *cfg);

#endif
