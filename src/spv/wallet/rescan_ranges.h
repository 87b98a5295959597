/* The scripts whose past a source is searching: those of ranges watches, and those of windows that
 * grew beyond what the scan began with. Each range of a branch is given to the source once; when
 * the source is done with everything, the wallet is told that they were searched. */
#ifndef SPV_WALLET_RESCAN_RANGES_H
#define SPV_WALLET_RESCAN_RANGES_H

#include "spv/wallet.h"

struct spv_rescan_ranges { /* zeroed: none */
    struct spv_rescan_range *list; /* in the wallet's order */
    size_t n, cap;
    struct spv_rescan_range *next; /* that replaces it */
    size_t next_cap;
    struct spv_bytes *scripts; /* found by the last collect; borrowed from the wallet */
    size_t n_scripts, cap_scripts;
    bool found; /* the last collect found a range, even of no scripts (a watched txid) */
    int64_t birthday; /* the earliest one of what it found */
};

void spv_rescan_ranges_free(struct spv_rescan_ranges *ranges);
/* The source was stopped: nothing is being searched. */
void spv_rescan_ranges_clear(struct spv_rescan_ranges *ranges);
/* Collects the scripts that are unsearched in the wallet and not being searched yet; they count as
 * being searched from now on. Returns 0 or SPV_ERR_NOMEM. */
int spv_rescan_ranges_collect(struct spv_rescan_ranges *ranges, const struct spv_wallet *wallet);
/* The source is done: tells the wallet. Returns 0 or an error of the wallet. */
int spv_rescan_ranges_finish(struct spv_rescan_ranges *ranges, struct spv_wallet *wallet);

#endif
