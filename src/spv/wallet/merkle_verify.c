/* The proof of work proves the header and its merkle root; the partial tree proves the matches
 * against the root. */
#include "spv/wallet/merkle_verify.h"

#include <string.h>

#include "spv/error.h"
#include "util/u256.h"

/* BIP37: "Check the block header [...] matches its claimed proof of work". Whether these are the
 * right bits is the chain's to check. */
static int check_pow(const struct spv_header *header)
{
    struct spv_blockhash hash;
    struct spv_u256 target;
    int rc = spv_target_from_bits(&target, header->bits);

    if (rc < 0)
        return rc;
    spv_header_hash(&hash, header);
    return spv_hash_meets(hash.b, &target) ? 0 : SPV_ERR_HDR_POW;
}

int spv_merkle_verify_observed(struct spv_merkle_match *out,
                               const struct spv_msg_merkleblock *proof,
                               const struct spv_tree_observer *observer)
{
    struct spv_hash256 root;
    int n, rc = check_pow(&proof->header);

    if (rc < 0)
        return rc;
    n = spv_partial_tree_read(out, &root, proof, observer);
    if (n < 0)
        return n;
    if (memcmp(root.b, proof->header.merkle_root.b, sizeof root.b) != 0)
        return SPV_ERR_MERKLE_ROOT;
    return n;
}

int spv_merkle_verify(struct spv_merkle_match *out, const struct spv_msg_merkleblock *proof)
{
    return spv_merkle_verify_observed(out, proof, NULL);
}
