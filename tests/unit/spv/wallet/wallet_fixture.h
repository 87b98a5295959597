/* Transactions and blocks for the tests of src/spv/wallet. */
#ifndef SPV_TESTS_WALLET_FIXTURE_H
#define SPV_TESTS_WALLET_FIXTURE_H

#include "support/unit.h"

#include "spv/merkle.h"

/* A transaction with one input and up to three outputs; scripts are hex. */
struct tx_spec {
    struct spv_txid prev;
    uint32_t index;
    const char *input;
    const char *outputs[3]; /* NULL: no more */
};

#define TX_MAX 512 /* bytes of the longest */

/* Serialises and parses it; out points into bytes. */
void make_tx(struct spv_tx *out, uint8_t bytes[TX_MAX], const struct tx_spec *spec);

/* The id of leaf i of the block `block`. */
struct spv_txid leaf_id(uint32_t block, uint32_t i);

/* The root the plain way: level by level. */
struct spv_hash256 plain_root(const struct spv_txid *txids, size_t n);

/* Sets a nonce that meets the header's bits, which must be easy (regtest). */
void mine_header(struct spv_header *header);
#define EASY_BITS 0x207fffff

/* A mined header with this root. */
struct spv_header header_with_root(const struct spv_hash256 *root);

#endif
