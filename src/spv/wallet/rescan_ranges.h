/* Ranges of scripts for which a source is rescanning blocks: scripts of watches that were added
 * during a scan, and of windows that have moved. Each range is given to the source once; when the
 * source is done, the ranges are reported to the wallet as rescanned. */
#ifndef SPV_WALLET_RESCAN_RANGES_H
#define SPV_WALLET_RESCAN_RANGES_H

#include "spv/wallet.h"

struct spv_rescan_ranges { /* zeroed: none */
    struct spv_rescan_range *list; /* being rescanned, in the wallet's order */
    size_t n, cap;
    struct spv_rescan_range *next; /* the list that the next collect builds */
    size_t next_cap;
    struct spv_bytes *scripts; /* found by the last collect; borrowed from the wallet */
    size_t n_scripts, cap_scripts;
    bool found; /* the last collect found a new range, also one without scripts (a watched txid) */
    int64_t birthday; /* the earliest one of the ranges that it found */
};

void spv_rescan_ranges_free(struct spv_rescan_ranges *ranges);
/* The source was stopped: no range is being rescanned. */
void spv_rescan_ranges_clear(struct spv_rescan_ranges *ranges);
/* Collects the scripts that need a rescan and are not being rescanned yet; from now on they are.
 * Returns 0 or SPV_ERR_NOMEM. */
int spv_rescan_ranges_collect(struct spv_rescan_ranges *ranges, const struct spv_wallet *wallet);
/* The source is done: reports all ranges to the wallet as rescanned. Returns 0 or an error of the
 * wallet. */
int spv_rescan_ranges_finish(struct spv_rescan_ranges *ranges, struct spv_wallet *wallet);

#endif
