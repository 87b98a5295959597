/* The shape of merkle trees, and the traversal of a partial merkle tree (BIP37), for verification
 * and for the proof of depth. */
#ifndef SPV_WALLET_PARTIAL_TREE_H
#define SPV_WALLET_PARTIAL_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "spv/merkle.h"

#define SPV_TREE_PAIR 64 /* bytes of a left and a right child */

/* Nodes at a level of a tree of `total` leaves, which are level 0. */
static inline uint32_t spv_tree_width(uint32_t total, unsigned level)
{
    return (uint32_t)(((uint64_t)total + (UINT64_C(1) << level) - 1) >> level);
}

/* Levels above the leaves: the level of the root. */
unsigned spv_tree_levels(uint32_t total);

/* The hash of a node from its children. out may be part of pair. */
void spv_tree_parent(struct spv_hash256 *out, const uint8_t pair[SPV_TREE_PAIR]);

/* Called with both children of each inner node that the traversal computes, and the node's
 * position. */
struct spv_tree_observer {
    void (*pair)(void *ctx, unsigned level, uint32_t index, const uint8_t pair[SPV_TREE_PAIR]);
    void *ctx;
};

/* Traverses the partial tree of a proof, writes the matches to out (room for proof->n_hashes) and
 * the root to *root. observer may be NULL. Returns the number of matches, or an error of
 * spv_merkle_verify other than those of header and root. */
int spv_partial_tree_read(struct spv_merkle_match *out, struct spv_hash256 *root,
                          const struct spv_msg_merkleblock *proof,
                          const struct spv_tree_observer *observer);

#endif
