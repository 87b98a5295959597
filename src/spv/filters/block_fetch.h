/* Fetches whole blocks, with their witnesses, from random peers, so that no peer sees all blocks
 * that are wanted. Each block is checked against its header (block_check.h).
 *
 * A pure state machine inside the node, which owns the list of wanted blocks and its part of the
 * peer table. A block is passed to its owners while its message is valid, and is not copied.
 *
 * Bitcoin Core never says that it lacks a block: it is silent (pruned, or started from a snapshot),
 * or closes the connection (its upload target is reached, or the block is too deep). In both cases
 * the block is requested from another peer, and this one gets no request for blocks at or below
 * that height for a while; neither is misbehaviour. */
#ifndef SPV_SPV_FILTERS_BLOCK_FETCH_H
#define SPV_SPV_FILTERS_BLOCK_FETCH_H

#include "spv/effects/effects.h"
#include "spv/sync/peer_table.h"

#define SPV_BLOCKS_MAX_WANTED 64 /* ours: blocks; 32 of a scan, some of disputed filters */
/* ours: since the last block of the peer or the request; as for other requests */
#define SPV_BLOCKS_TIMEOUT_US (20 * SPV_SECOND)
/* ours: then the block is requested from one more peer */
#define SPV_BLOCKS_HEDGE_DELAY_US (5 * SPV_SECOND)
/* ours: a peer that was silent or closed gets no request at or below that height for this long */
#define SPV_BLOCKS_LACKS_US (60 * SPV_SECOND)
#define SPV_BLOCKS_MAX_UNSOLICITED 3 /* ours: unsolicited blocks, then the connection is closed */
#define SPV_BLOCKS_MAX_CLOSED 32 /* ours: peers that closed on a request and are remembered */
/* BIP159: the newest blocks that NODE_NETWORK_LIMITED promises */
#define SPV_BLOCKS_LIMITED_DEPTH 288

/* Who wants a block: bits, as two modules may want the same one. */
enum spv_block_owner {
    SPV_BLOCKS_OF_SYNC = 1, /* filter_sync.h: to test a filter */
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
    unsigned owners; /* enum spv_block_owner, or-ed */
    uint64_t peer;
};

struct spv_block_fetch {
    const struct spv_chain *chain; /* borrowed, as the pointers below */
    const struct spv_params *params;
    struct spv_effects *effects;
    struct spv_peer_table *peers;
    struct spv_rng rng;
    struct spv_wanted_block wanted[SPV_BLOCKS_MAX_WANTED]; /* ascending heights */
    size_t n_wanted;
    /* Peers that closed while a request was open, by network group: they may reconnect. */
    struct {
        uint64_t group;
        uint32_t height; /* the highest requested block: no request at or below it ... */
        uint64_t until_us; /* ... until this time */
    } closed[SPV_BLOCKS_MAX_CLOSED];
    size_t next_closed;
};

void spv_block_fetch_init(struct spv_block_fetch *f, const struct spv_chain *chain,
                          const struct spv_params *params, struct spv_effects *effects,
                          struct spv_peer_table *peers, struct spv_rng rng);

/* Adds a block of the best chain to the wanted ones, or the owner to those of the block. Returns 0,
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

/* A block message. Returns 1 for a wanted block that passed all checks: *out is valid as long as
 * the message, and the block is not wanted any more. Returns 0 for any other one; when it is
 * invalid, spv_block_fetch_next_disconnect returns the peer. Or SPV_ERR_NOMEM, or the error of the
 * effect queue. */
int spv_block_fetch_recv(struct spv_block_fetch *f, struct spv_fetched_block *out, uint64_t id,
                         const struct spv_block *block, struct spv_now now);
/* A notfound message, which some nodes send. Returns 0 or the effect queue's error. */
int spv_block_fetch_notfound(struct spv_block_fetch *f, uint64_t id, const struct spv_msg_inv *msg,
                             struct spv_now now);

/* Returns 0 or the effect queue's error. */
int spv_block_fetch_timer(struct spv_block_fetch *f, struct spv_now now);
uint64_t spv_block_fetch_deadline(const struct spv_block_fetch *f);

/* Returns 1 and the next peer to be disconnected, with the reason; or 0. */
int spv_block_fetch_next_disconnect(struct spv_block_fetch *f, struct spv_disconnect *out);

#endif
