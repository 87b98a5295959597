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

#define SPV_FILTER_MAX_REQUESTS 8 /* ours: open requests that are remembered of a peer */

/* filter_requests.c: an open request of the sync of filter headers */
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
    SPV_FILTER_OURS = 1, /* it committed to the filter headers that are stored, or about to be */
    SPV_FILTER_THEIRS = 2, /* it committed to the other ones */
};

struct spv_filter_peer {
    /* filter_peers.c: what the peer has shown of our best chain */
    bool added; /* false: the node uses no filters */
    uint32_t best_known_height; /* it knows this block of our best chain, and all below it */
    struct spv_blockhash best_known_hash;
    uint64_t probe_tag; /* of the getheaders that asks it to show a block; 0: none is open */
    uint64_t probe_until_us; /* of that request, or how long none is sent after one that failed */
    int disconnect_error; /* why it is to be disconnected; 0: it is not */
    unsigned n_unsolicited; /* messages about filters that answered no request */
    /* filter_requests.c */
    struct spv_filter_request request[SPV_FILTER_MAX_REQUESTS]; /* oldest first */
    unsigned n_requests;
    /* filter_votes.c: its vote in the current round */
    uint64_t round; /* that the next four belong to */
    unsigned tries; /* requests sent */
    uint64_t next_us; /* of the next one; 0: not planned yet */
    struct spv_filter_answer *answer; /* NULL: none */
    bool compared; /* it has our filter header where the round begins */
    /* filter_sync.c: what it has committed to */
    bool agrees; /* to our filter header of this height: */
    uint32_t agrees_height;
    unsigned branch; /* index + 1 of the branch of unproven filters that it is on; 0: none */
    bool contradicts_built_in; /* a built-in filter header */
    /* filter_votes.c: an answer that came too late for its round gave another filter header than
     * the stored one of this height; 0: none did */
    uint32_t differs_at;
    uint64_t silent_until_us; /* it did not answer, and is not asked until then */
    enum spv_filter_side side;
};

/* block_fetch.c */
/* ours: blocks requested from a peer at a time; as Bitcoin Core's MAX_BLOCKS_IN_TRANSIT_PER_PEER */
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
    uint64_t last_us; /* when it sent a block last */
    uint32_t
        lacks_height; /* it did not send a block of this height: it may lack those below, ... */
    uint64_t lacks_until_us; /* ... until this time; 0: nothing is known */
    unsigned n_unsolicited; /* blocks that were not requested */
    int disconnect_error; /* why it is to be disconnected; 0: it is not */
    bool is_disconnect_reported; /* spv_block_fetch_next_disconnect has returned it */
};

/* filter_fetch.c */
struct spv_filter_fetch_peer {
    bool added; /* filters may be requested from it */
    /* its group was lost when it should have sent filters above this height, so many times: until
     * then it gets no request as high while another peer can; 0: nothing is known */
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

struct spv_peer_table { /* zeroed: empty */
    struct spv_peer_entry entry[SPV_NODE_MAX_PEERS];
};

/* A new entry, zeroed but for the id. NULL: the table is full, or has this id, or the id is 0. */
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
