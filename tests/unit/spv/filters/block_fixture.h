/* Small blocks on a regtest chain, made for tests: a coinbase and some transactions, with merkle
 * root, witness commitment and mined header. */
#ifndef SPV_TESTS_UNIT_SPV_FILTERS_BLOCK_FIXTURE_H
#define SPV_TESTS_UNIT_SPV_FILTERS_BLOCK_FIXTURE_H

#include "spv/block.h"
#include "spv/chain.h"
#include "util/buffer.h"

#define BLOCK_FIXTURE_SCRIPT 24 /* bytes of each output's script */

/* A transaction with one input and one output. */
struct fixture_tx {
    struct spv_txid prev; /* the output that it spends: number 0 of this transaction */
    uint8_t script[BLOCK_FIXTURE_SCRIPT]; /* of its output */
    bool has_witness; /* of one byte */
};

struct fixture_block {
    struct spv_buffer bytes;
    struct spv_block block;
    struct spv_blockhash hash;
    uint32_t height;
    struct spv_txid txids[8];
};

/* The script of an output, by a number. */
void fixture_script(uint8_t out[BLOCK_FIXTURE_SCRIPT], uint32_t number);

/* Makes a block on the tip of the chain, which accepts it: a coinbase that pays script number
 * 1,000,000 + height, and n transactions. `salt` makes its hash differ from that of another block
 * of the same parent. */
void fixture_block_make(struct fixture_block *out, struct spv_chain *chain,
                        const struct fixture_tx *txs, size_t n, uint32_t salt);
/* The same on any header; no chain is told. */
void fixture_block_make_on(struct fixture_block *out, const struct spv_chain_header *parent,
                           const struct fixture_tx *txs, size_t n, uint32_t salt);
/* Parses changed bytes again; the hash is that of the header in them. */
void fixture_block_parse(struct fixture_block *block);
void fixture_block_free(struct fixture_block *block);

/* A regtest chain without a database. */
struct spv_chain *fixture_chain_new(void);
/* Later than every header. */
extern const struct spv_now fixture_late;

#endif
