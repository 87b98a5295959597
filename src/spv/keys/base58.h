/* Base58 and Base58Check (a payload with four bytes of its double SHA-256), of bounded size. */
#ifndef SPV_KEYS_BASE58_H
#define SPV_KEYS_BASE58_H

#include <stddef.h>
#include <stdint.h>

/* Extended keys are the longest texts, 82 bytes with their checksum; both conversions are
 * quadratic, so longer input is refused. */
#define SPV_BASE58_BYTES 256
#define SPV_BASE58_TEXT 352 /* characters of 256 bytes, rounded up, with NUL */
#define SPV_BASE58CHECK_SUM 4

/* Writes n bytes as NUL-terminated text into out, SPV_BASE58_TEXT bytes. Returns the number of
 * characters, or SPV_ERR_TOO_LONG for n above SPV_BASE58_BYTES. */
int spv_base58_encode(char *out, const uint8_t *in, size_t n);
/* The same of the n bytes and their checksum. */
int spv_base58check_encode(char *out, const uint8_t *in, size_t n);

/* Reads n characters into out, SPV_BASE58_BYTES. Returns the number of bytes, SPV_ERR_TOO_LONG, or
 * SPV_ERR_TEXT_CHARACTER with *bad_at the offset of the first character outside the alphabet. */
int spv_base58_decode(uint8_t *out, const char *text, size_t n, size_t *bad_at);
/* The same, and the checksum is verified and removed: SPV_ERR_TEXT_CHECKSUM when it is wrong or
 * there are fewer than four bytes. */
int spv_base58check_decode(uint8_t *out, const char *text, size_t n, size_t *bad_at);

#endif
