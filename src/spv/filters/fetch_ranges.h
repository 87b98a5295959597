/* The open getcfilters: which filters were requested from each peer, so that every cfilter is
 * attributed by its block hash, in any order. */
#ifndef SPV_SPV_FILTERS_FETCH_RANGES_H
#define SPV_SPV_FILTERS_FETCH_RANGES_H

#include "spv/types.h"

#define SPV_FETCH_MAX_LATE 16 /* ours: late requests per peer that are remembered */

enum spv_fetch_range_kind {
    SPV_FETCH_RANGE_SEGMENT, /* of a segment of filter_fetch.c */
    SPV_FETCH_RANGE_ALTERNATIVE, /* of one height, for an alternative
                                  */
};

struct spv_fetch_range {
    struct spv_fetch_range *next; /* a newer one */
    uint64_t peer;
    uint32_t start; /* height of the first filter */
    uint32_t n;
    uint32_t n_received;
    uint32_t expected; /* index of the filter that should arrive next */
    enum spv_fetch_range_kind kind;
    bool late; /* timed out; its answers are still used */
    bool is_void; /* the filter headers were replaced meanwhile: answers prove nothing */
    uint64_t requested_us;
    bool *received; /* n */
    struct spv_filter_header *headers; /* n + 1, from height start - 1 on */
    struct spv_blockhash blocks[]; /* n */
};

struct spv_fetch_ranges { /* zeroed: empty */
    struct spv_fetch_range *oldest;
};

/* Adds a range at the end of the list, to be filled in. NULL: out of memory. */
struct spv_fetch_range *spv_fetch_ranges_add(struct spv_fetch_ranges *r, uint64_t peer,
                                             uint32_t start, uint32_t n,
                                             enum spv_fetch_range_kind kind);
void spv_fetch_ranges_remove(struct spv_fetch_ranges *r, struct spv_fetch_range *range);
/* Removes all ranges of a peer. */
void spv_fetch_ranges_remove_peer(struct spv_fetch_ranges *r, uint64_t peer);
void spv_fetch_ranges_free(struct spv_fetch_ranges *r);

/* The range of a peer in which the filter of a block is missing, and its index; one that is not
 * late is preferred. NULL: it was not requested, or was received before. */
struct spv_fetch_range *spv_fetch_ranges_find(const struct spv_fetch_ranges *r, uint32_t *index,
                                              uint64_t peer, const struct spv_blockhash *block);
/* Whether a peer has a request open, not late, that has any height of [first, last]. */
bool spv_fetch_ranges_overlap(const struct spv_fetch_ranges *r, uint64_t peer, uint32_t first,
                              uint32_t last);
/* Marks the ranges of a peer and a kind as late; the oldest beyond SPV_FETCH_MAX_LATE are removed.
 */
void spv_fetch_ranges_set_late(struct spv_fetch_ranges *r, uint64_t peer,
                               enum spv_fetch_range_kind kind);

#endif
