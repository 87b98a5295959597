/* A wallet that watches scripts by number, for tests of single rules: each operation is stored. */
#ifndef SPV_TESTS_WALLET_CASE_H
#define SPV_TESTS_WALLET_CASE_H

#include "chain_builder.h"
#include "support/row_store.h"

#include "spv/error.h"

#define CASE_SCRIPTS 4 /* numbers 0 to 3 are watched from the start; others are foreign */
#define DAY 86400

struct wallet_case {
    struct spv_wallet_config cfg;
    struct spv_wallet *wallet;
    struct row_store store;
    struct test_random random;
    uint64_t watches[CASE_SCRIPTS];
    uint32_t height;
    uint32_t salt;
    struct spv_now now;
    struct spv_point points[512]; /* of the blocks of the best chain */
};

/* cmocka's setup and teardown: *state is a struct wallet_case. */
int case_setup(void **state);
int case_teardown(void **state);

/* The bytes of script k. */
struct spv_bytes case_script(uint8_t k);

struct case_input {
    const struct built_tx *tx; /* NULL: foreign, told apart by vout */
    uint32_t vout;
};
struct case_output {
    uint8_t script;
    int64_t value;
};
/* Makes a transaction; no inputs: a coinbase. */
void case_make(struct wallet_case *c, struct built_tx *out, const struct case_input *inputs,
               size_t n_inputs, const struct case_output *outputs, size_t n_outputs);
#define MAKE(c, out, inputs, outputs)                                                              \
    case_make(c, out, inputs, COUNT(inputs), outputs, COUNT(outputs))
#define INPUTS(...) ((const struct case_input[]){__VA_ARGS__})
#define OUTPUTS(...) ((const struct case_output[]){__VA_ARGS__})

/* The next block with these transactions (NULL: none) behind a coinbase of others. */
void case_mine(struct wallet_case *c, const struct built_tx *a, const struct built_tx *b);
/* One whose only transaction is this coinbase. */
void case_mine_coinbase(struct wallet_case *c, const struct built_tx *coinbase);
/* n blocks without anything. */
void case_skip(struct wallet_case *c, uint32_t n);
/* The n last blocks leave. */
void case_disconnect(struct wallet_case *c, uint32_t n);
/* A peer of a network group sends it, or announces it when it is known. */
void case_receive(struct wallet_case *c, const struct built_tx *tx, uint64_t group);
void case_publish(struct wallet_case *c, const struct built_tx *tx);
void case_store(struct wallet_case *c);

/* Demands a state; the row is returned. */
const struct spv_wallet_tx_row *case_state(const struct wallet_case *c, const struct built_tx *tx,
                                           enum spv_tx_state state);
/* The row of a transaction in the history; NULL: none. */
const struct spv_wallet_tx_row *case_row(const struct wallet_case *c, const struct built_tx *tx);
/* Demands the balances of all watches together; the wallet is loaded from its rows first. */
void case_balance(struct wallet_case *c, int64_t confirmed, int64_t trusted, int64_t untrusted,
                  int64_t immature);
size_t case_coins(const struct wallet_case *c);

#endif
