/* Verification of a proof, with an observer of its inner nodes. */
#ifndef SPV_WALLET_MERKLE_VERIFY_H
#define SPV_WALLET_MERKLE_VERIFY_H

#include "spv/wallet/partial_tree.h"

/* As spv_merkle_verify; observer may be NULL. */
int spv_merkle_verify_observed(struct spv_merkle_match *out,
                               const struct spv_msg_merkleblock *proof,
                               const struct spv_tree_observer *observer);

#endif
