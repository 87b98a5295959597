/* ChaCha20-Poly1305 of OpenSSL under a context that keeps the key: each packet sets its nonce, adds
 * the associated data, then the text in place, then writes or checks the tag. */
#include "util/aead.h"

#include <openssl/evp.h>

#include <string.h>

#include "spv/error.h"

static int aead_result(int ok)
{
    return ok == 1 ? 0 : SPV_ERR_CRYPTO;
}

int spv_aead_init(struct spv_aead *a, enum spv_aead_direction direction,
                  const uint8_t key[SPV_AEAD_KEY])
{
    a->ctx = EVP_CIPHER_CTX_new();
    if (!a->ctx)
        return SPV_ERR_CRYPTO;
    const int rc = aead_result(EVP_CipherInit_ex(a->ctx, EVP_chacha20_poly1305(), NULL, key, NULL,
                                                 direction == SPV_AEAD_SEAL));
    if (rc)
        spv_aead_free(a);
    return rc;
}

void spv_aead_free(struct spv_aead *a)
{
    EVP_CIPHER_CTX_free(a->ctx);
    a->ctx = NULL;
}

int spv_aead_set_key(struct spv_aead *a, const uint8_t key[SPV_AEAD_KEY])
{
    return aead_result(EVP_CipherInit_ex(a->ctx, NULL, NULL, key, NULL, -1));
}

/* Everything up to the tag. OpenSSL counts in int: no packet of ours is longer. */
static int aead_run(struct spv_aead *a, uint8_t *text, size_t n,
                    const uint8_t nonce[SPV_AEAD_NONCE], const uint8_t *aad, size_t aad_len)
{
    int done = 0;
    int rc = aead_result(EVP_CipherInit_ex(a->ctx, NULL, NULL, NULL, nonce, -1));
    if (!rc && aad_len > 0)
        rc = aead_result(EVP_CipherUpdate(a->ctx, NULL, &done, aad, (int)aad_len));
    if (rc)
        return rc;
    return aead_result(EVP_CipherUpdate(a->ctx, text, &done, text, (int)n));
}

int spv_aead_seal(struct spv_aead *a, uint8_t *text, size_t n, const uint8_t nonce[SPV_AEAD_NONCE],
                  const uint8_t *aad, size_t aad_len)
{
    int done = 0;
    int rc = aead_run(a, text, n, nonce, aad, aad_len);
    if (rc)
        return rc;
    rc = aead_result(EVP_CipherFinal_ex(a->ctx, text + n, &done));
    if (rc)
        return rc;
    return aead_result(EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, SPV_AEAD_TAG, text + n));
}

int spv_aead_open(struct spv_aead *a, uint8_t *text, size_t n, const uint8_t nonce[SPV_AEAD_NONCE],
                  const uint8_t *aad, size_t aad_len)
{
    int done = 0;
    int rc = aead_run(a, text, n, nonce, aad, aad_len);
    if (rc)
        return rc;
    rc = aead_result(EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, SPV_AEAD_TAG, text + n));
    if (rc)
        return rc;
    return aead_result(EVP_CipherFinal_ex(a->ctx, text + n, &done));
}

int spv_aead_stream(struct spv_aead *a, uint8_t *out, size_t n, const uint8_t nonce[SPV_AEAD_NONCE])
{
    memset(out, 0, n);
    return aead_run(a, out, n, nonce, NULL, 0);
}

int spv_chacha20_stream(uint8_t *out, size_t n, const uint8_t key[SPV_AEAD_KEY],
                        const uint8_t nonce[SPV_AEAD_NONCE])
{
    uint8_t iv[4 + SPV_AEAD_NONCE] = {0}; /* OpenSSL: the block counter, then the nonce */
    int done = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (!ctx)
        return SPV_ERR_CRYPTO;
    memcpy(iv + 4, nonce, SPV_AEAD_NONCE);
    memset(out, 0, n);
    int rc = aead_result(EVP_CipherInit_ex(ctx, EVP_chacha20(), NULL, key, iv, 1));
    if (!rc)
        rc = aead_result(EVP_CipherUpdate(ctx, out, &done, out, (int)n));
    EVP_CIPHER_CTX_free(ctx);
    return rc;
}
