/* SipHash-2-4 after its paper (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): 64-bit
 * words of the input are mixed into a state of four, two rounds each, four rounds at the end. */
#include "util/hash.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 = rotl(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t m)
{
    s->v3 ^= m;
    sip_round(s);
    sip_round(s);
    s->v0 ^= m;
}

uint64_t spv_siphash(uint64_t k0, uint64_t k1, const void *in, size_t n)
{
    const uint8_t *p = in;
    struct sip s = {
        .v0 = k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = k1 ^ UINT64_C(0x7465646279746573),
    };
    uint64_t m = 0;

    for (size_t i = 0; i < n; i++) {
        m |= (uint64_t)p[i] << (8 * (i % 8));
        if (i % 8 == 7) {
            sip_word(&s, m);
            m = 0;
        }
    }
    sip_word(&s, m | (uint64_t)(n & 0xff) << 56); /* the last word contains the length */
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
