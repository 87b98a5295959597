/* Peers in presync. Headers of a chain that has not shown enough work are not accepted: their
 * peer's chain goes through two passes first (spv/sync/presync.h), and the headers of the second
 * pass are passed to the chain. The same applies to a peer whose branch is too long for the side
 * branches.
 *
 * A part of header sync: it works on its peers, and sends the requests of the two passes. */
#ifndef SPV_SPV_SYNC_PRESYNC_PEERS_H
#define SPV_SPV_SYNC_PRESYNC_PEERS_H

#include "spv/effects/effects.h"
#include "spv/sync/presync.h"

#define SPV_PRESYNC_PEERS_SLOTS 2 /* peers in presync at once: one of them may be endless */
/* ours: then a slot goes to the next peer that waits; enough for a whole chain on a slow line */
#define SPV_PRESYNC_PEERS_SLOT_US (1200 * SPV_SECOND)
/* how often a peer's chain may change during its passes */
#define SPV_PRESYNC_PEERS_MAX_RESTARTS 3

struct spv_sync;
struct spv_peer_entry;

struct spv_presync_peers_slot {
    struct spv_peer_entry *peer; /* NULL: free */
    uint64_t begun_us;
    unsigned restarts;
    struct spv_presync presync;
};

/* The part of a peer's entry that presync uses. */
struct spv_presync_peer {
    struct spv_presync_peers_slot *slot; /* NULL: it is not in presync */
    bool waiting; /* it waits for a slot */
};

struct spv_presync_peers {
    struct spv_presync_peers_slot slot[SPV_PRESYNC_PEERS_SLOTS];
    struct spv_header *out; /* the batch of a second pass; NULL while no slot is used */
    uint64_t presynced_by; /* the peer that extends the chain's presynced branch; 0: none */
};

/* What a module of sync has done with a peer's message. */
enum spv_sync_result {
    SPV_SYNC_NOT_HANDLED, /* nothing: the next module gets the message, or the chain */
    SPV_SYNC_CONSUMED, /* the message is processed */
    SPV_SYNC_ACCEPT, /* there are headers for the chain to accept */
    SPV_SYNC_DISCONNECT, /* the peer must be disconnected */
};

/* Why a peer in presync is to be disconnected. */
struct spv_presync_failure {
    int error;
    uint32_t time; /* of the invalid header */
    uint32_t height; /* where its chain ends, as far as it was shown */
    struct spv_u256 work; /* of that chain */
};

/* Headers of a second pass, for the chain; valid until the next call on presync_peers. */
struct spv_presync_batch {
    struct spv_peer_entry *peer;
    const struct spv_header *headers;
    size_t n; /* 0: the pass is complete, and the peer's slot is free */
    struct spv_blockhash last; /* the chain's last header, when n is 0 */
};

void spv_presync_peers_free(struct spv_sync *s);

/* A peer's headers, at least one. Returns an enum spv_sync_result: NOT_HANDLED: the chain may
 * accept them as any others; ACCEPT: as presynced ones (spv_chain_accept_presynced); DISCONNECT:
 * *failure has the reason. Negative: a failure of ours. */
int spv_presync_peers_headers(struct spv_sync *s, struct spv_peer_entry *p,
                              struct spv_presync_failure *failure,
                              const struct spv_msg_headers *msg, struct spv_now now);
/* The chain has no space for this branch (SPV_ERR_CHAIN_BRANCHES). CONSUMED, DISCONNECT or
 * negative. */
int spv_presync_peers_branch(struct spv_sync *s, struct spv_peer_entry *p,
                             struct spv_presync_failure *failure, const struct spv_msg_headers *msg,
                             struct spv_now now);
/* An empty answer. NOT_HANDLED; CONSUMED: the peer's chain has ended, and its work is enough;
 * DISCONNECT. */
int spv_presync_peers_empty(struct spv_sync *s, struct spv_peer_entry *p,
                            struct spv_presync_failure *failure);
/* The next headers that have passed both passes: 1 and *out, or 0. SPV_ERR_NOMEM. */
int spv_presync_peers_next_batch(struct spv_sync *s, struct spv_presync_batch *out);
/* The chain rejected the peer's batch: its passes end. */
void spv_presync_peers_abort(struct spv_sync *s, const struct spv_peer_entry *p);
/* The peer is disconnected, or has no more headers. */
void spv_presync_peers_forget(struct spv_sync *s, struct spv_peer_entry *p);

/* Frees the slot of a peer that has exceeded its time, when another peer waits for one. Returns the
 * peer, and *failure; NULL: none. */
struct spv_peer_entry *spv_presync_peers_timer(struct spv_sync *s,
                                               struct spv_presync_failure *failure,
                                               struct spv_now now);
uint64_t spv_presync_peers_deadline(const struct spv_sync *s);
size_t spv_presync_peers_memory(const struct spv_sync *s);

#endif
