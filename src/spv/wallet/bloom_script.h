/* What bloom filters need to read of scripts: their data pushes, and the two kinds of output that
 * the update P2PUBKEY_ONLY inserts. */
#ifndef SPV_WALLET_BLOOM_SCRIPT_H
#define SPV_WALLET_BLOOM_SCRIPT_H

#include <stdbool.h>

#include "spv/tx.h"

struct spv_bloom_op {
    uint8_t opcode;
    struct spv_bytes data; /* empty unless the operation is a push with a length */
};

/* Removes the first operation from the script. Returns true, or false at the end and where a push
 * is longer than what is left, which ends a script (Bitcoin Core: GetOp). */
bool spv_bloom_script_next(struct spv_bytes *script, struct spv_bloom_op *out);

/* Return true for a script that pays to a public key, or to m of n public keys (Bitcoin Core's
 * Solver: TxoutType::PUBKEY, MULTISIG). Keys are judged by length and first byte only. */
bool spv_bloom_script_is_pubkey(struct spv_bytes script);
bool spv_bloom_script_is_multisig(struct spv_bytes script);

#endif
