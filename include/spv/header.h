/* Block headers: the 80 bytes, their hash, and a header with its position in the chain. */
#ifndef SPV_HEADER_H
#define SPV_HEADER_H

#include <stdint.h>

#include "spv/export.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_HEADER_SIZE 80

struct spv_header {
    int32_t version;
    struct spv_blockhash prev;
    struct spv_hash256 merkle_root;
    uint32_t time; /* unix seconds */
    uint32_t bits; /* compact target */
    uint32_t nonce;
};

/* A header in its place in a chain. work is the cumulative work of blocks 0..height. */
struct spv_chain_header {
    struct spv_header header;
    struct spv_blockhash hash;
    struct spv_u256 work;
    uint32_t height;
};

/* The 80 bytes of the wire, every field little-endian. Any thread. */
SPV_API void spv_header_encode(uint8_t out[SPV_HEADER_SIZE], const struct spv_header *header);
SPV_API void spv_header_decode(struct spv_header *out, const uint8_t in[SPV_HEADER_SIZE]);

/* Double SHA-256 of the 80 bytes. Any thread. */
SPV_API void spv_header_hash(struct spv_blockhash *out, const struct spv_header *header);

/* The same over already encoded headers: n hashes of n times 80 bytes. Any thread. */
SPV_API void spv_header_hash_raw(struct spv_blockhash *out, const uint8_t *raw, size_t n);

/* The difficulty of compact bits: the target of 0x1d00ffff divided by theirs, as Bitcoin Core's
 * getdifficulty computes it on every network. Returns 0 for a target of zero. Any thread. */
SPV_API double spv_difficulty_from_bits(uint32_t bits);

#ifdef __cplusplus
}
#endif

#endif
