/* Block headers: the 80 bytes, their hash, and the record that the chain and the store keep. */
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

/* Where what is stored begins. Headers between genesis and `height` are not known to a reader. */
struct spv_chain_start {
    uint32_t height; /* the lowest one besides genesis; 0: the whole chain is there */
    uint32_t work_since; /* the stored works count from this height on; 0: from genesis, as usual */
};

/* Synchronous read access to stored headers: how the chain asks for headers that it no longer holds
 * in memory and how a server reads what it serves. The store implements it; tests fake it.
 * Each call returns 1 found, 0 not there (or, by_hash, not knowable while no hash index is built),
 * negative on failure. `range` reads up to n consecutive best-chain headers and returns how many.
 *
 * Those from hold on may be NULL. From a hold that returned 0 to its release every read sees one
 * state of the chain, however it grows meanwhile; holds do not nest. `hashes` says whether by_hash
 * can find what is there: 1, 0 while no hash index is built, or negative (NULL: it can). `base`
 * tells where the chain begins (NULL: the whole chain is there); below it by_height, by_hash and
 * range find genesis only. `branches` hands each stored header off the best chain to `each`,
 * parents before children, until that returns something other than 0, which it then returns; 0 at
 * the end, negative on failure. `locate` finds the first of at most SPV_MAX_LOCATOR hashes that
 * by_hash finds (NULL: by_hash is called for each). */
struct spv_header_db {
    void *ctx;
    int (*tip)(void *ctx, struct spv_chain_header *out);
    int (*by_height)(void *ctx, struct spv_chain_header *out, uint32_t height);
    int (*by_hash)(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash);
    int (*range)(void *ctx, struct spv_header *out, uint32_t from, uint32_t n);
    int (*begin_read)(void *ctx);
    void (*end_read)(void *ctx);
    int (*has_hash_index)(void *ctx);
    void (*start)(void *ctx, struct spv_chain_start *out);
    int (*branches)(void *ctx, int (*each)(void *arg, const struct spv_chain_header *record),
                    void *arg);
    int (*locate)(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hashes,
                  size_t n);
};

#ifdef __cplusplus
}
#endif

#endif
