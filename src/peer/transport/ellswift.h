/* ElligatorSwift (BIP324): 64 uniformly random bytes that encode the x coordinate of a public key
 * on secp256k1. Used where libsecp256k1 has no ellswift module. Variable time, public values only.
 */
#ifndef SPV_PEER_TRANSPORT_ELLSWIFT_H
#define SPV_PEER_TRANSPORT_ELLSWIFT_H

#include "peer/transport/field.h"
#include "spv/types.h"

#define SPV_ELLSWIFT_BYTES 64
#define SPV_ELLSWIFT_CASES 8

/* The x coordinate, 32 bytes big-endian, that 64 bytes encode. Every input encodes one. */
void spv_ellswift_decode(uint8_t x[32], const uint8_t encoded[SPV_ELLSWIFT_BYTES]);

/* The t for which (u, t) decodes to x: one of up to eight, selected by which (0..7); false when
 * that one does not exist. x must be on the curve, u not zero. (BIP324: xswiftec_inv.) */
bool spv_ellswift_inverse(struct spv_fe *t, const struct spv_fe *x, const struct spv_fe *u,
                          unsigned which);

/* A uniformly chosen encoding of the x coordinate x, which must be on the curve. */
void spv_ellswift_encode(uint8_t out[SPV_ELLSWIFT_BYTES], const uint8_t x[32],
                         const struct spv_rng *rng);

#endif
