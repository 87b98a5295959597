/* How spv-sync ends when it is not synced: the cause, and what to do. */
#ifndef SPV_SYNC_END_H
#define SPV_SYNC_END_H

#include "cli.h"
#include "spv/node.h"
#include "spv/store.h"
#include "sync_proxy.h"

struct sync_end {
    const struct spv_params *params; /* all pointers are borrowed */
    const struct sync_proxy *proxy;
    const char *failure; /* the last error of a peer; "": none */
    uint64_t timeout; /* seconds */
    const char *option; /* that names every peer, --connect or --add-peer; NULL: there are others */
    size_t connect; /* peers that --connect names */
    size_t banned; /* of them */
    struct spv_event why; /* the last warning that prevents synced, or UNRESOLVED */
    struct spv_event filters; /* the last warning that keeps filter headers from being synced */
    struct spv_event low; /* the last warning about a chain with too little work */
};

/* Records a warning that may be the cause. */
void sync_end_note(struct sync_end *end, const struct spv_event *e);

/* Every peer was asked, and it is unknown whether the chain is complete. Each prints one error and
 * returns the code to exit with. */
int sync_end_unresolved(const struct sync_end *e, const struct spv_node_stats *stats);
/* No peer was useful within the timeout. */
int sync_end_gave_up(const struct sync_end *e, const struct spv_node_stats *stats, bool synced);
/* The chain is synced, but its filter headers are not. */
int sync_end_filters(const struct sync_end *e, const struct spv_node_stats *stats);
/* The loop ended with an error. The store is still open. */
int sync_end_failed(struct spv_store *store, int rc);

#endif
