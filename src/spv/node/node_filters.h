/* Compact filters and whole blocks in the node: passes messages to the state machines of
 * spv/filters and to the scan of blocks of a wallet, which share the list of wanted blocks, and
 * disconnects the peers that they report. Without either every function does nothing. */
#ifndef SPV_SPV_NODE_NODE_FILTERS_H
#define SPV_SPV_NODE_NODE_FILTERS_H

#include "spv/filters/block_fetch.h"
#include "spv/filters/filter_peers.h"
#include "spv/filters/filter_scan.h"
#include "spv/filters/filter_sync.h"
#include "spv/wallet/block_scan.h"
#include "spv/wallet/bloom_scan.h"

struct spv_node_filters { /* zeroed: without filters, and without a scan of blocks */
    bool on; /* filters */
    struct spv_block_scan *block_scan; /* NULL: none */
    struct spv_bloom_scan *bloom_scan; /* gets whole blocks that it wants; borrowed; NULL: none */
    bool fetches_blocks; /* of a wallet, without filters as well */
    bool is_synced; /* header sync, at the last run */
    struct spv_filter_peers peers;
    struct spv_block_fetch blocks;
    struct spv_filter_sync *sync;
    struct spv_filter_scan *scan; /* NULL: without filters */
    struct spv_output_cache *outputs; /* of the blocks that were fetched */
    uint32_t disproved; /* height whose filter a block has disproved, as reported to filter sync; 0:
                           none */
    bool reported; /* an event of the scan was returned: the scan continues with the next poll */
    uint64_t compared; /* peers that were compared, at the scan's last step */
    bool at_tip; /* filter headers reach the tip of the synced chain */
};

/* cfg->filters decides, and cfg->wallet with cfg->source. Returns 0, SPV_ERR_INVALID (no filter
 * database), or SPV_ERR_NOMEM. */
int spv_node_filters_init(struct spv_node_filters *f, const struct spv_node_config *cfg,
                          const struct spv_params *params, const struct spv_chain *chain,
                          struct spv_effects *effects, struct spv_peer_table *table);
void spv_node_filters_free(struct spv_node_filters *f);

/* A new peer of the table, whose services are set. Returns 0 or a failure of ours. */
int spv_node_filters_add(struct spv_node_filters *f, struct spv_peer_entry *p, struct spv_now now);
/* The peer leaves the table after this call; any id. Returns 0 or a failure of ours. */
int spv_node_filters_remove(struct spv_node_filters *f, uint64_t id, struct spv_now now);
/* A message of a peer, after header sync has taken it. Returns 0 or a failure of ours. */
int spv_node_filters_recv(struct spv_node_filters *f, uint64_t id, const struct spv_msg *msg,
                          struct spv_now now);

/* The node's state that filters depend on. */
struct spv_node_filters_input {
    bool synced; /* header sync */
    bool storing; /* another module's effect waits for spv_node_stored */
    enum spv_more_peers more;
};
/* After every input. Returns 0 or a failure of ours. */
int spv_node_filters_run(struct spv_node_filters *f, const struct spv_node_filters_input *in,
                         struct spv_now now);
/* Whether an effect of filters waits for spv_node_stored. */
bool spv_node_filters_storing(const struct spv_node_filters *f);
/* The next event of the scan, when no effect is queued; what follows from the last one may queue
 * effects first. 1 and out->scan, or 0; or a failure of ours. */
int spv_node_filters_poll(struct spv_node_filters *f, struct spv_effect *out, struct spv_now now);
/* Continues the scan of blocks and returns its next event, valid until the next call. 1, 0, or a
 * failure of ours. */
int spv_node_filters_next_block(struct spv_node_filters *f, struct spv_source_event *out,
                                struct spv_now now);
int spv_node_filters_stored(struct spv_node_filters *f);
int spv_node_filters_timer(struct spv_node_filters *f, struct spv_now now);
uint64_t spv_node_filters_deadline(const struct spv_node_filters *f);
/* The next peer to be disconnected, and why: 1 or 0. */
int spv_node_filters_next_disconnect(struct spv_node_filters *f, struct spv_disconnect *out);

#endif
