/* What a peer is known to have: the hashes that it announced, sent or was told of. At least the
 * last max of them are remembered, at most twice as many, by value. */
#ifndef SPV_PEER_KNOWN_INV_H
#define SPV_PEER_KNOWN_INV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/push.h"

struct spv_known_inv_half {
    uint64_t *slots; /* 0: empty */
    size_t n, cap; /* cap is a power of two */
};
struct spv_known_inv {
    uint64_t k0, k1; /* a peer cannot aim at another's slot */
    size_t max; /* of one half */
    struct spv_known_inv_half young, old;
};

void spv_known_inv_init(struct spv_known_inv *k, const struct spv_rng *rng, size_t max);
void spv_known_inv_free(struct spv_known_inv *k);
bool spv_known_inv_has(const struct spv_known_inv *k, const uint8_t hash[32]);
/* Without memory it is forgotten, which costs an announcement sent in vain. */
void spv_known_inv_add(struct spv_known_inv *k, const uint8_t hash[32]);
size_t spv_known_inv_memory(const struct spv_known_inv *k);

#endif
