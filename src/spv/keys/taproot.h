/* Taproot output keys (BIP341): leaf and branch hashes, and the tweak of the internal key. */
#ifndef SPV_KEYS_TAPROOT_H
#define SPV_KEYS_TAPROOT_H

#include <stddef.h>
#include <stdint.h>

#include "spv/keys/desc.h"

/* The hash of a leaf script of version 0xc0. */
void spv_tapleaf_hash(uint8_t out[32], const uint8_t *script, size_t n);

/* The merkle root of leaves that are added in the order of the descriptor's text, each with its
 * depth. Zero-initialised: no leaf yet. */
struct spv_taptree {
    size_t n;
    uint8_t hash[SPV_TAPTREE_DEPTH + 2][32];
    unsigned depth[SPV_TAPTREE_DEPTH + 2];
};
void spv_taptree_add(struct spv_taptree *tree, const uint8_t leaf[32], unsigned depth);

/* The x-only output key of an internal key; root is NULL without a tree. Returns 0,
 * SPV_ERR_PUBLIC_KEY, or SPV_ERR_NO_CHILD_KEY for a tweak (one in 2^127) that gives no key. */
int spv_taproot_output(uint8_t out[32], const uint8_t internal[32], const uint8_t *root);

#endif
