/* Public derivation (BIP32) of many children of one parent: the parent's point is decompressed and
 * its chain code prepared once. */
#ifndef SPV_KEYS_HD_H
#define SPV_KEYS_HD_H

#include <secp256k1.h>
#include <stdint.h>

#include "spv/keys.h"
#include "util/hmac_sha512.h"

struct spv_hd_parent {
    secp256k1_pubkey point;
    uint8_t key[SPV_PUBLIC_KEY];
    struct spv_hmac_sha512_key hmac; /* keyed with the chain code */
};

/* Returns 0, or SPV_ERR_PUBLIC_KEY when the key is not on the curve. */
int spv_hd_parent_init(struct spv_hd_parent *out, const uint8_t key[SPV_PUBLIC_KEY],
                       const uint8_t chain_code[32]);
/* The child at an index below SPV_HARDENED; chain_code may be NULL. Returns 0, SPV_ERR_HARDENED or
 * SPV_ERR_NO_CHILD_KEY. */
int spv_hd_child(uint8_t key[SPV_PUBLIC_KEY], uint8_t *chain_code,
                 const struct spv_hd_parent *parent, uint32_t index);

#endif
