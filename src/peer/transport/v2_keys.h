/* The keys of a BIP324 handshake: an ephemeral secret with its ElligatorSwift encoding, and the
 * secret that two sides share. Whatever depends on a secret runs inside libsecp256k1. */
#ifndef SPV_PEER_TRANSPORT_V2_KEYS_H
#define SPV_PEER_TRANSPORT_V2_KEYS_H

#include "peer/transport/ellswift.h"
#include "spv/transport.h"

struct spv_v2_key {
    uint8_t secret[32];
    uint8_t encoded[SPV_ELLSWIFT_BYTES]; /* sent to the other side */
};

enum spv_v2_role {
    SPV_V2_INITIATOR,
    SPV_V2_RESPONDER,
};

/* A fresh key. 0 or SPV_ERR_CRYPTO. The caller cleanses it. */
int spv_v2_key_new(struct spv_v2_key *out, const struct spv_v2_context *c,
                   const struct spv_rng *rng);

/* The secret shared with the holder of the encoded key `theirs`; role is ours. 0 or SPV_ERR_CRYPTO.
 * The caller cleanses it. (BIP324: v2_ecdh.) */
int spv_v2_ecdh(uint8_t shared[32], const struct spv_v2_context *c, const struct spv_v2_key *ours,
                const uint8_t theirs[SPV_ELLSWIFT_BYTES], enum spv_v2_role role);

#endif
