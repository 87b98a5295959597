/* Hashes a message's headers in batches, ahead of their validation: double SHA-256 of several
 * headers at once is faster than of one after the other. */
#ifndef SPV_SPV_CHAIN_HASH_AHEAD_H
#define SPV_SPV_CHAIN_HASH_AHEAD_H

#include <stddef.h>

#include "spv/header.h"

/* Hashed at once: an invalid header wastes at most the hashes of this many. */
#define SPV_HASH_AHEAD 64

struct spv_hash_ahead {
    struct spv_blockhash hashes[SPV_HASH_AHEAD];
};

/* The hash of headers[i], out of n; valid until i reaches the next multiple of SPV_HASH_AHEAD. Call
 * it for i = 0, 1, 2, ... in order. */
const struct spv_blockhash *spv_hash_ahead_at(struct spv_hash_ahead *h,
                                              const struct spv_header *headers, size_t i, size_t n);

#endif
