/* A source of coins is a state machine that finds the blocks which concern a wallet: by compact
 * filters (spv/filters/filter_scan.h), by bloom filters (bloom_scan.h), or among all blocks
 * (block_scan.h). Each is used alike: a range of heights is begun, scripts and outputs are added,
 * blocks that left the best chain are rolled back; and each reports events of this form. */
#ifndef SPV_WALLET_COIN_SOURCE_H
#define SPV_WALLET_COIN_SOURCE_H

#include "spv/wallet.h"

enum spv_source_event_kind {
    SPV_SOURCE_EVENT_FOUND = 0,
    SPV_SOURCE_EVENT_ROLLED_BACK = 1,
    SPV_SOURCE_EVENT_DONE = 2
};

struct spv_source_event { /* as struct spv_scan_event (spv/scan.h). Borrowed until the next call */
    enum spv_source_event_kind kind;
    uint32_t height;
    struct spv_blockhash hash;
    const struct spv_block *block; /* the whole block, or NULL */
    const struct spv_proven_tx *txs; /* without a whole block (spv/wallet.h) */
    size_t n_txs;
};

#endif
