/* Decoding is latency-bound: where a code begins is known only after the previous one is decoded
 * (count the ones, shift them out, shift the remainder out). Two sets decoded in turn hide each
 * other's latency. A register holds the next 56 bits or more, filled with one load of eight bytes
 * for two codes of up to SHORT_CODE ones; codes of more ones (one in 400) and the last bytes take
 * the bounds-checked path.
 *
 *     bits   111011001...  the next bits from the most significant one on
 *     n      how many of them are counted as read from p; those after them, if any, are the bits at
 *            p as well, so that loading them again changes nothing
 */
#include "spv/filters/gcs.h"

#include <stdbool.h>
#include <string.h>

#include "spv/error.h"

#define REMAINDER SPV_FILTER_P
#define SHORT_CODE 8 /* 2 * (8 + 1 + 19) = 56 bits */

struct reader {
    const uint8_t *p, *end;
    uint64_t bits;
    unsigned n;
};

/* A code read by the bounds-checked path. */
struct step {
    struct reader r;
    uint64_t delta; /* from the previous value */
    bool ok; /* false: the code ends too early */
};

SPV_INLINE uint64_t load_be64(const uint8_t *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

/* Needs eight bytes at p. Leaves 56 to 63 bits. */
SPV_INLINE void reader_fill(struct reader *r)
{
    r->bits |= load_be64(r->p) >> r->n;
    r->p += (63 - r->n) >> 3;
    r->n |= 56;
}

/* Leaves 56 to 63 bits, or all that are left. */
static void reader_fill_end(struct reader *r)
{
    for (; r->n < 56 && r->p < r->end; r->n += 8)
        r->bits |= (uint64_t)*r->p++ << (56 - r->n);
}

SPV_INLINE void reader_skip(struct reader *r, unsigned n)
{
    r->bits <<= n;
    r->n -= n;
}

/* The ones at the front; 63 for 63 or 64 of them. */
SPV_INLINE unsigned leading_ones(uint64_t bits)
{
    return (unsigned)__builtin_clzll(~bits | 1);
}

static struct step checked_step(struct reader r)
{
    uint64_t ones = 0;

    for (;;) {
        reader_fill_end(&r);
        const unsigned here = leading_ones(r.bits);
        if (r.n == 0)
            break; /* ends too early: no remainder either */
        if (here < r.n) {
            ones += here;
            reader_skip(&r, here + 1);
            break;
        }
        ones += r.n;
        reader_skip(&r, r.n);
    }
    reader_fill_end(&r);
    if (r.n < REMAINDER)
        return (struct step){.r = r};
    const uint64_t remainder = r.bits >> (64 - REMAINDER);
    reader_skip(&r, REMAINDER);
    return (struct step){.r = r, .delta = ones << REMAINDER | remainder, .ok = true};
}

/* Decodes a code with this many ones, which must be in the register completely. */
SPV_INLINE uint64_t short_step(struct reader *r, unsigned ones)
{
    reader_skip(r, ones + 1);
    const uint64_t delta = (uint64_t)ones << REMAINDER | r->bits >> (64 - REMAINDER);
    reader_skip(r, REMAINDER);
    return delta;
}

/* A set that is being decoded. */
struct decoder {
    struct reader r;
    uint64_t value;
    uint64_t *out, *out_end;
    bool is_cut; /* a code ended too early */
};

SPV_INLINE struct decoder decoder_start(uint64_t *out, const struct spv_gcs *set)
{
    return (struct decoder){
        .r = {.p = set->bits, .end = set->end}, .out = out, .out_end = out + set->n};
}

/* Two codes and eight bytes are left. */
SPV_INLINE bool decoder_is_fast(const struct decoder *d)
{
    return d->out_end - d->out >= 2 && d->r.end - d->r.p >= 8;
}

SPV_INLINE void decoder_checked_step(struct decoder *d)
{
    const struct step step = checked_step(d->r);
    d->r = step.r;
    d->value += step.delta;
    *d->out++ = d->value;
    d->is_cut = !step.ok;
}

/* One code or two. */
SPV_INLINE void decoder_fast_step(struct decoder *d)
{
    unsigned ones;

    reader_fill(&d->r);
    ones = leading_ones(d->r.bits);
    if (__builtin_expect(ones > SHORT_CODE, 0)) {
        decoder_checked_step(d);
        return;
    }
    d->value += short_step(&d->r, ones);
    *d->out++ = d->value;
    ones = leading_ones(d->r.bits);
    if (__builtin_expect(ones > SHORT_CODE, 0)) {
        decoder_checked_step(d);
        return;
    }
    d->value += short_step(&d->r, ones);
    *d->out++ = d->value;
}

SPV_INLINE int decoder_finish(struct decoder *d, const struct spv_gcs *set)
{
    while (decoder_is_fast(d))
        decoder_fast_step(d);
    while (d->out < d->out_end && !d->is_cut)
        decoder_checked_step(d);
    if (d->is_cut)
        return SPV_ERR_SHORT;
    /* "padded with zeros to a byte boundary": less than a byte is left */
    if ((size_t)(d->r.end - d->r.p) * 8 + d->r.n > 7)
        return SPV_ERR_TRAILING;
    /* Values ascend, so the last one shows whether all are in range. */
    return set->n > 0 && d->value >= set->range ? SPV_ERR_FILTER_RANGE : 0;
}

SPV_INLINE int decode_one(uint64_t *out, const struct spv_gcs *set)
{
    struct decoder d = decoder_start(out, set);
    return decoder_finish(&d, set);
}

SPV_INLINE void decode_pair(int rc[2], uint64_t *out[2], const struct spv_gcs *set[2])
{
    struct decoder a = decoder_start(out[0], set[0]), b = decoder_start(out[1], set[1]);

    while (decoder_is_fast(&a) && decoder_is_fast(&b)) {
        decoder_fast_step(&a);
        decoder_fast_step(&b);
    }
    rc[0] = decoder_finish(&a, set[0]);
    rc[1] = decoder_finish(&b, set[1]);
}

#if SPV_SIMD_X86
SPV_TARGET_BMI static int decode_one_bmi(uint64_t *out, const struct spv_gcs *set)
{
    return decode_one(out, set);
}

SPV_TARGET_BMI static void decode_pair_bmi(int rc[2], uint64_t *out[2],
                                           const struct spv_gcs *set[2])
{
    decode_pair(rc, out, set);
}
#endif

int spv_gcs_decode(uint64_t *out, const struct spv_gcs *set, enum spv_simd simd)
{
#if SPV_SIMD_X86
    if (simd != SPV_SIMD_BASELINE)
        return decode_one_bmi(out, set);
#endif
    (void)simd;
    return decode_one(out, set);
}

void spv_gcs_decode_pair(int rc[2], uint64_t *out[2], const struct spv_gcs *set[2],
                         enum spv_simd simd)
{
#if SPV_SIMD_X86
    if (simd != SPV_SIMD_BASELINE) {
        decode_pair_bmi(rc, out, set);
        return;
    }
#endif
    (void)simd;
    decode_pair(rc, out, set);
}
