/* Merkle roots and proofs (BIP37): that transactions are in a block, from the block's header and a
 * part of its merkle tree. A proof is a struct spv_msg_merkleblock; as bytes it is the payload of a
 * merkleblock message, which is also what Bitcoin Core's gettxoutproof gives and verifytxoutproof
 * takes.
 *
 * What a proof does not show: that its header is on the best chain; how many transactions the block
 * has (the total is not committed to); and that a matched hash is a transaction and no inner node
 * of the tree or a node below a transaction of 64 bytes (the depth functions).
 *
 * No node, database or event loop is needed. */
#ifndef SPV_MERKLE_H
#define SPV_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include "spv/export.h"
#include "spv/header.h"
#include "spv/message.h"
#include "spv/tx.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Computes the merkle root of n txids in block order; n at least 1.
 * Returns 0, SPV_ERR_INVALID for n = 0, or SPV_ERR_MERKLE_DUPLICATE when two sibling nodes are
 * equal, so that a shorter list has the same root (CVE-2012-2459); out is undefined after an error.
 * Any thread. */
SPV_API int spv_merkle_root(struct spv_hash256 *out, const struct spv_txid *txids, size_t n);

/* A transaction that a proof proves. */
struct spv_merkle_match {
    struct spv_txid txid;
    uint32_t position; /* in the block, 0 for the coinbase, when the proof's total is right */
};

/* Verifies a proof: the header meets the target of its own bits; total is 1..16,666; every hash and
 * every flag bit is used, padding bits are zero, no left child equals its right one, and the root
 * is the header's. Whether the header is on the best chain is the caller's to check. out gets the
 * matched transactions in block order; it has room for proof->n_hashes entries.
 * Returns their number (0 is valid), SPV_ERR_MALFORMED or SPV_ERR_COUNT for a total of 0 or above
 * 16,666, SPV_ERR_HDR_BITS_MALFORMED, SPV_ERR_HDR_POW, SPV_ERR_MERKLE_BITS, SPV_ERR_MERKLE_HASHES,
 * SPV_ERR_MERKLE_PADDING, SPV_ERR_MERKLE_DUPLICATE or SPV_ERR_MERKLE_ROOT; out is undefined after
 * an error. Any thread. */
SPV_API int spv_merkle_verify(struct spv_merkle_match *out,
                              const struct spv_msg_merkleblock *proof);

/* Parses a proof from bytes and compares its counts with each other; it is not verified. out points
 * into bytes and is valid as long as they are.
 * Returns 0, SPV_ERR_SHORT, SPV_ERR_TRAILING, SPV_ERR_COMPACT_SIZE, SPV_ERR_COUNT or
 * SPV_ERR_MALFORMED; out is undefined after an error. Any thread. */
SPV_API int spv_merkle_parse(struct spv_msg_merkleblock *out, const uint8_t *bytes, size_t n);

/* Returns the number of bytes that spv_merkle_encode writes. Any thread. */
SPV_API size_t spv_merkle_encoded_size(const struct spv_msg_merkleblock *proof);
/* Writes a proof as bytes. Returns their number, SPV_ERR_TOO_LONG when they are more than cap or a
 * count is above its limit, SPV_ERR_INVALID for counts that no proof has, or SPV_ERR_NOMEM. Any
 * thread. */
SPV_API int spv_merkle_encode(uint8_t *out, size_t cap, const struct spv_msg_merkleblock *proof);

/* A proof that owns its memory. */
struct spv_merkle_proof;

/* Builds the proof that the transactions at some positions are in a block with these n txids; the
 * positions are in ascending order, each once, and may be none. The caller frees it with
 * spv_merkle_proof_free.
 * Returns 0, SPV_ERR_INVALID for n = 0, a position out of order or not below n, or txids whose root
 * is not the header's, SPV_ERR_TOO_LONG for n above SPV_MAX_BLOCK_TXS, SPV_ERR_MERKLE_DUPLICATE as
 * spv_merkle_root, or SPV_ERR_NOMEM; *out is NULL after an error. Any thread. */
SPV_API int spv_merkle_proof_new(struct spv_merkle_proof **out, const struct spv_header *header,
                                 const struct spv_txid *txids, size_t n, const uint32_t *positions,
                                 size_t n_positions);
/* Frees a proof; NULL is allowed. Any thread, when no other uses the proof. */
SPV_API void spv_merkle_proof_free(struct spv_merkle_proof *proof);
/* Returns the proof as a message, valid as long as the proof. Any thread. */
SPV_API const struct spv_msg_merkleblock *spv_merkle_proof_message(
    const struct spv_merkle_proof *proof);

/* Whether a matched hash is at the depth of the transactions; if not, why that is unproven. */
enum spv_merkle_depth {
    SPV_MERKLE_DEPTH_PROVEN = 0,
    SPV_MERKLE_DEPTH_NO_TX = 1, /* the raw transaction is not there */
    SPV_MERKLE_DEPTH_INVALID_PROOF = 2, /* spv_merkle_verify refuses a proof */
    SPV_MERKLE_DEPTH_NOT_MATCHED = 3, /* the proof has no such match */
    SPV_MERKLE_DEPTH_TX_64_BYTES = 4, /* the transaction could be two hashes */
    SPV_MERKLE_DEPTH_PAIR_IS_TX = 5, /* two hashes above it could be a transaction */
    SPV_MERKLE_DEPTH_NOT_COINBASE = 6,
    SPV_MERKLE_DEPTH_OTHER_BLOCK = 7, /* the coinbase's proof has another header */
    SPV_MERKLE_DEPTH_OTHER_LEVELS = 8, /* the coinbase's proof has a tree of another height */
    SPV_MERKLE_DEPTH_NOMEM = 9,
};

/* Proves the depth of a match by its transaction: it is not 64 bytes long without its witness, so
 * its hash is no inner node's; and no pair of siblings on its path (left and right, 64 bytes; a
 * doubled last node, too) parses as a transaction with or without witness, so it is not below one.
 * tx may be NULL.
 * Returns SPV_MERKLE_DEPTH_PROVEN or the reason why not. Any thread. */
SPV_API enum spv_merkle_depth spv_merkle_depth_by_tx(const struct spv_msg_merkleblock *proof,
                                                     uint32_t position, const struct spv_tx *tx);

/* Proves the depth of all matches of a proof by the coinbase of the same block: a proof that has it
 * at position 0, over as many levels. coinbase_proof may be the same proof; coinbase may be NULL.
 * An attacker cannot make a coinbase that is also an inner node, or below a transaction: its first
 * bytes are fixed, and they would have to be those of a hash. Returns SPV_MERKLE_DEPTH_PROVEN or
 * the reason why not. Any thread. */
SPV_API enum spv_merkle_depth spv_merkle_depth_by_coinbase(
    const struct spv_msg_merkleblock *proof, const struct spv_msg_merkleblock *coinbase_proof,
    const struct spv_tx *coinbase);

#ifdef __cplusplus
}
#endif

#endif
