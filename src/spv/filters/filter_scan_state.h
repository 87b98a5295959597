/* The internals of a scan, shared by its source files. Each calls only those above it:
 * filter_scan_candidates.c (blocks that are wanted and held), filter_scan_match.c (filters on their
 * way to the matcher and back), filter_scan_keep.c (windows of a scan that only keeps filters),
 * filter_scan.c (heights, passes, events).
 *
 * Of the heights in progress, `lowest` and those above, each has a state:
 *
 *     MISSING -> WAITING (to be matched) -> UNMATCHED, or HIT: its block is wanted
 *                AMBIGUOUS (several filters) -> UNMATCHED or HIT
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

/* A filter on its way; owns its bytes. */
struct spv_scan_filter {
    uint32_t height; /* 0: it is of no use any more */
    struct spv_filter_hash hash;
    struct spv_blockhash block;
    uint8_t *bytes; /* NULL: they have a new owner */
    size_t n;
    bool is_alternative;
    bool is_kept;
};

struct spv_scan_filters {
    struct spv_scan_filter *list;
    size_t n, cap;
};

/* A height with several filters. */
struct spv_scan_conflict {
    uint32_t height;
    struct spv_blockhash block;
    struct spv_filter_hash hashes[SPV_FILTER_MAX_BRANCHES + 1]; /* the stored one first */
    bool no_match[SPV_FILTER_MAX_BRANCHES + 1]; /* it was matched, and does not */
    size_t n;
    bool wants_block; /* one of them matches, or no peer sends it */
    bool has_stored; /* the stored one was matched, or no peer sends it */
    uint8_t *stored; /* it, to be checked against the block */
    size_t n_stored;
};

/* A height whose block is wanted. */
struct spv_scan_candidate {
    uint32_t height;
    struct spv_blockhash hash;
    uint8_t *filter; /* the stored one; NULL: it did not come */
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
    bool range_known; /* of the stored filter headers: then `lowest` is */
    uint32_t first_checkable; /* height whose filter can be checked */
    uint32_t available;
    bool at_tip;

    /* The pass: the main one, with all scripts, or a second look at gaps, with those added late. */
    bool catch_up;
    struct spv_scan_ranges ranges; /* of a second look: those not done, the current one first */
    size_t first_script; /* the pass looks for those from this number on */
    uint32_t main_next; /* the main pass goes on here after a second look */
    uint32_t lowest; /* the lowest height in progress */
    uint32_t fetched_to; /* filters up to here are being fetched, or were */
    uint32_t top; /* the highest height that may have a state but MISSING */
    uint32_t queried_to; /* filters up to here were given to the matcher */
    uint8_t *heights; /* enum spv_scan_height of `lowest` and above; SPV_SCAN_RING_HEIGHTS */

    struct spv_scan_ranges missed; /* for the next second look */
    size_t missed_script; /* with the scripts from this number on */

    /* To be matched; with the matcher; matched, for a KEEP_FILTERS effect. */
    struct spv_scan_filters pending, matching, keeping;
    bool is_matching;
    struct spv_filter_query *query;
    bool query_is_old; /* it lacks scripts: another one is made for the next filters */
    struct spv_filter *views; /* of `matching`, for the effect, with its results */
    int *results;
    size_t cap_views;
    struct spv_filter *kept_views; /* the same for KEEP_FILTERS */
    uint32_t *kept_heights;
    size_t cap_kept;

    struct spv_scan_conflict *conflicts;
    size_t n_conflicts;
    struct spv_scan_candidate *candidates; /* ascending */
    size_t n_candidates, cap_candidates;
    size_t buffered_bytes; /* of filters */
    size_t block_bytes; /* of blocks held */

    uint32_t samples[SPV_SCAN_SAMPLES]; /* heights; 0: done */
    bool samples_chosen;

    bool keeps_only; /* without scripts, and what is kept is bounded: see filter_scan_keep.c */
    uint32_t window_first; /* the lowest height that it has gone down to; 0: not begun */
    size_t largest_filter; /* of all windows so far, bytes */

    uint32_t rolled_back_to; /* an UNDONE event is due; UINT32_MAX: none is */
    uint32_t reported_to; /* the highest block that was reported */
    bool done_reported; /* DONE was, and nothing has changed since */
    bool reports_all; /* blocks that were fetched, whatever was found in them */
    bool is_searched; /* the block at base was */
    uint32_t *positions; /* of the transactions found in it */
    size_t n_positions;
    bool is_reported; /* the match at base was: the next call goes on */
    uint32_t invalid_height; /* height; 0: none */
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

/* Whether the block at base, which was searched, is reported. */
static inline bool spv_scan_is_found(const struct spv_filter_scan *s)
{
    return s->is_searched && (s->n_positions > 0 || s->reports_all);
}

/* filter_scan_candidates.c */
/* The block of a height is wanted: the hit owns the filter then (may be NULL). */
int spv_scan_add_candidate(struct spv_filter_scan *s, uint32_t height,
                           const struct spv_blockhash *hash, uint8_t *filter, size_t n_filter);
/* The hit of a height is a sample. */
void spv_scan_set_sample(struct spv_filter_scan *s, uint32_t height);
/* Wants the blocks of the lowest hits, as many as may be held. */
int spv_scan_want_blocks(struct spv_filter_scan *s, struct spv_now now);
/* The hit of the base; NULL: it has none. */
struct spv_scan_candidate *spv_scan_lowest_candidate(struct spv_filter_scan *s);
/* Checks the filter of the base's hit against its block and searches it: sets positions, or
 * disproved. Returns 0 or SPV_ERR_NOMEM. */
int spv_scan_search_candidate(struct spv_filter_scan *s,
                              const struct spv_scan_candidate *candidate);
/* What was found in the block at base is forgotten. */
void spv_scan_forget_search(struct spv_filter_scan *s);
/* The hit of the base is done with. */
void spv_scan_remove_lowest_candidate(struct spv_filter_scan *s);
void spv_scan_remove_candidates_above(struct spv_filter_scan *s, uint32_t height);

/* filter_scan_keep.c */
/* Begins at the tip: the first height of the main pass; 0: not yet. */
uint32_t spv_scan_keep_begin(struct spv_filter_scan *s);
/* The next window below, when what was kept leaves space for it: added to the gaps, true. */
bool spv_scan_keep_next(struct spv_filter_scan *s);

/* filter_scan_match.c */
int spv_scan_take_filter(struct spv_filter_scan *s, const struct spv_fetched_filter *f,
                         struct spv_now now);
/* Emits a MATCH_FILTERS effect when filters wait and none is unanswered. */
int spv_scan_match(struct spv_filter_scan *s);
/* Filters that no peer sends. */
int spv_scan_take_missing(struct spv_filter_scan *s);
void spv_scan_remove_filters_above(struct spv_filter_scan *s, uint32_t height);
/* All but those that are with the matcher. */
void spv_scan_free_filters(struct spv_filter_scan *s);
/* The MATCH_FILTERS effect was executed. */
int spv_scan_take_results(struct spv_filter_scan *s);
/* After the matcher is done with them, at the end. */
void spv_scan_free_matching(struct spv_filter_scan *s);

#endif
