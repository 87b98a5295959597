/* ChaCha20-Poly1305 and the bare ChaCha20 key stream (RFC 8439), from OpenSSL. A struct
 * spv_aead keeps its OpenSSL context, so that sealing and opening allocate nothing. */
#ifndef SPV_UTIL_AEAD_H
#define SPV_UTIL_AEAD_H

#include <stddef.h>
#include <stdint.h>

#define SPV_AEAD_KEY 32
#define SPV_AEAD_NONCE 12
#define SPV_AEAD_TAG 16

struct spv_aead {
    void *ctx; /* EVP_CIPHER_CTX */
};

enum spv_aead_direction {
    SPV_AEAD_SEAL,
    SPV_AEAD_OPEN,
};

/* SPV_ERR_CRYPTO when OpenSSL has no memory; then there is nothing to free. */
int spv_aead_init(struct spv_aead *a, enum spv_aead_direction direction,
                  const uint8_t key[SPV_AEAD_KEY]);
/* OpenSSL overwrites the key. */
void spv_aead_free(struct spv_aead *a);
int spv_aead_set_key(struct spv_aead *a, const uint8_t key[SPV_AEAD_KEY]);

/* Encrypts n bytes in place and writes the tag behind them. aad may be NULL when aad_len is 0.
 * Returns 0 or SPV_ERR_CRYPTO. */
int spv_aead_seal(struct spv_aead *a, uint8_t *text, size_t n, const uint8_t nonce[SPV_AEAD_NONCE],
                  const uint8_t *aad, size_t aad_len);
/* Decrypts n bytes, which the tag follows, in place. Returns 0; SPV_ERR_CRYPTO when the tag does
 * not match, and then the bytes must not be used. */
int spv_aead_open(struct spv_aead *a, uint8_t *text, size_t n, const uint8_t nonce[SPV_AEAD_NONCE],
                  const uint8_t *aad, size_t aad_len);

/* The first n bytes of the key stream of an AEAD with this nonce (block counter 1 on). */
int spv_aead_stream(struct spv_aead *a, uint8_t *out, size_t n,
                    const uint8_t nonce[SPV_AEAD_NONCE]);
/* The first n bytes of the ChaCha20 key stream (block counter 0 on). SPV_ERR_CRYPTO. */
int spv_chacha20_stream(uint8_t *out, size_t n, const uint8_t key[SPV_AEAD_KEY],
                        const uint8_t nonce[SPV_AEAD_NONCE]);

#endif
