/* Proof bytes, and behind them a transaction:
 * [u16 little-endian: bytes of the proof][proof][transaction]. To get past hashes that no fuzzer
 * guesses, the header gets the root of the partial tree and a nonce that meets easy bits.
 *
 * Invariants: what parses encodes to the same bytes; matches are in ascending order below the
 * total; a proof built from a verified proof of all leaves is the same; the depth of an invalid
 * proof is never proven. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/error.h"
#include "spv/wallet/partial_tree.h"
#include "util/u256.h"

#define EASY_BITS 0x207fffff

static struct spv_merkle_match matches[SPV_MAX_BLOCK_TXS];

static void check_bytes(const struct spv_msg_merkleblock *proof, const uint8_t *bytes, size_t n)
{
    uint8_t *again = malloc(n);

    FUZZ_CHECK(again != NULL && spv_merkle_encoded_size(proof) == n);
    FUZZ_CHECK(spv_merkle_encode(again, n, proof) == (int)n && memcmp(again, bytes, n) == 0);
    free(again);
}

static void fit_header(struct spv_header *header, const struct spv_hash256 *root)
{
    struct spv_blockhash hash;
    struct spv_u256 target;

    header->merkle_root = *root;
    header->bits = EASY_BITS;
    FUZZ_CHECK(spv_target_from_bits(&target, header->bits) == 0);
    for (header->nonce = 0;; header->nonce++) {
        spv_header_hash(&hash, header);
        if (spv_hash_meets(hash.b, &target))
            return;
    }
}

/* All leaves match: the proof holds the whole block. */
static void check_rebuilt(const struct spv_msg_merkleblock *proof)
{
    static struct spv_txid txids[SPV_MAX_BLOCK_TXS];
    static uint32_t positions[SPV_MAX_BLOCK_TXS];
    struct spv_merkle_proof *built;

    for (uint32_t i = 0; i < proof->total; i++) {
        txids[i] = matches[i].txid;
        positions[i] = i;
    }
    FUZZ_CHECK(spv_merkle_proof_new(&built, &proof->header, txids, proof->total, positions,
                                    proof->total) == 0);
    const struct spv_msg_merkleblock *msg = spv_merkle_proof_message(built);
    FUZZ_CHECK(msg->n_hashes == proof->n_hashes && msg->n_flags == proof->n_flags);
    FUZZ_CHECK(memcmp(msg->flags, proof->flags, msg->n_flags) == 0);
    spv_merkle_proof_free(built);
}

static void check_depth(const struct spv_msg_merkleblock *proof, uint32_t position,
                        const struct spv_tx *tx, bool valid)
{
    const enum spv_merkle_depth by_tx = spv_merkle_depth_by_tx(proof, position, tx);
    const enum spv_merkle_depth by_coinbase = spv_merkle_depth_by_coinbase(proof, proof, tx);

    if (!valid)
        FUZZ_CHECK(by_tx != SPV_MERKLE_DEPTH_PROVEN && by_coinbase != SPV_MERKLE_DEPTH_PROVEN);
    if (by_tx == SPV_MERKLE_DEPTH_PROVEN)
        FUZZ_CHECK(tx->stripped_size != SPV_TREE_PAIR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spv_msg_merkleblock proof;
    struct spv_hash256 root;
    struct spv_tx tx;
    size_t n;
    int rc;

    if (size < 2)
        return 0;
    n = (size_t)data[0] | (size_t)data[1] << 8;
    data += 2;
    size -= 2;
    if (n > size)
        n = size;
    if (spv_merkle_parse(&proof, data, n) != 0)
        return 0;
    check_bytes(&proof, data, n);
    rc = spv_partial_tree_read(matches, &root, &proof, NULL);
    if (rc >= 0) {
        fit_header(&proof.header, &root);
        FUZZ_CHECK(spv_merkle_verify(matches, &proof) == rc);
        for (int i = 0; i < rc; i++) {
            FUZZ_CHECK(matches[i].position < proof.total);
            FUZZ_CHECK(i == 0 || matches[i].position > matches[i - 1].position);
        }
        if ((uint32_t)rc == proof.total)
            check_rebuilt(&proof);
    }
    if (spv_tx_parse(&tx, data + n, size - n) == 0)
        check_depth(&proof, rc > 0 ? matches[0].position : 0, &tx, rc >= 0);
    return 0;
}
