/* What each peer has shown of our best chain. Bitcoin Core closes the connection on a request for
 * filters whose stop hash it does not know, and some of its versions on one above what they have
 * announced; so no request names a block that is not an ancestor of what its peer has shown.
 *
 * Every headers message that ends in a block of our best chain, and every inv of one, shows that
 * block and all below it. A peer that has not shown a block may be asked to: by a getheaders that
 * only this block answers. A reorganisation lowers what was shown to the fork.
 *
 * A part of the node, used by all modules of this room; its state of a peer is a part of the peer
 * table. */
#ifndef SPV_SPV_FILTERS_FILTER_PEERS_H
#define SPV_SPV_FILTERS_FILTER_PEERS_H

#include "spv/effects/effects.h"
#include "spv/sync/peer_table.h"

/* ours: until a peer counts as one that lacks the block; as SPV_SYNC_REQUEST */
#define SPV_FILTER_PROBE_TIMEOUT_US (20 * SPV_SECOND)
/* ours: a peer that lacked a block is not asked again for so long, unless it shows more by itself
 */
#define SPV_FILTER_PROBE_RETRY_US (60 * SPV_SECOND)

#define SPV_FILTER_MAX_UNSOLICITED 3 /* ours: then the connection is closed */

struct spv_filter_peers {
    const struct spv_chain *chain; /* borrowed, as all here */
    struct spv_effects *effects;
    struct spv_peer_table *peers;
    struct spv_chain_header tip; /* the best chain's at the last update */
};

/* Whether a peer has shown a block of our best chain. */
enum spv_filter_block_state {
    SPV_FILTER_BLOCK_UNKNOWN = 0, /* it was asked, and lacks the block for now */
    SPV_FILTER_BLOCK_PROBING = 1, /* a getheaders is open */
    SPV_FILTER_BLOCK_KNOWN = 2,
};

void spv_filter_peers_init(struct spv_filter_peers *fp, const struct spv_chain *chain,
                           struct spv_effects *effects, struct spv_peer_table *peers);
/* A new peer of the table, whose services are set. */
void spv_filter_peers_add(struct spv_filter_peers *fp, struct spv_peer_entry *p);

/* A headers message, after the chain has accepted its headers. Returns 0 or a failure of ours. */
int spv_filter_peers_headers(struct spv_filter_peers *fp, uint64_t id,
                             const struct spv_msg_headers *msg, struct spv_now now);
/* An inv message. Returns 0 or a failure of ours. */
int spv_filter_peers_inv(struct spv_filter_peers *fp, uint64_t id, const struct spv_msg_inv *msg);

/* After every input, before any other module of this room: looks whether the best chain has
 * changed. 1: it was reorganised above *fork, and what peers have shown is lowered to that height;
 * 0: it was not, or a failure of ours. */
int spv_filter_peers_update(struct spv_filter_peers *fp, uint32_t *fork);

/* Whether the peer has shown the block at a height of our best chain; it is asked to when it has
 * not. A negative enum spv_err: a failure of ours. */
int spv_filter_peers_probe(struct spv_filter_peers *fp, struct spv_peer_entry *p, uint32_t height,
                           struct spv_now now);
/* When the answer of this peer is overdue, or it may be asked again because it lacked a block; a
 * module that waits for the peer calls spv_filter_peers_probe then. SPV_NEVER: neither. */
uint64_t spv_filter_peers_deadline(const struct spv_peer_entry *p);

/* A message about filters that no request of this room asked for, or that came twice. The third one
 * closes the connection. */
void spv_filter_peers_unsolicited(struct spv_peer_entry *p);
/* The peer is disconnected after this input; a MISBEHAVING error bans it. */
void spv_filter_peers_disconnect(struct spv_peer_entry *p, int error);
/* The next peer to be disconnected, and why: 1 or 0. */
int spv_filter_peers_next_disconnect(struct spv_filter_peers *fp, struct spv_disconnect *out);

/* The peer offers compact filters, and is not being dropped. */
static inline bool spv_filter_peer_serves(const struct spv_peer_entry *p)
{
    return p->filters.added && (p->services & SPV_NODE_COMPACT_FILTERS) && !p->sync.drop &&
           !p->filters.disconnect_error;
}

/* The same without asking it. */
static inline bool spv_filter_peer_has_block(const struct spv_peer_entry *p, uint32_t height)
{
    return p->filters.added && p->filters.best_known_height >= height;
}

#endif
