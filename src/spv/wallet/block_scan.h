/* The source of coins that downloads all blocks, meant for a node of one's own: fetches the blocks
 * of a range of heights (spv/filters/block_fetch.h) and reports each, in order of height, for the
 * wallet to scan. Peers learn nothing of what is watched.
 *
 * A pure state machine. Peers, their timers and faults are those of block_fetch. */
#ifndef SPV_WALLET_BLOCK_SCAN_H
#define SPV_WALLET_BLOCK_SCAN_H

#include "spv/filters/block_fetch.h"
#include "spv/wallet/coin_source.h"

/* ours: blocks that are requested, or buffered until a lower one is reported; 24 MB of usual ones
 */
#define SPV_BLOCK_SCAN_WINDOW 16
/* ours: bytes of buffered blocks; above it only the next block is requested. Blocks in flight may
 * add at most 64 MB */
#define SPV_BLOCK_SCAN_BUFFER_BYTES (16 * 1024 * 1024)

struct spv_block_scan_config {
    const struct spv_chain *chain; /* borrowed, as `blocks` */
    struct spv_block_fetch *blocks; /* this scan requests as SPV_BLOCKS_OF_COINS */
};

struct spv_block_scan_stats {
    bool running; /* a scan was begun, and was not stopped */
    uint32_t first, last; /* its heights; last: UINT32_MAX when it follows the tip */
    uint32_t height; /* the lowest that was not reported yet */
    uint32_t left; /* blocks that are yet to be reported, repeated ones included */
    uint64_t blocks, block_bytes; /* blocks that were fetched, and their bytes */
    size_t memory; /* bytes */
};

struct spv_block_scan;

int spv_block_scan_new(struct spv_block_scan **out, const struct spv_block_scan_config *cfg);
void spv_block_scan_free(struct spv_block_scan *s); /* NULL is allowed */

/* Begins a scan of first..last (UINT32_MAX: follow the tip). Returns 0, SPV_ERR_INVALID when first
 * is 0 or above last, or SPV_ERR_STATE when one is running. */
int spv_block_scan_begin(struct spv_block_scan *s, uint32_t first, uint32_t last);
/* Scripts or outputs were added that may be in blocks from a height on: blocks that were reported
 * already are reported again, by a second pass; a height below the first one extends the scan down.
 * Returns 0, or SPV_ERR_STATE without a scan. */
int spv_block_scan_add(struct spv_block_scan *s, uint32_t from);
void spv_block_scan_stop(struct spv_block_scan *s);

/* A block that block_fetch has fetched for SPV_BLOCKS_OF_COINS. Returns 0 or SPV_ERR_NOMEM. */
int spv_block_scan_block(struct spv_block_scan *s, const struct spv_fetched_block *block);
/* The blocks above a height left the best chain. To be called before the next run. */
void spv_block_scan_roll_back(struct spv_block_scan *s, uint32_t height);

/* After every input: requests blocks up to `available`, a height of the best chain. at_tip: that is
 * the tip of the synced chain. Returns 0, an error of the chain, or the effect queue's error. */
int spv_block_scan_run(struct spv_block_scan *s, uint32_t available, bool at_tip,
                       struct spv_now now);
/* Returns 1 and the next event, valid until the next call of another function, after which
 * spv_block_scan_run must be called again; or 0. FOUND is any block. */
int spv_block_scan_next(struct spv_block_scan *s, struct spv_source_event *out);

void spv_block_scan_get_stats(const struct spv_block_scan *s, struct spv_block_scan_stats *out);

#endif
