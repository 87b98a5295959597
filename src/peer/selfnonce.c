/* Detection of connections to ourselves: a node stores the nonces of its own handshakes in a ring,
 * and a version message that carries one of them came from us. */
#include "peer/peer_state.h"
#include "util/rng.h"

uint64_t spv_self_nonce_draw(struct spv_self_nonces *set, const struct spv_rng *rng)
{
    uint64_t nonce = spv_rng_u64(rng);
    if (nonce == 0)
        nonce = 1; /* 0 marks an empty slot of the ring */
    if (set) {
        set->nonce[set->next % SPV_SELF_NONCES] = nonce;
        set->next = (set->next + 1) % SPV_SELF_NONCES;
    }
    return nonce;
}

bool spv_self_nonce_known(const struct spv_self_nonces *set, uint64_t nonce)
{
    if (!set || nonce == 0)
        return false;
    for (size_t i = 0; i < SPV_SELF_NONCES; i++)
        if (set->nonce[i] == nonce)
            return true;
    return false;
}
