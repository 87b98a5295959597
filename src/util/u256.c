/* Four 64-bit words, least significant first. Multiplication and division by 32 bits go over 32-bit
 * halves, so that products and remainders fit in 64 bits and nothing wider than C11 is needed.
 * General division is bit by bit: it runs when bits change, not for every header. */
#include "util/u256.h"

#include <string.h>

#include "spv/error.h"

struct spv_u256 spv_u256_from_u64(uint64_t x)
{
    return (struct spv_u256){{x, 0, 0, 0}};
}

/* Written so that compilers recognise one load: this is called for every header hash. */
static uint64_t word_le(const uint8_t b[8])
{
    return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24 |
           (uint64_t)b[4] << 32 | (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48 |
           (uint64_t)b[7] << 56;
}

struct spv_u256 spv_u256_from_le(const uint8_t b[32])
{
    return (struct spv_u256){{word_le(b), word_le(b + 8), word_le(b + 16), word_le(b + 24)}};
}

struct spv_u256 spv_u256_from_be(const uint8_t b[32])
{
    struct spv_u256 x = {{0}};

    for (size_t i = 0; i < 32; i++)
        x.w[i / 8] |= (uint64_t)b[31 - i] << (8 * (i % 8));
    return x;
}

void spv_u256_to_be(uint8_t out[32], const struct spv_u256 *x)
{
    for (size_t i = 0; i < 32; i++)
        out[31 - i] = (uint8_t)(x->w[i / 8] >> (8 * (i % 8)));
}

bool spv_u256_is_zero(const struct spv_u256 *x)
{
    return (x->w[0] | x->w[1] | x->w[2] | x->w[3]) == 0;
}

int spv_u256_cmp(const struct spv_u256 *a, const struct spv_u256 *b)
{
    for (size_t i = 4; i > 0; i--)
        if (a->w[i - 1] != b->w[i - 1])
            return a->w[i - 1] < b->w[i - 1] ? -1 : 1;
    return 0;
}

unsigned spv_u256_bits(const struct spv_u256 *x)
{
    for (unsigned i = 4; i > 0; i--) {
        unsigned n = 0;
        for (uint64_t w = x->w[i - 1]; w != 0; w >>= 1)
            n++;
        if (n != 0)
            return 64 * (i - 1) + n;
    }
    return 0;
}

struct spv_u256 spv_u256_add(const struct spv_u256 *a, const struct spv_u256 *b)
{
    struct spv_u256 x;
    uint64_t carry = 0;

    for (size_t i = 0; i < 4; i++) {
        uint64_t sum = a->w[i] + carry;
        carry = sum < carry;
        x.w[i] = sum + b->w[i];
        carry += x.w[i] < sum;
    }
    return x;
}

struct spv_u256 spv_u256_not(const struct spv_u256 *x)
{
    return (struct spv_u256){{~x->w[0], ~x->w[1], ~x->w[2], ~x->w[3]}};
}

struct spv_u256 spv_u256_sub(const struct spv_u256 *a, const struct spv_u256 *b)
{
    const struct spv_u256 one = spv_u256_from_u64(1);
    const struct spv_u256 flipped = spv_u256_not(b);
    const struct spv_u256 sum = spv_u256_add(a, &flipped); /* a - b = a + ~b + 1 */

    return spv_u256_add(&sum, &one);
}

struct spv_u256 spv_u256_shl(const struct spv_u256 *x, unsigned n)
{
    struct spv_u256 out = {{0}};
    unsigned words = n / 64;
    unsigned bits = n % 64;

    for (unsigned i = words; i < 4; i++) {
        out.w[i] = x->w[i - words] << bits;
        if (bits != 0 && i > words)
            out.w[i] |= x->w[i - words - 1] >> (64 - bits);
    }
    return out;
}

struct spv_u256 spv_u256_shr(const struct spv_u256 *x, unsigned n)
{
    struct spv_u256 out = {{0}};
    unsigned words = n / 64;
    unsigned bits = n % 64;

    for (unsigned i = 0; i + words < 4; i++) {
        out.w[i] = x->w[i + words] >> bits;
        if (bits != 0 && i + words + 1 < 4)
            out.w[i] |= x->w[i + words + 1] << (64 - bits);
    }
    return out;
}

struct spv_u256 spv_u256_mul_u32(const struct spv_u256 *x, uint32_t m)
{
    struct spv_u256 out;
    uint64_t carry = 0;

    for (size_t i = 0; i < 4; i++) {
        uint64_t low = (x->w[i] & UINT32_MAX) * m + carry;
        uint64_t high = (x->w[i] >> 32) * m + (low >> 32);
        out.w[i] = high << 32 | (low & UINT32_MAX);
        carry = high >> 32;
    }
    return out;
}

struct spv_u256 spv_u256_div_u32(const struct spv_u256 *x, uint32_t d)
{
    struct spv_u256 out;
    uint64_t remainder = 0;

    for (size_t i = 4; i > 0; i--) {
        uint64_t high = remainder << 32 | x->w[i - 1] >> 32;
        uint64_t low = (high % d) << 32 | (x->w[i - 1] & UINT32_MAX);
        out.w[i - 1] = (high / d) << 32 | low / d;
        remainder = low % d;
    }
    return out;
}

struct spv_u256 spv_u256_div(const struct spv_u256 *a, const struct spv_u256 *b)
{
    struct spv_u256 quotient = {{0}};
    struct spv_u256 remainder = *a;
    unsigned a_bits = spv_u256_bits(a);
    unsigned b_bits = spv_u256_bits(b);

    if (b_bits == 0 || a_bits < b_bits)
        return quotient;
    unsigned shift = a_bits - b_bits;
    struct spv_u256 divisor = spv_u256_shl(b, shift);
    for (unsigned i = shift + 1; i > 0; i--) {
        if (spv_u256_cmp(&remainder, &divisor) >= 0) {
            remainder = spv_u256_sub(&remainder, &divisor);
            quotient.w[(i - 1) / 64] |= UINT64_C(1) << ((i - 1) % 64);
        }
        divisor = spv_u256_shr(&divisor, 1);
    }
    return quotient;
}

/* Compact form: 8 bits of size in bytes, 1 bit of sign, 23 bits of mantissa. */
#define COMPACT_SIGN UINT32_C(0x00800000)
#define COMPACT_MANTISSA UINT32_C(0x007fffff)

int spv_target_from_bits(struct spv_u256 *out, uint32_t bits)
{
    unsigned size = bits >> 24;
    uint32_t mantissa = bits & COMPACT_MANTISSA;

    if (size <= 3)
        mantissa >>= 8 * (3 - size);
    /* A zero mantissa is zero for every size and sign. */
    if (mantissa == 0 || (bits & COMPACT_SIGN) != 0)
        return SPV_ERR_HDR_BITS_MALFORMED;
    if (size > 34 || (mantissa > 0xff && size > 33) || (mantissa > 0xffff && size > 32))
        return SPV_ERR_HDR_BITS_MALFORMED;
    *out = spv_u256_from_u64(mantissa);
    if (size > 3)
        *out = spv_u256_shl(out, 8 * (size - 3));
    return 0;
}

uint32_t spv_bits_from_target(const struct spv_u256 *target)
{
    uint32_t size = (spv_u256_bits(target) + 7) / 8;
    uint32_t mantissa;

    if (size <= 3) {
        mantissa = (uint32_t)(target->w[0] << (8 * (3 - size)));
    } else {
        const struct spv_u256 top = spv_u256_shr(target, 8 * (size - 3));
        mantissa = (uint32_t)top.w[0];
    }
    if ((mantissa & COMPACT_SIGN) != 0) { /* keep the sign bit clear */
        mantissa >>= 8;
        size++;
    }
    return size << 24 | mantissa;
}

struct spv_u256 spv_work_from_target(const struct spv_u256 *target)
{
    const struct spv_u256 one = spv_u256_from_u64(1);
    const struct spv_u256 flipped = spv_u256_not(target);
    const struct spv_u256 divisor = spv_u256_add(target, &one);

    if (spv_u256_is_zero(&divisor)) /* the target of all ones: every hash meets it */
        return one;
    const struct spv_u256 quotient = spv_u256_div(&flipped, &divisor);
    return spv_u256_add(&quotient, &one);
}

bool spv_hash_meets(const uint8_t hash[32], const struct spv_u256 *target)
{
    const uint64_t top = word_le(hash + 24);

    /* the top words decide, except for one hash in 2^64 */
    if (top != target->w[3])
        return top < target->w[3];
    const struct spv_u256 x = spv_u256_from_le(hash);
    return spv_u256_cmp(&x, target) <= 0;
}
