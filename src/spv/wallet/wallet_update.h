/* The end of an input: windows, states, coins, balances and sums follow what the input changed, and
 * rows that differ become changes. */
#ifndef SPV_WALLET_WALLET_UPDATE_H
#define SPV_WALLET_WALLET_UPDATE_H

#include "spv/wallet/wallet_state.h"

/* Marks the scripts as used that a transaction pays, until no window moves any more. */
int spv_wallet_use_scripts(struct spv_wallet *w, uint32_t tx);
/* Makes the coins active that the windows reach that moved since. */
int spv_wallet_follow_windows(struct spv_wallet *w);
/* Deletes a transaction: its row, coins and shares. */
int spv_wallet_delete_tx(struct spv_wallet *w, uint32_t tx);
/* Removes the coins of a transaction whose scripts no watch has any more, and their rows. */
int spv_wallet_drop_unowned_coins(struct spv_wallet *w, uint32_t tx);
/* Ends an input whose result is rc: a count, or an error, after which all further inputs are
 * refused. Returns rc or another error. */
int spv_wallet_end_operation(struct spv_wallet *w, int rc);
/* Frees the changes. */
void spv_wallet_drop_changes(struct spv_wallet *w);

#endif
