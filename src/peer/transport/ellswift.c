/* The mapping of BIP324, "ElligatorSwift encoding of curve X coordinates", with its names:
 *
 *     decode (u, t):  X = (u^3 + 7 - t^2) / (2t),  Y = (X + t) / (sqrt(-3) u),
 *     x is the first of  u + 4Y^2,  (-X/Y - u) / 2,  (X/Y - u) / 2  that is on the curve.
 *
 * The BIP replaces u = 0 and t = 0 by 1, and t by 2t when u^3 + t^2 + 7 = 0. For each x and u up to
 * eight t decode to x. Each try of an encoding draws a new u and one of the eight: to try the eight
 * for one u in turn would favour some encodings, which an observer could tell from random bytes. */
#include "peer/transport/ellswift.h"

/* A root of -3; the other one gives another mapping, so the BIP fixes it. */
static const uint8_t root_of_minus_3[32] = {
    0x0a, 0x2d, 0x2b, 0xa9, 0x35, 0x07, 0xf1, 0xdf, 0x23, 0x37, 0x70, 0xc2, 0xa7, 0x97, 0x96, 0x2c,
    0xc6, 0x1f, 0x6d, 0x15, 0xda, 0x14, 0xec, 0xd4, 0x7d, 0x8d, 0x27, 0xae, 0x1c, 0xd5, 0xf8, 0x52,
};

/* x^3 + 7 */
static struct spv_fe curve(const struct spv_fe *x)
{
    const struct spv_fe square = spv_fe_sqr(x);
    const struct spv_fe cube = spv_fe_mul(&square, x);
    const struct spv_fe seven = spv_fe_from_u64(7);
    return spv_fe_add(&cube, &seven);
}

static bool is_on_curve(const struct spv_fe *x)
{
    const struct spv_fe y2 = curve(x);
    return spv_fe_is_square(&y2);
}

static struct spv_fe ellswift_decode(struct spv_fe u, struct spv_fe t)
{
    const struct spv_fe one = spv_fe_from_u64(1);
    const struct spv_fe c = spv_fe_from_be(root_of_minus_3);
    if (spv_fe_is_zero(&u))
        u = one;
    if (spv_fe_is_zero(&t))
        t = one;
    const struct spv_fe g = curve(&u); /* u^3 + 7 */
    struct spv_fe t2 = spv_fe_sqr(&t);
    const struct spv_fe sum = spv_fe_add(&g, &t2);
    if (spv_fe_is_zero(&sum)) {
        t = spv_fe_add(&t, &t);
        t2 = spv_fe_sqr(&t);
    }
    /* One inversion for both divisions: with d = 2t and e = sqrt(-3) u, 1/(de) gives 1/d and 1/e.
     */
    const struct spv_fe d = spv_fe_add(&t, &t);
    const struct spv_fe e = spv_fe_mul(&c, &u);
    const struct spv_fe de = spv_fe_mul(&d, &e);
    const struct spv_fe inverse = spv_fe_inv(&de);
    const struct spv_fe numerator = spv_fe_sub(&g, &t2);
    const struct spv_fe X_e = spv_fe_mul(&numerator, &inverse); /* X / e */
    const struct spv_fe X = spv_fe_mul(&X_e, &e);
    const struct spv_fe X_plus_t = spv_fe_add(&X, &t);
    const struct spv_fe inverse_e = spv_fe_mul(&inverse, &d);
    const struct spv_fe Y = spv_fe_mul(&X_plus_t, &inverse_e);

    struct spv_fe x = spv_fe_add(&Y, &Y);
    x = spv_fe_sqr(&x);
    x = spv_fe_add(&x, &u);
    if (is_on_curve(&x))
        return x;
    const struct spv_fe inverse_Y = spv_fe_inv(&Y);
    const struct spv_fe ratio = spv_fe_mul(&X, &inverse_Y);
    const struct spv_fe ratio_plus_u = spv_fe_add(&ratio, &u);
    x = spv_fe_neg(&ratio_plus_u);
    x = spv_fe_half(&x);
    if (is_on_curve(&x))
        return x;
    x = spv_fe_sub(&ratio, &u);
    return spv_fe_half(&x);
}

void spv_ellswift_decode(uint8_t x[32], const uint8_t encoded[SPV_ELLSWIFT_BYTES])
{
    const struct spv_fe result =
        ellswift_decode(spv_fe_from_be(encoded), spv_fe_from_be(encoded + SPV_ELLSWIFT_BYTES / 2));
    spv_fe_to_be(x, &result);
}

/* s and v for an x found as the second or third candidate: false when there are none. */
static bool solve_halves(struct spv_fe *s, struct spv_fe *v, const struct spv_fe *x,
                         const struct spv_fe *u)
{
    const struct spv_fe x_plus_u = spv_fe_add(x, u);
    const struct spv_fe other = spv_fe_neg(&x_plus_u); /* -x - u */
    if (is_on_curve(&other))
        return false; /* then the first or second candidate would have been taken */
    *v = *x;
    const struct spv_fe u2 = spv_fe_sqr(u);
    const struct spv_fe u_plus_v = spv_fe_add(u, v);
    const struct spv_fe product = spv_fe_mul(&u_plus_v, v);
    const struct spv_fe denominator = spv_fe_add(&u2, &product); /* u^2 + uv + v^2 */
    const struct spv_fe g = curve(u);
    const struct spv_fe minus_g = spv_fe_neg(&g);
    const struct spv_fe inverse = spv_fe_inv(&denominator);
    *s = spv_fe_mul(&minus_g, &inverse);
    return true;
}

/* The same for the first candidate. */
static bool solve_first(struct spv_fe *s, struct spv_fe *v, const struct spv_fe *x,
                        const struct spv_fe *u, unsigned which)
{
    *s = spv_fe_sub(x, u);
    if (spv_fe_is_zero(s))
        return false;
    /* r^2 = -s (4 (u^3 + 7) + 3 s u^2) */
    const struct spv_fe four = spv_fe_from_u64(4), three = spv_fe_from_u64(3);
    const struct spv_fe g = curve(u);
    const struct spv_fe g4 = spv_fe_mul(&four, &g);
    const struct spv_fe u2 = spv_fe_sqr(u);
    const struct spv_fe su2 = spv_fe_mul(s, &u2);
    const struct spv_fe su2_3 = spv_fe_mul(&three, &su2);
    const struct spv_fe sum = spv_fe_add(&g4, &su2_3);
    const struct spv_fe minus_s = spv_fe_neg(s);
    const struct spv_fe square = spv_fe_mul(&minus_s, &sum);
    struct spv_fe r;
    if (!spv_fe_sqrt(&r, &square) || (which & 1 && spv_fe_is_zero(&r)))
        return false;
    const struct spv_fe inverse = spv_fe_inv(s);
    const struct spv_fe ratio = spv_fe_mul(&r, &inverse);
    *v = spv_fe_sub(&ratio, u);
    *v = spv_fe_half(v);
    return true;
}

bool spv_ellswift_inverse(struct spv_fe *t, const struct spv_fe *x, const struct spv_fe *u,
                          unsigned which)
{
    struct spv_fe s, v, w;
    const bool first = which & 2;
    if (!(first ? solve_first(&s, &v, x, u, which) : solve_halves(&s, &v, x, u)))
        return false;
    if (!spv_fe_sqrt(&w, &s))
        return false;
    /* Bit 0 clear: -w (u (1 - c) / 2 + v); set: w (u (1 + c) / 2 + v). Bit 2 flips the sign. */
    const struct spv_fe one = spv_fe_from_u64(1), c = spv_fe_from_be(root_of_minus_3);
    struct spv_fe factor = which & 1 ? spv_fe_add(&one, &c) : spv_fe_sub(&one, &c);
    factor = spv_fe_half(&factor);
    factor = spv_fe_mul(&factor, u);
    factor = spv_fe_add(&factor, &v);
    *t = spv_fe_mul(&factor, &w);
    if (!(which & 1) == !(which & 4))
        *t = spv_fe_neg(t);
    return true;
}

void spv_ellswift_encode(uint8_t out[SPV_ELLSWIFT_BYTES], const uint8_t x[32],
                         const struct spv_rng *rng)
{
    const struct spv_fe goal = spv_fe_from_be(x);
    struct spv_fe t;
    for (;;) { /* about one try in four succeeds */
        uint8_t which;
        rng->fill(rng->ctx, out, SPV_ELLSWIFT_BYTES / 2);
        rng->fill(rng->ctx, &which, sizeof which);
        const struct spv_fe u = spv_fe_from_be(out);
        if (!spv_fe_is_zero(&u) &&
            spv_ellswift_inverse(&t, &goal, &u, which % SPV_ELLSWIFT_CASES) && !spv_fe_is_zero(&t))
            break;
    }
    spv_fe_to_be(out + SPV_ELLSWIFT_BYTES / 2, &t);
}
