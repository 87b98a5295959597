/* Observed fee rates, without an estimate: the lowest rates that peers want announced (feefilter,
 * BIP133), and what the miners of recent whole blocks were paid. All rates are in satoshis per
 * 1,000 virtual bytes.
 *
 * Thread rule: all calls on one object from one thread at a time; different ones are independent.
 */
#ifndef SPV_FEES_H
#define SPV_FEES_H

#include <stddef.h>
#include <stdint.h>

#include "spv/block.h"
#include "spv/export.h"
#include "spv/params.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_FEES_BLOCKS 144 /* about a day */
#define SPV_FEES_MAX_PEERS 256 /* ours: peers with a fee filter; more than a node has slots */

struct spv_fees;

/* The fee filters of the peers that are connected. */
struct spv_fee_filters {
    size_t n_peers; /* peers whose filters are in the median and the highest */
    size_t n_syncing; /* peers left out: in initial block download a peer wants no transactions at
                         all */
    uint64_t median; /* the higher one of two in the middle; 0: no peers */
    uint64_t highest;
};

/* The fees of a whole block, computed from its coinbase: a lower bound, because a miner may claim
 * less than the subsidy and the fees. */
struct spv_block_fees {
    uint32_t height;
    uint64_t fees; /* outputs of the coinbase less the subsidy, or 0 */
    uint64_t weight; /* of all transactions without the coinbase */
    uint64_t rate; /* 0 when the weight is 0 */
};

/* Creates an empty object; the caller frees it with spv_fees_free. params must outlive it. Returns
 * 0 or SPV_ERR_NOMEM. */
SPV_API int spv_fees_new(struct spv_fees **out, const struct spv_params *params);
SPV_API void spv_fees_free(struct spv_fees *f); /* NULL is allowed */

/* A peer sent a feefilter message. Beyond SPV_FEES_MAX_PEERS peers, or with a rate above
 * SPV_MAX_MONEY, it is ignored (BIP133: "if the value is out of range"). */
SPV_API void spv_fees_set_filter(struct spv_fees *f, uint64_t peer, uint64_t rate);
/* The peer is disconnected; an unknown id is allowed. */
SPV_API void spv_fees_remove_peer(struct spv_fees *f, uint64_t peer);
/* Fills in the median and the highest of the peers' filters. */
SPV_API void spv_fees_filters(const struct spv_fees *f, struct spv_fee_filters *out);

/* A whole block of the best chain, of which proof of work and merkle root were verified. It
 * replaces a block of the same height. Returns 0, SPV_ERR_BLOCK_COINBASE when it does not begin
 * with a coinbase, or SPV_ERR_TX_VALUE for a coinbase with an amount out of range. */
SPV_API int spv_fees_add_block(struct spv_fees *f, uint32_t height, const struct spv_block *block);
/* The blocks above a height left the best chain. */
SPV_API void spv_fees_disconnect(struct spv_fees *f, uint32_t height);
/* Fills in the blocks of the last SPV_FEES_BLOCKS heights up to the tip that were added, by
 * ascending height; out has room for SPV_FEES_BLOCKS. Returns how many. */
SPV_API size_t spv_fees_blocks(const struct spv_fees *f, struct spv_block_fees *out, uint32_t tip);

/* Returns the subsidy of a block (consensus: 50 BTC, halved every halving_interval blocks). Any
 * thread. */
SPV_API uint64_t spv_fees_subsidy(const struct spv_params *params, uint32_t height);

#ifdef __cplusplus
}
#endif

#endif
