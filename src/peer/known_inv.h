/* Hashes that a peer is known to have: it announced or sent them, or we did. At least the last
 * `max` are stored, at most twice as many. */
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
    uint64_t k0, k1; /* SipHash key: a peer cannot choose hashes that collide */
    size_t max; /* of one half */
    struct spv_known_inv_half young, old;
};

void spv_known_inv_init(struct spv_known_inv *k, const struct spv_rng *rng, size_t max);
void spv_known_inv_free(struct spv_known_inv *k);
bool spv_known_inv_has(const struct spv_known_inv *k, const uint8_t hash[32]);
/* When memory allocation fails, the hash is not stored: one redundant announcement may be sent. */
void spv_known_inv_add(struct spv_known_inv *k, const uint8_t hash[32]);
size_t spv_known_inv_memory(const struct spv_known_inv *k);

#endif
