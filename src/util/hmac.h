/* HMAC and HKDF over SHA-256 (RFC 2104, RFC 5869), from OpenSSL. */
#ifndef SPV_UTIL_HMAC_H
#define SPV_UTIL_HMAC_H

#include <stddef.h>
#include <stdint.h>

/* SPV_ERR_CRYPTO when OpenSSL has no memory. */
int spv_hmac_sha256(uint8_t out[32], const void *key, size_t key_len, const void *msg, size_t n);
int spv_hkdf_sha256_extract(uint8_t prk[32], const void *salt, size_t salt_len, const void *ikm,
                            size_t ikm_len);
/* 32 bytes of output for this label: one block of RFC 5869's expand step. At most 64 characters. */
int spv_hkdf_sha256_expand(uint8_t out[32], const uint8_t prk[32], const char *info);
/* Overwrites memory that held a secret; the compiler cannot leave it out. */
void spv_cleanse(void *p, size_t n);

#endif
