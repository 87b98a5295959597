/* Read access to stored headers, as an interface: the chain reads headers that are no longer in its
 * memory, and a server reads what it serves. The store implements it (spv/store.h); tests have
 * their own implementations.
 */
#ifndef SPV_HEADER_DB_H
#define SPV_HEADER_DB_H

#include "spv/header.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The first stored header above genesis. Headers between genesis and `height` are not stored. */
struct spv_chain_start {
    uint32_t height; /* 0: every header is stored */
    /* stored chain work counts the blocks from this height on; 0: all blocks */
    uint32_t work_since;
};

/* Synchronous callbacks, called from the thread of the chain or server that uses them, each with
 * `ctx`. Unless stated otherwise they return 1 when the header was found and *out is filled, 0 when
 * it is not stored, or a negative enum spv_err. Those from begin_read on may be NULL. */
struct spv_header_db {
    void *ctx;
    /* The best chain's tip. */
    int (*tip)(void *ctx, struct spv_chain_header *out);
    /* The best chain's header at a height. Below start.height only genesis is found. */
    int (*by_height)(void *ctx, struct spv_chain_header *out, uint32_t height);
    /* The best chain's header with a hash. 0 also when no hash index exists yet. */
    int (*by_hash)(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hash);
    /* Up to n consecutive headers of the best chain, from height `from` on, into out[0..n-1].
     * Returns how many were written, or negative. */
    int (*range)(void *ctx, struct spv_header *out, uint32_t from, uint32_t n);
    /* Begins a snapshot: until end_read all reads see the same state of the chain. Snapshots do not
     * nest. Returns 0, or negative (then end_read is not called). */
    int (*begin_read)(void *ctx);
    void (*end_read)(void *ctx);
    /* Whether by_hash is complete. Returns 1, 0 while no hash index exists, or negative. NULL: 1.
     */
    int (*has_hash_index)(void *ctx);
    /* Where the stored chain begins. NULL: at genesis. */
    void (*start)(void *ctx, struct spv_chain_start *out);
    /* Calls `each` for every stored header off the best chain, parents before children, until it
     * returns a value other than 0, and returns that value. Returns 0 at the end, or negative.
     * *header is borrowed; valid during the call. */
    int (*branches)(void *ctx, int (*each)(void *arg, const struct spv_chain_header *header),
                    void *arg);
    /* The first of n hashes (at most SPV_MAX_LOCATOR) that by_hash finds. NULL: by_hash is called
     * for each of them. */
    int (*locate)(void *ctx, struct spv_chain_header *out, const struct spv_blockhash *hashes,
                  size_t n);
};

#ifdef __cplusplus
}
#endif

#endif
