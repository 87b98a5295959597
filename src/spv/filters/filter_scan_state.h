/* The internals of a scan, shared by its source files. Each calls only those above it:
 * filter_scan_candidates.c (blocks to be fetched and searched), filter_scan_match.c (filters
 * before, in and after matching), filter_scan_keep.c (windows of a scan that only keeps filters),
 * filter_scan.c (heights, passes, events).
 *
 * Of the heights in progress, `lowest` and those above, each has a state:
 *
 *     MISSING -> WAITING (to be matched)      -> UNMATCHED, or CANDIDATE: its block is fetched
 *             -> CONFLICT (several filters)   -> UNMATCHED or CANDIDATE
 */
#ifndef SPV_SPV_FILTERS_FILTER_SCAN_STATE_H
#define SPV_SPV_FILTERS_FILTER_SCAN_STATE_H

#include "spv/filters/filter_scan.h"
#include "spv/filters/scan_ranges.h"
#include "spv/filters/scan_watch.h"

enum spv_scan_height {
    SPV_SCAN_IS_MISSING,
    SPV_SCAN_IS_WAITING,
    SPV_SCAN_IS_CONFLICT,
    SPV_SCAN_IS_UNMATCHED,
    SPV_SCAN_IS_CANDIDATE,
};

/* A filter before or in matching; owns its bytes. */
struct spv_scan_filter {
    uint32_t height; /* 0: its result is ignored */
    struct spv_filter_hash hash;
    struct spv_blockhash block;
    uint8_t *bytes; /* NULL: moved to another owner */
    size_t n;
    bool is_alternative;
    bool is_kept;
};

struct spv_scan_filters {
    struct spv_scan_filter *list;
    size_t n, cap;
};

/* A height with several filters, the stored one and alternatives: peers disagree, and nothing is
 * proven. */
struct spv_scan_conflict {
    uint32_t height;
    struct spv_blockhash block;
    struct spv_filter_hash hashes[SPV_FILTER_MAX_BRANCHES + 1]; /* the stored one first */
    bool no_match[SPV_FILTER_MAX_BRANCHES + 1]; /* the filter with this hash does not match */
    size_t n;
    bool wants_block; /* a filter matches, or no peer sends it */
    bool has_stored; /* the stored filter was matched, or no peer sends it */
    uint8_t *stored; /* the stored filter, to be checked with the block; owned */
    size_t n_stored;
};

/* A height whose block is fetched: its filter matched, or it is a sample. */
struct spv_scan_candidate {
    uint32_t height;
    struct spv_blockhash hash;
    uint8_t *filter; /* whose hash is stored; NULL: no peer sent it */
    size_t n_filter;
    uint8_t *block; /* NULL: not fetched yet */
    size_t n_block;
    bool is_requested;
    bool is_sample; /* no filter of its height matched */
};

struct spv_filter_scan {
    struct spv_filter_scan_config cfg;
    struct spv_filter_fetch *fetch;
    struct spv_scan_watch *watch; /* NULL: no scan is running */
    uint32_t first, last;
    bool range_known; /* the stored filter headers were read: first_checkable is set */
    uint32_t first_checkable; /* the lowest height whose filter can be checked */
    uint32_t available; /* filter headers are stored up to here */
    bool at_tip; /* which is the tip of the synced chain */

    /* The main pass, with all scripts, or a catch-up pass over missed ranges, with the scripts that
     * were added late. */
    bool catch_up; /* the current pass is a catch-up pass */
    struct spv_scan_ranges ranges; /* of a catch-up pass: not finished yet, the current one first */
    size_t first_script; /* the pass searches for scripts from this number on */
    uint32_t main_next; /* where the main pass resumes after a catch-up pass */
    uint32_t lowest; /* the lowest height in progress */
    uint32_t fetched_to; /* filters were requested up to here */
    uint32_t top; /* the highest height that may have a state other than MISSING */
    uint32_t queried_to; /* filters up to here were passed to the matcher */
    uint8_t *heights; /* a ring of enum spv_scan_height, from `lowest` on */

    struct spv_scan_ranges missed; /* heights for the next catch-up pass */
    size_t missed_script; /* which searches for scripts from this number on */

    /* Filters that wait for the next MATCH_FILTERS effect, that are being matched, and that the
     * last KEEP_FILTERS effect borrows. */
    struct spv_scan_filters pending, matching, keeping;
    bool is_matching;
    struct spv_filter_query *query;
    bool query_is_old; /* it lacks new scripts: it is built again for the next filters */
    struct spv_filter *views; /* of `matching`, for the MATCH_FILTERS effect, which sets results */
    int *results;
    size_t cap_views;
    struct spv_filter *kept_views; /* the same for KEEP_FILTERS */
    uint32_t *kept_heights;
    size_t cap_kept;

    struct spv_scan_conflict *conflicts;
    size_t n_conflicts;
    struct spv_scan_candidate *candidates; /* heights ascending */
    size_t n_candidates, cap_candidates;
    size_t buffered_bytes; /* of filters in memory */
    size_t block_bytes; /* of fetched blocks in memory */

    uint32_t samples[SPV_SCAN_SAMPLES]; /* heights; 0: used */
    bool samples_chosen;

    bool keeps_only; /* no scripts, and a limit of kept bytes: see filter_scan_keep.c */
    uint32_t window_first; /* the first height of the lowest window so far; 0: not begun */
    size_t largest_filter; /* bytes, of all windows so far */

    uint32_t rolled_back_to; /* height of a ROLLED_BACK event to be reported; UINT32_MAX: none */
    uint32_t reported_to; /* the highest block that was reported */
    bool done_reported; /* a DONE event was returned for the current end */
    bool is_searched; /* positions has the result for the block at `lowest` */
    uint32_t *positions; /* indexes of the transactions found in it */
    size_t n_positions;
    bool is_reported; /* the FOUND event at `lowest` was returned: the next run continues above */
    uint32_t invalid_height; /* of a stored filter that its block proves invalid; 0: none */
    int invalid_error;
    struct spv_scan_stats stats;
};

static inline uint8_t *spv_scan_state_of(const struct spv_filter_scan *s, uint32_t height)
{
    return &s->heights[height % SPV_SCAN_RING_HEIGHTS];
}

/* Whether a height is in progress. */
static inline bool spv_scan_in_progress(const struct spv_filter_scan *s, uint32_t height)
{
    return s->watch && height >= s->lowest && height <= s->top;
}

/* Whether the block at `lowest` was searched and is to be reported. */
static inline bool spv_scan_is_found(const struct spv_filter_scan *s)
{
    return s->is_searched && s->n_positions > 0;
}

/* filter_scan_candidates.c */
/* Adds the block of a height to be fetched. The candidate owns the filter then, which may be NULL.
 */
int spv_scan_add_candidate(struct spv_filter_scan *s, uint32_t height,
                           const struct spv_blockhash *hash, uint8_t *filter, size_t n_filter);
/* Marks the candidate of a height as a sample. */
void spv_scan_set_sample(struct spv_filter_scan *s, uint32_t height);
/* Requests the blocks of the lowest candidates, up to SPV_SCAN_MAX_BLOCKS. */
int spv_scan_want_blocks(struct spv_filter_scan *s, struct spv_now now);
/* The candidate at `lowest`; NULL: that height is none. */
struct spv_scan_candidate *spv_scan_lowest_candidate(struct spv_filter_scan *s);
/* Checks the filter of the candidate at `lowest` with its block, and searches the block: sets
 * positions, or invalid_height. Returns 0 or SPV_ERR_NOMEM. */
int spv_scan_search_candidate(struct spv_filter_scan *s,
                              const struct spv_scan_candidate *candidate);
/* Frees the result of spv_scan_search_candidate. */
void spv_scan_forget_search(struct spv_filter_scan *s);
/* Removes the candidate at `lowest`, which is finished. */
void spv_scan_remove_lowest_candidate(struct spv_filter_scan *s);
void spv_scan_remove_candidates_above(struct spv_filter_scan *s, uint32_t height);

/* filter_scan_keep.c */
/* Begins at the tip: returns the first height of the main pass; 0: not yet. */
uint32_t spv_scan_keep_begin(struct spv_filter_scan *s);
/* Adds the next window below to the missed ranges when the kept filters leave space for it. Returns
 * whether it did. */
bool spv_scan_keep_next(struct spv_filter_scan *s);

/* filter_scan_match.c */
/* A fetched filter: copies it to be matched when its height needs it. */
int spv_scan_take_filter(struct spv_filter_scan *s, const struct spv_fetched_filter *f,
                         struct spv_now now);
/* Emits a MATCH_FILTERS effect when filters wait and none is unanswered. */
int spv_scan_match(struct spv_filter_scan *s);
/* Handles the alternatives that no peer sends. */
int spv_scan_take_missing(struct spv_filter_scan *s);
void spv_scan_remove_filters_above(struct spv_filter_scan *s, uint32_t height);
/* Frees all filters except those that are being matched. */
void spv_scan_free_filters(struct spv_filter_scan *s);
/* The MATCH_FILTERS effect was executed. */
int spv_scan_take_results(struct spv_filter_scan *s);
/* Frees those, once no MATCH_FILTERS effect is unanswered. */
void spv_scan_free_matching(struct spv_filter_scan *s);

#endif
