/* Header sync: selects the peer to request headers from, passes the headers to the chain, replaces
 * peers that stall, and decides when we are synced.
 *
 * Its state of each peer is a part of the peer table. Everything to be done goes into the node's
 * effect queue, except that the node disconnects the peers that spv_sync_next_disconnect names. */
#ifndef SPV_SPV_SYNC_HEADER_SYNC_H
#define SPV_SPV_SYNC_HEADER_SYNC_H

#include "spv/chain.h"
#include "spv/effects/effects.h"
#include "spv/sync/presync_peers.h"
#include "spv/sync/segments.h"

/* ours: a full answer is 162 kB; slower is a stall */
#define SPV_SYNC_REQUEST_TIMEOUT_US (20 * SPV_SECOND)
#define SPV_SYNC_LONE_PEER_FACTOR 4 /* ours: factor of the timeout for our only peer */
/* ours: an announcement may be lost: request again */
#define SPV_SYNC_RECHECK_INTERVAL_US (600 * SPV_SECOND)
/* unconnecting announcements in a row, after which the peer is disconnected */
#define SPV_SYNC_MAX_UNCONNECTING 10
#define SPV_SYNC_MAX_NO_NEW 3 /* full answers in a row without a new header */
/* ours: a peer slower than the fastest by this factor comes after it */
#define SPV_SYNC_SLOW_FACTOR 4
/* ours: future headers (spv/sync/sync_warnings.c) are requested again at the latest after this */
#define SPV_SYNC_FUTURE_RETRY_S 600
/* ours: SYNCED waits for future headers that become valid within this */
#define SPV_SYNC_FUTURE_WAIT_S 60
#define SPV_SYNC_MAX_FORK_WARNINGS 8 /* ours: warnings about forks below the database's start */
/* ours: SYNCED waits for an open request for at least this long, ... */
#define SPV_SYNC_MIN_WAIT_US (5 * SPV_SECOND)
#define SPV_SYNC_WAIT_FACTOR 4 /* ... and this many times as long as the slowest answer */
#define SPV_SYNC_MIN_NETGROUPS 2 /* network groups that SYNCED requires */

/* Which manual peers are neither ready nor banned. UNRESOLVED is not emitted while one is EXPECTED.
 */
enum spv_more_peers {
    SPV_MORE_PEERS_NONE,
    SPV_MORE_PEERS_UNLIKELY, /* only such that have failed several times in a row */
    SPV_MORE_PEERS_EXPECTED,
};

struct spv_sync_config {
    struct spv_chain *chain; /* borrowed, as all that is pointed at here */
    struct spv_effects *effects;
    struct spv_peer_table *peers;
    const struct spv_params *params;
    struct spv_u256 min_work; /* minimum chain work */
    uint64_t request_timeout_us; /* 0: SPV_SYNC_REQUEST_TIMEOUT_US */
    bool indexed; /* the database has its hash index */
    bool discovers; /* discovery finds other peers for useless ones */
    struct spv_rng rng;
};

/* The part of a peer's entry that header sync uses. */
struct spv_sync_peer {
    bool added; /* false: header sync does not use the peer */
    int disconnect_error; /* the reason to disconnect it; 0: none */
    uint32_t claimed_height; /* the height that it claims, or a higher one that it has shown */
    bool claim_valid; /* it has not failed to show claimed_height */
    bool at_tip; /* it has shown that it has no better chain than ours */
    enum spv_warning excluded; /* not NONE: it has answered, but does not count towards SYNCED */
    enum spv_warning warned; /* the last warning about it, at warned_tip: not repeated */
    struct spv_blockhash warned_tip;
    uint32_t last_answer_height; /* where its last answer ended */
    int64_t future_s; /* FUTURE_HEADERS: how far the rejected header is ahead of our clock */
    struct spv_u256 low_work; /* LOW_WORK: the work of its chain */
    bool recheck; /* an announcement came while a request was open: request again, ... */
    struct spv_blockhash announced; /* ... unless this block has become known; zero: in any case */
    bool sendheaders_sent;
    bool failing; /* it failed the last time: comes after others */
    bool was_useful; /* it has sent new headers, or shown that it is at its tip */
    bool below; /* at its tip, which is below ours with less work */
    struct spv_u256 last_answer_work; /* work of its chain there; 0: that answer was empty */
    unsigned n_unconnecting; /* announcements in a row */
    unsigned n_no_new; /* full answers in a row */
    uint32_t known_branch; /* the highest header of a known side branch that it has sent */
    uint64_t request_tag; /* of its open getheaders; 0: none is open */
    uint64_t deadline_us; /* of that request */
    uint64_t requested_us; /* when that was sent */
    uint64_t answer_us; /* how long its last answer took; 0: there was none */
    /* when the first request since it last moved the best chain was sent; 0: none */
    uint64_t waiting_since_us;
    struct spv_blockhash request_tip; /* our tip when the last request was sent */
    /* its last answer was not full and it may have more: others get requests as well */
    bool partial;
    bool overdue; /* SYNCED no longer waits for its answer */
};

struct spv_sync {
    struct spv_sync_config cfg;
    uint64_t sync_peer; /* the peer that headers are requested from; 0: none */
    unsigned quorum; /* network groups that SYNCED requires now */
    enum spv_more_peers more_peers;
    enum spv_warning unresolved; /* of the last UNRESOLVED, at unresolved_tip */
    struct spv_blockhash unresolved_tip;
    struct spv_segments *segments; /* NULL: no checkpoint is ahead */
    bool fetching_segments; /* then no other headers are requested */
    bool segments_disabled; /* the checkpoints contradict the rules */
    struct spv_presync_peers presync_peers;
    bool synced;
    struct spv_blockhash future_tip; /* of the last FUTURE_HEADERS warning */
    unsigned warned_fork_below_start; /* warnings of this kind */
    struct spv_u256 warned_work; /* of the last LOW_WORK warning */
    bool index_requested;
    bool storing; /* a STORE effect is not acknowledged yet */
    uint64_t retry_us; /* when future headers are requested again */
    uint64_t recheck_us; /* when requests to all peers are repeated */
    uint64_t manual_since_us; /* since when only manual peers are waited for; 0: not */
    bool manual_waited; /* that wait is over */
    uint64_t headers_added, reorgs, stalls, n_misbehaving;
};

/* SPV_ERR_NOMEM or the effect queue's error. */
int spv_sync_init(struct spv_sync *s, const struct spv_sync_config *cfg, struct spv_now now);
void spv_sync_free(struct spv_sync *s); /* a zeroed one is fine */

/* A peer of the table is ready; one that has failed, `failures` times in a row, comes after others.
 * SPV_ERR_NOMEM, or the effect queue's error. */
int spv_sync_add(struct spv_sync *s, struct spv_peer_entry *p, unsigned failures,
                 struct spv_now now);
/* Whether the peer has sent new headers, or shown that it is at its tip. */
bool spv_sync_useful(struct spv_sync *s, uint64_t id);
/* The peer is disconnected, and leaves the table after this call; any id. */
void spv_sync_remove(struct spv_sync *s, uint64_t id, struct spv_now now);
/* How many network groups (1 or 2) SYNCED requires from now on; may emit it. */
void spv_sync_set_quorum(struct spv_sync *s, unsigned groups, struct spv_now now);
/* The chain starts lower than before: peers whose chain forks below the old start get a new
 * request, and SYNCED waits for them. */
void spv_sync_start_lowered(struct spv_sync *s, struct spv_now now);
/* Whether manual peers may still come; may emit SYNCED or UNRESOLVED. */
void spv_sync_set_more_peers(struct spv_sync *s, enum spv_more_peers more, struct spv_now now);

/* A headers message of the peer. 0 or a failure of ours. */
int spv_sync_headers(struct spv_sync *s, uint64_t id, const struct spv_msg_headers *msg,
                     struct spv_now now);
/* An inv message of the peer: requests headers for an unknown block. 0 or a failure of ours. */
int spv_sync_inv(struct spv_sync *s, uint64_t id, const struct spv_msg_inv *msg,
                 struct spv_now now);
/* The STORE effect was executed. 0 or a failure of ours. */
int spv_sync_stored(struct spv_sync *s, struct spv_now now);
/* The INDEX effect was executed. */
void spv_sync_indexed(struct spv_sync *s);

/* 0 or a failure of ours. */
int spv_sync_timer(struct spv_sync *s, struct spv_now now);
uint64_t spv_sync_deadline(const struct spv_sync *s);

/* The next peer to be disconnected, and why: 1 or 0. */
int spv_sync_next_disconnect(struct spv_sync *s, struct spv_disconnect *out);

/* Fills in header sync's part of the peer out->id. */
void spv_sync_peer_info(const struct spv_sync *s, struct spv_node_peer *out);

/* Fills in the presync_* members. */
void spv_sync_presync_info(const struct spv_sync *s, struct spv_node_stats *out);

/* Open requests, those of segments excluded. */
unsigned spv_sync_open_requests(const struct spv_sync *s);

/* See spv_node_stats.target_height. */
uint32_t spv_sync_target(const struct spv_sync *s);

/* Bytes, without the struct itself. */
size_t spv_sync_memory(const struct spv_sync *s);

/* An EVENT effect with the tip filled in; NULL when the queue has failed. */
struct spv_event *spv_sync_event(struct spv_effects *q, const struct spv_chain *chain,
                                 enum spv_event_kind kind, uint64_t peer);

#endif
