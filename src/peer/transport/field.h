/* Arithmetic modulo p = 2^256 - 2^32 - 977, the field of secp256k1, for the ElligatorSwift mapping
 * of BIP324. It runs in variable time and must see public values only: secret keys and shared
 * secrets stay inside libsecp256k1. */
#ifndef SPV_PEER_TRANSPORT_FIELD_H
#define SPV_PEER_TRANSPORT_FIELD_H

#include <stdbool.h>
#include <stdint.h>

/* Always reduced; n[0] is the lowest limb. */
struct spv_fe {
    uint64_t n[4];
};

struct spv_fe spv_fe_from_u64(uint64_t x);
/* 32 bytes big-endian, taken modulo p. */
struct spv_fe spv_fe_from_be(const uint8_t b[32]);
void spv_fe_to_be(uint8_t out[32], const struct spv_fe *a);
bool spv_fe_is_zero(const struct spv_fe *a);
bool spv_fe_is_odd(const struct spv_fe *a);
bool spv_fe_equal(const struct spv_fe *a, const struct spv_fe *b);
struct spv_fe spv_fe_add(const struct spv_fe *a, const struct spv_fe *b);
struct spv_fe spv_fe_sub(const struct spv_fe *a, const struct spv_fe *b);
struct spv_fe spv_fe_neg(const struct spv_fe *a);
struct spv_fe spv_fe_mul(const struct spv_fe *a, const struct spv_fe *b);
struct spv_fe spv_fe_sqr(const struct spv_fe *a);
struct spv_fe spv_fe_half(const struct spv_fe *a);
/* 1/a; 0 for 0. */
struct spv_fe spv_fe_inv(const struct spv_fe *a);
/* A square root of a, the one that is itself a square: true, or false when a has none. */
bool spv_fe_sqrt(struct spv_fe *out, const struct spv_fe *a);
bool spv_fe_is_square(const struct spv_fe *a);

#endif
