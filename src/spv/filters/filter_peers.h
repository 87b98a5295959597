/* The best known block of each peer (Core: pindexBestKnownBlock), on our best chain. Bitcoin Core
 * closes the connection on a request for filters whose stop hash it does not know, and some of its
 * versions on one above the block that they have announced; so every stop hash is the best known
 * block of its peer or an ancestor.
 *
 * Every headers message that ends in a block of our best chain, and every inv of one, raises it. A
 * peer can be probed for a higher block: by a getheaders that is answered with a header only by
 * peers that have the block. A reorganisation lowers it to the fork.
 *
 * A part of the node, used by all modules of this folder; its state per peer is a part of the peer
 * table. */
#ifndef SPV_SPV_FILTERS_FILTER_PEERS_H
#define SPV_SPV_FILTERS_FILTER_PEERS_H

#include "spv/effects/effects.h"
#include "spv/sync/peer_table.h"

/* ours: time to answer a probe, after which the peer counts as lacking the block */
#define SPV_FILTER_PROBE_TIMEOUT_US (20 * SPV_SECOND)
/* ours: time until a peer that lacked a block is probed again */
#define SPV_FILTER_PROBE_RETRY_US (60 * SPV_SECOND)

#define SPV_FILTER_MAX_UNSOLICITED 3 /* ours: messages; then the connection is closed */

struct spv_filter_peers {
    const struct spv_chain *chain; /* borrowed, as the pointers below */
    struct spv_effects *effects;
    struct spv_peer_table *peers;
    struct spv_chain_header tip; /* of the best chain at the last update */
};

/* Whether a peer has a block of our best chain. */
enum spv_filter_block_state {
    SPV_FILTER_BLOCK_UNKNOWN = 0, /* it was probed and lacks the block, or cannot be probed now */
    SPV_FILTER_BLOCK_PROBING = 1, /* a probe is unanswered */
    SPV_FILTER_BLOCK_KNOWN = 2, /* its best known block, or an ancestor */
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

/* After every input, before any other module of this folder: checks whether the best chain has
 * changed. Returns 1 when it was reorganised above *fork, to which the best known blocks were
 * lowered; 0 when it was not; or a failure of ours. */
int spv_filter_peers_update(struct spv_filter_peers *fp, uint32_t *fork);

/* Returns whether the peer has the block at a height of our best chain (enum
 * spv_filter_block_state), and sends a probe when that is unknown; or a failure of ours. */
int spv_filter_peers_probe(struct spv_filter_peers *fp, struct spv_peer_entry *p, uint32_t height,
                           struct spv_now now);
/* When the answer to the probe is overdue, or another probe may be sent; a module that waits for
 * the peer calls spv_filter_peers_probe then. SPV_NEVER: neither. */
uint64_t spv_filter_peers_deadline(const struct spv_peer_entry *p);

/* An unsolicited message about filters: it answers no request of this folder, or one that was
 * answered. The third one closes the connection. */
void spv_filter_peers_unsolicited(struct spv_peer_entry *p);
/* The peer is disconnected after this input; a MISBEHAVING error bans it. */
void spv_filter_peers_disconnect(struct spv_peer_entry *p, int error);
/* Returns 1 and the next peer to be disconnected, with the reason; or 0. */
int spv_filter_peers_next_disconnect(struct spv_filter_peers *fp, struct spv_disconnect *out);

/* Whether the peer offers compact filters and is not about to be disconnected. */
static inline bool spv_filter_peer_serves(const struct spv_peer_entry *p)
{
    return p->filters.added && (p->services & SPV_NODE_COMPACT_FILTERS) &&
           !p->sync.disconnect_error && !p->filters.disconnect_error;
}

/* Whether the block at a height is known to be on the peer's chain; sends no probe. */
static inline bool spv_filter_peer_has_block(const struct spv_peer_entry *p, uint32_t height)
{
    return p->filters.added && p->filters.best_known_height >= height;
}

#endif
