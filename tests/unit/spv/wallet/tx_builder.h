/* Transactions with chosen sizes, sequences and amounts, for tests of publishing. */
#ifndef SPV_TESTS_WALLET_TX_BUILDER_H
#define SPV_TESTS_WALLET_TX_BUILDER_H

#include "chain_builder.h"

struct tx_in {
    struct spv_txid
        prev; /* the builder counts those that are zero: 1, 2, ... in their first byte */
    uint32_t vout;
    uint32_t not_sequence; /* the complement: 0 is a final sequence */
    size_t script; /* bytes of scriptSig */
    size_t witness; /* bytes of the only witness item; 0: none */
    bool null; /* prev stays zero */
};
struct tx_out {
    int64_t value;
    size_t script; /* bytes */
};
struct tx_spec {
    uint32_t version; /* 0: 2 */
    const struct tx_in *inputs;
    size_t n_inputs;
    const struct tx_out *outputs;
    size_t n_outputs;
    uint32_t lock_time;
};

/* Serialises and parses it; built_tx_free frees it. */
void make_tx(struct built_tx *out, const struct tx_spec *spec);
/* The bytes alone, of any number of inputs and outputs; the caller frees them. */
uint8_t *make_bytes(size_t *n, const struct tx_spec *spec);

#define TX_SPEC(ins, outs) TX_SPEC_WITH(ins, outs, .version = 2)
/* With more fields. */
#define TX_SPEC_WITH(ins, outs, ...)                                                               \
    (&(struct tx_spec){.inputs = (ins),                                                            \
                       .n_inputs = COUNT(ins),                                                     \
                       .outputs = (outs),                                                          \
                       .n_outputs = COUNT(outs),                                                   \
                       __VA_ARGS__})
#define TX_INS(...) ((const struct tx_in[]){__VA_ARGS__})
#define TX_OUTS(...) ((const struct tx_out[]){__VA_ARGS__})

#endif
