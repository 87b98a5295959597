/* Scanning for scripts with compact block filters (BIP157, BIP158): what a scan reports, and the
 * two tasks that the caller of a node executes for it. The scan itself is a part of the node
 * (spv/node.h: spv_node_scan and the functions after it). */
#ifndef SPV_SCAN_H
#define SPV_SCAN_H

#include "spv/block.h"
#include "spv/filter.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a scan reports. The heights of the FOUND events of one pass ascend. ROLLED_BACK withdraws
 * everything above its height; the pass resumes above it. Scripts that are added during a scan are
 * searched for in the blocks already passed by a catch-up pass, after the main pass has reached its
 * end: its FOUND events start at a lower height again. The same happens where another filter of a
 * block became known. A block may be reported twice. */
enum spv_scan_event_kind {
    SPV_SCAN_FOUND = 0, /* a block that pays a watched script, or spends an output that does */
    SPV_SCAN_ROLLED_BACK = 1, /* the chain was reorganised above `height`, or a filter was proven
                                 invalid: what was reported above is void */
    SPV_SCAN_DONE = 2, /* everything up to `height` is scanned; again when there are more blocks */
};

/* All is borrowed: valid until the next call on the node. */
struct spv_scan_event {
    enum spv_scan_event_kind kind;
    uint32_t height;
    struct spv_blockhash hash; /* FOUND: of the block, which is on the best chain */
    struct spv_block block; /* FOUND: checked against its header, witnesses included */
    const uint32_t *positions; /* FOUND: indexes of the transactions in the block, ascending */
    size_t n; /* number of positions */
};

/* Match each filter with the query: results[i] is what spv_filter_match returns for filters[i]. May
 * be executed on other threads while the node processes other inputs. */
struct spv_match_filters_task {
    const struct spv_filter_query *query;
    const struct spv_filter *filters;
    int *results;
    size_t n;
};

/* Filters to be kept (spv_store_keep_filter). */
struct spv_keep_filters_task {
    const uint32_t *heights;
    const struct spv_filter *filters;
    size_t n;
};

struct spv_scan_stats {
    bool running; /* a scan was begun and not stopped */
    uint32_t first, last; /* heights; last UINT32_MAX: it follows the tip */
    uint32_t next_height; /* the lowest height that is not scanned yet */
    size_t scripts; /* watched */
    uint64_t filters, filter_bytes; /* matched so far; bytes of them */
    uint64_t filters_kept; /* of `filters`, those read from the database */
    uint64_t candidates; /* blocks whose filter matched, and samples: fetched or to be fetched */
    uint64_t blocks; /* fetched */
    uint64_t found; /* blocks reported */
    uint64_t samples; /* random blocks fetched although their filter does not match, to check it */
    size_t memory; /* bytes, not counting the watched scripts and outputs */
};

#ifdef __cplusplus
}
#endif

#endif
