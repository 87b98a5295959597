/* The hash functions of Bitcoin, by OpenSSL, and SipHash-2-4 (BIP152, salted hash tables). */
#ifndef SPV_UTIL_HASH_H
#define SPV_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

void spv_sha256(uint8_t out[32], const void *in, size_t n);
void spv_sha256d(uint8_t out[32], const void *in, size_t n); /* SHA-256 of the SHA-256 */
/* The hash and the double hash of n chunks, concatenated. */
struct spv_chunk {
    const void *bytes;
    size_t n;
};
void spv_sha256_chunks(uint8_t out[32], const struct spv_chunk *chunks, size_t n);
void spv_sha256d_chunks(uint8_t out[32], const struct spv_chunk *chunks, size_t n);
/* n double hashes of n consecutive 80-byte headers: the hot path of header sync. */
void spv_sha256d_headers(uint8_t *out, const uint8_t *raw, size_t n);
void spv_hash160(uint8_t out[20], const void *in, size_t n); /* RIPEMD-160 of SHA-256 */
/* Returns 0, or SPV_ERR_CRYPTO when OpenSSL is out of memory. */
int spv_sha3_256(uint8_t out[32], const void *in, size_t n);
uint64_t spv_siphash(uint64_t k0, uint64_t k1, const void *in, size_t n);

#endif
