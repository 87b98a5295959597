/* Compact block filters (BIP158, the basic type): a set of the scripts of all outputs that a block
 * creates or spends, in about 21 bits each. It has no false negatives; a script that is not in it
 * matches by chance once in 784,931 times. Matching happens in the client: peers do not learn its
 * scripts.
 *
 * No node, database or event loop is needed. */
#ifndef SPV_FILTER_H
#define SPV_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spv/block.h"
#include "spv/export.h"
#include "spv/tx.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPV_FILTER_P 19 /* BIP158: bits of the Golomb-Rice code's remainder */
#define SPV_FILTER_M 784931 /* BIP158: the inverse of the false-positive rate */

/* A filter as a view: nothing is copied. */
struct spv_filter {
    struct spv_blockhash block; /* its first 16 bytes are the key of the filter's SipHash */
    const uint8_t *bytes; /* the number of elements as a CompactSize, then the coded set */
    size_t n;
};

/* Checks the encoding of a filter, of which only bytes and n are read, and counts its elements;
 * n_elements may be NULL. Two different scripts may share a value; a filter does not show which
 * scripts are in it.
 * Returns 0, SPV_ERR_SHORT when it ends too early, SPV_ERR_COMPACT_SIZE for a non-canonical count,
 * SPV_ERR_TRAILING for bytes behind the last element, SPV_ERR_FILTER_RANGE for a value that no
 * script has, or SPV_ERR_FILTER_PADDING for set bits after the last element, which matching
 * tolerates as Bitcoin Core does; *n_elements is 0 after any error but the last. Any thread. */
SPV_API int spv_filter_check(size_t *n_elements, const struct spv_filter *filter);

/* Decodes the values of a filter's elements, ascending, into out, which has room for as many as
 * spv_filter_check counts. Returns 0 or an error of spv_filter_check except SPV_ERR_FILTER_PADDING;
 * out is undefined after an error. Any thread. */
SPV_API int spv_filter_decode(uint64_t *out, const struct spv_filter *filter);

/* Builds a filter of any items: empty ones are left out, equal ones are one element. The items are
 * only read. *out is allocated with malloc, to be freed with free.
 * Returns 0, SPV_ERR_TOO_LONG for more items than a filter can have (2^32 - 1), or SPV_ERR_NOMEM;
 * *out is NULL after an error. Any thread. */
SPV_API int spv_filter_build(uint8_t **out, size_t *n_out, const struct spv_blockhash *block,
                             const struct spv_bytes *items, size_t n_items);

/* Builds the basic filter of a block: the scripts of all outputs except OP_RETURN ones, and the
 * scripts of the n_spent outputs that the block's inputs spend, in the order of those inputs
 * (without the coinbase). *out is allocated with malloc, to be freed with free.
 * Returns 0, SPV_ERR_INVALID when n_spent is not the number of these inputs, or SPV_ERR_NOMEM; *out
 * is NULL after an error. Any thread. */
SPV_API int spv_filter_build_block(uint8_t **out, size_t *n_out, const struct spv_block *block,
                                   const struct spv_bytes *spent, size_t n_spent);

/* Computes the hash of a filter, of which only bytes and n are read. Any thread. */
SPV_API void spv_filter_compute_hash(struct spv_filter_hash *out, const struct spv_filter *filter);
/* Computes a filter header from a filter hash and the previous block's filter header (zero before
 * the genesis block). out may be prev. Any thread. */
SPV_API void spv_filter_compute_header(struct spv_filter_header *out,
                                       const struct spv_filter_hash *hash,
                                       const struct spv_filter_header *prev);

/* The scripts to search filters for, laid out once for all filters. */
struct spv_filter_query;

/* Copies n scripts. Empty ones are allowed and match nothing. The caller frees the query with
 * spv_filter_query_free.
 * Returns 0, SPV_ERR_TOO_LONG for more than 2^31 scripts, or SPV_ERR_NOMEM; *out is NULL after an
 * error. Any thread. */
SPV_API int spv_filter_query_new(struct spv_filter_query **out, const struct spv_bytes *scripts,
                                 size_t n);
/* Frees a query; NULL is allowed. Any thread, when no matcher uses the query. */
SPV_API void spv_filter_query_free(struct spv_filter_query *query);
/* Returns the number of scripts, empty ones included. Any thread. */
SPV_API size_t spv_filter_query_count(const struct spv_filter_query *query);

/* Matches filters with a query. Each thread has its own matcher; they may share the query. */
struct spv_filter_matcher;

/* Creates a matcher for a query, which must outlive it. The caller frees it with
 * spv_filter_matcher_free. Returns 0 or SPV_ERR_NOMEM; *out is NULL after an error. Any thread. */
SPV_API int spv_filter_matcher_new(struct spv_filter_matcher **out,
                                   const struct spv_filter_query *query);
/* Frees a matcher; NULL is allowed. One thread per matcher. */
SPV_API void spv_filter_matcher_free(struct spv_filter_matcher *matcher);

/* Matches one filter with any of the scripts.
 * Returns 1 when a script is in the filter (or matches by chance), 0 when none is, an error of
 * spv_filter_decode, or SPV_ERR_NOMEM. One thread per matcher. */
SPV_API int spv_filter_match(struct spv_filter_matcher *matcher, const struct spv_filter *filter);

/* Matches n filters, which is faster than one by one. results[i] is what spv_filter_match returns
 * for filters[i]. One thread per matcher. */
SPV_API void spv_filter_match_list(struct spv_filter_matcher *matcher, int *results,
                                   const struct spv_filter *filters, size_t n);

/* Finds which scripts are in a filter: sets hits[i] for each script i of the query. Returns as
 * spv_filter_match; hits is undefined after an error. One thread per matcher. */
SPV_API int spv_filter_match_which(struct spv_filter_matcher *matcher, bool *hits,
                                   const struct spv_filter *filter);

#ifdef __cplusplus
}
#endif

#endif
