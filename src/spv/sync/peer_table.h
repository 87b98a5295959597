/* The peer table: one entry for each ready peer, found by its id. The node adds the entry when the
 * handshake is complete and removes it when the peer is disconnected; the modules borrow the table,
 * and each owns one part of an entry: it alone sets it, and clears it when the peer is removed from
 * the module. */
#ifndef SPV_SPV_SYNC_PEER_TABLE_H
#define SPV_SPV_SYNC_PEER_TABLE_H

#include "spv/node.h"
#include "spv/sync/header_sync.h"
#include "spv/sync/presync_peers.h"
#include "spv/sync/segments.h"

/* The parts of spv/filters and spv/node, whose headers this folder may not include. */

#define SPV_FILTER_MAX_REQUESTS 8 /* ours: open requests per peer that are remembered */

/* filter_requests.c: an open request of filter header sync */
struct spv_filter_request {
    enum spv_command command; /* getcfheaders, getcfcheckpt, getcfilters */
    uint64_t serial; /* of the round of votes or of the dispute that it belongs to */
    uint32_t start, stop; /* heights */
    struct spv_blockhash stop_block;
};

struct spv_filter_answer;
/* On which side of the current dispute about filter headers a peer is. */
enum spv_filter_side {
    SPV_FILTER_SIDE_NONE = 0,
    SPV_FILTER_OURS = 1, /* it committed to the filter headers that are stored or being stored */
    SPV_FILTER_THEIRS = 2, /* it committed to the other ones */
};

struct spv_filter_peer {
    /* filter_peers.c: the best known block of the peer (Core: pindexBestKnownBlock) */
    bool added; /* false: the node uses no filters */
    uint32_t best_known_height; /* it has this block of our best chain, and all below */
    struct spv_blockhash best_known_hash;
    uint64_t probe_tag; /* of the unanswered probe (filter_peers.h); 0: none */
    uint64_t probe_until_us; /* when the answer is overdue, or until when no other probe is sent */
    int disconnect_error; /* why it is to be disconnected; 0: it is not */
    unsigned n_unsolicited; /* messages about filters that answer no request */
    /* filter_requests.c */
    struct spv_filter_request request[SPV_FILTER_MAX_REQUESTS]; /* oldest first */
    unsigned n_requests;
    /* filter_votes.c: its vote in the current round */
    unsigned tries; /* requests sent */
    uint64_t next_us; /* when the next request is due; 0: not planned yet */
    struct spv_filter_answer *answer; /* its vote; NULL: none yet */
    bool compared; /* it has our filter header at our height of the round */
    /* filter_sync.c: what it has committed to */
    bool agrees; /* it has committed to our filter headers up to agrees_height */
    uint32_t agrees_height;
    unsigned branch; /* index + 1 of the filter branch that it supports; 0: none */
    bool contradicts_built_in; /* it sent another filter header than a built-in one */
    /* filter_votes.c: an answer of an earlier round gave another filter header than the stored one
     * of this height; 0: none */
    uint32_t differs_at;
    uint64_t silent_until_us; /* it did not answer and gets no request until then */
    enum spv_filter_side side;
};

/* block_fetch.c */
/* ours: open block requests per peer; as Bitcoin Core's MAX_BLOCKS_IN_TRANSIT_PER_PEER */
#define SPV_BLOCKS_MAX_OPEN 16
struct spv_block_request {
    struct spv_blockhash hash;
    uint32_t height;
    unsigned n_sent; /* answers that may come */
    bool late; /* it counts as not answered */
    uint64_t requested_us;
};
struct spv_block_peer {
    bool added; /* blocks may be requested from it */
    struct spv_block_request requests[SPV_BLOCKS_MAX_OPEN];
    unsigned n_open;
    uint64_t last_us; /* when it last sent a block */
    uint32_t lacks_height; /* it did not send a block of this height: it may lack all below, ... */
    uint64_t lacks_until_us; /* ... until this time; 0: nothing is known */
    unsigned n_unsolicited; /* blocks that answer no request */
    int disconnect_error; /* why it is to be disconnected; 0: it is not */
    bool is_disconnect_reported; /* spv_block_fetch_next_disconnect has returned the peer */
};

/* filter_fetch.c */
struct spv_filter_fetch_peer {
    bool added; /* filters may be requested from it */
    /* peers of its network group were lost n_lost times while they owed filters above this height:
     * until lacks_until_us it gets no request for filters that high while another peer can serve
     * them; 0: nothing is known */
    uint32_t lacks_from;
    uint64_t lacks_until_us;
    unsigned n_lost;
};

struct spv_bloom_peer; /* spv/wallet/bloom_peers.c */

/* health.c */
struct spv_health_peer {
    bool has_clock; /* false: it sent 0 */
    int64_t clock_s; /* its clock, less our monotonic one, in seconds */
};

/* peer_rates.c */
struct spv_peer_rate {
    uint64_t since_us; /* when the peer became ready */
    uint64_t headers; /* received from it */
    uint64_t window_start_us; /* when the current window began */
    uint64_t n_previous, n_current; /* headers in the window before and in it */
};

struct spv_peer_entry {
    uint64_t id; /* 0: free */
    uint64_t group; /* network group */
    uint32_t version; /* of its protocol */
    uint32_t start_height; /* the height in its version message; 0 when that is negative */
    uint64_t services; /* SPV_NODE_* of its version message */
    struct spv_sync_peer sync;
    struct spv_presync_peer presync;
    struct spv_segments_peer segments[SPV_SEGMENTS_OWNERS];
    struct spv_filter_peer filters;
    struct spv_block_peer blocks;
    struct spv_filter_fetch_peer filter_fetch;
    struct spv_bloom_peer *bloom; /* NULL: no bloom filter is loaded into it */
    struct spv_health_peer health;
    struct spv_peer_rate rate;
};

/* A peer that the node is to disconnect, as a module reports it. */
struct spv_disconnect {
    uint64_t id;
    int error; /* the reason; of class MISBEHAVING: the node also bans the peer */
};

struct spv_peer_table { /* zeroed: empty */
    struct spv_peer_entry entry[SPV_NODE_MAX_PEERS];
};

/* A new entry, zeroed except for the id. NULL: the table is full, or has this id, or the id is 0.
 */
struct spv_peer_entry *spv_peer_table_add(struct spv_peer_table *t, uint64_t id);
/* The entry becomes free; any id. */
void spv_peer_table_remove(struct spv_peer_table *t, uint64_t id);
/* NULL: no ready peer has this id. */
struct spv_peer_entry *spv_peer_table_find(struct spv_peer_table *t, uint64_t id);
/* The entry after `after` (NULL: the first), or NULL:
 *     for (struct spv_peer_entry *p = NULL; (p = spv_peer_table_next(t, p));)
 * A new peer takes the first free entry. The loop may add and remove entries. */
struct spv_peer_entry *spv_peer_table_next(struct spv_peer_table *t,
                                           const struct spv_peer_entry *after);

#endif
