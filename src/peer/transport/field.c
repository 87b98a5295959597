/* Products are 512 bits wide and folded with 2^256 = 2^32 + 977 (mod p). The two powers share the
 * addition chain for 2^223 - 1 and 2^22 - 1: the exponents of the inverse, p - 2, and of the square
 * root, (p + 1) / 4, both begin with 223 ones, a zero and 22 ones. */
#include "peer/transport/field.h"

#include <stddef.h>

#define FOLD UINT64_C(0x1000003d1) /* 2^256 mod p */

static const struct spv_fe modulus = {
    {0xfffffffefffffc2f, UINT64_MAX, UINT64_MAX, UINT64_MAX},
};

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 wide;

/* The low half of x * y + add + *carry; the high half becomes the carry. It cannot overflow. */
static uint64_t mul_add(uint64_t *carry, uint64_t x, uint64_t y, uint64_t add)
{
    const wide z = (wide)x * y + add + *carry;
    *carry = (uint64_t)(z >> 64);
    return (uint64_t)z;
}
#else
static uint64_t mul_add(uint64_t *carry, uint64_t x, uint64_t y, uint64_t add)
{
    const uint64_t x0 = x & UINT32_MAX, x1 = x >> 32, y0 = y & UINT32_MAX, y1 = y >> 32;
    const uint64_t low = x0 * y0;
    const uint64_t mid = x1 * y0 + (low >> 32);
    const uint64_t mid2 = x0 * y1 + (mid & UINT32_MAX);
    uint64_t high = x1 * y1 + (mid >> 32) + (mid2 >> 32);
    uint64_t z = (mid2 << 32) | (low & UINT32_MAX);
    z += add;
    high += z < add;
    z += *carry;
    high += z < *carry;
    *carry = high;
    return z;
}
#endif

/* a + b, and the carry out of it. */
static uint64_t add_limbs(struct spv_fe *out, const struct spv_fe *a, const struct spv_fe *b)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < 4; i++)
        out->n[i] = mul_add(&carry, a->n[i], 1, b->n[i]);
    return carry;
}

/* a - b, and the borrow out of it. */
static uint64_t sub_limbs(struct spv_fe *out, const struct spv_fe *a, const struct spv_fe *b)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < 4; i++) {
        const uint64_t x = a->n[i];
        const uint64_t y = x - b->n[i];
        out->n[i] = y - borrow;
        borrow = (x < b->n[i]) | (y < borrow);
    }
    return borrow;
}

static struct spv_fe reduce_once(const struct spv_fe *a)
{
    struct spv_fe less;
    return sub_limbs(&less, a, &modulus) ? *a : less;
}

struct spv_fe spv_fe_from_u64(uint64_t x)
{
    return (struct spv_fe){{x, 0, 0, 0}};
}

struct spv_fe spv_fe_from_be(const uint8_t b[32])
{
    struct spv_fe a = {{0}};
    for (size_t i = 0; i < 32; i++)
        a.n[3 - i / 8] = a.n[3 - i / 8] << 8 | b[i];
    return reduce_once(&a);
}

void spv_fe_to_be(uint8_t out[32], const struct spv_fe *a)
{
    for (size_t i = 0; i < 32; i++)
        out[i] = (uint8_t)(a->n[3 - i / 8] >> (56 - 8 * (i % 8)));
}

bool spv_fe_is_zero(const struct spv_fe *a)
{
    return (a->n[0] | a->n[1] | a->n[2] | a->n[3]) == 0;
}

bool spv_fe_is_odd(const struct spv_fe *a)
{
    return a->n[0] & 1;
}

bool spv_fe_equal(const struct spv_fe *a, const struct spv_fe *b)
{
    const struct spv_fe d = spv_fe_sub(a, b);
    return spv_fe_is_zero(&d);
}

struct spv_fe spv_fe_add(const struct spv_fe *a, const struct spv_fe *b)
{
    struct spv_fe sum, less;
    const uint64_t carry = add_limbs(&sum, a, b);
    const uint64_t borrow = sub_limbs(&less, &sum, &modulus);
    return carry || !borrow ? less : sum;
}

struct spv_fe spv_fe_sub(const struct spv_fe *a, const struct spv_fe *b)
{
    struct spv_fe d;
    if (sub_limbs(&d, a, b))
        (void)add_limbs(&d, &d, &modulus);
    return d;
}

struct spv_fe spv_fe_neg(const struct spv_fe *a)
{
    const struct spv_fe zero = {{0}};
    return spv_fe_sub(&zero, a);
}

/* a * b modulo p, unrolled: it is nearly all of the time that a handshake takes. */
static inline void field_multiply(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t z[8] = {0};
    for (size_t i = 0; i < 4; i++) {
        uint64_t carry = 0;
        z[i] = mul_add(&carry, a[i], b[0], z[i]);
        z[i + 1] = mul_add(&carry, a[i], b[1], z[i + 1]);
        z[i + 2] = mul_add(&carry, a[i], b[2], z[i + 2]);
        z[i + 3] = mul_add(&carry, a[i], b[3], z[i + 3]);
        z[i + 4] = carry;
    }
    uint64_t top = 0;
    for (size_t i = 0; i < 4; i++)
        r[i] = mul_add(&top, z[i + 4], FOLD, z[i]);
    /* top < 2^34: the second fold carries out at most once, and then leaves less than 2^67. */
    uint64_t carry = 0;
    r[0] = mul_add(&carry, top, FOLD, r[0]);
    for (size_t i = 1; i < 4; i++) {
        r[i] += carry;
        carry = r[i] < carry;
    }
    if (carry) {
        r[0] += FOLD;
        r[1] += r[0] < FOLD;
    }
}

struct spv_fe spv_fe_mul(const struct spv_fe *a, const struct spv_fe *b)
{
    struct spv_fe r;
    field_multiply(r.n, a->n, b->n);
    return reduce_once(&r);
}

struct spv_fe spv_fe_sqr(const struct spv_fe *a)
{
    return spv_fe_mul(a, a);
}

struct spv_fe spv_fe_half(const struct spv_fe *a)
{
    struct spv_fe x = *a;
    uint64_t carry = 0;
    if (spv_fe_is_odd(a))
        carry = add_limbs(&x, a, &modulus);
    for (size_t i = 0; i < 4; i++)
        x.n[i] = x.n[i] >> 1 | (i < 3 ? x.n[i + 1] : carry) << 63;
    return x;
}

/* a^(2^n) * b. Between the steps a number below 2^256 is enough. */
static struct spv_fe shift_mul(const struct spv_fe *a, unsigned n, const struct spv_fe *b)
{
    struct spv_fe x = *a;
    for (unsigned i = 0; i < n; i++)
        field_multiply(x.n, x.n, x.n);
    return spv_fe_mul(&x, b);
}

/* The power of 223 ones, a zero and 22 ones; *x2 is that of two ones. */
static struct spv_fe common_power(struct spv_fe *x2, const struct spv_fe *a)
{
    *x2 = shift_mul(a, 1, a);
    const struct spv_fe x3 = shift_mul(x2, 1, a);
    const struct spv_fe x6 = shift_mul(&x3, 3, &x3);
    const struct spv_fe x9 = shift_mul(&x6, 3, &x3);
    const struct spv_fe x11 = shift_mul(&x9, 2, x2);
    const struct spv_fe x22 = shift_mul(&x11, 11, &x11);
    const struct spv_fe x44 = shift_mul(&x22, 22, &x22);
    const struct spv_fe x88 = shift_mul(&x44, 44, &x44);
    const struct spv_fe x176 = shift_mul(&x88, 88, &x88);
    const struct spv_fe x220 = shift_mul(&x176, 44, &x44);
    const struct spv_fe x223 = shift_mul(&x220, 3, &x3);
    return shift_mul(&x223, 23, &x22);
}

/* p - 2 ends in 0000101101 after the common part. */
struct spv_fe spv_fe_inv(const struct spv_fe *a)
{
    struct spv_fe x2;
    struct spv_fe r = common_power(&x2, a);
    r = shift_mul(&r, 5, a);
    r = shift_mul(&r, 3, &x2);
    return shift_mul(&r, 2, a);
}

/* (p + 1) / 4 ends in 00001100 after the common part. p = 3 (mod 4): when a has a root, this is
 * one. */
bool spv_fe_sqrt(struct spv_fe *out, const struct spv_fe *a)
{
    struct spv_fe x2;
    struct spv_fe r = common_power(&x2, a);
    r = shift_mul(&r, 6, &x2);
    r = spv_fe_sqr(&r);
    *out = spv_fe_sqr(&r);
    const struct spv_fe back = spv_fe_sqr(out);
    return spv_fe_equal(&back, a);
}

bool spv_fe_is_square(const struct spv_fe *a)
{
    struct spv_fe root;
    return spv_fe_sqrt(&root, a);
}
