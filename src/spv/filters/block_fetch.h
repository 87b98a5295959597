/* Fetches whole blocks, with their witnesses, from peers at random, so that no peer sees all that
 * is wanted. Each block is checked against its header (block_check.h).
 *
 * A pure state machine inside the node, which owns the list of wanted blocks and its part of the
 * peer table. A block is handed on while its message is there; nothing of it is kept.
 *
 * Bitcoin Core never says that it lacks a block: it is silent (pruned, or started from a snapshot),
 * or closes the connection (its upload target is reached, or the block is too deep). Both mean that
 * another peer is asked, and that this one is not asked for blocks as deep for a while; neither is
 * a fault. */
#ifndef SPV_SPV_FILTERS_BLOCK_FETCH_H
#define SPV_SPV_FILTERS_BLOCK_FETCH_H

#include "spv/effects/effects.h"
#include "spv/sync/peer_table.h"

#define SPV_BLOCKS_MAX_WANTED 64 /* ours: 32 of a scan, some of disputed filters */
#define SPV_BLOCKS_TIMEOUT_US                                                                      \
    (20 * SPV_SECOND) /* ours: without any block; as of other requests                             \
                       */
#define SPV_BLOCKS_HEDGE_DELAY_US (5 * SPV_SECOND) /* ours: then one more peer is asked */
/* ours: a peer that was silent or closed gets no request as deep for so long */
#define SPV_BLOCKS_LACKS_US (60 * SPV_SECOND)
#define SPV_BLOCKS_MAX_UNSOLICITED                                                                 \
    3 /* ours: a peer that sends so many unrequested ones is dropped */
#define SPV_BLOCKS_MAX_CLOSED 32 /* ours: lost peers whose depth is remembered */
/* BIP159: the newest blocks that NODE_NETWORK_LIMITED promises */
#define SPV_BLOCKS_LIMITED_DEPTH 288

/* Who wants a block: bits, as two modules may want the same one. */
enum spv_block_owner {
    SPV_BLOCKS_OF_SYNC = 1, /* filter_sync.h: to judge a filter */
    SPV_BLOCKS_OF_SCAN = 2, /* filter_scan.h */
    SPV_BLOCKS_OF_COINS = 4, /* spv/wallet: block_scan.h, bloom_scan.h */
};

struct spv_wanted_block {
    struct spv_blockhash hash;
    uint32_t height;
    unsigned owners; /* enum spv_block_owner, or-ed */
};

struct spv_fetched_block {
    struct spv_block block; /* borrowed from the message */
    struct spv_blockhash hash;
    uint32_t height;
    unsigned owners; /* that want it */
    uint64_t peer;
};

struct spv_block_fetch {
    const struct spv_chain *chain; /* borrowed, as all here */
    const struct spv_params *params;
    struct spv_effects *effects;
    struct spv_peer_table *peers;
    struct spv_rng rng;
    struct spv_wanted_block wanted[SPV_BLOCKS_MAX_WANTED]; /* ascending heights */
    size_t n_wanted;
    /* Peers that were lost with a request open, by group: they may come back. */
    struct {
        uint64_t group;
        uint32_t height;
        uint64_t until_us;
    } closed[SPV_BLOCKS_MAX_CLOSED];
    size_t next_closed;
};

void spv_block_fetch_init(struct spv_block_fetch *f, const struct spv_chain *chain,
                          const struct spv_params *params, struct spv_effects *effects,
                          struct spv_peer_table *peers, struct spv_rng rng);

/* Wants a block of the best chain. Nothing changes when the owner wants it already. Returns 0,
 * SPV_ERR_TOO_MANY, or the effect queue's error. */
int spv_block_fetch_want(struct spv_block_fetch *f, enum spv_block_owner owner,
                         const struct spv_blockhash *hash, uint32_t height, struct spv_now now);
/* The owner wants no more blocks at or above a height. */
void spv_block_fetch_cancel_from(struct spv_block_fetch *f, enum spv_block_owner owner,
                                 uint32_t height);
/* The owner does not want a block any more; any hash. */
void spv_block_fetch_cancel(struct spv_block_fetch *f, enum spv_block_owner owner,
                            const struct spv_blockhash *hash);

/* A new peer of the table, whose services are set. Returns 0 or the effect queue's error. */
int spv_block_fetch_add(struct spv_block_fetch *f, uint64_t id, struct spv_now now);
/* Before the peer leaves the table; any id. */
int spv_block_fetch_remove(struct spv_block_fetch *f, uint64_t id, struct spv_now now);

/* A block message. 1: it is wanted, and passed all checks: *out, valid as long as the message; it
 * is not wanted any more. 0: it is of no use, or false: then spv_block_fetch_next_disconnect
 * returns the peer. SPV_ERR_NOMEM, or the effect queue's error. */
int spv_block_fetch_recv(struct spv_block_fetch *f, struct spv_fetched_block *out, uint64_t id,
                         const struct spv_block *block, struct spv_now now);
/* A notfound message, which some nodes send. Returns 0 or the effect queue's error. */
int spv_block_fetch_notfound(struct spv_block_fetch *f, uint64_t id, const struct spv_msg_inv *msg,
                             struct spv_now now);

/* Returns 0 or the effect queue's error. */
int spv_block_fetch_timer(struct spv_block_fetch *f, struct spv_now now);
uint64_t spv_block_fetch_deadline(const struct spv_block_fetch *f);

/* The next peer to be disconnected, and why: 1 or 0. */
int spv_block_fetch_next_disconnect(struct spv_block_fetch *f, struct spv_disconnect *out);

#endif
