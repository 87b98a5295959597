/* Scanning for scripts with compact block filters (BIP157, BIP158): what a scan finds, and the two
 * tasks that a node has others do for it. A scan itself is a part of the node (spv/node.h:
 * spv_node_scan and the functions after it). */
#ifndef SPV_SCAN_H
#define SPV_SCAN_H

#include "spv/block.h"
#include "spv/filter.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a scan reports. The MATCHes of one pass ascend. UNDONE withdraws all above its height; the
 * pass goes on from there. Blocks that were passed are searched by a second pass, whose MATCHes
 * start lower again, for scripts that were added during the scan, and where another filter became
 * known. A block may be reported twice. */
enum spv_scan_event_kind {
    SPV_SCAN_FOUND = 0, /* a block with transactions that pay a watched script, or spend an output
                           that was found to */
    SPV_SCAN_ROLLED_BACK = 1, /* the chain was reorganised above `height`, or a filter proved false:
                            what was reported above is void */
    SPV_SCAN_DONE = 2, /* everything up to `height` is scanned; again when there are more blocks */
};

/* All is borrowed: valid until the next call on the node. */
struct spv_scan_event {
    enum spv_scan_event_kind kind;
    uint32_t height;
    struct spv_blockhash hash; /* MATCH: the block's, which is on the best chain */
    struct spv_block block; /* MATCH: checked against its header, witnesses included */
    const uint32_t *positions; /* MATCH: of the transactions in the block, ascending */
    size_t n; /* of them */
};

/* Match each filter with the query: results[i] is what spv_filter_match returns for filters[i]. May
 * be done on other threads, while the node takes other inputs. */
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
    bool running; /* a scan was begun, and was not stopped */
    uint32_t first, last; /* its heights; last: UINT32_MAX when it follows the tip */
    uint32_t next_height; /* the lowest that is not scanned yet */
    size_t scripts; /* watched */
    uint64_t filters, filter_bytes; /* matched so far */
    uint64_t filters_kept; /* of them from the database */
    uint64_t candidates; /* blocks that were fetched, or are to be */
    uint64_t blocks; /* that were fetched */
    uint64_t found; /* blocks that were reported */
    uint64_t samples; /* blocks that were fetched to check their filters, at random */
    size_t memory; /* bytes, without the scripts and outputs that are watched */
};

#ifdef __cplusplus
}
#endif

#endif
