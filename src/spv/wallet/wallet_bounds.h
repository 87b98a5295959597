/* Bounds on the unconfirmed transactions that peers can make the wallet store: anyone can invent
 * them. Dropped first: those that the fewest network groups announced, of these the lowest id
 * (first seen earliest). Never dropped are those published here or once in a block, and their
 * unconfirmed ancestors. */
#ifndef SPV_WALLET_WALLET_BOUNDS_H
#define SPV_WALLET_WALLET_BOUNDS_H

#include "spv/wallet/wallet_state.h"

/* Deletes pending transactions, with their descendants, until no bound is exceeded; peer is the one
 * that sent the last transaction (0: none). */
int spv_wallet_enforce_bounds(struct spv_wallet *w, uint64_t peer);
/* Of the outputs that a new transaction spends, deletes the pending spenders beyond
 * SPV_WALLET_MAX_CONFLICTS, in the same order, with their descendants; the new one may be among
 * them. */
int spv_wallet_limit_conflicts(struct spv_wallet *w, uint32_t tx);

#endif
