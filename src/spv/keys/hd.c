/* BIP32, CKDpub: I = HMAC-SHA512(chain code, key || index); the child is the parent's point plus
 * I_left times the generator, its chain code I_right. */
#include "spv/keys/hd.h"

#include <string.h>

#include "spv/error.h"

int spv_hd_parent_init(struct spv_hd_parent *out, const uint8_t key[SPV_PUBLIC_KEY],
                       const uint8_t chain_code[32])
{
    if (!secp256k1_ec_pubkey_parse(secp256k1_context_static, &out->point, key, SPV_PUBLIC_KEY))
        return SPV_ERR_PUBLIC_KEY;
    memcpy(out->key, key, SPV_PUBLIC_KEY);
    spv_hmac_sha512_init(&out->hmac, chain_code, 32);
    return 0;
}

int spv_hd_child(uint8_t key[SPV_PUBLIC_KEY], uint8_t *chain_code,
                 const struct spv_hd_parent *parent, uint32_t index)
{
    uint8_t message[SPV_PUBLIC_KEY + 4], I[64];
    secp256k1_pubkey point = parent->point;
    size_t n = SPV_PUBLIC_KEY;
    if (index >= SPV_HARDENED)
        return SPV_ERR_HARDENED;
    memcpy(message, parent->key, SPV_PUBLIC_KEY);
    for (size_t i = 0; i < 4; i++)
        message[SPV_PUBLIC_KEY + i] = (uint8_t)(index >> (24 - 8 * i));
    spv_hmac_sha512_compute(I, &parent->hmac, message, sizeof message);
    /* fails when I_left is not below the order, or the sum is the point at infinity */
    if (!secp256k1_ec_pubkey_tweak_add(secp256k1_context_static, &point, I))
        return SPV_ERR_NO_CHILD_KEY;
    (void)secp256k1_ec_pubkey_serialize(secp256k1_context_static, key, &n, &point,
                                        SECP256K1_EC_COMPRESSED);
    if (chain_code)
        memcpy(chain_code, I + 32, 32);
    return 0;
}
