/* Sync: whose turn it is and what is missing. Asks one peer after the other for headers, hands what
 * comes to the chain, changes a peer that stalls, and says when the chain is synced.
 *
 * It knows peers by id. What it wants done goes into the node's effect queue, except dropping a
 * peer, which is the node's to do: spv_sync_next_drop. */
#ifndef SPV_SPV_SYNC_HEADER_SYNC_H
#define SPV_SPV_SYNC_HEADER_SYNC_H

#include "spv/chain.h"
#include "spv/effects/effects.h"
#include "spv/sync/presync_peers.h"
#include "spv/sync/segments.h"

#define SPV_SYNC_REQUEST (20 * SPV_SECOND) /* ours: a batch is 162 kB; slower is worth a change */
#define SPV_SYNC_LONE_PEER_FACTOR 4 /* ours: times longer when there is nobody else to ask */
#define SPV_SYNC_RECHECK (600 * SPV_SECOND) /* ours: ask again in case an announcement was lost */
#define SPV_SYNC_MAX_UNCONNECTING                                                                  \
    10 /* announcements in a row that link to nothing: the peer is noise */
#define SPV_SYNC_MAX_NO_NEW 3 /* full answers in a row without anything new */
#define SPV_SYNC_SLOW 4 /* ours: times slower than the quickest peer: it is asked after others */
#define SPV_SYNC_RETRY 600 /* ours: seconds; headers from the future are asked for again */
#define SPV_SYNC_FUTURE_WAIT 60 /* ours: seconds; headers that are valid so soon are waited for */
#define SPV_SYNC_TOLD                                                                              \
    8 /* ours: peers of which it is told that their chain leaves below the base                    \
       */
#define SPV_SYNC_WAIT                                                                              \
    (5 * SPV_SECOND) /* ours: a verdict waits for an open request at least so long, ... */
#define SPV_SYNC_WAIT_TIMES 4 /* ... and so many times longer than the slowest answer took */
#define SPV_SYNC_GROUPS 2 /* SYNC.md: a verdict takes two network groups */

struct spv_sync_config {
    struct spv_chain *chain;
    struct spv_effects *effects;
    const struct spv_params *params;
    struct spv_u256 min_work;
    uint64_t request_timeout_us; /* 0: SPV_SYNC_REQUEST */
    bool indexed;
    bool discovers; /* other peers can be found for those that are of no use */
    struct spv_rng rng;
};

struct spv_sync_peer {
    uint64_t id; /* 0: free slot */
    uint64_t group;
    uint32_t version;
    uint32_t claimed_height; /* the height it says it has, until shown otherwise */
    uint32_t said; /* the height it said at first */
    bool claim_stands; /* the claim still stands */
    bool at_tip; /* has shown that it knows no better chain than ours */
    enum spv_warning excluded; /* not NONE: it has answered, but does not count for a verdict */
    enum spv_warning warned; /* of it, at this tip: not said again */
    struct spv_blockhash warned_tip;
    uint32_t given; /* where its answers ended */
    int64_t given_s; /* FUTURE_HEADERS: how far ahead of our clock the refused header is */
    struct spv_u256 given_work; /* LOW_WORK: what its chain shows */
    bool in_presync; /* its chain goes through two passes: it has a slot of the gate's */
    bool presync_waiting; /* waits for such a slot */
    bool recheck; /* an announcement came while a request was open: ask again */
    bool sendheaders_sent; /* sendheaders sent */
    bool failing; /* it failed the last time we had it: asked after others */
    bool was_useful; /* has given us headers or a verdict */
    bool below; /* done, and its chain ends below our tip with less work */
    struct spv_u256 shown; /* the work of its chain as far as its last answer showed it; 0: empty */
    unsigned unlinked; /* in a row */
    unsigned n_no_new; /* in a row */
    uint32_t known_branch; /* the highest header of a side branch that it led us along */
    uint64_t deadline_us; /* of its open getheaders; 0: none open */
    uint64_t asked_us;
    uint64_t answer_us; /* how long its last answer took; 0: there was none */
    uint64_t
        since_us; /* since when it is asked without having moved the best chain; 0: it is not */
    struct spv_blockhash asked_tip; /* our tip when it was asked last */
    bool brief; /* its last answer was not full, and it may have more: others are asked beside it */
    bool overdue; /* that is too long for a verdict to wait for it */
};

struct spv_sync_drop {
    uint64_t id;
    int error;
};

struct spv_sync {
    struct spv_sync_config cfg;
    struct spv_sync_peer peer[SPV_NODE_MAX_PEERS];
    uint64_t chain_peer; /* the one that is asked for the chain; 0 none */
    unsigned quorum; /* network groups that a verdict takes */
    bool complete; /* no further peer is to come */
    enum spv_warning unresolved; /* UNRESOLVED was said for this reason, at this tip */
    struct spv_blockhash unresolved_tip;
    struct spv_segments *segments; /* NULL: no checkpoint lies ahead */
    bool fetching_segments; /* segments are being fetched: nobody is asked for anything else */
    bool segments_useless; /* the checkpoints contradict the rules */
    struct spv_presync_peers presync_peers;
    bool synced;
    struct spv_blockhash future_tip; /* where headers from the future were told of last */
    unsigned warned_fork_below_start; /* peers whose chain leaves ours below the base */
    struct spv_u256 warned_work; /* of the last peer that showed too little */
    bool index_asked;
    bool storing; /* a change waits for its acknowledgement */
    uint64_t retry_us; /* when headers from the future are asked for again */
    uint64_t recheck_us;
    struct spv_sync_drop drop[SPV_NODE_MAX_PEERS];
    size_t n_drop;
    uint64_t headers_added, reorgs, stalls, n_misbehaving;
};

/* SPV_ERR_NOMEM or the effect queue's error. */
int spv_sync_init(struct spv_sync *s, const struct spv_sync_config *cfg, struct spv_now now);
void spv_sync_free(struct spv_sync *s); /* a zeroed one is fine */

/* A peer is ready; one that has failed before, `failures` times in a row, is asked after others.
 * Errors: SPV_ERR_FULL, or the effect queue's. */
int spv_sync_add(struct spv_sync *s, uint64_t id, uint64_t group, const struct spv_peer_stats *info,
                 unsigned failures, struct spv_now now);
/* The peer has given us headers or a verdict. */
bool spv_sync_useful(struct spv_sync *s, uint64_t id);
/* A peer is gone. */
void spv_sync_remove(struct spv_sync *s, uint64_t id, struct spv_now now);
/* How many network groups (1 or 2) a verdict needs now; may bring one about. */
void spv_sync_set_quorum(struct spv_sync *s, unsigned groups, struct spv_now now);
/* Whether no further peer is to come beside those that are ready: then UNRESOLVED may be said. */
void spv_sync_set_complete(struct spv_sync *s, bool complete, struct spv_now now);

int spv_sync_headers(struct spv_sync *s, uint64_t id, const struct spv_msg_headers *msg,
                     struct spv_now now);
int spv_sync_inv(struct spv_sync *s, uint64_t id, const struct spv_msg_inv *msg,
                 struct spv_now now);
int spv_sync_stored(struct spv_sync *s, struct spv_now now);
void spv_sync_indexed(struct spv_sync *s);

int spv_sync_timer(struct spv_sync *s, struct spv_now now);
uint64_t spv_sync_deadline(const struct spv_sync *s);

/* The next peer to be dropped, and why: 1 or 0. */
int spv_sync_next_drop(struct spv_sync *s, struct spv_sync_drop *out);

/* Fills in what sync knows of the peer out->id. */
void spv_sync_peer_info(const struct spv_sync *s, struct spv_node_peer *out);

/* Fills in what is being proven. */
void spv_sync_presync_info(const struct spv_sync *s, struct spv_node_stats *out);

/* Requests open apart from fetch's. */
unsigned spv_sync_open(const struct spv_sync *s);

/* Where the chain ends by what is known: see spv_node_stats.target_height. */
uint32_t spv_sync_target(const struct spv_sync *s);

/* Bytes of memory beside the struct itself. */
size_t spv_sync_memory(const struct spv_sync *s);

/* An EVENT effect with the tip filled in; NULL when the queue is sick. */
struct spv_event *spv_sync_event(struct spv_effects *q, const struct spv_chain *chain,
                                 enum spv_event_kind kind, uint64_t peer);

#endif
