/* The root without an array of nodes: pending[k] is the hash of a complete subtree of 2^k leaves
 * that waits for its right sibling. There is one for each 1 in the binary number of leaves read so
 * far; the next leaf adds one, with carries. In the end, a last node without a sibling is paired
 * with itself, as if its leaves were there twice. */
#include <string.h>

#include "spv/error.h"
#include "spv/merkle.h"
#include "util/hash.h"

#define HASH 32
#define PAIR 64 /* a left and a right child */

int spv_merkle_root(struct spv_hash256 *out, const struct spv_txid *txids, size_t n)
{
    uint8_t pending[8 * sizeof n][PAIR]; /* left child; right child while it is hashed */
    struct spv_hash256 node;
    unsigned level;

    if (n == 0)
        return SPV_ERR_INVALID;
    for (size_t i = 0; i < n; i++) {
        memcpy(node.b, txids[i].b, HASH);
        for (level = 0; (i >> level & 1) != 0; level++) {
            /* CVE-2012-2459: two equal siblings are a last node and its copy. */
            if (memcmp(pending[level], node.b, HASH) == 0)
                return SPV_ERR_MERKLE_DUPLICATE;
            memcpy(pending[level] + HASH, node.b, HASH);
            spv_sha256d(node.b, pending[level], PAIR);
        }
        memcpy(pending[level], node.b, HASH);
    }
    for (level = 0; (n >> level & 1) == 0; level++)
        ;
    memcpy(node.b, pending[level], HASH); /* the last node of a level with an odd number of them */
    while (n >> level != 1) {
        memcpy(pending[level], node.b, HASH);
        memcpy(pending[level] + HASH, node.b, HASH);
        spv_sha256d(node.b, pending[level], PAIR);
        n += (size_t)1 << level++;
        /* No check for equal siblings: if the right one is of a node and its copy, so is the left
         * one, and was refused above. */
        for (; (n >> level & 1) == 0; level++) {
            memcpy(pending[level] + HASH, node.b, HASH);
            spv_sha256d(node.b, pending[level], PAIR);
        }
    }
    *out = node;
    return 0;
}
