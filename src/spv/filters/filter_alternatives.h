/* Alternatives: filters that are wanted by their hash. Where peers disagree and nothing is proven,
 * the filters of all branches are matched. One peer after the other gets a request until one sends
 * the filter with the wanted hash; when none does, it is missing. */
#ifndef SPV_SPV_FILTERS_FILTER_ALTERNATIVES_H
#define SPV_SPV_FILTERS_FILTER_ALTERNATIVES_H

#include "spv/effects/effects.h"
#include "spv/filters/fetch_ranges.h"
#include "spv/sync/peer_table.h"

/* ours: filters wanted at a time; 8 branches of 32 heights */
#define SPV_FILTER_ALTERNATIVES_MAX 256
#define SPV_FILTER_ALTERNATIVES_MAX_PEERS 16 /* ours: peers that get a request for one filter */
#define SPV_FILTER_ALTERNATIVES_MAX_OPEN 8 /* ours: such requests open per peer */
/* ours: as of alternative requests */
#define SPV_FILTER_ALTERNATIVES_TIMEOUT_US (20 * SPV_SECOND)

struct spv_filter_alternative {
    uint32_t height;
    struct spv_blockhash block;
    struct spv_filter_hash hash;
    struct spv_filter_header header, before; /* the stored ones, of this height and the one below */
    uint64_t requested[SPV_FILTER_ALTERNATIVES_MAX_PEERS]; /* ids of the peers that were sent a
                                                              request */
    unsigned n_requested;
    bool is_open; /* the request to requested[n_requested - 1] is unanswered */
    uint64_t requested_us;
    bool missing; /* every peer answered without it or timed out */
};

struct spv_filter_alternatives { /* zeroed: empty */
    struct spv_filter_alternative list[SPV_FILTER_ALTERNATIVES_MAX];
    size_t n;
};

/* Adds a wanted filter, of which block, hash, height, header and before are set. Returns 0 or
 * SPV_ERR_TOO_MANY. */
int spv_filter_alternatives_want(struct spv_filter_alternatives *o,
                                 const struct spv_filter_alternative *wanted);
/* A filter was received. Returns whether it was wanted, and removes it. */
bool spv_filter_alternatives_take(struct spv_filter_alternatives *o, uint32_t height,
                                  const struct spv_filter_hash *hash);
/* Removes those above a height. */
void spv_filter_alternatives_remove_above(struct spv_filter_alternatives *o, uint32_t height);
/* The peer has answered with another filter; or it is disconnected. */
void spv_filter_alternatives_mismatch(struct spv_filter_alternatives *o, uint64_t peer,
                                      uint32_t height);
void spv_filter_alternatives_remove_peer(struct spv_filter_alternatives *o, uint64_t peer);
/* Sends the requests that are due. Returns 0, SPV_ERR_NOMEM or the effect queue's error. */
int spv_filter_alternatives_run(struct spv_filter_alternatives *o, struct spv_fetch_ranges *ranges,
                                struct spv_peer_table *peers, struct spv_effects *effects,
                                struct spv_now now);
uint64_t spv_filter_alternatives_deadline(const struct spv_filter_alternatives *o);
/* Returns 1 and the next missing one, which is removed; or 0. */
int spv_filter_alternatives_next_missing(struct spv_filter_alternatives *o, uint32_t *height,
                                         struct spv_filter_hash *hash);

#endif
