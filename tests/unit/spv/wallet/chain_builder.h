/* Transactions and blocks of tests, serialised. A wallet does not check proof of work. */
#ifndef SPV_TESTS_WALLET_CHAIN_BUILDER_H
#define SPV_TESTS_WALLET_CHAIN_BUILDER_H

#include "support/unit.h"

#include "spv/wallet.h"

struct built_input {
    struct spv_txid prev;
    uint32_t vout;
};
struct built_output {
    struct spv_bytes script;
    int64_t value;
};
struct built_spec {
    const struct built_input *inputs; /* none: a coinbase */
    size_t n_inputs;
    const struct built_output *outputs;
    size_t n_outputs;
    uint32_t lock_time; /* tells equal transactions apart */
    bool witness; /* one item per input */
};
struct built_tx {
    uint8_t *bytes;
    struct spv_tx tx;
    struct spv_txid txid;
};

void build_tx(struct built_tx *out, const struct built_spec *spec);
void built_tx_free(struct built_tx *tx);

struct built_block {
    uint8_t *bytes;
    struct spv_block block;
    struct spv_wallet_block in; /* whole */
};

/* A block with these transactions at a height; salt tells equal ones apart. */
void build_block(struct built_block *out, uint32_t height, uint32_t salt,
                 const struct built_tx *const *txs, size_t n);
void built_block_free(struct built_block *block);

#endif
