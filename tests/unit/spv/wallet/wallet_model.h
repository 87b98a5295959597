/* A model of a wallet that is written for plainness: all transactions are kept, and every question
 * is answered by going through them. It is the oracle of test_wallet_random.c and shares no code
 * with src/spv/wallet but the derivation of scripts. */
#ifndef SPV_TESTS_WALLET_MODEL_H
#define SPV_TESTS_WALLET_MODEL_H

#include "chain_builder.h"

#define MODEL_TXS 400
#define MODEL_INPUTS 3
#define MODEL_OUTPUTS 3
#define MODEL_CHAINS 3 /* of scripts: two branches of one descriptor, and another descriptor */
#define MODEL_INDEXES 240
#define MODEL_WATCHES 4
#define FOREIGN (-1)

struct model_output {
    int chain; /* FOREIGN, or which chain of scripts */
    uint32_t index;
    int64_t value;
};
struct model_input {
    int tx; /* FOREIGN, or which transaction */
    struct built_input outpoint;
};
struct model_tx {
    struct built_tx built;
    struct model_input inputs[MODEL_INPUTS];
    struct model_output outputs[MODEL_OUTPUTS];
    size_t n_inputs, n_outputs;
    bool coinbase, published, was_confirmed;
    unsigned groups; /* a bit each */
    int seen; /* order of arrival; 0: never given to the wallet */
    uint32_t height; /* SPV_NO_HEIGHT: in no block of the best chain */
    uint32_t position;
};
/* A watch: the chains that it has, with a window each, or one script. */
struct model_watch {
    bool active;
    uint64_t id; /* the wallet's */
    bool chains[MODEL_CHAINS];
    uint32_t gap;
    int script_chain; /* FOREIGN: it is a descriptor */
    uint32_t script_index;
    uint32_t window[MODEL_CHAINS];
};
struct model {
    struct model_tx txs[MODEL_TXS];
    int n;
    int n_seen;
    struct model_watch watches[MODEL_WATCHES];
    uint32_t height;
    uint32_t used[MODEL_CHAINS]; /* paid or reserved: set by model_windows */
};

enum model_state {
    MODEL_NOT_SEEN = 0, /* others have the values of enum spv_tx_state */
};
struct model_view {
    unsigned state[MODEL_TXS];
    bool effective[MODEL_TXS];
    bool trusted[MODEL_TXS];
};

/* Computes the windows of all watches: the least fixed point over all transactions seen. */
void model_windows(struct model *m);
bool model_is_ours(const struct model *m, const struct model_output *output, int watch);
/* Computes the states of all transactions. */
void model_view(struct model_view *out, const struct model *m);
/* Demands that the wallet says what the model says. */
void model_check(struct model *m, const struct spv_wallet *wallet);

#endif
