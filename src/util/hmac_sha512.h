/* HMAC-SHA512 (RFC 2104) for many messages under one key, by OpenSSL: the two blocks that depend on
 * the key alone are hashed once. */
#ifndef SPV_UTIL_HMAC_SHA512_H
#define SPV_UTIL_HMAC_SHA512_H

#include <stddef.h>
#include <stdint.h>

struct spv_hmac_sha512_key {
    uint64_t inner[8]; /* SHA-512's state after the block of key xor 0x36 */
    uint64_t outer[8]; /* after that of key xor 0x5c */
};

#define SPV_HMAC_SHA512_KEY 128 /* longer keys would have to be hashed first */
/* Prepares a key of at most that many bytes. */
void spv_hmac_sha512_init(struct spv_hmac_sha512_key *hmac, const void *key, size_t n);
void spv_hmac_sha512_compute(uint8_t out[64], const struct spv_hmac_sha512_key *hmac,
                             const void *msg, size_t n);

#endif
