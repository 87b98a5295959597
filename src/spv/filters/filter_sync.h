/* Filter header sync (BIP157): keeps the stored filter headers in step with the best chain, begun
 * at a built-in filter header, and settles what peers disagree about.
 *
 * A pure state machine inside the node. It sends requests to the peers that serve compact filters,
 * and emits STORE_FILTER_HEADERS and DROP_FILTER_HEADERS effects, both answered by
 * spv_filter_sync_stored. A peer that is proven to lie is dropped through
 * spv_filter_peers_disconnect. NULL stands for no filters: every function accepts it. */
#ifndef SPV_SPV_FILTERS_FILTER_SYNC_H
#define SPV_SPV_FILTERS_FILTER_SYNC_H

#include "spv/filter_db.h"
#include "spv/filters/block_scripts.h"
#include "spv/filters/filter_peers.h"

#define SPV_FILTER_MIN_NETGROUPS 2 /* network groups that must agree */
/* ours: branches of filters that are not proven false; so many hashes of a height at most */
#define SPV_FILTER_MAX_BRANCHES 8
/* ours: heights of a branch whose filters differ from the stored ones, 2.3 MB; a branch is not
 * followed above that */
#define SPV_FILTER_MAX_BRANCH_DIFFS 65536
/* ours: heights of a branch that are tested with filters and a block */
#define SPV_FILTER_MAX_BRANCH_PROOFS 16
/* ours: how often a branch of more groups takes the place of what is stored: each time what was
 * scanned above is scanned again, and peers that come and go must not cause that for ever */
#define SPV_FILTER_MAX_EXCHANGES 4
#define SPV_FILTER_MAX_INVALID 16 /* ours: false filters that are remembered */
#define SPV_FILTER_TIMEOUT_US (20 * SPV_SECOND) /* ours: of a request; as SPV_SYNC_REQUEST */
/* ours: of a block; several peers may be tried */
#define SPV_FILTER_BLOCK_TIMEOUT_US (120 * SPV_SECOND)
/* ours: a peer that did not answer is not asked for so long */
#define SPV_FILTER_SILENT_US (600 * SPV_SECOND)
/* ours: so long one group of peers must be the only one before it suffices, while others may come
 */
#define SPV_FILTER_SINGLE_NETGROUP_WAIT_US (60 * SPV_SECOND)

struct spv_filter_sync_config {
    const struct spv_params *params; /* borrowed, as all that is pointed at here */
    struct spv_effects *effects;
    const struct spv_chain *chain;
    struct spv_peer_table *peers;
    struct spv_filter_peers *filter_peers;
    struct spv_filter_db filter_db; /* what is stored; `headers` and `range` are required */
    struct spv_known_outputs known; /* evidence against filters; find may be NULL */
    uint64_t timeout_us; /* of the requests for ranges; 0: that of segments */
};

struct spv_filter_sync;

/* SPV_ERR_INVALID (no filter database), SPV_ERR_NOMEM, or the database's error. */
int spv_filter_sync_new(struct spv_filter_sync **out, const struct spv_filter_sync_config *cfg);
void spv_filter_sync_free(struct spv_filter_sync *fs);

/* The peer leaves the table after this call; any id. Returns 0 or the effect queue's error. */
int spv_filter_sync_remove(struct spv_filter_sync *fs, uint64_t id, struct spv_now now);
/* A message of a peer. 1: it answers a request of ours; 0: it does not; negative: a failure of
 * ours. */
int spv_filter_sync_recv(struct spv_filter_sync *fs, uint64_t id, const struct spv_msg *msg,
                         struct spv_now now);
/* The best chain was reorganised above this height (spv_filter_peers_update). Returns 0 or a
 * failure of ours. */
int spv_filter_sync_reorganised(struct spv_filter_sync *fs, uint32_t fork);

/* After every input, while no update waits to be stored: does what is due. It begins once `synced`
 * is true. Returns 0 or a failure of ours. */
int spv_filter_sync_run(struct spv_filter_sync *fs, bool synced, enum spv_more_peers more,
                        struct spv_now now);
/* Whether an effect waits for spv_filter_sync_stored. */
bool spv_filter_sync_storing(const struct spv_filter_sync *fs);
/* That effect was executed. Returns 0, SPV_ERR_STATE, or a failure of ours. */
int spv_filter_sync_stored(struct spv_filter_sync *fs);
int spv_filter_sync_timer(struct spv_filter_sync *fs, struct spv_now now);
uint64_t spv_filter_sync_deadline(const struct spv_filter_sync *fs);

/* Whether peers disagree, and it is not settled yet. */
bool spv_filter_sync_disputing(const struct spv_filter_sync *fs);
/* The block that a dispute needs, once for each: 1 or 0. */
int spv_filter_sync_next_block(struct spv_filter_sync *fs, struct spv_blockhash *hash,
                               uint32_t *height);
/* A block of this height that was fetched, with its merkle root and witness commitment checked; any
 * block may be passed. Returns 0 or a failure of ours. */
int spv_filter_sync_block(struct spv_filter_sync *fs, uint32_t height,
                          const struct spv_block *block);

/* ---- for those who use the filter headers ---- */

/* Agreed on and stored: 1 and the height up to which; 0: none yet. */
int spv_filter_sync_height(const struct spv_filter_sync *fs, uint32_t *height);
/* The hashes of other filters of a height, which are not proven false either: a block is fetched
 * when either filter matches. Writes at most SPV_FILTER_MAX_BRANCHES; returns how many. */
size_t spv_filter_sync_alternatives(const struct spv_filter_sync *fs, struct spv_filter_hash *out,
                                    uint32_t height);
/* A block proves the stored filter of this height false: its filter header and those above are
 * dropped, those who committed to them are banned, and agreement begins again without it. Returns 0
 * or a failure of ours. */
int spv_filter_sync_on_invalid(struct spv_filter_sync *fs, uint32_t height);
/* Filter headers from *from on were undone since the last call: 1 or 0. */
int spv_filter_sync_next_rollback(struct spv_filter_sync *fs, uint32_t *from);
/* Heights that have other filters since the last call, which count as well: 1 or 0; some heights
 * between them may be included. */
int spv_filter_sync_next_differing(struct spv_filter_sync *fs, uint32_t *first, uint32_t *last);

struct spv_filter_sync_stats {
    uint32_t height; /* as spv_filter_sync_height */
    bool begun; /* there is a height */
    bool stopped; /* see SPV_WARN_FILTERS_BUILT_IN */
    unsigned peers; /* that serve filters */
    unsigned branches; /* of unproven filters */
    bool disputing;
    uint64_t added; /* filter headers stored since the node was created */
    size_t memory; /* bytes */
};
void spv_filter_sync_get_stats(const struct spv_filter_sync *fs, struct spv_filter_sync_stats *out);

#endif
