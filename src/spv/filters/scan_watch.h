/* What a scan searches for: scripts, and the outputs found that pay them. */
#ifndef SPV_SPV_FILTERS_SCAN_WATCH_H
#define SPV_SPV_FILTERS_SCAN_WATCH_H

#include "spv/block.h"
#include "spv/filter.h"

#define SPV_SCAN_MAX_SCRIPTS 4000000 /* ours: 200 MB of scripts; thousands are usual */

struct spv_scan_watch;

int spv_scan_watch_new(struct spv_scan_watch **out, const struct spv_rng *rng);
void spv_scan_watch_free(struct spv_scan_watch *w);

/* Copies scripts; empty ones and those that are watched already are left out. Returns 0,
 * SPV_ERR_TOO_MANY or SPV_ERR_NOMEM; some are watched then. */
int spv_scan_watch_add(struct spv_scan_watch *w, const struct spv_bytes *scripts, size_t n);
/* The number of watched scripts. Scripts are numbered from 0 in the order in which they were added.
 */
size_t spv_scan_watch_count(const struct spv_scan_watch *w);
/* The lowest number among those of n scripts that are watched; spv_scan_watch_count when none is.
 */
size_t spv_scan_watch_lowest(const struct spv_scan_watch *w, const struct spv_bytes *scripts,
                             size_t n);
/* Creates a query of the scripts from number `first` on. */
int spv_scan_watch_query(const struct spv_scan_watch *w, struct spv_filter_query **out,
                         size_t first);
/* Watches an output that pays a script, to find the transaction that spends it. Returns 0 or
 * SPV_ERR_NOMEM. */
int spv_scan_watch_add_output(struct spv_scan_watch *w, const struct spv_txid *txid, uint32_t index,
                              const struct spv_bytes *script);
/* Returns true and the script of a watched output, or false. */
bool spv_scan_watch_find_output(const struct spv_scan_watch *w, struct spv_bytes *script,
                                const struct spv_txid *txid, uint32_t index);

/* Finds the transactions of a block that pay a watched script or spend a watched output, and
 * watches the outputs found. *positions (n of them, ascending) is allocated with malloc, NULL for
 * none. Returns 0, or SPV_ERR_NOMEM: some outputs may be watched. */
int spv_scan_watch_search(struct spv_scan_watch *w, uint32_t **positions, size_t *n,
                          const struct spv_block *block);

size_t spv_scan_watch_memory(const struct spv_scan_watch *w);

#endif
