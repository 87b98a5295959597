/* The bounds of what peers can make the wallet hold: unconfirmed transactions, which anyone can
 * invent. Those that the fewest network groups announced go first, of these the oldest; those
 * that were in a block last; those published here, and their ancestors, never. */
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
