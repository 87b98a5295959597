/* A leaf and an inner node are both hashes; only their preimages differ: a transaction, or two
 * hashes of 64 bytes together. So with a transaction of 64 bytes an attacker can prove
 *
 *     too shallow a tree: an inner node as a transaction, which has 64 bytes
 *     too deep a tree:    a transaction as an inner node; a pair on the path is then a transaction
 *
 * All leaves of a tree are at the same level, so the depth of one shows that of all. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/merkle_verify.h"

struct path {
    uint32_t position; /* of the leaf */
    bool has_tx; /* a pair on the path parses as a transaction */
};

static void check_pair(void *ctx, unsigned level, uint32_t index, const uint8_t pair[SPV_TREE_PAIR])
{
    struct path *path = ctx;
    struct spv_tx tx;

    if (path->position >> level == index && spv_tx_parse(&tx, pair, SPV_TREE_PAIR) == 0)
        path->has_tx = true;
}

static bool same_match(const struct spv_merkle_match *a, const struct spv_merkle_match *b)
{
    return a->position == b->position && memcmp(&a->txid, &b->txid, sizeof a->txid) == 0;
}

/* Verifies a proof and finds a match in it; NULL for any proof that verifies. */
static enum spv_merkle_depth find_match(const struct spv_msg_merkleblock *proof,
                                        const struct spv_merkle_match *wanted,
                                        const struct spv_tree_observer *observer)
{
    enum spv_merkle_depth found = wanted ? SPV_MERKLE_DEPTH_NOT_MATCHED : SPV_MERKLE_DEPTH_PROVEN;
    struct spv_merkle_match *matches;
    int n;

    if (proof->n_hashes == 0 || proof->n_hashes > SPV_MAX_BLOCK_TXS)
        return SPV_MERKLE_DEPTH_INVALID_PROOF;
    matches = malloc(proof->n_hashes * sizeof *matches);
    if (!matches)
        return SPV_MERKLE_DEPTH_NOMEM;
    n = spv_merkle_verify_observed(matches, proof, observer);
    if (n < 0)
        found = SPV_MERKLE_DEPTH_INVALID_PROOF;
    for (int i = 0; wanted && i < n; i++)
        if (same_match(&matches[i], wanted))
            found = SPV_MERKLE_DEPTH_PROVEN;
    free(matches);
    return found;
}

enum spv_merkle_depth spv_merkle_depth_by_tx(const struct spv_msg_merkleblock *proof,
                                             uint32_t position, const struct spv_tx *tx)
{
    struct path path = {.position = position};
    struct spv_merkle_match wanted = {.position = position};
    const struct spv_tree_observer observer = {.pair = check_pair, .ctx = &path};
    enum spv_merkle_depth found;

    if (!tx)
        return SPV_MERKLE_DEPTH_NO_TX;
    spv_tx_txid(&wanted.txid, tx);
    found = find_match(proof, &wanted, &observer);
    if (found != SPV_MERKLE_DEPTH_PROVEN)
        return found;
    if (tx->stripped_size == SPV_TREE_PAIR)
        return SPV_MERKLE_DEPTH_TX_64_BYTES;
    return path.has_tx ? SPV_MERKLE_DEPTH_PAIR_IS_TX : SPV_MERKLE_DEPTH_PROVEN;
}

static bool same_header(const struct spv_header *a, const struct spv_header *b)
{
    uint8_t bytes_a[SPV_HEADER_SIZE], bytes_b[SPV_HEADER_SIZE];

    spv_header_encode(bytes_a, a);
    spv_header_encode(bytes_b, b);
    return memcmp(bytes_a, bytes_b, sizeof bytes_a) == 0;
}

enum spv_merkle_depth spv_merkle_depth_by_coinbase(const struct spv_msg_merkleblock *proof,
                                                   const struct spv_msg_merkleblock *coinbase_proof,
                                                   const struct spv_tx *coinbase)
{
    struct spv_merkle_match first = {.position = 0};
    enum spv_merkle_depth found;

    if (!coinbase)
        return SPV_MERKLE_DEPTH_NO_TX;
    if (!spv_tx_is_coinbase(coinbase))
        return SPV_MERKLE_DEPTH_NOT_COINBASE;
    spv_tx_txid(&first.txid, coinbase);
    found = find_match(coinbase_proof, &first, NULL);
    if (found != SPV_MERKLE_DEPTH_PROVEN)
        return found;
    if (!same_header(&proof->header, &coinbase_proof->header))
        return SPV_MERKLE_DEPTH_OTHER_BLOCK;
    if (spv_tree_levels(proof->total) != spv_tree_levels(coinbase_proof->total))
        return SPV_MERKLE_DEPTH_OTHER_LEVELS;
    return find_match(proof, NULL, NULL);
}
