/* How a simulated server answers compact filter and block requests: as Bitcoin Core does, or with
 * the deviations that are set here. */
#ifndef SPV_TESTS_SUPPORT_SIM_FILTER_SERVICE_H
#define SPV_TESTS_SUPPORT_SIM_FILTER_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/types.h"

struct sim;
struct spv_tx;
struct sim_blocks;
struct sim_filters;

/* What a server sends instead of a block. */
enum sim_block_lie {
    SIM_BLOCK_TRUE = 0,
    SIM_BLOCK_OTHER, /* the block below it */
    SIM_BLOCK_MUTATED, /* with other bytes in a transaction */
    SIM_BLOCK_DOUBLED, /* with its last transactions twice (CVE-2012-2459), where that is possible
                        */
    SIM_BLOCK_WITNESS, /* with other bytes in the last witness */
    SIM_BLOCK_CUT, /* without its last byte */
    SIM_BLOCK_NOTFOUND, /* a notfound, which Bitcoin Core does not send for blocks */
};

/* Requests that a server does not answer. */
#define SIM_MUTE_CHECKPOINTS 1u
#define SIM_MUTE_HEADERS 2u
#define SIM_MUTE_FILTERS 4u
#define SIM_MUTE_BLOCKS 8u

/* Pointers are borrowed and valid as long as the simulation. */
struct sim_filter_service {
    struct sim_blocks *blocks; /* NULL: the server has neither filters nor blocks */
    const struct sim_blocks *stale; /* another branch that it knows; NULL: none */
    /* What it serves for `blocks` instead of the true filters: in cfilter messages; in cfheaders,
     * NULL: of `filters`; in cfcheckpt, NULL: of `headers`. */
    const struct sim_filters *filters, *headers, *checkpoints;
    /* Its index lags: it is silent about blocks above this height (0: none), and about newly
     * announced ones for this time. */
    uint32_t indexed;
    uint64_t index_delay_us;
    unsigned mute; /* SIM_MUTE_* */
    unsigned close_on; /* SIM_MUTE_*: it closes instead */
    int more_checkpoints, more_headers; /* in each answer; negative: fewer */
    int more_filters; /* of blocks that were not asked for; negative: the last are not sent */
    bool reversed; /* filters of an answer from the highest block down */
    bool twice; /* each filter, cfheaders and cfcheckpt twice */
    enum sim_block_lie block_lie;
    /* BIP37, for a server with NODE_BLOOM. */
    uint32_t omits; /* it matches nothing in the block of this height; 0: none */
    bool no_update; /* it adds no outpoints to filters */
    const struct spv_tx *mempool; /* unconfirmed transactions, announced when it has them */
    size_t n_mempool;
    uint32_t blocks_from; /* it is silent about older blocks (pruned) */
    uint32_t max_depth; /* it closes on a request for blocks deeper than this; 0: none */
};

/* What a server was asked for and has sent. */
struct sim_filter_counts {
    uint64_t checkpoints, headers, filters, blocks; /* requests; blocks: items of getdata */
    uint64_t filters_sent, blocks_sent; /* messages */
    uint64_t filtered, filters_loaded, mempools, txs; /* BIP37 messages; txs: items of getdata */
    uint64_t closed; /* connections, because of a request that Bitcoin Core closes on */
    uint64_t unserved; /* connections closed because of close_on or max_depth */
};

struct sim_filter_counts sim_server_filter_counts(const struct sim *sim, size_t server);
/* How often all servers together have sent a block. */
uint64_t sim_block_sent(const struct sim *sim, const struct spv_blockhash *hash);
/* A server gets unconfirmed transactions, borrowed, and announces them: to clients with relay 1, or
 * with a filter that matches. */
void sim_server_announce_txs(struct sim *sim, size_t server, const struct spv_tx *txs, size_t n);
/* Replaces a server's blocks and announces the tip; it still knows the replaced ones. */
void sim_server_announce_blocks(struct sim *sim, size_t server, struct sim_blocks *blocks);

#endif
