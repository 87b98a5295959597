/* Locating up to two wrong values of a bech32 text. An error e at distance p from the end adds
 * e x^p to the polynomial, so the syndrome of two is
 *
 *     s = e x^p + f x^q,  p < q,     hence     s x^-p = e + f x^(q-p)    (modulo g).
 *
 * For each p the left side is known. Without its constant term it must be a multiple of that of a
 * power of x: both are divided by their highest coefficient and compared. GF(32) is that of BIP173,
 * bits as coefficients modulo x^5 + x^3 + 1. */
#include <stdbool.h>

#include "spv/error.h"
#include "spv/keys/bech32.h"

#define COEFFICIENTS 6

struct remainder {
    uint8_t c[COEFFICIENTS]; /* of x^0 first */
};

static const struct remainder generator = {{18, 29, 21, 20, 22, 29}}; /* without x^6 */

static uint8_t gf_mul(uint8_t a, uint8_t b)
{
    unsigned product = 0;
    for (unsigned i = 0; i < 5; i++)
        if (b >> i & 1)
            product ^= (unsigned)a << i;
    for (unsigned i = 8; i >= 5; i--)
        if (product >> i & 1)
            product ^= 0x29u << (i - 5);
    return (uint8_t)product;
}

/* a^30: the multiplicative group has 31 elements. */
static uint8_t gf_inverse(uint8_t a)
{
    const uint8_t a2 = gf_mul(a, a), a4 = gf_mul(a2, a2), a8 = gf_mul(a4, a4);
    const uint8_t a16 = gf_mul(a8, a8);
    return gf_mul(gf_mul(a16, a8), gf_mul(a4, a2));
}

/* Multiplies by x modulo g. */
static void times_x(struct remainder *r)
{
    const uint8_t top = r->c[COEFFICIENTS - 1];
    for (size_t i = COEFFICIENTS - 1; i > 0; i--)
        r->c[i] = r->c[i - 1] ^ gf_mul(top, generator.c[i]);
    r->c[0] = gf_mul(top, generator.c[0]);
}

/* Divides by x modulo g: the multiple of g that clears the constant term is added first. */
static void divide_by_x(struct remainder *r)
{
    const uint8_t k = gf_mul(r->c[0], gf_inverse(generator.c[0]));
    for (size_t i = 0; i + 1 < COEFFICIENTS; i++)
        r->c[i] = r->c[i + 1] ^ gf_mul(k, generator.c[i + 1]);
    r->c[COEFFICIENTS - 1] = k;
}

/* The coefficients above the constant term divided by the highest nonzero one, as one number, and
 * that one as *scale; 0 when all are zero. */
static uint32_t normalise_remainder(const struct remainder *r, uint8_t *scale)
{
    uint32_t packed = 0;
    uint8_t inverse = 0;
    for (size_t i = COEFFICIENTS - 1; i > 0; i--) {
        if (inverse == 0 && r->c[i] != 0) {
            *scale = r->c[i];
            inverse = gf_inverse(r->c[i]);
        }
        packed = packed << 5 | gf_mul(r->c[i], inverse);
    }
    return packed;
}

int spv_bech32_locate(struct spv_bech32_errors *out, uint32_t syndrome, size_t n)
{
    uint32_t powers[SPV_BECH32_VALUES]; /* x^d, normalised */
    uint8_t scales[SPV_BECH32_VALUES] = {0}, constants[SPV_BECH32_VALUES];
    struct remainder power = {{1}}, s;
    if (n > SPV_BECH32_VALUES)
        return SPV_ERR_TOO_LONG;
    for (size_t d = 0; d < n; d++) {
        powers[d] = normalise_remainder(&power, &scales[d]);
        constants[d] = power.c[0];
        times_x(&power);
    }
    for (size_t i = 0; i < COEFFICIENTS; i++)
        s.c[i] = syndrome >> 5 * i & 31;
    out->n = 0;
    if (syndrome == 0)
        return 0;
    for (size_t p = 0; p < n; p++, divide_by_x(&s)) {
        uint8_t scale = 0;
        const uint32_t above = normalise_remainder(&s, &scale);
        if (above == 0) {
            *out = (struct spv_bech32_errors){1, {n - 1 - p}, {s.c[0]}};
            return 0;
        }
        for (size_t d = 1; d < n - p; d++) {
            if (powers[d] != above)
                continue;
            const uint8_t f = gf_mul(scale, gf_inverse(scales[d]));
            const uint8_t e = s.c[0] ^ gf_mul(f, constants[d]);
            if (e == 0)
                break; /* the single error at q: found at p = q */
            *out = (struct spv_bech32_errors){2, {n - 1 - p - d, n - 1 - p}, {f, e}};
            return 0;
        }
    }
    return SPV_ERR_NOT_FOUND;
}
