/* Coins of the test chains: outputs of every common kind, and transactions that spend them. No
 * signature is valid: a light client checks none. Scripts and what spends them have the right form,
 * so that each kind shows in a block what the real one shows of the output that it spends. */
#ifndef SPV_TESTS_SUPPORT_SIM_COINS_H
#define SPV_TESTS_SUPPORT_SIM_COINS_H

#include <stdbool.h>

#include "spv/tx.h"
#include "support/random.h"
#include "util/buffer.h"

/* What an input shows of the script that it spends. */
enum sim_coin_kind {
    SIM_P2PKH, /* inferred */
    SIM_P2SH_P2WPKH, /* certain */
    SIM_P2WPKH, /* inferred */
    SIM_P2WSH, /* inferred */
    SIM_P2TR, /* nothing (a key path) */
    SIM_P2PK, /* nothing */
    /* Inputs made so that the inference is wrong: the script that it gives is not the coin's. */
    SIM_FALSE_P2PKH, /* a bare script, spent by what looks like a signature and a key */
    SIM_FALSE_P2WPKH, /* P2WSH, whose witness script looks like a key */
};
#define SIM_COIN_KINDS (SIM_FALSE_P2WPKH + 1)

#define SIM_SCRIPT_MAX 40

struct sim_coin {
    struct spv_txid txid;
    uint32_t index;
    uint32_t height; /* of its block */
    bool is_coinbase;
    enum sim_coin_kind kind;
    uint32_t key; /* its script depends on kind and key alone */
    int64_t value;
    uint8_t script[SIM_SCRIPT_MAX];
    size_t n_script;
};

/* Writes the script of a kind and a key into out, SIM_SCRIPT_MAX bytes; returns its length. */
size_t sim_coin_script(uint8_t *out, enum sim_coin_kind kind, uint32_t key);
/* The script that an input spending such a coin seems to spend (out: SIM_SCRIPT_MAX bytes); 0:
 * none can be inferred. */
size_t sim_coin_inferred(uint8_t *out, enum sim_coin_kind kind, uint32_t key);

/* An output to be created: its script is that of kind and key, or OP_RETURN. */
struct sim_output {
    bool is_op_return;
    enum sim_coin_kind kind;
    uint32_t key;
    int64_t value;
};

/* Appends a transaction that spends the coins, serialised with its witnesses if it has any. */
void sim_tx_put(struct spv_buffer *out, const struct sim_coin *const *inputs, size_t n_inputs,
                const struct sim_output *outputs, size_t n_outputs, struct test_random *random);
/* Appends a coinbase (BIP34). commitment: 32 bytes (BIP141), with the witness reserved value; NULL:
 * none. */
void sim_coinbase_put(struct spv_buffer *out, uint32_t height, const struct sim_output *output,
                      const uint8_t *commitment, struct test_random *random);

#endif
