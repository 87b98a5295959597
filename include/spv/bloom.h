/* Bloom filters (BIP37): what a client loads into a peer with filterload, so that the peer sends it
 * merkle blocks and matching transactions only. A filter has no false negatives; how many false
 * positives it has follows from its size. It reveals to the peer what is watched.
 *
 * No node, database or event loop is needed. */
#ifndef SPV_BLOOM_H
#define SPV_BLOOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/export.h"
#include "spv/message.h"
#include "spv/tx.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spv_bloom;

/* All parameters of a filter, without its bits. */
struct spv_bloom_shape {
    size_t n_bytes; /* up to SPV_MAX_FILTER_LOAD */
    uint32_t n_functions; /* hash functions, up to SPV_MAX_FILTER_FUNCTIONS */
    uint32_t tweak; /* seeds the hash functions: any value. Use one tweak per wallet: peers can
                       intersect filters of different tweaks */
    /* which matched outputs are inserted when a transaction matches */
    enum spv_bloom_update update;
};

/* Computes n_bytes and n_functions for a number of items and a false-positive rate, as Bitcoin
 * Core's CBloomFilter does; tweak and update stay. The largest filter has 36,000 bytes: for more
 * items than fit (20,000 at 0.1 %) the rate is higher than asked for; spv_bloom_rate computes it.
 * Returns 0, SPV_ERR_INVALID when n_items is 0, the rate is not between 0 and 1 or so high that a
 * filter would have no bytes or no functions, or SPV_ERR_TOO_LONG for more items than the largest
 * filter has bits; out is unchanged after an error. Any thread. */
SPV_API int spv_bloom_size(struct spv_bloom_shape *out, size_t n_items, double rate);

/* Returns the expected false-positive rate, 0 to 1, of a filter of this shape with n_items
 * different items. Any thread. */
SPV_API double spv_bloom_rate(const struct spv_bloom_shape *shape, size_t n_items);

/* Creates an empty filter, which the caller frees with spv_bloom_free.
 * Returns 0, SPV_ERR_INVALID for no bytes, no functions (both would match everything) or an unknown
 * update, SPV_ERR_TOO_LONG above a limit, or SPV_ERR_NOMEM; *out is NULL after an error. Any
 * thread. */
SPV_API int spv_bloom_new(struct spv_bloom **out, const struct spv_bloom_shape *shape);

/* Creates a filter from a filterload message, whose bytes are copied. One without bytes or without
 * functions is valid and matches everything, as in Bitcoin Core.
 * Returns 0, SPV_ERR_INVALID for an unknown update, SPV_ERR_TOO_LONG above a limit, or
 * SPV_ERR_NOMEM; *out is NULL after an error. Any thread. */
SPV_API int spv_bloom_from_filterload(struct spv_bloom **out,
                                      const struct spv_msg_filterload *load);

/* Frees a filter; NULL is allowed. Any thread, while no other thread uses the filter. */
SPV_API void spv_bloom_free(struct spv_bloom *bloom);

/* Fills a filterload message for the filter. Its bytes are the filter's: valid until the filter is
 * freed, and they change with it. One thread per filter at a time. */
SPV_API void spv_bloom_filterload(struct spv_msg_filterload *out, const struct spv_bloom *bloom);

/* Returns the filter's parameters, valid as long as the filter. One thread per filter at a time. */
SPV_API const struct spv_bloom_shape *spv_bloom_get_shape(const struct spv_bloom *bloom);

/* Insert bytes (a key, a hash, a txid in internal byte order) or an outpoint. One thread per filter
 * at a time. */
SPV_API void spv_bloom_insert(struct spv_bloom *bloom, const uint8_t *data, size_t n);
SPV_API void spv_bloom_insert_outpoint(struct spv_bloom *bloom, const struct spv_txid *txid,
                                       uint32_t index);

/* Return true when the item was inserted, or when it is a false positive. One thread per filter at
 * a time. */
SPV_API bool spv_bloom_contains(const struct spv_bloom *bloom, const uint8_t *data, size_t n);
SPV_API bool spv_bloom_contains_outpoint(const struct spv_bloom *bloom, const struct spv_txid *txid,
                                         uint32_t index);

/* Matches a transaction as BIP37 demands: its txid, each data push of its output scripts, the
 * outpoints that it spends, each data push of its input scripts; not its witness. An output that
 * matches is inserted as an outpoint when the filter's update says so, so that its spend matches,
 * too; transactions are therefore passed in block order. Returns true when it matches. One thread
 * per filter at a time. */
SPV_API bool spv_bloom_match_tx(struct spv_bloom *bloom, const struct spv_tx *tx);

/* Adds all items of another filter of equal shape. Returns 0, or SPV_ERR_INVALID with the filter
 * unchanged when the shapes differ. One thread per filter at a time. */
SPV_API int spv_bloom_merge(struct spv_bloom *bloom, const struct spv_bloom *other);

#ifdef __cplusplus
}
#endif

#endif
