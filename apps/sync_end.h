/* How spv-sync ends when it is not synced: what stood in the way, and what to do about it. */
#ifndef SPV_SYNC_END_H
#define SPV_SYNC_END_H

#include "cli.h"
#include "spv/node.h"
#include "spv/store.h"
#include "sync_proxy.h"

struct sync_end {
    const struct spv_params *params; /* all lent */
    const struct sync_proxy *proxy;
    const char *failure; /* the last reason why a peer was of no use; "": none */
    uint64_t timeout; /* seconds */
    size_t connect; /* peers that --connect names */
    size_t banned; /* of them */
    struct spv_event why; /* the last warning that may refuse a verdict, or UNRESOLVED */
    struct spv_event low; /* the last warning of a peer that shows too little work */
};

/* Takes note of a warning that may be the reason. */
void sync_end_note(struct sync_end *end, const struct spv_event *e);

/* Every peer was asked, and none vouches for the chain. Each prints one error and returns the code
 * to exit with. */
int sync_end_unresolved(const struct sync_end *e, const struct spv_node_stats *stats);
/* No peer was of use for so long. */
int sync_end_gave_up(const struct sync_end *e, const struct spv_node_stats *stats, bool synced);
/* The loop ended with an error. The store is still open. */
int sync_end_failed(struct spv_store *store, int rc);

#endif
