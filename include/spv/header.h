/* Block headers: the 80 bytes, their hash, and a header with its position in the chain. */
#ifndef SPV_HEADER_H
#define SPV_HEADER_H

#include <stdint.h>

#include "spv/export.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_HEADER_SIZE 80 /* bytes */

struct spv_header {
    int32_t version;
    struct spv_blockhash prev;
    struct spv_hash256 merkle_root;
    uint32_t time; /* unix seconds */
    uint32_t bits; /* compact target */
    uint32_t nonce;
};

/* A header with its position in a chain (Bitcoin Core: CBlockIndex). */
struct spv_chain_header {
    struct spv_header header;
    struct spv_blockhash hash;
    struct spv_u256 work; /* chain work: the sum over blocks 0..height */
    uint32_t height;
};

/* Convert between the struct and the 80 bytes on the wire, every field little-endian. Every
 * sequence of 80 bytes decodes. Any thread. */
SPV_API void spv_header_encode(uint8_t out[SPV_HEADER_SIZE], const struct spv_header *header);
SPV_API void spv_header_decode(struct spv_header *out, const uint8_t in[SPV_HEADER_SIZE]);

/* The block hash: double SHA-256 of the 80 bytes, in internal byte order. Any thread. */
SPV_API void spv_header_hash(struct spv_blockhash *out, const struct spv_header *header);

/* The hashes of n encoded headers, which follow each other in raw; n may be 0. Any thread. */
SPV_API void spv_header_hash_raw(struct spv_blockhash *out, const uint8_t *raw, size_t n);

/* The difficulty of compact bits: the target of 0x1d00ffff divided by theirs, as Bitcoin Core's
 * getdifficulty computes it on every network. Returns 0 for a target of zero. Any thread. */
SPV_API double spv_difficulty_from_bits(uint32_t bits);

#ifdef __cplusplus
}
#endif

#endif
