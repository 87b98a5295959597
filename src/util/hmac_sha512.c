/* OpenSSL 3 deprecates SHA512_Init/Update/Final in favour of EVP, which allocates and may fail;
 * these do neither (sha256d.c has the measurements of the like). */
#define OPENSSL_API_COMPAT 10100
#include <openssl/sha.h>

#include <string.h>

#include "util/hmac_sha512.h"

#define BLOCK 128

/* The state after one block: the key, padded with zeros, xor a constant. */
static void hash_pad(uint64_t state[8], const void *key, size_t n, uint8_t pad)
{
    uint8_t block[BLOCK] = {0};
    SHA512_CTX c;
    memcpy(block, key, n < BLOCK ? n : BLOCK);
    for (size_t i = 0; i < BLOCK; i++)
        block[i] ^= pad;
    SHA512_Init(&c);
    SHA512_Update(&c, block, BLOCK);
    for (size_t i = 0; i < 8; i++)
        state[i] = c.h[i];
}

void spv_hmac_sha512_init(struct spv_hmac_sha512_key *hmac, const void *key, size_t n)
{
    hash_pad(hmac->inner, key, n, 0x36);
    hash_pad(hmac->outer, key, n, 0x5c);
}

/* Continues from a state: one block has been hashed. */
static void hash_from(uint8_t out[64], const uint64_t state[8], const void *in, size_t n)
{
    SHA512_CTX c;
    SHA512_Init(&c);
    for (size_t i = 0; i < 8; i++)
        c.h[i] = state[i];
    c.Nl = (uint64_t)BLOCK * 8;
    SHA512_Update(&c, in, n);
    SHA512_Final(out, &c);
}

void spv_hmac_sha512_compute(uint8_t out[64], const struct spv_hmac_sha512_key *hmac,
                             const void *msg, size_t n)
{
    uint8_t inner[64];
    hash_from(inner, hmac->inner, msg, n);
    hash_from(out, hmac->outer, inner, sizeof inner);
}
