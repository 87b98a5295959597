/* Filter header sync (BIP157): keeps the stored filter headers in step with the best chain, from a
 * built-in filter header on, and resolves what peers disagree about.
 *
 * A pure state machine inside the node. It sends requests to the peers that serve compact filters,
 * and emits STORE_FILTER_HEADERS and DROP_FILTER_HEADERS effects, both answered by
 * spv_filter_sync_stored. A peer that is proven to misbehave is disconnected through
 * spv_filter_peers_disconnect. Every function accepts NULL, which stands for a node without
 * filters. */
#ifndef SPV_SPV_FILTERS_FILTER_SYNC_H
#define SPV_SPV_FILTERS_FILTER_SYNC_H

#include "spv/filter_db.h"
#include "spv/filters/block_scripts.h"
#include "spv/filters/filter_peers.h"

#define SPV_FILTER_MIN_NETGROUPS 2 /* network groups that must agree on a filter header */
/* ours: filter branches, and so alternatives per height, at most */
#define SPV_FILTER_MAX_BRANCHES 8
/* ours: heights of a branch whose filters differ from the stored ones, 2.3 MB; it is not compared
 * beyond */
#define SPV_FILTER_MAX_BRANCH_DIFFS 65536
/* ours: heights of a branch that are tested with filters and their block */
#define SPV_FILTER_MAX_BRANCH_PROOFS 16
/* ours: how often a branch that more network groups support replaces the stored filter headers:
 * each time the blocks above are scanned again; peers that reconnect must not cause that for ever
 */
#define SPV_FILTER_MAX_EXCHANGES 4
#define SPV_FILTER_MAX_INVALID 16 /* ours: invalid filters that are remembered */
#define SPV_FILTER_TIMEOUT_US                                                                      \
    (20 * SPV_SECOND) /* ours: of a request; as SPV_SYNC_REQUEST_TIMEOUT_US */
/* ours: of a block; several peers may be tried */
#define SPV_FILTER_BLOCK_TIMEOUT_US (120 * SPV_SECOND)
/* ours: a peer that did not answer gets no request for this long */
#define SPV_FILTER_SILENT_US (600 * SPV_SECOND)
/* ours: a single network group suffices after this long while more peers are expected */
#define SPV_FILTER_SINGLE_NETGROUP_WAIT_US (60 * SPV_SECOND)

struct spv_filter_sync_config {
    const struct spv_params *params; /* borrowed, as is everything pointed at here */
    struct spv_effects *effects;
    const struct spv_chain *chain;
    struct spv_peer_table *peers;
    struct spv_filter_peers *filter_peers;
    struct spv_filter_db filter_db; /* `headers` and `range` are required */
    struct spv_known_outputs known; /* evidence about filters; find may be NULL */
    uint64_t timeout_us; /* of requests for ranges; 0: the default of segments */
};

struct spv_filter_sync;

/* SPV_ERR_INVALID (no filter database), SPV_ERR_NOMEM, or the database's error. */
int spv_filter_sync_new(struct spv_filter_sync **out, const struct spv_filter_sync_config *cfg);
void spv_filter_sync_free(struct spv_filter_sync *fs);

/* Before the peer is removed from the table; any id. Returns 0 or the effect queue's error. */
int spv_filter_sync_remove(struct spv_filter_sync *fs, uint64_t id, struct spv_now now);
/* A message of a peer. Returns 1 when it answers a request of this module, 0 when it does not, or a
 * failure of ours. */
int spv_filter_sync_recv(struct spv_filter_sync *fs, uint64_t id, const struct spv_msg *msg,
                         struct spv_now now);
/* The best chain was reorganised above this height (spv_filter_peers_update). Returns 0 or a
 * failure of ours. */
int spv_filter_sync_reorganised(struct spv_filter_sync *fs, uint32_t fork);

/* After every input, unless spv_filter_sync_storing: sends requests, compares answers and stores.
 * Begins once `synced` is true. Returns 0 or a failure of ours. */
int spv_filter_sync_run(struct spv_filter_sync *fs, bool synced, enum spv_more_peers more,
                        struct spv_now now);
/* Whether a STORE or DROP effect is unanswered. */
bool spv_filter_sync_storing(const struct spv_filter_sync *fs);
/* That effect was executed. Returns 0, SPV_ERR_STATE, or a failure of ours. */
int spv_filter_sync_stored(struct spv_filter_sync *fs);
int spv_filter_sync_timer(struct spv_filter_sync *fs, struct spv_now now);
uint64_t spv_filter_sync_deadline(const struct spv_filter_sync *fs);

/* Whether a dispute is open. */
bool spv_filter_sync_disputing(const struct spv_filter_sync *fs);
/* Returns 1 and the block that the dispute needs, once per block; or 0. */
int spv_filter_sync_next_block(struct spv_filter_sync *fs, struct spv_blockhash *hash,
                               uint32_t *height);
/* A fetched block whose merkle root and witness commitment were checked. Any block may be passed.
 * Returns 0 or a failure of ours. */
int spv_filter_sync_block(struct spv_filter_sync *fs, uint32_t height,
                          const struct spv_block *block);

/* ---- for modules that use the filter headers ---- */

/* Returns 1 and the height up to which filter headers are agreed on and stored; 0: none yet. */
int spv_filter_sync_height(const struct spv_filter_sync *fs, uint32_t *height);
/* The alternatives of a height: hashes of filters that are not proven invalid either. A block is
 * fetched when any of its filters matches. Writes at most SPV_FILTER_MAX_BRANCHES; returns how
 * many. */
size_t spv_filter_sync_alternatives(const struct spv_filter_sync *fs, struct spv_filter_hash *out,
                                    uint32_t height);
/* A block proves the stored filter of this height invalid: its filter header and those above are
 * deleted, the peers that committed to it are banned, and agreement begins again without it.
 * Returns 0 or a failure of ours. */
int spv_filter_sync_on_invalid(struct spv_filter_sync *fs, uint32_t height);
/* Returns 1 when filter headers from *from on were rolled back since the last call, or 0. */
int spv_filter_sync_next_rollback(struct spv_filter_sync *fs, uint32_t *from);
/* Returns 1 and a range of heights that got alternatives since the last call, or 0. Some heights in
 * it may have none. */
int spv_filter_sync_next_differing(struct spv_filter_sync *fs, uint32_t *first, uint32_t *last);

struct spv_filter_sync_stats {
    uint32_t height; /* as spv_filter_sync_height */
    bool begun; /* height is valid */
    bool stopped; /* see SPV_WARN_FILTERS_BUILT_IN */
    unsigned peers; /* that serve filters */
    unsigned branches; /* filter branches */
    bool disputing;
    uint64_t added; /* filter headers stored since the node was created */
    size_t memory; /* bytes */
};
void spv_filter_sync_get_stats(const struct spv_filter_sync *fs, struct spv_filter_sync_stats *out);

#endif
