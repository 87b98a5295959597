/* SipHash-2-4 word by word, inline: for callers that have their input in words already. Others call
 * spv_siphash (util/hash.h). */
#ifndef SPV_UTIL_SIPHASH_H
#define SPV_UTIL_SIPHASH_H

#include <stdint.h>

struct spv_sip {
    uint64_t v0, v1, v2, v3;
};

static inline struct spv_sip spv_sip_start(uint64_t k0, uint64_t k1)
{
    return (struct spv_sip){
        .v0 = k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = k1 ^ UINT64_C(0x7465646279746573),
    };
}

static inline uint64_t spv_sip_rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline void spv_sip_round(struct spv_sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = spv_sip_rotl(s->v1, 13) ^ s->v0;
    s->v3 = spv_sip_rotl(s->v3, 16) ^ s->v2;
    s->v0 = spv_sip_rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = spv_sip_rotl(s->v1, 17) ^ s->v2;
    s->v3 = spv_sip_rotl(s->v3, 21) ^ s->v0;
    s->v2 = spv_sip_rotl(s->v2, 32);
}

/* Mixes in eight bytes of input, little-endian. The last word has the rest of the bytes, and the
 * length modulo 256 in its highest byte. */
static inline void spv_sip_word(struct spv_sip *s, uint64_t word)
{
    s->v3 ^= word;
    spv_sip_round(s);
    spv_sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t spv_sip_finish(struct spv_sip s)
{
    s.v2 ^= 0xff;
    spv_sip_round(&s);
    spv_sip_round(&s);
    spv_sip_round(&s);
    spv_sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#endif
