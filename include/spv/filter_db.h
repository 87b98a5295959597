/* Stored filter headers and filters (BIP157): an interface to read them (for a server, and for
 * filter header sync), and the update that adds filter headers. The store implements both
 * (spv/store.h); tests have their own implementations. */
#ifndef SPV_FILTER_DB_H
#define SPV_FILTER_DB_H

#include "spv/tx.h" /* struct spv_bytes */
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Synchronous callbacks, called from the thread of the state machine or server that uses them, each
 * with `ctx`; all are about the best chain. The snapshots of struct spv_header_db (begin_read)
 * cover these reads too, when one store implements both interfaces. */
struct spv_filter_db {
    void *ctx;
    /* The filter headers and the filter hashes of up to n consecutive heights from `from` on;
     * either array may be NULL. With hashes not NULL the result ends before the first row whose
     * filter hash is not known (an imported or a built-in filter header). Returns how many were
     * written, or a negative enum spv_err. */
    int (*headers)(void *ctx, struct spv_filter_header *headers, struct spv_filter_hash *hashes,
                   uint32_t from, uint32_t n);
    /* The filter of the block at a height. Returns 1 and *out, which stays valid until the next
     * call of this function, also beyond the end of the snapshot; 0 when the filter is not kept, or
     * a negative enum spv_err. */
    int (*filter)(void *ctx, struct spv_bytes *out, uint32_t height);
    /* Returns 1 and the lowest and highest height that have filter headers, 0 when there are none,
     * or a negative enum spv_err. */
    int (*range)(void *ctx, uint32_t *first, uint32_t *last);
    /* Returns 1 and the heights between which every filter is kept, with its filter header and its
     * filter hash (the last run, up to the highest kept), 0 when none is, or a negative enum
     * spv_err. */
    int (*kept)(void *ctx, uint32_t *first, uint32_t *last);
};

/* Consecutive filter headers of the best chain. The caller has verified that each is the hash of
 * its filter hash and the one before. A store applies them in one transaction. */
struct spv_filter_update {
    uint32_t first; /* height of headers[0] */
    const struct spv_filter_header *headers; /* n; borrowed during the call */
    const struct spv_filter_hash *hashes; /* n of the same blocks; NULL: not known */
    size_t n;
    struct spv_blockhash last_block; /* the block of the last height */
};

#ifdef __cplusplus
}
#endif

#endif
