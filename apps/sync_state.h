/* What a run of spv-sync consists of, and what it does with the library's events. */
#ifndef SPV_SYNC_STATE_H
#define SPV_SYNC_STATE_H

#include "checkpoint_list.h"
#include "cli.h"
#include "peer_options.h"
#include "spv/loop.h"
#include "sync_end.h"
#include "sync_report.h"
#include "sync_start.h"

#define KEEP_FILTERS_MAX 1000000 /* ours: megabytes; all of mainnet's are a hundredth of it */
#define USELESS_MAX 64 /* remembered peers that were no use: more than --connect usually names */

struct sync {
    /* options */
    struct cli_target target;
    struct peer_options peers;
    uint64_t timeout;
    uint64_t keep_filters; /* megabytes; 0: none */
    const char *min_work_text, *checkpoint_file, *pid_file;
    struct cli_list checkpoint_items;
    struct start_options start;
    bool backfill, filters;
    bool no_checkpoints, follow, json, quiet, verbose;
    struct cli_busy busy;
    struct cli_log log;
    /* made from them */
    struct spv_u256 min_work;
    struct checkpoint_list checkpoints;
    uint32_t start_height;
    /* the run */
    struct spv_store *store;
    struct spv_evloop *loop;
    struct spv_node_peer peer[SPV_NODE_MAX_PEERS];
    double useful_at,
        printed_at; /* cli_clock of the last useful input of a peer; of the last printed progress */
    struct report report;
    bool synced, gave_up;
    bool filters_synced; /* filter headers have reached the tip once */
    bool filters_kept; /* and so have the filters that are kept */
    bool reader_gone; /* of a --follow: print nothing more */
    bool unresolved; /* all peers were asked; it is unknown whether the chain is complete */
    struct sync_end end; /* why it ends without being synced */
    char useless[USELESS_MAX]
                [SPV_ENDPOINT_TEXT]; /* disconnected for what they sent; a ring buffer */
    size_t n_useless;
    int failure; /* the last error of a peer */
    size_t banned; /* peers, in this run or before */
    struct spv_chain_header synced_tip;
    double status_at; /* cli_clock of the last status of the service */
    uint64_t printed_added; /* headers received or in presync when progress was last printed */
    uint64_t presync; /* presync headers at the last tick */
    uint64_t received; /* headers received at the last tick, joined or not */
    uint64_t filter_headers; /* stored at the last tick */
    uint64_t filters_done; /* downloaded at the last tick */
};

/* Whether the filter headers, and the filters, that were requested are there. */
bool sync_has_filters(const struct sync *s);

/* The event loop's callbacks; ctx is a struct sync. */
void sync_on_event(void *ctx, const struct spv_event *e);
void sync_on_scan(void *ctx, const struct spv_scan_event *e);
void sync_on_tick(void *ctx);

#endif
