/* All levels of the tree are computed, then the partial tree is written in the order in which
 * partial_tree.c reads it. A node has a match below it when the first position not yet written is
 * below it: in depth-first order, positions ascend. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "spv/wallet/partial_tree.h"
#include "util/buffer.h"

#define MAX_LEVELS 16 /* of nodes: the leaves and 15 above, for SPV_MAX_BLOCK_TXS */

struct spv_merkle_proof {
    struct spv_msg_merkleblock msg; /* points into the buffers */
    struct spv_buffer hashes;
    struct spv_buffer flags;
};

struct tree_writer {
    struct spv_merkle_proof *proof;
    const struct spv_hash256 *nodes; /* level by level, the leaves first */
    size_t level_at[MAX_LEVELS];
    const uint32_t *positions;
    size_t n_positions;
    size_t n_written; /* positions */
    size_t n_bits;
};

_Static_assert(sizeof(struct spv_hash256) == 32, "hashes are written in place");

/* Fills nodes[n..] with the levels above the leaves. Returns 0 or SPV_ERR_MERKLE_DUPLICATE. */
static int hash_levels(struct spv_hash256 *nodes, struct tree_writer *w, uint32_t n)
{
    const unsigned levels = spv_tree_levels(n);

    for (unsigned level = 0; level < levels; level++) {
        const size_t width = spv_tree_width(n, level), at = w->level_at[level];
        w->level_at[level + 1] = at + width;
        for (size_t i = 0; i < width; i += 2) {
            uint8_t pair[SPV_TREE_PAIR];
            const size_t right = i + 1 < width ? i + 1 : i;
            /* CVE-2012-2459: no verifier accepts a proof with two equal siblings. */
            if (right != i && memcmp(&nodes[at + i], &nodes[at + right], sizeof *nodes) == 0)
                return SPV_ERR_MERKLE_DUPLICATE;
            memcpy(pair, nodes[at + i].b, sizeof *nodes);
            memcpy(pair + sizeof *nodes, nodes[at + right].b, sizeof *nodes);
            spv_tree_parent(&nodes[at + width + i / 2], pair);
        }
    }
    return 0;
}

static void put_bit(struct tree_writer *w, bool bit)
{
    struct spv_buffer *flags = &w->proof->flags;

    if (w->n_bits % 8 == 0)
        spv_buffer_u8(flags, 0);
    if (bit && flags->error == 0)
        flags->data[flags->len - 1] |= (uint8_t)(1u << w->n_bits % 8);
    w->n_bits++;
}

/* The recursion depth is that of the tree, at most 15. */
static void put_node(struct tree_writer *w, uint32_t n, unsigned level, uint32_t index)
{
    const uint64_t end = ((uint64_t)index + 1) << level; /* the first leaf that is not below */
    const bool match = w->n_written < w->n_positions && w->positions[w->n_written] < end;

    put_bit(w, match);
    if (level > 0 && match) {
        put_node(w, n, level - 1, 2 * index);
        if (2 * index + 1 < spv_tree_width(n, level - 1))
            put_node(w, n, level - 1, 2 * index + 1);
        return;
    }
    spv_buffer_put(&w->proof->hashes, &w->nodes[w->level_at[level] + index], sizeof *w->nodes);
    if (match)
        w->n_written++;
}

static int check_positions(const uint32_t *positions, size_t n_positions, size_t n)
{
    for (size_t i = 0; i < n_positions; i++)
        if (positions[i] >= n || (i > 0 && positions[i] <= positions[i - 1]))
            return SPV_ERR_INVALID;
    return 0;
}

static int write_proof(struct spv_merkle_proof *proof, struct spv_hash256 *nodes,
                       const uint32_t *positions, size_t n_positions)
{
    struct spv_msg_merkleblock *msg = &proof->msg;
    struct tree_writer w = {
        .proof = proof, .nodes = nodes, .positions = positions, .n_positions = n_positions};
    const unsigned levels = spv_tree_levels(msg->total);
    int rc = hash_levels(nodes, &w, msg->total);

    if (rc < 0)
        return rc;
    if (memcmp(&nodes[w.level_at[levels]], &msg->header.merkle_root, sizeof *nodes) != 0)
        return SPV_ERR_INVALID;
    put_node(&w, msg->total, levels, 0);
    if (proof->hashes.error != 0 || proof->flags.error != 0)
        return SPV_ERR_NOMEM;
    msg->hashes = (const struct spv_hash256 *)proof->hashes.data;
    msg->n_hashes = proof->hashes.len / sizeof *nodes;
    msg->flags = proof->flags.data;
    msg->n_flags = proof->flags.len;
    return 0;
}

int spv_merkle_proof_new(struct spv_merkle_proof **out, const struct spv_header *header,
                         const struct spv_txid *txids, size_t n, const uint32_t *positions,
                         size_t n_positions)
{
    struct spv_merkle_proof *proof;
    struct spv_hash256 *nodes;
    int rc;

    *out = NULL;
    if (n == 0)
        return SPV_ERR_INVALID;
    if (n > SPV_MAX_BLOCK_TXS)
        return SPV_ERR_TOO_LONG;
    rc = check_positions(positions, n_positions, n);
    if (rc < 0)
        return rc;
    /* A level has half as many nodes as the one below, rounded up: in all at most 2 n, and one more
     * per level. */
    nodes = malloc((2 * n + MAX_LEVELS) * sizeof *nodes);
    if (!nodes)
        return SPV_ERR_NOMEM;
    memcpy(nodes, txids, n * sizeof *nodes);
    proof = malloc(sizeof *proof);
    if (!proof) {
        rc = SPV_ERR_NOMEM;
        goto free_nodes;
    }
    *proof = (struct spv_merkle_proof){.msg = {.header = *header, .total = (uint32_t)n}};
    spv_buffer_init(&proof->hashes);
    spv_buffer_init(&proof->flags);
    rc = write_proof(proof, nodes, positions, n_positions);
    if (rc < 0)
        spv_merkle_proof_free(proof);
    else
        *out = proof;
free_nodes:
    free(nodes);
    return rc;
}

void spv_merkle_proof_free(struct spv_merkle_proof *proof)
{
    if (!proof)
        return;
    spv_buffer_free(&proof->hashes);
    spv_buffer_free(&proof->flags);
    free(proof);
}

const struct spv_msg_merkleblock *spv_merkle_proof_message(const struct spv_merkle_proof *proof)
{
    return &proof->msg;
}
