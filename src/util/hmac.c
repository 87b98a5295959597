/* HMAC is that of OpenSSL; HKDF (RFC 5869) is written out for outputs of one block. */
#include "util/hmac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string.h>

#include "spv/error.h"

#define INFO_MAX 64

int spv_hmac_sha256(uint8_t out[32], const void *key, size_t key_len, const void *msg, size_t n)
{
    unsigned len = 32;
    return HMAC(EVP_sha256(), key, (int)key_len, msg, n, out, &len) ? 0 : SPV_ERR_CRYPTO;
}

int spv_hkdf_sha256_extract(uint8_t prk[32], const void *salt, size_t salt_len, const void *ikm,
                            size_t ikm_len)
{
    return spv_hmac_sha256(prk, salt, salt_len, ikm, ikm_len);
}

int spv_hkdf_sha256_expand(uint8_t out[32], const uint8_t prk[32], const char *info)
{
    uint8_t block[INFO_MAX + 1];
    const size_t n = strnlen(info, INFO_MAX);
    memcpy(block, info, n);
    block[n] = 1; /* RFC 5869: the number of the block */
    return spv_hmac_sha256(out, prk, 32, block, n + 1);
}

void spv_cleanse(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}
