/* Bech32 (BIP173) and bech32m (BIP350): five-bit values with a checksum, a BCH code over GF(32) of
 * six symbols that detects four wrong characters and locates two. */
#ifndef SPV_KEYS_BECH32_H
#define SPV_KEYS_BECH32_H

#include <stddef.h>
#include <stdint.h>

#define SPV_BECH32_TEXT 90 /* characters; BIP173 */
#define SPV_BECH32_SUM 6
#define SPV_BECH32_VALUES 88 /* after the shortest prefix "x1", checksum included */
#define SPV_BECH32_BAD 0xff /* no value: the character is outside the charset */

/* The remainders of a correct text: of bech32 and of bech32m. */
#define SPV_BECH32_CONST 1u
#define SPV_BECH32M_CONST 0x2bc830a3u

/* Writes hrp (lower case), '1', the n values and their checksum, NUL-terminated, into out,
 * SPV_BECH32_TEXT + 1 bytes. Returns 0, or SPV_ERR_TOO_LONG. */
int spv_bech32_encode(char *out, const char *hrp, const uint8_t *values, size_t n,
                      uint32_t constant);

/* The value of a character of either case, or SPV_BECH32_BAD. */
uint8_t spv_bech32_value(char c);
/* The remainder of hrp (lower case) and n values, the checksum among them: SPV_BECH32_CONST or
 * SPV_BECH32M_CONST when they are correct. */
uint32_t spv_bech32_remainder(const char *hrp, const uint8_t *values, size_t n);

/* Up to two errors: the value at at[i] must be changed by exclusive or with change[i]. */
struct spv_bech32_errors {
    size_t n;
    size_t at[2]; /* ascending */
    uint8_t change[2];
};
/* Finds the at most two wrong values of n that explain the syndrome, the remainder xor its
 * constant: unique, because the code has distance 5 up to 89 values. Returns 0, or
 * SPV_ERR_NOT_FOUND when more are wrong. */
int spv_bech32_locate(struct spv_bech32_errors *out, uint32_t syndrome, size_t n);

/* Regroups n values of `from` bits into values of `to` bits, the last one padded with zeros when
 * from is 8. From 5 to 8 bits the padding must be less than five zero bits. Returns the number of
 * values, or SPV_ERR_MALFORMED. out has room for n * from / to + 1. */
int spv_bech32_regroup(uint8_t *out, const uint8_t *in, size_t n, unsigned from, unsigned to);

#endif
