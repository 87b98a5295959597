/* The 256-bit unsigned arithmetic that targets and work need, and the compact form of targets. */
#ifndef SPV_UTIL_U256_H
#define SPV_UTIL_U256_H

#include <stdbool.h>
#include <stdint.h>

#include "spv/types.h"

struct spv_u256 spv_u256_from_u64(uint64_t x);
/* From and to 32 bytes little-endian (a hash in internal order read as a number) and big-endian. */
struct spv_u256 spv_u256_from_le(const uint8_t b[32]);
void spv_u256_to_be(uint8_t out[32], const struct spv_u256 *x);
struct spv_u256 spv_u256_from_be(const uint8_t b[32]);
bool spv_u256_is_zero(const struct spv_u256 *x);
unsigned spv_u256_bits(const struct spv_u256 *x); /* position of the highest set bit, 0 for zero */
struct spv_u256 spv_u256_not(const struct spv_u256 *x);
struct spv_u256 spv_u256_shl(const struct spv_u256 *x, unsigned n);
struct spv_u256 spv_u256_shr(const struct spv_u256 *x, unsigned n);
struct spv_u256 spv_u256_mul_u32(const struct spv_u256 *x, uint32_t m); /* mod 2^256 */
struct spv_u256 spv_u256_div_u32(const struct spv_u256 *x, uint32_t d); /* d > 0 */
struct spv_u256 spv_u256_div(const struct spv_u256 *a, const struct spv_u256 *b); /* b > 0 */

/* Compact bits to target. Returns 0, or SPV_ERR_HDR_BITS_MALFORMED when it is negative, zero or
 * overflows, as Bitcoin Core's DeriveTarget (arith_uint256::SetCompact) checks. */
int spv_target_from_bits(struct spv_u256 *out, uint32_t bits);
/* Target to compact bits (arith_uint256::GetCompact). */
uint32_t spv_bits_from_target(const struct spv_u256 *target);
/* floor(2^256 / (target + 1)), as (~target / (target + 1)) + 1. */
struct spv_u256 spv_work_from_target(const struct spv_u256 *target);
/* Returns true when hash, read little-endian, is at most target. */
bool spv_hash_meets(const uint8_t hash[32], const struct spv_u256 *target);

#endif
