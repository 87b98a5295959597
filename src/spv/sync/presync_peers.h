/* The gate between sync and the chain. Headers of a chain that has not shown enough work are not
 * taken: their peer goes through two passes first (spv/presync.h), and what comes out of them is
 * given to the chain. So does a peer whose branch is too long for the side branches.
 *
 * A part of sync: it works on sync's peers and asks them by itself while they prove their chain. */
#ifndef SPV_SPV_SYNC_PRESYNC_PEERS_H
#define SPV_SPV_SYNC_PRESYNC_PEERS_H

#include "spv/effects/effects.h"
#include "spv/sync/presync.h"

#define SPV_PRESYNC_PEERS_SLOTS                                                                    \
    2 /* peers that prove their chain at once: one of them may be endless */
#define SPV_PRESYNC_PEERS_TIME                                                                     \
    (1200 * SPV_SECOND) /* ours: then a slot is for the next who waits; a slow line's whole chain  \
                         */
#define SPV_PRESYNC_PEERS_RESTARTS                                                                 \
    3 /* a peer's chain may change while it is shown, but not for ever */

struct spv_sync;
struct spv_sync_peer;

struct spv_presync_peers_slot {
    uint64_t peer; /* 0: free */
    uint64_t begun_us;
    unsigned restarts;
    struct spv_presync presync;
};

struct spv_presync_peers {
    struct spv_presync_peers_slot slot[SPV_PRESYNC_PEERS_SLOTS];
    struct spv_header *out; /* a message of what comes out of a second pass, or NULL */
    uint64_t presynced_by; /* who brought the chain's proven branch; 0: nobody */
};

void spv_presync_peers_free(struct spv_sync *s);

/* A peer's headers, at least one. 1: they are dealt with. 0: the chain may take them; as proven
 * ones (spv_chain_accept_presynced) when *proven says so. Negative: a failure of ours. */
int spv_presync_peers_headers(struct spv_sync *s, struct spv_sync_peer *p, bool *proven,
                              const struct spv_msg_headers *msg, struct spv_now now);
/* The chain found no room for them (SPV_ERR_CHAIN_BRANCHES): 0 or negative. */
int spv_presync_peers_branch(struct spv_sync *s, struct spv_sync_peer *p,
                             const struct spv_msg_headers *msg, struct spv_now now);
/* An empty answer: 1 when it was one to a request of the gate's. */
int spv_presync_peers_empty(struct spv_sync *s, struct spv_sync_peer *p);
/* A change was stored: more may come out. 1 when that was all of a chain, else 0 or negative. */
int spv_presync_peers_stored(struct spv_sync *s, struct spv_now now);
/* The peer is gone, or has shown all it has. */
void spv_presync_peers_forget(struct spv_sync *s, uint64_t peer);

void spv_presync_peers_timer(struct spv_sync *s, struct spv_now now);
uint64_t spv_presync_peers_deadline(const struct spv_sync *s);
size_t spv_presync_peers_memory(const struct spv_sync *s);

#endif
