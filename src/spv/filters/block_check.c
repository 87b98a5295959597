/* The txids give the header's merkle root. The witnesses (BIP141) are not in the txids: the wtxids,
 * with zero for the coinbase's, give the witness root, and
 *
 *     SHA-256d(witness root || the coinbase's one witness item, 32 bytes)
 *
 * is in an output of the coinbase. */
#include "spv/filters/block_check.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/merkle.h"
#include "util/hash.h"

#define COMMITMENT_AT 6 /* bytes before the hash: OP_RETURN, a push of 36 bytes, 0xaa21a9ed */
#define HASH 32 /* bytes */

/* "If there are more than one scriptPubKey matching the pattern, the one with highest output index
 * is assumed to be the commitment." NULL: there is none. */
static const uint8_t *find_commitment(const struct spv_tx *coinbase)
{
    static const uint8_t prefix[COMMITMENT_AT] = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
    struct spv_tx_iter outputs = spv_tx_outputs(coinbase);
    struct spv_tx_output output;
    const uint8_t *found = NULL;

    while (spv_tx_next_output(&outputs, &output))
        if (output.script.n >= COMMITMENT_AT + HASH &&
            memcmp(output.script.bytes, prefix, COMMITMENT_AT) == 0)
            found = output.script.bytes + COMMITMENT_AT;
    return found;
}

/* "The coinbase's input's witness must consist of a single 32-byte array." NULL: it does not. */
static const uint8_t *reserved_value(const struct spv_tx *coinbase)
{
    struct spv_tx_iter witnesses = spv_tx_witnesses(coinbase);
    struct spv_witness witness = {0};
    struct spv_bytes item;

    if (!spv_tx_next_witness(&witnesses, &witness) || witness.n_items != 1 ||
        !spv_witness_next(&witness, &item) || item.n != HASH)
        return NULL;
    return item.bytes;
}

static int check_commitment(const struct spv_tx *coinbase, const uint8_t *commitment,
                            const struct spv_txid *wtxids, size_t n)
{
    const uint8_t *reserved = reserved_value(coinbase);
    struct spv_hash256 root;
    uint8_t hash[HASH];

    if (!reserved)
        return SPV_ERR_BLOCK_WITNESS;
    const int rc = spv_merkle_root(&root, wtxids, n);
    if (rc < 0)
        return rc;
    const struct spv_chunk both[] = {{root.b, HASH}, {reserved, HASH}};
    spv_sha256d_chunks(hash, both, sizeof both / sizeof both[0]);
    return memcmp(hash, commitment, HASH) == 0 ? 0 : SPV_ERR_BLOCK_WITNESS;
}

static int check_witnesses(const struct spv_block *block, const struct spv_tx *coinbase,
                           bool segwit_active, struct spv_txid *wtxids)
{
    const uint8_t *commitment = segwit_active ? find_commitment(coinbase) : NULL;
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_tx tx;
    size_t n = 0;

    if (!commitment) /* without one "the transactions must not have witness data" */
        return block->has_witness ? SPV_ERR_BLOCK_WITNESS : 0;
    while (spv_block_next(&iter, &tx)) {
        struct spv_wtxid wtxid = {{0}}; /* "the wtxid of coinbase is assumed to be zero" */
        if (n > 0)
            spv_tx_wtxid(&wtxid, &tx);
        memcpy(wtxids[n++].b, wtxid.b, HASH);
    }
    return check_commitment(coinbase, commitment, wtxids, n);
}

static int check_root(const struct spv_block *block, struct spv_txid *txids)
{
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_hash256 root;
    struct spv_tx tx;
    size_t n = 0;

    while (spv_block_next(&iter, &tx))
        spv_tx_txid(&txids[n++], &tx);
    const int rc = spv_merkle_root(&root, txids, n);
    if (rc < 0)
        return rc;
    return memcmp(root.b, block->header.merkle_root.b, HASH) == 0 ? 0 : SPV_ERR_BLOCK_ROOT;
}

/* Where the height of the activation is not known, the block's own commitment decides. */
static bool is_segwit_active(const struct spv_block *block, uint32_t height,
                             const struct spv_params *params)
{
    return params->segwit_height == UINT32_MAX ? block->has_witness
                                               : height >= params->segwit_height;
}

int spv_block_check(const struct spv_block *block, uint32_t height, const struct spv_params *params)
{
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_tx coinbase;

    /* A list of inner nodes of the merkle tree, read as transactions of 64 bytes, has the right
     * root, but none of them can be a coinbase. */
    if (!spv_block_next(&iter, &coinbase) || !spv_tx_is_coinbase(&coinbase))
        return SPV_ERR_BLOCK_COINBASE;
    if (spv_block_weight(block) > SPV_MAX_BLOCK_WEIGHT)
        return SPV_ERR_BLOCK_WEIGHT;
    struct spv_txid *ids = calloc(block->n_txs, sizeof *ids);
    if (!ids)
        return SPV_ERR_NOMEM;
    int rc = check_root(block, ids);
    if (rc == 0)
        rc = check_witnesses(block, &coinbase, is_segwit_active(block, height, params), ids);
    free(ids);
    return rc;
}
