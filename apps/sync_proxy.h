/* The options --proxy and --onion of spv-sync. */
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
/* Checks that a peer of that name can be dialled with these options. Returns the same. */
int sync_proxy_allows(const struct sync_proxy *p, const char *option,
                      const struct spv_endpoint *peer);
/* Sets them in the loop's configuration; *p is borrowed during spv_evloop_new. */
void sync_proxy_apply(const struct sync_proxy *p, struct spv_evloop_config *cfg);

#endif
