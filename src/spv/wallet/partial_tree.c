/* Depth first, left before right. Each visited node has a flag bit. At a leaf it says whether the
 * transaction matches; at an inner node whether a leaf below does, and only then are the children
 * visited. All other nodes take the next hash:
 *
 *     visit(node): bit = next flag
 *                  leaf, or bit 0: next hash (a match: leaf and bit 1)
 *                  else:           H(visit(left), visit(right), or the left one again) */
#include "spv/wallet/partial_tree.h"

#include <stdbool.h>
#include <string.h>

#include "spv/error.h"
#include "util/hash.h"

#define HASH 32

struct tree_reader {
    const struct spv_msg_merkleblock *proof;
    const struct spv_tree_observer *observer;
    struct spv_merkle_match *out;
    size_t n_out;
    size_t n_bits; /* read so far */
    size_t n_hashes; /* read so far */
    int error;
};

unsigned spv_tree_levels(uint32_t total)
{
    unsigned level = 0;

    while (spv_tree_width(total, level) > 1)
        level++;
    return level;
}

void spv_tree_parent(struct spv_hash256 *out, const uint8_t pair[SPV_TREE_PAIR])
{
    spv_sha256d(out->b, pair, SPV_TREE_PAIR);
}

static bool next_bit(struct tree_reader *r)
{
    const size_t bit = r->n_bits++;

    if (bit / 8 >= r->proof->n_flags) {
        r->error = SPV_ERR_MERKLE_BITS;
        return false;
    }
    return (r->proof->flags[bit / 8] >> bit % 8 & 1) != 0;
}

/* Writes the next hash to out, and to the matches when it is a matching leaf's. */
static void next_hash(struct tree_reader *r, uint8_t out[HASH], uint32_t index, bool match)
{
    if (r->n_hashes >= r->proof->n_hashes) {
        r->error = SPV_ERR_MERKLE_HASHES;
        return;
    }
    memcpy(out, r->proof->hashes[r->n_hashes++].b, HASH);
    if (match) {
        struct spv_merkle_match *m = &r->out[r->n_out++];
        memcpy(m->txid.b, out, HASH);
        m->position = index;
    }
}

/* The recursion depth is that of the tree: 15 levels for SPV_MAX_BLOCK_TXS. */
static void visit_node(struct tree_reader *r, uint8_t out[HASH], unsigned level, uint32_t index)
{
    uint8_t pair[SPV_TREE_PAIR];
    struct spv_hash256 parent;
    const bool bit = next_bit(r);

    if (r->error != 0)
        return;
    if (level == 0 || !bit) {
        next_hash(r, out, index, bit);
        return;
    }
    visit_node(r, pair, level - 1, 2 * index);
    if (r->error != 0)
        return;
    if (2 * index + 1 < spv_tree_width(r->proof->total, level - 1)) {
        visit_node(r, pair + HASH, level - 1, 2 * index + 1);
        /* CVE-2012-2459: a list whose end is repeated has the same root. */
        if (r->error == 0 && memcmp(pair, pair + HASH, HASH) == 0)
            r->error = SPV_ERR_MERKLE_DUPLICATE;
        if (r->error != 0)
            return;
    } else {
        memcpy(pair + HASH, pair, HASH);
    }
    if (r->observer)
        r->observer->pair(r->observer->ctx, level, index, pair);
    spv_tree_parent(&parent, pair);
    memcpy(out, parent.b, HASH);
}

/* "all bits consumed (except for the padding of the last byte)": that padding is zero here. */
static int check_rest(const struct tree_reader *r)
{
    const size_t used = r->n_bits % 8; /* bits of the last byte */

    if (r->n_hashes != r->proof->n_hashes)
        return SPV_ERR_MERKLE_HASHES;
    if ((r->n_bits + 7) / 8 != r->proof->n_flags)
        return SPV_ERR_MERKLE_BITS;
    if (used != 0 && r->proof->flags[r->proof->n_flags - 1] >> used != 0)
        return SPV_ERR_MERKLE_PADDING;
    return 0;
}

int spv_partial_tree_read(struct spv_merkle_match *out, struct spv_hash256 *root,
                          const struct spv_msg_merkleblock *proof,
                          const struct spv_tree_observer *observer)
{
    struct tree_reader r = {.proof = proof, .observer = observer, .out = out};
    int rc;

    if (proof->total == 0) /* an empty tree has no root */
        return SPV_ERR_MALFORMED;
    if (proof->total > SPV_MAX_BLOCK_TXS)
        return SPV_ERR_COUNT;
    visit_node(&r, root->b, spv_tree_levels(proof->total), 0);
    rc = r.error != 0 ? r.error : check_rest(&r);
    return rc < 0 ? rc : (int)r.n_out;
}
