/* Filters that are wanted by their hash, one a height: where peers disagree and nothing is proven,
 * the filters of all branches are matched. Peers are requested one after the alternative until one
 * sends the filter with the wanted hash; when none does, it is missing. */
#ifndef SPV_SPV_FILTERS_FILTER_ALTERNATIVES_H
#define SPV_SPV_FILTERS_FILTER_ALTERNATIVES_H

#include "spv/effects/effects.h"
#include "spv/filters/fetch_ranges.h"
#include "spv/sync/peer_table.h"

#define SPV_FILTER_ALTERNATIVES_MAX 256 /* ours: wanted at a time; 8 branches of 32 heights */
#define SPV_FILTER_ALTERNATIVES_MAX_PEERS 16 /* ours: peers that are requested for one */
#define SPV_FILTER_ALTERNATIVES_MAX_OPEN 8 /* ours: such requests on a peer */
#define SPV_FILTER_ALTERNATIVES_TIMEOUT_US                                                         \
    (20 * SPV_SECOND) /* ours: as of alternative requests                                          \
                       */

struct spv_filter_alternative {
    uint32_t height;
    struct spv_blockhash block;
    struct spv_filter_hash hash;
    struct spv_filter_header header, before; /* the stored ones, of this height and the one below */
    uint64_t requested[SPV_FILTER_ALTERNATIVES_MAX_PEERS]; /* ids of the peers that were sent a
                                                              request */
    unsigned n_requested;
    bool is_open; /* the request to the last of them is unanswered */
    uint64_t requested_us;
    bool missing; /* no peer has it */
};

struct spv_filter_alternatives { /* zeroed: empty */
    struct spv_filter_alternative list[SPV_FILTER_ALTERNATIVES_MAX];
    size_t n;
};

/* Wants a filter; block, hash, height, header and before are set. Returns 0 or SPV_ERR_TOO_MANY. */
int spv_filter_alternatives_want(struct spv_filter_alternatives *o,
                                 const struct spv_filter_alternative *wanted);
/* It has come. True: it was wanted. */
bool spv_filter_alternatives_take(struct spv_filter_alternatives *o, uint32_t height,
                                  const struct spv_filter_hash *hash);
/* Forgets those above a height. */
void spv_filter_alternatives_remove_above(struct spv_filter_alternatives *o, uint32_t height);
/* The peer has answered with another filter, or is gone. */
void spv_filter_alternatives_mismatch(struct spv_filter_alternatives *o, uint64_t peer,
                                      uint32_t height);
void spv_filter_alternatives_remove_peer(struct spv_filter_alternatives *o, uint64_t peer);
/* Sends the requests that are due. Returns 0, SPV_ERR_NOMEM or the effect queue's error. */
int spv_filter_alternatives_run(struct spv_filter_alternatives *o, struct spv_fetch_ranges *ranges,
                                struct spv_peer_table *peers, struct spv_effects *effects,
                                struct spv_now now);
uint64_t spv_filter_alternatives_deadline(const struct spv_filter_alternatives *o);
/* The next one that no peer has, which is forgotten: 1 or 0. */
int spv_filter_alternatives_next_missing(struct spv_filter_alternatives *o, uint32_t *height,
                                         struct spv_filter_hash *hash);

#endif
