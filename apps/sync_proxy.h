/* The options --proxy and --onion of spv-sync: what they mean and what they forbid. */
#ifndef APPS_SYNC_PROXY_H
#define APPS_SYNC_PROXY_H

#include "cli.h"
#include "spv/loop.h"

struct sync_proxy {
    const char *text; /* --proxy */
    bool onion; /* --onion */
    struct spv_endpoint endpoint;
};

/* Reads the options; CLI_DONE or the exit code of a usage error that has been printed. */
int sync_proxy_read(struct sync_proxy *p);
/* Whether a peer of that name can be dialled with these options; the same. */
int sync_proxy_allows(const struct sync_proxy *p, const char *option,
                      const struct spv_endpoint *peer);
/* Puts them into the loop's configuration; *p must outlive its making. */
void sync_proxy_apply(const struct sync_proxy *p, struct spv_evloop_config *cfg);

#endif
