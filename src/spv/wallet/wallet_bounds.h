/* The bounds of what peers can make the wallet hold: unconfirmed transactions, which anyone can
 * invent. Dropped first are those that the fewest network groups announced, of these the oldest.
 * Never dropped are those published here or once in a block, and their unconfirmed ancestors. */
#ifndef SPV_WALLET_WALLET_BOUNDS_H
#define SPV_WALLET_WALLET_BOUNDS_H

#include "spv/wallet/wallet_state.h"

/* Deletes pending transactions, with their descendants, until all bounds are kept; peer is the one
 * that sent the last (0: none). */
int spv_wallet_enforce_bounds(struct spv_wallet *w, uint64_t peer);
/* Deletes the weakest pending spenders of the outputs that a new transaction spends, with their
 * descendants, beyond SPV_WALLET_MAX_CONFLICTS of each; the new one may be among them. */
int spv_wallet_limit_conflicts(struct spv_wallet *w, uint32_t tx);

#endif
